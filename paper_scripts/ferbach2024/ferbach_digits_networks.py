"""Digits curated by a classifier's confidence: an analogue."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from paper_scripts.ferbach2024.loops import draw_loops, judge_rise, name_run
from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import above, format_mean, format_means, holds, no_more_over_seeds
from paper_scripts.style import legend_below, show_digits
from simulations import curated_networks

SOURCE = "Ferbach et al., Fig. 3, analogue on other data"
NETWORKS = True
CAPTION = (
    "An analogue: scikit-learn's 8 x 8 digits in place of CIFAR-10, an unconditional diffusion "
    "with a multilayer perceptron, and 15 times the largest probability of a small convolutional "
    "classifier as reward. Each synthetic image is chosen from four. 897 curated images a generation, "
    "with 897 real ones or without, and 897 synthetic ones without curation. Imbalance is the total "
    "variation between the classes' shares and those of held-out images. Bands are two standard errors."
)

simulate = curated_networks.digits


def draw(data: xr.Dataset) -> Picture:
    """Draw confidence, imbalance, distance, precision and recall by generation, class shares, pictures."""
    figure = plt.figure(figsize=(13.0, 7.4), layout="constrained")
    upper, middle, lower = figure.subfigures(3, 1, height_ratios=(1.2, 1, 0.5))
    panels = {
        "confidence": "mean confidence (reward / 15)",
        "imbalance": "imbalance of the classes",
        "frechet": "squared Frechet distance",
        "precision": "precision",
        "recall": "recall",
    }
    for ax, (name, title) in zip(upper.subplots(1, 5), panels.items(), strict=True):
        draw_loops(ax, data[name])
        ax.set_title(title)
    legend_below(upper, ax, fontsize="small")
    colours = plt.get_cmap("tab10")(np.arange(10))
    rows = middle.subplots(1, data.sizes["loop"], sharey=True)
    for ax, loop in zip(rows, data["loop"].values, strict=True):
        shares = data["share"].sel(loop=loop).isel(seed=0).transpose("digit", "generation")
        ax.stackplot(data["generation"], shares, colors=colours, labels=[str(digit) for digit in range(10)])
        ax.set(title=f"shares of the digits, {loop}, one seed", ylim=(0, 1))
        ax.set_xlabel("generation")
    rows[-1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize="x-small", reverse=True)
    grids = {"generation 1": data["first"]}
    grids |= {f"last, {loop}": data["images"].sel(loop=loop) for loop in data["loop"].values}
    for ax, (title, images) in zip(lower.subplots(1, len(grids)), grids.items(), strict=True):
        show_digits(ax, np.reshape(images.values, (2, 10, 64)), cmap="gray_r")
        ax.set_title(title)
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge whether confidence rises in both loops, and classes drift apart without real data only."""
    claim = "Fig. 3: the reward (confidence) rises in both loops"
    yield judge_rise(data["confidence"], claim, name_run(data))
    rise = data["imbalance"].isel(generation=-1) - data["imbalance"].isel(generation=0)
    alone, mixed, plain = (rise.sel(loop=loop) for loop in ("curated only", "with real data", "not curated"))
    yield Finding(
        claim="Fig. 3, curated only: the classes become imbalanced",
        ours=f"imbalance grows by {format_mean(alone)}; without curation by {format_mean(plain)}",
        verdict=holds(above(alone), above(alone) and above(alone - plain)),
        note="total variation from the held-out shares; beyond the drift of the synthetic loop without "
        f"curation by {format_mean(alone - plain)}",
    )
    margin = 0.5 * alone.mean("seed").item()
    less = above(alone) and above(alone - mixed)
    yield Finding(
        claim="Fig. 3, with real data: the class proportions stay stable",
        ours=f"imbalance grows by {format_mean(mixed)}, curated only by {format_mean(alone)}",
        verdict=holds(less, less and no_more_over_seeds(mixed, margin) == "reproduced"),
        note=f"difference {format_mean(alone - mixed)}; stable: the 95 % interval ends below {margin:.2g}, "
        "half of what curation alone makes of it",
    )
    ours = []
    for name in ("frechet", "precision", "recall"):
        first, end = (data[name].isel(generation=i).transpose("loop", ...) for i in (0, -1))
        ours.append(f"{name} {format_mean(first[0])} → {format_means(end, '{0} ({1})')}")
    yield Finding(
        claim="Distance, precision and recall (the paper's appendix has them)",
        ours="; ".join(ours),
        verdict="shown",
        note="an analogue on other data",
    )
