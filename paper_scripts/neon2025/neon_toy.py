"""Neon's toy: which way to extrapolate depends on the samples' bias."""

from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import above, format_mean, format_means, holds, join
from paper_scripts.style import BLUE, DOTTED, PINK, RED, YELLOW
from simulations import neon_toy

SOURCE = "Neon, Fig. B.2, B.3"
NETWORKS = True
CAPTION = (
    "A diffusion of N(0, [[2, 1], [1, 2]]), fine-tuned on samples drawn with the score times ζ. "
    "Dotted grey: the base; stars: minima read off the published notebook, one run. Bands hold all "
    "our seeds (Neon)."
)

simulate = neon_toy.run


def draw(data: xr.Dataset) -> Picture:
    """Draw samples, and FID against w for samples that are too wide and too narrow."""
    figure, axes = plt.subplots(1, 3, figsize=(12.0, 4.0), width_ratios=(1, 1.3, 1.3))
    sets = data["synthetic_points"]
    for points, colour, label in (
        (sets.isel(scale=0), PINK, f"S, ζ = {data['scale'].values[0]:g}"),
        (data["points"], "0.3", "base"),
        (sets.isel(scale=-1), YELLOW, f"S, ζ = {data['scale'].values[-1]:g}"),
    ):
        axes[0].plot(*points.values.T, ".", markersize=2, alpha=0.6, color=colour, label=label)
    axes[0].set(xlim=(-8, 8), ylim=(-8, 8), aspect="equal", title="(a) base and synthetic sets, one seed")
    axes[0].legend(markerscale=4)
    base = data["fid"].sel(weight=0.0, method="nearest").mean().item()
    for ax, scale, letter in zip(axes[1:], data["scale"].values, "bc", strict=True):
        for epochs, colour in zip(data["epochs"].values, (BLUE, RED), strict=True):
            for scheme, style in (("Neon", "-"), ("SIMS", ":")):
                one = data["fid"].sel(scale=scale, epochs=epochs, scheme=scheme)
                label = f"{scheme}, {epochs} epochs"
                ax.plot(data["weight"], one.mean("seed"), color=colour, linestyle=style, label=label)
                if scheme == "Neon":
                    ends = (one.min("seed"), one.max("seed"))
                    ax.fill_between(data["weight"], *ends, color=colour, alpha=0.2, linewidth=0)
            read = data.sel(scale=scale, epochs=epochs)
            where = (read["paper_weight"], read["paper_fid"])
            star = {"markersize": 12, "color": colour, "markeredgecolor": "black", "zorder": 6}
            ax.plot(*where, "*", label=f"paper's best, {epochs} epochs", **star)
        ax.axhline(base, **DOTTED)
        ax.set(yscale="log", ylim=(0.004, 2), xlabel="weight w (-1: self-trained, 0: base)")
        ax.set_title(f"({letter}) ζ = {scale:g}: S too {'wide' if scale < 1 else 'narrow'}")
    axes[1].set_ylabel("FID")
    axes[2].legend(fontsize="x-small")
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge the notebook's read-offs against our seeds."""
    neon = data["fid"].sel(scheme="Neon")
    base, best = neon.sel(weight=0.0, method="nearest").isel(scale=0, epochs=0), neon.min("weight")
    error = abs(base.mean().item() - data.attrs["paper_base"])
    yield Finding(
        claim=f"Fig. B.3: FID of the base about {data.attrs['paper_base']:g}",
        ours=format_mean(base),
        verdict=holds(error < max(2 * base.std("seed", ddof=1).item(), 0.02)),
        note="20 steps, and a network evaluated at times 5 % too late: mean variance of a coordinate "
        f"{np.trace(data['base_covariance'].mean('seed').values) / 2:.2f} in place of 2",
    )
    at = neon.idxmin("weight")
    cells = [{"scale": s, "epochs": e} for s, e in product(data["scale"].values, data["epochs"].values)]
    yield Finding(
        claim="The best w is negative where S is too wide, positive where it is too narrow",
        ours=", ".join(
            "{} (ζ = {scale:g}, {epochs} epochs)".format(format_mean(at.sel(c)), **c) for c in cells
        ),
        verdict=holds(*(above(np.sign(cell["scale"] - 1) * at.sel(cell)) for cell in cells)),
        note=f"notebook: {join('{:g}', [data['paper_weight'].sel(cell).item() for cell in cells])}; "
        f"variance of S {format_means(data['synthetic_variance'])}",
    )
    drop = abs(at).isel(epochs=0) - abs(at).isel(epochs=-1)
    shorter = [above(drop.sel(scale=scale)) for scale in data["scale"].values]
    yield Finding(
        claim="The longer the fine-tuning, the smaller the best w",
        ours=f"in {sum(shorter)} of {len(shorter)} sets",
        verdict=holds(*shorter),
    )
    lowest = [best.sel(cell) for cell in cells]
    paper = [data["paper_fid"].sel(cell).item() for cell in cells]
    yield Finding(
        claim=f"Smallest FID {join('{:g}', paper)}, in this order",
        ours=", ".join(f"{format_mean(x)} ({x.min().item():.2g} to {x.max().item():.2g})" for x in lowest),
        verdict=holds(*(x.min() <= p <= x.max() for x, p in zip(lowest, paper, strict=True))),
        note="the notebook is one run; in brackets the range of our seeds",
    )
    gap = float(abs(best - data["fid"].sel(scheme="SIMS").min("weight")).max())
    yield Finding(
        claim="SIMS and Neon agree to first order in the auxiliary's move",
        ours=f"largest difference of their smallest FIDs {gap:.2g}",
        verdict=holds(gap < base.mean().item() / 2),
    )
