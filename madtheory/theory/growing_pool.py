r"""First moments of loops whose pool only grows, as products and sums over all generations at once.

The scatter of a pool of :math:`N` points grows by a factor with each batch of :math:`n` points, which come
from a model of variance :math:`a S`, whose mean is off that of the pool by :math:`h S` (the fit to a subset):

.. math::
    S' = S \left(1 + (n - 1) \lambda a + \frac{N n}{N + n} \left(h + \frac{\lambda a}{n}\right)\right), \quad
    D' = D + \left(\frac{n}{N + n}\right)^2 \left(h + \frac{\lambda a}{n}\right) S,

with :math:`D` the squared distance of the mean of the pool to the truth; in units of the truth's variance.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from madtheory.regimes import Regime
from madtheory.types import Array


def grows(regime: Regime, ddof: int, known_mean: bool) -> bool:
    """Return whether all points of equal batches stay, with the real ones of generation 1 and no others."""
    n, budget = regime.n_synthetic, regime.budget
    if not isinstance(n, int) or n == 0 or regime.n_initial <= ddof:
        return False
    none = regime.n_fresh == 0 and regime.n_carried == 0 and regime.weights is None
    whole = regime.real_data == "fixed" and regime.n_real == regime.n_initial and regime.retain == "all"
    if not (none and whole and regime.memory == 1):
        return False
    if budget is None:
        return True
    most = np.inf if regime.replacement else regime.n_initial + n
    return isinstance(budget, int) and ddof < budget <= most and not known_mean


def growing_pool(regime: Regime, *, bias: float, ddof: int, known_mean: bool, generations: int) -> Array:
    """Return the variance and mean error of generations 1, 2, ..., of a loop that `grows`.

    Returns
    -------
    array, shape (2, generations)
    """
    n_initial, n_synthetic = regime.n_initial, cast(int, regime.n_synthetic)
    budget = cast("int | None", regime.budget)
    size = n_initial + n_synthetic * np.arange(generations, dtype=float)
    variance, off = 1 / (size - ddof), np.zeros(generations)
    if budget is not None:
        each, kept = (size, 1.0) if regime.replacement else (size - 1, 1 - budget / size)
        variance[1:] = (budget - 1) / (budget - ddof) / each[1:]
        off[1:] = (kept / (budget * np.maximum(each, 1)))[1:]  # the first pool, of one point, is not divided
    apart = off + bias * variance / n_synthetic
    share = n_synthetic / (size + n_synthetic)
    spread = n_synthetic * bias * variance if known_mean else (
        (n_synthetic - 1) * bias * variance + size * share * apart
    )  # fmt: skip
    with np.errstate(over="ignore", invalid="ignore"):
        first = n_initial - (not known_mean)
        scatter = np.cumprod(np.concatenate([[first], 1 + spread[:-1]]))
        error = np.cumsum(np.concatenate([[1 / n_initial], (share**2 * apart * scatter)[:-1]]))
        found = np.stack([variance * scatter, np.zeros(generations) if known_mean else error + off * scatter])
    found[~np.isfinite(found)] = np.inf
    return found
