"""Loops by points against the for-loop that anyone writes; run with ``make benchmark``.

Each baseline draws the same points, fits the same model and keeps the same pool in plain NumPy, one chain at
a time. The ratio of a pair is printed, and recorded in the benchmark's file.
"""

import numpy as np
import pytest

import madtheory as mad
from madtheory import metrics, regimes

DIM, N, GENERATIONS, CHAINS = 10, 1000, 100, 4
FIXED = {"n_initial": N, "n_real": N, "real_data": "fixed", "n_synthetic": N}
FRESH = {"n_initial": N, "n_real": N, "real_data": "fresh", "n_synthetic": N}
POOLS = {
    "accumulate_subsample": regimes.accumulate_subsample(n=N),
    "accumulate_subsample, replacement": regimes.accumulate_subsample(n=N, replacement=True),
    "accumulate": regimes.accumulate(n=N),
    "retain=3": regimes.Regime(n_initial=N, n_synthetic=N, retain=3),
    "retain=10 budget": regimes.Regime(**FIXED, retain=10, budget=N),
    "fresh, all retained, budget": regimes.Regime(**FRESH, retain="all", retain_real="all", budget=N),
    "logarithmic": regimes.Regime(**FIXED, retain="logarithmic"),
    "memory=5": regimes.augment(n_real=N, n_synthetic=N, memory=5),
}


def fit(points):
    return points.mean(0), np.linalg.cholesky(np.cov(points, rowvar=False))


def draw(model, n, rng):
    return model[0] + rng.standard_normal((n, DIM)) @ model[1].T


def plain(regime, rng):
    """One chain, with a list of batches that is joined in each generation."""
    real = rng.standard_normal((N, DIM))
    reals, synthetic, models, traces = [real], [], [fit(real)], []
    for _ in range(2, GENERATIONS + 1):
        shares = rng.multinomial(N, np.full(len(models), 1 / len(models)))
        synthetic.append(np.concatenate([draw(m, k, rng) for m, k in zip(models, shares, strict=True)]))
        if regime.real_data == "fresh":
            reals.append(rng.standard_normal((N, DIM)))
        kept = synthetic
        if regime.retain == "logarithmic":
            kept = [b[: int(len(b) * i / len(synthetic))] for i, b in enumerate(synthetic, start=1)]
        elif regime.retain != "all":
            kept = synthetic[-(1 if regime.retain == "last" else regime.retain) :]
        first = {"none": [], "fixed": [real], "fresh": reals}[regime.real_data]
        pool = np.concatenate([*first, *kept])
        if regime.budget is not None:
            pool = pool[rng.choice(len(pool), regime.budget, replace=regime.replacement)]
        models = [*models, fit(pool)][-regime.memory :]
        traces.append(np.trace(models[-1][1] @ models[-1][1].T))
    return traces


@pytest.mark.parametrize("name", POOLS)
def test_pools(cost, name):
    """Every regime that retains points, picks among them, or remembers models."""
    regime, sizes = POOLS[name], {"chains": CHAINS, "generations": GENERATIONS, "rounds": 1}
    loop = mad.Loop(real=mad.Gaussian.standard(DIM), model=mad.Gaussian(), regime=regime)
    keywords = {"replicates": CHAINS, "metrics": [metrics.total_variance], "method": "samples", "rng": 0}
    cost(f"pool: {name}", "madtheory", lambda: mad.simulate(loop, GENERATIONS, **keywords), **sizes)


@pytest.mark.parametrize("name", POOLS)
def test_pools_of_a_plain_loop(cost, name):
    rng, sizes = np.random.default_rng(0), {"chains": CHAINS, "generations": GENERATIONS, "rounds": 1}
    cost(f"pool: {name}", "plain loop", lambda: [plain(POOLS[name], rng) for _ in range(CHAINS)], **sizes)


class Small:
    """A model of one's own without `expand`: the overhead of a generation is all that it costs."""

    def __init__(self, mean=0.0, std=1.0):
        self.mean, self.std = mean, std

    def fit(self, data, *, rng):
        return Small(data.mean(), data.std())

    def sample(self, n, *, rng):
        return rng.normal(self.mean, self.std, size=(n, 1))


def spread(snapshot):
    return snapshot.model.std


def test_overhead_of_a_trivial_model(cost):
    loop = mad.Loop(real=Small(), model=Small(), regime=regimes.replace(n=100))
    keywords = {"replicates": 20, "metrics": [spread], "rng": 0}
    sizes = {"chains": 20, "generations": 200}
    cost("a trivial model", "madtheory", lambda: mad.simulate(loop, 200, **keywords), **sizes)


def test_overhead_of_a_plain_loop(cost):
    def run():
        rng, values = np.random.default_rng(0), []
        for _ in range(20):
            model = Small()
            for _ in range(200):
                model = model.fit(model.sample(100, rng=rng), rng=rng)
                values.append(model.std)

    cost("a trivial model", "plain loop", run, chains=20, generations=200)


DIGITS = 64


@pytest.fixture(scope="module")
def rows():
    from sklearn.datasets import load_digits

    return load_digits().data


def test_distance_to_a_finite_truth(cost, rows):
    loop = mad.Loop(real=rows, model=mad.Gaussian(), regime=regimes.fresh(n_real=100, n_synthetic=400))
    keywords = {"replicates": 4, "rng": 0}
    sizes = {"chains": 4, "generations": 40, "rounds": 1}
    cost("digits, all default metrics", "madtheory", lambda: mad.simulate(loop, 40, **keywords), **sizes)


def test_distance_to_a_finite_truth_by_a_plain_loop(cost, rows):
    """The truth's moments before the loop, as anyone would; points, because that is what one has."""
    mean, covariance = rows.mean(0), np.cov(rows, rowvar=False, ddof=0)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))

    def run():
        rng = np.random.default_rng(0)
        for _ in range(4):
            training = rows[rng.integers(len(rows), size=100)]
            for _ in range(40):
                mu, sigma = training.mean(0), np.cov(training, rowvar=False)
                spectrum, axes = np.linalg.eigh(sigma)
                factor = axes * np.sqrt(np.maximum(spectrum, 0))
                np.linalg.slogdet(sigma)
                overlap = np.linalg.svd(root.T @ factor, compute_uv=False).sum()
                ((mu - mean) ** 2).sum() + np.trace(sigma) + values.sum() - 2 * overlap
                synthetic = mu + rng.standard_normal((400, DIGITS)) @ factor.T
                training = np.concatenate([rows[rng.integers(len(rows), size=100)], synthetic])

    cost("digits, all default metrics", "plain loop", run, chains=4, generations=40, rounds=1)
