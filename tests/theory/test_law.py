import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import special, stats
from scipy.integrate import trapezoid

from madtheory.theory.gaussian.replacement import LogGammaSum, digamma_minus_log, log_root_moment
from madtheory.theory.gaussian.variance_laws import variance_law

PROBABILITIES = np.array([1e-300, 1e-100, 1e-20, 1e-5, 0.01, 0.3, 0.5, 0.7, 0.99, 1 - 1e-9])
LAWS = {
    "one fit": {"generation": 1, "n": 2},
    "tiny fits": {"generation": 300, "n": 3},
    "many": {"generation": 50, "n": 20, "bias": 0.9, "ddof": 0},
    "huge": {"generation": 100_000, "n": 100},
    "huge and large": {"generation": 100_000, "n": 10**6},
    "growing": {"generation": 400, "n": lambda g: 3 * g * g},
    "one bad fit": {"generation": 40, "n": [2] + [5000] * 39, "bias": 1.1},
    "known mean": {"generation": 7, "n": 1, "known_mean": True},
}


def raw_variances(sizes, bias, ddof, replicates, seed):
    """Replace loop in one dimension on raw points; the variances of its last generation."""
    rng = np.random.default_rng(seed)
    mean, variance = np.zeros(replicates), np.ones(replicates)
    for generation, n in enumerate(sizes, start=1):
        spread = np.sqrt(variance * (bias if generation > 1 else 1.0))
        points = mean[:, None] + spread[:, None] * rng.standard_normal((replicates, n))
        mean, variance = points.mean(1), points.var(1, ddof=ddof)
    return variance


@pytest.mark.parametrize("n", [2, 3, 4, 10, 100, 10**6])
@pytest.mark.parametrize("ddof", [0, 1])
def test_one_generation_is_the_chi_square_far_into_both_tails(n, ddof):
    law, exact = variance_law(generation=1, n=n, ddof=ddof), stats.chi2(n - 1, scale=1 / (n - ddof))
    x = exact.ppf(PROBABILITIES[1:])
    upper = exact.isf(PROBABILITIES[1:])
    x, upper = x[x > 0], upper[upper > 0]
    tolerance = {"rtol": 1e-11 if n < 10**5 else 1e-8}  # SciPy's own error grows with n
    np.testing.assert_allclose(law.cdf(x), exact.cdf(x), **tolerance)
    np.testing.assert_allclose(law.sf(upper), exact.sf(upper), **tolerance)
    np.testing.assert_allclose(law.pdf(x), exact.pdf(x), **tolerance)


def test_two_generations_are_a_bessel_function():
    n, bias = 8, 0.7
    law, half = variance_law(generation=2, n=n, bias=bias), (n - 1) / 2
    z = np.geomspace(1e-12, 2000, 50)  # product of the two chi-squares
    scale = bias / (n - 1) ** 2
    log_density = (half - 1) * np.log(z) + np.log(special.kve(0, np.sqrt(z))) - np.sqrt(z)
    log_density -= (2 * half - 1) * np.log(2) + 2 * special.gammaln(half)
    np.testing.assert_allclose(law.logpdf(z * scale) + np.log(scale), log_density, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("sizes", [[6, 9, 5], [4, 6, 8, 9]])
@pytest.mark.parametrize("x", [1e-9, 1e-3, 0.3, 1.0, 20.0, 300.0])
def test_more_generations_are_a_meijer_function(sizes, x):
    mp = pytest.importorskip("mpmath")
    law = variance_law(generation=len(sizes), n=sizes, bias=0.8)
    half = [mp.mpf(n - 1) / 2 for n in sizes]
    scaled = mp.mpf(x) * mp.fprod(half) / mp.mpf(0.8) ** (len(sizes) - 1)
    norm = mp.fprod(mp.gamma(h) for h in half)
    assert law.cdf(x) == pytest.approx(float(mp.meijerg([[1], []], [half, [0]], scaled) / norm), rel=1e-12)
    assert law.sf(x) == pytest.approx(
        float(mp.meijerg([[], [1]], [[0, *half], []], scaled) / norm), rel=1e-12
    )
    assert law.pdf(x) == pytest.approx(float(mp.meijerg([[], []], [half, []], scaled) / norm / x), rel=1e-12)


@pytest.mark.parametrize("name", LAWS)
def test_distribution_functions_agree_with_each_other(name):
    law = variance_law(**LAWS[name])
    y = law.log_ppf(PROBABILITIES)
    np.testing.assert_allclose(law.cdf_of_log(y), PROBABILITIES, rtol=1e-11)
    assert np.all(np.diff(y) > 0)
    # density against the difference of the distribution function, and against its own total
    step = 1e-4 * np.sqrt(law.log_var())
    slope = (law.cdf_of_log(y[1:] + step) - law.cdf_of_log(y[1:] - step)) / (2 * step)
    np.testing.assert_allclose(slope, law.pdf_of_log(y[1:]), rtol=1e-5, atol=1e-12 / step)
    grid = np.linspace(law.log_ppf(1e-15), law.log_isf(1e-15), 4000)
    density = law.pdf_of_log(grid)
    assert trapezoid(density, grid) == pytest.approx(1, abs=1e-10)
    assert trapezoid(density * grid, grid) == pytest.approx(law.log_mean(), rel=1e-9, abs=1e-9)
    assert trapezoid(density * (grid - law.log_mean()) ** 2, grid) == pytest.approx(law.log_var(), rel=1e-8)


@settings(deadline=None, derandomize=True, max_examples=25)
@given(
    n=st.integers(2, 60),
    generation=st.integers(1, 60),
    bias=st.floats(0.2, 2),
    ddof=st.sampled_from([0, 1]),
    q=st.floats(1e-12, 1 - 1e-12),
)
def test_quantiles_invert_and_complement(n, generation, bias, ddof, q):
    law = variance_law(generation=generation, n=n, bias=bias, ddof=ddof)
    x = law.ppf(q)
    assert law.cdf(x) == pytest.approx(q, rel=1e-10)
    assert law.sf(x) == pytest.approx(1 - q, rel=1e-10)
    assert law.sf(law.isf(q)) == pytest.approx(q, rel=1e-10)
    assert law.sf(x) <= law.chernoff(x) * (1 + 1e-12)
    # a scaled bias scales the law
    scaled = variance_law(generation=generation, n=n, bias=2 * bias, ddof=ddof)
    assert scaled.ppf(q) == pytest.approx(x * 2.0 ** (generation - 1), rel=1e-9)


@settings(deadline=None, derandomize=True, max_examples=25)
@given(
    n=st.integers(2, 200),
    generation=st.integers(1, 200),
    bias=st.floats(0.2, 2),
    ddof=st.sampled_from([0, 1]),
)
def test_moments(n, generation, bias, ddof):
    law, half = variance_law(generation=generation, n=n, bias=bias, ddof=ddof), (n - 1) / 2
    gain = (n - 1) / (n - ddof)
    assert law.moment(0) == 1
    assert law.mean() == pytest.approx(gain**generation * bias ** (generation - 1), rel=1e-10)
    assert law.var() == pytest.approx(law.mean() ** 2 * np.expm1(generation * np.log1p(1 / half)), rel=1e-9)
    assert law.std() ** 2 == pytest.approx(law.var())
    root = law.moment(0.5)
    assert root**2 <= law.mean() * (1 + 1e-12)  # log-convex
    small = np.exp(1e-6 * law.log_mean() + 1e-12 / 2 * law.log_cumulant(2))
    assert law.moment(1e-6) == pytest.approx(small, rel=1e-10)
    assert law.moment(-half) == np.inf
    again = variance_law(generation=2 * generation, n=n, bias=bias, ddof=ddof)
    added = 2 * law.log_mean() + np.log(bias)
    assert again.log_mean() == pytest.approx(added, rel=1e-10, abs=1e-10)
    for order in (2, 3, 4):
        assert again.log_cumulant(order) == pytest.approx(2 * law.log_cumulant(order))


def test_hundred_thousand_generations_live_on_the_log_scale():
    law = variance_law(generation=100_000, n=20)
    assert law.ppf(0.999) == 0
    assert law.mean() == pytest.approx(1, rel=1e-8)
    y = law.log_ppf([0.05, 0.5, 0.95])
    skew = law.log_cumulant(3) / law.log_var() / 6
    assert y[1] == pytest.approx(law.log_mean() - skew, abs=1e-4)
    np.testing.assert_allclose(
        y, law.log_mean() + special.ndtri([0.05, 0.5, 0.95]) * law.log_var() ** 0.5, atol=1
    )
    assert law.log_mean() == pytest.approx(-5355.39, abs=0.01)
    assert variance_law(generation=100_000, n=20, bias=0.8).var() == 0
    assert law.var() == np.inf


def test_growing_samples_equal_the_sum_over_all_generations():
    # shapes near and far from the argument: the Taylor part against plain log-gamma functions
    half = np.array([2.0, 3.5, 3.5, 40.0, 41.0, 900.0, 1e6])
    summed = LogGammaSum(half)
    s = np.array([-1.9, -0.3, 1e-3, 0.4, 3.0, 8.0, 60.0])
    k = special.gammaln(half + s[:, None]) - special.gammaln(half)
    excess = (k - s[:, None] * special.digamma(half)).sum(1)
    np.testing.assert_allclose(summed(s, 0), excess, rtol=1e-9, atol=1e-8)
    slope = (special.digamma(half + s[:, None]) - special.digamma(half)).sum(1)
    np.testing.assert_allclose(summed(s, 1), slope, rtol=1e-9)
    np.testing.assert_allclose(summed(s, 2), special.polygamma(1, half + s[:, None]).sum(1), rtol=1e-12)
    np.testing.assert_allclose(summed(s + 0j, 0), excess, rtol=1e-9, atol=1e-8)

    law = variance_law(generation=2000, n=lambda g: 10 * g * g, ddof=0)
    assert law.mean() == pytest.approx(np.sinc(10**-0.5), rel=1e-4)


def test_small_differences_keep_their_digits():
    mp = pytest.importorskip("mpmath")
    for x in (0.5, 3.0, 19.9, 20.1, 1e4, 1e9):
        with mp.workdps(60):
            digamma = float(mp.psi(0, x) - mp.log(x))
            root = float(mp.loggamma(mp.mpf(x) + 0.5) - mp.loggamma(x) - mp.log(x) / 2)
        assert float(digamma_minus_log(x)) == pytest.approx(digamma, rel=2e-14)
        assert float(log_root_moment(2 * x)) == pytest.approx(root, rel=2e-12)


def test_law_of_raw_loops():
    """Probability transforms of raw loops are uniform; power: a bias 1 % wrong has z of 9 at the mean."""
    sizes, replicates = [5, 6, 7, 6, 5, 6, 7, 6], 100_000
    variances = raw_variances(sizes, 0.9, 0, replicates, seed=1)

    def z_scores(**change):
        law = variance_law(**{"generation": 8, "n": sizes, "bias": 0.9, "ddof": 0, **change})
        # uniform within 1e-6 by interpolation
        grid = law.log_ppf(np.linspace(0.0005, 0.9995, 1000))
        u = np.interp(np.log(variances), grid, law.cdf_of_log(grid))
        bins = np.bincount((u * 20).astype(int), minlength=20)
        uneven = np.sum((bins - replicates / 20) ** 2) / (replicates / 20)
        return (
            (u.mean() - 0.5) * np.sqrt(12 * replicates),
            (np.mean((u - 0.5) ** 2) - 1 / 12) * np.sqrt(180 * replicates),
            (uneven - 19) / np.sqrt(38),
        )

    assert np.abs(z_scores()).max() < 5
    assert np.abs(z_scores(bias=0.909)).max() > 5
    assert np.abs(z_scores(known_mean=True)).max() > 5
    assert np.abs(z_scores(n=[5, 6, 7, 6, 5, 6, 7, 8])).max() > 5


def test_draws_follow_the_law():
    law = variance_law(generation=12, n=6)
    draws = law.rvs(size=(100, 200), random_state=3)
    assert draws.shape == (100, 200)
    assert stats.kstest(law.cdf(draws.ravel()), "uniform").pvalue > 1e-6
    other = variance_law(generation=13, n=6)
    assert stats.kstest(other.cdf(draws.ravel()), "uniform").pvalue < 1e-6
    np.testing.assert_array_equal(law.rvs(3, random_state=1), law.rvs(3, np.random.default_rng(1)))
    assert np.ndim(law.rvs(random_state=1)) == 0


def test_edges_of_the_support():
    law = variance_law(generation=3, n=20)
    np.testing.assert_array_equal(law.cdf([-1.0, 0.0, 1e-320, np.inf]), [0, 0, 0, 1])
    np.testing.assert_array_equal(law.sf([-1.0, 0.0, 1e-320, np.inf]), [1, 1, 1, 0])
    np.testing.assert_array_equal(law.pdf([-1.0, 0.0, np.inf]), [0, 0, 0])
    np.testing.assert_array_equal(law.ppf([0.0, 1.0]), [0, np.inf])
    np.testing.assert_array_equal(law.isf([1.0, 0.0]), [0, np.inf])
    assert np.isnan(law.ppf([-0.1, 1.1, np.nan])).all()
    assert np.isnan(law.pdf(np.nan))
    assert np.isnan(law.cdf(np.nan))
    one, x = variance_law(generation=1, n=20), 1e9 / 9.5
    # the upper tail of a Gamma variable, far below the range of doubles
    assert one.logsf(x) == pytest.approx(-1e9 + 8.5 * np.log(1e9) - special.gammaln(9.5), rel=1e-9)
    assert law.logsf(1e30) < -1e9
    assert law.support() == (0, np.inf)
    low, high = law.interval(0.9)
    assert law.cdf(high) - law.cdf(low) == pytest.approx(0.9)
    assert law.median() == pytest.approx(law.ppf(0.5))
    assert law.cdf(np.empty(0)).shape == (0,)
    assert law.kind == "exact law"


def test_first_generation_has_no_bias_and_its_own_size():
    one = variance_law(generation=1, n=30, bias=0.5, n_initial=10)
    assert one.cdf(0.7) == pytest.approx(stats.chi2.cdf(6.3, 9))
    assert variance_law(generation=1, n=5, bias=0.0).mean() == pytest.approx(1)
    same = variance_law(generation=4, n=[10, 30, 30, 30])
    assert variance_law(generation=4, n=30, n_initial=10).cdf(0.7) == pytest.approx(same.cdf(0.7), rel=1e-14)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"generation": 0}, "generation=0"),
        ({"n": 1}, "n=1"),
        ({"n": 1, "ddof": 0}, "exactly 0"),
        ({"bias": 0.0}, "bias=0"),
        ({"bias": -1.0}, "bias=-1"),
        ({"ddof": 2}, "ddof=2"),
        ({"n": [5, 5]}, "lists 2 generations"),
        ({"n_initial": 2.5}, "n_initial=2.5"),
    ],
)
def test_errors_name_the_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        variance_law(**{"generation": 3, "n": 10, **arguments})
