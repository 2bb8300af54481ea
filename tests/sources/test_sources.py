"""Sources: samples against their own density and moments, by calibrated tests with negative controls."""

import pickle

import numpy as np
import pytest

import madtheory as mad
from madtheory import metrics, regimes, sources, testing

LAWS = {
    "two_moons": sources.two_moons(),
    "loud_moons": sources.two_moons(noise=0.4),
    "rings": sources.rings(noise=0.1),
    "loud_rings": sources.rings(radii=(0.5, 2.0), noise=0.3),
    "eight_gaussians": sources.eight_gaussians(radius=1.0, std=0.1),
    "grid25": sources.grid25(),
    "rosenbrock": sources.rosenbrock(),
}
every = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)

CELLS, COARSE = 240, 24


def mesh(law):
    """Edges of a grid that holds the law, its midpoints, and the probability of each cell.

    The midpoint rule is exact to many digits for densities that are smooth on the scale of a cell.
    """
    low, high = np.array([-5.6, -4.0]), np.array([5.6, 32.0])
    if law.name != "rosenbrock()":
        reach = 4 * np.sqrt(np.diag(law.covariance).max())
        low, high = law.mean - reach, law.mean + reach
    edges = [np.linspace(a, b, CELLS + 1) for a, b in zip(low, high, strict=True)]
    points = np.stack(np.meshgrid(*[(e[1:] + e[:-1]) / 2 for e in edges], indexing="ij"), -1)
    area = np.prod([e[1] - e[0] for e in edges])
    return edges, points, np.exp(law.log_density(points)) * area


def chi_squared_z(points, edges, mass):
    """Standardised chi-squared distance of counts from probabilities, in cells of 10 points or more."""
    width = CELLS // COARSE
    expected = len(points) * mass.reshape(COARSE, width, COARSE, width).sum((1, 3)).ravel()
    counts = np.histogram2d(*points.T, bins=[e[::width] for e in edges])[0].ravel()
    full = expected >= 10
    expected = np.append(expected[full], len(points) - expected[full].sum())
    counts = np.append(counts[full], len(points) - counts[full].sum())
    statistic, freedom = ((counts - expected) ** 2 / np.maximum(expected, 1e-9)).sum(), len(counts) - 1
    return (statistic - freedom) / np.sqrt(2 * freedom)


@every
def test_density_and_moments(law):
    """The density integrates to one, and to the stated mean and covariance."""
    _, points, mass = mesh(law)
    np.testing.assert_allclose(mass.sum(), 1.0, rtol=1e-5)
    mean = np.einsum("ij,ijk->k", mass, points)
    np.testing.assert_allclose(mean, law.mean, atol=1e-3)
    second = np.einsum("ij,ijk,ijl->kl", mass, points, points)
    np.testing.assert_allclose(second - np.outer(mean, mean), law.covariance, atol=2e-3)


@every
def test_sample_follows_the_density(law):
    """Chi-squared on a grid; detects a shift of a tenth of the deviation, and noise 10 % too large."""
    edges, _, mass = mesh(law)
    points = law.sample(20_000, rng=np.random.default_rng(1))
    assert points.shape == (20_000, 2)
    assert abs(chi_squared_z(points, edges, mass)) < 5
    assert chi_squared_z(points + 0.1 * np.sqrt(np.diag(law.covariance)), edges, mass) > 5
    assert chi_squared_z(law.mean + 1.1 * (points - law.mean), edges, mass) > 5


@every
def test_mean_log_density_is_the_entropy(law):
    """A finer look than the grid's: sees the width of the noise. Control: all stretched by 10 %."""
    _, points, mass = mesh(law)
    log_density = law.log_density(points)
    entropy = (mass * log_density).sum()
    std = np.sqrt((mass * (log_density - entropy) ** 2).sum())
    drawn = law.sample(20_000, rng=np.random.default_rng(2))
    testing.assert_mean_matches(law.log_density(drawn), entropy, std=std, rtol=1e-5)
    with pytest.raises(AssertionError, match="z="):
        testing.assert_mean_matches(law.log_density(law.mean + 1.1 * (drawn - law.mean)), entropy, std=std)


@every
def test_moments_of_samples(law):
    points = law.sample(20_000, rng=np.random.default_rng(3))
    testing.assert_mean_matches(points, law.mean, std=np.sqrt(np.diag(law.covariance)))
    off = points - law.mean
    products = (off[:, :, None] * off[:, None, :]).reshape(-1, 4)
    testing.assert_mean_matches(products, law.covariance.ravel())
    with pytest.raises(AssertionError, match="z="):
        testing.assert_mean_matches(products, 1.2 * law.covariance.ravel())


def test_the_papers_eight_gaussians():
    """Modes of deviation 0.02 at distance 2: entropy log 8 + log(2 pi e std^2), as they do not overlap."""
    law = sources.eight_gaussians()
    drawn = law.sample(20_000, rng=np.random.default_rng(0))
    entropy = -np.log(8) - np.log(2 * np.pi * np.e * 0.02**2)
    testing.assert_mean_matches(law.log_density(drawn), entropy, std=1.0)
    assert law.log_density(law.centres).std() < 1e-12
    np.testing.assert_allclose(np.linalg.norm(law.centres, axis=1), 2)
    assert metrics.mode_coverage(fake=drawn, centres=law.centres, radius=0.1, least=2000) == 1.0
    near = np.linalg.norm(drawn[:, None] - law.centres, axis=-1).min(1)
    assert near.max() < 0.12


def test_density_of_the_moons():
    """Against adaptive quadrature with many digits: on the moons, between them, and far from their ends."""
    mp = pytest.importorskip("mpmath")

    def exact(x, y, std):
        def integrand(t):
            squared = (x - mp.cos(t)) ** 2 + (y - mp.sin(t)) ** 2
            other = (x - 1 + mp.cos(t)) ** 2 + (y - 0.5 + mp.sin(t)) ** 2
            return mp.exp(-squared / (2 * std**2)) + mp.exp(-other / (2 * std**2))

        integral = mp.quad(integrand, mp.linspace(0, mp.pi, 1 + int(8 / std)))
        return float(mp.log(integral / (4 * mp.pi**2 * std**2)))

    for std, points in ((0.1, [(0, 1), (0.5, 0.25), (-1.5, -1.5), (2.5, 0.4)]), (1.0, [(3, 3), (-9, -12)])):
        law = sources.two_moons(noise=std)
        found = law.log_density(points)
        expected = [exact(mp.mpf(x), mp.mpf(y), std) for x, y in points]
        assert min(expected) > -200
        np.testing.assert_allclose(found, expected, atol=1e-8)


def test_geometry_of_the_moons():
    """That of scikit-learn."""
    from sklearn.datasets import make_moons

    points, moons = make_moons(200, shuffle=False)
    drawn = sources.two_moons(noise=1e-3, labels=True).sample(2000, rng=np.random.default_rng(0))
    for moon in (0, 1):
        ours, theirs = drawn[drawn[:, -1] == moon][:, :2], points[moons == moon]
        gaps = np.linalg.norm(ours[:, None] - theirs, axis=-1)
        assert gaps.min(1).max() < np.pi / 198 + 0.006
        assert gaps.min(0).max() < 0.03


def test_grid_is_that_of_the_mixture():
    law, model = sources.grid25(), mad.Mixture.grid()
    np.testing.assert_allclose(law.centres, model.means)
    np.testing.assert_allclose(law.mean, model.mean, atol=1e-15)
    np.testing.assert_allclose(law.covariance, model.covariance, atol=1e-12)


def test_labels():
    """Equal classes on average; each point is near its own mode; moments and density leave the class out."""
    for make, many in (
        (sources.two_moons, 2),
        (sources.rings, 3),
        (sources.eight_gaussians, 8),
        (sources.grid25, 25),
    ):
        law = make(labels=True)
        drawn = law.sample(10_000, rng=np.random.default_rng(0))
        assert drawn.shape == (10_000, 3)
        counts = np.bincount(drawn[:, -1].astype(int), minlength=many)
        chi_squared = ((counts - 10_000 / many) ** 2).sum() * many / 10_000
        assert abs(chi_squared - (many - 1)) < 5 * np.sqrt(2 * (many - 1))
        assert np.array_equal(drawn[:, :2], make().sample(10_000, rng=np.random.default_rng(0)))
        if law.centres is not None:
            nearest = np.linalg.norm(drawn[:, None, :2] - law.centres, axis=-1).argmin(1)
            assert (nearest == drawn[:, -1]).mean() > 0.99
        assert law.mean.shape == (2,)
        assert law.log_density(drawn[:, :2]).shape == (10_000,)
    radii = np.linalg.norm(sources.rings(labels=True).sample(99, rng=np.random.default_rng(0))[:, :2], axis=1)
    assert np.abs(radii - np.round(radii)).max() < 0.3


@every
def test_laws_are_sources(law):
    """They repeat, have replicate axes, travel, and serve a loop whose metrics know the truth."""
    first, again = (law.sample(5, rng=np.random.default_rng(1)) for _ in range(2))
    assert np.array_equal(first, again)
    assert isinstance(law, mad.types.Source)
    assert law.expand(3).sample(5, rng=np.random.default_rng(1)).shape == (3, 5, 2)
    assert law.expand(3).expand(2).sample(5, rng=np.random.default_rng(1)).shape == (2, 3, 5, 2)
    copy = pickle.loads(pickle.dumps(law))
    assert np.array_equal(copy.sample(5, rng=np.random.default_rng(1)), first)
    assert law.log_density(np.zeros((4, 3, 2))).shape == (4, 3)
    assert law.log_density(np.zeros(2)).shape == ()
    assert law.log_density(np.zeros((0, 2))).shape == (0,)
    assert np.isfinite(law.log_density(np.array([300.0, -300.0])))
    loop = mad.Loop(real=law, model=mad.Gaussian(), regime=regimes.replace(n=50))
    result = mad.simulate(loop, 2, replicates=3, rng=0, progress=False)
    assert np.isfinite(result.wasserstein2_squared).all()
    assert law.name.split("(")[0] in repr(law)


def test_a_labelled_loop():
    """The class as last coordinate, as the mixture with observed labels takes it."""
    real = sources.eight_gaussians(labels=True)
    loop = mad.Loop(real=real, model=mad.Mixture(8, labels="observed"), regime=regimes.replace(n=400))
    cover = metrics.on_samples(
        metrics.frechet_distance, metrics.class_variance, reference=real, n=200, labelled=True
    )
    result = mad.simulate(loop, 2, replicates=2, rng=0, metrics=cover, progress=False)
    assert (result.frechet_distance < 0.5).all()
    np.testing.assert_allclose(result.class_variance, 2 * 0.02**2, rtol=0.5)


# Digits ---------------------------------------------------------------------------------------------


def test_digits_are_split_once_and_for_all():
    train, test, both = (sources.digits(part).points for part in ("train", "test", "all"))
    assert (train.shape, test.shape, both.shape) == ((897, 64), (900, 64), (1797, 64))
    assert both.min() == 0
    assert both.max() == 1
    rows = {tuple(row) for row in both}
    assert {tuple(row) for row in train} | {tuple(row) for row in test} == rows
    assert not {tuple(row) for row in train} & {tuple(row) for row in test}
    # Which rows are held out is part of every published number: a change has to be noticed.
    labelled = sources.digits("all", labels=True).points
    where = {tuple(row): i for i, row in enumerate(both)}
    held_out = np.array([where[tuple(row)] for row in test])
    assert (np.diff(held_out) > 0).all()
    assert (int(held_out.sum()), held_out[:5].tolist()) == (807684, [0, 3, 4, 8, 9])
    assert np.array_equal(labelled[:, :64], both)


def test_digits_are_stratified():
    shares = [metrics.class_shares(sources.digits(part, labels=True).points[:, -1]) for part in ("train", "test")]  # fmt: skip  # noqa: E501
    np.testing.assert_allclose(shares[0], shares[1], atol=0.005)
    assert shares[0].shape == (10,)


def test_digits_are_a_source():
    real = sources.digits("test", labels=True)
    drawn = real.sample(20, rng=np.random.default_rng(0))
    assert drawn.shape == (20, 65)
    assert set(drawn[:, -1]) <= set(range(10))
    loop = mad.Loop(real=sources.digits(), model=mad.Gaussian(), regime=regimes.replace(n=100))
    chosen = metrics.on_samples(
        metrics.frechet_distance, metrics.precision_recall, reference=sources.digits("test").points, n=100
    )
    result = mad.simulate(loop, 2, replicates=2, rng=0, metrics=chosen, progress=False)
    assert (result.frechet_distance.isel(generation=1) > result.frechet_distance.isel(generation=0)).all()


# Refusals -------------------------------------------------------------------------------------------


def rejects(call, *parts):
    with pytest.raises(ValueError) as caught:
        call()
    missing = [part for part in parts if part not in str(caught.value)]
    assert not missing, f"{caught.value!s} does not say {missing}"


def test_refusals():
    rng = np.random.default_rng(0)
    for real in (*LAWS.values(), sources.digits()):
        rejects(lambda real=real: real.sample(5, rng=rng, bias=0.5), "bias=0.5", "leave it out")
        rejects(lambda real=real: real.sample(0, rng=rng), "n=0")
    for bad in (0, -0.1, np.nan, np.inf, "loud", [0.1, 0.2], None):
        rejects(lambda bad=bad: sources.two_moons(bad), f"noise={bad!r}")
        rejects(lambda bad=bad: sources.rings(noise=bad), f"noise={bad!r}")
        rejects(lambda bad=bad: sources.grid25(bad), f"std={bad!r}")
        rejects(lambda bad=bad: sources.eight_gaussians(radius=bad), f"radius={bad!r}")
        rejects(lambda bad=bad: sources.eight_gaussians(std=bad), f"std={bad!r}")
    for bad in ((), (1.0, 0.0), (1.0, np.nan), 3.0, [[1.0]]):
        rejects(lambda bad=bad: sources.rings(radii=bad), f"radii={bad!r}")
    law = sources.grid25()
    for bad in (np.zeros((5, 3)), np.zeros(3), 1.0):
        rejects(lambda bad=bad: law.log_density(bad), "points has shape", "(..., 2)")
    rejects(lambda: law.log_density([[np.nan, 0.0]]), "points", "finite")
    rejects(lambda: sources.digits("validation"), "part='validation'", "'train', 'test', 'all'")


def test_names_are_public():
    assert sources.__all__ == [
        "Law", "digits", "eight_gaussians", "fashion_mnist", "fetch", "grid25", "mnist", "rings",
        "rosenbrock", "two_moons",
    ]  # fmt: skip
