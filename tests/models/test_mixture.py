"""Mixtures: exact fits with observed labels, EM with latent ones, drift, warm starts, errors."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import madtheory as mad
from madtheory import regimes
from madtheory.data import Empirical, Moments, Weighted
from madtheory.metrics import DEFAULT, total_variance
from madtheory.models.mixture import Mixture
from madtheory.testing import assert_mean_matches, check_generative_model

SKEWED = np.random.default_rng(5).gamma(1.5, size=(120, 2)) @ np.array([[1.0, 0.4], [0.0, 0.7]])


def rng(seed=0):
    return np.random.default_rng(seed)


def grid(**settings):
    return Mixture.grid(2, spacing=3.0, variance=0.3, **settings)


@pytest.mark.parametrize(
    ("labels", "shape"),
    [("latent", "full"), ("latent", "diagonal"), ("latent", "spherical"), ("observed", "full")],
)
def test_it_is_a_generative_model(labels, shape):
    check_generative_model(Mixture(4, labels=labels, shape=shape), real=grid(labels=labels))


def test_the_default_metrics_take_mixtures():
    loop = mad.Loop(real=grid(), model=Mixture(4), regime=regimes.replace(n=50))
    data = mad.simulate(loop, 3, replicates=2, rng=0, progress=False)
    assert set(data) == {metric.__name__ for metric in DEFAULT}
    assert np.isfinite(data.to_array()).all()


def test_the_grid_is_the_25_mode_distribution():
    model = Mixture.grid()
    assert model.means.shape == (25, 2)
    assert sorted(set(model.means.ravel())) == [-2, -1, 0, 1, 2]
    assert np.trace(model.covariance) == pytest.approx(4.02, rel=1e-12)
    np.testing.assert_allclose(model.covariances, np.broadcast_to(0.01 * np.eye(2), (25, 2, 2)), atol=1e-15)


def test_moments_are_those_of_samples():
    model = Mixture(
        means=[[0.0, 1.0], [3.0, -2.0]],
        covariances=[[[1.0, 0.5], [0.5, 2.0]], 0.3 * np.eye(2)],
        weights=[1, 3],
    )
    points = model.expand(3000).sample(20, rng=rng())
    assert_mean_matches(points.mean(1), model.mean)
    off = points - model.mean
    second = np.einsum("rni,rnj->rij", off, off) / 20
    assert_mean_matches(second.reshape(3000, 4), model.covariance.ravel())
    with pytest.raises(AssertionError):
        assert_mean_matches(second.reshape(3000, 4), (model.weights @ model.covariances.reshape(2, 4)))
    assert model.moments.log_volume == pytest.approx(np.linalg.slogdet(model.covariance)[1])


def test_bias_multiplies_the_covariance_of_each_component():
    model = grid()
    np.testing.assert_array_equal(
        np.unique(model.sample(200, rng=rng(), bias=0.0), axis=0), np.unique(model.means, axis=0)
    )
    full, half = (model.sample(50, rng=rng(), bias=b) for b in (1.0, 0.25))
    centre = model.sample(50, rng=rng(), bias=0.0)
    np.testing.assert_allclose(half - centre, 0.5 * (full - centre), atol=1e-12)


# Latent labels


@pytest.mark.parametrize("start", [None, "truth"])
@pytest.mark.parametrize("iterations", [1, 50])
def test_em_keeps_the_moments_of_its_training_set(start, iterations):
    settings = {"ridge": 0.01, "iterations": iterations}
    model = grid(**settings) if start else Mixture(4, **settings)
    fitted = model.fit(SKEWED, rng=rng())
    np.testing.assert_allclose(fitted.mean, SKEWED.mean(0), rtol=1e-10)
    covariance = np.cov(SKEWED.T, ddof=0)
    np.testing.assert_allclose(fitted.covariance, covariance + 0.01 * np.eye(2), rtol=1e-9)
    assert not np.allclose(fitted.covariance, covariance, rtol=1e-3)


@pytest.mark.parametrize("shape", ["diagonal", "spherical"])
def test_other_shapes_keep_mean_and_trace(shape):
    fitted = Mixture(3, shape=shape, ridge=0.0).fit(SKEWED, rng=rng())
    np.testing.assert_allclose(fitted.mean, SKEWED.mean(0), rtol=1e-10)
    assert np.trace(fitted.covariance) == pytest.approx(SKEWED.var(0).sum(), rel=1e-10)
    off = fitted.covariances * (1 - np.eye(2))
    assert np.abs(off).max() == 0
    if shape == "spherical":
        np.testing.assert_array_equal(fitted.covariances[:, 0, 0], fitted.covariances[:, 1, 1])


def test_em_starts_where_the_model_stands():
    points = grid().sample(400, rng=rng(1))
    order = [3, 0, 2, 1]
    shuffled = Mixture(means=grid().means[order], covariances=0.3)
    fitted = shuffled.fit(points, rng=rng())
    np.testing.assert_allclose(fitted.means, shuffled.means, atol=0.3)
    assert not np.allclose(fitted.means, grid().means, atol=0.3)
    # Its own posteriors are exact: one step is all but the end of EM.
    one = Mixture.grid(iterations=1).fit(real := Mixture.grid().sample(2000, rng=rng(2)), rng=rng())
    many = Mixture.grid(tolerance=1e-9).fit(real, rng=rng())
    assert np.abs(one.means - many.means).max() < 1e-4


def test_warm_start_goes_on_from_the_previous_model():
    def third(model, warm):
        loop = mad.Loop(real=grid(), model=model, regime=regimes.replace(n=200), warm_start=warm)
        return next(s for s in mad.iterate(loop, rng=4) if s.generation == 3).model

    start = grid()
    # k-means orders components as it likes; from the previous model they stay where they are.
    np.testing.assert_allclose(third(start, True).means, start.means, atol=0.5)
    np.testing.assert_allclose(third(start, False).means, start.means, atol=0.5)
    cold, warm = third(Mixture(4), False), third(Mixture(4), True)
    assert not np.array_equal(cold.means, warm.means)
    np.testing.assert_allclose(np.sort(cold.means, 0), np.sort(warm.means, 0), atol=0.5)


def test_replicates_are_fitted_one_by_one():
    points = grid().expand(3).sample(80, rng=rng(1))
    fitted = grid().fit(points, rng=rng())
    for i in range(3):
        alone = grid().fit(points[i], rng=rng())
        np.testing.assert_allclose(fitted.means[i], alone.means)
        np.testing.assert_allclose(fitted.weights[i], alone.weights)


def test_em_survives_collapsed_components():
    model = Mixture(means=[[0.0, 0.0], [5.0, 5.0]], covariances=[1.0, 0.0], weights=[1, 0], ridge=1e-9)
    fitted = model.fit(rng().standard_normal((50, 2)), rng=rng())
    assert np.isfinite(fitted.sample(20, rng=rng())).all()
    np.testing.assert_allclose(fitted.weights, [1, 0], atol=1e-9)
    narrow = Mixture.grid(variance=1e-7, ridge=1e-9, iterations=1)
    wide = narrow.means * 1e-3 + rng().standard_normal((25, 2)) * [1, 1e-6]
    assert np.isfinite(narrow.fit(np.repeat(wide, 9, axis=0), rng=rng()).covariances).all()


# Observed labels


def labelled_points(n=60, seed=3):
    return grid(labels="observed").sample(n, rng=rng(seed))


def test_observed_labels_are_fitted_exactly():
    points = labelled_points()
    fitted = Mixture(4, labels="observed").fit(points, rng=rng())
    for k in range(4):
        own = points[points[:, 2] == k, :2]
        assert fitted.weights[k] == pytest.approx(len(own) / 60)
        np.testing.assert_allclose(fitted.means[k], own.mean(0))
        np.testing.assert_allclose(fitted.covariances[k], np.cov(own.T, ddof=0))


@given(st.integers(0, 2**16), st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_statistics_join_as_points_do(seed, n):
    model = Mixture(4, labels="observed")
    parts = [labelled_points(n, seed), labelled_points(7, seed + 1)]
    joined = mad.data.join([model._statistic(part) for part in parts])
    pooled = model._statistic(mad.data.join(parts))
    np.testing.assert_allclose(joined.weight, pooled.weight)
    alive = pooled.weight > 0
    np.testing.assert_allclose(joined.mean[alive], pooled.mean[alive], atol=1e-10)
    np.testing.assert_allclose(joined.scatter, pooled.scatter, atol=1e-9)


def test_weights_of_points_are_multiplicities():
    points, weights = labelled_points(), rng().integers(1, 4, 60)
    model = Mixture(4, labels="observed")
    one = model.fit(Weighted(points, weights.astype(float)), rng=rng())
    two = model.fit(np.repeat(points, weights, axis=0), rng=rng())
    np.testing.assert_allclose(one.weights, two.weights)
    np.testing.assert_allclose(one.covariances, two.covariances, atol=1e-12)


def heterozygosity(snapshot):
    return 1 - (snapshot.model.weights**2).sum(-1)


@pytest.mark.parametrize("method", ["statistics", "samples"])
def test_weights_follow_wright_fisher_drift(method):
    n, generations = 20, 8
    loop = mad.Loop(
        real=grid(labels="observed"), model=Mixture(4, labels="observed"), regime=regimes.replace(n=n)
    )
    data = mad.simulate(
        loop, generations, replicates=3000, metrics=[heterozygosity, total_variance], method=method, rng=1,
        progress=False,
    )  # fmt: skip
    decay = (1 - 1 / n) ** np.arange(1, generations + 1)
    assert_mean_matches(data["heterozygosity"], 0.75 * decay)
    assert_mean_matches(data["total_variance"], np.trace(grid().covariance) * decay)
    with pytest.raises(AssertionError):
        assert_mean_matches(data["heterozygosity"], 0.75 * (1 - 1 / n) ** np.arange(generations))


def test_lost_components_return_with_real_data_only():
    real, model = grid(labels="observed"), Mixture(4, labels="observed")
    alone = mad.Loop(real=real, model=model, regime=regimes.replace(n=4, n_initial=20))
    beside = mad.Loop(real=real, model=model, regime=regimes.augment(n_real=80, n_synthetic=4))
    for method in ("statistics", "samples"):
        lost = np.zeros((50, 4), bool)
        for snapshot in mad.iterate(alone, rng=2, replicates=50, method=method):
            dead = snapshot.model.weights == 0
            assert not (lost & ~dead).any()
            lost = dead
            if snapshot.generation == 15:
                break
        assert lost.any()
        runs = mad.iterate(beside, rng=2, replicates=50, method=method)
        assert (next(s for s in runs if s.generation == 15).model.weights > 0).all()


@pytest.mark.parametrize(
    "regime",
    [
        regimes.fresh(n_real=10, n_synthetic=20, memory=2, weights=(2.0, 0.5)),
        regimes.accumulate(n=10),
        regimes.Regime(n_initial=20, n_synthetic=20, budget=10),
    ],
)
def test_statistics_follow_points_in_every_regime(regime):
    loop = mad.Loop(
        real=grid(labels="observed"), model=Mixture(4, labels="observed"), regime=regime, bias=0.8
    )
    metrics = [heterozygosity, total_variance]
    one, two = (
        mad.simulate(loop, 4, replicates=1500, metrics=metrics, method=m, rng=r, progress=False)
        for r, m in enumerate(("statistics", "samples"))
    )
    for name in one:
        assert_mean_matches(one[name].values - two[name].values, np.zeros(4))


def test_latent_labels_have_no_statistic():
    assert not hasattr(Mixture(4), "sample_statistic")
    assert hasattr(Mixture(4, labels="observed"), "sample_statistic")
    loop = mad.Loop(real=grid(), model=Mixture(4), regime=regimes.replace(n=50))
    with pytest.raises(ValueError, match=r"Mixture has no sample_statistic.*method='samples'"):
        mad.simulate(loop, 2, method="statistics", progress=False)


# Errors


def test_models_are_values():
    with pytest.raises(FrozenInstanceError):
        grid().weights = None
    weights = np.array([1.0, 1.0])
    model = Mixture(means=np.zeros((2, 1)), covariances=1.0, weights=weights)
    weights[0] = 9
    np.testing.assert_allclose(model.weights, 0.5)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({}, "components is missing"),
        ({"components": 0}, "components=0"),
        ({"components": 2, "means": np.zeros((2, 1))}, "means and covariances go together"),
        ({"components": 3, "means": np.zeros((2, 1)), "covariances": 1.0}, "components=3 and 2 means"),
        ({"means": [0.0, 1.0], "covariances": 1.0}, "means has shape"),
        ({"means": np.zeros((2, 1)), "covariances": 1.0, "weights": [1, -1]}, "weights=.*2 numbers >= 0"),
        ({"means": np.zeros((2, 1)), "covariances": 1.0, "weights": [1, 1, 1]}, "weights=.*2 numbers >= 0"),
        ({"components": 2, "labels": "seen"}, "labels='seen'.*'latent', 'observed'"),
        ({"components": 2, "shape": "round"}, "shape='round'.*'spherical'"),
        ({"components": 2, "ridge": -1.0}, "ridge=-1.0 is not a finite number >= 0"),
        ({"components": 2, "iterations": 0}, "iterations=0"),
    ],
)
def test_arguments_out_of_range(keywords, message):
    with pytest.raises(ValueError, match=message):
        Mixture(**keywords)


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        (Mixture(4), Weighted(SKEWED, np.ones(120)), "EM takes points of equal weight"),
        (Mixture(4), Moments.of(SKEWED), "EM takes points of equal weight"),
        (Mixture(4), SKEWED[:3], "3 points for 4 components"),
        (Mixture(2, ridge=0.0), np.zeros((9, 2)), "EM failed with ridge=0"),
        (Mixture(4, labels="observed"), SKEWED, "must end in a label from 0 to 3"),
        (Mixture(4, labels="observed"), Moments.of(SKEWED), "expected .*, 4"),
    ],
)
def test_data_that_do_not_fit(model, data, message):
    with pytest.raises(ValueError, match=message):
        model.fit(data, rng=rng())


def test_an_unfitted_mixture_says_so():
    with pytest.raises(ValueError, match="not fitted"):
        Mixture(4).sample(3, rng=rng())
    assert Mixture(4).expand(2).weights is None
    model = Mixture(4, labels="observed")
    loop = mad.Loop(real=Empirical(SKEWED), model=model, regime=regimes.replace(n=9))
    with pytest.raises(ValueError, match="real and model need labels='observed'"):
        mad.simulate(loop, 2, replicates=1, progress=False)


# Where second moments cancel


@pytest.mark.parametrize("shape", ["full", "diagonal", "spherical"])
@pytest.mark.parametrize("warm", [False, True])
def test_an_offset_changes_nothing_else(shape, warm):
    """EM at an offset of 1e8 standard deviations finds the components that it finds at the origin."""

    def fitted(offset):
        points = np.concatenate([SKEWED, 0.5 * SKEWED + [6.0, 1.0]]) + offset
        means = np.array([[1.0, 1.0], [6.0, 1.0]]) + offset
        model = Mixture(means=means, covariances=0.5, shape=shape) if warm else Mixture(2, shape=shape)
        found = model.fit(points, rng=rng(1))
        order = np.argsort(found.means[:, 0])
        return found.means[order] - offset, found.covariances[order], found.weights[order]

    expected = fitted(0.0)
    # The points themselves are rounded to 1e-16 of the offset.
    for offset in (2.0**10, 3e7, 1e8):
        for value, right in zip(fitted(offset), expected, strict=True):
            np.testing.assert_allclose(value, right, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", ["full", "diagonal", "spherical"])
def test_components_far_apart_keep_their_spread(shape):
    """Centring does not help here: a component is 1e8 of its deviations from the middle."""
    near, far = SKEWED, SKEWED[::-1] * 0.7 + 1e8
    found = Mixture(2, shape=shape, ridge=0.0).fit(np.concatenate([near, far]), rng=rng())
    order = np.argsort(found.means[:, 0])
    for k, points in zip(order, (near, far), strict=True):
        trace = np.trace(found.covariances[k])
        assert trace == pytest.approx(points.var(0).sum(), rel=1e-6)
        if shape == "diagonal":
            np.testing.assert_allclose(np.diagonal(found.covariances[k]), points.var(0), rtol=1e-6)


@pytest.mark.parametrize("shape", ["diagonal", "spherical"])
def test_em_is_that_of_scikit_learn(shape):
    """Near the origin, where its own formula for these shapes is right."""
    from sklearn.mixture import GaussianMixture

    points = np.concatenate([SKEWED, SKEWED + np.array([4.0, 0.0])])
    ours = Mixture(3, shape=shape).fit(points, rng=rng(7))
    theirs = GaussianMixture(
        3, covariance_type="diag" if shape == "diagonal" else shape,
        random_state=int(rng(7).integers(2**31)),
    ).fit(points)  # fmt: skip
    np.testing.assert_allclose(ours.means, theirs.means_, rtol=1e-9)
    np.testing.assert_allclose(ours.weights, theirs.weights_, rtol=1e-9)
    variances = np.diagonal(ours.covariances, axis1=1, axis2=2)
    np.testing.assert_allclose(variances, np.reshape(theirs.covariances_, (3, -1)) * np.ones(2), rtol=1e-9)
