"""A diffusion of seconds for the tests, and what they run in processes of their own."""

import hashlib
import multiprocessing
import os
import signal

import numpy as np

from madtheory.images.data.images import Images
from madtheory.images.diffusion import ImageDiffusion
from madtheory.images.training import ImageTraining
from madtheory.images.unet import UNet
from madtheory.networks import Heun

PRELOADED = [
    "accelerate", "diffusers.models.unets.unet_2d", "matplotlib.backends.backend_svg", "matplotlib.figure",
    "matplotlib.style", "mpl_toolkits.mplot3d", "PIL.JpegImagePlugin", "safetensors.numpy", "tiny_run",
    __name__,
]  # fmt: skip


def forked():
    """How to start processes that have imported everything: by one server, the same in all tests."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def rng(seed=0):
    return np.random.default_rng(seed)


def pictures(n=40, size=8, channels=1, classes=3):
    pixels = rng(5).integers(0, 256, (n, size, size, channels), dtype=np.uint8)
    return Images.of(pixels, labels=None if classes is None else np.arange(n) % classes)


def tiny(store=None, classes=3, training=None, unet=None, **settings):
    budget = {"images": 128, "batch": 16, "learning_rate": 1e-3, "ema_images": 64} | (training or {})
    sizes = {"block_out_channels": (8, 16), "layers_per_block": 1, "attention": ()} | (unet or {})
    settings = {"sampler": Heun(3), "batch": 4, "device": "cpu"} | settings
    return ImageDiffusion(
        unet=UNet(**sizes), training=ImageTraining(**budget), classes=classes, store=store, **settings
    )


def pixels_digest(images):
    return hashlib.sha256(np.asarray(images).tobytes()).hexdigest()


def run_in_store(store, images=320):
    """A fit and a sample that leave their result in the store, and a checkpoint after every step."""
    training = {"images": images, "checkpoint_every_images": 16}
    model = tiny(store, training=training, unet={"dropout": 0.1}).fit(pictures(), rng=rng(1))
    return model, model.sample(24, rng=rng(2))


def as_one_of_two(rank, port, store, sent):
    """Two generations, as the process `rank` of two."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    import torch

    digests = two_generations(store)
    assert torch.distributed.get_world_size() == 2
    sent.put((rank, digests))
    torch.distributed.destroy_process_group()


def two_generations(store=None):
    """Digests of weights and of the synthetic sets of a loop, where each step has two parts."""
    from madtheory import Loop, iterate, regimes
    from madtheory.images.store import fingerprint

    model = tiny(store, training={"images": 64, "accumulate": 2})
    loop = Loop(real=Fixed(), model=model, regime=regimes.augment(n_real=20, n_synthetic=10))
    snapshots = iterate(loop, rng=7)
    first, second = next(snapshots), next(snapshots)
    return (
        fingerprint(first.model.weights),
        pixels_digest(second.training_set),
        fingerprint(second.model.weights),
        pixels_digest(second.model.sample(10, rng=rng(3))),
    )


class Fixed:
    """Real data: the first n pictures."""

    def sample(self, n, *, rng):
        return pictures().select(np.arange(n))


def write_until_killed(folder, pixels, labels, shard, at):
    """Write images in shards; SIGKILL before a file is flushed to the disk for the `at`-th time."""
    from madtheory.images.data.shards import write_shards

    steps, original = [], os.fsync

    def fsync(file):
        steps.append(file)
        if len(steps) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        original(file)

    os.fsync = fsync
    write_shards(folder, lambda i, j: pixels[i:j], len(pixels), labels=labels, shard=shard)
