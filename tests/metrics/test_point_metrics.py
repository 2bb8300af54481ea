"""Metrics of point sets against published code, closed forms and brute force; then as metrics of a loop."""

import functools
import gc
import pickle
import weakref
from itertools import pairwise

import numpy as np
import pytest

import madtheory as mad
from madtheory import metrics, regimes, storage, testing
from madtheory.metrics import points as _point_metrics
from madtheory.numerics import euclidean as _distances


def clouds(seed, n=300, m=250, dim=3, shift=0.3, scale=0.8):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, dim)), scale * rng.normal(size=(m, dim)) + shift


@pytest.fixture(params=[None, 700, 1], ids=["one block", "some blocks", "rows"])
def blocks(request, monkeypatch):
    """Whatever the size of a block, the numbers are the same."""
    if request.param is not None:
        for module in (_point_metrics, _distances):
            monkeypatch.setattr(module, "_BLOCK", request.param)


# Frechet distance -----------------------------------------------------------------------------------


def by_matrix_root(real, fake):
    from scipy.linalg import sqrtm

    of_real, of_fake = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
    root = sqrtm(of_real)
    cross = sqrtm(root @ of_fake @ root)
    gap = real.mean(0) - fake.mean(0)
    return gap @ gap + np.trace(of_real + of_fake - 2 * cross.real)


@pytest.mark.parametrize("dim", [2, 7, 30])
def test_frechet_distance_by_matrix_roots(dim, blocks):
    real, fake = clouds(dim, dim=dim)
    mixed = fake @ np.random.default_rng(1).normal(size=(dim, dim))
    expected = by_matrix_root(real, mixed)
    np.testing.assert_allclose(metrics.frechet_distance(real=real, fake=mixed), expected, rtol=1e-8)
    np.testing.assert_allclose(metrics.frechet_distance(real=mixed, fake=real), expected, rtol=1e-8)


def test_frechet_distance_as_torchmetrics():
    torch = pytest.importorskip("torch")
    fid = pytest.importorskip("torchmetrics.image.fid")
    real, fake = clouds(0, dim=16)
    sets = []
    for points in (real, fake):
        tensor = torch.from_numpy(points)
        sets += [tensor.mean(0), torch.cov(tensor.T)]
    theirs = float(fid._compute_fid(*sets))
    np.testing.assert_allclose(metrics.frechet_distance(real=real, fake=fake), theirs, rtol=1e-8)


def test_frechet_distance_of_fitted_gaussians():
    """The same number as the closed form of the fitted models, in any dimension, singular or not."""
    for n, dim in ((200, 1), (200, 5), (4, 6)):
        real, fake = clouds(dim, n=n, m=n, dim=dim)
        loop = mad.Loop(real=mad.Gaussian().fit(real), model=mad.Gaussian(), regime=regimes.replace(n=9))
        snapshot = mad.start(loop, rng=0)
        fitted = type(snapshot)(**{**vars(snapshot), "model": mad.Gaussian().fit(fake)})
        expected = float(metrics.wasserstein2_squared(fitted))
        np.testing.assert_allclose(metrics.frechet_distance(real=real, fake=fake), expected, rtol=1e-8)


@pytest.mark.parametrize(("n", "dim"), [(50, 3), (5, 20), (2, 2)])
def test_frechet_distance_of_a_scaled_set(n, dim, blocks):
    """fake = a real + b is at |(a - 1) mean + b|^2 + (a - 1)^2 tr(cov), also with fewer points than axes."""
    real, shift = clouds(n, n=n, dim=dim)[0], np.arange(dim) / dim
    expected = ((1.5 * real.mean(0) + shift) ** 2).sum() + 1.5**2 * real.var(0, ddof=1).sum()
    found = metrics.frechet_distance(real=real, fake=2.5 * real + shift)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    assert metrics.frechet_distance(real=real, fake=real[::-1]) < 1e-12
    flat = np.column_stack([real, np.full(n, 1e3)])  # a dead feature
    moved = np.column_stack([2.5 * real + shift, np.full(n, 1e3)])
    np.testing.assert_allclose(metrics.frechet_distance(real=flat, fake=moved), expected, rtol=1e-9)


# Precision, recall, density, coverage ---------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3, 5])
def test_neighbours_as_published(k, capsys, blocks):
    prdc = pytest.importorskip("prdc")
    for scale in (0.4, 1.0, 2.0):
        real, fake = clouds(k, n=70, m=60, shift=0.5, scale=scale)
        theirs = prdc.compute_prdc(real, fake, nearest_k=k)
        ours = metrics.precision_recall(real=real, fake=fake, k=k)
        assert ours == (theirs["precision"], theirs["recall"])
        density, coverage = metrics.density_coverage(real=real, fake=fake, k=k)
        assert density == pytest.approx(theirs["density"], rel=1e-12)
        assert coverage == theirs["coverage"]


def test_density_and_coverage_of_one_law():
    """Expected density 1, coverage 1 - prod (n - i) / (n + m - i); detects 1 % of either, or k off by one."""
    n, m, k, many = 40, 60, 3, 1500
    found = np.array(
        [metrics.density_coverage(**dict(zip(("real", "fake"), clouds(s, n, m, 2, 0, 1), strict=True)), k=k)
         for s in range(many)]
    )  # fmt: skip

    def coverage(k):
        return 1 - np.prod([(n - i) / (n + m - i) for i in range(1, k + 1)])

    testing.assert_mean_matches(found, [1.0, coverage(k)])
    for wrong in ([1.02, coverage(k)], [1.0, 1.01 * coverage(k)], [1.0, coverage(k + 1)]):
        with pytest.raises(AssertionError, match="z="):
            testing.assert_mean_matches(found, wrong)


def test_density_counts_and_coverage_ignores_outliers():
    real, fake = clouds(0, scale=0.2, shift=0.0)
    density, coverage = metrics.density_coverage(real=real, fake=fake)
    assert 0.8 < density < 1.2
    assert coverage < 0.5
    crowded = np.repeat(real[np.abs(real).sum(1).argsort()[:5]], 50, axis=0)
    assert metrics.density_coverage(real=real, fake=crowded)[1] < 0.15
    assert metrics.density_coverage(real=crowded, fake=real) == (0.0, 0.0)  # balls of no radius are empty
    assert metrics.density_coverage(real=real, fake=real) == (1.0, 1.0)
    assert metrics.density_coverage(real=real, fake=fake + 100) == (0.0, 0.0)
    far = np.concatenate([real, real[:6] + 50])  # one island of real outliers, and generators that fill it
    assert metrics.precision_recall(real=far, fake=fake + 50)[0] > 0.9
    assert metrics.density_coverage(real=far, fake=fake + 50)[1] < 0.05


def test_neighbours_in_little_memory():
    """Three matrices of 2,000 x 2,000 distances would be 96 MB; blocks of them are not."""
    import tracemalloc

    real, fake = clouds(0, n=2000, m=2000)
    tracemalloc.start()
    metrics.precision_recall(real=real, fake=fake)
    metrics.density_coverage(real=real, fake=fake)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16e6


# Sliced Wasserstein distance ------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "m"), [(40, 40), (40, 25), (1, 7), (12, 18)])
def test_sliced_wasserstein_on_the_line(n, m, blocks):
    from scipy.stats import wasserstein_distance

    real, fake = clouds(n, n=n, m=m, dim=1)
    found = metrics.sliced_wasserstein(real=real, fake=fake, order=1, projections=5)
    np.testing.assert_allclose(found, wasserstein_distance(real[:, 0], fake[:, 0]), rtol=1e-12)
    x, y = np.sort(np.repeat(real[:, 0], m)), np.sort(np.repeat(fake[:, 0], n))
    for order in (2, 3.5):
        found = metrics.sliced_wasserstein(real=real, fake=fake, order=order, projections=3)
        np.testing.assert_allclose(found, (np.abs(x - y) ** order).mean() ** (1 / order), rtol=1e-12)


def test_sliced_wasserstein_of_shift_and_scale():
    """Shift by b: SW_2^2 = |b|^2 / d. Scale by a: (a - 1)^2 tr(second moment) / d. Exact in expectation."""
    real = clouds(3, n=30, dim=4)[0]
    shift = np.array([1.0, -2.0, 0.5, 0.0])
    cases = [(real + shift, (shift**2).sum() / 4), (3 * real, 4 * (real**2).sum(1).mean() / 4)]
    for fake, expected in cases:
        squared = [
            metrics.sliced_wasserstein(real=real, fake=fake, projections=20, rng=seed) ** 2
            for seed in range(300)
        ]
        testing.assert_mean_matches(squared, expected)
        with pytest.raises(AssertionError, match="z="):
            testing.assert_mean_matches(squared, 1.1 * expected)


def test_sliced_wasserstein_converges_to_gaussians():
    """N(0, I) against N(b, a^2 I): SW_2^2 = |b|^2 / d + (a - 1)^2, up to the noise of 20,000 points."""
    rng = np.random.default_rng(0)
    real, fake = rng.standard_normal((20_000, 2)), 2 * rng.standard_normal((15_000, 2)) + [1.0, 1.0]
    found = metrics.sliced_wasserstein(real=real, fake=fake, projections=256)
    # The directions alone leave a deviation of |b|^2 / d sqrt(1 / 2 / 256) = 0.044 in the square.
    assert abs(found**2 - 2) < 5 * 0.05
    # A product of matrices may round a row by where it stands: no more than that is left.
    assert metrics.sliced_wasserstein(real=real, fake=real[::-1]) < np.finfo(float).eps


def test_sliced_wasserstein_seeds():
    real, fake = clouds(0)
    one = metrics.sliced_wasserstein(real=real, fake=fake, rng=1)
    assert one == metrics.sliced_wasserstein(real=real, fake=fake, rng=1)
    assert one != metrics.sliced_wasserstein(real=real, fake=fake, rng=2)
    assert one == metrics.sliced_wasserstein(real=real, fake=fake, rng=np.random.default_rng(1))


# Modes and classes ----------------------------------------------------------------------------------


def test_mode_coverage(blocks):
    centres = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]])
    fake = np.concatenate([centres[0] + [[0.1, 0], [0, 0.2]], centres[1] + [[0.0, 0.9]], [[2.0, 9.0]]])
    cover = functools.partial(metrics.mode_coverage, fake=fake, centres=centres)
    assert cover(radius=1.0) == 0.5
    assert cover(radius=1.0, least=2) == 0.25
    assert cover(radius=0.5) == 0.25
    assert cover(radius=0.15, least=2) == 0.0
    # A wide radius does not make one point count for several modes.
    assert cover(radius=100.0) == 0.75
    assert metrics.mode_coverage(fake=centres, centres=centres, radius=1e-9) == 1.0


def test_variance_and_shares_of_classes():
    rng = np.random.default_rng(0)
    points, labels = rng.normal(size=(60, 3)), np.repeat([0.0, 2.0, 3.0], [29, 30, 1])
    points[labels == 2] *= 3
    each = metrics.variance_by_class(points, labels)
    assert np.array_equal(np.isnan(each), [False, True, False, True])
    expected = [np.trace(np.cov(points[labels == c], rowvar=False)) for c in (0, 2)]
    np.testing.assert_allclose(each[[0, 2]], expected)
    assert metrics.class_variance(points, labels) == pytest.approx(np.mean(expected))
    np.testing.assert_allclose(metrics.class_shares(labels), np.array([29, 0, 30, 1]) / 60)
    np.testing.assert_allclose(metrics.class_shares([1, 1], classes=4), [0, 1, 0, 0])
    assert len(metrics.variance_by_class(points, labels, classes=10)) == 10


# As metrics of a loop -------------------------------------------------------------------------------

TRUTH = mad.Gaussian.standard(2)
LOOP = mad.Loop(real=TRUTH, model=mad.Gaussian(), regime=regimes.replace(n=30))


class Scripted:
    """A model without replicate axes that counts what is asked of it."""

    draws = 0

    def fit(self, data, *, rng):
        return self

    def sample(self, n, *, rng, bias=None):
        Scripted.draws += 1
        points = rng.standard_normal((n, 3)) * (1.0 if bias is None else bias)
        points[:, -1] = np.arange(n) % 2
        return points


LABELLED = mad.Loop(real=Scripted(), model=Scripted(), regime=regimes.replace(n=10))


def doubled(points):
    return np.concatenate([points, points], 1)


def width(*, fake):
    return fake.std()


def columns(*, fake):
    return fake.shape[1]


def share_of_ones(*, labels):
    return metrics.class_shares(labels, 2)[1]


def names(chosen):
    return [metric.__name__ for metric in chosen]


def test_on_samples_measures_what_a_user_would():
    """Each number is that of the functions, on the points that were drawn for all of them."""
    reference = TRUTH.sample(200, rng=np.random.default_rng(1))
    drawn = []

    def keep(*, real, fake):
        drawn.append((real, fake))
        return 0.0

    functions = (metrics.frechet_distance, metrics.precision_recall, metrics.density_coverage, keep)
    chosen = metrics.on_samples(*functions, reference=reference, n=100, features=doubled)
    assert names(chosen) == ["frechet_distance", "precision", "recall", "density", "coverage", "keep"]
    result = mad.simulate(LOOP, 3, metrics=chosen, replicates=4, rng=0, progress=False)
    assert result.frechet_distance.dims == ("replicate", "generation")
    assert len(drawn) == 12
    for i, (real, fake) in enumerate(drawn):
        generation, replicate = divmod(i, 4)
        cell = result.isel(generation=generation, replicate=replicate)
        assert np.array_equal(real, doubled(reference))
        assert fake.shape == (100, 4)
        assert float(cell.frechet_distance) == metrics.frechet_distance(real=real, fake=fake)
        assert (float(cell.precision), float(cell.recall)) == metrics.precision_recall(real=real, fake=fake)
        assert (float(cell.density), float(cell.coverage)) == metrics.density_coverage(real=real, fake=fake)
    assert len({fake.tobytes() for _, fake in drawn}) == 12


def test_on_samples_draws_from_the_model():
    """The Frechet distance to the truth is that of the fitted model, up to the noise of 40,000 points."""
    chosen = metrics.on_samples(metrics.frechet_distance, reference=TRUTH, n=40_000)
    result = mad.simulate(
        LOOP, 40, metrics=[*chosen, metrics.wasserstein2_squared], replicates=3, rng=0, record=[40]
    )
    np.testing.assert_allclose(result.frechet_distance, result.wasserstein2_squared, atol=0.06)
    assert float(result.wasserstein2_squared.min()) > 0.3
    narrow = metrics.on_samples(width, n=4000, bias=0.25)[0]
    snapshot = mad.start(LOOP, rng=0)
    wide = metrics.on_samples(width, n=4000)[0]
    assert float(narrow(snapshot) / wide(snapshot)) == pytest.approx(0.5, rel=0.05)


def test_on_samples_repeats_and_changes_no_draw():
    def run(rng=0, replicates=5, seed=3, **extra):
        chosen = metrics.on_samples(metrics.sliced_wasserstein, width, reference=TRUTH, n=30, rng=rng)
        kept = (metrics.total_variance, *chosen)
        return mad.simulate(LOOP, 3, metrics=kept, replicates=replicates, rng=seed, progress=False, **extra)

    first = run()
    assert first.drop_attrs().identical(run().drop_attrs())
    last = run(record="last").isel(generation=0)
    np.testing.assert_array_equal(last.width, first.width.isel(generation=2))
    other = run(rng=1)
    np.testing.assert_array_equal(other.total_variance, first.total_variance)
    assert (other.width != first.width).all()
    assert (run(seed=4).width != first.width).all()
    plain = mad.simulate(LOOP, 3, replicates=5, rng=3, progress=False)
    np.testing.assert_array_equal(plain.total_variance, first.total_variance)


def test_on_samples_draws_anew_for_every_address():
    """One model: only the points differ between seeds, replicates, generations and metric seeds."""
    found = [
        mad.simulate(
            LABELLED,
            3,
            metrics=metrics.on_samples(width, n=20, rng=own),
            replicates=2,
            rng=seed,
            progress=False,
        ).width
        for seed in (0, 1)
        for own in (0, 1)
    ]
    assert len(np.unique(found)) == 2 * 2 * 2 * 3


def test_on_samples_draws_once_a_snapshot():
    Scripted.draws = 0
    reference = np.random.default_rng(0).normal(size=(40, 3))
    chosen = metrics.on_samples(
        metrics.frechet_distance, width, reference=reference, n=20, labelled=True, bias=2.0
    )
    snapshot = mad.start(LABELLED, rng=0)
    Scripted.draws = 0
    assert [np.shape(metric(snapshot)) for metric in chosen] == [(), ()]
    assert Scripted.draws == 1
    following = mad.step(LABELLED, snapshot)
    Scripted.draws = 0
    assert chosen[1](following) != chosen[1](snapshot)
    assert Scripted.draws == 2
    alive = weakref.ref(following)
    chosen[0](following)
    del following
    gc.collect()
    assert alive() is None
    assert not chosen[0].sampled.kept


def test_on_samples_separates_the_class():
    """Labels are taken off before the features, and go to those who ask for them."""
    reference = np.concatenate([np.random.default_rng(0).normal(size=(40, 2)), np.ones((40, 1))], 1)
    chosen = metrics.on_samples(
        columns, share_of_ones, metrics.class_variance, metrics.frechet_distance,
        reference=reference, n=21, features=doubled, labelled=True,
    )  # fmt: skip
    result = mad.simulate(LABELLED, 2, metrics=chosen, replicates=2, rng=0, progress=False)
    assert (result["columns"] == 4).all()
    np.testing.assert_allclose(result["share_of_ones"], 10 / 21)
    assert result.class_variance.shape == (2, 2)
    assert np.isfinite(result.frechet_distance).all()


def test_on_samples_names_partials():
    cover = functools.partial(metrics.mode_coverage, centres=np.zeros((1, 2)), radius=1.0)
    assert names(metrics.on_samples(cover, n=5)) == ["mode_coverage"]
    near = functools.partial(metrics.precision_recall, k=3)
    near.__name__ = "near"
    chosen = metrics.on_samples(cover, near, metrics.precision_recall, reference=TRUTH, n=10)
    assert names(chosen) == ["mode_coverage", "near_precision", "near_recall", "precision", "recall"]
    third = functools.partial(metrics.precision_recall, k=2)
    assert names(metrics.on_samples(third, reference=TRUTH, n=9)) == ["precision", "recall"]
    # A bound argument stays as it is bound.
    own = functools.partial(metrics.frechet_distance, real=np.ones((9, 2)))
    values = metrics.on_samples(own, n=50)[0](mad.start(LOOP, rng=0, replicates=3))
    assert values.shape == (3,)


def test_on_samples_travels(tmp_path):
    """Pickled copies measure the same; a stored run knows its metrics by all their settings."""
    chosen = metrics.on_samples(width, metrics.precision_recall, reference=TRUTH, n=20, features=doubled)
    snapshot = mad.start(LOOP, rng=0, replicates=2)
    expected = [metric(snapshot) for metric in chosen]
    copies = pickle.loads(pickle.dumps(chosen))
    assert copies[0].sampled is copies[1].sampled
    np.testing.assert_array_equal([metric(snapshot) for metric in copies], expected)
    assert [c.__qualname__ for c in copies] == [c.__qualname__ for c in chosen]

    def resume(**changed):
        settings = {"reference": TRUTH, "n": 20, **changed}
        kept = metrics.on_samples(width, metrics.frechet_distance, **settings)
        return storage.resume(tmp_path / "run.nc", LOOP, 3, metrics=kept, replicates=2, rng=0)

    first = resume()
    np.testing.assert_array_equal(resume().width, first.width)
    for changed in ({"n": 21}, {"bias": 0.5}, {"features": doubled}, {"rng": 1}, {"reference": np.eye(2)}):
        with pytest.raises(storage.StorageError, match="another run"):
            resume(**changed)
    fingerprints = [metrics.on_samples(width, n=n)[0].__qualname__ for n in (5, 6)]
    assert fingerprints[0] != fingerprints[1]


def test_on_samples_takes_what_cannot_be_stored():
    """A lambda as features measures, but a run with it cannot be stored."""
    chosen = metrics.on_samples(columns, n=5, features=lambda points: points[:, :1])
    assert float(chosen[0](mad.start(LOOP, rng=0))) == 1


# Refusals -------------------------------------------------------------------------------------------


def rejects(call, *parts):
    with pytest.raises(ValueError) as caught:
        call()
    missing = [part for part in parts if part not in str(caught.value)]
    assert not missing, f"{caught.value!s} does not say {missing}"


def test_refusals_of_points():
    ten = np.random.default_rng(0).normal(size=(10, 2))
    for measure in (metrics.frechet_distance, metrics.precision_recall, metrics.density_coverage,
                    metrics.sliced_wasserstein):  # fmt: skip
        rejects(lambda measure=measure: measure(real=ten, fake=ten[:, :1]), "fake", "(10, 1)", "d=2")
        rejects(lambda measure=measure: measure(real=ten[None], fake=ten), "real", "(1, 10, 2)")
        rejects(lambda measure=measure: measure(real=ten, fake=ten + np.nan), "fake", "not finite")
        rejects(lambda measure=measure: measure(real=ten[0], fake=ten), "real", "(2,)")
    rejects(lambda: metrics.frechet_distance(real=ten[:1], fake=ten), "real", "(1, 2)", "n >= 2")
    rejects(lambda: metrics.density_coverage(real=ten[:4], fake=ten), "real", "(4, 2)", "n > k=5")
    rejects(lambda: metrics.density_coverage(real=ten, fake=ten, k=0), "k=0", "positive integer")
    sliced = functools.partial(metrics.sliced_wasserstein, real=ten, fake=ten)
    for order in (0.5, np.nan, np.inf, "two", [1, 2]):
        rejects(lambda order=order: sliced(order=order), f"order={order!r}")
    rejects(lambda: sliced(projections=0), "projections=0")
    rejects(lambda: sliced(rng=-1), "rng=-1", "not a seed")
    cover = functools.partial(metrics.mode_coverage, fake=ten, centres=ten)
    for radius in (0, -1.0, np.nan, [1.0, 2.0]):
        rejects(lambda radius=radius: cover(radius=radius), f"radius={radius!r}")
    rejects(lambda: cover(radius=1.0, least=0), "least=0")
    rejects(lambda: metrics.mode_coverage(fake=ten, centres=ten[:, :1], radius=1.0), "fake", "d=1")
    rejects(lambda: metrics.class_variance(ten, np.zeros(9)), "labels has 9", "10 points")
    rejects(lambda: metrics.class_variance(ten[:2], [0, 1]), "no class of two points")
    for labels in ([0.5], [-1], [], [[0]], ["a"]):
        rejects(lambda labels=labels: metrics.class_shares(labels), "labels")
    rejects(lambda: metrics.class_shares([0, 3], classes=3), "class 3", "classes=4")


def test_refusals_of_on_samples():
    def call(*functions, **changed):
        return metrics.on_samples(*functions, **{"reference": TRUTH, "n": 10, **changed})

    frechet = metrics.frechet_distance
    rejects(call, "at least one function")
    rejects(lambda: call(frechet, frechet), "__name__", "frechet_distance")
    rejects(lambda: call(lambda *, fake: 0.0), "<lambda>", "def")
    rejects(lambda: call(3), "metrics holds 3")

    def of_snapshot(snapshot):
        return 0.0

    rejects(lambda: call(of_snapshot), "of_snapshot", "neither fake nor labels")
    rejects(lambda: call(frechet, reference=None), "reference=None")
    rejects(lambda: call(frechet, reference=np.zeros(3)), "reference has shape (3,)")
    rejects(lambda: call(frechet, reference=TRUTH.expand(2)), "reference has shape (2, 10, 2)")
    rejects(lambda: call(frechet, n=0), "n=0")
    rejects(lambda: call(frechet, bias=-1), "bias=-1")
    rejects(lambda: call(frechet, features=3), "features=3")
    rejects(lambda: call(frechet, features=lambda x: x[0]), "features returned shape (2,)", "(10, f)")
    rejects(lambda: call(frechet, rng="seed"), "rng='seed'")
    rejects(lambda: call(share_of_ones), "labelled=False")
    rejects(lambda: call(frechet, reference=np.ones((9, 1)), labelled=True), "one coordinate")
    wide = call(frechet, reference=np.eye(3))[0]
    rejects(lambda: wide(mad.start(LOOP, rng=0)), "points of dimension 2", "reference has dimension 3")
    many = call(metrics.variance_by_class, reference=None, labelled=True)[0]
    rejects(lambda: many(mad.start(LABELLED, rng=0)), "variance_by_class", "one number")


def test_names_are_public():
    added = ["class_shares", "class_variance", "density_coverage", "frechet_distance", "mode_coverage",
             "on_samples", "precision_recall", "sliced_wasserstein", "variance_by_class"]  # fmt: skip
    assert set(added) <= set(metrics.__all__)
    assert all(a < b for a, b in pairwise(metrics.__all__))


# Where fast formulas cancel -------------------------------------------------------------------------


def far_pairs(offset, dim=32, n=120, seed=0):
    """Two sets of two clusters each, that far apart."""
    rng = np.random.default_rng(seed)
    shifts = np.repeat([0.0, offset], n)[:, None]
    return rng.normal(size=(2 * n, dim)) + shifts, rng.normal(size=(2 * n, dim)) + shifts


def by_brute_force(real, fake, ks):
    """Precision and recall from all the differences, by the number k of the neighbour."""
    from scipy.spatial.distance import cdist

    ordered = [np.sort(cdist(points, points), axis=1) for points in (real, fake)]
    between = cdist(fake, real)
    found = {}
    for k in ks:
        near_real, near_fake = between <= ordered[0][:, k], between <= ordered[1][:, k, None]
        found[k] = near_real.any(1).mean(), near_fake.any(0).mean()
    return found


@functools.cache
def known_neighbours(offset, dim):
    """Sets at two places, each with what all the differences give."""
    real, fake = far_pairs(offset, dim)
    places = [(real, fake), (real + offset, fake + offset)]
    return [(pair, by_brute_force(*pair, ks=(1, 5))) for pair in places]


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6, 1e7, 1e8, 1e12])
@pytest.mark.parametrize("dim", [3, 17, 32, 200])
def test_neighbours_of_clusters_far_apart(offset, dim, blocks):
    for (real, fake), expected in known_neighbours(offset, dim):
        for k in (1, 5):
            assert metrics.precision_recall(real=real, fake=fake, k=k) == expected[k]


def test_two_clusters_cost_nothing_of_precision():
    """Negative control: the formula without a bound calls everything a neighbour."""
    real, fake = far_pairs(1e7, n=500)
    precision, recall = metrics.precision_recall(real=real, fake=fake)
    assert 0.7 < precision < 0.95
    assert 0.7 < recall < 0.95
    real, fake = far_pairs(1e9, n=500)
    total = (fake**2).sum(1)[:, None] + (real**2).sum(1)
    rounded = np.abs(total - 2 * fake @ real.T)[500:, 500:]
    exact = ((fake[500:, None] - real[None, 500:]) ** 2).sum(-1)
    assert np.abs(rounded / exact - 1).max() > 0.2


@pytest.mark.parametrize("exponent", [-700, 700])
def test_neighbours_at_the_ends_of_the_double_range(exponent):
    real, fake = clouds(0, dim=20)
    scaled = {"real": np.ldexp(real, exponent), "fake": np.ldexp(fake, exponent)}
    for measure in (metrics.precision_recall, metrics.density_coverage):
        assert measure(**scaled) == measure(real=real, fake=fake)


def test_neighbours_that_are_equally_far(blocks):
    """A set against itself, and repeated points: ties are ties in many dimensions too."""
    real = np.random.default_rng(0).integers(0, 3, size=(60, 40)).astype(float)
    for offset in (0.0, 1e8):
        points = np.concatenate([real, real[:20]]) + offset
        shuffled = points[np.random.default_rng(1).permutation(len(points))]
        assert metrics.precision_recall(real=points, fake=shuffled) == (1.0, 1.0)
        expected = by_brute_force(points, points[:40], ks=(5,))[5]
        assert metrics.precision_recall(real=points, fake=points[:40]) == expected


@pytest.mark.parametrize("ratio", [1.0, 1e5, 1e7, 1e9])
def test_frechet_distance_beside_a_large_direction(ratio):
    """Covariances that share a huge direction are as far apart as in the others: here by |0.5 x|^2."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    plain = rng.normal(size=(400, 6)) @ np.diag([1.0, 2.0, 1.0, 1.0, 3.0, 1.0])
    plain = plain - plain.mean(0)
    plain = plain @ np.linalg.inv(np.linalg.cholesky(np.cov(plain.T))).T  # exactly uncorrelated
    real = plain * [ratio, 1, 1, 1, 1, 1] @ basis
    fake = plain * [ratio, 1.5, 1, 1, 1, 1] @ basis
    found = metrics.frechet_distance(real=real, fake=fake)
    np.testing.assert_allclose(found, 0.25, rtol=max(1e-10, 1e-15 * ratio))


def test_wasserstein_of_nearly_equal_gaussians():
    """(s - 1)^2 for s = 1 + 1e-9: the difference of the traces has no digit of it."""
    for dim in (1, 3):
        truth, near = mad.Gaussian.standard(dim), mad.Gaussian(np.zeros(dim), (1 + 1e-9) ** 2 * np.eye(dim))
        snapshot = mad.start(mad.Loop(real=truth, model=mad.Gaussian(), regime=regimes.replace(n=9)), rng=0)
        fitted = type(snapshot)(**{**vars(snapshot), "model": near.expand(2)})
        np.testing.assert_allclose(metrics.wasserstein2_squared(fitted), dim * 1e-18, rtol=1e-6)


def test_sliced_wasserstein_at_an_offset():
    """Whole numbers are exact next to 2^50, where products with a direction are not."""
    rng = np.random.default_rng(0)
    real, fake = (rng.integers(-9, 9, size=(200, 4)).astype(float) for _ in range(2))
    expected = metrics.sliced_wasserstein(real=real, fake=fake)
    offset = 2.0**50
    found = metrics.sliced_wasserstein(real=real + offset, fake=fake + offset)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    # Negative control: one step of a coordinate is seen there too.
    moved = metrics.sliced_wasserstein(real=real + offset, fake=fake + offset + [1, 0, 0, 0])
    assert abs(moved / expected - 1) > 1e-3


def test_nearest_centre_at_an_offset():
    from scipy.spatial.distance import cdist

    rng = np.random.default_rng(0)
    for dim in (2, 40):
        for offset in (0.0, 1e8, 1e12):
            centres = rng.normal(size=(7, dim)) + offset
            points = rng.normal(size=(3, 50, dim)) + offset
            found = mad.treatments.nearest(centres)(points)
            owner = cdist(points.reshape(-1, dim), centres).argmin(1)
            np.testing.assert_array_equal(found, centres[owner].reshape(points.shape))
