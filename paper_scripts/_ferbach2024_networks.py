"""Drawings and findings of Ferbach et al. 2024 with networks, from the Datasets alone."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from madtheory import plotting
from paper_scripts._figure import Finding, Verdict, no_more, student_limit, with_error
from paper_scripts._seeds import NOISE, above, mean_and_error
from simulations.curated_networks import LAWS

__all__ = ["digits_findings", "draw_digits", "draw_planar", "planar_findings"]

THEORY = {"color": "black", "linestyle": "--", "linewidth": 1.1, "zorder": 4}
COLOURS = {"curated only": "#D55E00", "with real data": "#0072B2", "not curated": "0.45"}
KEPT = 0.02  # share of a mode that counts as kept


def draw_planar(data: xr.Dataset) -> Figure:
    """A row for each law: pictures, mean reward, share of the plateau, and the smallest mode."""
    figure, axes = plt.subplots(data.sizes["law"], 6, figsize=(14.5, 2.7 * data.sizes["law"]))
    last = int(data["generation"][-1])
    for row, law in zip(axes, data["law"].values, strict=True):
        one = data.sel(law=law)
        points = one["points"].values
        shown = {"generation 1": (points[0, 0], "0.35")}
        for i, loop in enumerate(data["loop"].values):
            shown[f"generation {last}, {loop}"] = points[i, 1], COLOURS[loop]
        centre, radius = LAWS[law]
        for ax, (title, (cloud, colour)) in zip(row, shown.items(), strict=False):
            ax.plot(*cloud.T, ".", color=colour, markersize=1.6, rasterized=True)
            ax.add_patch(Circle(centre, radius, facecolor="#E69F00", alpha=0.18, edgecolor="none"))
            ax.set(title=title, xticks=[], yticks=[], aspect="equal")
            _frame(ax, points[0, 0])
        row[0].set_ylabel(law)
        for ax, name, title in zip(
            row[3:5], ("reward", "top"), ("mean reward", "share on the plateau"), strict=True
        ):
            _curves(one, one[name], ax, one[f"predicted_{name}"])
            ax.set(title=title, xlabel="generation")
        _curves(one, _least(one["mode_mass"]), row[5], _least(one["predicted_mode_mass"]))
        row[5].set(title="share of the least mode", xlabel="generation", ylim=(-0.01, None))
    axes[0, 3].plot([], [], label="exact law", **THEORY)
    axes[0, 3].legend(loc="lower right", fontsize="x-small")
    return figure


def _frame(ax: Axes, points: np.ndarray) -> None:
    """A square around almost all points."""
    low, high = np.quantile(points, [0.005, 0.995], axis=0)
    middle, half = (low + high) / 2, 0.65 * (high - low).max()
    ax.set(xlim=middle[0] + [-half, half], ylim=middle[1] + [-half, half])


def _least(mass: xr.DataArray) -> xr.DataArray:
    return mass.min("mode")  # absent modes of a law with fewer are NaN, and left out


def _curves(data: xr.Dataset, values: xr.DataArray, ax: Axes, theory: xr.DataArray | None = None) -> None:
    for loop in data["loop"].values:
        mean, error = mean_and_error(values.sel(loop=loop))
        ax.plot(data["generation"], mean, color=COLOURS[loop], label=loop)
        band = (mean - 2 * error, mean + 2 * error)
        ax.fill_between(data["generation"], *band, color=COLOURS[loop], alpha=0.2, linewidth=0)
        ax.xaxis.get_major_locator().set_params(integer=True)
        if theory is not None:
            ax.plot(data["generation"], theory.sel(loop=loop), **THEORY)


def planar_findings(data: xr.Dataset) -> list[Finding]:
    """Rewards rise, the plateau takes all without real data, and modes survive with them."""
    found = []
    for law in data["law"].values:
        one = data.sel(law=law)
        first, end = one.isel(generation=0), one.isel(generation=-1)
        found.append(_rise(one["reward"], f"{law}: the mean reward rises in both loops", _when(data)))
        alone, mixed = (end.sel(loop=loop) for loop in ("curated only", "with real data"))
        top = mean_and_error(alone["top"])
        found.append(
            Finding(
                claim=f"{law}, curated only: the law collapses on the points of the largest reward",
                ours=f"share on the plateau {_both(first['top'].isel(loop=0))} → {with_error(*top)}, "
                f"exact law {alone['predicted_top'].item():.3f}",
                verdict="reproduced"
                if top[0] > 0.9
                else "partly reproduced"
                if top[0] > 0.5
                else "not reproduced",
                note=f"other modes: {_both(_off(alone))} of the points, "
                f"exact law {_off(alone, 'predicted_').item():.3f}",
            )
        )
        least = mean_and_error(_least(mixed["mode_mass"]))
        lost = mean_and_error(_least(alone["mode_mass"]))
        exact = _least(mixed["predicted_mode_mass"]).item()
        half = student_limit(NOISE, data.sizes["seed"]) * least[1]
        kept = least[0] - half > max(0.3 * exact, lost[0])
        found.append(
            Finding(
                claim=f"{law}, with as many real points: every mode is kept",
                ours=f"least mode {with_error(*least)} (exact law {exact:.3f}); "
                f"curated only {with_error(*lost)}",
                verdict="reproduced" if kept else "not reproduced",
                note=f"real points have {one['real_mode_mass'].min().item():.3f}",
            )
        )
    return found


def _off(end: xr.Dataset, prefix: str = "") -> xr.DataArray:
    """Share of the points that belong to other modes than the largest."""
    return 1 - end[f"{prefix}mode_mass"].max("mode")


def _rise(values: xr.DataArray, claim: str, note: str) -> Finding:
    """Whether a number rises from the first to the last generation, in both loops."""
    rise = values.isel(generation=-1) - values.isel(generation=0)
    loops = ("curated only", "with real data")
    gains = {loop: mean_and_error(rise.sel(loop=loop)) for loop in loops}
    holds = [above(rise.sel(loop=loop)) for loop in loops]
    return Finding(
        claim=claim,
        ours=f"from {_both(values.isel(generation=0, loop=0))} by "
        + ", ".join(f"{with_error(*gain)} ({loop})" for loop, gain in gains.items()),
        verdict="reproduced" if all(holds) else "partly reproduced" if any(holds) else "not reproduced",
        note=note,
    )


def _both(values: xr.DataArray) -> str:
    return with_error(*mean_and_error(values))


def _when(data: xr.Dataset) -> str:
    return f"generation {int(data['generation'][-1])}, {data.sizes['seed']} seeds"


def draw_digits(data: xr.Dataset) -> Figure:
    """Confidence, imbalance, distance, precision and recall by generation; shares of the digits; pictures."""
    figure = plt.figure(figsize=(13.0, 7.4), layout="constrained")
    upper, middle, lower = figure.subfigures(3, 1, height_ratios=(1.2, 1, 0.5))
    panels = {
        "confidence": "mean confidence (reward / 15)",
        "imbalance": "imbalance of the classes",
        "frechet": "squared Frechet distance",
        "precision": "precision",
        "recall": "recall",
    }
    for ax, (name, title) in zip(upper.subplots(1, 5), panels.items(), strict=True):
        _curves(data, data[name], ax)
        ax.set(title=title, xlabel="generation")
    handles, labels = ax.get_legend_handles_labels()
    upper.legend(handles, labels, loc="outside lower center", ncols=3, fontsize="small")
    colours = plt.get_cmap("tab10")(np.arange(10))
    rows = middle.subplots(1, data.sizes["loop"], sharey=True)
    for ax, loop in zip(rows, data["loop"].values, strict=True):
        shares = data["share"].sel(loop=loop).isel(seed=0).transpose("digit", "generation")
        ax.stackplot(data["generation"], shares, colors=colours, labels=[str(digit) for digit in range(10)])
        ax.set(title=f"shares of the digits, {loop}, one seed", xlabel="generation", ylim=(0, 1))
        ax.xaxis.get_major_locator().set_params(integer=True)
    rows[-1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize="x-small", reverse=True)
    grids = {
        "generation 1": data["first"],
        **{loop: data["images"].sel(loop=loop) for loop in data["loop"].values},
    }
    for ax, (title, images) in zip(lower.subplots(1, len(grids)), grids.items(), strict=True):
        plotting.sample_grid(images.values.reshape(2, 10, 8, 8), limits=(0, 255), cmap="gray_r", ax=ax)
        ax.set_title(title if title == "generation 1" else f"last, {title}")
    return figure


def digits_findings(data: xr.Dataset) -> list[Finding]:
    """Confidence rises in both loops; classes drift apart without real data, and stay with them."""
    found = [_rise(data["confidence"], "Fig. 3: the reward (confidence) rises in both loops", _when(data))]
    rise = data["imbalance"].isel(generation=-1) - data["imbalance"].isel(generation=0)
    alone, mixed, plain = (rise.sel(loop=loop) for loop in ("curated only", "with real data", "not curated"))
    grows, beyond = mean_and_error(alone), mean_and_error(alone - plain)
    drift: Verdict = "reproduced" if above(alone - plain) else "partly reproduced"
    found.append(
        Finding(
            claim="Fig. 3, curated only: the classes become imbalanced",
            ours=f"imbalance grows by {with_error(*grows)}; without curation by {_both(plain)}",
            verdict=drift if above(alone) else "not reproduced",
            note="total variation from the held-out shares; beyond the drift of the synthetic loop without "
            f"curation by {with_error(*beyond)}",
        )
    )
    less, margin = mean_and_error(alone - mixed), 0.5 * grows[0]
    stays = no_more(*mean_and_error(mixed), margin, data.sizes["seed"]) == "reproduced"
    stable: Verdict = "reproduced" if stays else "partly reproduced"
    found.append(
        Finding(
            claim="Fig. 3, with real data: the class proportions stay stable",
            ours=f"imbalance grows by {_both(mixed)}, curated only by {with_error(*grows)}",
            verdict=stable if above(alone) and above(alone - mixed) else "not reproduced",
            note=f"difference {with_error(*less)}; stable: the 95 % interval ends below {margin:.2g}, half "
            "of what curation alone makes of it",
        )
    )
    ours = []
    for name in ("frechet", "precision", "recall"):
        end = data[name].isel(generation=-1)
        start = _both(data[name].isel(generation=0, loop=0))
        parts = ", ".join(f"{_both(end.sel(loop=loop))} ({loop})" for loop in data["loop"].values)
        ours.append(f"{name} {start} → {parts}")
    return [
        *found,
        Finding(
            claim="Distance, precision and recall (the paper's appendix has them)",
            ours="; ".join(ours),
            verdict="shown",
            note="an analogue on other data",
        ),
    ]
