"""Exponential families and power laws: identities to 1e-10, and brute force without the package."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

import madtheory as mad
from madtheory import regimes, testing
from madtheory.theory import categorical, families, gaussian

FAMILIES = {  # mean, coefficients of 1, m, m^2 in the variance
    "normal": (0.7, (2.5, 0.0, 0.0)),
    "poisson": (3.0, (0.0, 1.0, 0.0)),
    "binomial": (2.0, (0.0, 1.0, -1 / 6)),
    "bernoulli": (0.3, (0.0, 1.0, -1.0)),
    "negative binomial": (2.0, (0.0, 1.0, 0.4)),
    "exponential": (2.0, (0.0, 0.0, 1.0)),
    "gamma": (2.0, (0.0, 0.0, 1 / 3)),
    "known mean": (1.5, (0.0, 0.0, 2.0)),
}
EXACT = {"rtol": 1e-10, "atol": 1e-13}


def of(name):
    mean, variance = FAMILIES[name]
    return {"mean_parameter": mean, "variance_function": variance}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("n", [7, (5, 9, 4, 30, 8, 8, 11, 6)], ids=["constant", "changing"])
def test_products_are_the_recursion_of_every_regime(name, n):
    """E1 and E3: closed products against the recursion of the design space."""
    generations = 8
    for closed, regime in ((families.replace, regimes.replace), (families.accumulate, regimes.accumulate)):
        product = closed(n=n, **of(name), generations=generations)
        # The variance of real data, stated, takes trajectory past the closed form.
        mean, (v0, v1, v2) = FAMILIES[name]
        variance = v0 + v1 * mean + v2 * mean**2
        steps = families.trajectory(regime(n=n), **of(name), real_variance=variance, generations=generations)
        for key in ("mean_parameter", "mean_parameter_error", "parameter_variance"):
            np.testing.assert_allclose(product[key], steps[key], **EXACT, err_msg=key)
        np.testing.assert_allclose(
            product["parameter_variance"], variance + v2 * product["mean_parameter_error"], **EXACT
        )
        wrong = families.replace(n=8, **of(name), generations=generations)["mean_parameter_error"]
        assert not np.allclose(wrong, product["mean_parameter_error"], rtol=1e-3)


def test_tokens_and_the_gaussian_of_known_mean_are_families():
    """E1 at curvature -1 is the loss of heterozygosity, at 2 the variance of a Gaussian with known mean."""
    p = 0.3
    tokens = categorical.replace(n=9, probabilities=[p, 1 - p], generations=6)
    ours = families.replace(n=9, mean_parameter=p, variance_function=(0, 1, -1), generations=6)
    np.testing.assert_allclose(2 * ours["parameter_variance"], tokens["heterozygosity"], **EXACT)
    np.testing.assert_allclose(2 * ours["mean_parameter_error"], tokens["squared_error"], **EXACT)
    known = gaussian.replace(n=9, known_mean=True, generations=6)
    ours = families.replace(n=9, mean_parameter=1.0, variance_function=(0, 0, 2), generations=6)
    np.testing.assert_allclose(ours["mean_parameter"], known["total_variance"], **EXACT)
    np.testing.assert_allclose(np.sqrt(ours["mean_parameter_error"]), known["total_variance_std"], rtol=1e-10)
    logs = families.gamma_logs(n=9, shape=0.5, mean_parameter=1.0, generations=6)
    np.testing.assert_allclose(logs["log_mean_parameter"], known["log_volume"], **EXACT)
    law = gaussian.variance_law(generation=6, n=9, known_mean=True)
    assert logs["log_mean_parameter_std"][-1] ** 2 == pytest.approx(float(law.log_cumulant(2)), rel=1e-10)


@pytest.mark.parametrize("name", FAMILIES)
def test_universal_constants_hold_for_every_family(name):
    """pi^2/6 and its like do not depend on the family: errors of late models over that of one real fit.

    At n = 10^5 the family enters by g / n, at most 0.4 %; the constants of other workflows differ by 20 %.
    """
    n, g, rho = 100_000, 400, 2.0
    known = gaussian.universal_constants(synthetic_ratio=rho, window=3)
    fit = families.replace(n=n, **of(name), generations=1)["mean_parameter_error"][0]

    def ratios(regime, generations=g):
        found = families.trajectory(regime, **of(name), generations=generations)["mean_parameter_error"]
        return np.asarray(found) / fit

    def grows(regime):
        return (ratios(regime)[-1] - ratios(regime)[-101]) / 100

    found = {
        "replace_per_generation": grows(regimes.replace(n=n)),
        "sliding_window_per_generation": grows(regimes.Regime(n_initial=n, n_synthetic=n, retain=3)),
        "augment": ratios(regimes.augment(n_real=n, n_synthetic=2 * n))[-1],
        "fresh": ratios(regimes.fresh(n_real=n, n_synthetic=2 * n))[-1],
        # the sums converge like 1/g: their tails are added
        "accumulate": ratios(regimes.accumulate(n=n))[-1] + 1 / (g + 0.5),
        "accumulate_subsample": 2 * ratios(regimes.accumulate_subsample(n=n), 2 * g)[-1]
        - ratios(regimes.accumulate_subsample(n=n))[-1],
        "accumulate_subsample_replacement": 2
        * ratios(regimes.accumulate_subsample(n=n, replacement=True), 2 * g)[-1]
        - ratios(regimes.accumulate_subsample(n=n, replacement=True))[-1],
    }
    assert set(found) == set(known)
    for key, value in found.items():
        assert value == pytest.approx(float(known[key]), rel=0.02), key


@pytest.mark.parametrize("name", FAMILIES)
def test_accumulate_limit_is_a_sine_and_pi_squared_over_six(name):
    mean, (v0, v1, v2) = FAMILIES[name]
    variance = v0 + v1 * mean + v2 * mean**2
    n = 7
    limit = families.accumulate_limit(n=n, **of(name))
    x = complex(v2 / n) ** 0.5 * math.pi
    closed = variance * (np.sinh(x) / x).real if v2 else variance
    assert limit["parameter_variance"] == pytest.approx(closed, rel=1e-10)
    long = families.accumulate(n=n, **of(name), generations=100_000)["mean_parameter_error"]
    tail = np.log1p(v2 / n * 1e-5) / v2 * variance if v2 else variance / n * 1e-5
    assert limit["mean_parameter_error"] == pytest.approx(float(long[-1]) + tail, rel=1e-4)
    large = families.accumulate_limit(n=10**6, **of(name))
    assert large["error_ratio"] == pytest.approx(math.pi**2 / 6, rel=1e-5)
    assert (
        families.accumulate_limit(n=10, **of(name))["error_ratio"] != pytest.approx(math.pi**2 / 6, rel=1e-5)
        or v2 == 0
    )


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("weight", [None, 0.4])
def test_stationary_error_is_the_limit_of_the_recursion(name, weight):
    """E4, pooled and weighted."""
    n_real, n_synthetic = 9, 14
    weights = None if weight is None else ((1 - weight) / n_real, weight / n_synthetic)
    for real_data, regime in (("fixed", regimes.augment), ("fresh", regimes.fresh)):
        known = families.stationary_error(
            real_data=real_data, n_real=n_real, n_synthetic=n_synthetic, synthetic_weight=weight, **of(name)
        )
        late = families.trajectory(
            regime(n_real=n_real, n_synthetic=n_synthetic, weights=weights), **of(name), generations=200
        )
        for key in ("mean_parameter_error", "parameter_variance"):
            assert known[key] == pytest.approx(float(late[key][-1]), rel=1e-10)
            assert known[key] != pytest.approx(float(late[key][1]), rel=1e-4) or FAMILIES[name][1][2] == 0


def chain(points, trials, p, generations):
    """Law of the success counts of `points` points of `trials` trials, by generation: a Markov chain."""
    top = points * trials
    counts = np.arange(top + 1)
    step = stats.binom.pmf(counts[None], top, counts[:, None] / top)
    law, laws = stats.binom.pmf(counts, top, p), []
    for _ in range(generations):
        laws.append(law)
        law = law @ step
    return counts / points, laws


def test_central_moments_are_those_of_the_chain():
    """Binomial counts, the whole law by enumeration."""
    trials, points, mean = 3, 5, 1.2
    values, laws = chain(points, trials, mean / trials, 6)
    found = families.central_moments(
        n=points, mean_parameter=mean, variance_function=(0, 1, -1 / trials), generations=6
    )
    expected = [[law @ (values - mean) ** j for j in range(5)] for law in laws]
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
    moments = families.replace(
        n=points, mean_parameter=mean, variance_function=(0, 1, -1 / trials), generations=6
    )
    variance = values - values**2 / trials
    spread = [np.sqrt(law @ variance**2 - (law @ variance) ** 2) for law in laws]
    np.testing.assert_allclose(moments["parameter_variance_std"], spread, rtol=1e-9)
    squares = (values - mean) ** 2
    spread = [np.sqrt(law @ squares**2 - (law @ squares) ** 2) for law in laws]
    np.testing.assert_allclose(moments["mean_parameter_error_std"], spread, rtol=1e-9)


def test_central_moments_of_gamma_chains():
    """Products of independent gamma means, whose raw moments are products."""
    n, k, mean = 6, 1.5, 2.0
    found = families.central_moments(n=n, mean_parameter=mean, variance_function=(0, 0, 1 / k), generations=5)
    raw = [stats.gamma(n * k, scale=1 / (n * k)).moment(j) if j else 1.0 for j in range(5)]
    for g in range(1, 6):
        powers = [mean**j * raw[j] ** g for j in range(5)]
        expected = [
            sum(math.comb(j, i) * (-mean) ** (j - i) * powers[i] for i in range(j + 1)) for j in range(5)
        ]
        np.testing.assert_allclose(found[g - 1], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("sizes", [(4, 4, 4, 4, 4), (9, 4, 4, 4, 4), (3, 8, 5, 2, 6)])
def test_poisson_extinction_is_the_chain(sizes):
    """E2, by the truncated law of the totals."""
    rate, top = 0.4, 120
    counts = np.arange(top + 1)
    law, expected = stats.poisson.pmf(counts, rate * sizes[0]), []
    for g, n in enumerate(sizes):
        if g:
            law = law @ stats.poisson.pmf(counts[None], n * counts[:, None] / sizes[g - 1])
        expected.append(law[0])
    found = families.poisson_extinction(n=sizes, rate=rate, generations=5)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert families.poisson_extinction(n=sizes, rate=[0.0, rate], generations=5)[:, 0].tolist() == [1.0] * 5


def test_rates_of_suresh_et_al():
    """Their g_k, k g_k -> 2, and the two sides of their Theorem 1 about the exact chain of a rare symbol.

    Their model k is our generation k + 1: g_1 = 1 - 1/e is that of the first fit to synthetic points.
    """
    g = -np.log(families.poisson_extinction(n=1, rate=1.0, generations=51))[1:]
    np.testing.assert_allclose(g[[0, 1, 9, 49]], [1 - 1 / np.e, 0.46854, 0.15824, 0.03765], atol=6e-6)
    assert 50 * g[49] == pytest.approx(1.882, abs=1e-3)
    late = -np.log(families.poisson_extinction(n=1, rate=1.0, generations=20_000))
    assert 20_000 * late[-1] == pytest.approx(2, rel=2e-3)
    for n, p in ((10_000, 0.001), (100, 0.01)):
        k = np.arange(1, 51)
        survives = 1 - categorical.extinction(n=n, probabilities=[p, 1 - p], generations=51)[1:, 0]
        lower = 1 - np.exp(-n * p * g)
        upper = 1 - np.maximum(1 - 3 * n * p**2 - 3 * k * p, 0) * np.exp(-n * p * g)
        assert (survives >= lower - 1e-12).all()
        assert (survives <= upper + 1e-12).all()
        # Negative control: neither side leaves room for a rate of another size at its tightest.
        assert (survives < 1 - np.exp(-1.1 * n * p * g)).any()
        assert not (
            survives <= 1 - np.maximum(1 - 3 * n * p**2 - 3 * k * p, 0) * np.exp(-0.9 * n * p * g)
        ).all()


def test_gamma_rate_and_power_laws():
    n = 40
    rate = families.gamma_rate(n=n, shape=1.0)
    logs = families.gamma_logs(n=n, shape=1.0, mean_parameter=3.0, generations=10)["log_mean_parameter"]
    np.testing.assert_allclose(np.diff(logs), float(rate), rtol=1e-10)
    assert rate == pytest.approx(-1 / (2 * n), rel=0.01)
    tails = families.pareto_tail_index(n=n, tail_index=1.5, generations=10)
    inverse = stats.invgamma(n, scale=n)
    np.testing.assert_allclose(tails["tail_index"], 1.5 * inverse.mean() ** np.arange(1, 11), **EXACT)
    square = 1.5**2 * (inverse.moment(2) ** np.arange(1, 11) - inverse.mean() ** (2 * np.arange(1, 11)))
    np.testing.assert_allclose(tails["tail_index_std"], np.sqrt(square), rtol=1e-9)
    mean_log = integrate.quad(lambda x: np.log(x) * stats.gamma(n, scale=1 / n).pdf(x), 0, 5)[0]
    assert rate == pytest.approx(mean_log, rel=1e-7)
    assert (
        families.pareto_tail_index(n=1, tail_index=1.5, generations=2)["tail_index"].tolist() == [np.inf] * 2
    )


class Uniform:
    """A model of one's own: uniform on (0, end), fitted by the largest point."""

    def __init__(self, end=None):
        self.end = end

    def fit(self, data, *, rng):
        return Uniform(np.asarray(data)[..., 0].max(-1))

    def sample(self, n, *, rng):
        end = np.asarray(self.end)
        return end[..., None, None] * rng.random((*end.shape, n, 1))

    def expand(self, *replicates):
        return Uniform(np.broadcast_to(self.end, replicates)) if self.end is not None else self


def endpoint(snapshot):
    return snapshot.model.end


def log_endpoint(snapshot):
    return np.log(snapshot.model.end)


def test_the_largest_point_shrinks_alone_and_stays_with_the_data():
    """A family that is not smooth: its chain by simulation, and accumulation that never moves."""
    loop = mad.Loop(real=Uniform(2.0), model=Uniform(), regime=regimes.replace(n=(9, 6, 12, 12, 12)))
    drawn = mad.simulate(loop, 5, replicates=40_000, metrics=[endpoint, log_endpoint], rng=0)
    found = families.endpoint_law(n=(9, 6, 12, 12, 12), endpoint=2.0, generations=5)
    for name in ("endpoint", "log_endpoint"):
        testing.assert_mean_matches(drawn[name], found[name], std=found[f"{name}_std"])
        with pytest.raises(AssertionError, match="z="):
            testing.assert_mean_matches(drawn[name], 1.02 * found[name], std=found[f"{name}_std"])
        np.testing.assert_allclose(drawn[name].std("replicate", ddof=1), found[f"{name}_std"], rtol=0.03)
    assert families.endpoint_law(n=20, generations=5)["endpoint"][-1] == pytest.approx(0.7835, abs=5e-5)
    kept = mad.Loop(real=Uniform(2.0), model=Uniform(), regime=regimes.accumulate(n=9))
    drawn = mad.simulate(kept, 5, replicates=200, metrics=endpoint, rng=0)["endpoint"]
    assert (drawn == drawn.isel(generation=0)).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: families.gamma_logs(n=5, shape=1.0, mean_parameter=0.0, generations=2), "mean_parameter=0"),
        (lambda: families.accumulate_limit(n=5, mean_parameter=0.0, variance_function=(0, 1, 0)), "mean_p"),
        (lambda: families.replace(n=5, mean_parameter=1.0, variance_function=(0, 1), generations=2), "three"),
        (
            lambda: families.accumulate_limit(n=2, mean_parameter=0.1, variance_function=(0, 1, -3)),
            "curvature -3",
        ),
        (
            lambda: families.stationary_error(
                real_data="fresh", n_real=2, n_synthetic=1, synthetic_weight=0.8, mean_parameter=1.0,
                variance_function=(0, 0, 2),
            ),
            "synthetic_weight=0.8",
        ),
        (lambda: families.poisson_extinction(n=3, rate=-1.0, generations=2), "rate=-1"),
        (lambda: families.gamma_rate(n=3, shape=0.0), "shape=0"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
