"""Probability lost with rare symbols, and the corpus of which one fit would have lost as much."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from madtheory.theory.categorical.ancestry import extinction
from madtheory.theory.categorical.chain import check_law
from madtheory.theory.gaussian import Sizes
from madtheory.theory.labels import Labelled, label
from madtheory.validation import check_arguments, check_number, check_size

_BRANCHING = "derived here: Galton-Watson, Poisson(1) offspring; relative error of order g/n at generation g"


@check_arguments
def missing_mass(
    *, n: Sizes, probabilities: ArrayLike, n_initial: int | None = None, generations: int
) -> Labelled:
    r"""Return the true probability of the symbols that have died out.

    It is :math:`\sum_i p_i P(i \text{ extinct})`, in `replace`; what a model has lost is what it never
    produces again. Kind: exact mean. Arguments as in `support_size`.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.missing_mass(n=20, probabilities=[0.6, 0.3, 0.1], generations=3).round(4))
    [0.0124 0.0297 0.0479]
    """
    p = check_law(probabilities)
    gone = extinction(n=n, n_initial=n_initial, probabilities=p, generations=generations)
    return label(np.asarray(gone) @ p, "exact mean", gone.source)


@check_arguments
def effective_corpus(*, n: int, generations: int) -> Labelled:
    r"""Return the number of real points from which a fit would have lost as much as a chain of fits.

    A symbol of probability p is extinct at generation g with the probability :math:`q_g^{np}`, as if missing
    from :math:`n_g = -n \log q_g` real points, with :math:`q_{g+1} = e^{q_g - 1}`: :math:`n_1 = n`,
    :math:`n_2 = 0.632\,n`, and :math:`n_g \to 2n/g`. Kind: leading order in 1/n.

    Parameters
    ----------
    n : int
        Points of each generation.
    generations : int
        Number of generations, the real fit included.

    Returns
    -------
    Labelled, shape (generations,)
        In points.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.effective_corpus(n=1000, generations=4).round(1))
    [1000.   632.1  468.5  374.1]
    """
    n, rate, rates = check_size("n", n), np.inf, []
    for _ in range(check_size("generations", generations)):
        rate = -np.expm1(-rate)  # that of -log q
        rates.append(n * rate)
    return label(rates, "leading order in 1/n", _BRANCHING)


@check_arguments
def power_law_missing_mass(*, n: int, exponent: float, generations: int) -> Labelled:
    r"""Return the true probability that a chain has lost of a power law, in `replace`.

    Of Zipf's law :math:`p_i = A i^{-\beta}` it is

    .. math:: \frac{A^{1/\beta}}{\beta} \Gamma(1 - 1/\beta)\, n_g^{-(1 - 1/\beta)}, \quad A = 1/\zeta(\beta),

    with the effective corpus :math:`n_g` of `effective_corpus`: the exponent of one fit stays, and the loss
    grows like :math:`g^{1 - 1/\beta}`. Kind: leading order in 1/n.

    Parameters
    ----------
    n : int
        Points of each generation.
    exponent : float
        Exponent :math:`\beta > 1` of the law by rank (dimensionless).
    generations : int
        Number of generations, the real fit included.

    Returns
    -------
    Labelled, shape (generations,)
        Probability.

    Raises
    ------
    ValueError
        For arguments out of range.

    Notes
    -----
    Source: the learner that knows what it has seen is that of Dohmatob et al. 2024 (arXiv 2402.07043), whose
    bound for several generations adds up; the effective corpus is derived here.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.power_law_missing_mass(n=10_000, exponent=2.0, generations=3).round(5))
    [0.00691 0.00869 0.01009]
    """
    beta = check_number("exponent", exponent, 1, above=True)
    corpus = np.asarray(effective_corpus(n=n, generations=generations))
    scale = special.zeta(beta) ** (-1 / beta) / beta * special.gamma(1 - 1 / beta)
    return label(scale * corpus ** (1 / beta - 1), "leading order in 1/n", _BRANCHING)
