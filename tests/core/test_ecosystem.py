"""Ecosystems: what they refuse, and that they are loops where nothing is exchanged."""

import numpy as np
import pytest

import madtheory as mad
from madtheory import metrics, regimes, treatments
from madtheory.theory import curation

AUGMENT = regimes.augment(n_real=6, n_synthetic=8)


def loops_of(*means, regime=AUGMENT):
    return [mad.Loop(real=mad.Gaussian([m], [[1.0]]), model=mad.Gaussian(), regime=regime) for m in means]


@pytest.mark.parametrize("method", ["statistics", "samples"])
def test_an_ecosystem_of_one_is_its_loop_bit_for_bit(method):
    loop = loops_of(1.0)[0]
    alone = mad.simulate(loop, 4, replicates=5, rng=3, method=method)
    one = mad.simulate(mad.Ecosystem(loops=[loop], exchange=[[1.0]]), 4, replicates=5, rng=3, method=method)
    for name in alone:
        np.testing.assert_array_equal(one[name].sel(model=0), alone[name])
    assert one.attrs["seed"] == alone.attrs["seed"] == "3"


def test_without_exchange_loops_do_not_depend_on_one_another():
    first, second = loops_of(0.0, 5.0)
    apart = mad.simulate(mad.Ecosystem(loops=[first, second], exchange=np.eye(2)), 3, replicates=4, rng=0)
    other = mad.simulate(mad.Ecosystem(loops=[first, first], exchange=np.eye(2)), 3, replicates=4, rng=0)
    np.testing.assert_array_equal(apart["total_variance"].sel(model=0), other["total_variance"].sel(model=0))
    assert (other["total_variance"].sel(model=0) != other["total_variance"].sel(model=1)).all()


@pytest.mark.parametrize("draws", ["fixed", "shared"])
def test_a_batch_holds_the_given_number_of_points_of_each_model(draws):
    loops = loops_of(-1e3, 0.0, 1e3, regime=regimes.replace(n=8))
    exchange = [[0.5, 0.25, 0.25], [0.0, 0.5, 0.5], [0.25, 0.5, 0.25]]
    run = mad.iterate(mad.Ecosystem(loops=loops, exchange=exchange, draws=draws), rng=0, method="samples")
    next(run)
    batches = [np.sort(snapshot.training_set[:, 0]) for snapshot in next(run)]
    for batch, shares in zip(batches, exchange, strict=True):
        origin = np.round(batch / 1e3).astype(int) + 1
        np.testing.assert_array_equal(np.bincount(origin, minlength=3), 8 * np.array(shares))
    # The middle model gives both of the last loops the same four points, or each its own.
    third = [set(batch[np.abs(batch) < 500].tolist()) for batch in batches]
    assert len(third[1] & third[2]) == (4 if draws == "shared" else 0)
    assert len(third[0] & third[1]) == (2 if draws == "shared" else 0)


@pytest.mark.parametrize("draws", ["random", "fixed", "shared"])
@pytest.mark.parametrize("method", ["statistics", "samples"])
def test_a_run_can_be_resumed(draws, method):
    ecosystem = mad.Ecosystem(loops=loops_of(0.0, 1.0), exchange=[[0.5, 0.5]] * 2, draws=draws)
    run = mad.iterate(ecosystem, rng=1, method=method)
    states = [next(run) for _ in range(3)]
    again = next(mad.iterate(ecosystem, previous=states[1]))
    for one, other in zip(again, states[2], strict=True):
        np.testing.assert_array_equal(one.model.mean, other.model.mean)
    assert (again[0].model.mean != again[1].model.mean).all()


def test_equal_rows_of_shared_points_make_models_alike():
    loops = loops_of(-1.0, 1.0, regime=regimes.replace(n=8))
    shared = mad.Ecosystem(loops=loops, exchange=[[0.5, 0.5]] * 2, draws="shared")
    spread = mad.simulate(shared, 3, replicates=20, rng=0, metrics=metrics.model_spread)["model_spread"]
    assert (spread.sel(generation=1) > 0).all()
    np.testing.assert_allclose(spread.sel(generation=[2, 3]), 0, atol=1e-20)


def test_each_loop_curates_by_a_reward_of_its_own():
    """Two populations that see the same pool and choose by opposite rewards: the exact laws of many points.

    Frequencies of 20,000 points have a standard deviation below 0.004 in each of three generations.
    """
    truth = mad.Categorical([0.5, 0.3, 0.2])
    rewards = [np.array([2.0, 0.0, -1.0]), np.array([-1.0, 0.0, 2.0])]
    loops = [
        mad.Loop(
            real=truth, model=mad.Categorical(symbols=3),
            regime=regimes.fresh(n_real=10_000, n_synthetic=10_000, n_initial=20_000),
            treatments=[treatments.curate(lambda x, r=reward: r[np.ravel(x).astype(int)], choices=4)],
        )
        for reward in rewards
    ]  # fmt: skip
    exchange = np.array([[0.5, 0.5], [0.25, 0.75]])
    run = mad.iterate(mad.Ecosystem(loops=loops, exchange=exchange), rng=0)
    exact = [truth.probabilities] * 2
    next(run)
    for _ in range(3):
        chosen = np.array(
            [[curation.update(p, reward=reward, choices=4) for p in exact] for reward in rewards]
        )
        exact = (truth.probabilities + np.einsum("kj,kji->ki", exchange, chosen)) / 2
        drawn = np.array([snapshot.model.probabilities for snapshot in next(run)])
        np.testing.assert_allclose(drawn, exact, atol=0.03)
    assert exact[0][0] > 0.6 > 0.4 > exact[1][0], "the rewards pull the models apart"


def test_threads_and_blocks_change_no_bit():
    ecosystem = mad.Ecosystem(loops=loops_of(0.0, 1.0), exchange=[[0.75, 0.25], [0.5, 0.5]])
    one, two = (mad.simulate(ecosystem, 3, replicates=9_000, rng=0, n_jobs=jobs) for jobs in (1, 2))
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_quantiles_and_single_generations():
    ecosystem = mad.Ecosystem(loops=loops_of(0.0, 1.0), exchange=[[0.75, 0.25], [0.5, 0.5]])
    kept = mad.simulate(ecosystem, 3, replicates=50, rng=0, quantiles=[0.25, 0.5], record="last")
    assert kept["total_variance"].dims == ("quantile", "model", "generation")
    assert kept["model_spread"].dims == ("quantile", "generation")
    assert kept["generation"].values.tolist() == [3]
    table = mad.compare(kept)
    assert table.index.names == ["model", "variable", "generation"]
    assert ("all", "pool_variance", 3) in table.index


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"exchange": [[1.0]]}, r"shape \(1, 1\) and there are 2 loops"),
        ({"exchange": [[0.5, 0.6], [0.5, 0.5]]}, "sum is not 1"),
        ({"exchange": [[1.5, -0.5], [0.5, 0.5]]}, "negative share"),
        ({"exchange": [[0.3, 0.7], [0.5, 0.5]], "draws": "fixed"}, "not whole numbers"),
        ({"draws": "twice"}, "draws='twice'"),
        ({"loops": []}, "0 loops"),
        (
            {"loops": loops_of(0.0, 1.0, regime=regimes.accumulate_subsample(n=8)), "draws": "shared"},
            "budget",
        ),
    ],
)
def test_what_an_ecosystem_refuses(changed, words):
    keywords = {"loops": loops_of(0.0, 1.0), "exchange": [[0.5, 0.5]] * 2} | changed
    with pytest.raises(ValueError, match=words):
        mad.Ecosystem(**keywords)


def test_what_is_no_loop_or_snapshot_is_refused():
    ecosystem = mad.Ecosystem(loops=loops_of(0.0, 1.0), exchange=[[0.5, 0.5]] * 2)
    with pytest.raises(TypeError, match="is not a Loop"):
        mad.Ecosystem(loops=["loop"], exchange=[[1.0]])
    with pytest.raises(TypeError, match="tuple of 2 snapshots"):
        mad.step(ecosystem, mad.start(ecosystem.loops[0], rng=0))
    with pytest.raises(TypeError, match="is not a Loop"):
        mad.start([ecosystem])
    with pytest.raises(TypeError, match="needs the snapshots of all loops"):
        metrics.model_spread(mad.start(ecosystem.loops[0], rng=0))


@pytest.mark.parametrize(
    ("law", "model", "words"),
    [
        (mad.ExponentialFamily("poisson", 3.0), mad.ExponentialFamily("poisson"), "kinds"),
        (mad.Gaussian.standard(1), mad.Gaussian(known_mean=[0.0]), "known_mean, which differs"),
    ],
)
def test_statistics_of_models_must_be_those_that_the_others_are_fitted_to(law, model, words):
    models = [mad.Gaussian(), model]
    loops = [
        mad.Loop(real=real, model=one, regime=regimes.replace(n=9))
        for real, one in zip((mad.Gaussian.standard(1), law), models, strict=True)
    ]
    ecosystem = mad.Ecosystem(loops=loops, exchange=[[0.5, 0.5]] * 2)
    with pytest.raises(ValueError, match=f"method='statistics' is not available.*{words}"):
        mad.start(ecosystem, method="statistics")
    assert mad.start(ecosystem, rng=0)[0].method == "samples"
