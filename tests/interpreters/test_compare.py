"""Simulation alongside theory: labels are respected, scores are calibrated, weak tests say so."""

import itertools
import warnings

import numpy as np
import pytest
import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes, testing
from madtheory.interpreters.compare import normal_score

RNG = np.random.default_rng
LOOP = mad.Loop(real=mad.Gaussian.standard(2), model=mad.Gaussian(), regime=regimes.replace(n=30), bias=0.9)
RUN = {"replicates": 200, "metrics": [metrics.total_variance, metrics.mean_error], "rng": 0}


@pytest.fixture(scope="module")
def simulated():
    return mad.simulate(LOOP, 6, **RUN)


@pytest.fixture(scope="module")
def predicted():
    return mad.predict(LOOP, 6)


# Labels -----------------------------------------------------------------------------------------------


def test_quantiles_are_not_replicates(predicted):
    quantiles = mad.simulate(LOOP, 6, **RUN, quantiles=(0.1, 0.5, 0.9))
    with pytest.raises(ValueError, match=r"holds quantiles \[0.1, 0.5, 0.9\]"):
        testing.assert_mean_matches(quantiles["total_variance"], predicted["total_variance"])
    with pytest.raises(ValueError, match="holds quantiles"):
        testing.assert_rate_matches(np.log(quantiles["total_variance"]), 0.0)
    with pytest.raises(ValueError, match="holds quantiles"):
        testing.assert_agrees(quantiles, predicted)
    unnamed = quantiles["total_variance"].rename(quantile="seed")
    with pytest.raises(ValueError, match="without 'replicate'"):
        testing.assert_mean_matches(unnamed, predicted["total_variance"])


def test_generations_are_aligned(simulated, predicted):
    late, early = mad.simulate(LOOP, 6, **RUN, record=[4, 5, 6]), predicted.sel(generation=[1, 2, 3])
    with pytest.raises(ValueError, match="no value for generation 4, 5, 6; it has generation 1, 2, 3"):
        testing.assert_mean_matches(late["total_variance"], early["total_variance"])
    with pytest.raises(ValueError, match="no value for generation 4"):
        testing.assert_agrees(late, early)
    with pytest.raises(ValueError, match="std has no value for generation 4"):
        testing.assert_mean_matches(
            late["total_variance"], predicted["total_variance"], std=early["total_variance_std"]
        )
    with pytest.raises(ValueError, match="generation 6, and the samples have generation 4, 5, 6"):
        testing.assert_mean_matches(late["total_variance"], predicted["total_variance"].isel(generation=-1))
    # More theory than samples is fine, in any order of labels and dimensions.
    testing.assert_mean_matches(late["total_variance"], predicted["total_variance"])
    testing.assert_mean_matches(late["total_variance"].T, predicted["total_variance"][::-1])
    testing.assert_mean_matches(late["total_variance"].sel(generation=5), predicted["total_variance"])
    testing.assert_agrees(late, predicted)
    wrong = predicted["total_variance"].copy()
    wrong.loc[{"generation": 6}] *= 2
    with pytest.raises(AssertionError, match=r"mean\[generation 6\]"):
        testing.assert_mean_matches(late["total_variance"], wrong)


def test_plain_arrays_are_compared_by_position(simulated, predicted):
    values, expected = simulated["total_variance"].values, predicted["total_variance"].values
    testing.assert_mean_matches(values, expected)
    with pytest.raises(ValueError, match="Replicates go along the first axis"):
        testing.assert_mean_matches(values.T, expected)
    with pytest.raises(ValueError, match=r"shape \(1,\)"):
        testing.assert_mean_matches(values, expected[:1])
    with pytest.raises(TypeError, match="is a Dataset"):
        testing.assert_mean_matches(simulated, expected)


def test_rates_know_their_generations():
    run = mad.simulate(LOOP, 40, replicates=100, metrics=[metrics.log_volume], rng=0, record=[1, 11, 40])
    logs = run["log_volume"]
    rate = float(mad.predict(LOOP, 2)["log_volume"].diff("generation")[0])
    testing.assert_rate_matches(logs, rate)
    testing.assert_rate_matches(logs.T, rate)
    with pytest.raises(AssertionError, match="generations 1 to 40"):
        testing.assert_rate_matches(logs, 0.5 * rate)
    for arguments in (
        {"generation": [1, 2, 3]},
        {"generation": [1, 11]},
    ):
        with pytest.raises(ValueError, match="generation"):
            testing.assert_rate_matches(logs, rate, **arguments)
    with pytest.raises(ValueError, match="without 'replicate'"):
        testing.assert_rate_matches(logs.mean("replicate"), rate)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: testing.assert_mean_matches(x, 0.0, std=np.inf),
        lambda x: testing.assert_mean_matches(x, 0.0, std=-1.0),
        lambda x: testing.assert_mean_matches(x, 0.0, limit=0.0),
        lambda x: testing.assert_mean_matches(x, 0.0, level=2.0),
        lambda x: testing.assert_mean_matches(x, 0.0, bound="above"),
        lambda x: testing.assert_mean_matches(x, "a"),
        lambda x: testing.assert_mean_matches([], 0.0),
        lambda x: testing.assert_mean_matches(np.ma.masked_less(x, 0), 0.0),
        lambda x: testing.smallest_detectable(std=1.0, n=5, probability=5),
        lambda x: testing.power(1.0, std=np.nan, n=5),
        lambda x: testing.power(1.0, std=1.0, n=0),
        lambda x: testing.assert_rate_matches(x[:, None] + [0.0, 1.0], [1.0, 2.0]),
    ],
)
def test_bad_arguments_are_refused(call):
    with pytest.raises(ValueError, match=r"=|samples|expected"):
        call(RNG(0).normal(size=20))


# Calibration ------------------------------------------------------------------------------------------

ONE_PERCENT = 2.5758293035489004


def failures(samples, expected, **keywords):
    count = 0
    for sample in samples:
        try:
            testing.assert_mean_matches(sample, expected, **keywords)
        except AssertionError:
            count += 1
    return count / len(samples)


@pytest.mark.parametrize("n", [3, 5, 10, 100])
def test_one_percent_of_right_runs_fail(n):
    """10,000 runs: 1 % +- 0.1 %; with the deviation of theory, and for a whole call of four values."""
    samples = RNG(n).normal(2.0, 3.0, size=(10_000, n))
    assert 0.007 < failures(samples, 2.0, limit=ONE_PERCENT) < 0.013
    known = failures(samples[:2_500], 2.0, level=0.1, std=3.0)
    assert abs(known - 0.1) < 5 * np.sqrt(0.1 * 0.9 / 2_500)
    several = RNG(n).normal(size=(2_500, n, 4))
    assert abs(failures(several, np.zeros(4), level=0.1) - 0.1) < 5 * np.sqrt(0.1 * 0.9 / 2_500)
    # Control: the normal quantile that was used before fails 10 to 25 times too often with few replicates.
    z = np.abs(samples.mean(1) - 2.0) / samples.std(1, ddof=1) * np.sqrt(n)
    assert ((z > ONE_PERCENT).mean() > 0.013) == (n < 100)


@pytest.mark.parametrize("n", [3, 5, 10, 100])
def test_power_with_an_estimated_deviation(n):
    """2,000 wrong expectations of known power 0.9; |z| < 5."""
    error = testing.smallest_detectable(std=3.0, n=n, limit=ONE_PERCENT, estimated=True)
    assert testing.power(error, std=3.0, n=n, limit=ONE_PERCENT, estimated=True) == pytest.approx(0.9)
    seen = failures(RNG(n).normal(0.0, 3.0, size=(2_000, n)), error, limit=ONE_PERCENT)
    assert abs(seen - 0.9) < 5 * np.sqrt(0.09 / 2_000)
    assert error > testing.smallest_detectable(std=3.0, n=n, limit=ONE_PERCENT)


def test_normal_scores():
    from scipy.stats import norm, t

    for dof in (1, 2, 9, 99):
        for value in (0.0, 0.3, -2.0, 7.0, -30.0):
            if 0 < t.sf(abs(value), dof) > 1e-250:
                expected = np.sign(value) * norm.isf(t.sf(abs(value), dof))
                assert normal_score(value, dof) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    # Beyond the underflow of the tail: continuous, monotone, below t.
    scores = normal_score(np.array([25.0, 30, 40, 426, 1e4, 1e200]), 499)
    assert (np.diff(scores) > 0).all()
    assert np.isfinite(scores).all()
    assert scores[3] < 426
    assert normal_score(np.inf, 5) == np.inf
    assert normal_score(3.0, np.inf) == 3.0
    edge = normal_score(np.array([41.5, 42.0, 42.5, 43.0, 43.5, 44.0, 44.5]), 2_000)
    assert np.ptp(np.diff(edge)) < 0.02


# Whole datasets ---------------------------------------------------------------------------------------


def changed(predicted, name, factor):
    return predicted.assign({name: (factor * predicted[name]).assign_attrs(predicted[name].attrs)})


def test_a_right_loop_agrees_and_a_wrong_one_does_not(simulated, predicted):
    told = testing.assert_agrees(simulated, predicted)
    assert "standard deviation from theory (total_variance_std)" in told["total_variance"]
    assert told["log_volume"] == "not tested: log_volume was not simulated"
    assert set(told) == set(map(str, predicted.data_vars))
    for name, factor in (("total_variance", 1.3), ("mean_error", 4.0), ("total_variance_std", 0.3)):
        with pytest.raises(AssertionError, match=rf"{name}\[generation \d\]"):
            testing.assert_agrees(simulated, changed(predicted, name, factor))
    with pytest.raises(ValueError, match="nothing can be tested"):
        testing.assert_agrees(simulated.rename(total_variance="a", mean_error="b"), predicted)
    with pytest.raises(ValueError, match="predicted lacks"):
        testing.assert_agrees(simulated, predicted, variables=["variance"])
    with pytest.raises(TypeError, match="pass a Dataset"):
        testing.assert_agrees(simulated["total_variance"], predicted)


FALSE_ALARMS = {
    "replace": regimes.replace(n=40),
    "augment": regimes.augment(n_real=20, n_synthetic=40),
    "accumulate": regimes.accumulate(n=30),
    "accumulate_subsample": regimes.accumulate_subsample(n=40),
    "fresh": regimes.fresh(n_real=20, n_synthetic=40),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FALSE_ALARMS)
@pytest.mark.filterwarnings("ignore:.*:UserWarning")  # with 12 replicates some tests are powerless
def test_right_loops_fail_no_more_often_than_the_level(name):
    """400 right simulations at the level 5 %, in 1 and 4 dimensions, of 12 and 100 replicates."""
    alarms = seen = 0
    for dim, replicates in itertools.product((1, 4), (12, 100)):
        loop = mad.Loop(
            real=mad.Gaussian.standard(dim), model=mad.Gaussian(), regime=FALSE_ALARMS[name], bias=0.9
        )
        predicted = mad.predict(loop, 5)
        measured = [getattr(metrics, variable) for variable in predicted if hasattr(metrics, variable)]
        runs = mad.simulate(loop, 5, replicates=100 * replicates, metrics=measured, rng=dim, progress=False)
        for first in range(0, 100 * replicates, replicates):
            run = runs.isel(replicate=slice(first, first + replicates))
            alarms += fails(run, predicted)
            if replicates == 100:
                seen += fails(run, changed(predicted, "total_variance", 1.4))
    # The level is an upper limit: Bonferroni's for many values that depend on one another.
    assert alarms < 400 * 0.05 + 5 * np.sqrt(400 * 0.05 * 0.95)
    assert seen > 0.9 * 200


def fails(simulated, predicted):
    try:
        testing.assert_agrees(simulated, predicted, level=0.05)
    except AssertionError:
        return True
    return False


def test_bounds_and_leading_orders_are_no_equalities():
    measured = [metrics.wasserstein2_squared]
    run = mad.simulate(LOOP, 4, replicates=300, metrics=measured, rng=0)
    theory = mad.predict(LOOP, 4)
    testing.assert_agrees(run, theory)
    testing.assert_agrees(run, changed(theory, "wasserstein2_squared_lower", 0.5))
    for name, factor in (("wasserstein2_squared_lower", 2.0), ("wasserstein2_squared_upper", 0.5)):
        with pytest.raises(AssertionError, match=name):
            testing.assert_agrees(run, changed(theory, name, factor))
    values = 1.0 + 0.1 * RNG(0).normal(size=(100, 3))
    run = xr.Dataset({"size": (("replicate", "generation"), values)}, {"generation": [1, 2, 3]})
    attrs = {"kind": "leading order in 1/n", "source": "here"}
    theory = xr.Dataset({"size": ("generation", [1.1] * 3, attrs)}, {"generation": [1, 2, 3]})
    with pytest.raises(ValueError, match="leading order in 1/n is not an equality"):
        testing.assert_agrees(run, theory)
    testing.assert_agrees(run, theory, rtol={"size": 0.15})
    with pytest.raises(AssertionError, match="size"):
        testing.assert_agrees(run, theory, rtol={"size": 0.01})


def test_an_almost_sure_rate_is_a_growth():
    steps = RNG(0).normal(-0.2, 0.3, size=(100, 50)).cumsum(1)
    run = xr.Dataset({"spread": (("replicate", "generation"), np.exp(steps))}, {"generation": range(1, 51)})
    for rate, right in ((-0.2, True), (-0.3, False)):
        theory = xr.Dataset({"spread_rate": ((), rate, {"kind": "almost-sure rate"})})
        if right:
            assert "growth of the logarithm" in testing.assert_agrees(run, theory)["spread_rate"]
        else:
            with pytest.raises(AssertionError, match="spread_rate"):
                testing.assert_agrees(run, theory)


def test_a_collapsed_loop_is_powerless_not_wrong():
    """Of `replace(n=10)` over 200 generations the mean lives in replicates that no run contains."""
    loop = mad.Loop(real=mad.Gaussian.standard(1), model=mad.Gaussian(), regime=regimes.replace(n=10))
    measured = [metrics.total_variance, metrics.mean_error, metrics.kl_divergence, metrics.log_volume]
    run = mad.simulate(loop, 200, replicates=500, metrics=measured, rng=0)
    predicted = mad.predict(loop, 200)
    with pytest.warns(UserWarning, match=r"total_variance: \d+ of 200 values.*smallest error detected"):
        testing.assert_agrees(run, predicted)
    with pytest.raises(AssertionError, match=r"z=-"):
        testing.assert_mean_matches(run["total_variance"], predicted["total_variance"])
    # The logarithm keeps its power, and so does an early generation.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        testing.assert_agrees(run, predicted, variables=["log_volume"])
    for name, factor in (("log_volume", 1.3), ("total_variance", 1.5)):
        with pytest.raises(AssertionError, match=name):
            testing.assert_agrees(run, changed(predicted, name, factor), variables=[name])


def test_few_replicates_are_powerless():
    run = mad.simulate(LOOP, 3, replicates=3, metrics=[metrics.kl_divergence], rng=0)
    with pytest.warns(UserWarning, match="raise replicates"):
        testing.assert_agrees(run, mad.predict(LOOP, 3))


# The table --------------------------------------------------------------------------------------------


def test_compare(simulated, predicted):
    table = mad.compare(simulated, predicted)
    assert list(table.index.names) == ["variable", "generation"]
    row = table.loc[("total_variance", 4)]
    draws = simulated["total_variance"].sel(generation=4).values
    error = draws.std(ddof=1) / np.sqrt(200)
    assert row["simulation"] == pytest.approx(draws.mean())
    assert row["standard_error"] == pytest.approx(error)
    assert row["theory"] == float(predicted["total_variance"].sel(generation=4))
    assert row["z"] == pytest.approx(float(normal_score((draws.mean() - row["theory"]) / error, 199)))
    assert row["kind"] == "exact mean"
    assert {"total_variance_std", "mean_error_std"} <= set(table.index.get_level_values(0))
    assert (table["z"].abs() < 5).all()
    assert (mad.compare(simulated, changed(predicted, "total_variance", 1.3))["z"].abs() > 5).any()


def test_compare_takes_any_record(predicted):
    last = mad.compare(mad.simulate(LOOP, 6, **RUN, record="last"), predicted)
    assert set(last.index.get_level_values("generation")) == {6}
    quantiles = mad.compare(mad.simulate(LOOP, 6, **RUN, quantiles=(0.1, 0.5)), predicted)
    assert {"theory", "q0.1", "q0.5"} <= set(quantiles.columns)
    alone = mad.compare(mad.simulate(LOOP, 6, **RUN))
    assert alone["theory"].isna().all()
    assert alone["z"].isna().all()
    short = mad.compare(mad.simulate(LOOP, 6, **RUN), predicted.sel(generation=[1, 2])[["mean_error"]])
    assert short.loc["mean_error"]["z"].notna().tolist() == [True] * 2 + [False] * 4
    bounds = mad.compare(
        mad.simulate(LOOP, 2, replicates=50, metrics=[metrics.wasserstein2_squared], rng=0),
        mad.predict(LOOP, 2),
    )
    assert (bounds["lower"] < bounds["upper"]).all()
    assert bounds["z"].isna().all()
    one = mad.compare(mad.simulate(LOOP, 2, replicates=1, rng=0), mad.predict(LOOP, 2))
    assert one["standard_error"].isna().all()
    with pytest.raises(TypeError, match="pass the Dataset that predict returned"):
        mad.compare(mad.simulate(LOOP, 2, replicates=2, rng=0), LOOP)


def test_what_is_not_a_table_is_refused_by_name(simulated, predicted):
    import xarray as xr

    with pytest.raises(ValueError, match=r"without 'replicate'|simulate returned first"):
        mad.compare(predicted, simulated)
    with pytest.raises(ValueError, match="simulate returned first"):
        mad.compare(simulated, simulated)
    with pytest.raises(ValueError, match="no variables"):
        mad.compare(xr.Dataset(), predicted)
    assert len(mad.compare(simulated, predicted)), "negative control"
