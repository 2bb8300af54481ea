"""Verifiers that see a slice, that have a centre of their own, and detectors with error rates."""

import numpy as np
import pytest
from scipy import special

import madtheory as mad
from madtheory import metrics, regimes, testing
from madtheory.theory import verification
from madtheory.treatments import detect, keep_best, verify


def to_origin(points):
    return -np.square(points).sum(-1)


# A slice


@pytest.mark.parametrize(
    ("share", "dim", "factor"), [(0.05, 10, 0.310), (0.1, 10, 0.377), (0.05, 2, 0.025), (1, 7, 1.0)]
)
def test_reference_factors(share, dim, factor):
    known = verification.nearest_factor(share=share, dim=dim)
    assert known == pytest.approx(factor, abs=6e-4)
    many = verification.nearest_factor(share=share, dim=dim, n=20_000)
    assert many == pytest.approx(float(known), rel=2e-3)


@pytest.mark.parametrize(("share", "dim", "n"), [(0.25, 1, 1), (0.25, 3, 5), (0.5, 2, 40), (0.07, 6, 30)])
def test_factor_of_few_points_against_draws(share, dim, n):
    rng = np.random.default_rng(0)
    squares = np.sort(rng.chisquare(dim, (20_000, round(n / share))), 1)[:, :n].mean(1) / dim
    known = verification.nearest_factor(share=share, dim=dim, n=n)
    testing.assert_mean_matches(squares, known)
    with pytest.raises(AssertionError):
        testing.assert_mean_matches(squares, known * 1.1)


@pytest.mark.parametrize("regime", ["replace", "accumulate"])
def test_loops_that_keep_the_nearest(regime):
    model = mad.Gaussian(shape="spherical", known_mean=[0.0, 0.0, 0.0])
    loop = mad.Loop(
        real=mad.Gaussian.standard(3), model=model, regime=getattr(regimes, regime)(n=12),
        treatments=keep_best(to_origin, share=0.3),
    )  # fmt: skip
    chosen = [metrics.total_variance]
    made = mad.simulate(
        loop, 6, replicates=2_000, metrics=chosen, rng=0, progress=False
    ).total_variance.values
    keywords = {"share": 0.3, "dim": 3, "generations": 6, "regime": regime, "n": 12}
    known = 3 * verification.nearest_trajectory(**keywords)["total_variance"]
    testing.assert_mean_matches(made, known)
    with pytest.raises(AssertionError):
        testing.assert_mean_matches(made, known * 1.08)


def test_accumulation_leaves_a_power_law():
    t = 4_000
    path = verification.nearest_trajectory(share=0.05, dim=10, generations=t, regime="accumulate")
    f = float(verification.nearest_factor(share=0.05, dim=10))
    v = path["total_variance"]
    closed = np.exp(special.gammaln(t + f) - special.gammaln(1 + f) - special.gammaln(t + 1))
    assert v[-1] == pytest.approx(closed, rel=1e-10)
    assert np.log(v[-1] / v[t // 2 - 1]) / np.log(2) == pytest.approx(f - 1, abs=1e-4)


# A detector


def test_detected_share():
    found = verification.detected_share(synthetic_share=0.7, keep_real=0.95, keep_synthetic=0.1)
    assert found["synthetic_share"] == pytest.approx(0.197, abs=5e-4)
    blind = verification.detected_share(synthetic_share=0.7, keep_real=1, keep_synthetic=1)
    assert blind["synthetic_share"] == pytest.approx(0.7, abs=1e-12)
    ratio = verification.required_keep_ratio(synthetic_share=0.7, target_share=found["synthetic_share"])
    assert ratio == pytest.approx(0.1 / 0.95, rel=1e-10)


def test_detection_is_self_correction():
    """A pool and a detector, drawn point by point, against the closed form of the treatment."""
    w, keep_real, keep_synthetic, n, replicates = 0.7, 0.9, 0.3, 10, 20_000
    treatment = detect(synthetic_share=w, keep_real=keep_real, keep_synthetic=keep_synthetic)
    loop = mad.Loop(
        real=mad.Gaussian.standard(1), model=mad.Gaussian(), regime=regimes.replace(n=n), bias=0.8,
        treatments=treatment,
    )  # fmt: skip
    known = mad.predict(loop, 4, variables=["total_variance", "mean_error"])
    rng = np.random.default_rng(1)
    points = rng.standard_normal((replicates, n))
    mean, variance = points.mean(1), points.var(1, ddof=1)
    for _ in range(3):
        pool = rng.standard_normal((replicates, 60))
        synthetic = rng.random(pool.shape) < w
        scale = np.where(synthetic, np.sqrt(0.8 * variance)[:, None], 1.0)
        pool = np.where(synthetic, mean[:, None], 0.0) + scale * pool
        kept = rng.random(pool.shape) < np.where(synthetic, keep_synthetic, keep_real)
        first = np.argsort(~kept, axis=1, kind="stable")[:, :n]
        assert np.take_along_axis(kept, first, 1).mean() > 0.999
        points = np.take_along_axis(pool, first, 1)
        mean, variance = points.mean(1), points.var(1, ddof=1)
    last = known.isel(generation=-1)
    testing.assert_mean_matches(variance, last["total_variance"].item())
    testing.assert_mean_matches(mean**2, last["mean_error"].item())
    with pytest.raises(AssertionError):
        testing.assert_mean_matches(variance, last["total_variance"].item() * 1.03)
    for method in ("statistics", "samples"):
        made = mad.simulate(
            loop, 4, replicates=1_500, rng=2, method=method, progress=False,
            metrics=[metrics.total_variance, metrics.mean_error],
        )  # fmt: skip
        testing.assert_agrees(made, known)


def test_a_detector_that_keeps_nothing_is_refused():
    with pytest.raises(ValueError, match="keep nothing"):
        detect(synthetic_share=0.0, keep_real=0.0, keep_synthetic=0.5)


# A centre


def test_contraction_is_the_slope_and_the_kept_variance():
    h = np.array([0.3, 0.5, 1.0, 2.0, 3.0])
    rho = np.asarray(verification.centre_contraction(half_width=h))
    np.testing.assert_allclose(rho[1:], [0.0806, 0.2911, 0.7737, 0.9733], atol=5.1e-5)
    density = np.exp(-h * h / 2) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(rho, 1 - 2 * h * density / special.erf(h / np.sqrt(2)), rtol=1e-10)
    for delta in (0.0, 0.7, -2.0):
        ends = [
            np.asarray(verification.interval_map(mean=delta + e, variance=1.0, half_width=h)["mean"])
            for e in (1e-5, -1e-5)
        ]
        kept = verification.interval_map(mean=delta, variance=1.0, half_width=h)["variance"]
        np.testing.assert_allclose((ends[0] - ends[1]) / 2e-5, kept, rtol=1e-7)


@pytest.mark.parametrize(("centre", "n_initial"), [(0.0, 400), (0.1, 25), (1.0, 400)])
def test_loops_learn_the_centre(centre, n_initial):
    """The verified mean by generation; a centre 10 % off is the negative control."""
    loop = mad.Loop(
        real=mad.Gaussian.standard(1), model=mad.Gaussian(known_covariance=[[1.0]]),
        regime=regimes.Regime(n_initial=n_initial, n_synthetic=400),
        treatments=verify(lambda x: np.abs(x[..., 0] - centre) <= 1.0),
    )  # fmt: skip
    made = mad.simulate(loop, 6, replicates=800, metrics=[metrics.mean_error], rng=3, progress=False)
    keywords = {"half_width": 1.0, "n": 400, "n_initial": n_initial, "generations": 6}
    known = verification.centre_trajectory(centre=centre, **keywords)["mean_error"]
    # The next order of the delta method, 1/n_initial squared, is below a tenth of the standard errors.
    testing.assert_mean_matches(made["mean_error"].values, known, rtol=0.01)
    wrong = verification.centre_trajectory(centre=centre * 1.1 + 0.05, **keywords)["mean_error"]
    with pytest.raises(AssertionError):
        testing.assert_mean_matches(made["mean_error"].values, wrong, rtol=0.01)


def test_error_falls_and_then_rises_to_that_of_the_verifier():
    path = verification.centre_trajectory(centre=0.2, half_width=2.0, n=10_000, n_initial=20, generations=60)[
        "mean_error"
    ]
    best = int(path.argmin())
    assert 0 < best < 20
    assert path[best] < 0.5 * path[0]
    floor = verification.centre_error(half_width=2.0, n=10_000)
    assert path[-1] == pytest.approx(0.04 + float(floor), rel=1e-3)


def test_verified_regression_learns_the_centre_in_every_direction():
    """Yi et al.'s loop: labels of an orthonormal design, kept if near to those of the verifier."""
    centre = np.array([0.15, -0.15])
    truth = mad.LinearRegression([0.0, 0.0], noise=1.0, design=np.eye(2))
    loop = mad.Loop(
        real=truth, model=mad.LinearRegression(noise=1.0, design=np.eye(2)),
        regime=regimes.Regime(n_initial=100, n_synthetic=800),
        treatments=verify(lambda rows: np.abs(rows[..., -1] - rows[..., :-1] @ centre) <= 1.0),
    )  # fmt: skip
    made = mad.simulate(loop, 5, replicates=500, metrics=[metrics.parameter_error], rng=5, progress=False)
    errors = made["parameter_error"].values
    keywords = {"half_width": 1.0, "n": 400, "n_initial": 50, "generations": 5}
    known = 2 * verification.centre_trajectory(centre=0.15, **keywords)["mean_error"]
    testing.assert_mean_matches(errors, known, rtol=0.01)
    wrong = 2 * verification.centre_trajectory(centre=0.18, **keywords)["mean_error"]
    with pytest.raises(AssertionError):
        testing.assert_mean_matches(errors, wrong, rtol=0.01)
    assert abs(errors[:, -1].mean() - centre @ centre) < 0.1 * centre @ centre
