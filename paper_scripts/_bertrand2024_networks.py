"""Drawing and findings of Bertrand et al. 2024 with networks, from the Datasets alone."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_scripts._figure import Finding, combine, no_more, with_error
from paper_scripts._seeds import above, mean_and_error

__all__ = ["draw_retraining", "retraining_findings"]

LABELS = {
    "distance": "sliced Wasserstein distance",
    "quality": "share of good samples",
    "precision": "precision",
    "recall": "recall",
    "coverage": "share of modes kept",
}
SYNTHETIC = "#D55E00"
LIMIT = 0.5  # of the ratio, in Theorem 1
MARGIN = 0.1  # stable: worse than real points only by less than this part of what is lost without any


def draw_retraining(data: xr.Dataset) -> Figure:
    """Pictures, a row for each ratio and a column for each generation; below them the numbers."""
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
    handles, labels = ax.get_legend_handles_labels()
    lower.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize="small")
    return figure


def _curves(data: xr.Dataset, name: str, ax: Axes) -> None:
    for i, ratio in enumerate(data["ratio"].values):
        mean, error = mean_and_error(data[name].isel(ratio=i))
        ax.plot(data["generation"], mean, color=_colours(data)[i], label=_name(ratio))
        band = (mean - 2 * error, mean + 2 * error)
        ax.fill_between(data["generation"], *band, color=_colours(data)[i], alpha=0.15, linewidth=0)
    if name == "distance":
        ax.axhline(data["floor"].mean().item(), color="0.5", linestyle=":")
        ax.set_ylim(0, None)
    ax.set(xlabel="generation", title=LABELS[name])
    ax.xaxis.get_major_locator().set_params(integer=True)


def _colours(data: xr.Dataset) -> list:
    finite = int(np.isfinite(data["ratio"]).sum())
    colours = list(plt.get_cmap("viridis")(np.linspace(0, 0.85, finite)))
    return colours + [SYNTHETIC] * (data.sizes["ratio"] - finite)


def _name(ratio: float) -> str:
    return "synthetic only" if np.isinf(ratio) else "real only" if ratio == 0 else f"λ = {ratio:g}"


def retraining_findings(data: xr.Dataset) -> list[Finding]:
    """Stability at small ratios, the collapse without real data, and the order in between."""
    distance, last = data["distance"], int(data["generation"][-1])
    # Two generations at the end: the noise of one training is larger than a step of the loop.
    end = distance.isel(generation=slice(-2, None)).mean("generation")
    baseline, first = end.sel(ratio=0.0), distance.isel(generation=0, ratio=0)
    finite = [ratio for ratio in data["ratio"].values if 0 < ratio < np.inf]
    synthetic = mean_and_error(end.sel(ratio=np.inf) - baseline)
    small = {ratio: mean_and_error(end.sel(ratio=ratio) - baseline) for ratio in finite if ratio <= LIMIT}
    since = {ratio: mean_and_error(end.sel(ratio=ratio) - first) for ratio in small}
    count, margin = data.sizes["seed"], MARGIN * synthetic[0]
    collapsed = above(end.sel(ratio=np.inf) - baseline)
    stable = combine([no_more(*gap, margin, count) for gap in small.values()])
    alone = distance.sel(ratio=np.inf)
    growth = alone.isel(generation=slice(-2, None)).mean("generation") / alone.isel(generation=0)
    gone = mean_and_error(growth)
    found = [
        Finding(
            claim="Theorem 1 and Fig. 2: with few synthetic points (λ up to 1/2) retraining is stable",
            ours="distance beyond that of real points only: " + _listed(small),
            verdict=stable if collapsed else "not tested",
            note=f"generations {last - 1} and {last}, {count} seeds, each against its own loop of real "
            f"points only; stable: the 95 % interval ends below {margin:.2g}, a tenth of what is lost "
            f"without real points, {with_error(*synthetic)}. Since generation 1: {_listed(since)}",
        ),
        Finding(
            claim="Fig. 2: retrained on synthetic points only, the model collapses",
            ours=f"distance over that of generation 1: {with_error(*gone)}",
            verdict="reproduced" if collapsed and above(growth - 1) else "not reproduced",
            note="the baseline of real points only: "
            + with_error(*mean_and_error(baseline / distance.sel(ratio=0.0).isel(generation=0))),
        ),
    ]
    large = {ratio: mean_and_error(end.sel(ratio=ratio) - baseline) for ratio in finite if ratio > LIMIT}
    if large:
        found.append(
            Finding(
                claim="Theorem 1 promises nothing above λ = 1/2",
                ours="distance beyond that of real points only: " + _listed(large),
                verdict="shown",
                note="nor is 1/2 sharp: where the model can represent the data, every λ is stable in theory",
            )
        )
    return [*found, *(_interpolation(data, name) for name in ("distance", "precision")), *_composition(data)]


def _interpolation(data: xr.Dataset, name: str) -> Finding:
    """Whether a number follows the synthetic share of the training set, from real only to synthetic only."""
    end = data[name].isel(generation=slice(-2, None)).mean("generation")
    sign = 1 if name == "distance" else -1
    ratios = data["ratio"].values
    share = xr.DataArray([1.0 if np.isinf(ratio) else ratio / (1 + ratio) for ratio in ratios], dims="ratio")
    centred = share - share.mean()
    slopes = sign * (end * centred).sum("ratio") / (centred**2).sum()
    slope, error = mean_and_error(slopes)
    rises = above(slopes)
    pairs = [(i, j) for i in range(len(ratios)) for j in range(i + 1, len(ratios))]
    inverted = sum(above(sign * (end.isel(ratio=i) - end.isel(ratio=j))) for i, j in pairs)
    full = "reproduced" if not inverted else "partly reproduced"
    most = ratios[-2]
    way = (end.sel(ratio=most) - end.sel(ratio=0)).mean() / (end.sel(ratio=np.inf) - end.sel(ratio=0)).mean()
    return Finding(
        claim=f"After so many retrainings the {LABELS[name]} lies the nearer to that of synthetic points "
        "only, the larger λ",
        ours=", ".join(f"{_name(r)}: {with_error(*mean_and_error(end.sel(ratio=r)))}" for r in ratios),
        verdict=full if rises else "not reproduced",
        note=f"slope over the synthetic share {with_error(sign * slope, error)}; {inverted} of {len(pairs)} "
        f"pairs of ratios in the wrong order beyond the noise of the seeds; {_name(most)}, "
        f"{share.values[-2]:.0%} synthetic, has gone {way.item():.0%} of the way",
    )


def _composition(data: xr.Dataset) -> list[Finding]:
    """What is lost without real data: quality, and modes."""
    one = data.sel(ratio=np.inf)
    ours = []
    for name in ("quality", "precision", "recall", "coverage", "imbalance"):
        if name in data:
            first, last = (mean_and_error(one[name].isel(generation=t)) for t in (0, -1))
            ours.append(f"{name} {with_error(*first)} → {with_error(*last)}")
    return [
        Finding(
            claim="What the collapse consists of (the paper shows pictures)",
            ours=", ".join(ours),
            verdict="shown",
            note="synthetic only, generation 1 → last",
        )
    ]


def _listed(values: dict[float, tuple[float, float]]) -> str:
    return ", ".join(f"{with_error(*value)} (λ = {ratio:g})" for ratio, value in values.items())
