"""Rows of Markov (n-gram) generators: drift with random row counts, and the map of a temperature."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from madtheory.theory.categorical.chain import check_law
from madtheory.theory.gaussian import Sizes, sizes_of
from madtheory.theory.labels import Labelled, label
from madtheory.types import Array
from madtheory.validation import check_arguments, check_bias, check_numbers, check_size

_MOST = 4000


@check_arguments
def row_heterozygosity(
    *,
    n: Sizes,
    n_initial: int | None = None,
    initial: ArrayLike,
    rows: ArrayLike,
    generations: int,
) -> Labelled:
    r"""Return the mean heterozygosity of the rows of a bigram model that is refitted to its own pairs.

    A generation draws n pairs: a context c from its law, and a continuation from row c. The number
    :math:`N_{c,g}` of pairs with context c is that of a Wright-Fisher allele and does not depend on the
    continuations, so that given these numbers every row drifts on its own,

    .. math:: E h_{c,g} = h_{c,0}\, E \prod_{i=1}^{g} \Big(1 - \frac{1}{N_{c,i}}\Big),

    where the factor of an empty row is 0: it does not return. The expectation is a product of matrices over
    the possible counts. Kind: exact mean.

    Pairs are documents of two symbols of `madtheory.Markov` of order 1. In longer documents the continuations
    decide how often a context occurs, and the formula does not hold, not even to leading order in 1/n: the
    mean of a fitted row is then not the row. What holds for every length are Wald's two identities of one
    generation, :math:`E[N_{cx} - p_{cx} N_c] = 0` and
    :math:`E[(N_{cx} - p_{cx} N_c)^2] = p_{cx} (1 - p_{cx})\, E N_c`.

    Parameters
    ----------
    n : int or sequence of int
        Pairs of a generation, at most 4000: the matrices have n + 1 rows.
    n_initial : int, optional
        Real pairs of generation 1; n by default.
    initial : array, shape (C,)
        True law of the contexts.
    rows : array, shape (C, K)
        True law of the continuations of each.
    generations : int
        Number of generations, the real fit included.

    Returns
    -------
    Labelled, shape (generations, C)

    Raises
    ------
    ValueError
        If the shapes do not fit together, or n is too large.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.row_heterozygosity(
    ...     n=20, initial=[0.8, 0.2], rows=[[0.5, 0.5], [0.2, 0.8]], generations=3
    ... ).round(4))
    [[0.4683 0.2159]
     [0.4382 0.1452]
     [0.4096 0.1026]]
    """
    first, table = check_law(initial), check_numbers("rows", rows)
    if table.ndim != 2 or len(table) != len(first) or (table < 0).any() or not (table.sum(1) > 0).all():
        raise ValueError(
            f"rows of shape {table.shape} are not laws of the continuations of {len(first)} contexts; pass "
            f"one row of probabilities for each."
        )
    sizes = sizes_of(n, n_initial, generations)
    if max(sizes) > _MOST:
        raise ValueError(
            f"n={max(sizes)} pairs need matrices of {max(sizes) + 1} rows; the most is {_MOST}. Use "
            f"markov_heterozygosity with the expected row sizes, which are then close."
        )
    law = table / table.sum(1, keepdims=True)
    drift = [1 - 1 / np.maximum(np.arange(size + 1), 1) for size in sizes]
    mass = _binomial(sizes[0], first[:, None]) * drift[0]
    means = [mass.sum(1)]
    for before, size, factor in zip(sizes[:-1], sizes[1:], drift[1:], strict=True):
        share = np.arange(before + 1)[:, None] / before
        mass = mass @ _binomial(size, share) * factor
        means.append(mass.sum(1))
    values = np.array(means) * (1 - np.einsum("ij,ij->i", law, law))
    return label(values, "exact mean", "derived here: Wright-Fisher rows with Wright-Fisher row counts")


def _binomial(n: int, p: Array) -> Array:
    """Return the probabilities of 0, ..., n successes, one row for each entry of p, shape (rows, 1)."""
    k = np.arange(n + 1)
    ways = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    law: Array = np.exp(ways + special.xlogy(k, p) + special.xlog1py(n - k, -p))
    return law


@check_arguments
def temperature_map(*, probabilities: ArrayLike, bias: float, generations: int) -> Labelled:
    r"""Return the laws of a loop that samples at a temperature, in the limit of many points.

    Sampling with probabilities proportional to :math:`p^{1/\tau}` and refitting without error gives

    .. math:: p_g \propto p_1^{\tau^{-(g - 1)}},

    the modes alone for :math:`\tau < 1`, and the uniform law on the support for :math:`\tau > 1`. Each row of
    a Markov model follows the same map, for every order. Kind: leading order in 1/n.

    Parameters
    ----------
    probabilities : array, shape (..., K)
        Law of generation 1, or one law per row.
    bias : float
        Temperature :math:`\tau`, above 0.
    generations : int
        Number of generations, the real fit included.

    Returns
    -------
    Labelled, shape (generations, ..., K)

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.temperature_map(probabilities=[0.6, 0.3, 0.1], bias=0.5, generations=3).round(2))
    [[0.6  0.3  0.1 ]
     [0.78 0.2  0.02]
     [0.94 0.06 0.  ]]
    """
    p, temperature = check_numbers("probabilities", probabilities), check_bias(bias)
    if (p < 0).any() or p.ndim == 0 or not (p.sum(-1) > 0).all():
        raise ValueError(
            f"probabilities={probabilities!r} must be 0 or more with a positive sum; "
            f"pass for example [0.5, 0.5]."
        )
    if temperature == 0:
        raise ValueError("bias=0 keeps the most probable symbol at once; pass a temperature above 0.")
    steps = np.arange(check_size("generations", generations)).reshape(-1, *[1] * p.ndim)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        relative = np.log(p / p.max(-1, keepdims=True))
        powers = np.where(relative == 0, 0.0, relative * temperature ** -steps.astype(float))
    powers = np.where(np.isneginf(relative), -np.inf, powers)
    values = np.exp(powers)
    values /= values.sum(-1, keepdims=True)
    return label(values, "leading order in 1/n", "derived here: population map of tempered sampling")
