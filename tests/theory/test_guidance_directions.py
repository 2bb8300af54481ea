"""Five methods in one formula, and two questions about SIMS: pollution, and the auxiliary's architecture."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import optimize

import madtheory as mad
from madtheory import testing
from madtheory.theory import guidance

FEW = settings(max_examples=80, deadline=None, derandomize=True)
VARIANCES = st.floats(0.05, 20)


def law_variance(**keywords):
    name = {0: "sims_law", 1: "neon_law", -1: "clean_score_law"}[keywords["power"]]
    weight = {"weight" if name == "neon_law" else "guidance": keywords["weight"] - 1}
    found = getattr(guidance, name)(
        mean=0.0, covariance=keywords["good"], auxiliary_mean=0.0, auxiliary_covariance=keywords["bad"],
        **weight,
    )  # fmt: skip
    return float(found["covariance"][0, 0])


@pytest.mark.parametrize(
    ("weight", "power", "expected"),
    [(2, 1, 1.0), (2, 0, 1.0667), (2, -1, 1.2), (3, 1, 1.2), (3, 0, 1.4222), (3, -1, 2.4)],
)
def test_reference_variances_and_the_laws_of_samplers(weight, power, expected):
    keywords = {"good": 0.8, "bad": 0.6, "weight": weight, "power": power}
    found = float(guidance.extrapolated_variance(**keywords))
    assert found == pytest.approx(expected, abs=5.1e-5)
    assert found == pytest.approx(law_variance(**keywords), rel=1e-10)
    assert guidance.best_weight(good=0.8, bad=0.6, target=found, power=power) == pytest.approx(
        weight, rel=1e-10
    )


@FEW
@given(good=VARIANCES, bad=VARIANCES, weight=st.floats(1.01, 4))
def test_order_of_the_three_means(good, bad, weight):
    """Arithmetic below geometric below harmonic for w > 1; equal at 0 and 1."""
    for w, value in ((0, bad), (1, good)):
        for power in (1, 0, -1, 2.5):
            found = guidance.extrapolated_variance(good=good, bad=bad, weight=w, power=power)
            assert found == pytest.approx(value, rel=1e-10)
    one, zero, minus = (
        float(guidance.extrapolated_variance(good=good, bad=bad, weight=weight, power=p)) for p in (1, 0, -1)
    )
    if np.isfinite([one, minus]).all() and abs(good / bad - 1) > 1e-3:
        assert one < zero < minus


def test_where_there_is_no_law():
    assert np.isnan(guidance.extrapolated_variance(good=1.0, bad=2.0, weight=3.0, power=1))
    assert np.isnan(guidance.extrapolated_variance(good=2.0, bad=1.0, weight=3.0, power=-1))
    assert guidance.extrapolated_variance(good=2.0, bad=1.0, weight=2.0, power=-1) == np.inf
    assert guidance.extrapolated_variance(good=2.0, bad=1.0, weight=3.0, power=0) == pytest.approx(8)


def test_best_guidance_of_the_sampler_itself():
    """The loss of the guided flow, in any axes, and its minimum by search."""
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    truth, error, drift = np.array([2.0, 1.0, 0.4]), np.array([-0.4, 0.1, -0.2]), np.array([-0.3, 0.0, -0.1])

    def loss(w):
        base = (axes * (truth * np.exp(error))) @ axes.T
        auxiliary = (axes * (truth * np.exp(error + drift))) @ axes.T
        law = guidance.sims_law(
            mean=np.zeros(3), covariance=base, auxiliary_mean=np.zeros(3), auxiliary_covariance=auxiliary,
            guidance=w,
        )["covariance"]  # fmt: skip
        root = axes / np.sqrt(truth)
        return float(np.square(np.log(np.linalg.eigvalsh(root.T @ law @ root))).sum())

    found = guidance.best_guidance(error=error, drift=drift)
    assert loss(0) == pytest.approx(float(found["unguided_loss"]), rel=1e-9)
    assert loss(float(found["guidance"])) == pytest.approx(float(found["loss"]), rel=1e-9)
    best = optimize.minimize_scalar(loss, bounds=(-1, 4), method="bounded", options={"xatol": 1e-9})
    assert best.x == pytest.approx(float(found["guidance"]), abs=1e-5)
    assert guidance.best_guidance(error=error, drift=-drift)["guidance"] < 0


# Must the auxiliary have the architecture of the base?


def test_a_class_that_contains_the_base_leaves_it_alone_and_another_spoils_it():
    truth = np.array([3.0, 1.0, 0.5])
    same = guidance.auxiliary_drift(variances=truth)
    other = guidance.auxiliary_drift(variances=truth, shape="spherical")
    np.testing.assert_array_equal(same, 0)
    assert (guidance.auxiliary_drift(variances=[2.0, 2.0], shape="spherical") == 0).all()
    for w in (-0.5, 0.7, 3.0):
        for drift in (same, other):
            law = guidance.sims_law(
                mean=np.zeros(3), covariance=np.diag(truth), auxiliary_mean=np.zeros(3),
                auxiliary_covariance=np.diag(truth * np.exp(drift)), guidance=w,
            )["covariance"]  # fmt: skip
            loss = np.square(np.log(np.diag(law) / truth)).sum()
            assert loss == pytest.approx(w**2 * drift @ drift, abs=1e-10)


def test_a_poorer_auxiliary_may_be_the_better_one():
    """Counter-example: a base shrunk towards a sphere, and auxiliaries that are fitted to its samples."""
    rng = np.random.default_rng(1)
    truth = np.array([4.0, 1.0])
    base = 0.7 * truth + 0.3 * truth.mean()
    error = np.log(base / truth)
    losses = {}
    for shape in ("diagonal", "spherical"):
        drift = guidance.auxiliary_drift(variances=base, shape=shape)
        known = guidance.best_guidance(error=error, drift=drift)
        points = mad.Gaussian([0.0, 0.0], np.diag(base)).sample(100_000, rng=rng)
        fitted = np.diag(mad.Gaussian(shape=shape).fit(points, rng=rng).covariance)
        # A log variance of n points has a standard deviation of sqrt(2 / n).
        np.testing.assert_allclose(np.log(fitted / base), drift, atol=5 * np.sqrt(2 / 100_000))
        losses[shape] = float(known["loss"])
    assert losses["diagonal"] == pytest.approx(float(error @ error), rel=1e-12)
    assert losses["spherical"] < 0.2 * losses["diagonal"]


# Why does a little pollution help?


def polluted(error, drift, share, w):
    """Loss of a base trained on a mixture, by variances."""
    data = np.exp(error) * ((1 - share) + share * np.exp(drift))
    base = np.exp(drift) * data
    return np.square(np.log(base) - w * drift).sum()


ERROR, DRIFT = np.array([0.1, -0.3, 0.05]), np.array([-0.9, -0.2, -0.4])


def test_polluted_loss_is_that_of_mixtures():
    for share in (0.0, 0.15, 1.0):
        found = guidance.polluted_guidance(error=ERROR, drift=DRIFT, share=share)
        w = float(found["guidance"])
        assert float(found["loss"]) == pytest.approx(polluted(ERROR, DRIFT, share, w), rel=1e-10)
        assert float(found["unguided_loss"]) == pytest.approx(polluted(ERROR, DRIFT, share, 0), rel=1e-10)
        for other in (w - 0.1, w + 0.1):
            fixed = guidance.polluted_guidance(error=ERROR, drift=DRIFT, share=share, guidance=other)
            assert fixed["loss"] > found["loss"]


def test_pollution_is_a_lower_guidance_to_first_order():
    gaps = []
    for size in (0.1, 0.01):
        loss, lower = (
            guidance.polluted_guidance(error=size * ERROR, drift=size * DRIFT, share=share, guidance=w)[
                "loss"
            ]
            for share, w in ((0.2, 1.5), (0.0, 1.3))
        )
        gaps.append(abs(float(loss) - float(lower)) / size**2)
    assert gaps[1] < 0.15 * gaps[0] < 0.01


def test_slope_is_the_derivative_and_changes_its_sign_with_the_error():
    slope = float(guidance.pollution_slope(error=ERROR, drift=DRIFT))
    losses = [
        float(guidance.polluted_guidance(error=ERROR, drift=DRIFT, share=s)["loss"]) for s in (0.0, 1e-6)
    ]
    assert (losses[1] - losses[0]) / 1e-6 == pytest.approx(slope, rel=1e-4)
    assert abs(slope) > 1e-3
    assert guidance.pollution_slope(error=-ERROR, drift=DRIFT) == pytest.approx(-slope, rel=1e-12)
    assert guidance.pollution_slope(error=[0.4], drift=[-0.7]) == pytest.approx(0, abs=1e-15)


@FEW
@given(
    st.lists(st.floats(-0.5, 0.5), min_size=3, max_size=3),
    st.lists(st.floats(-1.5, 0.5), min_size=3, max_size=3),
    st.floats(0.01, 0.9),
)
def test_on_average_over_opposite_errors_pollution_does_not_help(error, drift, share):
    error, drift = np.array(error), np.array(drift)
    clean, dirty = (
        np.mean(
            [
                float(guidance.polluted_guidance(error=e, drift=drift, share=s)["loss"])
                for e in (error, -error)
            ]
        )
        for s in (0.0, share)
    )
    assert dirty >= clean - 1e-12


def test_pollution_helps_where_guidance_is_too_large_and_where_there_is_none_to_compare():
    keywords = {"error": np.zeros(3), "drift": DRIFT}
    loss = {
        (s, w): float(guidance.polluted_guidance(**keywords, share=s, guidance=w)["loss"])
        for s in (0.0, 0.1)
        for w in (0.0, 0.8, 1.3)
    }
    assert loss[0.1, 1.3] < loss[0.0, 1.3]
    assert loss[0.1, 0.8] > loss[0.0, 0.8]
    assert loss[0.1, 0.0] > loss[0.0, 0.0]
    assert guidance.polluted_guidance(**keywords, share=0.5)["loss"] < 0.1 * loss[0.0, 0.0]


@pytest.mark.parametrize(
    "sizes", [(5, 3, 10, 0.9), (40, 40, 1000, 0.8), (30, 300, 50, 1.0), (20, 1, 20, 0.5)]
)
def test_cost_of_finite_pollution_against_draws(sizes):
    n, m, n_auxiliary, bias = sizes
    rng = np.random.default_rng(0)
    batches, many = 60, 40_000
    first = rng.chisquare(n, (batches, many)) / n
    base = first * (n + bias * rng.chisquare(m, (batches, many))) / (n + m)
    x, y = np.log(base), np.log(bias * rng.chisquare(n_auxiliary, (batches, many)) / n_auxiliary)
    minima = (x**2).mean(1) - (x * y).mean(1) ** 2 / (y**2).mean(1)
    known = guidance.pollution_cost(n_real=n, n_synthetic=m, n_auxiliary=n_auxiliary, bias=bias)
    testing.assert_mean_matches(minima, known)
    with pytest.raises(AssertionError):
        testing.assert_mean_matches(minima, known * 1.02)


def test_finite_pollution_never_helps_on_the_line():
    for n in (3, 20, 500):
        for bias in (1.0, 0.95, 0.5):
            clean = guidance.pollution_cost(n_real=n, n_synthetic=0, n_auxiliary=40, bias=bias)
            for m in (1, 5, n, 10 * n):
                assert guidance.pollution_cost(n_real=n, n_synthetic=m, n_auxiliary=40, bias=bias) > clean


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: guidance.best_guidance(error=[1.0], drift=[1.0, 2.0]), "drift"),
        (lambda: guidance.polluted_guidance(error=[1.0], drift=[1.0], share=2.0), "share"),
        (lambda: guidance.auxiliary_drift(variances=[1.0], shape="round"), "shape"),
        (lambda: guidance.extrapolated_variance(good=-1.0, bad=1.0, weight=1.0, power=0), "good"),
        (lambda: guidance.pollution_cost(n_real=5, n_synthetic=1, n_auxiliary=5, bias=0), "bias=0"),
    ],
)
def test_errors_name_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
