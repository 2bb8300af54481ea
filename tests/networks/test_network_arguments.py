"""Constructors and seeds of networks and images refuse what they cannot use, and say what to pass."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from madtheory import networks  # noqa: E402
from madtheory.images import ImageDiffusion, Images, ImageTraining, UNet  # noqa: E402
from madtheory.images._shards import ImageStoreError  # noqa: E402
from madtheory.images._store import read_arrays, write_arrays  # noqa: E402

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
