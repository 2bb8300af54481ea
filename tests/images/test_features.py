"""Features: what they compute, what tells them apart, and what they refuse."""

import copy
import importlib.util
import os

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from madtheory.images import Images, ImageStoreError
from madtheory.images.data import datasets
from madtheory.images.evaluation import features, metrics
from madtheory.images.evaluation.features import _check_file
from madtheory.networks import Classifier, Training

BUDGET = Training(images=20_000, batch=64, learning_rate=3e-3)


def rng(seed=0):
    return np.random.default_rng(seed)


def pixels(n=6, size=8, channels=3, seed=0):
    return rng(seed).integers(256, size=(n, size, size, channels), dtype=np.uint8)


def network(seed=0, channels=3):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten())


def rows(part):
    opened = datasets.digits(part, labels=True).images
    return np.asarray(opened).reshape(len(opened), -1) / 255, opened.labels


@pytest.fixture(scope="module")
def classifier():
    return Classifier(channels=(8, 16), training=BUDGET).fit(*rows("train"), rng=rng())


# Any module -----------------------------------------------------------------------------------------


def test_a_module_sees_numbers_from_0_to_1_by_channel():
    given = pixels()
    seen = features.of_module(lambda x: x, "pixels")(given)
    np.testing.assert_allclose(seen, (given / 255).transpose(0, 3, 1, 2).reshape(6, -1), rtol=1e-6)
    assert seen.dtype == np.float32
    assert features.of_module(lambda x: x.double().mean((2, 3)), "means")(given).dtype == np.float64
    assert features.of_module(lambda x: x.bfloat16(), "half")(given).dtype == np.float32


def test_a_module_is_evaluated_and_frozen():
    module = network().train()
    frozen = features.of_module(module)
    first = frozen(pixels())
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(1.0)
    assert np.array_equal(frozen(pixels()), first)
    np.testing.assert_allclose(frozen(pixels()[2:3]), first[2:3], rtol=1e-5, atol=1e-6)
    assert module.training
    # Negative control: in training mode the other images of a batch matter.
    other = copy.deepcopy(network()).train()
    scaled = torch.from_numpy(pixels()).permute(0, 3, 1, 2) / 255
    assert not np.allclose(other(scaled)[2:3].detach(), other(scaled[2:3]).detach(), rtol=1e-2)


def test_names_tell_weights_and_layers_apart():
    name = features.of_module(network()).name
    assert name == features.of_module(network().train()).name
    others = [network(1), nn.Sequential(*network(), nn.ReLU()), nn.Sequential(*list(network())[:1])]
    wider = network()
    wider[0].stride = (2, 2)
    moved = network()
    moved[1].running_mean += 1.0
    names = {features.of_module(module).name for module in (*others, wider, moved)} | {name}
    assert len(names) == 6
    assert features.of_module(network(), "mine").name == name.replace("Sequential", "mine")
    assert features.of_module(network().to(torch.bfloat16)).name != name


def test_what_is_refused():
    with pytest.raises(ValueError, match="name=None: a function needs a name"):
        features.of_module(lambda x: x)
    pooled = features.of_module(lambda x: x.mean(0), "pooled")
    with pytest.raises(ValueError, match=r"features='pooled' gives shape \(3, 64\) for 6 images"):
        pooled(pixels())
    broken = features.of_module(lambda x: x / 0, "broken")
    with pytest.raises(ValueError, match="features='broken' gives values that are not finite"):
        broken(pixels())
    whole = features.Features("whole", lambda x: x.reshape(len(x), -1))
    with pytest.raises(ValueError, match="type uint8"):
        whole(pixels())
    with pytest.raises(ValueError, match="pixels has type float64; expected uint8"):
        pooled(pixels() / 255)


def settings():
    cudnn = torch.backends.cudnn
    conv = getattr(cudnn, "conv", cudnn)
    single = conv.fp32_precision == "ieee" if hasattr(conv, "fp32_precision") else not cudnn.allow_tf32
    return cudnn.deterministic, cudnn.benchmark, single


@pytest.mark.parametrize("tf32", [True, False])
def test_settings_of_torch_are_left_as_they_were(tf32, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", tf32)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    before, inside = settings(), []

    def spy(x):
        inside.append(settings())
        return x

    state = torch.random.get_rng_state()
    features.of_module(spy, "spy")(pixels())
    features.random_convolutions()(pixels())
    with pytest.raises(ZeroDivisionError):
        features.of_module(lambda x: 1 // 0, "fails")(pixels())
    assert inside == [(True, False, True)]
    assert settings() == before != inside[0]
    assert torch.backends.cudnn.allow_tf32 == tf32
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


# LeNet ----------------------------------------------------------------------------------------------


def test_lenet_is_the_layer_before_the_last(classifier):
    points, labels = rows("test")
    found = features.lenet(classifier)
    values = found(np.asarray(datasets.digits("test").images))
    assert values.shape == (len(points), 84)
    assert np.array_equal(values, classifier.features(points))
    last = [array for name, array in sorted(classifier.weights.items()) if array.shape in ((10, 84), (10,))]
    guessed = (values @ last[1].T + last[0]).argmax(1)
    assert np.array_equal(guessed, classifier.labels(points))
    assert (guessed == labels).mean() > 0.9


def test_lenet_names_and_refusals(classifier):
    assert features.lenet(classifier).name == features.lenet(copy.deepcopy(classifier)).name
    other = Classifier(channels=(8, 16), training=Training(images=64, batch=64)).fit(
        *rows("train"), rng=rng(1)
    )
    assert features.lenet(classifier).name != features.lenet(other).name
    with pytest.raises(ValueError, match="not fitted"):
        features.lenet(Classifier())
    with pytest.raises(ValueError, match=r"\(8, 8, 3\); LeNet takes square grey ones"):
        features.lenet(classifier)(pixels())
    with pytest.raises(ValueError, match="16 x 16 pixels and this Classifier was fitted to others"):
        features.lenet(classifier)(pixels(size=16, channels=1))


def test_a_lenet_of_real_images_is_trained_once(tmp_path, monkeypatch):
    monkeypatch.setenv("MADTHEORY_CACHE", str(tmp_path))
    budget = Training(images=640, batch=64)
    real = datasets.digits(labels=True).images.select(np.arange(200))
    first = features.lenet_of(real, training=budget)
    monkeypatch.setattr(Classifier, "fit", None)
    again = features.lenet_of(real, training=budget, device="cpu")
    assert first.name == again.name
    assert np.array_equal(first(real.batch([0, 1])), again(real.batch([0, 1])))
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(TypeError, match="'NoneType' object is not callable"):
        features.lenet_of(real, training=budget, seed=1)
    with pytest.raises(ValueError, match="images has no labels"):
        features.lenet_of(datasets.digits().images)
    with pytest.raises(ValueError, match="LeNet takes square grey ones"):
        features.lenet_of(Images.of(pixels(), labels=np.zeros(6, int)))


# Random convolutions --------------------------------------------------------------------------------


def test_random_convolutions_are_drawn_by_their_seed():
    given = pixels()
    first = features.random_convolutions(dim=7)
    assert first(given).shape == (6, 7)
    assert np.array_equal(first(given), features.random_convolutions(dim=7)(given))
    other = features.random_convolutions(1, dim=7)
    assert other.name != first.name
    assert not np.allclose(other(given), first(given))
    assert features.random_convolutions(channels=1)(pixels(channels=1, size=4)).shape == (6, 64)
    for seed in range(5):
        assert 0.02 < features.random_convolutions(seed)(pixels(size=32)).std() < 50
    with pytest.raises(ValueError, match=r"images have 1 channels.*channels=3.*channels=1\)"):
        first(pixels(channels=1))


def test_random_convolutions_see_damage():
    """The distance to held-out photographs rises with noise and with blur, far above that of real ones."""
    draw = {part: datasets.photographs(16, part).take(1000, rng=rng(3))[0] for part in ("train", "test")}
    found = features.random_convolutions()
    reference = metrics.feature_summary(draw["train"], found)
    held = np.asarray(draw["train"]).astype(float)

    def distance(changed):
        made = Images.of(np.clip(changed.round(), 0, 255).astype(np.uint8))
        return metrics.frechet_distance(reference.moments, metrics.feature_summary(made, found).moments)

    noisy = [distance(held + level * rng(4).normal(size=held.shape)) for level in (8, 24, 60)]
    blurred, blurs = held, []
    for _ in range(3):
        blurred = (blurred + np.roll(blurred, 1, 1) + np.roll(blurred, 1, 2)) / 3
        blurs.append(distance(blurred))
    assert noisy == sorted(noisy)
    assert blurs == sorted(blurs)
    assert distance(held) < 1e-6 * min(*noisy, *blurs)


# Inception ------------------------------------------------------------------------------------------

INSTALLED = importlib.util.find_spec("torch_fidelity") is not None
PACKAGES = ["torch-fidelity", "torchmetrics"]


@pytest.mark.skipif(INSTALLED, reason="torch-fidelity is installed")
@pytest.mark.parametrize("package", PACKAGES)
def test_inception_names_what_has_to_be_installed(package):
    with pytest.raises(ImportError, match=rf"need {package} .*pip install torch-fidelity"):
        features.inception(package)


def test_inception_of_an_unknown_package():
    with pytest.raises(ValueError, match="package='keras' is unknown; choose one of 'torch-fidelity'"):
        features.inception("keras")


class Runs:
    """A pickle of it runs a command."""

    def __reduce__(self):
        return os.mkdir, ("was_run",)


def test_a_file_of_weights_is_checked_before_it_is_used(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImageStoreError, match=r"'nowhere\.pth' is not a file"):
        _check_file("nowhere.pth")
    (tmp_path / "text.pth").write_text("no weights")
    torch.save(network().state_dict(), "cut.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "cut.pth").read_bytes()[:500])
    torch.save(Runs(), "code.pth")
    for name in ("text.pth", "cut.pth", "code.pth"):
        with pytest.raises(ImageStoreError, match=f"weights='{name}' is not a file of weights alone"):
            _check_file(name)
    assert not (tmp_path / "was_run").exists()
    torch.save([1.0], "list.pth")
    with pytest.raises(ImageStoreError, match="holds a list, not weights by name"):
        _check_file("list.pth")
    torch.save(network().state_dict(), "other.pth")
    _check_file("other.pth")
    # Negative control: such a file does run its command where it is trusted.
    torch.load("code.pth", weights_only=False)
    assert (tmp_path / "was_run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES)
def test_inception_gives_the_fid_of_torchmetrics(package):
    """The real network, where it is at hand: FID of two sets of patches as torchmetrics computes it."""
    try:
        found = features.inception(package, device="cpu")
    except (ImportError, ImageStoreError) as error:
        pytest.skip(str(error))
    from torchmetrics.image.fid import FrechetInceptionDistance

    sets = [datasets.photographs(32, part).take(64, rng=rng())[0] for part in ("train", "test")]
    ours = metrics.frechet_distance(*(metrics.feature_summary(s, found, batch=32).moments for s in sets))
    with torch.random.fork_rng(devices=[]):
        theirs = FrechetInceptionDistance(feature=2048).set_dtype(torch.float64)
    for real, images in zip((True, False), sets, strict=True):
        for batch in images.batches(32):
            theirs.update(torch.from_numpy(batch).permute(0, 3, 1, 2), real=real)
    assert ours == pytest.approx(float(theirs.compute()), rel=1e-3 if package == "torchmetrics" else 0.1)
