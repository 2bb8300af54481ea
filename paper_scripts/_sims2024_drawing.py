"""Drawings of self-improvement by negative guidance."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

__all__ = ["draw_distance", "draw_loops", "draw_rates"]

THEORY = {"color": "black", "linestyle": "--", "linewidth": 1.1, "zorder": 4}
SCHEMES = {
    "sims": ("SIMS: log-covariances", "#0072B2"),
    "neon": ("Neon: covariances", "#D55E00"),
    "clean_score": ("clean score: precisions", "#009E73"),
}
COLOURS = {"SIMS": "#0072B2", "Neon": "#D55E00"}


def draw_distance(data: xr.Dataset) -> Figure:
    """One generation: exact curves in one dimension, and SIMS beside Neon in two."""
    figure, (left, *others) = plt.subplots(1, 3, figsize=(12.0, 3.9))
    for bias, colour in zip(data["bias"].values, ("#0072B2", "#009E73", "#D55E00"), strict=True):
        one = data.sel(bias=bias)
        left.errorbar(
            one["weight"], one["line"], yerr=2 * one["line_error"], fmt="o", markersize=3.5, color=colour,
            label=f"sampler's bias {bias:g}",
        )  # fmt: skip
        left.plot(one["weight"], one["predicted_line"], **THEORY, label="exact" if bias == 1 else None)
        best = one["best_line"].item()
        left.plot(best, one["predicted_line"].sel(weight=best), "*", markersize=13, color=colour, zorder=5)
    left.set(title=f"(a) one dimension, {data.attrs['n']} points", ylim=(0, 0.1))
    for ax, size, letter in zip(others, data["size"].values, "bc", strict=True):
        for bias, style in zip(data["plane_bias"].values, ("-", ":"), strict=True):
            for scheme in data["scheme"].values:
                one = data.sel(size=size, plane_bias=bias, scheme=scheme)
                x, y, error = one["weight"], one["plane"], 2 * one["plane_error"]
                colour = COLOURS[str(scheme)]
                width = 3.0 if scheme == "SIMS" else 1.5
                ax.plot(x, y, style, color=colour, linewidth=width, label=f"{scheme}, bias {bias:g}")
                ax.fill_between(x, y - error, y + error, color=colour, alpha=0.2, linewidth=0)
                ax.plot(one["best_plane"], y.min(), "*", markersize=11, color=colour)
        ax.set(title=f"({letter}) two dimensions, {size} points", yscale="log")
    for ax in (left, *others):
        ax.set_xlabel("guidance w (-1: self-trained, 0: base)")
        ax.axvline(0, color="0.8", linewidth=0.8, zorder=0)
        ax.legend(fontsize="small")
    left.set_ylabel("mean squared Wasserstein-2 distance")
    return figure


def draw_loops(data: xr.Dataset) -> Figure:
    """Distance in the augmentation loop and log volume in the fully synthetic one, by bias and size."""
    figure, axes = plt.subplots(2, 4, figsize=(13.5, 6.4), sharex=True)
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.9, data.sizes["weight"]))
    columns = [(bias, size) for bias in data["bias"].values for size in data["size"].values]
    for (upper, lower), (bias, size) in zip(axes.T, columns, strict=True):
        one = data.sel(bias=bias, size=size)
        for weight, colour in zip(data["weight"].values, colours, strict=True):
            loop = one.sel(weight=weight, regime="augment")
            upper.plot(loop["generation"], loop["median"], color=colour, label=f"w = {weight:g}")
            upper.fill_between(loop["generation"], loop["low"], loop["high"], color=colour, alpha=0.12, lw=0)
            loop = one.sel(weight=weight, regime="replace")
            x, y, error = loop["generation"], loop["log_volume"], 2 * loop["log_volume_error"]
            lower.plot(x, y, color=colour)
            lower.fill_between(x, y - error, y + error, color=colour, alpha=0.25, linewidth=0)
            lower.plot(x, loop["predicted_log_volume"], **THEORY)
        upper.set(yscale="log", title=f"n = {size}, sampler's bias {bias:g}")
        lower.axhline(0, color="0.8", linewidth=0.8, zorder=0)
        lower.set_xlabel("generation")
    axes[0, 0].set_ylabel("real + synthetic data:\nmedian of relative squared W2")
    axes[1, 0].set_ylabel("synthetic data only:\nmean log volume (dashed: exact)")
    axes[0, 0].legend(fontsize="small", ncols=2)
    return figure


def draw_rates(data: xr.Dataset) -> Figure:
    """Rate of collapse, and variance of the log volume, against guidance."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.0, 4.0))
    for scheme, (label, colour) in SCHEMES.items():
        critical = data[f"critical_{scheme}"].item()
        tail = f"w* = {critical:.3g}" if np.isfinite(critical) else "no w*"
        left.plot(data["fine"], data[f"curve_{scheme}"], "--", color=colour, label=f"{label}, {tail}")
        if np.isfinite(critical):
            left.plot(critical, 0, "*", markersize=13, color=colour, zorder=5)
    one = data.sel(dim=1)
    for name, mark, colour in (("rate", "o", SCHEMES["sims"][1]), ("neon_rate", "s", SCHEMES["neon"][1])):
        left.errorbar(
            data["weight"], one[name], yerr=2 * one[f"{name}_error"], fmt=mark, markersize=4, color=colour,
            label=f"measured, {'Neon' if mark == 's' else 'SIMS'}",
        )  # fmt: skip
    left.axhline(0, color="0.5", linewidth=0.8)
    left.set(title="(a) log variance, one dimension", ylabel="growth per generation")
    for dim, mark, colour in ((1, "o", "#0072B2"), (2, "^", "#CC79A7")):
        one = data.sel(dim=dim)
        right.errorbar(
            data["weight"], one["growth"], yerr=2 * one["growth_error"], fmt=mark, markersize=4, color=colour,
            label=f"SIMS, d = {dim}",
        )  # fmt: skip
        right.plot(data["weight"], one["predicted_growth"], **THEORY, label="exact" if dim == 1 else None)
    right.set(
        title="(b) what it costs: variance of the log volume", ylabel="added per generation", ylim=(0, None)
    )
    for ax in (left, right):
        ax.set_xlabel(f"guidance w (n = {data.attrs['n']}, fully synthetic)")
        ax.legend(fontsize="small")
    return figure
