"""The image backend on an accelerator, as the full runs use it: ``pytest -m gpu tests/images``."""

import multiprocessing
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("accelerate")

import torch
from tiny_diffusion import pictures, pixels_digest, rng, tiny

import madtheory as mad
from madtheory import regimes
from madtheory.images.data import datasets
from madtheory.images.store import fingerprint
from madtheory.images.training import Fit
from madtheory.models import SIMS
from madtheory.networks import DDIM, sample_seeds

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no accelerator"),
]

FULL = {"precision": "bf16", "compile": True, "channels_last": True}


def full(store=None, **settings):
    """With all that the full runs switch on, attention and dropout, too."""
    training = FULL | settings.pop("training", {})
    unet = {"block_out_channels": (32, 64), "attention": (4,), "dropout": 0.1}
    return tiny(store, training=training, unet=unet, device=None, **settings)


def fitted_in_a_process(store, sent):
    model = full(store, training={"images": 320, "checkpoint_every_images": 16, "exact": True}).fit(
        pictures(), rng=rng(1)
    )
    sent.put((fingerprint(model.weights), pixels_digest(model.sample(10, rng=rng(2)))))


def from_a_process(store, kill_at=None):
    """Weights and images that a new process makes; or it is killed, some seconds after a checkpoint."""
    context = multiprocessing.get_context("spawn")
    sent = context.SimpleQueue()
    child = context.Process(target=fitted_in_a_process, args=(store, sent))
    child.start()
    if kill_at is not None:
        while child.is_alive() and not list(store.glob("fits/*/checkpoint.safetensors")):
            child.join(0.05)
        child.join(kill_at)
        child.kill()
        child.join()
        return None
    found = sent.get()
    child.join()
    return found


def test_a_killed_run_ends_in_the_same_bits(tmp_path):
    """Compiled, in bf16, each time in a process of its own."""
    expected = from_a_process(tmp_path / "first")
    assert from_a_process(tmp_path / "second") == expected
    from_a_process(tmp_path / "killed", kill_at=0.1)
    assert from_a_process(tmp_path / "killed") == expected


def test_training_does_not_wait_for_the_accelerator(monkeypatch):
    """No step copies to the CPU, or from memory that can be swapped out."""
    original, steps = Fit._step, []

    def step(*arguments):
        steps.append(1)
        if len(steps) < 4:  # compilation, and memory that is taken, may wait
            return original(*arguments)
        before = torch.cuda.get_sync_debug_mode()
        torch.cuda.set_sync_debug_mode("error")
        try:
            return original(*arguments)
        finally:
            torch.cuda.set_sync_debug_mode(before)

    monkeypatch.setattr(Fit, "_step", step)
    full(training={"images": 160, "augment": "flips"}).fit(pictures(), rng=rng(1))
    assert len(steps) == 10


def test_the_check_for_waiting_sees_it():
    """Negative control."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        with pytest.raises(RuntimeError):
            torch.ones(1, device="cuda").item()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.fixture(scope="module")
def learned():
    training = {"images": 4800, "precision": "no", "compile": False, "channels_last": False, "exact": True}
    return full(training=training).fit(pictures(), rng=rng(1))


@pytest.mark.parametrize("sampler", [None, DDIM(10, eta=1.0)])
def test_the_images_of_a_seed_are_those_of_the_cpu(learned, sampler):
    model = learned if sampler is None else replace(learned, sampler=sampler)
    seeds, labels = sample_seeds(12, rng(3)), np.arange(12) % 3
    there, here = (
        np.asarray(replace(model, device=device).generate(seeds, labels)).astype(int)
        for device in (None, "cpu")
    )
    assert np.median(np.abs(there - here)) <= 2
    other = np.asarray(model.generate(sample_seeds(12, rng(4)), labels)).astype(int)
    assert np.median(np.abs(there - other)) > 10, "negative control: other seeds"


def test_compiled_half_precision_is_the_same_model(learned):
    seeds, labels = sample_seeds(10, rng(3)), np.arange(10) % 3
    exact = np.asarray(learned.generate(seeds, labels)).astype(int)
    fast = replace(learned, training=replace(learned.training, exact=False, **FULL))
    compiled = np.asarray(fast.generate(seeds, labels)).astype(int)
    assert np.median(np.abs(exact - compiled)) <= 8
    # Chunks are filled up, so that an image does not depend on how many are made with it.
    alone = np.asarray(fast.generate(seeds[9:], labels[9:])).astype(int)
    assert np.abs(alone - compiled[9:]).max() <= 1


def test_networks_are_compiled_once():
    """Later generations, of the same sizes, reuse the code."""
    from torch._dynamo.utils import counters

    model = full()
    for generation in range(3):
        model.fit(pictures(), rng=rng(generation)).sample(10, rng=rng(9))
        if not generation:
            compiled = counters["stats"]["unique_graphs"]
    assert compiled > 0
    assert counters["stats"]["unique_graphs"] == compiled


@pytest.mark.parametrize("regime", [
    regimes.replace(n=256), regimes.augment(n_real=256, n_synthetic=256),
    regimes.fresh(n_initial=256, n_real=64, n_synthetic=192),
])  # fmt: skip
def test_loops_of_digits(tmp_path, regime):
    model = full(tmp_path, classes=10, training={"images": 2560, "batch": 64}, batch=128)
    loop = mad.Loop(real=datasets.digits(labels=True), model=model, regime=regime)
    snapshots = mad.iterate(loop, rng=1)
    first, second = next(snapshots), next(snapshots)
    assert fingerprint(first.model.weights) != fingerprint(second.model.weights)
    assert second.model.sample(20, rng=rng(2)).shape == (20, 8, 8, 1)


def test_a_loop_with_sims(tmp_path):
    model = SIMS(full(tmp_path, classes=10, batch=64), 0.5, n_auxiliary=64, budget=128)
    loop = mad.Loop(real=datasets.digits(labels=True), model=model, regime=regimes.replace(n=128))
    snapshots = mad.iterate(loop, rng=1)
    for _ in range(2):
        assert next(snapshots).model.sample(20, rng=rng(2)).shape == (20, 8, 8, 1)
