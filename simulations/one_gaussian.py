"""A Gaussian refitted to its own points: Shumailov et al. 2024, one dimension, 1,000 generations.

Their experiment: N(0, 1), n = 100, 500, 1,000 and 10,000 points, standard deviation with divisor n, 1,000
generations, one run for each n; a second version keeps all batches, the first one real. Here 4,000 runs of
each by their sufficient statistics (of which the published runs are one draw), and the exact law.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes

SIZES = (100, 500, 1_000, 10_000)
QUANTILES = (0.05, 0.5, 0.95)
GENERATIONS = 1_000


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate and predict; `n_jobs` is not used.

    Returns
    -------
    Dataset
        By (n, generation): ``log_variance`` (quantile), with the exact quantiles and their standard errors;
        ``log_mean``, the mean of the log variance; ``kept_variance``, the mean variance where all batches are
        kept; each with ``predicted_`` and ``_error``. By n: ``kept_limit``, the limit of the last.
    """
    replicates, generations = (1_000, 100) if quick else (4_000, GENERATIONS)
    record = np.unique(np.geomspace(1, generations, 40).astype(int)).tolist()
    seeds = np.random.SeedSequence(rng).spawn(len(SIZES))
    parts = [
        _one(n, generations, replicates, record, seed).expand_dims(n=[n])
        for n, seed in zip(SIZES, seeds, strict=True)
    ]
    data = xr.concat(parts, "n", combine_attrs="drop_conflicts")
    return data.assign_attrs(replicates=replicates, seed=rng, quick=int(quick))


def _one(
    n: int, generations: int, replicates: int, record: list[int], seed: np.random.SeedSequence
) -> xr.Dataset:
    real, model = mad.Gaussian.standard(1), mad.Gaussian(ddof=0)
    alone = mad.Loop(real=real, model=model, regime=regimes.replace(n=n))
    kept = mad.Loop(real=real, model=model, regime=regimes.accumulate(n=n))
    first, second = seed.spawn(2)
    options = {"replicates": replicates, "record": record}
    logs = mad.simulate(alone, generations, metrics=[metrics.log_total_variance], rng=first, **options)
    logs = logs["log_total_variance"].transpose("replicate", "generation").values
    variance = mad.simulate(kept, generations, metrics=[metrics.total_variance], rng=second, **options)
    variance = variance["total_variance"].transpose("replicate", "generation").values
    laws = [mad.theory.gaussian.variance_law(generation=t, n=n, ddof=0) for t in record]
    q = np.array(QUANTILES)
    exact = np.array([law.log_ppf(q) for law in laws]).T
    density = np.array([law.pdf_of_log(y) for law, y in zip(laws, exact.T, strict=True)]).T
    predicted = mad.predict(kept, generations, variables=["total_variance"])["total_variance"]
    limit = mad.theory.gaussian.accumulate_limit(n=n, ddof=0)
    error = 1 / np.sqrt(replicates)
    variables = {
        "log_variance": (("quantile", "generation"), np.quantile(logs, q, axis=0)),
        "log_variance_error": (("quantile", "generation"), error * np.sqrt(q * (1 - q))[:, None] / density),
        "predicted_log_variance": (("quantile", "generation"), exact),
        "log_mean": ("generation", logs.mean(0)),
        "log_mean_error": ("generation", logs.std(0, ddof=1) * error),
        "predicted_log_mean": ("generation", [float(law.log_mean()) for law in laws]),
        "kept_variance": ("generation", variance.mean(0)),
        "kept_variance_error": ("generation", variance.std(0, ddof=1) * error),
        "predicted_kept_variance": ("generation", predicted.sel(generation=record).values),
        "kept_limit": ((), float(limit["total_variance"])),
    }
    return xr.Dataset(variables, {"quantile": q, "generation": record})
