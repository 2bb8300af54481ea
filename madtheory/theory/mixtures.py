"""Mixtures with observed labels whose weights or covariances are known, so that their moments are not kept.

A mixture of which everything is fitted keeps the mean and covariance of its training set, and follows
`madtheory.theory.kernel_density.first_moments` with bandwidth 0. Here is what changes if less is fitted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madtheory.theory import categorical
from madtheory.theory.gaussian import Sizes, sizes_of
from madtheory.theory.labels import Labelled, NoClosedForm, label
from madtheory.validation import check_arguments, check_flag, check_numbers, check_size

__all__ = ["replace"]

Array = NDArray[np.floating]
_SOURCE = "derived here: scatter within and between components of a labelled batch"
_EMPTY = 1e-9  # probability of a batch without points of a component, below which it is left out


@check_arguments
def replace(
    *,
    n: Sizes,
    n_initial: int | None = None,
    weights: ArrayLike,
    means: ArrayLike,
    variances: ArrayLike,
    known_variances: ArrayLike | None = None,
    weights_known: bool = False,
    tied: bool = False,
    generations: int,
) -> dict[str, Labelled]:
    r"""Return the first moments of a mixture with observed labels, each fit seeing the last batch only.

    With known covariances, of traces :math:`S_k`, weights drift as tokens do, and a component survives with
    probability :math:`P_k`. The variance between components, :math:`B = \sum_k w_k |\mu_k - \mu|^2`, obeys

    .. math:: E B' = (1 - 1/n) E B + \frac1n \sum_k (P_k' - w_k) S_k

    and tends to 0: one component of the known covariance is left. With known weights, and
    :math:`r_k = E[1/n_k]` for the :math:`n_k` points of a component,

    .. math:: E S_k' = (1 - r_k) S_k, \quad E B' = B + \sum_k w_k (1 - w_k) r_k S_k

    (:math:`S_k` stays if known, and is pooled if tied): no component dies, each shrinks on its own, and their
    means stay apart. Kind: exact mean.

    Parameters
    ----------
    n : int, sequence or callable
        Sample size of generation g.
    n_initial : int, optional
        Real points of generation 1; `n` at generation 1 by default.
    weights : array, shape (K,)
        True weights, divided by their sum.
    means : array, shape (K, d)
        True means of the components.
    variances : array, shape (K,)
        Traces of the true covariances.
    known_variances : array, shape (K,), optional
        Traces of the covariances that the fit keeps; without them covariances are fitted, with divisor n.
    weights_known : bool
        Whether the fit keeps the true weights.
    tied : bool
        Whether one covariance is fitted for all components.
    generations : int
        Number of generations, the real fit included.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``total_variance`` and ``mean_error``.

    Raises
    ------
    NoClosedForm
        If neither weights nor covariances are known; for known weights and a batch that may hold no point of
        a component; for known covariances alone and sizes that change after generation 2.
    ValueError
        For arguments out of range.

    Examples
    --------
    >>> from madtheory.theory import mixtures
    >>> found = mixtures.replace(
    ...     n=100, weights=[0.5, 0.5], means=[[0.0], [4.0]], variances=[1.0, 1.0], weights_known=True,
    ...     generations=3,
    ... )
    >>> print(found["total_variance"].round(4))
    [4.9899 4.98   4.9703]
    """
    w, centres, within = (
        np.asarray(check_numbers(name, value))
        for name, value in (("weights", weights), ("means", means), ("variances", variances))
    )
    if w.ndim != 1 or not w.size or not (w > 0).all():
        raise ValueError(f"weights={weights!r} is not a list of positive numbers, one per component.")
    if centres.ndim != 2 or len(centres) != len(w):
        raise ValueError(f"means has shape {centres.shape}; expected one row for each of {len(w)} weights.")
    if within.shape != w.shape or not (within >= 0).all():
        raise ValueError(f"variances={variances!r} must be {len(w)} numbers of at least 0.")
    w = w / w.sum()
    fixed = None
    if known_variances is not None:
        fixed = np.asarray(check_numbers("known_variances", known_variances))
        if fixed.shape != w.shape or not (fixed >= 0).all():
            raise ValueError(f"known_variances={known_variances!r} must be {len(w)} numbers of at least 0.")
    sizes = sizes_of(n, n_initial, check_size("generations", generations))
    between = float(w @ ((centres - w @ centres) ** 2).sum(1))
    if check_flag("weights_known", weights_known):
        values = _known_weights(sizes, w, within, between, fixed, check_flag("tied", tied))
    elif fixed is not None:
        values = _known_covariances(sizes, w, within, between, fixed)
    else:
        raise NoClosedForm(
            "weights_known=False and known_variances=None: everything is fitted, so that the moments are "
            "kept; use kernel_density.first_moments with bandwidth=0."
        )
    return {
        name: label(value, "exact mean", _SOURCE)
        for name, value in zip(("total_variance", "mean_error"), values, strict=True)
    }


def _known_weights(
    sizes: list[int], w: Array, within: Array, between: float, fixed: Array | None, tied: bool
) -> tuple[Array, Array]:
    inverse = {n: _inverse_count(n, w) for n in set(sizes)}
    error, total, errors = 0.0, [], []
    for n in sizes:
        noise = inverse[n] * within
        error += float(w**2 @ noise)
        between += float((w * (1 - w)) @ noise)
        if fixed is not None:
            within = fixed
        elif tied:
            within = np.full(len(w), float(w @ within - within.sum() / n))
        else:
            within = within - noise
        total.append(w @ within + between)
        errors.append(error)
    return np.array(total), np.array(errors)


def _inverse_count(n: int, w: Array) -> Array:
    """Return E[1 / n_k] for the binomial number n_k of points of each component, none of them 0."""
    from scipy import stats

    if ((1 - w) ** n).sum() > _EMPTY:
        raise NoClosedForm(
            f"n or n_initial={n} points may hold none of a component of weight {w.min():g}, which known "
            f"weights do not allow; take more points."
        )
    found = []
    for each in w:
        # Counts beyond nine standard deviations have a probability below 1e-16.
        reach = 9 * np.sqrt(n * each * (1 - each)) + 30
        counts = np.arange(max(1, int(n * each - reach)), min(n, int(n * each + reach)) + 1)
        found.append((stats.binom.pmf(counts, n, each) / counts).sum())
    return np.array(found)


def _known_covariances(
    sizes: list[int], w: Array, within: Array, between: float, fixed: Array
) -> tuple[Array, Array]:
    if len(set(sizes[1:])) > 1:
        raise NoClosedForm("n changes after generation 2, and survival is known for one size; simulate.")
    n = sizes[1] if len(sizes) > 1 else sizes[0]
    extinct = categorical.extinction(n=n, n_initial=sizes[0], probabilities=w, generations=len(sizes))
    error: float = 0.0
    total, errors = [], []
    for size, gone in zip(sizes, np.asarray(extinct), strict=True):
        error += float(w @ within + between) / size
        between = (1 - 1 / size) * between + float((1 - gone - w) @ within) / size
        within = fixed
        total.append(w @ within + between)
        errors.append(error)
    return np.array(total), np.array(errors)
