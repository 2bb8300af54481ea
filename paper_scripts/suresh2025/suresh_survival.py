"""How long counts survive, and a Gaussian stays wide."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import agreement, holds, largest, score
from paper_scripts.style import BLUE, BOUND, COLOURS, RED, THEORY
from simulations import survival_rates

SOURCE = "Suresh, Thangaraj and Khandavally: rate of model collapse, Theorems 1 to 3"
CAPTION = (
    "Probability that model k can still produce a count above 0 (left), and that the standard deviation of "
    "a Gaussian is above a tenth of the true one (right; n = 10, divisor n - 1). Dots: shares of 200,000 "
    "loops; dashed: exact; the bounds of the paper in grey and red."
)

simulate = survival_rates.run


def draw(data: xr.Dataset) -> Picture:
    """Draw survival of the four count models, and of the width of the Gaussian."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    for case, colour in zip(data["case"].values, COLOURS, strict=False):
        one = data.sel(case=case)
        left.plot(one["k"], one["survival"], ".", markersize=4, color=colour, label=case)
        left.plot(one["k"], one["predicted_survival"], **THEORY)
        for name in ("lower", "upper"):
            left.plot(one["k"], one[name], **BOUND)
    right.plot(data["j"], data["wide"].where(data["wide"] > 0), ".", markersize=3, color=BLUE, label="loops")
    right.plot(data["j"], data["predicted_wide"], **THEORY, label="exact, divisor n - 1")
    right.plot(data["j"], data["wide_by_likelihood"].clip(1e-6), color="0.5", label="exact, divisor n")
    right.plot(data["j"], np.minimum(data["wide_bound"], 1), **BOUND | {"color": RED}, label="Theorem 3")
    for ax in (left, right):
        ax.set_yscale("log")
        ax.set_xlabel("model k")
        ax.legend(fontsize="small")
    left.set_ylim(0.02, 1.1)
    left.set_ylabel("P(rate of model k > 0)")
    right.set_ylim(1e-6, 1.5)
    right.set_ylabel("P(sd of model k > 0.1)")
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge the exact probabilities, and each theorem."""
    worst = largest(score(data, "survival"))
    yield Finding(
        claim="Exact survival (Wright-Fisher ancestry; branching) at every k",
        ours=f"largest abs(z) of {data['survival'].size} is {worst:.1f}",
        verdict=agreement(worst),
        note="neighbouring k are correlated",
    )
    bernoulli = data.isel(case=[0, 1])
    inside = (bernoulli["predicted_survival"] >= bernoulli["lower"] - 1e-12) & (
        bernoulli["predicted_survival"] <= bernoulli["upper"] + 1e-12
    )
    gap = bernoulli["predicted_survival"] / bernoulli["lower"] - 1
    yield Finding(
        claim="Theorem 1: survival of a Bernoulli model lies between the two bounds at every k",
        ours=f"{int(inside.sum())} of {inside.size} exact values do; the lower bound is low by "
        f"{float(gap.min()):.2%} to {float(gap.max()):.1%}",
        verdict=holds(inside.all()),
    )
    poisson = data.isel(case=[2, 3])
    apart = float(abs(poisson["predicted_survival"] / poisson["lower"] - 1).max())
    yield Finding(
        claim="Theorem 2: survival of a Poisson model is 1 - exp(-n λ g_k)",
        ours=f"largest abs(z) of {poisson['survival'].size} is {largest(score(poisson, 'survival')):.1f}; "
        f"exact values differ by {apart:.0e}",
        verdict=holds(largest(score(poisson, "survival")) < 5, apart < 1e-9),
    )
    k = int(data["k"][-1])
    yield Finding(
        claim="g_k decays like 2/k",
        ours=f"k g_k = {float(k * data['rate'][-1]):.3f} at k = {k}",
        verdict=holds(abs(k * data["rate"][-1] - 2) < 0.25),
    )
    below = (data["predicted_wide"] <= data["wide_bound"]) & (
        data["wide_by_likelihood"] <= data["wide_bound"]
    )
    last = data.isel(j=-1)
    worst = largest(score(data, "wide"))
    yield Finding(
        claim=f"Theorem 3: P(sd > 0.1) ≤ 10 exp(-k/40), {last['wide_bound'].item():.4f} at k = "
        f"{int(last['j'])}",
        ours=f"exact: {last['predicted_wide'].item():.4f} with the divisor n - 1, "
        f"{last['wide_by_likelihood'].item():.1e} with n; both below the bound at {int(below.sum())} of "
        f"{below.size} k; largest abs(z) of the loops {worst:.1f}",
        verdict=holds(below.all(), worst < 5),
        note="the rate 1/(4n) is that of n - 1; the chain with n dies almost four times as fast",
    )
