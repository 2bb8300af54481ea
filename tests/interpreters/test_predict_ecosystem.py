"""Ecosystems: closed forms, drawn statistics and drawn points agree."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import madtheory as mad
from madtheory import metrics, regimes, testing, treatments

METRICS = [metrics.total_variance, metrics.mean_error, metrics.model_spread, metrics.pool_variance]
GENERATIONS = 4


def assert_agree(ecosystem, replicates, seed, method):
    predicted = mad.predict(ecosystem, GENERATIONS)
    simulated = mad.simulate(
        ecosystem,
        GENERATIONS,
        replicates=replicates,
        metrics=METRICS,
        rng=seed,
        method=method,
        progress=False,
    )
    for name in predicted:
        testing.assert_mean_matches(simulated[name], predicted[name], name=name, rtol=1e-9)


def assert_three_answers_agree(ecosystem, seed, statistics, samples):
    assert_agree(ecosystem, samples, seed, "samples")
    if mad.start(ecosystem, rng=0)[0].method == "statistics":
        assert_agree(ecosystem, statistics, seed, "statistics")


@pytest.mark.parametrize("draws", ["random", "fixed", "shared"])
@settings(max_examples=4)
@given(data=st.data(), seed=st.integers(0, 2**16))
def test_three_answers_agree(draws, data, seed):
    assert_three_answers_agree(data.draw(testing.ecosystems([draws])), seed, statistics=3_000, samples=400)


@pytest.mark.slow
@pytest.mark.parametrize("draws", ["random", "fixed", "shared"])
@settings(max_examples=40)
@given(data=st.data(), seed=st.integers(0, 2**16))
def test_three_answers_agree_at_depth(draws, data, seed):
    assert_three_answers_agree(data.draw(testing.ecosystems([draws])), seed, statistics=20_000, samples=2_000)


@pytest.mark.parametrize("method", ["statistics", "samples"])
@pytest.mark.parametrize("regime", [regimes.replace(n=9), regimes.accumulate_subsample(n=9)])
def test_tokens_agree(regime, method):
    loops = [
        mad.Loop(real=mad.Categorical(p), model=mad.Categorical(), regime=regime)
        for p in ([0.6, 0.3, 0.1], [0.1, 0.5, 0.4])
    ]
    ecosystem = mad.Ecosystem(loops=loops, exchange=[[0.7, 0.3], [0.4, 0.6]])
    simulated = mad.simulate(ecosystem, 4, replicates=2_000, rng=2, method=method)
    predicted = mad.predict(ecosystem, 4)
    assert set(predicted) == {"heterozygosity", "squared_error", "model_spread", "pool_variance"}
    for name in predicted:
        testing.assert_mean_matches(simulated[name], predicted[name], name=name, rtol=1e-9)


def test_kernels_of_different_widths_agree():
    loops = [
        mad.Loop(
            real=mad.Gaussian([m], [[1.0]]), model=mad.KernelDensity(h),
            regime=regimes.fresh(n_real=5, n_synthetic=9),
        )
        for m, h in ((0.0, 0.5), (2.0, "scott"))
    ]  # fmt: skip
    ecosystem = mad.Ecosystem(loops=loops, exchange=[[0.2, 0.8], [0.5, 0.5]])
    assert_agree(ecosystem, 3_000, 0, "samples")


def two_of(dim, gap):
    """Two loops whose true means are `gap` apart along each coordinate."""
    regime = regimes.augment(n_real=100, n_synthetic=80)
    laws = [mad.Gaussian(np.full(dim, mean), np.eye(dim)) for mean in (0.0, gap)]
    loops = [mad.Loop(real=law, model=mad.Gaussian(), regime=regime) for law in laws]
    return mad.Ecosystem(loops=loops, exchange=[[0.75, 0.25], [0.5, 0.5]], draws="fixed")


@pytest.mark.parametrize(
    ("dim", "gap", "replicates", "deviation"),
    [(2, 10.0, 14_000, 0.17), pytest.param(6, 0.0, 150_000, 0.7, marks=pytest.mark.slow)],
)
def test_a_prediction_that_is_wrong_by_one_percent_is_rejected(dim, gap, replicates, deviation):
    """Negative control, of each variable; the right one passes.

    With a relative standard deviation of at most 0.17 (0.7), 1 % is 7.0 (5.5) standard errors.
    """
    ecosystem = two_of(dim, gap)
    predicted = mad.predict(ecosystem, 2).sel(generation=2)
    simulated = mad.simulate(
        ecosystem, 2, replicates=replicates, metrics=METRICS, rng=5, method="statistics", record="last"
    ).sel(generation=2)
    for name in predicted:
        assert float((simulated[name].std("replicate") / simulated[name].mean("replicate")).max()) < deviation
        testing.assert_mean_matches(simulated[name], predicted[name], name=name, rtol=1e-9)
        for factor in (0.99, 1.01):
            wrong = factor * predicted[name]
            with pytest.raises(AssertionError, match=name):
                testing.assert_mean_matches(simulated[name], wrong, name=name, rtol=1e-9)


WIDE = two_of(3, 0.5)


def test_assert_agrees_and_compare_take_an_ecosystem():
    simulated = mad.simulate(WIDE, 2, replicates=500, metrics=METRICS, rng=1)
    predicted = mad.predict(WIDE, 2)
    testing.assert_agrees(simulated, predicted)
    table = mad.compare(simulated, predicted)
    assert table.index.names == ["model", "variable", "generation"]
    assert table.loc[(1, "mean_error", 2), "theory"] == pytest.approx(float(predicted["mean_error"][1, 1]))
    assert (table["z"].abs() < 5).all()


def test_variables_are_selected_by_name():
    assert list(mad.predict(WIDE, 2, variables=["pool_variance"])) == ["pool_variance"]
    with pytest.raises(ValueError, match="this ecosystem has: total_variance"):
        mad.predict(WIDE, 2, variables=["entropy"])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"treatments": [treatments.correct(1.0)]}, "treatments"),
        ({"model": mad.Mixture(2)}, "Mixture"),
        ({"model": mad.Gaussian(shrinkage=0.5)}, "shrinkage"),
        ({"model": mad.Gaussian(known_mean=[5.0])}, "known_mean differs"),
        ({"real": mad.Gaussian.standard(2)}, "one kind and dimension"),
    ],
)  # fmt: skip
def test_what_has_no_closed_form_says_so(changed, words):
    plain = {"real": mad.Gaussian.standard(1), "model": mad.Gaussian(), "regime": regimes.replace(n=9)}
    loops = [mad.Loop(**(plain | one)) for one in ({}, changed)]
    with pytest.raises(mad.NoClosedForm, match=words):
        mad.predict(mad.Ecosystem(loops=loops, exchange=[[0.5, 0.5]] * 2), 3)
