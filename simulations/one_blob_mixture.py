"""Two components fitted to one blob, generation after generation: Shumailov et al. 2024, mixtures.

Their experiment: EM with two full covariances (tolerance 1e-5, 2,000 steps) on 1,000 points of N(0, I) in two
dimensions, and 2,050 generations of `regimes.replace`; one run. Here that run, and 40 of smaller size (200
points, 100 generations), whose mean is held against the exact mean of the total covariance, which EM keeps
(first moments of any model whose moments are those of its training set, divisor n).
"""

from __future__ import annotations

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes

SIZE, GENERATIONS, RUNS = 1_000, 2_050, 1
SMALL_SIZE, SMALL_GENERATIONS, SMALL_RUNS = 200, 100, 40


def smaller_sd(snapshot: mad.Snapshot) -> np.ndarray:
    """Return the standard deviation, a mean over directions, of the narrower component."""
    return np.asarray(_sds(snapshot.model).min(-1))


def larger_sd(snapshot: mad.Snapshot) -> np.ndarray:
    """Return that of the wider component."""
    return np.asarray(_sds(snapshot.model).max(-1))


def smaller_weight(snapshot: mad.Snapshot) -> np.ndarray:
    """Return the weight of the lighter component."""
    return np.asarray(snapshot.model.weights.min(-1))


def squared_distance(snapshot: mad.Snapshot) -> np.ndarray:
    """Return the squared L2 distance of the densities of model and truth."""
    model, real = snapshot.model, snapshot.real
    lead = model.weights.shape[:-1]
    means = np.concatenate([model.means, np.broadcast_to(real.mean, (*lead, 1, real.dim))], -2)
    truth = np.broadcast_to(real.covariance, (*lead, 1, real.dim, real.dim))
    covariances = np.concatenate([model.covariances, truth], -3)
    weights = np.concatenate([model.weights, np.full((*lead, 1), -1.0)], -1)
    # The product of two Gaussians has the integral of the one of summed covariances at the gap of the means.
    gap = means[..., :, None, :] - means[..., None, :, :]
    spread = covariances[..., :, None, :, :] + covariances[..., None, :, :, :]
    quadratic = (gap[..., None, :] @ np.linalg.solve(spread, gap[..., None]))[..., 0, 0]
    overlap = np.exp(-quadratic / 2) / np.sqrt(np.linalg.det(2 * np.pi * spread))
    return np.asarray(np.einsum("...i,...ij,...j->...", weights, overlap, weights))


def _sds(model: mad.Mixture) -> np.ndarray:
    return np.sqrt(np.trace(model.covariances, axis1=-2, axis2=-1) / model.dim)


def loop(n: int) -> mad.Loop:
    """Return the experiment."""
    model = mad.Mixture(2, tolerance=1e-5, iterations=2_000)
    return mad.Loop(real=mad.Gaussian.standard(2), model=model, regime=regimes.replace(n=n))


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate and predict; `n_jobs` is not used.

    Returns
    -------
    Dataset
        Of the runs of 1,000 points, by (run, generation): ``smaller_sd``, ``larger_sd``, ``smaller_weight``,
        ``squared_distance``, and ``variance`` (trace of the total covariance, over that of the truth), with
        ``predicted_variance``. Of the smaller ones, by early generation: ``total_variance``, its standard
        error and its prediction.
    """
    generations, runs, small_runs = (40, 1, 10) if quick else (GENERATIONS, RUNS, SMALL_RUNS)
    record = sorted({1, *np.unique(np.geomspace(1, generations, 60).astype(int)).tolist(), generations})
    kept = [smaller_sd, larger_sd, smaller_weight, squared_distance, metrics.total_variance]
    seeds = np.random.SeedSequence(rng).spawn(2)
    long = mad.simulate(
        loop(SIZE), generations, replicates=runs, metrics=kept, rng=seeds[0], record=record
    ).rename(replicate="run", total_variance="variance")
    exact = mad.predict(loop(SIZE), generations)["total_variance"].sel(generation=record)
    long = long.assign(variance=long["variance"] / 2, predicted_variance=exact / 2)
    short = mad.simulate(
        loop(SMALL_SIZE), SMALL_GENERATIONS if not quick else 15, replicates=small_runs,
        metrics=[metrics.total_variance], rng=seeds[1],
    )["total_variance"]  # fmt: skip
    exact = mad.predict(loop(SMALL_SIZE), short.sizes["generation"])["total_variance"]
    values = {
        "total_variance": short.mean("replicate") / 2,
        "total_variance_error": short.std("replicate", ddof=1) / np.sqrt(small_runs) / 2,
        "predicted_total_variance": exact / 2,
    }
    early = xr.Dataset(values).rename(generation="early")
    data = xr.merge([long, early], compat="override", combine_attrs="override")
    return data.assign_attrs(n=SIZE, small=SMALL_SIZE, small_runs=small_runs, seed=rng, quick=int(quick))
