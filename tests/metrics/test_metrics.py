"""Metrics against the formulas in the plainest form, SciPy, and the published precision/recall code."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, strategies as st
from scipy import stats

import madtheory as mad
from madtheory import metrics, regimes, testing


def snapshot_of(model, real, replicates=()):
    """A snapshot that holds any model and truth."""
    loop = mad.Loop(real=real, model=mad.Gaussian(), regime=regimes.replace(n=99))
    started = mad.start(loop, rng=0, replicates=replicates[0] if replicates else None)
    return started.__class__(**{**vars(started), "model": model})


def pair(seed, dim):
    """A truth and another Gaussian of the same dimension."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(2):
        root = rng.normal(size=(dim, dim + 2))
        out.append(mad.Gaussian(rng.normal(size=dim), root @ root.T / dim))
    return out


def kl(p, q):
    """KL(p || q) as in any textbook."""
    inverse, delta = np.linalg.inv(q.covariance), q.mean - p.mean
    log_ratio = np.linalg.slogdet(q.covariance)[1] - np.linalg.slogdet(p.covariance)[1]
    return 0.5 * (np.trace(inverse @ p.covariance) + delta @ inverse @ delta - len(delta) + log_ratio)


@given(seed=st.integers(0, 999), dim=st.integers(1, 6))
def test_against_direct_formulas(seed, dim):
    truth, model = pair(seed, dim)
    snapshot = snapshot_of(model, truth)
    c, c0, delta = model.covariance, truth.covariance, model.mean - truth.mean
    root = scipy.linalg.sqrtm(c0)
    overlap = np.real(np.trace(scipy.linalg.sqrtm(root @ c @ root)))
    expected = {
        "total_variance": np.trace(c),
        "log_total_variance": np.log(np.trace(c)),
        "log_volume": np.log(np.linalg.det(c)),
        "mean_error": delta @ delta,
        "wasserstein2_squared": delta @ delta + np.trace(c) + np.trace(c0) - 2 * overlap,
        "kl_divergence": kl(model, truth),
        "reverse_kl_divergence": kl(truth, model),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(
            getattr(metrics, name)(snapshot), value, rtol=1e-7, atol=1e-7, err_msg=name
        )


def test_the_direction_of_the_divergence():
    """A narrow model in a wide truth: KL(model || truth) is the smaller one."""
    narrow, wide = mad.Gaussian(0.0, 0.01), mad.Gaussian(0.0, 1.0)
    snapshot = snapshot_of(narrow, wide)
    forward, backward = metrics.kl_divergence(snapshot), metrics.reverse_kl_divergence(snapshot)
    x = np.linspace(-9, 9, 200_001)
    p, q = stats.norm(0, 0.1).logpdf(x), stats.norm(0, 1).logpdf(x)
    np.testing.assert_allclose(forward, np.trapezoid(np.exp(p) * (p - q), x), rtol=1e-6)
    np.testing.assert_allclose(backward, np.trapezoid(np.exp(q) * (q - p), x), rtol=1e-6)
    assert forward < backward


def test_wasserstein_in_one_dimension_is_the_quantile_distance():
    model, truth = mad.Gaussian(0.3, 2.0), mad.Gaussian(-0.5, 0.7)
    u = (np.arange(200_000) + 0.5) / 200_000
    quantiles = [stats.norm(g.mean[0], np.sqrt(g.covariance[0, 0])).ppf(u) for g in (model, truth)]
    direct = np.mean((quantiles[0] - quantiles[1]) ** 2)
    np.testing.assert_allclose(metrics.wasserstein2_squared(snapshot_of(model, truth)), direct, rtol=1e-4)


@given(truth=testing.gaussians())
def test_the_truth_is_at_distance_zero(truth):
    snapshot = snapshot_of(truth, truth)
    for name in ("mean_error", "wasserstein2_squared", "kl_divergence", "reverse_kl_divergence"):
        np.testing.assert_allclose(
            getattr(metrics, name)(snapshot), 0.0, atol=1e-9 * (1 + truth.covariance.max())
        )


@given(seed=st.integers(0, 99), dim=st.integers(1, 5))
def test_invariance(seed, dim):
    """Divergences ignore any invertible affine map, distances any rigid motion; scale enters squared."""
    truth, model = pair(seed, dim)
    rng = np.random.default_rng(seed)
    matrix, shift = rng.normal(size=(dim, dim)) + 2 * np.eye(dim), rng.normal(size=dim)
    rotation = np.linalg.qr(matrix)[0]

    def moved(g, a):
        c = a @ g.covariance @ a.T
        return mad.Gaussian(a @ g.mean + shift, (c + c.T) / 2)

    before = snapshot_of(model, truth)
    for names, a, factor in (
        (("kl_divergence", "reverse_kl_divergence"), matrix, 1.0),
        (("wasserstein2_squared", "mean_error", "total_variance"), rotation, 1.0),
        (("wasserstein2_squared", "mean_error", "total_variance"), 3 * rotation, 9.0),
    ):
        after = snapshot_of(moved(model, a), moved(truth, a))
        for name in names:
            measure = getattr(metrics, name)
            np.testing.assert_allclose(measure(after), factor * measure(before), rtol=1e-5, atol=1e-7)


def test_one_number_per_replicate():
    """A metric of a batch of models is the metric of each."""
    loop = mad.Loop(real=pair(1, 3)[0], model=mad.Gaussian(), regime=regimes.replace(n=9))
    many = mad.start(loop, rng=0, replicates=4)
    gaussian = ("total_variance", "log_total_variance", "log_volume", "mean_error", "wasserstein2_squared")
    for name in (*gaussian, "kl_divergence", "reverse_kl_divergence"):
        together = getattr(metrics, name)(many)
        assert together.shape == (4,), name
        for k in range(4):
            one = mad.Gaussian(many.model.mean[k], many.model.covariance[k])
            np.testing.assert_allclose(
                getattr(metrics, name)(snapshot_of(one, loop.real)), together[k], rtol=1e-8
            )


def test_singular_models():
    """Rank 1 in three dimensions: infinite divergences, finite distances."""
    loop = mad.Loop(real=mad.Gaussian.standard(3), model=mad.Gaussian(), regime=regimes.replace(n=2))
    snapshot = mad.start(loop, rng=0, replicates=5)
    assert np.isneginf(metrics.log_volume(snapshot)).all()
    assert np.isposinf(metrics.kl_divergence(snapshot)).all()
    assert np.isposinf(metrics.reverse_kl_divergence(snapshot)).all()
    scale = np.sqrt(metrics.total_variance(snapshot))
    expected = metrics.mean_error(snapshot) + scale**2 + 3 - 2 * scale  # one direction overlaps
    np.testing.assert_allclose(metrics.wasserstein2_squared(snapshot), expected)


def test_a_singular_truth_has_no_divergence():
    flat = mad.Gaussian([0.0, 0.0], [[1.0, 0.0], [0.0, 0.0]])
    snapshot = snapshot_of(mad.Gaussian.standard(2), flat)
    with pytest.raises(ValueError, match=r"kl_divergence needs a truth with an invertible covariance"):
        metrics.kl_divergence(snapshot)
    np.testing.assert_allclose(metrics.wasserstein2_squared(snapshot), 1.0)


def test_real_data_as_truth():
    """An array stands for the uniform law on its rows, whose moments the metrics compare with."""
    rows = np.random.default_rng(0).exponential(size=(40, 3))
    loop = mad.Loop(real=rows, model=mad.Gaussian(ddof=0), regime=regimes.replace(n=9))
    snapshot = mad.start(loop, rng=0)
    exact = snapshot.__class__(**{**vars(snapshot), "model": mad.Gaussian(ddof=0).fit(rows)})
    for name in ("mean_error", "wasserstein2_squared", "kl_divergence", "reverse_kl_divergence"):
        np.testing.assert_allclose(getattr(metrics, name)(exact), 0.0, atol=1e-9)


def test_metrics_refuse_what_is_no_gaussian():
    class Histogram:
        def fit(self, data, *, rng):
            return self

        def sample(self, n, *, rng):
            return np.zeros((n, 1))

    loop = mad.Loop(real=mad.Gaussian.standard(1), model=Histogram(), regime=regimes.replace(n=9))
    with pytest.raises(TypeError, match=r"total_variance compares Gaussians; Histogram .*Pass metrics="):
        mad.simulate(loop, 2, replicates=2, metrics=[metrics.total_variance])


def clouds(seed, shift=0.0, scale=0.5, dim=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(300, dim)), scale * rng.normal(size=(250, dim)) + shift


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("scale", [0.4, 1.0, 2.0])
def test_precision_and_recall_as_published(k, scale, capsys):
    prdc = pytest.importorskip("prdc")
    real, fake = clouds(k, shift=0.5, scale=scale)
    theirs = prdc.compute_prdc(real, fake, nearest_k=k)
    assert metrics.precision_recall(real=real, fake=fake, k=k) == (theirs["precision"], theirs["recall"])


def test_precision_and_recall_are_not_symmetric():
    """A narrow model is precise and has little recall; swapping the arguments swaps the two numbers."""
    real, fake = clouds(0, scale=0.3)
    precision, recall = metrics.precision_recall(real=real, fake=fake)
    assert precision > 0.95
    assert recall < 0.6
    assert metrics.precision_recall(real=fake, fake=real) == (recall, precision)
    assert metrics.precision_recall(real=real, fake=real) == (1.0, 1.0)
    assert metrics.precision_recall(real=real, fake=fake + 100) == (0.0, 0.0)


@pytest.mark.parametrize("dim", [1, 5])
def test_effective_sample_size_inverts_the_real_fit(dim):
    """n_e real points are, in expectation, exactly as far from the truth as the model is."""
    from madtheory.theory import gaussian

    loop = mad.Loop(real=mad.Gaussian.standard(dim), model=mad.Gaussian(), regime=regimes.replace(n=30))
    snapshot = mad.start(loop, rng=0, replicates=6)
    found, distance = metrics.effective_sample_size(snapshot), metrics.wasserstein2_squared(snapshot)
    for n, w in zip(found, distance, strict=True):
        expected = gaussian.real_fit_wasserstein2_squared(n=float(n), dim=dim)
        np.testing.assert_allclose(expected, w, rtol=1e-3)
    order = np.argsort(distance)
    assert (np.diff(found[order]) < 0).all()
    shifted = mad.Loop(
        real=mad.Gaussian(np.zeros(2), np.diag([1.0, 2.0])),
        model=mad.Gaussian(),
        regime=regimes.replace(n=30),
    )
    with pytest.raises(ValueError, match="identity covariance"):
        metrics.effective_sample_size(mad.start(shifted, rng=0))


@pytest.mark.parametrize("loop", [None, "a loop", 3, [], mad.Loop])
def test_defaults_belong_to_a_loop(loop):
    with pytest.raises(TypeError, match=r"loop=.* is not a Loop"):
        metrics.defaults(loop)
