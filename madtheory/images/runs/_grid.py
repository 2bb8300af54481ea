"""Pictures of many images, as PNG."""

from __future__ import annotations

import io

import numpy as np

from madtheory.images._files import pillow
from madtheory.images._images import Images
from madtheory.images._parts import Index, Pixels

__all__ = ["grid"]

_GAP, _CELL, _WIDTH, _MOST, _CLASSES = 2, 32, 560, 8, 12


def grid(images: Images) -> bytes:
    """A PNG of some of the images, always at the same places: of each class some rows, else the first ones.

    Small images are enlarged, pixel by pixel; at most 8 stand in a row, and less if they are large.
    """
    _, height, width, channels = images.shape
    times = max(1, _CELL // max(height, width))
    columns = int(np.clip(_WIDTH // (times * width + _GAP), 4, _MOST))
    chosen, columns = _chosen(images, columns)
    cells = images.batch(chosen).repeat(times, axis=1).repeat(times, axis=2)
    return _png(_tiled(cells if channels in (1, 3) else cells[..., :1], columns))


def _chosen(images: Images, columns: int) -> tuple[Index, int]:
    """Which images, and how many in a row."""
    labels = images.labels
    if labels is None or len(np.unique(labels)) > _CLASSES:
        return np.arange(min(len(images), columns * columns)), columns
    places = [np.flatnonzero(labels == c) for c in np.unique(labels)]
    fewest = min(map(len, places))
    columns = min(columns, fewest)
    rows = min(max(1, columns // len(places)), fewest // columns)
    return np.concatenate([found[: rows * columns] for found in places]), columns


def _tiled(cells: Pixels, columns: int) -> Pixels:
    n, height, width, channels = cells.shape
    rows = -(-n // columns)
    picture = np.full(
        (rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, channels), 255, dtype=np.uint8
    )
    for i, cell in enumerate(cells):
        top, left = (i // columns) * (height + _GAP), (i % columns) * (width + _GAP)
        picture[top : top + height, left : left + width] = cell
    return picture


def _png(picture: Pixels) -> bytes:
    file = io.BytesIO()
    pillow().fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).save(
        file, "PNG", optimize=True
    )
    return file.getvalue()
