"""Fits and samples are independent of what the caller has switched on in torch, and leave it as it was."""

from contextlib import contextmanager

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from madtheory import networks, storage  # noqa: E402
from madtheory.networks import Training  # noqa: E402

POINTS = np.random.default_rng(0).normal(size=(60, 2))
SQUARES = np.random.default_rng(1).uniform(size=(40, 16))
LABELS = np.arange(40) % 2
SHORT = Training(images=64, batch=32, ema_images=32)


@contextmanager
def default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def medium_precision():
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision("highest")


@contextmanager
def other_seed():
    torch.manual_seed(12345)
    yield


CONTEXTS = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "grad_disabled": lambda: torch.set_grad_enabled(False),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "default_device": lambda: torch.device("meta"),
    "default_dtype": default_dtype,
    "deterministic": deterministic,
    "threads": threads,
    "medium_precision": medium_precision,
    "other_seed": other_seed,
}


def state():
    """All that a fit might leave behind."""
    return {
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "autocast": (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "deterministic": (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        "threads": torch.get_num_threads(),
        "precision": torch.get_float32_matmul_precision(),
        "torch_seed": torch.default_generator.get_state().tolist(),
        "numpy_seed": repr(np.random.get_state()),  # noqa: NPY002
    }  # fmt: skip


def rng(seed=0):
    return np.random.default_rng(seed)


def of_points(network):
    fitted = network.fit(POINTS, rng=rng(1))
    tuned = fitted.fine_tuned(POINTS[:20], images=32, rng=rng(2))
    made = [fitted.sample(5, rng=rng(3)), tuned.sample(5, rng=rng(3))]
    made.append(fitted.guided(tuned, 0.5).sample(5, rng=rng(4)))
    made.append(fitted.extrapolated(tuned, 0.5).sample(5, rng=rng(4)))
    if hasattr(fitted, "log_density"):
        made.append(fitted.log_density(POINTS))
    return made


def of_classifier():
    fitted = networks.Classifier(classes=2, training=SHORT).fit(SQUARES, LABELS, rng=rng(1))
    return [fitted.probabilities(SQUARES), fitted.features(SQUARES)]


WORK = {
    "flow": lambda: of_points(networks.Flow(hidden=(8,), layers=2, training=SHORT)),
    "vae": lambda: of_points(networks.VAE(hidden=(8,), latent_dim=2, training=SHORT)),
    "wgan_gp": lambda: of_points(networks.WGANGP(hidden=(8,), latent_dim=2, training=SHORT)),
    "diffusion": lambda: of_points(
        networks.Diffusion(hidden=(8, 8), training=SHORT, sampler=networks.Heun(3))
    ),
    "classifier": of_classifier,
}


@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_the_result_is_the_same_within_every_context(work):
    expected = work()
    for name, context in CONTEXTS.items():
        with context():
            before = state()
            found = work()
            assert state() == before, name
        assert all(map(np.array_equal, found, expected)), name


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
def test_nothing_is_left_behind_by_an_error(context, monkeypatch):
    def broken(*_):
        assert torch.is_grad_enabled()
        raise RuntimeError("in the middle of a fit")

    monkeypatch.setattr(networks.VAE, "_loss", broken)
    with context():
        before = state()
        with pytest.raises(RuntimeError, match="in the middle of a fit"):
            networks.VAE(hidden=(8,), training=SHORT).fit(POINTS, rng=rng())
        assert state() == before


def test_networks_have_an_identity_by_content():
    """By which a run of them can be resumed: the context around `fit` and `sample` is not an obstacle."""
    digests = [
        storage.identity(model)
        for model in (networks.Flow(), networks.VAE(), networks.WGANGP(), networks.Diffusion(),
                      networks.Classifier(), networks.Flow(hidden=(3,)))
    ]  # fmt: skip
    assert len(set(digests)) == len(digests)
    assert storage.identity(networks.Flow()) == digests[0]
