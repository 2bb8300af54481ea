"""Metrics of categorical loops: functions of a `Snapshot` that return one number per replicate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from madtheory.abilities import knows
from madtheory.data import spread
from madtheory.types import Array
from madtheory.validation import check_snapshot

if TYPE_CHECKING:
    from madtheory.core import Snapshot


def support_size(snapshot: Snapshot) -> Array:
    """Return the number of symbols that the model can still produce."""
    size: Array = np.count_nonzero(_support(snapshot, "support_size"), axis=-1)
    return size


def entropy(snapshot: Snapshot) -> Array:
    """Return the Shannon entropy of the model, in nats."""
    p = _support(snapshot, "entropy")
    return -np.einsum("...i,...i->...", p, np.log(p + (p == 0))) + 0.0


def heterozygosity(snapshot: Snapshot) -> Array:
    """Return the probability that two draws from the model differ: 1 minus the sum of squares."""
    p = _support(snapshot, "heterozygosity")
    return 1.0 - np.einsum("...i,...i->...", p, p)


def chi_squared(snapshot: Snapshot) -> Array:
    r"""Return the chi-squared divergence of model from truth, :math:`\sum_i (p_i - p_{0i})^2 / p_{0i}`."""
    p, truth = _with_truth(snapshot, "chi_squared")
    unlike = (p - truth) ** 2
    return np.where(truth > 0, unlike / np.where(truth > 0, truth, 1.0), np.where(p > 0, np.inf, 0.0)).sum(-1)


def squared_error(snapshot: Snapshot) -> Array:
    r"""Return the squared distance of the probabilities to the true ones, :math:`\sum_i (p_i - p_{0i})^2`."""
    p, truth = _with_truth(snapshot, "squared_error")
    error: Array = ((p - truth) ** 2).sum(-1)
    return error


def missing_mass(snapshot: Snapshot) -> Array:
    """Return the true probability of the symbols that the model can no longer produce."""
    p, truth = _with_truth(snapshot, "missing_mass")
    lost: Array = np.where(p > 0, 0.0, truth).sum(-1)
    return lost


OF_SYMBOLS: dict[Any, bool] = {
    support_size: False, entropy: False, heterozygosity: False, chi_squared: True, squared_error: True,
    missing_mass: True,
}  # fmt: skip
"""The metrics of this module, and whether they compare with the truth."""


def check_symbols(metric: str, model: type, real: Any = None) -> None:
    """Refuse a model, or a truth if there is one, that is not a distribution on symbols."""
    if not hasattr(model, "support"):
        raise TypeError(
            f"metric {metric} describes a Categorical; the model is a {model.__name__}. Leave metrics out: "
            f"the defaults fit the loop; or pass metrics=[...] of your own."
        )
    if real is not None and not knows(real, "probabilities"):
        raise TypeError(
            f"metric {metric} compares with a truth on symbols; real is {type(real).__name__}: pass "
            f"real=Categorical(probabilities)."
        )


def _with_truth(snapshot: Snapshot, metric: str) -> tuple[Any, Any]:
    """Return model and truth as probabilities of the same symbols; an unknown one has 0."""
    check_snapshot(snapshot)
    check_symbols(metric, type(snapshot.model), snapshot.real)
    p, truth = snapshot.model.probabilities, snapshot.real.probabilities
    many = max(p.shape[-1], truth.shape[-1])
    return spread(p, None, many), spread(truth, None, many)


def _support(snapshot: Snapshot, metric: str) -> Any:
    check_snapshot(snapshot)
    check_symbols(metric, type(snapshot.model))
    return snapshot.model.support.counts
