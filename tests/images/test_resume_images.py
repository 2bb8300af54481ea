"""A run that is killed goes on where it was, and ends in the same bits."""

import signal
import time

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("accelerate")

from tiny_diffusion import forked, pictures, pixels_digest, rng, run_in_store, tiny

from madtheory.images import sampling as _sampling
from madtheory.images.data.shards import ImageStoreError
from madtheory.images.store import Store, fingerprint
from madtheory.images.training import State


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    store = tmp_path_factory.mktemp("unbroken")
    model, images = run_in_store(store)
    return store, fingerprint(model.weights), pixels_digest(images)


def files(store):
    return {
        path.relative_to(store): path.read_bytes()
        for path in store.rglob("*")
        if path.is_file() and path.name != "lock"
    }


def started(store, images):
    child = forked().Process(target=run_in_store, args=(store, images))
    child.start()
    return child


def killed_and_resumed(folder, kills, seed):
    images = 64 * kills
    for name in ("first", "second"):  # the second tells how long a run lasts
        begun, child = time.monotonic(), started(folder / name, images)
        child.join()
        assert child.exitcode == 0
    lasts, random, killed, runs = time.monotonic() - begun, rng(seed), 0, 0
    assert len(files(folder / "first")) == 6
    assert files(folder / "first") == files(folder / "second")
    # Whatever the speed of the machine: run after run, until so many were killed.
    while killed < kills:
        runs += 1
        code = None
        while killed < kills and code != 0:
            child = started(folder / f"killed-{runs}", images)
            child.join(random.uniform(0.3, 1.3) / kills * lasts)
            child.kill()
            child.join()
            code = child.exitcode
            assert code in (0, -signal.SIGKILL)
            killed += code != 0
        run_in_store(folder / f"killed-{runs}", images)
        assert files(folder / f"killed-{runs}") == files(folder / "first")


@pytest.mark.slow
def test_killed_at_twenty_moments(tmp_path):
    killed_and_resumed(tmp_path, 20, 1)


def test_killed_at_five_moments(tmp_path):
    killed_and_resumed(tmp_path, 5, 0)


@pytest.mark.parametrize("after", [1, 7, 19])
def test_interrupted_after_any_step(tmp_path, unbroken, monkeypatch, after):
    written = []

    def write(state, checkpoint, step, scaler):
        original(state, checkpoint, step, scaler)
        written.append(step)
        if step == after:
            raise KeyboardInterrupt

    original = State.write
    monkeypatch.setattr(State, "write", write)
    with pytest.raises(KeyboardInterrupt):
        run_in_store(tmp_path)
    assert written == list(range(1, after + 1))
    model, images = run_in_store(tmp_path)
    assert written == list(range(1, 21)), "no step is made twice"
    assert (fingerprint(model.weights), pixels_digest(images)) == unbroken[1:]
    assert files(tmp_path) == files(unbroken[0])


ON_AN_ACCELERATOR = [
    pytest.param("cuda", precision, marks=pytest.mark.gpu) for precision in ("no", "bf16", "fp16")
]


@pytest.mark.parametrize(("device", "precision"), [("cpu", "bf16"), *ON_AN_ACCELERATOR])
def test_interrupted_in_mixed_precision(tmp_path, monkeypatch, device, precision):
    """With attention, dropout and images stored by pixel, the average and the scaler of half precision."""
    how = {"precision": precision, "channels_last": True, "augment": "flips", "checkpoint_every_images": 1}
    unet = {"dropout": 0.1, "attention": (4,)}

    def fit(store=None):
        return tiny(store, training=how, unet=unet, device=device).fit(pictures(), rng=rng(1))

    def write(state, checkpoint, step, scaler):
        original(state, checkpoint, step, scaler)
        if step == 5:
            raise KeyboardInterrupt

    expected, original = fingerprint(fit().weights), State.write
    with monkeypatch.context() as patch:
        patch.setattr(State, "write", write)
        with pytest.raises(KeyboardInterrupt):
            fit(tmp_path)
    assert fingerprint(fit(tmp_path).weights) == expected


def test_finished_work_is_read(tmp_path, unbroken, monkeypatch):
    """Neither trained nor sampled again."""
    monkeypatch.setattr("madtheory.images.training.Fit.run", None)
    monkeypatch.setattr(_sampling, "_chunk", None)
    _, images = run_in_store(unbroken[0])
    assert pixels_digest(images) == unbroken[2]
    assert not tuple(path for path in unbroken[0].rglob("checkpoint*"))


def test_without_a_store_the_bits_are_the_same(unbroken):
    """Nor do checkpoints have an effect."""
    model = tiny(training={"images": 320}, unet={"dropout": 0.1}).fit(pictures(), rng=rng(1))
    assert fingerprint(model.weights) == unbroken[1]
    assert pixels_digest(model.sample(24, rng=rng(2))) == unbroken[2]


def test_interrupted_sampling_keeps_its_shards(tmp_path, monkeypatch):
    model = tiny(tmp_path).fit(pictures(), rng=rng(1))
    expected = pixels_digest(tiny().fit(pictures(), rng=rng(1)).sample(22, rng=rng(2)))
    made = []

    def chunk(*arguments):
        made.append(1)
        if len(made) == 5:
            raise KeyboardInterrupt
        return original(*arguments)

    original = _sampling._chunk
    monkeypatch.setattr(_sampling, "_chunk", chunk)
    with pytest.raises(KeyboardInterrupt):
        model.sample(22, rng=rng(2))
    images = model.sample(22, rng=rng(2))
    assert len(made) == 5 + 3, "the first of two shards, of three chunks, was kept"
    assert pixels_digest(images) == expected
    np.testing.assert_array_equal(
        images.labels, tiny().fit(pictures(), rng=rng(1)).sample(22, rng=rng(2)).labels
    )


def test_two_runs_do_not_train_the_same_network(tmp_path):
    store = Store(tmp_path)
    with store.lock("a"), store.lock("b"):
        message = "another run is training this very network"
        with pytest.raises(ImageStoreError, match=message), store.lock("a"):
            pass
    with store.lock("a"):
        pass
