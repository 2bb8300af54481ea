"""Training and sampling of images against diffusers, on the same U-Net in the same run: ``make benchmark``.

On an accelerator the network is the U-Net of EDM's size for CIFAR-10, 32 x 32; on a CPU a tiny one, 8 x 8.
The baseline of training is the step of diffusers' example (noise of its scheduler, squared error, accelerate,
clipped gradient, AdamW, moving average); that of sampling is its pipeline, with as many network evaluations.
"""

import time

import numpy as np
import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
accelerate = pytest.importorskip("accelerate")

from madtheory.images._images import Images  # noqa: E402
from madtheory.images._training import ImageTraining, accelerated  # noqa: E402
from madtheory.images.diffusion import ImageDiffusion  # noqa: E402
from madtheory.images.unet import UNet  # noqa: E402
from madtheory.networks import DDIM, DDPM, sample_seeds  # noqa: E402

FAST = torch.cuda.is_available()
SHAPE = (32, 32, 3) if FAST else (8, 8, 1)
BATCH, STEPS, EVALUATIONS = (512, 20, 18) if FAST else (64, 12, 10)
N_SAMPLES = 2048 if FAST else 256
EDM_CIFAR10 = UNet(block_out_channels=(256, 256, 256), layers_per_block=4, attention=(16,), dropout=0.13)
TINY = UNet(block_out_channels=(16, 32), layers_per_block=1, attention=(4,))
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}
"""Dense bf16 operations per second, of the makers' data sheets."""


def model(**settings):
    how = {"precision": "bf16", "compile": True} if FAST else {}
    training = ImageTraining(batch=BATCH, ema_images=500_000, channels_last=FAST, **how)
    return ImageDiffusion(unet=EDM_CIFAR10 if FAST else TINY, training=training, **settings)


def pictures():
    return Images.of(np.random.default_rng(0).integers(0, 256, (1024, *SHAPE), dtype=np.uint8))


def now():
    if not FAST:
        return time.process_time()  # which other work on the machine does not change
    torch.cuda.synchronize()
    return time.perf_counter()


def slope(run, few, many):
    """Seconds per unit of `run`, without what it costs once; the better of three."""
    run(few)
    seconds = {few: [], many: []}
    for _ in range(3):
        for n in (few, many):
            begun = now()
            run(n)
            seconds[n].append(now() - begun)
    return (min(seconds[many]) - min(seconds[few])) / (many - few)


def operations_per_image():
    """Floating-point operations of one evaluation for one image."""
    from torch.utils.flop_counter import FlopCounterMode

    module = model().unet.module(SHAPE, None)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(torch.zeros(1, SHAPE[2], *SHAPE[:2]), torch.zeros(1))
    return counter.get_total_flops()


def report(benchmark, what, ours, theirs, operations):
    achieved = operations / ours
    peak = next((p for name, p in PEAKS.items() if FAST and name in torch.cuda.get_device_name()), None)
    benchmark.extra_info.update(
        images_per_second=1 / ours,
        images_per_second_of_diffusers=1 / theirs,
        ratio=theirs / ours,
        operations_per_second=achieved,
        share_of_bf16_peak=None if peak is None else achieved / peak,
    )
    print(f"\n{what}: {1 / ours:.0f} images/s, diffusers {1 / theirs:.0f}: ratio {theirs / ours:.2f}")
    share = "" if peak is None else f", {achieved / peak:.0%} of the bf16 peak"
    print(f"{achieved / 1e12:.4f} Top/s{share}")


def trained_by_diffusers(data):
    """The training step of diffusers' example for unconditional images."""
    from diffusers.training_utils import EMAModel

    accelerator = accelerated(None)
    module = model().unet.module(SHAPE, None)
    average = EMAModel(module.parameters(), decay=0.9999, use_ema_warmup=True)
    average.to(accelerator.device)
    optimiser = torch.optim.AdamW(module.parameters(), lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-6)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda _: 1.0)
    module, optimiser, schedule = accelerator.prepare(module, optimiser, schedule)
    scheduler = diffusers.DDPMScheduler(num_train_timesteps=1000)
    pixels = torch.from_numpy(np.asarray(data)).permute(0, 3, 1, 2).float() / 127.5 - 1
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(pixels), BATCH, shuffle=True)

    def steps(n):
        batches = iter(())
        for _ in range(n):
            found = next(batches, None)
            if found is None:
                batches = iter(loader)
                found = next(batches)
            clean = found[0].to(accelerator.device)
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
            loss.detach().item()  # the example logs the loss of every step

    return steps


def test_training(benchmark):
    """On an accelerator at least 1.5 times as many images per second."""
    benchmark.group = f"training, {SHAPE}, batch {BATCH}"
    data, ours = pictures(), model()
    rng = np.random.default_rng

    def steps(n):
        fresh = ImageDiffusion(unet=ours.unet, training=ours.training)
        fresh._trained(data, n * BATCH, 1e-4, rng(1))

    theirs = slope(trained_by_diffusers(data), 2, 2 + STEPS) / BATCH
    mine = benchmark.pedantic(slope, (steps, 2, 2 + STEPS), rounds=1) / BATCH
    report(benchmark, benchmark.group, mine, theirs, 3 * operations_per_image())
    assert not FAST or theirs / mine >= 1.5


def test_sampling(benchmark):
    """On an accelerator at least twice as many images per second, at equal evaluations."""
    benchmark.group = f"sampling, {SHAPE}, {EVALUATIONS} evaluations"
    settings = {"process": DDPM(), "parameterisation": "epsilon", "sampler": DDIM(EVALUATIONS)}
    fitted = model(batch=BATCH, **settings)._trained(pictures(), BATCH, 1e-4, np.random.default_rng(1))
    unet = fitted._restored(SHAPE).unet.eval().to(accelerated(None).device)
    pipeline = diffusers.DDIMPipeline(unet, diffusers.DDIMScheduler())
    pipeline.set_progress_bar_config(disable=True)

    def by_diffusers(n):
        for first in range(0, n, BATCH):
            pipeline(min(BATCH, n - first), num_inference_steps=EVALUATIONS, output_type="np")

    def by_us(n):
        fitted.generate(sample_seeds(n, np.random.default_rng(2)))

    theirs = slope(by_diffusers, BATCH, BATCH + N_SAMPLES)
    mine = benchmark.pedantic(slope, (by_us, BATCH, BATCH + N_SAMPLES), rounds=1)
    report(benchmark, benchmark.group, mine, theirs, EVALUATIONS * operations_per_image())
    assert not FAST or theirs / mine >= 2
