"""The theory of the page is Python's, to 1e-9; its simulation agrees with `predict`."""

import itertools

import numpy as np
import pytest
from scripts_in_node import needs_node, run_node

import madtheory as mad
from madtheory import regimes, testing
from madtheory.page.phase import BIASES, SIZES

pytestmark = needs_node

GENERATIONS = 50
SPECTRUM = [5.0, 2.0, 0.5]
LAW = np.array([0.5, 0.2, 0.2, 0.08, 0.02])
REGIMES = ("replace", "augment", "accumulate", "fresh")


def python_regime(loop):
    sizes = {"n_real": loop["nReal"], "n_synthetic": loop["nSynthetic"]}
    weights = {} if loop["realWeight"] == 1 else {"weights": (loop["realWeight"], 1.0)}
    if loop["regime"] in ("replace", "accumulate"):
        sizes = {"n": loop["nSynthetic"], "n_initial": loop["nReal"]}
    return getattr(regimes, loop["regime"])(**sizes, **weights)


def python_loop(loop):
    treatments = [mad.treatments.correct(loop["correction"])] if loop["correction"] else []
    shared = {"regime": python_regime(loop), "treatments": treatments}
    if "probabilities" in loop:
        return mad.Loop(real=mad.Categorical(loop["probabilities"]), model=mad.Categorical(), **shared)
    dim = len(loop["spectrum"])
    real = mad.Gaussian(np.zeros(dim), np.diag(loop["spectrum"]))
    return mad.Loop(real=real, model=mad.Gaussian(), bias=loop["bias"], **shared)


def page_loop(regime, kind="points", *, real=20, synthetic=20, bias=1.0, correction=0.0, weight=1.0):
    law = {"points": {"spectrum": SPECTRUM}, "line": {"spectrum": [1.0]}}.get(
        kind, {"probabilities": LAW.tolist()}
    )
    return law | {
        "ddof": 0 if kind == "tokens" else 1, "regime": regime, "nReal": real, "nSynthetic": synthetic,
        "bias": bias, "correction": correction, "realWeight": weight,
    }  # fmt: skip


def loops():
    """Loops of every regime, generator and treatment, over the sizes and biases that the page offers."""
    draw = np.random.default_rng(0)
    kinds = [(kind, regime) for kind in ("line", "points", "tokens") for regime in REGIMES]
    for (kind, regime), treatment in itertools.product(kinds, ("none", "weights", "correct")):
        if (treatment, regime) == ("weights", "replace"):
            continue
        for _ in range(4):
            real, synthetic = (int(n) for n in draw.choice(SIZES, 2))
            yield page_loop(
                regime,
                kind,
                real=real,
                synthetic=synthetic,
                bias=1.0 if kind == "tokens" else float(draw.choice(BIASES)),
                correction=0.5 if treatment == "correct" else 0.0,
                weight=4.0 if treatment == "weights" else 1.0,
            )


def test_means_are_those_of_predict():
    cases = list(loops())
    found = run_node(f"given.map((loop) => Engine.moments(loop, {GENERATIONS}))", cases)
    for loop, ours in zip(cases, found, strict=True):
        known = mad.predict(python_loop(loop), GENERATIONS)
        if "probabilities" in loop:
            scale, names = float(LAW @ (1 - LAW)), ("heterozygosity", "squared_error")
        else:
            scale, names = sum(loop["spectrum"]), ("total_variance", "mean_error")
        for name, key in zip(names, ("variance", "error"), strict=True):
            if name in known:
                np.testing.assert_allclose(scale * np.array(ours[key]), known[name], rtol=1e-9, err_msg=loop)


def test_the_law_is_that_of_python():
    """Within 1e-9 standard deviations of the logarithm."""
    sizes = [(5, 5), (5, 1000), (1000, 5), (40, 40), (10, 63), (1000, 1000)]
    cases = [
        page_loop("replace", "line", real=a, synthetic=b, bias=bias)
        for a, b in sizes
        for bias in (0.5, 1.0, 1.02)
    ]
    quantiles = [0.001, 0.05, 0.5, 0.95, 0.999]
    found = run_node(
        f"given.map((loop) => Engine.theory(loop, {GENERATIONS}, {quantiles}).law.map((x) => [...x]))", cases
    )
    for loop, ours in zip(cases, np.array(found), strict=True):
        for generation in (1, 2, 7, GENERATIONS):
            law = mad.theory.gaussian.variance_law(
                generation=generation, n=loop["nSynthetic"], n_initial=loop["nReal"], bias=loop["bias"]
            )
            apart = np.log(ours[:, generation - 1]) - law.log_ppf(quantiles)
            assert np.abs(apart).max() < 1e-9 * np.sqrt(law.log_var()), loop


def test_there_is_a_law_only_where_it_is_exact():
    cases = [
        page_loop("replace"),
        page_loop("replace", "line", correction=0.5),
        page_loop("augment", "line"),
        page_loop("replace", "tokens"),
    ]
    assert run_node("given.map((loop) => Engine.theory(loop, 3).law)", cases) == [None] * 4


def simulated(loop, *, runs=4000, generations=8, seed=7):
    """Runs of the page's simulation, shape (quantity, run, generation)."""
    return np.array(
        run_node(
            f"(() => {{const r = Engine.simulate(given, {generations}, {{runs: {runs}, seed: {seed}}});"
            "return [r.map((x) => [...x.variance]), r.map((x) => [...x.error])]})()",
            loop,
        )
    )


def scores(samples, known):
    """Differences of the means over runs from theory, in standard errors; the power: 1 % is several."""
    return (samples.mean(0) - known) / (samples.std(0, ddof=1) / np.sqrt(len(samples)))


CASES = {
    **{f"{regime}": page_loop(regime, real=20, synthetic=30, bias=0.9) for regime in REGIMES},
    **{f"{r} weighted": page_loop(r, real=12, synthetic=30, weight=4.0) for r in REGIMES[1:]},
    **{f"{r} corrected": page_loop(r, real=12, synthetic=30, bias=0.9, correction=0.5) for r in REGIMES},
    **{f"{regime} tokens": page_loop(regime, "tokens", real=15, synthetic=40) for regime in REGIMES},
    "tokens corrected": page_loop("augment", "tokens", real=15, synthetic=150, correction=0.5),
    "tokens weighted": page_loop("fresh", "tokens", real=15, synthetic=40, weight=4.0),
    "few points": page_loop("fresh", real=5, synthetic=3, correction=0.5),
}


@pytest.mark.parametrize("name", CASES)
def test_simulation_agrees_with_theory(name):
    loop = CASES[name]
    variance, error = simulated(loop)
    known = run_node("Engine.moments(given, 8)", loop)
    assert np.abs(scores(variance, np.array(known["variance"]))).max() < 5
    assert np.abs(scores(error, np.array(known["error"]))).max() < 5


@pytest.mark.parametrize("name", ["replace", "fresh corrected", "augment weighted", "accumulate tokens"])
def test_another_loop_is_told_apart(name):
    """Negative control: theory of a tenth more synthetic points, or of two points fewer, is refused."""
    loop = CASES[name]
    variance, error = simulated(loop)
    other = loop | {"nSynthetic": int(loop["nSynthetic"] * 0.9) - 2, "nReal": loop["nReal"] - 2}
    known = run_node("Engine.moments(given, 8)", other)
    worst = max(
        np.abs(scores(variance, np.array(known["variance"]))).max(),
        np.abs(scores(error, np.array(known["error"]))).max(),
    )
    assert worst > 5


def test_log_variance_follows_the_exact_law():
    """Collapse on the log scale: the shares of runs below exact quantiles, after 30 generations."""
    loop, runs = page_loop("replace", "line", real=10, synthetic=10, bias=0.95), 8000
    last = simulated(loop, runs=runs, generations=30)[0][:, -1]
    law = mad.theory.gaussian.variance_law(generation=30, n=10, bias=0.95)
    wrong = mad.theory.gaussian.variance_law(generation=30, n=10, bias=0.94)
    for q in (0.05, 0.25, 0.5, 0.75, 0.95):
        below = np.mean(np.log(last) <= law.log_ppf(q))
        assert abs(below - q) < 5 * np.sqrt(q * (1 - q) / runs)
    assert abs(np.mean(np.log(last) <= wrong.log_ppf(0.5)) - 0.5) > 5 * np.sqrt(0.25 / runs)


def test_random_numbers_have_their_laws():
    """Means of a stream of gammas, normals and binomials, with those of a wrong parameter as a control."""
    runs = 40_000
    found = run_node(
        f"(() => {{const r = new Engine.Random(3), many = (f) => Array.from({{length: {runs}}}, f);"
        "return {gamma: many(() => r.gamma(0.7)), normal: many(() => r.normal() ** 2),"
        "binomial: many(() => r.binomial(900, 0.4)), few: many(() => r.binomial(7, 0.8))}})()"
    )
    means = {"gamma": 0.7, "normal": 1.0, "binomial": 360.0, "few": 5.6}
    variances = {"gamma": 0.7, "normal": 2.0, "binomial": 216.0, "few": 1.12}
    for name, values in found.items():
        score = (np.mean(values) - means[name]) / np.sqrt(variances[name] / runs)
        assert abs(score) < 5, name
        testing_of_variance = np.var(values) / variances[name]
        assert abs(testing_of_variance - 1) < 5 * np.sqrt(20 / runs), name
        assert abs((np.mean(values) - 1.05 * means[name]) / np.sqrt(variances[name] / runs)) > 5, name


def test_predict_and_the_page_simulate_the_same_loop():
    """The page's runs and Python's, whose means over runs agree."""
    loop = CASES["augment weighted"]
    page = simulated(loop)[0] * sum(loop["spectrum"])
    run = mad.simulate(python_loop(loop), 8, replicates=4000, rng=0, metrics=[mad.metrics.total_variance])
    ours = run["total_variance"].transpose("replicate", "generation").to_numpy()
    error = np.sqrt(page.var(0) / len(page) + ours.var(0) / len(ours))
    assert np.abs((page.mean(0) - ours.mean(0)) / error).max() < 5
    testing.assert_mean_matches(run["total_variance"], mad.predict(python_loop(loop), 8)["total_variance"])
