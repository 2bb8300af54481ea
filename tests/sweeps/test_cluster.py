"""Two thousand loops on a local Dask cluster whose workers and driver are killed: the bits of one process."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import madtheory as mad
from madtheory import metrics, regimes

ROOT = Path(mad.__file__).parents[1]
pytestmark = pytest.mark.slow

DRIVER = """
import sys
import joblib, numpy as np
from distributed import Client
import test_cluster

if __name__ == "__main__":
    with Client(sys.argv[1]), joblib.parallel_config(backend="dask"):
        test_cluster.sweep(sys.argv[2])
"""


def loop(bias, n_synthetic):
    regime = regimes.fresh(n_real=100, n_synthetic=n_synthetic)
    return mad.Loop(real=mad.Gaussian.standard(10), model=mad.Gaussian(), regime=regime, bias=bias)


def sweep(store, **how):
    over = {"bias": np.linspace(0.5, 1, 40), "n_synthetic": np.arange(100, 1100, 20)}
    return mad.sweep(
        loop, over=over, generations=60, replicates=400, rng=0, metrics=[metrics.total_variance],
        store=store, progress=False, **how,
    )  # fmt: skip


def test_a_sweep_survives_the_death_of_workers_and_of_its_driver(tmp_path):
    distributed, psutil = pytest.importorskip("distributed"), pytest.importorskip("psutil")
    (tmp_path / "driver.py").write_text(DRIVER)
    store, stop, killed, held = tmp_path / "store", threading.Event(), [], [0]
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as cluster:

        def workers():
            # Those that work: Dask does not start a worker again that dies while it starts.
            known = set(cluster.scheduler.workers)
            return [worker.pid for worker in cluster.workers.values() if worker.worker_address in known]

        def kill_workers():
            last = time.monotonic()
            while not stop.wait(0.2):
                for pid in workers():
                    try:
                        held[0] = max(held[0], psutil.Process(pid).memory_info().rss)
                    except psutil.NoSuchProcess:
                        continue
                if time.monotonic() - last > 10 and (alive := workers()):
                    os.kill(alive[len(killed) % len(alive)], signal.SIGKILL)
                    killed.append(alive)
                    last = time.monotonic()

        killer = threading.Thread(target=kill_workers)
        killer.start()
        try:
            for patience in (60, 60, None):
                driver = subprocess.Popen(
                    [sys.executable, tmp_path / "driver.py", cluster.scheduler_address, store],
                    env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}"},
                )
                try:
                    assert driver.wait(patience) == 0
                except subprocess.TimeoutExpired:
                    driver.kill()
                    driver.wait()
        finally:
            stop.set()
            killer.join()
    assert len(killed) >= 2
    assert held[0] < 500 * 2**20
    after = mad.sweep.open(store)
    assert after.attrs["missing"] == 0
    assert after.drop_attrs().identical(sweep(None, n_jobs=1).drop_attrs())


SCHEDULER = """
import os, sys
import joblib
from distributed import Client
import test_cluster

if __name__ == "__main__":
    with Client(sys.argv[1]), joblib.parallel_config(backend="dask"):
        try:
            test_cluster.sweep(sys.argv[2])
        except ConnectionError as error:
            print(error, flush=True)
            os._exit(3)
"""


def test_a_dead_scheduler_is_reported_and_what_is_finished_is_kept(tmp_path):
    pytest.importorskip("distributed")
    (tmp_path / "driver.py").write_text(SCHEDULER)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}"}
    address, store = "tcp://127.0.0.1:18786", tmp_path / "store"

    def start(*command, **how):
        return subprocess.Popen(
            [sys.executable, *map(str, command)], env=environment, text=True, stderr=subprocess.DEVNULL, **how
        )

    scheduler = start(
        "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "18786", "--no-dashboard"
    )
    worker = start("-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--nworkers", "2")
    driver = start(tmp_path / "driver.py", address, store, stdout=subprocess.PIPE)
    try:
        end = time.monotonic() + 300
        while len(list(store.glob("*/*.cells"))) < 3:
            assert time.monotonic() < end
            time.sleep(0.1)
        scheduler.kill()
        said, _ = driver.communicate(timeout=120)
    finally:
        for process in (scheduler, worker, driver):
            process.kill()
            process.wait()
    assert driver.returncode == 3
    assert "scheduler cannot be reached any more" in said
    kept = mad.sweep.open(store)
    assert kept.attrs["missing"] < 2000
    there = kept["total_variance"].isel(generation=0).stack(point=("bias", "n_synthetic")).dropna("point")
    bias, n_synthetic = there["point"].values[0]
    over = {"bias": bias, "n_synthetic": int(n_synthetic)}
    alone = mad.sweep(
        loop, over=over, generations=60, replicates=400, rng=0, metrics=[metrics.total_variance], n_jobs=1
    )
    np.testing.assert_array_equal(alone["total_variance"], kept["total_variance"].sel(over))
