"""Animations: samples of the model of every generation, one frame after the other."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from madtheory.core import Loop, iterate
from madtheory.files import write_atomically
from madtheory.plotting.pictures import mosaic, sample_grid, style
from madtheory.validation import check_number, check_path, check_size, show

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Kind: TypeAlias = Literal["points", "density", "images"]
Draw: TypeAlias = Callable[[Any], None]
_Ends: TypeAlias = tuple[NDArray[Any], NDArray[Any]]

_SIZES = {"points": 500, "density": 5000, "images": 36}
_SUFFIXES = (".gif", ".html")
_WIDTH = 240  # pixels of a panel
_DPI = 100
_BINS = 60


@dataclass(frozen=True, eq=False)
class Animation:
    """Frames of a loop: real data, then generation 1, 2, ...; a notebook shows it as a moving picture.

    Attributes
    ----------
    frames : array of uint8, shape (generations + 1, height, width, 3)
        Pictures; frame 0 shows real data.
    seconds : float
        Seconds for which a frame is shown; the first and the last are shown four times as long.
    """

    frames: NDArray[np.uint8]
    seconds: float = 0.4

    def save(self, path: str | Path) -> Path:
        """Write a file and return its path.

        Parameters
        ----------
        path : path
            ``.gif``: a moving picture. ``.html``: a page with buttons that play and step, and a slider,
            which needs no network and no other file.

        Raises
        ------
        ValueError
            If the name ends otherwise.
        StorageError
            If the file cannot be written, for instance because the folder does not exist.
        """
        target = _check_target(path)
        written = self._gif() if target.suffix.lower() == ".gif" else self._page().encode()
        return write_atomically(target, written)

    def _repr_html_(self) -> str:
        data = base64.b64encode(self._gif()).decode()
        return f'<img alt="samples by generation" src="data:image/gif;base64,{data}">'

    def _gif(self) -> bytes:
        frames, out = self._pictures(), io.BytesIO()
        times = [4, *[1] * (len(frames) - 2), 4]
        duration = [round(1000 * self.seconds * time) for time in times]
        rest = frames[1:]
        frames[0].save(
            out, "GIF", save_all=True, append_images=rest, duration=duration, loop=0, optimize=False
        )
        return out.getvalue()

    def _pictures(self) -> list[Any]:
        """Return the frames with one palette of 256 colours for all."""
        from PIL import Image

        every = max(1, len(self.frames) // 6)
        palette = Image.fromarray(np.concatenate(self.frames[::every])).quantize(256)
        return [
            Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
            for frame in self.frames
        ]

    def _page(self) -> str:
        def encode(picture: Any) -> str:
            out = io.BytesIO()
            picture.save(out, "PNG", optimize=True)
            return base64.b64encode(out.getvalue()).decode()

        images = ",\n".join(f'"data:image/png;base64,{encode(picture)}"' for picture in self._pictures())
        return _PAGE.replace("IMAGES", images).replace("MILLISECONDS", str(round(1000 * self.seconds)))


def animate(
    loops: Loop | Mapping[str, Loop],
    generations: int = 20,
    *,
    kind: Kind | None = None,
    shape: tuple[int, ...] | None = None,
    n: int | None = None,
    rng: int = 0,
    seconds: float = 0.4,
) -> Animation:
    """Simulate loops and show samples of the model of every generation, after a frame of real data.

    Each loop has a panel. All panels begin with the same real points where they share their real data, and
    the samples of all generations are made of the same random numbers: what changes is the model.

    Parameters
    ----------
    loops : Loop or mapping of Loop
        Loop, or several by title. One replicate of each is simulated, by points.
    generations : int
        Number of generations.
    kind : {"points", "density", "images"}, optional
        Points are drawn in the plane, in more dimensions in that of the two largest principal axes of the
        real data; a density is a histogram of the first coordinate, in front of that of real data; images
        are drawn in a square. Default: images where there is a `shape`, or the loop is one of images;
        otherwise a density in one dimension, and points in more.
    shape : tuple of int, optional
        Height and width of the images that points are, and 3 for colours. A coordinate after the pixels is
        taken for a class, by which images are ordered.
    n : int, optional
        Points or images in a frame. Default: 500 points, 5000 of a density, 36 images.
    rng : int
        Seed of the loops, the same for all.
    seconds : float
        Seconds for which a frame is shown.

    Returns
    -------
    Animation
        ``save("loop.gif")`` or ``save("loop.html")`` writes it.

    Raises
    ------
    TypeError
        If `loops` holds something else than loops.
    ValueError
        If a number is out of range, `kind` is unknown, or `shape` does not fit the points.

    Examples
    --------
    >>> import madtheory as mad
    >>> loop = mad.Loop(real=mad.Gaussian.standard(2), model=mad.Gaussian(), regime=mad.regimes.replace(n=20))
    >>> moving = mad.plotting.animate({"fully synthetic": loop}, 5)
    >>> moving.frames.shape[0]
    6
    """
    panels = {"": loops} if isinstance(loops, Loop) else loops
    if not isinstance(panels, Mapping) or not panels or not all(isinstance(x, Loop) for x in panels.values()):
        raise TypeError(f"loops={show(loops)} is not a Loop or a mapping of titles to loops; pass one.")
    if kind is not None and kind not in _SIZES:
        raise ValueError(f"kind={show(kind)} is unknown; choose one of {', '.join(map(repr, _SIZES))}.")
    generations = check_size("generations", generations)
    count = None if n is None else check_size("n", n)
    check_number("seconds", seconds, 0, above=True)
    seed = check_size("rng", rng, 0)
    # Real data come first: whether they can be drawn is known before a loop is simulated.
    traces = [_start_trace(loop, kind or _kind(loop, shape), shape, count, seed) for loop in panels.values()]
    for loop, trace in zip(panels.values(), traces, strict=True):
        trace.follow(loop, generations, seed)
    return Animation(_draw(list(panels), traces), float(seconds))


@dataclass(frozen=True)
class _Trace:
    """Real data and the samples of all generations of one loop, as they are drawn."""

    kind: Kind
    samples: list[NDArray[Any]]
    convert: Callable[[Any], NDArray[Any]]

    def follow(self, loop: Loop, generations: int, rng: int) -> None:
        """Simulate the loop, and keep samples of each generation, as many as there are real ones."""
        # The same draws from every model: what changes from frame to frame is the model.
        for snapshot in islice(iterate(loop, rng=rng), generations):
            sample = snapshot.model.sample(len(self.samples[0]), rng=np.random.default_rng([rng, 2]))
            self.samples.append(self.convert(sample))


def _kind(loop: Loop, shape: Sequence[int] | None) -> Kind:
    one = loop.real.sample(1, rng=np.random.default_rng(0))
    if shape is not None or hasattr(one, "batch"):
        return "images"
    return "density" if np.shape(one)[-1] == 1 else "points"


def _start_trace(loop: Loop, kind: Kind, shape: Sequence[int] | None, n: int | None, rng: int) -> _Trace:
    real = loop.real.sample(n or _SIZES[kind], rng=np.random.default_rng([rng, 1]))
    if kind == "images":
        convert: Callable[[Any], NDArray[Any]] = partial(_images, shape=shape)
    elif kind == "density":
        convert = _first_coordinate
    else:
        convert = _onto_plane(_rows(real))
    return _Trace(kind, [convert(real)], convert)


def _first_coordinate(sample: Any) -> NDArray[Any]:
    return _rows(sample)[:, :1]


def _rows(sample: Any) -> NDArray[Any]:
    return np.asarray(sample, dtype=float).reshape(-1, np.shape(sample)[-1])


def _onto_plane(real: NDArray[Any]) -> Callable[[Any], NDArray[Any]]:
    """Return the map of points to the plane of the two largest principal axes of real ones."""
    if real.shape[1] == 1:
        raise ValueError("kind='points' needs two dimensions, and these points have one; use kind='density'.")
    if real.shape[1] == 2:
        return _rows
    centre = real.mean(0)
    axes = np.linalg.svd(real - centre, full_matrices=False)[2][:2].T
    return lambda sample: (_rows(sample) - centre) @ axes


def _images(sample: Any, shape: Sequence[int] | None) -> NDArray[Any]:
    """Return images of shape (n, height, width) or (n, height, width, 3), ordered by class."""
    if hasattr(sample, "batch"):
        pixels, labels = sample.batch(np.arange(len(sample))), sample.labels
        pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    else:
        points = np.asarray(sample)
        points = points.reshape(-1, points.shape[-1])
        if shape is None:
            raise ValueError("shape=None: pass the height and width of the images, for example (8, 8).")
        size = math.prod(check_size("shape", side) for side in shape)
        if len(shape) not in (2, 3) or points.shape[1] not in (size, size + 1):
            raise ValueError(
                f"shape={tuple(shape)} has {size} pixels, and the points have {points.shape[1]} coordinates; "
                f"expected as many, or one more for a class."
            )
        pixels = points[:, :size].reshape(-1, *shape)
        labels = points[:, size] if points.shape[1] > size else None
    return pixels if labels is None else pixels[np.argsort(labels, kind="stable")]


def _draw(titles: Sequence[str], traces: Sequence[_Trace]) -> NDArray[np.uint8]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with style():
        size = _WIDTH * len(traces) / _DPI, (_WIDTH + 60) / _DPI
        figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
        canvas: Any = FigureCanvasAgg(figure)
        panels = figure.subplots(1, len(traces), squeeze=False, gridspec_kw={"wspace": 0.08})[0]
        updates = [
            _PANELS[trace.kind](ax, trace.samples, ends)
            for ax, trace, ends in zip(panels, traces, _ends(traces), strict=True)
        ]
        for ax, title in zip(panels, titles, strict=True):
            ax.set_title(title)
        heading = figure.suptitle("generation 0")
        # The layout is made once: to repeat it for every frame takes most of the time.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        frames = []
        for t in range(len(traces[0].samples)):
            heading.set_text(f"generation {t}" if t else "real data")
            for update, trace in zip(updates, traces, strict=True):
                update(trace.samples[t])
            canvas.draw()
            frames.append(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    return np.stack(frames)


def _points_panel(ax: Axes, samples: list[NDArray[Any]], ends: _Ends) -> Draw:
    low, high = ends
    (drawn,) = ax.plot([], [], ".", markersize=2.5)
    ax.plot(*samples[0].T, ".", color="0.85", markersize=2.0, zorder=0)
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xticks=[], yticks=[])

    def update(points: Any) -> None:
        drawn.set_data(*points.T)

    return update


def _density_panel(ax: Axes, samples: list[NDArray[Any]], ends: _Ends) -> Draw:
    (low,), (high,) = ends
    whole = all((sample == np.rint(sample)).all() for sample in samples)
    edges = (
        np.arange(low, high + 2) - 0.5 if whole and high - low < 200 else np.linspace(low, high, _BINS + 1)
    )

    def heights(sample: Any) -> NDArray[Any]:
        return np.histogram(sample, edges)[0] / (len(sample) * np.diff(edges))

    real = heights(samples[0])
    ax.stairs(real, edges, color="0.6")
    drawn = ax.stairs(real, edges, fill=True, alpha=0.7)
    ax.set(xlim=(edges[0], edges[-1]), ylim=(0, 2.2 * real.max()), yticks=[])

    def update(sample: Any) -> None:
        drawn.set_data(heights(sample))

    return update


def _images_panel(ax: Axes, samples: list[NDArray[Any]], ends: _Ends) -> Draw:
    side = math.isqrt(len(samples[0]) - 1) + 1
    limits = (0.0, 255.0) if samples[0].dtype == np.uint8 else (samples[0].min(), samples[0].max())

    def table(images: Any) -> NDArray[Any]:
        filled = np.full((side**2, *images.shape[1:]), np.nan)
        filled[: len(images)] = images
        return filled.reshape(side, side, *images.shape[1:])

    (shown,) = sample_grid(table(samples[0]), limits=limits, ax=ax).images

    def update(images: Any) -> None:
        shown.set_data(mosaic(table(images), limits))

    return update


_PANELS: dict[Kind, Callable[[Any, list[NDArray[Any]], _Ends], Draw]] = {
    "points": _points_panel,
    "density": _density_panel,
    "images": _images_panel,
}


def _ends(traces: Sequence[_Trace]) -> list[_Ends]:
    """Return the ends of the axes, shared by panels of the same real data.

    They are those of real data, and further out where samples spread, up to twice the range.
    """
    real = [trace.samples[0] for trace in traces]
    own: list[_Ends] = []
    for trace in traces:
        if trace.kind == "images":
            own.append((np.zeros(0), np.zeros(0)))
            continue
        low, high = trace.samples[0].min(0), trace.samples[0].max(0)
        most = np.quantile(np.concatenate(trace.samples), [0.005, 0.995], axis=0)
        reach = 0.5 * (high - low)
        lowest, highest = np.minimum(low, most[0]), np.maximum(high, most[1])
        own.append((np.maximum(lowest, low - reach), np.minimum(highest, high + reach)))
    shared = []
    for one in real:
        same = [ends for other, ends in zip(real, own, strict=True) if np.array_equal(one, other)]
        shared.append((np.min([low for low, _ in same], 0), np.max([high for _, high in same], 0)))
    return shared


def _check_target(path: str | Path) -> Path:
    target = Path(check_path("path", path))
    if target.suffix.lower() not in _SUFFIXES:
        raise ValueError(f"path={str(path)!r} does not end in {' or '.join(_SUFFIXES)}; choose one of these.")
    return target


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Samples by generation</title>
<style>
body { font: 16px system-ui, sans-serif; margin: 1em auto; max-width: 60em; text-align: center }
img { max-width: 100%; height: auto }
input { width: min(90%, 30em) }
</style>
<img id="frame" alt="">
<p><button id="play">Play</button>
<button id="back" aria-label="one generation back">&#8592;</button>
<button id="on" aria-label="one generation on">&#8594;</button></p>
<p><label>Generation <output id="number">0</output><br>
<input id="slider" type="range" min="0" value="0"></label></p>
<script>
const frames = [IMAGES];
const find = name => document.getElementById(name);
let shown = 0, timer = null;
function show(index) {
  shown = Math.max(0, Math.min(frames.length - 1, index));
  find("frame").src = frames[shown];
  find("frame").alt = shown ? `Samples of generation ${shown}` : "Real data";
  find("slider").value = shown;
  find("number").textContent = shown || "0 (real data)";
}
function stop() { clearInterval(timer); timer = null; find("play").textContent = "Play"; }
find("play").onclick = () => {
  if (timer) return stop();
  if (shown === frames.length - 1) show(0);
  find("play").textContent = "Pause";
  timer = setInterval(() => { show(shown + 1); if (shown === frames.length - 1) stop(); }, MILLISECONDS);
};
find("back").onclick = () => { stop(); show(shown - 1); };
find("on").onclick = () => { stop(); show(shown + 1); };
find("slider").max = frames.length - 1;
find("slider").oninput = event => { stop(); show(+event.target.value); };
show(0);
</script>
</html>
"""
