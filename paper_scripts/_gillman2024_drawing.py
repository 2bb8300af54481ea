"""Drawings of "Self-Correcting Self-Consuming Loops", from the Datasets alone."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

__all__ = ["draw_correction", "draw_digits"]

THEORY = {"color": "black", "linestyle": "--", "linewidth": 1.0, "zorder": 4}
SAMPLERS = {
    "published": ("published sampler", "#D55E00", "-"),
    "histogram": ("histogram, drawn correctly", "#E69F00", "-."),
    "exact": ("formula (exact)", "#0072B2", "-"),
}
CORRECTIONS = {"none": "#D55E00", "nearest centre": "#0072B2", "ideal, strength 1": "#009E73"}
VARIANCES = (0.0, 0.1, 1.0)  # strengths of the panel on the variance


def draw_correction(data: xr.Dataset) -> Figure:
    """Distances of the four loops by generation, the last generation, and the variance with theory."""
    figure, axes = plt.subplots(2, 3, figsize=(11.5, 7.0))
    strengths = data["strength"].values
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.92, len(strengths)))
    top = 1.12 * data["wasserstein2"].max().item()
    titles = {"published": "(a) published sampler", "histogram": "(b) histogram, drawn correctly"}
    titles["exact"] = "(c) formula"
    for ax, (sampler, title) in zip(axes.flat, titles.items(), strict=False):
        _curves(data.sel(sampler=sampler), "wasserstein2", ax, colours)
        ax.set(title=title, ylim=(0, top))
    if "paper" in data:
        end = data["generation"][-1].item()
        for value, colour in zip(data["paper"].values, colours, strict=True):
            axes[0, 0].plot([end], [value], "x", color=colour, markersize=8, zorder=6, clip_on=False)
    _curves(data, "last_wasserstein2", axes[1, 0], colours)
    axes[1, 0].set(title="(d) formula, last batch only", ylim=(0, top))
    for ax in (*axes[0], axes[1, 0]):
        ax.set_xlabel("generation")
    for ax in axes[:, 0]:
        ax.set_ylabel("W2 to the truth")
    _last(data, axes[1, 1])
    _variance(data, axes[1, 2])
    handles = [Line2D([], [], color=colour) for colour in colours]
    labels = [f"γ = {strength:g}" for strength in strengths]
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize="small")
    return figure


def _curves(one: xr.Dataset, name: str, ax: Axes, colours: np.ndarray) -> None:
    for i, colour in enumerate(colours):
        part = one.isel(strength=i)
        x, y, spread = part["generation"], part[name], part[f"{name}_spread"]
        ax.plot(x, y, color=colour)
        ax.fill_between(x, y - spread, y + spread, color=colour, alpha=0.15, linewidth=0)


def _last(data: xr.Dataset, ax: Axes) -> None:
    end = data.isel(generation=-1)
    x = np.arange(data.sizes["strength"])
    for sampler, (label, colour, _) in SAMPLERS.items():
        one = end.sel(sampler=sampler)
        error = 2 * one["wasserstein2_error"]
        ax.errorbar(x, one["wasserstein2"], yerr=error, marker="o", markersize=4, color=colour, label=label)
    error = 2 * end["last_wasserstein2_error"]
    ax.errorbar(x, end["last_wasserstein2"], yerr=error, fmt="s-", markersize=4, color="0.45",
                label="formula, last batch only")  # fmt: skip
    if "paper" in data:
        ax.plot(x, data["paper"], "x", color="black", markersize=8, zorder=6, label="paper, Fig. 2")
    ax.set_xticks(x, [f"{s:g}" for s in data["strength"].values])
    ax.set(title=f"(e) generation {end['generation'].item()}", xlabel="correction strength γ", ylabel="W2")
    ax.set_ylim(0, None)
    ax.legend(fontsize="x-small")


def _variance(data: xr.Dataset, ax: Axes) -> None:
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.92, data.sizes["strength"]))
    shown = [i for i, s in enumerate(data["strength"].values) if s in VARIANCES]
    for sampler in ("exact", "published"):
        for i in shown:
            one = data.isel(strength=i).sel(sampler=sampler)
            y, error = one["total_variance"] / 2, one["total_variance_error"]
            style = SAMPLERS[sampler][2] if sampler == "exact" else ":"
            ax.plot(one["generation"], y, color=colours[i], linestyle=style)
            ax.fill_between(one["generation"], y - error, y + error, color=colours[i], alpha=0.2, linewidth=0)
            if sampler == "exact":
                ax.plot(one["generation"], one["predicted_total_variance"] / 2, **THEORY)
    handles = [
        Line2D([], [], color="0.3"),
        Line2D([], [], **THEORY),
        Line2D([], [], color="0.3", linestyle=":"),
    ]
    labels = ["formula, two standard errors", "formula: exact mean", "published sampler"]
    ax.legend(handles, labels, fontsize="x-small", loc="lower left")
    listed = ", ".join(f"{data['strength'].values[i]:g}" for i in shown)
    ax.set(title=f"(f) variance, γ = {listed}", xlabel="generation", ylabel="mean variance / true variance")
    ax.set_ylim(0, None)


def draw_digits(data: xr.Dataset) -> Figure:
    """Frechet distances for every ratio, and pictures before and after correction."""
    columns = data.sizes["ratio"]
    figure = plt.figure(figsize=(11.5, 5.6), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(2.6, 1))
    axes = upper.subplots(1, columns)
    finite = data.sel(ratio=np.isfinite(data["ratio"]))["wasserstein2_squared"]
    for ax, ratio in zip(axes, data["ratio"].values, strict=True):
        for kind, colour in CORRECTIONS.items():
            one = data.sel(ratio=ratio, correction=kind)
            y, error = one["wasserstein2_squared"], 2 * one["wasserstein2_squared_error"]
            ax.plot(one["generation"], y, color=colour, label=kind)
            ax.fill_between(one["generation"], y - error, y + error, color=colour, alpha=0.22, linewidth=0)
        ax.axhline(data["wasserstein2_squared"].isel(generation=0).mean(), color="0.5", linestyle=":")
        ax.set_xlabel("generation")
        ax.set_title("synthetic only" if np.isinf(ratio) else f"λ = {ratio:g}")
        if np.isfinite(ratio):
            ax.set_ylim(0.8 * finite.min().item(), 1.1 * finite.max().item())
    axes[0].set_ylabel("squared Frechet distance  [pixel²]")
    handles, labels = axes[0].get_legend_handles_labels()
    handles.append(Line2D([], [], color="0.5", linestyle=":"))
    upper.legend(handles, [*labels, "generation 1"], loc="outside lower center", ncols=4, fontsize="small")
    pictures = lower.subplots(2, 10)
    for row, name in zip(pictures, ("image", "corrected"), strict=True):
        for ax, pixels in zip(row, data[name].values, strict=True):
            ax.imshow(pixels.reshape(8, 8), cmap="gray_r", vmin=0, vmax=255)
            ax.set(xticks=[], yticks=[])
        row[0].set_ylabel("sample" if name == "image" else "corrected", fontsize="small")
    return figure
