"""Exact first moments of every Gaussian loop: one linear recursion for the whole design space.

Each training set is made of groups of points, and only two expectations of a group matter: its
scatter about its own mean, and the squared distances between its mean and the other means in play.
Drawing, pooling, weighing, subsampling and fitting act linearly on them. Distances, not covariances
with the truth, are carried because they stay accurate when a collapsed model sits far from the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madtheory.theory.gaussian.replacement import Sizes, check_spectrum
from madtheory.theory.labels import Labelled, labelled
from madtheory.validation import (
    check_bias,
    check_choice,
    check_ddof,
    check_retain_real,
    check_size,
    check_weights,
    checked,
    size_at,
)

_TRUTH = 0  # the node of the true mean
_SOURCE = (
    "derived here: linear recursion of expected scatters and squared distances of means; real_data='none': "
    "Alemohammad et al. 2024 (arXiv 2307.01850), Eq. 1-2, with the first fit on n_initial real points"
)


class _Group(NamedTuple):
    """Points in units of the truth: node of their mean, their number, expected scatter about that mean."""

    node: int
    size: int
    scatter: float


class _Model(NamedTuple):
    """A fitted Gaussian: node of its mean, expected variance factor."""

    node: int
    variance: float


class _Means:
    """Expected squared distances between the means in play; node 0 is the true mean."""

    def __init__(self) -> None:
        self.distance: NDArray[np.floating] = np.zeros((1, 1))

    def spread(self, nodes: list[int], share: NDArray[np.floating]) -> float:
        """Expected squared distance of a node drawn with probabilities `share` to the barycentre."""
        if len(nodes) == 1:
            return 0.0
        return float(share @ self._among(nodes) @ share) / 2

    def add(self, nodes: list[int], share: NDArray[np.floating], noise: float = 0.0) -> int:
        """Append the barycentre of `nodes` plus independent noise of that variance; return its node."""
        k = len(self.distance)
        row = self.distance[:, nodes] @ share - self.spread(nodes, share) + noise
        grown = np.zeros((k + 1, k + 1))
        grown[:k, :k] = self.distance
        grown[k, :k] = grown[:k, k] = row
        self.distance = grown
        return k

    def _among(self, nodes: list[int]) -> NDArray[np.floating]:
        """Distances among these nodes; `np.ix_` checks more than it picks."""
        index = np.array(nodes)
        return self.distance[index[:, None], index]

    def near(self, node: int, noise: float) -> int:
        """Append one node plus independent noise."""
        return self.add([node], np.ones(1), noise)

    def keep(self, nodes: Sequence[int]) -> dict[int, int]:
        """Forget all other nodes; return the new place of each kept one."""
        alive = sorted({_TRUTH, *nodes})
        self.distance = self._among(alive)
        return {old: new for new, old in enumerate(alive)}


def _real(means: _Means, size: int) -> _Group:
    return _Group(means.near(_TRUTH, 1 / size), size, size - 1.0)


def _draw(means: _Means, models: list[_Model], size: int, bias: float) -> _Group:
    """A batch of i.i.d. points of the equal mixture of `models`."""
    if size == 0:
        return _Group(_TRUTH, 0, 0.0)
    nodes, share = [m.node for m in models], np.full(len(models), 1 / len(models))
    covariance = bias * sum(m.variance for m in models) / len(models) + means.spread(nodes, share)
    return _Group(means.add(nodes, share, covariance / size), size, (size - 1) * covariance)


def _merge(means: _Means, groups: list[_Group]) -> _Group:
    """The groups as one pool."""
    groups = [group for group in groups if group.size] or groups[:1]
    if len(groups) == 1:
        return groups[0]
    nodes, size = [g.node for g in groups], sum(g.size for g in groups)
    share = np.array([g.size for g in groups]) / size
    scatter = sum(g.scatter for g in groups) + size * means.spread(nodes, share)
    return _Group(means.add(nodes, share), size, scatter)


def _window(means: _Means, batches: list[_Group], retained: str | int) -> list[_Group]:
    """Those of the batches that stay in the pool; all of them as one group."""
    if retained == "all":
        return [_merge(means, batches)]
    return batches[-1:] if retained == "last" else batches[-int(retained) :]


def _subset(means: _Means, pool: _Group, size: int, replacement: bool) -> _Group:
    """Uniformly random points of a pool (finite-population sampling, Cochran 1977, ch. 2)."""
    if replacement:
        variance, kept = pool.scatter / pool.size, 1.0
    elif size > pool.size:
        raise ValueError(
            f"budget={size} exceeds the pool of {pool.size} points; lower it or pass replacement=True."
        )
    else:
        variance, kept = pool.scatter / max(pool.size - 1, 1), 1 - size / pool.size
    return _Group(means.near(pool.node, kept * variance / size), size, (size - 1) * variance)


def _fit(means: _Means, groups: list[_Group], weight: NDArray[np.floating], ddof: int, known: bool) -> _Model:
    """The (weighted) maximum-likelihood or unbiased Gaussian of the groups together."""
    nodes = [g.node for g in groups]
    mass = weight * np.array([g.size for g in groups])
    total = mass.sum()
    divisor = total - ddof * (weight @ mass) / total if total > 0 else 0.0
    if divisor <= 1e-12 * total:
        raise ValueError(
            f"ddof={ddof} leaves the divisor {divisor:.3g} for a training set of total weight {total:.3g}: "
            f"train on more points or pass ddof=0."
        )
    scatter = weight @ np.array([g.scatter for g in groups])
    if known:
        return _Model(_TRUTH, float(scatter + mass @ means.distance[_TRUTH, nodes]) / float(divisor))
    scatter += total * means.spread(nodes, mass / total)
    return _Model(means.add(nodes, mass / total), float(scatter / divisor))


def _check_weights(weights: Sequence[float] | None, budget: Sizes | None) -> tuple[float, float]:
    if weights is None:
        return 1.0, 1.0
    if budget is not None:
        raise ValueError("weights with a budget have no closed form here; drop weights or budget.")
    real, synthetic = check_weights(weights)
    return real, synthetic


def _constant(*sizes: Sizes | None) -> bool:
    """Whether sizes are the same in every generation."""
    return not any(callable(size) or np.iterable(size) for size in sizes)


def _repeats(now: tuple[Any, ...], before: tuple[Any, ...]) -> bool:
    """Whether a generation equals the one before, so that all later ones do."""
    return before[1:] == now[1:] and np.array_equal(now[0], before[0])


@checked
def first_moments(
    *,
    n_initial: int,
    n_synthetic: Sizes,
    n_real: Sizes = 0,
    real_data: Literal["none", "fixed", "fresh"] = "none",
    retain: Literal["last", "all"] | int = "last",
    retain_real: Literal["last", "all"] | int = "last",
    memory: int = 1,
    budget: Sizes | None = None,
    replacement: bool = False,
    weights: Sequence[float] | None = None,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
    generations: int,
) -> dict[str, Labelled]:
    r"""Expected covariance trace and mean error of a Gaussian refitted to any mix of real and synthetic data.

    With factors :math:`E\Sigma_g = v_g \Sigma_0`, a batch of size :math:`n` of generation :math:`g` and the
    fit to groups of sizes :math:`N_i`, weights :math:`w_i`, means :math:`m_i` and scatters :math:`S_i` obey

    .. math::
        C = \lambda \bar v + \tfrac12 \overline{E|\mu_k - \mu_l|^2}, \quad E|b - \bar\mu|^2 = C/n, \quad
        E S_b = (n - 1) C,

        v_g = \frac{\sum_i w_i S_i + W \cdot \tfrac12 \sum_{ij} p_i p_j E|m_i - m_j|^2}{W - c W_2 / W},
        \quad \mu_g = \sum_i p_i m_i, \quad p_i = w_i N_i / W,

    bars being averages over the models of the last `memory` generations (per coordinate, units of
    :math:`\Sigma_0`), :math:`W = \sum w_i N_i`, :math:`W_2 = \sum w_i^2 N_i`. Kind: exact mean.

    Parameters
    ----------
    n_initial : int
        Real points that generation 1 is fitted to (all of them, unweighted).
    n_synthetic : int, sequence or callable
        Batch size of generation g >= 2; entry g - 1 of a sequence (entry 0 is not used).
    n_real : int, sequence or callable
        New real points of each generation g >= 2; only for ``real_data="fresh"``.
    real_data : {"none", "fixed", "fresh"}
        Real part of the pool: nothing, the `n_initial` points of generation 1, or new points.
    retain : {"last", "all"} or int
        Synthetic batches in the pool: the last one, all so far, or the last `retain`.
    retain_real : {"last", "all"} or int
        Batches of ``real_data="fresh"`` in the pool: the last one, all since generation 1's, or that many.
    memory : int
        Each synthetic point comes from one of the last ``min(memory, g - 1)`` models, at random.
    budget : int, sequence or callable, optional
        Train on a uniformly random subset of that many points of the pool; the pool itself is kept.
    replacement : bool
        Draw that subset with replacement.
    weights : (float, float), optional
        Weight of each real and of each synthetic point (``aweights`` of `numpy.cov`); not with `budget`.
    bias : float
        Factor of the covariance of synthetic samples, >= 0, dimensionless.
    ddof : {0, 1}, optional
        The divisor is N - ddof; default 1, or 0 with `known_mean`.
    known_mean : bool
        Take the scatter about the true mean, which every model then has.
    dim, spectrum : int, array of shape (dim,)
        The true covariance: identity of size `dim` (default 1), or these eigenvalues.
    generations : int
        Number of generations, the real fit included.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``total_variance``, the mean of the trace of the covariance, and ``mean_error``, the mean squared
        distance of the mean to the truth; infinite beyond the range of doubles.

    Raises
    ------
    ValueError
        For sizes, weights or choices out of range, or a divisor N - ddof that is not positive.

    Notes
    -----
    Holds for real data of any law with covariance :math:`\Sigma_0`. With bias near 1 the mean trace is
    carried by ever rarer runs: typical runs collapse below it.
    Source: derived here; ``real_data="none"`` is Alemohammad et al. 2024 (arXiv 2307.01850), Eq. 1-2, there
    with ``ddof=1`` and equal sizes.
    """
    bias, ddof, known_mean = check_bias(bias), check_ddof(ddof, known_mean), bool(known_mean)
    check_choice("real_data", real_data, ("none", "fixed", "fresh"))
    if not isinstance(retain, str) or retain not in ("last", "all"):
        check_size("retain", retain)
    kept_real = check_retain_real(retain_real, real_data)
    memory, generations = check_size("memory", memory), check_size("generations", generations)
    n_initial = check_size("n_initial", n_initial)
    if real_data != "fresh" and not (n_real == 0 or (real_data == "fixed" and n_real == n_initial)):
        raise ValueError(f"n_real={n_real!r} is used only with real_data='fresh'; with {real_data!r} pass 0.")
    w_real, w_synthetic = _check_weights(weights, budget)
    trace, least = check_spectrum(dim, spectrum).sum(), int(real_data == "none")

    means = _Means()
    real = _real(means, n_initial)
    reals = [real]
    models = [_fit(means, reals, np.ones(1), ddof, known_mean)]
    batches: list[_Group] = []
    constant = _constant(n_synthetic, n_real, budget)
    before: tuple[Any, ...] = ()
    variance = np.full(generations, np.inf)
    error = np.full(generations, 0.0 if known_mean else np.inf)
    variance[0], error[0] = models[0].variance, means.distance[_TRUTH, models[0].node]
    with np.errstate(over="ignore", invalid="ignore"):
        for g in range(2, generations + 1):
            batches.append(_draw(means, models, size_at("n_synthetic", n_synthetic, g, least), bias))
            batches = _window(means, batches, retain)
            if real_data == "fresh":
                reals = _window(means, [*reals, _real(means, size_at("n_real", n_real, g))], kept_real)
            present = [] if real_data == "none" else reals
            pool, weight = present + batches, np.array([w_real] * len(present) + [w_synthetic] * len(batches))
            if budget is not None:
                size = size_at("budget", budget, g)
                pool, weight = [_subset(means, _merge(means, pool), size, replacement)], np.ones(1)
            models = [*models, _fit(means, pool, weight, ddof, known_mean)][-memory:]
            if not np.isfinite([models[-1].variance, means.distance[_TRUTH, models[-1].node]]).all():
                break
            variance[g - 1], error[g - 1] = models[-1].variance, means.distance[_TRUTH, models[-1].node]
            place = means.keep([*(b.node for b in reals + batches), *(m.node for m in models)])
            reals = [r._replace(node=place[r.node]) for r in reals]
            batches = [b._replace(node=place[b.node]) for b in batches]
            models = [m._replace(node=place[m.node]) for m in models]
            now = means.distance, tuple(reals + batches), models, error[g - 1]
            if constant and _repeats(now, before):
                variance[g:], error[g:] = variance[g - 1], error[g - 1]
                break
            before = now
    with np.errstate(over="ignore"):
        variance, error = trace * variance, trace * error
    return {
        "total_variance": labelled(variance, "exact mean", _SOURCE),
        "mean_error": labelled(error, "exact mean", _SOURCE),
    }
