"""Networks and schedulers of diffusers: the same steps, there and back."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
pytest.importorskip("accelerate")

from tiny_diffusion import pictures, rng  # noqa: E402

import madtheory as mad  # noqa: E402
from madtheory.images import ImageDiffusion, ImageTraining, RealImages  # noqa: E402
from madtheory.networks.network import noise  # noqa: E402


def unet(**settings):
    torch.manual_seed(0)
    given = {
        "sample_size": 8, "in_channels": 1, "out_channels": 1, "block_out_channels": (8, 16),
        "layers_per_block": 1, "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", "UpBlock2D"), "norm_num_groups": 8, "attention_head_dim": 8,
    }  # fmt: skip
    return diffusers.UNet2DModel(**(given | settings)).eval()


SCHEDULERS = {
    "ddpm": diffusers.DDPMScheduler(num_train_timesteps=50),
    "ddpm of few steps": diffusers.DDPMScheduler(num_train_timesteps=1000, beta_schedule="squaredcos_cap_v2"),
    "ddpm, large, not clipped": diffusers.DDPMScheduler(
        num_train_timesteps=50, variance_type="fixed_large", clip_sample=False
    ),
    "ddim": diffusers.DDIMScheduler(),
    "ddim of v": diffusers.DDIMScheduler(
        prediction_type="v_prediction", beta_schedule="scaled_linear", timestep_spacing="trailing"
    ),
    "ddim of x0": diffusers.DDIMScheduler(prediction_type="sample", clip_sample=False, steps_offset=1),
    "ddim, unfinished": diffusers.DDIMScheduler(set_alpha_to_one=False),
}


def by_diffusers(network, scheduler, steps, start, draws, eta):
    """The samples of a pipeline of diffusers, with given noise; shape (n, channels, height, width)."""
    scheduler = type(scheduler).from_config(scheduler.config)
    scheduler.set_timesteps(steps)
    x = start
    with torch.inference_mode():
        for i, t in enumerate(scheduler.timesteps):
            output = network(x, t).sample
            if isinstance(scheduler, diffusers.DDIMScheduler):
                z = {"variance_noise": draws(i)} if eta else {}
                x = scheduler.step(output, t, x, eta=eta, **z).prev_sample
            else:
                mean = step_without_noise(scheduler, output, t, x)
                if t > 0:
                    mean = mean + scheduler._get_variance(t) ** 0.5 * draws(i)
                x = mean
    return x


def step_without_noise(scheduler, output, t, x):
    import unittest.mock

    with unittest.mock.patch(
        "diffusers.schedulers.scheduling_ddpm.randn_tensor", lambda shape, **_: torch.zeros(shape)
    ):
        return scheduler.step(output, t, x).prev_sample


@pytest.mark.parametrize(
    ("name", "eta"),
    [(name, 0.0) for name in SCHEDULERS] + [(name, 0.7) for name in SCHEDULERS if name.startswith("ddim")],
)
def test_samples_are_those_of_the_scheduler(name, eta):
    scheduler = SCHEDULERS[name]
    of_ddim = name.startswith("ddim")
    steps, network = (50 if name in ("ddpm", "ddpm, large, not clipped") else 10), unet()
    model = ImageDiffusion.from_diffusers(
        network, scheduler, steps=steps, eta=eta if of_ddim else None, device="cpu"
    )
    seeds = np.arange(6, dtype=np.uint64)

    def draws(i):
        return noise(seeds, (1, 8, 8), i + 1)

    theirs = by_diffusers(network, scheduler, steps, draws(-1), draws, eta)
    wanted = (theirs * 127.5 + 127.5).clamp(0, 255).permute(0, 2, 3, 1).numpy()
    ours = np.asarray(model.generate(seeds)).astype(float)
    inside = (wanted > 0) & (wanted < 255)
    assert np.abs(ours - wanted).max() <= 0.52, "the rounding to levels of grey"
    assert inside.mean() > 0.05
    other = np.asarray(dataclasses.replace(model, weights=dict(model.weights) | {
        "unet.conv_in.bias": model.weights["unet.conv_in.bias"] + 0.5}).generate(seeds))  # fmt: skip
    assert np.abs(other - wanted).max() > 1, "another network makes other images"


def test_there_and_back_is_the_same_network(tmp_path):
    network, scheduler = unet(), diffusers.DDPMScheduler(num_train_timesteps=50, beta_end=0.1)
    model = ImageDiffusion.from_diffusers(network, scheduler, device="cpu")
    again, chain = model.to_diffusers()
    assert all(chain.config[name] == value for name, value in scheduler.config.items() if name[0] != "_")
    assert type(chain) is type(scheduler)
    x, t = torch.randn(3, 1, 8, 8), torch.tensor([0, 20, 49])
    with torch.inference_mode():
        assert torch.equal(again(x, t).sample, network(x, t).sample)
    again.save_pretrained(tmp_path)
    kept = diffusers.UNet2DModel.from_pretrained(tmp_path, low_cpu_mem_usage=False)
    np.testing.assert_array_equal(
        ImageDiffusion.from_diffusers(kept, chain, device="cpu").generate(range(4)), model.generate(range(4))
    )


def test_a_loop_trains_it_further(tmp_path):
    """The loss at its own weights is that of diffusers' training, and a loop in a store runs."""
    training = ImageTraining(images=32, batch=16, ema_images=0, learning_rate=1e-3)
    model = ImageDiffusion.from_diffusers(
        unet(), diffusers.DDPMScheduler(num_train_timesteps=20, beta_end=0.3), training=training,
        device="cpu", store=tmp_path,
    )  # fmt: skip
    loop = mad.Loop(
        real=RealImages(pictures(60, classes=None)), model=model, regime=mad.regimes.replace(n=16)
    )
    first, second = (snapshot for snapshot, _ in zip(mad.iterate(loop, rng=0), range(2), strict=False))
    assert second.training_set.shape == (16, 8, 8, 1)
    weights = [m.weights["unet.conv_in.weight"] for m in (model, first.model, second.model)]
    assert not np.array_equal(weights[0], weights[1])
    assert np.abs(weights[2] - weights[0]).max() < 0.1, "it continues from the given weights"
    again, _ = second.model.to_diffusers()
    assert np.array_equal(again.conv_in.weight.detach().numpy(), weights[2])


def test_the_loss_is_that_of_the_prediction():
    """For epsilon |F - n|^2, for v |F - v|^2, at weights of the network, by hand."""
    for prediction in ("epsilon", "v_prediction"):
        scheduler = diffusers.DDPMScheduler(num_train_timesteps=50, prediction_type=prediction)
        network = unet()
        model = ImageDiffusion.from_diffusers(network, scheduler, device="cpu")
        module = model._restore((8, 8, 1)).eval()
        x0, n, t = torch.randn(5, 1, 8, 8), torch.randn(5, 1, 8, 8), torch.tensor([0, 3, 10, 30, 49])
        noisy = scheduler.add_noise(x0, n, t)
        target = n if prediction == "epsilon" else scheduler.get_velocity(x0, n, t)
        with torch.inference_mode():
            theirs = (network(noisy, t).sample - target).square().flatten(1).mean(1)
            sigma = torch.from_numpy(model.process.sigmas[t.numpy()]).float()[:, None, None, None]
            ours = module.loss(module(x0 + sigma * n, sigma), x0, sigma)
        torch.testing.assert_close(ours, theirs, rtol=2e-3, atol=1e-5)


def test_classes_and_guidance():
    network, chain = unet(num_class_embeds=4), diffusers.DDIMScheduler()
    model = ImageDiffusion.from_diffusers(network, chain, classes=3, steps=4, device="cpu")
    assert (model.classes, model.dropout) == (3, 0.1)
    plain, guided = (np.asarray(model.sample(6, rng=rng(), bias=b)).astype(int) for b in (1.0, 0.4))
    assert np.abs(plain - guided).max() > 0
    every = ImageDiffusion.from_diffusers(network, chain, steps=4, device="cpu")
    assert (every.classes, every.dropout) == (4, 0.0)
    with pytest.raises(ValueError, match="dropout"):
        every.sample(6, rng=rng(), bias=0.5)


def test_what_is_refused():
    chain = diffusers.DDPMScheduler()
    with pytest.raises(TypeError, match=r"ImageDiffusion\.from_diffusers\(unet, scheduler\)"):
        ImageDiffusion(unet=unet())
    with pytest.raises(TypeError, match="not a UNet2DModel"):
        ImageDiffusion.from_diffusers(torch.nn.Linear(2, 2), chain)
    with pytest.raises(TypeError, match="alphas_cumprod"):
        ImageDiffusion.from_diffusers(unet(), diffusers.FlowMatchEulerDiscreteScheduler())
    with pytest.raises(ValueError, match="learn a variance"):
        ImageDiffusion.from_diffusers(unet(out_channels=2), chain)
    with pytest.raises(ValueError, match="classes=9"):
        ImageDiffusion.from_diffusers(unet(num_class_embeds=4), chain, classes=9)
    with pytest.raises(ValueError, match="thresholding"):
        ImageDiffusion.from_diffusers(unet(), diffusers.DDIMScheduler(thresholding=True))
    with pytest.raises(ValueError, match=r"eta=0\.5"):
        ImageDiffusion.from_diffusers(unet(), chain, eta=0.5)
    with pytest.raises(ValueError, match="shape=None"):
        ImageDiffusion.from_diffusers(unet(sample_size=None), chain)
    with pytest.raises(ValueError, match=r"only models that ImageDiffusion\.from_diffusers made"):
        ImageDiffusion(weights={"_shape": np.array([8, 8, 1])}).to_diffusers()


def test_other_schedulers_keep_the_default_sampler():
    model = ImageDiffusion.from_diffusers(unet(), diffusers.DPMSolverMultistepScheduler(), device="cpu")
    assert type(model.sampler).__name__ == "DPMSolver"
    images = dataclasses.replace(model, sampler=type(model.sampler)(4)).sample(3, rng=rng())
    assert images.shape == (3, 8, 8, 1)
