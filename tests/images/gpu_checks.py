"""The checks on one accelerator, within ten minutes: ``make test-gpu``, or here with ``--device cpu --tiny``.

Prints a line of JSON for each part, and fails if one of them does not hold.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from madtheory.images import ImageDiffusion, Images, ImageTraining, UNet
from madtheory.images.evaluation import features
from madtheory.images.runs import PRESETS, Run
from madtheory.networks import DDIM


def pictures(n, size, channels):
    """Smooth random images, of which a network can learn something."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (n, size // 4, size // 4, channels), dtype=np.uint8)
    return Images.of(coarse.repeat(4, 1).repeat(4, 2))


def network(tiny, device, **training):
    """The network of the checks: a quarter of a million weights, or a few thousand."""
    unet = UNet(block_out_channels=(8, 16) if tiny else (64, 128), layers_per_block=1, attention=())
    budget = {"images": 64 if tiny else 50_000, "batch": 16 if tiny else 128, "ema_images": 0}
    return ImageDiffusion(
        unet=unet, training=ImageTraining(**(budget | training)), device=device, batch=8 if tiny else 256
    )


def check_equality(device, tiny):
    """The images of a seed are those of the CPU: levels of grey, median and largest share that differ."""
    size, seeds = (8, np.arange(8 if tiny else 64, dtype=np.uint64))
    model = network(tiny, device, exact=True).fit(pictures(64, size, 3), rng=np.random.default_rng(1))
    found = {}
    for name, sampler in (("default", model.sampler), ("ancestral", DDIM(10, eta=1.0))):
        there, here = (
            np.asarray(replace(model, sampler=sampler, device=place).generate(seeds)).astype(int)
            for place in (device, "cpu")
        )
        found[name] = float(np.median(np.abs(there - here)))
    other = np.asarray(model.generate(seeds + 1000)).astype(int)
    control = float(np.median(np.abs(other - here)))
    return {**found, "other seeds": control}, max(found.values()) <= 2 < control


def check_fast(device, tiny):
    """Half precision, compiled, is the same model: median difference of levels of grey."""
    seeds = np.arange(8, dtype=np.uint64)
    model = network(tiny, device, exact=True).fit(pictures(64, 8, 3), rng=np.random.default_rng(1))
    fast = replace(model.training, precision="bf16", compile=True, exact=False)
    exact, compiled = (
        np.asarray(replace(model, training=how).generate(seeds)).astype(int) for how in (model.training, fast)
    )
    difference = float(np.median(np.abs(exact - compiled)))
    return {"median difference": difference}, difference <= 8


def check_speed(device, tiny):
    """Images a second in training and sampling, against a plain loop with diffusers' own step."""
    from diffusers import DDIMScheduler

    size, n = (8, 64) if tiny else (32, 8192)
    data = pictures(64 if tiny else 2048, size, 3)
    settings = {} if device == "cpu" else {"precision": "bf16", "compile": True}
    model = network(tiny, device, images=n, **settings)
    model.fit(data, rng=np.random.default_rng(0))  # compilation
    begun = time.perf_counter()
    fitted = model.fit(data, rng=np.random.default_rng(0))
    training = n / (time.perf_counter() - begun)

    steps, batch = 10, model.batch
    fast = replace(fitted, sampler=DDIM(steps), batch=batch)
    fast.sample(batch, rng=np.random.default_rng(0))
    begun = time.perf_counter()
    fast.sample(2 * batch, rng=np.random.default_rng(0))
    ours = 2 * batch / (time.perf_counter() - begun)

    unet, scheduler = fitted.unet.module((size, size, 3), None).to(device).eval(), DDIMScheduler()
    scheduler.set_timesteps(steps)

    def plain():
        x = torch.randn(batch, 3, size, size, device=device)
        with torch.inference_mode():
            for t in scheduler.timesteps:
                x = scheduler.step(unet(x, t).sample, t, x).prev_sample
        return x.cpu()

    plain()
    begun = time.perf_counter()
    plain()
    theirs = batch / (time.perf_counter() - begun)
    found = {"training": training, "sampling": ours, "sampling of diffusers": theirs}
    # On a CPU at tiny size the time is that of anything else on the machine.
    return found, tiny or ours > 0.8 * theirs


def check_five_generations(device, tiny):
    """MAD's fully synthetic loop at reduced size: five generations are measured, and the distance grows."""
    preset = PRESETS["mad-mnist-fully-synthetic"]
    settings = preset.settings("smoke" if tiny else "small")
    if not tiny:
        budget = replace(settings.model.training, images=150_000, warm_up_images=8000, ema_images=8000)
        settings = replace(settings, model=replace(settings.model, training=budget))
    run = Run(
        loop=settings.loop(device=device),
        generations=2 if tiny else 5,
        features=features.random_convolutions(channels=1, device=device),
        reference=settings.open_reference(),
        n_evaluation=16 if tiny else settings.n_evaluation,
    )
    with tempfile.TemporaryDirectory() as folder:
        lines = run.go(Path(folder) / "run", progress=False)
    distances = [line["frechet_distance"] for line in lines]
    return {"distances": distances}, len(lines) == run.generations and (tiny or distances[-1] > distances[0])


CHECKS = {
    "equality with the CPU": check_equality,
    "half precision, compiled": check_fast,
    "speed": check_speed,
    "five generations": check_five_generations,
}


def main(arguments=None):
    """Run all checks; return how many fail."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true")
    given = parser.parse_args(arguments)
    failed = 0
    for name, check in CHECKS.items():
        begun = time.perf_counter()
        numbers, good = check(given.device, given.tiny)
        failed += not good
        print(
            json.dumps({"check": name, "good": bool(good), "seconds": time.perf_counter() - begun} | numbers)
        )
    return failed


if __name__ == "__main__":
    sys.exit(main())
