"""Drawings of our own figures, from the Dataset of each alone."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from madtheory import plotting

__all__ = ["draw_digits", "draw_lyapunov", "draw_variance_collapse"]

THEORY = {"color": "black", "linestyle": "--", "linewidth": 1.0, "zorder": 4}
LOOPS = {"replace": "fully synthetic", "augment": "synthetic augmentation", "fresh": "fresh data"}
COLOURS = {"replace": "#D55E00", "augment": "#0072B2", "fresh": "#009E73"}


def draw_variance_collapse(data: xr.Dataset) -> Figure:
    """One panel per bias: median and 5-95 % band for both sizes, the exact law dashed, the mean dotted."""
    figure, axes = plt.subplots(1, data.sizes["bias"], figsize=(10.5, 3.6), sharex=True)
    colours = dict(zip(data["n"].values, ("#D55E00", "#0072B2"), strict=True))
    for ax, bias in zip(axes, data["bias"].values, strict=True):
        part = data.sel(bias=bias)
        for n, colour in colours.items():
            one = part.sel(n=n)
            simulated = xr.Dataset({"variance": np.exp(one["log_variance"])})
            plotting.trajectories(simulated, variable="variance", label=f"n = {n}", color=colour, ax=ax)
            for exact in np.exp(one["predicted_log_variance"]).transpose("quantile", "generation"):
                ax.plot(
                    exact["generation"],
                    exact,
                    **THEORY | {"linewidth": 1.1 if exact["quantile"] == 0.5 else 0.7},
                )
        mean = part.isel(n=0)
        ax.plot(mean["generation"], np.exp(mean["predicted_log_average"]), color="black", linestyle=":")
        ax.plot(
            mean["generation"], np.exp(mean["log_average"]), color=colours[mean["n"].item()], linewidth=0.7
        )
        ax.set_yscale("log")
        _ticks_from_one(ax)
        ax.set_title(f"bias {bias:g}")
        ax.set_ylabel("variance / true variance  [dimensionless]" if ax is axes[0] else "")
    loops = f"{data.attrs['replicates']:,} loops"
    handles, labels = axes[0].get_legend_handles_labels()
    handles = [
        *handles,
        Line2D([], [], **THEORY),
        Line2D([], [], color="black", linestyle=":"),
        Line2D([], [], color=colours[data["n"].values[0]], linewidth=0.7),
    ]
    labels = [
        *(f"{label}: median, 5-95 % of {loops}" for label in labels),
        "exact law: median, 5 %, 95 %",
        "exact mean (any n)",
        f"average of the {loops}, n = {data['n'].values[0]}",
    ]
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _ticks_from_one(ax: Axes) -> None:
    """At most nine powers of ten, with 1 among them."""
    low, high = np.log10(ax.get_ylim())
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100) if s >= (high - low) / 8)
    ax.set_yticks(10.0 ** np.arange(0, low, -step))
    ax.minorticks_off()


def draw_lyapunov(data: xr.Dataset) -> Figure:
    """Eigenvalues of one size, rates of all sizes, condition number, and number of directions left."""
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
        low, middle, high = (one["log_condition"].sel(quantile=q) * per_e for q in (0.05, 0.5, 0.95))
        x = one["generation"]
        condition.fill_between(x, low, high, color=colour, alpha=0.22, linewidth=0)
        condition.plot(x, middle, color=colour, label=f"n = {n}")
        # The rate alone is predicted: the line goes through the middle of the run.
        half = one.sizes["time"] // 2
        line = middle[half] + per_e * one["predicted_condition_rate"] * (x - x[half])
        condition.plot(x[line > 0], line[line > 0], **THEORY)
        low, middle, high = (one["effective_directions"].sel(quantile=q) for q in (0.05, 0.5, 0.95))
        left.fill_between(one["time"], low, high, color=colour, alpha=0.22, linewidth=0)
        left.plot(one["time"], middle, color=colour, label=f"n = {n}")
    rates.set(xlabel="direction, largest first", ylabel="rate of log eigenvalue  [1/generation]")
    rates.set_title("(b) rates: measured, and theory (dashed)")
    rates.set_xticks(data["direction"].values)
    condition.set(xlabel="generation", ylabel="log10 of the condition number", ylim=(0, None))
    condition.set_title("(c) condition number: median, 5-95 %; theory: slope")
    left.set(
        xlabel="generation / n", ylabel="(trace Σ)² / trace Σ²  [directions]", ylim=(0.9, None), xscale="log"
    )
    left.set_xlim(0.2, 20)
    left.axhline(1, **THEORY)
    left.set_title("(d) directions left: median, 5-95 %")
    for ax in (rates, condition, left):
        ax.legend()
    return figure


def _eigenvalues(data: xr.Dataset, ax: Axes, n: int = 20) -> None:
    one = data.sel(n=n)
    per_e = np.log10(np.e)
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.9, one.sizes["direction"]))
    x, half = one["generation"].values, one.sizes["time"] // 2
    for colour, direction in zip(colours, one["direction"].values, strict=True):
        y = per_e * one["log_eigenvalue"].sel(direction=direction).values
        slope = per_e * one["predicted_rate"].sel(direction=direction).item()
        ax.plot(x, y, color=colour)
        ax.plot(x, y[half] + slope * (x - x[half]), **THEORY)
        ax.annotate(
            str(direction), (x[-1], y[-1]), (3, -3), textcoords="offset points", color=colour, fontsize=8
        )
    ax.set(xlabel="generation", ylabel="log10 of the eigenvalue (mean over loops)")
    ax.set_title(f"(a) eigenvalues, n = {n}, with the slopes of theory")


def draw_digits(data: xr.Dataset) -> Figure:
    """Sampled digits by loop, bias and generation; below them four measures with theory."""
    rows, columns = 1 + data.sizes["shown"], data.sizes["digit"] * data.sizes["sample"]
    pictures = data.sizes["bias"] * (3.4 * rows / columns + 0.4)
    figure = plt.figure(figsize=(11, pictures + 3.2))
    top, bottom = figure.subfigures(2, 1, height_ratios=(pictures, 3.2))
    _pictures(data, top)
    axes = dict(
        zip(
            ("total_variance", "wasserstein2_squared", "precision", "recall"),
            bottom.subplots(1, 4),
            strict=True,
        )
    )
    titles = {
        "total_variance": "total variance",
        "wasserstein2_squared": "squared Wasserstein-2 distance",
        "precision": f"precision (k = {data.attrs['k']})",
        "recall": f"recall (k = {data.attrs['k']})",
    }
    styles = dict(zip(data["bias"].values, ("-", "-."), strict=True))
    for variable, ax in axes.items():
        for loop in data["loop"].values:
            for bias, dash in styles.items():
                _measure(data.sel(loop=loop, bias=bias), variable, ax, COLOURS[loop], dash)
        ax.set_title(titles[variable])
        ax.set_xlabel("generation")
    axes["total_variance"].set_ylabel("squared intensity, per image")
    axes["total_variance"].axhline(data["real_total_variance"].item(), color="0.6", linewidth=0.8)
    axes["wasserstein2_squared"].set(yscale="log", ylabel="squared intensity")
    for variable in ("precision", "recall"):
        axes[variable].axhline(data[f"real_{variable}"].item(), color="0.6", linewidth=0.8)
        axes[variable].set_ylim(0, 1.03)
    handles = [Line2D([], [], color=COLOURS[loop], label=LOOPS[loop]) for loop in data["loop"].values]
    handles += [
        Line2D([], [], color="0.3", linestyle=dash, label=f"bias {bias:g}") for bias, dash in styles.items()
    ]
    handles += [
        Line2D([], [], **THEORY, label="exact mean"),
        Line2D([], [], **plotting.BOUND, label="bound"),
        Line2D([], [], color="0.6", linewidth=0.8, label="real images"),
    ]
    bottom.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _pictures(data: xr.Dataset, figure: plt.SubFigure) -> None:
    grid = figure.subplots(data.sizes["bias"], data.sizes["loop"])
    for row, bias in zip(grid, data["bias"].values, strict=True):
        for ax, loop in zip(row, data["loop"].values, strict=True):
            synthetic = (
                data["image"].sel(loop=loop, bias=bias).transpose("shown", "digit", "sample", "pixel").values
            )
            images = np.concatenate([data["real_image"].values[None], synthetic])
            labels = ["real", *(f"gen. {t}" for t in data["shown"].values)]
            first = loop == data["loop"].values[0]
            table = images.reshape(len(images), -1, 8, 8)
            plotting.sample_grid(table, rows=labels if first else None, limits=(0, 255), ax=ax)
            ax.set_title(f"{LOOPS[loop]}, bias {bias:g}", color=COLOURS[loop])


def _measure(one: xr.Dataset, variable: str, ax: Axes, colour: str, dash: object) -> None:
    y = one[variable]
    x = y[y.dims[0]].values
    error = 2 * one[f"{variable}_error"].values
    ax.plot(x, y, color=colour, linestyle=dash, marker="o" if y.dims == ("shown",) else None, markersize=3)
    ax.fill_between(x, y - error, y + error, color=colour, alpha=0.22, linewidth=0)
    for name in (f"predicted_{variable}", f"predicted_{variable}_lower", f"predicted_{variable}_upper"):
        if name in one:
            bound = one[name].attrs["kind"] == "bound"
            how = plotting.BOUND | {"color": colour} if bound else THEORY
            ax.plot(one["generation"], one[name], **how)
