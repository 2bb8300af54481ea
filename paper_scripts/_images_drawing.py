"""Drawings of loops of image diffusions, and of their throughput."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from madtheory import plotting
from paper_scripts._seeds import banded

__all__ = ["draw_loops", "draw_throughput"]

COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7")
CODE_COLOURS = ("#0072B2", "0.35", "0.65")
CURVES = (("distance", "Frechet distance"), ("precision", "precision"), ("recall", "recall"))


def draw_loops(data: xr.Dataset) -> Figure:
    """One panel of images for each loop, a generation a row; below, the metrics by generation."""
    loops = list(data["loop"].values)
    layout = [[f"loop {i}" for i in range(len(loops)) for _ in CURVES]]
    layout += [[name for name, _ in CURVES for _ in loops]]
    rows = 1 + data.sizes["generation"]
    figure, axes = plt.subplot_mosaic(
        layout, figsize=(12.4, 2.9 + 0.31 * rows), height_ratios=(0.31 * rows, 2.6)
    )
    real = data["real"].values[None]
    for i, loop in enumerate(loops):
        pictures = np.concatenate([real, data["images"].sel(loop=loop).values])
        labels = ["real", *map(str, data["generation"].values)] if i == 0 else None
        ax = axes[f"loop {i}"]
        colours = pictures if pictures.shape[-1] == 3 else pictures[..., 0]
        plotting.sample_grid(colours, rows=labels, limits=(0, 255), ax=ax)
        ax.set_title(f"({'abcd'[i]}) {loop}", color=COLOURS[i])
        if i == 0:
            ax.set_ylabel("generation")
    for letter, (name, label) in zip("efg", CURVES, strict=True):
        for loop, colour in zip(loops, COLOURS, strict=True):
            banded(
                axes[name],
                data["generation"],
                data[name].sel(loop=loop),
                marker="o",
                label=loop,
                color=colour,
            )
        axes[name].set(xlabel="generation", title=f"({letter}) {label}", xticks=data["generation"].values)
    axes["distance"].axhline(data["floor"].item(), color="0.45", linestyle=":", linewidth=1.1)
    axes["distance"].set_ylim(0, None)
    axes["precision"].legend(loc="lower left")
    for name in ("precision", "recall"):
        axes[name].set_ylim(0, 1.03)
    return figure


def draw_throughput(data: xr.Dataset) -> Figure:
    """Images per second against the batch, ours and those of diffusers."""
    figure, axes = plt.subplots(1, 2, figsize=(8.6, 3.4))
    batches = data["batch"].values
    for ax, task, letter in zip(axes, data["task"].values, "ab", strict=True):
        rates = data["images_per_second"].sel(task=task)
        for code, colour in zip(data["code"].values, CODE_COLOURS, strict=True):
            one = rates.sel(code=code)
            if one.notnull().all():
                ax.plot(batches, one, "o-", color=colour, label=code)
        ax.set_xscale("log")
        ax.set_xticks(batches, [str(batch) for batch in batches])
        ax.minorticks_off()
        ax.set(xlabel="batch", ylabel="images per second", title=f"({letter}) {task}", ylim=(0, None))
    axes[0].legend()
    about = data.attrs
    size = " x ".join(map(str, about["shape"]))
    figure.suptitle(
        f"{about['device']}: U-Net of {about['weights'] / 1e6:.2g} million weights, images {size}, "
        f"{about['evaluations']} evaluations in sampling"
    )
    return figure
