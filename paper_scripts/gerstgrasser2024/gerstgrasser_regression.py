"""Regression on its own labels: replacing data adds an error in every generation, accumulating bounds it."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import holds, largest, score, with_error
from paper_scripts.style import BLUE, DOTTED, GREEN, RED, draw_variable, label_theory
from simulations import label_regimes

SOURCE = "Gerstgrasser et al. 2024, Theorem 1"
CAPTION = (
    "Excess risk of least squares on T inputs in d dimensions, noise 1, with bands of two standard errors. "
    "The dotted line is the limit of accumulation: the first error times π²/6."
)

simulate = label_regimes.run


def draw(data: xr.Dataset) -> Picture:
    """Draw the excess risk by generation, a panel per setting."""
    figure, axes = plt.subplots(1, data.sizes["setting"], figsize=(10.5, 3.5), squeeze=False)
    for i, ax in enumerate(axes[0]):
        one = data.isel(setting=i)
        for name, colour in zip(label_regimes.LOOPS, (RED, BLUE, GREEN), strict=True):
            draw_variable(ax, one.sel(loop=name), "excess_risk", color=colour, label=name)
        first = one["predicted_excess_risk"].sel(loop="accumulate", generation=1).item()
        ax.axhline(first * np.pi**2 / 6, **DOTTED)
        ax.set_title(f"T = {one['n'].item()}, d = {one['dim'].item()}")
        ax.set_ylim(0, None)
        ax.set_xlabel("generation")
    label_theory(axes[0, 0], "exact mean")
    axes[0, 0].set_ylabel("excess risk  [squared labels]")
    axes[0, 0].legend()
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge the slope, the sum of inverse squares, and what new inputs change."""
    count = data["excess_risk"].sel(loop="replace").size
    for name, claim in (
        ("replace", "After n fits on replaced labels: n σ² d / (T - d - 1)"),
        (
            "accumulate",
            "After n fits on accumulated labels: σ² d / (T - d - 1) times the sum of 1 / i², i ≤ n",
        ),
    ):
        worst = largest(score(data.sel(loop=name), "excess_risk"))
        ours = f"largest abs(z) of {count} (setting, generation) is {worst:.1f}"
        yield Finding(claim, ours, holds(worst < 5))
    last = data.isel(generation=-1, setting=0)
    ratio, error = _ratio(last, data.isel(generation=0, setting=0), "accumulate")
    limit = np.pi**2 / 6
    yield Finding(
        f"The error of accumulation stays below π²/6 = {limit:.4f} times the first",
        f"{with_error(ratio, error)} at generation 10",
        holds(ratio - 2 * error < limit),
    )
    new, new_error = _ratio(last, data.isel(generation=0, setting=0), "accumulate, new inputs")
    exact = last["predicted_excess_risk"].sel(loop="accumulate, new inputs").item()
    exact /= data["predicted_excess_risk"].isel(generation=0, setting=0).sel(loop="accumulate").item()
    worst = largest(score(data.sel(loop="accumulate, new inputs"), "excess_risk"))
    yield Finding(
        f"Our own: with new inputs in every generation the ratio is smaller, {exact:.4f} at generation 10 "
        f"(T = {last['n'].item()}, d = {last['dim'].item()})",
        f"{with_error(new, new_error)}; largest abs(z) {worst:.1f}",
        "agrees" if worst < 5 else "disagrees",
    )


def _ratio(last: xr.Dataset, first: xr.Dataset, loop: str) -> tuple[float, float]:
    """Error of a loop relative to the exact first one, and its standard error."""
    scale = first["predicted_excess_risk"].sel(loop=loop).item()
    return last["excess_risk"].sel(loop=loop).item() / scale, last["excess_risk_error"].sel(
        loop=loop
    ).item() / scale
