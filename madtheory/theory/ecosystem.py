r"""Exact first moments of several loops whose models train on one another's samples.

The recursion is that of one loop (`madtheory.theory.gaussian.first_moments`), with one matrix of distances
for all means: it holds in any dimension, for any law of the real data. For loops that draw new real data and
keep nothing it is a linear map of variances and distances, whose spectral radius decides about stability.
For tokens that move between models at random, it is the island model of population genetics.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from madtheory.numerics import Bandwidth
from madtheory.regimes import Regime
from madtheory.theory.labels import Labelled, label
from madtheory.theory.moments import Array, Group, Means, Model, Recursion, Truths, draw, merge
from madtheory.validation import (
    check_arguments,
    check_bias,
    check_choice,
    check_ddof,
    check_memory,
    check_number,
    check_numbers,
    check_size,
    show,
)

__all__ = ["Block", "Member", "block_recursion", "island", "island_effective_size", "trajectory"]

_SOURCE = (
    "derived here: the first-moment recursion of one loop, with the means of all models; of the "
    "linear-Gaussian ecosystems of Vu, Reeves and Wenger (2025), arXiv:2505.21677"
)
_ISLAND = (
    "derived here: identity by state in the island model (Wright 1943), with rates of migration 1 - m + m/M"
)


class Member(NamedTuple):
    """What first moments depend on in one loop.

    Attributes
    ----------
    regime : Regime
        Which data each generation is trained on.
    mean : array, shape (d,)
        Mean of the real law.
    variance : float
        Trace of the covariance of the real law.
    bias : float
        Sampling bias; of a kernel density, the factor of the kernel's covariance.
    ddof : int
        Divisor n - ddof of the covariance.
    known_mean : bool
        Whether the mean is the true one instead of fitted.
    bandwidth : float, "scott" or "silverman", optional
        Bandwidth of a kernel density.
    """

    regime: Regime
    mean: Array
    variance: float
    bias: float = 1.0
    ddof: int = 0
    known_mean: bool = False
    bandwidth: Bandwidth | None = None


@check_arguments
def trajectory(
    members: Sequence[Member],
    *,
    exchange: ArrayLike,
    draws: Literal["random", "fixed", "shared"] = "random",
    generations: int,
) -> dict[str, Labelled]:
    r"""Return the exact first moments of all models of an ecosystem.

    A batch of loop k is a sample of the mixture :math:`\sum_j E_{kj} P_j` of the models (``"random"``), or
    :math:`n E_{kj}` points of each (``"fixed"``), or the first points of one batch that each model publishes
    (``"shared"``).

    Parameters
    ----------
    members : sequence of Member
        The loops.
    exchange : array, shape (M, M)
        Shares of the synthetic points of each loop (row) that come from each model; rows sum to 1.
    draws : {"random", "fixed", "shared"}
        How a batch is drawn (`madtheory.Ecosystem`).
    generations : int
        Number of generations, the real fit included.

    Returns
    -------
    dict of Labelled
        Expectations, in squared units of the points: ``total_variance`` and ``mean_error``, to the mean of
        the loop's own real law, shape (M, generations); ``model_spread``, the mean squared distance of the
        means of the models to their centre, and ``pool_variance``, the variance of the equal mixture of all
        models, shape (generations,). Kind: exact mean.

    Raises
    ------
    ValueError
        If `exchange` does not have one row for each member.

    Examples
    --------
    Two models of 100 tokens each that share all tokens lose diversity as one model of 200:

    >>> from madtheory import regimes, theory
    >>> member = theory.ecosystem.Member(regimes.replace(n=100), mean=[0.5, 0.5], variance=0.5)
    >>> pool = theory.ecosystem.trajectory([member] * 2, exchange=[[0.5, 0.5]] * 2, generations=3)
    >>> print(pool["pool_variance"].round(6))
    [0.4975   0.495012 0.492537]
    >>> alone = theory.gaussian.first_moments(n_initial=200, n_synthetic=200, ddof=0, generations=3)
    >>> print((0.5 * alone["total_variance"]).round(6))
    [0.4975   0.495012 0.492537]
    """
    shares = check_numbers("exchange", exchange)
    if not members or shares.shape != (len(members), len(members)):
        raise ValueError(f"exchange has shape {shares.shape}; pass one row and column for each member.")
    check_choice("draws", draws, ("random", "fixed", "shared"))
    generations = check_size("generations", generations)
    check_memory(8.0 * generations * (2 * len(members) + 2), f"generations={generations}", "pass fewer")
    scale = float(members[0].variance)
    if not scale > 0:
        raise ValueError(f"members[0].variance={members[0].variance!r} is not positive.")
    centres = np.atleast_2d(np.array([np.atleast_1d(m.mean) for m in members], dtype=float))
    joint = Truths.of(centres, np.array([scale] * len(members)))
    means = Means(joint)
    loops = []
    for member, node in zip(members, joint.nodes, strict=True):
        law = Truths((node,) * generations, (float(member.variance) / scale,) * generations, joint.distance)
        loops.append(
            Recursion(
                member.regime, spectrum=np.full(centres.shape[1], scale / centres.shape[1]), bias=member.bias,
                ddof=member.ddof, known_mean=member.known_mean, bandwidth=member.bandwidth, truths=law,
                means=means,
            )
        )  # fmt: skip
    states = [_moments(loops)]
    for generation in range(2, generations + 1):
        sizes = [loop.regime.at(generation).n_synthetic for loop in loops]
        batches = _BATCHES[draws](loops, shares, sizes)
        for loop, batch in zip(loops, batches, strict=True):
            loop.train(generation, batch)
        place = means.keep([node for loop in loops for node in loop.nodes()])
        for loop in loops:
            loop.renumber(place)
        states.append(_moments(loops))
    table, many = scale * np.array(states).T, len(members)
    values = {
        "total_variance": table[:many], "mean_error": table[many:-2], "model_spread": table[-2],
        "pool_variance": table[-1],
    }  # fmt: skip
    return {name: label(value, "exact mean", _SOURCE) for name, value in values.items()}


def _moments(loops: list[Recursion]) -> Array:
    """Return the variances and errors of the models, their spread, and the variance of the pool."""
    moments = np.array([loop.moments for loop in loops])
    nodes = [loop.models[-1].node for loop in loops]
    spread = loops[0].means.spread(nodes, np.full(len(nodes), 1 / len(nodes)))
    return np.r_[moments[:, 0], moments[:, 1], spread, moments[:, 0].mean() + spread]


def _sources(loops: list[Recursion], shares: Array) -> tuple[list[Model], Array]:
    """Return the models that a point may come from, and the probability of each."""
    models = [(model, share / len(loop.models)) for loop, share in zip(loops, shares, strict=True) if share
              for model in loop.samplers()]  # fmt: skip
    return [model for model, _ in models], np.array([share for _, share in models])


def _draw_random(loops: list[Recursion], shares: Array, sizes: list[int]) -> list[Group]:
    means = loops[0].means
    return [draw(means, *_sources(loops, row), size) for row, size in zip(shares, sizes, strict=True)]


def _draw_parts(loops: list[Recursion], points: Array) -> list[Group]:
    """Draw given numbers of points of each model, each with its own."""
    means, unit = loops[0].means, np.eye(len(loops))
    groups = [draw(means, *_sources(loops, unit[j]), int(n)) for j, n in enumerate(points) if n]
    return groups or [Group(0, 0, 0.0)]


def _draw_fixed(loops: list[Recursion], shares: Array, sizes: list[int]) -> list[Group]:
    points = np.rint(np.array(sizes)[:, None] * shares)
    return [merge(loops[0].means, _draw_parts(loops, row)) for row in points]


def _draw_shared(loops: list[Recursion], shares: Array, sizes: list[int]) -> list[Group]:
    means, points = loops[0].means, np.rint(np.array(sizes)[:, None] * shares).astype(int)
    taken: list[list[Group]] = [[] for _ in loops]
    for j, column in enumerate(points.T):
        for begin, end in pairwise([0, *sorted({*column.tolist()} - {0})]):
            part = _draw_parts(loops, (end - begin) * np.eye(len(loops))[j])[0]
            for loop, n in enumerate(column):
                if n >= end:
                    taken[loop].append(part)
    return [merge(means, parts or [Group(0, 0, 0.0)]) for parts in taken]


_BATCHES = {"random": _draw_random, "fixed": _draw_fixed, "shared": _draw_shared}


class Block(NamedTuple):
    """The linear map of the moments of an ecosystem of M Gaussians from one generation to the next.

    Attributes
    ----------
    matrix : array, shape (M + M^2, M + M^2)
        Map of the state: M variances, then the M^2 covariances of the errors of the means.
    offset : array, shape (M + M^2,)
        Part that comes from real data.
    """

    matrix: Array
    offset: Array

    @property
    def spectral_radius(self) -> float:
        """Largest modulus of an eigenvalue: below 1 the moments converge, at this rate per generation."""
        return float(np.abs(np.linalg.eigvals(self.matrix)).max())

    @property
    def stationary(self) -> Array:
        """The state that does not change, shape (M + M^2,).

        Raises
        ------
        ValueError
            If the spectral radius is 1 or more: the moments do not converge.
        """
        radius = self.spectral_radius
        if radius >= 1 - 1e-12:
            raise ValueError(
                f"the spectral radius is {radius:.6g}: without real data for every model, directly or by "
                f"others, moments do not converge to values of their own; add real points."
            )
        return np.linalg.solve(np.eye(len(self.offset)) - self.matrix, self.offset)

    def run(self, state: Array, generations: int) -> Array:
        """Return the states of further generations, shape (generations, M + M^2)."""
        states = []
        for _ in range(generations):
            state = self.matrix @ state + self.offset
            states.append(state)
        return np.array(states)


@check_arguments
def block_recursion(
    *, points: ArrayLike, biases: ArrayLike = 1.0, ddof: int = 1, variance: float = 1.0, shared: bool = False
) -> Block:
    r"""Return the map of variances and errors of M Gaussians that train on new real points and one another.

    Model k trains on :math:`n_{kj}` points of source j, where 0 is the real law and :math:`w_{kj} =
    n_{kj}/N_k`. With :math:`V_j = E \operatorname{tr} \Sigma_j`, :math:`D_{ij} = E (\mu_i - \mu)^T (\mu_j -
    \mu)`, the bias :math:`\lambda_j` and :math:`\lambda_0 = 1`, :math:`D_{0j} = 0`:

    .. math::

        D'_{kl} &= \sum_{ij} w_{ki} w_{lj} D_{ij} + \sum_j \frac{w_{kj} w_{lj}}{\max(n_{kj}, n_{lj})}
        \lambda_j V_j \quad (k = l, \text{ or shared batches of models}) \\
        (N_k - c) V'_k &= \sum_j n_{kj} (\lambda_j V_j + D_{jj}) - N_k \sum_{ij} w_{ki} w_{kj} D_{ij}
        - \sum_j w_{kj} \lambda_j V_j.

    Kind: exact mean for Gaussians; with ``ddof=0``, for every model with the mean and covariance of its
    training set. The moments converge if and only if the spectral radius of the map is below 1.

    Parameters
    ----------
    points : array, shape (M, 1 + M)
        Numbers of new real points, then of points of each model, that each model trains on.
    biases : float or array, shape (M,)
        Sampling bias of each model.
    ddof : int
        Divisor N - ddof of the covariance.
    variance : float
        Trace of the true covariance, in squared units of the points.
    shared : bool
        Whether each model publishes one batch, of which all others take the first points.

    Returns
    -------
    Block

    Raises
    ------
    ValueError
        If `points` does not have one more column than rows, or a row of fewer than ``1 + ddof`` points.

    Examples
    --------
    The second model sees real data only through the first:

    >>> from madtheory.theory import ecosystem
    >>> block = ecosystem.block_recursion(points=[[5, 5, 3], [0, 4, 8]], biases=[1.0, 0.9])
    >>> round(block.spectral_radius, 4)
    0.8451
    >>> block.stationary[:2].round(4)
    array([1.0617, 1.0042])
    """
    counts = check_numbers("points", points)
    many = len(counts) if counts.ndim else 0
    if counts.shape != (many, many + 1) or (counts < 0).any() or not np.allclose(counts, np.rint(counts)):
        raise ValueError(
            f"points={show(points)} are not numbers of points, shape (M, 1 + M): a column of real points, "
            f"then one for each model."
        )
    total = counts.sum(1)
    ddof = check_ddof(ddof, False)
    if (total <= ddof).any():
        raise ValueError(
            f"points={counts.tolist()} leave no degree of freedom with ddof={ddof} in some row; add points."
        )
    factor = np.r_[1.0, np.broadcast_to(check_numbers("biases", biases), (many,))]
    for value in factor:
        check_bias(float(value), "biases")
    check_number("variance", variance, 0)
    weight = counts / total[:, None]
    largest = np.maximum(np.maximum(counts[:, None], counts[None]), 1.0)
    common = weight[:, None] * weight[None] / largest
    if not shared:
        common = common * np.eye(many)[..., None]
    common[..., 0] *= np.eye(many)  # new real points are everyone's own

    def advance(state: Array, real: float) -> Array:
        noise = factor * np.r_[real, state[:many]]
        errors = np.zeros((many + 1, many + 1))
        errors[1:, 1:] = state[many:].reshape(many, many)
        kept = weight @ errors @ weight.T
        spread = counts @ (noise + np.diagonal(errors)) - total * np.diagonal(kept) - weight @ noise
        return np.r_[spread / (total - ddof), (kept + common @ noise).ravel()]

    basis = np.eye(many + many**2)
    return Block(np.array([advance(unit, 0.0) for unit in basis]).T, advance(np.zeros(len(basis)), variance))


@check_arguments
def island(
    *, n: int, models: int, migration: float, probabilities: ArrayLike, generations: int
) -> dict[str, Labelled]:
    r"""Return the diversity of M models of n tokens, a share m of which come from the pool of all models.

    With :math:`h_0` the heterozygosity within a model, :math:`h_1` the probability that tokens of two models
    differ, :math:`a = 1 - m + m/M` and :math:`b = m/M`:

    .. math::

        h_0' &= (1 - 1/n) [(a^2 + (M-1) b^2) h_0 + (M-1)(2ab + (M-2) b^2) h_1], \\
        h_1' &= (2ab + (M-2) b^2) h_0 + (a^2 + 2ab(M-2) + b^2((M-1)^2 - (M-2))) h_1.

    Kind: exact mean.

    Parameters
    ----------
    n : int
        Tokens that each model is fitted to, in every generation.
    models : int
        Number M of models.
    migration : float
        Share m of the tokens that come from the pool of all models, the own one included, from 0 to 1.
    probabilities : array, shape (K,)
        The true law, from which each model draws its first n tokens.
    generations : int
        Number of generations, the real fit included.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``heterozygosity`` of a model, ``pool_variance``, the heterozygosity of the pool, and
        ``model_spread``, the difference; dimensionless.

    Examples
    --------
    >>> from madtheory.theory import ecosystem
    >>> found = ecosystem.island(n=10, models=4, migration=1.0, probabilities=[0.5, 0.5], generations=3)
    >>> print(found["pool_variance"].round(4))
    [0.4875 0.4753 0.4634]
    """
    p = check_numbers("probabilities", probabilities)
    matrix = _island_matrix(n, models, migration)
    truth = 1 - float(p @ p)
    state = np.array([(1 - 1 / n) * truth, truth])
    states = [state]
    for _ in range(check_size("generations", generations) - 1):
        state = matrix @ state
        states.append(state)
    within, between = np.array(states).T
    pool = within / models + (1 - 1 / models) * between
    values = {"heterozygosity": within, "pool_variance": pool, "model_spread": pool - within}
    return {name: label(value, "exact mean", _ISLAND) for name, value in values.items()}


@check_arguments
def island_effective_size(*, n: int, models: int, migration: float) -> Labelled:
    r"""Return the size of one model that would lose diversity as fast as the M models, in the long run.

    :math:`N_e = 1/(1 - \kappa)` with the largest eigenvalue :math:`\kappa` of the map of `island`. For
    small m and large n it is about :math:`n M / (1 - F)`, :math:`F = 1/(1 + 2 n m M/(M-1))`: exactly n M at
    m = 1, and n without migration. Kind: almost-sure rate of the expectation, numerical.

    Parameters
    ----------
    n : int
        Tokens that each model is fitted to.
    models : int
        Number M of models.
    migration : float
        Share of the tokens that come from the pool of all models, from 0 to 1.

    Returns
    -------
    Labelled
        A number of tokens.

    Examples
    --------
    With a hundredth of the tokens exchanged, each of two models stays diverse for twice as long:

    >>> from madtheory.theory import ecosystem
    >>> round(float(ecosystem.island_effective_size(n=1000, models=2, migration=0.01)))
    2050
    """
    matrix = _island_matrix(n, models, migration)
    if models == 1 or migration == 0:
        return label(float(n), "numerical", _ISLAND)
    return label(1 / (1 - np.abs(np.linalg.eigvals(matrix)).max()), "numerical", _ISLAND)


def _island_matrix(n: int, models: int, migration: float) -> Array:
    check_size("n", n)
    check_size("models", models)
    m, count = check_number("migration", migration, 0, 1), models
    a, b = 1 - m + m / count, m / count
    mixed = 2 * a * b + (count - 2) * b**2
    across = a**2 + 2 * a * b * (count - 2) + b**2 * ((count - 1) ** 2 - (count - 2))
    within = np.array([a**2 + (count - 1) * b**2, (count - 1) * mixed])
    return np.array([(1 - 1 / n) * within, [mixed, across]])
