"""The papers' runs by name: their numbers, their smaller scales, and each of them run to the end."""

import json
import math

import numpy as np
import pytest
from idx_files import encode

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("accelerate")
Image = pytest.importorskip("PIL.Image")

import madtheory as mad  # noqa: E402
from madtheory.images.data import datasets  # noqa: E402
from madtheory.images.evaluation import rewards as _vgg  # noqa: E402
from madtheory.images.evaluation.rewards import vgg_classifier  # noqa: E402
from madtheory.images.runs.plan import estimated_hours, evaluations, operations  # noqa: E402
from madtheory.images.runs.presets import PRESETS, SCALES, RealData, get_preset  # noqa: E402
from madtheory.sources import idx  # noqa: E402

EVERY = pytest.mark.parametrize("name", PRESETS)
WITHOUT_DATA = [scale for scale in SCALES if scale != "full"]

# Regime, real images first and then, synthetic ones, generations, evaluations for an image, bias.
PAPERS = {
    "mad-mnist-fully-synthetic": ("replace", 60_000, 0, 60_000, 20, 500, 1.0),
    "mad-mnist-augmentation": ("augment", 60_000, 60_000, 60_000, 10, 500, 1.0),
    "mad-mnist-fresh": ("fresh", 2000, 2000, 2000, 15, 500, 1.0),
    "mad-ffhq-fully-synthetic": ("replace", 70_000, 0, 70_000, 9, 79, None),
    "sims-cifar10": ("augment", 50_000, 50_000, 0, 1, 70, None),
    "sims-ffhq64": ("augment", 70_000, 70_000, 0, 1, 158, None),
    "sims-cifar10-loop": ("augment", 50_000, 50_000, 25_000, 2, 70, None),
    "neon-cifar10": ("augment", 50_000, 50_000, 0, 1, 35, None),
    "bertrand-cifar10": ("augment", 50_000, 50_000, 25_000, 21, 35, None),
    "bertrand-ffhq64": ("augment", 70_000, 70_000, 35_000, 21, 79, None),
    "gillman-mnist": ("augment", 12_000, 12_000, 6000, 51, 800, 2 / 3),
    "ferbach-cifar10": ("replace", 50_000, 0, 25_000, 11, 99, None),
}


def rng(seed=0):
    return np.random.default_rng(seed)


@EVERY
def test_the_full_run_has_the_numbers_of_the_paper(name):
    full = PRESETS[name].settings("full")
    regime = full.regime
    found = (regime.name, regime.n_initial, regime.n_real, regime.n_synthetic_at(2), full.generations)
    assert (*found, evaluations(full), full.bias) == PAPERS[name]


def test_chains_and_noise_are_those_of_the_papers():
    gillman = PRESETS["gillman-mnist"].full.model
    betas = 1 - 1 / (1 + np.diff(np.append(0, gillman.process.sigmas**2)) / (1 + np.append(
        0, gillman.process.sigmas[:-1] ** 2)))  # fmt: skip
    assert betas[[0, -1]] == pytest.approx([1e-4, 0.02])
    assert len(betas) == 400
    assert PRESETS["mad-mnist-fresh"].full.model.process.steps == 500
    edm = PRESETS["sims-cifar10"].full.model
    assert (edm.process.p_mean, edm.training.images, edm.training.learning_rate) == (-1.2, 200_000_000, 1e-3)


@EVERY
def test_sources_and_costs_are_stated(name):
    preset = PRESETS[name]
    assert preset.name == name
    assert "arXiv" in preset.source
    assert len(preset.notes) >= 3
    assert all(note.endswith(".") for note in preset.notes)
    assert preset.gpu_hours == pytest.approx(estimated_hours(preset.full), rel=0.05)
    assert estimated_hours(preset.settings("small")) < 1.1


def test_operations_are_those_of_a_known_network():
    """One image of EDM's CIFAR-10 network: about 21 billion multiplications with additions."""
    assert operations(PRESETS["neon-cifar10"].full) == pytest.approx(42.3e9, rel=0.01)


@EVERY
@pytest.mark.parametrize("scale", WITHOUT_DATA)
def test_smaller_scales_are_the_same_loop(name, scale):
    full, less = PRESETS[name].settings("full"), PRESETS[name].settings(scale)
    for same in ("bias", "warm_start", "treatment"):
        assert getattr(less, same) == getattr(full, same)
    assert less.regime.name == full.regime.name
    for same in ("process", "parameterisation", "classes", "dropout", "sigma_data"):
        assert getattr(less.model, same) == getattr(full.model, same)
    assert type(less.model.sampler) is type(full.model.sampler)
    for same in ("decay", "betas", "clip_norm", "precision"):
        assert getattr(less.model.training, same) == getattr(full.model.training, same)
    assert (less.model.training.warm_images is None) == (full.model.training.warm_images is None)
    assert (less.regime.n_synthetic == 0) == (full.regime.n_synthetic == 0)
    if full.improvement is None:
        assert less.improvement is None
    else:
        assert less.improvement.method == full.improvement.method
        assert less.improvement.weight == full.improvement.weight
    assert less.data.offline
    assert less.regime.n_initial <= PRESETS[name].loop(scale).real.left


@EVERY
@pytest.mark.parametrize("scale", SCALES)
def test_loops_are_made_without_data(name, scale, monkeypatch):
    def refuse(*arguments, **keywords):
        raise AssertionError("a data set was opened")

    monkeypatch.setattr(RealData, "open", refuse)
    loop = PRESETS[name].loop(scale, store="store", seed=3)
    assert isinstance(loop, mad.Loop)
    with pytest.raises(AssertionError, match="opened"):
        loop.real.sample(1, rng=rng())


@EVERY
def test_smoke(name, tmp_path):
    """Two generations on digits, by the code of the full run."""
    run = PRESETS[name].run("smoke", device="cpu")
    run.go(tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["generation"] for line in lines] == [1, 2]
    for line in lines:
        assert all(math.isfinite(line[key]) for key in ("frechet_distance", "precision", "recall"))
        assert 0 <= line["recall"] <= 1
    regime = PRESETS[name].settings("smoke").regime
    # Generation 2 is another model, also where it is trained on real images alone.
    assert lines[0]["frechet_distance"] != lines[1]["frechet_distance"]
    assert regime.n_initial == 80
    about = json.loads((tmp_path / "run" / "config.json").read_text())["about"]
    assert about["preset"] == name
    assert about["arguments"]["scale"] == "smoke"


def generations(name, **changes):
    settings = PRESETS[name].settings("smoke").change(**changes)
    snapshots = mad.iterate(settings.loop(device="cpu"), rng=0)
    return settings, next(snapshots), next(snapshots)


def test_gillman_trains_on_centres_of_the_right_class():
    settings, _, second = generations("gillman-mnist")
    images = second.training_set
    synthetic = images.select(np.arange(80, len(images)))
    assert len(synthetic) == settings.regime.n_synthetic_at(2) == 40
    from madtheory.images.evaluation import centres

    known = centres.cluster_centres(datasets.digits(labels=True).images, 16, seed=0)
    for pixels, label in zip(np.asarray(synthetic), synthetic.labels, strict=True):
        assert (known[label] == pixels).all(axis=(1, 2, 3)).any()
    # Negative control: real digits are no centres.
    real = np.asarray(images.select(np.arange(20)))
    assert not any((known == pixels).all(axis=(2, 3, 4)).any() for pixels in real)


def test_ferbach_rewards_the_class():
    loop = PRESETS["ferbach-cifar10"].loop("smoke", device="cpu")
    (treatment,) = loop.treatments
    digits = datasets.digits("test", labels=True).images
    rewards = treatment.reward(np.asarray(digits))
    assert rewards[digits.labels == 0].mean() > 4.5
    assert rewards[digits.labels != 0].mean() < 0.5
    assert treatment.choices == 2


@pytest.mark.parametrize("name", ["sims-cifar10", "neon-cifar10"])
def test_improvement_away_from_the_base(name):
    """With w = 0 there is none; the auxiliary of the smoke scale is another network."""
    model = mad.start(PRESETS[name].loop("smoke", device="cpu"), rng=0).model
    laws = (model.base, model.auxiliary, model.at(0.0), model.at(20.0))
    base, auxiliary, none, much = (np.asarray(law.sample(8, rng=rng())) for law in laws)
    assert np.array_equal(none, base)
    assert not np.array_equal(auxiliary, base)
    assert not np.array_equal(much, base)


def test_what_the_papers_vary_can_be_changed():
    full = PRESETS["gillman-mnist"].full
    assert full.change() == full
    assert full.change(bias=0.5).bias == 0.5
    assert full.change(n_synthetic=0).regime.n_synthetic_at(2) == 0
    assert PRESETS["neon-cifar10"].full.change(weight=3.0).improvement.weight == 3.0
    with pytest.raises(ValueError, match="no classes"):
        PRESETS["sims-cifar10"].full.change(bias=0.5)
    with pytest.raises(ValueError, match="has neither"):
        full.change(weight=1.0)
    with pytest.raises(ValueError, match="n_synthetic"):
        PRESETS["ferbach-cifar10"].full.change(n_synthetic=0)


def test_bad_input_is_explained():
    with pytest.raises(ValueError, match="'sims-cifar10'"):
        get_preset("sims")
    with pytest.raises(ValueError, match="scale='big'"):
        PRESETS["sims-cifar10"].settings("big")
    with pytest.raises(ValueError, match="CIFAR10 does not come with madtheory; pass data"):
        PRESETS["sims-cifar10"].run()
    with pytest.raises(ValueError, match=r"FFHQ does not come.*folder or archive"):
        PRESETS["sims-ffhq64"].run()
    with pytest.raises(ValueError, match="need no folder"):
        PRESETS["sims-cifar10"].run("small", data="somewhere")
    with pytest.raises(ValueError, match="draws 960 real images"):
        PRESETS["mad-mnist-fresh"].run("smoke", generations=12)


def test_a_missing_set_is_explained(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"does not contain .*-images.*madtheory data fetch mnist"):
        PRESETS["mad-mnist-fresh"].run(data=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"does not contain (data|test)_batch"):
        PRESETS["ferbach-cifar10"].run(data=tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        PRESETS["bertrand-ffhq64"].run(data=tmp_path / "nowhere")


@pytest.fixture
def small_mnist(monkeypatch, tmp_path):
    """A folder in the format of MNIST with 30 of scikit-learn's digits, whose checksums are not asked for."""
    small = np.asarray(datasets.digits(labels=True).images)[:30, :, :, 0]
    digits = np.pad(small.repeat(3, 1).repeat(3, 2), ((0, 0), (2, 2), (2, 2)))
    for name, array in (("images-idx3", digits), ("labels-idx1", np.arange(30, dtype=np.uint8) % 10)):
        for part in ("train", "t10k"):
            (tmp_path / f"{part}-{name}-ubyte").write_bytes(encode(array))
    monkeypatch.setitem(idx.KNOWN, "MNIST", {})


@pytest.mark.usefixtures("small_mnist")
def test_real_sets_are_opened(tmp_path):
    data = PRESETS["mad-mnist-fresh"].full.data
    real = data.open("train", tmp_path)
    assert real.shape == (30, *data.shape)
    assert real.images.labelled
    first = RealData(name="MNIST", size=28, first=12).open("train", tmp_path)
    assert np.array_equal(first.images, real.images.select(np.arange(12)))
    assert not first.images.labelled
    with pytest.raises(ValueError, match=r"first=12000 exceeds the 30 images"):
        PRESETS["gillman-mnist"].run(data=tmp_path)
    with pytest.raises(ValueError, match=r"draws 60,000 real images.*there are 30"):
        PRESETS["mad-mnist-augmentation"].run(data=tmp_path)


def test_ffhq_is_a_folder_or_an_archive(tmp_path):
    import zipfile

    (tmp_path / "ffhq").mkdir()
    patches = np.asarray(datasets.photographs(16).images.select([0, 900, 2000]))
    for i, pixels in enumerate(patches):
        Image.fromarray(pixels).save(tmp_path / "ffhq" / f"{i:05}.png")
    with zipfile.ZipFile(tmp_path / "ffhq.zip", "w") as archive:
        for path in sorted((tmp_path / "ffhq").iterdir()):
            archive.write(path, path.name)
    for path in (tmp_path / "ffhq", tmp_path / "ffhq.zip"):
        real = RealData(name="FFHQ", size=16).open("train", path)
        assert np.array_equal(real.images, patches)
        assert RealData(name="FFHQ", size=8).open("train", path).shape == (3, 8, 8, 3)


def test_the_classifier_learns_and_is_kept(tmp_path, monkeypatch):
    real = datasets.photographs(32, labels=True).images
    images = real.select(rng().permutation(len(real))[:384])
    classifier = vgg_classifier(images, epochs=8, width=8, device="cpu", cache=tmp_path)
    held_out = datasets.photographs(32, "test", labels=True).images
    chosen = held_out.select(rng(1).permutation(len(held_out))[:100])
    probabilities = classifier(np.asarray(chosen))
    assert probabilities.shape == (100, 2)
    assert probabilities.sum(1) == pytest.approx(1, abs=1e-6)
    assert (probabilities.argmax(1) == chosen.labels).mean() > 0.75
    monkeypatch.setattr(_vgg, "_train", None)
    again = vgg_classifier(images, epochs=8, width=8, device="cpu", cache=tmp_path)
    assert np.array_equal(again(np.asarray(chosen)), probabilities)
    with pytest.raises(ValueError, match="labels=True"):
        vgg_classifier(datasets.photographs(32).images, device="cpu", cache=tmp_path)
    with pytest.raises(ValueError, match="32 x 32 or more"):
        vgg_classifier(datasets.digits(labels=True).images, device="cpu", cache=tmp_path)
