"""What MAD's figures on digits share: captions, panels, and statements on the classes.

Changes are paired over the seeds: loops of one seed share their first generation and the noise of what is
measured. A clause of a claim holds where its number lies four standard errors on the claimed side.
"""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import format_mean, holds, name_seeds, seed_score
from paper_scripts.style import BLUE, GREEN, RED, YELLOW

SETTING = (
    "An analogue: 897 of scikit-learn's 8 x 8 digits in place of MNIST, and a class-conditional diffusion of "
    "two layers, trained from scratch in every generation; guidance w = 1 / bias - 1, equal class counts. "
)
MEASURE = (
    "900 samples a generation against 900 held-out digits; FID, precision and recall (k = 5) in features of "
    "a LeNet trained on the real training half; dotted: that half itself in place of samples. Bands are two "
    "standard errors over the seeds. "
)
STORED = "Samples are stored in the grey levels of the data, which bounds guidance and narrows the spread. "

CLEAR = 4.0  # standard errors: with five seeds, chance passes it in one of a hundred clauses
KEPT = 0.9  # what "kept" means: at least this share of generation 1
COLOURS = {1.0: BLUE, 0.8: GREEN, 0.66: YELLOW, 0.5: RED}
NAMES = {"fid": "FID", "pixel_frechet": "Frechet distance of the pixels"}
LABELS = {
    "fid": "FID (features of a LeNet)",
    "precision": "precision",
    "recall": "recall",
    "pixel_frechet": "Frechet distance of the pixels",
    "accuracy": "share in the intended class",
    "within_variance": "variance within classes  [pixel²]",
    "between_variance": "variance between classes  [pixel²]",
}
REAL = {"color": "0.45", "linestyle": ":", "linewidth": 1.2}
DOTS: dict[str, Any] = {"marker": "o", "markersize": 2.5}


def scale_logarithmic(ax: Axes) -> None:
    """Make an axis logarithmic, with plain numbers, also where it spans no decade."""
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def finish_panel(ax: Axes, data: xr.Dataset, name: str) -> None:
    """Label a panel, and draw what the real training half gives."""
    ax.axhline(data[f"real_{name}"].item(), **REAL)
    ax.set_ylabel(LABELS[name])
    ax.set_xlabel("generation")


def legend_of_biases(figure: Picture, biases: np.ndarray, others: dict[str, Line2D] | None = None) -> None:
    """Draw a legend of the biases, of other lines, and of the real half, below all panels."""
    lines = {f"bias {bias:g}": Line2D([], [], color=COLOURS[bias]) for bias in biases} | (others or {})
    lines["real training half"] = Line2D([], [], **REAL)
    where = {"loc": "outside lower center", "ncols": len(biases) + 2, "fontsize": "small"}
    figure.legend(lines.values(), lines.keys(), **where)


def change(values: xr.DataArray, generation: int | None = None) -> xr.DataArray:
    """Return the value at a generation (the last) minus that at generation 1, by seed."""
    end = values.isel(generation=-1) if generation is None else values.sel(generation=generation)
    return end.drop_vars("generation") - values.isel(generation=0, drop=True)


def ratio_of_ends(values: xr.DataArray) -> xr.DataArray:
    """Return what is left of generation 1 in the last, by seed."""
    return values.isel(generation=-1, drop=True) / values.isel(generation=0, drop=True)


def is_clear(values: xr.DataArray, sign: int = 1) -> bool:
    """Return whether the mean over the seeds is clearly above 0 (below, for sign -1)."""
    return sign * seed_score(values) > CLEAR


def are_clear(values: xr.DataArray, sign: int = 1, over: str = "bias") -> list[bool]:
    """Return `is_clear` for each value along another dimension."""
    return [is_clear(values.isel({over: i}), sign) for i in range(values.sizes[over])]


def judge_merging(data: xr.Dataset) -> Findings:
    """Judge bias 1: classes drift and merge (MAD's Figs. 5 and 26)."""
    last, ratio = data["generation"][-1].item(), _ratios(data.sel(bias=1.0))
    lost = is_clear(ratio["accuracy"] - KEPT, -1)
    yield Finding(
        claim="Figs. 5, 26: at bias 1 the classes drift and merge, and become illegible",
        ours=f"generation {last} over generation 1: {_describe(ratio)}",
        verdict=holds(is_clear(ratio["between_variance"] - 1, -1), lost),
        note=f"illegible means a share below {KEPT:g} of the first; {name_seeds(data)}"
        + ("" if lost else ". The classes come nearer, and narrow at least as fast: they stay apart"),
    )


def judge_collapsing(data: xr.Dataset) -> Findings:
    """Judge bias 0.8: each class collapses, and stays legible (MAD's Figs. 7 and 27)."""
    one = data.sel(bias=0.8)
    last, ratio = data["generation"][-1].item(), _ratios(one)
    kept = [is_clear(ratio[name] - KEPT) for name in ("between_variance", "accuracy")]
    yield Finding(
        claim="Figs. 7, 27: at bias 0.8 each class collapses onto itself, and stays apart and legible",
        ours=f"generation {last} over generation 1: {_describe(ratio)}",
        verdict=holds(is_clear(ratio["within_variance"] - 1, -1), *kept),
        note=f"kept means a ratio above {KEPT:g}; {name_seeds(data)}",
    )
    precision = one["precision"].isel(generation=-1)
    yield Finding(
        claim="Fig. 7: the collapse happens within the real support",
        ours=f"precision at generation {last} {format_mean(precision)}, its change "
        f"{format_mean(change(one['precision']))}",
        verdict=holds(is_clear(precision - KEPT)),
        note=f"support by the 5 nearest neighbours, in features; within means a precision above {KEPT:g}",
    )


def _ratios(one: xr.Dataset) -> dict[str, xr.DataArray]:
    """Return what is left of generation 1 in the last, by seed."""
    return {n: ratio_of_ends(one[n]) for n in ("within_variance", "between_variance", "accuracy")}


def _describe(ratio: dict[str, xr.DataArray]) -> str:
    within, between, accuracy = map(format_mean, ratio.values())
    return f"variance within classes {within}, between them {between}, share in the intended class {accuracy}"
