"""No synthetic point at all: the baseline of every comparison, bit for bit."""

import dataclasses
import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.mixture import GaussianMixture

import madtheory as mad
from madtheory import metrics, models, regimes, testing, treatments as tr
from madtheory.core.loop import statistics_obstacle
from madtheory.metrics import discrete as metrics_discrete
from madtheory.theory import categorical, correction

GENERATIONS = 4
LAW = mad.Categorical([0.5, 0.3, 0.15, 0.05])
TRUTH = mad.Gaussian([1.0, -2.0], [[2.0, 0.6], [0.6, 1.0]])
GENERATORS = {
    "Gaussian": (TRUTH, mad.Gaussian()),
    "Mixture": (TRUTH, mad.Mixture(2)),
    "Categorical": (LAW, mad.Categorical(symbols=4)),
    "KernelDensity": (TRUTH, mad.KernelDensity(0.3)),
    "Estimator": (TRUTH, mad.Estimator(GaussianMixture(2))),
    "SIMS": (TRUTH, models.SIMS(mad.Gaussian(), 0.5)),
}
FIXED = {"n_initial": 30, "n_real": 30, "real_data": "fixed"}
EMPTY = {
    "augment": regimes.augment(n_real=30, n_synthetic=0),
    "of a ratio": regimes.augment(n_real=30, n_synthetic=int(0.03 * 30)),
    "sequence": regimes.augment(n_real=30, n_synthetic=[0] * GENERATIONS),
    "function": regimes.augment(n_real=30, n_synthetic=lambda t: 0),
    "memory": regimes.augment(n_real=30, n_synthetic=0, memory=3),
    "weights": regimes.augment(n_real=30, n_synthetic=0, weights=(2.0, 0.5)),
    "all": regimes.Regime(**FIXED, n_synthetic=0, retain="all"),
    "last 2": regimes.Regime(**FIXED, n_synthetic=0, retain=2),
    "logarithmic": regimes.Regime(**FIXED, n_synthetic=0, retain="logarithmic"),
}
METHODS = ("statistics", "samples")


def reward(points):
    return -np.abs(points[..., 0])


TREATMENTS = {
    "correct": tr.correct(1.0),
    "curate": tr.curate(reward, choices=3),
    "verify": tr.verify(lambda points: points[..., 0] > 1),
    "project": tr.project(np.zeros_like),
}


def trained(regime, name="Gaussian", method=None, **parts):
    """What the generations are trained on, as bytes; ``None`` if the method is impossible."""
    real, model = GENERATORS[name]
    loop = mad.Loop(real=real, model=model, regime=regime, **parts)
    if method == "statistics" and (obstacle := statistics_obstacle(loop)) is not None:
        assert obstacle
        return None
    chain = itertools.islice(mad.iterate(loop, rng=5, method=method), GENERATIONS)
    return [pickle.dumps(snapshot.training_set) for snapshot in chain]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", GENERATORS)
def test_every_generation_is_trained_on_the_same_data(name, method):
    of_first = trained(EMPTY["augment"], name, method)
    if of_first is None:
        return
    assert len(set(of_first)) == 1
    for label, regime in EMPTY.items():
        assert trained(regime, name, method) in (of_first, None), label
    # Control: one synthetic point is seen.
    assert len(set(trained(regimes.augment(n_real=30, n_synthetic=1), name, method))) > 1


@pytest.mark.parametrize("method", METHODS)
def test_nothing_that_is_done_to_synthetic_data_enters(method):
    """Bias, treatments and memory change no bit of the models; with synthetic points they do."""

    def variances(n_synthetic, memory=1, **parts):
        regime = regimes.augment(n_real=30, n_synthetic=n_synthetic, memory=memory)
        loop = mad.Loop(real=TRUTH, model=mad.Gaussian(), regime=regime, **parts)
        return mad.simulate(loop, GENERATIONS, replicates=20, rng=1, method=method)["total_variance"].values

    plain, with_points = variances(0), variances(10)
    assert (plain == plain[:, :1]).all()
    changes = [{"bias": 0.2}, {"memory": 3}, {"warm_start": True}]
    if method == "samples":
        changes += [{"treatments": (treatment,)} for treatment in TREATMENTS.values()]
    else:
        changes += [{"treatments": (TREATMENTS["correct"],)}]
    for change in changes:
        assert np.array_equal(variances(0, **change), plain), change
        assert "warm_start" in change or not np.array_equal(variances(10, **change), with_points), change


@pytest.mark.parametrize("label", EMPTY)
@pytest.mark.parametrize("name", GENERATORS)
def test_predictions_are_constant(name, label):
    real, model = GENERATORS[name]
    for treatments in ((), (TREATMENTS["correct"],), (TREATMENTS["curate"],)):
        loop = mad.Loop(real=real, model=model, regime=EMPTY[label], treatments=treatments)
        try:
            predicted = mad.predict(loop, GENERATIONS)
        except mad.NoClosedForm:
            assert treatments or name in ("Estimator", "SIMS") or label == "logarithmic"
            continue
        first = mad.predict(dataclasses.replace(loop, regime=EMPTY["augment"]), 1)
        for variable in predicted:
            expected = np.full(GENERATIONS, first[variable].item()) if variable in first else None
            if expected is not None:
                np.testing.assert_allclose(predicted[variable], expected, rtol=1e-9, err_msg=variable)


SPARSE = st.lists(st.sampled_from((0, 0, 3, 8)), min_size=3, max_size=3).map(lambda sizes: (0, *sizes))


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=15)
@given(sizes=SPARSE, seed=st.integers(0, 2**16), data=st.data())
def test_predictions_hold_where_some_batches_are_empty(method, sizes, seed, data):
    """|z| < 5, in every regime with real data; power: batches of other sizes are told apart below."""
    real_data = data.draw(st.sampled_from(("fixed", "fresh")))
    retain = data.draw(st.sampled_from(("last", "all", 2)))
    memory = data.draw(st.integers(1, 2))
    regime = regimes.Regime(
        n_initial=6, n_real=6, real_data=real_data, n_synthetic=sizes, retain=retain, memory=memory
    )
    if regime.name == "accumulate":
        assert 0 not in sizes[1:]
    loop = mad.Loop(real=mad.Gaussian.standard(3), model=mad.Gaussian(), regime=regime, bias=0.8)
    predicted = mad.predict(loop, GENERATIONS)
    kept = [metrics.total_variance, metrics.mean_error]
    result = mad.simulate(loop, GENERATIONS, replicates=3_000, metrics=kept, rng=seed, method=method)
    for metric in kept:
        testing.assert_mean_matches(result[metric.__name__], predicted[metric.__name__], name=metric.__name__)


def test_an_empty_batch_is_told_from_a_small_one():
    """Negative control of the test above, at its number of replicates."""
    kept = {"metrics": [metrics.total_variance], "replicates": 3_000, "rng": 0}
    loops = [
        mad.Loop(
            real=mad.Gaussian.standard(3), model=mad.Gaussian(),
            regime=regimes.augment(n_real=6, n_synthetic=sizes), bias=0.8,
        )
        for sizes in ((0, 3, 0, 3), (0, 3, 3, 3))
    ]  # fmt: skip
    right, wrong = (mad.predict(loop, GENERATIONS)["total_variance"] for loop in loops)
    samples = mad.simulate(loops[0], GENERATIONS, **kept)["total_variance"]
    testing.assert_mean_matches(samples, right)
    with pytest.raises(AssertionError, match="z="):
        testing.assert_mean_matches(samples, wrong)


def test_categorical_drift_pauses_with_the_batches():
    loop = mad.Loop(
        real=LAW, model=mad.Categorical(), regime=regimes.augment(n_real=9, n_synthetic=[0, 9, 0, 9])
    )
    predicted = mad.predict(loop, GENERATIONS)["heterozygosity"]
    assert predicted[0].item() == pytest.approx(predicted[2].item())
    for method in METHODS:
        drawn = mad.simulate(
            loop, GENERATIONS, replicates=4_000, rng=3, method=method,
            metrics=[metrics_discrete.heterozygosity],
        )  # fmt: skip
        assert np.array_equal(drawn["heterozygosity"][:, 0], drawn["heterozygosity"][:, 2])
        testing.assert_mean_matches(drawn["heterozygosity"], predicted)


def test_fresh_data_alone_are_independent_fits():
    """Every generation is a new fit of 10 real points: uncorrelated, each with the law of the first."""
    loop = mad.Loop(
        real=mad.Gaussian.standard(1), model=mad.Gaussian(), regime=regimes.fresh(n_real=10, n_synthetic=0)
    )
    for method in METHODS:
        drawn = mad.simulate(loop, GENERATIONS, replicates=4_000, rng=2, method=method)
        predicted = mad.predict(loop, GENERATIONS)
        for name in ("total_variance", "mean_error", "wasserstein2_squared"):
            np.testing.assert_allclose(predicted[name], predicted[name][0].item(), rtol=1e-9)
            testing.assert_mean_matches(drawn[name], predicted[name], rtol=2e-3, name=name)
        correlation = np.corrcoef(drawn["total_variance"].values.T)
        assert abs(correlation[np.triu_indices(GENERATIONS, 1)]).max() < 5 / np.sqrt(4_000)


def test_a_budget_beside_empty_batches():
    """Moments of a random subset of fresh real data, drawn and predicted."""
    regime = regimes.Regime(n_initial=8, n_real=8, real_data="fresh", n_synthetic=(0, 0, 5, 0), budget=6)
    loop = mad.Loop(real=mad.Gaussian.standard(2), model=mad.Gaussian(), regime=regime, bias=0.7)
    predicted = mad.predict(loop, GENERATIONS)
    for method in METHODS:
        drawn = mad.simulate(loop, GENERATIONS, replicates=4_000, rng=4, method=method)
        for name in ("total_variance", "mean_error"):
            testing.assert_mean_matches(drawn[name], predicted[name], name=name)


def test_a_run_with_empty_batches_restarts():
    regime = regimes.Regime(**FIXED, n_synthetic=(0, 0, 5, 0, 5), retain="logarithmic")
    loop = mad.Loop(real=TRUTH, model=mad.Gaussian(), regime=regime)
    whole = list(itertools.islice(mad.iterate(loop, rng=0, replicates=3), 5))
    assert whole[3].synthetic[0] is None
    kept = pickle.loads(pickle.dumps(whole[2]))
    for a, b in zip(itertools.islice(mad.iterate(loop, previous=kept), 2), whole[3:], strict=True):
        assert np.array_equal(a.training_set, b.training_set)
    assert [snapshot.training_set.shape[1] for snapshot in whole] == [30, 30, 35, 33, 37]


def test_stationary_values_without_synthetic_points():
    """Nine real points alone: fitted once, or anew in each generation."""
    for real_data, factor in (("fixed", 0.0), ("fresh", 1 / 9)):
        sizes = {"n_real": 9, "n_synthetic": 0, "real_data": real_data}
        assert correction.mean_law(correction=0.5, **sizes)["variance"] == pytest.approx(1 / 9)
        limit = correction.stationary(correction=0.5, **sizes)
        assert limit["rate"] == pytest.approx(0.0, abs=1e-12)
        assert limit["mean_error"] == pytest.approx(1 / 9)
        assert categorical.stationary_factor(**sizes) == pytest.approx(factor)
    accrued = correction.accrual(n_initial=9, n_synthetic=0, correction=0.5, generations=5)
    np.testing.assert_allclose(accrued["total_variance"], 1.0)
    np.testing.assert_allclose(accrued["mean_error"], 1 / 9)
