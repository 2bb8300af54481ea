"""Tails lost by normalizing flows: MAD (arXiv 2307.01850), Fig. 17.

Fully synthetic loop: each generation trains a new flow on as many samples of the last one. As in the paper:
two-dimensional Rosenbrock law, 10,000 points, eight coupling layers of hidden dimension 64, 20 passes in
batches of 256, 16 generations, biases 1 and 0.75. The paper's flow is a GLOW, this one a RealNVP (in two
dimensions the same layers but for GLOW's invertible 2 x 2 matrices); Adam's rate, 1e-3 with cosine decay, is
ours. The bias multiplies the variance of the latent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.special import erfc, ndtr

import madtheory as mad
from madtheory import regimes, sources
from madtheory.sweeps import run_cells

BIASES = (1.0, 0.75)
TAILS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "|x1| > 2": lambda x: np.abs(x[:, 0]) > 2,
    "|x1| > 3": lambda x: np.abs(x[:, 0]) > 3,
    "x2 > 4": lambda x: x[:, 1] > 4,
}
GENERATIONS = 16
WIDTH, HEIGHT = np.linspace(-4.2, 4.2, 85), np.linspace(-3.0, 15.0, 91)  # edges of the pixels


@dataclass(frozen=True)
class _Sizes:
    n: int
    batch: int
    seeds: int
    judged: int


SIZES = {True: _Sizes(2_000, 400, 2, 5_000), False: _Sizes(10_000, 256, 5, 20_000)}


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1, folder: Path | None = None) -> xr.Dataset:
    """Simulate.

    Returns
    -------
    Dataset
        ``mass`` of each tail by bias, seed and generation, from samples drawn with the loop's bias, and
        ``true_mass``, exact. ``divergence``: KL(truth || flow) of generation 1, in nats. Of the first seed:
        ``density``, samples per pixel and unit of area at the ``shown`` generations; ``true_density``.
    """
    sizes = SIZES[quick]
    cells = [
        {"bias": bias, "seed": 1000 * rng + i, "quick": quick} for bias in BIASES for i in range(sizes.seeds)
    ]
    parts = run_cells(_cell, cells, store=folder, n_jobs=n_jobs, desc="flow")
    rows = [
        xr.concat(parts[k : k + sizes.seeds], "seed", join="exact") for k in range(0, len(parts), sizes.seeds)
    ]
    data = xr.concat(rows, "bias", join="exact").assign_coords(bias=list(BIASES))
    # Loops of one seed share generation 1; pictures are those of the first.
    data["divergence"] = data["divergence"].isel(bias=0)
    data["density"] = data["density"].isel(seed=0)
    data["true_mass"] = ("tail", _true_masses())
    centres = [(edges[1:] + edges[:-1]) / 2 for edges in (WIDTH, HEIGHT)]
    points = np.stack(np.meshgrid(*centres, indexing="ij"), -1)
    data["true_density"] = (("x1", "x2"), np.exp(sources.rosenbrock().log_density(points)))
    return data.assign_coords(x1=centres[0], x2=centres[1]).assign_attrs(
        n=sizes.n, seeds=sizes.seeds, judged=sizes.judged, rng=rng, quick=int(quick)
    )


def _cell(*, bias: float, seed: int, quick: bool) -> xr.Dataset:
    """Simulate one loop."""
    from madtheory.networks import Flow, Training

    sizes, truth = SIZES[quick], sources.rosenbrock()
    flow = Flow(training=Training(images=20 * sizes.n, batch=sizes.batch), device="cpu")
    loop = mad.Loop(real=truth, model=flow, regime=regimes.replace(n=sizes.n), bias=bias)
    shown = (1, GENERATIONS)
    masses, pictures, divergence = [], [], np.nan
    for snapshot in islice(mad.iterate(loop, rng=seed), GENERATIONS):
        t = snapshot.generation
        points = snapshot.model.sample(sizes.judged, rng=np.random.default_rng([seed, t]), bias=bias)
        masses.append([tail(points).mean() for tail in TAILS.values()])
        if t in shown:
            pictures.append(np.histogram2d(*points.T, bins=(WIDTH, HEIGHT))[0])
        if t == 1:
            fresh = truth.sample(sizes.judged, rng=np.random.default_rng([seed, 0]))
            divergence = (truth.log_density(fresh) - snapshot.model.log_density(fresh)).mean()
    area = (WIDTH[1] - WIDTH[0]) * (HEIGHT[1] - HEIGHT[0])
    return xr.Dataset(
        {
            "mass": (("generation", "tail"), np.array(masses)),
            "density": (("shown", "x1", "x2"), np.array(pictures) / (sizes.judged * area)),
            "divergence": float(divergence),
        },
        {"generation": np.arange(1, GENERATIONS + 1), "tail": list(TAILS), "shown": list(shown)},
    )


def _true_masses() -> np.ndarray:
    """Return the exact mass of each tail, the last one by an integral over x1."""
    at = np.linspace(-12, 12, 24_001)
    law = np.exp(-(at**2) / 2) / np.sqrt(2 * np.pi)
    upper = np.trapezoid(law * ndtr(np.sqrt(2.0) * (at**2 - 4)), at)
    return np.array([erfc(2 / np.sqrt(2)), erfc(3 / np.sqrt(2)), upper])
