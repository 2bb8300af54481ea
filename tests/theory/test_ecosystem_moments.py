"""Ecosystems in theory: block recursion, islands, and one loop as their special case."""

import numpy as np
import pytest

from madtheory import regimes
from madtheory.theory import categorical, ecosystem, gaussian

FULL = [[0.5, 0.5], [0.5, 0.5]]


@pytest.mark.parametrize(
    "regime",
    [regimes.replace(n=9), regimes.fresh(n_real=5, n_synthetic=7), regimes.accumulate(n=6),
     regimes.augment(n_real=5, n_synthetic=7, memory=2)],
)  # fmt: skip
@pytest.mark.parametrize("ddof", [0, 1])
def test_one_model_is_one_loop(regime, ddof):
    member = ecosystem.Member(regime, np.zeros(3), 3.0, bias=0.9, ddof=ddof)
    joint = ecosystem.trajectory([member], exchange=[[1.0]], generations=8)
    alone = gaussian.trajectory(regime, bias=0.9, ddof=ddof, dim=3, generations=8)
    for name in ("total_variance", "mean_error"):
        np.testing.assert_allclose(joint[name][0], alone[name], rtol=1e-10)
    np.testing.assert_allclose(joint["model_spread"], 0, atol=1e-12)


def test_models_without_exchange_are_loops_of_their_own():
    several = [
        ecosystem.Member(regimes.fresh(n_real=5, n_synthetic=7), np.array([0.0, 2.0]), 2.0, 0.8),
        ecosystem.Member(regimes.replace(n=11), np.array([1.0, -3.0]), 5.0, 1.1, ddof=1),
    ]
    joint = ecosystem.trajectory(several, exchange=np.eye(2), generations=6)
    for k, member in enumerate(several):
        alone = gaussian.trajectory(
            member.regime, bias=member.bias, ddof=member.ddof, spectrum=[member.variance], generations=6
        )
        for name in ("total_variance", "mean_error"):
            np.testing.assert_allclose(joint[name][k], alone[name], rtol=1e-10)


@pytest.mark.parametrize("draws", ["fixed", "shared"])
@pytest.mark.parametrize("ddof", [0, 1])
def test_the_block_recursion_is_the_recursion_of_means(draws, ddof):
    """The linear map, derived from sums over pairs, against distances between all means."""
    points, biases = np.array([[5, 6, 2], [3, 4, 12], [2, 8, 8]]), np.array([1.0, 0.9])
    points = np.array([[5, 6, 2], [3, 4, 12]])
    members = [
        ecosystem.Member(regimes.fresh(n_real=row[0], n_synthetic=row[1:].sum()), np.zeros(1), 2.0, b, ddof)
        for row, b in zip(points.tolist(), biases, strict=True)
        for row in [np.array(row)]
    ]
    exchange = points[:, 1:] / points[:, 1:].sum(1, keepdims=True)
    exact = ecosystem.trajectory(members, exchange=exchange, draws=draws, generations=12)
    block = ecosystem.block_recursion(
        points=points, biases=biases, ddof=ddof, variance=2.0, shared=draws == "shared"
    )
    first = np.r_[(points[:, 0] - 1) / (points[:, 0] - ddof) * 2.0, np.diag(2.0 / points[:, 0]).ravel()]
    states = np.vstack([first, block.run(first, 11)])
    np.testing.assert_allclose(states[:, :2].T, exact["total_variance"], rtol=1e-10)
    np.testing.assert_allclose(states[:, [2, 5]].T, exact["mean_error"], rtol=1e-10)
    spread = (states[:, 2] + states[:, 5] - 2 * states[:, 3]) / 4
    np.testing.assert_allclose(spread, exact["model_spread"], rtol=1e-9)
    assert block.spectral_radius < 1
    np.testing.assert_allclose(block.run(first, 400)[-1], block.stationary, rtol=1e-9)


def test_shared_batches_correlate_models():
    """Negative control of the flag: the covariance between models is larger, their errors are equal."""
    points = [[5, 6, 2], [3, 4, 12]]
    own, shared = (ecosystem.block_recursion(points=points, shared=flag).stationary for flag in (False, True))
    assert shared[3] > 1.2 * own[3]


def test_one_gaussian_of_the_block_recursion_is_the_fresh_loop():
    block = ecosystem.block_recursion(points=[[4, 9]], biases=0.8, ddof=0)
    late = gaussian.fresh(n_real=4, n_synthetic=9, bias=0.8, ddof=0, generations=300)
    np.testing.assert_allclose(
        block.stationary, [late["total_variance"][-1], late["mean_error"][-1]], rtol=1e-9
    )


def test_moments_converge_only_if_real_data_reach_every_model():
    reached = ecosystem.block_recursion(points=[[5, 5, 3], [0, 4, 8]])
    assert reached.spectral_radius < 1
    alone = ecosystem.block_recursion(points=[[5, 8, 0], [0, 0, 12]])
    assert alone.spectral_radius == pytest.approx(1.0)
    with pytest.raises(ValueError, match="spectral radius is 1"):
        _ = alone.stationary


@pytest.mark.parametrize(("models", "migration"), [(2, 0.01), (3, 0.3), (4, 1.0), (1, 0.5), (3, 0.0)])
def test_islands_are_the_ecosystem_of_tokens(models, migration):
    """The two-number recursion of the islands against the distances between all means."""
    p = np.array([0.6, 0.3, 0.1])
    member = ecosystem.Member(regimes.replace(n=12), p, float(p @ (1 - p)))
    exchange = (1 - migration) * np.eye(models) + migration / models
    exact = ecosystem.trajectory([member] * models, exchange=exchange, generations=9)
    island = ecosystem.island(n=12, models=models, migration=migration, probabilities=p, generations=9)
    np.testing.assert_allclose(exact["total_variance"][0], island["heterozygosity"], rtol=1e-10)
    np.testing.assert_allclose(exact["pool_variance"], island["pool_variance"], rtol=1e-10)
    np.testing.assert_allclose(exact["model_spread"], island["model_spread"], rtol=1e-8, atol=1e-15)


def test_full_exchange_is_one_model_of_all_tokens():
    p = [0.6, 0.3, 0.1]
    pool = ecosystem.island(n=12, models=5, migration=1.0, probabilities=p, generations=9)["pool_variance"]
    one = categorical.replace(n=60, probabilities=p, generations=9)["heterozygosity"]
    np.testing.assert_allclose(pool, one, rtol=1e-10)
    assert float(ecosystem.island_effective_size(n=12, models=5, migration=1.0)) == pytest.approx(60)


def test_without_exchange_models_are_wright_fisher():
    p = [0.6, 0.3, 0.1]
    apart = ecosystem.island(n=12, models=5, migration=0.0, probabilities=p, generations=9)["heterozygosity"]
    np.testing.assert_allclose(
        apart, categorical.replace(n=12, probabilities=p, generations=9)["heterozygosity"]
    )
    assert float(ecosystem.island_effective_size(n=12, models=5, migration=0.0)) == 12


@pytest.mark.parametrize(("models", "migration"), [(2, 0.01), (4, 0.01), (10, 0.01), (10, 0.1)])
def test_a_few_exchanged_tokens_multiply_the_half_life(models, migration):
    """The formula of Wright for small migration, to a few tenths of a percent."""
    n = 1000
    exact = float(ecosystem.island_effective_size(n=n, models=models, migration=migration))
    differentiation = 1 / (1 + 2 * n * migration * models / (models - 1))
    assert exact == pytest.approx(n * models / (1 - differentiation), rel=0.006)
    assert exact > 0.99 * n * models


@pytest.mark.parametrize(
    ("points", "words"), [([[1, 2]] * 2, "shape"), ([[1, 0, 0], [2, 2, 2]], "degree of freedom")]
)
def test_what_the_block_recursion_refuses(points, words):
    with pytest.raises(ValueError, match=words):
        ecosystem.block_recursion(points=points, ddof=1)
