"""Gaussians of which less is fitted: known, diagonal, spherical and shrunk covariances."""

import numpy as np
import pytest
from sklearn.covariance import shrunk_covariance

import madtheory as mad
from madtheory import data, metrics, regimes, testing

POINTS = np.random.default_rng(0).standard_normal((12, 3)) @ np.diag([2.0, 1.0, 0.3]) + 1
RNG = np.random.default_rng


@pytest.mark.parametrize("ddof", [0, 1])
def test_fits_of_every_shape(ddof):
    full = mad.Gaussian(ddof=ddof).fit(POINTS)
    variances = np.diagonal(full.covariance)
    expected = {
        ("diagonal", 0.0): np.diag(variances),
        ("spherical", 0.0): variances.mean() * np.eye(3),
        ("spherical", 0.5): variances.mean() * np.eye(3),
        ("full", 0.3): shrunk_covariance(full.covariance, 0.3),
        ("diagonal", 0.3): np.diag(0.7 * variances + 0.3 * variances.mean()),
    }
    for (shape, shrinkage), covariance in expected.items():
        fitted = mad.Gaussian(ddof=ddof, shape=shape, shrinkage=shrinkage).fit(POINTS)
        np.testing.assert_allclose(fitted.covariance, covariance, rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(fitted.mean, full.mean)
        assert np.trace(fitted.covariance) == pytest.approx(np.trace(full.covariance), rel=1e-12)
        again = fitted.fit(POINTS[:6])
        assert (again.shape, again.shrinkage) == (shape, shrinkage)
        np.testing.assert_allclose(fitted.log_volume, np.linalg.slogdet(covariance)[1], rtol=1e-10)


@pytest.mark.parametrize("shape", ["diagonal", "spherical"])
def test_few_points_leave_no_singular_covariance(shape):
    """Two points in three dimensions: the full fit is singular, the others are not."""
    assert np.isneginf(mad.Gaussian().fit(POINTS[:2]).log_volume)
    assert np.isfinite(mad.Gaussian(shape=shape).fit(POINTS[:2]).log_volume)
    assert np.isfinite(mad.Gaussian(shrinkage=0.1).fit(POINTS[:2]).log_volume)


def test_replicates_are_fitted_one_by_one():
    stacked = np.stack([POINTS, 3 * POINTS[::-1]])
    for model in (
        mad.Gaussian(shape="diagonal"),
        mad.Gaussian(shape="spherical"),
        mad.Gaussian(shrinkage=0.2),
        mad.Gaussian(known_covariance=np.diag([1.0, 2.0, 3.0])),
    ):
        both = model.fit(stacked)
        for i, points in enumerate(stacked):
            np.testing.assert_allclose(
                both.covariance[i], model.fit(points).covariance, rtol=1e-12, atol=1e-15
            )
            np.testing.assert_allclose(both.mean[i], model.fit(points).mean)


@pytest.mark.parametrize(
    "model",
    [
        mad.Gaussian(shape="diagonal"),
        mad.Gaussian(shape="spherical", ddof=0),
        mad.Gaussian(shrinkage=0.3),
        mad.Gaussian(shape="diagonal", shrinkage=0.3),
        mad.Gaussian(known_covariance=np.diag([1.0, 2.0, 3.0])),
        mad.Gaussian(shape="diagonal", known_mean=[0.0, 0.0, 0.0]),
    ],
    ids=["diagonal", "spherical", "shrunk", "shrunk diagonal", "known", "known mean"],
)
def test_contract(model):
    real = mad.Gaussian([0.0, 0.0, 0.0], [[1.0, 0.4, 0.0], [0.4, 2.0, 0.0], [0.0, 0.0, 3.0]])
    testing.check_generative_model(model, real=real)


@pytest.mark.parametrize("shape", ["diagonal", "spherical", "full"])
def test_spreads_far_below_the_doubles(shape):
    """Statistics of long loops stay exact: log volumes of thousands below that of the smallest double."""
    model = mad.Gaussian(shape=shape)
    loop = mad.Loop(real=mad.Gaussian.standard(2), model=model, regime=regimes.replace(n=3))
    found = mad.simulate(
        loop, 4_000, replicates=200, metrics=[metrics.log_volume], rng=0, record="last", method="statistics"
    )["log_volume"]
    predicted = mad.predict(loop, 4_000, variables=["log_volume"])["log_volume"][-1]
    assert float(predicted) < -1_500
    testing.assert_mean_matches(found, float(predicted))
    with pytest.raises(AssertionError, match="z="):
        testing.assert_mean_matches(found, 1.05 * float(predicted))


def test_a_known_covariance_stays():
    model = mad.Gaussian(known_covariance=[[2.0, 0.5], [0.5, 1.0]])
    fitted = model.fit(data.Weighted(POINTS[:, :2], np.arange(12.0)))
    np.testing.assert_allclose(fitted.covariance, [[2.0, 0.5], [0.5, 1.0]], rtol=1e-12)
    np.testing.assert_allclose(fitted.mean, np.average(POINTS[:, :2], axis=0, weights=np.arange(12.0)))
    assert mad.Gaussian(known_covariance=2.0).fit([[1.0]]).covariance == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mad.Gaussian(shape="tied"), "shape='tied'"),
        (lambda: mad.Gaussian(shrinkage=1.5), "shrinkage=1.5"),
        (lambda: mad.Gaussian(known_covariance=1.0, known_mean=0.0), "known_covariance leaves only"),
        (
            lambda: mad.Gaussian(known_covariance=1.0, shape="diagonal"),
            "known_covariance leaves only",
        ),
        (
            lambda: mad.Gaussian(known_covariance=[[1.0, 2.0], [0.0, 1.0]]),
            "known_covariance is not symmetric",
        ),
        (lambda: mad.Gaussian(known_covariance=-1.0), "known_covariance has the negative eigenvalue"),
        (lambda: mad.Gaussian(known_covariance=1.0).fit(POINTS), "known_covariance is of 1 coordinates.*3"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
