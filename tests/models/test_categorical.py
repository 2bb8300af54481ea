"""Categorical models and their counts: laws against raw draws, the monoid, metrics, loops."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import madtheory as mad
from madtheory import data, regimes
from madtheory.data import Counts
from madtheory.metrics import discrete as metrics_discrete
from madtheory.models import Categorical
from madtheory.models.categorical import _poisson as poisson_counts, offspring
from madtheory.testing import assert_mean_matches, check_generative_model

LAW = np.array([0.4, 0.3, 0.15, 0.1, 0.04, 0.01])


def rng(seed=0):
    return np.random.default_rng(seed)


def test_keeps_every_promise():
    real = Categorical(LAW)
    check_generative_model(Categorical(symbols=6), real=real, n=40)


@pytest.mark.parametrize("bias", [1.0, 0.5, 2.0])
def test_points_and_statistics_follow_the_tempered_law(bias):
    model = Categorical(LAW).expand(4000)
    want = LAW ** (1 / bias) / (LAW ** (1 / bias)).sum()
    n = 30
    std = np.sqrt(want * (1 - want) / n)
    by_points = Counts.of(model.sample(n, rng=rng(1), bias=bias), symbols=6).dense / n
    by_statistic = model.sample_statistic(n, rng=rng(2), bias=bias).dense / n
    for drawn in (by_points, by_statistic):
        assert_mean_matches(drawn, want, std=std)
        together = (drawn - want)[:, :1] * (drawn - want)[:, 1:]
        assert_mean_matches(together, -want[0] * want[1:] / n)
    with pytest.raises(AssertionError):
        assert_mean_matches(
            by_statistic, LAW ** (1 / (bias + 0.2)) / (LAW ** (1 / (bias + 0.2))).sum(), std=std
        )


def test_bias_zero_takes_the_modes():
    drawn = Categorical([0.4, 0.4, 0.2]).sample_statistic(1000, rng=rng(), bias=0.0)
    assert drawn.counts[2] == 0
    assert abs(drawn.counts[0] - 500) < 100


def test_points_come_in_random_order():
    points = Categorical([0.5, 0.5]).expand(4000).sample(4, rng=rng())[..., 0]
    assert_mean_matches(points, 0.5, std=0.5)
    assert_mean_matches(points[:, 0] * points[:, 1], 0.25, std=np.sqrt(3) / 4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=9), min_size=1, max_size=4))
def test_counting_is_a_homomorphism(batches):
    points = [np.array(batch, float)[:, None] for batch in batches]
    counted = [Counts.of(part, symbols=8) for part in points]
    pooled = data.join(counted)
    assert np.array_equal(pooled.dense, Counts.of(data.join(points), symbols=8).dense)
    assert data.size(pooled) == data.size(data.join(points))
    thinner = data.join([part.compressed() for part in counted])
    assert np.array_equal(thinner.dense, pooled.dense)
    assert np.array_equal(data.weighted(pooled, 2.5).dense, 2.5 * pooled.dense)
    weights = np.ones((len(points[0]),)) * 2.5
    assert np.array_equal(
        Counts.of(points[0], weights, symbols=8).dense, data.weighted(counted[0], 2.5).dense
    )
    assert pickle.loads(pickle.dumps(pooled)).weight == pooled.weight


@pytest.mark.parametrize("lead", [(), (3,)])
def test_compression_changes_nothing(lead):
    counts = np.zeros((*lead, 50), int)
    counts[..., [3, 17, 49]] = [5, 1, 9]
    if lead:
        counts[1, 3], counts[1, 0] = 0, 5
        counts[2, 17:] = 0
    given_ = Counts(counts)
    thin = given_.compressed()
    assert thin.counts.shape[-1] <= 4
    assert np.array_equal(thin.dense, counts)
    assert np.array_equal(thin.compressed().dense, counts)
    assert np.array_equal(data.join([thin, given_]).dense, 2 * counts)
    assert np.array_equal(data.join([thin, Counts(np.ones((*lead, 60), int))]).dense[..., :50], counts + 1)
    p = Categorical(symbols=50).fit(given_).probabilities
    np.testing.assert_allclose(p, counts / counts.sum(-1, keepdims=True))


@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("compress", [False, True])
def test_subsampling_is_exact(replacement, compress):
    counts, budget, many = np.array([6, 0, 3, 1, 0, 0, 0, 8, 2]), 7, 20_000
    pool = Counts(np.broadcast_to(counts, (many, 9)))
    pool = pool.compressed() if compress else pool
    drawn = data.subsample(pool, budget, rng=rng(3), replacement=replacement).dense
    assert (drawn.sum(-1) == budget).all()
    assert replacement or (drawn <= counts).all()
    n, share = counts.sum(), counts / counts.sum()
    kept = 1.0 if replacement else (n - budget) / (n - 1)
    covariance = budget * kept * (np.diag(share) - np.outer(share, share))
    assert_mean_matches(drawn, budget * share, std=np.sqrt(np.diag(covariance)))
    centred = drawn - budget * share
    products = (centred[:, :, None] * centred[:, None, :]).reshape(many, -1)
    assert_mean_matches(products[:, covariance.ravel() != 0], covariance[covariance != 0])
    wrong = budget * (n - budget) / (n - 1) if replacement else budget
    with pytest.raises(AssertionError):
        assert_mean_matches(products[:, 0], wrong * share[0] * (1 - share[0]))
    points = np.repeat(np.arange(9.0), counts)[None, :, None].repeat(4000, 0)
    raw = Counts.of(data.subsample(points, budget, rng=rng(4), replacement=replacement), symbols=9).dense
    assert_mean_matches(raw, budget * share, std=np.sqrt(np.diag(covariance)))


def test_subsample_of_everything_is_everything():
    counts = rng().integers(0, 9, (40, 13))
    counts[:, 0] += 200 - counts.sum(-1)
    assert np.array_equal(data.subsample(Counts(counts), 200, rng=rng()).dense, counts)


REGIMES = {
    "replace": regimes.replace(n=20),
    "growing": regimes.replace(n=[20, 30, 10], n_initial=15),
    "augment": regimes.augment(n_real=12, n_synthetic=20),
    "memory": regimes.fresh(n_real=12, n_synthetic=20, memory=2),
    "weights": regimes.fresh(n_real=12, n_synthetic=20, weights=(2.0, 1.0)),
    "accumulate": regimes.accumulate(n=20),
    "subsample": regimes.accumulate_subsample(n=20),
    "bootstrap": regimes.accumulate_subsample(n=20, replacement=True),
    "window": regimes.Regime(n_initial=20, n_synthetic=20, retain=2, budget=15),
}
METRICS = [
    metrics_discrete.heterozygosity,
    metrics_discrete.support_size,
    metrics_discrete.entropy,
    metrics_discrete.chi_squared,
    metrics_discrete.squared_error,
]


@pytest.mark.parametrize("name", REGIMES)
@pytest.mark.parametrize("smoothing", [0.0, 2.0])
def test_statistics_and_samples_agree(name, smoothing):
    loop = mad.Loop(
        real=Categorical(LAW),
        model=Categorical(symbols=6, smoothing=smoothing),
        regime=REGIMES[name],
        bias=1.3,
    )
    runs = [
        mad.simulate(loop, 3, replicates=1500, metrics=METRICS, rng=i, method=method, record=[1, 2, 3])
        for i, method in enumerate(("samples", "statistics"))
    ]
    for metric in METRICS:
        left, right = (run[metric.__name__].values for run in runs)
        error = np.sqrt((left.var(0) + right.var(0)) / 1500) + 1e-12
        assert (np.abs(left.mean(0) - right.mean(0)) < 5 * error).all(), metric.__name__


def test_the_comparison_sees_a_wrong_subsample():
    """Negative control: with replacement instead of without, one generation's heterozygosity differs."""
    loop = mad.Loop(real=Categorical(LAW), model=Categorical(symbols=6), regime=REGIMES["subsample"])
    right = mad.simulate(loop, 3, replicates=16_000, metrics=METRICS[:1], rng=0, method="statistics")
    loop = mad.Loop(real=Categorical(LAW), model=Categorical(symbols=6), regime=REGIMES["bootstrap"])
    wrong = mad.simulate(loop, 3, replicates=16_000, metrics=METRICS[:1], rng=1, method="statistics")
    left, other = (run.heterozygosity.values[:, -1] for run in (right, wrong))
    assert abs(left.mean() - other.mean()) > 5 * np.sqrt((left.var() + other.var()) / 16_000)


def test_nothing_is_reborn():
    """Dead symbols stay dead, and the counts of a generation sum to n, compressed or not."""
    loop = mad.Loop(
        real=Categorical(1 / np.arange(1, 101)), model=Categorical(), regime=regimes.replace(n=200)
    )
    alive = np.ones((60, 100), bool)
    for snapshot in mad.iterate(loop, rng=0, replicates=60):
        p = snapshot.model.probabilities
        assert not (p[~alive] > 0).any()
        np.testing.assert_allclose(p.sum(-1), 1.0)
        assert (snapshot.training_set.weight == 200).all()
        assert np.array_equal(metrics_discrete.support_size(snapshot), (p > 0).sum(-1))
        np.testing.assert_allclose(metrics_discrete.heterozygosity(snapshot), 1 - (p**2).sum(-1), atol=1e-12)
        alive = p > 0
        if snapshot.generation == 80:
            break
    assert snapshot.model.support.counts.shape[-1] < 50
    assert (metrics_discrete.entropy(snapshot) >= 0).all()


def test_equal_generators_draw_equal_counts():
    model = Categorical(np.ones(300)).expand(64)
    one, two = (model.sample_statistic(500, rng=rng(5)).counts for _ in range(2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one[:32], one[32:])
    assert_mean_matches(one, 500 / 300, std=np.sqrt(500 / 300))


def test_zero_probability_is_never_drawn():
    p = np.array([0.1] * 10 + [0.0])
    drawn = Categorical(p).expand(3000).sample_statistic(10**9, rng=rng()).counts
    assert (drawn[:, -1] == 0).all()
    assert (drawn.sum(-1) == 10**9).all()


def test_smoothing_is_add_beta():
    model = Categorical(symbols=4, smoothing=2.0).fit(np.array([[0.0], [0.0], [1.0]]))
    np.testing.assert_allclose(model.probabilities, (np.array([2, 1, 0, 0]) + 0.5) / 5)


def test_real_points_run_by_samples():
    points = np.array([[0.0], [1.0], [1.0], [3.0]])
    loop = mad.Loop(real=points, model=Categorical(symbols=4), regime=regimes.replace(n=10))
    run = mad.simulate(loop, 2, replicates=3, metrics=METRICS[:3], rng=0)
    assert run.attrs["method"] == "samples"
    with pytest.raises(ValueError, match="fitted to Counts"):
        mad.simulate(loop, 2, replicates=3, metrics=METRICS[:3], rng=0, method="statistics")


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: Categorical([-0.1, 1.1]), "probabilities"),
        (lambda: Categorical([0.0, 0.0]), "probabilities"),
        (lambda: Categorical([0.5, 0.5], symbols=3), "symbols=3"),
        (lambda: Categorical(smoothing=1.0), "symbols=K"),
        (lambda: Categorical(symbols=3, smoothing=-1.0), "smoothing"),
        (lambda: Categorical().sample(3, rng=rng()), "not fitted"),
        (lambda: Categorical(LAW).sample(3, rng=rng(), bias=-1.0), "bias"),
        (lambda: Categorical(symbols=2).fit(np.array([[2.0]])), "symbol 2"),
        (lambda: Categorical().fit(np.array([[0.5]])), "integers"),
        (lambda: Categorical().fit(data.Moments.of(np.ones((3, 1)))), "Moments"),
        (lambda: data.subsample(Counts(np.array([1, 2])), 4, rng=rng()), "budget=4"),
        (lambda: data.subsample(Counts(np.array([1.5, 2])), 1, rng=rng()), "weighted"),
        (lambda: Categorical().fit(Counts(np.zeros(3, int))), "no points"),
    ],
)
def test_errors_say_what_is_wrong(call, says):
    with pytest.raises((ValueError, TypeError), match=says):
        call()


def test_metrics_refuse_other_models():
    loop = mad.Loop(real=mad.Gaussian.standard(1), model=mad.Gaussian(), regime=regimes.replace(n=10))
    with pytest.raises(TypeError, match="describes a Categorical"):
        metrics_discrete.entropy(mad.start(loop, rng=0))
    loop = mad.Loop(real=np.array([[0.0], [1.0]]), model=Categorical(), regime=regimes.replace(n=10))
    with pytest.raises(TypeError, match="chi_squared"):
        metrics_discrete.chi_squared(mad.start(loop, rng=0))


@pytest.mark.parametrize("columns", [9, 60, 300])
def test_offspring_are_multinomial(columns):
    """Means, covariances and third moments; small and large counts, dead columns, refused rows."""
    parents = np.sort(rng(1).multinomial(1500, rng(2).dirichlet(np.full(columns, 0.3))))
    parents[-1] += 1500 - parents.sum()
    many, p = 40_000, parents / 1500
    drawn = offspring(np.tile(parents, (many, 1)), rng(3))
    assert (drawn.sum(1) == 1500).all()
    assert not drawn[:, parents == 0].any()
    alive = parents > 0
    std = np.sqrt(1500 * p * (1 - p))
    assert_mean_matches(drawn[:, alive], parents[alive], std=std[alive])
    centred = (drawn - parents)[:, alive]
    q = p[alive]
    assert_mean_matches(centred**2, 1500 * q * (1 - q))
    assert_mean_matches(centred[:, -1:] * centred[:, :-1], -1500 * q[-1] * q[:-1])
    assert_mean_matches(centred**3, 1500 * q * (1 - q) * (1 - 2 * q))
    with pytest.raises(AssertionError):
        # Negative control: Poisson counts that are not conditioned on their sum.
        assert_mean_matches(centred[:, -1:] ** 2, 1500 * q[-1:])


def test_offspring_of_one_and_of_unsorted_rows():
    parents = np.array([[0, 0, 0, 7], [7, 0, 0, 0], [1, 2, 3, 1], [0, 0, 0, 7]])
    drawn = offspring(parents, rng())
    assert (drawn.sum(1) == 7).all()
    assert np.array_equal(drawn[[0, 1, 3]], parents[[0, 1, 3]])


def test_tables_invert_the_poisson_law():
    from scipy.stats import chisquare, poisson

    for mean in (1, 7, 90, 255, 400):
        drawn = poisson_counts(np.full(200_000, mean), rng(mean))
        most = int(drawn.max())
        expected = poisson.pmf(np.arange(most + 1), mean) * len(drawn)
        kept = expected > 8
        seen = np.bincount(drawn, minlength=most + 1)
        tail = [len(drawn) - seen[kept].sum()], [len(drawn) - expected[kept].sum()]
        assert chisquare(np.append(seen[kept], tail[0]), np.append(expected[kept], tail[1])).pvalue > 1e-6


def test_long_loops_match_theory_through_compression_and_offspring():
    law = 1 / np.arange(1, 201)
    loop = mad.Loop(real=Categorical(law), model=Categorical(), regime=regimes.replace(n=600))
    run = mad.simulate(loop, 60, replicates=1500, metrics=METRICS[:3], rng=7, record=[1, 2, 10, 30, 60])
    theory = mad.theory.categorical.replace(n=600, probabilities=law, generations=60)
    for metric in METRICS[:3]:
        assert_mean_matches(run[metric.__name__].values, theory[metric.__name__][run.generation.values - 1])
    wrong = mad.theory.categorical.replace(n=610, probabilities=law, generations=60)
    with pytest.raises(AssertionError):
        assert_mean_matches(run.support_size.values, wrong["support_size"][run.generation.values - 1])
