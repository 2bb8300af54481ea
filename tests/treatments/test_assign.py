"""The treatment `assign`: its law, its invariants, and loops with several judges."""

import numpy as np
import pytest
from scipy import special

import madtheory as mad
from madtheory import metrics, regimes, testing
from madtheory.theory import curation
from madtheory.treatments import assign, correct, curate, project
from simulations._lattice import Lattice

PLACES = np.arange(4.0)[:, None]
LAW = np.array([0.4, 0.3, 0.2, 0.1])
REWARDS = np.array([[0.0, 1.0, -1.0, 2.0], [2.0, -1.0, 1.0, 0.0]])
SHARES = (0.3, 0.7)


def judge(k, choices=3):
    return curate(lambda x: REWARDS[k][np.rint(x[..., 0]).astype(int)], choices=choices)


def p_value(points, law):
    counts = np.bincount(points[..., 0].astype(int).ravel(), minlength=len(law))
    n = counts.sum()
    return special.chdtrc(len(law) - 1, ((counts - n * law) ** 2 / (n * law)).sum())


def test_points_follow_the_pluralistic_update():
    """Chi-square at 1e-6; one judge with the mean reward, and exchanged shares, are the negative controls."""
    loop = mad.Loop(
        real=Lattice(PLACES, LAW), model=Lattice(PLACES), regime=regimes.replace(n=9),
        treatments=assign([judge(0), judge(1)], shares=SHARES),
    )  # fmt: skip
    snapshot = mad.start(loop, rng=0, replicates=3)
    source = loop.treatments[0].treated(Lattice(PLACES, LAW).expand(3), snapshot)
    points = source.sample(20_000, rng=np.random.default_rng(1))
    assert points.shape == (3, 20_000, 1)
    keywords = {"rewards": REWARDS, "choices": 3}
    law = np.asarray(curation.pluralistic_update(LAW, shares=SHARES, **keywords))
    assert min(p_value(one, law) for one in points) > 1e-6
    swapped = np.asarray(curation.pluralistic_update(LAW, shares=SHARES[::-1], **keywords))
    mean = np.asarray(curation.update(LAW, reward=np.dot(SHARES, REWARDS), choices=3))
    assert max(p_value(one, wrong) for one in points for wrong in (swapped, mean)) < 1e-6


def test_loops_follow_the_chain_of_basins():
    """Two symbols under two judges: expected share within |z| < 5 of the exact chain; 4 % off is rejected."""
    n, generations = 30, 8
    gaps = np.array([2.0, 3.0])
    judges = [curate(lambda x, k=k: gaps[k] * (np.rint(x[..., 0]) == k), choices=4) for k in (0, 1)]
    loop = mad.Loop(
        real=Lattice(PLACES[:2], np.array([0.5, 0.5])), model=Lattice(PLACES[:2]),
        regime=regimes.replace(n=n),
        treatments=assign(judges, shares=[0.6, 0.4]),
    )  # fmt: skip

    def first(snapshot):
        return snapshot.model.p[..., 0]

    made = mad.simulate(loop, generations, replicates=1_500, metrics=[first], rng=4, progress=False)
    known = curation.basin_chain(
        n=n, initial_share=0.5, first_share=0.6, gaps=gaps, choices=4, generations=generations
    )["share"]
    testing.assert_mean_matches(made["first"].values, known)
    with pytest.raises(AssertionError):
        testing.assert_mean_matches(made["first"].values, known * 1.04)


@pytest.mark.parametrize("method", ["statistics", "samples"])
def test_corrections_of_several_strengths_are_one_of_their_mean_share(method):
    """The statistic has a known law where each treatment has one: the answer is that of theory."""
    keywords = {"real": mad.Gaussian.standard(2), "model": mad.Gaussian(), "bias": 0.8}
    keywords["regime"] = regimes.replace(n=12)
    loop = mad.Loop(
        **keywords, treatments=assign([correct(1), correct(3), correct(0)], shares=[0.4, 0.4, 0.2])
    )
    same = mad.Loop(**keywords, treatments=correct(1.0))  # shares .5, .75 and 0: one half in all
    made = mad.simulate(
        loop, 4, replicates=3_000, method=method, rng=3, progress=False,
        metrics=[metrics.total_variance, metrics.mean_error],
    )  # fmt: skip
    testing.assert_agrees(made, mad.predict(same, 4))
    with pytest.raises(AssertionError):
        testing.assert_agrees(made, mad.predict(mad.Loop(**keywords, treatments=correct(3.0)), 4))


@pytest.mark.parametrize("method", ["statistics", "samples"])
def test_the_whole_share_on_one_is_that_treatment_bit_for_bit(method):
    made = []
    for treatment in (correct(0.5), assign([project(np.round), correct(0.5)], shares=[0, 1])):
        loop = mad.Loop(
            real=mad.Gaussian.standard(2), model=mad.Gaussian(), regime=regimes.replace(n=20),
            treatments=treatment,
        )  # fmt: skip
        made.append(mad.simulate(loop, 4, replicates=5, rng=3, method=method, progress=False))
    assert made[0].equals(made[1])


def test_why_there_is_no_statistic():
    keywords = {"real": mad.Gaussian.standard(2), "model": mad.Gaussian(), "regime": regimes.replace(n=20)}
    loop = mad.Loop(**keywords, treatments=assign([correct(1), project(np.round)], shares=[0.5, 0.5]))
    with pytest.raises(Exception, match="project maps individual points"):
        mad.simulate(loop, 2, replicates=2, method="statistics", progress=False)


@pytest.mark.parametrize(
    ("treatments", "shares", "message"),
    [
        ([correct(1), correct(2)], [0.5, 0.4], "the sum is 0.9"),
        ([correct(1), correct(2)], [0.5], "one share for each"),
        ([correct(1), correct(2)], [1.5, -0.5], "not probabilities"),
        ([correct(1), 3], [0.5, 0.5], "not a treatment"),
        ([], [], "not a sequence of treatments"),
    ],
)
def test_errors_say_what_is_wrong(treatments, shares, message):
    with pytest.raises((TypeError, ValueError), match=message):
        assign(treatments, shares=shares)
