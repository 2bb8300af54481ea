"""How much synthetic data is admissible, over the bias."""

import matplotlib.pyplot as plt
import xarray as xr

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import holds
from paper_scripts.mad2024.gaussians import (
    EDGE,
    RATIO,
    against_theory,
    compare_edges,
    compare_peaks,
    ratio_map,
)
from simulations import admissible_synthetic

SOURCE = "MAD, Fig. 12"
CAPTION = "As the figure before, over the sampling bias (MAD's lambda: it multiplies the covariance)."

simulate = admissible_synthetic.over_bias


def draw(data: xr.Dataset) -> Picture:
    """Draw Fig. 12: three heat maps over bias and n_synthetic."""
    figure, axes = plt.subplots(1, 3, figsize=(9.2, 3.3), sharey=True)
    for ax, n_real in zip(axes, data["n_real"].values, strict=True):
        mesh = ratio_map(ax, data.sel(n_real=n_real), "bias", top=2.5)
        ax.set(xlabel="bias", title=f"{n_real:,} real points")
        ax.set_xticks([0.1, 0.3, 0.5, 0.7, 0.9])
    axes[0].set_ylabel(r"synthetic points $n_{\mathrm{synthetic}}$")
    figure.colorbar(mesh, ax=axes, label=RATIO, pad=0.01, aspect=25)
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge the claims of Fig. 12."""
    edge = data[EDGE]
    change = edge.sel(n_real=1000) / edge.sel(n_real=250)
    corners = [(n, b) for n in (100, 1000) for b in (0.1, 0.5, 0.7)]
    yield Finding(
        claim="Fig. 12: the smaller the bias, the fewer synthetic points are admissible",
        ours="; ".join(
            f"{int(n):,} real points: " + " < ".join(f"{value:,.0f}" for value in edge.sel(n_real=n).values)
            for n in edge["n_real"]
        ),
        verdict=holds((edge.diff("bias") > 0).all()),
        note="bias from " + f"{float(edge['bias'][0]):g} to {float(edge['bias'][-1]):g}",
    )
    yield compare_edges(data, corners, "Fig. 12")
    yield compare_peaks(data, [(100, b) for b in (0.1, 0.5, 0.7)], "Fig. 12")
    yield Finding(
        claim="Fig. 12: from 250 to 1000 real points the admissible number hardly changes",
        ours=f"factor {float(change.min()):.2f} to {float(change.max()):.2f} over the biases",
        verdict=holds(((change > 0.7) & (change < 1.4)).all()),
        note="while real points grow fourfold",
    )
    yield against_theory(data)
