"""Wasserstein-1, Cramer-von Mises and maximum mean discrepancy against SciPy, scikit-learn, closed forms."""

from functools import partial

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics.pairwise import rbf_kernel

import madtheory as mad
from madtheory import metrics, regimes, storage
from madtheory.numerics import euclidean as _distances
from madtheory.testing import assert_mean_matches


def sets(seed=0, n=60, m=45, dim=1, shift=0.4, scale=1.5):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, dim)), shift + scale * rng.normal(size=(m, dim))


def test_wasserstein_of_one_dimension():
    real, fake = sets()
    assert metrics.wasserstein1(real=real, fake=fake) == stats.wasserstein_distance(real[:, 0], fake[:, 0])
    assert metrics.wasserstein1(real=real, fake=real + 3) == pytest.approx(3)
    assert metrics.wasserstein1(real=real, fake=real[::-1]) == 0
    sliced = metrics.sliced_wasserstein(real=real, fake=fake, order=1)
    assert metrics.wasserstein1(real=real, fake=fake) == pytest.approx(sliced, rel=1e-10)


def test_cramer_von_mises():
    real, fake = sets()
    found = metrics.cramer_von_mises(real=real, fake=fake)
    assert found == stats.cramervonmises_2samp(real[:, 0], fake[:, 0]).statistic
    grid = np.sort(np.concatenate([real, fake])[:, 0])
    of_real, of_fake = ((points <= grid).mean(0) for points in (real, fake))
    direct = 60 * 45 / 105 * ((of_real - of_fake) ** 2).mean()
    assert found == pytest.approx(direct, rel=1e-9)
    assert metrics.cramer_von_mises(real=np.exp(real), fake=np.exp(fake)) == found
    # Sets of one law have the expectation of the docstring.
    values = [
        metrics.cramer_von_mises(real=a, fake=b) for a, b in (sets(s, 20, 30, 1, 0, 1) for s in range(1500))
    ]
    assert_mean_matches(np.array(values), (1 + 1 / 50) / 6)
    with pytest.raises(AssertionError):
        assert_mean_matches(np.array(values), 1.2 * (1 + 1 / 50) / 6)


@pytest.mark.parametrize("dim", [1, 3, 40])
@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("block", [2**19, 100])
def test_mmd_is_that_of_all_pairs(dim, unbiased, block, monkeypatch):
    monkeypatch.setattr(_distances, "_BLOCK", block)
    real, fake = sets(dim=dim)
    for width in (None, 0.7):
        h = (
            np.median(np.linalg.norm(real[:, None] - real, axis=-1)[np.triu_indices(60, 1)])
            if width is None
            else 0.7
        )
        kernel = partial(rbf_kernel, gamma=1 / (2 * h**2))
        xx, yy, xy = kernel(real), kernel(fake), kernel(real, fake)
        if unbiased:
            np.fill_diagonal(xx, 0), np.fill_diagonal(yy, 0)
            expected = xx.sum() / (60 * 59) + yy.sum() / (45 * 44) - 2 * xy.mean()
        else:
            expected = xx.mean() + yy.mean() - 2 * xy.mean()
        found = metrics.maximum_mean_discrepancy(real=real, fake=fake, bandwidth=width, unbiased=unbiased)
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-14)


def test_mmd_of_gaussians():
    """The unbiased estimate has the mean of the closed form; the biased one has not."""
    h, shift, scale = 1.2, 0.4, 1.5

    def embedded(variance, gap):
        total = h**2 + variance
        return h / np.sqrt(total) * np.exp(-(gap**2) / (2 * total))

    expected = embedded(2, 0) + embedded(2 * scale**2, 0) - 2 * embedded(1 + scale**2, shift)
    mmd = partial(metrics.maximum_mean_discrepancy, bandwidth=h)
    pairs = [sets(seed, 20, 25) for seed in range(2500)]
    found = np.array([mmd(real=a, fake=b) for a, b in pairs])
    assert_mean_matches(found, expected)
    assert_mean_matches(np.array([mmd(real=a, fake=(b - shift) / scale) for a, b in pairs]), 0.0)
    biased = np.array([mmd(real=a, fake=b, unbiased=False) for a, b in pairs])
    assert (biased >= 0).all()
    with pytest.raises(AssertionError):
        assert_mean_matches(biased, expected)


@pytest.mark.parametrize("offset", [1e8, 2.0**40])
def test_far_from_the_origin(offset):
    """Whole numbers are exact there; the kernel of scikit-learn is not."""
    rng = np.random.default_rng(0)
    real, fake = (rng.integers(-3, 4, size=(50, 2)).astype(float) for _ in range(2))
    for measure in (
        metrics.maximum_mean_discrepancy,
        partial(metrics.maximum_mean_discrepancy, bandwidth=1.0),
    ):
        moved = measure(real=real + offset, fake=fake + offset)
        assert moved == measure(real=real, fake=fake)
    assert metrics.wasserstein1(real=real[:, :1] + offset, fake=fake[:, :1] + offset) == pytest.approx(
        metrics.wasserstein1(real=real[:, :1], fake=fake[:, :1]), rel=1e-10
    )
    assert np.abs(rbf_kernel(real + offset, gamma=0.5) - rbf_kernel(real, gamma=0.5)).max() > 0.1


def test_as_metrics_of_a_loop(tmp_path):
    truth = mad.Gaussian.standard(1)
    loop = mad.Loop(real=truth, model=mad.Gaussian(), regime=regimes.replace(n=10))
    chosen = metrics.on_samples(
        metrics.wasserstein1, metrics.cramer_von_mises, metrics.maximum_mean_discrepancy,
        reference=truth, n=200,
    )  # fmt: skip
    names = [metric.__name__ for metric in chosen]
    assert names == ["wasserstein1", "cramer_von_mises", "maximum_mean_discrepancy"]
    found = mad.simulate(loop, 40, metrics=chosen, replicates=20, rng=0, progress=False).mean("replicate")
    # The loop collapses: all three grow.
    for name in names:
        assert float(found[name][-1]) > 2 * float(found[name][0])
    again = [
        storage.resume(tmp_path / "a.nc", loop, 2, metrics=list(chosen), replicates=2, rng=0)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(again[0]["wasserstein1"], again[1]["wasserstein1"])


def test_the_default_bandwidth_is_of_real_points_only():
    real, fake = sets(n=2500, m=20)
    one = metrics.maximum_mean_discrepancy(real=real, fake=fake)
    assert one == metrics.maximum_mean_discrepancy(real=real, fake=fake)
    near = metrics.maximum_mean_discrepancy(real=real, fake=fake, bandwidth=np.sqrt(2) * stats.norm.ppf(0.75))
    assert one == pytest.approx(near, rel=0.1)


def test_refusals():
    real, fake = sets(dim=2)
    for measure in (metrics.wasserstein1, metrics.cramer_von_mises):
        with pytest.raises(ValueError, match=r"\(60, 2\).*one dimension"):
            measure(real=real, fake=fake)
        with pytest.raises(ValueError, match="fake has shape"):
            measure(real=real[:, :1], fake=fake)
    with pytest.raises(ValueError, match="n >= 2"):
        metrics.cramer_von_mises(real=real[:1, :1], fake=fake[:, :1])
    mmd = partial(metrics.maximum_mean_discrepancy, real=real, fake=fake)
    for width in (0, -1.0, np.nan, "median", [1.0]):
        with pytest.raises(ValueError, match="bandwidth="):
            mmd(bandwidth=width)
    with pytest.raises(ValueError, match="unbiased="):
        mmd(unbiased=1)
    with pytest.raises(ValueError, match=r"bandwidth=None.*which is 0"):
        metrics.maximum_mean_discrepancy(real=np.ones((5, 2)), fake=fake)
