"""The ancestral chain of the replace loop: the number of real points that the current ones descend from."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from madtheory.theory.categorical.chain import Array, check_law
from madtheory.theory.gaussian import Sizes, sizes_of
from madtheory.theory.labels import Labelled, label
from madtheory.validation import check_arguments, check_numbers, check_size

_SOURCE = "derived here: duality of the Wright-Fisher model with its ancestral chain (Kingman 1982)"
_MOST = 40_000
_NEGLIGIBLE = 1e-22


@lru_cache(maxsize=2)
def occupancy(boxes: int, most: int) -> tuple[tuple[int, Array], ...]:
    """Return the law of the number of boxes that a = 0, ..., `most` balls occupy: (first value, law).

    Each ball falls into one of `boxes` boxes uniformly; probabilities below 1e-22 at the ends are left out.
    """
    low, row = 0, np.ones(1)
    laws = [(low, row)]
    for _ in range(most):
        full = np.arange(low, low + len(row)) / boxes
        grown = np.append(row * full, 0.0)
        grown[1:] += row * (1 - full)
        if low + len(row) > boxes:
            grown = grown[:-1]
        start = 0
        while grown[start] < _NEGLIGIBLE:
            start += 1
        stop = len(grown)
        while grown[stop - 1] < _NEGLIGIBLE:
            stop -= 1
        low, row = low + start, grown[start:stop]
        laws.append((low, row))
    return tuple(laws)


def constant_after_first(n: Sizes, n_initial: int | None, generations: int) -> tuple[int, int]:
    """Return the sizes of generation 1 and of all later ones, which must be equal."""
    sizes = sizes_of(n, n_initial, generations)
    later = sizes[1:] or sizes
    if min(later) != max(later):
        raise ValueError(f"n={n!r} changes; the ancestral chain takes one size of all generations after 1.")
    if max(sizes) > _MOST:
        raise ValueError(
            f"n={max(sizes)} (or n_initial) is above {_MOST}; simulate, or use extinction_branching."
        )
    return sizes[0], later[0]


def _ancestors(n: Sizes, n_initial: int | None, generations: int) -> list[tuple[int, Array]]:
    """Return the law of the number of real points with descendants, for each generation."""
    first, later = constant_after_first(n, n_initial, generations)
    low: int = later
    law: Array = np.ones(1)
    out = [(first, law)]
    for _ in range(generations - 1):
        # Ancestors in generation 1 are among `first` points, all later ones among `later`.
        out.append(_throw(low, law, first, later))
        low, law = out[-1] if first == later else _throw(low, law, later, later)
    return out


def _throw(low: int, law: Array, boxes: int, most: int) -> tuple[int, Array]:
    table = occupancy(boxes, most)[low : low + len(law)]
    start = min(first for first, _ in table)
    mixed = np.zeros(max(first + len(row) for first, row in table) - start)
    for weight, (first, row) in zip(law, table, strict=True):
        mixed[first - start : first - start + len(row)] += weight * row
    kept = np.flatnonzero(mixed > _NEGLIGIBLE)
    return start + int(kept[0]), mixed[kept[0] : kept[-1] + 1]


@check_arguments
def surviving_points(*, n: Sizes, n_initial: int | None = None, generations: int) -> Labelled:
    """Return the mean number of real points of generation 1 that have a copy left.

    This is the coverage of the iterated bootstrap, and the support if each real point is a symbol of its own.
    Kind: exact mean. Arguments as in `support_size`.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.surviving_points(n=20, generations=4).round(4))
    [20.     12.8303  9.6166  7.7556]
    """
    laws = _ancestors(n, n_initial, generations)
    return label([law @ np.arange(low, low + len(law)) for low, law in laws], "exact mean", _SOURCE)


@check_arguments
def extinction(
    *, n: Sizes, probabilities: ArrayLike, n_initial: int | None = None, generations: int
) -> Labelled:
    r"""Return each symbol's probability of extinction, :math:`E (1 - p_i)^{A_g}`, shape (generations, K).

    Kind: exact mean. Arguments as in `support_size`.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.extinction(n=20, probabilities=[0.9, 0.1], generations=4).round(4))
    [[0.     0.1216]
     [0.     0.2616]
     [0.     0.3671]
     [0.     0.4461]]
    """
    with np.errstate(divide="ignore"):
        log = np.log1p(-check_law(probabilities))
    return label(_powers(log, _ancestors(n, n_initial, generations)), "exact mean", _SOURCE)


@check_arguments
def fixation(
    *, n: Sizes, probabilities: ArrayLike, n_initial: int | None = None, generations: int
) -> Labelled:
    r"""Return each symbol's probability of fixation, :math:`E p_i^{A_g}`, shape (generations, K).

    A fixed symbol is the only one left. The probability tends to the symbol's true probability (Shumailov et
    al. 2024, discrete case). Kind: exact mean. Arguments as in `support_size`.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.fixation(n=10, probabilities=[0.9, 0.1], generations=4).round(4))
    [[3.487e-01 0.000e+00]
     [5.063e-01 0.000e+00]
     [5.977e-01 1.000e-04]
     [6.578e-01 9.000e-04]]
    """
    with np.errstate(divide="ignore"):
        log = np.log(check_law(probabilities))
    return label(_powers(log, _ancestors(n, n_initial, generations)), "exact mean", _SOURCE)


@check_arguments
def support_size(
    *, n: Sizes, probabilities: ArrayLike, n_initial: int | None = None, generations: int
) -> Labelled:
    r"""Return the mean number of symbols left in the `replace` loop.

    .. math:: E K_g = \sum_i \big(1 - E(1 - p_i)^{A_g}\big)

    with :math:`A_g` the number of points of generation 1 that the points of generation g descend from: the
    Wright-Fisher ancestral chain, which throws a balls into n boxes and counts the occupied ones.
    One chain serves all symbols. Kind: exact mean.

    Parameters
    ----------
    n : int
        Sample size of generations 2, 3, ... (sequences and functions must be constant there).
    probabilities : array, shape (K,)
        True law.
    n_initial : int, optional
        Real points of generation 1; `n` by default.
    generations : int
        Number of generations, the real fit included.

    Returns
    -------
    Labelled, shape (generations,)

    Raises
    ------
    ValueError
        For arguments out of range, a size that changes, or more than 40,000 points (memory n^1.5).

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.support_size(n=20, probabilities=[0.5, 0.3, 0.2], generations=4).round(4))
    [2.9877 2.9281 2.8384 2.7372]
    """
    values, count = np.unique(check_law(probabilities), return_counts=True)
    with np.errstate(divide="ignore"):
        missing = _powers(np.log1p(-values), _ancestors(n, n_initial, generations), complement=True)
    return label(missing @ count, "exact mean", _SOURCE)


def _powers(log: Array, laws: list[tuple[int, Array]], complement: bool = False) -> Array:
    """Return the means of exp(A log), or of 1 - exp(A log), for each law of A and each logarithm."""
    out = np.empty((len(laws), len(log)))
    for g, (low, law) in enumerate(laws):
        a = np.arange(low, low + len(law))
        out[g] = law @ (-np.expm1(a[:, None] * log) if complement else np.exp(a[:, None] * log))
    return out


@check_arguments
def moments(
    *, order: int, n: Sizes, probability: float, n_initial: int | None = None, generations: int
) -> Labelled:
    r"""Return raw moments :math:`E p_g^k`, k = 1, ..., `order`, of a symbol, shape (generations, order).

    Dual to k ancestors: :math:`E p_g^k = E p_0^{A_g}` for k balls thrown g times, so the decay rates are
    :math:`\prod_{j<k} (1 - j/n)`. It holds for any sizes. Kind: exact mean.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.moments(order=2, n=20, probability=0.3, generations=4).round(4))
    [[0.3    0.1005]
     [0.3    0.1105]
     [0.3    0.12  ]
     [0.3    0.129 ]]
    """
    order, p = check_size("order", order, maximum=10**4), check_numbers("probability", probability).item()
    if not 0 <= p <= 1:
        raise ValueError(f"probability={probability!r} is not between 0 and 1; pass for example 0.3.")
    sizes = sizes_of(n, n_initial, generations)
    power, out = p ** np.arange(1, order + 1), np.empty((len(sizes), order))
    # Forward in time the linear map of the moments acts after those of the earlier generations.
    product = np.eye(order)
    for g, size in enumerate(sizes):
        product = _throw_matrix(size, order) @ product if g else _throw_matrix(size, order)
        out[g] = product @ power
    return label(out, "exact mean", _SOURCE)


def _throw_matrix(boxes: int, order: int) -> Any:
    matrix = np.zeros((order, order))
    for a, (low, row) in enumerate(occupancy(boxes, order)[1:]):
        matrix[a, low - 1 : low - 1 + len(row)] = row
    return matrix


def surviving_branching(sizes: list[int], probabilities: Array) -> Labelled:
    """Return the mean number of symbols left if every point has a Poisson number of copies.

    Sizes may change: a point of generation k has n_{k+1}/n_k copies on average. Kind: leading order in 1/n,
    at a fixed generation g: the relative error is of order g/n.
    """
    n = np.array(sizes, dtype=float)
    extinct = np.zeros(len(n))  # of a point of generation 1, by each generation
    if len(n) > 2 and np.ptp(n[1:]) == 0:
        steps = np.zeros(len(n) - 1)
        for h in range(1, len(steps)):
            steps[h] = np.exp(steps[h - 1] - 1)
        extinct[1:] = np.exp(n[1] / n[0] * (steps - 1))
    else:
        for k in range(len(n) - 2, -1, -1):
            extinct[k + 1 :] = np.exp(n[k + 1] / n[k] * (extinct[k + 1 :] - 1))
    values, count = np.unique(probabilities, return_counts=True)
    with np.errstate(divide="ignore"):  # the first draw is binomial, not Poisson, and costs nothing
        left = -np.expm1(n[0] * np.log1p(-np.outer(1 - extinct, values))) @ count
    source = "Galton-Watson, Poisson offspring; relative error of order g/n at generation g"
    return label(np.maximum(left, 1.0), "leading order in 1/n", source)


@check_arguments
def extinction_branching(*, n: int, probability: ArrayLike, generations: int) -> Labelled:
    r"""Return the probability :math:`q_g^{np}` that a rare symbol has died out, for Poisson offspring.

    :math:`q_{g+1} = e^{q_g - 1}`, :math:`q_0 = 0`; :math:`q_g \to e^{-2/g}`. The survival
    :math:`1 - q_g^{np}` exceeds the bound :math:`1 - e^{-np/g}` of Suresh et al. 2025, tight at g = 1.
    Kind: leading order in 1/n.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.extinction_branching(n=20, probability=0.1, generations=4).round(4))
    [0.1353 0.2825 0.3918 0.4732]
    """
    mass = check_size("n", n) * check_numbers("probability", probability)
    q, rates = 0.0, []
    for _ in range(check_size("generations", generations)):
        q = np.exp(q - 1)
        rates.append(q)
    return label(
        np.power.outer(np.array(rates), mass), "leading order in 1/n", "Galton-Watson, Poisson(1) offspring"
    )
