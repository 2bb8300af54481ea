"""Results on disk, and runs that survive a kill."""

import hashlib
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from programs import run_program, start_program

import madtheory as mad
from madtheory import metrics, regimes, storage

LOOP = mad.Loop(
    real=mad.Gaussian.standard(3),
    model=mad.Gaussian(),
    regime=regimes.fresh(n_real=5, n_synthetic=9),
    bias=0.9,
)
RUN = {"replicates": 7, "rng": 4, "metrics": [metrics.total_variance, metrics.mean_error]}

CHILD = """
import sys
import madtheory as mad
from madtheory import regimes, storage
loop = mad.Loop(
    real=mad.Gaussian.standard({dim}), model=mad.Gaussian(), regime=regimes.{regime}, bias=0.9
)
seconds = float(sys.argv[2])
storage.resume(sys.argv[1], loop, {generations}, replicates={replicates}, rng=3, every_seconds=seconds)
"""


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_round_trip_keeps_values_coordinates_and_provenance(tmp_path):
    dataset = mad.simulate(LOOP, 5, **RUN)
    storage.save(dataset, tmp_path / "run.nc")
    assert storage.load(tmp_path / "run.nc").identical(dataset)
    assert sorted(os.listdir(tmp_path)) == ["run.nc"]


def test_saving_again_gives_the_same_bytes(tmp_path):
    dataset = mad.simulate(LOOP, 5, **RUN)
    assert digest(storage.save(dataset, tmp_path / "a.nc")) == digest(
        storage.save(dataset, tmp_path / "b.nc")
    )


def test_predictions_keep_kind_and_source(tmp_path):
    prediction = mad.predict(LOOP, 4)
    storage.save(prediction, tmp_path / "theory.nc")
    again = storage.load(tmp_path / "theory.nc")
    assert again["total_variance"].attrs == prediction["total_variance"].attrs
    assert again["total_variance"].attrs["kind"] == "exact mean"


def test_resume_equals_simulate_and_is_read_back(tmp_path):
    path = tmp_path / "run.nc"
    dataset = storage.resume(path, LOOP, 6, **RUN)
    xr.testing.assert_equal(dataset, mad.simulate(LOOP, 6, **RUN))
    before = path.stat().st_mtime_ns
    assert storage.resume(path, LOOP, 6, **RUN).identical(dataset)
    assert path.stat().st_mtime_ns == before
    assert os.listdir(tmp_path) == ["run.nc"]


@pytest.mark.parametrize("options", [{"method": "samples"}, {"quantiles": (0.1, 0.5)}, {"record": "last"}])
@pytest.mark.parametrize(
    "regime",
    [
        regimes.replace(n=range(6, 46)),
        regimes.accumulate(n=6),
        regimes.augment(n_real=6, n_synthetic=9, memory=3),
        regimes.Regime(n_initial=9, n_synthetic=6, n_carried=4, memory=2),
        regimes.Regime(
            n_initial=9, n_synthetic=6, real_data="fixed", n_real=(4, 0, 9, 2) * 10, n_fresh=3, retain_real=2
        ),
    ],
)
def test_continuing_a_checkpoint_changes_no_bit(tmp_path, regime, options):
    loop = mad.Loop(real=mad.Gaussian.standard(2), model=mad.Gaussian(), regime=regime)
    keywords = RUN | options
    unbroken = storage.resume(tmp_path / "unbroken.nc", loop, 40, **keywords)

    checkpoint_of(tmp_path / "broken.nc", 40, loop, **options)
    assert not (tmp_path / "broken.nc").exists()
    assert storage.resume(tmp_path / "broken.nc", loop, 40, **keywords).identical(unbroken)
    assert digest(tmp_path / "broken.nc") == digest(tmp_path / "unbroken.nc")


def kill_until_done(tmp_path, *, kills, child, seed):
    """Start `child` again and again, killing it at random moments; return the number of kills."""
    assert run_program("pass").returncode == 0  # the imports are made
    began = time.perf_counter()
    assert run_program(child, tmp_path / "unbroken.nc", 1000).returncode == 0
    whole = time.perf_counter() - began
    rng, killed = np.random.default_rng(seed), 0
    path = tmp_path / "killed.nc"
    while not path.exists():
        process = start_program(child, path, 0.05)
        if killed < kills:
            process.join(float(rng.uniform(0.05, 0.25)) * whole)
            process.kill()
        process.join()
        killed += process.exitcode == -signal.SIGKILL
    return killed


@pytest.mark.parametrize(
    "regime",
    [
        "accumulate(n=20)",
        "Regime(n_initial=20, n_synthetic=10, n_carried=10)",
        "Regime(n_initial=20, real_data='fixed', n_real=5, n_fresh=5, n_synthetic=10)",
    ],
)
def test_a_killed_run_gives_the_file_of_an_unbroken_one(tmp_path, regime):
    child = CHILD.format(dim=4, regime=regime, generations=800, replicates=50)
    assert kill_until_done(tmp_path, kills=2, child=child, seed=0) >= 1
    assert digest(tmp_path / "killed.nc") == digest(tmp_path / "unbroken.nc")


@pytest.mark.slow
def test_twenty_kills(tmp_path):
    child = CHILD.format(
        dim=20, regime="fresh(n_real=30, n_synthetic=60, memory=2)", generations=1500, replicates=200
    )
    assert kill_until_done(tmp_path, kills=20, child=child, seed=1) >= 10
    assert digest(tmp_path / "killed.nc") == digest(tmp_path / "unbroken.nc")


def test_damaged_and_foreign_files(tmp_path):
    path = storage.save(mad.simulate(LOOP, 3, **RUN), tmp_path / "run.nc")
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"nothing of the kind"):
        (tmp_path / "damaged.nc").write_bytes(damaged)
        with pytest.raises(storage.StorageError, match=r"damaged\.nc.*damaged or something else"):
            storage.load(tmp_path / "damaged.nc")
    xr.Dataset({"a": 1}).to_netcdf(tmp_path / "foreign.nc", engine="netcdf4")
    with pytest.raises(storage.StorageError, match="not written by this version of madtheory"):
        storage.load(tmp_path / "foreign.nc")
    with pytest.raises(FileNotFoundError, match="is not a file"):
        storage.load(tmp_path / "absent.nc")


def test_resume_refuses_what_belongs_to_another_run(tmp_path):
    path = tmp_path / "run.nc"
    storage.resume(path, LOOP, 3, **RUN)
    with pytest.raises(storage.StorageError, match=r"another run \(seed was 4 and is 5 now\)"):
        storage.resume(path, LOOP, 3, **(RUN | {"rng": 5}))
    with pytest.raises(storage.StorageError, match=r"another run \(replicates was 7 and is 8 now\)"):
        storage.resume(path, LOOP, 3, **(RUN | {"replicates": 8}))
    with pytest.raises(storage.StorageError, match=r"another run \(bias was 0.9 and is 0.8 now\)"):
        storage.resume(path, replace(LOOP, bias=0.8), 3, **RUN)
    with pytest.raises(storage.StorageError, match=r"another run \(real changed\)"):
        storage.resume(path, replace(LOOP, real=mad.Gaussian.standard(4)), 3, **RUN)

    other = tmp_path / "other.nc"
    checkpoint_of(other, 9)
    with pytest.raises(storage.StorageError, match=r"checkpoint of another run \(seed was 4 and is 5 now\)"):
        storage.resume(other, LOOP, 9, **(RUN | {"rng": 5}))
    for damaged in (b"madtheory checkpoint 1\n" + bytes(64), b"madtheory checkpoint 2\n" + bytes(64), b""):
        Path(f"{other}.checkpoint").write_bytes(damaged)
        with pytest.raises(storage.StorageError, match="damaged"):
            storage.resume(other, LOOP, 9, **RUN)


class Killed(BaseException):
    """What kills a run in a test; nothing catches it."""


def checkpoint_of(path, generations, loop=LOOP, after=3, **changes):
    """Start a run and kill it after so many checkpoints."""
    original, written = storage._write_checkpoint, []

    def die(*arguments):
        original(*arguments)
        written.append(arguments)
        if len(written) == after:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "_write_checkpoint", die)
        with pytest.raises(Killed):
            storage.resume(path, loop, generations, every_seconds=0, **(RUN | changes))
    return Path(f"{path}.checkpoint")


def test_errors_name_the_way_out(tmp_path):
    with pytest.raises(ValueError, match=r"rng=None.*pass an int"):
        storage.resume(tmp_path / "run.nc", LOOP, 3, replicates=2)
    with pytest.raises(ValueError, match="every_seconds=-1"):
        storage.resume(tmp_path / "run.nc", LOOP, 3, rng=0, every_seconds=-1)
    with pytest.raises(storage.StorageError, match="there is no folder"):
        storage.save(mad.simulate(LOOP, 2, **RUN), tmp_path / "no" / "run.nc")


def test_functions_without_a_module_level_name_can_be_resumed(tmp_path):
    growing = mad.Loop(
        real=mad.Gaussian.standard(1), model=mad.Gaussian(), regime=regimes.replace(n=lambda t: 10 * t)
    )
    path = tmp_path / "run.nc"
    checkpoint_of(path, 20, growing)
    done = storage.resume(path, growing, 20, **RUN)
    xr.testing.assert_equal(done, mad.simulate(growing, 20, **RUN))
    faster = replace(growing, regime=regimes.replace(n=lambda t: 20 * t))
    with pytest.raises(storage.StorageError, match=r"another run \(regime changed\)"):
        storage.resume(path, faster, 20, **RUN)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = storage.save(mad.simulate(LOOP, 3, **RUN), tmp_path / "run.nc")
    before = digest(path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(storage.StorageError, match="No space left"):
        storage.save(mad.simulate(LOOP, 4, **RUN), path)
    assert digest(path) == before
    assert os.listdir(tmp_path) == ["run.nc"]
