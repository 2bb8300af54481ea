"""Loops of image diffusions: digits (analogue)."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from madtheory import plotting
from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import above, format_mean, holds, name_seeds, no_more_over_seeds
from paper_scripts.style import BLUE, GREEN, PINK, RED, seed_band
from simulations import image_loops

SOURCE = "MAD, section 4; SIMS, section 4.2"
NETWORKS = True
SETTING = (
    "Rows are generations, columns the same noise throughout; every generation is a U-Net trained from "
    "random weights. Sizes are those of minutes on a CPU, and larger where there is a GPU. In (c) a quarter "
    "of every training set is new and real. Dotted: the real images."
)
CAPTION = (
    "An analogue: 8 x 8 digits, with their classes, in place of MNIST and FFHQ, and a small "
    "classifier's features in place of LeNet's and Inception's. " + SETTING
)

simulate = image_loops.digits

COLOURS = (RED, BLUE, GREEN, PINK)
CURVES = (("distance", "Frechet distance"), ("precision", "precision"), ("recall", "recall"))
MARGIN = 0.2
"""Share by which distances must differ to count: single runs have no standard error."""


def draw(data: xr.Dataset) -> Picture:
    """Draw one panel of images for each loop, a generation a row; below, the metrics by generation."""
    loops = list(data["loop"].values)
    layout = [[f"loop {i}" for i in range(len(loops)) for _ in CURVES]]
    layout += [[name for name, _ in CURVES for _ in loops]]
    rows = 1 + data.sizes["generation"]
    size = (12.4, 2.9 + 0.31 * rows)
    figure, axes = plt.subplot_mosaic(layout, figsize=size, height_ratios=(0.31 * rows, 2.6))
    real = data["real"].values[None]
    for i, loop in enumerate(loops):
        pictures = np.concatenate([real, data["images"].sel(loop=loop).values])
        labels = ["real", *map(str, data["generation"].values)] if i == 0 else None
        ax = axes[f"loop {i}"]
        colours = pictures if pictures.shape[-1] == 3 else pictures[..., 0]
        plotting.sample_grid(colours, rows=labels, limits=(0, 255), ax=ax)
        ax.set_title(f"({'abcd'[i]}) {loop}", color=COLOURS[i])
        if i == 0:
            ax.set_ylabel("generation")
    for letter, (name, label) in zip("efg", CURVES, strict=True):
        for loop, colour in zip(loops, COLOURS, strict=True):
            line = {"marker": "o", "label": loop, "color": colour}
            seed_band(axes[name], data["generation"], data[name].sel(loop=loop), **line)
        axes[name].set(xlabel="generation", title=f"({letter}) {label}", xticks=data["generation"].values)
    axes["distance"].axhline(data["floor"].item(), color="0.45", linestyle=":", linewidth=1.1)
    axes["distance"].set_ylim(0, None)
    axes["precision"].legend(loc="lower left")
    for name in ("precision", "recall"):
        axes[name].set_ylim(0, 1.03)
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge the last generation against the first, and the loops against each other."""
    plain, augmented, fresh, sims = (data.sel(loop=loop) for loop in data["loop"].values)
    last, seeds = data["generation"].values[-1], data.sizes["seed"]

    def course(one: xr.Dataset) -> str:
        first, end = (format_mean(one["distance"].isel(generation=i)) for i in (0, -1))
        return f"distance {first} in generation 1, {end} in generation {last}"

    def rises(one: xr.Dataset) -> bool:
        return _exceeds(one["distance"].isel(generation=-1), one["distance"].isel(generation=0))

    def beats(one: xr.Dataset) -> bool:
        return _exceeds(plain["distance"].isel(generation=-1), one["distance"].isel(generation=-1))

    yield Finding(
        claim="MAD: in the fully synthetic loop the distance to the real images grows",
        ours=course(plain),
        verdict=holds(rises(plain)),
        note=f"{'one run' if seeds == 1 else name_seeds(data)}; differences of less than {MARGIN:.0%} do not "
        f"count; the real images have {data['floor'].item():.3g}",
    )
    moves = {name: _change(plain[name]) for name in ("precision", "recall")}
    yield Finding(
        claim="MAD: it loses quality (precision) or diversity (recall)",
        ours=", ".join(f"{name} {format_mean(move, '+')}" for name, move in moves.items()),
        verdict=holds(any(_clearly(-move, 0.05) for move in moves.values())),
        note="what the loop amplifies depends on the generator's own error",
    )
    yield Finding(
        claim="MAD: fixed real images slow that down, and do not prevent it",
        ours=course(augmented),
        verdict=holds(beats(augmented), beats(augmented) and rises(augmented)),
        note="its training sets are twice as large",
    )
    growth = fresh["distance"].isel(generation=-1) / fresh["distance"].isel(generation=0) - 1
    stays = no_more_over_seeds(growth, MARGIN) if seeds > 1 else "not tested"
    yield Finding(
        claim="MAD: with enough new real images it does not happen",
        ours=course(fresh),
        verdict="not reproduced" if not beats(fresh) else "partly reproduced" if rises(fresh) else stays,
        note=f"{data.attrs['fresh']} of {data.attrs['n_real']} images are new and real",
    )
    yield Finding(
        claim="SIMS: negative guidance by a self-trained model keeps the fully synthetic loop nearer",
        ours=f"{course(sims)}, without it {format_mean(plain['distance'].isel(generation=-1))}",
        verdict=holds(beats(sims)),
        note=f"w = {data.attrs['guidance']:g}, chosen on generation 1 with another seed, by the same "
        f"real images, which favours SIMS; each auxiliary sees {data.attrs['auxiliary']} images",
    )


def _change(values: xr.DataArray) -> xr.DataArray:
    return values.isel(generation=-1) - values.isel(generation=0)


def _exceeds(more: xr.DataArray, less: xr.DataArray) -> bool:
    return _clearly(more / less - 1, MARGIN)


def _clearly(values: xr.DataArray, margin: float) -> bool:
    """Return whether the mean exceeds a margin, and 0 beyond the seeds' noise where that is known."""
    return bool(values.mean() > margin) and (values.sizes["seed"] == 1 or above(values))
