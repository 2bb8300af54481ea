"""Flow, VAE and WGAN-GP: the promises of a network, and known answers where the network is linear."""

from dataclasses import replace

import numpy as np
import pytest

import madtheory as mad
from madtheory import models, regimes, testing

torch = pytest.importorskip("torch")

from madtheory.networks import VAE, WGANGP, Flow, Training, sample_seeds  # noqa: E402

BRIEF = Training(images=1500, batch=50)
TINY = [
    Flow(hidden=(8,), layers=2, training=BRIEF),
    VAE(hidden=(8,), latent_dim=2, training=BRIEF),
    WGANGP(hidden=(8,), latent_dim=2, training=replace(BRIEF, betas=(0.0, 0.9))),
]
LINEAR = [
    Flow(hidden=(), training=BRIEF),
    VAE(hidden=(), latent_dim=1, training=BRIEF),
    WGANGP(hidden=(), critic_hidden=(8,), latent_dim=2, training=BRIEF),
]
REAL = mad.Gaussian([1.0, -2.0], [[2.0, 0.6], [0.6, 0.5]])


def rng(seed=0):
    return np.random.default_rng(seed)


def named(model):
    return type(model).__name__


def bent(n, seed=0):
    """A planar law that is not a Gaussian."""
    x = rng(seed).normal(size=(n, 2))
    x[:, 1] = x[:, 0] ** 2 + 0.5 * x[:, 1]
    return x


def marked(n, seed=0):
    """Two classes, at -3 and at 3."""
    labels = np.arange(n) % 2
    return np.column_stack([rng(seed).normal(size=(n, 2)) + 6 * labels[:, None] - 3, labels])


# What every network promises ---------------------------------------------------------------------------


@pytest.mark.parametrize("model", TINY, ids=named)
def test_contract(model):
    testing.check_generative_model(model, real=REAL, n=60)


@pytest.mark.parametrize("model", [*TINY, *LINEAR], ids=named)
def test_samples_are_functions_of_their_seeds(model):
    fitted = model.fit(bent(200), rng=rng(1))
    seeds = sample_seeds(50, rng(2))
    points = fitted.generate(seeds)
    np.testing.assert_allclose(replace(fitted, batch=7).generate(seeds), points, atol=1e-5)
    np.testing.assert_allclose(fitted.generate(seeds[:13]), points[:13], atol=1e-5)
    assert np.abs(fitted.generate(seeds[::-1]) - points).max() > 0.1


@pytest.mark.parametrize("model", TINY, ids=named)
def test_the_global_generator_is_not_used(model):
    def run():
        fitted = model.fit(bent(100), rng=rng(1))
        return fitted, fitted.sample(20, rng=rng(2), bias=0.5)

    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, points = run()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(4)
    second, again = run()
    assert all(np.array_equal(first.weights[k], second.weights[k]) for k in first.weights)
    assert np.array_equal(points, again)
    learned = [value for name, value in first.weights.items() if not name.startswith("_")]
    assert all(value.dtype == np.float32 for value in learned)


@pytest.mark.parametrize("model", TINY, ids=named)
def test_warm_start_continues(model):
    fitted = model.fit(bent(200), rng=rng(1))
    further = fitted.fine_tuned(bent(200), images=50, learning_rate=1e-6, rng=rng(2))
    changes = [np.abs(fitted.weights[k] - further.weights[k]).max() for k in fitted.weights]
    assert 0 < max(changes) < 1e-4


@pytest.mark.parametrize("model", TINY, ids=named)
def test_classes(model):
    training = replace(model.training, images=30_000, learning_rate=3e-3)
    model = replace(model, classes=2, hidden=(16, 16), training=training)
    fitted = model.fit(marked(400), rng=rng(1))
    points = fitted.sample(301, rng=rng(2))
    assert sorted(np.bincount(points[:, -1].astype(int))) == [150, 151]
    for label in (0, 1):
        assert np.abs(points[points[:, -1] == label, :2].mean(0) - (6 * label - 3)).max() < 2


@pytest.mark.parametrize("model", [*TINY, *LINEAR], ids=named)
def test_no_bias_is_bias_one_and_bias_zero_is_one_point(model):
    fitted = model.fit(bent(200), rng=rng(1))
    points = fitted.sample(30, rng=rng(2))
    assert np.array_equal(points, fitted.sample(30, rng=rng(2), bias=1.0))
    assert np.ptp(points, 0).min() > 0.1
    assert np.ptp(fitted.sample(30, rng=rng(2), bias=0.0), 0).max() < 1e-5


@pytest.mark.parametrize(("model", "power"), list(zip(LINEAR, (0.5, 0.5, 1.0), strict=True)))
def test_bias_scales_a_linear_generator(model, power):
    """Variances by bias for flow and VAE, deviations by bias for the truncation of the GAN."""
    fitted = model.fit(bent(200), rng=rng(1))
    centre = fitted.sample(30, rng=rng(2), bias=0.0)
    whole, part = (fitted.sample(30, rng=rng(2), bias=b) - centre for b in (1.0, 0.3))
    np.testing.assert_allclose(part, 0.3**power * whole, atol=1e-5)


# SIMS and Neon -----------------------------------------------------------------------------------------


def improved(kind, model, weight, data):
    return kind(model, weight, n_auxiliary=100).fit(data, rng=rng(1)).sample(40, rng=rng(2))


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("model", LINEAR, ids=named)
def test_sims_equals_neon_on_linear_networks(model, conditional):
    data, model = (marked(200), replace(model, classes=2)) if conditional else (bent(200), model)
    for weight in (0.7, -0.4, 3.0):
        sims, neon = (improved(kind, model, weight, data) for kind in (models.SIMS, models.Neon))
        np.testing.assert_allclose(sims, neon, atol=2e-5)
    assert np.abs(sims - improved(models.Neon, model, 2.9, data)).max() > 1e-3


@pytest.mark.parametrize("model", TINY, ids=named)
def test_sims_is_not_neon_on_other_networks(model):
    """Negative control of the test above."""
    sims, neon = (improved(kind, model, 3.0, bent(200)) for kind in (models.SIMS, models.Neon))
    assert np.abs(sims - neon).max() > 1e-3


@pytest.mark.parametrize("model", [*TINY, *LINEAR], ids=named)
def test_weights_that_are_no_combination(model):
    base = model.fit(bent(200), rng=rng(1))
    auxiliary = base.fine_tuned(base.sample(100, rng=rng(2)), images=500, rng=rng(3))
    seeds = sample_seeds(40, rng(4))
    for combined in (base.guided, base.extrapolated):
        for weight, expected in ((0.0, base), (-1.0, auxiliary)):
            same = combined(auxiliary, weight).generate(seeds, bias=0.5)
            assert np.array_equal(same, expected.generate(seeds, bias=0.5))
    with pytest.raises(TypeError, match="auxiliary="):
        base.guided(REAL, 1.0)
    with pytest.raises(ValueError, match="other layers or other units"):
        base.extrapolated(model.fit(3 * bent(200), rng=rng(1)), 1.0)


# Known laws --------------------------------------------------------------------------------------------


def law(fitted):
    """Mean and covariance of a linear flow or VAE, read from its weights."""
    w = {name: value.astype(float) for name, value in fitted.weights.items()}
    if "factor" in w:
        factor, shift = np.tril(w["factor"][0]), w["shift"][0]
        covariance = factor @ factor.T
    else:
        factor, shift = w["decoder.0.weight"], w["decoder.0.bias"]
        covariance = factor @ factor.T + w["std"] ** 2 * np.eye(len(shift))
    return w["_shift"] + w["_scale"] * shift, w["_scale"] ** 2 * covariance


FULL_BATCH = Training(images=300 * 50, batch=50, learning_rate=0.03)
EXACT = [
    Flow(hidden=(), training=FULL_BATCH),
    VAE(hidden=(), latent_dim=1, training=replace(FULL_BATCH, images=800 * 50)),
]


QUICK = [
    Flow(hidden=(), training=Training(images=120 * 40, batch=40, learning_rate=0.06)),
    VAE(hidden=(), latent_dim=1, training=Training(images=300 * 40, batch=40, learning_rate=0.05)),
]


@pytest.mark.parametrize(("model", "tolerance"), [(m, 2e-3) for m in EXACT] + [(m, 1e-2) for m in QUICK])
def test_linear_networks_are_gaussians_of_maximum_likelihood(model, tolerance):
    x = REAL.sample(50, rng=rng(5))
    fitted = model.fit(x, rng=rng(1))
    mean, covariance = law(fitted)
    exact = np.cov(x.T, ddof=0)
    np.testing.assert_allclose(mean, x.mean(0), atol=tolerance)
    np.testing.assert_allclose(covariance, exact, atol=tolerance)
    assert np.abs(covariance - np.cov(x.T, ddof=1)).max() > 0.02
    points = fitted.sample(4000, rng=rng(2))
    testing.assert_mean_matches(points - mean, 0.0)
    testing.assert_mean_matches(((points - mean) ** 2), np.diag(covariance))


def test_linear_vae_is_probabilistic_pca():
    """Tipping and Bishop 1999, Eq. 7 and 8: the noise is the mean of the eigenvalues left out."""
    x = rng(0).normal(size=(60, 4)) * [2.0, 1.5, 0.5, 0.3]
    training = Training(images=1000 * 60, batch=60, learning_rate=0.02)
    mean, covariance = law(VAE(hidden=(), latent_dim=2, training=training).fit(x, rng=rng(1)))
    values, axes = np.linalg.eigh(np.cov(x.T, ddof=0))
    values[:2] = values[:2].mean()
    np.testing.assert_allclose(mean, x.mean(0), atol=5e-3)
    np.testing.assert_allclose(covariance, (axes * values) @ axes.T, atol=1e-2)


def total_variance(snapshot):
    return np.array([np.trace(law(snapshot.model)[1])])


def mean_error(snapshot):
    return np.array([np.sum((law(snapshot.model)[0] - REAL.mean) ** 2)])


@pytest.mark.parametrize("model", QUICK, ids=named)
def test_linear_network_in_a_loop_matches_theory(model):
    """Sees with probability 0.9 an error of 0.8 in the variance 1.14 of generation 3."""

    def loop(model, bias):
        return mad.Loop(real=REAL, model=model, regime=regimes.replace(n=40), bias=bias)

    measured = mad.simulate(
        loop(model, 0.7), 3, replicates=8, metrics=(total_variance, mean_error), rng=0, progress=False
    )
    exact, wrong = (mad.predict(loop(mad.Gaussian(ddof=0), bias), 3) for bias in (0.7, 1.0))
    # Theory's own standard deviation: one of eight values would leave little power.
    for name in ("total_variance", "mean_error"):
        std = exact[f"{name}_std"].values
        testing.assert_mean_matches(measured[name].values, exact[name].values, std=std, name=name)
    std = exact["total_variance_std"].values
    with pytest.raises(AssertionError):
        testing.assert_mean_matches(
            measured["total_variance"].values, wrong["total_variance"].values, std=std
        )


# Flow --------------------------------------------------------------------------------------------------

GRID = np.linspace(-8.0, 12.0, 401)
PLANE = np.stack(np.meshgrid(GRID, GRID, indexing="ij"), -1).reshape(-1, 2)


def integral(log_density):
    return float(np.exp(log_density).sum() * (GRID[1] - GRID[0]) ** 2)


@pytest.mark.parametrize("classes", [None, 2])
def test_flow_density_integrates_to_one(classes):
    flow = Flow(hidden=(16,), layers=4, classes=classes, training=Training(images=20_000, batch=100))
    data = bent(500) if classes is None else np.column_stack([bent(500), np.arange(500) % 2])
    fitted = flow.fit(data, rng=rng(1))
    plane = PLANE if classes is None else np.column_stack([PLANE, np.ones(len(PLANE))])
    density = fitted.log_density(plane)
    assert integral(density) == pytest.approx(1, abs=2e-3)
    assert abs(integral(1.01 * density) - 1) > 5e-3


def test_flow_learns_and_says_how_well():
    """The density is p(x1) p(x2 | x1), a Gaussian about x1^2: the divergence is known, and falls."""
    from scipy.stats import norm

    x = bent(2000, seed=7)
    truth = (norm.logpdf(x[:, 0]) + norm.logpdf(x[:, 1], x[:, 0] ** 2, 0.5)).mean()
    training = Training(images=60_000, batch=100)
    flow, line = (
        Flow(hidden=hidden, layers=4, training=training).fit(bent(2000), rng=rng(1)) for hidden in ((32,), ())
    )
    assert truth - flow.log_density(x).mean() < 0.08
    assert truth - line.log_density(x).mean() > 0.5


def test_linear_flow_density():
    from scipy.stats import multivariate_normal

    fitted = EXACT[0].fit(bent(50), rng=rng(1))
    x = bent(30, seed=2)
    np.testing.assert_allclose(fitted.log_density(x), multivariate_normal(*law(fitted)).logpdf(x), rtol=1e-4)


def test_blur_adds_its_variance():
    """And makes a likelihood of points on a line that has a maximum."""
    line = np.repeat(rng(0).normal(size=(100, 1)), 2, axis=1)
    training = Training(images=60_000, batch=100, learning_rate=0.02)
    covariance = law(Flow(hidden=(), blur=0.5, training=training).fit(line, rng=rng(1)))[1]
    np.testing.assert_allclose(covariance / line.var(), [[1.25, 1.0], [1.0, 1.25]], atol=0.05)


def test_flow_density_belongs_to_its_samples():
    """The share of samples in a half plane is the integral of the density there."""
    fitted = TINY[0].fit(bent(500), rng=rng(1))
    points = fitted.sample(4000, rng=rng(2))
    density = np.exp(fitted.log_density(PLANE)) * (GRID[1] - GRID[0]) ** 2
    for axis, bound in ((0, 0.025), (1, 1.025)):
        share = density[PLANE[:, axis] < bound].sum() / density.sum()
        testing.assert_mean_matches((points[:, axis] < bound).astype(float), share, std=share**0.5)


# WGAN-GP -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("widths", [(), (6,), (6, 5, 4)])
def test_critic_knows_its_gradient(widths):
    """The slope, and the weights' gradients of the penalty, against double backward passes."""
    critic = WGANGP(critic_hidden=widths)._module(3)["critic"]
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    twice = torch.autograd.grad(critic(x).sum(), x, create_graph=True)[0]
    assert torch.allclose(critic.slope(x, 3), twice, atol=1e-6)

    def gradients(slope):
        penalty = (slope.square().sum(1).sqrt() - 1).square().mean()
        return torch.autograd.grad(penalty, [layer.weight for layer in critic.layers])

    for ours, theirs in zip(gradients(critic.slope(x, 3)), gradients(twice), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_wgan_learns_mean_and_covariance():
    training = Training(images=60_000, batch=64, learning_rate=1e-2, betas=(0.0, 0.9))
    model = WGANGP(hidden=(), critic_hidden=(64, 64), latent_dim=2, training=training)
    x = REAL.sample(1000, rng=rng(0))
    fitted, fresh = (
        m.fit(x, rng=rng(1)) for m in (model, replace(model, training=replace(model.training, images=64)))
    )

    def error(generator):
        points = generator.sample(4000, rng=rng(2))
        return max(np.abs(points.mean(0) - x.mean(0)).max(), np.abs(np.cov(points.T) - np.cov(x.T)).max())

    assert error(fitted) < 0.3
    assert error(fresh) > 0.8


def test_wgan_budget_counts_what_the_critic_sees(monkeypatch):
    seen = []
    loss = WGANGP._critic_loss
    monkeypatch.setattr(WGANGP, "_critic_loss", lambda *args: (seen.append(len(args[2])), loss(*args))[1])
    WGANGP(hidden=(4,), training=Training(images=1000, batch=20)).fit(bent(100), rng=rng(0))
    assert sum(seen) == 1000
    assert set(seen) == {20}


# Errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Flow(layers=0), "layers=0"),
        (lambda: Flow(hidden=(0,)), "hidden=0"),
        (lambda: Flow().fit(np.zeros((5, 1)), rng=rng()), "one coordinate"),
        (lambda: Flow().log_density(np.zeros((5, 2))), "not fitted"),
        (lambda: LINEAR[0].fit(bent(50), rng=rng()).log_density(np.zeros((5, 3))), "3 coordinates"),
        (lambda: Flow(blur=-0.1), "blur=-0.1"),
        (lambda: VAE(latent_dim=0), "latent_dim=0"),
        (lambda: WGANGP(critic_steps=0), "critic_steps=0"),
        (lambda: WGANGP(penalty=-1.0), "penalty=-1.0"),
        (lambda: WGANGP(critic_rate=float("inf")), "critic_rate=inf"),
        (lambda: WGANGP(critic_hidden=(1.5,)), "critic_hidden=1.5"),
    ],
)
def test_errors(make, match):
    with pytest.raises(ValueError, match=match):
        make()
