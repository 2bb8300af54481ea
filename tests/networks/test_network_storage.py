"""Networks on disk, and the import without torch."""

import json
import subprocess
import sys
from dataclasses import dataclass, replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from madtheory import networks  # noqa: E402
from madtheory.networks import (  # noqa: E402
    DDIM,
    DDPM,
    VAE,
    WGANGP,
    Classifier,
    Diffusion,
    Flow,
    NetworkFileError,
    Training,
)

BRIEF = Training(images=100, batch=50, betas=(0.5, 0.9), warm_images=7)
MODELS = [
    Flow(hidden=(4,), layers=2, training=BRIEF, units=(0.0, 2.0)),
    VAE(hidden=(), latent_dim=3, training=BRIEF, noisy=False, classes=2),
    WGANGP(hidden=(4,), critic_hidden=(5,), training=BRIEF),
    Diffusion(hidden=(4,), process=DDPM(), sampler=DDIM(), training=BRIEF),
]


def rng(seed=0):
    return np.random.default_rng(seed)


def fitted(model):
    x = rng(1).normal(size=(60, 2))
    return model.fit(x if model.classes is None else np.column_stack([x, np.arange(60) % 2]), rng=rng(2))


def rewritten(path, change):
    """The file with another header."""
    from safetensors.numpy import load_file, save_file

    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))["__metadata__"]
    save_file(load_file(path), path, {key: change(value) for key, value in header.items()})


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_round_trip(model, tmp_path):
    before = fitted(replace(model, device="cpu"))
    assert networks.save(before, tmp_path / "model") == tmp_path / "model"
    after = networks.load(tmp_path / "model")
    assert type(after) is type(before)
    assert after.device is None
    assert repr(replace(after, device="cpu")) == repr(before)
    assert after.training == before.training
    assert {k: (v.dtype, v.shape) for k, v in after.weights.items()} == {
        k: (v.dtype, v.shape) for k, v in before.weights.items()
    }
    assert np.array_equal(after.sample(20, rng=rng(3)), before.sample(20, rng=rng(3)))
    further = [m.fine_tuned(before.sample(60, rng=rng(4)), images=50, rng=rng(5)) for m in (before, after)]
    assert np.array_equal(*(m.sample(20, rng=rng(3)) for m in further))


def test_templates_guided_models_and_classifiers(tmp_path):
    path = tmp_path / "model.safetensors"
    networks.save(MODELS[0], path)
    assert networks.load(path).weights is None
    assert repr(networks.load(path)) == repr(MODELS[0])
    base = fitted(MODELS[0])
    guided = base.guided(base.fine_tuned(base.sample(50, rng=rng(3)), images=500, rng=rng(4)), 0.7)
    networks.save(guided, path)
    assert np.array_equal(networks.load(path).sample(9, rng=rng(5)), guided.sample(9, rng=rng(5)))
    images = rng(6).normal(size=(20, 16))
    classifier = Classifier(classes=2, channels=(2, 2), width=3, training=BRIEF)
    classifier = classifier.fit(images, np.arange(20) % 2, rng=rng(7))
    networks.save(classifier, path)
    assert np.array_equal(networks.load(path).features(images), classifier.features(images))
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@dataclass(frozen=True, kw_only=True, eq=False)
class Foreign(Flow):
    """A subclass, which a reader would not know."""


def test_what_cannot_be_saved(tmp_path):
    for model in (Foreign(), {"weights": 1}, Flow):
        with pytest.raises(TypeError, match=r"pass a network of madtheory\.networks"):
            networks.save(model, tmp_path / "model")
    with pytest.raises(NetworkFileError, match="there is no folder"):
        networks.save(MODELS[0], tmp_path / "missing" / "model")
    (tmp_path / "folder").mkdir()
    with pytest.raises(NetworkFileError, match="is a folder; pass the name of a file"):
        networks.save(MODELS[0], tmp_path / "folder")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = networks.save(MODELS[0], tmp_path / "model")
    old = path.read_bytes()

    def full(descriptor):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(NetworkFileError, match="no space left"):
        networks.save(fitted(MODELS[0]), path)
    assert path.read_bytes() == old
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_files_that_are_something_else(tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "model"
    with pytest.raises(FileNotFoundError, match="is not a file"):
        networks.load(path)
    whole = networks.save(fitted(MODELS[0]), path).read_bytes()
    for content in (b"", b"text", whole[:20], whole[:-4], whole + b"more"):
        path.write_bytes(content)
        with pytest.raises(NetworkFileError, match="not a readable safetensors file"):
            networks.load(path)
    save_file({"a": np.zeros(2)}, path)
    with pytest.raises(NetworkFileError, match="not written by madtheory"):
        networks.load(path)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ('"format": 1', '"format": 2', "update madtheory"),
        ('"format": 1', '"shape": 1', "knows"),
        ('"Flow"', '"Bijection"', "not one of Classifier"),
        ('"Flow"', '"VAE"', "layers"),
        ('"layers": 2', '"layers": 0', "layers=0"),
        ('"layers": 2', '"layers": 3', "knows"),
        ("{", "[", "knows"),
        ('"sha256": "', '"sha256": "0', "checksum"),
    ],
)
def test_headers_of_other_versions(tmp_path, old, new, match):
    path = networks.save(fitted(MODELS[0]), tmp_path / "model")
    rewritten(path, lambda text: text.replace(old, new))
    with pytest.raises(NetworkFileError, match=match):
        networks.load(path)


def test_import_without_torch():
    code = "import sys; sys.modules['torch'] = None; import madtheory.networks"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode
    assert "ImportError: madtheory.networks needs PyTorch" in done.stderr
    assert "pip install 'madtheory[torch]'" in done.stderr


def test_only_networks_are_replaced(tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "a.safetensors"
    for write in (
        lambda: path.write_bytes(b"a result of weeks"),
        lambda: save_file({"w": np.zeros(3)}, path),
        lambda: save_file({"w": np.zeros(3)}, path, {"madtheory_images": "{}"}),
    ):
        write()
        before = path.read_bytes()
        with pytest.raises(networks.NetworkFileError, match=r"is not a network.*choose another name"):
            networks.save(networks.Flow(hidden=(3,)), path)
        assert path.read_bytes() == before
        assert [each.name for each in tmp_path.iterdir()] == ["a.safetensors"]
    path.unlink()
    networks.save(networks.Flow(hidden=(3,)), path)
    networks.save(networks.Classifier(width=7), path)
    assert networks.load(path).width == 7
