"""How much synthetic data is admissible, over the number of real points."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import agrees, format_values, holds
from paper_scripts.mad2024.gaussians import (
    EDGE,
    RATIO,
    against_theory,
    compare_edges,
    compare_peaks,
    label_ticks,
    ratio_map,
)  # fmt: skip
from paper_scripts.style import BOUND, COLOURS, THEORY, label_theory
from simulations import admissible_synthetic

SOURCE = "MAD, Fig. 11"
CAPTION = (
    "Blue: a generation is worth more real points than it sees (MAD, Eq. 4). Circles: largest "
    "admissible number of synthetic points, simulated; dashed: by theory. Right: the same far beyond "
    "MAD's range, at a cost that does not grow with the number of points."
)

simulate = admissible_synthetic.over_real


def draw(data: xr.Dataset) -> Picture:
    """Draw Fig. 11: three heat maps over n_real and n_synthetic, and where their boundaries go."""
    figure, axes = plt.subplots(1, 4, figsize=(12.4, 3.3), width_ratios=(1, 1, 1, 1.3))
    for ax, bias in zip(axes[:3], data["bias"].values, strict=True):
        part = data.sel(bias=bias)
        mesh = ratio_map(ax, part, "n_real", top=3.0)
        ax.set(xscale="log", xlabel=r"real points $n_{\mathrm{real}}$", title=f"bias {bias:g}")
        label_ticks(ax.xaxis, (100, 300, 1000))
        ax.tick_params(labelleft=ax is axes[0])
    axes[0].set_ylabel(r"synthetic points $n_{\mathrm{synthetic}}$")
    figure.colorbar(mesh, ax=axes[:3], label=RATIO, pad=0.01, aspect=25)

    ax = axes[3]
    for bias, color in zip(data["line_bias"].values, COLOURS, strict=False):
        line = data.sel(line_bias=bias)
        ax.plot(line["line_n_real"], line[f"line_predicted_{EDGE}"], **THEORY)
        ax.axhline(float(line["line_asymptote"]), **BOUND | {"color": color})
        near, far = data.sel(bias=bias), data.sel(far_bias=bias)
        marks = {"linestyle": "", "marker": "o", "color": color, "markersize": 4}
        ax.plot(near["n_real"], near[EDGE], label=f"bias {bias:g}", **marks)
        ax.plot(far["far_n_real"], far[f"far_{EDGE}"], **marks)
    label_theory(ax)
    ax.plot([], [], **BOUND, label=r"theory, $n_{\mathrm{real}}\to\infty$")
    ax.axvspan(100, 1000, color="0.93", zorder=0)
    ax.text(316, 320, "range of\nthe paper", ha="center", va="bottom", fontsize=7.5, color="0.35")
    ax.set(xscale="log", yscale="log", xlim=(45, 3.5e5), ylim=(300, 20_000))
    ax.set(xlabel=r"real points $n_{\mathrm{real}}$", title="largest admissible number")
    ax.set_ylabel(r"synthetic points $n_{\mathrm{synthetic}}$")
    ax.legend(loc="upper right", ncols=2)
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge the claims of Fig. 11."""
    biased = data.sel(bias=[b for b in data["bias"].values if b < 1])
    edge, peaks = biased[EDGE], biased["effective_ratio"].max("n_synthetic")
    unbiased = data["effective_ratio"].sel(bias=1.0)
    middle = edge.sel(n_real=edge["n_real"] >= 200)
    flat = (edge[:, -1] < edge[:, 0]).all() and (middle.max("n_real") < 1.4 * middle.min("n_real")).all()
    corners = [(n, b) for n in (100, 1000) for b in edge["bias"].values]
    yield Finding(
        claim="Fig. 11, bias < 1: n_e / n_real rises above 1, then falls through 1",
        ours=f"at all {peaks.size} sizes; peaks {float(peaks.min()):.2f} to {float(peaks.max()):.2f}",
        verdict=holds((peaks > 1).all() and np.isfinite(edge).all()),
    )
    yield Finding(
        claim="Fig. 11, bias 1: every amount of synthetic data is admissible",
        ours=f"n_e / n_real from {float(unbiased.min()):.3f} to {float(unbiased.max()):.3f}",
        verdict=holds((unbiased > 1).all()),
    )
    yield compare_edges(data, corners, "Fig. 11")
    yield compare_peaks(data, [*((100, b) for b in data["bias"].values), (1000, 1.0)], "Fig. 11")
    yield Finding(
        claim="Fig. 11: the admissible number converges, it does not grow in proportion to n_real",
        ours="; ".join(
            f"bias {float(b):g}: {float(row[0]):,.0f} at 100, {float(row.min()):,.0f} at least, "
            f"{float(row[-1]):,.0f} at 1000 real points"
            for b, row in zip(edge["bias"], edge, strict=True)
        ),
        verdict=holds(flat),
        note="a shallow minimum lies inside MAD's range; the limit itself far outside, see the next rows",
    )
    yield from _far(data)
    yield Finding(
        claim="Fig. 11: synthetic data help most where real data are few",
        ours="; ".join(
            f"bias {float(b):g}: peak {float(row[0]):.2f} at 100, {float(row[-1]):.2f} at 1000 points"
            for b, row in zip(peaks["bias"], peaks, strict=True)
        ),
        verdict=holds((peaks[:, 0] > peaks[:, -1]).all()),
    )
    yield against_theory(data)


def _far(data: xr.Dataset) -> Findings:
    """Judge the admissible number for more real points than MAD shows."""
    for bias in data["far_bias"].values:
        part, end = data.sel(far_bias=bias), float(data["line_asymptote"].sel(line_bias=bias))
        ours = part[f"far_{EDGE}"]
        off = abs(part[f"far_predicted_{EDGE}"] / ours - 1)
        text = format_values(part, f"far_{EDGE}", "{} at {:,}", "far_n_real")
        yield Finding(
            claim=f"theory (ours), bias {bias:g}: the admissible number climbs slowly to {end:,.0f}",
            ours=f"{text} real points; theory off by at most {100 * off.max().item():.1f} %",
            verdict=agrees((off < 0.05).all() and ours[-1] < end),
        )
