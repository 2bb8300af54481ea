import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from raw_loops import simulate, z_score

from madtheory import regimes
from madtheory.theory.gaussian import first_moments

SIZES = {"n_initial": 6, "n_synthetic": 5, "bias": 0.8, "generations": 4}
SELECTIONS = {
    "whole pool": {},
    "weighted": {"weights": (2.0, 0.5)},
    "subset": {"budget": 4},
    "bootstrap": {"budget": 4, "replacement": True},
}


def design(real_data, retain, memory, selection, known_mean):
    return {
        **SIZES,
        **SELECTIONS[selection],
        "n_real": 3 if real_data == "fresh" else 0,
        "real_data": real_data,
        "retain": retain,
        "memory": memory,
        "known_mean": known_mean,
    }


DESIGNS = [
    {**design(*point), "ddof": i % 2}
    for i, point in enumerate(
        itertools.product(("none", "fixed", "fresh"), ("last", 2, "all"), (1, 2), SELECTIONS, (False, True))
    )
]


@pytest.fixture(scope="module")
def last_generation():
    """Raw trace and mean error of the last generation, for every point of the design space."""
    raw = []
    for i, point in enumerate(DESIGNS):
        *_, (mean, covariance) = simulate(np.random.default_rng([7, i]), 20_000, **point)
        raw.append((covariance[:, 0, 0], mean[:, 0] ** 2))
    return raw


def z_scores(raw, points, factor=1.0):
    """Both z-scores of every design; a known mean has no error to test."""
    rows = []
    for (trace, error), point in zip(raw, points, strict=True):
        theory = first_moments(**point)
        rows.append(z_score(trace, factor * theory["total_variance"][-1]))
        if not point["known_mean"]:
            rows.append(z_score(error, factor * theory["mean_error"][-1]))
    return np.array(rows)


def test_every_design_agrees_with_raw_samples(last_generation):
    z = z_scores(last_generation, DESIGNS)
    assert len(DESIGNS) == 144
    assert abs(z).max() < 5
    # pooled: sensitive to a bias far below the noise of one design (see the next test)
    assert abs(z.sum()) / np.sqrt(len(z)) < 5
    assert abs((z**2).sum() - len(z)) / np.sqrt(2 * len(z)) < 5


@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_a_one_percent_error_is_rejected(last_generation, factor):
    z = z_scores(last_generation, DESIGNS, factor)
    assert abs(z.sum()) / np.sqrt(len(z)) > 7  # about 12 at 20,000 replicates


KNOBS = {
    **SIZES, "n_initial": 5, "n_real": 2, "real_data": "fresh", "retain": 2, "memory": 2,
    "weights": (0.7, 1.2), "ddof": 1, "spectrum": (3.0, 1.0, 0.2),
}  # fmt: skip


@pytest.fixture(scope="module")
def knob_sample():
    *_, (mean, covariance) = simulate(np.random.default_rng(3), 200_000, **KNOBS)
    return np.trace(covariance, axis1=1, axis2=2), (mean**2).sum(axis=1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"real_data": "fixed", "n_real": 0},
        {"real_data": "none", "n_real": 0},
        {"retain": "last"},
        {"retain": "all"},
        {"memory": 1},
        {"memory": 3},
        {"weights": None},
        {"weights": (1.0, 1.2)},
        {"weights": None, "budget": 6},
        {"bias": 0.85},
        {"ddof": 0},
        {"known_mean": True},
        {"n_initial": 9},
        {"n_synthetic": 6},
        {"n_real": 4},
    ],
    ids=repr,
)
def test_every_knob_matters(knob_sample, wrong):
    trace, error = knob_sample
    theory, other = first_moments(**KNOBS), first_moments(**(KNOBS | wrong))
    assert abs(z_score(trace, theory["total_variance"][-1])) < 5
    assert abs(z_score(error, theory["mean_error"][-1])) < 5
    z = [z_score(trace, other["total_variance"][-1]), z_score(error, other["mean_error"][-1])]
    assert np.abs(z).max() > 5


def test_replacement_matters_without_known_mean():
    point = {**SIZES, "real_data": "fixed", "retain": "all", "budget": 6}
    subset, bootstrap = first_moments(**point), first_moments(**point, replacement=True)
    assert (subset["total_variance"][1:] > 1.01 * bootstrap["total_variance"][1:]).all()


designs = st.fixed_dictionaries(
    {
        "n_initial": st.integers(2, 9),
        "n_synthetic": st.integers(2, 9),
        "real_data": st.sampled_from(["none", "fixed", "fresh"]),
        "retain": st.sampled_from(["last", "all", 1, 3]),
        "memory": st.integers(1, 4),
        "known_mean": st.booleans(),
    }
)
SETTINGS = settings(deadline=None, derandomize=True, max_examples=40)


def with_real(point, n_real=4):
    return {**point, "n_real": n_real if point["real_data"] == "fresh" else 0}


@SETTINGS
@given(
    designs, st.sampled_from([{}, {"weights": (0.3, 2.0)}, {"budget": 2}, {"budget": 3, "replacement": True}])
)
def test_unbiased_sampling_conserves_the_second_moment_about_the_truth(point, selection):
    # every point ever drawn has the true second moment about the true mean, so every training set has
    theory = first_moments(**with_real(point), **selection, ddof=0, generations=12)
    np.testing.assert_allclose(theory["total_variance"] + theory["mean_error"], 1, rtol=1e-12)
    biased = first_moments(**with_real(point), **selection, ddof=0, generations=12, bias=0.99)
    assert (biased["total_variance"] + biased["mean_error"])[-1] < 1 - 1e-4


@SETTINGS
@given(designs, st.floats(0, 1.5), st.sampled_from([0, 1]))
def test_equivalent_designs(point, bias, ddof):
    rest = {**with_real(point), "bias": bias, "ddof": ddof, "generations": 7}
    theory = first_moments(**rest)

    def same(**changes):
        other = first_moments(**(rest | changes))
        for name, values in theory.items():
            np.testing.assert_allclose(other[name], values, rtol=1e-10, atol=1e-14)

    same(weights=(3.0, 3.0))
    n = point["n_synthetic"]
    same(n_synthetic=lambda g: n)
    same(n_synthetic=[99, *[n] * 6])
    if point["retain"] == "all":
        same(retain=6)
        real = {"none": 0, "fixed": point["n_initial"], "fresh": 4}[point["real_data"]]
        same(budget=lambda g: real + (g - 1) * n)
    if point["memory"] == 1:
        for variance, scaled in ((3, {"dim": 3}), (2.5, {"spectrum": [2.0, 0.5]})):
            other = first_moments(**rest, **scaled)
            np.testing.assert_allclose(other["total_variance"], variance * theory["total_variance"])


def replace_closed(n, n_initial, bias, ddof, generations):
    a, g = bias * (n - 1) / (n - ddof), np.arange(generations)
    first = (n_initial - 1) / (n_initial - ddof)
    drift = np.concatenate([[0], np.cumsum(a ** g[:-1])])
    return first * a**g, 1 / n_initial + bias / n * first * drift


@SETTINGS
@given(st.integers(2, 50), st.integers(2, 50), st.floats(0, 1.2), st.sampled_from([0, 1]))
def test_replace_closed_form(n, n_initial, bias, ddof):
    theory = first_moments(n_initial=n_initial, n_synthetic=n, bias=bias, ddof=ddof, generations=20)
    variance, error = replace_closed(n, n_initial, bias, ddof, 20)
    np.testing.assert_allclose(theory["total_variance"], variance, rtol=1e-12)
    np.testing.assert_allclose(theory["mean_error"], error, rtol=1e-12)


@SETTINGS
@given(st.integers(2, 40), st.integers(1, 80), st.floats(0, 1), st.sampled_from([0, 1]))
def test_stationary_closed_forms(n_real, n_synthetic, bias, ddof):
    total = n_real + n_synthetic
    kappa = 1 - 1 / (n_real + 2 * n_synthetic)
    generations = int(40 / -np.log(max((n_synthetic / total) ** 2, bias * n_synthetic / total, 0.01))) + 10
    sizes = {
        "n_initial": n_real,
        "n_synthetic": n_synthetic,
        "bias": bias,
        "ddof": ddof,
        "generations": generations,
    }
    fresh = first_moments(**sizes, real_data="fresh", n_real=n_real)
    v = n_real * kappa / (total - ddof - bias * n_synthetic * kappa)
    m = (n_real + bias * n_synthetic * v) / (n_real * (n_real + 2 * n_synthetic))
    np.testing.assert_allclose([fresh["total_variance"][-1], fresh["mean_error"][-1]], [v, m], rtol=1e-8)
    fixed = first_moments(**sizes, real_data="fixed")
    v = (n_real - 1) / (total - ddof - bias * n_synthetic * kappa)
    m = 1 / n_real + bias * n_synthetic * v / (n_real * (n_real + 2 * n_synthetic))
    np.testing.assert_allclose([fixed["total_variance"][-1], fixed["mean_error"][-1]], [v, m], rtol=1e-8)


def test_numbers_of_the_mad_specification():
    sizes = {"n_initial": 100, "n_real": 100, "n_synthetic": 900, "real_data": "fresh", "dim": 100}
    for bias, error, trace in ((1.0, 0.5286, 100.476), (0.8, 0.1882, 35.775)):
        theory = first_moments(**sizes, bias=bias, generations=300)
        assert theory["mean_error"][-1] == pytest.approx(error, abs=5e-5)
        assert theory["total_variance"][-1] == pytest.approx(trace, abs=5e-4)


def test_all_models_in_memory_recover_every_point():
    theory = first_moments(
        n_initial=40, n_real=40, n_synthetic=10, real_data="fresh", memory=300, generations=300, ddof=0
    )
    assert theory["mean_error"][-1] == pytest.approx(1 / 50, rel=0.02)


def test_synthetic_points_of_hardly_any_weight_are_ignored():
    fixed = first_moments(n_initial=5, n_synthetic=7, real_data="fixed", weights=(1, 1e-12), generations=5)
    np.testing.assert_allclose(fixed["mean_error"], 0.2)
    fresh = first_moments(
        n_initial=5, n_synthetic=7, n_real=4, real_data="fresh", weights=(2, 1e-12), ddof=0, generations=5
    )
    np.testing.assert_allclose(fresh["total_variance"], [0.8, *[0.75] * 4])


@pytest.mark.parametrize("weights", [(1, 0), (0, 1), (1, -1), (1,), (1, np.nan), 3])
def test_weights_follow_the_rule_of_regimes(weights):
    """What `regimes` refuses has no closed form either."""
    with pytest.raises(ValueError, match="weights="):
        first_moments(n_initial=5, n_synthetic=7, real_data="fixed", weights=weights, generations=5)
    with pytest.raises(ValueError, match="weights="):
        regimes.augment(n_real=5, n_synthetic=7, weights=weights)


def test_collapse_stays_accurate_far_from_the_truth():
    theory = first_moments(n_initial=10, n_synthetic=10, bias=0.5, retain=3, memory=2, generations=800)
    ratio = theory["total_variance"][1:] / theory["total_variance"][:-1]
    assert theory["total_variance"][-1] < 1e-60 < theory["mean_error"][-1]
    np.testing.assert_allclose(ratio[200:], ratio[-1], rtol=1e-10)


def test_explosion_is_infinite_and_silent():
    theory = first_moments(n_initial=5, n_synthetic=5, bias=1e20, retain="all", memory=2, generations=40)
    assert np.isposinf(theory["total_variance"][-1])
    assert np.isposinf(theory["mean_error"][-1])
    assert not np.isnan(np.concatenate(list(theory.values()))).any()
    known = first_moments(n_initial=5, n_synthetic=5, bias=1e20, known_mean=True, generations=40)
    assert np.isposinf(known["total_variance"][-1])
    assert (known["mean_error"] == 0).all()


def test_labels_and_shape():
    for name, values in first_moments(n_initial=5, n_synthetic=5, generations=3).items():
        assert values.kind == "exact mean", name
        assert "2307.01850" in values.source
        assert values.shape == (3,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_initial": 1}, "ddof=1"),
        ({"n_initial": 0}, "n_initial"),
        ({"n_synthetic": 1}, "ddof=1"),
        ({"n_synthetic": [5]}, "lists 1 generations"),
        ({"n_real": 3}, "needs real_data='fixed' or 'fresh'"),
        ({"real_data": "fresh"}, "n_real"),
        ({"real_data": "old"}, "real_data"),
        ({"retain": 0}, "retain"),
        ({"retain": "some"}, "retain"),
        ({"memory": 0}, "memory"),
        ({"budget": 3, "weights": (1, 1)}, "cannot go with budget=3"),
        ({"budget": 9}, "exceeds the pool of 5"),
        ({"weights": (1, -1)}, "weights"),
        ({"weights": (1, 0)}, "weights"),
        ({"weights": (1, 2, 3)}, "weights"),
        ({"bias": -1}, "bias"),
        ({"ddof": 2}, "ddof"),
        ({"dim": 2, "spectrum": [1, 2, 3]}, "dim=2"),
        ({"spectrum": [1, -2]}, "spectrum"),
        ({"generations": 0}, "generations"),
    ],
)
def test_errors_name_the_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        first_moments(**({"n_initial": 5, "n_synthetic": 5, "generations": 3} | arguments))
