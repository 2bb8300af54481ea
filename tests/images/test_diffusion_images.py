"""The image diffusion: its denoiser, what a step sees, what it learns, one seed per image, and its errors."""

import importlib
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("accelerate")

from tiny_diffusion import pictures, rng, tiny  # noqa: E402

from madtheory.images.data.images import Images  # noqa: E402
from madtheory.images.diffusion import ImageDiffusion  # noqa: E402
from madtheory.images.store import fingerprint  # noqa: E402
from madtheory.images.training import (  # noqa: E402
    ImageTraining,
    State,
    order,
)
from madtheory.images.unet import ImageDenoiser, UNet  # noqa: E402
from madtheory.models import SIMS, Neon  # noqa: E402
from madtheory.networks import DDIM, DDPM, EDM, DPMSolver, FlowMatching, Heun, noise, sample_seeds  # noqa: E402
from madtheory.networks.diffusion.model import PARAMETERISATIONS  # noqa: E402


def plain(n=24):
    """Class 0 is dark, class 1 is bright: all that a network has to learn."""
    labels = np.arange(n) % 2
    pixels = np.empty((n, 8, 8, 1), dtype=np.uint8)
    pixels[:] = np.where(labels == 0, 40, 215)[:, None, None, None]
    return Images.of(pixels, labels)


@pytest.fixture(scope="module")
def learned():
    training = {"images": 2400, "learning_rate": 1e-2, "ema_images": 100, "decay": "linear"}
    return tiny(classes=2, training=training, sampler=Heun(8)).fit(plain(), rng=rng(1))


@pytest.fixture(scope="module")
def fitted():
    return tiny().fit(pictures(), rng=rng(1))


class Recorder(torch.nn.Module):
    def forward(self, x, times, class_labels=None, return_dict=True):
        self.x, self.times, self.labels = x, times, class_labels
        return (torch.sin(x),)


# The denoiser


def test_the_denoiser_of_the_paper():
    """Karras et al. 2022, Table 1, in units where pixels go from -1 to 1 and sigma_data = 0.5."""
    network = Recorder()
    denoiser = ImageDenoiser(network, PARAMETERISATIONS["edm"], 0.5)
    x, clean = torch.randn(2, 3, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    sigma = torch.tensor([0.01, 0.7, 30.0])[:, None, None, None]
    both = sigma**2 + 0.5**2
    denoised = denoiser(x, sigma)
    torch.testing.assert_close(network.x, x / both.sqrt())
    torch.testing.assert_close(network.times, 1000 * sigma.log().flatten() / 4)
    expected = 0.25 / both * x + sigma * 0.5 / both.sqrt() * torch.sin(x / both.sqrt())
    torch.testing.assert_close(denoised, expected)
    weight = both / (sigma * 0.5) ** 2
    loss = (weight * (denoised - clean) ** 2).mean((1, 2, 3))
    torch.testing.assert_close(denoiser.loss(denoised, clean, sigma), loss)


def test_patches_are_pixels_with_more_channels():
    """The network sees squares of pixels as channels, and what it returns is put back in its place."""
    network = Recorder()
    x = torch.randn(3, 1, 4, 6, generator=torch.Generator().manual_seed(0))
    sigma = torch.full((1, 1, 1, 1), 0.7)
    plain = ImageDenoiser(network, PARAMETERISATIONS["edm"], 0.5)(x, sigma)
    patched = ImageDenoiser(network, PARAMETERISATIONS["edm"], 0.5, patch=2)(x, sigma)
    assert network.x.shape == (3, 4, 2, 3)
    # The recorder acts on each number by itself, so that both are the same.
    torch.testing.assert_close(patched, plain)


def test_patches_train_and_sample():
    model = tiny(classes=2, unet={"patch": 2}, training={"images": 48})
    fitted, unet = model.fit(plain(), rng=rng(1)), model.unet
    assert fitted.sample(3, rng=rng(2)).batch(np.arange(3)).shape == (3, 8, 8, 1)
    with pytest.raises(ValueError, match=r"shape \(6, 6, 1\).*patch=2.*multiples of 4"):
        unet.check_shape((6, 6, 1))
    with pytest.raises(ValueError, match="patch=0"):
        UNet(patch=0)


def test_the_network_is_that_of_diffusers(fitted):
    """Bit for bit; it only knows the type of its weights without looking through them."""
    from diffusers import UNet2DModel

    ours, theirs = fitted._restore((8, 8, 1)).unet.eval(), fitted.unet.module((8, 8, 1), 3).eval()
    assert type(theirs) is UNet2DModel
    theirs.load_state_dict(ours.state_dict())
    x, times, labels = torch.ones(2, 1, 8, 8), torch.tensor([1.0, 2.0]), torch.tensor([0, 3])
    with torch.no_grad():
        assert torch.equal(ours(x, times, labels).sample, theirs(x, times, labels).sample)
    assert ours.dtype == theirs.dtype == torch.float32
    assert ours.half().dtype == theirs.half().dtype == torch.float16


def test_the_default_is_edm_and_ddpm_is_ddpm():
    model = ImageDiffusion()
    assert (model.process, model.sigma_data, model.sampler) == (EDM(p_mean=-1.2), 0.5, DPMSolver(32))
    assert ImageDiffusion(process=DDPM(steps=500), parameterisation="epsilon").sigma_data == 1.0


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_images_of_ddpm_are_those_of_diffusers(eta):
    """The same network, seeds and noise through diffusers' scheduler, step by step."""
    from diffusers import DDIMScheduler

    process = DDPM(steps=50)
    settings = {"process": process, "parameterisation": "epsilon", "sampler": DDIM(50, eta=eta)}
    training = {"images": 320, "learning_rate": 1e-2}
    model = tiny(classes=None, training=training, **settings).fit(pictures(classes=None), rng=rng(1))
    seeds = sample_seeds(4, rng(2))
    scheduler = DDIMScheduler(
        num_train_timesteps=50, beta_start=1e-4 * 20, beta_end=0.02 * 20, clip_sample=False,
        timestep_spacing="trailing",
    )  # fmt: skip
    scheduler.set_timesteps(50)
    unet = model._restore((8, 8, 1)).unet.eval()
    kept = scheduler.alphas_cumprod
    start = noise(seeds, (1, 8, 8)) * np.sqrt(1 + process.sigmas[-1] ** 2)
    x = start.double() * kept[-1].sqrt()
    with torch.no_grad():
        for step, t in enumerate(scheduler.timesteps):
            times = torch.tensor([250 * np.log(process.sigmas[t])], dtype=torch.float32)
            output = unet(x.float(), times, return_dict=False)[0].double()
            z = noise(seeds, (1, 8, 8), step + 1).double()
            x = scheduler.step(output, t, x, eta=eta, variance_noise=z).prev_sample
    theirs = (x * 127.5 + 127.5).round().clamp(0, 255).permute(0, 2, 3, 1).numpy()
    ours = np.asarray(model.generate(seeds)).astype(float)
    assert ours.std() > 20
    assert np.abs(ours - theirs).max() <= 1


# What a step sees


@pytest.mark.parametrize(("n", "count"), [(10, 4), (10, 10), (10, 37), (3, 16), (1, 5)])
def test_the_order_of_the_data(n, count):
    """One permutation after another; any place is known without those before it."""
    places = order(n, seed=4)
    rows = np.concatenate([places(first, count) for first in range(0, 40 * count, count)])
    for epoch in range(len(rows) // n):
        assert sorted(rows[epoch * n :][:n]) == list(range(n))
    np.testing.assert_array_equal(order(n, seed=4)(33 * count, count), rows[33 * count :][:count])
    assert n < 4 or not np.array_equal(order(n, seed=5)(0, count), rows[:count])


def test_the_learning_rate():
    training = ImageTraining(warm_up_images=100, decay="linear")
    assert [training.rate(seen, 1000) for seen in (0, 50, 100, 500)] == [0, 0.475, 0.9, 0.5]
    assert ImageTraining().rate(999, 1000) == 1
    assert ImageTraining(decay="cosine").rate(500, 1000) == pytest.approx(0.5)


def test_the_average_of_the_weights():
    layer = torch.nn.Linear(1, 1, bias=False)
    state = State(layer, 1e-3, (0.9, 0.999), 10)
    torch.nn.init.constant_(layer.weight, 0.0)
    state.averages[0].fill_(1.0)
    state.average(seen=1000, batch=10)
    assert state.averages[0].item() == pytest.approx(0.5)
    state.average(seen=40, batch=2)  # at the beginning a twentieth of what was seen
    assert state.averages[0].item() == pytest.approx(0.25)
    state.finish()
    assert layer.weight.item() == pytest.approx(0.25)


def seen(monkeypatch, **training):
    """The images that each part of each step was trained on, and their levels."""
    parts = []

    def loss(denoiser, denoised, x, sigma):
        parts.append((x.detach().clone(), sigma.clone()))
        return original(denoiser, denoised, x, sigma)

    original = ImageDenoiser.loss
    with monkeypatch.context() as patch:
        patch.setattr(ImageDenoiser, "loss", loss)
        model = tiny(training=training).fit(pictures(), rng=rng(1))
    return torch.cat([x for x, _ in parts]), torch.cat([s for _, s in parts]), len(parts), model


def test_every_image_is_seen_equally_often(monkeypatch):
    x, sigma, parts, _ = seen(monkeypatch, images=80)
    pixels = ((x.permute(0, 2, 3, 1) + 1) * 127.5).round().byte().numpy()
    known = {image.tobytes(): i for i, image in enumerate(np.asarray(pictures()))}
    counts = np.bincount([known[image.tobytes()] for image in pixels], minlength=40)
    assert (counts == 2).all()
    assert parts == 5
    assert len(sigma.unique()) == 80


def test_parts_of_a_step_are_the_same_step(monkeypatch):
    whole, levels, parts, one = seen(monkeypatch, images=48)
    pieces, levels_of_pieces, more, three = seen(monkeypatch, images=48, accumulate=3)
    assert (parts, more) == (3, 9)
    torch.testing.assert_close(whole, pieces, rtol=0, atol=0)
    torch.testing.assert_close(levels, levels_of_pieces, rtol=0, atol=0)
    for name, array in one.weights.items():
        np.testing.assert_allclose(three.weights[name], array, atol=2e-4)


def test_flips_mirror_about_half_of_the_images(monkeypatch):
    straight, *_ = seen(monkeypatch)
    flipped, *_ = seen(monkeypatch, augment="flips")
    mirrored = (flipped == straight.flip(3)).flatten(1).all(1)
    same = (flipped == straight).flatten(1).all(1)
    assert (mirrored ^ same).all()
    assert 0.3 < mirrored.float().mean() < 0.7


def test_classes_are_dropped_at_their_share(monkeypatch):
    told = []

    def forward(denoiser, x, sigma, labels=None):
        told.append(labels)
        return original(denoiser, x, sigma, labels)

    original = ImageDenoiser.forward
    monkeypatch.setattr(ImageDenoiser, "forward", forward)
    tiny(dropout=0.3, training={"images": 640}).fit(pictures(), rng=rng(1))
    labels = torch.cat(told)
    assert labels.max() == 3
    assert 0.2 < (labels == 3).float().mean() < 0.4


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    one = tiny(unet={"dropout": 0.2}).fit(pictures(), rng=rng(1))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(123)
    two = tiny(unet={"dropout": 0.2}).fit(pictures(), rng=rng(1))
    torch.set_rng_state(before)
    assert fingerprint(one.weights) == fingerprint(two.weights)


@pytest.mark.parametrize(
    "training", [{"precision": "bf16"}, {"channels_last": True}, {"clip_norm": 0.1}, {"ema_images": 0}]
)
def test_options_of_training(training, fitted):
    """Each changes the weights, and not by much."""
    model = tiny(training=training).fit(pictures(), rng=rng(1))
    assert fingerprint(model.weights) != fingerprint(fitted.weights) or "channels_last" in training
    assert model.sample(2, rng=rng(2)).shape == (2, 8, 8, 1)
    assert all(array.dtype in (np.float32, np.int32) for array in model.weights.values())
    change = max(np.abs(array - fitted.weights[name]).max() for name, array in model.weights.items())
    assert change < 0.02


def test_compilation_is_asked_for(monkeypatch):
    compiled = []

    def compile_(module, **how):
        compiled.append(type(module).__name__)

    monkeypatch.setattr(torch.nn.Module, "compile", compile_)
    tiny(training={"compile": True}).fit(pictures(), rng=rng(1)).sample(2, rng=rng(2))
    assert compiled == ["UNet2DModel"] * 2


# What it learns


def test_it_learns(learned):
    images = learned.sample(20, rng=rng(2))
    means = np.asarray(images).reshape(20, -1).mean(1)
    assert np.bincount(images.labels).tolist() == [10, 10]
    np.testing.assert_allclose(means, np.where(images.labels == 0, 40, 215), atol=25)


def test_guidance_is_the_sum_of_two_denoisers(learned):
    """The class without guidance, at bias 1; against the sum written out, at another."""
    seeds, labels = sample_seeds(4, rng(3)), np.array([0, 1, 0, 1])
    np.testing.assert_array_equal(learned.generate(seeds, labels, bias=1.0), learned.generate(seeds, labels))
    module = learned._restore((8, 8, 1)).eval()
    sigmas = learned.process.levels(8)

    def denoiser(x, sigma):
        level = torch.full((1, 1, 1, 1), sigma)
        known, unknown = (module(x, level, torch.tensor(marks)) for marks in ([0, 1, 0, 1], [2] * 4))
        return 3 * known - 2 * unknown

    with torch.no_grad():
        start = np.sqrt(0.25 + sigmas[0] ** 2) * noise(seeds, (1, 8, 8))
        x = Heun(8).integrate(denoiser, start, sigmas)
    expected = (x * 127.5 + 127.5).clamp(0, 255).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(np.asarray(learned.generate(seeds, labels, bias=1 / 3)), expected, atol=1)


def test_training_goes_on_from_the_weights(learned):
    """A warm start with one step of a tiny rate hardly moves; a new fit is elsewhere."""
    training = replace(learned.training, warm_images=16, warm_learning_rate=1e-7)
    warm = replace(learned, training=training).fit(plain(), rng=rng(5))
    change = max(np.abs(warm.weights[k] - learned.weights[k]).max() for k in learned.weights)
    assert 0 < change < 1e-6
    own = learned.fine_tuned(plain(), images=16, learning_rate=1e-7, rng=rng(5))
    assert fingerprint(own.weights) == fingerprint(warm.weights)


# One seed per image


def test_one_seed_per_image(fitted):
    seeds, labels = sample_seeds(10, rng(3)), np.arange(10) % 3
    images = fitted.generate(seeds, labels)
    np.testing.assert_array_equal(images.seeds, seeds)
    np.testing.assert_array_equal(images.labels, labels)
    pixels = np.asarray(images).astype(int)
    chosen = [7, 2, 5]
    for batch in (1, 3, 64):
        few = replace(fitted, batch=batch).generate(seeds[chosen], labels[chosen])
        assert np.abs(np.asarray(few).astype(int) - pixels[chosen]).max() <= 1
    assert np.abs(pixels[0] - pixels[3]).max() > 20, "another seed is another image"


def test_flow_matching():
    settings = {"process": FlowMatching(), "parameterisation": "velocity", "sampler": DDIM(10)}
    model = tiny(classes=2, training={"images": 1600, "learning_rate": 1e-2}, **settings).fit(
        plain(), rng=rng(1)
    )
    images = model.sample(10, rng=rng(2))
    means = np.asarray(images).reshape(10, -1).mean(1)
    assert means[images.labels == 1].min() > means[images.labels == 0].max() + 60


@pytest.mark.parametrize("sampler", [Heun(3), DDIM(4), DDIM(20, eta=1.0)], ids=str)
def test_samplers_repeat_themselves(fitted, sampler):
    model = replace(fitted, sampler=sampler)
    np.testing.assert_array_equal(model.sample(5, rng=rng(4)), model.sample(5, rng=rng(4)))
    assert not np.array_equal(model.sample(5, rng=rng(4)), model.sample(5, rng=rng(5)))


class Nothing:
    """A sampler that leaves the first noise as it is."""

    steps = 1

    def integrate(self, denoiser, x, sigmas, noise=None):
        return x


def test_sampling_starts_from_noise_like_noisy_data(fitted):
    """Of variance sigma_data^2 + sigma^2."""
    model = replace(fitted, process=EDM(sigma_max=0.1), sampler=Nothing())
    pixels = np.asarray(model.sample(100, rng=rng(1))) / 127.5 - 1
    assert np.median(np.abs(pixels)) == pytest.approx(0.6745 * np.sqrt(0.25 + 0.01), rel=0.05)


def test_in_a_store_the_images_are_the_same(fitted, tmp_path):
    kept = replace(fitted, store=tmp_path)
    np.testing.assert_array_equal(kept.sample(10, rng=rng(4)), fitted.sample(10, rng=rng(4)))
    assert len(list(tmp_path.glob("samples/*/manifest.json"))) == 1


# SIMS and Neon


@pytest.mark.parametrize("stored", [False, True])
def test_guided_and_extrapolated(fitted, tmp_path, stored):
    base = replace(fitted, store=tmp_path) if stored else fitted
    auxiliary = base.fine_tuned(base.sample(16, rng=rng(6)), images=64, learning_rate=1e-2, rng=rng(7))
    seeds, labels = sample_seeds(6, rng(3)), np.arange(6) % 3
    mine, theirs = (np.asarray(m.generate(seeds, labels)).astype(int) for m in (base, auxiliary))
    assert np.abs(mine - theirs).max() > 2
    for make in (base.guided, base.extrapolated):
        for weight, expected in ((0.0, mine), (-1.0, theirs)):
            drawn = np.asarray(make(auxiliary, weight).generate(seeds, labels)).astype(int)
            assert np.abs(drawn - expected).max() <= 1
    merged, name = base.extrapolated(auxiliary, 0.5), "unet.conv_in.weight"
    expected = 1.5 * base.weights[name] - 0.5 * auxiliary.weights[name]
    np.testing.assert_allclose(merged.weights[name], expected, atol=1e-6)
    assert base.guided(auxiliary, 0.5).sample(4, rng=rng(8), bias=0.5).shape == (4, 8, 8, 1)


@pytest.mark.parametrize("kind", [SIMS, Neon])
def test_sims_and_neon(kind, fitted):
    model = kind(fitted, 0.5, n_auxiliary=8, budget=32, learning_rate=1e-3).fit(pictures(), rng=rng(1))
    assert model.law.sample(4, rng=rng(2)).shape == (4, 8, 8, 1)
    assert type(model.auxiliary) is ImageDiffusion


# Errors


def test_settings_out_of_range():
    for settings, match in [
        ({"parameterisation": "v"}, "parameterisation='v' is unknown"),
        ({"dropout": 1.0}, r"dropout=1\.0 is not a finite number >= 0 and < 1"),
        ({"sigma_data": 0.0}, r"sigma_data=0\.0 is not a finite number > 0"),
        ({"batch": 0}, "batch=0 is not a positive integer"),
        ({"classes": 0}, "classes=0 is not"),
        ({"process": DDPM(steps=50), "sampler": Heun(60)}, "steps=60 exceeds"),
    ]:
        with pytest.raises(ValueError, match=match):
            ImageDiffusion(**settings)
    for settings, match in [
        ({"precision": "int8"}, "precision='int8' is unknown; choose one of 'no', 'bf16', 'fp16'"),
        ({"augment": "colour"}, "augment='colour' is unknown"),
        ({"learning_rate": 0.0}, "learning_rate=0.0"),
        ({"clip_norm": -1.0}, "clip_norm=-1.0"),
        ({"images": 0}, "images=0"),
        ({"checkpoint_every_seconds": -1.0}, "checkpoint_every_seconds=-1.0"),
    ]:
        with pytest.raises(ValueError, match=match):
            ImageTraining(**settings)
    for settings, match in [
        ({"block_out_channels": ()}, "is empty"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"layers_per_block": 0}, "layers_per_block=0"),
    ]:
        with pytest.raises(ValueError, match=match):
            UNet(**settings)


def test_images_that_do_not_fit(fitted):
    for data, classes, match in [
        (pictures(size=7), 3, r"shape \(7, 7, 1\).*multiples of 2"),
        (pictures(), None, "labels and classes=None"),
        (pictures(classes=None), 3, "there are none; open the data set with labels=True, or pass Images.of"),
        (pictures(classes=5), 3, "there are labels from 0 to 4"),
        (pictures().select([]), 3, "data is empty"),
        (np.zeros((4, 8, 8)), None, r"expected \(n, height, width, channels\)"),
    ]:
        with pytest.raises(ValueError, match=match):
            tiny(classes=classes).fit(data, rng=rng(1))
    with pytest.raises(ValueError, match=r"fitted to \(8, 8, 1\); fit a new"):
        fitted.fit(pictures(channels=3), rng=rng(1))


def test_labels_that_do_not_fit(fitted):
    seeds = sample_seeds(3, rng(1))
    for labels in (None, [0, 1], [0, 1, 3], [0, 1, -1]):
        with pytest.raises(ValueError, match="labels"):
            fitted.generate(seeds, labels)
    without = tiny(classes=None).fit(pictures(classes=None), rng=rng(1))
    with pytest.raises(ValueError, match="labels go with classes"):
        without.generate(seeds, [0, 1, 2])
    with pytest.raises(ValueError, match="no classes for guidance"):
        without.sample(2, rng=rng(1), bias=0.5)
    with pytest.raises(ValueError, match=r"pass bias > 0, and dropout=0.1"):
        replace(fitted, dropout=0.0).sample(2, rng=rng(1), bias=0.5)


def test_what_cannot_be_combined(fitted):
    with pytest.raises(ValueError, match="not fitted; call fit"):
        tiny().sample(2, rng=rng(1))
    with pytest.raises(TypeError, match="not a fitted ImageDiffusion"):
        fitted.guided(tiny(), 1.0)
    other = tiny(unet={"block_out_channels": (8, 8)}).fit(pictures(), rng=rng(1))
    with pytest.raises(ValueError, match="another network, process or image size"):
        fitted.extrapolated(other, 1.0)
    with pytest.raises(ValueError, match=r"weights are those of another network: unet\."):
        replace(fitted, unet=other.unet).sample(2, rng=rng(1))


def test_training_that_diverges_says_so():
    training = {"learning_rate": 1e30, "ema_images": 0}
    with pytest.raises(ValueError, match="weights are not finite after 8 steps; lower learning_rate"):
        tiny(training=training).fit(pictures(), rng=rng(1))


def test_half_precision_and_batches_that_cannot_be():
    with pytest.raises(ValueError, match="precision='fp16' needs an accelerator"):
        tiny(training={"precision": "fp16"}).fit(pictures(), rng=rng(1))
    with pytest.raises(ValueError, match=r"batch=16 is less than one image for each of 17 parts"):
        tiny(training={"accumulate": 17}).fit(pictures(), rng=rng(1))


@pytest.mark.parametrize("package", ["diffusers", "accelerate"])
def test_a_missing_package_is_named(package, monkeypatch):
    def import_module(name):
        if name == package:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return original(name)

    original = importlib.import_module
    monkeypatch.setattr(importlib, "import_module", import_module)
    with pytest.raises(ImportError, match=f"pip install {package}"):
        tiny().fit(pictures(), rng=rng(1))
