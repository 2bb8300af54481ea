"""Loops of labels: closed forms, drawn statistics and drawn points agree, over the whole range they have."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import madtheory as mad
from madtheory import metrics, regimes, testing
from madtheory.core.loop import statistics_obstacle

GENERATIONS = 4
METRICS = [metrics.excess_risk, metrics.parameter_error, metrics.noise_variance]


def simulated(loop, generations, replicates, seed, method):
    return mad.simulate(
        loop, generations, replicates=replicates, metrics=METRICS, rng=seed, method=method, progress=False
    )


def assert_mean_matches(drawn, predicted, name):
    assert predicted[name].attrs["kind"] == "exact mean"
    testing.assert_mean_matches(drawn[name], predicted[name], name=name, rtol=1e-9)


def assert_agree(loop, replicates, seed, *, method):
    predicted = mad.predict(loop, GENERATIONS)
    assert set(predicted) == {metric.__name__ for metric in METRICS}
    drawn = simulated(loop, GENERATIONS, replicates, seed, method)
    for name in predicted:
        assert_mean_matches(drawn, predicted, name)


def assert_three_answers_agree(loop, seed, statistics, samples):
    assert_agree(loop, samples, seed, method="samples")
    if statistics_obstacle(loop) is None:
        assert_agree(loop, statistics, seed, method="statistics")


@pytest.mark.parametrize("design", testing.DESIGNS)
@settings(max_examples=15)
@given(data=st.data(), seed=st.integers(0, 2**16))
def test_three_answers_agree(design, data, seed):
    assert_three_answers_agree(data.draw(testing.label_loops([design])), seed, statistics=4_000, samples=800)


def test_the_statistics_path_has_few_obstacles():
    """The strategies reach it with every design; a model without a design needs batches of one size."""
    X = np.random.default_rng(0).standard_normal((12, 3))
    truth = mad.LinearRegression([1.0, 2.0, 3.0], noise=1.0, design=X)
    kept = mad.Loop(real=truth, model=mad.LinearRegression(), regime=regimes.accumulate(n=12))
    assert statistics_obstacle(kept) is None
    for regime, word in (
        (regimes.fresh(n_real=12, n_synthetic=12), "no design"),
        (regimes.replace(n=24, n_initial=12), "no design"),
        (regimes.augment(n_real=12, n_synthetic=12, memory=2), "memory=2"),
        (regimes.Regime(n_initial=12, n_real=6, n_synthetic=12, real_data="fixed"), "n_real=6"),
    ):
        assert word in statistics_obstacle(dataclasses.replace(kept, regime=regime))


DIM, ROWS = 40, 240
X = np.random.default_rng(3).standard_normal((ROWS, DIM))
LAW = mad.Gaussian.standard(DIM)
WIDE = {
    "fixed": mad.Loop(
        real=mad.LinearRegression(np.ones(DIM), noise=1.0, design=X), model=mad.LinearRegression(design=X),
        regime=regimes.fresh(n_real=ROWS, n_synthetic=ROWS, weights=(2.0, 1.0)),
    ),
    "once": mad.Loop(
        real=mad.LinearRegression(np.ones(DIM), noise=1.0, design=LAW), model=mad.LinearRegression(),
        regime=regimes.accumulate(n=ROWS),
    ),
    "new": mad.Loop(
        real=mad.LinearRegression(np.ones(DIM), noise=1.0, design=LAW),
        model=mad.LinearRegression(design=LAW), regime=regimes.fresh(n_real=ROWS, n_synthetic=2 * ROWS),
    ),
}  # fmt: skip


@pytest.mark.parametrize("design", testing.DESIGNS)
def test_a_prediction_that_is_wrong_by_one_percent_is_rejected(design):
    """Negative control, of each variable; the right one passes.

    The relative standard deviation is at most 0.25: 40,000 replicates see 1 % at 8 standard errors.
    """
    predicted = mad.predict(WIDE[design], 2)
    drawn = simulated(WIDE[design], 2, 40_000, 5, "statistics")
    for name in predicted:
        assert float((drawn[name].std("replicate") / drawn[name].mean("replicate")).max()) < 0.26
        assert_mean_matches(drawn, predicted, name)
        for factor in (0.99, 1.01):
            wrong = predicted.assign({name: (factor * predicted[name]).assign_attrs(predicted[name].attrs)})
            with pytest.raises(AssertionError, match=name):
                assert_mean_matches(drawn, wrong, name)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"regime": regimes.augment(n_real=30, n_synthetic=30)}, "new in every generation"),
        ({"regime": regimes.accumulate(n=30, weights=(1.0, 2.0))}, "new in every generation"),
        ({"regime": regimes.replace(n=4)}, "infinite"),
        ({"model": mad.LinearRegression(noise=2.0)}, "noise=2"),
        ({"model": mad.LinearRegression(ridge=0.1)}, "ridge=0.1"),
        ({"real": np.random.default_rng(0).standard_normal((20, 4))}, "real law LinearRegression"),
    ],
)  # fmt: skip
def test_loops_without_a_closed_form_say_why(changed, words):
    law = mad.Gaussian.standard(3)
    loop = mad.Loop(
        real=mad.LinearRegression([1.0, 2.0, 3.0], noise=1.0, design=law),
        model=mad.LinearRegression(design=law),
        regime=regimes.replace(n=30),
    )
    mad.predict(loop, 2)
    with pytest.raises(mad.NoClosedForm, match=words):
        mad.predict(dataclasses.replace(loop, **changed), 2)


def test_sizes_that_are_not_copies_of_the_rows_have_no_closed_form():
    truth = mad.LinearRegression(np.ones(3), noise=1.0, design=X[:30, :3])
    model = mad.LinearRegression(design=X[:30, :3])
    with pytest.raises(mad.NoClosedForm, match="multiples of 30"):
        mad.predict(mad.Loop(real=truth, model=model, regime=regimes.replace(n=40)), 2)
