"""Drawings of "On the Stability of Iterative Retraining of Generative Models on their own Data"."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["draw_contraction", "draw_loops"]

THEORY = {"color": "black", "linestyle": "--", "linewidth": 1.1, "zorder": 4}
BOUNDS = {
    "bound": ("Theorem 1 of Bertrand et al.", "#D55E00"),
    "tight_bound": ("Ferbach et al.", "#E69F00"),
    "spectral_bound": ("sharp bound, derived here", "#0072B2"),
}
GREEN = "#009E73"


def draw_contraction(data: xr.Dataset) -> Figure:
    """One panel per system: what is measured, the exact map, and the three bounds with their thresholds."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.0, 4.0), sharex=True, sharey=True)
    _bounds(data.sel(system="Gaussian"), left)
    for name, mark, label in (("mean", "o", "mean"), ("second_moment", "s", "second moment")):
        shape = {"fillstyle": "none", "markersize": 8} if mark == "s" else {"markersize": 4.5}
        error = 2 * data[f"{name}_contraction_error"]
        left.errorbar(
            data["ratio"], data[f"{name}_contraction"], yerr=error, fmt=mark, color=GREEN, zorder=5,
            label=f"measured: {label}", **shape,
        )  # fmt: skip
    left.plot(data["curve"], data["exact_curve"], **THEORY, label="exact map: λ / (1 + λ)")
    left.set_title("(a) Gaussians: no misfit")
    one = data.sel(system="two groups")
    _bounds(one, right)
    right.plot(data["curve"], data["misfit_curve"], color=GREEN, linewidth=2, label="exact map")
    e = (one["smoothness"] * one["misfit"] / one["curvature"]).item()
    right.set_title(f"(b) logistic model of two groups: εL/α = {e:.2f}")
    for ax in (left, right):
        ax.axhline(1, color="0.5", linewidth=0.8)
        ax.set(xscale="log", ylim=(0, 1.6), xlim=(data["curve"][0].item(), data["curve"][-1].item()))
        ax.set_xlabel("synthetic points per real point, λ")
        ax.legend(loc="lower right", fontsize="small")
    left.set_ylabel("contraction per generation (stable below 1)")
    return figure


def _bounds(one: xr.Dataset, ax: Axes) -> None:
    for name, (label, colour) in BOUNDS.items():
        values = one[name].where(np.isfinite(one[name]))
        limit = one[f"{name}_threshold"].item()
        tail = f", λ < {limit:.2f}" if np.isfinite(limit) else ", every λ"
        width = {"bound": 1.6, "tight_bound": 2.6, "spectral_bound": 1.4}[name]
        ax.plot(one["curve"], values, color=colour, linestyle=":", linewidth=width, label=f"{label}{tail}")
        if name == "bound":
            ax.axvspan(one["curve"][0].item(), limit, color=colour, alpha=0.08, linewidth=0)


def draw_loops(data: xr.Dataset) -> Figure:
    """Errors of mean and variance for all ratios, and the fully synthetic loop beside them."""
    figure, axes = plt.subplots(1, 3, figsize=(11.5, 3.9))
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.85, data.sizes["ratio"]))
    titles = {"rms_mean": "(a) mean: root mean squared error", "rms_variance": "(b) variance: the same"}
    for ax, (name, title) in zip(axes, titles.items(), strict=False):
        for ratio, colour in zip(data["ratio"].values, colours, strict=True):
            one = data.sel(ratio=ratio)
            _line(one, name, ax, colour, f"λ = {ratio:g}")
        ax.set(title=title, ylim=(0.9 * data[name].min().item(), 1.15 * data[name].max().item()))
    last = axes[2]
    _line(data, "mean_sd", last, "#D55E00", "mean standard deviation")
    _line(data, "median_variance", last, "#CC79A7", "median variance")
    last.set(title="(c) fully synthetic: collapse", ylim=(0, 1.05))
    for ax in axes:
        ax.set_xlabel("generation")
        handles, labels = ax.get_legend_handles_labels()
        theory = ax.lines[1]
        ax.legend([*handles, theory], [*labels, "theory"], fontsize="small", ncols=2 if ax is not last else 1)
    axes[0].set_ylabel("in true standard deviations")
    axes[1].set_ylabel("in true variances")
    axes[2].set_ylabel("relative to the truth")
    return figure


def _line(one: xr.Dataset, name: str, ax: Axes, colour: object, label: str) -> None:
    x, y, error = one["generation"], one[name], 2 * one[f"{name}_error"]
    ax.plot(x, y, color=colour, label=label)
    ax.plot(x, one[f"predicted_{name}"], **THEORY)
    ax.fill_between(x, y - error, y + error, color=colour, alpha=0.22, linewidth=0)
