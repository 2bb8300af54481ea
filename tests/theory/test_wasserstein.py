import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from raw_loops import simulate, z_score

from madtheory.theory.gaussian import spectra as _free
from madtheory.theory.gaussian.second_moment_maps import Mix
from madtheory.theory.gaussian.spectra import singular_values
from madtheory.theory.gaussian.wasserstein import loop_wasserstein2_squared, real_fit_wasserstein2_squared


def observed(mean, covariance):
    roots = np.sqrt(np.clip(np.linalg.eigvalsh(covariance), 0, None))
    return (mean**2).sum(axis=1) + ((roots - 1) ** 2).sum(axis=1)


# --- real data only -----------------------------------------------------------------------------------


@given(rows=st.integers(1, 40), extra=st.floats(0, 300))
def test_singular_values_have_the_exact_wishart_moments(rows, extra):
    nu = rows + extra
    t, weights = singular_values(rows, nu)
    mass = rows * nu
    moments = [rows, mass, mass * (rows + nu + 1)]
    moments.append(mass * (nu**2 + rows**2 + 3 * rows * nu + 3 * nu + 3 * rows + 4))
    for k, value in enumerate(moments):
        assert weights @ t ** (2 * k) == pytest.approx(value, rel=1e-10)
    assert (weights > -1e-12).all()


@given(n=st.floats(2, 1e5), ddof=st.sampled_from([0, 1]))
def test_one_dimension_is_a_ratio_of_gamma_functions(n, ddof):
    root = math.sqrt(2 / (n - ddof)) * math.exp(math.lgamma(n / 2) - math.lgamma((n - 1) / 2))
    value = real_fit_wasserstein2_squared(n=n, ddof=ddof)
    assert value == pytest.approx(1 / n + (n - 1) / (n - ddof) + 1 - 2 * root, abs=1e-9)


@pytest.mark.parametrize(
    ("n", "dim", "known_mean"), [(5, 3, False), (9, 3, False), (4, 6, False), (3, 5, True)]
)
def test_real_fit_on_raw_points_and_not_with_the_other_divisor(n, dim, known_mean):
    # 100,000 fits: sees 1 % with probability above 0.999
    rng, scales = np.random.default_rng(11), np.ones(dim)
    c = 1 - known_mean
    model = next(
        simulate(
            rng, 100_000, n_initial=n, n_synthetic=1, ddof=c, known_mean=known_mean, spectrum=scales,
            generations=1, law="normal",
        )
    )  # fmt: skip
    value = real_fit_wasserstein2_squared(n=n, dim=dim, known_mean=known_mean)
    assert abs(z_score(observed(*model), value)) < 5
    assert abs(z_score(observed(*model), 1.01 * value)) > 5


def test_the_baseline_in_a_hundred_dimensions():
    # reference values, simulated: standard errors 0.3 % up to n = 10 and 0.1 % above
    simulated = {
        2: 229.3, 10: 150.6, 30: 99.7, 50: 71.4, 100: 31.90, 200: 14.14, 250: 11.12, 500: 5.403,
        1000: 2.661, 2000: 1.320, 5000: 0.5273, 10**4: 0.2632, 10**5: 0.0263,
    }  # fmt: skip
    values = real_fit_wasserstein2_squared(n=list(simulated), dim=100)
    np.testing.assert_allclose(values, list(simulated.values()), rtol=4e-3)
    assert values.kind == "exact mean"


@pytest.mark.parametrize("dim", [1, 2, 7, 100])
def test_large_samples_reach_the_expansion_at_the_rate_of_the_next_order(dim):
    n = np.array([1e2, 1e3, 1e4]) * dim
    error = real_fit_wasserstein2_squared(n=n, dim=dim) * 4 * n / (dim * (dim + 5)) - 1
    assert abs(error[0]) < 0.03
    np.testing.assert_allclose(error[1:] / error[:-1], 0.1, rtol=0.04)


@pytest.mark.parametrize("dim", [1, 2, 5, 30])
def test_more_points_are_better_in_between_integers_too(dim):
    values = real_fit_wasserstein2_squared(n=np.linspace(2, 2 * dim + 5, 300), dim=dim)
    assert (np.diff(values) < 0).all()


@pytest.mark.parametrize("bad", [{"n": 1}, {"n": np.nan}, {"n": 5, "dim": 0}, {"n": 5, "ddof": 3}])
def test_real_fit_refuses(bad):
    with pytest.raises(ValueError, match=r"n=|dim=|ddof="):
        real_fit_wasserstein2_squared(**bad)


# --- the large-dimension spectrum ---------------------------------------------------------------------


@given(variance=st.floats(0.01, 20))
def test_mean_root_of_the_wishart_curve_is_that_of_the_exact_law(variance):
    # 60 rows: the free law is off by the next orders of 1 / rows
    rows = 60
    t, weights = singular_values(rows, rows / min(variance, 1 / variance))
    dim, dof = (rows, rows / variance) if variance < 1 else (rows * variance, rows)
    exact = (weights @ t) / (dim * math.sqrt(dof))
    # the variance of the finite law is (dim + 1) / dof
    assert _free.wishart_mean_root((dim + 1) / dof) == pytest.approx(exact, rel=4e-3)


@pytest.mark.parametrize("real_data", ["fresh", "fixed"])
@pytest.mark.parametrize("dim", [3.0, 40.0])
@settings(max_examples=8)
@given(n_real=st.integers(4, 60), n_synthetic=st.integers(1, 60), bias=st.floats(0.1, 1))
def test_spectra_of_generations_settle_on_the_stationary_one(real_data, dim, n_real, n_synthetic, bias):
    mix = Mix(n_real, n_synthetic, bias, 1, False, int(dim), real_data)
    limit = _free.stationary_mean_root(mix, dim)
    spectra = _free.mean_roots(mix, dim, float(n_real))
    late = [next(spectra) for _ in range(60 + int(8 * n_synthetic / n_real))][-1]
    np.testing.assert_allclose(late, limit, rtol=3e-4)


# --- loops --------------------------------------------------------------------------------------------

LOOPS = [
    # design, dimension, measured relative error of the closed form
    ({"n_real": 10, "n_synthetic": 20, "bias": 0.9, "real_data": "fresh"}, 1, 0.002),
    ({"n_real": 10, "n_synthetic": 10, "bias": 0.9, "real_data": "fixed"}, 1, 0.002),
    ({"n_real": 20, "n_synthetic": 20, "bias": 0.8, "real_data": "fresh"}, 6, 0.005),
    ({"n_real": 20, "n_synthetic": 20, "real_data": "fixed"}, 6, 0.005),
]


@pytest.mark.parametrize(("design", "dim", "error"), LOOPS)
def test_loops_on_raw_points(design, dim, error):
    # 20,000 loops: sees 3 % beyond the stated error with probability above 0.99
    law = design | {"dim": dim}
    theory = loop_wasserstein2_squared(**law, generations=12)
    rng = np.random.default_rng(5)
    loops = simulate(
        rng, 20_000, n_initial=design["n_real"], spectrum=np.ones(dim), generations=12, law="normal", **design
    )
    for g, model in enumerate(loops):
        if g in (0, 1, 3, 11):
            sample = observed(*model)
            allowed = error * theory[g] * (g > 0)
            scatter = sample.std() / math.sqrt(len(sample))
            assert abs(sample.mean() - theory[g]) < allowed + 5 * scatter, g
            assert abs(sample.mean() - 1.06 * theory[g]) > allowed + 5 * scatter
    stationary = loop_wasserstein2_squared(**law)
    assert stationary == pytest.approx(float(theory[-1]), rel=0.02)
    assert stationary.kind == "leading order in 1/n"


@pytest.mark.parametrize(
    ("bias", "n_initial", "simulated"),
    [
        (1.0, 100, [32.0, 24.5, 17.1, 13.6, 12.5, 12.2]),
        (1.0, 1000, [2.66, 4.75, 8.73, 11.2, 12.2, 12.2]),
        (0.8, 100, [32.0, 22.1, 16.7, 19.0, 20.6, 20.6]),
        (0.8, 1000, [2.66, 5.12, 12.8, 18.8, 20.6, 20.6]),
    ],
)
def test_figure_10_of_mad(bias, n_initial, simulated):
    # means of 20 runs, good to 1 %
    out = loop_wasserstein2_squared(
        n_real=100, n_synthetic=900, n_initial=n_initial, bias=bias, dim=100, generations=60
    )
    np.testing.assert_allclose(out[[0, 1, 4, 9, 19, 59]], simulated, rtol=0.015)


@pytest.mark.parametrize(
    ("n", "share", "bias", "simulated", "error"),
    [
        (1000, 0.1, 1, 12.26, 0.006), (2000, 0.1, 1, 6.488, 0.004), (20_000, 0.1, 1, 0.688, 0.01),
        (5000, 0.01, 1, 20.56, 0.02), (10_000, 0.01, 1, 11.32, 0.015), (1000, 0.01, 1, 63.6, 0.05),
        (1000, 0.1, 0.8, 20.62, 0.005), (10_000, 0.1, 0.9, 8.14, 0.005),
    ],
)  # fmt: skip
def test_figure_31_of_mad(n, share, bias, simulated, error):
    n_real = round(n * share)
    out = loop_wasserstein2_squared(n_real=n_real, n_synthetic=n - n_real, bias=bias, dim=100)
    assert out == pytest.approx(simulated, rel=error)


def test_one_fixed_real_set_reaches_a_plateau():
    # reference values
    for bias, plateau in ((1, 3.49), (0.8, 3.65), (0.5, 5.7)):
        out = loop_wasserstein2_squared(
            n_real=1000, n_synthetic=1000, bias=bias, dim=100, real_data="fixed", generations=60
        )
        assert out[-1] == pytest.approx(plateau, rel=5e-3)
        assert (np.diff(out) > -1e-9).all()


@pytest.mark.parametrize("dim", [1, 2, 10])
@pytest.mark.parametrize("real_data", ["fresh", "fixed"])
def test_without_synthetic_points_the_loop_is_a_real_fit(dim, real_data):
    alone = real_fit_wasserstein2_squared(n=9, dim=dim)
    out = loop_wasserstein2_squared(n_real=9, n_synthetic=0, dim=dim, real_data=real_data)
    assert out == pytest.approx(float(alone), rel=1e-6)


@pytest.mark.parametrize("dim", [1, 2, 10])
@pytest.mark.parametrize("n_initial", [2, 30])
def test_extreme_designs_stay_finite(dim, n_initial):
    for design in (
        {"n_real": 1, "n_synthetic": 3}, {"n_real": 2, "n_synthetic": 50, "bias": 1.3},
        {"n_real": 40, "n_synthetic": 1, "bias": 0}, {"n_real": 3, "n_synthetic": 100, "known_mean": True},
    ):  # fmt: skip
        out = loop_wasserstein2_squared(**design, n_initial=n_initial, dim=dim, generations=4)
        assert (out > 0).all()
        assert np.isfinite(out).all()
    assert np.isnan(loop_wasserstein2_squared(n_real=1, n_synthetic=3, dim=dim))
