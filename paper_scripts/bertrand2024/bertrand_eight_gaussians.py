"""Eight Gaussians retrained on their own samples: DDPM."""

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import (
    above,
    combine,
    format_mean,
    format_means,
    holds,
    name_seeds,
    no_more_over_seeds,
)
from paper_scripts.style import RED, gradient, legend_below, seed_band
from simulations import retrained_networks

SOURCE = "Bertrand et al., Fig. 2"
NETWORKS = True
SETTING = (
    "Every generation continues the training of the last network, on the same 1,000 real points and λ "
    "synthetic ones for each. Pictures: one seed. Numbers: mean over the seeds, bands are two standard "
    "errors; all λ of a seed share generation 1. Dotted: a new sample of the truth. Network and budget are "
    "smaller than the paper's, which are not published for these pictures. "
)
CAPTION = SETTING + (
    "A sample is good within ten standard deviations of a centre. The smallest noise of the package's chain "
    "is 2.2 standard deviations of a mode: with a perfect network it would leave a mode 17 % of its variance "
    "in each generation."
)

simulate = retrained_networks.eight_gaussians

LABELS = {
    "distance": "sliced Wasserstein distance",
    "quality": "share of good samples",
    "precision": "precision",
    "recall": "recall",
    "coverage": "share of modes kept",
}
LIMIT = 0.5  # of the ratio, in Theorem 1
BY_RATIO = "{0} (λ = {1:g})"
MARGIN = 0.1  # stable: worse than real points only by less than this part of what is lost without any


def draw(data: xr.Dataset) -> Picture:
    """Draw pictures, a row for each ratio and a column for each generation; below them the numbers."""
    rows, columns = data.sizes["ratio"], data.sizes["shown"]
    real = data["real_points"].values
    middle, half = (real.max(0) + real.min(0)) / 2, 1.25 * np.ptp(real, axis=0) / 2
    height = min(11.5 / (columns + 1) * half[1] / half[0], 1.5) + 0.1
    figure = plt.figure(figsize=(11.5, height * rows + 3.4), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(height * rows, 3.4))
    panels = upper.subplots(rows, columns + 1, sharex=True, sharey=True, squeeze=False)
    for i, (ratio, row) in enumerate(zip(data["ratio"].values, panels, strict=True)):
        for j, ax in enumerate(row):
            points = real if j == 0 else data["points"].isel(ratio=i, shown=j - 1).values
            colour = "0.45" if j == 0 else _colours(data)[i]
            ax.plot(*points.T, ".", color=colour, markersize=1.4, rasterized=True)
            ax.set(xticks=[], yticks=[], aspect="equal")
            ax.set(xlim=middle[0] + [-half[0], half[0]], ylim=middle[1] + [-half[1], half[1]])
            if i == 0:
                ax.set_title("real" if j == 0 else f"generation {data['shown'].values[j - 1]}")
        row[0].set_ylabel(_name(ratio))
    names = [name for name in LABELS if name in data][:4]
    for ax, name in zip(lower.subplots(1, len(names)), names, strict=True):
        _curves(data, name, ax)
    legend_below(lower, ax, fontsize="small")
    return figure


def _curves(data: xr.Dataset, name: str, ax: Axes) -> None:
    for i, ratio in enumerate(data["ratio"].values):
        line = {"color": _colours(data)[i], "label": _name(ratio)}
        seed_band(ax, data["generation"], data[name].isel(ratio=i), alpha=0.15, **line)
    if name == "distance":
        ax.axhline(data["floor"].mean().item(), color="0.5", linestyle=":")
        ax.set_ylim(0, None)
    ax.set_title(LABELS[name])
    ax.set_xlabel("generation")


def _colours(data: xr.Dataset) -> list:
    finite = int(np.isfinite(data["ratio"]).sum())
    return [*gradient(finite), *[RED] * (data.sizes["ratio"] - finite)]


def _name(ratio: float) -> str:
    return "synthetic only" if np.isinf(ratio) else "real only" if ratio == 0 else f"λ = {ratio:g}"


def judge(data: xr.Dataset) -> Findings:
    """Judge stability at small ratios, the collapse without real data, and the order in between."""
    distance, last = data["distance"], int(data["generation"][-1])
    # Two generations at the end: the noise of one training is larger than a step of the loop.
    end = distance.isel(generation=slice(-2, None)).mean("generation")
    baseline, first = end.sel(ratio=0.0), distance.isel(generation=0, ratio=0)
    beyond = (end - baseline).sel(ratio=data["ratio"] > 0)
    lost = beyond.sel(ratio=np.inf)
    small, large = (
        beyond.sel(ratio=side & np.isfinite(beyond["ratio"]))
        for side in (beyond["ratio"] <= LIMIT, beyond["ratio"] > LIMIT)
    )
    margin = MARGIN * lost.mean().item()
    stable = combine([no_more_over_seeds(small.isel(ratio=i), margin) for i in range(small.sizes["ratio"])])
    yield Finding(
        claim="Theorem 1 and Fig. 2: with few synthetic points (λ up to 1/2) retraining is stable",
        ours="distance beyond that of real points only: " + format_means(small, BY_RATIO),
        verdict=stable if above(lost) else "not tested",
        note=f"generations {last - 1} and {last}, {name_seeds(data)}, each against its own loop of real "
        f"points only; stable: the 95 % interval ends below {margin:.2g}, a tenth of what is lost "
        f"without real points, {format_mean(lost)}. Since generation 1: "
        f"{format_means(end.sel(ratio=small['ratio']) - first, BY_RATIO)}",
    )
    start = distance.isel(generation=0)
    growth = (end / start).sel(ratio=np.inf)
    yield Finding(
        claim="Fig. 2: retrained on synthetic points only, the model collapses",
        ours=f"distance over that of generation 1: {format_mean(growth)}",
        verdict=holds(above(lost) and above(growth - 1)),
        note=f"the baseline of real points only: {format_mean((end / start).sel(ratio=0.0))}",
    )
    if large.sizes["ratio"]:
        yield Finding(
            claim="Theorem 1 promises nothing above λ = 1/2",
            ours="distance beyond that of real points only: " + format_means(large, BY_RATIO),
            verdict="shown",
            note="nor is 1/2 sharp: where the model can represent the data, every λ is stable in theory",
        )
    yield _interpolation(data, "distance")
    yield _interpolation(data, "precision")
    one, ours = data.sel(ratio=np.inf), []
    for name in ("quality", "precision", "recall", "coverage", "imbalance"):
        if name in data:
            ours.append(f"{name} {' → '.join(format_mean(one[name].isel(generation=t)) for t in (0, -1))}")
    yield Finding(
        claim="What the collapse consists of (the paper shows pictures)",
        ours=", ".join(ours),
        verdict="shown",
        note="synthetic only, generation 1 → last",
    )


def _interpolation(data: xr.Dataset, name: str) -> Finding:
    """Judge whether a number follows the synthetic share of the training set."""
    end = data[name].isel(generation=slice(-2, None)).mean("generation")
    sign = 1 if name == "distance" else -1
    ratios = data["ratio"].values
    share = xr.DataArray([1.0 if np.isinf(ratio) else ratio / (1 + ratio) for ratio in ratios], dims="ratio")
    centred = share - share.mean()
    slope = (end * centred).sum("ratio") / (centred**2).sum()
    pairs = list(combinations(range(len(ratios)), 2))
    inverted = sum(above(sign * (end.isel(ratio=i) - end.isel(ratio=j))) for i, j in pairs)
    way = (end - end.sel(ratio=0)).mean("seed")
    rises = above(sign * slope)
    return Finding(
        claim=f"After so many retrainings the {LABELS[name]} lies the nearer to that of synthetic points "
        "only, the larger λ",
        ours=", ".join(f"{_name(r)}: {format_mean(end.sel(ratio=r))}" for r in ratios),
        verdict=holds(rises, rises and not inverted),
        note=f"slope over the synthetic share {format_mean(slope)}; {inverted} of {len(pairs)} "
        f"pairs of ratios in the wrong order beyond the noise of the seeds; {_name(ratios[-2])}, "
        f"{share.values[-2]:.0%} synthetic, has gone {(way[-2] / way[-1]).item():.0%} of the way",
    )
