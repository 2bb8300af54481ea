"""Drawings of SIMS and Neon on trained diffusions."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from madtheory import plotting
from paper_scripts._seeds import at_choice, banded, mean_and_error

__all__ = ["draw_budgets", "draw_classes", "draw_loops", "draw_pollution", "draw_toy"]

BASE, SIMS, NEON = "0.35", "#0072B2", "#D55E00"
DOTTED: dict[str, Any] = {"color": "0.45", "linestyle": ":", "linewidth": 1.1, "zorder": 1}
GUIDANCE = "guidance w (-1: self-trained, 0: base)"


def draw_budgets(data: xr.Dataset) -> Figure:
    """FID against w, the gain at the w chosen, and precision and recall."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12.0, 3.9), width_ratios=(1.5, 1, 1))
    guided = data.sel(curve=data["scheme"] == "SIMS")
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.85, guided.sizes["curve"]))
    for i, colour in enumerate(colours):
        one = guided.isel(curve=i)
        label = f"SIMS, {one['budget'].item() / 1000:.0f}k images"
        banded(left, one["weight"], one["fid"], label=label, color=colour)
        mean = one["fid"].mean("seed")
        left.plot(
            one["weight"][mean.argmin("weight")], mean.min(), "*", color=colour, markersize=12, zorder=5
        )
    neon = data.sel(curve=data["scheme"] == "Neon").isel(curve=0)
    label = f"Neon, {neon['budget'].item() / 1000:.0f}k images"
    banded(left, neon["weight"], neon["fid"], label=label, color=NEON, linestyle="--")
    base = data["fid"].sel(weight=0.0).isel(curve=0)
    left.axhline(base.mean(), **DOTTED)
    high = guided["fid"].mean("seed").sel(weight=[-1.0, 2.0]).max().item()
    left.set(xlabel=GUIDANCE, ylabel="FID, classifier's features", ylim=(0, 1.3 * high))
    left.set_title("(a) FID for several budgets")
    left.legend()

    chosen = at_choice(data)
    for k in range(data.sizes["seed"]):
        y = chosen["fid"].isel(seed=k).values[: len(colours)]
        middle.plot([0, *range(1, 1 + len(y))], [base.isel(seed=k), *y], "o-", color="0.6", linewidth=0.9)
    names = ["base", *(f"{b / 1000:.0f}k" for b in guided["budget"].values)]
    middle.set_xticks(range(len(names)), names)
    middle.set(ylim=(0, None), xlabel="images seen by the auxiliary", title="(b) every seed, w chosen before")
    one = guided.isel(curve=-1)
    for name, colour in (("precision", "#009E73"), ("recall", "#CC79A7")):
        banded(right, one["weight"], one[name], label=name, color=colour)
    right.set(xlabel=GUIDANCE, title="(c) largest budget", ylim=(None, 1.0))
    right.legend()
    return figure


def draw_pollution(data: xr.Dataset) -> Figure:
    """FID against the amount of pollution, and against w for every amount."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.0, 3.9))
    standard, guided = data["fid"].sel(weight=0.0), at_choice(data)["fid"]
    banded(left, data["ratio"], standard, label="standard training", color=BASE, marker="o")
    banded(left, data["ratio"], guided, label="SIMS, w chosen", color=SIMS, marker="o")
    left.axhline(standard.sel(ratio=0.0).mean(), label="standard, not polluted", **DOTTED)
    left.set(
        xlabel="synthetic images per real one, $|D_p| / |D_r|$", ylabel="FID, classifier's features",
        ylim=(0, None), title="(a) generation 2, trained on real and synthetic images",
    )  # fmt: skip
    left.legend()
    colours = plt.get_cmap("plasma")(np.linspace(0, 0.85, data.sizes["ratio"]))
    for ratio, colour in zip(data["ratio"].values, colours, strict=True):
        one = data["fid"].sel(ratio=ratio)
        banded(right, data["weight"], one, label=f"ratio {ratio:g}", color=colour)
    right.set(xlabel="guidance w (0: standard training)", ylim=(0, None), title="(b) the sweeps of w")
    right.legend(ncols=2)
    return figure


def draw_loops(data: xr.Dataset) -> Figure:
    """FID, precision and recall per generation, the w chosen, and digits of the last generation."""
    figure, axes = plt.subplots(2, 3, figsize=(12.0, 6.6))
    colours = {"plain": BASE, "SIMS": SIMS}
    first = data["fid"].sel(generator="plain").isel(generation=0, loop=0).mean().item()
    for ax, loop, letter in zip(axes[0], data["loop"].values, "ab", strict=False):
        for name, colour in colours.items():
            one = data["fid"].sel(loop=loop, generator=name)
            banded(ax, data["generation"], one, label=name, color=colour, marker="o")
        ax.axhspan(0.9 * first, 1.1 * first, color="#009E73", alpha=0.2, linewidth=0)
        ax.set(title=f"({letter}) {loop}", xlabel="generation", ylabel="FID, classifier's features")
        ax.set_ylim(0, None)
        ax.legend(loc="upper left")
    styles = dict(zip(data["loop"].values, ("-", "--"), strict=True))
    panels = ((axes[0, 2], "guidance", "(c) w chosen"), (axes[1, 0], "precision", "(d) precision"))
    for ax, variable, title in (*panels, (axes[1, 1], "recall", "(e) recall")):
        for loop, style in styles.items():
            for name, colour in colours.items():
                if variable != "guidance" or name == "SIMS":
                    one = data[variable].sel(loop=loop, generator=name)
                    how = {"color": colour, "linestyle": style, "label": f"{name}, {loop}"}
                    banded(ax, data["generation"], one, **how)
        ax.set(title=title, xlabel="generation")
    for ax in (*axes[0], *axes[1, :2]):
        ax.set_xticks(data["generation"].values)
    axes[0, 2].set_ylim(0, None)
    axes[1, 0].legend(fontsize="x-small")
    pictures = data["images"].stack(row=("loop", "generator")).transpose("row", "digit", "pixel")
    rows = [f"{loop.split()[0]}\n{name}" for loop, name in pictures["row"].values]
    plotting.sample_grid(
        pictures.values.reshape(len(rows), 10, 8, 8), rows=rows, limits=(0, 255), ax=axes[1, 2]
    )
    axes[1, 2].set_yticks(np.arange(len(rows)) * 9 + 3.5, rows, fontsize="x-small")
    axes[1, 2].set_title(f"(f) generation {data['generation'].values[-1]}")
    return figure


def draw_classes(data: xr.Dataset) -> Figure:
    """The share of odd digits and the FID to the target against w, and every digit's share."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12.0, 3.7))
    odd = data["share"].isel(digit=slice(1, None, 2)).sum("digit")
    banded(left, data["weight"], odd, color=SIMS, marker="o")
    left.axhline(data.attrs["target"], **DOTTED)
    left.set(xlabel=GUIDANCE, ylabel="share of odd digits", ylim=(0, 1), title="(a) mix of classes")
    left.annotate("wanted", (-0.95, data.attrs["target"]), (0, 3), textcoords="offset points", color="0.35")
    banded(middle, data["weight"], data["fid"], color=SIMS, marker="o")
    middle.set(xlabel=GUIDANCE, ylabel="FID to images of the wanted mix", ylim=(0, None))
    middle.set_title("(b) distance to the target")
    x, target = np.arange(10), data.attrs["target"]
    shares = {"base": data["share"].sel(weight=0.0), "SIMS, w chosen": at_choice(data)["share"]}
    for i, (label, share) in enumerate(shares.items()):
        mean, error = mean_and_error(share)
        bars = {"color": ("0.7", SIMS)[i], "width": 0.38, "error_kw": {"linewidth": 0.8}, "label": label}
        right.bar(x + 0.4 * i - 0.2, mean, yerr=2 * error, **bars)
    wanted = np.where(x % 2, target, 1 - target) / 5
    right.step(
        np.append(x, 10) - 0.5, np.append(wanted, wanted[-1]), where="post", color="0.3", label="wanted"
    )
    right.set(xticks=x, xlabel="digit", ylabel="share of the samples", title="(c) every class")
    right.set_ylim(0, 1.4 * shares["SIMS, w chosen"].mean("seed").max().item())
    right.legend(ncols=3, fontsize="x-small")
    return figure


def draw_toy(data: xr.Dataset) -> Figure:
    """Samples, and FID against w for samples that are too wide and too narrow."""
    figure, axes = plt.subplots(1, 3, figsize=(12.0, 4.0), width_ratios=(1, 1.3, 1.3))
    sets = data["synthetic_points"]
    for points, colour, label in (
        (sets.isel(scale=0), "#CC79A7", f"S, ζ = {data['scale'].values[0]:g}"),
        (data["points"], "0.3", "base"),
        (sets.isel(scale=-1), "#E69F00", f"S, ζ = {data['scale'].values[-1]:g}"),
    ):
        axes[0].plot(*points.values.T, ".", markersize=2, alpha=0.6, color=colour, label=label)
    axes[0].set(xlim=(-8, 8), ylim=(-8, 8), aspect="equal", title="(a) base and synthetic sets, one seed")
    axes[0].legend(markerscale=4)
    base = data["fid"].sel(weight=0.0, method="nearest").mean().item()
    for ax, scale, letter in zip(axes[1:], data["scale"].values, "bc", strict=True):
        for epochs, colour in zip(data["epochs"].values, ("#0072B2", "#D55E00"), strict=True):
            for scheme, style in (("Neon", "-"), ("SIMS", ":")):
                one = data["fid"].sel(scale=scale, epochs=epochs, scheme=scheme)
                label = f"{scheme}, {epochs} epochs"
                ax.plot(data["weight"], one.mean("seed"), color=colour, linestyle=style, label=label)
                if scheme == "Neon":
                    ends = (one.min("seed"), one.max("seed"))
                    ax.fill_between(data["weight"], *ends, color=colour, alpha=0.2, linewidth=0)
            read = data.sel(scale=scale, epochs=epochs)
            where = (read["paper_weight"], read["paper_fid"])
            ax.plot(*where, "*", markersize=12, color=colour, markeredgecolor="black", zorder=6)
        ax.axhline(base, **DOTTED)
        ax.set(yscale="log", ylim=(0.004, 2), xlabel="weight w (-1: self-trained, 0: base)")
        ax.set_title(f"({letter}) ζ = {scale:g}: S too {'wide' if scale < 1 else 'narrow'}")
    axes[1].set_ylabel("FID")
    axes[2].legend(fontsize="x-small")
    return figure
