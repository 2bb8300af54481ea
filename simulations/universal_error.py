"""Errors that do not depend on the family: Dey and Donoho 2024, replace against accumulate.

A loop of one-parameter families refitted to 1,000 points per generation, 60 generations, 100,000 loops by
their sufficient statistics; with subsampling (200 points of all so far), 600 loops by points; and the median
of Gaussian points, an estimator that wastes a third of them, 201 points per generation, 2,000 loops.
All errors are relative to that of the first fit, to real points. The paper has the large-sample limit of the
mean and the median of Gaussian points (100 generations, a million draws of the limit law), logistic
regressions, and five real data sets; the last two are not repeated here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes

FAMILIES: dict[str, tuple[float, dict[str, Any]]] = {
    "normal": (1.0, {"variance": 4.0}),
    "poisson": (3.0, {}),
    "binomial": (2.0, {"trials": 6}),
    "negative_binomial": (2.0, {"successes": 2.5}),
    "exponential": (2.0, {}),
    "laplace": (1.5, {"centre": 2.0}),
}
SUBSAMPLED = ("poisson", "exponential")


@dataclass(frozen=True)
class Median:
    """Unit normal law about the median of its training set."""

    location: Any = 0.0

    def fit(self, data: Any, *, rng: Any = None) -> Median:
        """Return the law about the median of points (*replicate, n, 1)."""
        return replace(self, location=np.median(data[..., 0], axis=-1))

    def sample(self, n: int, *, rng: np.random.Generator) -> Any:
        """Draw points, shape (*replicate, n, 1)."""
        location = np.asarray(self.location)
        return location[..., None, None] + rng.standard_normal((*location.shape, n, 1))

    def expand(self, *replicates: int) -> Median:
        """Add replicate axes."""
        return replace(self, location=np.broadcast_to(self.location, replicates + np.shape(self.location)))


def location_error(snapshot: mad.Snapshot) -> Any:
    """Return the squared error of the median."""
    return np.asarray(snapshot.model.location) ** 2


def family_loop(name: str, regime: mad.regimes.Regime) -> mad.Loop:
    """Return the loop of one family."""
    mean, known = FAMILIES[name]
    real, model = mad.ExponentialFamily(name, mean, **known), mad.ExponentialFamily(name, **known)
    return mad.Loop(real=real, model=model, regime=regime)


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate and predict; `n_jobs` is not used.

    Returns
    -------
    Dataset
        ``ratio`` (model, workflow, generation): the mean squared error over that of one fit to real points,
        with ``ratio_error``, ``predicted_ratio`` (exact at this size; the large-sample limit for the median)
        and ``limit`` (workflow, generation), the large-sample limit. NaN where a pair was not run.
    """
    generations = 20 if quick else 60
    many, few, medians = (2_000, 100, 300) if quick else (100_000, 600, 2_000)
    n, budget, odd = (1_000, 100, 101) if quick else (1_000, 200, 201)
    steps = np.arange(1, generations + 1)
    limit = xr.Dataset(
        {
            "limit": (
                ("workflow", "generation"),
                [steps, np.cumsum(1 / steps**2), np.full(generations, np.nan)],
            )
        },
        {"workflow": ["replace", "accumulate", "accumulate_subsample"], "generation": steps},
    )
    seeds = iter(np.random.SeedSequence(rng).spawn(100))
    chains = [("replace", regimes.replace(n=n), many), ("accumulate", regimes.accumulate(n=n), many)]
    subsampled = [("accumulate_subsample", regimes.accumulate_subsample(n=budget), few)]
    found = []
    for name in FAMILIES:
        for workflow, regime, loops in chains + (subsampled if name in SUBSAMPLED else []):
            loop = family_loop(name, regime)
            predicted = mad.predict(loop, generations)["mean_parameter_error"].values
            drawn = mad.simulate(
                loop, generations, replicates=loops, metrics=metrics.mean_parameter_error, rng=next(seeds)
            )["mean_parameter_error"]
            found.append(_ratio(name, workflow, drawn, predicted / predicted[0], predicted[0]))
    real = mad.Gaussian.standard(1)
    for workflow, regime in (
        ("replace", regimes.replace(n=odd)), ("accumulate", regimes.accumulate(n=odd)),
    ):  # fmt: skip
        loop = mad.Loop(real=real, model=Median(), regime=regime)
        drawn = mad.simulate(loop, generations, replicates=medians, metrics=location_error, rng=next(seeds))
        exact = limit["limit"].sel(workflow=workflow).values
        first = _median_variance(odd)
        found.append(_ratio("median", workflow, drawn["location_error"], exact, first))
    each = xr.combine_by_coords(found, join="outer")
    data = xr.merge([each.reindex(workflow=limit["workflow"]), limit], join="exact")
    return data.assign_attrs(n=n, budget=budget, loops=many, seed=rng, quick=int(quick))


def _median_variance(n: int) -> float:
    """Return the variance of the median of an odd number of standard normal points."""
    from scipy import integrate, stats

    middle = stats.beta((n + 1) / 2, (n + 1) / 2)
    grid = np.linspace(-1.5, 1.5, 20_001)
    density = middle.pdf(stats.norm.cdf(grid)) * stats.norm.pdf(grid)
    return float(integrate.simpson(grid**2 * density, x=grid))


def _ratio(name: str, workflow: str, drawn: xr.DataArray, predicted: Any, first: float) -> xr.Dataset:
    values = drawn.transpose("replicate", "generation").values / first
    variables = {
        "ratio": values.mean(0),
        "ratio_error": values.std(0, ddof=1) / np.sqrt(len(values)),
        "predicted_ratio": predicted,
    }
    coords = {"generation": drawn["generation"].values, "model": [name], "workflow": [workflow]}
    dims = ("model", "workflow", "generation")
    return xr.Dataset({key: (dims, value[None, None]) for key, value in variables.items()}, coords)
