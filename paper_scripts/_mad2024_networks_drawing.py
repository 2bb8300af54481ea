"""Drawings of MAD's loops on digits, from the Datasets alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from madtheory import plotting
from paper_scripts._seeds import banded

__all__ = [
    "draw_admissible",
    "draw_augmented",
    "draw_embedding",
    "draw_limits",
    "draw_samples",
    "draw_synthetic",
]

COLOURS = {1.0: "#0072B2", 0.8: "#009E73", 0.66: "#E69F00", 0.5: "#D55E00"}
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
DIGITS = ListedColormap(plt.get_cmap("tab10").colors)  # type: ignore[attr-defined]


def draw_synthetic(data: xr.Dataset) -> Figure:
    """FID, precision and recall of the fully synthetic loop, and what becomes of the classes."""
    figure, axes = plt.subplots(2, 3, figsize=(11.5, 6.6))
    names = ("fid", "precision", "recall", "accuracy", "within_variance", "between_variance")
    for ax, name in zip(axes.flat, names, strict=True):
        for bias in data["bias"].values:
            banded(ax, data["generation"], data[name].sel(bias=bias), **DOTS, color=COLOURS[bias])
        _finish(ax, data, name)
    _logarithmic(axes[0, 0])
    _legend(figure, data["bias"].values)
    return figure


def draw_augmented(data: xr.Dataset) -> Figure:
    """The augmentation loop (lines) beside the fully synthetic one (dashes)."""
    figure, axes = plt.subplots(1, 3, figsize=(11.5, 3.9))
    for ax, name in zip(axes, ("fid", "precision", "recall"), strict=True):
        for bias in data["bias"].values:
            one = data[name].sel(bias=bias)
            banded(ax, one["generation"], one.sel(loop="augment"), **DOTS, color=COLOURS[bias])
            ax.plot(
                one["generation"],
                one.sel(loop="replace").mean("seed"),
                color=COLOURS[bias],
                linestyle=(0, (4, 2)),
                linewidth=0.9,
            )
        _finish(ax, data, name)
    _logarithmic(axes[0])
    extra = [Line2D([], [], color="0.3", linestyle=(0, (4, 2)), linewidth=0.9)]
    _legend(figure, data["bias"].values, extra, ["synthetic only"])
    return figure


def draw_limits(data: xr.Dataset) -> Figure:
    """Distances of two loops that differ in the number of initial digits."""
    figure, axes = plt.subplots(1, 2, figsize=(8.5, 3.7))
    for ax, name in zip(axes, ("fid", "pixel_frechet"), strict=True):
        for colour, n in zip(("#0072B2", "#D55E00"), data["n_initial"].values, strict=True):
            banded(
                ax,
                data["generation"],
                data[name].sel(n_initial=n),
                **DOTS,
                color=colour,
                label=f"{n} initial digits",
            )
        _finish(ax, data, name)
        ax.set_ylim(0, None)
    axes[0].legend(fontsize="small")
    return figure


def draw_admissible(data: xr.Dataset) -> Figure:
    """Distances of real digits alone and of the loops, and the effective size that follows."""
    rows = data.sizes["distance"]
    figure, axes = plt.subplots(rows, 2, figsize=(8.5, 3.3 * rows), squeeze=False)
    n_real = data.attrs["n_real"]
    for (left, right), distance in zip(axes, data["distance"].values, strict=True):
        one = data.sel(distance=distance)
        alone, many = one["alone"], one.sizes["model"]
        error = 2 * alone.std("model", ddof=1) / np.sqrt(many)
        left.errorbar(alone["n_alone"], alone.mean("model"), error, color="black", marker="o", markersize=3)
        for bias in one["bias"].values:
            part = one.sel(bias=bias)
            left.axhspan(*_range(part["value"]), color=COLOURS[bias], alpha=0.2, linewidth=0)
            right.errorbar(
                part["n_synthetic"],
                part["effective_size"] / n_real,
                2 * part["effective_size_error"] / n_real,
                color=COLOURS[bias],
                marker="o",
                markersize=4,
                label=f"bias {bias:g}",
            )
        left.set(xscale="log", xlabel="real digits alone", ylabel=LABELS[distance])
        left.set_xticks(alone["n_alone"], list(map(str, alone["n_alone"].values)), minor=False)
        _logarithmic(left)
        right.axhline(1, color="0.45", linestyle=":")
        right.set(xscale="log", xlabel="synthetic digits of a generation", ylabel="$n_e / n_r$")
        right.set_xticks(one["n_synthetic"], list(map(str, one["n_synthetic"].values)), minor=False)
        for ax in (left, right):
            ax.xaxis.set_minor_formatter(NullFormatter())
        right.set_ylim(0, None)
    axes[0, 1].legend(fontsize="small")
    return figure


def draw_embedding(data: xr.Dataset) -> Figure:
    """Real digits (crosses) and samples of some generations (dots), coloured by class."""
    columns = data.sizes["shown"]
    figure, axes = plt.subplots(1, columns, figsize=(2.9 * columns, 3.5), squeeze=False)
    for ax, generation in zip(axes[0], data["shown"].values, strict=True):
        real, fake = (data[name].sel(shown=generation).values for name in ("real_embedding", "embedding"))
        kind = {"cmap": DIGITS, "vmin": -0.5, "vmax": 9.5}
        ax.scatter(*real.T, c=data["real_label"], s=16, marker="x", linewidths=0.7, alpha=0.55, **kind)
        ax.scatter(*fake.T, c=data["label"], s=9, linewidths=0, alpha=0.9, **kind)
        ax.set(title=f"generation {generation}", xticks=[], yticks=[])
        ax.grid(False)
    shapes = [
        Line2D([], [], color="0.3", linestyle="", marker="x", markersize=5),
        Line2D([], [], color="0.3", linestyle="", marker="o", markersize=4),
    ]
    digits = [Line2D([], [], color=DIGITS(c), linestyle="", marker="o", markersize=4) for c in range(10)]
    labels = ["real", "synthetic", *map(str, range(10))]
    figure.legend([*shapes, *digits], labels, loc="outside lower center", ncols=12, fontsize="small",
                  handletextpad=0.1, columnspacing=1.0)  # fmt: skip
    return figure


def draw_samples(data: xr.Dataset, *, bias: float) -> Figure:
    """Two samples of each class, a row for every generation: the same noise in all of them."""
    one = data.sel(shown_bias=bias)
    order = np.argsort(one["label"].values, kind="stable")
    generations = one["shown_generation"].values
    images = one["image"].values[:, order].reshape(len(generations), len(order), 8, 8)
    figure, ax = plt.subplots(figsize=(7.6, 0.5 + 0.375 * len(generations)))
    columns = [str(label) if i % 2 == 0 else "" for i, label in enumerate(one["label"].values[order])]
    plotting.sample_grid(images, rows=list(map(str, generations)), columns=columns, limits=(0, 16), ax=ax)
    ax.set_ylabel("generation")
    return figure


def _logarithmic(ax: Axes) -> None:
    """A logarithmic axis with plain numbers, also where it spans no decade."""
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def _finish(ax: Axes, data: xr.Dataset, name: str) -> None:
    """Labels, and what the real training half gives."""
    ax.axhline(data[f"real_{name}"].item(), **REAL)
    ax.set(xlabel="generation", ylabel=LABELS[name])
    ax.xaxis.get_major_locator().set_params(integer=True)


def _legend(
    figure: Figure, biases: np.ndarray, handles: Sequence[Line2D] = (), labels: Sequence[str] = ()
) -> None:
    lines = [Line2D([], [], color=COLOURS[bias]) for bias in biases]
    names = [f"bias {bias:g}" for bias in biases]
    figure.legend(
        [*lines, *handles, Line2D([], [], **REAL)],
        [*names, *labels, "real training half"],
        loc="outside lower center",
        ncols=len(names) + 2,
        fontsize="small",
    )


def _range(values: xr.DataArray) -> tuple[float, float]:
    """Least and largest mean over the seeds."""
    means = values.mean("seed")
    return means.min().item(), means.max().item()
