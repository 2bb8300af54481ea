"""Synthetic sets on disk: written shard by shard, gone on with after a kill, checked when read."""

import errno
import gc
import json
import os
import pickle
import resource
import signal
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from tiny_diffusion import forked, write_until_killed

from madtheory.images.data import shards as _shard, shards as _shards
from madtheory.images.data.images import Images
from madtheory.images.data.shards import (
    ImageStoreError,
    missing_shards,
    open_shards,
    write_shard,
    write_shards,
)

N, SHARD = 23, 5
PIXELS = np.random.default_rng(0).integers(256, size=(N, 4, 3, 3), dtype=np.uint8)
LABELS, SEEDS = np.arange(N) % 7, np.arange(N, dtype=np.uint64) + 2**63


def make(start, stop):
    return PIXELS[start:stop]


def written(folder, make=make, **changes):
    given = {"labels": LABELS, "seeds": SEEDS, "shard": SHARD} | changes
    return write_shards(folder, make, N, **given)


def files(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_round_trip(tmp_path):
    images = written(tmp_path / "set")
    for opened in (images, open_shards(tmp_path / "set"), pickle.loads(pickle.dumps(images))):
        assert opened.shape == PIXELS.shape
        assert np.array_equal(opened, PIXELS)
        assert np.array_equal(opened.labels, LABELS)
        assert np.array_equal(opened.seeds, SEEDS)
        assert np.array_equal(opened.batch([22, 4, 5, 4]), PIXELS[[22, 4, 5, 4]])
    assert sorted(files(tmp_path / "set")) == sorted(
        ["manifest.json"] + [f"shard-0000{k}{kind}.npy" for k in range(5) for kind in ("", ".rows")]
    )
    bare = written(tmp_path / "bare", labels=None, seeds=None)
    assert (bare.labels, bare.seeds, bare.labelled) == (None, None, False)


def test_a_copy_of_a_set(tmp_path):
    images = Images.of(PIXELS, LABELS).select([3, 1, 20])
    copied = write_shards(
        tmp_path / "copy", lambda i, j: images.batch(np.arange(i, j)), 3, labels=images.labels, shard=2
    )
    assert copied.fingerprint() == images.fingerprint()


def test_an_interrupted_writing_goes_on(tmp_path):
    written(tmp_path / "whole")
    asked = []

    def interrupted(start, stop):
        if start == 10 and len(asked) < 3:
            asked.append(start)
            raise KeyboardInterrupt
        asked.append(start)
        return make(start, stop)

    with pytest.raises(KeyboardInterrupt):
        written(tmp_path / "set", interrupted)
    assert missing_shards(tmp_path / "set", N, shard=SHARD) == [2, 3, 4]
    with pytest.raises(FileNotFoundError, match="not hold a finished set of images"):
        open_shards(tmp_path / "set")
    written(tmp_path / "set", interrupted)
    assert asked == [0, 5, 10, 10, 15, 20]
    assert files(tmp_path / "set") == files(tmp_path / "whole")
    written(tmp_path / "set", interrupted)
    assert len(asked) == 6


@pytest.mark.parametrize("at", [4, 11])
def test_a_killed_writing_goes_on(tmp_path, at):
    """SIGKILL between the rows of a shard and their rename, and in the manifest: the same bytes at last."""
    child = forked().Process(target=write_until_killed, args=(tmp_path / "set", PIXELS, range(N), SHARD, at))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert list((tmp_path / "set").glob("*.partial"))
    assert not (tmp_path / "set" / "manifest.json").exists()
    written(tmp_path / "set", labels=range(N), seeds=None)
    written(tmp_path / "whole", labels=range(N), seeds=None)
    assert files(tmp_path / "set") == files(tmp_path / "whole")


def test_several_processes_write_one_set(tmp_path):
    """Shards may come in any order; finishing is refused while one is missing."""
    pieces = [slice(k * SHARD, min((k + 1) * SHARD, N)) for k in range(5)]
    for k in (1, 3, 4, 0):
        write_shard(tmp_path / "set", k, PIXELS[pieces[k]], labels=LABELS[pieces[k]], seeds=SEEDS[pieces[k]])
    with pytest.raises(ImageStoreError, match=r"lacks shards \[2\]"):
        _shards.finish_shards(tmp_path / "set", N, shard=SHARD)
    write_shard(tmp_path / "set", 2, PIXELS[pieces[2]], labels=LABELS[pieces[2]], seeds=SEEDS[pieces[2]])
    _shards.finish_shards(tmp_path / "set", N, shard=SHARD)
    written(tmp_path / "whole")
    assert files(tmp_path / "set") == files(tmp_path / "whole")


def changed(path, how):
    content = bytearray(path.read_bytes())
    if how == "flipped":
        content[-5] ^= 4
    elif how == "short":
        del content[-30:]
    elif how == "head":
        content[:20] = b"x" * 20
    elif how == "empty":
        content = b""
    path.unlink()
    if how != "gone":
        path.write_bytes(content)


@pytest.mark.parametrize("how", ["flipped", "short", "head", "empty", "gone"])
@pytest.mark.parametrize("name", ["shard-00001.npy", "shard-00001.rows.npy"])
def test_a_corrupt_shard_is_named_and_made_again(tmp_path, name, how):
    before = np.asarray(written(tmp_path / "set"))
    changed(tmp_path / "set" / name, how)
    with pytest.raises(ImageStoreError, match="shard-00001") as caught:
        np.asarray(open_shards(tmp_path / "set"))
    assert "is damaged" in str(caught.value)
    assert "Delete shard-00001.npy and shard-00001.rows.npy and run again" in str(caught.value)
    for kind in ("shard-00001.npy", "shard-00001.rows.npy"):
        (tmp_path / "set" / kind).unlink(missing_ok=True)
    assert np.array_equal(written(tmp_path / "set"), before)


def test_sound_shards_of_a_damaged_set_can_be_read(tmp_path):
    written(tmp_path / "set")
    changed(tmp_path / "set" / "shard-00001.npy", "flipped")
    images = open_shards(tmp_path / "set")
    assert np.array_equal(images.batch(np.arange(9)), PIXELS[:9])
    for _ in range(2):
        with pytest.raises(ImageStoreError, match="image 4 of it is not what was written"):
            images.batch([8, 9])


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"format": 1}', '{"format": 1, "shape": [3, 1, 1, 1], "columns": [], "shards": []}'],
)
def test_a_damaged_manifest_is_made_again(tmp_path, content):
    whole = files(tmp_path / "set") if written(tmp_path / "set") else None
    path = tmp_path / "set" / "manifest.json"
    path.write_text(content)
    with pytest.raises(ImageStoreError, match=r"manifest.json' is damaged.*delete it and run again"):
        open_shards(tmp_path / "set")
    path.unlink()
    written(tmp_path / "set", lambda i, j: pytest.fail("nothing is to be made"))
    assert files(tmp_path / "set") == whole
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 9}))
    with pytest.raises(ImageStoreError, match="has format 9, not 1"):
        open_shards(tmp_path / "set")


def test_a_full_disk_loses_nothing_that_was_finished(tmp_path):
    """A real limit on the size of files stands for the full disk; then a disk that refuses any byte."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def filling(start, stop):
        if start == 10:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
        return make(start, stop)

    try:
        with pytest.raises(ImageStoreError, match=r"shard 2 .*free some space.*run again"):
            written(tmp_path / "set", filling)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert missing_shards(tmp_path / "set", N, shard=SHARD) == [2, 3, 4]
    assert not list((tmp_path / "set").glob("*.partial"))
    assert np.array_equal(written(tmp_path / "set"), PIXELS)


def test_a_disk_that_is_full_at_the_manifest(tmp_path, monkeypatch):
    calls, real = [], os.fsync

    def full(file):
        calls.append(file)
        if len(calls) > 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(file)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ImageStoreError, match=r"no manifest could be written.*No space left"):
        written(tmp_path / "set")
    monkeypatch.undo()
    assert np.array_equal(written(tmp_path / "set", lambda i, j: pytest.fail("all is there")), PIXELS)


def test_wrong_use(tmp_path):
    written(tmp_path / "set")
    for changes in (
        {"labels": LABELS[::-1]},
        {"labels": None},
        {"seeds": SEEDS + np.uint64(1)},
        {"shard": 4},
    ):
        with pytest.raises(ImageStoreError, match=r"of another set.*choose another folder"):
            written(tmp_path / "set", **changes)
    with pytest.raises(ImageStoreError, match="create the folder above"):
        written(tmp_path / "no" / "set")
    with pytest.raises(FileNotFoundError, match="not hold a finished set"):
        open_shards(tmp_path / "no")
    with pytest.raises(ValueError, match=r"holds 1 images for shard 0, which has 5"):
        written(tmp_path / "few", lambda i, j: make(0, 1))
    with pytest.raises(ValueError, match="expected uint8"):
        written(tmp_path / "floats", lambda i, j: make(i, j) / 255)
    with pytest.raises(ValueError, match=r"labels has shape \(3,\)"):
        written(tmp_path / "labels", labels=[1, 2, 3])
    with pytest.raises(ImageStoreError, match="shards of different sets"):
        written(tmp_path / "mixed", lambda i, j: make(i, j)[:, : 4 - i // 20])


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files in /proc")
def test_shards_are_closed_again(tmp_path, monkeypatch):
    """More shards than a process may have files open at once."""
    monkeypatch.setattr(os, "fsync", lambda file: None)
    number = np.arange(300).astype(np.uint8).reshape(-1, 1, 1, 1)
    images = write_shards(tmp_path / "set", lambda i, j: number[i:j], 300, shard=1)
    _shard._open_version.cache_clear()
    gc.collect()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 275, hard))
        assert np.array_equal(images, number)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_shard_that_was_replaced_is_read_anew(tmp_path):
    images = written(tmp_path / "set")
    assert np.array_equal(images, PIXELS)
    path = tmp_path / "set" / "shard-00000.npy"
    sound = path.read_bytes()
    changed(path, "flipped")
    with pytest.raises(ImageStoreError, match="is not what was written"):
        images.batch([4])
    path.unlink()
    path.write_bytes(sound)
    assert np.array_equal(images, PIXELS)


def test_a_label_that_was_changed_is_noticed(tmp_path):
    written(tmp_path / "set")
    path = tmp_path / "set" / "shard-00001.rows.npy"
    content = bytearray(path.read_bytes())
    content[-SHARD * np.load(path).itemsize] ^= 1
    path.write_bytes(content)
    assert np.load(path)["label"][0] != LABELS[SHARD]
    with pytest.raises(ImageStoreError, match=r"shard-00001.rows.npy' is damaged: its sha256"):
        assert open_shards(tmp_path / "set").labels is None
    path.unlink()
    with pytest.raises(ImageStoreError, match=r"shard-00001.rows.npy' is damaged: it is not there"):
        open_shards(tmp_path / "set")
