"""Images per second of training and sampling, against diffusers on the same U-Net in the same run.

The baseline of training is the step of diffusers' example script for unconditional images: noise of its
scheduler, squared error, accelerate, clipped gradient, AdamW, a moving average of the weights, the loss of
every step logged. That of sampling is its DDIM pipeline, with as many network evaluations. On an accelerator
both also run in half precision, which the script and the pipeline have as an option. What a run costs once,
such as compilation, does not count.

On an accelerator the network is the U-Net of EDM's size for CIFAR-10 (Karras et al. 2022, arXiv 2206.00364),
for images of 32 x 32 pixels in colour; on a CPU a tiny one, for 8 x 8 grey pixels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import xarray as xr

TASKS = ("training", "sampling")
CODES = ("madtheory", "diffusers", "diffusers, half precision")
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "RTX 4090": 165e12}
"""Dense bf16 operations per second, of the maker's data sheets (SXM cards where there are several)."""


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Measure, on the accelerator if there is one.

    Returns
    -------
    Dataset
        ``images_per_second`` by task, code and batch, NaN where a code was not run; ``operations``, those of
        one image: floating-point operations of the network, backwards too in training. Attributes:
        ``device``, its name, and ``peak``, its bf16 operations per second, NaN if it is not known.
    """
    import torch

    with alone():
        bench = Bench(rng=rng)
        batches = bench.batches[:2] if quick else bench.batches
        measured = {
            batch: [[bench.rate(task, code, batch, quick) for code in CODES] for task in TASKS]
            for batch in batches
        }
        operations = [bench.operations(task) for task in TASKS]
    rates = np.array([measured[batch] for batch in batches])
    return xr.Dataset(
        {
            "images_per_second": (("batch", "task", "code"), rates),
            "operations": ("task", operations),
        },
        {"task": list(TASKS), "code": list(CODES), "batch": list(batches)},
        {
            "device": bench.name, "accelerator": int(bench.accelerator), "peak": bench.peak,
            "evaluations": bench.evaluations, "shape": list(bench.shape), "torch": torch.__version__,
            "weights": bench.weights, "rng": rng, "quick": int(quick),
        },
    )  # fmt: skip


class Bench:
    """The network, and the two codes that train and sample it on one device."""

    def __init__(self, rng: int = 0) -> None:
        import torch

        from madtheory.images import UNet

        self.accelerator, self.rng = torch.cuda.is_available(), rng
        self.name = torch.cuda.get_device_name() if self.accelerator else "CPU, one thread"
        self.peak = next((p for name, p in PEAKS.items() if name in self.name), float("nan"))
        self.shape = (32, 32, 3) if self.accelerator else (8, 8, 1)
        self.batches = (64, 128, 256) if self.accelerator else (16, 64, 128)
        self.evaluations = 18 if self.accelerator else 6
        if self.accelerator:
            sizes = {"block_out_channels": (256, 256, 256), "layers_per_block": 4, "attention": (16,)}
        else:
            sizes = {"block_out_channels": (16, 32), "layers_per_block": 1, "attention": (4,)}
        self.unet = UNet(**sizes, dropout=0.13 if self.accelerator else 0.0)
        self.weights = sum(p.numel() for p in self.module().parameters())

    def module(self) -> Any:
        """Return the network with new weights."""
        return self.unet.module(self.shape, None)

    def model(self, batch: int, **settings: Any) -> Any:
        """Return our diffusion of the network."""
        from madtheory.images import ImageDiffusion, ImageTraining

        how = {"precision": "bf16", "compile": True, "channels_last": True} if self.accelerator else {}
        training = ImageTraining(batch=batch, learning_rate=1e-4, ema_images=500_000, clip_norm=1.0, **how)
        return ImageDiffusion(unet=self.unet, training=training, batch=batch, **settings)

    def pixels(self) -> np.ndarray:
        """Return random images: what they show has no effect on the time."""
        return np.random.default_rng(self.rng).integers(0, 256, (1024, *self.shape), dtype=np.uint8)

    def operations(self, task: str) -> int:
        """Return the floating-point operations for one image; a training step counts as three passes."""
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        channels, module = self.shape[2], self.module()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            module(torch.zeros(1, channels, *self.shape[:2]), torch.zeros(1))
        return int(counter.get_total_flops()) * (3 if task == "training" else self.evaluations)

    def rate(self, task: str, code: str, batch: int, quick: bool = False) -> float:
        """Return images per second; NaN for half precision on a CPU."""
        half = code == CODES[2]
        if half and not self.accelerator:
            return float("nan")
        if code == CODES[0]:
            work = self.train(batch) if task == "training" else self.sample(batch)
        else:
            makes = self.train_by_diffusers if task == "training" else self.sample_by_diffusers
            work = makes(batch, half)
        units = 20 if task == "training" else 6
        return batch / self._seconds(work, 3 if quick else units)

    def train(self, batch: int) -> Callable[[int], Any]:
        """Return our training as a function of the number of steps."""
        from madtheory.images import Images

        model, data = self.model(batch), Images.of(self.pixels())
        return lambda n: _with_budget(model, n * batch).fit(data, rng=self._rng())

    def sample(self, batch: int) -> Callable[[int], Any]:
        """Return our sampling as a function of the number of batches."""
        from madtheory.images import Images
        from madtheory.networks import DDIM, DDPM, sample_seeds

        settings = {"process": DDPM(), "parameterisation": "epsilon", "sampler": DDIM(self.evaluations)}
        model = _with_budget(self.model(batch, **settings), batch)
        model = model.fit(Images.of(self.pixels()), rng=self._rng())
        return lambda n: model.generate(sample_seeds(n * batch, self._rng()))

    def train_by_diffusers(self, batch: int, half: bool = False) -> Callable[[int], Any]:
        """Return the training of diffusers' example as a function of the number of steps."""
        import torch
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState
        from diffusers import DDPMScheduler
        from diffusers.training_utils import EMAModel

        AcceleratorState._reset_state(reset_partial_state=True)
        accelerator = Accelerator(mixed_precision="bf16" if half else "no")
        module = self.module()
        average = EMAModel(module.parameters(), decay=0.9999, use_ema_warmup=True)
        average.to(accelerator.device)
        optimiser = torch.optim.AdamW(module.parameters(), lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-6)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda _: 1.0)
        scaled = torch.from_numpy(self.pixels()).permute(0, 3, 1, 2).float() / 127.5 - 1
        loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(scaled), batch, shuffle=True)
        module, optimiser, schedule, loader = accelerator.prepare(module, optimiser, schedule, loader)
        scheduler = DDPMScheduler(num_train_timesteps=1000)
        batches = (found for _ in count() for (found,) in loader)

        def steps(n: int) -> None:
            for _ in range(n):
                clean = next(batches)
                noise = torch.randn_like(clean)
                times = torch.randint(0, 1000, (len(clean),), device=clean.device)
                output = module(scheduler.add_noise(clean, noise, times), times).sample
                loss = torch.nn.functional.mse_loss(output.float(), noise.float())
                accelerator.backward(loss)
                accelerator.clip_grad_norm_(module.parameters(), 1.0)
                optimiser.step()
                schedule.step()
                optimiser.zero_grad()
                average.step(module.parameters())
                loss.detach().item()

        return steps

    def sample_by_diffusers(self, batch: int, half: bool = False) -> Callable[[int], Any]:
        """Return the sampling of diffusers' pipeline as a function of the number of batches."""
        from diffusers import DDIMPipeline, DDIMScheduler

        module = self.module().eval().to("cuda" if self.accelerator else "cpu")
        pipeline = DDIMPipeline(module.half() if half else module, DDIMScheduler())
        pipeline.set_progress_bar_config(disable=True)

        def batches(n: int) -> None:
            for _ in range(n):
                pipeline(batch, num_inference_steps=self.evaluations, output_type="np")

        return batches

    def _seconds(self, work: Callable[[int], Any], units: int) -> float:
        """Measure the seconds of one unit of work, without what it costs once: the best of three."""
        work(1)
        seconds: dict[int, list[float]] = {1: [], 1 + units: []}
        for _ in range(3):
            for n, taken in seconds.items():
                begun = self._now()
                work(n)
                taken.append(self._now() - begun)
        return (min(seconds[1 + units]) - min(seconds[1])) / units

    def _now(self) -> float:
        if not self.accelerator:
            return time.process_time()  # which other work on the machine hardly changes
        import torch

        torch.cuda.synchronize()
        return time.perf_counter()

    def _rng(self) -> np.random.Generator:
        return np.random.default_rng([self.rng, 1])


def _with_budget(model: Any, images: int) -> Any:
    return replace(model, training=replace(model.training, images=images))


@contextmanager
def alone() -> Iterator[None]:
    """Limit torch to one thread, and restore its global random state at the end."""
    import torch

    threads = torch.get_num_threads()
    with torch.random.fork_rng():
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
