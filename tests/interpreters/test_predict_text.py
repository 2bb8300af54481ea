"""Markov models of documents: closed forms, drawn n-grams and drawn documents must agree."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

import madtheory as mad
from madtheory import metrics, regimes, testing
from madtheory.core.loop import statistics_obstacle

GENERATIONS = 4


def simulated_for(loop, names, method, replicates, seed, generations=GENERATIONS):
    return mad.simulate(
        loop, generations, replicates=replicates, rng=seed, method=method, progress=False,
        metrics=[getattr(metrics, name) for name in names],
    )  # fmt: skip


def rare_failures(sizes, expected):
    """Failures of a number of symbols; where a lost, or a second, one is rare the normal law does not apply.

    The chance that the number differs from its least, 1, or its greatest is at most the distance of the mean
    from it, because the numbers are whole.
    """
    failed, most = [], sizes.max()
    for size, mean in zip(sizes.T, expected, strict=True):
        end, distance = min((most, most - mean), (1, mean - 1), key=lambda pair: abs(pair[1]))
        if len(size) * abs(distance) > 25:
            z = (size.mean() - mean) / (size.std() / np.sqrt(len(size)))
            failed += [f"support {size.mean()} against {mean}: z={z}"] if abs(z) > 5 else []
        else:
            differ, chance = int((size != end).sum()), max(distance, 0.0) + 1e-12
            unlikely = stats.binomtest(differ, len(size), min(chance, 1.0), "greater").pvalue < 1e-6
            failed += [f"support {size.mean()} against {mean}: {differ} differ"] if unlikely else []
    return failed


def disagreements(loop, method, replicates, seed, predicted=None):
    """The comparisons that fail, as text; and how many were made."""
    predicted = mad.predict(loop, GENERATIONS) if predicted is None else predicted
    drawn, failed = simulated_for(loop, list(predicted), method, replicates, seed), []
    for name in predicted:
        if name == "prefix_support_size":
            failed += rare_failures(drawn[name].values, predicted[name].values)
            continue
        try:
            testing.assert_mean_matches(drawn[name], predicted[name], name=f"{name} by {method}", rtol=1e-9)
        except AssertionError as error:
            failed.append(str(error))
    return failed, len(predicted)


@pytest.mark.parametrize("name", testing.REGIMES)
@settings(max_examples=4)
@given(data=st.data(), seed=st.integers(0, 2**16))
def test_predict_statistics_and_samples_agree(name, data, seed):
    loop = data.draw(testing.text_loops([name]))
    methods = {"samples": 400}
    if statistics_obstacle(loop) is None:
        methods["statistics"] = 1_000
    for method, replicates in methods.items():
        failed, made = disagreements(loop, method, replicates, seed)
        assert made >= 1
        assert not failed, "\n".join([str(loop), *failed])


def chain_of(symbols, length, seed=0):
    rng = np.random.default_rng(seed)
    rows = rng.dirichlet(np.full(symbols, 2.0), symbols)
    return mad.Markov.chain(rng.dirichlet(np.full(symbols, 2.0)), rows, length=length)


CONTROLS = {
    "replace": regimes.replace(n=60),
    "augment": regimes.augment(n_real=24, n_synthetic=96),
    "accumulate": regimes.accumulate(n=60, n_initial=24),
    "fresh": regimes.fresh(n_real=16, n_synthetic=96, n_initial=32, memory=2),
}


@pytest.mark.parametrize("regime", CONTROLS.values(), ids=CONTROLS)
def test_one_percent_is_seen(regime):
    """1,000 runs of a document of two symbols out of six: a prediction that is 1 % off is rejected."""
    loop = mad.Loop(real=chain_of(6, 2), model=mad.Markov(vocabulary=6), regime=regime)
    assert statistics_obstacle(loop) is None
    predicted = mad.predict(loop, GENERATIONS)
    assert not disagreements(loop, "statistics", 1_000, 0, predicted)[0]
    wrong = predicted[["prefix_heterozygosity"]]
    wrong["prefix_heterozygosity"].values[:] *= 1.01
    assert disagreements(loop, "statistics", 1_000, 0, wrong)[0]


@pytest.mark.parametrize("method", ["statistics", "samples"])
def test_rows_of_pairs(method):
    """Random row counts: the exact mean is met, and the formula with expected row counts is not."""
    real = mad.Markov.chain([0.9, 0.1], [[0.5, 0.5], [0.3, 0.7]], length=2)
    loop = mad.Loop(real=real, model=mad.Markov(vocabulary=2), regime=regimes.replace(n=20))
    predicted = mad.predict(loop, GENERATIONS)[["row_heterozygosity"]]
    assert not disagreements(loop, method, 4_000, 1, predicted)[0]
    simple = mad.theory.categorical.markov_heterozygosity(
        row_sizes=[18, 2, 20], rows=[[0.5, 0.5], [0.3, 0.7], [0.9, 0.1]], generations=GENERATIONS
    )
    predicted["row_heterozygosity"].values[:] = simple.sum(1)
    assert disagreements(loop, method, 4_000, 1, predicted)[0]


@pytest.mark.parametrize(
    "settings_of",
    [{}, {"top_k": 2}, {"top_p": 0.7}, {"smoothing": 2.0}, {"order": 2}, {"order": 2, "smoothing": 1.0}],
    ids=str,
)
@pytest.mark.parametrize("bias", [None, 0.6])
def test_statistics_and_samples_agree_without_theory(settings_of, bias):
    real = chain_of(3, 5)
    real = dataclasses.replace(real, order=2, table=None).fit(real.sample(300, rng=np.random.default_rng(0)))
    model, regime = mad.Markov(vocabulary=3, **settings_of), regimes.fresh(n_real=4, n_synthetic=9)
    loop = mad.Loop(real=real, model=model, regime=regime, bias=bias)
    names = ["entropy_rate", "ngram_support", "row_heterozygosity", "prefix_support_size", "prefix_entropy"]
    drawn, points = (
        simulated_for(loop, names, method, 400, seed, 3)
        for method, seed in (("statistics", 0), ("samples", 1))
    )
    for name in names:
        a, b = drawn[name], points[name]
        error = np.sqrt((a.var("replicate") + b.var("replicate")) / 400)
        assert (abs(a.mean("replicate") - b.mean("replicate")) < 5 * error + 1e-9).all(), name


def test_no_closed_form_says_why():
    real, regime = chain_of(3, 4), regimes.replace(n=5)
    for model, bias in (
        (mad.Markov(smoothing=1.0, vocabulary=3), None),
        (mad.Markov(top_k=2), None),
        (mad.Markov(), 0.5),
    ):
        with pytest.raises(mad.NoClosedForm, match="temperature_map"):
            mad.predict(mad.Loop(real=real, model=model, regime=regime, bias=bias), 3)
    with pytest.raises(mad.NoClosedForm, match="independent symbols"):
        mad.predict(mad.Loop(real=real, model=mad.Markov(order=0), regime=regime), 3)
    with pytest.raises(mad.NoClosedForm, match="not one Markov law"):
        mad.predict(mad.Loop(real=np.zeros((3, 4)), model=mad.Markov(), regime=regime), 3)
