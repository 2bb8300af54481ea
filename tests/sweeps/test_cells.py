"""Cells of any experiment: finished ones are kept, numbers stay the same, failures come at the end."""

from functools import partial

import numpy as np
import pytest
import xarray as xr

from madtheory.sweeps import SweepError, count_seconds, run_cells

CELLS = [{"seed": seed, "size": 3} for seed in range(3)]


def cell(*, seed, size):
    """Squares of normals; an experiment of a moment."""
    values = np.random.default_rng(seed).normal(size=size) ** 2
    labels = {"point": list("abcdefgh"[:size])}
    return xr.Dataset({"value": ("point", values, {"units": "none"})}, labels, attrs={"seed": seed})


def other(*, seed, size):
    """Another experiment of the same module, with the same cells."""
    return cell(seed=seed + 100, size=size)


def broken(*, seed, size):
    """Fails in its second cell."""
    if seed == 1:
        raise RuntimeError("by design")
    return cell(seed=seed, size=size)


def scaled(factor, *, seed, size):
    return cell(seed=seed, size=size) * factor


def files(folder):
    return set(folder.glob("*/*.cells"))


def test_cells_are_kept_and_skipped(tmp_path, monkeypatch):
    first = run_cells(cell, CELLS, store=tmp_path, n_jobs=1)
    kept = files(tmp_path)
    again = run_cells(cell, CELLS, store=tmp_path, n_jobs=1)
    assert files(tmp_path) == kept
    for one, two, keywords in zip(first, again, CELLS, strict=True):
        assert one.identical(two)
        assert one.identical(cell(**keywords))
    more = run_cells(cell, [*CELLS, {"seed": 9, "size": 2}], store=tmp_path, n_jobs=1)
    assert len(files(tmp_path)) == len(kept) + 1
    assert more[3].identical(cell(seed=9, size=2))


def test_what_finished_before_a_failure_is_kept(tmp_path):
    with pytest.raises(SweepError, match=r"1 of 3 cells failed:\n  seed=1, size=3: RuntimeError: by design"):
        run_cells(broken, CELLS, store=tmp_path, n_jobs=1)
    before = files(tmp_path)
    assert run_cells(broken, [CELLS[0], CELLS[2]], store=tmp_path, n_jobs=1)[1].identical(cell(**CELLS[2]))
    assert files(tmp_path) == before


def test_two_experiments_do_not_share_cells(tmp_path):
    one, two = (run_cells(f, CELLS[:1], store=tmp_path, n_jobs=1)[0] for f in (cell, other))
    assert not np.array_equal(one.value, two.value)


def test_a_damaged_file_is_computed_again(tmp_path):
    first = run_cells(cell, CELLS[:1], store=tmp_path, n_jobs=1)[0]
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes()[:100])
    assert run_cells(cell, CELLS[:1], store=tmp_path, n_jobs=1)[0].identical(first)
    assert len(path.read_bytes()) > 100


def test_other_code_is_another_cell(tmp_path):
    one, two = (run_cells(partial(scaled, f), CELLS[:1], store=tmp_path, n_jobs=1)[0] for f in (1.0, 2.0))
    np.testing.assert_array_equal(two.value, 2 * one.value)
    assert len(files(tmp_path)) == 2


def test_seconds_count_the_cells_that_were_used(tmp_path):
    with count_seconds() as first:
        run_cells(cell, CELLS, store=tmp_path, n_jobs=1)
    with count_seconds() as again:
        run_cells(cell, CELLS[:2], store=tmp_path, n_jobs=1)
    assert len(first) == 3
    assert first[:2] == again
    assert all(seconds >= 0 for seconds in first)
