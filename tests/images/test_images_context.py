"""Image fits are independent of the caller's torch and accelerate, and leave them as they were."""

import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
accelerate = pytest.importorskip("accelerate")

from accelerate.state import AcceleratorState, GradientState, PartialState  # noqa: E402

from madtheory.images import ImageDiffusion, ImageTraining, UNet  # noqa: E402
from madtheory.images.data import datasets  # noqa: E402
from madtheory.images.evaluation import features, rewards  # noqa: E402
from madtheory.networks import Heun  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[1] / "networks"))
from test_torch_context import CONTEXTS, state  # noqa: E402

DIGITS = datasets.digits().images.first(0.02)
MODULE = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))


def model(**options):
    return ImageDiffusion(
        unet=UNet(block_out_channels=(8, 8), layers_per_block=1, attention=(), dropout=0.1),
        training=ImageTraining(images=8, batch=4, **options), sampler=Heun(2), device="cpu",
    )  # fmt: skip


def rng(seed=0):
    return np.random.default_rng(seed)


def all_work():
    fitted = model().fit(DIGITS, rng=rng())
    tuned = fitted.fine_tuned(DIGITS, images=4, rng=rng(1))
    network = features.random_convolutions(channels=1, device="cpu")
    reward = rewards.class_probability(rewards.of_module(MODULE, device="cpu"), 0)
    return [
        np.asarray(fitted.sample(3, rng=rng(2))),
        np.asarray(fitted.extrapolated(tuned, 0.5).sample(3, rng=rng(2))),
        network(DIGITS.batch(range(3))),
        reward(DIGITS.batch(range(3))),
    ]


@pytest.fixture
def clean():
    """accelerate as it is in a new process, before and after."""
    for kind in (AcceleratorState, GradientState, PartialState):
        kind._shared_state.clear()
    yield
    for kind in (AcceleratorState, GradientState, PartialState):
        kind._shared_state.clear()


def test_the_result_is_the_same_within_every_context():
    expected = all_work()
    for name, context in CONTEXTS.items():
        with context():
            before = state()
            found = all_work()
            assert state() == before, name
        assert all(map(np.array_equal, found, expected)), name


def test_the_callers_accelerator_is_his_own(clean):
    expected = np.asarray(model().fit(DIGITS, rng=rng()).sample(3, rng=rng(2)))
    assert (AcceleratorState._shared_state, PartialState._shared_state) == ({}, {})
    mine = accelerate.Accelerator(mixed_precision="bf16", cpu=True, gradient_accumulation_steps=4)
    held = dict(mine.state.__dict__)
    with mine.accumulate(torch.nn.Linear(1, 1)):
        found = np.asarray(model().fit(DIGITS, rng=rng()).sample(3, rng=rng(2)))
    assert np.array_equal(found, expected)
    assert mine.mixed_precision == mine.state.mixed_precision == "bf16"
    assert mine.gradient_state.num_steps == 4
    assert accelerate.Accelerator(cpu=True, gradient_accumulation_steps=4).mixed_precision == "bf16"
    assert mine.state.__dict__ == held

    class Broken(ImageDiffusion):
        def _restore(self, *_):
            raise RuntimeError("in the middle of a fit")

    with pytest.raises(RuntimeError, match="in the middle"):
        Broken(device="cpu", training=ImageTraining(precision="no")).fit(DIGITS, rng=rng())
    with pytest.raises(ValueError, match="precision='fp16' needs an accelerator"):
        model(precision="fp16").fit(DIGITS, rng=rng())
    assert mine.state.__dict__ == held


def test_two_precisions_in_one_process(clean):
    """The second network does not compute as the first one did."""
    exact = model().fit(DIGITS, rng=rng()).weights
    half = model(precision="bf16").fit(DIGITS, rng=rng()).weights
    again = model().fit(DIGITS, rng=rng()).weights
    assert all(np.array_equal(exact[name], again[name]) for name in exact)
    assert any(not np.array_equal(exact[name], half[name]) for name in exact)
