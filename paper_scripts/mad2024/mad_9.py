"""Digits alongside fixed real ones: degradation is delayed (an analogue)."""

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.lines import Line2D

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import format_mean, format_means, holds, name_seeds, seed_score
from paper_scripts.mad2024.digits import (
    CLEAR,
    COLOURS,
    DOTS,
    MEASURE,
    SETTING,
    are_clear,
    change,
    finish_panel,
    is_clear,
    legend_of_biases,
    scale_logarithmic,
)  # fmt: skip
from paper_scripts.style import seed_band
from simulations import network_digits

SOURCE = "MAD, Figs. 8, 9, on other data"
NETWORKS = True
CAPTION = (
    SETTING + "The 897 real digits and as many samples of the last generation; dashes: the fully "
    "synthetic loop. " + MEASURE
)

simulate = network_digits.run_augment

DASHES = {"linestyle": (0, (4, 2)), "linewidth": 0.9}


def draw(data: xr.Dataset) -> Picture:
    """Draw the augmentation loop (lines) with the fully synthetic one (dashes)."""
    figure, axes = plt.subplots(1, 3, figsize=(11.5, 3.9))
    for ax, name in zip(axes, ("fid", "precision", "recall"), strict=True):
        for bias in data["bias"].values:
            one, colour = data[name].sel(bias=bias), COLOURS[bias]
            seed_band(ax, one["generation"], one.sel(loop="augment"), **DOTS, color=colour)
            ax.plot(one["generation"], one.sel(loop="replace").mean("seed"), color=colour, **DASHES)
        finish_panel(ax, data, name)
    scale_logarithmic(axes[0])
    dashed = {"synthetic only": Line2D([], [], color="0.3", **DASHES)}
    legend_of_biases(figure, data["bias"].values, dashed)
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge the statements of MAD's Figs. 8 and 9 on the augmentation loop."""
    augment, replace = (data.sel(loop=name, drop=True) for name in ("augment", "replace"))
    last, one = data["generation"][-1].item(), augment.sel(bias=1.0)
    rises, recall = change(augment["fid"]), change(augment["recall"])
    worse = one["fid"].isel(generation=slice(1, None)) - one["fid"].isel(generation=0, drop=True)
    least = min(seed_score(worse.sel(generation=t)) for t in worse["generation"].values)
    moved = {name: change(one[name]) for name in ("precision", "recall")}
    yield Finding(
        claim="Fig. 9: with fixed real data, bias 1, every generation is worse than the first: FID "
        "higher, precision and recall lower",
        ours=f"change from generation 1 to {last}: FID {format_mean(rises.sel(bias=1.0))}, precision "
        f"{format_mean(moved['precision'])}, recall {format_mean(moved['recall'])}",
        verdict=holds(least > CLEAR, *(is_clear(v, -1) for v in moved.values())),
        note=f"the least rise of FID among generations 2 to {last} is {least:.1f} standard errors; "
        f"{name_seeds(data)}",
    )
    spared = change(replace["fid"]) - rises
    yield Finding(
        claim="Fig. 8: degradation is smaller than in the fully synthetic loop",
        ours=f"rise of FID to generation {last} that fixed real data spare: {format_means(spared)}",
        verdict=holds(*are_clear(spared)),
    )
    yield Finding(
        claim="Fig. 9: FID rises at every bias",
        ours=f"from generation 1 to {last}: {format_means(rises)}",
        verdict=holds(*are_clear(rises)),
    )
    precision = augment["precision"].isel(generation=-1)
    yield Finding(
        claim="Fig. 9: the smaller the bias, the higher the precision and the faster the loss of recall",
        ours=f"precision at generation {last}: {format_means(precision)}; change of recall: "
        f"{format_means(recall)}",
        verdict=holds(*are_clear(precision.diff("bias")), *are_clear(recall.diff("bias"), -1)),
    )
    end = augment["fid"].isel(generation=-1)
    best = end.mean("seed").idxmin("bias").item()
    yield Finding(
        claim="Fig. 9: an intermediate bias, 0.8, has the best FID",
        ours=f"FID at generation {last}: {format_means(end)}",
        verdict="reproduced" if best == 0.8 else "partly reproduced" if best < 1 else "not reproduced",
        note=f"best: {best:g}. Here guidance also makes up for a small network that blurs the classes",
    )
