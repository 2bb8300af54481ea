"""Moments of kernel density loops, the bootstrap and EM-fitted mixtures against raw loops."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import gaussian_kde

import madtheory as mad
from madtheory import regimes, testing
from madtheory.metrics import mean_error, total_variance
from madtheory.models.kernel_density import KernelDensity
from madtheory.models.mixture import Mixture
from madtheory.testing import assert_mean_matches
from madtheory.theory import gaussian, kernel_density as theory

SPECTRUM = np.array([2.0, 0.5])
BIASES = st.sampled_from((0.0, 0.5, 1.0, 1.3))


def raw_loop(rng, runs, sizes, *, keep, bandwidth, bias=1.0, divisor=0, fresh=0):
    """A loop written without the package: data of every generation, (runs, n, 2), from exponentials."""

    def real(n):
        return (rng.exponential(size=(runs, n, 2)) - 1) * np.sqrt(SPECTRUM)

    pool = [real(sizes[0])]
    for n in sizes[1:]:
        data = np.concatenate(pool, 1)
        yield data
        size = data.shape[1]
        centred = data - data.mean(1, keepdims=True)
        if isinstance(bandwidth, str):
            factor = size ** (-1 / 6)  # in two dimensions the rules agree
            kernel = factor**2 * np.swapaxes(centred, 1, 2) @ centred / (size - 1)
        else:
            kernel = np.broadcast_to(bandwidth**2 * np.eye(2), (runs, 2, 2))
        noise = rng.standard_normal((runs, n, 2)) @ np.swapaxes(np.linalg.cholesky(kernel + 1e-300), 1, 2)
        index = rng.integers(size, size=(runs, n, 1))
        batch = np.take_along_axis(data, index, 1) + np.sqrt(bias) * noise
        pool = [*pool, batch] if keep else [*([real(fresh)] if fresh else []), batch]
    yield np.concatenate(pool, 1)


def measured(runs, bandwidth):
    """What theory predicts, of each run and generation."""
    variance, error = [], []
    for data in runs:
        size = data.shape[1]
        spread = data.var(1).sum(-1)
        if isinstance(bandwidth, str):
            added = size ** (-1 / 3) * spread * size / (size - 1)
        else:
            added = 2 * bandwidth**2
        variance.append(spread + added)
        error.append((data.mean(1) ** 2).sum(-1))
    return np.stack(variance, -1), np.stack(error, -1)


@pytest.mark.parametrize("bandwidth", [0.4, "silverman", "scott"])
@pytest.mark.parametrize("bias", [1.0, 0.5])
def test_raw_loops(bandwidth, bias):
    seed, common = np.random.default_rng(3), {"bandwidth": bandwidth, "bias": bias}
    cases = [
        (theory.replace, {"n": 12}, [12] * 5, {"keep": False}),
        (theory.accumulate, {"n": 12}, [12] * 5, {"keep": True}),
        (theory.fresh, {"n_real": 6, "n_synthetic": 9}, [6, 9, 9, 9, 9], {"keep": False, "fresh": 6}),
    ]
    for form, keywords, sizes, options in cases:
        variance, error = measured(raw_loop(seed, 6000, sizes, **options, **common), bandwidth)
        predicted = form(**keywords, **common, spectrum=SPECTRUM, generations=5)
        assert_mean_matches(variance, predicted["total_variance"])
        assert_mean_matches(error, predicted["mean_error"])
        wrong = form(**keywords, bandwidth=0.0, spectrum=SPECTRUM, generations=5)
        with pytest.raises(AssertionError):
            assert_mean_matches(variance, wrong["total_variance"])
        shifted = form(**keywords, **common | {"bias": bias + 0.5}, spectrum=SPECTRUM, generations=5)
        with pytest.raises(AssertionError):
            assert_mean_matches(variance, shifted["total_variance"])


@pytest.mark.parametrize(
    "regime",
    [
        regimes.augment(n_real=10, n_synthetic=20, memory=2),
        regimes.augment(n_real=10, n_synthetic=20, weights=(2.0, 0.5)),
        regimes.accumulate_subsample(n=12),
        regimes.accumulate_subsample(n=12, replacement=True),
        regimes.fresh(n_real=10, n_synthetic=20, memory=3),
        regimes.Regime(n_initial=15, n_synthetic=20, retain=2, budget=10),
    ],
    ids=lambda regime: regime.name,
)
@pytest.mark.parametrize("bandwidth", [0.0, 0.4, "silverman"])
def test_kernel_densities_in_every_regime(regime, bandwidth):
    real = mad.data.Empirical(np.random.default_rng(0).exponential(size=(50, 2)) ** 1.5)
    loop = mad.Loop(real=real, model=KernelDensity(bandwidth), regime=regime)
    data = mad.simulate(loop, 5, replicates=1500, metrics=[total_variance, mean_error], rng=1, progress=False)
    form = theory.first_moments if regime.name == "custom" else getattr(theory, regime.name)
    spectrum = np.linalg.eigvalsh(real.covariance)
    predicted = form(**regime.keywords, bandwidth=bandwidth, spectrum=spectrum, generations=5)
    for name, values in predicted.items():
        assert values.kind == "exact mean"
        assert_mean_matches(data[name], values)


@pytest.mark.parametrize("regime", [regimes.replace(n=40), regimes.augment(n_real=20, n_synthetic=20)])
def test_mixtures_by_em_on_skewed_data(regime):
    """The mean and covariance of an EM fit are those of its data, up to the ridge: no law is needed."""
    real = mad.data.Empirical(np.random.default_rng(0).exponential(size=(60, 2)) ** 1.5)
    model = Mixture(2, ridge=0.04, iterations=3)
    data = mad.simulate(
        mad.Loop(real=real, model=model, regime=regime, warm_start=True), 6, replicates=150,
        metrics=[total_variance, mean_error], rng=1, progress=False,
    )  # fmt: skip
    form, spectrum = getattr(theory, regime.name), np.linalg.eigvalsh(real.covariance)
    predicted = form(**regime.keywords, bandwidth=0.2, spectrum=spectrum, generations=6)
    for name, values in predicted.items():
        assert_mean_matches(data[name], values)
    wrong = form(**regime.keywords, bandwidth=1.0, spectrum=spectrum, generations=6)
    with pytest.raises(AssertionError):
        assert_mean_matches(data["total_variance"], wrong["total_variance"])


@given(testing.regimes(), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_without_a_kernel_it_is_the_maximum_likelihood_gaussian(regime, seed):
    spectrum = np.random.default_rng(seed).exponential(size=3)
    one = theory.trajectory(regime, bandwidth=0.0, spectrum=spectrum, generations=6)
    two = gaussian.trajectory(regime, ddof=0, spectrum=spectrum, generations=6, variables=["mean_error"])
    for name in one:
        np.testing.assert_allclose(one[name], two[name], rtol=1e-12)


@given(st.integers(2, 60), st.floats(0.01, 2), BIASES, st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_fixed_bandwidth_ends_at_its_own_spread(n, bandwidth, bias, dim):
    end = float(theory.limit(n=n, bandwidth=bandwidth, bias=bias, dim=dim))
    run = theory.replace(n=n, bandwidth=bandwidth, bias=bias, dim=dim, generations=40 * n)["total_variance"]
    assert run[-1] == pytest.approx(end, rel=1e-9)
    first = dim * (1 - 1 / n) + dim * bandwidth**2
    assert run[0] == pytest.approx(first)
    assert (np.diff(run) * np.sign(end - first) >= -1e-12 * abs(end)).all()
    # At bias 1 it shrinks if and only if n h^2 is below the true variance.
    if bias == 1.0:
        assert np.sign(end - dim * (1 + bandwidth**2)) == np.sign(n * bandwidth**2 - 1 - bandwidth**2)


@given(st.integers(2, 1000), st.sampled_from(("silverman", "scott")), BIASES, st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_rules_spread_geometrically(n, bandwidth, bias, dim):
    growth = theory.rule_growth(n=n, bandwidth=bandwidth, bias=bias, dim=dim)
    run = theory.replace(n=n, bandwidth=bandwidth, bias=bias, dim=dim, generations=5)["total_variance"]
    np.testing.assert_allclose(run[1:] / run[:-1], float(growth), rtol=1e-10)
    points = np.random.default_rng(n).standard_normal((dim, n + dim))
    size = points.shape[1]
    scipy = gaussian_kde(points, bandwidth).factor ** 2
    predicted = theory.rule_growth(n=size, bandwidth=bandwidth, bias=bias, dim=dim)
    assert predicted == pytest.approx(1 - 1 / size + bias * scipy)
    if bias >= 1:
        assert growth > 1
    assert theory.rule_growth(n=n, bandwidth=bandwidth, bias=0.0, dim=dim) == pytest.approx(1 - 1 / n)


@given(st.integers(2, 50), st.floats(0, 2), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_accumulated_second_moment_is_that_of_accumulate(n, bandwidth, dim):
    run = theory.accumulate(n=n, bandwidth=bandwidth, dim=dim, generations=7)
    second = run["total_variance"] - dim * bandwidth**2 + run["mean_error"]
    widths = np.full(7, bandwidth)
    predicted = theory.accumulated_second_moment(bandwidths=widths, total_variance=dim, dim=dim)
    np.testing.assert_allclose(second, predicted, rtol=1e-10)


def test_accumulation_diverges_or_not():
    t = np.arange(1, 100_001)
    fixed = theory.accumulated_second_moment(bandwidths=np.ones(t.size))
    assert fixed[-1] == pytest.approx(np.log(t[-1]) + np.euler_gamma, rel=1e-4)
    shrinking = theory.accumulated_second_moment(bandwidths=t**-0.2)
    assert shrinking[-1] < 1 + (t**-1.4).sum()
    assert shrinking[-1] - shrinking[t.size // 10] < 0.05


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.replace(n=5, bandwidth=-1, generations=3), "bandwidth=-1 is negative"),
        (lambda: theory.replace(n=5, bandwidth="best", generations=3), "bandwidth='best'"),
        (lambda: theory.replace(n=1, bandwidth="scott", generations=3), "2 or more points"),
        (lambda: theory.limit(n=5, bandwidth="scott"), "see rule_growth"),
        (lambda: theory.rule_growth(n=1, bandwidth="scott"), "n=1"),
        (lambda: theory.rule_growth(n=9, bandwidth=0.1), "bandwidth=0.1"),
        (
            lambda: theory.first_moments(bandwidth=0, n_initial=5, n_synthetic=5, n_real=3, generations=3),
            "n_real=3",
        ),
    ],
)
def test_arguments_out_of_range(call, message):
    with pytest.raises(ValueError, match=message):
        call()
