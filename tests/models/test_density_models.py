"""Kernel densities, the bootstrap, and scikit-learn's estimators as generators."""

import copy
import dataclasses

import numpy as np
import pytest
from scipy.stats import gaussian_kde, ks_2samp
from sklearn import neighbors
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture

import madtheory as mad
from madtheory import metrics, regimes, testing
from madtheory.data import Moments, Weighted
from madtheory.metrics import total_variance
from madtheory.models.estimator import Estimator
from madtheory.models.kernel_density import KernelDensity
from madtheory.testing import assert_mean_matches, check_generative_model

POINTS = np.random.default_rng(1).gamma(1.5, size=(40, 2)) @ np.array([[1.0, 0.4], [0.0, 0.7]])
WIDTHS = (0.0, 0.3, "silverman", "scott")


def rng(seed=0):
    return np.random.default_rng(seed)


# Kernel density


@pytest.mark.parametrize("bandwidth", WIDTHS)
def test_a_kernel_density_is_a_generative_model(bandwidth):
    check_generative_model(KernelDensity(bandwidth), real=mad.Gaussian.standard(2))


@pytest.mark.parametrize("bandwidth", ["silverman", "scott"])
@pytest.mark.parametrize("weights", [None, np.linspace(0.5, 2, 40)])
def test_the_rules_are_those_of_scipy(bandwidth, weights):
    for dim in (1, 2, 3):
        points = rng().gamma(2.0, size=(40, dim))
        scipy = gaussian_kde(points.T, bandwidth, weights=weights)
        model = KernelDensity(bandwidth).fit(points if weights is None else Weighted(points, weights))
        np.testing.assert_allclose(model.kernel @ model.kernel.T, scipy.covariance, rtol=1e-10)


@pytest.mark.parametrize("bandwidth", WIDTHS)
@pytest.mark.parametrize("weights", [None, np.linspace(0.5, 2, 40)])
def test_mean_and_covariance_are_those_of_samples(bandwidth, weights):
    model = KernelDensity(bandwidth).fit(POINTS if weights is None else Weighted(POINTS, weights))
    points = model.expand(4000).sample(10, rng=rng())
    assert_mean_matches(points.mean(1), model.mean)
    off = points - model.mean
    second = (np.einsum("rni,rnj->rij", off, off) / 10).reshape(-1, 4)
    assert_mean_matches(second, model.covariance.ravel())
    if bandwidth != 0:
        with pytest.raises(AssertionError):
            assert_mean_matches(second, np.cov(POINTS.T, ddof=0, aweights=weights).ravel())
    assert model.moments.log_volume == pytest.approx(np.linalg.slogdet(model.covariance)[1])


def test_bandwidth_zero_is_the_bootstrap():
    drawn = KernelDensity(0.0).fit(POINTS).sample(500, rng=rng())
    assert {tuple(p) for p in drawn} <= {tuple(p) for p in POINTS}


@pytest.mark.parametrize("bandwidth", [0.3, "scott"])
def test_bias_scales_the_kernel_only(bandwidth):
    model = KernelDensity(bandwidth).fit(POINTS)
    bare, half, full = (model.sample(30, rng=rng(), bias=b) for b in (0.0, 0.25, 1.0))
    assert {tuple(p) for p in bare} <= {tuple(p) for p in POINTS}
    np.testing.assert_allclose(half - bare, 0.5 * (full - bare), atol=1e-12)
    np.testing.assert_array_equal(full, model.sample(30, rng=rng()))


def test_a_fitted_density_keeps_its_own_points():
    points = POINTS.copy()
    model = KernelDensity(0.1).fit(points)
    before = model.sample(5, rng=rng())
    points += 7
    np.testing.assert_array_equal(model.sample(5, rng=rng()), before)


def test_replicates_have_kernels_of_their_own():
    points = np.stack([POINTS, 3 * POINTS])
    model = KernelDensity().fit(points)
    np.testing.assert_allclose(model.covariance[1], 9 * model.covariance[0])
    np.testing.assert_allclose(model.covariance[0], KernelDensity().fit(POINTS).covariance)


def test_few_points_give_singular_kernels():
    model = KernelDensity("scott").fit(rng().standard_normal((3, 6)))
    assert model.sample(4, rng=rng()).shape == (4, 6)
    assert np.linalg.matrix_rank(model.covariance) == 2
    assert model.moments.log_volume < -60


@pytest.mark.parametrize(
    ("bandwidth", "message"),
    [(-1, "bandwidth=-1 is negative"), ("sheather", "'silverman', 'scott'"), (np.nan, "bandwidth=nan")],
)
def test_bandwidths_out_of_range(bandwidth, message):
    with pytest.raises(ValueError, match=message):
        KernelDensity(bandwidth)


def test_what_a_kernel_density_cannot_do():
    with pytest.raises(ValueError, match="2 or more points"):
        KernelDensity().fit(POINTS[:1])
    with pytest.raises(ValueError, match="method='samples'"):
        KernelDensity().fit(Moments.of(POINTS))
    with pytest.raises(ValueError, match="not fitted"):
        KernelDensity().sample(3, rng=rng())
    with pytest.raises(ValueError, match=r"bias=0.5 .*bootstrap"):
        KernelDensity(0.0).fit(POINTS).sample(3, rng=rng(), bias=0.5)


# Any estimator of scikit-learn


@pytest.mark.parametrize(
    "estimator",
    [
        GaussianMixture(2, random_state=3),
        BayesianGaussianMixture(n_components=2, max_iter=500),
        neighbors.KernelDensity(bandwidth=0.3),
        neighbors.KernelDensity(bandwidth=0.3, kernel="tophat"),
    ],
)
def test_estimators_are_generative_models(estimator):
    check_generative_model(Estimator(estimator), real=mad.Gaussian(np.zeros(2), [[1.0, 0.5], [0.5, 2.0]]))
    assert not hasattr(estimator, "n_features_in_")


def scores(model, expected):
    """Standard scores of the means and covariances of samples of a model, about moments."""
    off = model.sample(40_000, rng=rng(7)) - expected.mean
    products = off[:, :, None] * off[:, None, :] - expected.covariance
    each = np.concatenate([off, products.reshape(len(off), -1)], -1)
    return each.mean(0) / (each.std(0) / np.sqrt(len(off)))


MIXTURES = [
    *(GaussianMixture(2, covariance_type=kind) for kind in ("full", "tied", "diag", "spherical")),
    BayesianGaussianMixture(n_components=2, max_iter=500),
]
KERNELS = [
    *(neighbors.KernelDensity(bandwidth=1.0, kernel=kernel) for kernel in ("gaussian", "tophat")),
    neighbors.KernelDensity(bandwidth="scott"),
]


@pytest.mark.parametrize(
    ("estimator", "weights"),
    [
        *((estimator, None) for estimator in (*MIXTURES, *KERNELS)),
        *((estimator, np.r_[np.ones(30), np.full(30, 3.0)]) for estimator in KERNELS),
    ],
)
def test_moments_of_estimators_are_those_of_their_samples(estimator, weights):
    """Covariances with a kernel 1.2 times wider, or one component less, are rejected."""
    points = np.r_[POINTS[:30], POINTS[:30] + np.array([2.0, 1.0])] @ [[1.0, 0.5], [0.0, 1.0]]
    assert Estimator(estimator).takes_weights == (estimator in KERNELS)
    fitted = Estimator(estimator).fit(points if weights is None else Weighted(points, weights), rng=rng())
    np.testing.assert_array_equal(fitted.covariance, fitted.moments.covariance)
    assert np.abs(scores(fitted, fitted.moments)).max() < 5
    changed = copy.deepcopy(fitted.estimator)
    if isinstance(changed, neighbors.KernelDensity):
        changed.bandwidth_ *= 1.2
    else:
        changed.weights_ = np.array([1.0, 0.0])
    other = copy.copy(fitted)
    object.__setattr__(other, "estimator", changed)
    assert np.abs(scores(fitted, other.moments)).max() > 5


def test_loops_of_estimators_are_measured_in_closed_form():
    """Theory agrees at a power of 0.99 against errors of a half; one without the kernel is rejected."""
    loop = mad.Loop(
        real=GaussianMixture(2, random_state=0).fit(POINTS),
        model=neighbors.KernelDensity(bandwidth=0.4),
        regime=regimes.augment(n_real=30, n_synthetic=20),
    )
    assert metrics.defaults(loop) == metrics.DEFAULT
    simulated = mad.simulate(loop, 3, replicates=300, rng=0, progress=False)
    assert set(simulated) == {metric.__name__ for metric in metrics.DEFAULT}
    predicted = mad.predict(loop, 3)
    for name in predicted:
        testing.assert_mean_matches(simulated[name], predicted[name], name=name)
        errors = (0.5 * predicted[name]).values, simulated[name].std("replicate").values
        assert all(testing.power(error, std=std, n=300) > 0.99 for error, std in zip(*errors, strict=True))
    narrow = mad.predict(dataclasses.replace(loop, model=mad.KernelDensity(0.0)), 3)
    with pytest.raises(AssertionError, match="z="):
        testing.assert_mean_matches(simulated["total_variance"], narrow["total_variance"])


class Own(GaussianMixture):
    """An estimator of another package: nothing is known of its moments."""


def test_moments_that_are_not_known_are_refused():
    with pytest.raises(TypeError, match=r"Estimator of Own knows no moments; measure its samples instead"):
        _ = Estimator(Own(1)).fit(POINTS, rng=rng()).moments
    with pytest.raises(ValueError, match="not fitted"):
        _ = Estimator(GaussianMixture(1)).moments
    loop = mad.Loop(real=POINTS, model=Own(1), regime=regimes.replace(n=30))
    assert [metric.__name__ for metric in metrics.defaults(loop)][-1] == "sliced_wasserstein"
    with pytest.raises(mad.NoClosedForm, match="no mean and covariance"):
        mad.predict(mad.Loop(real=Own(1).fit(POINTS), model=mad.Gaussian(), regime=regimes.replace(n=9)), 3)


def test_a_loop_in_one_line():
    loop = mad.Loop(real=POINTS, model=Estimator(GaussianMixture(2)), regime=regimes.replace(n=30))

    def weight(snapshot):
        return snapshot.model.estimator.weights_[0]

    data = mad.simulate(loop, 3, replicates=3, metrics=[weight], rng=0, progress=False)
    assert len(np.unique(data["weight"])) == 9
    assert data.attrs["method"] == "samples"


def test_samples_follow_the_fitted_law_in_random_order():
    fitted = Estimator(GaussianMixture(2, random_state=0)).fit(np.r_[POINTS, POINTS + 20], rng=rng())
    one, two = (fitted.sample(600, rng=rng(seed)) for seed in (1, 2))
    assert ks_2samp(one[:, 0], two[:, 0]).pvalue > 1e-6
    upper = one[:, 0] > 12
    # scikit-learn sorts by component: without a shuffle, all of one would come first.
    assert (upper[1:] != upper[:-1]).sum() > 100
    control, _ = fitted.estimator.sample(600)
    assert (np.diff(control[:, 0] > 12) != 0).sum() == 1


def test_the_fitted_estimator_is_not_touched_by_sampling():
    fitted = Estimator(GaussianMixture(2, random_state=0)).fit(POINTS, rng=rng())
    before = copy.deepcopy(vars(fitted.estimator))
    fitted.sample(10, rng=rng())
    np.testing.assert_equal(vars(fitted.estimator), before)


def test_every_random_state_is_seeded():
    class Holder(GaussianMixture):
        def __init__(self, inner=None, n_components=1, random_state=None):
            super().__init__(n_components, random_state=random_state)
            self.inner = inner

    template = Holder(PCA())
    fitted = Estimator(template).fit(POINTS, rng=rng())
    assert isinstance(fitted.estimator.inner.random_state, int)
    assert template.inner.random_state is None


def test_warm_start_of_the_estimator_itself():
    def iterations(warm):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sklearn.mixture._base.BaseMixture._initialize_parameters", spy)
            calls.clear()
            model = Estimator(GaussianMixture(2, warm_start=warm)).fit(POINTS, rng=rng())
            model.fit(POINTS, rng=rng())
        return len(calls)

    original, calls = GaussianMixture._initialize_parameters, []

    def spy(self, X, random_state, **keywords):
        calls.append(1)
        self.weights_ = None
        resp = np.eye(2)[np.arange(len(X)) % 2]
        self._initialize(X, resp)

    assert original is not spy
    assert iterations(False) == 2
    assert iterations(True) == 1


def test_weights_go_to_estimators_that_take_them():
    weights = np.where(np.arange(40) < 3, 1.0, 1e-12)
    fitted = Estimator(neighbors.KernelDensity(bandwidth=1e-3)).fit(Weighted(POINTS, weights), rng=rng())
    drawn = fitted.sample(50, rng=rng())
    assert np.abs(drawn[:, None] - POINTS[:3]).max(-1).min(1).max() < 0.01
    with pytest.raises(ValueError, match="takes no sample_weight"):
        Estimator(GaussianMixture(2)).fit(Weighted(POINTS, weights), rng=rng())


def test_an_estimator_that_cannot_sample_says_so():
    with pytest.raises(
        TypeError, match=r"estimator=KMeans has no method sample.*GaussianMixture.*KernelDensity"
    ):
        Estimator(KMeans(3))
    with pytest.raises(TypeError, match="is a class"):
        Estimator(GaussianMixture)
    with pytest.raises(TypeError, match="no method fit and sample"):
        Estimator(object())


def test_what_an_estimator_refuses():
    model = Estimator(GaussianMixture(2))
    with pytest.raises(ValueError, match="not fitted"):
        model.sample(3, rng=rng())
    with pytest.raises(ValueError, match="method='samples'"):
        model.fit(Moments.of(POINTS), rng=rng())
    with pytest.raises(ValueError, match="one replicate"):
        model.fit(POINTS[None], rng=rng())
    with pytest.raises(ValueError, match=r"bias=0.5.*GaussianMixture"):
        model.fit(POINTS, rng=rng()).sample(3, rng=rng(), bias=0.5)
    loop = mad.Loop(real=POINTS, model=Own(2), regime=regimes.replace(n=30))
    with pytest.raises(TypeError, match=r"Pass metrics="):
        mad.simulate(loop, 2, replicates=1, metrics=[total_variance], progress=False)
