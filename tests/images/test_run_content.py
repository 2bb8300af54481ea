"""A run is known by its content: code that is edited between a kill and its continuation is noticed."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("accelerate")
pytest.importorskip("PIL")

from tiny_diffusion import pictures, rng, tiny  # noqa: E402

import madtheory as mad  # noqa: E402
from madtheory.images import Images, ImageStoreError, RealImages  # noqa: E402
from madtheory.images.evaluation import features  # noqa: E402
from madtheory.images.evaluation.metrics import feature_summary  # noqa: E402
from madtheory.images.runs import Run, presets  # noqa: E402
from madtheory.images.store import content, contents  # noqa: E402
from madtheory.networks import Heun  # noqa: E402

BUDGET = {"images": 32}


def within(text, **names):
    """What a module with this text defines as f, as if it were written in a file of one's own."""
    space = {"__name__": "of_ones_own", "np": np, "torch": torch} | names
    exec(text, space)
    return space["f"]


REWARD = (
    "LIMIT = {0}\ndef f(x):\n    return helper(x)\ndef helper(x):\n    return x.mean((1, 2, 3)) / LIMIT\n"
)
ACCEPT = "def f(x):\n    return x.max((1, 2, 3)) > {0}\n"
FEATURES = "def f(x):\n    return x.reshape(len(x), -1)[:, :{0}] / 255\n"
SIZES = "def f(t):\n    return {0} + 0 * t\n"
MODULE = """
class Net(torch.nn.Module):
    def forward(self, x):
        return x.flatten(1)[:, :{0}]
f = Net()
"""
SAMPLER = """
class Sampler:
    steps = 2
    def integrate(self, denoiser, x, sigmas, noise=None):
        return denoiser(x, float(sigmas[0])) * {0}
f = Sampler()
"""


def run(reward=5, accept=1, given=6, n=12, generations=2, module=None, sampler=None):
    images = pictures(400)
    treatments = (
        mad.treatments.curate(within(REWARD.format(reward)), choices=2),
        mad.treatments.verify(within(ACCEPT.format(accept))),
    )
    regime = mad.regimes.fresh(n_real=20, n_synthetic=within(SIZES.format(n)))
    sampler = Heun(2) if sampler is None else within(SAMPLER.format(sampler))
    model = tiny(training=BUDGET, sampler=sampler, batch=12)
    loop = mad.Loop(real=RealImages(images), model=model, regime=regime, treatments=treatments)
    own = features.Features("mine", within(FEATURES.format(given)))
    if module is not None:
        own = features.of_module(within(MODULE.format(module)), "mine")
    return Run(loop=loop, generations=generations, features=own, reference=images, n_evaluation=12)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    return folder, run().go(folder)


EDITS = {
    "a constant of the reward": ({"reward": 6}, r"differs in loop\.treatments\.0 \(its code"),
    "what accepts": ({"accept": 2}, r"differs in loop\.treatments\.1 \(its code"),
    "the features": ({"given": 7}, r"differs in features \(its code"),
    "the sizes": ({"n": 13}, r"differs in loop\.regime \(its code"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_edited_code_is_refused(tmp_path, finished, edit):
    folder = shutil.copytree(finished[0], tmp_path / "run")
    changed, message = EDITS[edit]
    with pytest.raises(ImageStoreError, match=message):
        run(**changed).go(folder)
    assert run().go(folder) == finished[1], "the same text again is the same run"


def test_edited_modules_and_samplers_are_refused(tmp_path):
    """Neither the layers of the module nor the class of the sampler has another name."""
    run(generations=1, module=5, sampler=0.5).go(tmp_path)
    with pytest.raises(ImageStoreError, match=r"differs in features \(its code"):
        run(generations=1, module=6, sampler=0.5).go(tmp_path)
    with pytest.raises(ImageStoreError, match=r"differs in loop\.model"):
        run(generations=1, module=5, sampler=0.6).go(tmp_path)


def test_a_folder_that_knows_no_content_goes_on(tmp_path, finished):
    """As earlier versions wrote them; from now on it knows it."""
    folder = shutil.copytree(finished[0], tmp_path / "run")
    config = json.loads((folder / "config.json").read_text())
    del config["content"]
    (folder / "config.json").write_text(json.dumps(config))
    assert run().go(folder) == finished[1]
    with pytest.raises(ImageStoreError, match=r"loop\.treatments\.0"):
        run(reward=6).go(folder)


def test_what_has_no_content_is_refused_before_anything_is_written(tmp_path):
    made = run()
    generator = rng()
    own = features.Features("mine", lambda x: x.reshape(len(x), -1) + generator.normal())
    with pytest.raises(ValueError, match=r"features='mine'.*random generator whose state moves"):
        dataclasses.replace(made, features=own).go(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_device_and_the_store_are_not_content():
    plain = content("model", tiny(training=BUDGET))
    often = BUDGET | {"checkpoint_every_images": 9}
    for same in (tiny(training=BUDGET, device=None), tiny("store", training=BUDGET), tiny(training=often)):
        assert content("model", same) == plain
    assert content("model", tiny(training={"images": 33})) != plain


SETTING = "LIMIT = {0}\ndef change():\n    global LIMIT\n    LIMIT = 7\ndef f(x):\n    return x / LIMIT\n"


def test_parts_have_the_content_together_that_they_have_alone():
    """Also where one of them changes what is a setting of another."""
    made, three, four = run(), within(SETTING.format(3)), within(SETTING.format(4))
    parts = {"model": made.loop.model, "regime": made.loop.regime, "real": made.loop.real, "number": 5}
    parts |= {f"treatment {i}": each for i, each in enumerate(made.loop.treatments)}
    parts |= {"three": three, "four": four, "change": three.__globals__["change"]}
    together = contents(parts)
    assert together == {name: content(name, value) for name, value in parts.items()}
    assert len(set(together.values())) == len(parts)
    generator = rng()
    with pytest.raises(ValueError, match=r"^noise: .*random generator whose state moves"):
        contents({"three": three, "noise": lambda x: x + generator.normal()})


@pytest.mark.parametrize("name", list(presets.PRESETS))
def test_a_preset_has_the_same_content_each_time(name):
    first, second = (presets.get_preset(name).run("smoke")._content() for _ in range(2))
    assert first == second
    assert len(first) >= 7


def test_features_that_are_kept_are_those_of_the_code(tmp_path):
    images = pictures(30)
    found = [
        feature_summary(images, features.Features("mine", within(FEATURES.format(d))), store=tmp_path).points
        for d in (5, 6, 5)
    ]
    assert [points.shape[1] for points in found] == [5, 6, 5]
    assert len(list((tmp_path / "features").iterdir())) == 2


def test_samples_in_a_store_are_those_of_the_code(tmp_path):
    """Of a sampler of one's own: a class by the same name that computes something else."""
    model = tiny(tmp_path, training=BUDGET).fit(pictures(), rng=rng(1))

    def sampled(scale):
        changed = dataclasses.replace(model, sampler=within(SAMPLER.format(scale)))
        return np.asarray(changed.sample(12, rng=rng(2)))

    first = sampled(0.5)
    assert not np.array_equal(sampled(0.7), first)
    assert np.array_equal(sampled(0.5), first)
    assert isinstance(model.sample(12, rng=rng(2)), Images)
