"""Variance collapse of the fully synthetic loop, against its exact law."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from madtheory import plotting
from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import agreement, compare_value, largest, score, value_of, with_error
from paper_scripts.style import BLUE, RED, THEORY
from simulations import variance_collapse

SOURCE = "our own"
CAPTION = (
    "One dimension, n points per generation. Bands hold 90 % of the loops. The exact mean "
    "(dotted) and the average of the simulated loops (thin) are carried by ever fewer of them."
)

simulate = variance_collapse.run


def draw(data: xr.Dataset) -> Picture:
    """Draw a panel per bias: median and 5-95 % band for both sizes, exact law dashed, mean dotted."""
    figure, axes = plt.subplots(1, data.sizes["bias"], figsize=(10.5, 3.6), sharex=True)
    colours = dict(zip(data["n"].values, (RED, BLUE), strict=True))
    for ax, bias in zip(axes, data["bias"].values, strict=True):
        part = data.sel(bias=bias)
        for n, colour in colours.items():
            one = part.sel(n=n)
            simulated = xr.Dataset({"variance": np.exp(one["log_variance"])})
            plotting.trajectories(simulated, variable="variance", label=f"n = {n}", color=colour, ax=ax)
            for exact in np.exp(one["predicted_log_variance"]).transpose("quantile", "generation"):
                width = {"linewidth": 1.1 if exact["quantile"] == 0.5 else 0.7}
                ax.plot(exact["generation"], exact, **THEORY | width)
        mean = part.isel(n=0)
        ax.plot(mean["generation"], np.exp(mean["predicted_log_average"]), color="black", linestyle=":")
        ax.plot(mean["generation"], np.exp(mean["log_average"]), color=RED, linewidth=0.7)
        ax.set_yscale("log")
        _ticks_from_one(ax)
        ax.set_title(f"bias {bias:g}")
        ax.set_ylabel("variance / true variance  [dimensionless]" if ax is axes[0] else "")
    loops = f"{data.attrs['replicates']:,} loops"
    handles, labels = axes[0].get_legend_handles_labels()
    lines = {f"{label}: median, 5-95 % of {loops}": line for line, label in zip(handles, labels, strict=True)}
    lines["exact law: median, 5 %, 95 %"] = Line2D([], [], **THEORY)
    lines["exact mean (any n)"] = Line2D([], [], color="black", linestyle=":")
    lines[f"average of the {loops}, n = {data['n'].values[0]}"] = Line2D([], [], color=RED, linewidth=0.7)
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=3)
    return figure


def _ticks_from_one(ax: Axes) -> None:
    """Set at most nine ticks at powers of ten, with 1 among them."""
    low, high = np.log10(ax.get_ylim())
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100) if s >= (high - low) / 8)
    ax.set_yticks(10.0 ** np.arange(0, low, -step))
    ax.minorticks_off()


def judge(data: xr.Dataset) -> Findings:
    """Judge quantiles against the exact law, the half-life, and what the mean hides."""
    last, loops = int(data["generation"][-1]), f"{data.attrs['replicates']:,} loops"
    n = data["n"].values[0]
    for bias in data["bias"].values:
        one = data.sel(n=n, bias=bias, generation=last, quantile=0.5)
        where = f"at generation {last}, n = {n}, bias {bias:g}"
        expected = one["predicted_log_variance"].item()
        claim = f"Exact law: ln of the median of the variance {where}, is {expected:.3f}"
        yield compare_value(claim, one, "log_variance")
    worst = largest(score(data, "log_variance"))
    yield Finding(
        claim="Exact law: medians, 5 % and 95 % quantiles at every generation, n and bias",
        ours=f"largest abs(z) of {data['log_variance'].size:,} is {worst:.1f}",
        verdict=agreement(worst),
        note="neighbouring generations are correlated",
    )
    for n in data["n"].values:
        one = data.sel(n=n, bias=1.0).isel(generation=-1)
        (total, error), z = value_of(one, "log_mean"), score(one, "log_mean").item()
        half_life = np.log(2) * last / -total
        yield Finding(
            claim=f"Typical half-life at bias 1, n = {n}: {one['predicted_half_life'].item():.2f} "
            f"generations exactly, (n - 1) ln 2 = {(n - 1) * np.log(2):.2f} to leading order",
            ours=f"{with_error(half_life, half_life * error / -total)} (z = {z:+.1f})",
            verdict=agreement(z),
        )
    rare = data.sel(n=data["n"].values[0], bias=1.0, generation=last)
    yield Finding(
        claim=f"The mean misleads: at bias 1 it stays 1 indefinitely while every loop collapses "
        f"(n = {rare['n'].item()}, generation {last})",
        ours=f"average of {loops}: {np.exp(rare['log_average'].item()):.2g}, "
        f"{rare['largest_share'].item():.0%} of it from one loop; "
        f"median: {np.exp(rare['log_variance'].sel(quantile=0.5).item()):.2g}",
        verdict="shown",
        note="no standard error: at this generation it would itself be carried by single loops",
    )
