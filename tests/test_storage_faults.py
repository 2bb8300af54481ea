"""Stored runs under faults: full disks, several processes, flipped bits, foreign files, edited code."""

import os
import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from programs import run_program, start_program
from test_storage import CHILD, LOOP, RUN, checkpoint_of, digest

import madtheory as mad
import madtheory.interpreters.simulate as simulate_module
from madtheory import metrics, regimes, storage

StorageError = storage.StorageError


def within(radius):
    def share(snapshot):
        return np.abs(snapshot.model.mean).max(-1) < radius

    return share


# What a metric is (A1), and what was edited (F1)


def test_metrics_of_one_name_are_told_apart_by_their_closure(tmp_path):
    path = tmp_path / "run.nc"
    options = RUN | {"metrics": [within(0.1)]}
    first = storage.resume(path, LOOP, 5, **options)
    with pytest.raises(StorageError, match=r"another run \(metric 'share' changed\)"):
        storage.resume(path, LOOP, 5, **(options | {"metrics": [within(0.5)]}))
    assert storage.resume(path, LOOP, 5, **(options | {"metrics": [within(0.1)]})).identical(first)
    samples = [
        partial(metrics.on_samples, metrics.frechet_distance, reference=LOOP.real, n=n) for n in (20, 30)
    ]
    other = tmp_path / "samples.nc"
    storage.resume(other, LOOP, 3, **(RUN | {"metrics": samples[0]()}))
    with pytest.raises(StorageError, match="metric 'frechet_distance' changed"):
        storage.resume(other, LOOP, 3, **(RUN | {"metrics": samples[1]()}))
    storage.resume(other, LOOP, 3, **(RUN | {"metrics": samples[0]()}))


def test_what_has_no_identity_is_refused_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.setattr(storage._simulate, "start_all", lambda *a, **k: pytest.fail("computed"))
    generator = np.random.default_rng(0)

    def noisy(snapshot):
        return snapshot.model.mean[..., 0] + generator.normal()

    with pytest.raises(ValueError, match=r"metric 'noisy': .*'generator'.*state moves"):
        storage.resume(tmp_path / "run.nc", LOOP, 3, **(RUN | {"metrics": [noisy]}))
    assert os.listdir(tmp_path) == []


USER = """
import sys
import numpy as np
import madtheory as mad
import madtheory.interpreters.simulate as simulate_module
from madtheory import regimes, storage, treatments

FLOOR = 0.0
class Mean:
    def __init__(self, at=0.0):
        self.at = at
    def fit(self, data, *, rng):
        return Mean(np.mean(data))
    def sample(self, n, *, rng):
        return rng.normal(self.at, size=(n, 1))
def reward(points):
    return helped(points)
def helped(points):
    return -np.abs(points[..., 0])
def where(snapshot):
    return max(snapshot.model.at, FLOOR)
loop = mad.Loop(real=mad.Gaussian.standard(1), model=Mean(), regime=regimes.replace(n=20),
                treatments=[treatments.curate(reward, choices=2)])
if sys.argv[2] == "kill":
    original, written = storage._write_checkpoint, []
    def die(*arguments):
        original(*arguments)
        written.append(1)
        if len(written) == 4:
            raise SystemExit(3)
    storage._write_checkpoint = die
try:
    done = storage.resume(sys.argv[1], loop, 9, replicates=2, rng=0, metrics=[where], every_seconds=0)
    print(done["where"].values.tolist())
except storage.StorageError as error:
    print(error)
"""

EDITS = {
    "nothing": ("FLOOR", "FLOOR", None),
    "a comment": ("def reward", "# A comment.\n\ndef reward", None),
    "a helper of the reward": ("-np.abs(points", "-2 * np.abs(points", "treatment 1 changed"),
    "fit": ("np.mean(data)", "np.median(data)", "model changed"),
    "a constant of the metric": ("FLOOR = 0.0", "FLOOR = 0.5", "metric 'where' changed"),
}


def ran(folder, source, how):
    return run_program(source, "run.nc", how, folder=folder)


def test_edited_code_between_kill_and_resume_is_named(tmp_path):
    killed = ran(tmp_path, USER, "kill")
    assert killed.returncode == 3, killed.stderr
    (tmp_path / "whole").mkdir()
    whole = ran(tmp_path / "whole", USER, "finish")
    for edit in ("a helper of the reward", "fit", "a constant of the metric"):
        old, new, said = EDITS[edit]
        refused = ran(tmp_path, USER.replace(old, new, 1), "finish")
        assert said in refused.stdout, refused
        assert "checkpoint of another run" in refused.stdout
    old, new, _ = EDITS["a comment"]
    resumed = ran(tmp_path, "\n\n" + USER.replace(old, new, 1), "finish")
    assert resumed.stdout == whole.stdout != ""


# The last step (F3)


def test_the_folder_is_checked_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.setattr(storage._simulate, "start_all", lambda *a, **k: pytest.fail("computed"))
    (tmp_path / "file").write_text("")
    for path, message in (
        (tmp_path / "none" / "run.nc", "there is no folder"),
        (tmp_path / "file" / "run.nc", "there is no folder"),
        (tmp_path, "is a folder"),
        (Path("/proc/run.nc"), "nothing can be written in the folder"),
    ):
        with pytest.raises(StorageError, match=message):
            storage.resume(path, LOOP, 3, **RUN)
    free = type("Usage", (), {"free": 50})
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda _: free)
    with pytest.raises(StorageError, match="its disk has 50 free"):
        storage.resume(tmp_path / "run.nc", LOOP, 3, **RUN)
    assert sorted(os.listdir(tmp_path)) == ["file"]


LIMITED = """
import resource, sys
import madtheory as mad
import madtheory.interpreters.simulate as simulate_module
from madtheory import regimes, storage
loop = mad.Loop(real=mad.Gaussian.standard(1), model=mad.Gaussian(), regime=regimes.replace(n=20))
options = dict(replicates=300, rng=0, record=range(1, 41))
import netCDF4, xarray
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    storage.resume(sys.argv[1], loop, 40, **options)
except storage.StorageError as error:
    print(error)
"""


def test_a_full_disk_at_the_end_loses_no_work(tmp_path, monkeypatch):
    path = tmp_path / "run.nc"
    # The checkpoint takes about 400 kB; the room for the result is more.
    done = run_program(LIMITED, path, 450_000)
    assert "could not be written" in done.stdout, done
    assert "The finished run is kept in" in done.stdout
    assert done.stderr == ""
    assert os.listdir(tmp_path) == ["run.nc.checkpoint"]
    loop = mad.Loop(real=mad.Gaussian.standard(1), model=mad.Gaussian(), regime=regimes.replace(n=20))
    monkeypatch.setattr(storage._simulate, "advance", storage._simulate.advance)
    options = {"replicates": 300, "rng": 0, "record": range(1, 41)}
    finished = storage.resume(path, loop, 40, **options)
    assert os.listdir(tmp_path) == ["run.nc"]
    xr.testing.assert_equal(finished, mad.simulate(loop, 40, **options))


def test_an_interrupt_leaves_nothing_but_the_checkpoint(tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(xr.Dataset, "to_netcdf", interrupt)
    with pytest.raises(KeyboardInterrupt):
        storage.resume(tmp_path / "run.nc", LOOP, 3, **RUN)
    assert os.listdir(tmp_path) == ["run.nc.checkpoint"]
    monkeypatch.undo()
    finished = storage.resume(tmp_path / "run.nc", LOOP, 3, **RUN)
    assert os.listdir(tmp_path) == ["run.nc"]
    xr.testing.assert_equal(finished, mad.simulate(LOOP, 3, **RUN))


# Several at once (F4)


def test_three_processes_of_one_path(tmp_path):
    child = CHILD.format(dim=2, regime="replace(n=20)", generations=400, replicates=50)
    started = [start_program(child, tmp_path / "run.nc", 0.01) for _ in range(3)]
    for process in started:
        process.join()
    assert [process.exitcode for process in started] == [0, 0, 0]
    assert os.listdir(tmp_path) == ["run.nc"]
    assert run_program(child, tmp_path / "alone.nc", 1000).returncode == 0
    assert digest(tmp_path / "run.nc") == digest(tmp_path / "alone.nc")


def test_planted_links_are_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    folder = tmp_path / "results"
    folder.mkdir()
    for name in (".run.nc.partial", ".run.nc.checkpoint.partial", "run.nc.checkpoint.tmp"):
        (folder / name).symlink_to(victim)
    storage.resume(folder / "run.nc", LOOP, 3, **RUN)
    (folder / ".other.nc.lock").symlink_to(victim)
    with pytest.raises(StorageError, match="nothing can be written"):
        storage.resume(folder / "other.nc", LOOP, 3, **RUN)
    assert victim.read_text() == "precious"


# Damage (F5)


def test_a_flipped_bit_never_gives_other_numbers(tmp_path):
    path = storage.save(mad.simulate(LOOP, 5, **RUN), tmp_path / "run.nc")
    right, content = storage.load(path), path.read_bytes()
    rng, refused = np.random.default_rng(0), 0
    places = [*rng.integers(8 * len(content), size=200), *range(8 * (len(content) - 64), 8 * len(content), 7)]
    for place in places:
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(bytes(damaged))
        try:
            assert storage.load(path).identical(right)
        except StorageError:
            refused += 1
    assert refused == len(places)
    for length in rng.integers(1, len(content), size=20):
        path.write_bytes(content[:length])
        with pytest.raises(StorageError, match="damaged"):
            storage.load(path)


def test_other_readers_and_older_files(tmp_path):
    dataset = mad.simulate(LOOP, 5, **RUN)
    path = storage.save(dataset, tmp_path / "run.nc")
    with xr.open_dataset(path, engine="netcdf4") as opened:
        xr.testing.assert_equal(opened.load(), dataset)
    older = tmp_path / "older.nc"
    dataset.assign_attrs(madtheory_format="madtheory 1").to_netcdf(older, engine="netcdf4")
    assert storage.load(older).identical(dataset)
    # Without its seal a new file is damaged, not old.
    path.write_bytes(path.read_bytes()[:-64])
    with pytest.raises(StorageError, match="damaged"):
        storage.load(path)


# Checkpoints that run no code (F6)


class Trap:
    def __reduce__(self):
        return os.mkdir, ("sprung",)


def test_a_foreign_checkpoint_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loop = mad.Loop(real=mad.Gaussian.standard(1), model=Plain(), regime=regimes.replace(n=9))
    checkpoint = checkpoint_of(tmp_path / "run.nc", 9, loop, metrics=[at])
    assert b"pickle" in checkpoint.read_bytes()
    monkeypatch.setattr(Plain, "__reduce__", Trap.__reduce__, raising=False)
    checkpoint_of(tmp_path / "trap.nc", 9, loop, metrics=[at])
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    for foreign in (Path("trap.nc.checkpoint").read_bytes(), pickle.dumps(Trap())):
        checkpoint.write_bytes(foreign)
        with pytest.raises(StorageError, match=r"another run|damaged"):
            storage.resume("run.nc", loop, 9, **(RUN | {"metrics": [at]}))
    assert not Path("sprung").exists()


class Plain:
    at = 0.0

    def fit(self, data, *, rng):
        made = Plain()
        made.at = float(np.mean(data))
        return made

    def sample(self, n, *, rng):
        return rng.normal(self.at, size=(n, 1))


def at(snapshot):
    return snapshot.model.at


def built_in():
    line = mad.Gaussian.standard(1)
    mixture = mad.Mixture(2).fit(np.random.default_rng(0).normal(size=(50, 1)), rng=np.random.default_rng(1))
    return {
        "gaussian": LOOP,
        "points": mad.Loop(
            real=np.ones((3, 2)) * [[1], [2], [4]], model=mad.Gaussian(), regime=regimes.accumulate(n=6)
        ),
        "subsample": mad.Loop(real=line, model=mad.Gaussian(), regime=regimes.accumulate_subsample(n=8)),
        "kernel density": mad.Loop(real=line, model=mad.KernelDensity(), regime=regimes.replace(n=9)),
        "mixture": mad.Loop(real=mixture, model=mad.Mixture(2), regime=regimes.replace(n=30)),
        "categorical": mad.Loop(
            real=mad.Categorical(np.ones(5) / 5), model=mad.Categorical(5), regime=regimes.replace(n=9)
        ),
        "poisson": mad.Loop(
            real=mad.ExponentialFamily("poisson", 2.0), model=mad.ExponentialFamily("poisson"),
            regime=regimes.accumulate(n=9),
        ),
        "pareto": mad.Loop(real=mad.Pareto(2.0), model=mad.Pareto(), regime=regimes.replace(n=9)),
        "known covariance": mad.Loop(
            real=line, model=mad.Gaussian(known_covariance=1.0), regime=regimes.replace(n=9)
        ),
        "spherical": mad.Loop(
            real=mad.Gaussian.standard(2), model=mad.Gaussian(shape="spherical"), regime=regimes.replace(n=9)
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", built_in())
def test_built_in_models_need_no_pickle(tmp_path, monkeypatch, name):
    loop = built_in()[name]

    def first(snapshot):
        return np.zeros(snapshot.replicates or (1,)) + snapshot.generation

    chosen = [first] if name in ("kernel density", "mixture", "categorical", "pareto") else RUN["metrics"]
    unbroken = storage.resume(tmp_path / "unbroken.nc", loop, 8, **(RUN | {"metrics": chosen}))
    for name in ("loads", "load", "Unpickler", "dumps"):
        monkeypatch.setattr(pickle, name, lambda *a, **k: pytest.fail("a pickle"))
    checkpoint = checkpoint_of(tmp_path / "run.nc", 8, loop, metrics=chosen)
    assert checkpoint.exists()
    assert storage.resume(tmp_path / "run.nc", loop, 8, **(RUN | {"metrics": chosen})).identical(unbroken)
    assert digest(tmp_path / "run.nc") == digest(tmp_path / "unbroken.nc")


def test_a_model_that_cannot_be_stored_is_refused_first(tmp_path, monkeypatch):
    monkeypatch.setattr(storage._simulate, "start_all", lambda *a, **k: pytest.fail("computed"))

    class Local(Plain):
        pass

    loop = mad.Loop(real=mad.Gaussian.standard(1), model=Local(), regime=regimes.replace(n=9))
    with pytest.raises(ValueError, match=r"cannot be stored.*at the top of a module"):
        storage.resume(tmp_path / "run.nc", loop, 3, **(RUN | {"metrics": [at]}))


# One rule for simulate and resume (F8), names of metrics (C7)

SPELLINGS = [
    {"rng": np.int64(4)}, {"rng": np.random.SeedSequence(4)}, {"replicates": np.int64(7)},
    {"record": "all"}, {"record": range(1, 6)}, {"record": np.arange(1, 6)}, {"record": (1, 2, 3, 4, 5)},
    {"method": "statistics"}, {"metrics": tuple(RUN["metrics"])}, {"metrics": RUN["metrics"][::-1]},
]  # fmt: skip


def test_other_spellings_are_the_same_run(tmp_path):
    path = tmp_path / "run.nc"
    first = storage.resume(path, LOOP, np.int64(5), **RUN)
    before = path.stat().st_mtime_ns
    for spelling in SPELLINGS:
        again = storage.resume(path, LOOP, 5, **(RUN | spelling))
        assert again.identical(first), spelling
        xr.testing.assert_equal(mad.simulate(LOOP, 5, **(RUN | spelling)), first)
    assert path.stat().st_mtime_ns == before


def test_one_function_and_partials(tmp_path):
    def scaled(snapshot, factor):
        return factor * snapshot.model.mean[..., 0]

    for i, one in enumerate((metrics.total_variance, partial(scaled, factor=2.0))):
        options = RUN | {"metrics": one}
        stored = storage.resume(tmp_path / f"{i}.nc", LOOP, 3, **options)
        xr.testing.assert_equal(stored, mad.simulate(LOOP, 3, **options))
    assert list(stored) == ["scaled"]
    with pytest.raises(StorageError, match="metric 'scaled' changed"):
        storage.resume(tmp_path / "1.nc", LOOP, 3, **(RUN | {"metrics": partial(scaled, factor=3.0)}))


@pytest.mark.parametrize("record", ["all", "last", [2, 9]])
def test_a_finished_run_can_be_made_longer(tmp_path, monkeypatch, record):
    path = tmp_path / "run.nc"
    options = RUN | {"record": record}
    shorter = [2, 4] if record == [2, 9] else record
    storage.resume(path, LOOP, 4, **(RUN | {"record": [2] if record == [2, 9] else shorter}))
    whole = storage.resume(tmp_path / "whole.nc", LOOP, 9, **options)
    taken = []

    def take_up(path, run):
        original(path, run)
        taken.append([snapshot.generation for snapshot in run.snapshots])

    original = storage._take_up
    monkeypatch.setattr(storage, "_take_up", take_up)
    assert storage.resume(path, LOOP, 9, **options).identical(whole)
    assert taken == [[4]]
    assert digest(path) == digest(tmp_path / "whole.nc")
    if record == "all":
        before = path.stat().st_mtime_ns
        prefix = storage.resume(path, LOOP, 3, **options)
        xr.testing.assert_equal(prefix, mad.simulate(LOOP, 3, **options))
        assert path.stat().st_mtime_ns == before
    else:
        with pytest.raises(StorageError, match="generation 1 was not recorded"):
            storage.resume(path, LOOP, 9, **RUN)


def named(name):
    def function(snapshot):
        return snapshot.model.mean[..., 0]

    function.__name__ = name
    return function


@pytest.mark.parametrize(
    "chosen",
    [
        lambda s: 0.0, [lambda s: 0.0], [named("generation")], [named("replicate")], [named("quantile")],
        [named("a/b")], [named("")], [named("a b")], [metrics.total_variance] * 2, [], "total_variance", [3],
    ],
)  # fmt: skip
def test_names_of_metrics_are_checked_before_the_run(tmp_path, monkeypatch, chosen):
    monkeypatch.setattr(simulate_module, "start_all", lambda *a, **k: pytest.fail("computed"))
    said = []
    for run in (mad.simulate, partial(storage.resume, tmp_path / "run.nc")):
        with pytest.raises(ValueError, match="metrics") as error:
            run(LOOP, 3, **(RUN | {"metrics": chosen}))
        said.append(str(error.value))
    assert said[0] == said[1]
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("content", [b"notes of mine", b"\x89HDF\r\n\x1a\n", None])
def test_save_replaces_no_file_of_other_origin(content, tmp_path):
    path, dataset = tmp_path / "held.nc", xr.Dataset({"x": ("i", [1.0, 2.0])})
    if content is None:
        dataset.to_netcdf(path)
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(storage.StorageError, match="madtheory did not write it; choose another path"):
        storage.save(dataset, path)
    assert path.read_bytes() == before


def test_save_replaces_its_own_files_and_empty_ones(tmp_path):
    path, dataset = tmp_path / "held.nc", xr.Dataset({"x": ("i", [1.0, 2.0])})
    path.touch()
    storage.save(dataset, path)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    storage.save(2 * dataset, path)
    assert storage.load(path)["x"].values.tolist() == [2.0, 4.0]


def test_an_unknown_keyword_is_told_in_the_words_of_resume(tmp_path):
    with pytest.raises(TypeError, match="resume has no keyword 'replicate'; it takes every_seconds, method,"):
        storage.resume(tmp_path / "run.nc", LOOP, 3, replicate=7, rng=1)
    assert list(tmp_path.iterdir()) == []
