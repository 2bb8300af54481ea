"""Curation by several judges: exact updates, when two basins coexist, and loops of n points."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import special

from madtheory.testing import assert_mean_matches
from madtheory.theory import curation

FEW = settings(max_examples=60, deadline=None, derandomize=True)
Q, GAPS = 0.3, (2.0, 1.5)


def by_enumeration(p, rewards, shares, choices):
    out = np.zeros(len(p))
    for index in map(list, product(range(len(p)), repeat=choices)):
        for reward, share in zip(rewards, shares, strict=True):
            np.add.at(out, index, share * special.softmax(np.asarray(reward)[index]) * np.prod(p[index]))
    return out


def share_of(q, gaps, choices):
    return float(curation.coexistence(first_share=q, gaps=gaps, choices=choices)["share"])


@pytest.mark.parametrize("choices", [1, 2, 3, 4])
def test_update_is_the_sum_over_judges_and_groups(choices):
    rng = np.random.default_rng(0)
    for _ in range(5):
        p, rewards, shares = rng.dirichlet(np.ones(4)), 3 * rng.normal(size=(3, 4)), rng.dirichlet(np.ones(3))
        found = curation.pluralistic_update(p, rewards=rewards, shares=shares, choices=choices)
        np.testing.assert_allclose(found, by_enumeration(p, rewards, shares, choices), atol=1e-12)
        assert found.sum() == pytest.approx(1, abs=1e-12)
        if choices > 1:  # one judge with the mean reward is another one
            mean = curation.update(p, reward=shares @ rewards, choices=choices)
            assert np.abs(found - mean).max() > 1e-3


@pytest.mark.parametrize("choices", [2, 3.5, 6, np.inf])
def test_one_judge_and_equal_judges_are_the_plain_update(choices):
    p, one, two = np.array([0.2, 0.5, 0.3]), [1.0, 0.0, 2.0], [0.0, 3.0, 1.0]
    plain = curation.update(p, reward=one, choices=choices)
    for rewards, shares in (([one, two], [1, 0]), ([two, one], [0, 1]), ([one, one], [0.4, 0.6])):
        found = curation.pluralistic_update(p, rewards=rewards, shares=shares, choices=choices)
        np.testing.assert_allclose(found, plain, atol=1e-13)
    path = curation.iterate_pluralistic_update(
        p, rewards=[one, two], shares=[1, 0], choices=choices, generations=6, curated_ratio=2.0
    )
    same = curation.iterate_update(p, reward=one, choices=choices, generations=6, curated_ratio=2.0)
    np.testing.assert_allclose(path, same, atol=1e-12)


@pytest.mark.parametrize("choices", [2, 3, 8, 30, np.inf])
def test_basins_are_two_atoms(choices):
    a = np.linspace(0, 1, 7)
    found = curation.basin_update(a, first_share=Q, gaps=GAPS, choices=choices)
    rewards = [[GAPS[0], 0.0], [0.0, GAPS[1]]]
    exact = [
        curation.pluralistic_update([x, 1 - x], rewards=rewards, shares=[Q, 1 - Q], choices=choices)[0]
        for x in a
    ]
    np.testing.assert_allclose(found, exact, atol=1e-11)
    mirrored = curation.basin_update(1 - a, first_share=1 - Q, gaps=GAPS[::-1], choices=choices)
    np.testing.assert_allclose(found, 1 - mirrored, atol=1e-13)


def test_two_candidates_follow_the_logistic_law_and_never_coexist():
    a = np.linspace(0, 1, 11)
    s = Q * special.expit(GAPS[0]) + (1 - Q) * special.expit(-GAPS[1])
    found = curation.basin_update(a, first_share=Q, gaps=GAPS, choices=2)
    np.testing.assert_allclose(found - a, a * (1 - a) * (2 * s - 1), atol=1e-14)
    assert share_of(Q, GAPS, 2) == 0.0
    for q in np.linspace(0.01, 0.99, 20):
        assert share_of(q, (2.0, 1.0), 2) in (0.0, 1.0)
    assert np.isnan(share_of(0.5, (2.0, 2.0), 2))
    assert np.isnan(share_of(0.3, (2.0, 1.0), 1))


def test_hard_rewards():
    hard = (np.inf, np.inf)
    a = np.linspace(0, 1, 9)
    for k in (2, 3, 7):
        found = curation.basin_update(a, first_share=Q, gaps=hard, choices=k)
        np.testing.assert_allclose(found, Q * (1 - (1 - a) ** k) + (1 - Q) * a**k, atol=1e-13)
        for q in (1 / k - 0.01, 1 / k + 0.01, 1 - 1 / k - 0.01, 1 - 1 / k + 0.01):
            inside = 1 / k < q < 1 - 1 / k
            assert (0 < share_of(q, hard, k) < 1) == inside
    for q in (0.4, 0.5, 0.6):
        assert share_of(q, hard, 3) == pytest.approx(3 * q - 1, abs=1e-11)
    assert share_of(Q, hard, np.inf) == Q


@pytest.mark.parametrize(
    ("q", "gaps", "choices", "share"),
    [
        (0.3, (2, 1.5), np.inf, 0.27660), (0.6, (1, 3), np.inf, 0.39865), (0.6, (3, 3), 3, 0.8314),
        (0.6, (3, 3), 4, 0.7020), (0.6, (3, 3), 8, 0.6255), (0.6, (3, 3), 16, 0.6143),
        (0.6, (3, 3), 64, 0.6112), (0.6, (3, 3), np.inf, 0.6105), (0.7, (3, 3), 3, 1.0),
    ],
)  # fmt: skip
def test_reference_shares(q, gaps, choices, share):
    assert share_of(q, gaps, choices) == pytest.approx(share, abs=5.1e-5)
    if np.isfinite(choices):
        rewards = [[gaps[0], 0.0], [0.0, gaps[1]]]
        path = curation.iterate_pluralistic_update(
            [0.5, 0.5], rewards=rewards, shares=[q, 1 - q], choices=choices, generations=500
        )
        assert path[-1, 0] == pytest.approx(share_of(q, gaps, choices), abs=1e-5)


@FEW
@given(
    q=st.floats(0.02, 0.98), one=st.floats(0.1, 8), two=st.floats(0.1, 8), k=st.sampled_from([2, 3, 4, 9, 40])
)
def test_at_most_one_fixed_point_and_it_attracts(q, one, two, k):
    """The claims of the proof: the form of the coefficients, one change of sign, monotone attraction."""
    known = {x: float(y) for x, y in curation.coexistence(first_share=q, gaps=[one, two], choices=k).items()}
    x, big_a, big_b = np.arange(1, k) / k, np.exp(one), np.exp(two)
    bracket = q * (big_a - 1) / (1 + (big_a - 1) * x) - (1 - q) * (big_b - 1) / (big_b - (big_b - 1) * x)
    assert (np.diff(bracket) < 0).all()
    growth = 1 + k * (x * (1 - x) * bracket)[[0, -1]] * [1, -1]
    np.testing.assert_allclose([known["first_growth"], known["second_growth"]], growth, rtol=1e-10)
    np.testing.assert_allclose(
        known["first_growth"],
        q * k * big_a / (big_a + k - 1) + (1 - q) * k / (1 + (k - 1) * big_b),
        rtol=1e-10,
    )
    a = np.linspace(0.001, 0.999, 400)
    change = np.asarray(curation.basin_update(a, first_share=q, gaps=[one, two], choices=k)) - a
    signs = np.sign(np.where(np.abs(change) < 1e-13, 0, change))
    signs = signs[signs != 0]
    assert (np.diff(signs) <= 0).all(), "the change goes from plus to minus once at most"
    both = known["first_growth"] > 1 and known["second_growth"] > 1
    assert both == (0 < known["share"] < 1) or np.isnan(known["share"])
    if both:
        s = known["share"]
        moved = float(curation.basin_update(s, first_share=q, gaps=[one, two], choices=k))
        assert moved == pytest.approx(s, abs=1e-11)
        below = np.linspace(s / 50, s, 20)
        after = np.asarray(curation.basin_update(below, first_share=q, gaps=[one, two], choices=k))
        assert (after >= below - 1e-12).all()
        assert (after <= s + 1e-11).all()


def test_few_candidates_amplify_the_frequent_judge():
    found = [share_of(0.6, (3, 3), k) for k in (3, 4, 5, 8, 20, np.inf)]
    assert (np.diff(found) < 0).all()
    assert found[-1] > 0.6


def test_without_a_dominated_outside_both_basins_may_die():
    """A third plateau that no judge likes best wins: a mean reward is worth more than turns."""
    rewards = np.log([[1, 0.01, 0.8], [0.01, 1, 0.8]])
    p = np.array([0.001, 0.001, 0.998])
    path = curation.iterate_pluralistic_update(
        p, rewards=rewards, shares=[0.5, 0.5], choices=np.inf, generations=60
    )
    assert path[1, 2] / path[0, 2] == pytest.approx(80_000 / 79_941, rel=1e-12)
    assert path[-1, 2] > 0.999_999


@pytest.mark.parametrize(("choices", "n"), [(2, 40), (4, 8)])
def test_chain_of_n_points_against_draws(choices, n):
    generations, rng = 15, np.random.default_rng(2)
    known = curation.basin_chain(
        n=n, initial_share=0.4, first_share=0.6, gaps=[3, 2], choices=choices, generations=generations
    )
    points = np.empty((20_000, generations))
    points[:, 0] = rng.binomial(n, 0.4, 20_000)
    for t in range(1, generations):
        # Every point: a judge, and the candidates of its own.
        inside = rng.binomial(choices, np.repeat(points[:, t - 1, None] / n, n, 1))
        first = rng.random(inside.shape) < 0.6
        odds = np.where(first, np.exp(3.0), np.exp(-2.0))
        chance = inside * odds / (inside * odds + choices - inside)
        points[:, t] = (rng.random(inside.shape) < chance).sum(1)
    assert_mean_matches(points / n, known["share"])
    assert_mean_matches((points == 0)[:, 4:] * 1.0, known["first_lost"][4:])
    assert_mean_matches((points == n)[:, 4:] * 1.0, known["second_lost"][4:])
    with pytest.raises(AssertionError):
        assert_mean_matches(points / n, known["share"] * 1.01)


def test_chain_of_many_points_follows_the_map():
    known = curation.basin_chain(
        n=3_000, initial_share=0.5, first_share=Q, gaps=GAPS, choices=6, generations=30
    )
    a = [0.5]
    for _ in range(29):
        a.append(float(curation.basin_update(a[-1], first_share=Q, gaps=GAPS, choices=6)))
    np.testing.assert_allclose(known["share"], a, atol=2e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: curation.coexistence(first_share=1.5, gaps=[1, 1], choices=3), "first_share"),
        (lambda: curation.coexistence(first_share=0.5, gaps=[1], choices=3), "gaps"),
        (lambda: curation.coexistence(first_share=0.5, gaps=[0, 1], choices=3), "gaps"),
        (lambda: curation.coexistence(first_share=0.5, gaps=[1, 1], choices=2.5), "choices"),
        (lambda: curation.basin_update(0.5, first_share=0.5, gaps=[np.inf, 1], choices=np.inf), "gaps"),
        (lambda: curation.basin_update(1.2, first_share=0.5, gaps=[1, 1], choices=2), "share"),
        (
            lambda: curation.pluralistic_update([1.0], rewards=[1.0], shares=[1.0], choices=2),
            "rewards has shape",
        ),
        (
            lambda: curation.pluralistic_update([0.5, 0.5], rewards=[[1, 0]], shares=[0.5], choices=2),
            "shares",
        ),
    ],
)
def test_errors_name_the_argument(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()
