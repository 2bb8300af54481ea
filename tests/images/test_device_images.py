"""What training and sampling share: data read ahead, tensors sent, and networks that are compiled."""

import threading
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("accelerate")

import torch
from tiny_diffusion import pictures, rng, tiny

from madtheory.images.device import ahead, deterministic, send
from madtheory.networks import sample_seeds


def test_the_next_one_is_read_while_the_last_one_is_used():
    read, begun = [], threading.Event()

    def item(key):
        read.append(key)
        if key == 1:
            begun.set()
        return 10 * key

    items = ahead(item, range(4))
    assert next(items) == 0
    assert begun.wait(5), "number 1 is read without being asked for"
    assert 2 not in read
    assert list(items) == [10, 20, 30]
    assert read == [0, 1, 2, 3]
    assert list(ahead(item, [])) == []


def test_an_error_of_the_reader_arrives():
    def item(key):
        if key == 2:
            raise OSError("the disk is gone")
        return key

    items = ahead(item, range(5))
    assert [next(items), next(items)] == [0, 1]
    with pytest.raises(OSError, match="the disk is gone"):
        next(items)


def test_training_ends_where_reading_fails(monkeypatch):
    from madtheory.images.data.images import Images

    def batch(images, indices):
        raise OSError("the disk is gone")

    monkeypatch.setattr(Images, "batch", batch)
    with pytest.raises(OSError, match="the disk is gone"):
        tiny().fit(pictures(), rng=rng(1))
    assert not [thread for thread in threading.enumerate() if "ThreadPool" in thread.name]


def test_on_a_cpu_nothing_is_copied_or_chosen():
    array, device = np.zeros(3), torch.device("cpu")
    assert send(array, device).data_ptr() == array.ctypes.data
    with deterministic(device):
        assert not torch.are_deterministic_algorithms_enabled()


def test_compiled_networks_see_one_size(monkeypatch):
    """The last chunk is filled up, and the images are the same."""
    model = tiny(training={"compile": True}, batch=4)
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module, **how: asked.append(how))
    asked = []
    fitted = model.fit(pictures(), rng=rng(1))
    seeds, labels = sample_seeds(10, rng(2)), np.arange(10) % 3
    sizes = []

    class Recording:
        steps = 2

        def integrate(self, denoiser, x, sigmas, noise=None):
            sizes.append(len(x))
            return model.sampler.integrate(denoiser, x, [*sigmas[:2].tolist(), 0.0], noise)

    images = replace(fitted, sampler=Recording()).generate(seeds, labels)
    assert sizes == [4, 4, 4]
    assert asked == [{"dynamic": False}] * 2
    sizes.clear()
    eager = replace(fitted, training=replace(model.training, compile=False), sampler=Recording())
    np.testing.assert_array_equal(eager.generate(seeds[:8], labels[:8]), np.asarray(images)[:8])
    few = np.asarray(eager.generate(seeds[8:], labels[8:])).astype(int)
    assert sizes == [4, 4, 2]
    assert np.abs(few - np.asarray(images)[8:]).max() <= 1
