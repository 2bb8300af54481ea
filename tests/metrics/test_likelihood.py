"""Log densities of the models against SciPy and scikit-learn; the likelihood of held-out points in loops."""

import pickle

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import logsumexp
from sklearn import neighbors
from sklearn.mixture import GaussianMixture

import madtheory as mad
from madtheory import metrics, regimes
from madtheory.data import Weighted
from madtheory.interpreters import simulate as _simulate
from madtheory.models import SIMS
from madtheory.testing import assert_mean_matches

POINTS = np.random.default_rng(1).gamma(1.5, size=(40, 2)) @ np.array([[1.0, 0.4], [0.0, 0.7]])


def rng(seed=0):
    return np.random.default_rng(seed)


def covariance_of(dim, seed=0):
    root = rng(seed).normal(size=(dim, dim))
    return root @ root.T + 0.1 * np.eye(dim)


# Gaussian


@pytest.mark.parametrize("dim", [1, 2, 5, 30])
def test_a_gaussian_has_the_density_of_scipy(dim):
    mean, covariance = np.arange(dim), covariance_of(dim)
    points = rng(1).normal(size=(20, dim)) * 3
    found = mad.Gaussian(mean, covariance).log_density(points)
    np.testing.assert_allclose(found, stats.multivariate_normal(mean, covariance).logpdf(points), rtol=1e-9)
    # Negative control: the covariance off by 1 %.
    assert np.abs(mad.Gaussian(mean, 1.01 * covariance).log_density(points) - found).max() > 1e-3


def test_replicates_have_densities_of_their_own():
    fitted = mad.Gaussian().fit(rng().normal(size=(3, 4, 20, 2)))
    points = rng(1).normal(size=(7, 2))
    found = fitted.log_density(points)
    assert found.shape == (3, 4, 7)
    for at in np.ndindex(3, 4):
        right = stats.multivariate_normal(fitted.mean[at], fitted.covariance[at]).logpdf(points)
        np.testing.assert_allclose(found[at], right, rtol=1e-10)
    own = np.broadcast_to(points, (3, 4, 7, 2))
    np.testing.assert_array_equal(fitted.log_density(own), found)


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_singular_gaussian_lives_on_its_support(rank, offset):
    root = rng(2).normal(size=(4, rank)) * np.array([1.0, 30.0, 0.01, 2.0])[:, None]
    mean = np.array([1.0, -2.0, 0.5, 3.0]) + offset
    covariance = root @ root.T
    for model in (
        mad.Gaussian(mean, covariance),
        mad.Gaussian(mean, (covariance + covariance.T) / 2).expand(2),
        mad.Gaussian().fit(mean + rng(3).normal(size=(rank + 1, rank)) @ root.T),
    ):
        on = np.asarray(model.sample(9, rng=rng()))
        inside = model.log_density(on)
        assert np.isfinite(inside).all()
        assert (model.log_density(on + np.array([0.0, 0.0, 1e-3, 0.0]) @ _away(root)) == -np.inf).all()
    theirs = stats.multivariate_normal(mean - offset, covariance, allow_singular=True)
    on = mean + rng(4).normal(size=(9, rank)) @ root.T
    found = mad.Gaussian(mean, covariance).log_density(on)
    np.testing.assert_allclose(found, theirs.logpdf(on - offset), rtol=1e-5)


def _away(root):
    """The projection off the span of a root."""
    basis = np.linalg.qr(root)[0]
    return np.eye(len(root)) - basis @ basis.T


def test_scales_of_coordinates_do_not_make_a_gaussian_singular():
    variances = np.array([1e-20, 1.0, 1e20])
    point = np.sqrt(variances) * [[1.0, -2.0, 0.5]]
    right = stats.norm.logpdf(point, scale=np.sqrt(variances)).sum(-1)
    np.testing.assert_allclose(mad.Gaussian(np.zeros(3), np.diag(variances)).log_density(point), right)
    # One coordinate without spread, and a point mass.
    flat = mad.Gaussian(np.zeros(2), np.diag([4.0, 0.0]))
    np.testing.assert_allclose(flat.log_density([[1.0, 0.0]]), stats.norm.logpdf(1.0, scale=2.0))
    assert flat.log_density([[1.0, 1e-9]]) == -np.inf
    mass = mad.Gaussian([2.0], [[0.0]])
    np.testing.assert_array_equal(mass.log_density([[2.0], [2.1]]), [0.0, -np.inf])


def test_a_collapsed_gaussian_does_not_underflow():
    """Its variance is far below the smallest double."""
    loop = mad.Loop(real=mad.Gaussian.standard(2), model=mad.Gaussian(), regime=regimes.replace(n=4))
    model = mad.start(loop, rng=0).model
    tiny = model._new(np.zeros(2), np.eye(2), np.array([-3000, -3000]))
    found = tiny.log_density([[0.0, 0.0], [1.0, 0.0]])
    assert found[0] == pytest.approx(-np.log(2 * np.pi) + 6000 * np.log(2))
    assert found[1] == -np.inf


# Mixtures, kernel densities, tokens


def test_a_mixture_sums_its_components():
    model = mad.Mixture(2).fit(POINTS, rng=rng())
    points = rng(1).normal(size=(9, 2)) * 3
    each = [
        np.log(w) + stats.multivariate_normal(m, c).logpdf(points)
        for w, m, c in zip(model.weights, model.means, model.covariances, strict=True)
    ]
    np.testing.assert_allclose(model.log_density(points), logsumexp(each, axis=0), rtol=1e-9)
    wide = model.expand(3)
    np.testing.assert_allclose(wide.log_density(points), np.tile(model.log_density(points), (3, 1)))
    labelled = mad.Mixture(means=model.means, covariances=model.covariances, labels="observed")
    both = np.concatenate([points, np.ones((9, 1))], 1)
    np.testing.assert_allclose(labelled.log_density(both), each[1] - np.log(model.weights[1]) + np.log(0.5))


def test_a_singular_component_is_infinitely_dense_on_its_support():
    model = mad.Mixture(means=[[0.0], [1.0]], covariances=np.array([0.0, 1.0]))
    found = model.log_density([[0.0], [0.5]])
    assert found[0] == np.inf
    np.testing.assert_allclose(found[1], np.log(0.5) + stats.norm.logpdf(-0.5))
    dead = mad.Mixture(means=[[0.0], [1.0]], covariances=np.array([0.0, 1.0]), weights=[0.0, 1.0])
    np.testing.assert_allclose(dead.log_density([[0.0]]), stats.norm.logpdf(-1.0))


@pytest.mark.parametrize("bandwidth", ["scott", "silverman"])
@pytest.mark.parametrize("weights", [None, np.linspace(0.5, 2, 40)])
def test_a_kernel_density_is_that_of_scipy(bandwidth, weights):
    model = mad.KernelDensity(bandwidth).fit(POINTS if weights is None else Weighted(POINTS, weights))
    points = rng(1).normal(size=(30, 2)) * 2
    theirs = stats.gaussian_kde(POINTS.T, bandwidth, weights=weights).logpdf(points.T)
    np.testing.assert_allclose(model.log_density(points), theirs, rtol=1e-9)


@pytest.mark.parametrize("bandwidth", [0.3, "scott", "silverman"])
def test_a_kernel_density_is_that_of_scikit_learn(bandwidth):
    ours = mad.KernelDensity(bandwidth if isinstance(bandwidth, float) else f"sklearn_{bandwidth}").fit(
        POINTS
    )
    theirs = neighbors.KernelDensity(bandwidth=bandwidth).fit(POINTS)
    points = rng(1).normal(size=(30, 2)) * 2
    np.testing.assert_allclose(ours.log_density(points), theirs.score_samples(points), rtol=1e-9)
    np.testing.assert_allclose(ours.kernel, theirs.bandwidth_ * np.eye(2))
    replicates = mad.KernelDensity(ours.bandwidth).fit(np.stack([POINTS, POINTS + 1]))
    found = replicates.log_density(np.stack([points, points + 1]))
    np.testing.assert_allclose(found, np.tile(ours.log_density(points), (2, 1)))


def test_singular_kernels_and_the_bootstrap():
    few = POINTS[:3]
    flat = np.concatenate([few, few @ [[1.0], [2.0]]], 1)
    model = mad.KernelDensity("scott").fit(flat)
    assert np.isfinite(model.log_density(model.sample(20, rng=rng()))).all()
    assert (model.log_density(flat + np.array([0.0, 0.0, 0.1])) == -np.inf).all()
    boot = mad.KernelDensity(0.0).fit(np.array([[0.0], [0.0], [1.0]]))
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(boot.log_density([[0.0], [1.0], [0.5]]), np.log([2 / 3, 1 / 3, 0.0]))


def test_tokens():
    model = mad.Categorical([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]])
    found = np.exp(model.log_density([[0], [2], [7]]))
    np.testing.assert_allclose(found, [[0.5, 0.0, 0.0], [0.2, 0.5, 0.0]])
    fitted = mad.Categorical(symbols=50).fit(np.array([[3], [3], [49]]))
    np.testing.assert_allclose(np.exp(fitted.log_density([[3], [49], [0]])), [2 / 3, 1 / 3, 0])


@pytest.mark.parametrize(
    "model",
    [
        mad.Gaussian([0.3], [[2.0]]),
        mad.Mixture(means=[[0.0], [3.0]], covariances=np.array([0.5, 2.0]), weights=[1, 3]),
        mad.KernelDensity("scott").fit(POINTS[:, :1]),
        mad.KernelDensity("sklearn_silverman").fit(POINTS[:, :1]),
        mad.Estimator(GaussianMixture(2)).fit(POINTS[:, :1], rng=np.random.default_rng(0)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_densities_integrate_to_one(model):
    total = integrate.quad(lambda x: float(np.exp(model.log_density([[x]])[0])), -15, 25, limit=400)[0]
    assert total == pytest.approx(1, abs=1e-6)


def test_a_flow_has_one_too():
    pytest.importorskip("torch")
    from madtheory import networks

    assert callable(networks.Flow.log_density)


# In a loop


def test_the_likelihood_is_entropy_plus_divergence():
    """Over test points of the truth, NLL has the mean of the closed form; detects 2 % of it."""
    truth = mad.Gaussian(np.zeros(2), covariance_of(2))
    loop = mad.Loop(real=truth, model=mad.Gaussian(), regime=regimes.replace(n=30))
    snapshot = mad.start(loop, rng=0)
    expected = (
        float(metrics.reverse_kl_divergence(snapshot))
        + stats.multivariate_normal(truth.mean, truth.covariance).entropy()
    )
    values = np.array(
        [
            metrics.negative_log_likelihood(test=truth.sample(200, rng=rng(seed)))(snapshot)
            for seed in range(200)
        ]
    )
    assert_mean_matches(values, expected)
    with pytest.raises(AssertionError):
        assert_mean_matches(values, 1.02 * expected)


@pytest.mark.parametrize(
    "model",
    [mad.Gaussian(), mad.Mixture(2), mad.KernelDensity(), mad.Estimator(GaussianMixture(1))],
    ids=lambda model: type(model).__name__,
)
def test_any_model_with_a_density(model):
    loop = mad.Loop(real=mad.Gaussian.standard(2), model=model, regime=regimes.replace(n=20))
    chosen = metrics.negative_log_likelihood(test=POINTS)
    found = mad.simulate(loop, 3, metrics=[chosen], replicates=2, rng=0, progress=False)
    assert found["negative_log_likelihood"].shape == (2, 3)
    assert np.isfinite(found["negative_log_likelihood"]).all()


def test_a_lost_token_is_infinitely_unlikely():
    loop = mad.Loop(
        real=mad.Categorical([0.5, 0.4, 0.1]), model=mad.Categorical(symbols=3), regime=regimes.replace(n=10)
    )
    chosen = metrics.negative_log_likelihood(test=np.array([[0], [1], [2]]))
    found = mad.simulate(loop, 60, metrics=[chosen], replicates=20, rng=0, progress=False)
    assert np.isinf(found["negative_log_likelihood"].isel(generation=-1)).any()
    assert not np.isnan(found["negative_log_likelihood"]).any()


def test_the_points_are_part_of_the_metric():
    one, two, other = (metrics.negative_log_likelihood(test=t) for t in (POINTS, POINTS.copy(), POINTS + 1))
    assert one.__qualname__ == two.__qualname__ != other.__qualname__
    snapshot = mad.start(
        mad.Loop(real=mad.Gaussian.standard(2), model=mad.Gaussian(), regime=regimes.replace(n=20)), rng=0
    )
    copy = pickle.loads(pickle.dumps(one))
    assert copy(snapshot) == one(snapshot) != other(snapshot)
    mine = POINTS.copy()
    metric = metrics.negative_log_likelihood(test=mine)
    before = metric(snapshot)
    mine *= 100
    assert metric(snapshot) == before


def test_refusals():
    for model in (mad.Gaussian.standard(2), mad.KernelDensity().fit(POINTS), mad.Mixture.grid(2)):
        with pytest.raises(ValueError, match=r"points has shape \(3, 1\).*d=2"):
            model.log_density(np.zeros((3, 1)))
        with pytest.raises(ValueError, match="points"):
            model.log_density([[np.nan, 0.0]])
    for unfitted in (mad.Gaussian(), mad.KernelDensity(), mad.Mixture(2), mad.Categorical()):
        with pytest.raises(ValueError, match="not fitted"):
            unfitted.log_density(POINTS)
    for bad in ([[0.5]], [[-1]], [[0, 1]]):
        with pytest.raises(ValueError, match="not symbols"):
            mad.Categorical([1.0]).log_density(bad)
    with pytest.raises(ValueError, match="label from 0 to 3"):
        mad.Mixture.grid(2, labels="observed").log_density([[0.0, 0.0, 4.0]])
    with pytest.raises(ValueError, match=r"test has shape \(2, 40, 2\)"):
        metrics.negative_log_likelihood(test=np.stack([POINTS, POINTS]))

    class Silent(GaussianMixture):
        score_samples = None

    with pytest.raises(TypeError, match="no method score_samples"):
        mad.Estimator(Silent(1)).log_density(POINTS)
    loop = mad.Loop(
        real=mad.Gaussian.standard(2), model=SIMS(mad.Gaussian(), 0.5), regime=regimes.replace(n=20)
    )
    with pytest.raises(TypeError, match=r"needs a model with log_density.*SIMS"):
        metrics.negative_log_likelihood(test=POINTS)(mad.start(loop, rng=0))


class Untouched:
    """An estimator that must not be fitted."""

    def fit(self, points):
        raise AssertionError("fitted")

    def sample(self, n):
        raise AssertionError("sampled")

    def get_params(self, deep=True):
        return {}


@pytest.mark.parametrize(
    ("real", "model", "test", "message"),
    [
        (mad.Gaussian.standard(2), mad.Gaussian(), POINTS[:, :1], r"test has shape \(40, 1\).*dimension 2"),
        (POINTS, mad.Gaussian(), np.ones((3, 3)), r"test has shape \(3, 3\).*dimension 2"),
        (
            mad.Gaussian.standard(2),
            mad.Estimator(Untouched()),
            POINTS,
            "Untouched has no method score_samples",
        ),
        (mad.Categorical([0.5, 0.5]), mad.Categorical(), [[0.5]], "not symbols"),
        (mad.Categorical([0.5, 0.5]), mad.Categorical(), [[-1]], "not symbols"),
        (mad.Categorical([0.5, 0.5]), mad.Categorical(), [[0, 1]], "dimension 1"),
    ],
)
def test_points_that_do_not_fit_the_loop_are_refused_before_the_first_fit(
    real, model, test, message, monkeypatch
):
    monkeypatch.setattr(_simulate, "start_all", lambda *_, **__: pytest.fail("fitted"))
    loop = mad.Loop(real=real, model=model, regime=regimes.replace(n=20))
    with pytest.raises((TypeError, ValueError), match=message):
        mad.simulate(loop, 2, metrics=[metrics.negative_log_likelihood(test=test)], progress=False)
