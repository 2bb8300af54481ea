"""Laws of the Gaussian model, not only means: Kolmogorov-Smirnov and z-tests at alpha 1e-6."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

import madtheory as mad
from madtheory import testing
from madtheory.data import Moments
from madtheory.models.gaussian import standard_moments

ALPHA = 1e-6
MEAN = np.array([1.0, -2.0, 0.5])
COVARIANCE = np.array([[2.0, 0.6, -0.3], [0.6, 1.0, 0.2], [-0.3, 0.2, 0.5]])
TRUTH = mad.Gaussian(MEAN, COVARIANCE)
METHODS = ("sample", "sample_statistic")


def fits(method, n, replicates, seed=0, bias=1.0, model=None, truth=TRUTH):
    many = truth.expand(replicates)
    drawn = getattr(many, method)(n, rng=np.random.default_rng(seed), bias=bias)
    return (mad.Gaussian() if model is None else model).fit(drawn)


def assert_law(values, law):
    assert stats.kstest(values, law.cdf).pvalue > ALPHA


def assert_not_law(values, law):
    assert stats.kstest(values, law.cdf).pvalue < ALPHA


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bias", [1.0, 0.5])
def test_variance_is_chi_square_and_mean_is_normal(method, bias):
    """40,000 fits to 9 points, along an oblique direction; 3 % of the variance is seen, and a wrong dof."""
    model, u = fits(method, 9, 40_000, bias=bias), np.array([1.0, -1.0, 2.0])
    true = bias * u @ COVARIANCE @ u
    variance = np.einsum("i,rij,j->r", u, model.covariance, u)
    assert_law(8 * variance / true, stats.chi2(8))
    assert_not_law(8 * variance / (1.03 * true), stats.chi2(8))
    assert_not_law(9 * variance / true, stats.chi2(9))
    means = (model.mean - MEAN) @ u
    assert_law(means, stats.norm(0, np.sqrt(true / 9)))
    assert_not_law(means, stats.norm(0, np.sqrt(1.2 * true / 9)))
    # Mean and variance are independent.
    assert abs(np.corrcoef(means, variance)[0, 1]) < 5 / np.sqrt(40_000)
    assert abs(np.corrcoef(means**2, variance)[0, 1]) < 5 / np.sqrt(40_000)


@pytest.mark.parametrize("method", METHODS)
def test_determinant_is_a_product_of_chi_squares(method):
    """The law of log det pins the joint law of all directions."""
    model, dof = fits(method, 7, 40_000, seed=1), 6
    log_det = model.log_volume - np.linalg.slogdet(COVARIANCE)[1] + 3 * np.log(dof)
    rng = np.random.default_rng(2)
    expected = sum(np.log(rng.chisquare(dof - i, 400_000)) for i in range(3))
    assert stats.ks_2samp(log_det, expected, method="asymp").pvalue > ALPHA
    wrong = sum(np.log(rng.chisquare(dof, 400_000)) for i in range(3))
    assert stats.ks_2samp(log_det, wrong, method="asymp").pvalue < ALPHA


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [2, 3, 4, 8])
def test_wishart_cross_moments(method, n):
    """E S_ij = nu C_ij and Cov(S_ij, S_kl) = nu (C_ik C_jl + C_il C_jk), singular cases included."""
    replicates, nu = 50_000, n - 1
    drawn = getattr(TRUTH.expand(replicates), method)(n, rng=np.random.default_rng(n))
    scatter = (drawn if isinstance(drawn, Moments) else Moments.of(drawn)).scatter
    rows, cols = np.triu_indices(3)
    entries, c = scatter[:, rows, cols], COVARIANCE
    covariance = nu * (
        c[np.ix_(rows, rows)] * c[np.ix_(cols, cols)] + c[np.ix_(rows, cols)] * c[np.ix_(cols, rows)]
    )
    std = np.sqrt(np.diag(covariance))
    expected = nu * c[rows, cols]
    testing.assert_mean_matches(entries, expected, std=std)
    with pytest.raises(AssertionError):
        testing.assert_mean_matches(entries, expected * 1.06, std=std)
    centred = (entries - expected) / std
    products = (centred[:, :, None] * centred[:, None, :]).reshape(replicates, -1)
    testing.assert_mean_matches(products, (covariance / np.outer(std, std)).ravel())
    assert (np.linalg.matrix_rank(scatter[:50]) == min(nu, 3)).all()


@pytest.mark.parametrize("method", METHODS)
def test_known_mean_has_one_degree_of_freedom_more(method):
    model = fits(method, 5, 40_000, model=mad.Gaussian(known_mean=MEAN))
    assert np.array_equal(model.mean, np.broadcast_to(MEAN, (40_000, 3)))
    variance = model.covariance[:, 0, 0] / COVARIANCE[0, 0]
    assert_law(5 * variance, stats.chi2(5))
    assert_not_law(4 * variance, stats.chi2(4))
    # Drawn from a fitted model with known mean, the statistic is about that mean too.
    second = model.fit(getattr(model, method)(5, rng=np.random.default_rng(1), bias=0.7))
    ratio = second.covariance[:, 0, 0] / (0.7 * model.covariance[:, 0, 0])
    assert_law(5 * ratio, stats.chi2(5))


@given(seed=st.integers(0, 999), n=st.integers(2, 9), dim=st.integers(1, 4))
def test_ddof_is_the_divisor(seed, n, dim):
    x = np.random.default_rng(seed).normal(size=(n, dim)) + 3
    for ddof in (0, 1):
        model = mad.Gaussian(ddof=ddof).fit(x)
        np.testing.assert_allclose(model.covariance, np.atleast_2d(np.cov(x.T, ddof=ddof)), atol=1e-12)
        np.testing.assert_allclose(model.mean, x.mean(0))
    about = mad.Gaussian(known_mean=np.ones(dim)).fit(x)
    np.testing.assert_allclose(about.covariance, (x - 1).T @ (x - 1) / n, rtol=1e-9, atol=1e-9)
    assert (mad.Gaussian().ddof, mad.Gaussian(known_mean=[0.0]).ddof) == (1, 0)


def test_the_law_of_a_size_per_replicate():
    """Each replicate's statistic is that of its own number of points; 0 points weigh nothing."""
    sizes = np.repeat([1, 2, 5, 12], 20_000)
    drawn = TRUTH.expand(len(sizes)).sample_statistic(sizes, rng=np.random.default_rng(0))
    assert np.array_equal(drawn.weight, sizes)
    for n in (1, 2, 5, 12):
        mine = sizes == n
        scatter = drawn.scatter[mine, 1, 1] / COVARIANCE[1, 1]
        if n == 1:
            assert not scatter.any()
        else:
            assert_law(scatter, stats.chi2(n - 1))
            assert_not_law(scatter, stats.chi2(n))
        assert_law(drawn.mean[mine, 1], stats.norm(MEAN[1], np.sqrt(COVARIANCE[1, 1] / n)))


@pytest.mark.parametrize("dim", [1, 2, 3, 6])
@pytest.mark.parametrize("dof", [1, 2, 4, 9])
def test_standard_moments_is_a_wishart_root(dim, dof):
    """T T' is Wishart(I, dof) and z standard normal, for dof below and above the dimension."""
    z, root = standard_moments(dof, dim, (20_000,), np.random.default_rng(10 * dim + dof))
    assert root.shape[-1] == min(dim, dof)
    wishart = root @ np.swapaxes(root, -1, -2)
    u = np.ones(dim) / np.sqrt(dim)
    assert_law(u @ wishart @ u, stats.chi2(dof))
    assert_law(np.trace(wishart, axis1=1, axis2=2), stats.chi2(dof * dim))
    assert_law(z @ u, stats.norm)


@given(truth=testing.gaussians(), n=st.integers(2, 30), seed=st.integers(0, 99))
def test_fits_are_affine_equivariant(truth, n, seed):
    """The fit to A x + b is the fit to x, moved; in one dimension this is scale and shift."""
    x, rng = truth.sample(n, rng=np.random.default_rng(seed)), np.random.default_rng(seed + 1)
    matrix, shift = rng.normal(size=(truth.dim, truth.dim)), rng.normal(size=truth.dim)
    before, after = mad.Gaussian().fit(x), mad.Gaussian().fit(x @ matrix.T + shift)
    np.testing.assert_allclose(after.mean, matrix @ before.mean + shift, atol=1e-9)
    moved = matrix @ before.covariance @ matrix.T
    np.testing.assert_allclose(after.covariance, moved, atol=1e-10 * max(np.abs(moved).max(), 1.0))


@given(truth=testing.gaussians(), bias=st.floats(0, 4))
def test_bias_multiplies_the_covariance(truth, bias):
    one, biased = (truth.sample(50, rng=np.random.default_rng(0), **b) for b in ({}, {"bias": bias}))
    np.testing.assert_allclose(biased - truth.mean, np.sqrt(bias) * (one - truth.mean), atol=1e-9)
    a = truth.sample_statistic(50, rng=np.random.default_rng(0))
    b = truth.sample_statistic(50, rng=np.random.default_rng(0), bias=bias)
    np.testing.assert_allclose(b.scatter, bias * a.scatter, rtol=1e-9, atol=1e-9)


def test_a_covariance_round_trips_through_its_factor():
    np.testing.assert_allclose(TRUTH.covariance, COVARIANCE, rtol=1e-12)
    singular = mad.Gaussian([0.0, 0.0], [[1.0, 1.0], [1.0, 1.0]])
    np.testing.assert_allclose(singular.covariance, 1.0)
    assert mad.Gaussian(2.0, 4.0).covariance == 4.0
    assert mad.Gaussian.standard(3).log_volume == 0.0


def slope(sizes, errors):
    return np.polyfit(np.log(sizes), np.log(np.abs(errors)), 1)[0]


def test_order_of_the_typical_rate():
    """E ln(s^2 / sigma^2) = -1/(n - 1) + O(n^-2): the log error of each order falls with its own slope."""
    sizes = np.array([10, 20, 40, 80, 160])
    exact = np.array([np.log(2 / (n - 1)) + float(_digamma((n - 1) / 2)) for n in sizes])
    assert slope(sizes - 1, exact) == pytest.approx(-1, abs=0.05)
    assert slope(sizes - 1, exact + 1 / (sizes - 1)) == pytest.approx(-2, abs=0.05)
    assert slope(sizes - 1, exact + 1.01 / (sizes - 1)) > -1.9  # a 1 % wrong leading term is no second order


def test_the_mean_log_variance_is_that_of_the_exact_rate():
    """The model's own draws against digamma: 200,000 fits detect 0.9 % of the rate at n = 5."""
    logs = fits("sample_statistic", 5, 200_000, truth=mad.Gaussian.standard(1)).log_volume
    expected, std = float(_digamma(2.0) - np.log(2.0)), float(np.sqrt(stats.loggamma(2.0).var()))
    testing.assert_mean_matches(logs, expected, std=std)
    error = testing.smallest_detectable(std=std, n=len(logs))
    with pytest.raises(AssertionError):
        testing.assert_mean_matches(logs, expected + 1.5 * error, std=std)


def _digamma(x):
    from scipy.special import digamma

    return digamma(x)


@pytest.mark.parametrize("dim", [1, 3])
@pytest.mark.parametrize("known", [False, True])
def test_conformance(dim, known):
    truth = mad.Gaussian(MEAN[:dim], COVARIANCE[:dim, :dim])
    testing.check_generative_model(mad.Gaussian(known_mean=MEAN[:dim] if known else None), real=truth)
