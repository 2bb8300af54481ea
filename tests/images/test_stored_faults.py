"""Folders of runs and of images: silent damage, two at once, links that were planted, files of others."""

import json
import shutil

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("accelerate")
pytest.importorskip("PIL")

from tiny_diffusion import forked, pictures, rng, tiny
from tiny_run import held

import madtheory as mad
from madtheory.images import ImageStoreError, RealImages, open_shards, write_shards
from madtheory.images.evaluation import features
from madtheory.images.runs import Run
from madtheory.images.runs.folder import RunFolder
from madtheory.networks import Heun


def run(generations=2):
    images = pictures(400)
    model = tiny(training={"images": 32}, sampler=Heun(2), batch=12)
    regime = mad.regimes.fresh(n_real=20, n_synthetic=12)
    loop = mad.Loop(real=RealImages(images), model=model, regime=regime)
    network = features.random_convolutions(channels=1, dim=8)
    return Run(loop=loop, generations=generations, features=network, reference=images, n_evaluation=12)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    return folder, run().go(folder)


@pytest.fixture
def copied(tmp_path, finished):
    return shutil.copytree(finished[0], tmp_path / "copied")


def flips(path, n, seed=0):
    """The file with one bit flipped, at n places, one after another; whole again in the end."""
    whole = path.read_bytes()
    random = rng(seed)
    for place in random.choice(len(whole), min(n, len(whole)), replace=False):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(random.integers(7))
        path.write_bytes(bytes(damaged))
        yield damaged
    path.write_bytes(whole)


def test_a_flipped_bit_in_the_lines_is_noticed(copied, finished):
    kept = RunFolder(copied)
    noticed = 0
    for _ in flips(kept.metrics, 300):
        try:
            found = kept.lines()
        except ImageStoreError:
            noticed += 1
        else:  # the end of the file, without which the last line is half a line
            assert found in (finished[1], finished[1][:1])
    assert noticed > 280


def test_lines_without_checksums_are_read_and_get_them(copied, finished):
    """As earlier versions wrote them."""
    kept = RunFolder(copied)
    plain = "".join(json.dumps(line) + "\n" for line in finished[1])
    kept.metrics.write_text(plain)
    assert kept.lines() == finished[1]
    lines = run(3).go(copied)
    assert lines[:2] == finished[1]
    assert kept.metrics.read_text().count('"sha256"') == 3
    kept.metrics.write_text(plain.replace("recall", "recalk"))
    with pytest.raises(ImageStoreError, match=r"metrics\.jsonl' is damaged in line 1"):
        kept.lines()


def written(folder, n=20):
    pixels = np.asarray(pictures(n))
    labels, seeds = np.arange(n) % 3, np.arange(n, dtype=np.uint64)
    return write_shards(folder, lambda a, b: pixels[a:b], n, labels=labels, seeds=seeds, shard=8)


def test_a_flipped_bit_in_a_manifest_is_noticed(tmp_path):
    images = written(tmp_path / "set")
    path, noticed = tmp_path / "set" / "manifest.json", 0
    for _ in flips(path, 300):
        try:
            found = open_shards(tmp_path / "set")
        except ImageStoreError:
            noticed += 1
        else:  # between the words, which is no content
            assert found.fingerprint() == images.fingerprint()
            assert found.seeds.tolist() == images.seeds.tolist()
    assert noticed > 150


def test_a_manifest_without_a_checksum_is_read(tmp_path):
    images = written(tmp_path / "set")
    path = tmp_path / "set" / "manifest.json"
    described = json.loads(path.read_text())
    del described["sha256"]
    path.write_text(json.dumps(described))
    assert open_shards(tmp_path / "set").fingerprint() == images.fingerprint()
    path.write_text(json.dumps(described | {"sha257": "0"}))
    with pytest.raises(ImageStoreError, match="does not have its checksum"):
        open_shards(tmp_path / "set")


def test_files_of_others_stay(tmp_path):
    """Those that end in ``.partial`` too; what a killed process left behind goes."""
    folder = tmp_path / "set"
    folder.mkdir()
    mine = [folder / "video.mp4.partial", folder / ".video.partial", folder / ".hidden"]
    for path in mine:
        path.write_text("mine")
    left = folder / ".shard-00001.rows.npy.0123456789abcdef.partial"
    left.write_text("half")
    written(folder)
    assert all(path.read_text() == "mine" for path in mine)
    assert not left.exists()


def test_a_manifest_of_something_else_stays(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    for text in ('{"name": "my page"}', "[1]", "not JSON"):
        (folder / "manifest.json").write_text(text)
        with pytest.raises(ImageStoreError, match=r"is not a manifest of images.*choose another folder"):
            written(folder)
        assert (folder / "manifest.json").read_text() == text
        assert len(list(folder.iterdir())) == 1, "before a shard is written"


@pytest.mark.parametrize("name", ["report.html", "metrics.jsonl", "grids/real.png", "config.json"])
def test_a_folder_of_something_else_stays(tmp_path, name):
    folder = tmp_path / "run"
    path = folder / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(ImageStoreError, match=r"holds something else|is damaged"):
        run().go(folder)
    assert path.read_text() == "mine"


def test_two_at_once_are_told(copied, finished):
    """In this process, and in another."""
    with RunFolder(copied).lock():
        with pytest.raises(ImageStoreError, match="another process is at work on this run; wait for it"):
            run().go(copied)
        with RunFolder(copied).lock(main=False):  # another process of the same run
            pass
    assert run().go(copied) == finished[1]


def test_another_process_is_kept_away(copied, finished):
    context = forked()
    begun, end = context.Event(), context.Event()
    child = context.Process(target=held, args=(copied, begun, end))
    child.start()
    assert begun.wait(60)
    with pytest.raises(ImageStoreError, match="another process is at work"):
        run().go(copied)
    child.kill()
    child.join()
    assert run().go(copied) == finished[1], "the lock of a process that was killed is lifted"


def test_no_link_is_followed(tmp_path, copied):
    """Where a run and a fit lock their folder; nothing is written at the other end."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    lock = copied / "store" / "lock"
    lock.unlink()
    lock.symlink_to(victim)
    with pytest.raises(ImageStoreError, match=r"cannot be opened .*remove it if it is a link"):
        run().go(copied)
    lock.unlink()
    [fit, *_] = (copied / "store" / "fits").iterdir()
    (fit / "weights.safetensors").unlink()
    (fit / "lock").unlink()
    (fit / "lock").symlink_to(victim)
    with pytest.raises(ImageStoreError, match="cannot be opened"):
        run().go(copied)
    assert victim.read_text() == "mine"


def test_hidden_files_in_a_store_stay(tmp_path):
    model = tiny(tmp_path, training={"images": 32})
    [folder] = [tmp_path / "fits"]
    model.fit(pictures(), rng=rng(1))
    [fit] = folder.iterdir()
    (fit / ".mine").write_text("mine")
    (fit / ".checkpoint.safetensors.0123456789abcdef.partial").write_text("half")
    model.fit(pictures(), rng=rng(1))
    assert (fit / ".mine").read_text() == "mine"
    assert not list(fit.glob(".*.partial"))
