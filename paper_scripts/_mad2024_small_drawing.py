"""Drawings of MAD's flow and WGAN-GP, from the Datasets alone."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from paper_scripts._seeds import mean_and_error

__all__ = ["draw_digits", "draw_tails"]

THEORY = {"color": "black", "linestyle": "--", "linewidth": 1.1, "zorder": 4}
COLOURS = ("#0072B2", "#D55E00")  # bias 1 and 0.75
LEVELS = (1e-3, 1e-2, 1e-1)  # contours of the true density
MEASURES = {
    "fid": "Frechet distance, features",
    "precision": "precision",
    "recall": "recall",
    "pixel_distance": "Frechet distance, pixels",
}


def draw_tails(data: xr.Dataset) -> Figure:
    """Fig. 17: densities of truth and samples, and the mass of each tail per generation."""
    figure = plt.figure(figsize=(11.5, 6.2), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.15, 1))
    axes = upper.subplots(1, 5, sharex=True, sharey=True)
    panels = [("truth", data["true_density"])] + [
        (f"t = {t}, bias {b:g}", data["density"].sel(shown=t, bias=b))
        for t in data["shown"].values
        for b in data["bias"].values
    ]
    norm = LogNorm(1e-4, float(data["true_density"].max()))
    for ax, (title, density) in zip(axes, panels, strict=True):
        visible = np.ma.masked_less(density.values.T, norm.vmin)
        image = ax.pcolormesh(data["x1"], data["x2"], visible, cmap="viridis", norm=norm, rasterized=True)
        ax.contour(data["x1"], data["x2"], data["true_density"].T, LEVELS, colors="black", linewidths=0.5)
        ax.set(title=title, xlabel="x1")
        ax.grid(visible=False)
    axes[0].set_ylabel("x2")
    upper.colorbar(image, ax=axes, label="density", shrink=0.9)
    bottom = lower.subplots(1, data.sizes["tail"])
    for ax, tail in zip(bottom, data["tail"].values, strict=True):
        for bias, colour in zip(data["bias"].values, COLOURS, strict=True):
            _runs(ax, data["mass"].sel(tail=tail, bias=bias), colour, f"bias {bias:g}")
        ax.axhline(data["true_mass"].sel(tail=tail).item(), label="truth, exact", **THEORY)
        ax.set(title=f"P({tail})", xlabel="generation")
        ax.set_ylim(0, None)
    bottom[0].set_ylabel("share of the samples")
    bottom[-1].legend(fontsize="small")
    return figure


def draw_digits(data: xr.Dataset) -> Figure:
    """Fig. 13: distance, precision and recall per generation, and samples."""
    figure = plt.figure(figsize=(11.5, 6.0), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.2, 1))
    axes = upper.subplots(1, len(MEASURES))
    for ax, (name, title) in zip(axes, MEASURES.items(), strict=True):
        _runs(ax, data[name], COLOURS[0], "WGAN-GP")
        ax.axhline(data[f"{name}_real"].item(), label="real training images", **THEORY)
        ax.set(title=title, xlabel="generation")
        ax.set_ylim(0, 1.02 if name in ("precision", "recall") else None)
    axes[-1].legend(fontsize="small")
    for ax, shown in zip(lower.subplots(1, data.sizes["shown"]), data["shown"].values, strict=True):
        ax.imshow(_grid(data["image"].sel(shown=shown).values), cmap="gray_r", vmin=0, vmax=255)
        ax.set(xticks=[], yticks=[], title=f"generation {shown}")
        ax.grid(visible=False)
    return figure


def _runs(ax: Axes, values: xr.DataArray, colour: str, label: str) -> None:
    """Each seed thinly, and their mean with a band of two standard errors."""
    t, (mean, error) = values["generation"], mean_and_error(values)
    for one in values.transpose("seed", "generation").values:
        ax.plot(t, one, color=colour, linewidth=0.5, alpha=0.35)
    ax.plot(t, mean, color=colour, label=label)
    ax.fill_between(t, mean - 2 * error, mean + 2 * error, color=colour, alpha=0.22, linewidth=0)


def _grid(images: np.ndarray, columns: int = 6) -> np.ndarray:
    """Images (n, 64) as one picture, with a white line between them."""
    tiles = np.pad(images.reshape(-1, columns, 8, 8), ((0, 0), (0, 0), (1, 1), (1, 1)))
    return tiles.transpose(0, 2, 1, 3).reshape(-1, columns * 10)
