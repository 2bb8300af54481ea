"""A hundred generations of GANs: an analogue on digits."""

from itertools import pairwise

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import format_mean, holds, seed_score
from paper_scripts.style import BLUE, THEORY, draw_runs
from simulations import wgan_digits

SOURCE = "MAD, Fig. 13, on other data"
NETWORKS = True
CAPTION = (
    "Analogue of MAD's WGAN-GP on MNIST: scikit-learn's 8 x 8 digits, a WGAN-GP of perceptrons, "
    "900 images a generation, stored with 17 grey levels, fully synthetic, bias 1. Against held-out "
    "digits; distance, precision and recall (k = 5) in features of a small LeNet, and the distance in "
    "pixels. Mean of the seeds with two standard errors, single seeds thin. Below: samples of the first "
    "seed."
)

simulate = wgan_digits.run

MEASURES = {
    "fid": "Frechet distance, features",
    "precision": "precision",
    "recall": "recall",
    "pixel_distance": "Frechet distance, pixels",
}
LIMIT = 3  # standard errors, which are those of five seeds
FLAT = 0.25  # saturated: the second half of the generations changes less than this part of the first


def draw(data: xr.Dataset) -> Picture:
    """Draw Fig. 13: distance, precision and recall per generation, and samples."""
    figure = plt.figure(figsize=(11.5, 6.0), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.2, 1))
    axes = upper.subplots(1, len(MEASURES))
    for ax, (name, title) in zip(axes, MEASURES.items(), strict=True):
        draw_runs(ax, data[name], color=BLUE, label="WGAN-GP")
        ax.axhline(data[f"{name}_real"].item(), label="real training images", **THEORY)
        ax.set(title=title, xlabel="generation")
        ax.set_ylim(0, 1.02 if name in ("precision", "recall") else None)
    axes[-1].legend(fontsize="small")
    for ax, shown in zip(lower.subplots(1, data.sizes["shown"]), data["shown"].values, strict=True):
        ax.imshow(_grid(data["image"].sel(shown=shown).values), cmap="gray_r", vmin=0, vmax=255)
        ax.set(xticks=[], yticks=[], title=f"generation {shown}")
        ax.grid(visible=False)
    return figure


def _grid(images: np.ndarray, columns: int = 6) -> np.ndarray:
    """Return the images (n, 64) as one picture, with a white line between them."""
    tiles = np.pad(images.reshape(-1, columns, 8, 8), ((0, 0), (0, 0), (1, 1), (1, 1)))
    return tiles.transpose(0, 2, 1, 3).reshape(-1, columns * 10)


def judge(data: xr.Dataset) -> Findings:
    """Judge distance, precision and recall: first generation, direction, saturation."""
    last, note = int(data["generation"][-1]), f"{data.attrs['seeds']} seeds, digits"
    yield Finding(
        claim="MAD Fig. 13 starts from a working generator",
        ours="; ".join(
            f"{name} {format_mean(data[name].isel(generation=0))} "
            f"(real training images {data[f'{name}_real'].item():.3g})"
            for name in ("fid", "precision", "recall")
        ),
        verdict="shown",
        note="other features and images: the paper's numbers and ours have no common scale",
    )
    for name, sign, way in (("fid", 1, "up"), ("precision", -1, "down"), ("recall", -1, "down")):
        steps, back = _steps(data[name] * sign)
        total = seed_score(sign * (data[name].isel(generation=-1) - data[name].isel(generation=0)))
        ends = (format_mean(data[name].isel(generation=i)) for i in (0, -1))
        yield Finding(
            claim=f"MAD Fig. 13: {name.replace('fid', 'FID')} goes monotonically {way}",
            ours=f"{' to '.join(ends)}, generation {last}",
            verdict=holds(total > LIMIT, total > LIMIT and not back),
            note=f"turns back by more than {LIMIT} standard errors between generations {back}; {note}"
            if back
            else f"no turn of {LIMIT} standard errors at {', '.join(map(str, steps))}; {note}",
        )
    late = {name: _late_share(data[name].mean("seed")) for name in ("fid", "precision", "recall")}
    flat = [abs(share) < FLAT for share in late.values()]
    yield Finding(
        claim="MAD Fig. 13: then all three saturate",
        ours="change in the second half of the generations, in parts of that in the first half: "
        + ", ".join(f"{name} {share:+.2f}" for name, share in late.items()),
        verdict=holds(*flat),
        note=f"saturated: less than {FLAT:g} in size; {last} generations",
    )


def _steps(rising: xr.DataArray) -> tuple[list[int], str]:
    """Return the compared generations, each about twice the last, and where the curve falls between two."""
    last = int(rising["generation"][-1])
    steps = [t for t in (1, 2, 5, 10, 20, 50, 100) if t < last] + [last]
    pairs = [
        f"{a} and {b}"
        for a, b in pairwise(steps)
        if seed_score(rising.sel(generation=b) - rising.sel(generation=a)) < -LIMIT
    ]
    return steps, ", ".join(pairs)


def _late_share(mean: xr.DataArray) -> float:
    """Return the change in the second half over that in the first half, each end averaged over 5."""
    width = min(5, mean.sizes["generation"] // 4)
    half = mean.sizes["generation"] // 2
    middle = mean.isel(generation=slice(half - width // 2 - 1, half + (width + 1) // 2 - 1)).mean().item()
    start, end = mean[0].item(), mean[-width:].mean().item()
    return (end - middle) / (middle - start) if middle != start else np.inf
