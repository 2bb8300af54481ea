"""Digits in the plane, bias 1: classes drift and merge (an analogue)."""

from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from scipy.linalg import orthogonal_procrustes

from paper_scripts.figure import Picture
from paper_scripts.mad2024.digits import SETTING, judge_merging as judge
from simulations import network_digits

__all__ = ["judge"]
SOURCE = "MAD, Fig. 5, on other data"
NETWORKS = True
CAPTION = (
    SETTING + "One t-SNE of pixels for each generation, of real digits (crosses) and samples (dots) "
    "of one seed together, turned so that the panels match; colours are classes, for samples the ones they "
    "were drawn for, and a digit stands in the middle of the real ones. The numbers below are of all seeds."
)

HALO = [withStroke(linewidth=2.5, foreground="white")]

simulate = partial(network_digits.run_embedding, bias=1.0)


# Paul Tol's muted colours, which stay apart for colour-blind readers, and grey.
DIGITS = ListedColormap([
    "#332288", "#CC6677", "#117733", "#DDCC77", "#88CCEE",
    "#882255", "#44AA99", "#999933", "#AA4499", "#666666",
])  # fmt: skip


def draw(data: xr.Dataset) -> Picture:
    """Draw real digits (crosses) and samples of some generations (dots), coloured by class."""
    columns = data.sizes["shown"]
    figure, axes = plt.subplots(1, columns, figsize=(2.9 * columns, 3.5), squeeze=False)
    classes = data["real_label"].values
    first = _centre(data["real_embedding"].isel(shown=0).values)[0]
    for ax, generation in zip(axes[0], data["shown"].values, strict=True):
        one = data.sel(shown=generation)
        real, centre = _centre(one["real_embedding"].values)
        # Turned and mirrored onto the first panel: the axes of an embedding have no meaning.
        turn = orthogonal_procrustes(real, first)[0]
        real, fake = real @ turn, (one["embedding"].values - centre) @ turn
        kind = {"cmap": DIGITS, "vmin": -0.5, "vmax": 9.5}
        ax.scatter(*real.T, c=data["real_label"], s=16, marker="x", linewidths=0.7, alpha=0.55, **kind)
        ax.scatter(*fake.T, c=data["label"], s=9, linewidths=0, alpha=0.9, **kind)
        for digit in range(10):
            where = np.median(real[classes == digit], axis=0)
            ax.annotate(
                str(digit), where, fontsize=11, weight="bold", ha="center", va="center", path_effects=HALO
            )
        ax.set(title=f"generation {generation}", xticks=[], yticks=[], xlabel="t-SNE, first axis")
        ax.grid(False)
    axes[0, 0].set_ylabel("t-SNE, second axis")
    dot = {"linestyle": "", "marker": "o", "markersize": 4}
    shapes = [
        Line2D([], [], color="0.3", **{**dot, "marker": "x", "markersize": 5}),
        Line2D([], [], color="0.3", **dot),
    ]
    digits = [Line2D([], [], color=DIGITS(c), **dot) for c in range(10)]
    labels = ["real", "synthetic", *map(str, range(10))]
    where = {"loc": "outside lower center", "ncols": 12, "fontsize": "small"}
    figure.legend([*shapes, *digits], labels, handletextpad=0.1, columnspacing=1.0, **where)
    return figure


def _centre(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    centre = points.mean(0)
    return points - centre, centre
