"""Models that train on one another's outputs become alike, and each stays diverse for longer."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from madtheory.theory import ecosystem
from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import holds, largest, score, with_error
from paper_scripts.style import BLUE, GREEN, RED, draw_variable, label_theory
from simulations import ecosystems

SOURCE = "after Vu, Reeves and Wenger 2025; the Gaussian model and the tokens are our own"
CAPTION = (
    "Left: squared distance of two Gaussian models to their centre, by the share α of each training set that "
    "is the union of both outputs; the rest is half public, half private real data. Right: diversity of one "
    "of four models of 50 tokens, by the share of tokens that come from the pool of all. Dashed: exact."
)

simulate = ecosystems.run


def draw(data: xr.Dataset) -> Picture:
    """Draw the spread of the models, and the heterozygosity of one of them."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.5))
    for alpha, colour in zip(ecosystems.ALPHAS, (BLUE, GREEN, RED), strict=True):
        draw_variable(left, data.sel(alpha=alpha), "model_spread", color=colour, label=f"α = {alpha:g}")
    for share, colour in zip(ecosystems.EXCHANGED, (RED, GREEN, BLUE), strict=True):
        one = data.sel(exchanged=share).drop_vars("generation").rename(round="generation")
        draw_variable(right, one, "heterozygosity", color=colour, label=f"{share:.0%} exchanged")
    label_theory(left, "exact mean")
    left.set_ylabel("squared distance to the centre")
    right.set_ylabel("heterozygosity of a model")
    for ax in (left, right):
        ax.set_xlabel("generation")
        ax.set_ylim(0, None)
        ax.legend()
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge homogenisation, the pool, and the half-life of tokens."""
    first = data["model_spread"].sel(alpha=0.5, generation=1).item()
    last = data["model_spread"].sel(alpha=0.5, generation=15).item()
    error = data["model_spread_error"].sel(alpha=0.5, generation=15).item()
    worst = max(largest(score(data, name)) for name in ("model_spread", "pool_variance"))
    yield Finding(
        "Training on the union of outputs makes models alike. Our own number, for Gaussians: the distance of "
        "their means falls to 1 - α of the first one, its square to (1 - α)² = 0.25 for α = 0.5",
        f"{with_error(last / first, error / first)}; largest abs(z) of the exact recursion {worst:.1f}",
        holds(abs(last / first - 0.25) < 0.02 and worst < 5),
        note="The paper's experiments are of language models; its abstract and reviews were read only.",
    )
    together = data["model_spread"].sel(alpha=1.0, generation=15).item()
    yield Finding(
        "Without real data models become the same model: distance 0",
        f"{together:.1g}",
        holds(together < 1e-12),
    )
    worst = largest(score(data, "heterozygosity"))
    sizes = [
        float(
            ecosystem.island_effective_size(n=ecosystems.TOKENS, models=ecosystems.ISLANDS, migration=share)
        )
        for share in ecosystems.EXCHANGED[1:]
    ]
    yield Finding(
        f"Our own: four models of {ecosystems.TOKENS} tokens that exchange all lose diversity as one of "
        f"{sizes[1]:.0f}, with 1 % exchanged as one of {sizes[0]:.0f} in the long run",
        f"largest abs(z) of the exact recursion over {data['heterozygosity'].size} values {worst:.1f}",
        "agrees" if np.isfinite(worst) and worst < 5 else "disagrees",
    )
