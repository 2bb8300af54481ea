"""Samplers with denoisers in closed form: exact laws, orders, and step-by-step equality with diffusers."""

import warnings
from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from madtheory.networks import (  # noqa: E402
    DDIM,
    DDPM,
    EDM,
    EmpiricalDenoiser,
    FlowMatching,
    GaussianDenoiser,
    Heun,
    sample_denoiser,
)
from madtheory.testing import assert_mean_matches  # noqa: E402
from madtheory.theory import guidance  # noqa: E402

MEAN = np.array([0.4, -0.3])
TURN = np.array([[0.8, -0.6], [0.6, 0.8]])
VARIANCES = np.array([1.3, 0.04])
GAUSSIAN = GaussianDenoiser(MEAN, TURN * VARIANCES @ TURN.T)


def variances_after(sampler, sigmas, start):
    """Variances along the axes of a Gaussian, by the recursion of the sampler written out."""
    v, spread = VARIANCES, np.full(2, start)
    for s, t in pairwise(sigmas):
        if isinstance(sampler, Heun):
            factor = 1 + (t - s) * s / (v + s**2)
            if t > 0:
                slope = (s / (v + s**2) + t / (v + t**2) * factor) / 2
                factor = 1 + (t - s) * slope
            spread = factor**2 * spread
        else:
            fresh = sampler.eta**2 * t**2 * (s**2 - t**2) / s**2
            gain = v / (v + s**2)
            spread = (gain + np.sqrt(t**2 - fresh) / s * (1 - gain)) ** 2 * spread + fresh
    return spread


@pytest.mark.parametrize("process", [EDM(), DDPM(), DDPM(schedule="cosine"), FlowMatching()], ids=repr)
@pytest.mark.parametrize("sampler", [Heun(7), DDIM(9), DDIM(12, eta=0.5), DDIM(12, eta=1.0)], ids=repr)
def test_a_gaussian_keeps_the_samplers_own_law(process, sampler):
    """Detects 3 % in a variance with probability 0.97. Control: a third of the steps has another law."""
    n = 60_000
    x = sample_denoiser(GAUSSIAN, n, 2, process=process, sampler=sampler, rng=np.random.default_rng(3))
    sigmas = process.levels(sampler.steps)
    expected = variances_after(sampler, sigmas, 1 + sigmas[0] ** 2)
    centred = (x - x.mean(0)) @ TURN
    std = expected * np.sqrt(2)
    assert_mean_matches(centred**2, expected, std=std)
    coarse = np.append(sigmas[:-1:3], 0.0)
    with pytest.raises(AssertionError):
        assert_mean_matches(centred**2, variances_after(sampler, coarse, 1 + sigmas[0] ** 2), std=std)


def test_many_steps_sample_the_gaussian():
    """Detects 4 % in a variance with probability 0.97; the error of the steps is 0.1 %, and forgiven."""
    x = sample_denoiser(GAUSSIAN, 50_000, 2, sampler=Heun(200), rng=np.random.default_rng(1))
    centred = (x - MEAN) @ TURN
    assert_mean_matches(centred, 0.0 * MEAN, std=np.sqrt(VARIANCES))
    assert_mean_matches(centred**2, VARIANCES, std=VARIANCES * np.sqrt(2), rtol=0.002)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_noise_leaves_the_limit_of_many_steps(eta):
    """Whatever eta is, the variances tend to the truth's, as 1 / steps."""
    steps, errors = np.array([500, 1000, 2000, 4000]), []
    for n in steps:
        sigmas = EDM().levels(int(n))
        errors.append(variances_after(DDIM(int(n), eta), sigmas, 1 + sigmas[0] ** 2) / VARIANCES - 1)
    assert np.abs(errors[-1]).max() < 0.004
    slopes = np.polyfit(np.log(steps), np.log(np.abs(errors)), 1)[0]
    np.testing.assert_allclose(slopes, -1, atol=0.15)


@pytest.mark.parametrize(("sampler", "order"), [(Heun, 2), (DDIM, 1)])
def test_order_of_convergence(sampler, order):
    """The error of the flow's linear map falls as steps^-order, by regression of the logs."""
    steps, errors = np.array([40, 80, 160, 320]), []
    for n in steps:
        sigmas = EDM(sigma_min=0.01).levels(n)[:-1]
        x = MEAN + sigmas[0] * TURN.T
        y = sampler(int(n)).integrate(GAUSSIAN, x, sigmas)
        exact = np.sqrt((VARIANCES + sigmas[-1] ** 2) / (VARIANCES + sigmas[0] ** 2)) * sigmas[0]
        errors.append(np.abs(np.diag((y - MEAN) @ TURN) / exact - 1).max())
    slope = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert slope == pytest.approx(-order, abs=0.1)


@pytest.mark.parametrize("sampler", [Heun(30), DDIM(100), DDIM(100, eta=1.0)], ids=repr)
def test_a_finite_data_set_returns_its_points(sampler):
    """Detects a share of 0.35 for 0.3 with probability 0.9. Control: equal shares are rejected."""
    points = np.array([[-1.0, 0.2], [1.4, 0.5], [0.1, -1.2], [0.9, 0.8]])
    shares = np.array([0.4, 0.1, 0.2, 0.3])
    denoiser = EmpiricalDenoiser(points - shares @ points, shares)
    n = 4000
    x = sample_denoiser(denoiser, n, 2, sampler=sampler, rng=np.random.default_rng(2)) + shares @ points
    distance = np.linalg.norm(x[:, None] - points, axis=2)
    assert (distance.min(1) < 0.01).all()
    z = (np.bincount(distance.argmin(1), minlength=4) / n - shares) / np.sqrt(shares * (1 - shares) / n)
    assert (np.abs(z) < 5).all()
    equal = (np.bincount(distance.argmin(1), minlength=4) / n - 0.25) / np.sqrt(0.25 * 0.75 / n)
    assert np.abs(equal).max() > 5


def test_the_denoisers_are_conditional_means():
    """By a regression of x0 on bins of x: exact for the two-point law, tanh."""
    denoiser = EmpiricalDenoiser([[-1.0], [1.0]])
    x = np.linspace(-3, 3, 7)[:, None]
    np.testing.assert_allclose(denoiser(x, 0.8), np.tanh(x / 0.64), rtol=1e-12)
    # Far from the data, at little noise: no overflow, the nearest point.
    assert denoiser(np.array([[500.0]]), 1e-3) == pytest.approx(1.0)
    many = EmpiricalDenoiser(np.random.default_rng(0).multivariate_normal(MEAN, GAUSSIAN.covariance, 50_000))
    query = np.array([[0.5, 0.5], [-1.0, 0.0]])
    np.testing.assert_allclose(many(query, 1.0), GAUSSIAN(query, 1.0), atol=0.02)


@pytest.mark.parametrize("weight", [-1.0, -0.5, 0.0, 1.0, 2.0])
@pytest.mark.parametrize("turned", [False, True])
def test_guided_gaussians_sample_the_law_of_sims(weight, turned):
    """The flow's map is affine, so that its law is known from three points. Control: another weight."""
    other = (TURN if turned else np.eye(2)) * [0.9, 0.06] @ (TURN if turned else np.eye(2)).T
    mine = np.diag(VARIANCES)
    base, auxiliary = GaussianDenoiser(MEAN, mine), GaussianDenoiser(MEAN + 0.1, other)
    sigmas = EDM(sigma_max=500.0, sigma_min=1e-3).levels(400)

    def guided(x, sigma):
        return (1 + weight) * base(x, sigma) - weight * auxiliary(x, sigma)

    corners = sigmas[0] * np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    mean, *images = Heun(400).integrate(guided, corners, sigmas)
    root = np.stack(images) - mean

    def law(w):
        arguments = {"mean": MEAN, "covariance": mine, "auxiliary_mean": MEAN + 0.1}
        return guidance.sims_law(**arguments, auxiliary_covariance=other, guidance=w)

    want = law(weight)
    np.testing.assert_allclose(root.T @ root, want["covariance"], rtol=2e-3, atol=2e-4)
    # What sampling starts from, noise around 0, is forgotten as 1 / sigma_max.
    np.testing.assert_allclose(mean, want["mean"], atol=4e-3)
    assert not np.allclose(root.T @ root, law(weight + 0.2)["covariance"], rtol=2e-3, atol=2e-4)


# Equality with diffusers --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def schedulers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        diffusers = pytest.importorskip("diffusers")
        from diffusers import DDIMScheduler, DDPMScheduler, EDMEulerScheduler, HeunDiscreteScheduler
    del diffusers
    return {c.__name__: c for c in (DDIMScheduler, DDPMScheduler, EDMEulerScheduler, HeunDiscreteScheduler)}


def start():
    return np.random.default_rng(5).standard_normal((6, 2))


def tensor(x):
    return torch.from_numpy(np.asarray(x, dtype=np.float32))


def chain(schedulers, name, steps, sampler_steps, schedule="linear", **options):
    names = {"linear": "linear", "cosine": "squaredcos_cap_v2"}
    scheduler = schedulers[name](
        num_train_timesteps=steps, beta_start=1e-4, beta_end=0.02, beta_schedule=names[schedule],
        clip_sample=False, timestep_spacing="trailing", **options,
    )  # fmt: skip
    scheduler.set_timesteps(sampler_steps)
    return scheduler


def noise_prediction(x, kept):
    """Of a variance-preserving x: the noise that the Gaussian's denoiser finds in it."""
    clean = GAUSSIAN(x / np.sqrt(kept), np.sqrt((1 - kept) / kept))
    return (x - np.sqrt(kept) * clean) / np.sqrt(1 - kept)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
def test_ddim_equals_diffusers(schedulers, schedule, eta):
    scheduler = chain(schedulers, "DDIMScheduler", 1000, 20, schedule)
    draws = np.random.default_rng(7).standard_normal((20, 6, 2))
    x, xs = start(), []
    sigmas = DDPM(schedule=schedule).levels(20)
    ours = x * np.sqrt(1 + sigmas[0] ** 2)
    for i, t in enumerate(scheduler.timesteps):
        kept = float(scheduler.alphas_cumprod[t])
        if i == 0:
            assert sigmas[0] == pytest.approx(np.sqrt((1 - kept) / kept), rel=1e-2)
        prediction = tensor(noise_prediction(x, kept))
        x = scheduler.step(
            prediction, t, tensor(x), eta=eta, variance_noise=tensor(draws[i]) if eta else None
        )
        x = x.prev_sample.numpy().astype(float)
        then = sigmas[i + 1]
        xs.append(x * np.sqrt(1 + then**2))
        ours = DDIM(1, eta).integrate(GAUSSIAN, ours, [sigmas[i], then], lambda _, z=draws[i]: z)
        np.testing.assert_allclose(ours / np.sqrt(1 + then**2), x, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_ddpm_equals_diffusers(schedulers, schedule):
    """All steps of a chain, eta = 1: the posterior variance of Ho et al."""
    scheduler = chain(schedulers, "DDPMScheduler", 1000, 1000, schedule)
    generator, again = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    sigmas = DDPM(schedule=schedule).levels(1000)
    theirs = start()
    first = 0 if schedule == "linear" else 20  # float32 has no sigma of 1e4 in 1 - alpha_bar
    ours = theirs * np.sqrt(1 + sigmas[first] ** 2)
    for i, t in enumerate(scheduler.timesteps[first:], start=first):
        prediction = noise_prediction(theirs, 1 / (1 + sigmas[i] ** 2))
        step = scheduler.step(tensor(prediction), t, tensor(theirs), generator=generator)
        theirs = step.prev_sample.numpy().astype(float)
        z = torch.randn(6, 2, generator=again).numpy() if t > 0 else None
        ours = DDIM(1, 1.0).integrate(GAUSSIAN, ours, sigmas[i : i + 2], lambda _, z=z: z)
        np.testing.assert_allclose(ours / np.sqrt(1 + sigmas[i + 1] ** 2), theirs, rtol=1e-3, atol=1e-3)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_heun_equals_diffusers(schedulers):
    scheduler = schedulers["HeunDiscreteScheduler"](
        beta_start=1e-4, beta_end=0.02, beta_schedule="linear", use_karras_sigmas=True
    )
    scheduler.set_timesteps(18)
    levels = scheduler.sigmas.numpy().astype(float)
    sigmas = np.append(levels[:1], levels[1::2])
    np.testing.assert_allclose(
        sigmas, EDM(sigma_max=sigmas[0], sigma_min=sigmas[-2]).levels(18), rtol=1e-3, atol=1e-9
    )
    x = start() * sigmas[0]
    expected = Heun(18).integrate(GAUSSIAN, x, sigmas)
    for i, t in enumerate(scheduler.timesteps):
        slope = (x - GAUSSIAN(x, levels[i])) / levels[i]
        x = scheduler.step(tensor(slope), t, tensor(x)).prev_sample.numpy().astype(float)
    np.testing.assert_allclose(expected, x, rtol=1e-4, atol=1e-4)


def test_edm_equals_diffusers(schedulers):
    """Levels, preconditioning and Euler steps of Karras et al., from the output of a network."""
    from madtheory.networks.diffusion.model import PARAMETERISATIONS

    skip, out, scale, _ = PARAMETERISATIONS["edm"]
    scheduler = schedulers["EDMEulerScheduler"](sigma_min=0.002, sigma_max=80.0, sigma_data=1.0, rho=7.0)
    scheduler.set_timesteps(18)
    np.testing.assert_allclose(scheduler.sigmas, EDM().levels(18), rtol=1e-5, atol=1e-9)

    def network(x):
        return np.sin(x) + 0.3

    theirs = start() * 80
    sigmas = EDM().levels(18)
    ours = DDIM(18).integrate(lambda x, s: skip(s) * x + out(s) * network(scale(s) * x), theirs, sigmas)
    for i, t in enumerate(scheduler.timesteps):
        scaled = scheduler.scale_model_input(tensor(theirs), t).numpy()
        np.testing.assert_allclose(scaled, scale(sigmas[i]) * theirs, rtol=1e-4, atol=1e-6)
        theirs = scheduler.step(tensor(network(scaled)), t, tensor(theirs)).prev_sample.numpy().astype(float)
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)


# Errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Heun(0), "steps=0"),
        (lambda: DDIM(10, eta=1.5), "eta=1.5"),
        (lambda: EDM(sigma_min=3, sigma_max=2), "sigma_min=3"),
        (lambda: EDM(rho=0), "rho=0"),
        (lambda: DDPM(beta_start=0), "beta_start=0"),
        (lambda: DDPM(steps=10), "steps=10"),
        (lambda: DDPM(schedule="square"), "schedule='square'"),
        (lambda: DDPM(steps=100).levels(101), "steps=101"),
        (lambda: FlowMatching(t_max=1.0), "t_max=1.0"),
        (lambda: Heun(2).integrate(GAUSSIAN, start(), [1.0, 2.0]), "sigmas="),
        (lambda: DDIM(2, 1.0).integrate(GAUSSIAN, start(), [2.0, 1.0]), "noise=None"),
        (lambda: GaussianDenoiser(MEAN, np.eye(3)), "covariance"),
        (lambda: GaussianDenoiser(MEAN, [[1, 0], [1, 1]]), "not symmetric"),
        (lambda: GaussianDenoiser(MEAN, [[1, 2], [2, 1]]), "negative eigenvalue"),
        (lambda: EmpiricalDenoiser([1.0, 2.0]), "points"),
        (lambda: EmpiricalDenoiser([[1.0], [2.0]], [1.0, 0.0]), "weights"),
    ],
)
def test_errors_name_argument_and_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()
