"""Which directions die first: the Lyapunov spectrum of the fully synthetic loop."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import agreement, compare_value, largest, score, with_error
from paper_scripts.style import THEORY, gradient
from simulations import lyapunov

SOURCE = "our own"
CAPTION = (
    "Ten dimensions, identity covariance at the start, bias 1. Theory gives slopes: in (a) and "
    "(c) its lines go through the middle of the run. Error bars in (b) are two standard errors, "
    "smaller than the marks."
)

simulate = lyapunov.run


def draw(data: xr.Dataset) -> Picture:
    """Draw eigenvalues of one size, rates of all sizes, condition number, and number of directions left."""
    figure, ((spectrum, rates), (condition, left)) = plt.subplots(2, 2, figsize=(9.5, 6.6))
    _eigenvalues(data, spectrum)
    per_e = np.log10(np.e)
    for n in data["n"].values:
        one = data.sel(n=n)
        error = 2 * one["rate_error"]
        (mark,) = rates.plot(one["direction"], one["rate"], "o", label=f"n = {n}")
        colour = mark.get_color()
        rates.errorbar(one["direction"], one["rate"], yerr=error, fmt="none", color=colour, elinewidth=1)
        rates.plot(one["direction"], one["predicted_rate"], **THEORY)
        x = one["generation"]
        middle = _quantiles(condition, x, one["log_condition"] * per_e, color=colour, label=f"n = {n}")
        # The rate alone is predicted: the line goes through the middle of the run.
        half = one.sizes["time"] // 2
        line = middle[half] + per_e * one["predicted_condition_rate"] * (x - x[half])
        condition.plot(x[line > 0], line[line > 0], **THEORY)
        _quantiles(left, one["time"], one["effective_directions"], color=colour, label=f"n = {n}")
    rates.set(xlabel="direction, largest first", ylabel="rate of log eigenvalue  [1/generation]")
    rates.set_title("(b) rates: measured, and theory (dashed)")
    rates.set_xticks(data["direction"].values)
    condition.set(xlabel="generation", ylabel="log10 of the condition number", ylim=(0, None))
    condition.set_title("(c) condition number: median, 5-95 %; theory: slope")
    left.set(xlabel="generation / n", ylabel="(trace Σ)² / trace Σ²  [directions]")
    left.set(xlim=(0.2, 20), ylim=(0.9, None), xscale="log")
    left.axhline(1, **THEORY)
    left.set_title("(d) directions left: median, 5-95 %")
    for ax in (rates, condition, left):
        ax.legend()
    return figure


def _quantiles(ax: Axes, x: xr.DataArray, values: xr.DataArray, **line: str) -> xr.DataArray:
    """Draw the median, with a band from 5 to 95 %, and return it."""
    low, middle, high = (values.sel(quantile=q) for q in (0.05, 0.5, 0.95))
    ax.fill_between(x, low, high, color=line["color"], alpha=0.22, linewidth=0)
    ax.plot(x, middle, **line)
    return middle


def _eigenvalues(data: xr.Dataset, ax: Axes, n: int = 20) -> None:
    one = data.sel(n=n)
    per_e = np.log10(np.e)
    colours = gradient(one.sizes["direction"])
    x, half = one["generation"].values, one.sizes["time"] // 2
    for colour, direction in zip(colours, one["direction"].values, strict=True):
        y = per_e * one["log_eigenvalue"].sel(direction=direction).values
        slope = per_e * one["predicted_rate"].sel(direction=direction).item()
        ax.plot(x, y, color=colour)
        ax.plot(x, y[half] + slope * (x - x[half]), **THEORY)
        where = {"xytext": (3, -3), "textcoords": "offset points"}
        ax.annotate(str(direction), (x[-1], y[-1]), color=colour, fontsize=8, **where)
    ax.set(xlabel="generation", ylabel="log10 of the eigenvalue (mean over loops)")
    ax.set_title(f"(a) eigenvalues, n = {n}, with the slopes of theory")


def judge(data: xr.Dataset) -> Findings:
    """Judge rates of the directions, of the condition number, and how many directions are left."""
    worst = largest(score(data, "rate"))
    yield Finding(
        claim="Rate of eigenvalue j per generation: ln(2 / (n - 1)) + digamma((n - j) / 2), "
        f"j = 1 to {data.sizes['direction']}, n = {', '.join(map(str, data['n'].values))}",
        ours=f"largest abs(z) of {data['rate'].size} rates is {worst:.1f}",
        verdict=agreement(worst),
    )
    for which, j in (("slowest", 0), ("fastest", -1)):
        one = data.sel(n=20).isel(direction=j)
        claim = f"The {which} direction, n = 20: {one['predicted_rate'].item():.4f} per generation"
        yield compare_value(claim, one, "rate")
    for n in data["n"].values:
        one = data.sel(n=n)
        rate = f"{one['predicted_condition_rate'].item():.4f} per generation, n = {n}"
        yield compare_value(f"ln of the condition number grows by {rate}", one, "condition_rate")
    one = data.sel(n=20, time=2.0)
    left = one["effective_directions"].sel(quantile=0.5).item()
    yield Finding(
        claim="The model collapses to one direction before it collapses to a point: directions left "
        f"(squared trace / trace of the square) of {data.attrs['dim']}, median over loops, n = 20, "
        f"generation {int(one['generation'])}",
        ours=with_error(left, one["median_error"].item()),
        verdict="shown",
    )
