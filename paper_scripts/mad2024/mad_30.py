"""Sampling from several previous models helps."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import agrees, format_values, holds
from paper_scripts.mad2024.gaussians import RATIO
from paper_scripts.style import BLUE, BOUND, THEORY
from simulations import model_memory

SOURCE = "MAD, Fig. 30"
CAPTION = "Every synthetic point comes from one of the last K models, chosen uniformly at random."

simulate = model_memory.run


def draw(data: xr.Dataset) -> Picture:
    """Draw Fig. 30: the effective sample ratio by the number of remembered models."""
    figure, ax = plt.subplots(figsize=(4.8, 3.5))
    error = 2 * data["effective_ratio_standard_error"]
    mark = {"fmt": "o", "color": BLUE, "capsize": 2, "label": "simulation, ± 2 s.e."}
    ax.errorbar(data["memory"], data["effective_ratio"], error, **mark)
    ax.plot(data["memory"], data["predicted_effective_ratio"], **THEORY, label="theory, leading order in 1/n")
    bound = 1 + data.attrs["n_synthetic"] / data.attrs["n_real"]
    ax.axhline(bound, **BOUND, label=r"upper bound $n\,/\,n_{\mathrm{real}}$")
    ax.set(xlabel="number of remembered models $K$", ylabel=RATIO, ylim=(0, bound + 1), xlim=(-2, None))
    ax.set_title(f"{data.attrs['n_real']:,} real, {data.attrs['n_synthetic']:,} synthetic points, bias 1")
    ax.legend(loc="lower right")
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge the claims of Fig. 30."""
    memory, ratio = data["memory"].values, data["effective_ratio"].values
    slopes = np.diff(ratio) / np.diff(memory)
    bound = 1 + data.attrs["n_synthetic"] / data.attrs["n_real"]
    off = data["predicted_effective_ratio"].values / ratio - 1
    held = [k for k in (1, 10, 100) if k in memory]
    yield Finding(
        claim="Fig. 30: n_e / n_real grows with the number K of models, and the gains flatten",
        ours="gain per model " + ", ".join(f"{slope:.2g}" for slope in slopes),
        verdict=holds((slopes > 0).all() and (np.diff(slopes) < 0).all()),
    )
    yield Finding(
        claim="Fig. 30: n_e / n_real at K = " + ", ".join(map(str, held)) + " (MAD prints no number)",
        ours=format_values(data.sel(memory=held), "effective_ratio"),
        verdict="shown",
        note="MAD's axis runs from 2 to 10",
    )
    yield Finding(
        claim=f"bound (ours): n_e < n, so that n_e / n_real < {bound:g}",
        ours=f"largest {ratio.max():.2f}",
        verdict=agrees((ratio < bound).all()),
    )
    yield Finding(
        claim="theory (ours, leading order in 1/n): n_e = d / (exact stationary mean error)",
        ours=f"off by {100 * off.min():+.1f} to {100 * off.max():+.1f} %",
        verdict=agrees((np.abs(off) < 0.04).all()),
        note="what it leaves out is of order d / n_e, most at K = 1",
    )
