"""Experiments in cells: finished ones are kept, damaged ones are computed again, numbers stay the same."""

import time

import numpy as np
import pytest
import xarray as xr

from simulations import _cells
from simulations._cells import run_cells, seconds

CELLS = [{"seed": seed, "size": 3} for seed in range(3)]


def cell(*, seed, size):
    """Squares of normals; an experiment of a moment."""
    values = np.random.default_rng(seed).normal(size=size) ** 2
    return xr.Dataset({"value": ("point", values)}, attrs={"seed": seed})


def other(*, seed, size):
    """Another experiment of the same module, with the same cells."""
    return cell(seed=seed + 100, size=size)


def broken(*, seed, size):
    """Fails in its second cell."""
    if seed == 1:
        raise RuntimeError("killed")
    return cell(seed=seed, size=size)


def test_cells_are_kept_and_skipped(tmp_path, monkeypatch):
    first = run_cells(cell, CELLS, folder=tmp_path, n_jobs=1)
    assert len(list(tmp_path.glob("*.nc"))) == 3
    computed = []
    monkeypatch.setattr(_cells.storage, "save", lambda *a: computed.append(a))
    again = run_cells(cell, CELLS, folder=tmp_path, n_jobs=1)
    assert not computed
    for one, other in zip(first, again, strict=True):
        xr.testing.assert_identical(one, other)
    without = run_cells(cell, CELLS, n_jobs=1)
    for one, other in zip(first, without, strict=True):
        assert np.array_equal(one.value, other.value)


def test_what_was_finished_before_a_kill_is_not_done_again(tmp_path):
    with pytest.raises(RuntimeError, match="killed"):
        run_cells(broken, CELLS, folder=tmp_path, n_jobs=1)
    assert len(list(tmp_path.glob("*.nc"))) == 1


def test_two_processes_give_the_same_numbers(tmp_path):
    one, two = (run_cells(cell, CELLS, folder=tmp_path / str(n), n_jobs=n) for n in (1, 2))
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a.value, b.value)


def test_two_experiments_of_a_module_do_not_share_cells(tmp_path):
    one, two = (run_cells(function, CELLS[:1], folder=tmp_path, n_jobs=1)[0] for function in (cell, other))
    assert not np.array_equal(one.value, two.value)


def test_a_damaged_cell_is_computed_again(tmp_path):
    first = run_cells(cell, CELLS[:1], folder=tmp_path, n_jobs=1)[0]
    (path,) = tmp_path.glob("*.nc")
    path.write_bytes(path.read_bytes()[:100])
    again = run_cells(cell, CELLS[:1], folder=tmp_path, n_jobs=1)[0]
    assert np.array_equal(first.value, again.value)


def test_other_cells_and_other_code_are_other_files(tmp_path, monkeypatch):
    run_cells(cell, CELLS[:1], folder=tmp_path, n_jobs=1)
    run_cells(cell, [{"seed": 0, "size": 4}], folder=tmp_path, n_jobs=1)
    assert len(list(tmp_path.glob("*.nc"))) == 2
    monkeypatch.setattr(_cells, "_code", lambda function: "changed")
    run_cells(cell, CELLS[:1], folder=tmp_path, n_jobs=1)
    assert len(list(tmp_path.glob("*.nc"))) == 3


def test_seconds_count_the_cells_that_were_used(tmp_path):
    run_cells(cell, CELLS, folder=tmp_path, n_jobs=1)
    for path in tmp_path.glob("*.nc"):
        kept = _cells.storage.load(path)
        _cells.storage.save(kept.assign_attrs(seconds=10.0), path)
    now = time.time()
    assert seconds(tmp_path, now) == 0
    run_cells(cell, CELLS[:2], folder=tmp_path, n_jobs=1)
    assert seconds(tmp_path, now) == 20
