"""A run of seconds for the tests, and what they do with it in processes of their own."""

import os

from tiny_diffusion import pictures, tiny

import madtheory as mad
from madtheory.images import RealImages
from madtheory.images.evaluation import features
from madtheory.images.runs import Run
from madtheory.images.runs.folder import RunFolder
from madtheory.networks import Heun

NETWORK = features.random_convolutions(channels=1, dim=8)
BUDGET = {"images": 48, "checkpoint_every_images": 16}


def run(generations=3, *, classes=3, model=None, regime=None, seed=0, **settings):
    images = pictures(400, classes=classes)
    loop = mad.Loop(
        real=RealImages(images),
        model=model or tiny(classes=classes, training=BUDGET, sampler=Heun(2), batch=12),
        regime=regime or mad.regimes.fresh(n_real=20, n_synthetic=12),
        **settings,
    )
    return Run(
        loop=loop, generations=generations, features=NETWORK, reference=images, n_evaluation=12, seed=seed
    )


def in_process(folder, generations):
    run(generations).go(folder, progress=False)


def as_one_of_two(rank, port, folder):
    """A run, as the process `rank` of two."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    import torch

    lines = in_two_parts(folder)
    assert torch.distributed.get_world_size() == 2
    assert [line["generation"] for line in lines] == [1, 2]
    torch.distributed.destroy_process_group()


def in_two_parts(folder):
    model = tiny(training={**BUDGET, "accumulate": 2}, sampler=Heun(2), batch=6)
    return run(2, model=model).go(folder)


def held(folder, begun, end):
    """Hold the lock of a run."""
    with RunFolder(folder).lock():
        begun.set()
        end.wait(60)
