"""Metrics of several models at once: functions of the snapshots of an ecosystem, one for each loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from madtheory.abilities import knows
from madtheory.metrics.discrete import heterozygosity
from madtheory.metrics.gaussian import total_variance
from madtheory.types import Array
from madtheory.validation import check_snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from madtheory.core import Snapshot


def model_spread(snapshots: Sequence[Snapshot]) -> Array:
    r"""Return the mean squared distance of the models' means to their centre.

    .. math:: \frac1M \sum_k \lVert \mu_k - \bar\mu \rVert^2

    0 for models that have become alike; for categorical models, of their probabilities.

    Parameters
    ----------
    snapshots : sequence of Snapshot
        One for each loop of an ecosystem, as `madtheory.step` returns them.

    Returns
    -------
    array, shape (*replicate,)
        In squared units of the points; dimensionless for probabilities.

    Examples
    --------
    >>> import madtheory as mad
    >>> from madtheory import metrics, regimes
    >>> loops = [
    ...     mad.Loop(
    ...         real=mad.Gaussian([mean], [[1.0]]), model=mad.Gaussian(), regime=regimes.replace(n=10_000)
    ...     )
    ...     for mean in (-1.0, 1.0)
    ... ]
    >>> ecosystem = mad.Ecosystem(loops=loops, exchange=[[0.5, 0.5], [0.5, 0.5]])
    >>> run = mad.iterate(ecosystem, rng=0, method="statistics")
    >>> [metrics.model_spread(next(run)).round(2).item() for _ in range(2)]
    [1.02, 0.0]
    """
    means = [_mean(snapshot, "model_spread") for snapshot in _check(snapshots, "model_spread")]
    stacked = np.stack(np.broadcast_arrays(*means))
    spread: Array = ((stacked - stacked.mean(0)) ** 2).sum(-1).mean(0)
    return spread


def pool_variance(snapshots: Sequence[Snapshot]) -> Array:
    r"""Return the total variance of the equal mixture of all models: their mean variance and their spread.

    For categorical models it is the heterozygosity of the pool.

    Parameters
    ----------
    snapshots : sequence of Snapshot
        One for each loop of an ecosystem.

    Returns
    -------
    array, shape (*replicate,)
        In squared units of the points; dimensionless for probabilities.
    """
    known = _check(snapshots, "pool_variance")
    of_model = heterozygosity if knows(known[0].model, "support") else total_variance
    inner = np.mean([of_model(snapshot) for snapshot in known], axis=0)
    return np.asarray(inner + model_spread(snapshots))


OF_ECOSYSTEM: tuple[Any, ...] = (model_spread, pool_variance)


def _check(snapshots: Any, metric: str) -> list[Any]:
    if not isinstance(snapshots, list | tuple) or not snapshots:
        raise TypeError(
            f"{metric} needs the snapshots of all loops of an ecosystem, a tuple; pass what madtheory.step "
            f"returns for one, or pass the metric to madtheory.simulate with an Ecosystem."
        )
    for snapshot in snapshots:
        check_snapshot(snapshot)
    return list(snapshots)


def _mean(snapshot: Any, metric: str) -> Array:
    model = snapshot.model
    if knows(model, "probabilities"):
        return np.asarray(model.probabilities)
    if not knows(model, "moments"):
        raise TypeError(
            f"{metric} needs models with a mean, and {type(model).__name__} has none in closed form; pass "
            f"other metrics."
        )
    return np.asarray(model.moments.mean)
