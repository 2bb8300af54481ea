"""What metrics need to know of a set of images: read batch by batch, and kept for the next time."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from madtheory._validation import check_size
from madtheory.data import Moments
from madtheory.images._images import Images
from madtheory.images._shard import ImageStoreError
from madtheory.images._store import key_of, read_arrays, write_arrays
from madtheory.images.features import Features

__all__ = ["FeatureSummary", "check_images", "feature_summary"]

_VERSION = 1


class FeatureSummary(NamedTuple):
    """Features of a set of images: the moments of all, and those of some images.

    Attributes
    ----------
    moments : Moments
        Number, mean and scatter of the features of all images.
    points : array, shape (m, d)
        Features of `most` images that are chosen at random, always the same ones, in their order; those of
        all if there are no more.
    features : str
        The name of the features.
    """

    moments: Moments
    points: NDArray[Any]
    features: str


def feature_summary(
    images: Images,
    features: Features,
    *,
    most: int = 10_000,
    batch: int = 256,
    store: str | os.PathLike[str] | None = None,
) -> FeatureSummary:
    """Moments of the features of all images, and the features of at most `most` of them, in one pass.

    Parameters
    ----------
    images : Images
        Read batch by batch: never all at once.
    features : Features
        The network.
    most : int
        How many images to keep the features of; 0 is none.
    batch : int
        Images read and computed at once. No effect, beyond rounding.
    store : path, optional
        A folder where the summary is kept, under ``features``. It is found by the content of images and
        network, code included. A damaged file is replaced, with a warning. ``None``: nothing is kept.

    Raises
    ------
    ValueError
        If there is a store, and the function of the features has no identity by content.
    """
    check_images("images", images)
    most, batch = check_size("most", most, 0), check_size("batch", batch)
    if store is None:
        return _streamed(images, features, most, batch)
    known = [features.name, features.content]
    key = key_of(summary=_VERSION, images=images.fingerprint(), features=known, most=most)
    path = Path(store) / "features" / f"{key}.safetensors"
    summary = _kept(path, features.name)
    if summary is None:
        summary = _streamed(images, features, most, batch)
        _keep(path, summary)
    return summary


def check_images(name: str, images: Any, least: int = 1, why: str = "") -> None:
    """Refuse what is no set of `least` images."""
    if not isinstance(images, Images):
        raise TypeError(
            f"{name} is a {type(images).__name__}; pass Images: for an array Images.of(array), for a "
            f"RealImages its .images."
        )
    if len(images) < least:
        raise ValueError(f"{name} holds {len(images)} images; pass {least} or more{why}.")


def _streamed(images: Images, features: Features, most: int, batch: int) -> FeatureSummary:
    n = len(images)
    chosen = np.arange(n)
    if most < n:
        # A set may be sorted by class, so that its first images would not do.
        chosen = np.sort(np.random.default_rng(0).choice(n, most, replace=False))
    moments: list[Moments] = []
    points: list[NDArray[Any]] = []
    first = 0
    for block in _blocks(images, features, batch):
        here = chosen[slice(*np.searchsorted(chosen, [first, first + len(block)]))]
        points.append(block[here - first])
        moments = [Moments.joined([*moments, Moments.of(block)])]
        first += len(block)
    return FeatureSummary(moments[0], np.concatenate(points), features.name)


def _blocks(images: Images, features: Features, batch: int) -> Iterator[NDArray[Any]]:
    """Features in blocks of several batches: a scatter is best made of more images than features."""
    held: list[NDArray[Any]] = []
    for pixels in images.batches(batch):
        held.append(features(pixels))
        if sum(map(len, held)) >= 2 * held[0].shape[1]:
            yield np.concatenate(held)
            held = []
    if held:
        yield np.concatenate(held)


def _kept(path: Path, name: str) -> FeatureSummary | None:
    if not path.exists():
        return None
    try:
        header, arrays = read_arrays(path)
    except ImageStoreError as error:
        warnings.warn(f"{error} Now the features are computed again, and it is replaced.", stacklevel=3)
        return None
    n = float(header["n"])
    return FeatureSummary(Moments(n, n, arrays["mean"], arrays["root"]), arrays["points"], name)


def _keep(path: Path, summary: FeatureSummary) -> None:
    moments = summary.moments
    root = moments.root if moments.exponent is None else np.ldexp(moments.root, moments.exponent)
    try:
        write_arrays(
            path, {"mean": moments.mean, "root": root, "points": summary.points}, {"n": float(moments.weight)}
        )
    except ImageStoreError as error:
        warnings.warn(f"The features are not kept for the next time: {error}", stacklevel=3)
