"""`advise`: the admissible number against loops on data, limits that are known, and errors."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

import madtheory as mad
from madtheory import metrics, regimes
from madtheory.advice.loss import compute_loss, find_limits
from madtheory.advice.spectrum import Scores
from madtheory.theory import gaussian


def measure_loss(table, n_real, n_synthetic, bias, *, replicates, rng=0):
    """Return the error of a loop over that of its real points alone, and the standard error."""
    table = table[:, table.std(0) > 0]
    table = (table - table.mean(0)) / table.std(0)
    loop = mad.Loop(
        real=mad.data.Empirical(table),
        model=mad.Gaussian(),
        regime=regimes.fresh(n_real=n_real, n_synthetic=n_synthetic),
        bias=bias,
    )
    burn = int(4 * (1 + n_synthetic / n_real)) + 2
    run = mad.simulate(
        loop, burn + 6, replicates=replicates, rng=rng, metrics=[metrics.wasserstein2_squared],
        method="samples", progress=False,
    )  # fmt: skip
    values = run["wasserstein2_squared"].values
    alone, late = values[:, 0], values[:, burn:].mean(1)
    loss = late.mean() / alone.mean()
    return loss, (late - loss * alone).std(ddof=1) / np.sqrt(replicates) / alone.mean()


def heavy_tailed():
    return np.random.default_rng(0).standard_t(6, size=(800, 5)) @ np.diag([3.0, 2, 1, 1, 1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "replicates"),
    [
        (load_wine().data, 600),
        (load_breast_cancer().data, 200),
        (load_digits().data, 40),
        (heavy_tailed(), 400),
    ],
    ids=["wine", "breast cancer", "digits", "heavy tails"],
)
def test_the_admissible_number_is_in_its_interval(table, replicates):
    """The loss passes through 1 inside of the interval; at three times its end it is far above."""
    n = len(table)
    advice = mad.advise(table, bias=0.8)
    low, _, high = advice.dataset["admissible_n_synthetic"].values
    loss, error = measure_loss(table, n, int(low), 0.8, replicates=replicates)
    assert loss < 1 + 3 * error
    loss, error = measure_loss(table, n, round(high), 0.8, replicates=replicates)
    assert loss > 1 - 3 * error
    loss, error = measure_loss(table, n, round(3 * high), 0.8, replicates=replicates // 4)
    assert loss > 1 + 5 * error
    assert advice.holds


def test_a_generator_that_breaks_the_theory_is_seen():
    """Independent columns never reach the data, so that synthetic points do not help as predicted."""
    table = load_wine().data
    assert mad.advise(table, bias=1.0, n_synthetic=178, resamples=4).holds
    assert not mad.advise(table, model=mad.Gaussian(shape="diagonal"), n_synthetic=178, resamples=4).holds


@pytest.mark.parametrize("dim", [1, 3, 8])
def test_gaussian_data_have_the_known_limits(dim):
    """An identity covariance has effective dimension d, no tails, and the numbers of the full theory."""
    points = np.random.default_rng(0).normal(size=(40_000, dim))
    found = Scores(points).spectrum()
    assert found.dim == pytest.approx(dim, rel=0.01)
    assert found.tails == pytest.approx(1, abs=0.05)
    admissible, best = find_limits(5_000, 0.8, dim, 1.0)
    assert admissible == pytest.approx(
        float(gaussian.admissible_n_synthetic(n_real=5_000, bias=0.8, dim=dim)), rel=0.03
    )
    known = gaussian.optimal_n_synthetic(n_real=5_000, bias=0.8, dim=dim)
    assert best == pytest.approx(float(known["n_synthetic"]), rel=0.05)


def test_one_direction_has_effective_dimension_one():
    points = np.random.default_rng(0).normal(size=(500, 6)) * [1e3, 1, 1, 1, 1, 1]
    assert Scores(points).spectrum().dim == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("regime", ["fresh", "augment"])
def test_loss_without_bias_is_the_known_constant(regime):
    ratio = 3.0
    expected = {"fresh": (1 + ratio) / (1 + 2 * ratio), "augment": (1 + 3 * ratio) / (1 + 2 * ratio)}[regime]
    assert float(compute_loss(regime, 10**6, 3 * 10**6, 1.0, 4.0, 1.0, 2)) == pytest.approx(
        expected, rel=1e-4
    )


def test_accumulated_loss_without_bias_is_that_of_gerstgrasser():
    loss = float(compute_loss("accumulate", 10**6, 10**6, 1.0, 4.0, 1.0, 2_000))
    assert loss == pytest.approx(np.pi**2 / 6, rel=1e-3)


def test_the_report_and_units():
    table = load_wine().data
    advice = mad.advise(table, bias=0.8, resamples=4)
    again = mad.advise(table * np.arange(1, 14), bias=0.8, resamples=4)
    np.testing.assert_allclose(
        advice.dataset["admissible_n_synthetic"], again.dataset["admissible_n_synthetic"], rtol=1e-6
    )
    assert "admissible synthetic points" in str(advice)
    assert "every number of them helps" in str(mad.advise(table, resamples=4))


@pytest.mark.parametrize(
    ("data", "keywords", "message"),
    [
        (np.ones((9, 2)), {}, "no variance"),
        (np.zeros(9), {}, "shape"),
        (np.eye(3), {}, "at least 4 rows"),
        (np.eye(9), {"bias": -1}, "bias=-1"),
        (np.eye(9), {"n_synthetic": 0}, "n_synthetic=0"),
        (np.eye(9), {"resamples": 0}, "resamples=0"),
    ],
)
def test_errors_name_the_argument(data, keywords, message):
    with pytest.raises(ValueError, match=message):
        mad.advise(data, **keywords)
