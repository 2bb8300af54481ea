"""The statistics path against the loops that a researcher writes; run with ``make benchmark``.

Baselines: (i) one chain after another, NumPy's mean, covariance and Cholesky on n x d samples;
(ii) the same, vectorised over chains; (iii) the random numbers alone that the exact laws need.
"""

import numpy as np
import pytest

import madtheory as mad
from madtheory import metrics, regimes

CASES = [(1, 100, 20_000), (2, 100, 20_000), (10, 1000, 1000), (100, 1000, 1000)]
IDS = [f"d={d} n={n}" for d, n, _ in CASES]
cases = pytest.mark.parametrize(("d", "n", "chains"), CASES, ids=IDS)
GENERATIONS = 100


def case(d, n):
    return f"d={d} n={n}"


def simulated(regime, d, chains, generations, metric=metrics.total_variance):
    loop = mad.Loop(real=mad.Gaussian.standard(d), model=mad.Gaussian(), regime=regime)
    return lambda: mad.simulate(loop, generations, replicates=chains, metrics=[metric], rng=0)


def regime(name, n):
    half = n // 2
    return {
        "replace": regimes.replace(n=n),
        "augment": regimes.augment(n_real=half, n_synthetic=half),
        "accumulate": regimes.accumulate(n=n),
        "fresh": regimes.fresh(n_real=half, n_synthetic=half),
    }[name]


@cases
@pytest.mark.parametrize("name", ["replace", "augment", "accumulate", "fresh"])
def test_madtheory(cost, d, n, chains, name):
    generations = GENERATIONS if d < 100 else 10
    run = simulated(regime(name, n), d, chains, generations)
    cost(
        case(d, n),
        f"madtheory {name}",
        run,
        chains=chains,
        generations=generations,
        rounds=3 if d < 100 else 1,
    )


@cases
def test_a_researchers_loop(cost, d, n, chains):
    rng = np.random.default_rng(0)
    chains, generations = 2, 10

    def run():
        traces = []
        for _ in range(chains):
            mean, factor = np.zeros(d), np.eye(d)
            for _ in range(generations):
                points = mean + rng.standard_normal((n, d)) @ factor.T
                mean, covariance = points.mean(0), np.atleast_2d(np.cov(points, rowvar=False))
                factor = np.linalg.cholesky(covariance)
                traces.append(np.trace(covariance))
        return traces

    cost(case(d, n), "numpy, one chain at a time", run, chains=chains, generations=generations)


@cases
def test_vectorised_over_chains(cost, d, n, chains):
    rng = np.random.default_rng(0)
    chains = {1: 2000, 2: 1000, 10: 100, 100: 8}[d]
    generations = 5

    def run():
        mean, factor = np.zeros((chains, 1, d)), np.broadcast_to(np.eye(d), (chains, d, d))
        for _ in range(generations):
            points = mean + rng.standard_normal((chains, n, d)) @ factor.swapaxes(-1, -2)
            mean = points.mean(1, keepdims=True)
            points -= mean
            covariance = points.swapaxes(-1, -2) @ points / (n - 1)
            factor = np.linalg.cholesky(covariance)
            np.trace(covariance, axis1=-2, axis2=-1)

    cost(case(d, n), "numpy, vectorised over chains", run, chains=chains, generations=generations)


@cases
def test_random_numbers_alone(cost, d, n, chains):
    rng = np.random.default_rng(0)
    chains = 8192 if d <= 2 else 2**17 // d**2

    def run():
        for _ in range(10):
            rng.standard_normal((chains, d))
            rng.standard_normal((chains, d * (d - 1) // 2))
            for j in range(d):
                rng.chisquare(n - 1 - j, chains)

    cost(case(d, n), "its random numbers alone", run, chains=chains, generations=10)


@pytest.mark.parametrize("n", [10**3, 10**6])
def test_cost_is_free_of_n(cost, n):
    run = simulated(regimes.replace(n=n), 10, 1000, GENERATIONS)
    cost("d=10, any n", f"n={n}", run, chains=1000, generations=GENERATIONS)


def test_a_million_chains(cost):
    """Quantiles of a million chains need one state per chain: see the peak memory."""
    loop = mad.Loop(real=mad.Gaussian.standard(1), model=mad.Gaussian(), regime=regimes.replace(n=100))

    def run():
        mad.simulate(
            loop, 100, replicates=10**6, metrics=[metrics.total_variance], quantiles=(0.05, 0.5, 0.95), rng=0
        )

    cost("d=1 n=100, a million chains", "madtheory quantiles", run, chains=10**6, generations=100, rounds=1)


FAMILY = "poisson n=10000"


def poisson_loop():
    real, model = mad.ExponentialFamily("poisson", 3.0), mad.ExponentialFamily("poisson")
    return mad.Loop(real=real, model=model, regime=regimes.replace(n=10_000))


def test_a_family_by_totals(cost):
    loop, chains = poisson_loop(), 1_000

    def run():
        mad.simulate(loop, GENERATIONS, replicates=chains, metrics=[metrics.mean_parameter], rng=0)

    cost(FAMILY, "madtheory replace", run, chains=chains, generations=GENERATIONS, rounds=3)


def test_a_family_by_points(cost):
    """One chain after another, NumPy's draw and mean."""
    rng = np.random.default_rng(0)

    def run():
        mean = 3.0
        for _ in range(GENERATIONS):
            mean = rng.poisson(mean, 10_000).mean()

    cost(FAMILY, "a researcher's loop", run, chains=1, generations=GENERATIONS, rounds=3)
