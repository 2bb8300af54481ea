"""Arguments at the edge of the range of doubles, and of memory: a right number, infinity, or an error."""

import numpy as np
import pytest

from madtheory.theory import categorical, correction, curation, gaussian, guidance, kernel_density, stability
from madtheory.theory.guidance.laws import mean_pull

EYE = [[1.0, 0.2], [0.2, 1.0]]
LAW = {"probabilities": [0.2, 0.8], "n": 20, "generations": 3}
MIX = {"n_real": 20, "n_synthetic": 15}
TIGHT = {"synthetic_ratio": 0.3, "curvature": 5e-324, "smoothness": 1.0, "misfit": 0.1}


def test_accrual_of_any_number_of_points():
    """Where synthetic points are many, the mean keeps its error but for the true points among them."""
    moments = correction.accrual(n_initial=20, n_synthetic=10**12, correction=0.25, generations=4)
    np.testing.assert_allclose(moments["mean_error"][1], 0.8**2 / 20, rtol=1e-9)
    few = correction.accrual(n_initial=20, n_synthetic=10**3, correction=0.25, generations=4)
    assert abs(few["mean_error"][1] / (0.8**2 / 20) - 1) > 1e-3


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("bias", lambda: guidance.largest_stable_guidance(**MIX, bias=5e-324)),
        ("bias", lambda: guidance.largest_stable_guidance(**MIX, auxiliary_bias=5e-324)),
        ("generations", lambda: correction.accrual(n_initial=20, n_synthetic=1, generations=10**6)),
        ("bandwidth", lambda: kernel_density.replace(bandwidth=int, n=20, generations=3)),
        ("bandwidth", lambda: kernel_density.limit(bandwidth=float, n=20)),
        ("bandwidths", lambda: kernel_density.accumulated_second_moment(bandwidths=[])),
        ("bandwidths", lambda: kernel_density.accumulated_second_moment(bandwidths=np.empty((0, 2)))),
        ("mean", lambda: curation.tilted_gaussian(mean=np.eye(2), covariance=EYE, generations=3)),
        ("mean", lambda: curation.tilted_gaussian(mean=[], covariance=EYE, generations=3)),
        ("function", lambda: categorical.expected_sum(function=int, **LAW)),
        ("function", lambda: categorical.expected_sum(function=str, **LAW)),
        ("bias", lambda: gaussian.optimal_n_synthetic(n_real=20, bias=1e12)),
        ("bias", lambda: gaussian.optimal_n_synthetic(n_real=20, bias=1e100)),
        ("covariance", lambda: guidance.neon_warm_up(n=20, covariance=5e-324)),
        ("covariance", lambda: guidance.neon_warm_up(n=20, covariance=np.diag([1e-200, 1.0]))),
    ],
)
def test_an_error_names_the_argument(name, call):
    with pytest.raises((ValueError, TypeError), match=rf"\b{name}\b"):
        call()


@pytest.mark.parametrize("innovation", [5e-324, 1e-300, 1e-17, 1e-12])
def test_rare_innovations_leave_one_symbol(innovation):
    """To first order in mu the mean is 1 + 2 mu n (1 + 1/2 + ... ), so within 100 n mu of 1."""
    found = float(categorical.innovation_support(n=20, innovation=innovation))
    assert found == pytest.approx(1, abs=100 * 20 * innovation + 1e-13)
    assert float(categorical.innovation_support(n=1, innovation=innovation)) == 1


@pytest.mark.parametrize("dim", [1, 2, 7])
@pytest.mark.parametrize("n", [1e11, 1e12, 1e20, 1e150])
def test_the_fit_of_many_points_is_at_its_leading_order(dim, n):
    for ddof, known_mean, weight in ((1, False, dim + 5), (0, False, dim + 5), (0, True, dim + 1)):
        found = gaussian.real_fit_wasserstein2_squared(n=n, dim=dim, ddof=ddof, known_mean=known_mean)
        assert float(found) == pytest.approx(dim * weight / (4 * n), rel=1e-9)


def test_the_fit_of_many_points_continues_that_of_fewer():
    below, above = gaussian.real_fit_wasserstein2_squared(n=[0.99e10, 1.01e10])
    assert below / above == pytest.approx(1.01 / 0.99, rel=1e-4)


def test_rewards_far_above_the_top_are_infinite():
    moments = curation.reward_moments(p=[0.5, 0.5], reward=[0.1, 0.3], top=-1e150)
    assert moments["exp_mean"] == moments["exp_variance"] == np.inf
    assert moments["mean"] == pytest.approx(0.2)


def test_a_bound_without_curvature_is_infinite():
    assert stability.spectral_contraction_bound(**TIGHT) == np.inf
    assert stability.spectral_contraction_bound(**TIGHT | {"synthetic_ratio": 0.0}) == 0
    assert stability.tight_contraction_bound(**TIGHT) == np.inf


@pytest.mark.parametrize("n_synthetic", [10**5, 10**7, 10**9, 10**12])
@pytest.mark.parametrize("n_real", [3, 20])
def test_the_tail_index_of_many_synthetic_points_is_that_of_the_diffusion(n_real, n_synthetic):
    """n_real + 1 for a known mean and half less for a fitted one, up to 1/n_synthetic and rounding."""
    near = {"rel": 100 * n_real / n_synthetic + 1e-4}
    known = gaussian.tail_index(n_real=n_real, n_synthetic=n_synthetic, known_mean=True)
    fitted = gaussian.tail_index(n_real=n_real, n_synthetic=n_synthetic, ddof=1)
    assert float(known) == pytest.approx(n_real + 1, **near)
    assert float(fitted) == pytest.approx(n_real + 0.5, **near)


def test_no_feedback_has_no_tail_within_the_range_of_doubles():
    assert gaussian.tail_index(**MIX, bias=5e-324) == np.inf
    assert float(gaussian.tail_index(**MIX, bias=1e-100)) > 1e100


@pytest.mark.parametrize("auxiliary_bias", [1e12, 1e20, 1e60, 1e150])
def test_a_wide_auxiliary_leaves_only_the_moment_that_diverges(auxiliary_bias):
    found = guidance.largest_stable_guidance(**MIX, auxiliary_bias=auxiliary_bias)
    assert float(found) == pytest.approx((20 + 15 - 1) / 2)


def test_an_auxiliary_of_endless_points_is_the_truth_about_the_model():
    """Then E Y^-w is bias^-w, so that the loop, unbiased, bears much guidance."""
    many = [float(guidance.largest_stable_guidance(**MIX, n_auxiliary=n)) for n in (10**4, 10**6, 10**12)]
    assert np.isfinite(many).all()
    assert many[0] < many[1] < many[2]


@pytest.mark.parametrize("guided", [1.0, 2.0, 3.0, 5.0, 6.2])
def test_the_pull_of_the_mean_continues_beyond_the_reach_of_scipy(guided):
    near, far = mean_pull(0.999e12, guided) * 0.999e12, mean_pull(1.001e12, guided) * 1.001e12
    assert far == pytest.approx(near, rel=1e-2)
    assert np.isfinite(mean_pull(np.array([1e20, 1e60, 1e150]), guided)).all()
    if guided > 1:
        assert mean_pull(1e100, guided) * 1e100 == pytest.approx(1 / (guided - 1))
