import math

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from raw_loops import simulate, z_score

from madtheory.theory.gaussian.line import moment_map
from madtheory.theory.gaussian.second_moment_maps import (
    Mix,
    affine_map,
    fixed_second_moments,
    fresh_second_moments,
)
from madtheory.theory.gaussian.stationarity import diffusion_limit, stationary, tail_index

LAW = {"fresh": fresh_second_moments, "fixed": fixed_second_moments}


@pytest.mark.parametrize("real_data", ["fresh", "fixed"])
@pytest.mark.parametrize("known_mean", [False, True])
@settings(max_examples=10)
@given(
    n_real=st.integers(5, 30),
    n_synthetic=st.integers(1, 30),
    bias=st.floats(0, 1),
    ddof=st.sampled_from([0, 1]),
    dim=st.integers(1, 3),
)
def test_trajectories_end_in_the_fixed_point(real_data, known_mean, n_real, n_synthetic, bias, ddof, dim):
    design = {"n_real": n_real, "n_synthetic": n_synthetic, "bias": bias, "ddof": ddof}
    design |= {"known_mean": known_mean, "dim": dim}
    out = stationary(**design, real_data=real_data)
    assume("squared_norm" in out and out["second_moment_spectral_radius"] < 0.92)
    end = LAW[real_data](**design, generations=260)
    for name in ("total_variance", "mean_error", "squared_norm", "squared_trace"):
        assert end[name][-1] == pytest.approx(float(out[name]), rel=1e-9), name
    variance = end["squared_trace"][-1] - end["total_variance"][-1] ** 2
    assert out["total_variance_std"] == pytest.approx(math.sqrt(max(variance, 0)), abs=1e-6)


@pytest.mark.parametrize("real_data", ["fresh", "fixed"])
@pytest.mark.parametrize("ddof", [0, 1])
def test_without_synthetic_points_it_is_the_real_fit(real_data, ddof):
    out = stationary(n_real=7, n_synthetic=0, ddof=ddof, dim=3, real_data=real_data)
    assert out["total_variance"] == pytest.approx(3 * 6 / (7 - ddof))
    assert out["mean_error"] == pytest.approx(3 / 7)
    assert out["relaxation_time"] == 0


@pytest.mark.parametrize("real_data", ["fresh", "fixed"])
def test_raw_points_of_a_skewed_law_settle_on_the_first_moments(real_data):
    # 40,000 loops: sees 3 % in the bias with probability above 0.99
    design = {"n_real": 8, "n_synthetic": 8, "bias": 0.9, "real_data": real_data}
    right, wrong = stationary(**design, dim=2), stationary(**design | {"bias": 0.93}, dim=2)
    rng = np.random.default_rng(3)
    *_, (mean, covariance) = simulate(rng, 40_000, n_initial=8, spectrum=(1.0, 1.0), generations=16, **design)
    total = np.trace(covariance, axis1=1, axis2=2)
    assert abs(z_score(total, right["total_variance"])) < 5
    assert abs(z_score((mean**2).sum(axis=1), right["mean_error"])) < 5
    assert abs(z_score(total, wrong["total_variance"])) > 5


def test_printed_limits():
    # reference values, computed from the recursion of means
    unbiased = stationary(n_real=100, n_synthetic=900, dim=100)
    biased = stationary(n_real=100, n_synthetic=900, dim=100, bias=0.8)
    assert unbiased["mean_error"] == pytest.approx(0.5286, abs=1e-4)
    assert unbiased["total_variance"] == pytest.approx(100.476, abs=1e-3)
    assert biased["mean_error"] == pytest.approx(0.1882, abs=1e-4)
    assert biased["total_variance"] == pytest.approx(35.775, abs=1e-3)
    assert unbiased["relaxation_time"] == pytest.approx(1000 / 100, rel=0.1)


def test_fixed_real_data_costs_a_factor_of_three_halves_in_mean_error():
    out = stationary(n_real=50, n_synthetic=10**6, real_data="fixed")
    assert out["mean_error"] == pytest.approx(1.5 / 50, rel=0.01)
    assert out["total_variance"] == pytest.approx(49 / 49.5, rel=1e-4)


def test_known_mean_closed_form():
    n_r, n_s, bias = 10, 25, 0.9
    out = stationary(n_real=n_r, n_synthetic=n_s, bias=bias, known_mean=True)
    total, v = n_r + n_s, n_r / (n_r + n_s - bias * n_s)
    square = (n_r * (n_r + 2) + 2 * n_r * bias * n_s * v) / (total**2 - bias**2 * n_s * (n_s + 2))
    assert out["total_variance"] == pytest.approx(v)
    assert out["squared_norm"] == pytest.approx(square)
    plain = stationary(n_real=n_r, n_synthetic=n_s, known_mean=True)["total_variance_std"] ** 2
    assert plain == pytest.approx(2 * total / (n_r**2 + 2 * n_r * n_s - 2 * n_s))


@pytest.mark.parametrize("known_mean", [False, True])
@pytest.mark.parametrize("real_data", ["fresh", "fixed"])
def test_the_error_names_the_largest_bias(known_mean, real_data):
    design = {"n_real": 5, "n_synthetic": 20, "known_mean": known_mean, "real_data": real_data}
    with pytest.raises(ValueError, match="below") as error:
        stationary(bias=2.0, **design)
    limit = float(str(error.value).split("below ")[1].rstrip("."))
    assert stationary(bias=limit * 0.999, **design)["spectral_radius"] < 1
    assert stationary(bias=limit * 0.999, **design)["spectral_radius"] > 0.998
    with pytest.raises(ValueError, match="no stationary mean"):
        stationary(bias=limit * 1.001, **design)


@pytest.mark.parametrize("known_mean", [False, True])
@pytest.mark.parametrize("ddof", [0, 1])
def test_many_synthetic_points_reach_the_diffusion_limit(known_mean, ddof):
    limit = diffusion_limit(n_real=8, ddof=ddof, known_mean=known_mean)
    design = {"n_real": 8, "n_synthetic": 10**6, "ddof": ddof, "known_mean": known_mean}
    out = stationary(**design)
    for name in ("total_variance", "mean_error", "squared_norm"):
        assert out[name] == pytest.approx(float(limit[name]), rel=1e-5), name
    if known_mean:
        assert out["wasserstein2_squared"] == pytest.approx(float(limit["wasserstein2_squared"]), rel=1e-4)
        assert tail_index(**design) == pytest.approx(float(limit["tail_index"]), rel=1e-4)
    else:  # a half less than n_real + 2 - ddof
        assert tail_index(**design | {"n_synthetic": 10**5}) == pytest.approx(8 + 1.5 - ddof, rel=1e-3)


@pytest.mark.parametrize(
    ("n_synthetic", "index"), [(20, 11.77), (100, 11.19), (1000, 11.02), (10**5, 11.0002)]
)
def test_printed_tail_indices(n_synthetic, index):
    out = tail_index(n_real=10, n_synthetic=n_synthetic, known_mean=True)
    assert out == pytest.approx(index, abs=0.006)


@pytest.mark.parametrize("known_mean", [False, True])
@given(n_real=st.integers(1, 4), n_synthetic=st.integers(2, 60), bias=st.floats(0.7, 1.4))
def test_moments_exist_below_the_tail_index(known_mean, n_real, n_synthetic, bias):
    mix = Mix(n_real, n_synthetic, bias, 1 - known_mean, known_mean, 1, "fresh")
    radius = np.abs(np.linalg.eigvals(affine_map(mix)[0])).max()
    third = np.abs(np.linalg.eigvals(moment_map(mix)[1:, 1:])).max()
    design = {"n_real": n_real, "n_synthetic": n_synthetic, "bias": bias, "known_mean": known_mean}
    try:
        index = tail_index(**design)
    except ValueError:
        assert radius >= 1
        return
    assert index > 1
    assume(abs(index - 2) > 1e-3 and abs(index - 3) > 1e-3)
    assert (index > 2) == (radius < 1)
    assert (index > 3) == (third < 1)


def test_a_loop_without_feedback_has_no_tail():
    with pytest.raises(ValueError, match="no feedback"):
        tail_index(n_real=5, n_synthetic=1)
