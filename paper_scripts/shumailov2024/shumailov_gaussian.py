"""A Gaussian refitted to its own points."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from madtheory.theory import gaussian
from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import agreement, compare_value, format_value, holds, largest, score
from paper_scripts.style import THEORY, draw_variable, gradient, label_theory
from simulations import one_gaussian

SOURCE = "Shumailov et al., Nature 631 (2024): single Gaussian; settings of the released code"
CAPTION = (
    "One dimension, standard deviation with divisor n. Left: each fit sees the last n points; median and "
    "5-95 % of 4,000 runs, dashed: exact law. Right: each fit sees all points so far, the first n real; mean "
    "variance with two standard errors, dashed: exact mean, which tends to sinc(1/√n)."
)
COMMITTED = {10: (0.92062, 0.2212), 30: (0.98313, 0.1320), 100: (0.99160, 0.0676), 500: (0.99778, 0.0310)}
"""Mean and sd of 1,000 standard deviations (divisor n) in the released data, by n."""

simulate = one_gaussian.run


def draw(data: xr.Dataset) -> Picture:
    """Draw the quantiles of the chain, and the mean of the loop that keeps all batches."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8))
    colours = gradient(data.sizes["n"])
    for n, colour in zip(data["n"].values, colours, strict=True):
        one = data.sel(n=n)
        x, sd = one["generation"], np.exp(one["log_variance"] / 2)
        left.plot(x, sd.sel(quantile=0.5), color=colour, label=f"n = {n:,}")
        left.fill_between(
            x, *sd.sel(quantile=[0.05, 0.95]).transpose("quantile", ...), color=colour, alpha=0.2
        )
        for exact in np.exp(one["predicted_log_variance"] / 2).transpose("quantile", "generation"):
            left.plot(x, exact, **THEORY)
        draw_variable(right, one, "kept_variance", color=colour, label=f"n = {n:,}")
    label_theory(right)
    left.set_yscale("log")
    left.set_ylabel("standard deviation  [of the truth]")
    right.set_ylabel("variance  [of the truth]")
    for ax in (left, right):
        ax.set_xscale("log")
        ax.set_xlabel("generation")
        ax.legend()
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge collapse, its exact law, the loop that keeps all batches, and the committed sampling errors."""
    last = data.isel(generation=-1)
    t = int(last["generation"])
    small = last.sel(n=100, quantile=0.5)
    sds = np.exp(last["log_variance"].sel(quantile=0.5) / 2)
    medians = [f"{sd:.2g} (n = {n:,})" for n, sd in zip(sds["n"].values, sds.values, strict=True)]
    yield Finding(
        claim="The standard deviation collapses for every n, the later the larger n is (one run each)",
        ours=f"median at generation {t}: {', '.join(medians)}",
        verdict=holds((sds < 1).all(), (sds.diff("n") > 0).all()),
    )
    yield compare_value(
        f"Exact law: ln of the median variance at generation {t}, n = 100, is "
        f"{small['predicted_log_variance'].item():.3f}; -2t/n to leading order",
        small,
        "log_variance",
    )
    worst = largest(score(data, "log_variance"))
    yield Finding(
        claim="Exact law: medians, 5 % and 95 % quantiles of every n and generation",
        ours=f"largest abs(z) of {data['log_variance'].size} is {worst:.1f}",
        verdict=agreement(worst),
        note="neighbouring generations are correlated",
    )
    for n in data["n"].values[:2]:
        one = last.sel(n=n)
        z = score(one, "kept_variance").item()
        yield Finding(
            claim=f"Keeping all batches, the mean variance at generation {t} is "
            f"{one['predicted_kept_variance'].item():.5f}, and tends to sinc(1/√n) = "
            f"{one['kept_limit'].item():.5f} (n = {n})",
            ours=f"{format_value(one, 'kept_variance')} (z = {z:+.1f})",
            verdict=agreement(z),
        )
    scores = {}
    for n, (mean, sd) in COMMITTED.items():
        exact = float(gaussian.variance_law(generation=1, n=n, ddof=0).moment(0.5))
        scores[n] = (mean - exact) / (sd / np.sqrt(1_000)), exact
    yield Finding(
        claim="Sampling error of the standard deviation, means of 1,000 fits: "
        + ", ".join(f"{mean} (n = {n})" for n, (mean, _) in COMMITTED.items()),
        ours="exact: " + ", ".join(f"{e:.5f} (z = {z:+.1f})" for z, e in scores.values()),
        verdict=holds(all(abs(z) < 3 for z, _ in scores.values())),
        note="the axis of the figure names |mu - mu_hat|; what is plotted are standard deviations",
    )
    one, other = (
        float(gaussian.replace(n=100, ddof=ddof, generations=1_000)["wasserstein2_squared"][-1])
        for ddof in (1, 0)
    )
    yield Finding(
        claim="Theorem 3.1: the expected squared W2 distance to the truth diverges",
        ours=f"exact at generation 1,000, n = 100: {one:.2f} with the divisor n - 1, {other:.4f} with n",
        verdict="shown",
        note="t/n + 2 with the theorem's n - 1, carried by rare runs; at most 2 with the n of the code",
    )
