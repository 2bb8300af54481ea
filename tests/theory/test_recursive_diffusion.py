"""Recursive diffusion with early stopping: limit laws, finite samples and tails, each by a second way."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import eval_hermitenorm
from scipy.stats import chi2

from madtheory import testing
from madtheory.theory import diffusion, gaussian

DATA = {"weights": [0.3, 0.7], "means": [[-1.4], [0.6]], "variances": [0.2, 0.1]}
MEAN = 0.0
VARIANCE = 0.3 * (1.4**2 + 0.2) + 0.7 * (0.6**2 + 0.1)


def integrate(law, function):
    """Integrate a function over the first axis of a mixture, by Gauss-Hermite quadrature."""
    nodes, mass = np.polynomial.hermite_e.hermegauss(40)
    x = law.means[:, :1] + np.sqrt(law.variances)[:, None] * nodes
    return float(law.weights @ (function(x) @ mass) / np.sqrt(2 * np.pi))


def law_at(generation, **keywords):
    return diffusion.limit_components(**DATA, generations=generation, **keywords)


@pytest.mark.parametrize(("share", "time"), [(0.2, 0.05), (0.5, 0.3), (1.0, 0.1), (0.0, 0.2)])
def test_components_have_the_variance_of_the_recursion(share, time):
    exact = diffusion.variance_trajectory(variance=VARIANCE, fresh_share=share, time=time, generations=7)
    for g in (1, 2, 7):
        law = law_at(g, fresh_share=share, time=time)
        assert law.weights.sum() == pytest.approx(1, abs=1e-12)
        assert integrate(law, lambda x: x**2) == pytest.approx(exact[g - 1], rel=1e-10)
        assert integrate(law, lambda x: x) == pytest.approx(MEAN, abs=1e-12)


@pytest.mark.parametrize("order", [0, 1, 2, 3, 4, 7])
def test_hermite_coefficients_are_filtered(order):
    """The factor against the coefficients of the limit mixture, of 400 generations, by quadrature."""
    real = law_at(1, fresh_share=0.2, time=0.0)
    limit = law_at(400, fresh_share=0.2, time=0.05)
    before, after = (integrate(law, lambda x: eval_hermitenorm(order, x)) for law in (real, limit))
    factor = float(diffusion.filter_factor(order=order, fresh_share=0.2, time=0.05))
    np.testing.assert_allclose(after, factor * before, rtol=1e-9, atol=1e-11)


def test_the_trajectory_converges_to_the_limit_at_its_rate():
    values = diffusion.variance_trajectory(variance=2.5, fresh_share=0.2, time=0.05, generations=300)
    limit = float(diffusion.limit_variance(variance=2.5, fresh_share=0.2, time=0.05))
    assert values[-1] == pytest.approx(limit, rel=1e-10)
    gaps = np.asarray(values[:5]) - limit
    np.testing.assert_allclose(gaps[1:] / gaps[:-1], 0.8 * np.exp(-0.1), rtol=1e-9)
    assert float(diffusion.limit_variance(variance=2.5, fresh_share=0.0, time=0.05)) == pytest.approx(1)
    assert float(diffusion.limit_variance(variance=2.5, fresh_share=0.3, time=0.0)) == pytest.approx(2.5)
    with pytest.raises(ValueError, match="pass one of them above 0"):
        diffusion.limit_variance(variance=2.5, fresh_share=0.0, time=0.0)


SETTINGS = [(4, 16, 0.05, 2.5), (10, 10, 0.02, 0.3), (0, 10, 0.1, 1.7)]


@pytest.mark.parametrize(("n_real", "n_synthetic", "time", "variance"), SETTINGS)
@pytest.mark.parametrize("ddof", [0, 1])
def test_stationary_moments_are_those_of_many_generations(n_real, n_synthetic, time, variance, ddof):
    keywords = {
        "n_real": n_real,
        "n_synthetic": n_synthetic,
        "time": time,
        "variance": variance,
        "ddof": ddof,
    }
    late = diffusion.early_stopped_moments(**keywords, generations=3_000)
    limit = diffusion.stationary_moments(**keywords)
    for name in limit:
        assert late[name][-1] == pytest.approx(float(limit[name]), rel=1e-10)


@pytest.mark.parametrize("ddof", [0, 1])
def test_without_noise_it_is_the_fresh_data_loop(ddof):
    found = diffusion.early_stopped_moments(
        n_real=5, n_synthetic=9, time=0.0, n_initial=7, ddof=ddof, generations=6
    )
    fresh = gaussian.fresh(n_real=5, n_synthetic=9, n_initial=7, ddof=ddof, generations=6)
    np.testing.assert_allclose(found["variance"], fresh["total_variance"], rtol=1e-10)
    np.testing.assert_allclose(found["mean_error"], fresh["mean_error"], rtol=1e-10)


def test_many_points_have_the_variance_of_infinitely_many():
    many = diffusion.stationary_moments(
        n_real=2 * 10**6, n_synthetic=8 * 10**6, time=0.05, variance=2.5, ddof=1
    )
    limit = float(diffusion.limit_variance(variance=2.5, fresh_share=0.2, time=0.05))
    assert float(many["variance"]) == pytest.approx(limit, rel=1e-6)


def run_loops(n_real, n_synthetic, time, variance, ddof, *, generations, replicates, rng, memorises=False):
    """Run the loop point by point; a diffusion that memorises samples its training set, then adds noise."""
    r, total = np.exp(-time), n_real + n_synthetic
    points = np.sqrt(variance) * rng.standard_normal((replicates, total))
    for _ in range(generations - 1):
        mean, scale = points.mean(1), points.std(1, ddof=ddof)
        if memorises:
            own = np.take_along_axis(points, rng.integers(total, size=(replicates, n_synthetic)), 1)
        else:
            own = mean[:, None] + scale[:, None] * rng.standard_normal((replicates, n_synthetic))
        own = r * own + np.sqrt(1 - r**2) * rng.standard_normal((replicates, n_synthetic))
        real = np.sqrt(variance) * rng.standard_normal((replicates, n_real))
        points = np.concatenate([real, own], 1)
    return r**2 * points.var(1, ddof=ddof) + 1 - r**2, r * points.mean(1)


@pytest.mark.parametrize(("n_real", "n_synthetic", "time", "variance"), SETTINGS)
@pytest.mark.parametrize(("ddof", "memorises"), [(0, False), (1, False), (0, True)])
def test_moments_are_those_of_points(n_real, n_synthetic, time, variance, ddof, memorises):
    """20,000 loops of 5 generations see errors of a percent of the variance; theirs is no heavy tail yet."""
    law, mean = run_loops(
        n_real, n_synthetic, time, variance, ddof, generations=5, replicates=20_000,
        rng=np.random.default_rng(3), memorises=memorises,
    )  # fmt: skip
    exact = diffusion.early_stopped_moments(
        n_real=n_real, n_synthetic=n_synthetic, time=time, variance=variance, ddof=ddof, generations=5
    )
    testing.assert_mean_matches(law, exact["variance"][-1], name="variance")
    testing.assert_mean_matches(mean**2, exact["mean_error"][-1], name="mean_error")


def test_a_variance_that_is_wrong_by_one_percent_is_rejected():
    """Negative control: a standard deviation of 0.15 of the mean, so that 1 % is 9 standard errors."""
    law, _ = run_loops(50, 100, 0.05, 2.5, 1, generations=4, replicates=20_000, rng=np.random.default_rng(4))
    exact = diffusion.early_stopped_moments(
        n_real=50, n_synthetic=100, time=0.05, variance=2.5, ddof=1, generations=4
    )["variance"][-1]
    assert law.std() < 0.15 * law.mean()
    testing.assert_mean_matches(law, exact, name="variance")
    for factor in (0.99, 1.01):
        with pytest.raises(AssertionError):
            testing.assert_mean_matches(law, factor * exact, name="variance")


@pytest.mark.parametrize(("n", "time"), [(10, 0.1), (10, 0.02), (100, 0.01)])
@pytest.mark.parametrize("ddof", [0, 1])
def test_the_factor_of_the_variance_has_unit_moment_at_the_tail_index(n, time, ddof):
    kappa = float(diffusion.tail_index(n=n, time=time, ddof=ddof))
    moment = quad(
        lambda x: chi2.pdf(x, n - 1) * (np.exp(-2 * time) * x / (n - ddof)) ** kappa, 0, 20 * n, epsabs=1e-13,
        epsrel=1e-10, limit=400,
    )[0]  # fmt: skip
    assert moment == pytest.approx(1, rel=1e-7)
    if ddof:
        assert kappa == pytest.approx(1 + 2 * time * (n - 1), rel=0.13)


def test_the_median_of_the_stationary_law_stays_below_its_mean():
    """Without real data the mean variance is 1, of a skewed law: half of the models are below 0.8."""
    law, _ = run_loops(0, 10, 0.1, 1.0, 1, generations=50, replicates=8_000, rng=np.random.default_rng(5))
    assert 0.72 < np.median(law) < 0.81


def test_closed_form_denoisers_sample_the_laws_of_the_loop():
    """Each generation: the exact denoiser of the training law, integrated from noise to the level of t.

    The level is sigma = sqrt(exp(2 t) - 1), and r (x + sigma z) = r x + sqrt(1 - r^2) z.
    """
    networks = pytest.importorskip("madtheory.networks")
    share, time, rng = 0.3, 0.1, np.random.default_rng(0)
    r, stop = np.exp(-time), np.sqrt(np.expm1(2 * time))
    real = law_at(1, fresh_share=share, time=0.0)
    levels = np.geomspace(60.0, stop, 50)
    for g in (1, 3):
        before = law_at(g - 1, fresh_share=share, time=time) if g > 1 else real
        parts = [(share, real), (1 - share, before)]
        weights = np.concatenate([a * law.weights for a, law in parts])
        means = np.concatenate([law.means[:, 0] for _, law in parts])
        variances = np.concatenate([law.variances for _, law in parts])

        def denoise(x, sigma, weights=weights, means=means, variances=variances):
            total = variances + sigma**2
            logs = np.log(weights) - 0.5 * np.log(total) - 0.5 * (x - means) ** 2 / total
            likely = np.exp(logs - logs.max(1, keepdims=True))
            guess = means + variances / total * (x - means)
            return (likely * guess).sum(1, keepdims=True) / likely.sum(1, keepdims=True)

        start = np.sqrt(VARIANCE + levels[0] ** 2) * rng.standard_normal((6_000, 1))
        stopped = networks.Heun().integrate(denoise, start, levels, lambda _: None)
        law = law_at(g, fresh_share=share, time=time)
        for power in (1, 2, 3, 4):
            exact = integrate(law, lambda x, k=power: x**k)
            testing.assert_mean_matches(
                (r * stopped[:, 0]) ** power, exact, name=f"moment {power}", rtol=5e-3
            )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: diffusion.limit_variance(variance=1.0, fresh_share=1.5, time=0.1), "fresh_share=1.5"),
        (lambda: diffusion.tail_index(n=10, time=0.0), "time=0"),
        (lambda: law_at(2, fresh_share=0.1, time=-1.0), "time=-1"),
        (
            lambda: diffusion.limit_components(
                weights=[0.5, 0.6], means=[[0], [1]], variances=[1, 1], fresh_share=0.1, time=1.0,
                generations=2,
            ),
            "not probabilities",
        ),
        (
            lambda: diffusion.early_stopped_moments(n_real=0, n_synthetic=1, time=0.1, generations=2, ddof=1),
            "degree of freedom",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
