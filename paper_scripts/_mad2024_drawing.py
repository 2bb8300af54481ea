"""Drawings of the figures of MAD (Alemohammad et al., arXiv 2307.01850), from nothing but a Dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["admissible_over_bias", "admissible_over_real", "fresh_limits", "model_memory", "real_fraction"]

DISTANCE = "squared Wasserstein-2 distance"
RATIO = r"effective sample ratio $n_e\,/\,n_{\mathrm{real}}$"
THEORY = {"color": "black", "linestyle": "--", "linewidth": 1.1, "zorder": 4}
BOUND = {"color": "0.35", "linestyle": ":", "linewidth": 1.2, "zorder": 3}
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")


def fresh_limits(data: xr.Dataset) -> Figure:
    """Fig. 10 left: four trajectories, two limits."""
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(5.6, 3.7))
    markers = {100: "o", 1000: "s"}
    for bias, color in zip(data["bias"].values, COLORS, strict=False):
        for n_initial in data["n_initial"].values:
            part = data.sel(bias=bias, n_initial=n_initial)
            generation, mean = part["generation"].values, part["wasserstein2_squared"].values
            error = 2 * part["wasserstein2_squared_standard_error"].values
            ax.fill_between(generation, mean - error, mean + error, color=color, alpha=0.25, linewidth=0)
            ax.plot(
                generation, mean, color=color, marker=markers[int(n_initial)], markevery=5, linewidth=1.2,
                label=f"bias {bias:g}, generation 1 fitted to {n_initial:,}",
            )  # fmt: skip
            ax.plot(generation, part["predicted_wasserstein2_squared"].values, **THEORY)
        limit = float(data["limit_wasserstein2_squared"].sel(bias=bias))
        ax.annotate(
            f"limit {limit:.2f}", (data["generation"].values[-1], limit), (0, 7), color=color,
            textcoords="offset points", ha="right", va="bottom", fontsize=8,
        )  # fmt: skip
    ax.plot([], [], **THEORY, label="theory")
    ax.set(xlabel="generation", ylabel=DISTANCE, ylim=(0, 35), xlim=(0, data["generation"].values[-1] + 1))
    ax.set_title(
        f"fresh data loop, d = {data.attrs['dim']}, "
        f"{data.attrs['n_real']} new real and {data.attrs['n_synthetic']} synthetic points"
    )
    ax.legend(loc="upper right", fontsize=7.5)
    return figure


def admissible_over_real(data: xr.Dataset) -> Figure:
    """Fig. 11: three heat maps over n_real and n_synthetic, and where their boundaries go."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 4, figsize=(12.4, 3.3), width_ratios=(1, 1, 1, 1.3))
    for ax, bias in zip(axes[:3], data["bias"].values, strict=True):
        part = data.sel(bias=bias)
        mesh = _ratio_map(ax, part, "n_real", top=3.0)
        ax.set(xscale="log", xlabel=r"real points $n_{\mathrm{real}}$", title=f"bias {bias:g}")
        _log_ticks(ax.xaxis, (100, 300, 1000))
        ax.tick_params(labelleft=ax is axes[0])
    axes[0].set_ylabel(r"synthetic points $n_{\mathrm{synthetic}}$")
    figure.colorbar(mesh, ax=axes[:3], label=RATIO, pad=0.01, aspect=25)

    ax = axes[3]
    for bias, color in zip(data["line_bias"].values, COLORS, strict=False):
        line = data.sel(line_bias=bias)
        ax.plot(line["line_n_real"], line["line_predicted_admissible_n_synthetic"], **THEORY)
        ax.axhline(float(line["line_asymptote"]), **{**BOUND, "color": color})
        near, far = data.sel(bias=bias), data.sel(far_bias=bias)
        ax.plot(
            near["n_real"], near["admissible_n_synthetic"], "o", color=color, markersize=4,
            label=f"bias {bias:g}",
        )  # fmt: skip
        ax.plot(far["far_n_real"], far["far_admissible_n_synthetic"], "o", color=color, markersize=4)
    ax.plot([], [], **THEORY, label="theory")
    ax.plot([], [], **BOUND, label=r"theory, $n_{\mathrm{real}}\to\infty$")
    ax.axvspan(100, 1000, color="0.93", zorder=0)
    ax.text(316, 320, "range of\nthe paper", ha="center", va="bottom", fontsize=7.5, color="0.35")
    ax.set(xscale="log", yscale="log", xlim=(45, 3.5e5), ylim=(300, 20_000))
    ax.set(xlabel=r"real points $n_{\mathrm{real}}$", title="largest admissible number")
    ax.set_ylabel(r"synthetic points $n_{\mathrm{synthetic}}$")
    ax.legend(loc="upper right", ncols=2)
    return figure


def admissible_over_bias(data: xr.Dataset) -> Figure:
    """Fig. 12: three heat maps over bias and n_synthetic."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(9.2, 3.3), sharey=True)
    for ax, n_real in zip(axes, data["n_real"].values, strict=True):
        mesh = _ratio_map(ax, data.sel(n_real=n_real), "bias", top=2.5)
        ax.set(xlabel="bias", title=f"{n_real:,} real points")
        ax.set_xticks([0.1, 0.3, 0.5, 0.7, 0.9])
    axes[0].set_ylabel(r"synthetic points $n_{\mathrm{synthetic}}$")
    figure.colorbar(mesh, ax=axes, label=RATIO, pad=0.01, aspect=25)
    return figure


def model_memory(data: xr.Dataset) -> Figure:
    """Fig. 30: the effective sample ratio grows with the number of remembered models."""
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(4.8, 3.5))
    ax.errorbar(
        data["memory"], data["effective_ratio"], 2 * data["effective_ratio_standard_error"],
        fmt="o", color=COLORS[0], capsize=2, label="simulation, ± 2 s.e.",
    )  # fmt: skip
    ax.plot(data["memory"], data["predicted_effective_ratio"], **THEORY, label="theory, leading order in 1/n")
    bound = 1 + data.attrs["n_synthetic"] / data.attrs["n_real"]
    ax.axhline(bound, **BOUND, label=r"upper bound $n\,/\,n_{\mathrm{real}}$")
    ax.set(xlabel="number of remembered models $K$", ylabel=RATIO, ylim=(0, bound + 1), xlim=(-2, None))
    ax.set_title(f"{data.attrs['n_real']:,} real, {data.attrs['n_synthetic']:,} synthetic points, bias 1")
    ax.legend(loc="lower right")
    return figure


def real_fraction(data: xr.Dataset) -> Figure:
    """Fig. 31: the limit over the size of the training set, for shares of real data and for biases."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.7))
    for value, color in zip(data["real_fraction"].values, COLORS, strict=False):
        _distances(left, data.sel(real_fraction=value), "left", "n", color, f"{100 * value:g} % real")
    for value, color in zip(data["bias"].values, COLORS, strict=True):
        part = data.sel(bias=value)
        _distances(right, part, "right", "n_right", color, f"bias {value:g}")
        if value < 1:
            right.axhline(float(part["bias_floor"]), **{**BOUND, "color": color})
    left.set_title("no bias")
    right.set_title("10 % real")
    for ax in (left, right):
        ax.plot([], [], **THEORY, label="theory")
        ax.set(xscale="log", yscale="log", xlabel="points per generation $n$", ylabel=DISTANCE)
    right.plot([], [], **BOUND, label=r"theory, $n\to\infty$")
    left.legend(loc="lower left", ncols=2)
    right.set_ylim(bottom=0.35)
    _log_ticks(right.yaxis, (0.5, 1, 2, 5, 10))
    right.legend(loc="lower left", ncols=2)
    return figure


def _distances(ax: Axes, part: xr.Dataset, prefix: str, size: str, color: str, label: str) -> None:
    name = f"{prefix}_wasserstein2_squared"
    error = 2 * part[f"{name}_standard_error"]
    ax.errorbar(part[size], part[name], error, fmt="o-", color=color, markersize=4, linewidth=1, label=label)
    ax.plot(part[size], part[f"{prefix}_predicted_wasserstein2_squared"], **THEORY)


def _ratio_map(ax: Axes, part: xr.Dataset, across: str, *, top: float) -> Any:
    """Heat map with 1 in the middle of the colours, and the largest admissible numbers on it."""
    from matplotlib.colors import TwoSlopeNorm

    x, y = part[across].values, part["n_synthetic"].values
    ratio = part["effective_ratio"].transpose("n_synthetic", across).values
    x_edges = _edges(x, logarithmic=across != "bias")
    mesh = ax.pcolormesh(
        x_edges, _edges(y, logarithmic=True), ratio, cmap="RdBu", norm=TwoSlopeNorm(1.0, 0.0, top)
    )
    ax.plot(x, part["predicted_admissible_n_synthetic"].values, **THEORY)
    ax.plot(
        x, part["admissible_n_synthetic"].values, "o", color="black", markerfacecolor="white", markersize=4,
        zorder=5,
    )  # fmt: skip
    ax.set_yscale("log")
    ax.set(xlim=(x_edges[0], x_edges[-1]), ylim=(float(y[0]), float(y[-1])))
    ax.grid(False)
    return mesh


def _edges(centres: np.ndarray, *, logarithmic: bool) -> np.ndarray:
    """Borders of cells, half-way between their centres."""
    c = np.log(centres) if logarithmic else np.asarray(centres, dtype=float)
    middle = (c[1:] + c[:-1]) / 2
    edges = np.concatenate([[2 * c[0] - middle[0]], middle, [2 * c[-1] - middle[-1]]])
    return np.exp(edges) if logarithmic else edges


def _log_ticks(axis: Any, values: tuple[float, ...]) -> None:
    from matplotlib.ticker import NullFormatter

    axis.set_ticks(values, [f"{value:,g}" for value in values])
    axis.set_minor_formatter(NullFormatter())
