"""One question, three answers: closed forms, drawn statistics and drawn points must agree.

Every variable that `predict` returns is held against both simulators, over the whole range of the public
strategies: means at |z| < 5, with the theoretical standard error where theory gives one; bounds as bounds;
leading orders to within half of 1/n.
"""

import dataclasses
import inspect
import re

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import madtheory as mad
from madtheory import metrics, regimes, testing, treatments
from madtheory.core.loop import statistics_obstacle
from madtheory.metrics import discrete as metrics_discrete
from madtheory.theory import gaussian
from madtheory.theory.labels import KINDS

GENERATIONS = 4
NUMERICAL = 2e-3  # relative accuracy asked of quadratures
DIM = 40  # many coordinates average: a run of hundreds of replicates sees 1 %
LEADING = 0.5  # times 1 / n: relative accuracy asked of leading orders, so that errors must fall as 1 / n


def squared_norm(snapshot):
    """Tr of the squared covariance: a second moment that theory predicts and no public metric measures."""
    factor = snapshot.model.moments.scaled_factor
    gram = np.swapaxes(factor, -1, -2) @ factor
    return np.einsum("...ij,...ij->...", gram, gram)


MEASURES = {name: getattr(metrics, name) for name in metrics.__all__} | {"squared_norm": squared_norm}


def smallest(loop, generations=GENERATIONS):
    """Size of the smallest sample that any fit sees."""
    regime = loop.regime
    mixes = [regime.at(t) for t in range(2, generations + 1)]
    sizes = [regime.n_initial, *(mix.n_synthetic for mix in mixes)]
    return min(sizes if regime.budget is None else [*sizes, *(mix.budget for mix in mixes)])


def measured(name, loop):
    """The metric behind a variable, and whether its tails are light enough for a mean of replicates."""
    dof = smallest(loop) - 1
    base = name.removesuffix("_std").removesuffix("_lower").removesuffix("_upper")
    if base == "reverse_kl_divergence":
        return base, dof > loop.at(1).real.dim + 8  # the fourth moment of an inverse Wishart
    if name.endswith("_std") or base == "squared_norm":
        return base, 2 * GENERATIONS / dof < 0.6  # log-variance of the variance: fourth moments in reach
    return base, True


def disagreements(loop, method, replicates, seed, *, predicted=None, generations=GENERATIONS):
    """Every comparison of the three answers that fails, as text; and how many were made."""
    predicted = mad.predict(loop, generations) if predicted is None else predicted
    result = simulated_for(predicted, loop, method, replicates, seed, generations)
    return disagreements_of(predicted, result, loop, method)


def simulated_for(predicted, loop, method, replicates, seed, generations=GENERATIONS):
    """A simulation that measures what is predicted."""
    wanted = {measured(name, loop)[0] for name in predicted}
    return mad.simulate(
        loop, generations, replicates=replicates, metrics=[MEASURES[name] for name in sorted(wanted)],
        rng=seed, method=method, progress=False,
    )  # fmt: skip


def disagreements_of(predicted, result, loop, method):
    """The comparisons of a prediction and a simulation that fail, as text; and how many were made."""
    failed, made = [], 0
    for name, variable in predicted.items():
        base, light = measured(name, loop)
        kind = variable.attrs["kind"]
        if not light:
            continue
        samples, expected, options = result[base], variable.values, {"name": f"{name} by {method}"}
        if kind == "bound":
            options["bound"] = name.rpartition("_")[2]
        elif name.endswith("_std"):
            samples, expected = (samples - predicted[base].values) ** 2, expected**2
        elif f"{name}_std" in predicted and np.isfinite(predicted[f"{name}_std"]).all():
            options["std"] = predicted[f"{name}_std"].values
        accuracy = {"numerical": NUMERICAL, "leading order in 1/n": LEADING / smallest(loop)}
        options["rtol"] = accuracy.get(kind, 1e-9)
        made += 1
        try:
            testing.assert_mean_matches(samples, expected, **options)
        except AssertionError as error:
            failed.append(str(error))
    return failed, made


def assert_three_answers_agree(loop, seed, *, statistics, samples):
    """Compare the three answers, and return what was simulated by method, to hold others against it."""
    methods = {"samples": samples}
    if statistics_obstacle(loop) is None:
        methods["statistics"] = statistics
    predicted, simulated = mad.predict(loop, GENERATIONS), {}
    for method, replicates in methods.items():
        simulated[method] = simulated_for(predicted, loop, method, replicates, seed)
        failed, made = disagreements_of(predicted, simulated[method], loop, method)
        assert made >= 2
        assert not failed, "\n".join([str(loop), *failed])
    return simulated


def assert_rejected(predicted, simulated, loop, method):
    """Hold a wrong prediction of the two moments against a simulation."""
    moments = predicted[["total_variance", "mean_error"]]
    failed, made = disagreements_of(moments, simulated[method], loop, method)
    assert made == 2
    assert failed
    return failed


@pytest.mark.parametrize("name", testing.REGIMES)
@settings(max_examples=12)
@given(data=st.data(), seed=st.integers(0, 2**16))
def test_predict_statistics_and_samples_agree(name, data, seed):
    """At 12 loops a regime; errors of 1 % are seen by the negative controls below."""
    assert_three_answers_agree(
        data.draw(testing.loops([name], moving=True)), seed, statistics=4_000, samples=1_000
    )


@pytest.mark.parametrize("method", ["statistics", "samples"])
@pytest.mark.parametrize("name", testing.REGIMES)
@settings(max_examples=4)
@given(data=st.data(), seed=st.integers(0, 2**16))
def test_real_data_of_any_law(name, method, data, seed):
    """First moments are free of the law: five skewed rows stand for the truth, drawn with replacement."""
    rows = np.random.default_rng(seed).exponential(size=(5, 2)) ** 2
    loop = dataclasses.replace(data.draw(testing.loops([name], min_size=8, max_dim=1)), real=rows)
    ddof = loop.model.ddof
    loop = dataclasses.replace(loop, model=mad.Gaussian(ddof=ddof))
    if method == "statistics" and statistics_obstacle(loop):
        return
    predicted = mad.predict(loop, GENERATIONS)
    assert set(predicted) == {"total_variance", "mean_error"}
    failed, made = disagreements(loop, method, 2_000, seed, predicted=predicted)
    assert made == 2
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize(
    "kept",
    [
        {"retain_real": "all"},
        {"retain_real": 2, "retain": 3},
        {"retain_real": "all", "retain": "all"},
        {"retain_real": 3, "memory": 2, "weights": (2.0, 0.5)},
        {"retain_real": "all", "retain": "all", "budget": 9},
        {"retain_real": 2, "budget": 9, "replacement": True},
    ],
    ids=str,
)
def test_fresh_real_batches_that_stay(kept):
    """The three answers agree; a prediction that drops the real batches is rejected."""
    sizes = {"n_initial": 8, "n_real": 4, "n_synthetic": 12, "real_data": "fresh"}
    loop = mad.Loop(
        real=mad.Gaussian.standard(DIM),
        model=mad.Gaussian(),
        regime=regimes.Regime(**sizes, **kept),
        bias=0.7,
    )
    simulated = assert_three_answers_agree(loop, 0, statistics=4_000, samples=1_000)
    dropped = regimes.Regime(**sizes, **{**kept, "retain_real": "last"})
    other = mad.predict(dataclasses.replace(loop, regime=dropped), GENERATIONS)
    assert len(assert_rejected(other, simulated, loop, "samples")) == 2
    if "budget" not in kept:
        assert statistics_obstacle(loop) is None


REUSED = {"n_initial": 12, "n_synthetic": 10, "real_data": "fixed"}
AXES = {
    "a part": (REUSED | {"n_real": 4}, {"n_real": 12}),
    "a part, all batches": (REUSED | {"n_real": 4, "retain": "all"}, {"n_real": 12}),
    "a part, weights": (REUSED | {"n_real": 4, "weights": (3.0, 1.0), "memory": 2}, {"n_real": 12}),
    "parts that grow and shrink": (REUSED | {"n_real": (0, 3, 9, 6)}, {"n_real": (0, 9, 9, 9)}),
    "parts by a function": (REUSED | {"n_real": lambda t: 3 * (5 - t)}, {"n_real": 3}),
    "fixed and fresh": (REUSED | {"n_real": 5, "n_fresh": 6}, {"n_fresh": 0}),
    "fixed and all fresh": (
        REUSED | {"n_real": 5, "n_fresh": 6, "retain_real": "all"},
        {"retain_real": "last"},
    ),
    "fixed and fresh, budget": (REUSED | {"n_real": 5, "n_fresh": (0, 9, 0, 9), "budget": 9}, {"n_fresh": 0}),
    "carried": ({"n_initial": 12, "n_synthetic": 8, "n_carried": 7}, {"n_carried": 0}),
    "carried, all batches": (
        {"n_initial": 9, "n_synthetic": 8, "n_carried": (0, 9, 17, 9), "retain": "all"},
        {"n_carried": 0},
    ),
    "carried, known points": (REUSED | {"n_real": 6, "n_carried": 8, "retain": 2}, {"n_carried": 0}),
    "carried, budget": (REUSED | {"n_real": 6, "n_carried": 9, "budget": 9, "memory": 2}, {"n_carried": 0}),
    "carried, replacement": (
        REUSED | {"n_real": 6, "n_carried": 9, "budget": 9, "replacement": True},
        {"n_carried": 0},
    ),
    "carried, weights": (
        REUSED | {"n_real": 6, "n_carried": 9, "weights": (2.0, 1.0, 4.0)},
        {"weights": (2, 1, 1)},
    ),
    "carried, logarithmic": (
        REUSED | {"n_real": 6, "n_carried": 7, "retain": "logarithmic"},
        {"n_carried": 0},
    ),
    "memory, logarithmic": (
        {"n_initial": 12, "n_synthetic": 10, "memory": 2, "retain": "logarithmic"},
        {"memory": 1},
    ),
    "fresh by generation": (
        {"n_initial": 12, "n_synthetic": 10, "real_data": "fresh", "n_real": (0, 8, 2, 0), "retain_real": 2},
        {"n_real": 8},
    ),
    "budget by generation": (
        {"n_initial": 12, "n_synthetic": 10, "retain": 2, "budget": (0, 10, 6, 14)},
        {"budget": 10},
    ),
    "weights by generation": (
        REUSED | {"n_real": 12, "weights": [None, (1, 1), (1, 4), (3, 1)], "retain": 2},
        {"weights": (1, 1)},
    ),
    "weights of all batches": (
        REUSED | {"n_real": 12, "retain": "all", "weights": (3.0, 1.0)},
        {"weights": None},
    ),
}


@pytest.mark.parametrize("name", AXES)
def test_axes_of_the_design_space(name):
    """The three answers agree on every axis; the prediction without it is rejected by both simulators."""
    fields, without = AXES[name]
    loop = mad.Loop(
        real=mad.Gaussian.standard(DIM), model=mad.Gaussian(), regime=regimes.Regime(**fields), bias=0.7
    )
    regime = loop.regime
    by_points = regime.n_carried != 0 or callable(regime.n_real) or regime.budget is not None
    by_points = by_points or regime.retain == "logarithmic"
    assert (statistics_obstacle(loop) is not None) == by_points
    simulated = assert_three_answers_agree(loop, 0, statistics=4_000, samples=1_500)
    assert len(simulated) == (1 if by_points else 2)
    other = dataclasses.replace(loop, regime=regimes.Regime(**fields | without))
    for method in simulated:
        assert_rejected(mad.predict(other, GENERATIONS), simulated, loop, method)


@pytest.mark.parametrize("name", ["carried, known points", "fixed and all fresh", "parts by a function"])
@pytest.mark.parametrize(
    "model", [mad.KernelDensity(0.4), mad.Categorical(symbols=3)], ids=lambda m: type(m).__name__
)
def test_axes_of_the_design_space_in_other_models(model, name):
    fields, without = AXES[name]
    discrete = isinstance(model, mad.Categorical)
    real = mad.Categorical([0.2, 0.3, 0.5]) if discrete else mad.Gaussian.standard(DIM)
    loop = mad.Loop(real=real, model=model, regime=regimes.Regime(**fields))
    variable = "heterozygosity" if discrete else "mean_error"
    measure = metrics_discrete.heterozygosity if discrete else metrics.mean_error
    predicted = mad.predict(loop, GENERATIONS)[variable]
    simulated = mad.simulate(
        loop, GENERATIONS, replicates=20_000 if discrete else 1_500, metrics=[measure], rng=0, progress=False
    )[variable]
    testing.assert_mean_matches(simulated, predicted)
    other = dataclasses.replace(loop, regime=regimes.Regime(**fields | without))
    with pytest.raises(AssertionError, match="z="):
        testing.assert_mean_matches(simulated, mad.predict(other, GENERATIONS)[variable])


def moving(t):
    """A law whose mean and covariance change direction."""
    scale = np.linspace(1.0, 1.0 + 0.4 * (t - 1), DIM)
    return mad.Gaussian(np.linspace(0.0, 0.5 * (t - 1), DIM) ** 2, np.diag(scale))


def drifting(t):
    return mad.Categorical(np.array([4, 2 + t, 6 - t]) / 12)


@pytest.mark.parametrize(
    "fields",
    [
        {"n_initial": 12, "n_synthetic": 10},
        {
            "n_initial": 12,
            "n_synthetic": 10,
            "real_data": "fresh",
            "n_real": 8,
            "retain_real": 2,
            "memory": 2,
        },
        {"n_initial": 12, "n_synthetic": 10, "real_data": "fresh", "n_real": 8, "weights": (1.0, 2.0)},
        REUSED | {"n_real": 12, "retain": "all"},
        REUSED | {"n_real": (0, 4, 9, 6), "n_fresh": 5},
        REUSED | {"n_real": 6, "n_fresh": 5, "n_carried": 7, "budget": 12},
    ],
    ids=str,
)
@pytest.mark.parametrize("treatment", [(), treatments.correct(0.7)], ids=["", "corrected"])
def test_a_real_law_that_changes(fields, treatment):
    """Metrics compare with the law of the generation; a law that stays is rejected."""
    regime = regimes.Regime(**fields)
    loop = mad.Loop(real=moving, model=mad.Gaussian(), regime=regime, bias=0.7, treatments=treatment)
    assert set(mad.predict(loop, GENERATIONS)) == {"total_variance", "mean_error"}
    simulated = assert_three_answers_agree(loop, 0, statistics=4_000, samples=1_500)
    assert_rejected(mad.predict(loop.at(1), GENERATIONS), simulated, loop, "samples")


@pytest.mark.parametrize(
    ("real", "model", "measure"),
    [
        (moving, mad.KernelDensity(0.4), metrics.mean_error),
        (moving, mad.KernelDensity("scott"), metrics.total_variance),
        (drifting, mad.Categorical(symbols=3), metrics_discrete.heterozygosity),
        (drifting, mad.Categorical(symbols=3), metrics_discrete.squared_error),
    ],
)
def test_a_real_law_that_changes_in_other_models(real, model, measure):
    regime = regimes.Regime(**REUSED | {"n_real": (0, 4, 9, 6), "n_fresh": 5, "retain_real": 2})
    loop = mad.Loop(real=real, model=model, regime=regime)
    replicates = 40_000 if isinstance(model, mad.Categorical) else 2_000
    simulated = mad.simulate(
        loop, GENERATIONS, replicates=replicates, metrics=[measure], rng=0, progress=False
    )
    name = measure.__name__
    testing.assert_mean_matches(simulated[name], mad.predict(loop, GENERATIONS)[name])
    with pytest.raises(AssertionError, match="z="):
        testing.assert_mean_matches(simulated[name], mad.predict(loop.at(1), GENERATIONS)[name])


def test_laws_that_change_without_a_closed_form_say_why():
    class Points:
        def sample(self, n, *, rng):
            return rng.normal(size=(n, DIM))

    regime = regimes.fresh(n_real=8, n_synthetic=8)
    known = mad.Gaussian(known_mean=np.zeros(DIM))
    cases = [
        (
            lambda t: moving(t) if t < 3 else Points(),
            mad.Gaussian(),
            "real Points has no mean and covariance",
        ),
        (moving, known, "known_mean differs"),
        (
            lambda t: drifting(t) if t < 3 else mad.Categorical([0.5, 0.5]),
            mad.Categorical(),
            "symbols of gen",
        ),
    ]
    for real, model, message in cases:
        loop = mad.Loop(real=real, model=model, regime=regime)
        assert len(mad.predict(loop, 1 if model is known else 2).generation)
        with pytest.raises(mad.NoClosedForm, match=message):
            mad.predict(loop, 3)


@pytest.mark.parametrize(
    "model", [mad.KernelDensity(0.4), mad.Categorical(symbols=3)], ids=lambda m: type(m).__name__
)
def test_fresh_real_batches_that_stay_in_other_models(model):
    regime = regimes.Regime(
        n_initial=8, n_real=4, n_synthetic=12, real_data="fresh", retain_real="all", retain=2
    )
    discrete = isinstance(model, mad.Categorical)
    real = mad.Categorical([0.2, 0.3, 0.5]) if discrete else mad.Gaussian.standard(DIM)
    loop = mad.Loop(real=real, model=model, regime=regime)
    name = "heterozygosity" if discrete else "total_variance"
    measure = metrics_discrete.heterozygosity if discrete else metrics.total_variance
    predicted = mad.predict(loop, GENERATIONS)[name]
    replicates = 8_000 if discrete else 1_000
    simulated = mad.simulate(loop, GENERATIONS, replicates=replicates, metrics=[measure], rng=0)[name]
    testing.assert_mean_matches(simulated, predicted)
    dropped = dataclasses.replace(loop, regime=dataclasses.replace(regime, retain_real="last"))
    with pytest.raises(AssertionError, match="z="):
        testing.assert_mean_matches(simulated, mad.predict(dropped, GENERATIONS)[name])


# Corrections and kernels in all regimes ------------------------------------------------------------------

MIXED = {"n_initial": 8, "n_synthetic": 12}
FIXED = {**MIXED, "n_real": 8, "real_data": "fixed"}
FRESH = {**MIXED, "n_real": 4, "real_data": "fresh"}
EVERYWHERE = {  # a point of the design space, and one field by which another differs
    "memory": ({**MIXED, "memory": 2}, {"memory": 1}),
    "window": ({**MIXED, "retain": 2}, {"retain": "last"}),
    "weights": ({**FIXED, "weights": (2.0, 0.5)}, {"weights": None}),
    "subsample": ({**FIXED, "retain": "all", "budget": 9}, {"budget": None}),
    "bootstrap": ({**FIXED, "retain": "all", "budget": 9, "replacement": True}, {"retain": "last"}),
    "real batches": ({**FRESH, "retain_real": "all"}, {"retain_real": "last"}),
    "fixed and fresh": ({**FIXED, "n_fresh": 6}, {"n_fresh": 0}),
    "all at once": (
        {**FRESH, "retain": 3, "retain_real": 2, "memory": 2, "weights": (0.5, 2.0)},
        {"memory": 1},
    ),
    "weights by generation": (
        {**FIXED, "weights": lambda t: (1.0, float(t))},
        {"weights": (1.0, 2.0)},
    ),
}
TREATED = {
    "corrected": {"model": mad.Gaussian(), "treatments": treatments.correct(0.3), "bias": 0.7},
    "corrected kernel": {"model": mad.KernelDensity(0.5), "treatments": treatments.correct(0.3)},
    "kernel": {"model": mad.KernelDensity("silverman"), "bias": 0.7},
}


@pytest.mark.parametrize("parts", TREATED.values(), ids=TREATED)
@pytest.mark.parametrize(("fields", "other"), EVERYWHERE.values(), ids=EVERYWHERE)
def test_corrections_and_kernels_in_every_regime(fields, other, parts):
    """The three answers agree; a neighbouring regime and a wrong strength or bandwidth are rejected.

    Of 2,000 replicates in 40 dimensions a standard error is 0.2 to 0.7 % of the variance. The wrong
    predictions are off by 5 % or more, at least nine standard errors: rejected with probability 0.9999.
    """
    loop = mad.Loop(real=mad.Gaussian.standard(DIM), regime=regimes.Regime(**fields), **parts)
    assert set(mad.predict(loop, 1)) == {"total_variance", "mean_error"}
    simulated = assert_three_answers_agree(loop, 0, statistics=4_000, samples=2_000)
    if "treatments" in parts:
        wrong = dataclasses.replace(loop, treatments=(treatments.correct(0.5),))
    else:
        wrong = dataclasses.replace(loop, model=mad.KernelDensity("scott"), bias=0.8)
    neighbour = dataclasses.replace(loop, regime=dataclasses.replace(loop.regime, **other))
    for false in (wrong, neighbour):
        assert_rejected(mad.predict(false, GENERATIONS), simulated, loop, "samples")


@pytest.mark.parametrize(("fields", "other"), EVERYWHERE.values(), ids=EVERYWHERE)
def test_corrected_symbols_in_every_regime(fields, other):
    """Heterozygosity and its variance, by both methods; neighbours are told apart at 20,000 replicates."""
    loop = mad.Loop(
        real=mad.Categorical(np.full(20, 0.05)), model=mad.Categorical(symbols=20),
        regime=regimes.Regime(**fields), treatments=treatments.correct(0.3),
    )  # fmt: skip
    predicted = mad.predict(loop, GENERATIONS)["heterozygosity"]
    keywords = {"metrics": [metrics_discrete.heterozygosity], "replicates": 20_000, "rng": 0}
    if statistics_obstacle(loop) is None:
        drawn = mad.simulate(loop, GENERATIONS, **keywords)["heterozygosity"]
        testing.assert_mean_matches(drawn, predicted)
    drawn = mad.simulate(loop, GENERATIONS, **keywords | {"replicates": 4_000}, method="samples")
    testing.assert_mean_matches(drawn["heterozygosity"], predicted)
    neighbour = dataclasses.replace(loop.regime, **other)
    for false in ({"regime": neighbour}, {"treatments": (treatments.correct(1.0),)}):
        wrong = mad.predict(dataclasses.replace(loop, **false), GENERATIONS)["heterozygosity"]
        with pytest.raises(AssertionError, match="z="):
            testing.assert_mean_matches(drawn["heterozygosity"], wrong)


# Negative controls: what the test above must reject, with the power to do so ---------------------------

CONTROLS = {
    "replace": regimes.replace(n=60),
    "augment": regimes.augment(n_real=24, n_synthetic=96),
    "accumulate": regimes.accumulate(n=60, n_initial=24),
    "accumulate_subsample": regimes.accumulate_subsample(n=48),
    "fresh": regimes.fresh(n_real=16, n_synthetic=96, n_initial=32, memory=2),
    "custom": regimes.Regime(n_initial=32, n_synthetic=60, retain=2),
}
CONTROLS_DIM = 8  # below all sizes: singular fits have heavy tails, and would need ten times the replicates
ERRORS = ("formula", "bias")


def wrong(loop, error, factor):
    """The prediction with a formula, or the bias, wrong by a factor."""
    if error == "bias":
        return mad.predict(dataclasses.replace(loop, bias=loop.bias * factor), GENERATIONS)
    right = mad.predict(loop, GENERATIONS)
    return right.assign(total_variance=right["total_variance"].copy(data=factor * right["total_variance"]))


@pytest.mark.parametrize("method", ["statistics", "samples"])
@pytest.mark.parametrize("name", CONTROLS)
def test_one_percent_is_rejected(name, method):
    """1 % in a formula or in the bias, up or down, is rejected with probability 0.99, right is accepted."""
    assert set(CONTROLS) == set(testing.REGIMES)
    real = mad.Gaussian.standard(CONTROLS_DIM)
    loop = mad.Loop(real=real, model=mad.Gaussian(), regime=CONTROLS[name], bias=0.9)
    if method == "statistics" and statistics_obstacle(loop):
        return
    keywords = {"metrics": [metrics.total_variance], "rng": 0, "method": method, "record": "last"}
    right = float(mad.predict(loop, GENERATIONS)["total_variance"][-1])
    pilot = mad.simulate(loop, GENERATIONS, replicates=400, **keywords)["total_variance"].values
    std = float(pilot.std(ddof=1))
    expectations = [
        float(wrong(loop, error, factor)["total_variance"][-1]) for error in ERRORS for factor in (0.99, 1.01)
    ]
    smallest_error = min(abs(value - right) for value in expectations)
    replicates = int(np.ceil(((5 + 2.6) * std / smallest_error) ** 2))
    assert testing.power(smallest_error, std=std, n=replicates) > 0.99
    keywords["rng"] = 1
    samples = mad.simulate(loop, GENERATIONS, replicates=replicates, **keywords)["total_variance"]
    testing.assert_mean_matches(samples, right, std=std)
    for value in expectations:
        with pytest.raises(AssertionError, match="z="):
            testing.assert_mean_matches(samples, value, std=std)


def test_the_shared_comparison_can_fail():
    """The very function of the property test reports a wrong formula, a wrong bias and a wrong bound."""
    loop = mad.Loop(
        real=mad.Gaussian.standard(DIM), model=mad.Gaussian(), regime=regimes.replace(n=15), bias=0.9
    )
    right = mad.predict(loop, GENERATIONS)
    result = simulated_for(right, loop, "statistics", 4_000, 0)
    assert disagreements_of(right, result, loop, "statistics") == ([], len(mad.predict(loop, 1)))
    for error in ERRORS:
        failed, _ = disagreements_of(wrong(loop, error, 1.02), result, loop, "statistics")
        assert any("total_variance by statistics" in line for line in failed)
    swapped = right.rename(
        wasserstein2_squared_lower="wasserstein2_squared_upper",
        wasserstein2_squared_upper="wasserstein2_squared_lower",
    )
    failed, _ = disagreements_of(swapped, result, loop, "statistics")
    assert len(failed) == 2


@pytest.mark.parametrize(
    "regime",
    [
        regimes.replace(n=6),
        regimes.augment(n_real=5, n_synthetic=40),
        regimes.accumulate(n=6),
        regimes.fresh(n_real=5, n_synthetic=40),
        regimes.fresh(n_real=5, n_synthetic=5),
    ],
    ids=lambda regime: f"{regime.name} {regime.n_real} {regime.n_synthetic}",
)
def test_one_dimension_to_its_stated_accuracy(regime):
    """In 1-D all distances are predicted; small samples and 100,000 replicates see 2 % of W2."""
    loop = mad.Loop(real=mad.Gaussian(1.0, 2.0), model=mad.Gaussian(), regime=regime)
    assert "wasserstein2_squared" in mad.predict(loop, GENERATIONS)
    failed, _ = disagreements(loop, "statistics", 100_000, 0)
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize("regime", [regimes.fresh, regimes.augment], ids=["fresh", "augment"])
def test_leading_orders_converge(regime):
    """At 32 times the size the same prediction is right to 0.3 %, and 3 % wrong is rejected."""
    loop = mad.Loop(
        real=mad.Gaussian.standard(20),
        model=mad.Gaussian(),
        regime=regime(n_real=192, n_synthetic=384),
        bias=0.8,
    )
    predicted = mad.predict(loop, GENERATIONS)["wasserstein2_squared"]
    assert predicted.attrs["kind"] == "leading order in 1/n"
    keywords = {"replicates": 800, "metrics": [metrics.wasserstein2_squared], "rng": 0}
    samples = mad.simulate(loop, GENERATIONS, **keywords)["wasserstein2_squared"]
    testing.assert_mean_matches(samples, predicted, rtol=0.003)
    for factor in (0.97, 1.03):
        with pytest.raises(AssertionError, match="z="):
            testing.assert_mean_matches(samples, factor * predicted, rtol=0.003)


# The table ---------------------------------------------------------------------------------------------


@given(loop=testing.loops())
def test_predictions_are_labelled_and_have_the_prefix_property(loop):
    long, short = mad.predict(loop, 5), mad.predict(loop, 3)
    assert {"total_variance", "mean_error"} <= set(long)
    for name, variable in long.items():
        assert variable.dims == ("generation",)
        assert variable.attrs["kind"] in KINDS
        assert variable.attrs["source"]
        assert measured(name, loop)[0] in MEASURES
        assert (variable.attrs["kind"] == "bound") == name.endswith(("_lower", "_upper"))
        np.testing.assert_allclose(variable[:3], short[name], rtol=1e-9, err_msg=name)
        assert not np.isnan(variable).any(), name
    assert long.generation.values.tolist() == [1, 2, 3, 4, 5]
    assert long.attrs["regime"] == loop.regime.name


@given(loop=testing.loops(), scale=st.floats(0.1, 10))
def test_predictions_scale_with_the_truth(loop, scale):
    """Squares of lengths scale; divergences do not; the mean of the truth does not matter."""
    moved = mad.Gaussian(loop.real.mean + 5, scale * loop.real.covariance)
    known = None if loop.model.known_mean is None else moved.mean
    other = dataclasses.replace(loop, real=moved, model=mad.Gaussian(ddof=loop.model.ddof, known_mean=known))
    before, after = mad.predict(loop, 3), mad.predict(other, 3)
    for name in before:
        factor = scale**2 if name == "squared_norm" else scale
        expected = before[name] * (1 if "kl_" in name else factor)
        if name == "log_volume":
            expected = before[name] + loop.real.dim * np.log(scale)
        np.testing.assert_allclose(after[name], expected, rtol=1e-6, atol=1e-9, err_msg=name)


def test_no_bias_is_bias_1():
    regime = regimes.fresh(n_real=5, n_synthetic=9)
    plain, one = (
        mad.Loop(real=mad.Gaussian.standard(2), model=mad.Gaussian(), regime=regime, bias=b)
        for b in (None, 1.0)
    )
    assert mad.predict(plain, 4).identical(mad.predict(one, 4))


@pytest.mark.parametrize("name", testing.REGIMES)
def test_theory_keywords_repeat_the_regimes(name):
    """Same words, same defaults, all keyword-only; theory adds only what is not of the regime."""
    constructor = regimes.Regime if name == "custom" else getattr(regimes, name)
    theory = inspect.signature(
        gaussian.first_moments if name == "custom" else getattr(gaussian, name)
    ).parameters
    words = inspect.signature(constructor).parameters
    assert set(words) <= set(theory)
    for word, parameter in words.items():
        assert theory[word].default == parameter.default, word
    assert all(p.kind is p.KEYWORD_ONLY for p in theory.values())
    added = {"bias", "ddof", "known_mean", "dim", "spectrum", "generations"}
    assert added <= set(theory)
    assert set(theory) - set(words) - added <= {"n_initial", "variables"}


def test_missing_forms_say_what_is_missing():
    class Other:
        def fit(self, data, *, rng):
            return self

        def sample(self, n, *, rng):
            return np.zeros((n, 2))

    standard, regime = mad.Gaussian.standard(2), regimes.replace(n=9)
    with pytest.raises(
        mad.NoClosedForm, match=r"model Other in regime 'replace'; there are those of: .*Gaussian.*simulate"
    ):
        mad.predict(mad.Loop(real=standard, model=Other(), regime=regime), 3)
    with pytest.raises(mad.NoClosedForm, match=r"real Other has no mean and covariance.*simulate"):
        mad.predict(mad.Loop(real=Other(), model=mad.Gaussian(), regime=regime), 3)
    with pytest.raises(mad.NoClosedForm, match="known_mean differs from the mean of real"):
        mad.predict(mad.Loop(real=standard, model=mad.Gaussian(known_mean=[1.0, 0.0]), regime=regime), 3)
    with pytest.raises(ValueError, match="generations=0"):
        mad.predict(mad.Loop(real=standard, model=mad.Gaussian(), regime=regime), 0)


# What is computed, and what is left out -----------------------------------------------------------------

SELECTIONS = {
    "fresh": mad.Loop(
        real=mad.Gaussian.standard(2),
        model=mad.Gaussian(),
        regime=regimes.fresh(n_real=9, n_synthetic=5),
    ),
    "augment": mad.Loop(
        real=mad.Gaussian.standard(1),
        model=mad.Gaussian(),
        regime=regimes.augment(n_real=9, n_synthetic=5),
    ),
    "accumulate": mad.Loop(
        real=mad.Gaussian.standard(1), model=mad.Gaussian(), regime=regimes.accumulate(n=9)
    ),
    "categorical": mad.Loop(
        real=mad.models.Categorical([0.5, 0.3, 0.2]),
        model=mad.models.Categorical(symbols=3),
        regime=regimes.replace(n=9),
    ),
}


@pytest.mark.parametrize("loop", SELECTIONS.values(), ids=SELECTIONS)
def test_variables_are_those_asked_for_and_the_same_bits(loop):
    everything = mad.predict(loop, 5)
    for name in everything:
        only = mad.predict(loop, 5, variables=[name])
        assert list(only) == [name]
        np.testing.assert_array_equal(only[name], everything[name])
        assert only[name].attrs == everything[name].attrs
    for wrong in (["total_variance", "foo"], [], "foo"):
        with pytest.raises(ValueError, match=r"variables=.*this loop has: .*" + list(everything)[-1]):
            mad.predict(loop, 5, variables=wrong)


def test_what_costs_is_not_computed_unless_asked_for(monkeypatch):
    from madtheory.theory.gaussian import wasserstein as _wasserstein

    def refuse(*arguments):
        raise AssertionError("computed")

    monkeypatch.setattr(_wasserstein, "_deficits", refuse)
    loop = SELECTIONS["fresh"]
    for cheap in ("total_variance", "squared_norm", "wasserstein2_squared_lower"):
        assert np.isfinite(mad.predict(loop, 5, variables=[cheap])[cheap]).all()
    with pytest.raises(AssertionError, match="computed"):
        mad.predict(loop, 5, variables=["wasserstein2_squared"])


def wright_fisher(n, probabilities, generations):
    return mad.Loop(
        real=mad.models.Categorical(probabilities),
        model=mad.models.Categorical(symbols=len(probabilities)),
        regime=regimes.replace(n=n),
    ), generations


def test_large_categorical_loops_keep_their_variables():
    """From 40,001 points on support and entropy are leading orders, within 1e-4 and 1e-3 of exact values."""
    rare = [0.6, 0.4 - 5e-4 - 1e-5, 5e-4, 1e-5]
    exact = mad.predict(*wright_fisher(40_000, rare, 20))
    leading = mad.predict(*wright_fisher(40_001, rare, 20))
    assert set(exact) == set(leading)
    assert "omitted" not in leading.attrs
    for name, accuracy in (("support_size", 1e-4), ("entropy", 1e-3)):
        assert exact[name].attrs["kind"] == "exact mean"
        assert leading[name].attrs["kind"] == "leading order in 1/n"
        np.testing.assert_allclose(leading[name], exact[name], rtol=accuracy)
        assert abs(float(leading[name][-1] / exact[name][0]) - 1) > 1e-4  # it moves
    assert (leading["support_size"][5] - exact["support_size"][0]) < -0.05


def test_changing_sizes_keep_support_and_entropy():
    """The branching value for sizes that grow, against simulated supports of 4,000 runs."""
    grown = lambda g: 200 + 20 * g  # noqa: E731
    loop, _ = wright_fisher(grown, [0.6, 0.3, 0.08, 0.015, 0.005], 8)
    predicted = mad.predict(loop, 8)
    assert predicted["support_size"].attrs["kind"] == "leading order in 1/n"
    simulated = mad.simulate(
        loop, 8, replicates=4_000, metrics=[metrics_discrete.support_size], rng=0, progress=False
    )
    mean = simulated["support_size"].mean("replicate")
    np.testing.assert_allclose(predicted["support_size"], mean, rtol=0.01)
    assert abs(float(predicted["support_size"][-1] / mean[0]) - 1) > 0.03


def test_what_is_left_out_is_named_with_the_cause():
    real, model = mad.Gaussian.standard(2), mad.Gaussian()
    cases = [
        (regimes.fresh(n_real=5, n_synthetic=5, memory=2), real, "total_variance_std: memory=2"),
        (regimes.augment(n_real=5, n_synthetic=5, weights=(1, 2)), real, "wasserstein2_squared: .*weights="),
        (
            regimes.fresh(n_real=5, n_synthetic=lambda g: g),
            real,
            "wasserstein2_squared: .*batches of one size",
        ),
        (regimes.replace(n=4), np.arange(8.0).reshape(4, 2) ** 2, "log_volume: .*not Gaussian"),
        (regimes.replace(n=3), real, "reverse_kl_divergence: .*degrees of freedom"),
        (regimes.accumulate(n=4), real, "log_volume: known in one dimension only"),
    ]
    for regime, source, message in cases:
        predicted = mad.predict(mad.Loop(real=source, model=model, regime=regime), 3)
        assert re.search(message, predicted.attrs["omitted"]), predicted.attrs
    smooth = mad.Loop(
        real=mad.models.Categorical([0.5, 0.5]),
        model=mad.models.Categorical(symbols=2, smoothing=1.0),
        regime=regimes.replace(n=9),
    )
    assert "support_size: smoothing=1" in mad.predict(smooth, 3).attrs["omitted"]
    whole = mad.Loop(real=mad.Gaussian.standard(1), model=model, regime=regimes.replace(n=9))
    assert "omitted" not in mad.predict(whole, 3).attrs
