"""Neon's toy: a diffusion of a Gaussian in the plane, fine-tuned on samples that are too wide or too narrow.

Neon (Alemohammad et al. 2025, arXiv 2510.03597), Fig. B.2 and B.3, with the settings of its published
notebook: truth N(0, [[2, 1], [1, 2]]), 1,000 real points, full batches, 10,000 steps of Adam at 1e-4, and
sampling in 20 steps. The auxiliary is trained on 1,000 samples drawn with the score times zeta, at 1e-5, for
50 and for 250 epochs; what is judged is drawn with the score as it is, by the Frechet distance of samples to
the true moments. All w share their noise, and there are seeds, where the notebook has one run; SIMS with the
same auxiliaries stands alongside it. Differences: 10,000 judged samples in place of a million, 41 weights in
place of 101, and the network is not trained at t = 0, where there is no noise to predict.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from madtheory.sweeps import run_cells

TRUTH = ((2.0, 1.0), (1.0, 2.0))
N = 1000  # real points, and points of S
SCALES = (0.9, 1.1)  # zeta
EPOCHS = (50, 250)
PAPER = (((-1.1, 0.052), (-0.28, 0.054)), ((1.2, 0.034), (0.28, 0.035)))
"""Best w and its FID in the notebook, one run, by scale and epochs."""
PAPER_BASE = 0.16


@dataclass(frozen=True)
class _Sizes:
    seeds: int
    epochs: int
    rate: float
    weights: int
    judged: int


SIZES = {True: _Sizes(2, 2000, 5e-4, 17, 1500), False: _Sizes(5, 10_000, 1e-4, 41, 10_000)}


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1, folder: Path | None = None) -> xr.Dataset:
    """Simulate.

    Returns
    -------
    Dataset
        ``fid`` by seed, scale (zeta), epochs, scheme (Neon, SIMS) and weight; ``base_covariance`` of samples
        of the base, ``synthetic_variance`` (mean variance of a coordinate of S), and points of the first seed
        to look at: ``points`` of the base, and ``synthetic_points``, S. ``paper_weight``, ``paper_fid`` and
        the attribute ``paper_base`` are read off the published notebook.
    """
    sizes = SIZES[quick]
    cells = [{"quick": quick, "seed": 1000 * rng + i} for i in range(sizes.seeds)]
    parts = run_cells(_cell, cells, store=folder, n_jobs=n_jobs, desc="Neon's toy")
    pictures = ["points", "synthetic_points"]
    data = xr.concat([part.drop_vars(pictures) for part in parts], "seed", join="exact")
    for k, name in enumerate(("paper_weight", "paper_fid")):
        data[name] = (("scale", "epochs"), np.array(PAPER)[..., k])
    return data.merge(parts[0][pictures]).assign_attrs(
        paper_base=PAPER_BASE, seeds=sizes.seeds, n=N, judged=sizes.judged, rng=rng, quick=int(quick)
    )


def _cell(*, quick: bool, seed: int) -> xr.Dataset:
    from madtheory.networks import Training
    from simulations._toy_diffusion import ScaledDDIM, ToyChain, ToyDiffusion

    sizes = SIZES[quick]
    real = np.random.default_rng([seed, 0]).multivariate_normal((0.0, 0.0), TRUTH, N)
    training = Training(images=sizes.epochs * N, batch=N, learning_rate=sizes.rate, decay="constant")
    template = ToyDiffusion(
        hidden=(32,) * 5, process=ToyChain(), sampler=ScaledDDIM(), units=(0.0, 1.0), training=training,
        device="cpu", batch=sizes.judged,
    )  # fmt: skip
    base = template.fit(real, rng=np.random.default_rng([seed, 1]))
    weights = np.linspace(-2.0, 2.0, sizes.weights)
    swept, sets = [], []
    for i, scale in enumerate(SCALES):
        source = replace(base, sampler=ScaledDDIM(scale=scale))
        sets.append(source.sample(N, rng=np.random.default_rng([seed, 2, i])))
        rows = []
        for epochs in EPOCHS:
            auxiliary = base.fine_tuned(
                sets[-1], images=epochs * N, learning_rate=1e-5,
                rng=np.random.default_rng([seed, 3, i]),
            )  # fmt: skip
            rows.append([_sweep(combine(auxiliary), weights, sizes, seed) for combine in _schemes(base)])
        swept.append(rows)
    judged = _judge(base, sizes, seed)
    return xr.Dataset(
        {
            "fid": (("scale", "epochs", "scheme", "weight"), np.array(swept)),
            "base_covariance": (("row", "column"), np.cov(judged.T)),
            "synthetic_variance": ("scale", [s.var(0, ddof=1).mean() for s in sets]),
            "points": (("point", "axis"), judged[:N].astype(np.float32)),
            "synthetic_points": (("scale", "point", "axis"), np.array(sets, dtype=np.float32)),
        },
        {"scale": list(SCALES), "epochs": list(EPOCHS), "scheme": ["Neon", "SIMS"], "weight": weights},
    )


def _schemes(base: Any) -> tuple[Callable[[Any], Callable[[float], Any]], ...]:
    """Return Neon and SIMS, as functions from an auxiliary to the model at any w."""
    return (
        lambda auxiliary: lambda w: base.extrapolated(auxiliary, w),
        lambda auxiliary: lambda w: base.guided(auxiliary, w),
    )


def _sweep(at: Callable[[float], Any], weights: np.ndarray, sizes: _Sizes, seed: int) -> list[float]:
    return [_distance(_judge(at(w), sizes, seed)) for w in weights.tolist()]


def _judge(model: Any, sizes: _Sizes, seed: int) -> np.ndarray:
    return model.sample(sizes.judged, rng=np.random.default_rng([seed, 4]))


def _distance(points: np.ndarray) -> float:
    """Return the squared Frechet distance of the samples' moments to the true ones."""
    truth, covariance, mean = np.array(TRUTH), np.cov(points.T), points.mean(0)
    roots = np.linalg.svd(np.linalg.cholesky(truth).T @ np.linalg.cholesky(covariance), compute_uv=False)
    return float(mean @ mean + np.trace(truth) + np.trace(covariance) - 2 * roots.sum())
