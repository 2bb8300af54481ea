"""Five ways to move a Gaussian away from a worse one, on the same data and with one auxiliary fit each.

Truth: N(0, 1), and N(0, [[2, 1], [1, 2]]) in the plane, which is the toy of Neon (arXiv 2510.03597); 50 real
points. The base is their fit, and its sampler multiplies covariances by a bias. Every method fits one more
Gaussian, and samples by the same sampler:

- SIMS and Neon fit 1000 samples of the base, and use no real data after the base;
- autoguidance fits a weaker guide, on half of the real points;
- discriminator guidance and DDO classify real points against 1000 samples of the base: the classifier that is
  right for Gaussians is the ratio of their fits.

The fit to the real points is the base, so that discriminator guidance is SIMS. Weights are chosen by the
truth, as papers choose them by a distance to real data.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes
from madtheory.models import SIMS, Neon
from madtheory.theory import guidance

N, N_AUXILIARY = 50, 1_000
TRUTHS = {"line": [[1.0]], "plane": [[2.0, 1.0], [1.0, 2.0]]}
BIASES = (1.0, 0.9, 0.8)
METHODS = ("SIMS", "Neon", "DDO", "autoguidance")
GRID = tuple(np.linspace(-0.5, 2.0, 26).round(6).tolist())


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate and predict; `n_jobs` is not used.

    Returns
    -------
    Dataset
        By (space, bias, scheme, weight): ``distance``, the median over replicates of W2 squared between truth
        and sampled law, over the trace of the true covariance; ``exists``, the share of replicates in which
        the method has a law. By (bias, weight): ``mean_distance`` of SIMS on the line, its error and
        ``predicted_mean_distance``, exact. ``best`` and ``best_weight`` (space, bias, scheme): the smallest
        median; ``best_error``, the standard deviation of the median over eight parts of the replicates, over
        the root of eight.
    """
    replicates = 800 if quick else 16_000
    grid = np.array(GRID[2::3] if quick else GRID)
    shape = (len(TRUTHS), len(BIASES), len(METHODS), len(grid))
    middle, error, exists = np.empty(shape), np.empty(shape), np.empty(shape)
    mean = np.empty((2, len(BIASES), len(grid)))
    seeds = iter(np.random.SeedSequence(rng).spawn(len(TRUTHS) * len(BIASES)))
    for i, (space, covariance) in enumerate(TRUTHS.items()):
        truth = mad.Gaussian(np.zeros(len(covariance)), covariance)
        for j, bias in enumerate(BIASES):
            # The plane has a flow to solve in each replicate.
            many = replicates if space == "line" else replicates // 4
            base, auxiliaries = _fit(truth, bias, many, next(seeds))
            for k, method in enumerate(METHODS):
                for at, w in enumerate(grid):
                    law, holds = _combine(method, base.model, auxiliaries, float(w))
                    sampled = mad.Gaussian(law.mean, bias * law.covariance)
                    values = metrics.wasserstein2_squared(replace(base, model=sampled))
                    values = np.where(holds, values / np.trace(covariance), np.inf)
                    parts = np.median(values.reshape(8, -1), axis=1)
                    middle[i, j, k, at], exists[i, j, k, at] = np.median(values), holds.mean()
                    error[i, j, k, at] = (
                        parts.std(ddof=1) / np.sqrt(8) if np.isfinite(parts).all() else np.nan
                    )
                    if space == "line" and method == "SIMS":
                        mean[:, j, at] = values.mean(), values.std(ddof=1) / np.sqrt(many)
    exact = [
        [
            float(guidance.sims_distance(guidance=w, n=N, n_auxiliary=N_AUXILIARY, sampling_bias=bias))
            for w in grid
        ]
        for bias in BIASES
    ]
    place = middle.argmin(-1)[..., None]
    axes = ("space", "bias", "scheme", "weight")
    variables = {
        "distance": (axes, middle), "exists": (axes, exists),
        "best": (axes[:-1], np.take_along_axis(middle, place, -1)[..., 0]),
        "best_error": (axes[:-1], np.take_along_axis(error, place, -1)[..., 0]),
        "best_weight": (axes[:-1], grid[place[..., 0]]),
        "mean_distance": (("bias", "weight"), mean[0]), "mean_distance_error": (("bias", "weight"), mean[1]),
        "predicted_mean_distance": (("bias", "weight"), exact),
    }  # fmt: skip
    coords = {"space": list(TRUTHS), "bias": list(BIASES), "scheme": list(METHODS), "weight": grid}
    return xr.Dataset(variables, coords, attrs={"replicates": replicates, "seed": rng, "quick": int(quick)})


def _fit(
    truth: mad.Gaussian, bias: float, replicates: int, seed: np.random.SeedSequence
) -> tuple[mad.Snapshot, dict[str, mad.Gaussian]]:
    """Return the base, and its auxiliaries: fitted to its samples, and to half of its training set."""
    first, second, third = seed.spawn(3)
    loop = mad.Loop(real=truth, model=mad.Gaussian(), regime=regimes.replace(n=N))
    half = mad.start(
        replace(loop, regime=regimes.replace(n=N // 2)), rng=first, replicates=replicates
    ).training_set
    rest = truth.expand(replicates).sample_statistic(N - N // 2, rng=np.random.default_rng(second))
    base = mad.start(loop, rng=first, replicates=replicates)
    rng = np.random.default_rng(third)
    model = mad.Gaussian().fit(mad.data.join([half, rest]), rng=rng)
    samples = model.sample_statistic(N_AUXILIARY, rng=rng, bias=bias)
    weak, self_trained = mad.Gaussian().fit(half, rng=rng), mad.Gaussian().fit(samples, rng=rng)
    return replace(base, model=model), {"weak": weak, "self-trained": self_trained}


def _combine(
    method: str, base: mad.Gaussian, auxiliaries: dict[str, mad.Gaussian], w: float
) -> tuple[mad.Gaussian, np.ndarray]:
    """Return the law of a method, and where there is one."""
    auxiliary = auxiliaries["weak" if method == "autoguidance" else "self-trained"]
    if method in ("SIMS", "autoguidance"):
        return SIMS(base, w, auxiliary=auxiliary).law, np.ones(len(base.mean), dtype=bool)
    one, two = base.covariance, auxiliary.covariance
    if method == "Neon":
        mixed = (1 + w) * one - w * two
        holds = np.linalg.eigvalsh(mixed)[:, 0] > 0
        if holds.all():
            return Neon(base, w, auxiliary=auxiliary).law, holds
        mean = (1 + w) * base.mean - w * auxiliary.mean
    else:
        inverses = np.linalg.inv(one), np.linalg.inv(two)
        precision = (1 + w) * inverses[0] - w * inverses[1]
        holds = np.linalg.eigvalsh(precision)[:, 0] > 0
        mixed = np.linalg.inv(np.where(holds[:, None, None], precision, np.eye(precision.shape[-1])))
        pulls = (
            matrix @ model.mean[..., None] for matrix, model in zip(inverses, (base, auxiliary), strict=True)
        )
        good, bad = pulls
        mean = (mixed @ ((1 + w) * good - w * bad))[..., 0]
    return mad.Gaussian(mean, np.where(holds[:, None, None], mixed, one)), holds
