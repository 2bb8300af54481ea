"""Constructors and seeds of networks and images refuse what they cannot use, and say what to pass."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from madtheory import networks  # noqa: E402
from madtheory.images import ImageDiffusion, Images, ImageTraining, RealImages, UNet  # noqa: E402
from madtheory.images.data.shards import ImageStoreError  # noqa: E402
from madtheory.images.store import read_arrays, write_arrays  # noqa: E402

BAD = {
    "hidden": (lambda: networks.Flow(hidden=128), "hidden=128 is not a list of widths"),
    "hidden text": (lambda: networks.VAE(hidden="128"), "hidden='128' is not a list of widths"),
    "critic": (lambda: networks.WGANGP(critic_hidden=64), "critic_hidden=64 is not a list"),
    "channels": (lambda: networks.Classifier(channels=3), "channels=3 is not a list of widths"),
    "blocks": (lambda: UNet(block_out_channels=64), "block_out_channels=64 is not a list"),
    "units": (lambda: networks.Flow(units=1.0), "units=1.0 are not"),
    "scale": (lambda: networks.Flow(units=(0.0, np.nan)), "units=nan"),
    "device": (lambda: networks.Flow(device="gpu"), "device='gpu' is not a device"),
    "image device": (lambda: ImageDiffusion(device=3.5), "device=3.5 is not a device"),
    "training": (lambda: networks.Flow(training=100), "training=100 is not a Training"),
    "image training": (lambda: ImageDiffusion(training=networks.Training()), "is not a ImageTraining"),
    "unet": (lambda: ImageDiffusion(unet=(64, 64)), "is not a UNet"),
    "process": (lambda: networks.Diffusion(process="edm"), "process='edm' is not a process"),
    "sampler": (lambda: networks.Diffusion(sampler=10), "sampler=10 is not a sampler"),
    "a class": (lambda: ImageDiffusion(sampler=networks.Heun), "is not a sampler"),
    "rate": (lambda: networks.Training(learning_rate="fast"), "learning_rate='fast'"),
    "betas": (lambda: networks.Training(betas=0.9), "betas=0.9 are not two numbers"),
    "image betas": (lambda: ImageTraining(betas=(0.9, 1.0)), "betas=1.0"),
    "clip": (lambda: ImageTraining(clip_norm="x"), "clip_norm='x'"),
    "penalty": (lambda: networks.WGANGP(penalty="x"), "penalty='x'"),
    "blur": (lambda: networks.Flow(blur=None), "blur=None"),
    "dropout": (lambda: networks.Diffusion(dropout="x"), "dropout='x'"),
    "sigma_min": (lambda: networks.EDM(sigma_min="a"), "sigma_min='a' is not a finite number"),
    "sigma_max": (lambda: networks.EDM(sigma_max=np.inf), "sigma_max=inf is not a finite number"),
    "rho": (lambda: networks.EDM(rho=None), "rho=None"),
    "p_mean": (lambda: networks.EDM(p_mean=np.nan), "p_mean=nan is not a finite number"),
    "p_std": (lambda: networks.EDM(p_std=[1.0, 2.0]), "p_std="),
    "beta_start": (lambda: networks.DDPM(beta_start="1e-4"), "beta_start='1e-4'"),
    "beta_end": (lambda: networks.DDPM(beta_end=None), "beta_end=None"),
    "chain": (lambda: networks.DDPM(steps=2.5), "steps=2.5 is not"),
    "schedule": (lambda: networks.DDPM(schedule=3), "schedule=3"),
    "t_max": (lambda: networks.FlowMatching(t_max="1"), "t_max='1'"),
    "steps": (lambda: networks.Heun("18"), "steps='18' is not"),
    "many steps": (lambda: networks.Heun(10**30), "is too large"),
    "eta": (lambda: networks.DDIM(eta=None), "eta=None"),
    "eta text": (lambda: networks.DDIM(eta="1"), "eta='1'"),
    "image dropout": (lambda: ImageDiffusion(dropout="x"), "dropout='x'"),
    "image sigma_data": (lambda: ImageDiffusion(sigma_data=True), "sigma_data=True"),
    "image batch": (lambda: ImageDiffusion(batch=2.5), "batch=2.5"),
    "image store": (lambda: ImageDiffusion(store=3), "store=3 is not a path"),
    "block dropout": (lambda: UNet(dropout=None), "dropout=None"),
    "attention": (lambda: UNet(attention=16), "attention=16 is not a list"),
    "images": (lambda: ImageTraining(images="many"), "images='many'"),
    "image rate": (lambda: ImageTraining(learning_rate=None), "learning_rate=None"),
    "compile": (lambda: ImageTraining(compile="no"), "compile='no' is not a bool"),
    "seconds": (lambda: ImageTraining(checkpoint_every_seconds="x"), "checkpoint_every_seconds='x'"),
    "warm images": (lambda: ImageTraining(warm_images=1.5), "warm_images=1.5"),
    "file": (lambda: networks.load(None), "path=None is not a path"),
}


@pytest.mark.parametrize("name", BAD)
def test_constructors_say_what_is_wrong(name):
    make, message = BAD[name]
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def flow():
    points = np.random.default_rng(0).normal(size=(50, 2))
    training = networks.Training(images=np.int64(64), batch=np.int32(32))
    return networks.Flow(hidden=(), training=training).fit(points, rng=np.random.default_rng(1))


@pytest.mark.parametrize(
    "seeds", [[1.5, 2.0], [-1, 2], [[1, 2]], 3, [True, False], np.ma.array([1, 2], mask=[0, 1])]
)
def test_seeds_of_samples_are_whole_numbers(seeds):
    with pytest.raises(ValueError, match="seeds"):
        flow().generate(seeds)
    with pytest.raises(ValueError, match="seeds"):
        Images.of(np.zeros((2, 4, 4, 1), np.uint8), seeds=seeds)


def test_seeds_of_every_integer_type_are_equal():
    fitted = flow()
    expected = fitted.generate(np.array([1, 2**63 - 1], dtype=np.uint64))
    for seeds in ([1, 2**63 - 1], np.array([1, 2**63 - 1]), (np.int64(1), 2**63 - 1)):
        assert np.array_equal(fitted.generate(seeds), expected)
    assert type(fitted.training.images) is int


def test_images_do_not_follow_the_array_they_were_made_of():
    pixels = np.full((2, 4, 4, 1), 7, np.uint8)
    labels = np.array([0, 1])
    for given in (pixels, pixels[::-1], pixels.view()):
        images = Images.of(given, labels=labels, seeds=np.array([1, 2], np.uint64))
        pixels[:], labels[:] = 9, 0
        assert (np.asarray(images) == 7).all()
        assert images.labels.tolist() == [0, 1]
        pixels[:], labels[:] = 7, [0, 1]
    kept = np.zeros((2, 4, 4, 1), np.uint8)
    kept.flags.writeable = False
    assert np.shares_memory(Images.of(kept).parts[0].pixels, kept)  # nobody can change it


def test_masked_images_are_refused():
    masked = np.ma.array(np.zeros((2, 4, 4, 1), np.uint8), mask=True)
    with pytest.raises(ValueError, match="pixels is not an array of numbers"):
        Images.of(masked)
    with pytest.raises(ValueError, match="labels is not an array of numbers"):
        Images.of(np.zeros((2, 4, 4, 1), np.uint8), labels=np.ma.array([0, 1], mask=[0, 1]))


def test_a_flipped_bit_in_the_header_of_a_network(tmp_path):
    """The weights have a checksum, and so does what they are the weights of."""
    path = networks.save(flow(), tmp_path / "flow.safetensors")
    whole = path.read_bytes()
    size = int.from_bytes(whole[:8], "little")
    start = whole.index(b"madtheory_network")
    places = np.random.default_rng(0).choice(np.arange(start, 8 + size), 150, replace=False)
    expected = networks.load(path).generate([1, 2])
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(bytes(damaged))
        try:
            found = networks.load(path)
        except networks.NetworkFileError:
            continue
        assert repr(found) == repr(flow())
        assert np.array_equal(found.generate([1, 2]), expected)


def test_a_flipped_bit_in_the_header_of_a_checkpoint(tmp_path):
    path = tmp_path / "a.safetensors"
    write_arrays(path, {"a": np.arange(4.0), "b": np.arange(4.0)}, {"key": "k", "step": 1234, "n": 17.0})
    whole, known = path.read_bytes(), read_arrays(path)
    for place in range(8, 8 + int.from_bytes(whole[:8], "little")):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(bytes(damaged))
        try:
            header, arrays = read_arrays(path)
        except ImageStoreError:
            continue
        assert json.dumps(header) == json.dumps(known[0])
        assert all(np.array_equal(arrays[name], known[1][name]) for name in known[1])


def test_no_link_is_followed_where_a_file_is_written(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / ".a.safetensors.partial").symlink_to(victim)
    write_arrays(tmp_path / "a.safetensors", {"a": np.arange(4.0)}, {"key": "k"})
    assert victim.read_text() == "mine"


@pytest.mark.parametrize("given", [0, None, "seed", np.random.RandomState(0), np.random])
def test_what_draws_must_be_a_generator(given):
    """In fits, samples and draws, before anything is computed."""
    points = np.zeros((50, 16))
    pictures = Images.of(np.zeros((8, 8, 8, 1), np.uint8))
    unet = UNet(block_out_channels=(8,), layers_per_block=1)
    calls = [
        lambda: networks.Flow().fit(points, rng=given),
        lambda: flow().fine_tuned(points[:, :2], images=9, rng=given),
        lambda: flow().sample(3, rng=given),
        lambda: networks.Classifier().fit(points, np.zeros(50, int), rng=given),
        lambda: ImageDiffusion(unet=unet).fit(pictures, rng=given),
        lambda: pictures.subsample(2, rng=given),
        lambda: RealImages(pictures).take(2, rng=given),
        lambda: networks.sample_denoiser(lambda x, s: x, 3, 2, rng=given),
    ]
    for call in calls:
        with pytest.raises(TypeError, match=r"rng=.* is not a generator; pass for example rng=np\.random"):
            call()


def test_integers_of_numpy_are_integers():
    """In a store, whose keys are JSON."""
    model = ImageDiffusion(batch=np.int64(12), dropout=np.float32(0.25), sampler=networks.Heun(np.int16(3)))
    assert (type(model.batch), type(model.dropout), type(model.sampler.steps)) == (int, float, int)
    assert type(ImageTraining(images=np.int32(5)).images) is int
    assert networks.DDPM(steps=np.int64(500)) == networks.DDPM(steps=500)
