"""Moving away from a self-trained model corrects a biased sampler, not sampling noise."""

from itertools import product

import matplotlib.pyplot as plt
import xarray as xr

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import agreement, agrees, holds, largest, score
from paper_scripts.style import BLUE, GREEN, RED, THEORY, band
from simulations import self_improvement

SOURCE = "SIMS, Fig. of distance against guidance; Gaussians, after Neon, Appendix B.11"
CAPTION = (
    "Distance of samples to the truth against guidance; stars mark the optimum. (a) SIMS in one "
    "dimension, with the exact curves. (b, c) SIMS and Neon in two, truth N(0, [[2, 1], [1, 2]]), "
    "auxiliaries on 10,000 and on 1000 points."
)

simulate = self_improvement.distance


def draw(data: xr.Dataset) -> Picture:
    """Draw one generation: exact curves in one dimension, and SIMS and Neon in two."""
    figure, (left, *others) = plt.subplots(1, 3, figsize=(12.0, 3.9))
    for bias, colour in zip(data["bias"].values, (BLUE, GREEN, RED), strict=True):
        one = data.sel(bias=bias)
        mark = {"fmt": "o", "markersize": 3.5, "color": colour, "label": f"sampler's bias {bias:g}"}
        left.errorbar(one["weight"], one["line"], yerr=2 * one["line_error"], **mark)
        left.plot(one["weight"], one["predicted_line"], **THEORY, label="exact" if bias == 1 else None)
        best = one["best_line"].item()
        star = {"markersize": 13, "color": colour, "zorder": 5, "linestyle": ""}
        left.plot(best, one["predicted_line"].sel(weight=best), marker="*", **star)
    left.set(title=f"(a) one dimension, {data.attrs['n']} points", ylim=(0, 0.1))
    for ax, size, letter in zip(others, data["size"].values, "bc", strict=True):
        for bias, style in zip(data["plane_bias"].values, ("-", ":"), strict=True):
            for scheme in data["scheme"].values:
                one = data.sel(size=size, plane_bias=bias, scheme=scheme)
                colour, width = (BLUE, 3.0) if scheme == "SIMS" else (RED, 1.5)
                line = {"linestyle": style, "linewidth": width, "label": f"{scheme}, bias {bias:g}"}
                error = 2 * one["plane_error"]
                band(ax, one["weight"], one["plane"], error, alpha=0.2, color=colour, **line)
                ax.plot(one["best_plane"], one["plane"].min(), "*", markersize=11, color=colour)
        ax.set(title=f"({letter}) two dimensions, {size} points", yscale="log")
    for ax in (left, *others):
        ax.set_xlabel("guidance w (-1: self-trained, 0: base)")
        ax.axvline(0, color="0.8", linewidth=0.8, zorder=0)
        ax.plot([], [], "*", color="0.3", markersize=9, label="smallest distance")
        ax.legend(fontsize="small")
    left.set_ylabel("mean squared Wasserstein-2 distance")
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge what one generation gains, with an unbiased and with a biased sampler."""
    worst = largest(score(data, "line"))
    yield Finding(
        claim="Exact mean squared W2 of SIMS in one dimension, at every guidance and bias",
        ours=f"largest abs(z) of {data['line'].size} is {worst:.1f}",
        verdict=agreement(worst),
        note=f"{data.attrs['n']} real points, auxiliary on {data.attrs['n_auxiliary']}; all weights "
        "share their draws",
    )
    for bias in data["plane_bias"].values:
        ours, gains = [], []
        for size, scheme in product(data["size"].values, data["scheme"].values):
            one = data.sel(plane_bias=bias, size=size, scheme=scheme)
            gains.append((one["plane"].min() / one["plane"].sel(weight=0.0)).item())
            best = one["best_plane"].item()
            ours.append(f"{scheme}, n = {size}: {gains[-1]:.2f} of the base at w = {best:g}")
        narrow = bias < 1
        yield Finding(
            claim="SIMS and Neon improve a base whose sampler is too narrow"
            if narrow
            else "An unbiased sampler leaves (almost) nothing to improve",
            ours=f"{'; '.join(ours)} (sampler's bias {bias:g})",
            verdict=holds(min(gains) < 0.9, max(gains) < 0.9) if narrow else agrees(min(gains) > 0.8),
            note="by as much as the bias stands out of the sampling noise; image models have one too"
            if narrow
            else "the error of a fit is sampling noise, which the auxiliary does not know",
        )
