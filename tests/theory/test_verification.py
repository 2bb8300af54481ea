"""Verified loops: the truncated-normal map against SciPy and raw points, its limits, and labels."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.special import erf
from scipy.stats import truncnorm

from madtheory.testing import assert_mean_matches
from madtheory.theory import verification as v

ONE = {"mean": 0.0, "variance": 1.0, "half_width": 1.0}


@given(
    mean=st.floats(-3, 3), sd=st.floats(0.2, 3), centre=st.floats(-3, 3), half_width=st.floats(0.3, 6)
)  # fmt: skip
def test_interval_map_is_the_truncated_normal(mean, sd, centre, half_width):
    moved = v.interval_map(mean=mean, variance=sd**2, half_width=half_width, centre=centre)
    ends = ((centre - half_width - mean) / sd, (centre + half_width - mean) / sd)
    exact = truncnorm(*ends, loc=mean, scale=sd)
    mass = np.exp(truncnorm._logpdf(ends[0], *ends))  # density at the edge of the truncated law
    if np.abs(ends).min() < 8:  # further out SciPy's own variance loses digits
        assert float(moved["mean"]) == pytest.approx(exact.mean(), rel=1e-7, abs=1e-7)
        assert float(moved["variance"]) == pytest.approx(exact.var(), rel=1e-5)
    edge = np.exp(-(ends[0] ** 2) / 2) / np.sqrt(2 * np.pi)
    if edge > 1e-100:
        assert float(moved["acceptance"]) == pytest.approx(edge / mass, rel=1e-6)
    assert 0 < moved["variance"] <= half_width**2 / 3 * (1 + 1e-12) or centre != mean
    assert moved["variance"] <= sd**2 * (1 + 1e-12)
    assert moved["mean"].kind == "exact law"


def test_interval_map_is_accurate_where_formulas_cancel():
    """The usual formula has lost all digits in the first case, and most in the second."""
    narrow = v.interval_map(mean=0.0, variance=1.0, centre=1.0, half_width=1e-6)
    assert float(narrow["variance"]) == pytest.approx(1e-12 / 3, rel=1e-9)
    far = v.interval_map(mean=0.0, variance=1.0, centre=40.0, half_width=10.0)
    x = 30.0  # standard deviations to the interval
    series = 1 - 6 / x**2 + 50 / x**4  # of the variance of an exponential tail
    assert float(far["variance"]) == pytest.approx(series / x**2, rel=1e-5)
    assert 0 < far["acceptance"] < 1e-190
    all_kept = v.interval_map(mean=[0.3, 0.5], variance=2.0, half_width=np.inf)
    np.testing.assert_allclose(all_kept["variance"], [2.0, 2.0], rtol=1e-12)
    np.testing.assert_allclose(all_kept["mean"], [0.3, 0.5], rtol=1e-12)
    np.testing.assert_allclose(all_kept["acceptance"], 1.0, rtol=1e-12)


def test_interval_map_of_raw_points():
    """100,000 kept and real points; power: the map of an interval 2 % wider is rejected."""
    rng, n, share, replicates = np.random.default_rng(1), 100_000, 0.7, 30
    keywords = {"mean": 0.5, "variance": 2.0, "centre": 1.0, "synthetic_share": share, "real_mean": -0.2}
    means, variances, accepted = [], [], []
    for _ in range(replicates):
        drawn = rng.normal(0.5, np.sqrt(2.0), int(1.5 * n))
        kept = drawn[np.abs(drawn - 1.0) <= 1.2]
        accepted.append(len(kept) / len(drawn))
        pool = np.concatenate([kept[: int(share * n)], rng.normal(-0.2, 1.0, n - int(share * n))])
        assert len(pool) == n
        means.append(pool.mean())
        variances.append(pool.var())
    right, wrong = (v.interval_map(half_width=h, **keywords) for h in (1.2, 1.224))
    for values, name in ((means, "mean"), (variances, "variance"), (accepted, "acceptance")):
        assert_mean_matches(values, right[name])
    for values, name in ((variances, "variance"), (accepted, "acceptance")):
        with pytest.raises(AssertionError, match="z="):
            assert_mean_matches(values, wrong[name])


def test_fixed_points():
    for share, published in ((0.5, 0.6345), (0.9, 0.2862)):
        end = v.interval_fixed_point(half_width=1.0, synthetic_share=share)
        assert float(end["variance"]) == pytest.approx(published, abs=5e-5)
        assert end["variance"].kind == "numerical"
    assert float(v.interval_fixed_point(half_width=1.0, synthetic_share=0.0)["variance"]) == 1.0
    assert float(v.interval_fixed_point(half_width=np.inf, synthetic_share=0.5)["variance"]) == pytest.approx(
        1
    )
    empty = v.interval_fixed_point(half_width=1.0, synthetic_share=1.0, centre=2.0)
    assert [float(empty[name]) for name in ("mean", "variance", "acceptance")] == [2.0, 0.0, 1.0]


@given(
    half_width=st.floats(0.2, 4),
    share=st.floats(0.05, 0.97),
    centre=st.floats(-2, 2),
    spread=st.floats(0.3, 3),
)
def test_fixed_points_are_what_the_loop_ends_in(half_width, share, centre, spread):
    fixed = {"half_width": half_width, "centre": centre, "synthetic_share": share}
    fixed |= {"real_mean": 0.5, "real_variance": spread}
    end = v.interval_fixed_point(**fixed)
    again = v.interval_map(mean=end["mean"], variance=end["variance"], **fixed)
    for name in ("mean", "variance", "acceptance"):
        assert float(again[name]) == pytest.approx(float(end[name]), rel=1e-9, abs=1e-10)
    state = {"mean": 0.5, "variance": spread}
    for _ in range(1500):
        moved = v.interval_map(**state, **fixed)
        still = abs(float(moved["variance"]) - float(state["variance"])) < 1e-13
        state = {"mean": moved["mean"], "variance": moved["variance"]}
        if still:
            break
    assert float(state["variance"]) == pytest.approx(float(end["variance"]), rel=1e-8)
    assert float(state["mean"]) == pytest.approx(float(end["mean"]), abs=1e-8)
    inside = sorted((0.5, centre))
    assert inside[0] - 1e-9 <= float(end["mean"]) <= inside[1] + 1e-9


def narrowing(ratio, generations):
    """Half-width over standard deviation, generation by generation, by the textbook formula."""
    out = [ratio]
    for _ in range(generations):
        z = out[-1]
        out.append(z / np.sqrt(1 - 2 * z * np.exp(-z * z / 2) / np.sqrt(2 * np.pi) / erf(z / np.sqrt(2))))
    return np.array(out)


@pytest.mark.parametrize("initial", [0.1, 1.0, 1.7, 2.5, 4.0])
def test_collapse_time_is_a_bound(initial):
    path = narrowing(initial, 3000)
    bound = np.asarray(v.interval_collapse_time(ratio=path, initial_ratio=initial))
    assert (np.arange(3001) <= bound + 1e-9).all()
    assert bound[0] == 0
    assert bound[-1] < 3000 * 1.02 + 2  # and not a loose one
    assert (np.arange(3001) > 0.9 * bound).any()  # negative control: less than that is no bound
    # A ratio between two generations is reached by the later one.
    between = v.interval_collapse_time(ratio=path[:-1] + 1e-3 * np.diff(path), initial_ratio=initial)
    assert (np.arange(1, 3001) <= between + 1e-9).all()
    moved = v.interval_map(mean=0.0, variance=path[0] ** -2.0, half_width=1.0)
    assert float(moved["variance"]) ** -0.5 == pytest.approx(path[1], rel=1e-9)


def test_collapse_time_bounds_hundreds_of_loops():
    sharper, steps = 0, np.arange(101)
    for initial in np.random.default_rng(0).uniform(0.05, 5.0, 300):
        bound = np.asarray(v.interval_collapse_time(ratio=narrowing(initial, 100), initial_ratio=initial))
        assert (steps <= bound + 1e-9).all()
        sharper += (steps > 0.9 * bound)[1:].any()
    assert sharper > 30  # negative control: a bound 10 % lower is violated


def test_collapse_time_grows_like_its_leading_term():
    z = np.array([8.0, 16.0, 32.0])
    leading = np.sqrt(2 * np.pi) * np.exp(z**2 / 2) / z**3
    excess = v.interval_collapse_time(ratio=z) / leading - 1
    np.testing.assert_allclose(excess * z**2, 3, rtol=0.12)
    assert v.interval_collapse_time(ratio=z).kind == "bound"


@given(p=st.floats(0, 1), correct=st.floats(0.01, 1), incorrect=st.floats(0, 1))
def test_verified_labels(p, correct, incorrect):
    after = v.verified_label_error(label_error=p, keep_correct=correct, keep_incorrect=incorrect)
    limit = float(v.label_threshold(keep_correct=correct, keep_incorrect=incorrect))
    if p < limit * (1 - 1e-9):
        assert after["label_error"] < 0.5
    if p > limit * (1 + 1e-9):
        assert after["label_error"] > 0.5
    assert float(after["acceptance"]) == pytest.approx(p * incorrect + (1 - p) * correct)


def test_labels_of_a_simulated_verifier():
    """Majority of the kept labels: right below the threshold, wrong above; of all labels: wrong in both."""
    rng, correct, incorrect = np.random.default_rng(3), 0.8, 0.3
    limit = float(v.label_threshold(keep_correct=correct, keep_incorrect=incorrect))
    assert limit == pytest.approx(8 / 11)
    for p in (limit - 0.05, limit + 0.05):
        wrong = rng.random((50, 20_000)) < p
        kept = rng.random(wrong.shape) < np.where(wrong, incorrect, correct)
        error = (wrong & kept).sum(1) / kept.sum(1)
        after = v.verified_label_error(label_error=p, keep_correct=correct, keep_incorrect=incorrect)
        assert_mean_matches(error, after["label_error"], rtol=1e-4)
        assert_mean_matches(kept.mean(1), after["acceptance"])
        with pytest.raises(AssertionError, match="z="):
            assert_mean_matches(error, p)
        assert ((error < 0.5) == (p < limit)).all()
        assert (wrong.mean(1) > 0.5).all()
    assert float(v.label_threshold(keep_correct=0.4, keep_incorrect=0.4)) == 0.5
    assert float(v.label_threshold(keep_correct=0.4, keep_incorrect=0.0)) == 1.0
    assert np.isnan(v.label_threshold(keep_correct=0.0, keep_incorrect=0.0))


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (v.interval_map, {**ONE, "variance": 0.0}, r"variance=0\.0 is out of range"),
        (v.interval_map, {**ONE, "half_width": -1.0}, r"half_width=-1\.0 is out of range"),
        (v.interval_map, {**ONE, "mean": np.inf}, "mean=inf must hold finite numbers"),
        (v.interval_map, {**ONE, "synthetic_share": 1.2}, r"synthetic_share=1\.2 is above 1"),
        (
            v.interval_fixed_point,
            {"half_width": 1.0, "synthetic_share": -0.1},
            r"synthetic_share=-0\.1 is out",
        ),
        (v.interval_collapse_time, {"ratio": -1.0}, r"ratio=-1\.0 is out of range"),
        (v.label_threshold, {"keep_correct": 2.0, "keep_incorrect": 0.1}, r"keep_correct=2\.0 is above 1"),
    ],
)
def test_errors(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(**arguments)
