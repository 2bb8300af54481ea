"""Grids of loops: what a cell's numbers are, and that nothing but its coordinates decides them."""

import itertools
import json

import joblib
import numpy as np
import pytest
import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes
from madtheory.sweeps import SweepError
from madtheory.sweeps.engine import _SECONDS, _Pace
from madtheory.sweeps.points import Points, address_of, seed_of
from madtheory.sweeps.precision import looks

GRID = {"bias": [0.5, 0.8, 1.0], "n_synthetic": [10, 100]}
METRICS = (metrics.total_variance, metrics.mean_error)
RUN = {"generations": 4, "replicates": 30, "rng": 0, "metrics": METRICS, "n_jobs": 1, "progress": False}


def fresh(bias, n_synthetic, dim=1):
    regime = regimes.fresh(n_real=20, n_synthetic=n_synthetic)
    return mad.Loop(real=mad.Gaussian.standard(dim), model=mad.Gaussian(), regime=regime, bias=bias)


def swept(over=None, **changed):
    return mad.sweep(changed.pop("make", fresh), over=GRID if over is None else over, **{**RUN, **changed})


def values(result):
    return result.drop_attrs()


# The numbers of a cell ------------------------------------------------------------------------------


def test_a_cell_is_what_simulate_gives_at_its_seed():
    result = swept(quantiles=(0.1, 0.5), keep_replicates=True)
    assert result["total_variance"].dims == ("bias", "n_synthetic", "generation")
    for bias, n_synthetic in itertools.product(*GRID.values()):
        seed = seed_of(0, address_of({"bias": bias, "n_synthetic": n_synthetic}), 0)
        alone = mad.simulate(fresh(bias, n_synthetic), 4, replicates=30, metrics=METRICS, rng=seed)
        cell = result.sel(bias=bias, n_synthetic=n_synthetic)
        for metric in METRICS:
            name = metric.__name__
            draws = alone[name].values
            np.testing.assert_array_equal(cell[f"{name}_replicates"], draws)
            np.testing.assert_array_equal(cell[name], draws.mean(0))
            error = draws.std(0, ddof=1) / np.sqrt(30)
            np.testing.assert_allclose(cell[f"{name}_standard_error"], error, rtol=1e-12)
            np.testing.assert_array_equal(cell[f"{name}_quantiles"], np.quantile(draws, (0.1, 0.5), axis=0))
    assert result["total_variance"].attrs["units"] == "squared units of the points"
    assert result.attrs["seed"] == "0"


def test_a_cell_does_not_depend_on_the_grid_around_it():
    whole = swept()
    turned = swept({"n_synthetic": [100, 10], "bias": [1.0, 0.8, 0.5]}).transpose(*whole.dims)
    xr.testing.assert_equal(values(whole), values(turned.sortby(["bias", "n_synthetic"])))
    one = swept({"bias": 1, "n_synthetic": 100})  # equal numbers of another type, without dimensions
    assert one["total_variance"].dims == ("generation",)
    np.testing.assert_array_equal(one["total_variance"], whole["total_variance"].sel(bias=1, n_synthetic=100))
    zipped = xr.Dataset({"bias": ("case", [0.8, 0.5]), "n_synthetic": ("case", [10, 100])})
    both = swept(zipped)
    assert both["total_variance"].dims == ("case", "generation")
    for i, (bias, n_synthetic) in enumerate([(0.8, 10), (0.5, 100)]):
        cell = whole.sel(bias=bias, n_synthetic=n_synthetic)
        np.testing.assert_array_equal(both["total_variance"][i], cell["total_variance"])
    # Negative control: other coordinates, and another seed, are other draws.
    first, second = whole["mean_error"].sel(n_synthetic=[10, 100]).isel(generation=0, bias=0).values
    assert first != second
    assert not np.isin(swept(rng=1)["total_variance"], whole["total_variance"]).any()


def test_seeds_are_coordinates_and_make_loop_can_ask_for_its_own():
    def seeded(seed):
        return fresh(0.8, 10)

    result = swept({"seed": np.arange(3)}, make=seeded)["total_variance"].isel(generation=1)
    assert len(set(result.values.tolist())) == 3

    def own(bias, rng):
        return xr.Dataset({"draw": np.random.default_rng(rng).normal()})

    one, two = (swept({"bias": grid}, make=own, generations=None)["draw"] for grid in ([1.0], [0.5, 1.0]))
    assert float(one[0]) == float(two[1])
    assert float(two[0]) != float(two[1])


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_engines_give_the_same_bits(backend):
    serial = swept(theory=True)
    with joblib.parallel_config(backend, n_jobs=2):
        assert swept(theory=True, n_jobs=None).identical(serial)


def test_datasets_of_other_experiments_are_swept():
    def count(word, times):
        labels = np.arange(times)
        return xr.Dataset({"letters": ("place", labels * len(word)), "first": word[0]}, {"place": labels})

    result = mad.sweep(count, over={"word": ["on", "the"], "times": [1, 3]}, n_jobs=1)
    assert result["letters"].sel(word="the", times=3).values.tolist() == [0, 3, 6]
    np.testing.assert_array_equal(result["letters"].sel(word="on", times=1), [0, np.nan, np.nan])
    assert result["first"].sel(times=1).values.tolist() == ["o", "t"]


# What is kept alongside the means --------------------------------------------------------------------


def test_theory_is_next_to_each_variable():
    result = swept(theory=True, replicates=2000)
    for name in ("total_variance", "mean_error"):
        predicted = result[f"predicted_{name}"]
        assert predicted.attrs["kind"] == "exact mean"
        z = (result[name] - predicted) / result[f"{name}_standard_error"]
        assert float(abs(z).max()) < 5
        # Power: a theory that is off by ten standard errors is seen.
        off = (result[name] - predicted) / result[f"{name}_standard_error"] + 10
        assert float(off.max()) > 5

    def mixture(bias):
        real = mad.sources.two_moons()
        return mad.Loop(real=real, model=mad.Mixture(2), regime=regimes.replace(n=30), bias=bias)

    none = swept({"bias": [0.5]}, make=mixture, theory=True, generations=2, replicates=2)
    assert not [name for name in none if str(name).startswith("predicted")]
    assert "bias" in none.attrs["omitted"]


def test_generations_follow_the_point_or_theory():
    longer = swept(generations=lambda bias, n_synthetic: 3 if bias < 0.7 else 5)
    assert longer["generations"].values.tolist() == [[3, 3], [5, 5], [5, 5]]
    assert np.isnan(longer["total_variance"].sel(bias=0.5, generation=[4, 5])).all()
    assert not np.isnan(longer["total_variance"].sel(bias=0.8)).any()
    settled = swept(generations="stationary", theory=True, replicates=2)
    assert settled["total_variance"].dims == ("bias", "n_synthetic")
    for bias, n_synthetic in itertools.product(*GRID.values()):
        limit = mad.theory.gaussian.stationary(n_real=20, n_synthetic=n_synthetic, bias=bias)
        length = int(settled["generations"].sel(bias=bias, n_synthetic=n_synthetic))
        path = mad.theory.gaussian.fresh(
            n_real=20, n_synthetic=n_synthetic, bias=bias, generations=max(length, 2)
        )
        for name in ("total_variance", "mean_error"):
            off = np.abs(np.asarray(path[name]) / float(limit[name]) - 1)
            assert off[length - 1] < 0.0055, "half a percent, and a tenth of it for the rest of the way"
        early = [
            abs(float(path[name][length // 2 - 1]) / float(limit[name]) - 1)
            for name in ("total_variance", "mean_error")
        ]
        assert length < 4 or max(early) > 0.0055, "power: half of the way is not enough"
    with pytest.raises(ValueError, match=r"do not settle.*pass a number"):
        mad.sweep(
            lambda bias: mad.Loop(
                real=mad.Gaussian.standard(1), model=mad.Gaussian(), regime=regimes.replace(n=10), bias=bias
            ),
            over={"bias": [1.0]},
            generations="stationary",
            n_jobs=1,
        )


def test_a_target_error_adds_replicates_to_those_that_are_there(tmp_path):
    target = {"total_variance": 0.02}
    some = swept(target_error=target, store=tmp_path)
    error = some["total_variance_standard_error"]
    assert (error <= 0.02).all()
    assert some["replicates"].values.min() < some["replicates"].values.max()
    assert set((some["replicates"].values / 30).ravel()) <= set(looks(100))
    # The first look at which the error is small enough, whatever a store holds beyond it.
    more = swept(target_error={"total_variance": 0.015}, store=tmp_path)
    assert (more["replicates"] > some["replicates"]).any()
    assert more.identical(swept(target_error={"total_variance": 0.015}))
    assert swept(target_error=target, store=tmp_path).identical(some)
    # The first block is that of a sweep without a target.
    kept = swept({"bias": 1.0, "n_synthetic": 10}, target_error=target, keep_replicates=True)
    first = swept({"bias": 1.0, "n_synthetic": 10}, keep_replicates=True)["total_variance_replicates"]
    np.testing.assert_array_equal(kept["total_variance_replicates"][:30], first)
    draws = kept["total_variance_replicates"].values
    np.testing.assert_allclose(kept["total_variance"], draws.mean(0), rtol=1e-12)
    standard_error = draws.std(0, ddof=1) / np.sqrt(len(draws))
    np.testing.assert_allclose(kept["total_variance_standard_error"], standard_error, rtol=1e-12)
    with pytest.warns(UserWarning, match="target_error was not reached at 6 of 6 points"):
        swept(target_error=1e-9, max_replicates=60)


# Where a level set passes ---------------------------------------------------------------------------


def effective(bias, n_real, n_synthetic):
    limit = mad.theory.gaussian.stationary(n_real=n_real, n_synthetic=n_synthetic, bias=bias, dim=100)
    size = mad.theory.gaussian.invert_real_fit(
        wasserstein2_squared=float(limit["wasserstein2_squared"]), dim=100
    )
    return xr.Dataset({"effective_ratio": float(size) / n_real})


def test_a_boundary_is_found_to_one_percent_at_a_tenth_of_the_cells():
    over = {"bias": [0.5, 0.7, 0.85], "n_real": 100, "n_synthetic": [10, 100, 1000, 10_000]}
    found = mad.sweep(effective, over=over, refine="effective_ratio", n_jobs=1)
    along = found["crossing_axis"] == "n_synthetic"
    last = 0
    for bias, n_synthetic in zip(
        found["crossing_bias"].values[along], found["crossing_n_synthetic"].values[along], strict=True
    ):
        if n_synthetic > 100:
            exact = float(mad.theory.gaussian.admissible_n_synthetic(n_real=100, bias=bias, dim=100))
            assert n_synthetic == pytest.approx(exact, rel=0.01)
            last += 1
    assert last == 3
    # A grid with the same resolution: steps of one percent over three decades, and as many biases.
    full = 3 * round(np.log(1000) / 0.01)
    assert found.sizes["point"] < full / 10
    # Along the other axis the crossing is where the same curve passes.
    across = found.isel(crossing=(~along).values)
    for bias, n_synthetic in zip(across["crossing_bias"], across["crossing_n_synthetic"], strict=True):
        ratio = float(effective(float(bias), 100, int(n_synthetic))["effective_ratio"])
        assert ratio == pytest.approx(1, abs=0.02)
    # Negative control: the coarse grid alone does not know the boundary.
    coarse = mad.sweep(effective, over=over, refine="effective_ratio", tolerance=1.0, n_jobs=1)
    ends = coarse["crossing_n_synthetic"].values[coarse["crossing_axis"] == "n_synthetic"]
    exact = [
        float(mad.theory.gaussian.admissible_n_synthetic(n_real=100, bias=b, dim=100)) for b in (0.5, 0.7)
    ]
    assert not all(np.isclose(ends, e, rtol=0.01).any() for e in exact)


def test_refinement_does_not_change_cells(tmp_path):
    goal = {"refine": "total_variance", "level": 0.8, "tolerance": 0.05, "record": "last"}
    found = swept({"bias": [0.5, 1.0], "n_synthetic": [10, 100]}, store=tmp_path, **goal)
    assert found.sizes["point"] > 4
    at = found.isel(point=-1)
    alone = swept({"bias": at["bias"].item(), "n_synthetic": at["n_synthetic"].item()}, record="last")
    assert float(alone["total_variance"]) == float(at["total_variance"])
    assert (found["crossing_standard_error"] > 0).all()
    opened = mad.sweep.open(tmp_path)
    np.testing.assert_array_equal(opened["total_variance"], found["total_variance"])
    with pytest.raises(ValueError, match=r"refine='nothing' is not a variable; there are total_variance"):
        swept(refine="nothing")


# Cells that fail, and what is kept ------------------------------------------------------------------


def broken(bias, n_synthetic):
    if bias == 0.8:
        raise ZeroDivisionError("by design")
    return fresh(bias, n_synthetic)


def test_failing_cells_are_reported_and_the_others_kept(tmp_path):
    with pytest.warns(UserWarning, match=r"(?s)2 of 6 cells failed.*bias=0.8, n_synthetic=10: ZeroDivision"):
        result = swept(make=broken, store=tmp_path)
    failed = result.sel(bias=0.8)
    assert np.isnan(failed["total_variance"]).all()
    assert "ZeroDivisionError: by design" in str(failed["error"].values[0])
    assert (result["error"].sel(bias=[0.5, 1.0]) == "").all()
    np.testing.assert_array_equal(
        result["total_variance"].sel(bias=1.0), swept()["total_variance"].sel(bias=1.0)
    )
    with pytest.raises(SweepError, match="1 of 1 cells failed") as caught:
        swept({"bias": [0.5], "n_synthetic": [10]}, metrics=[_failing], store=tmp_path)
    assert caught.value.errors[0][0] == {"bias": 0.5, "n_synthetic": 10}


def _failing(snapshot):
    raise RuntimeError("no number")


def test_finished_cells_are_read_and_others_computed(tmp_path, monkeypatch):
    first = swept(store=tmp_path)
    count = computed(monkeypatch)
    assert swept(store=tmp_path).identical(first)
    assert count == []
    wider = swept(GRID | {"bias": [0.5, 0.9]}, store=tmp_path)
    assert sorted(count) == [(0.9, 10), (0.9, 100)]
    xr.testing.assert_equal(values(wider.sel(bias=0.5)), values(first.sel(bias=0.5)))
    assert values(mad.sweep.open(tmp_path)).identical(values(wider))
    # Another seed is another sweep, in the same folder.
    swept(store=tmp_path, rng=1)
    assert len(count) == 2 + 6
    swept(store=tmp_path)
    assert len(count) == 2 + 6


def computed(monkeypatch):
    """List the points that are computed from now on, in this process."""
    from madtheory.sweeps.loops import Description

    count, original = [], Description.__call__

    def counted(self, point, block):
        count.append(tuple(point.values()))
        return original(self, point, block)

    monkeypatch.setattr(Description, "__call__", counted)
    return count


def test_a_damaged_file_is_computed_again(tmp_path, monkeypatch):
    first = swept(store=tmp_path)
    files = sorted(tmp_path.glob("*/*.cells"))
    content = bytearray(files[0].read_bytes())
    content[len(content) // 2] ^= 1
    files[0].write_bytes(content)
    files[1].write_bytes(b"")
    assert mad.sweep.open(tmp_path).attrs["missing"] >= 2
    count = computed(monkeypatch)
    assert swept(store=tmp_path).identical(first)
    assert count


def test_other_code_is_another_sweep(tmp_path, monkeypatch):
    def scaled(factor):
        def variance(snapshot):
            return factor * metrics.total_variance(snapshot)

        return variance

    one, two = (swept(store=tmp_path, metrics=[scaled(f)])["variance"] for f in (1.0, 2.0))
    np.testing.assert_allclose(two, 2 * one)


def test_open_reads_while_cells_are_missing(tmp_path):
    with pytest.raises(mad.storage.StorageError, match="holds no sweep"):
        mad.sweep.open(tmp_path)
    whole = swept(store=tmp_path)
    for path in sorted(tmp_path.glob("*/*.cells"))[1:]:
        path.unlink()
    opened = mad.sweep.open(tmp_path)
    there = ~np.isnan(opened["total_variance"])
    assert 0 < int(there.sum()) < there.size
    np.testing.assert_array_equal(
        opened["total_variance"].values[there], whole["total_variance"].values[there.values]
    )


def test_a_sweep_of_many_cells_is_read_back_whole(tmp_path):
    grid = {"bias": np.linspace(0.5, 1, 20), "n_synthetic": np.arange(10, 60)}
    result = swept(grid, store=tmp_path, generations=1, replicates=2)
    assert mad.sweep.open(tmp_path)["total_variance"].identical(result["total_variance"])
    assert len(list(tmp_path.glob("*/*.cells"))) < 500, "several cells share a file"


# Cost -----------------------------------------------------------------------------------------------


def test_a_plan_measures_the_corners(tmp_path, monkeypatch):
    count = computed(monkeypatch)
    planned = swept(plan=True, store=tmp_path)
    assert sorted(count) == [(0.5, 10), (0.5, 100), (1.0, 10), (1.0, 100)]
    assert (planned.cells, planned.finished, planned.workers) == (6, 4, 1)
    assert 0 < planned.cpu_seconds < 10
    assert planned.memory > 2**24
    held = sum(path.stat().st_size for path in tmp_path.glob("*/*.cells"))
    assert planned.disk == pytest.approx(held / 4 * 6, rel=0.2)
    assert "6 cells, 4 of them finished: about" in str(planned)
    swept(store=tmp_path)
    assert len(count) == 6


def test_tasks_last_about_a_second():
    pace = _Pace()
    assert pace.size(1000, 2) == 1
    for _ in range(10):
        pace.add(0.01)
    sizes = [pace.size(10_000, 2) for _ in range(6)]
    assert sizes == [4, 16, 64, 100, 100, 100]
    assert 0.5 * _SECONDS < sizes[-1] * 0.01 <= _SECONDS
    assert pace.size(8, 2) == 2, "smaller ones at the end"


# Arguments ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "changed"),
    {
        "over=3 is neither": {"over": 3},
        r"over\['bias'\] is empty": {"over": {"bias": []}},
        r"over\['bias'\]=\[nan\] holds NaN": {"over": {"bias": [np.nan]}},
        r"over\['bias'\]=.*has no order": {"over": {"bias": {1, 2}}},
        r"over\['bias'\] has shape \(1, 2\)": {"over": {"bias": [[1, 2]]}},
        r"over\['bias'\]=\[1, 'a'\] cannot be": {"over": {"bias": [1, "a"]}},
        "over has the coordinate 'replicate'": {"over": {"replicate": [1]}},
        "unexpected keyword argument 'unknown'": {"over": {"unknown": [1]}},
        "n_synthetic=-1": {"over": {"bias": [1], "n_synthetic": [-1]}},
        "generations=0 is not a positive integer": {"generations": 0},
        "generations='long' is unknown": {"generations": "long"},
        "replicates=0": {"replicates": 0},
        "metrics holds 3": {"metrics": [3]},
        "rng=-1 is not a seed": {"rng": -1},
        "method='both' is unknown": {"method": "both"},
        r"record=\[9\] must list": {"record": [9]},
        "quantiles=2": {"quantiles": 2},
        "theory=1 is not a bool": {"theory": 1},
        "target_error=-1 is not a": {"target_error": -1},
        "names ..nothing": {"target_error": {"nothing": 1}},
        "max_replicates=5 is not an integer of at least 30": {"target_error": 1, "max_replicates": 5},
        "tolerance=0 is not a": {"tolerance": 0},
        "level='x' is not a": {"level": "x"},
        "store=3 is not a path": {"store": 3},
        "needs a seed that can be given again": {"store": "somewhere", "rng": None},
        "make_loop=3 cannot be called": {"make": 3},
        "returned None, which is not a Loop": {"make": lambda bias, n_synthetic: None},
    }.items(),
)
def test_errors_name_the_argument_before_anything_is_computed(error, changed, monkeypatch):
    count = computed(monkeypatch)
    with pytest.raises((ValueError, TypeError), match=error):
        swept(changed.pop("over", None), **changed)
    assert count == []


def test_points_are_described_as_json():
    points = Points.of({"bias": [0.1, 1e-300], "n": np.array([3], dtype=np.int32), "law": "normal"}, fresh)
    again = Points.from_description(json.loads(json.dumps(points.describe())))
    assert again.as_list() == points.as_list()
    assert [address_of(point) for point in again.as_list()] == [
        address_of(point) for point in points.as_list()
    ]


def test_equal_numbers_have_one_address():
    same = [{"a": 1, "b": 0.5}, {"b": np.float64(0.5), "a": 1.0}, {"a": np.int8(1), "b": 0.5}]
    assert len({address_of(point) for point in same}) == 1
    other = [{"a": 1, "b": 0.25}, {"a": 0.5, "b": 1}, {"a": True, "b": 0.5}, {"a": "1", "b": 0.5}, {"a": 1}]
    assert len({address_of(point) for point in [same[0], *other]}) == 6
