"""Rigorous bounds of the distance in loops with real data, against raw samples and exact statistics."""

import itertools
import math

import numpy as np
import pytest
from raw_loops import simulate
from test_wasserstein import observed

import madtheory as mad
from madtheory import metrics, regimes
from madtheory.theory.gaussian import augment, fresh
from madtheory.theory.gaussian.bracket import _line_bounds
from madtheory.theory.gaussian.second_moment_maps import Mix

GENERATIONS = 10


def random_case(rng):
    dim = int(rng.choice([1, 1, 2, 3, 6, 12]))
    n_real, n_synthetic = int(rng.choice([2, 3, 4, 6, 10, 20])), int(rng.choice([0, 1, 2, 5, 10, 40]))
    keywords = {"n_real": n_real, "n_synthetic": n_synthetic}
    if rng.random() < 0.3:
        keywords["n_synthetic"] = lambda g: n_synthetic + g
    spectrum = np.ones(dim) if rng.random() < 0.6 else np.exp(rng.normal(size=dim))
    model = mad.Gaussian(ddof=int(rng.integers(2)), known_mean=np.zeros(dim) if rng.random() < 0.3 else None)
    name = str(rng.choice(["fresh", "augment"]))
    if name == "fresh":
        keywords["n_initial"] = int(rng.choice([2, 5, 30]))
    return mad.Loop(
        real=mad.Gaussian(np.zeros(dim), np.diag(spectrum)), model=model,
        regime=getattr(regimes, name)(**keywords), bias=float(rng.choice([0, 0.3, 0.8, 1, 1.1])),
    )  # fmt: skip


def violations(loop, replicates, seed, shifts=(1.0,)):
    """The largest z-scores of means, times each shift, below the lower and above the upper bound."""
    predicted = mad.predict(loop, GENERATIONS)
    low, high = (predicted[f"wasserstein2_squared_{side}"] for side in ("lower", "upper"))
    samples = mad.simulate(
        loop, GENERATIONS, replicates=replicates, metrics=[metrics.wasserstein2_squared], rng=seed,
        method="statistics", progress=False,
    )["wasserstein2_squared"]  # fmt: skip
    mean, error = samples.mean("replicate"), samples.std("replicate") / np.sqrt(replicates)
    if "wasserstein2_squared" in predicted:
        estimate = predicted["wasserstein2_squared"]
        assert (low <= estimate).all(), loop
        assert (estimate <= high).all(), loop
    assert (low <= high).all(), loop
    return [
        (float(((low / s - mean) / error).max()), float(((mean - high / s) / error).max())) for s in shifts
    ]


def test_means_lie_within_the_bounds():
    """24 random loops of exact statistics: all divisors, singular fits, sizes from 2, biases up to 1.1."""
    rng = np.random.default_rng(3)
    for seed in range(24):
        loop = random_case(rng)
        (found,) = violations(loop, 2_000, seed)
        assert max(found) < 5, loop


@pytest.mark.parametrize("name", ["fresh", "augment"])
@pytest.mark.parametrize("dim", [1, 6])
def test_the_bounds_can_be_violated(name, dim):
    """Negative control: distances half as large, or twice, are outside."""
    loop = mad.Loop(
        real=mad.Gaussian.standard(dim), model=mad.Gaussian(), bias=0.9,
        regime=getattr(regimes, name)(n_real=20, n_synthetic=20),
    )  # fmt: skip
    right, small, large = violations(loop, 2_000, 0, shifts=(1.0, 0.35, 2.0))
    assert max(right) < 5
    assert small[0] > 5
    assert large[1] > 5


@pytest.mark.parametrize(
    ("n_real", "dim", "accuracy"),
    [(10, 10, 0.06), (10, 30, 0.06), (20, 20, 0.03), (20, 40, 0.03), (20, 64, 0.03), (50, 64, 0.02)],
)
@pytest.mark.parametrize("name", ["fresh", "augment"])
def test_stated_accuracy_where_dim_reaches_n_real_on_raw_points(name, n_real, dim, accuracy):
    """Every point drawn: sees an error of 2 % beyond the stated one; means are within the bounds."""
    replicates, regime = 36_000 // dim**2 + 60, {"fresh": fresh, "augment": augment}[name]
    theory = regime(n_real=n_real, n_synthetic=n_real, dim=dim, generations=6)
    low, value, high = (theory[f"wasserstein2_squared{side}"] for side in ("_lower", "", "_upper"))
    design = {"n_initial": n_real, "n_synthetic": n_real, "spectrum": np.ones(dim), "law": "normal"}
    design |= {"real_data": "fixed"} if name == "augment" else {"real_data": "fresh", "n_real": n_real}
    loops = raw(np.random.default_rng(7), replicates, generations=6, **design)
    for g, model in enumerate(loops):
        if g in (1, 3, 5):
            sample = observed(*model)
            mean, error = sample.mean(), sample.std() / np.sqrt(replicates)
            assert low[g] - 5 * error < mean < high[g] + 5 * error
            assert abs(mean - value[g]) < accuracy * value[g] + 5 * error, g
            assert 5 * error < 0.06 * value[g]  # power
            assert low[g] < value[g] < high[g]


@pytest.mark.slow
@pytest.mark.parametrize(("n_real", "accuracy", "replicates"), [(20, 0.05, 600), (50, 0.02, 400)])
def test_stated_accuracy_with_ten_synthetic_points_per_real_one(n_real, accuracy, replicates):
    """Fresh data in 64 dimensions, every point drawn: 1.5 % beyond the stated accuracy is seen."""
    sizes = {"n_real": n_real, "n_synthetic": 10 * n_real}
    theory = fresh(**sizes, dim=64, generations=40)
    low, value, high = (theory[f"wasserstein2_squared{side}"] for side in ("_lower", "", "_upper"))
    design = {"n_initial": n_real, "spectrum": np.ones(64), "law": "normal", "real_data": "fresh", **sizes}
    worst = 0.0
    for g, model in enumerate(raw(np.random.default_rng(7), replicates, generations=40, **design)):
        if g in (1, 3, 5, 9, 19, 39):
            sample = observed(*model)
            mean, error = sample.mean(), sample.std() / np.sqrt(replicates)
            assert abs(mean - value[g]) < accuracy * mean + 5 * error, g
            assert 5 * error < 0.02 * mean  # power
            assert low[g] < mean < high[g]
            worst = max(worst, abs(value[g] / mean - 1))
    # Negative control: half of what is stated is not kept.
    assert worst > accuracy / 2


def raw(rng, replicates, **design):
    """Singular covariances have no Cholesky factor: a tiny ridge, of no effect on the distance."""
    cholesky = np.linalg.cholesky
    np.linalg.cholesky = lambda a: cholesky(a + 1e-12 * np.eye(a.shape[-1]))
    try:
        yield from simulate(rng, replicates, **design)
    finally:
        np.linalg.cholesky = cholesky


def test_gauss_rules_in_one_dimension():
    """Rules on the moments of a real fit enclose its known mean root, and tighten with the size."""
    widths = []
    for n in (5, 10, 20, 40):
        mix = Mix(n, n, 1.0, 1, False, 1, "fresh")
        low, high = _line_bounds(mix, n, 1, np.ones(1))
        exact = np.sqrt(2 / (n - 1)) * math.exp(math.lgamma(n / 2) - math.lgamma((n - 1) / 2))
        assert low[0] < exact < high[0]
        widths.append(float(high[0] - low[0]))
    assert all(b < a / 3 for a, b in itertools.pairwise(widths))


def test_bounds_are_tight_in_one_dimension_and_scale_with_the_truth():
    for regime in (fresh, augment):
        one = regime(n_real=20, n_synthetic=40, generations=30)
        ratio = one["wasserstein2_squared_upper"] / one["wasserstein2_squared_lower"]
        assert (ratio < 1.2).all()
        four = regime(n_real=20, n_synthetic=40, generations=30, spectrum=[4.0])
        for side in ("lower", "upper"):
            name = f"wasserstein2_squared_{side}"
            np.testing.assert_allclose(four[name], 4 * one[name], rtol=1e-12)
            assert one[name].kind == "bound"
    narrow = augment(n_real=50, n_synthetic=50, dim=20, generations=30)
    ratio = narrow["wasserstein2_squared_upper"] / narrow["wasserstein2_squared_lower"]
    assert (ratio < 2).all()
