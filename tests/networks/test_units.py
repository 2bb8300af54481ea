"""Units of networks: the spread of each coordinate about its own mean, whatever the offsets."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from madtheory.networks import VAE, WGANGP, Classifier, Diffusion, Flow, Training  # noqa: E402

BRIEF = Training(images=30_000, batch=128, learning_rate=2e-3)
NETWORKS = [
    Diffusion(hidden=(32, 32), training=BRIEF),
    Flow(hidden=(16,), layers=2, training=BRIEF),
    VAE(hidden=(32,), latent_dim=2, training=BRIEF),
    WGANGP(hidden=(32,), latent_dim=2, training=Training(images=2_000, batch=128)),
]


def points(offset, n=2000):
    return np.random.default_rng(0).normal(size=(n, 2)) + np.array([0.0, offset])


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: type(network).__name__)
@pytest.mark.parametrize("offset", [1e3, 1e8])
def test_far_apart_coordinates_do_not_count_as_spread(network, offset):
    """About the grand mean the standard deviation of an offset of 1000 came out as 12 in place of 1."""
    fitted = network.fit(points(offset), rng=np.random.default_rng(1))
    near = network.fit(points(0.0), rng=np.random.default_rng(1))
    assert float(fitted.weights["_scale"]) == pytest.approx(1.0, rel=0.05)
    drawn, reference = (model.sample(2000, rng=np.random.default_rng(2)) for model in (fitted, near))
    # The same network in shifted coordinates: equal up to the rounding of points at the offset.
    tolerance = 1e-3 if offset < 1e6 else 0.05
    np.testing.assert_allclose(drawn - [0.0, offset], reference, atol=tolerance * reference.std() + 1e-4)


def test_the_diffusion_of_far_apart_coordinates_has_their_spread():
    fitted = NETWORKS[0].fit(points(1e3), rng=np.random.default_rng(1))
    drawn = fitted.sample(2000, rng=np.random.default_rng(2))
    np.testing.assert_allclose(drawn.std(0), 1.0, rtol=0.2)


def test_a_constant_coordinate_with_an_offset():
    """Rounding of the mean is no spread."""
    x = np.full((50, 2), 0.1) + np.array([0.0, 1e6])
    fitted = Flow(hidden=(), layers=1, training=Training(images=100, batch=10)).fit(
        x, rng=np.random.default_rng(0)
    )
    assert float(fitted.weights["_scale"]) == 1.0


def test_the_classifier_takes_the_spread_of_each_pixel():
    """A frame of bright pixels, the same in every image, is not spread."""
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2
    lines = np.broadcast_to(np.arange(6) % 2, (6, 6)).astype(float)
    images = np.where(labels[:, None, None] == 1, lines, lines.T)
    images = np.pad(images, ((0, 0), (1, 1), (1, 1)), constant_values=8.0).reshape(400, -1)
    images = images + 0.3 * rng.normal(size=images.shape)
    small = Classifier(classes=2, channels=(4, 4), width=8, training=Training(images=16_000, batch=20))
    fitted = small.fit(images, labels, rng=np.random.default_rng(1))
    assert float(fitted.weights["_scale"]) == pytest.approx((images - images.mean(0)).std())
    assert (fitted.labels(images) == labels).mean() > 0.95


def test_simulate_runs_one_network_where_nothing_is_said():
    """A hundred fits of minutes are not what someone asks for who leaves `replicates` out."""
    import madtheory as mad
    from madtheory import models, regimes

    quick = VAE(hidden=(4,), latent_dim=1, training=Training(images=200, batch=50))
    real = mad.Gaussian.standard(2)
    for model in (quick, models.SIMS(quick, 0.5, budget=100)):
        loop = mad.Loop(real=real, model=model, regime=regimes.replace(n=50))
        assert mad.simulate(loop, 1, rng=0).sizes["replicate"] == 1
    loop = mad.Loop(real=real, model=mad.Gaussian(), regime=regimes.replace(n=50))
    assert mad.simulate(loop, 1, rng=0).sizes["replicate"] == 100
