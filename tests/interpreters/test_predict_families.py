"""Exponential families and power laws: closed forms, drawn totals and drawn points must agree."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

import madtheory as mad
from madtheory import metrics, regimes, testing
from madtheory.core.loop import statistics_obstacle

GENERATIONS = 4
FAMILIES = {
    "poisson": (3.0, {}),
    "bernoulli": (0.3, {}),
    "binomial": (2.1, {"trials": 6}),
    "geometric": (1.5, {}),
    "negative_binomial": (3.75, {"successes": 2.5}),
    "exponential": (2.0, {}),
    "gamma": (1.5, {"shape": 3.0}),
    "normal": (1.0, {"variance": 4.0}),
    "laplace": (1.5, {"centre": 2.0}),
    "pareto": (0.4, {"minimum": 1.5}),
}


def loop_of(name, regime):
    mean, known = FAMILIES[name]
    kind, first = (mad.Pareto, ()) if name == "pareto" else (mad.ExponentialFamily, (name,))
    parameter = 1 / mean if name == "pareto" else mean
    return mad.Loop(real=kind(*first, parameter, **known), model=kind(*first, **known), regime=regime)


def disagreements(loop, method, replicates, seed, predicted=None, generations=GENERATIONS):
    """The comparisons that fail, as text; and how many were made."""
    predicted = mad.predict(loop, generations) if predicted is None else predicted
    names = [name for name in predicted if not name.endswith("_std")]
    drawn = mad.simulate(
        loop, generations, replicates=replicates, rng=seed, method=method, progress=False,
        metrics=[getattr(metrics, name) for name in names],
    )  # fmt: skip
    failed = []
    for name in names:
        if name == "extinct":  # a yes or no, often one in a billion: its law is binomial
            seen = drawn[name].sum("replicate").values
            tests = [
                stats.binomtest(int(k), replicates, float(p)).pvalue
                for k, p in zip(seen, predicted[name].values, strict=True)
            ]
            failed += [f"extinct by {method}: {seen} of {replicates}"] if min(tests) < 1e-6 else []
            continue
        options = {"name": f"{name} by {method}", "rtol": 1e-9}
        if f"{name}_std" in predicted:
            options["std"] = predicted[f"{name}_std"].values
        try:
            testing.assert_mean_matches(drawn[name], predicted[name], **options)
        except AssertionError as error:
            failed.append(str(error))
    return failed, len(names)


@pytest.mark.parametrize("name", testing.REGIMES)
@settings(max_examples=20)
@given(data=st.data(), seed=st.integers(0, 2**16))
def test_predict_statistics_and_samples_agree(name, data, seed):
    """Every regime of the public strategies; what 1 % does to them is seen below."""
    assert set(FAMILIES) == set(testing.FAMILIES)
    loop = data.draw(testing.family_loops(names=[name], corrected=True))
    methods = {"samples": 1_000}
    if statistics_obstacle(loop) is None:
        methods["statistics"] = 4_000
    for method, replicates in methods.items():
        failed, made = disagreements(loop, method, replicates, seed)
        assert made >= 3
        assert not failed, "\n".join([str(loop), *failed])


CONTROLS = {
    "replace": regimes.replace(n=60),
    "augment": regimes.augment(n_real=24, n_synthetic=96),
    "accumulate": regimes.accumulate(n=60, n_initial=24),
    "fresh": regimes.fresh(n_real=16, n_synthetic=96, n_initial=32, memory=2),
    "custom": regimes.Regime(n_initial=32, n_synthetic=60, retain=2),
}


@pytest.mark.parametrize(
    ("name", "family"),
    [("replace", family) for family in FAMILIES]
    + [(name, family) for name in CONTROLS for family in ("poisson", "gamma", "pareto") if name != "replace"],
)
def test_one_percent_is_rejected(name, family):
    """1 % of the error, up or down, is rejected with probability 0.99; the right value is accepted."""
    loop = loop_of(family, CONTROLS[name])
    right = float(mad.predict(loop, GENERATIONS)["mean_parameter_error"][-1])
    keywords = {"metrics": metrics.mean_parameter_error, "record": "last", "progress": False}
    pilot = mad.simulate(loop, GENERATIONS, replicates=20_000, rng=0, **keywords)["mean_parameter_error"]
    std = float(pilot.std(ddof=1))
    replicates = int(np.ceil(((5 + 2.6) * std / (0.01 * right)) ** 2))
    assert testing.power(0.01 * right, std=std, n=replicates) > 0.99
    drawn = mad.simulate(loop, GENERATIONS, replicates=replicates, rng=1, **keywords)["mean_parameter_error"]
    testing.assert_mean_matches(drawn, right, std=std)
    for factor in (0.99, 1.01):
        with pytest.raises(AssertionError, match="z="):
            testing.assert_mean_matches(drawn, factor * right, std=std)


def test_the_shared_comparison_can_fail():
    """Each variable of a chain, 5 % wrong, is reported by the very function of the property test."""
    for family in FAMILIES:
        loop = loop_of(family, regimes.replace(n=40))
        right = mad.predict(loop, GENERATIONS)
        assert disagreements(loop, "statistics", 40_000, 0)[0] == []
        for name in right:
            if name.endswith("_std") or name == "extinct" or (right[name] == 0).all():
                continue
            wrong = right.assign({name: 1.05 * right[name]})
            failed, _ = disagreements(loop, "statistics", 40_000, 0, predicted=wrong)
            assert any(name in line for line in failed), (family, name)


def test_extinction_is_predicted():
    """E2 at rates where it happens, and a wrong rate is rejected."""
    real, model = mad.ExponentialFamily("poisson", 0.2), mad.ExponentialFamily("poisson")
    loop = mad.Loop(real=real, model=model, regime=regimes.replace(n=(20, 15, 25, 10, 10, 10)))
    predicted = mad.predict(loop, 6)["extinct"]
    assert predicted.attrs["kind"] == "exact law"
    drawn = mad.simulate(loop, 6, replicates=100_000, metrics=metrics.extinct, rng=0)["extinct"]
    testing.assert_mean_matches(drawn, predicted)
    wrong = mad.predict(dataclasses.replace(loop, real=mad.ExponentialFamily("poisson", 0.21)), 6)["extinct"]
    with pytest.raises(AssertionError, match="z="):
        testing.assert_mean_matches(drawn, wrong)


@pytest.mark.parametrize("family", ["poisson", "geometric", "exponential", "gamma", "normal", "binomial"])
@pytest.mark.parametrize("name", testing.REGIMES)
@settings(max_examples=3)
@given(data=st.data(), seed=st.integers(0, 2**16))
def test_real_data_of_any_law(name, family, data, seed):
    """Only the mean and variance of the real data enter: five rows stand for the truth."""
    rows = np.array([[0.0], [1.0], [1.0], [2.0], [6.0]])
    regime = data.draw(testing.regimes([name], min_size=12))
    loop = dataclasses.replace(loop_of(family, regime), real=rows)
    predicted = mad.predict(loop, GENERATIONS)
    assert set(predicted) == {"mean_parameter", "parameter_variance", "total_variance", "mean_error"}
    failed, _ = disagreements(loop, "samples", 2_000, seed)
    assert not failed, "\n".join([str(loop), *failed])
    own = mad.predict(dataclasses.replace(loop, real=loop_of(family, regime).real), GENERATIONS)
    assert not np.allclose(own["mean_error"], predicted["mean_error"], rtol=0.01)


def test_a_model_of_the_wrong_family():
    """Exponential points refitted by a gamma law of shape 3: its chain is a third as fast."""
    real = mad.ExponentialFamily("exponential", 2.0)
    model = mad.ExponentialFamily("gamma", shape=3.0)
    loop = mad.Loop(real=real, model=model, regime=regimes.replace(n=30))
    predicted = mad.predict(loop, 4)
    assert "log_mean_parameter" not in predicted
    np.testing.assert_allclose(
        np.diff(predicted["parameter_variance"]) / predicted["parameter_variance"][:-1], 1 / 90
    )
    failed, _ = disagreements(loop, "statistics", 20_000, 0)
    assert failed == []


def test_what_has_no_closed_form_says_so():
    model = mad.ExponentialFamily("poisson")
    moving = mad.Loop(
        real=lambda g: mad.ExponentialFamily("poisson", float(g)), model=model, regime=regimes.replace(n=9)
    )
    with pytest.raises(mad.NoClosedForm, match=r"real law that changes.*ExponentialFamily"):
        mad.predict(moving, 3)
    assert mad.simulate(moving, 3, replicates=5, rng=0)["mean_error"].shape == (5, 3)
    rows = np.array([[1.0], [2.0]])
    loop = mad.Loop(real=rows, model=mad.Pareto(), regime=regimes.replace(n=9))
    with pytest.raises(mad.NoClosedForm, match=r"log\(x / 1\).*Empirical"):
        mad.predict(loop, 3)
