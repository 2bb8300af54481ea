"""Guided laws against their ODE, rates against loops and chi-squares, Neon's errata."""

import numpy as np
import pytest
from scipy import integrate, linalg

import madtheory as mad
from madtheory import metrics, regimes
from madtheory.models.extrapolated import SIMS, Neon
from madtheory.testing import assert_mean_matches, assert_rate_matches
from madtheory.theory import guidance as theory


def pair(rng, dim, *, commuting=False):
    """Two Gaussians."""
    one, two = rng.normal(size=(2, dim, dim + 2))
    covariance, other = one @ one.T / dim, two @ two.T / dim
    if commuting:
        values, axes = np.linalg.eigh(covariance)
        other = (axes * (values * rng.uniform(0.2, 3, dim))) @ axes.T
    mean, aux_mean = rng.normal(size=(2, dim))
    return {
        "mean": mean, "covariance": covariance, "auxiliary_mean": aux_mean, "auxiliary_covariance": other,
    }  # fmt: skip


def brute(w, *, mean, covariance, auxiliary_mean, auxiliary_covariance, most=1e12):
    """The probability flow as it is written, in ln t, from noise of variance `most`."""
    dim, eye = len(mean), np.eye(len(mean))

    def slope(s, flat):
        x = flat.reshape(dim, dim + 1)
        ours, theirs = (np.linalg.inv(v + np.exp(s) * eye) for v in (covariance, auxiliary_covariance))
        out = ((1 + w) * ours - w * theirs) @ x
        out[:, -1] -= (1 + w) * ours @ mean - w * theirs @ auxiliary_mean
        return 0.5 * np.exp(s) * out.ravel()

    start = np.column_stack([np.sqrt(most) * eye, np.zeros(dim)]).ravel()
    span = (np.log(most), -23.0)
    done = integrate.solve_ivp(slope, span, start, method="DOP853", rtol=1e-10, atol=1e-10)
    end = done.y[:, -1].reshape(dim, dim + 1)
    return end[:, -1], end[:, :-1] @ end[:, :-1].T


@pytest.mark.parametrize("commuting", [True, False])
@pytest.mark.parametrize("w", [-0.5, 0.7, 2.0])
def test_sims_law_is_what_the_flow_samples(w, commuting):
    rng = np.random.default_rng(5)
    for dim in (1, 2, 3):
        given = pair(rng, dim, commuting=commuting)
        law = theory.sims_law(guidance=w, **given)
        mean, covariance = brute(w, **given)
        assert np.allclose(law["covariance"], covariance, rtol=1e-6, atol=1e-7)
        assert np.allclose(law["mean"], mean, rtol=1e-5, atol=1e-5)
        exact = commuting or dim == 1
        assert law["covariance"].kind == ("exact law" if exact else "numerical")
        logs = [linalg.logm(given[name]) for name in ("covariance", "auxiliary_covariance")]
        linear = linalg.expm((1 + w) * logs[0] - w * logs[1])
        assert np.allclose(linear, covariance, rtol=1e-6) == exact  # control: the rule of logs is not general
        dets = [np.linalg.slogdet(v)[1] for v in (given["covariance"], given["auxiliary_covariance"])]
        assert np.isclose(np.linalg.slogdet(law["covariance"])[1], (1 + w) * dets[0] - w * dets[1], atol=1e-8)
        extrapolated = given["mean"] - w * (given["auxiliary_mean"] - given["mean"])
        assert not np.allclose(law["mean"], extrapolated, rtol=1e-3)  # control: that is Neon's


def test_each_scheme_extrapolates_its_own_parameter():
    given = pair(np.random.default_rng(1), 3, commuting=True)
    given["auxiliary_covariance"] = 0.9 * given["covariance"] + 0.02 * np.eye(3)
    w = 0.8
    one, two = given["covariance"], given["auxiliary_covariance"]
    sims, neon = theory.sims_law(guidance=w, **given), theory.neon_law(weight=w, **given)
    clean = theory.clean_score_law(guidance=w, **given)
    logs = (1 + w) * linalg.logm(one) - w * linalg.logm(two)
    assert np.allclose(linalg.logm(np.asarray(sims["covariance"])), logs)
    assert np.allclose(neon["covariance"], (1 + w) * one - w * two)
    inverses = (1 + w) * np.linalg.inv(one) - w * np.linalg.inv(two)
    assert np.allclose(np.linalg.inv(clean["covariance"]), inverses)
    volumes = [np.linalg.det(law["covariance"]) for law in (neon, sims, clean)]
    assert volumes == sorted(volumes)  # power means
    assert volumes[0] < 0.999 * volumes[1] < 0.998 * volumes[2]


@pytest.mark.parametrize("law", [theory.sims_law, theory.clean_score_law])
def test_weights_0_and_minus_1_are_base_and_auxiliary(law):
    given = pair(np.random.default_rng(2), 3)
    for w, prefix in ((0.0, ""), (-1.0, "auxiliary_")):
        made = law(guidance=w, **given)
        assert np.allclose(made["mean"], given[f"{prefix}mean"], atol=1e-9)
        assert np.allclose(made["covariance"], given[f"{prefix}covariance"], atol=1e-9)


def test_laws_that_do_not_exist_say_so():
    given = {"mean": 0.0, "covariance": 1.0, "auxiliary_mean": 0.0, "auxiliary_covariance": 3.0}
    with pytest.raises(ValueError, match=r"weight=1 .* use sims_law"):
        theory.neon_law(weight=1.0, **given)
    given["auxiliary_covariance"] = 0.3
    with pytest.raises(ValueError, match=r"guidance=1 .* precision"):
        theory.clean_score_law(guidance=1.0, **given)
    given["auxiliary_covariance"] = 0.0
    with pytest.raises(ValueError, match="auxiliary_covariance"):
        theory.sims_law(guidance=1.0, **given)


# Rates ----------------------------------------------------------------------------------------------


def logs_of(model, *, n, dim=1, generations=12, replicates=1500, bias=None, rng=3):
    loop = mad.Loop(real=mad.Gaussian.standard(dim), model=model, regime=regimes.replace(n=n), bias=bias)
    run = mad.simulate(
        loop, generations, replicates=replicates, metrics=[metrics.log_volume], rng=rng, progress=False
    )
    return run["log_volume"].transpose("replicate", "generation").values


@pytest.mark.parametrize(
    ("w", "dim", "keywords", "model"),
    [
        (1.0, 1, {}, {}),
        (0.5, 2, {"n_auxiliary": 30}, {}),
        (2.0, 1, {"bias": 0.8}, {}),
        (1.0, 1, {"ddof": 0}, {"ddof": 0}),
        (0.7, 1, {"known_mean": True}, {"known_mean": [0.0]}),
    ],
)
def test_rates_of_sims_are_those_of_loops(w, dim, keywords, model):
    n, bias = 12, keywords.get("bias")
    size = keywords.get("n_auxiliary", n)
    loop = SIMS(mad.Gaussian(**model), w, n_auxiliary=size, auxiliary_bias=bias)
    logs = logs_of(loop, n=n, dim=dim, bias=bias)
    rate = float(theory.rate(guidance=w, n=n, dim=dim, **keywords))
    std = float(np.sqrt(theory.log_variance_growth(guidance=w, n=n, dim=dim, **keywords)))
    assert_rate_matches(logs, rate, std=std)
    with pytest.raises(AssertionError):
        assert_rate_matches(logs, rate + 0.1, std=std)
    steps = np.diff(logs, axis=-1)
    assert_mean_matches(((steps - rate) ** 2).ravel(), std**2)
    alone = float(theory.log_variance_growth(guidance=0.0, n=n, dim=dim, **keywords))
    with pytest.raises(AssertionError):  # control: without the auxiliary's noise
        assert_mean_matches(((steps - rate) ** 2).ravel(), alone)


def test_rate_of_neon_is_that_of_loops():
    n = 40
    logs = logs_of(Neon(mad.Gaussian(), 0.5), n=n, replicates=3000)
    rate = float(theory.rate(guidance=0.5, n=n, scheme="neon"))
    assert theory.existence(guidance=0.5, n_auxiliary=n) > 1 - 1e-6
    assert_rate_matches(logs, rate)
    with pytest.raises(AssertionError):
        assert_rate_matches(logs, float(theory.rate(guidance=0.5, n=n)))
    assert rate < theory.rate(guidance=0.0, n=n, scheme="neon") < theory.rate(guidance=0.5, n=n) < 0


@pytest.mark.parametrize("scheme", ["neon", "clean_score"])
@pytest.mark.parametrize("w", [-0.5, 0.7])
def test_rates_of_the_other_schemes_are_those_of_chi_squares(scheme, w):
    rng, n, many = np.random.default_rng(7), 9, 400_000
    fit, ratio = rng.chisquare(n - 1, (2, many)) / (n - 1)
    power = 1 if scheme == "neon" else -1
    inside = 1 + w - w * ratio**power
    left = inside > 0
    chance = float(theory.existence(guidance=w, n_auxiliary=n, scheme=scheme))
    assert_mean_matches(left, chance, std=np.sqrt(chance * (1 - chance)))
    logs = np.log(fit[left]) + np.log(inside[left]) / power
    rate = float(theory.rate(guidance=w, n=n, scheme=scheme))
    assert_mean_matches(logs, rate)
    with pytest.raises(AssertionError):
        assert_mean_matches(logs, rate + 0.01)


def test_critical_guidance_is_one_for_equal_sizes():
    """Proved: for any n, dimension, bias and divisor."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        dim = int(rng.integers(1, 5))
        keywords = {
            "n": int(rng.integers(dim + 2, 200)), "dim": dim, "bias": float(rng.uniform(0.3, 0.99)),
            "ddof": int(rng.integers(2)),
        }  # fmt: skip
        assert theory.critical_guidance(**keywords) == 1.0
        assert theory.rate(guidance=1.0, **keywords) == 0.0
        unequal = theory.critical_guidance(n_auxiliary=2 * keywords["n"], **keywords)
        assert unequal > 1
        assert abs(theory.rate(guidance=float(unequal), n_auxiliary=2 * keywords["n"], **keywords)) < 1e-12


def test_critical_guidance_of_the_other_schemes():
    for n in (20, 100, 1000):
        assert np.isinf(theory.critical_guidance(n=n, scheme="neon"))
        w = float(theory.critical_guidance(n=n, scheme="clean_score"))
        assert abs(theory.rate(guidance=w, n=n, scheme="clean_score")) < 1e-9
        assert abs(w - (np.sqrt(2) - 1)) < 2 / n
    assert abs(theory.critical_guidance(n=2000, scheme="neon", bias=0.9) - 1 / 0.9) < 0.03
    with pytest.raises(ValueError, match="dim=1 only"):
        theory.rate(guidance=1.0, n=10, scheme="neon", dim=2)


def test_the_price_of_no_drift():
    """Equal sizes, w = 1: twice the variance of the log, and a mean that grows by (n - 1) / (n - 3)."""
    for n in (5, 20, 300):
        both = [float(theory.log_variance_growth(guidance=w, n=n)) for w in (0.0, 1.0)]
        assert np.isclose(both[1], 2 * both[0])
        mean = theory.sims_moments(guidance=1.0, n_synthetic=n, generations=6)["total_variance"]
        assert np.allclose(mean[1:] / mean[:-1], (n - 1) / (n - 3))


# Moments and distance -------------------------------------------------------------------------------


@pytest.mark.parametrize("n_real", [0, 15])
@pytest.mark.parametrize("known", [False, True])
def test_moments_of_loops(n_real, known):
    n, w, generations = 20, 0.6, 4
    model = SIMS(mad.Gaussian(known_mean=[0.0] if known else None), w, n_auxiliary=25, auxiliary_bias=0.9)
    regime = regimes.augment(n_real=n_real, n_synthetic=n) if n_real else regimes.replace(n=n)
    loop = mad.Loop(real=mad.Gaussian.standard(1), model=model, regime=regime, bias=0.9)
    run = mad.simulate(
        loop, generations, replicates=40_000, metrics=[metrics.total_variance, metrics.mean_error], rng=11,
        progress=False,
    )  # fmt: skip
    keywords = {
        "n_synthetic": n, "n_real": n_real, "generations": generations, "n_auxiliary": 25,
        "known_mean": known,
    }  # fmt: skip
    moments = theory.sims_moments(guidance=w, bias=0.9, **keywords)
    wrong = theory.sims_moments(guidance=w + 0.1, bias=0.9, **keywords)
    for name, expected in moments.items():
        samples = run[name].transpose("replicate", "generation").values
        if known and name == "mean_error":
            assert (samples == 0).all()
            assert (expected == 0).all()
            continue
        assert_mean_matches(samples, expected, name=name)
        if name == "total_variance":
            with pytest.raises(AssertionError):
                assert_mean_matches(samples, wrong[name])


def test_without_guidance_the_moments_are_those_of_predict():
    for n_real, bias in ((0, 1.0), (30, 0.9)):
        regime = regimes.augment(n_real=n_real, n_synthetic=20) if n_real else regimes.replace(n=20)
        loop = mad.Loop(real=mad.Gaussian.standard(1), model=mad.Gaussian(), regime=regime, bias=bias)
        expected = mad.predict(loop, 8)
        made = theory.sims_moments(guidance=0.0, n_synthetic=20, n_real=n_real, generations=8, bias=bias)
        for name, values in made.items():
            assert np.allclose(values, expected[name].values, rtol=1e-12)


def test_largest_stable_guidance_is_where_the_moments_stop_converging():
    keywords = {"n_synthetic": 20, "n_real": 20}
    limit = float(theory.largest_stable_guidance(**keywords))
    ends = [
        theory.sims_moments(guidance=limit * f, generations=4000, **keywords)["total_variance"][[-2, -1]]
        for f in (0.98, 1.02)
    ]
    assert ends[0][1] / ends[0][0] < 1 + 1e-6
    assert ends[1][1] / ends[1][0] > 1 + 1e-3
    assert theory.largest_stable_guidance(n_synthetic=1000, n_real=10, bias=1.3) == 0
    assert np.isinf(theory.sims_moments(guidance=12.0, n_synthetic=20, generations=3)["total_variance"]).all()


def test_distance_of_one_generation():
    n, size, bias, w, many = 30, 60, 0.8, 0.9, 200_000
    rng = np.random.default_rng(3)
    base = mad.Gaussian.standard(1).expand(many)
    model = SIMS(mad.Gaussian(), w, n_auxiliary=size, auxiliary_bias=bias)
    fitted = model.fit(base.sample_statistic(n, rng=rng), rng=rng)
    sd = np.sqrt(bias * fitted.covariance[:, 0, 0])
    distance = (sd - 1) ** 2 + fitted.mean[:, 0] ** 2
    keywords = {"n": n, "n_auxiliary": size, "sampling_bias": bias}
    assert_mean_matches(distance, theory.sims_distance(guidance=w, **keywords))
    with pytest.raises(AssertionError):
        assert_mean_matches(distance, theory.sims_distance(guidance=w + 0.3, **keywords))
    # Many auxiliary points and a large real set: the optimum takes the sampler's bias away.
    grid = np.linspace(0, 2, 201)
    large = {"n": 10**5, "n_auxiliary": 10**7, "sampling_bias": bias}
    curve = [float(theory.sims_distance(guidance=x, **large)) for x in grid]
    assert abs(grid[np.argmin(curve)] - 1) < 0.02


# Neon -----------------------------------------------------------------------------------------------


def test_neon_variance_moments():
    n, size, bias, w = 20, 30, 0.9, 0.5
    exact = theory.neon_variance_moments(weight=w, n=n, n_auxiliary=size, auxiliary_bias=bias)
    printed = (
        (n * n - 1) / n**2 * ((1 + w) ** 2 - 2 * w * (1 + w) * bias + w**2 * bias**2 * (1 + 2 / (size - 1)))
    )
    printed += 1 - 2 * (1 - 1 / n) * (1 + w * (1 - bias))
    assert np.isclose(exact["mean_squared_error"], printed)
    assert np.isclose(exact["unbiased_weight"], 1 / ((n - 1) * (1 - bias)))
    rng = np.random.default_rng(0)
    base = rng.chisquare(n - 1, 200_000) / n
    made = base * (1 + w - w * bias * rng.chisquare(size - 1, base.size) / (size - 1))
    assert_mean_matches(made, exact["mean"])
    assert_mean_matches((made - 1) ** 2, exact["mean_squared_error"])
    with pytest.raises(AssertionError):
        assert_mean_matches(made, 1 - 1 / n)  # without Neon
    best = float(exact["best_weight"])
    errors = [
        float(
            theory.neon_variance_moments(weight=x, n=n, n_auxiliary=size, auxiliary_bias=bias)[
                "mean_squared_error"
            ]
        )
        for x in (best - 0.01, best, best + 0.01)
    ]
    assert errors[1] < min(errors[0], errors[2])


@pytest.mark.parametrize("dim", [1, 2, 10])
def test_warm_up_against_points(dim):
    """Appendix B.1 multiplies two means that are correlated: -1.126 is printed, -3.22 is right."""
    rng, n, many = np.random.default_rng(dim), 100, 4000 if dim == 10 else 20_000
    root = np.tril(rng.normal(size=(dim, dim))) + 2 * np.eye(dim) if dim == 2 else np.eye(dim)
    sigma = root @ root.T
    points = rng.normal(size=(many, n, dim)) @ root.T
    mean = points.mean(1, keepdims=True)
    fitted = np.swapaxes(points - mean, -1, -2) @ (points - mean) / n
    inverse = np.linalg.inv(fitted)
    second = sigma + np.swapaxes(mean, -1, -2) @ mean
    gradient = 0.5 * (inverse - inverse @ second @ inverse)
    product = np.einsum("...ij,...ij->...", gradient, inverse)
    exact = theory.neon_warm_up(n=n, covariance=sigma)
    assert_mean_matches(product, exact["loss_change"])
    with pytest.raises(AssertionError):
        assert_mean_matches(product, exact["printed_loss_change"])
    assert_mean_matches(gradient[:, 0, 0], -exact["gamma"] * np.linalg.inv(sigma)[0, 0])
    if dim == 1:
        assert np.isclose(exact["gamma"], exact["printed_gamma"])
    else:
        with pytest.raises(AssertionError):
            assert_mean_matches(gradient[:, 0, 0], -exact["printed_gamma"] * np.linalg.inv(sigma)[0, 0])
    if dim == 10:
        assert np.isclose(exact["loss_change"], -3.22, atol=0.005)
        assert np.isclose(exact["printed_loss_change"], -1.126, atol=0.0005)
        assert abs(product.mean() + 3.22) < 0.1


def test_what_is_printed_bounds_what_is_exact():
    rng, control = np.random.default_rng(0), []
    for _ in range(300):
        dim = int(rng.integers(1, 12))
        root = rng.normal(size=(dim, dim + 1))
        exact = theory.neon_warm_up(n=int(rng.integers(dim + 7, 400)), covariance=root @ root.T)
        assert exact["gamma"] >= exact["printed_gamma"] * (1 - 1e-12) > 0
        assert exact["loss_change"] < exact["printed_loss_change"] < 0
        control += [exact["gamma"] < 1.5 * exact["printed_gamma"]]
        control += [exact["loss_change"] > 1.5 * exact["printed_loss_change"]]
    assert sum(control) > 20  # negative control: bounds half as large again are violated


def test_theorem_2_of_neon_has_a_counter_example():
    """A mode-seeking sampler, and a model that is too wide: Neon then raises the loss."""
    narrow, wide = 0.95**2, 1.05**2
    aligned = theory.neon_alignment(variance=[narrow, wide], temperature=0.9)
    assert np.allclose(aligned, [-0.0205, 0.0177], atol=5e-5)
    # The loss itself, moved against a gradient step on samples of N(0, (0.9 sd)^2).
    for variance, sign in ((narrow, -1), (wide, 1)):
        theta, step = np.log(variance) / 2, 1e-4

        def loss(x):
            return x + np.exp(-2 * x) / 2

        moved = theta + step * (1 - 0.9**2)  # Neon: away from the descent step
        slope = (loss(moved) - loss(theta)) / step
        assert np.sign(slope) == sign
        assert np.isclose(slope, float(theory.neon_alignment(variance=variance, temperature=0.9)), atol=1e-4)
    assert theory.neon_alignment(variance=wide, temperature=1.1) < 0


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: theory.rate(guidance=1.0, n=2, dim=3), "n=2"),
        (lambda: theory.rate(guidance=[1.0], n=20), "guidance"),
        (lambda: theory.rate(guidance=1.0, n=20, bias=0.0), "bias"),
        (lambda: theory.rate(guidance=1.0, n=20, scheme="ddo"), "scheme"),
        (lambda: theory.neon_warm_up(n=16, covariance=np.eye(10)), "n=16"),
        (lambda: theory.neon_alignment(variance=-1.0, temperature=1.0), "variance"),
        (lambda: theory.sims_moments(guidance=1.0, n_synthetic=1, generations=2), "n=1"),
    ],
)
def test_errors_name_the_argument(call, match):
    with pytest.raises(ValueError, match=match):
        call()
