"""Sweeps that are interrupted: the next call ends with the bits of one that was not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import pytest
import xarray as xr

import madtheory as mad
from madtheory.sweeps import SweepError, run_cells

ROOT = Path(mad.__file__).parents[1]


def draw(seed, flag=""):
    """Return numbers of a cell; the first time that the seed is 3, kill the worker."""
    if flag and seed == 3 and not Path(flag).exists():
        Path(flag).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return xr.Dataset({"x": ("i", np.random.default_rng(seed).normal(size=3))})


def die(seed):
    if seed == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return xr.Dataset({"x": float(seed)})


def test_a_killed_worker_loses_nothing(tmp_path):
    cells = [{"seed": seed, "flag": str(tmp_path / "killed")} for seed in range(8)]
    with joblib.parallel_config("loky", n_jobs=2):
        after = run_cells(draw, cells, store=tmp_path / "store")
    assert (tmp_path / "killed").exists()
    for cell, dataset in zip(cells, after, strict=True):
        assert dataset.identical(draw(cell["seed"]))


def test_a_cell_that_kills_its_worker_each_time_fails_alone(tmp_path):
    cells = [{"seed": seed} for seed in range(5)]
    with (
        joblib.parallel_config("loky", n_jobs=2),
        pytest.raises(SweepError, match=r"(?s)1 of 5 cells failed.*seed=2: its worker died each time"),
    ):
        run_cells(die, cells, store=tmp_path)
    kept = run_cells(die, [cell for cell in cells if cell["seed"] != 2], store=tmp_path, n_jobs=1)
    assert [float(dataset["x"]) for dataset in kept] == [0, 1, 3, 4]


PROGRAM = """
import sys, time
import madtheory as mad
from madtheory import metrics, regimes

def fresh(bias, n_synthetic):
    time.sleep(SLEEP)
    regime = regimes.fresh(n_real=20, n_synthetic=n_synthetic)
    return mad.Loop(real=mad.Gaussian.standard(2), model=mad.Gaussian(), regime=regime, bias=bias)

def run(store):
    over = {"bias": [0.5, 0.7, 0.8, 1.0], "n_synthetic": [10, 20, 30, 40]}
    return mad.sweep(fresh, over=over, generations=3,
                     replicates=20, rng=5, metrics=[metrics.total_variance], store=store, n_jobs=JOBS)

if __name__ == "__main__":
    print("started", flush=True)
    run(sys.argv[1])
"""


def start(folder, store, sleep, jobs=2):
    script = folder / "script.py"
    # A job in the background of a shell without job control ignores SIGINT, and its children inherit that.
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    script.write_text(listen + PROGRAM.replace("SLEEP", str(sleep)).replace("JOBS", str(jobs)))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, str(script), str(store)], env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def finish(folder, store, sleep):
    """Complete a sweep in this process, and count the cells that were there before."""
    before = 16 - mad.sweep.open(store).attrs["missing"] if store is not None else 0
    held = {}
    source = PROGRAM.replace("SLEEP", str(sleep)).replace("JOBS", "1")
    exec(compile(source, str(folder / "script.py"), "exec"), held)
    return before, held["run"](store)


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "this took too long"
        time.sleep(0.02)


def test_a_killed_driver_continues(tmp_path):
    store = tmp_path / "store"
    driver = start(tmp_path, store, 0.2)
    wait_for(lambda: len(list(store.glob("*/*.cells"))) >= 2)
    driver.kill()
    driver.wait()
    before, after = finish(tmp_path, store, 0.2)
    assert 2 <= before < 16
    assert after.identical(finish(tmp_path, None, 0.2)[1])
    assert not list(store.glob("*/.*.partial"))


def test_ctrl_c_leaves_no_worker_and_keeps_what_is_finished(tmp_path):
    store = tmp_path / "store"
    driver = start(tmp_path, store, 1.0)
    wait_for(lambda: len(list(store.glob("*/*.cells"))) >= 2)
    assert len(members(driver.pid)) > 1, "negative control: workers are seen"
    os.kill(driver.pid, signal.SIGINT)
    assert driver.wait(60) != 0
    wait_for(lambda: not members(driver.pid), 20)
    assert 16 - mad.sweep.open(store).attrs["missing"] >= 2


def members(session):
    """Return the processes of a session that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, of = path.read_text().rpartition(")")[2].split()[:4]
        except (OSError, ValueError):
            continue
        if int(of) == session and state != "Z":
            found.append(path.parent.name)
    return found


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
import numpy as np, xarray as xr
from madtheory.sweeps import run_cells

def cell(seed):
    return xr.Dataset({"x": ("i", np.random.default_rng(seed).normal(size=10 if seed < 3 else 10_000))})

try:
    run_cells(cell, [{"seed": seed} for seed in range(6)], store=sys.argv[1], n_jobs=1)
except OSError as error:
    print(type(error).__name__, error)
"""


def test_a_full_disk_is_reported_and_the_rest_kept(tmp_path):
    store = tmp_path / "store"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(store)], env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "StorageError" in done.stdout, done.stderr
    assert "the cells written before are kept: make room, and call again" in done.stdout
    files = list(store.glob("*/*.cells"))
    assert files
    assert not list(store.glob("*/.*.partial"))


def test_two_processes_share_the_work(tmp_path):
    store = tmp_path / "store"
    drivers = [start(tmp_path, store, 0.01, jobs=1) for _ in range(2)]
    assert [driver.wait(120) for driver in drivers] == [0, 0]
    before, after = finish(tmp_path, store, 0.01)
    assert before == 16
    assert after.identical(finish(tmp_path, None, 0.01)[1])


def test_a_local_dask_cluster_gives_the_same_bits(tmp_path):
    distributed = pytest.importorskip("distributed")
    cells = [{"seed": seed, "flag": str(tmp_path / "killed")} for seed in range(20)]
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        after = run_cells(draw, cells, store=tmp_path / "store")
    assert (tmp_path / "killed").exists()
    for cell, dataset in zip(cells, after, strict=True):
        assert dataset.identical(draw(cell["seed"]))
