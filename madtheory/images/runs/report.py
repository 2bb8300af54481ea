"""The page of a run: curves, numbers and pictures in one HTML file that needs no other."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from madtheory.images.data import Images, Index, Pixels, pillow
from madtheory.images.runs.folder import Line, RunFolder
from madtheory.plotting import style

_CURVES = {
    "frechet_distance": ("Fréchet distance", "0 is best"),
    "precision": ("precision", "share of synthetic images that look real"),
    "recall": ("recall", "share of real images that are reached"),
}

_OPTIONS = ("scale", "n_synthetic", "weight")  # given to a preset
_SHARES = ("precision", "recall")

_MARGINS = {"left": 0.055, "right": 0.995, "bottom": 0.23, "top": 0.85, "wspace": 0.17}

_STYLE = """
:root { color-scheme: light; }
body { margin: 0 auto; max-width: 66rem; padding: 2.5rem 1.5rem 4rem; color: #222; background: #fff;
       font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .3rem; }
h2 { font-size: 1.15rem; margin: 2.6rem 0 .7rem; }
p { margin: .3rem 0 .8rem; max-width: 46rem; }
.quiet { color: #666; }
svg { width: 100%; height: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem 1.1rem; text-align: right; border-bottom: 1px solid #e4e4e4; }
th { font-weight: 600; border-bottom-color: #999; }
th:first-child, td:first-child { padding-left: .2rem; text-align: left; }
td.weights { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .8rem; color: #666; }
.grids { display: flex; flex-wrap: wrap; gap: 1.6rem 1.5rem; }
figure { margin: 0; width: 20rem; }
figure img { display: block; max-width: 100%; width: 100%; max-height: 32rem; object-fit: contain;
             object-position: left top; image-rendering: pixelated; }
.note { border-left: 4px solid #b58900; padding-left: .8rem; }
figcaption { font-weight: 600; margin-bottom: .35rem; }
pre { background: #f6f6f4; border-radius: 6px; padding: .8rem 1rem; overflow-x: auto; font-size: .82rem; }
summary { cursor: pointer; }
"""


def report(kept: RunFolder, config: Mapping[str, Any]) -> bytes:
    """Return the page of the lines and the pictures in the folder of a run, reproducibly."""
    lines, about, run = kept.lines(), config["about"], config["run"]
    title = str(about.get("title", "A loop of image models"))
    source = f"<p>Source: {escape(str(about['source']))}.</p>" if "source" in about else ""
    pictures = [("Real images", kept.real)]
    pictures += [(f"Generation {line['generation']}", kept.grid(line["generation"])) for line in lines]
    body = f"""
<h1>{escape(title)}</h1>
{source}
{_warning(about)}
<p class="quiet">{escape(_summary(about, run, len(lines)))}</p>
{_curves(lines, run["features"]) if lines else ""}
<h2>Samples</h2>
<p>In every generation the images are made from the same seeds, so that what changes is the network.</p>
<div class="grids">{"".join(_figure(caption, path) for caption, path in pictures if path.exists())}</div>
<h2>Numbers</h2>
{_table(lines, run["features"])}
<h2>How to continue</h2>
{_how_to_resume(about)}
<h2>Configuration</h2>
<details><summary>config.json</summary><pre>{escape(json.dumps(config, indent=1))}</pre></details>
"""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
    page = (
        f'<!doctype html>\n<html lang="en"><head>{head}<title>{escape(title)}</title></head>\n'
        f"<body>{body}</body></html>\n"
    )
    return page.encode()


def _summary(about: Mapping[str, Any], run: Mapping[str, Any], done: int) -> str:
    wanted, given = run["generations"], run["loop"]["bias"]
    which = f"All {wanted}" if done == wanted else f"{done} of {wanted}"
    words = [f"{which} generations are finished."]
    if "preset" in about:
        given_too = about.get("arguments", {})
        options = [f"{name} {given_too[name]}" for name in _OPTIONS if given_too.get(name) is not None]
        words.append(", ".join([about["preset"], *options]) + ".")
    words.append(
        f"Regime {run['regime']}{'' if given is None else f', bias {given:.3g}'}, seed {run['seed']}. Each "
        f"generation is measured on {run['n_evaluation']:,} images, by the features {run['features']}."
    )
    return " ".join(words)


def _warning(about: Mapping[str, Any]) -> str:
    if about.get("arguments", {}).get("scale") != "smoke":
        return ""
    return (
        '<p class="note">This run tests the plumbing: its networks are trained for seconds, so that their '
        "images are noise, and the numbers below are not results. The scales small and full give results.</p>"
    )


def _names(features: str) -> dict[str, tuple[str, str]]:
    distance = "FID" if features.startswith("inception-") else "Fréchet distance"
    return {**_CURVES, "frechet_distance": (distance, _CURVES["frechet_distance"][1])}


def _curves(lines: Sequence[Line], features: str) -> str:
    """Return the measurements by generation, as SVG."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    x = [line["generation"] for line in lines]
    # Margins that are known beforehand: to find the least ones, each label would be drawn twice.
    with style(), mpl.rc_context({"svg.hashsalt": "madtheory", "figure.constrained_layout.use": False}):
        figure = Figure(figsize=(10, 2.7))
        FigureCanvasSVG(figure)
        places = figure.add_gridspec(1, len(_CURVES), **_MARGINS)
        for i, (name, (label, meaning)) in enumerate(_names(features).items()):
            axes = figure.add_subplot(places[i])
            axes.plot(x, [line[name] for line in lines], "o-", color=f"C{i}")
            axes.set_title(label[0].upper() + label[1:])
            axes.set_xlabel(f"generation\n({meaning})")
            axes.set_xlim(0.7, max(x[-1], 2) + 0.3)
            axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
            highest = 1.0 if name in _SHARES else max(line[name] for line in lines)
            axes.set_ylim(0, 1.05 * highest or 1)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    drawing = file.getvalue()
    values = "; ".join(f"{label} by generation" for label, _ in _names(features).values())
    return drawing[drawing.index("<svg") :].replace("<svg ", f'<svg role="img" aria-label="{values}" ', 1)


def _figure(caption: str, path: Path) -> str:
    coded = base64.b64encode(path.read_bytes()).decode()
    return (
        f"<figure><figcaption>{caption}</figcaption>"
        f'<img alt="{caption}: a grid of images" src="data:image/png;base64,{coded}"></figure>\n'
    )


def _table(lines: Sequence[Line], features: str) -> str:
    names = _names(features)
    head = "".join(f"<th>{label}</th>" for label, _ in names.values())
    rows = "".join(
        f"<tr><td>{line['generation']}</td>"
        + "".join(f"<td>{line[name]:{'.3f' if name in _SHARES else '.4g'}}</td>" for name in names)
        + f"<td>{line['n_training']:,}</td>"
        + f'<td class="weights">{escape(line["weights"][:12])}</td></tr>\n'
        for line in lines
    )
    head = f"<th>generation</th>{head}<th>trained on</th><th>sha256 of the weights</th>"
    return f"<table><tr>{head}</tr>\n{rows}</table>"


def _how_to_resume(about: Mapping[str, Any]) -> str:
    if "preset" not in about:
        return (
            "<p>Call the same <code>Run(...).go(folder)</code> again; with more generations the run is made "
            "longer. What is finished is read.</p>"
        )
    return (
        "<p>After an interruption at any moment, with FOLDER for the folder of this page:</p>"
        "<pre>madtheory images resume FOLDER</pre>"
    )


_GAP, _CELL, _LARGEST, _WIDTH, _MOST, _CLASSES = 2, 32, 256, 560, 8, 12
_TALLEST = 1.5
"""Height of a picture over its width."""


def grid(images: Images) -> bytes:
    """Return a PNG of images at fixed places: as many of each class, otherwise the first ones.

    Small images are enlarged, pixel by pixel, and images of more than 256 pixels reduced. The picture is at
    most 1.5 times as high as wide, unless it is a column of single high images.
    """
    _, height, width, channels = images.shape
    times, parts = max(1, _CELL // max(height, width)), -(-max(height, width) // _LARGEST)
    wide, high = (-(-times * size // parts) + _GAP for size in (width, height))
    most = _MOST * max(1, round(high / wide))
    columns = int(np.clip(_WIDTH // wide, 4, most))
    places = _arrange(images, columns, wide / high)
    cells = images.batch(places[places >= 0])
    cells = cells.repeat(times, axis=1).repeat(times, axis=2) if times > 1 else _reduce(cells, parts)
    return _png(_tile(cells if channels in (1, 3) else cells[..., :1], places))


def _reduce(cells: Pixels, parts: int) -> Pixels:
    """Return images of the mean of every square of `parts` x `parts` pixels."""
    if parts == 1:
        return cells
    flat = [cell[..., 0] if cell.shape[-1] not in (1, 3) or cell.shape[-1] == 1 else cell for cell in cells]
    made = np.stack([np.asarray(pillow().fromarray(cell).reduce(parts)) for cell in flat])
    return made[..., None] if made.ndim == 3 else made


def _arrange(images: Images, columns: int, flatness: float) -> Index:
    """Return which image stands in each cell, shape (rows, columns); -1 is an empty cell.

    `flatness` is the width of a cell over its height.
    """
    labels = images.labels
    if labels is None or len(np.unique(labels)) > _CLASSES:
        n = min(len(images), columns * min(columns, max(1, int(_TALLEST * flatness * columns))))
        columns = min(columns, math.ceil(math.sqrt(n / min(1.0, flatness))))
        return _fill(np.arange(n), -(-n // columns), columns)
    places = [np.flatnonzero(labels == c) for c in np.unique(labels)]
    each, side_by_side = _block(len(places), min(columns, max(map(len, places))), columns, flatness)
    # Few classes have several rows, as far as there are images.
    most = min(columns, int(_TALLEST * flatness * each)) // len(places) if side_by_side == 1 else 1
    lines = max(1, min(most, min(map(len, places)) // each))
    blocks = [_fill(found[: lines * each], lines, each) for found in places]
    blocks += [np.full((lines, each), -1)] * (-len(blocks) % side_by_side)
    rows = [np.hstack(blocks[i : i + side_by_side]) for i in range(0, len(blocks), side_by_side)]
    return np.vstack(rows)


def _block(classes: int, each: int, columns: int, flatness: float) -> tuple[int, int]:
    """Return how many images of a class stand in a row, and how many classes side by side."""
    for fewer in range(each, 0, -1):
        for side_by_side in range(1, columns // fewer + 1):
            if -(-classes // side_by_side) <= _TALLEST * flatness * side_by_side * fewer:
                return fewer, side_by_side
    return 1, columns


def _fill(chosen: Index, rows: int, columns: int) -> Index:
    places = np.full(rows * columns, -1)
    places[: len(chosen)] = chosen
    return places.reshape(rows, columns)


def _tile(cells: Pixels, places: Index) -> Pixels:
    _, height, width, channels = cells.shape
    rows, columns = places.shape
    picture = np.full(
        (rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, channels), 255, dtype=np.uint8
    )
    for (row, column), cell in zip(np.argwhere(places >= 0), cells, strict=True):
        top, left = row * (height + _GAP), column * (width + _GAP)
        picture[top : top + height, left : left + width] = cell
    return picture


def _png(picture: Pixels) -> bytes:
    file = io.BytesIO()
    pillow().fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).save(
        file, "PNG", optimize=True
    )
    return file.getvalue()
