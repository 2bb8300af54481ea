"""Models of one parameter: laws against SciPy, fits against likelihood, statistics against points."""

import numpy as np
import pytest
from scipy import optimize, stats

import madtheory as mad
from madtheory import data, metrics, regimes, testing
from madtheory.core.loop import statistics_obstacle

LAWS = {  # the law of SciPy, the keywords of ours, its mean parameter
    "poisson": (stats.poisson(3.0), {}, 3.0),
    "bernoulli": (stats.bernoulli(0.3), {}, 0.3),
    "binomial": (stats.binom(6, 0.35), {"trials": 6}, 2.1),
    "geometric": (stats.nbinom(1, 0.4), {}, 1.5),
    "negative_binomial": (stats.nbinom(2.5, 0.4), {"successes": 2.5}, 3.75),
    "exponential": (stats.expon(scale=2.0), {}, 2.0),
    "gamma": (stats.gamma(3.0, scale=0.5), {"shape": 3.0}, 1.5),
    "normal": (stats.norm(1.0, 2.0), {"variance": 4.0}, 1.0),
    "laplace": (stats.laplace(2.0, 1.5), {"centre": 2.0}, 1.5),
    "pareto": (stats.pareto(2.5, scale=1.5), {"minimum": 1.5}, 0.4),
}


def model(name, *, fitted=True):
    _, known, mean = LAWS[name]
    if name == "pareto":
        return mad.Pareto(1 / mean if fitted else None, **known)
    return mad.ExponentialFamily(name, mean if fitted else None, **known)


DISCRETE = ("poisson", "bernoulli", "binomial", "geometric", "negative_binomial")


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("name", LAWS)
def test_laws_are_those_of_scipy(name):
    law, ours = LAWS[name][0], model(name)
    points = law.rvs(50, random_state=rng()).reshape(-1, 1).astype(float)
    discrete = name in DISCRETE
    expected = law.logpmf(points[:, 0]) if discrete else law.logpdf(points[:, 0])
    np.testing.assert_allclose(ours.log_density(points), expected, rtol=1e-10)
    if name != "pareto":
        np.testing.assert_allclose(ours.mean, [law.mean()])
        np.testing.assert_allclose(ours.covariance, [[law.var()]])
    drawn = ours.sample(4_000, rng=rng())[:, 0]
    if discrete:
        values = np.arange(int(law.ppf(0.99)) + 1)
        seen = np.array([(drawn == v).sum() for v in values])
        expected = law.pmf(values) * len(drawn)
        many = expected > 5
        chi = ((seen - expected)[many] ** 2 / expected[many]).sum()
        assert stats.chi2.sf(chi, many.sum()) > 1e-4
    else:
        assert stats.kstest(drawn, law.cdf).pvalue > 1e-4
        assert stats.kstest(1.2 * drawn, law.cdf).pvalue < 1e-4  # negative control


@pytest.mark.parametrize("name", LAWS)
def test_the_fit_is_maximum_likelihood(name):
    points = model(name).sample(40, rng=rng(1))
    fitted = model(name, fitted=False).fit(points)
    best = fitted.mean_parameter.item()

    def loss(mean):
        other = (
            mad.Pareto(1 / mean, **LAWS[name][1])
            if name == "pareto"
            else mad.ExponentialFamily(name, mean, **LAWS[name][1])
        )
        return -other.log_density(points).sum()

    found = optimize.minimize_scalar(
        loss, bounds=(0.7 * best, 1.2 * best), method="bounded", options={"xatol": 1e-9}
    )
    assert found.x == pytest.approx(best, rel=1e-5)
    weights = rng(2).integers(0, 4, 40).astype(float)
    weighted = model(name, fitted=False).fit(data.Weighted(points, weights))
    repeated = model(name, fitted=False).fit(np.repeat(points, weights.astype(int), axis=0))
    np.testing.assert_allclose(weighted.mean_parameter, repeated.mean_parameter, rtol=1e-12)


@pytest.mark.parametrize("name", LAWS)
def test_totals_have_the_law_of_sums_of_points(name):
    """Totals of n points against sums over points, n by replicate included."""
    ours = model(name).expand(4_000)
    of_points = ours.fit(ours.sample(7, rng=rng(1))).mean_parameter * 7
    drawn = ours.sample_statistic(7, rng=rng(2))
    if name not in DISCRETE:
        assert stats.ks_2samp(drawn.total, of_points).pvalue > 1e-4
    else:
        top = int(max(drawn.total.max(), of_points.max())) + 1
        table = np.array(
            [np.bincount(t.round().astype(int), minlength=top) for t in (drawn.total, of_points)]
        )
        table = table[:, table.sum(0) > 20]
        assert stats.chi2_contingency(table).pvalue > 1e-4
    n = np.arange(4_000) % 3
    some = ours.sample_statistic(n, rng=rng(3))
    assert (some.total[n == 0] == 0).all()
    np.testing.assert_array_equal(some.weight, n)
    assert ours.sample_statistic(6, rng=rng(2)).total.mean() != pytest.approx(drawn.total.mean(), rel=0.02)


@pytest.mark.parametrize("name", LAWS)
def test_contract(name):
    testing.check_generative_model(model(name, fitted=False), real=model(name))


def test_totals_are_a_monoid():
    parts = [data.Totals(2.0, np.array([1.0, 3.0])), data.Totals(5.0, np.array([4.0, 4.0]))]
    both = data.join(parts)
    assert data.size(both) == 7
    np.testing.assert_array_equal(both.total, [5.0, 7.0])
    half = data.weighted(parts[0], 0.5)
    assert half.weight == 1
    np.testing.assert_array_equal(half.total, [0.5, 1.5])
    with pytest.raises(ValueError, match=r"different functions.*'x'"):
        data.join([parts[0], data.Totals(1.0, np.array([1.0, 1.0]), "log x")])


def test_statistics_of_another_function_are_refused():
    laplace, exponential = model("laplace"), model("exponential", fitted=False)
    loop = mad.Loop(real=laplace, model=exponential, regime=regimes.replace(n=9))
    assert "|x - 2|" in statistics_obstacle(loop)
    with pytest.raises(ValueError, match=r"totals of \|x - 2\|.*those of x"):
        exponential.fit(laplace.sample_statistic(5, rng=rng()))
    # Of the same function, the law of the real data may be another one.
    loop = mad.Loop(real=model("gamma"), model=exponential, regime=regimes.replace(n=9))
    assert statistics_obstacle(loop) is None


def test_extinct_models_stay_extinct():
    for name in DISCRETE:
        last = mad.ExponentialFamily(name, 0.0, **LAWS[name][1])
        assert (last.sample(5, rng=rng()) == 0).all()
        assert last.sample_statistic(5, rng=rng()).total == 0
        assert last.parameter_variance == 0
        np.testing.assert_array_equal(last.log_density([[0.0], [1.0]]), [0.0, -np.inf])
    full = mad.ExponentialFamily("binomial", 6.0, trials=6)
    assert (full.sample(5, rng=rng()) == 6).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mad.ExponentialFamily("cauchy"), r"family='cauchy'.*'poisson'"),
        (lambda: mad.ExponentialFamily("binomial"), "trials is missing.*'binomial'"),
        (lambda: mad.ExponentialFamily("poisson", 1.0, shape=2.0), r"shape=2.0.*'poisson' takes no"),
        (lambda: mad.ExponentialFamily("gamma", shape=0.0), "shape=0"),
        (lambda: mad.ExponentialFamily("bernoulli", 1.2), r"mean_parameter=1.2.*0 to 1"),
        (lambda: mad.ExponentialFamily("poisson").fit([[0.5]]), "data holds 0.5.*whole"),
        (lambda: mad.ExponentialFamily("poisson").fit([[-1.0]]), "data holds -1"),
        (lambda: mad.ExponentialFamily("bernoulli").fit([[2.0]]), "from 0 to 1"),
        (lambda: mad.ExponentialFamily("poisson").fit([[1.0, 2.0]]), r"shape \(1, 2\)"),
        (lambda: mad.ExponentialFamily("poisson").sample(3, rng=rng()), "not fitted"),
        (lambda: mad.Pareto(minimum=2.0).fit([[1.0]]), "data holds 1, below minimum=2"),
        (lambda: mad.Pareto(-1.0), "tail_index=-1"),
        (lambda: model("poisson").sample_statistic(3, rng=rng(), bias=0.5), "bias=0.5"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_bias_is_refused_with_the_loop():
    with pytest.raises(ValueError, match=r"bias=0.5.*ExponentialFamily"):
        mad.Loop(
            real=model("poisson"), model=model("poisson", fitted=False), regime=regimes.replace(n=5), bias=0.5
        )


def test_metrics_say_what_they_describe():
    loop = mad.Loop(real=mad.Gaussian.standard(1), model=mad.Gaussian(), regime=regimes.replace(n=9))
    for metric in (metrics.extinct, metrics.mean_parameter_error, metrics.tail_index):
        with pytest.raises(TypeError, match=f"metric {metric.__name__}.*Gaussian"):
            mad.simulate(loop, 2, metrics=metric)
    loop = mad.Loop(
        real=mad.Gaussian.standard(1), model=model("normal", fitted=False), regime=regimes.replace(n=9)
    )
    with pytest.raises(TypeError, match="mean_parameter_error compares"):
        mad.simulate(loop, 2, metrics=metrics.mean_parameter_error)
    loop = mad.Loop(real=model("pareto"), model=model("pareto", fitted=False), regime=regimes.replace(n=9))
    assert {"tail_index", "mean_parameter_error"} <= set(mad.simulate(loop, 2, replicates=3))
