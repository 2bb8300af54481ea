"""The fresh data loop forgets where it started."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import equivalence, format_values, holds, with_error
from paper_scripts.mad2024.gaussians import DISTANCE, W2, compare_with_theory
from paper_scripts.style import COLOURS, draw_variable, label_theory
from simulations import fresh_limits

SOURCE = "MAD, Fig. 10 left"
CAPTION = (
    "Gaussians in 100 dimensions; mean of the replicates with two standard errors. Squared W2, "
    "the convention of FID, which is the one that fits MAD's axis."
)

simulate = fresh_limits.run


def draw(data: xr.Dataset) -> Picture:
    """Draw Fig. 10 left: four trajectories, two limits."""
    figure, ax = plt.subplots(figsize=(5.6, 3.7))
    markers = {100: "o", 1000: "s"}
    for bias, color in zip(data["bias"].values, COLOURS, strict=False):
        for n_initial in data["n_initial"].values:
            part = data.sel(bias=bias, n_initial=n_initial)
            label = f"bias {bias:g}, generation 1 fitted to {n_initial:,}"
            line = {"color": color, "marker": markers[int(n_initial)], "markevery": 5, "linewidth": 1.2}
            draw_variable(ax, part, W2, alpha=0.25, label=label, **line)
        limit = float(data[f"limit_{W2}"].sel(bias=bias))
        ax.annotate(
            f"limit {limit:.2f}", (data["generation"].values[-1], limit), (0, 7), color=color,
            textcoords="offset points", ha="right", va="bottom", fontsize=8,
        )  # fmt: skip
    label_theory(ax)
    ax.set(xlabel="generation", ylabel=DISTANCE, ylim=(0, 35), xlim=(0, data["generation"].values[-1] + 1))
    ax.set_title(
        f"fresh data loop, d = {data.attrs['dim']}, "
        f"{data.attrs['n_real']} new real and {data.attrs['n_synthetic']} synthetic points"
    )
    ax.legend(loc="upper right", fontsize=7.5)
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge the claims of Fig. 10 left."""
    for bias in (1.0, 0.8):
        part = data.sel(bias=bias)
        gap, gap_error = part["late"].diff("n_initial").item(), np.hypot(*part["late_standard_error"].values)
        margin = 0.02 * float(part[f"limit_{W2}"])
        yield Finding(
            claim=f"Fig. 10 left, Eq. 3: at bias {bias:g} the limit does not depend on n_initial",
            ours=f"late generations, n_initial = 1000 less 100: {with_error(gap, gap_error)}",
            verdict=equivalence(gap, gap_error, margin, data.attrs["replicates"]),
            note=f"no difference: its 95 % interval lies within ±{margin:.2g}, 2 % of the limit",
        )
        yield compare_with_theory(
            f"Fig. 10 left: limit of E W2^2 at bias {bias:g}",
            [("", part, f"limit_{W2}", f"limit_predicted_{W2}")],
            tolerance=0.01,
        )
    yield Finding(
        claim="Sec. 5, Eq. 4: with fresh data no MADness; here a generation is worth more than n_real",
        ours="n_e / n_real = " + format_values(data, "limit_effective_ratio", "{} (bias {:g})", "bias"),
        verdict=holds((data["limit_effective_ratio"] > 1).all()),
    )
