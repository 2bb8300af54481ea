"""The folder of fits: what is damaged, foreign or too large ends in an error and loses nothing."""

import errno
import pickle
import warnings

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("accelerate")
safetensors = pytest.importorskip("safetensors.numpy")

from tiny_diffusion import pictures, pixels_digest, rng, tiny  # noqa: E402

from madtheory.images.data.shards import ImageStoreError  # noqa: E402
from madtheory.images.store import (  # noqa: E402
    Checkpoint,
    Store,
    StoredWeights,
    describe,
    fingerprint,
    key_of,
)
from madtheory.networks import DDPM, Heun  # noqa: E402

EVERY_STEP = {"checkpoint_every_images": 1}


def damage(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def interrupted(store, monkeypatch, after=4, **settings):
    """A store where a fit was interrupted; its two checkpoints."""

    def write(checkpoint, tensors, about):
        original(checkpoint, tensors, about)
        if about["step"] == after:
            raise KeyboardInterrupt

    original = Checkpoint.write
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "write", write)
        with pytest.raises(KeyboardInterrupt):
            tiny(store, training=EVERY_STEP, **settings).fit(pictures(), rng=rng(1))
    [last] = store.glob("fits/*/checkpoint.safetensors")
    [before] = store.glob("fits/*/checkpoint.previous.safetensors")
    return last, before


def resumed(store, **settings):
    return tiny(store, training=EVERY_STEP, **settings).fit(pictures(), rng=rng(1))


@pytest.fixture(scope="module")
def unbroken():
    return fingerprint(tiny().fit(pictures(), rng=rng(1)).weights)


def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path, monkeypatch, unbroken):
    last, _ = interrupted(tmp_path, monkeypatch)
    damage(last)
    with pytest.warns(UserWarning, match=r"checkpoint.safetensors' is damaged.*before it is used"):
        model = resumed(tmp_path)
    assert fingerprint(model.weights) == unbroken


def test_where_all_checkpoints_are_damaged_the_error_names_one(tmp_path, monkeypatch, unbroken):
    last, before = interrupted(tmp_path, monkeypatch)
    damage(last)
    before.write_bytes(b"cut")
    with pytest.raises(ImageStoreError, match=r"checkpoint.safetensors' is damaged.*[Rr]emove it"):
        resumed(tmp_path)
    last.unlink()
    before.unlink()
    assert fingerprint(resumed(tmp_path).weights) == unbroken


def test_half_files_of_a_killed_run_are_removed(tmp_path, monkeypatch):
    last, _ = interrupted(tmp_path, monkeypatch)
    half = last.with_name(".tmpAbC"), last.with_name(f".{last.name}.partial")
    for path in half:
        path.write_bytes(b"half")
    resumed(tmp_path)
    assert sorted(path.name for path in last.parent.iterdir()) == ["lock", "weights.safetensors"]
    # Killed after the weights were written, before the rest was removed.
    for path in (last, *half):
        path.write_bytes(b"half")
    resumed(tmp_path)
    assert sorted(path.name for path in last.parent.iterdir()) == ["lock", "weights.safetensors"]


def test_a_killed_rename_leaves_the_one_before(tmp_path, monkeypatch, unbroken):
    last, _ = interrupted(tmp_path, monkeypatch)
    last.unlink()
    assert fingerprint(resumed(tmp_path).weights) == unbroken


def test_the_checkpoint_of_another_fit_is_refused(tmp_path, monkeypatch):
    foreign, _ = interrupted(tmp_path / "a", monkeypatch, unet={"block_out_channels": (8, 8)})
    mine, _ = interrupted(tmp_path / "b", monkeypatch)
    mine.write_bytes(foreign.read_bytes())
    with pytest.raises(ImageStoreError, match="checkpoint of another network or of other data"):
        resumed(tmp_path / "b")


def test_the_checkpoint_of_another_architecture_is_refused(tmp_path, monkeypatch):
    """Even under the right name."""
    foreign, _ = interrupted(tmp_path / "a", monkeypatch, unet={"block_out_channels": (8, 8)})
    mine, _ = interrupted(tmp_path / "b", monkeypatch)
    tensors = safetensors.load_file(foreign)
    Checkpoint(mine.parent, mine.parent.name).write(tensors, {"step": 4, "adam_step": 4, "scaler": None})
    with pytest.raises(ImageStoreError, match=r"another network .*unet\.\S+ is \(.*\) there and \("):
        resumed(tmp_path / "b")


def test_a_full_disk_keeps_what_was_finished(tmp_path, monkeypatch, unbroken):
    """The third checkpoint finds no room; the second is kept, and the run goes on from it."""
    replaced = []

    def save_file(tensors, path, metadata):
        replaced.append(path)
        if len(replaced) == 3:
            path.write_bytes(b"half of it")
            raise OSError(errno.ENOSPC, "No space left on device")
        original(tensors, path, metadata)

    original = safetensors.save_file
    with monkeypatch.context() as patch:
        patch.setattr(safetensors, "save_file", save_file)
        with pytest.raises(
            ImageStoreError, match=r"could not be written .*No space left.*is kept. Make room"
        ):
            resumed(tmp_path)
    [folder] = tmp_path.glob("fits/*")
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoint.previous.safetensors",
        "checkpoint.safetensors",
        "lock",
    ]
    assert fingerprint(resumed(tmp_path).weights) == unbroken


def test_a_file_larger_than_allowed(tmp_path):
    """What the system refuses to write, safetensors reports by an error of its own."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(ImageStoreError, match="could not be written"):
            Checkpoint(tmp_path, "key").write({"weights/a": np.zeros(10_000)}, {"step": 1})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


def test_damaged_weights_are_named(tmp_path):
    model = tiny(tmp_path).fit(pictures(), rng=rng(1))
    damage(model.weights.path)
    with pytest.raises(ImageStoreError, match=r"weights.safetensors' is damaged.*Remove it and run the same"):
        tiny(tmp_path).fit(pictures(), rng=rng(1))
    model.weights.path.unlink()
    assert fingerprint(tiny(tmp_path).fit(pictures(), rng=rng(1)).weights) == model.weights.digest


def test_a_store_that_is_a_file(tmp_path):
    (tmp_path / "store").write_text("no folder")
    with pytest.raises(ImageStoreError, match=r"cannot be made.*another store"):
        tiny(tmp_path / "store").fit(pictures(), rng=rng(1))


def test_weights_stay_on_the_disk(tmp_path):
    """A fitted model holds a path: its pickle is small, and weights are read by name."""
    model = tiny(tmp_path).fit(pictures(), rng=rng(1))
    copied = pickle.loads(pickle.dumps(model))
    assert len(pickle.dumps(model)) < 10_000
    assert isinstance(copied.weights, StoredWeights)
    held = dict(model.weights)
    assert sum(array.size for array in held.values()) > 10_000
    assert fingerprint(held) == fingerprint(model.weights) == copied.weights.digest
    assert pixels_digest(copied.sample(5, rng=rng(2))) == pixels_digest(model.sample(5, rng=rng(2)))
    with pytest.raises(KeyError):
        model.weights["unet.none"]
    assert "weights.safetensors" in repr(model.weights)


CHANGES = [
    {"unet": {"dropout": 0.1}},
    {"training": {"images": 32}},
    {"training": {"learning_rate": 2e-3}},
    {"training": {"augment": "flips"}},
    {"training": {"ema_images": 0}},
    {"process": DDPM(steps=50)},
    {"dropout": 0.2},
]


def test_another_configuration_is_another_fit(tmp_path):
    short = {"images": 16}
    tiny(tmp_path, training=short).fit(pictures(), rng=rng(1))
    for found, change in enumerate(CHANGES, start=2):
        changed = {"training": short} | change
        tiny(tmp_path, **changed | {"training": short | changed["training"]}).fit(pictures(), rng=rng(1))
        assert len(list(tmp_path.glob("fits/*"))) == found
    tiny(tmp_path, training=short).fit(pictures(), rng=rng(2))
    tiny(tmp_path, training=short).fit(pictures(39), rng=rng(1))
    assert len(list(tmp_path.glob("fits/*"))) == len(CHANGES) + 3


def test_what_has_no_effect_on_weights_is_no_part_of_their_key(tmp_path):
    for change in ({}, {"sampler": Heun(5)}, {"batch": 9}, {"training": {"checkpoint_every_seconds": 1.0}}):
        tiny(tmp_path, **change).fit(pictures(), rng=rng(1))
    assert len(list(tmp_path.glob("fits/*"))) == 1


def test_keys_and_fingerprints_see_every_part():
    assert key_of(a=1) != key_of(a=2) != key_of(b=2)
    weights = {"a": np.zeros(3, np.float32), "b": np.ones((2, 2), np.float32)}
    changed = [
        {"a": weights["a"]},
        weights | {"a": np.zeros(3)},
        weights | {"b": np.ones(4, np.float32)},
        weights | {"b": weights["b"] + 1e-6},
    ]
    assert len({fingerprint(w) for w in (weights, *changed)}) == 5
    assert fingerprint(dict(reversed(weights.items()))) == fingerprint(weights)
    assert fingerprint(None) is None
    assert describe(Heun(3)) == {"class": "Heun", "steps": 3}


def test_reading_makes_no_noise(tmp_path):
    assert Store(tmp_path).weights("none") is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Checkpoint(tmp_path, "none").read() is None
