"""Samplers in loops: the factor by which each generation multiplies a variance, with perfect denoisers."""

import math

import numpy as np
import pytest
from scipy import stats

torch = pytest.importorskip("torch")

from madtheory.networks import (  # noqa: E402
    DDIM,
    DDPM,
    EDM,
    Diffusion,
    DPMSolver,
    FlowMatching,
    GaussianDenoiser,
    Heun,
    sample_denoiser,
    variance_factor,
)
from madtheory.testing import assert_mean_matches  # noqa: E402
from simulations import _digit_loops, image_loops  # noqa: E402
from simulations._planar import planar_diffusion  # noqa: E402
from simulations._sims_digits import diffusion  # noqa: E402

UNIT = (1.0, 0.1, 0.01, 1e-3)  # of data in units of their deviation
PIXELS = (0.25, 0.025, 0.0025)  # of images from -1 to 1

LOOPS = {
    "default": (lambda: Diffusion(hidden=(8,)), UNIT),
    "digits of MAD": (lambda: _digit_loops.digit_diffusion(100), UNIT),
    "digits of SIMS": (lambda: diffusion(100, hidden=(8,)), UNIT),
    "two moons": (lambda: planar_diffusion("two moons", first=1, later=1), UNIT),
    **{
        " ".join(key): (lambda sizes=sizes: image_loops.image_model(sizes, labelled=True), PIXELS)
        for key, sizes in image_loops.SIZES.items()
        if key[1] != "quick"
    },
}


@pytest.mark.parametrize("name", LOOPS)
def test_loops_of_figures_have_converged(name):
    """Within 1 % of every variance. Control: ten steps of Heun and of the same sampler are not."""
    make, variances = LOOPS[name]
    model = make()
    factors = variance_factor(model.sampler, process=model.process, variances=variances)
    np.testing.assert_allclose(factors, 1, atol=0.01)
    for coarse in (Heun(10), DPMSolver(10)):
        assert np.abs(variance_factor(coarse, process=model.process, variances=variances) - 1).max() > 0.02


def test_the_chain_of_the_eight_gaussians_narrows_modes():
    """Its smallest noise is 2.2 deviations of a mode, which keeps 17 % of its variance: see the caption."""
    model = planar_diffusion("eight Gaussians", first=1, later=1)
    mode = (0.02 / math.sqrt(2)) ** 2  # the centres, on a circle of radius 2, have variance 2 along each axis
    whole, narrow = variance_factor(model.sampler, process=model.process, variances=(1.0, mode))
    assert whole == pytest.approx(1, abs=0.01)
    smallest = model.process.sigma_range[0]
    assert smallest / math.sqrt(mode) == pytest.approx(2.2, abs=0.05)
    assert narrow == pytest.approx(0.17, abs=0.01)
    assert narrow == pytest.approx(mode / (mode + smallest**2), rel=0.1)


@pytest.mark.parametrize("process", [EDM(), DDPM(), FlowMatching()], ids=repr)
@pytest.mark.parametrize("sampler", [DPMSolver(8), DPMSolver(9, 2), Heun(6), DDIM(9, eta=0.7)], ids=repr)
def test_the_factor_is_that_of_samples(process, sampler):
    """Detects 3 % in a variance with probability 0.97. Control: the factor of more steps is another."""
    variances, n = np.array([0.9, 0.05]), 60_000
    truth = GaussianDenoiser([0.0, 0.0], np.diag(variances))
    x = sample_denoiser(truth, n, 2, process=process, sampler=sampler, rng=np.random.default_rng(7))
    expected = variances * variance_factor(sampler, process=process, variances=variances)
    assert_mean_matches(x**2, expected, std=expected * math.sqrt(2))
    other = variances * variance_factor(DPMSolver(40), process=process, variances=variances)
    with pytest.raises(AssertionError):
        assert_mean_matches(x**2, other, std=other * math.sqrt(2))


def test_steps_that_converge():
    """At equal evaluations the solver of third order is nearer to 1 than the others, by a factor of 5."""
    variances = (1.0, 0.1, 0.01)

    def error(sampler):
        return np.abs(variance_factor(sampler, variances=variances) - 1).max()

    assert error(DPMSolver(32)) < 0.002
    assert error(DPMSolver(32)) < error(DPMSolver(22)) < 0.01
    for other in (Heun(16), DDIM(31), DPMSolver(31, order=2)):
        assert error(other) > 5 * error(DPMSolver(31))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_order_of_convergence(order):
    """Two modes, where the denoiser bends: the error of the flow's map falls as steps^-order."""

    def denoiser(x, sigma):
        v = 0.04 + sigma**2
        return (0.04 * x + sigma**2 * np.tanh(x / v)) / v

    process = EDM(sigma_min=0.1, sigma_max=10.0)
    x = process.sigma_max * np.linspace(-1.2, 1.3, 9)[:, None]

    def end(sampler):
        return sampler.integrate(denoiser, x, sampler.levels(process)[:-1])

    exact, steps = end(DPMSolver(6000)), np.array([150, 300, 600])
    errors = [np.abs(end(DPMSolver(int(n), order)) - exact).max() for n in steps]
    assert np.polyfit(np.log(steps), np.log(errors), 1)[0] == pytest.approx(-order, abs=0.2)


@pytest.mark.parametrize(("steps", "error"), [(30, 0.08), (40, 0.03)])
def test_narrow_modes_need_more_steps(steps, error):
    """Five modes, 17 standard deviations apart: the variance of the middle one, as the docstring says."""
    deviation, unit = 0.03, math.sqrt(0.5 + 0.03**2)
    centres, v0 = np.linspace(-1, 1, 5) / unit, (deviation / unit) ** 2

    def denoiser(x, sigma):
        v = v0 + sigma**2
        logs = -((x[:, None] - centres) ** 2) / (2 * v)
        shares = np.exp(logs - logs.max(1, keepdims=True))
        means = centres + v0 / v * (x[:, None] - centres)
        return (shares * means).sum(1) / shares.sum(1)

    sampler, u = DPMSolver(steps), (np.arange(20_000) + 0.5) / 20_000
    sigmas = sampler.levels(EDM())
    x = sampler.integrate(denoiser, math.sqrt(1 + sigmas[0] ** 2) * stats.norm.ppf(u), sigmas)
    middle = x[np.abs(x[:, None] - centres).argmin(1) == 2]
    # By the median: a flow in one dimension keeps the order, and few points lie between modes.
    ratio = (np.median(np.abs(middle)) / stats.norm.ppf(0.75)) ** 2 / v0
    assert abs(ratio - 1) == pytest.approx(error, abs=0.005)


def test_first_order_is_ddim():
    sampler, x = DPMSolver(12, order=1), np.random.default_rng(0).standard_normal((5, 2))
    truth = GaussianDenoiser([0.4, -0.3], np.diag([1.3, 0.04]))
    sigmas = sampler.levels(EDM())
    np.testing.assert_allclose(
        sampler.integrate(truth, x, sigmas), DDIM(12).integrate(truth, x, sigmas), rtol=1e-10
    )


def test_levels_are_even_in_their_logarithm():
    for process in (EDM(), DDPM(), FlowMatching()):
        *levels, last = DPMSolver(9).levels(process)
        assert last == 0
        assert (levels[-1], levels[0]) == pytest.approx(process.sigma_range, rel=1e-9)
        np.testing.assert_allclose(np.diff(np.log(levels), 2), 0, atol=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: DPMSolver(0), "steps=0"),
        (lambda: DPMSolver(order=4), "order=4"),
        (lambda: DPMSolver(order=0), "order=0"),
        (lambda: variance_factor(variances=[1.0, 0.0]), "variances="),
        (lambda: variance_factor(variances=[np.nan]), "variances"),
    ],
)
def test_errors_name_argument_and_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()
