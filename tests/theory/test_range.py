"""The whole range of arguments: overflow, single points, long runs. No warning, no NaN, no lost variable."""

import warnings

import numpy as np
import pytest

import madtheory as mad
from madtheory import models, regimes
from madtheory.theory import gaussian, kernel_density
from madtheory.theory.gaussian import (
    augment,
    final_mean_law,
    first_moments,
    fixed_second_moments,
    fresh,
    fresh_second_moments,
    loop_wasserstein2_squared,
    lyapunov_spectrum,
)

GAUSSIAN = {"fresh": fresh, "augment": augment}


def random_loop(rng):
    """Sizes from 1 on, biases up to 50, all divisors: the corners of the documented range."""
    return {
        "n_real": int(rng.choice([1, 2, 3, 5, 50, 1000])),
        "n_synthetic": int(rng.choice([0, 1, 2, 3, 20, 1000])),
        "bias": float(rng.choice([0, 0.5, 0.9, 1, 1.2, 1.5, 3, 50])),
        "generations": int(rng.choice([1, 2, 5, 60])),
        "ddof": rng.choice([None, 0, 1]),
        "known_mean": bool(rng.integers(2)),
        "dim": int(rng.choice([1, 1, 2, 5, 12])),
    }


@pytest.mark.parametrize("name", GAUSSIAN)
def test_no_accident_in_the_documented_range(name):
    """Only a divisor of 0 is refused, by name; everything else is answered without NaN and warnings."""
    rng, answered = np.random.default_rng(5), 0
    for _ in range(60):
        loop = random_loop(rng)
        if loop["n_real"] == 1 and (loop["ddof"] == 1 or (loop["ddof"] is None and not loop["known_mean"])):
            with pytest.raises(ValueError, match="ddof"):
                GAUSSIAN[name](**loop)
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            theory = GAUSSIAN[name](**loop)
        answered += 1
        for key, values in theory.items():
            assert not np.isnan(values).any(), (key, loop)
            assert (values >= 0).all(), (key, loop)
    assert answered > 30


@pytest.mark.parametrize(
    "loop",
    [
        {"n_real": 5, "n_synthetic": 50, "bias": 1.5, "generations": 400},
        {"n_real": 2, "n_synthetic": 5, "bias": 1, "generations": 12_000},
    ],
)
@pytest.mark.parametrize("name", GAUSSIAN)
def test_moments_that_overflow_leave_the_others(name, loop):
    """The means stay those of the recursion of first moments, finite to the end."""
    regime = getattr(regimes, name)(n_real=loop["n_real"], n_synthetic=loop["n_synthetic"])
    one = mad.Loop(real=mad.Gaussian.standard(1), model=mad.Gaussian(), regime=regime, bias=loop["bias"])
    theory = mad.predict(one, loop["generations"])
    plain = first_moments(
        n_initial=loop["n_real"], n_synthetic=loop["n_synthetic"], bias=loop["bias"],
        generations=loop["generations"], real_data={"fresh": "fresh", "augment": "fixed"}[name],
        n_real=loop["n_real"] if name == "fresh" else 0,
    )  # fmt: skip
    for key in ("total_variance", "mean_error"):
        np.testing.assert_allclose(theory[key], plain[key], rtol=1e-12)
        assert np.isfinite(theory[key]).all()
    distance = theory["wasserstein2_squared"].values
    assert np.isfinite(distance).all()
    mean, error = theory["total_variance"].values, theory["mean_error"].values
    assert (distance >= (error + (1 - np.sqrt(mean)) ** 2) * (1 - 1e-12)).all()  # Jensen
    assert (distance <= (error + mean + 1) * (1 + 1e-12)).all()


@pytest.mark.parametrize("second", [fresh_second_moments, fixed_second_moments])
def test_what_overflows_is_infinite_and_what_does_not_is_exact(second):
    """Across the overflow of the squares, the means agree with those of a recursion of their own."""
    loop = {"n_real": 3, "n_synthetic": 60, "bias": 1.6, "generations": 1200}
    out = second(**loop, dim=3)
    real_data = "fresh" if second is fresh_second_moments else "fixed"
    plain = first_moments(
        n_initial=3, n_real=3, n_synthetic=60, bias=1.6, generations=1200, real_data=real_data, dim=3
    )
    for key in ("total_variance", "mean_error"):
        np.testing.assert_allclose(out[key], plain[key], rtol=1e-9)
        assert np.isfinite(out[key]).sum() > 1000
    for key in ("squared_norm", "squared_trace", "mean_in_covariance"):
        finite = np.isfinite(out[key])
        assert 100 < finite.sum() < 1000
        assert np.isposinf(out[key][~finite]).all()
        assert out[key][finite].max() > 1e290  # up to the very range of doubles
        ratio = out[key][finite][-100:] / out[key][finite][-101:-1]
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)
    assert not np.isnan(np.concatenate(list(out.values()))).any()


# --- a single real point ------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [1, 3])
@pytest.mark.parametrize("name", GAUSSIAN)
def test_one_real_point_is_d_over_n_plus_d(name, dim):
    theory = GAUSSIAN[name](n_real=1, n_synthetic=2, ddof=0, generations=4, dim=dim)
    assert theory["wasserstein2_squared"][0] == pytest.approx(2 * dim)
    assert theory["total_variance"][0] == 0
    if name == "augment":  # every model is that point
        np.testing.assert_allclose(theory["wasserstein2_squared"], 2 * dim)
        np.testing.assert_array_equal(theory["total_variance"], 0)
    else:
        assert (theory["wasserstein2_squared"][1:] < 2 * dim).all()
    assert all(np.isfinite(values).all() for values in theory.values())


@pytest.mark.parametrize("dim", [1, 4])
def test_one_point_at_first_and_more_later(dim):
    """One initial point, real data of several later: generation 1 is d/n + d, and later ones improve."""
    out = loop_wasserstein2_squared(n_real=9, n_synthetic=3, n_initial=1, ddof=0, dim=dim, generations=5)
    assert out[0] == pytest.approx(2 * dim)
    assert (np.diff(out) < 0).all()


@pytest.mark.parametrize("name", GAUSSIAN)
def test_one_real_point_alone(name):
    """Without synthetic points every model is one real point."""
    theory = GAUSSIAN[name](n_real=1, n_synthetic=0, ddof=0, generations=4, dim=2)
    for key in ("wasserstein2_squared", "wasserstein2_squared_lower", "wasserstein2_squared_upper"):
        np.testing.assert_allclose(theory[key], 4)


# --- two conditions, two messages ---------------------------------------------------------------------


def test_final_mean_law_says_which_condition_fails():
    assert lyapunov_spectrum(n=3, dim=1, bias=1.4) == pytest.approx(-0.2407, abs=1e-3)
    with pytest.raises(ValueError, match=r"no Student approximation.*does collapse.*below 1\.33333"):
        final_mean_law(n=3, ddof=1, bias=1.4)
    assert lyapunov_spectrum(n=3, dim=1, bias=1.8) > 0
    with pytest.raises(ValueError, match=r"keeps the variance from collapsing.*below 1\.78107"):
        final_mean_law(n=3, ddof=1, bias=1.8)
    assert final_mean_law(n=3, ddof=1, bias=1.33)["scale"] > 0


# --- one rule for theory and simulation ---------------------------------------------------------------


def test_the_bootstrap_has_no_kernel_to_scale():
    with pytest.raises(ValueError, match=r"bias=0.5 scales the kernel.*bandwidth=0"):
        mad.Loop(
            real=mad.Gaussian.standard(1), model=models.KernelDensity(bandwidth=0), bias=0.5,
            regime=regimes.replace(n=10),
        )  # fmt: skip
    for form in (kernel_density.replace, kernel_density.accumulate):
        with pytest.raises(ValueError, match="scales the kernel"):
            form(n=10, bandwidth=0, bias=0.5, generations=3)
    with pytest.raises(ValueError, match="scales the kernel"):
        kernel_density.limit(n=10, bandwidth=0, bias=2.0)
    assert kernel_density.replace(n=10, bandwidth=0, bias=1.0, generations=3)["total_variance"][-1] > 0


@pytest.mark.parametrize("bias", [1.5, 1e3, 1e50, 1e100])
@pytest.mark.parametrize("variance", [1e-5, 1.0, 1e5])
@pytest.mark.parametrize(
    "regime",
    [
        regimes.replace(n=5), regimes.accumulate(n=3), regimes.accumulate_subsample(n=5),
        regimes.fresh(n_real=5, n_synthetic=50), regimes.augment(n_real=5, n_synthetic=50),
        regimes.fresh(n_real=5, n_synthetic=10, memory=3),
    ],
    ids=lambda regime: regime.name,
)  # fmt: skip
@pytest.mark.parametrize("treated", [False, True])
def test_a_loop_that_explodes_is_infinite_without_a_warning(bias, variance, regime, treated):
    """With true variances other than 1, with corrections, and where units carry the moments at last."""
    real = mad.Gaussian(mean=np.zeros(2), covariance=variance * np.diag([0.5, 2.0]))
    treatments = (mad.treatments.correct(0.1),) * treated
    loop = mad.Loop(real=real, model=mad.Gaussian(), regime=regime, bias=bias, treatments=treatments)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predicted = mad.predict(loop, 400)
    for name, values in predicted.data_vars.items():
        assert not np.isnan(values).any(), name
    assert np.isfinite(predicted["total_variance"][0])
    if bias > 100:
        assert predicted["total_variance"][-1] == np.inf


@pytest.mark.parametrize("n", [10**4, 10**5 - 1, 10**5 + 1, 10**7, 10**9, 10**12])
def test_distance_of_very_many_points_is_not_rounding(n):
    """The real fit is off by 1.5/n in squared distance; log gamma functions round by 1e-16 n log n."""
    loop = mad.Loop(real=mad.Gaussian.standard(1), model=mad.Gaussian(), regime=regimes.accumulate(n=n))
    distance = mad.predict(loop, 4)["wasserstein2_squared"].values
    assert distance[0] == pytest.approx(1.5 / n, rel=1e-3 + 1e-15 * n)
    assert (distance >= 0).all()
    limit = gaussian.diffusion_limit(n_real=n, known_mean=True)["wasserstein2_squared"]
    assert float(limit) == pytest.approx(0.25 / n, rel=0.01 + 4e-15 * n, abs=0)


# --- long runs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GAUSSIAN)
@pytest.mark.parametrize("dim", [1, 3])
def test_long_trajectories_continue_short_ones_and_stop_where_they_settle(name, dim):
    loop = {"n_real": 10, "n_synthetic": 20, "dim": dim}
    short, long = (GAUSSIAN[name](**loop, generations=t) for t in (700, 3000))
    for key, values in long.items():
        np.testing.assert_array_equal(values[:700], short[key])
        assert values[-1] == pytest.approx(values[1000], rel=1e-10)  # settled
    limit = gaussian.stationary(**loop, real_data="fresh" if name == "fresh" else "fixed")
    for key in ("total_variance", "mean_error", "squared_norm", "total_variance_std"):
        assert long[key][-1] == pytest.approx(float(limit[key]), rel=1e-9)


@pytest.mark.parametrize("form", [first_moments, kernel_density.first_moments])
def test_first_moments_stop_only_where_they_repeat(form):
    """Sizes that change far out are not taken for a limit."""
    more = {} if form is first_moments else {"bandwidth": 0.2}
    same = {"n_initial": 9, "n_real": 9, "real_data": "fresh", "memory": 2, **more}
    constant = form(**same, n_synthetic=5, generations=400)
    changed = form(**same, n_synthetic=lambda g: 5 if g < 399 else 50, generations=400)
    np.testing.assert_array_equal(constant["total_variance"][:398], changed["total_variance"][:398])
    assert changed["total_variance"][-1] != constant["total_variance"][-1]
    stepwise = form(**same, n_synthetic=lambda g: 5, generations=400)  # never taken for constant
    np.testing.assert_array_equal(constant["mean_error"], stepwise["mean_error"])
