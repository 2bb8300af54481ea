"""Closed forms of loops of labels: identities to 1e-10, and drawn points where nothing else computes them."""

import numpy as np
import pytest

from madtheory import regimes, testing
from madtheory.theory import gaussian, regression
from madtheory.theory.regression import mixing

EXACT = {"rtol": 1e-10, "atol": 1e-13}


def eigenvalues(dim, seed=0):
    return np.exp(np.random.default_rng(seed).uniform(-1, 1, dim))


def test_replace_is_linear_and_accumulate_sums_inverse_squares():
    """L1, L2 for inputs that are used again, whatever they are."""
    for rows, dim in ((9, 4), (30, 1)):
        kept = {"rows": rows, "eigenvalues": eigenvalues(dim), "noise": 0.7, "generations": 30}
        t = np.arange(1, 31)
        replaced = regression.fixed_design(regimes.replace(n=rows), **kept)
        np.testing.assert_allclose(replaced["excess_risk"], 0.49 * dim / rows * t, **EXACT)
        joined = regression.fixed_design(regimes.accumulate(n=rows), **kept)
        np.testing.assert_allclose(joined["excess_risk"], 0.49 * dim / rows * np.cumsum(1.0 / t**2), **EXACT)
        assert float(joined["excess_risk"][-1] / joined["excess_risk"][0]) < np.pi**2 / 6


def test_inputs_drawn_once_are_the_mean_over_fixed_inputs():
    """E tr (XᵀX)⁻¹ S = d / (T - d - 1), the only place where the inputs enter; negative control at 2 %."""
    rng, rows, dim, reps = np.random.default_rng(1), 24, 4, 20_000
    scale = eigenvalues(dim)
    X = rng.standard_normal((reps, rows, dim)) * np.sqrt(scale)
    values = np.linalg.inv(X.swapaxes(-1, -2) @ X)
    found = regression.design_drawn_once(
        regimes.replace(n=rows), rows=rows, eigenvalues=scale, noise=1.0, generations=3
    )
    risk, error = np.einsum("rjj,j->r", values, scale), np.einsum("rjj->r", values)
    testing.assert_mean_matches(risk, found["excess_risk"][0])
    testing.assert_mean_matches(error, found["parameter_error"][0])
    with pytest.raises(AssertionError):
        testing.assert_mean_matches(risk, 1.02 * found["excess_risk"][0])


def test_accumulated_new_inputs_in_digamma_form():
    """L2: the finite sum, its digamma form, and the limit of its ratio from below."""
    from scipy.special import digamma

    for rows, dim in ((14, 4), (30, 5), (7, 1)):
        k = np.arange(1, 51)
        found = regression.fresh_design(
            regimes.accumulate(n=rows), eigenvalues=eigenvalues(dim), generations=50
        )["excess_risk"]
        shift = (dim + 1) / rows
        form = dim / (dim + 1) * (digamma(k + 1 - shift) - digamma(1 - shift) - digamma(k + 1) + digamma(1))
        np.testing.assert_allclose(found, form, **EXACT)
        assert (np.asarray(found / found[0])[1:] < np.cumsum(1.0 / k**2)[1:]).all()
    ratio = regression.fresh_design(regimes.accumulate(n=30), eigenvalues=np.ones(5), generations=5)[
        "excess_risk"
    ]
    assert round(float(ratio[-1] / ratio[0]), 4) == 1.4034
    many = regression.fresh_design(regimes.accumulate(n=10**7), eigenvalues=np.ones(5), generations=4)
    assert abs(float(many["excess_risk"][-1] / many["excess_risk"][0]) - (1 + 1 / 4 + 1 / 9 + 1 / 16)) < 1e-5


def test_fewer_points_than_inputs():
    """L3 in closed form, its limit for as many, and the floor without noise; fixed inputs are linear."""
    dim, rows, noise = 20, 8, 0.6
    w = np.random.default_rng(2).standard_normal(dim)
    law = {"eigenvalues": np.ones(dim), "coefficients": w, "noise": noise, "generations": 12}
    t, eta, norm = np.arange(1, 13), rows / dim, w @ w
    added = noise**2 * rows / (dim - rows - 1)
    new = regression.fresh_design(regimes.replace(n=rows), **law)["excess_risk"]
    np.testing.assert_allclose(new, norm * (1 - eta**t) + added * (1 - eta**t) / (1 - eta), **EXACT)
    once = regression.design_drawn_once(regimes.replace(n=rows), rows=rows, **law)["parameter_error"]
    np.testing.assert_allclose(once, norm * (1 - eta) + added * t, **EXACT)
    quiet = regression.fresh_design(regimes.replace(n=rows), **{**law, "noise": 0.0})["excess_risk"]
    np.testing.assert_allclose(quiet, norm * (1 - eta**t), **EXACT)


def test_few_real_and_synthetic_points_with_new_inputs():
    """Partitioned Wishart matrices, against drawn points; negative control at 2 %."""
    rng, dim, real, made, reps = np.random.default_rng(3), 24, 4, 8, 20_000
    w = np.ones(dim) / np.sqrt(dim)
    found = regression.fresh_design(
        regimes.fresh(n_real=real, n_synthetic=made), eigenvalues=np.ones(dim), coefficients=w, generations=3
    )["excess_risk"]
    fitted = np.broadcast_to(w, (reps, dim))
    for t, synthetic in enumerate((0, made, made)):
        inputs = rng.standard_normal((reps, real + synthetic, dim))
        labels = np.concatenate(
            [inputs[:, :real] @ w, np.einsum("rnd,rd->rn", inputs[:, real:], fitted)], 1
        ) + rng.standard_normal((reps, real + synthetic))
        fitted = np.einsum("rdn,rn->rd", np.linalg.pinv(inputs), labels)
        errors = ((fitted - w) ** 2).sum(-1)
        testing.assert_mean_matches(errors, found[t])
    with pytest.raises(AssertionError):
        testing.assert_mean_matches(errors, 1.02 * found[2])


@pytest.mark.parametrize(("real", "made", "dim"), [(8, 2, 4), (3, 9, 4), (5, 5, 1), (2, 12, 6)])
def test_moments_of_a_matrix_beta(real, made, dim):
    """L5, with fewer rows than inputs too; negative control at 6 %."""
    rng, reps = np.random.default_rng(real), 20_000
    first, second = (rng.standard_normal((reps, n, dim)) for n in (real, made))
    gram, other = (x.swapaxes(-1, -2) @ x for x in (first, second))
    matrix = np.linalg.solve(gram + other, other)
    gain, between = mixing.mixing_moments(real, made, dim)
    drawn = (matrix**2).sum((1, 2)) / dim
    testing.assert_mean_matches(drawn, gain)
    testing.assert_mean_matches(np.einsum("rij,rji->r", gram, matrix) / dim, between)
    with pytest.raises(AssertionError):
        testing.assert_mean_matches(drawn, 1.06 * gain)


def test_limits_of_one_fit_to_a_mixture():
    """L5: no shift, only synthetic points, and the floor that more data do not remove."""
    noise_only = regression.mixture_risk(n_real=20, n_synthetic=10, dim=3, noise=2.0)
    assert float(noise_only) == pytest.approx(4 * 3 / 26, rel=1e-12)
    wrong = regression.mixture_risk(n_real=0, n_synthetic=30, dim=3, shift_squared=2.5, noise=0.0)
    assert float(wrong) == 2.5
    gaps = [
        float(regression.mixture_risk(n_real=99 * n, n_synthetic=n, dim=5, shift_squared=1.0, noise=1.0))
        - 1e-4
        for n in (10**3, 10**4, 10**5)
    ]
    np.testing.assert_allclose(np.array(gaps[:-1]) / gaps[1:], 10, rtol=0.01)  # they fall as 1 / n


def test_golden_share():
    """W1: argmin .618 for fixed inputs, whatever they are; with a ridge from 1/2 on by variance alone."""
    assert float(regression.optimal_weights(70, 70)) == pytest.approx((np.sqrt(5) - 1) / 2, abs=1e-12)
    shares = np.linspace(0.01, 1, 991)
    for n_real, n_synthetic in ((50, 50), (20, 100), (100, 10)):
        best = float(regression.optimal_weights(n_real, n_synthetic))
        risk = regression.weighted_risk(
            share=shares,
            n_real=n_real,
            n_synthetic=n_synthetic,
            eigenvalues=eigenvalues(4),
            coefficients=np.ones(4),
        )
        assert abs(shares[int(np.argmin(risk))] - best) <= 1e-3
    of_variance = [float(regression.optimal_weights(9, 9, ridge=ridge)) for ridge in (1e-6, 0.3, 1.0, 1e4)]
    np.testing.assert_allclose([of_variance[0], of_variance[-1]], [0.6180339887, 0.5], atol=2e-4)
    assert np.all(np.diff(of_variance) < 0)
    with_bias = regression.optimal_weights(9, 9, ridge=0.3, eigenvalues=[1.0, 2.0], coefficients=[1.0, 0.0])
    assert float(with_bias) > of_variance[1]


def test_errors_of_the_scenarios_of_the_golden_ratio():
    """Scenarios 2 and 3 of He et al.: 100 real points, two coefficients; ratios of pooled to best shares."""
    at = {"n_real": 100, "n_synthetic": 100, "eigenvalues": [1.0, 1.0]}
    risk = regression.weighted_risk(share=[0.2, 0.5, 0.618, 0.78], **at)
    np.testing.assert_allclose(risk, [0.037778, 0.013333, 0.012361, 0.013804], atol=6e-7)
    for k, ratio in ((0.01, 5.28), (0.09, 2.02), (0.19, 1.55)):
        best = float(regression.optimal_weights(19_000, round(19_000 / k)))
        pooled, least = regression.weighted_risk(
            share=[k / (1 + k), best], n_real=19_000, n_synthetic=round(19_000 / k)
        )
        assert round(float(pooled / least), 2) == ratio
    few, many = (float(regression.optimal_weights(100, n)) for n in (10**6, 10**8))
    assert 100 / few < 100 / many  # more synthetic data are worth more, without end
    pooled = regression.weighted_risk(share=1e-6, n_real=100, n_synthetic=10**8 - 100)
    assert 1 / float(pooled) == pytest.approx(200, rel=1e-4)  # pooled, they double the data at most


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_the_stationary_risk_is_the_limit_of_the_recursion(ridge):
    rows, scale, w, share = 12, np.array([2.0, 0.5]), np.array([1.0, -1.0]), 0.7
    real, made = 2 * rows, 3 * rows
    regime = regimes.fresh(n_real=real, n_synthetic=made, weights=(share / real, (1 - share) / made))
    path = regression.fixed_design(
        regime, rows=rows, eigenvalues=scale, coefficients=w, ridge=ridge, noise=0.8, generations=120
    )["excess_risk"]
    end = regression.weighted_risk(
        share=share, n_real=real, n_synthetic=made, eigenvalues=scale, coefficients=w, noise=0.8, ridge=ridge
    )
    np.testing.assert_allclose(path[-1], end, rtol=1e-10)


def test_best_weights_by_generation_are_those_of_a_kalman_filter():
    """W2: with its gains, the error of every generation is u_t / n_real; any other share is worse."""
    real, made, rows = 20, 40, 20
    shares = np.asarray(gaussian.optimal_weights(real, made, generations=6))

    def path(shares):
        weights = [(1.0, 1.0), *((u / real, (1 - u) / made) for u in shares[1:])]
        regime = regimes.Regime(
            n_initial=real, n_real=real, n_synthetic=made, real_data="fresh", weights=weights
        )
        return np.asarray(
            regression.fixed_design(regime, rows=rows, eigenvalues=[1.0], generations=6)["excess_risk"]
        )

    np.testing.assert_allclose(path(shares), shares / real, **EXACT)
    for t in range(1, 6):
        for other in (shares[t] - 0.02, shares[t] + 0.02):
            moved = np.where(np.arange(6) == t, other, shares)
            assert path(moved)[t] > path(shares)[t]


def test_ridge_in_the_limit_of_many_inputs():
    """L4: no ridge is L1 and L3; drawn points at d = 300 agree within its order; negative control at 30 %."""
    t = np.arange(1, 6)
    plain = regression.ridge_limit(ratio=0.25, ridge=1e-9, generations=5)
    np.testing.assert_allclose(plain, t * 0.25 / 0.75, rtol=1e-7)
    few = regression.ridge_limit(ratio=2.5, ridge=1e-7, noise=0.0, generations=5)
    np.testing.assert_allclose(few, 1 - 0.4**t, rtol=1e-5)
    assert plain.kind == "leading order in 1/n"
    rng, dim, n, ridge = np.random.default_rng(4), 300, 600, 0.1
    w = np.ones(dim) / np.sqrt(dim)
    ends = []
    for _ in range(12):
        fitted = w
        for _ in range(3):
            inputs = rng.standard_normal((n, dim))
            labels = inputs @ fitted + rng.standard_normal(n)
            fitted = np.linalg.solve(inputs.T @ inputs / n + ridge * np.eye(dim), inputs.T @ labels / n)
        ends.append(((fitted - w) ** 2).sum())
    want = regression.ridge_limit(ratio=0.5, ridge=ridge, generations=3)[-1]
    testing.assert_mean_matches(np.array(ends), want, rtol=0.02)
    with pytest.raises(AssertionError):
        testing.assert_mean_matches(np.array(ends), 1.3 * want, rtol=0.02)


@pytest.mark.parametrize(("rows", "dim"), [(8, 20), (20, 8)])
def test_labels_mixed_on_new_inputs(rows, dim):
    """Garg's loop with new inputs in every generation, against drawn points; negative control at 5 %."""
    rng, reps, share = np.random.default_rng(5), 10_000, 0.6
    w = np.ones(dim) / np.sqrt(dim)
    fitted = np.broadcast_to(w, (reps, dim))
    for _ in range(12):
        inputs = rng.standard_normal((reps, rows, dim))
        real, made = rng.standard_normal((2, reps, rows))
        labels = share * (inputs @ w + real) + (1 - share) * (np.einsum("rnd,rd->rn", inputs, fitted) + made)
        fitted = np.einsum("rdn,rn->rd", np.linalg.pinv(inputs), labels)
    errors = ((fitted - w) ** 2).sum(-1)
    want = float(regression.mixed_label_risk(share=share, rows=rows, dim=dim))
    testing.assert_mean_matches(errors, want)
    with pytest.raises(AssertionError):
        testing.assert_mean_matches(errors, 1.05 * want)


def test_the_golden_ratio_is_not_exact_for_few_new_inputs():
    """Of the variance alone, and with a signal of the size of the noise, by inputs per point."""
    shares = np.linspace(0.4, 0.8, 4001)
    best = {}
    for ratio in (1.2, 2, 5):
        for norm in (1.0, 0.0):
            dim = 1000
            rows = round(dim / ratio)
            risk = regression.mixed_label_risk(share=shares, rows=rows, dim=dim, norm_squared=norm)
            best[ratio, norm] = round(float(shares[int(np.argmin(risk))]), 3)
    assert {k: best[k, 0.0] for k in (1.2, 2, 5)} == {1.2: 0.600, 2: 0.562, 5: 0.525}
    assert all(best[k, 1.0] > best[k, 0.0] for k in (1.2, 2, 5))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: regression.optimal_weights(0, 5), "n_real=0"),
        (lambda: regression.optimal_weights(5, 5, ridge=1.0, generations=3), "generations=3"),
        (lambda: regression.weighted_risk(share=0.0, n_real=5, n_synthetic=5), "share=0"),
        (lambda: regression.mixed_label_risk(share=0.5, rows=9, dim=10), "rows=9"),
        (lambda: regression.mixture_risk(n_real=2, n_synthetic=2, dim=4), "infinite"),
        (lambda: regression.ridge_limit(ratio=0.5, ridge=0.0, generations=2), "ridge=0"),
        (
            lambda: regression.fixed_design(regimes.replace(n=4), rows=4, eigenvalues=[-1.0], generations=2),
            "eigenvalues",
        ),
        (
            lambda: regression.fresh_design(regimes.replace(n=9), eigenvalues=[1.0, 0.0], generations=2),
            "positive",
        ),
        (
            lambda: regression.fixed_design(
                regimes.replace(n=4), rows=4, eigenvalues=[1.0], coefficients=[1.0, 2.0], generations=2
            ),
            "coefficients has shape",
        ),
    ],
)  # fmt: skip
def test_arguments_are_checked(call, words):
    with pytest.raises(ValueError, match=words):
        call()
