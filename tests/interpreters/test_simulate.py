"""Replicates, methods, recording and provenance; long runs that must not underflow."""

import json

import numpy as np
import pytest
import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes, testing
from madtheory.interpreters.simulate import begin

REPLACE = regimes.replace(n=20)


def gaussian_loop(regime=REPLACE, dim=2, **keywords):
    model = keywords.pop("model", mad.Gaussian())
    return mad.Loop(real=mad.Gaussian.standard(dim), model=model, regime=regime, **keywords)


def test_shape_names_and_coordinates():
    result = mad.simulate(gaussian_loop(), 5, replicates=7, rng=0)
    assert set(result) == {"total_variance", "log_volume", "mean_error", "wasserstein2_squared"}
    assert dict(result.sizes) == {"replicate": 7, "generation": 5}
    assert result.generation.values.tolist() == [1, 2, 3, 4, 5]
    assert all(variable.dims == ("replicate", "generation") for variable in result.values())
    assert all(np.isfinite(variable).all() for variable in result.values())


def test_method_none_takes_the_first_possible():
    assert mad.simulate(gaussian_loop(), 2, rng=0, replicates=2).attrs["method"] == "statistics"
    subsample = gaussian_loop(regimes.accumulate_subsample(n=9))
    assert mad.simulate(subsample, 2, rng=0, replicates=2).attrs["method"] == "samples"
    for method in ("statistics", "samples"):
        assert mad.simulate(gaussian_loop(), 2, rng=0, replicates=2, method=method).attrs["method"] == method


class PointsOnly:
    """A model without statistics and without replicates."""

    def __init__(self, mean=None):
        self.mean = mean

    def fit(self, points, *, rng):
        return PointsOnly(points.mean(0))

    def sample(self, n, *, rng):
        return self.mean + rng.standard_normal((n, len(self.mean)))


def sampled_mean(snapshot):
    return snapshot.model.mean[0]


def test_impossible_methods_say_why_and_what_to_do():
    with pytest.raises(ValueError, match=r"individual points.*Use method='samples'"):
        mad.simulate(gaussian_loop(regimes.accumulate_subsample(n=9)), 2, method="statistics")
    with pytest.raises(ValueError, match=r"model PointsOnly has no sample_statistic.*Use method='samples'"):
        mad.simulate(gaussian_loop(model=PointsOnly()), 2, method="statistics")
    with pytest.raises(ValueError, match=r"method='exact' is unknown; choose one of 'statistics', 'samples'"):
        mad.simulate(gaussian_loop(), 2, method="exact")


def test_any_model_runs_one_replicate_after_another():
    loop = gaussian_loop(model=PointsOnly())
    result = mad.simulate(loop, 3, replicates=4, metrics=[sampled_mean], rng=0)
    assert result["sampled_mean"].shape == (4, 3)
    assert len(np.unique(result["sampled_mean"])) == 12
    fewer = mad.simulate(loop, 3, replicates=2, metrics=[sampled_mean], rng=0)
    assert np.array_equal(fewer["sampled_mean"], result["sampled_mean"][:2])
    with pytest.raises(ValueError, match="replicates=3 at once need expand"):
        mad.start(loop, replicates=3)


@pytest.mark.parametrize("method", ["statistics", "samples"])
def test_same_seed_same_bits_other_seed_others(method):
    def run(seed):
        return mad.simulate(gaussian_loop(), 4, replicates=5, rng=seed, method=method)

    assert run(1).identical(run(1))
    assert not np.intersect1d(run(1)["total_variance"], run(2)["total_variance"]).size


def test_metrics_and_record_change_no_draw():
    keywords = {"replicates": 6, "rng": 3}
    full = mad.simulate(gaussian_loop(), 6, **keywords)
    one = mad.simulate(gaussian_loop(), 6, metrics=[metrics.kl_divergence, metrics.mean_error], **keywords)
    assert np.array_equal(one["mean_error"], full["mean_error"])
    last = mad.simulate(gaussian_loop(), 6, record="last", **keywords)
    assert last.generation.values.tolist() == [6]
    some = mad.simulate(gaussian_loop(), 6, record=[5, 2, 5], **keywords)
    assert some.generation.values.tolist() == [2, 5]
    for name in full:
        assert np.array_equal(last[name], full[name].sel(generation=[6]))
        assert np.array_equal(some[name], full[name].sel(generation=[2, 5]))


def test_replicates_come_in_blocks_that_a_longer_list_extends():
    """More replicates append whole blocks: full blocks in common are the same, bit for bit."""
    loop = gaussian_loop(regimes.replace(n=3_000), dim=1)
    block = begin(loop, 1, replicates=100, rng=0, method="samples").snapshots[0].replicates[0]
    assert 2 <= block < 100
    keywords = {"rng": 0, "method": "samples"}
    short = mad.simulate(loop, 2, replicates=block, **keywords)["total_variance"].values
    long = mad.simulate(loop, 2, replicates=2 * block + 1, **keywords)["total_variance"].values
    assert np.array_equal(long[:block], short)
    assert len(np.unique(long)) == long.size  # blocks have streams of their own


def test_quantiles_replace_the_replicates():
    keywords = {"replicates": 50, "rng": 0}
    full = mad.simulate(gaussian_loop(), 3, **keywords)
    some = mad.simulate(gaussian_loop(), 3, quantiles=(0.05, 0.5), **keywords)
    assert some["log_volume"].dims == ("quantile", "generation")
    assert some["quantile"].values.tolist() == [0.05, 0.5]
    for name in full:
        np.testing.assert_array_equal(some[name], np.quantile(full[name], (0.05, 0.5), axis=0))


def test_provenance():
    regime = regimes.fresh(n_real=5, n_synthetic=9, memory=2, weights=(1, 2))
    result = mad.simulate(gaussian_loop(regime, bias=0.8), 2, replicates=3, rng=42)
    attrs = result.attrs
    assert attrs["regime"] == "fresh"
    assert attrs["bias"] == 0.8
    assert attrs["replicates"] == 3
    assert attrs["model"] == attrs["real"] == "Gaussian"
    assert set(json.loads(attrs["versions"])) == {"madtheory", "numpy", "scipy"}
    keywords = json.loads(attrs["regime_keywords"])
    assert regimes.fresh(**keywords) == regime
    again = mad.simulate(gaussian_loop(regime, bias=0.8), 2, replicates=3, rng=int(attrs["seed"]))
    assert again.identical(result)
    fresh_entropy = mad.simulate(gaussian_loop(), 2, replicates=3)
    repeated = mad.simulate(gaussian_loop(), 2, replicates=3, rng=int(fresh_entropy.attrs["seed"]))
    assert repeated.identical(fresh_entropy)


@pytest.mark.parametrize("method", ["statistics", "samples"])
def test_a_longer_run_begins_with_the_shorter_one(method):
    short, long = (mad.simulate(gaussian_loop(), t, replicates=3, rng=0, method=method) for t in (3, 5))
    xr.testing.assert_equal(long.sel(generation=[1, 2, 3]), short)


def test_no_progress_bar_in_a_pipe(capfd):
    mad.simulate(gaussian_loop(), 3, replicates=2, rng=0)
    out, err = capfd.readouterr()
    assert out == ""
    assert "generations" not in err


# Collapse: log scale only, since ordinary means are carried by rare replicates --------------------------


def step_std(n, dim):
    """Standard deviation of one step of log det: independent log chi-squares of n - 1, n - 2, ... dof."""
    from scipy.special import polygamma

    return float(np.sqrt(sum(polygamma(1, (n - 1 - i) / 2) for i in range(dim))))


def rate(n, dim, bias=1.0):
    """Growth of log det per generation (Lyapunov sum): mean log chi-square of n - 1, n - 2, ... dof."""
    from scipy.special import digamma

    log_chi2 = sum(digamma((n - 1 - i) / 2) + np.log(2) for i in range(dim))
    return float(log_chi2 + dim * np.log(bias / (n - 1)))


def test_one_dimension_does_not_underflow():
    """Doubles end at a log-variance of -745; bias 0.5 leads ten times further in 10,000 generations."""
    loop = gaussian_loop(dim=1, bias=0.5)
    result = mad.simulate(
        loop, 10_001, replicates=20, metrics=[metrics.log_volume, metrics.log_total_variance],
        record=[1, 10_001], rng=0,
    )  # fmt: skip
    logs = result["log_volume"]
    assert (logs[:, -1] < -7000).all()
    np.testing.assert_allclose(logs, result["log_total_variance"], rtol=1e-12)
    assert_rate(result, 20, 1, 0.5, accuracy=0.01)


def test_directions_part_and_keep_the_lyapunov_sum():
    assert_directions_part(5, 2_001, accuracy=0.04)


def assert_directions_part(n, generations, *, accuracy):
    """Three directions part by hundreds of orders of magnitude; log det keeps the sum of their rates."""
    loop = gaussian_loop(regimes.replace(n=n), dim=3)
    keywords = {"replicates": 20, "metrics": [metrics.log_volume, metrics.log_total_variance]}
    result = mad.simulate(loop, generations, record=[1, generations], rng=1, **keywords)
    assert (result["log_volume"][:, -1] < -2000).all()
    assert (result["log_volume"] - 3 * result["log_total_variance"])[:, -1].mean() < -500
    assert_rate(result, n, 3, 1.0, accuracy=accuracy)


def assert_rate(result, n, dim, bias, *, accuracy):
    """The rate of log det, and the rejection of a rate that is wrong by `accuracy`, whose power is 0.99."""
    expected, std = rate(n, dim, bias), step_std(n, dim)
    times = result.generation.values
    error = accuracy * abs(expected)
    steps = result.sizes["replicate"] * int(times[-1] - times[0])
    assert testing.power(error, std=std, n=steps) > 0.99
    keywords = {"generation": times, "std": std}
    testing.assert_rate_matches(result["log_volume"], expected, **keywords)
    for wrong in (expected - error, expected + error):
        with pytest.raises(AssertionError, match="z="):
            testing.assert_rate_matches(result["log_volume"], wrong, **keywords)


@pytest.mark.parametrize("method", ["statistics", "samples"])
@pytest.mark.parametrize("n", [2, 3, 4])
def test_singular_covariances(n, method):
    """n <= d: rank n - 1, log volume -inf, total variance unbiased (detects 4 % with probability 0.9)."""
    loop = gaussian_loop(regimes.replace(n=n), dim=4)
    result = mad.simulate(loop, 3, replicates=40_000, rng=n, method=method)
    assert np.isneginf(result["log_volume"]).all()
    assert np.isfinite(result["wasserstein2_squared"]).all()
    first = result["total_variance"].isel(generation=[0])
    testing.assert_mean_matches(first, 4.0, std=np.sqrt(2 * 4 / (n - 1)))
    with pytest.raises(AssertionError, match="z="):
        testing.assert_mean_matches(first, 4.0 * 1.06, std=np.sqrt(2 * 4 / (n - 1)))
    snapshot = mad.start(loop, replicates=5, rng=0, method=method)
    assert (np.linalg.matrix_rank(snapshot.model.covariance) == n - 1).all()


def test_log_volume_is_the_determinant_just_above_singular():
    loop = gaussian_loop(regimes.replace(n=5), dim=4)
    snapshot = mad.start(loop, replicates=50, rng=0)
    direct = np.linalg.slogdet(snapshot.model.covariance)[1]
    np.testing.assert_allclose(metrics.log_volume(snapshot), direct, atol=1e-6)


@pytest.mark.parametrize("method", ["statistics", "samples"])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_rank_with_a_known_mean(n, method):
    """Scatter about a known mean has rank n: -inf below d = 3, finite from there on."""
    loop = gaussian_loop(regimes.replace(n=n), dim=3, model=mad.Gaussian(known_mean=np.zeros(3)))
    log_volume = mad.simulate(loop, 3, replicates=500, rng=0, method=method)["log_volume"]
    assert (np.isneginf(log_volume) if n < 3 else np.isfinite(log_volume)).all()


@pytest.mark.parametrize("method", ["statistics", "samples"])
@pytest.mark.parametrize(("n_real", "n_synthetic"), [(1, 2), (2, 2), (2, 3), (1, 4)])
def test_rank_of_a_pool(n_real, n_synthetic, method):
    """A pool of N points has rank N - 1 at most: four or fewer points are singular in four dimensions."""
    regime = regimes.fresh(n_real=n_real, n_synthetic=n_synthetic, n_initial=9)
    log_volume = mad.simulate(gaussian_loop(regime, dim=4), 2, replicates=500, rng=0, method=method)[
        "log_volume"
    ]
    assert np.isfinite(log_volume[:, 0]).all()
    singular = n_real + n_synthetic <= 4
    assert (np.isneginf(log_volume[:, 1]) if singular else np.isfinite(log_volume[:, 1])).all()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.ma.array([1.0, 2.0, 3.0], mask=[1, 0, 0]), "1 masked values"),
        (["a", "b", "c"], "not real numbers"),
        ([None, None, None], "missing values"),
        (np.array([1j, 2.0, 3.0]), "complex128 values"),
        (np.array(["2020-01-01"] * 3, dtype="datetime64[D]"), "not real numbers"),
        (None, "does not hold numbers"),
    ],
)
def test_values_of_metrics_are_real_numbers(value, message):
    """Masks and kinds are not dropped on the way into the result; what is infinite or missing is a value."""

    def mine(snapshot):
        return value

    def odd(snapshot):
        return np.array([np.nan, np.inf, 1.0])

    loop = mad.Loop(real=mad.Gaussian.standard(1), model=mad.Gaussian(), regime=regimes.replace(n=5))
    with pytest.raises(
        ValueError, match=rf"metric mine returned (?s:.*) one real number per replicate.*{message}"
    ):
        mad.simulate(loop, 2, rng=0, replicates=3, metrics=mine)
    kept = mad.simulate(loop, 2, rng=0, replicates=3, metrics=odd)
    np.testing.assert_array_equal(kept["odd"].sel(generation=2), [np.nan, np.inf, 1.0])
