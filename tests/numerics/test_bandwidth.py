"""Rules for bandwidths: whose they are, and functions of one's own, in models, theory and storage."""

import numpy as np
import pytest
from scipy.stats import gaussian_kde
from sklearn.neighbors import KernelDensity as TheirKernelDensity

import madtheory as mad
from madtheory import metrics, regimes, storage
from madtheory.models import KernelDensity
from madtheory.testing import assert_mean_matches
from madtheory.theory import kernel_density as theory

POINTS = 3 * np.random.default_rng(1).normal(size=(60, 2))


def shrinking(n, dim):
    """A rule of one's own."""
    return 0.9 * n ** (-1 / (dim + 2))


@pytest.mark.parametrize("rule", ["scott", "silverman"])
def test_the_rules_of_both_libraries(rule):
    """SciPy's follows the spread of the data, scikit-learn's does not."""
    for scale in (1.0, 10.0):
        scipy, sklearn = gaussian_kde(scale * POINTS.T, rule), TheirKernelDensity(bandwidth=rule)
        ours = KernelDensity(rule).fit(scale * POINTS)
        np.testing.assert_allclose(ours.kernel @ ours.kernel.T, scipy.covariance)
        ours = KernelDensity(f"sklearn_{rule}").fit(scale * POINTS)
        np.testing.assert_allclose(ours.kernel, sklearn.fit(scale * POINTS).bandwidth_ * np.eye(2))


def test_a_function_of_n_and_dim():
    model = KernelDensity(shrinking).fit(POINTS)
    np.testing.assert_allclose(model.kernel, shrinking(60, 2) * np.eye(2))
    assert model.expand(3).sample(5, rng=np.random.default_rng(0)).shape == (3, 5, 2)
    called = []
    KernelDensity(lambda n, dim: called.append((n, dim)) or 1.0).fit(np.stack([POINTS, POINTS]))
    assert called == [(60, 2)]
    assert all(type(value) is int for value in called[0])


REGIMES = [regimes.replace(n=30), regimes.augment(n_real=20, n_synthetic=30), regimes.accumulate(n=10)]


@pytest.mark.parametrize("rule", [shrinking, "sklearn_scott", "sklearn_silverman"])
@pytest.mark.parametrize("regime", REGIMES, ids=lambda regime: regime.name)
def test_theory_takes_the_rule(rule, regime):
    loop = mad.Loop(real=mad.Gaussian.standard(2), model=KernelDensity(rule), regime=regime)
    simulated = mad.simulate(
        loop, 4, replicates=2000, metrics=[metrics.total_variance], rng=0, progress=False
    )["total_variance"]
    predicted = mad.predict(loop, 4)["total_variance"]
    assert_mean_matches(simulated, predicted)
    other = mad.predict(mad.Loop(real=loop.real, model=KernelDensity(0.2), regime=regime), 4)[
        "total_variance"
    ]
    with pytest.raises(AssertionError):
        assert_mean_matches(simulated, other)


def test_a_rule_that_does_not_scale_has_a_limit():
    fixed = theory.limit(n=40, bandwidth=shrinking(40, 3), dim=3)
    assert float(theory.limit(n=40, bandwidth=shrinking, dim=3)) == float(fixed)
    long = theory.replace(n=40, bandwidth="sklearn_scott", dim=3, generations=3000)["total_variance"]
    assert float(theory.limit(n=40, bandwidth="sklearn_scott", dim=3)) == pytest.approx(float(long[-1]))


def test_a_stored_run_knows_its_function(tmp_path):
    def resume(bandwidth):
        loop = mad.Loop(
            real=mad.Gaussian.standard(1), model=KernelDensity(bandwidth), regime=regimes.replace(n=10)
        )
        return storage.resume(
            tmp_path / "run.nc", loop, 2, metrics=[metrics.total_variance], replicates=2, rng=0
        )

    first = resume(shrinking)
    np.testing.assert_array_equal(resume(shrinking)["total_variance"], first["total_variance"])
    with pytest.raises(storage.StorageError, match="another run"):
        resume(half_of_it)


def half_of_it(n, dim):
    """Another rule."""
    return shrinking(n, dim) / 2


@pytest.mark.parametrize(
    ("bandwidth", "message"),
    [
        (lambda n, dim: 0.0, r"bandwidth\(60, 2\)=0.0 is not a finite number > 0"),
        (lambda n, dim: -1.0, r"bandwidth\(60, 2\)=-1.0"),
        (lambda n, dim: np.nan, r"bandwidth\(60, 2\)=nan"),
        (lambda n, dim: [1.0, 2.0], r"bandwidth\(60, 2\)="),
        (lambda n: 1.0, r"could not be called with \(n, dim\) = \(60, 2\)"),
    ],
)
def test_functions_that_are_not_rules(bandwidth, message):
    with pytest.raises(ValueError, match=message):
        KernelDensity(bandwidth).fit(POINTS)
    with pytest.raises(ValueError, match=message):
        theory.replace(n=60, bandwidth=bandwidth, dim=2, generations=2)
