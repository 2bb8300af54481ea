"""Drawings of "Self-Consuming Generative Models with Curated Data Provably Optimize Human Preferences"."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.figure import Figure

__all__ = ["draw_maps", "draw_rewards", "draw_symbols"]

THEORY = {"color": "black", "linestyle": "--", "linewidth": 1.1, "zorder": 4}
BOUND = {"linestyle": ":", "linewidth": 1.2, "zorder": 3}
LOOPS = {"curated only": "#D55E00", "with real data": "#0072B2"}


def draw_symbols(data: xr.Dataset) -> Figure:
    """Share of the better symbol, what the reward gains beside real data, and the divergence from them."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11.5, 3.9))
    t = data["generation"]
    for choices, colour in zip(data["choices"].values, _colours(data.sizes["choices"]), strict=True):
        one = data.sel(choices=choices)
        _measured(one, "share", left, colour, f"K = {_number(choices)}")
    _theory_label(left)
    left.set(title="(a) two symbols, rewards 0 and 1", xlabel="generation", ylabel="share of the better")
    left.legend(loc="lower right")
    for ratio, colour in zip(data["ratio"].values, _colours(data.sizes["ratio"]), strict=True):
        one = data.sel(ratio=ratio).isel(generation=slice(1, None))
        _measured(one, "gain", middle, colour, f"λ = {_number(ratio)}")
        middle.hlines(one["gain_bound"].item(), 2, t[-1], color=colour, **BOUND)
    _theory_label(middle)
    middle.plot([], [], color="0.35", label="lower bound", **BOUND)
    middle.set(title="(b) five symbols with real data, K = 4", xlabel="generation")
    middle.set(ylabel="gain of E exp(r - r*)", yscale="log", ylim=(2e-3, 12))
    middle.legend(loc="upper left", ncols=3)
    for choices, colour in zip(data["pair"].values, ("#009E73", "#CC79A7"), strict=True):
        one = data.sel(pair=choices)
        right.plot(data["curve"], one["divergence"], color=colour, label=f"K = {choices}: KL")
        right.plot(
            data["curve"],
            one["log_ratio"],
            color=colour,
            linestyle="-.",
            label=f"K = {choices}: log max ratio",
        )
    right.plot(data["curve"], data["divergence_bound"], color="0.2", label="bound", **BOUND)
    right.set(title="(c) distance from the real data", xlabel="λ (K - 1)", ylabel="nats")
    right.set(yscale="log")
    right.legend(loc="lower right")
    return figure


def draw_maps(data: xr.Dataset) -> Figure:
    """One row per reward: the reward, the initial law, the limit, and the loops' last generations."""
    figure, axes = plt.subplots(
        data.sizes["r_min"], 5, figsize=(13.0, 2.75 * data.sizes["r_min"]), sharex=True, sharey=True
    )
    x, y = data["x"], data["y"]
    top = max(data["limit_map"].max().item(), data["final_map"].max().item())
    fades = LinearSegmentedColormap.from_list("fades", ["white", "#9CC9E4", "#0072B2", "#00324F"])
    last = int(data["generation"][-1])
    for row, r_min in zip(axes, data["r_min"].values, strict=True):
        one = data.sel(r_min=r_min)
        held = row[0].pcolormesh(x, y, one["reward_map"], cmap="cividis", vmin=-25, vmax=0, rasterized=True)
        figure.colorbar(held, ax=row[0], pad=0.02)
        row[0].set(title=f"reward, plateau of radius {r_min:g}", ylabel="y")
        pictures = {
            "initial law": data["initial_map"],
            "limit, curated only": one["limit_map"],
            **{f"generation {last}, {name}": one["final_map"].sel(loop=name) for name in LOOPS},
        }
        for ax, (title, picture) in zip(row[1:], pictures.items(), strict=True):
            norm = PowerNorm(0.5, 0, top)
            held = ax.pcolormesh(x, y, picture, cmap=fades, norm=norm, rasterized=True)
            ax.contour(x, y, one["reward_map"], levels=[-1e-9], colors="#E69F00", linewidths=0.9)
            ax.set_title(title)
        figure.colorbar(held, ax=row[-1], pad=0.02, label="density")
        for ax in row:
            ax.set_aspect("equal")
            ax.grid(visible=False)
    for ax in axes[-1]:
        ax.set_xlabel("x")
    return figure


def draw_rewards(data: xr.Dataset) -> Figure:
    """Mean, variance and expected exponential of the reward by generation."""
    rows = data.sizes["r_min"]
    figure, axes = plt.subplots(rows, 3, figsize=(11.0, 2.9 * rows), sharex=True)
    names = {"reward_mean": "mean reward", "reward_variance": "variance of the reward"}
    for row, r_min in zip(axes, data["r_min"].values, strict=True):
        one = data.sel(r_min=r_min)
        for ax, (name, label) in zip(row, names.items(), strict=False):
            for loop, colour in LOOPS.items():
                _measured(one.sel(loop=loop), name, ax, colour, loop)
            _theory_label(ax)
            ax.set(title=f"plateau of radius {r_min:g}", ylabel=label)
        _exponential(one, row[2])
        row[2].set(title=f"plateau of radius {r_min:g}", ylabel="E exp(reward)", ylim=(0, 1.05))
    for ax in axes[-1]:
        ax.set_xlabel("generation")
    axes[0, 0].legend(loc="lower right")
    axes[0, 2].legend(loc="lower right")
    return figure


def _exponential(one: xr.Dataset, ax: Axes) -> None:
    t = one["generation"]
    for loop, colour in LOOPS.items():
        ax.plot(t, one["exp_mean"].sel(loop=loop), color=colour, label=loop)
    alone = one.sel(loop="curated only")
    ax.plot(
        t[1:], (alone["exp_mean"] + alone["gain_bound"])[:-1], color="0.2", **BOUND,
        label="bound: Lemma 2.2, from the last",
    )  # fmt: skip


def _measured(one: xr.Dataset, name: str, ax: Axes, colour: object, label: str) -> None:
    t, y, error = one["generation"], one[name], 2 * one[f"{name}_error"]
    ax.plot(t, y, color=colour, label=label)
    ax.fill_between(t, y - error, y + error, color=colour, alpha=0.22, linewidth=0)
    ax.plot(t, one[f"predicted_{name}"], **THEORY)


def _theory_label(ax: Axes) -> None:
    ax.plot([], [], label="exact", **THEORY)


def _colours(n: int) -> np.ndarray:
    return plt.get_cmap("viridis")(np.linspace(0, 0.85, n))


def _number(value: float) -> str:
    return "∞" if np.isinf(value) else f"{value:g}"
