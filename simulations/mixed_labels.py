"""Over-parametrised regression on mixed labels: the best weight of the real ones, by design and by ridge.

The loops of Garg, Bhattacharya and Sur 2025 (arXiv 2509.22341): every generation gets new real labels, and
mixes them with labels of the last fit with weights w and 1 - w. Twenty inputs, coefficients of norm 1, noise
1: eight rows and least norm, or a ridge of 0.2; forty rows and least squares; and eight rows that are new in
every generation. Twenty generations, 2,000 loops.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes

__all__ = ["DIM", "LOOPS", "SHARES", "run"]

DIM, GENERATIONS = 20, 20
SHARES = np.round(np.arange(0.30, 0.91, 0.04), 2)
LOOPS = ("least norm", "least squares", "ridge", "least norm, new inputs")
FEW, MANY, RIDGE = 8, 40, 0.2
COEFFICIENTS = np.ones(DIM) / np.sqrt(DIM)


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate and predict; `n_jobs` is not used, as the loops run as one array.

    Returns
    -------
    Dataset
        ``risk`` (loop, share): expected excess risk of the last generation, with standard error and
        prediction; ``best_share`` (loop): where the stationary prediction is smallest.
    """
    replicates = 200 if quick else 2_000
    generator = np.random.default_rng(rng)
    rows = {
        name: generator.standard_normal((MANY if name == "least squares" else FEW, DIM)) for name in LOOPS
    }
    seeds = np.random.SeedSequence(rng).spawn(len(LOOPS) * len(SHARES))
    values = [
        [
            _new_inputs(share, replicates, seeds[i * len(SHARES) + j])
            if "new" in name
            else _same_inputs(name, rows[name], share, replicates, seeds[i * len(SHARES) + j])
            for j, share in enumerate(SHARES)
        ]
        for i, name in enumerate(LOOPS)
    ]
    mean, spread, predicted = np.moveaxis(np.array(values), -1, 0)
    dims = ("loop", "share")
    best = [_best(name, rows[name]) for name in LOOPS]
    return xr.Dataset(
        {
            "risk": (dims, mean), "risk_error": (dims, spread), "predicted_risk": (dims, predicted),
            "best_share": ("loop", best),
        },
        {"loop": list(LOOPS), "share": SHARES},
        {"replicates": replicates, "seed": rng, "quick": int(quick), "dim": DIM, "few": FEW, "many": MANY},
    )  # fmt: skip


def _same_inputs(
    name: str, rows: np.ndarray, share: float, replicates: int, seed: np.random.SeedSequence
) -> tuple[float, float, float]:
    real = mad.LinearRegression(COEFFICIENTS, noise=1.0, design=rows)
    model = mad.LinearRegression(noise=1.0, ridge=RIDGE if name == "ridge" else 0.0, design=rows)
    regime = regimes.fresh(n_real=len(rows), n_synthetic=len(rows), weights=(share, 1 - share))
    loop = mad.Loop(real=real, model=model, regime=regime)
    risk = mad.simulate(
        loop, GENERATIONS, replicates=replicates, metrics=metrics.excess_risk, rng=seed, record="last"
    )["excess_risk"].isel(generation=-1)
    predicted = mad.predict(loop, GENERATIONS)["excess_risk"][-1]
    return float(risk.mean()), float(risk.std(ddof=1) / np.sqrt(replicates)), float(predicted)


def _new_inputs(share: float, replicates: int, seed: np.random.SeedSequence) -> tuple[float, float, float]:
    """Return the error where real and synthetic labels are of the same new inputs, as in no regime."""
    rng = np.random.default_rng(seed)
    fitted = np.broadcast_to(COEFFICIENTS, (replicates, DIM))
    for _ in range(GENERATIONS):
        inputs = rng.standard_normal((replicates, FEW, DIM))
        real, made = rng.standard_normal((2, replicates, FEW))
        labels = share * (inputs @ COEFFICIENTS + real)
        labels += (1 - share) * (np.einsum("rnd,rd->rn", inputs, fitted) + made)
        fitted = np.einsum("rdn,rn->rd", np.linalg.pinv(inputs), labels)
    risk = ((fitted - COEFFICIENTS) ** 2).sum(-1)
    predicted = mad.theory.regression.mixed_label_risk(share=share, rows=FEW, dim=DIM)
    return float(risk.mean()), float(risk.std(ddof=1) / np.sqrt(replicates)), float(predicted)


def _best(name: str, rows: np.ndarray) -> float:
    if "new" in name:
        fine = np.linspace(0.3, 0.99, 6_901)
        risk = mad.theory.regression.mixed_label_risk(share=fine, rows=FEW, dim=DIM)
        return float(fine[int(np.argmin(risk))])
    gram, axes = np.linalg.eigh(rows.T @ rows / len(rows))
    return float(
        mad.theory.regression.optimal_weights(
            len(rows), len(rows), eigenvalues=np.maximum(gram, 0), coefficients=COEFFICIENTS @ axes,
            ridge=RIDGE if name == "ridge" else 0.0,
        )
    )  # fmt: skip
