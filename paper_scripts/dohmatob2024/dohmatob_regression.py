"""Regression on labels of labels: linear growth, loss by few points, and a floor that data do not lower."""

import matplotlib.pyplot as plt
import xarray as xr

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import agreement, error_of, holds, largest, score, with_error
from paper_scripts.style import (
    BLUE,
    COLOURS,
    DOTTED,
    RED,
    THEORY,
    draw_variable,
    label_theory,
)
from simulations import label_collapse

SOURCE = "Dohmatob et al. 2024; Dohmatob et al. 2025"
CAPTION = (
    "(a) d = 20, 60 points per generation, noise 0.5. (b) d = 60, 20 points, no noise: each fit of least "
    "norm loses what its inputs do not span. (c) One fit to n points in d = 10, a share of whose labels is "
    "of coefficients at distance 1; dotted: the floor, the squared share. Two standard errors; theory dashed."
)

simulate = label_collapse.run


def draw(data: xr.Dataset) -> Picture:
    """Draw the two loops by generation, and the mixture by its number of points."""
    figure, (many, few, mixture) = plt.subplots(1, 3, figsize=(10.5, 3.5))
    draw_variable(many, data.sel(loop="many points"), "excess_risk", color=BLUE, label="simulation")
    for name, colour in zip(label_collapse.LOOPS[1:], (RED, BLUE), strict=True):
        one = data.sel(loop=name)
        draw_variable(few, one, "excess_risk", color=colour, label=name.removeprefix("few points, "))
    for share, colour in zip(data["share"].values, COLOURS, strict=False):
        one, label = data.sel(share=share), f"share {share:g}"
        mixture.errorbar(
            one["n"], one["mixture_risk"], 2 * error_of(one, "mixture_risk"), fmt="o", color=colour,
            markersize=4, label=label,
        )  # fmt: skip
        mixture.plot(one["n"], one["predicted_mixture_risk"], **THEORY)
        if share:
            mixture.axhline(share**2, **DOTTED)
    mixture.set(xscale="log", yscale="log", xlabel="points n", title="(c) mixture of labels")
    many.set(ylim=(0, None), ylabel="excess risk  [squared labels]", title="(a) many points")
    few.set(ylim=(0, 1.05), title="(b) few points, no noise")
    for ax in (many, few):
        ax.set_xlabel("generation")
        label_theory(ax, "exact mean")
    for ax in (many, few, mixture):
        ax.legend(fontsize=8)
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge the slope, the loss by few points, and the floor."""
    many = data.sel(loop="many points")
    worst = largest(score(many, "excess_risk"))
    slope = many["excess_risk"].isel(generation=-1).item() / many.sizes["generation"]
    error = many["excess_risk_error"].isel(generation=-1).item() / many.sizes["generation"]
    yield Finding(
        "The error grows by σ² d / (T - d - 1) = 0.1282 in every generation (2402.07712, regime T > d + 1)",
        f"{with_error(slope, error)}; largest abs(z) {worst:.1f}",
        holds(worst < 5),
    )
    few = data.sel(loop="few points, new inputs")
    worst, left = largest(score(few, "excess_risk")), 1 - few["excess_risk"].isel(generation=4).item()
    yield Finding(
        "With fewer points than inputs the signal decays as (T/d)^t, without any noise: "
        f"{(1 / 3) ** 5:.4f} of it is left after 5 fits",
        f"{with_error(left, few['excess_risk_error'].isel(generation=4).item())}; largest abs(z) {worst:.1f}",
        holds(worst < 5),
    )
    same = data.sel(loop="few points, same inputs")
    worst = largest(score(same, "excess_risk"))
    yield Finding(
        "Our own: inputs that are used again lose 1 - T/d = 0.667 once, and nothing after",
        f"{same['excess_risk'].isel(generation=-1).item():.4f} at generation 15; largest abs(z) {worst:.1f}",
        agreement(worst),
    )
    worst = largest(score(data, "mixture_risk"))
    yield Finding(
        "Our exact formula for one fit to a mixture, at every share and size",
        f"largest abs(z) of {data['mixture_risk'].size} is {worst:.1f}",
        agreement(worst),
    )
    large = data.isel(n=-1)
    floors = large["mixture_risk"] / large["share"] ** 2
    errors = large["mixture_risk_error"] / large["share"] ** 2
    shown = [
        f"{with_error(floors.sel(share=share).item(), errors.sel(share=share).item())} (share {share:g})"
        for share in large["share"].values[1:]
    ]
    yield Finding(
        "Strong collapse (2410.04840): a share p of synthetic labels leaves a floor p² |δ|² for any number "
        "of points, even at p = 0.01",
        f"excess risk / p² at n = {int(large['n']):,}: {', '.join(shown)}",
        holds(*(abs(floors.isel(share=slice(1, None)) - 1) < 0.05).values),
    )
