"""Curated loops of diffusions in the plane: without real data one plateau takes all."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.patches import Circle

from paper_scripts.ferbach2024.loops import COLOURS, draw_loops, judge_rise, name_run
from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import above, format_mean, holds
from paper_scripts.style import YELLOW, label_theory
from simulations import curated_networks
from simulations.curated_networks import LAWS

SOURCE = "Ferbach et al., appendix, toy figures"
NETWORKS = True
CAPTION = (
    "DDPM on eight Gaussians, flow matching on two moons; the reward is zero on the shaded "
    "plateau and falls with slope 10 outside. Each synthetic point is chosen from two; 1,000 of them a "
    "generation, with 1,000 real points or without, and the network of the last generation is trained "
    "on. Pictures: one seed. Curves: means over the seeds, bands are two standard errors. Dashed: the "
    "exact loop of infinitely many points and a perfect generator (Lemma 2.1)."
)

simulate = curated_networks.planar


def draw(data: xr.Dataset) -> Picture:
    """Draw A row for each law: pictures, mean reward, share of the plateau, and the smallest mode."""
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
            ax.add_patch(Circle(centre, radius, facecolor=YELLOW, alpha=0.18, edgecolor="none"))
            ax.set(title=title, xticks=[], yticks=[], aspect="equal")
            _frame(ax, points[0, 0])
        row[0].set_ylabel(law)
        for ax, name in zip(row[3:5], ("reward", "top"), strict=True):
            draw_loops(ax, one[name], one[f"predicted_{name}"])
            ax.set_title("mean reward" if name == "reward" else "share on the plateau")
        draw_loops(row[5], one["mode_mass"].min("mode"), one["predicted_mode_mass"].min("mode"))
        row[5].set(title="share of the least mode", ylim=(-0.01, None))
    label_theory(axes[0, 3], "exact law")
    axes[0, 3].legend(loc="lower right", fontsize="x-small")
    return figure


def _frame(ax: Axes, points: np.ndarray) -> None:
    """Set limits that make a square around almost all points."""
    low, high = np.quantile(points, [0.005, 0.995], axis=0)
    middle, half = (low + high) / 2, 0.65 * (high - low).max()
    ax.set(xlim=middle[0] + [-half, half], ylim=middle[1] + [-half, half])


def judge(data: xr.Dataset) -> Findings:
    """Judge whether rewards rise, and modes survive with real data only."""
    for law in data["law"].values:
        one = data.sel(law=law)
        first, end = one.isel(generation=0), one.isel(generation=-1)
        yield judge_rise(one["reward"], f"{law}: the mean reward rises in both loops", name_run(data))
        alone, mixed = (end.sel(loop=loop) for loop in ("curated only", "with real data"))
        top = alone["top"].mean("seed").item()
        off, exact = (1 - alone[name].max("mode") for name in ("mode_mass", "predicted_mode_mass"))
        yield Finding(
            claim=f"{law}, curated only: the law collapses on the points of the largest reward",
            ours=f"share on the plateau {format_mean(first['top'].isel(loop=0))} → "
            f"{format_mean(alone['top'])}, exact law {alone['predicted_top'].item():.3f}",
            verdict=holds(top > 0.5, top > 0.9),
            note=f"other modes: {format_mean(off)} of the points, exact law {exact.item():.3f}",
        )
        # Absent modes of a law with fewer are NaN, and left out.
        least, lost = mixed["mode_mass"].min("mode"), alone["mode_mass"].min("mode")
        exact = mixed["predicted_mode_mass"].min("mode").item()
        yield Finding(
            claim=f"{law}, with as many real points: every mode is kept",
            ours=f"least mode {format_mean(least)} (exact law {exact:.3f}); curated only {format_mean(lost)}",
            verdict=holds(above(least - max(0.3 * exact, lost.mean("seed").item()))),
            note=f"real points have {one['real_mode_mass'].min().item():.3f}",
        )
