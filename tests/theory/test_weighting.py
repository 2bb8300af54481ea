"""The best weights of real and synthetic data, in loops and by their defining equations."""

import dataclasses

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import madtheory as mad
from madtheory import regimes, testing
from madtheory.theory import categorical, gaussian


def test_golden_ratio():
    """W1: its value, u² = k (1 - u), and limits of much and of little synthetic data."""
    assert float(gaussian.optimal_weights(100, 100)) == pytest.approx(0.6180339887498949, abs=1e-12)
    for n_real, n_synthetic in ((100, 400), (7, 1), (10, 10**9)):
        share, k = float(gaussian.optimal_weights(n_real, n_synthetic)), n_real / n_synthetic
        assert share**2 == pytest.approx(k * (1 - share), rel=1e-10)
    assert float(gaussian.optimal_weights(100, 10**10)) == pytest.approx(1e-4, rel=1e-3)  # sqrt(k)
    assert float(gaussian.optimal_weights(10**12, 1)) == pytest.approx(1.0, abs=1e-11)


@pytest.mark.parametrize(("n_real", "n_synthetic"), [(20, 20), (10, 100), (50, 5)])
def test_it_is_the_best_share_of_the_loop_that_it_is_for(n_real, n_synthetic):
    """The stationary mean error is u / n_real at this share, and more at any other."""
    share = float(gaussian.optimal_weights(n_real, n_synthetic))

    def end(u):
        return (u**2 / n_real + (1 - u) ** 2 / n_synthetic) / (1 - (1 - u) ** 2)

    found = minimize_scalar(end, bounds=(1e-6, 1), method="bounded", options={"xatol": 1e-10})
    assert share == pytest.approx(found.x, abs=1e-6)
    assert end(share) == pytest.approx(share / n_real, rel=1e-12)


def test_the_variance_wants_more_real_data():
    """W3: the minimum of the exact error, and the golden ratio for many points."""
    assert round(float(gaussian.optimal_weights(10, 10, parameter="variance")), 5) == 0.64068
    assert float(gaussian.optimal_weights(10**7, 10**7, parameter="variance")) == pytest.approx(
        0.618034, abs=1e-5
    )
    for n_real, n_synthetic in ((10, 10), (5, 30)):
        a, b = 2 / (n_real - 1), 2 / (n_synthetic - 1)

        def end(u, a=a, b=b):
            return (u**2 * a + (1 - u) ** 2 * b) / (1 - (1 - u) ** 2 * (1 + b))

        low = 1 - 1 / np.sqrt(1 + b)  # below it the variance of the variance grows without bound
        found = minimize_scalar(end, bounds=(low + 1e-9, 1), method="bounded", options={"xatol": 1e-10})
        share = gaussian.optimal_weights(n_real, n_synthetic, parameter="variance")
        assert float(share) == pytest.approx(found.x, abs=1e-6)


def test_gains_by_generation():
    """W2: ratios of Fibonacci numbers at equal sizes, and the stationary share in the end."""
    shares = np.asarray(gaussian.optimal_weights(1, 1, generations=6))
    np.testing.assert_allclose(shares, [1, 2 / 3, 5 / 8, 13 / 21, 34 / 55, 89 / 144], rtol=1e-12)
    late = gaussian.optimal_weights(30, 200, generations=80)[-1]
    assert float(late) == pytest.approx(float(gaussian.optimal_weights(30, 200)), rel=1e-10)


def test_weights_in_a_gaussian_loop():
    """At equal sizes in many dimensions, golden weights of points lower the predicted error of the mean."""
    share = float(gaussian.optimal_weights(400, 400))
    loop = mad.Loop(
        real=mad.Gaussian.standard(1), model=mad.Gaussian(), regime=regimes.fresh(n_real=400, n_synthetic=400)
    )

    def end(u):
        regime = dataclasses.replace(loop.regime, weights=(u, 1 - u))
        return float(mad.predict(dataclasses.replace(loop, regime=regime), 60)["mean_error"][-1])

    assert end(share) == pytest.approx(share / 400, rel=1e-2)  # the variance is 1 up to 1/n
    assert end(share) < min(end(share - 0.05), end(share + 0.05))


def test_tokens_of_unknown_provenance():
    """W4: the variance of the corrected estimate, in a loop that publishes each estimate.

    20,000 loops see 5 % in a variance at 5 standard errors; equal weights of tokens are rejected.
    """
    rng, p, reps = np.random.default_rng(0), 0.3, 20_000
    sizes, shares = np.array([2_000, 3_000, 2_500, 4_000]), np.array([1.0, 0.6, 0.4, 0.2])
    estimate, done, naive = np.zeros(reps), 0.0, np.zeros(reps)
    for n, share in zip(sizes, shares, strict=True):
        seen = rng.binomial(n, share * p + (1 - share) * np.clip(estimate, 0, 1)) / n
        corrected = (seen - (1 - share) * estimate) / share
        weight = n * share**2
        naive += n * corrected / sizes.sum()
        estimate = (done * estimate + weight * corrected) / (done + weight)
        done += weight
    found = categorical.label_blind_sample_size(sizes=sizes, real_shares=shares)
    want = p * (1 - p) / float(found["label_blind"])
    testing.assert_mean_matches((estimate - p) ** 2, want)
    with pytest.raises(AssertionError):
        testing.assert_mean_matches((naive - p) ** 2, want)
    with pytest.raises(AssertionError):
        testing.assert_mean_matches((estimate - p) ** 2, p * (1 - p) / float(found["oracle"]))
    with pytest.raises(ValueError, match="real_shares"):
        categorical.label_blind_sample_size(sizes=[10], real_shares=[0.0])


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"n_real": 0, "n_synthetic": 5}, "n_real=0"),
        ({"n_real": 1, "n_synthetic": 5, "parameter": "variance"}, "n_real=1"),
        ({"n_real": 5, "n_synthetic": 5, "parameter": "median"}, "median"),
        ({"n_real": 5, "n_synthetic": 5, "parameter": "variance", "generations": 3}, "generations=3"),
    ],
)
def test_arguments_are_checked(keywords, words):
    with pytest.raises(ValueError, match=words):
        gaussian.optimal_weights(**keywords)
