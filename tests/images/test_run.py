"""A run in a folder: its lines, grids and page; killed, continued, made longer, refused."""

import dataclasses
import errno
import io
import json
import re
import shutil
import signal
import socket
import time

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("accelerate")
pytest.importorskip("PIL")

from PIL import Image
from tiny_diffusion import forked, pictures, rng, tiny
from tiny_run import BUDGET, NETWORK, as_one_of_two, in_process, in_two_parts, run

import madtheory as mad
from madtheory import models
from madtheory.images import Images, ImageStoreError
from madtheory.images.evaluation import metrics
from madtheory.images.runs.folder import RunFolder, add_checksum
from madtheory.images.runs.report import grid
from madtheory.networks import Heun

MEASURED = ("frechet_distance", "precision", "recall")


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("lock", "train.jsonl")
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    return folder, run().go(folder)


@pytest.fixture
def copied(tmp_path, finished):
    return shutil.copytree(finished[0], tmp_path / "copied")


@pytest.fixture
def trained(tmp_path, finished):
    """A folder with networks and synthetic sets alone, so that a run in it takes no time."""
    shutil.copytree(finished[0] / "store", tmp_path / "trained" / "store")
    return tmp_path / "trained"


def interrupted(monkeypatch, moment, written, folder):
    """Interrupt a run before or after it writes that file; return the names of those it came to."""
    calls = []

    def write(self, path, content):
        calls.append(path.name)
        if len(calls) == moment and not written:
            raise KeyboardInterrupt
        original(self, path, content)
        if len(calls) == moment:
            raise KeyboardInterrupt

    original = RunFolder.write
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write", write)
        with pytest.raises(KeyboardInterrupt):
            run().go(folder)
    return calls


def test_what_a_run_leaves(finished):
    folder, lines = finished
    written = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert len({line.pop("sha256") for line in written}) == 3
    assert written == lines
    assert [line["generation"] for line in lines] == [1, 2, 3]
    assert [line["n_training"] for line in lines] == [20, 32, 32]
    assert len({line["weights"] for line in lines}) == 3
    assert all(np.isfinite([line[name] for name in MEASURED]).all() for line in lines)
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json", "grids", "metrics.jsonl", "report.html", "store", "train.jsonl",
    ]  # fmt: skip
    assert len(list((folder / "store" / "fits").glob("*/weights.safetensors"))) == 3
    assert not list(folder.rglob("*.partial"))


def test_the_measurements_are_those_of_the_generations(finished):
    """The same loop in memory."""
    made = run()
    for snapshot, line in zip(mad.iterate(made.loop, rng=0), finished[1][:2], strict=False):
        images = snapshot.model.sample(12, rng=np.random.default_rng([0, 1]))
        measured = metrics.measured(images, reference=made.reference, features=NETWORK)
        assert measured == {name: line[name] for name in measured}


def test_the_bias_of_the_loop_is_that_of_the_measurements(tmp_path):
    made = run(1, bias=0.5)
    (line,) = made.go(tmp_path)
    model = mad.start(made.loop, rng=0).model
    for bias, same in ((0.5, True), (1.0, False)):
        images = model.sample(12, rng=np.random.default_rng([0, 1]), bias=bias)
        measured = metrics.measured(images, reference=made.reference, features=NETWORK)
        assert (measured == {name: line[name] for name in measured}) == same
    page = (tmp_path / "report.html").read_text()
    assert "Regime fresh, bias 0.5, seed 0" in page


def test_grids_have_the_same_seeds_and_drift(finished):
    folder, _ = finished
    grids = [np.asarray(Image.open(folder / "grids" / f"generation-{t:03d}.png")) for t in (1, 2, 3)]
    # Each of three classes has a row of four, and each pixel a square of four.
    assert grids[0].shape == (3 * 34 - 2, 4 * 34 - 2)
    assert not np.array_equal(grids[0], grids[1])
    distance = np.abs(grids[0].astype(float) - grids[1]).mean()
    other = np.abs(grids[0].astype(float) - np.roll(grids[1], 34, axis=0)).mean()
    assert distance < 0.5 * other, "an image stays itself"


def test_a_grid_shows_the_first_images_or_rows_of_each_class():
    images = pictures(100, classes=None)
    picture = np.asarray(Image.open(io.BytesIO(grid(images))))
    assert picture.shape == (8 * 34 - 2, 8 * 34 - 2)
    assert np.array_equal(picture[34 : 66 : 4, 68 : 100 : 4], np.asarray(images)[10, :, :, 0])  # fmt: skip
    assert (picture[32:34] == 255).all()
    picture = np.asarray(Image.open(io.BytesIO(grid(pictures(100, classes=3)))))
    assert picture.shape == (6 * 34 - 2, 8 * 34 - 2), "two rows of each of three classes"
    second = np.asarray(pictures(100, classes=3))[4, :, :, 0]
    assert np.array_equal(picture[68:100:4, 34:66:4], second)
    colours = Images.of(rng().integers(0, 256, (7, 64, 64, 3), dtype=np.uint8))
    picture = np.asarray(Image.open(io.BytesIO(grid(colours))))
    assert picture.shape == (3 * 66 - 2, 3 * 66 - 2, 3)
    assert np.array_equal(picture[:64, :64], np.asarray(colours)[0])
    assert (picture[2 * 66 :, 66:] == 255).all()


@pytest.mark.parametrize("size", [(28, 28), (64, 512), (512, 32), (700, 600)])
@pytest.mark.parametrize("classes", [None, 1, 3, 10, 12, 40])
@pytest.mark.parametrize("n", [6, 48, 300])
def test_pictures_are_not_much_higher_than_wide(size, classes, n):
    """Of classes with one image each, of high images, and of large ones, which are reduced."""
    pixels = np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None, None] % 200, (n, *size, 1))
    random = rng(n)
    labels = None if classes is None else np.append(random.integers(0, classes, n - 1), 0)
    picture = np.asarray(Image.open(io.BytesIO(grid(Images.of(pixels, labels=labels)))))
    height, width = picture.shape[:2]
    assert height <= 1.6 * width
    assert height <= 3000
    shown = set(np.unique(picture)) - {255}
    assert len(shown) >= min(n, 4)
    if classes in (3, 10, 12):
        assert {int(labels[i]) for i in shown} == set(labels.tolist()), "each class is shown"


def test_the_page_stands_alone(finished):
    folder, lines = finished
    page = (folder / "report.html").read_text()
    assert page.count("<svg") == 1
    assert page.count("data:image/png;base64,") == 4, "real images and three generations"
    assert "All 3 generations are finished." in page
    assert f"{lines[2]['frechet_distance']:.4g}" in page
    outside = {address for address in re.findall(r"https?://[\w./-]+", page) if "w3.org" not in address}
    assert not outside, "nothing is loaded"
    assert str(folder) not in page
    assert "plumbing" not in page


def test_the_page_says_what_the_caller_says(trained):
    about = {"title": "A <loop>", "source": "Someone 2024", "preset": "p", "arguments": {"scale": "smoke"}}
    dataclasses.replace(run(1), about=about).go(trained)
    page = (trained / "report.html").read_text()
    assert "tests the plumbing" in page
    for text in ("A &lt;loop&gt;", "Source: Someone 2024.", "p, scale smoke.", "images resume FOLDER"):
        assert text in page
    assert json.loads((trained / "config.json").read_text())["about"] == about


def test_a_finished_run_is_read(copied, finished, monkeypatch):
    before = contents(copied)
    # Neither trained, nor sampled, nor measured: no network is called.
    monkeypatch.setattr("torch.nn.Module.__call__", None)
    assert run().go(copied) == finished[1]
    assert contents(copied) == before


def test_more_generations_go_on(trained, finished):
    run(2).go(trained)
    assert "All 2 generations are finished." in (trained / "report.html").read_text()
    assert run(3).go(trained) == finished[1]
    assert contents(trained) == contents(finished[0])
    assert run(1).go(trained) == finished[1][:1]
    assert contents(trained) == contents(finished[0]), "asking for fewer loses nothing"


@pytest.mark.parametrize(
    ("moment", "written"), [(1, True), (3, False), (4, False), (4, True), (5, False), (7, True)]
)
def test_interrupted_before_or_after_any_file(trained, finished, monkeypatch, moment, written):
    order = ["config.json", "real.png"]
    order += [name for t in (1, 2) for name in (f"generation-00{t}.png", "metrics.jsonl", "report.html")]
    assert interrupted(monkeypatch, moment, written, trained) == order[:moment]
    assert run().go(trained) == finished[1]
    assert contents(trained) == contents(finished[0])


@pytest.mark.parametrize("lost", ["grids/generation-002.png", "grids/real.png", "report.html", "config.json"])
def test_what_is_lost_is_made_again(copied, finished, lost):
    (copied / lost).unlink()
    assert run().go(copied) == finished[1]
    assert contents(copied) == contents(finished[0])


def test_half_a_line_does_not_count(copied, finished):
    path = copied / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-10])
    assert run().go(copied) == finished[1]
    assert contents(copied) == contents(finished[0])


def killed_and_resumed(folder, kills, generations, seed):
    """Kill a run again and again until it is finished, and then another, until so many were killed.

    Returns
    -------
    set of int
        How many generations were finished when one was killed.
    """
    context = forked()

    def started(name):
        child = context.Process(target=in_process, args=(folder / name, generations))
        child.start()
        return child

    for name in ("first", "second"):  # the second tells how long a run lasts
        begun, child = time.monotonic(), started(name)
        child.join()
        assert child.exitcode == 0
    lasts, random, moments, runs = time.monotonic() - begun, rng(seed), [], 0
    assert contents(folder / "first") == contents(folder / "second")
    while len(moments) < kills:
        runs += 1
        code = None
        while len(moments) < kills and code != 0:
            child = started(f"killed-{runs}")
            child.join(random.uniform(0.1, 1.0) * lasts)
            child.kill()
            child.join()
            code = child.exitcode
            if code != 0:
                assert code == -signal.SIGKILL
                moments.append(len(RunFolder(folder / f"killed-{runs}").lines()))
        in_process(folder / f"killed-{runs}", generations)
        left = contents(folder / f"killed-{runs}")
        assert left == contents(folder / "first")
        assert left["metrics.jsonl"].count(b"\n") == generations
    return set(moments)


def test_killed_at_two_moments(tmp_path):
    killed_and_resumed(tmp_path, 2, 2, 0)


@pytest.mark.slow
def test_killed_at_twenty_moments_of_a_run(tmp_path):
    """All files are the same: weights, synthetic sets, lines, grids and page."""
    moments = killed_and_resumed(tmp_path, 20, 8, 1)
    assert len(moments) > 3, "in most of the generations"


def test_two_processes_leave_the_folder_of_one(tmp_path):
    context = forked()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = [context.Process(target=as_one_of_two, args=(rank, port, tmp_path / "two")) for rank in (0, 1)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]
    in_two_parts(tmp_path / "one")
    assert contents(tmp_path / "two") == contents(tmp_path / "one")


def test_another_run_is_refused(copied):
    before = contents(copied)
    for other, entry in (
        (run(regime=mad.regimes.fresh(n_real=25, n_synthetic=12)), r"regime\.n_real \(20 there, 25 here\)"),
        (run(seed=1), r"differs in seed \(0 there, 1 here\);"),
        (run(model=tiny(training={**BUDGET, "batch": 8})), r"training\.batch \(16 there, 8 here\)"),
        (dataclasses.replace(run(), n_evaluation=13), r"n_evaluation \(12 there, 13 here\)"),
        (dataclasses.replace(run(), reference=pictures(399)), r"differs in reference \("),
    ):
        with pytest.raises(ImageStoreError, match=entry):
            other.go(copied)
    assert contents(copied) == before


def test_a_run_may_go_on_elsewhere(copied, finished):
    """In a folder that was moved, and with other checkpoints: neither has an effect."""
    shutil.rmtree(copied / "grids")
    often = {**BUDGET, "checkpoint_every_images": 32}
    model = tiny(training=often, sampler=Heun(2), batch=12)
    assert run(model=model).go(copied) == finished[1]
    assert contents(copied)["grids/generation-003.png"] == contents(finished[0])["grids/generation-003.png"]


def test_other_weights_than_written_down(copied):
    path = copied / "metrics.jsonl"
    first, *others = path.read_text().splitlines()
    changed = {name: value for name, value in json.loads(first).items() if name != "sha256"}
    path.write_text(add_checksum(changed | {"weights": "0" * 64}) + "\n".join([*others, ""]))
    with pytest.raises(ImageStoreError, match=r"generation 1 has other weights .*choose a new folder"):
        run().go(copied)


@pytest.mark.parametrize("text", ["{half", '{"generation": 2}', "[]", '{"generation": 1}'])
def test_damaged_lines(copied, text):
    (copied / "metrics.jsonl").write_text(text + "\n")
    with pytest.raises(ImageStoreError, match=r"metrics\.jsonl' is damaged in line 1; remove it and run ag"):
        run().go(copied)


@pytest.mark.parametrize("text", ["{", "[]", '{"run": {}}'])
def test_damaged_config(copied, text):
    (copied / "config.json").write_text(text)
    with pytest.raises(ImageStoreError, match=r"config\.json' is damaged .*remove it and run"):
        run().go(copied)


def full_disk(patch, n):
    """Let the n-th flush to the disk fail."""
    flushes = []

    def fsync(number):
        flushes.append(number)
        if len(flushes) == n:
            raise OSError(errno.ENOSPC, "No space left on device")

    patch.setattr("os.fsync", fsync)


@pytest.mark.parametrize("n", [1, 3, 4, 8])
def test_a_full_disk_loses_nothing(trained, finished, monkeypatch, n):
    """Where the files of the run are written."""
    with monkeypatch.context() as patch:
        full_disk(patch, n)
        with pytest.raises(ImageStoreError, match=r"could not be written \(.*No space left on device.*Make"):
            run().go(trained)
    assert not list(trained.rglob("*.partial"))
    kept = trained / "metrics.jsonl"
    assert (kept.read_text().count("\n") if kept.exists() else 0) == {1: 0, 3: 0, 4: 0, 8: 2}[n]
    assert run().go(trained) == finished[1]
    assert contents(trained) == contents(finished[0])


@pytest.mark.parametrize("n", [3, 6])
def test_a_full_disk_in_the_store(tmp_path, finished, monkeypatch, n):
    """Where a checkpoint is written, or a shard."""
    with monkeypatch.context() as patch:
        full_disk(patch, n)
        with pytest.raises(ImageStoreError, match="No space left on device"):
            run(1).go(tmp_path)
    assert not list(tmp_path.rglob("*.partial"))
    assert run(1).go(tmp_path) == finished[1][:1]


@pytest.mark.parametrize(("kind", "weight"), [(models.SIMS, "guidance"), (models.Neon, "weight")])
def test_sims_and_neon(tmp_path, kind, weight):
    def improved(weight):
        base = tiny(classes=None, training=BUDGET, sampler=Heun(2), batch=12)
        return run(1, classes=None, model=kind(base, weight, n_auxiliary=12, budget=32))

    lines = improved(0.5).go(tmp_path)
    assert improved(0.5).go(tmp_path) == lines
    described = json.loads((tmp_path / "config.json").read_text())["run"]["loop"]["model"]
    assert described["class"] == kind.__name__
    assert described["base"]["class"] == "ImageDiffusion"
    assert not list(tmp_path.rglob("*.partial"))
    with pytest.raises(ImageStoreError, match=rf"loop\.model\.{weight} \(0\.5 there, 2\.0 here\)"):
        improved(2.0).go(tmp_path)


def test_bad_arguments():
    with pytest.raises(TypeError, match="is not an ImageDiffusion, nor SIMS or Neon of one"):
        run(model=mad.Gaussian())
    with pytest.raises(ValueError, match="generations=0"):
        run(0)
    with pytest.raises(TypeError, match=r"reference is a ndarray"):
        dataclasses.replace(run(), reference=np.zeros((30, 8, 8, 1)))
    with pytest.raises(ValueError, match="holds 5 images; pass 6 or more"):
        dataclasses.replace(run(), reference=pictures(5))
    with pytest.raises(ValueError, match="n_evaluation=5"):
        dataclasses.replace(run(), n_evaluation=5)
    with pytest.raises(ValueError, match="leave store out"):
        run(model=tiny("store"))


def test_real_images_run_out(tmp_path):
    """With the generation in which they do, and what was finished is there."""
    made = run(4, regime=mad.regimes.fresh(n_real=150, n_synthetic=10))
    with pytest.raises(ValueError, match="in generation 3: stop after generation 2"):
        made.go(tmp_path)
    assert (tmp_path / "metrics.jsonl").read_text().count("\n") == 2
    assert "2 of 4 generations are finished." in (tmp_path / "report.html").read_text()
