import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from madtheory.theory.gaussian.collapse import (
    bias_threshold,
    final_mean_law,
    half_life,
    hitting_time,
    lyapunov_spectrum,
    survival_limit,
    tail_bound,
)
from madtheory.theory.gaussian.replacement import replace
from madtheory.theory.gaussian.variance_laws import variance_law


def test_lyapunov_spectrum_of_raw_loops():
    """Growth per generation of raw covariances after 150; power: rates of n - 1 points are rejected."""
    rng, n, dim, generations, replicates = np.random.default_rng(4), 8, 3, 150, 1500
    # eigenvalues by repeated QR, since the smallest soon drown in rounding
    basis, logs = np.broadcast_to(np.eye(dim), (replicates, dim, dim)), np.zeros((replicates, dim))
    for _ in range(generations):
        points = rng.standard_normal((replicates, n, dim))
        centred = points - points.mean(1, keepdims=True)
        step = np.linalg.cholesky(np.swapaxes(centred, 1, 2) @ centred / (n - 1))
        # S <- L A A' L': the transposed product carries the same singular values
        basis, triangle = np.linalg.qr(np.swapaxes(step, 1, 2) @ basis)
        logs += 2 * np.log(np.abs(np.diagonal(triangle, axis1=1, axis2=2)))
    rates = logs / generations
    spread = rates.std(0) / np.sqrt(replicates)
    z = (rates.mean(0) - lyapunov_spectrum(n=n, dim=dim)) / spread
    # sums of rates have no transient (log determinant); single ones have one of order 1/generations
    total = rates.sum(1)
    exact = float(lyapunov_spectrum(n=n, dim=dim).sum())
    assert abs(total.mean() - exact) < 5 * total.std() / np.sqrt(replicates)
    assert np.all(np.abs(z * spread) < 0.02)
    wrong = lyapunov_spectrum(n=n - 1, dim=dim, bias=(n - 2) / (n - 1))
    assert np.abs((rates.mean(0) - wrong) / spread).max() > 20
    assert np.any(np.abs(rates.mean(0) - wrong) > 0.1)


def test_lyapunov_spectrum_is_the_mean_log_volume_and_ends_at_the_rank():
    rates = lyapunov_spectrum(n=9, dim=5, bias=0.8, ddof=0)
    volume = replace(n=9, dim=5, bias=0.8, ddof=0, generations=3)["log_volume"]
    np.testing.assert_allclose(np.diff(volume), rates.sum(), rtol=1e-12)
    assert rates.kind == "almost-sure rate"
    assert np.all(np.diff(rates) < 0)
    flat = lyapunov_spectrum(n=5, dim=7)
    assert np.isfinite(flat[:4]).all()
    assert np.all(flat[4:] == -np.inf)
    np.testing.assert_array_equal(lyapunov_spectrum(n=5, dim=2, bias=0.0), -np.inf)
    assert lyapunov_spectrum(n=10**9, dim=1)[0] == pytest.approx(-1e-9, rel=1e-8)


def test_thresholds():
    published = {5: 1.3104, 10: 1.1221, 100: 1.01019}
    for n, value in published.items():
        assert float(bias_threshold(n=n)) == pytest.approx(value, abs=5e-5)
    assert float(bias_threshold(n=10**6)) == pytest.approx(1 + 1e-6, abs=1e-11)
    for n in (3, 17, 400):
        for ddof in (0, 1):
            mean, std, median = (
                float(bias_threshold(n=n, ddof=ddof, preserve=what)) for what in ("mean", "std", "median")
            )
            assert 1 <= mean < std < median
            path = replace(n=n, ddof=ddof, bias=mean, generations=9)
            np.testing.assert_allclose(path["total_variance"], path["total_variance"][0], rtol=1e-12)
            laws = [variance_law(generation=g, n=n, ddof=ddof, bias=std) for g in (1, 30)]
            assert laws[1].moment(0.5) == pytest.approx(laws[0].moment(0.5), rel=1e-10)
            laws = [variance_law(generation=g, n=n, ddof=ddof, bias=median) for g in (1, 30)]
            assert laws[1].log_mean() == pytest.approx(laws[0].log_mean(), abs=1e-10)
            assert float(half_life(n=n, ddof=ddof, bias=median * 1.0001)) == np.inf
            assert np.isfinite(half_life(n=n, ddof=ddof, bias=median * 0.9999))


def test_half_lives():
    assert float(half_life(n=1000)) == pytest.approx(999 * np.log(2), rel=1e-3)
    assert float(half_life(n=1000, ddof=0)) == pytest.approx(500 * np.log(2), rel=2e-3)
    assert float(half_life(n=1000, which="mean")) == np.inf
    assert float(half_life(n=1000, bias=0.5, which="mean")) == pytest.approx(1)
    assert float(half_life(n=10, bias=0.0)) == 0
    assert half_life(n=10, which="mean").kind == "exact mean"
    # median of the law: halved per half-life, once its constant factor cancels
    life = round(float(half_life(n=50)))
    near, far = (variance_law(generation=k * life, n=50).log_ppf(0.5) for k in (20, 21))
    assert near - far == pytest.approx(np.log(2), rel=0.01)


def test_hitting_time_of_raw_loops():
    """First passage of raw variances below 1/50; power: half the overshoot is rejected."""
    rng, n, bias, replicates = np.random.default_rng(9), 20, 0.98, 20_000
    variance, times = np.ones(replicates), np.zeros(replicates)
    for generation in range(1, 2000):
        points = rng.standard_normal((len(variance), n))
        variance = variance * (bias if generation > 1 else 1.0) * points.var(1, ddof=1)
        hit = variance <= 0.02
        times[np.flatnonzero(times == 0)[hit]] = generation
        variance = variance[~hit]
        if not len(variance):
            break
    assert np.all(times > 0)
    error = times.std() / np.sqrt(replicates)
    arguments = {"threshold": 0.02, "n": n, "bias": bias}
    bound, estimate = (float(hitting_time(**arguments, overshoot=over)) for over in (False, True))
    assert bound < times.mean() - 5 * error
    assert abs(times.mean() - estimate) < 0.01 * estimate + 5 * error
    assert abs(times.mean() - (bound + estimate) / 2) > 5 * error


def test_hitting_time_labels_and_edges():
    assert float(hitting_time(threshold=1e-3, n=20)) == pytest.approx(132.61, abs=0.01)
    assert float(hitting_time(threshold=1e-3, n=20, overshoot=False)) == pytest.approx(128.99, abs=0.01)
    assert hitting_time(threshold=1e-3, n=20).kind == "leading order in 1/n"
    assert hitting_time(threshold=1e-3, n=20, overshoot=False).kind == "bound"
    assert float(hitting_time(threshold=0.1, n=20, bias=2.0)) == np.inf
    assert float(hitting_time(threshold=0.1, n=20, bias=0.0)) == pytest.approx(2, abs=1e-6)
    assert float(hitting_time(threshold=0.1, n=1, ddof=0)) == 1
    with pytest.raises(ValueError, match=r"threshold=1\.5"):
        hitting_time(threshold=1.5, n=20)


def test_final_mean_tail_index():
    assert float(final_mean_law(n=10, ddof=0)["tail_index"]) == pytest.approx(2.0535, abs=5e-5)
    assert float(final_mean_law(n=100, ddof=0)["tail_index"]) == pytest.approx(2.0050, abs=5e-5)
    for n in (3, 10, 10**6):  # unbiased: no variance at any size
        law = final_mean_law(n=n)
        assert float(law["tail_index"]) == pytest.approx(1, abs=1e-9)
        assert float(law["variance"]) == np.inf
    for n, bias in ((30, 0.9), (5, 1.1)):
        index = float(final_mean_law(n=n, bias=bias, ddof=0)["tail_index"])
        step = [variance_law(generation=g, n=n, bias=bias, ddof=0).moment(index) for g in (1, 2)]
        assert step[1] == pytest.approx(step[0], rel=1e-9)  # E A^kappa = 1
    assert float(final_mean_law(n=10, bias=0.0)["tail_index"]) == np.inf
    with pytest.raises(ValueError, match=r"bias=1\.2"):
        final_mean_law(n=10, bias=1.2)
    with pytest.raises(ValueError, match="n=1"):
        final_mean_law(n=1)


@settings(deadline=None, derandomize=True, max_examples=20)
@given(n=st.integers(2, 60), bias=st.floats(0, 0.9), ddof=st.sampled_from([0, 1]))
def test_final_mean_variance_is_the_limit_of_the_loop(n, bias, ddof):
    law = final_mean_law(n=n, bias=bias, ddof=ddof)
    drift = replace(n=n, bias=bias, ddof=ddof, generations=400)["mean_error"][-1]
    assert float(law["variance"]) == pytest.approx(drift, rel=1e-9)
    assert law["variance"].kind == "exact mean"


def test_final_mean_law_of_raw_loops():
    """Quantiles of raw final means; power: the normal law of the same quartiles misses the tail by far."""
    rng, n, replicates = np.random.default_rng(6), 40, 4000
    mean, deviation = np.zeros(replicates), np.ones(replicates)
    for _ in range(400):
        points = mean[:, None] + deviation[:, None] * rng.standard_normal((replicates, n))
        mean, deviation = points.mean(1), points.std(1)
    law = {key: float(value) for key, value in final_mean_law(n=n, ddof=0).items()}
    limit = stats.t(law["degrees_of_freedom"], scale=law["scale"])
    for q in (0.5, 0.9, 0.99):
        share = np.mean(np.abs(mean) < limit.ppf((1 + q) / 2))
        assert abs(share - q) < 5 * np.sqrt(q * (1 - q) / replicates) + 0.5 / n
    normal = stats.norm(scale=limit.ppf(0.75) / stats.norm.ppf(0.75))
    assert np.mean(np.abs(mean) > normal.isf(0.001)) > 5 * 0.002
    assert np.median(mean**2 + 1) == pytest.approx(law["median_wasserstein2_squared"], rel=0.03)


def test_student_law_is_of_leading_order():
    """The exact tail index meets the Student one, as 1/n."""
    gaps = []
    for n in (100, 1000, 10_000):
        law = final_mean_law(n=n, bias=1 - 1.5 / n, ddof=0)
        gaps.append(abs(float(law["tail_index"]) - float(law["degrees_of_freedom"]) / 2))
    assert np.polyfit(np.log([100, 1000, 10_000]), np.log(gaps), 1)[0] == pytest.approx(-1, abs=0.1)


def test_tail_bound_holds_and_is_exponentially_tight():
    loop = {"generation": 400, "n": 20}
    threshold = np.geomspace(1e-9, 1e6, 40)
    bound, exact = tail_bound(threshold=threshold, **loop), variance_law(**loop).sf(threshold)
    assert bound.kind == "bound"
    assert np.all(exact <= bound * (1 + 1e-12))
    assert np.all(bound <= 1)
    deep = exact < 1e-4
    assert np.all(np.log(exact[deep]) > 1.5 * np.log(bound[deep]))
    # Suresh et al. 2025: exp(-g / 4n) / sqrt(threshold), the choice s = 1/2
    late = {"generation": 3000, "n": 20}
    root = variance_law(**late).moment(0.5) / np.sqrt(threshold)
    assert np.all(tail_bound(threshold=threshold, **late) <= np.minimum(root, 1) * (1 + 1e-12))
    assert float(tail_bound(threshold=0.1, generation=3, n=5, bias=0.0)) == 0
    with pytest.raises(ValueError, match="threshold"):
        tail_bound(threshold=[0.1, 0.0], **loop)


def test_survival_limits_are_the_limits_of_the_loop():
    for n in (2, 10, 500):
        assert float(survival_limit(n_initial=n)) == pytest.approx(np.sinc(n**-0.5), rel=1e-12)
    cubic = replace(n=lambda g: 7 * g**3, ddof=0, generations=3000)["total_variance"][-1]
    assert float(survival_limit(n_initial=7, rate=3)) == pytest.approx(cubic, rel=1e-6)
    doubling = replace(n=lambda g: 3 * 2 ** (g - 1), ddof=0, generations=50)["total_variance"][-1]
    assert float(survival_limit(n_initial=3, growth="geometric")) == pytest.approx(doubling, rel=1e-12)
    assert float(survival_limit(n_initial=10, rate=1)) == 0
    assert float(survival_limit(n_initial=1, rate=3)) == 0
    with pytest.raises(ValueError, match="growth="):
        survival_limit(n_initial=5, growth="linear")
    with pytest.raises(ValueError, match="rate="):
        survival_limit(n_initial=5, growth="geometric", rate=1.0)


@pytest.mark.parametrize("call", [half_life, bias_threshold])
def test_errors_name_the_argument(call):
    with pytest.raises(ValueError, match="n=0"):
        call(n=0)
    with pytest.raises(ValueError, match="ddof=3"):
        call(n=10, ddof=3)
    with pytest.raises(ValueError, match="choose one of"):
        call(n=10, **{"which" if call is half_life else "preserve": "variance"})
