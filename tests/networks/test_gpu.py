"""On an accelerator: the same seeds give the same samples there, and training there learns the law."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from madtheory import sources  # noqa: E402
from madtheory.metrics import sliced_wasserstein  # noqa: E402
from madtheory.networks import VAE, WGANGP, Diffusion, Flow, Training, sample_seeds  # noqa: E402

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no accelerator"),
]

MOONS = sources.two_moons()
POINTS = MOONS.sample(2000, rng=np.random.default_rng(0))
SHORT = Training(images=20_000, batch=200, learning_rate=2e-3)
NETWORKS = [Diffusion(training=SHORT), Flow(training=SHORT), VAE(training=SHORT), WGANGP(training=SHORT)]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: type(network).__name__)
def test_samples_do_not_depend_on_the_device(network):
    fitted = replace(network, device="cpu").fit(POINTS, rng=np.random.default_rng(1))
    seeds = sample_seeds(500, np.random.default_rng(2))
    here, there = fitted.generate(seeds), replace(fitted, device="cuda").generate(seeds)
    np.testing.assert_allclose(there, here, atol=2e-3)
    other = replace(fitted, device="cuda").generate(sample_seeds(500, np.random.default_rng(3)))
    assert np.abs(other - here).max() > 0.1


def test_training_on_an_accelerator_learns_the_law():
    training = Training(images=400_000, batch=512, learning_rate=4e-3)
    fitted = Diffusion(training=training, device="cuda").fit(POINTS, rng=np.random.default_rng(1))
    fake = fitted.sample(4000, rng=np.random.default_rng(2))
    truth = MOONS.sample(4000, rng=np.random.default_rng(3))
    assert sliced_wasserstein(real=truth, fake=fake) < 0.1
    assert sliced_wasserstein(real=truth, fake=1.5 * fake) > 0.2
