import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.special import gamma, gammaln, zeta

from madtheory.theory.gaussian import first_moments
from madtheory.theory.gaussian.accumulation import (
    accumulate_exponent,
    accumulate_limit,
    sliding_window_slope,
    subsample_growth_exponent,
    subsample_limit,
    universal_constants,
)
from madtheory.theory.gaussian.trajectories import accumulate_subsample, augment, fresh

SETTINGS = settings(deadline=None, derandomize=True, max_examples=5)
DDOF = st.sampled_from([0, 1])


def kept(n, n_initial=None, **rest):
    return first_moments(
        n_initial=n_initial or n, n_synthetic=n, real_data="fixed", retain="all", generations=2001, **rest
    )


def extrapolated(values, offset=0.0):
    """The limit of a sequence that approaches it as 1/g, from generations g and about g/2."""
    g = len(values)
    h = g // 2
    x, y = 1 / (g + offset), 1 / (h + offset)
    return (values[-1] * y - values[h - 1] * x) / (y - x)


@SETTINGS
@given(st.integers(2, 40), st.integers(2, 90), DDOF, st.booleans())
def test_accumulate_limit_is_where_the_engine_goes(n, n_initial, ddof, known_mean):
    rest = {"ddof": ddof, "known_mean": known_mean, "dim": 2}
    theory, limit = kept(n, n_initial, **rest), accumulate_limit(n=n, n_initial=n_initial, **rest)
    for name, value in limit.items():
        # the remaining change is of order 1 / g**2 relative to the change still to come, about 1e-7 here
        assert extrapolated(theory[name], n_initial / n) == pytest.approx(value, abs=3e-7), name
    if not known_mean:  # control: the last value itself is not the limit, and the test resolves it
        assert theory["mean_error"][-1] != pytest.approx(limit["mean_error"], abs=3e-7)


def test_accumulate_limit_known_values():
    for n in (1, 2, 10, 1000):
        limit = accumulate_limit(n=n, ddof=0)
        assert limit["total_variance"] == pytest.approx(np.sinc(n**-0.5), abs=1e-13)
        assert limit["mean_error"] == pytest.approx(1 - np.sinc(n**-0.5), abs=1e-13)
    scaled = [n * accumulate_limit(n=n, ddof=ddof)["mean_error"] for n in (100, 10_000) for ddof in (0, 1)]
    np.testing.assert_allclose(scaled[:2], np.pi**2 / 6, rtol=0.01)
    np.testing.assert_allclose(scaled[2:], np.pi**2 / 6, rtol=1e-4)
    assert scaled[0] < scaled[2] < np.pi**2 / 6  # the divisor n approaches from below
    assert accumulate_limit(n=10, spectrum=[3.0, 1.0])["total_variance"] == pytest.approx(
        4 * accumulate_limit(n=10)["total_variance"]
    )
    assert accumulate_limit(n=10, ddof=1)["mean_error"].kind == "numerical"
    assert accumulate_limit(n=10, ddof=0)["mean_error"].kind == "exact mean"


@SETTINGS
@given(st.integers(1, 60), st.integers(2, 200))
def test_accumulate_limit_is_a_ratio_of_gamma_functions(n, n_initial):
    start = 1 + n_initial / n
    log = 2 * gammaln(start) - gammaln(start - n**-0.5) - gammaln(start + n**-0.5)
    limit = accumulate_limit(n=n, n_initial=n_initial, ddof=0)["total_variance"]
    assert limit == pytest.approx((1 - 1 / n_initial) * np.exp(log), rel=1e-11)
    roots = start - (1 + np.array([1, -1]) * np.sqrt(1 + 4 * n)) / (2 * n)
    log = gammaln(start) + gammaln(start - 1 / n) - gammaln(roots).sum()
    limit = accumulate_limit(n=n, n_initial=n_initial, ddof=1)["total_variance"]
    assert limit == pytest.approx(np.exp(log), rel=1e-11)


def test_accumulate_limit_keeps_its_digits_with_much_real_data():
    # sum of n v / N**2 with v nearly 1: 1 / n_initial + n zeta(2, 1 + n_initial / n) / n**2 to second order
    for ddof in (0, 1):
        error = accumulate_limit(n=10, n_initial=10**7, ddof=ddof)["mean_error"]
        assert error == pytest.approx(1e-7 + zeta(2, 1 + 1e6) / 10, rel=1e-6)


def test_accumulate_limit_includes_the_first_fit():
    theory, limit = kept(5, ddof=0), accumulate_limit(n=5, ddof=0)["total_variance"]
    assert extrapolated(theory["total_variance"], 1) == pytest.approx(limit, abs=1e-7)
    assert extrapolated(theory["total_variance"], 1) != pytest.approx(limit / (1 - 1 / 5), rel=0.1)


@SETTINGS
@given(st.integers(2, 30), st.integers(2, 60), st.floats(0.2, 1.6))
def test_biased_accumulation_is_a_ratio_of_gamma_functions(n, n_initial, bias):
    theory, alpha = kept(n, n_initial, bias=bias, ddof=0)["total_variance"], n_initial / n
    root = np.sqrt((1 - bias) ** 2 + 4 * bias / n)
    roots, g = ((1 - bias) + np.array([1, -1]) * root) / 2, 1999
    log = 2 * (gammaln(1 + alpha) - gammaln(g + 1 + alpha))
    log += (gammaln(g + 1 + alpha - roots) - gammaln(1 + alpha - roots)).sum()
    assert theory[g] == pytest.approx((1 - 1 / n_initial) * np.exp(log), rel=1e-9)
    slope = np.log(theory[2000] / theory[1000]) / np.log((2000 + alpha + 0.5) / (1000 + alpha + 0.5))
    assert slope == pytest.approx(accumulate_exponent(bias=bias), abs=2e-3)
    assert slope != pytest.approx(accumulate_exponent(bias=bias + 0.01), abs=2e-3)


@SETTINGS
@given(st.integers(1, 40), st.booleans(), st.booleans())
def test_subsample_limit_is_where_the_engine_goes(n, replacement, known_mean):
    rest = {"n": n, "ddof": 0, "replacement": replacement, "known_mean": known_mean, "dim": 2}
    theory, limit = accumulate_subsample(**rest, generations=2001), subsample_limit(**rest)
    for name, value in limit.items():
        assert extrapolated(theory[name]) == pytest.approx(value, abs=3e-6), name
        if replacement and not known_mean and n > 1:  # the product that also subsamples generation 1
            wrong = 2 * np.sinc(np.sqrt(2 * n - 1) / n)
            assert extrapolated(theory["total_variance"]) != pytest.approx(wrong, abs=3e-5)


@SETTINGS
@given(st.integers(2, 300))
def test_subsample_limit_closed_forms(n):
    bootstrap = subsample_limit(n=n, ddof=0, replacement=True)["total_variance"]
    a = np.sqrt(2 * n - 1) / n
    assert bootstrap == pytest.approx((1 - 1 / (4 * n)) / (1 - a**2 / 4) * np.sinc(a), rel=1e-11)
    subset = subsample_limit(n=n, ddof=0)
    roots = (1 + np.array([1, -1]) * np.sqrt(12 * n - 3)) / (2 * n)
    closed = (1 - 1 / n) * gamma(2 - 1 / n) / gamma(2 - roots).prod()
    assert subset["total_variance"] == pytest.approx(closed, rel=1e-11)
    assert subset["mean_error"] == pytest.approx(1 - closed, rel=1e-9)


def test_subsample_limit_grows_for_the_unbiased_divisor():
    for replacement in (False, True):
        limit = subsample_limit(n=10, replacement=replacement)
        assert np.isposinf([limit["total_variance"], limit["mean_error"]]).all()
        assert limit["total_variance"].kind == "exact mean"
    assert subsample_limit(n=10, ddof=1, known_mean=True)["mean_error"] == 0


@SETTINGS
@given(st.integers(3, 12), st.floats(0.5, 1.5), st.booleans(), st.booleans(), DDOF)
def test_subsample_growth_exponent(n, bias, replacement, known_mean, ddof):
    rest = {"n": n, "bias": bias, "known_mean": known_mean, "ddof": ddof}
    theory = accumulate_subsample(**rest, replacement=replacement, generations=2001)["total_variance"]
    slope = np.log(theory[2000] / theory[1000]) / np.log(2001 / 1001)
    assert slope == pytest.approx(subsample_growth_exponent(**rest), abs=3e-3)
    assert slope != pytest.approx(subsample_growth_exponent(**(rest | {"bias": bias + 0.01})), abs=3e-3)


def test_subsample_growth_exponent_unbiased():
    assert subsample_growth_exponent(n=20) == pytest.approx(1 / 20)
    assert subsample_growth_exponent(n=20, ddof=0) == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("window", [1, 2, 5])
def test_sliding_window_slope(window):
    n, g = 100_000, 400
    theory = first_moments(n_initial=n, n_synthetic=n, retain=window, ddof=0, dim=3, generations=g)
    slope = (theory["mean_error"][-1] - theory["mean_error"][g // 2 - 1]) / (g - g // 2)
    assert slope == pytest.approx(sliding_window_slope(n=n, window=window, dim=3), rel=0.005)
    constant = universal_constants(window=window)["sliding_window_per_generation"]
    assert slope == pytest.approx(3 * constant / n, rel=0.005)
    assert slope != pytest.approx(sliding_window_slope(n=n, window=window + 1, dim=3), rel=0.1)


@pytest.mark.parametrize("ratio", [0.5, 4.0])
def test_universal_constants_are_the_large_sample_limit(ratio):
    n, g = 100_000, 2001
    constants = universal_constants(synthetic_ratio=ratio)
    engine = {
        "accumulate": extrapolated(kept(n)["mean_error"], 1),
        "accumulate_subsample": extrapolated(accumulate_subsample(n=n, generations=g)["mean_error"]),
        "accumulate_subsample_replacement": extrapolated(
            accumulate_subsample(n=n, replacement=True, generations=g)["mean_error"]
        ),
        "augment": augment(n_real=n, n_synthetic=int(ratio * n), weights=(1, 1), generations=200)[
            "mean_error"
        ][-1],
        "fresh": fresh(n_real=n, n_synthetic=int(ratio * n), weights=(1, 1), generations=200)["mean_error"][
            -1
        ],
    }
    for name, error in engine.items():
        assert n * error == pytest.approx(constants[name], rel=2e-4), name
        assert constants[name].kind == "leading order in 1/n"
    drift = first_moments(n_initial=n, n_synthetic=n, generations=50)["mean_error"]
    assert n * (drift[-1] - drift[-2]) == pytest.approx(constants["replace_per_generation"])


def test_universal_constants_at_the_ends():
    ends = universal_constants()
    assert (ends["augment"], ends["fresh"]) == (1.5, 0.5)
    none = universal_constants(synthetic_ratio=0)
    assert (none["augment"], none["fresh"]) == (1, 1)
    assert ends["sliding_window_per_generation"] == ends["replace_per_generation"] == 1


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (accumulate_limit, {"n": 0}, "n=0"),
        (accumulate_limit, {"n": 5, "n_initial": 1}, "n_initial=1"),
        (accumulate_limit, {"n": 5, "ddof": 3}, "ddof"),
        (accumulate_exponent, {"bias": -1}, "bias"),
        (subsample_limit, {"n": 1}, "n=1"),
        (subsample_growth_exponent, {"n": 1}, "n=1"),
        (sliding_window_slope, {"n": 5, "window": 0}, "window"),
        (universal_constants, {"synthetic_ratio": -1}, "synthetic_ratio"),
        (universal_constants, {"synthetic_ratio": np.nan}, "synthetic_ratio"),
        (universal_constants, {"window": 0}, "window"),
    ],
)
def test_errors_name_the_argument(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(**arguments)
