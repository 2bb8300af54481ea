"""A mixture loop loses its modes."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.colors import LogNorm

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import agreement, holds, join, with_error
from simulations import mixture_modes

SOURCE = "MAD, Fig. 14"
CAPTION = (
    "Fully synthetic loop of a mixture of 25 Gaussians on the 25-mode grid (means on the 5 x 5 "
    "unit grid, variance 0.01), bias 1. Points of the training sets; lost modes are those without a "
    "point; where fewer than 200 pixels hold points, each is drawn as a dot. The paper gives neither the "
    "number of points nor the start of EM."
)

simulate = mixture_modes.run

FEW = 200  # pixels that hold points, below which they are drawn as dots

LABELS = {
    "warm 1": "EM from the last model, seed 1",
    "warm 2": "EM from the last model, seed 2",
    "scratch": "EM from k-means",
    "observed": "labels observed",
}


def draw(data: xr.Dataset) -> Picture:
    """Draw Fig. 14: share of points in each pixel, a row for each fit, a column for each generation."""
    rows = ("warm 1", "scratch", "observed")
    figure, axes = plt.subplots(len(rows), data.sizes["shown"], figsize=(8.2, 8.0), sharex=True, sharey=True)
    edge = float(data["x"][-1])
    lowest = 1 / data.attrs["n"]
    for line, chain in zip(axes, rows, strict=True):
        for ax, generation in zip(line, data["shown"].values, strict=True):
            one = data.sel(chain=chain)
            density = one["density"].sel(shown=generation).values
            how = {"origin": "lower", "extent": (-edge, edge, -edge, edge), "interpolation": "nearest"}
            norm = LogNorm(lowest, 1e3 * lowest)
            image = ax.imshow(np.ma.masked_equal(density.T, 0), cmap="viridis", norm=norm, **how)
            if np.count_nonzero(density) < FEW:
                # Collapsed modes are smaller than a dot of print: each pixel is drawn larger.
                at = np.argwhere(density > 0)
                places = (at + 0.5) / density.shape * 2 * edge - edge
                dots = {"cmap": "viridis", "norm": norm, "s": 26, "linewidths": 0.4, "edgecolors": "black"}
                ax.scatter(*places.T, c=density[tuple(at.T)], **dots)
            modes = int(one["surviving_modes"].sel(generation=generation))
            ax.set_title(f"t = {generation}: {modes} modes", fontsize=9)
            ax.set(xticks=range(-2, 3), yticks=range(-2, 3))
            ax.grid(visible=False)
        line[0].set_ylabel(LABELS[chain].removesuffix(", seed 1"))
    figure.colorbar(image, ax=axes, label="share of the points in a pixel", shrink=0.5)
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge how many modes are left at the generations that the paper shows."""
    shown = data["shown"].values
    alive = data["surviving_modes"].sel(generation=shown)
    yield Finding(
        claim=f"MAD Fig. 14: modes are progressively lost, at generations {', '.join(map(str, shown))}",
        ours="; ".join(f"{one['chain'].item()}: {join('{:.0f}', one.values)}" for one in alive),
        verdict=holds((alive[:, -1] < alive[:, 0]).all() and (alive.diff("generation") <= 0).all()),
        note=f"modes that hold a point; {data.attrs['n']:,} points, which the paper does not state",
    )
    for generation in shown[1:]:
        one = data.sel(generation=generation)
        expected, mean = (one[f"{x}_surviving_modes"].item() for x in ("predicted", "observed"))
        error = one["observed_surviving_modes_error"].item()
        z = (mean - expected) / error if error > 0 else 0.0
        spread = error * np.sqrt(data.attrs["replicates"])
        yield Finding(
            claim=f"Wright-Fisher drift: {expected:.2f} of 25 modes are left at generation {generation}",
            ours=f"{with_error(mean, error)} with observed labels (z = {z:+.1f})",
            verdict=agreement(z),
            note=f"standard deviation of one loop: {spread:.2f}",
        )
        warm = [c for c in data["chain"].values if str(c).startswith("warm")]
        left = one["surviving_modes"].sel(chain=warm).mean().item()
        error = spread / np.sqrt(len(warm))
        z = (left - expected) / error if error > 0 else 0.0
        yield Finding(
            claim=f"EM from the last model drifts as with observed labels, generation {generation}",
            ours=f"{with_error(left, error)} modes, mean of {len(warm)} seeds (z = {z:+.1f})",
            verdict=agreement(z),
            note="standard error from the loops with observed labels",
        )
