"""Digits in the plane, bias 1: classes drift and merge (an analogue)."""

from functools import partial

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D

from paper_scripts.figure import Picture
from paper_scripts.mad2024.digits import SETTING, judge_merging as judge
from simulations import network_digits

__all__ = ["judge"]
SOURCE = "MAD, Fig. 5, on other data"
NETWORKS = True
CAPTION = (
    SETTING + "One t-SNE of pixels for each generation, of real digits (crosses) and samples (dots) "
    "of one seed together; colours are classes, for samples the ones they were drawn for. The numbers below "
    "are of all seeds."
)

simulate = partial(network_digits.run_embedding, bias=1.0)


DIGITS = ListedColormap(plt.get_cmap("tab10").colors)


def draw(data: xr.Dataset) -> Picture:
    """Draw real digits (crosses) and samples of some generations (dots), coloured by class."""
    columns = data.sizes["shown"]
    figure, axes = plt.subplots(1, columns, figsize=(2.9 * columns, 3.5), squeeze=False)
    for ax, generation in zip(axes[0], data["shown"].values, strict=True):
        real, fake = (data[name].sel(shown=generation).values for name in ("real_embedding", "embedding"))
        kind = {"cmap": DIGITS, "vmin": -0.5, "vmax": 9.5}
        ax.scatter(*real.T, c=data["real_label"], s=16, marker="x", linewidths=0.7, alpha=0.55, **kind)
        ax.scatter(*fake.T, c=data["label"], s=9, linewidths=0, alpha=0.9, **kind)
        ax.set(title=f"generation {generation}", xticks=[], yticks=[])
        ax.grid(False)
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
