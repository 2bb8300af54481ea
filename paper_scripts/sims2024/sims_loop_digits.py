"""Loops of diffusions of digits with SIMS and without (analogue)."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import above, format_mean, holds, no_more_over_seeds
from paper_scripts.sims2024.digits import ANALOGUE, BASE, SIMS
from paper_scripts.style import GREEN, seed_band, show_digits
from simulations import sims_loop_digits

SOURCE = "SIMS, section 4.2, continued"
NETWORKS = True
CAPTION = (
    ANALOGUE + "(a) Synthetic images only; (b) all real digits and as many images of the last "
    "generation. The green stripe is the first base's FID, 10 % up and down. (c-e) Solid: fully "
    "synthetic; dashed: augmentation. What the next generation trains on is judged. (f) One seed, digits "
    "0 to 9."
)

simulate = sims_loop_digits.run


def draw(data: xr.Dataset) -> Picture:
    """Draw FID, precision and recall per generation, the w chosen, and digits of the last generation."""
    figure, axes = plt.subplots(2, 3, figsize=(12.0, 6.6))
    colours = {"plain": BASE, "SIMS": SIMS}
    first = data["fid"].sel(generator="plain").isel(generation=0, loop=0).mean().item()
    for ax, loop, letter in zip(axes[0], data["loop"].values, "ab", strict=False):
        for name, colour in colours.items():
            one = data["fid"].sel(loop=loop, generator=name)
            seed_band(ax, data["generation"], one, label=name, color=colour, marker="o")
        ax.axhspan(0.9 * first, 1.1 * first, color=GREEN, alpha=0.2, linewidth=0)
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
                    seed_band(ax, data["generation"], one, **how)
        ax.set(title=title, xlabel="generation")
    for ax in (*axes[0], *axes[1, :2]):
        ax.set_xticks(data["generation"].values)
    axes[0, 2].set_ylim(0, None)
    axes[1, 0].legend(fontsize="x-small")
    pictures = data["images"].stack(row=("loop", "generator")).transpose("row", "digit", "pixel")
    rows = [f"{loop.split()[0]}\n{name}" for loop, name in pictures["row"].values]
    show_digits(axes[1, 2], pictures.values, rows=rows)
    axes[1, 2].set_yticks(np.arange(len(rows)) * 9 + 3.5, rows, fontsize="x-small")
    axes[1, 2].set_title(f"(f) generation {data['generation'].values[-1]}")
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge the last generation against the first base, with SIMS and without it."""
    last = data["generation"].values[-1]
    first = data["fid"].sel(generator="plain").isel(generation=0)
    for loop in data["loop"].values:
        one = data.sel(loop=loop)
        ends = {g: one["fid"].sel(generator=g).isel(generation=-1) for g in data["generator"].values}
        rise = {g: 100 * (end / first.sel(loop=loop) - 1) for g, end in ends.items()}
        kept = above(rise["plain"] - 10) and no_more_over_seeds(rise["SIMS"], 10) == "reproduced"
        start = one["fid"].sel(generator="SIMS").isel(generation=0)
        weights = one["guidance"].sel(generator="SIMS").mean("seed")
        yield Finding(
            claim=f"With SIMS the {loop} loop stays within 10 % of generation 1's FID where the plain "
            "one does not",
            ours=f"generation {last}: plain {format_mean(rise['plain'], '+')} %, SIMS "
            f"{format_mean(rise['SIMS'], '+')} % of the first base's {format_mean(first.sel(loop=loop))}",
            verdict=holds(kept, kept or above(ends["plain"] - ends["SIMS"])),
            note=f"against SIMS' own generation 1: {format_mean(100 * (ends['SIMS'] / start - 1), '+')} %; w "
            f"{weights[0].item():.2g} at first, {weights[-1].item():.2g} at last",
        )
    one = data.sel(generator="plain").isel(loop=0)
    ends = {
        name: [format_mean(one[name].isel(generation=i)) for i in (0, -1)] for name in ("precision", "recall")
    }
    yield Finding(
        claim="What goes wrong without SIMS",
        ours="fully synthetic, plain: "
        + ", ".join(f"{name} {' to '.join(pair)}" for name, pair in ends.items()),
        verdict="shown",
        note="noise of the samples is learned, and added to",
    )
