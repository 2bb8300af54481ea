"""Predicted moments of loops under SIMS, and of corrected loops with logarithmic accrual, by simulation."""

import dataclasses
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import madtheory as mad
from madtheory import metrics, regimes, testing
from madtheory.models import SIMS
from madtheory.treatments import correct, curate

GENERATIONS = 4
KEPT = {"metrics": [metrics.total_variance, metrics.mean_error], "progress": False}
REAL = mad.Gaussian(2.0, 3.0)


def sims_loop(regime, guidance, *, ddof=1, known_mean=False, bias=None, **auxiliary):
    base = mad.Gaussian(ddof=ddof, known_mean=[2.0] if known_mean else None)
    return mad.Loop(real=REAL, model=SIMS(base, guidance, **auxiliary), regime=regime, bias=bias)


def assert_agree(loop, replicates, seed, *, method=None, predicted=None):
    predicted = mad.predict(loop, GENERATIONS) if predicted is None else predicted
    assert set(predicted) == {"total_variance", "mean_error"}
    drawn = mad.simulate(loop, GENERATIONS, replicates=replicates, rng=seed, method=method, **KEPT)
    for name in predicted:
        assert predicted[name].attrs["kind"] == "exact mean"
        testing.assert_mean_matches(drawn[name], predicted[name], name=name)


@settings(max_examples=25)
@given(
    n=st.integers(30, 60),
    n_synthetic=st.integers(0, 60),
    guidance=st.sampled_from((-1.0, -0.4, 0.0, 0.5, 1.0, 1.7)),
    n_auxiliary=st.integers(40, 90),
    biases=st.tuples(st.sampled_from((None, 0.8)), st.sampled_from((None, 0.7))),
    base=st.tuples(st.sampled_from((0, 1)), st.booleans()),
    fixed=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_sims_in_one_dimension(n, n_synthetic, guidance, n_auxiliary, biases, base, fixed, seed):
    """Sizes at which the fourth moments are light enough for a mean of replicates."""
    regime = regimes.augment(n_real=n, n_synthetic=n_synthetic) if fixed else regimes.replace(n=n)
    loop = sims_loop(
        regime, guidance, ddof=base[0], known_mean=base[1], bias=biases[0],
        n_auxiliary=n_auxiliary if fixed else None, auxiliary_bias=biases[1],
    )  # fmt: skip
    assert_agree(loop, 4_000, seed)
    assert_agree(loop, 500, seed, method="samples")


@pytest.mark.parametrize("regime", [regimes.replace(n=40), regimes.augment(n_real=30, n_synthetic=40)])
def test_a_wrong_guidance_or_bias_is_rejected(regime):
    loop = sims_loop(regime, 0.8, bias=0.9, n_auxiliary=50)
    assert_agree(loop, 40_000, 1)
    for wrong in (
        sims_loop(regime, 0.8, bias=0.91, n_auxiliary=50),
        sims_loop(regime, 0.8, bias=0.9, n_auxiliary=50, auxiliary_bias=0.9),
        sims_loop(regime, 0.7, bias=0.9, n_auxiliary=50),
        sims_loop(regime, 0.8, bias=0.9, n_auxiliary=40),
    ):
        with pytest.raises(AssertionError, match="z="):
            assert_agree(loop, 40_000, 1, predicted=mad.predict(wrong, GENERATIONS))


def test_sims_of_real_data_of_any_law():
    """First moments are free of it: eight skewed rows, drawn with replacement."""
    rows = np.random.default_rng(0).exponential(size=(8, 1)) ** 2
    for regime in (regimes.replace(n=40), regimes.augment(n_real=40, n_synthetic=20)):
        loop = dataclasses.replace(sims_loop(regime, 0.5, n_auxiliary=50), real=mad.data.Empirical(rows))
        assert_agree(loop, 4_000, 3)


@pytest.mark.parametrize("regime", [regimes.replace(n=9), regimes.augment(n_real=9, n_synthetic=5)])
def test_no_guidance_is_the_base(regime):
    loop = sims_loop(regime, 0.0, bias=0.8, n_auxiliary=9)
    plain = mad.predict(dataclasses.replace(loop, model=mad.Gaussian()), GENERATIONS)
    for name, values in mad.predict(loop, GENERATIONS).items():
        np.testing.assert_allclose(values, plain[name], rtol=1e-10)


def test_what_has_no_form_says_so():
    plane = mad.Loop(
        real=mad.Gaussian.standard(2), model=SIMS(mad.Gaussian(), 0.5), regime=regimes.replace(n=9)
    )
    with pytest.raises(mad.NoClosedForm, match="one dimension"):
        mad.predict(plane, 2)
    for regime in (
        regimes.augment(n_real=9, n_synthetic=5),
        regimes.replace(n=9, n_initial=8),
        regimes.replace(n=[9, 8]),
    ):
        with pytest.raises(mad.NoClosedForm, match="one size"):
            mad.predict(sims_loop(regime, 0.5), 2)
    with pytest.raises(mad.NoClosedForm, match="one size"):
        mad.predict(sims_loop(regimes.augment(n_real=9, n_synthetic=5, memory=2), 0.5, n_auxiliary=9), 2)
    with pytest.raises(mad.NoClosedForm, match="model SIMS in regime 'fresh'"):
        mad.predict(sims_loop(regimes.fresh(n_real=9, n_synthetic=5), 0.5), 2)


def accrued(n_synthetic=5, strength=0.3, **changed):
    sizes = {"n_initial": 8, "n_real": 8, "real_data": "fixed", "n_synthetic": n_synthetic}
    regime = regimes.Regime(**sizes | {"retain": "logarithmic"} | changed)
    treatments = () if strength is None else (correct(strength),)
    return mad.Loop(real=REAL, model=mad.Gaussian(ddof=0), regime=regime, treatments=treatments, bias=0.9)


@pytest.mark.parametrize("strength", [None, 0.0, 0.3, np.inf])
def test_logarithmic_accrual_is_predicted(strength):
    assert_agree(accrued(strength=strength), 6_000, 2)


def test_a_wrong_accrual_is_rejected():
    wrong = mad.predict(accrued(strength=3.0), GENERATIONS)
    with pytest.raises(AssertionError, match="z="):
        assert_agree(accrued(strength=None), 6_000, 2, predicted=wrong)


@pytest.mark.parametrize(
    "loop",
    [
        accrued(weights=(1.0, 3.0)),
        accrued(n_synthetic=(0, 20, 6, 6)),
        accrued(retain_real="all", n_real=3, real_data="fresh"),
        dataclasses.replace(accrued(), model=mad.KernelDensity(0.4)),
    ],
    ids=["weights", "changing sizes", "fresh real data", "kernel density"],
)
def test_logarithmic_accrual_is_predicted_in_every_loop(loop):
    """Batches that stay in full, or not at all, are told apart with probability 0.99."""
    loop, replicates = dataclasses.replace(loop, real=mad.Gaussian.standard(20)), 20_000
    predicted = mad.predict(loop, GENERATIONS)
    drawn = mad.simulate(loop, GENERATIONS, replicates=replicates, rng=4, **KEPT)
    for name in predicted:
        testing.assert_mean_matches(drawn[name], predicted[name], name=name)
    for retain in ("all", "last"):
        regime = dataclasses.replace(loop.regime, retain=retain)
        wrong = mad.predict(dataclasses.replace(loop, regime=regime), GENERATIONS)
        power = [
            testing.power(abs(float((wrong - predicted)[name][-1])), std=std, n=replicates)
            for name in predicted
            if (std := float(drawn[name][:, -1].std()))
        ]
        assert max(power) > 0.99
        name = list(predicted)[int(np.argmax(power))]
        with pytest.raises(AssertionError, match="z="):
            testing.assert_mean_matches(drawn[name], wrong[name])


@pytest.mark.parametrize("at_once", [True, False])
def test_first_points_come_from_all_models_alike(at_once, monkeypatch):
    """Batches that list one model after another, whose first points are the oldest model's, are rejected."""
    regime = regimes.Regime(n_initial=12, n_synthetic=12, memory=2, retain="logarithmic")
    loop = mad.Loop(real=mad.Gaussian.standard(20), model=mad.Gaussian(), regime=regime, bias=0.2)
    predicted = mad.predict(loop, 8)["total_variance"].sel(generation=[8])

    def simulated():
        if at_once:
            drawn = mad.simulate(loop, 8, replicates=1_000, rng=5, **KEPT)["total_variance"]
            return drawn.sel(generation=[8])
        runs = (next(islice(mad.iterate(loop, rng=seed), 7, None)) for seed in range(200))
        return np.array([[metrics.total_variance(snapshot)] for snapshot in runs])

    testing.assert_mean_matches(simulated(), predicted)
    monkeypatch.setattr(mad.data, "shuffle", lambda batch, *, rng: batch)
    with pytest.raises(AssertionError, match="z="):
        testing.assert_mean_matches(simulated(), predicted)


def test_accrual_without_a_form_says_so():
    loop = dataclasses.replace(accrued(), treatments=(curate(np.ones_like),))
    with pytest.raises(mad.NoClosedForm, match="retain='logarithmic'"):
        mad.predict(loop, 3)


def test_a_treatment_that_is_none_needs_no_form_of_its_own():
    law = mad.Categorical([0.5, 0.5])
    for real, model in ((law, mad.Categorical()), (REAL, mad.Gaussian()), (REAL, mad.KernelDensity(0.2))):
        plain = mad.Loop(real=real, model=model, regime=regimes.replace(n=9))
        for treatment in (correct(0.0), curate(np.ones_like, choices=1)):
            treated = dataclasses.replace(plain, treatments=(treatment,))
            assert mad.predict(treated, 3).identical(mad.predict(plain, 3))
    published = dataclasses.replace(plain, treatments=(correct(0.0, envelope="published"),))
    with pytest.raises(mad.NoClosedForm, match="treatments"):
        mad.predict(published, 3)
