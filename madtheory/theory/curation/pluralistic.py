"""Curation by several rewards: each point is chosen by one of several judges (Falahati et al. 2026)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from madtheory.theory.curation.choice import (
    NOISES,
    check_choices,
    check_law,
    log_law,
)
from madtheory.theory.labels import Labelled, label
from madtheory.theory.stability import at_least, synthetic_share
from madtheory.validation import check_arguments, check_choice, check_number, check_numbers, check_size

Array = NDArray[np.floating[Any]]

SOURCE = "derived here; the loop of Falahati et al. 2026 (arXiv 2605.07724)"


@check_arguments
def pluralistic_update(
    p: ArrayLike,
    *,
    rewards: ArrayLike,
    shares: ArrayLike,
    choices: float,
    noise: str = "luce",
    scale: float = 1.0,
) -> Labelled:
    r"""Return the law of the point that one of several judges chooses among K candidates from p.

    The judge is drawn with the probabilities :math:`q_i`, independently of the candidates, so that the law is
    the mixture of the laws under each,

    .. math:: p'(x) = p(x)\sum_i q_i H_{r_i}(x),

    with H as in `update`; it is not the update under the mixed reward. Kind: exact law.

    Parameters
    ----------
    p : array, shape (m,)
        Probabilities on a discrete space, or on the cells of a grid.
    rewards : array, shape (k, m)
        Rewards of each judge.
    shares : array, shape (k,)
        Probability :math:`q_i` of each judge; they sum to 1.
    choices, noise, scale
        As in `update`.

    Returns
    -------
    Labelled array, shape (m,)
        Probabilities.

    Raises
    ------
    ValueError
        If `p` or `shares` is not a law, the shapes do not fit, or an argument is out of range.

    Notes
    -----
    Source: the update of one reward (Ferbach et al. 2024, Lemma 2.1) and the loop of Falahati et al. 2026
    (arXiv 2605.07724); the sum is derived here.

    Examples
    --------
    >>> from madtheory.theory import curation
    >>> print(curation.pluralistic_update(
    ...     [0.5, 0.3, 0.2], rewards=[[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]], shares=[0.5, 0.5], choices=4
    ... ).round(4))
    [0.4937 0.2758 0.2305]
    """
    law, r, q, k, width = _arguments(p, rewards, shares, choices, noise, scale)
    return label(_mix(law, r, q, k, noise, width), "exact law", SOURCE)


@check_arguments
def iterate_pluralistic_update(
    p: ArrayLike,
    *,
    rewards: ArrayLike,
    shares: ArrayLike,
    choices: float,
    generations: int,
    reference: ArrayLike | None = None,
    curated_ratio: float = np.inf,
    noise: str = "luce",
    scale: float = 1.0,
) -> Labelled:
    r"""Return the law of each generation of a loop with several judges, with infinitely many points.

    .. math:: p_{t+1} = \frac1{1+\lambda}\,p_{ref} + \frac\lambda{1+\lambda}\,p_t \sum_i q_i H_{r_i, p_t}

    Kind: exact law. Parameters, returned value and errors: as for `pluralistic_update` and `iterate_update`.

    Notes
    -----
    Source: as for `pluralistic_update`.

    Examples
    --------
    >>> from madtheory.theory import curation
    >>> print(curation.iterate_pluralistic_update(
    ...     [0.5, 0.5], rewards=[[1.0, 0.0], [0.0, 1.0]], shares=[0.6, 0.4], choices=4, generations=3
    ... ).round(4))
    [[0.5    0.5   ]
     [0.5356 0.4644]
     [0.5681 0.4319]]
    """
    law, r, q, k, width = _arguments(p, rewards, shares, choices, noise, scale)
    real = law if reference is None else check_law("reference", reference, r[0])[0]
    share = float(synthetic_share(curated_ratio, "curated_ratio"))
    rows = np.empty((check_size("generations", generations), len(law)))
    rows[0] = law
    for t in range(1, len(rows)):
        rows[t] = (1 - share) * real + share * _mix(rows[t - 1], r, q, k, noise, width)
    return label(rows, "exact law", SOURCE)


@check_arguments
def basin_update(share: ArrayLike, *, first_share: float, gaps: ArrayLike, choices: float) -> Labelled:
    r"""Return the next share of the first of two basins, each of which one of two judges prefers.

    A point of the first basin has the reward :math:`\Delta_1` for the first judge, who comes with probability
    q, and 0 for the second; a point of the second basin has 0 and :math:`\Delta_2`. With
    :math:`A = e^{\Delta_1}`, :math:`B = e^{\Delta_2}`,

    .. math:: a' = \sum_{j=0}^K \binom Kj a^j (1 - a)^{K-j} f_j, \qquad
       f_j = q\,\frac{jA}{jA + K - j} + (1 - q)\,\frac{j}{j + (K - j)B}.

    Kind: exact law, for infinitely many points.

    Parameters
    ----------
    share : array
        Share a of the first basin.
    first_share : float
        Probability q of the first judge.
    gaps : array, shape (2,)
        Rewards :math:`\Delta_1, \Delta_2` of the preferred basins, 0 to infinity: with infinity the judge
        always chooses a point of that basin, if a candidate lies in it.
    choices : int or infinity
        Number of candidates K: an integer from 1 to 10,000, or infinity, with finite gaps.

    Returns
    -------
    Labelled array, the shape of `share`
        Share a' of the chosen points.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Source: derived here (of K candidates, j lie in the first basin); the setting is that of Falahati et al.
    2026 (arXiv 2605.07724).

    Examples
    --------
    >>> from madtheory.theory import curation
    >>> print(curation.basin_update(0.5, first_share=0.6, gaps=[3.0, 3.0], choices=2).round(4))
    0.5453
    """
    return label(_next_share(_share("share", share), first_share, gaps, choices), "exact law", SOURCE)


@check_arguments
def coexistence(*, first_share: float, gaps: ArrayLike, choices: float) -> dict[str, Labelled]:
    r"""Return the share at which two basins coexist, and how fast each grows while it is rare.

    While a basin is rare, its share is multiplied in every generation by

    .. math:: g_1 = \frac{qKA}{A + K - 1} + \frac{(1 - q)K}{1 + (K - 1)B}, \qquad
       g_2 = \frac{(1 - q)KB}{B + K - 1} + \frac{qK}{1 + (K - 1)A}.

    Both survive if and only if both factors are above 1; the share then tends to one value a, from any start
    inside (0, 1). Otherwise the basin whose factor is above 1 takes all. Two candidates
    never let both survive: then :math:`(g_1 - 1) = -(g_2 - 1)`. For infinite K,

    .. math:: a = \frac{qAB + 1 - q - B}{(A - 1)(B - 1)},

    which is q only if both gaps are infinite as well: the more frequent judge gets more than its share.

    Kind: exact law for infinitely many points; the share is numerical for finite K, to 1e-12.

    Parameters
    ----------
    first_share, gaps
        As in `basin_update`.
    choices : int or infinity
        Number of candidates K: an integer from 1 to 10,000, or infinity.

    Returns
    -------
    dict of Labelled scalars
        ``first_growth``, ``second_growth`` and ``share``: the limit of the first basin's share, 0 or 1 where
        one takes all, NaN where every share is a fixed point (K = 1, or a tie of two candidates).

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    *Proof.* With :math:`c_j = f_j - j/K`, a' - a is the Bernstein polynomial of :math:`c_0 = 0, c_1, \dots,
    c_K = 0` (`basin_update`). With x = j/K,

    .. math:: c_j = x(1 - x)\Big[\frac{q(A - 1)}{1 + (A - 1)x} - \frac{(1 - q)(B - 1)}{B - (B - 1)x}\Big],

    and the bracket decreases in x: the sequence changes its sign at most once, from plus to minus. A
    Bernstein polynomial has no more roots in (0, 1) than its coefficients have changes of sign, so there is
    at most one fixed point inside; as :math:`g_1 - 1 = Kc_1` and :math:`g_2 - 1 = -Kc_{K-1}`, there is one if
    and only if both factors are above 1. The :math:`f_j` increase with j, hence a' with a: the share moves
    towards the fixed point without crossing it. K = 2 has only one coefficient, :math:`c_1`. Infinite K is
    the limit. Source: derived here; the setting, and the conditions :math:`q > e^{-\Delta_1}` and
    :math:`1 - q > e^{-\Delta_2}`, which are sufficient for infinite K, are those of Falahati et al. 2026.

    Examples
    --------
    >>> from madtheory.theory import curation
    >>> for choices in (2, 3, 4, float("inf")):
    ...     print(choices, curation.coexistence(
    ...         first_share=0.7, gaps=[3.0, 3.0], choices=choices
    ...     )["share"].round(4))
    2 1.0
    3 1.0
    4 0.9302
    inf 0.721
    """
    q, (one, two) = check_number("first_share", first_share, 0, 1), _gaps(gaps)
    if choices == np.inf:
        a_inv, b_inv = np.exp(-one), np.exp(-two)
        first = (q * np.exp(one) if q else 0.0) + (1 - q) * b_inv
        second = ((1 - q) * np.exp(two) if q < 1 else 0.0) + q * a_inv
        with np.errstate(invalid="ignore", divide="ignore"):
            # Numerator and denominator over AB, so that infinite gaps stay finite.
            inner = (q + (1 - q) * a_inv * b_inv - a_inv) / ((1 - a_inv) * (1 - b_inv))
    else:
        f = _counted(q, gaps, choices)
        k = len(f) - 1
        first, second = k * f[1], k * (1 - f[k - 1])
        inner = np.nan
    if max(abs(first - 1), abs(second - 1)) < 1e-14:
        share = np.nan
    elif first > 1 and second > 1:
        share = float(inner) if choices == np.inf else _inner_root(f)
    else:
        share = float(first > 1)
    values = {"first_growth": first, "second_growth": second}
    law = {key: label(value, "exact law", SOURCE) for key, value in values.items()}
    return law | {"share": label(share, "exact law" if choices == np.inf else "numerical", SOURCE)}


@check_arguments
def basin_chain(
    *, n: int, initial_share: float, first_share: float, gaps: ArrayLike, choices: float, generations: int
) -> dict[str, Labelled]:
    r"""Return what becomes of two basins in a loop of n points: expected share and chance that one is lost.

    The number of points in the first basin is a Markov chain: :math:`X_{t+1} \sim \mathrm{Bin}(n, a'(X_t /
    n))`, with a' of `basin_update` and :math:`X_1 \sim \mathrm{Bin}(n, a_0)`. Even where infinitely many
    points let both coexist, one is lost in the end, after a time that is exponential in n. Kind: exact law
    (chance, by powers of the matrix) and exact mean.

    Parameters
    ----------
    n : int
        Points of each generation, at most 5,000; the matrix has (n + 1) squared entries.
    initial_share : float
        Share :math:`a_0` of the first basin in the real data.
    first_share, gaps, choices
        As in `basin_update`.
    generations : int
        Length of the trajectory; generation 1 is trained on real data.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``share`` of the first basin, expected; ``first_lost`` and ``second_lost``, probabilities.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Source: derived here; it is the chain of Wright and Fisher with selection that depends on frequency.

    Examples
    --------
    >>> from madtheory.theory import curation
    >>> print(curation.basin_chain(
    ...     n=50, initial_share=0.5, first_share=0.6, gaps=[3.0, 3.0], choices=2, generations=40
    ... )["second_lost"][-1].round(3))
    0.98
    """
    size = check_size("n", n, maximum=5_000)
    start = check_number("initial_share", initial_share, 0, 1)
    next_share = _next_share(np.arange(size + 1) / size, first_share, gaps, choices)
    law = _binomial_rows(size, np.array([start]))[0]
    matrix = _binomial_rows(size, next_share)
    rows = np.empty((3, check_size("generations", generations)))
    for t in range(rows.shape[1]):
        law = law @ matrix if t else law
        rows[:, t] = law @ np.arange(size + 1) / size, law[0], law[-1]
    kinds = ("exact mean", "exact law", "exact law")
    names = ("share", "first_lost", "second_lost")
    return {name: label(row, kind, SOURCE) for name, row, kind in zip(names, rows, kinds, strict=True)}


def _arguments(
    p: ArrayLike, rewards: ArrayLike, shares: ArrayLike, choices: Any, noise: str, scale: Any
) -> tuple[Array, Array, Array, float, float]:
    r = check_numbers("rewards", rewards)
    if r.ndim != 2:
        raise ValueError(f"rewards has shape {r.shape}; pass one row for each judge, shape (k, m).")
    law, _ = check_law("p", p, r[0])
    if law.ndim != 1:
        raise ValueError(f"p has shape {law.shape}; pass one law, shape (m,).")
    q = check_numbers("shares", shares)
    if q.shape != r.shape[:1] or (q < 0).any() or not np.isclose(q.sum(), 1, rtol=0, atol=1e-9):
        raise ValueError(
            f"shares={shares!r} is not one probability for each of the {len(r)} judges, with sum 1; pass for "
            f"example {[round(1 / len(r), 3)] * len(r)}."
        )
    check_choice("noise", noise, NOISES)
    return law, r, q, check_choices(choices), float(at_least("scale", scale, positive=True))


def _mix(law: Array, rewards: Array, shares: Array, choices: float, noise: str, scale: float) -> Array:
    if choices == 1:
        return law
    parts = [np.exp(log_law(law, reward, choices, noise, scale)) for reward in rewards]
    mixed: Array = shares @ np.array(parts)
    return mixed / mixed.sum()


def _share(name: str, value: ArrayLike) -> Array:
    share = at_least(name, value)
    if (share > 1).any():
        raise ValueError(f"{name}={value!r} is above 1; pass a share from 0 to 1.")
    return share


def _gaps(gaps: ArrayLike) -> tuple[float, float]:
    both = at_least("gaps", gaps, positive=True, infinite=True)
    if both.shape != (2,):
        raise ValueError(f"gaps={gaps!r} has shape {both.shape}; pass two numbers, one for each basin.")
    return float(both[0]), float(both[1])


def _counted(first_share: Any, gaps: ArrayLike, choices: Any) -> Array:
    """Return the chance that a point of the first basin is chosen, by the number of candidates in it."""
    q, (one, two) = check_number("first_share", first_share, 0, 1), _gaps(gaps)
    k = check_size("choices", choices, maximum=10_000)
    chances = np.linspace(0.0, 1.0, k + 1)
    odds = special.logit(chances[1:-1])
    chances[1:-1] = q * special.expit(odds + one) + (1 - q) * special.expit(odds - two)
    return chances


def _next_share(a: Array, first_share: Any, gaps: ArrayLike, choices: Any) -> Array:
    if choices != np.inf:
        return _bernstein(a, _counted(first_share, gaps, choices))
    q, (one, two) = check_number("first_share", first_share, 0, 1), _gaps(gaps)
    if np.isinf([one, two]).any():
        raise ValueError(
            f"gaps={gaps!r} holds infinity, and choices=inf too: a basin of any size is then found at once; "
            f"pass a finite number of choices."
        )
    odds = special.logit(a)
    return np.asarray(q * special.expit(odds + one) + (1 - q) * special.expit(odds - two))


def _bernstein(a: Array, coefficients: Array) -> Array:
    """Return the sum of binomial probabilities times coefficients."""
    k = len(coefficients) - 1
    return np.clip(_binomial_rows(k, np.atleast_1d(a).ravel()) @ coefficients, 0, 1).reshape(np.shape(a))


def _binomial_rows(n: int, chance: Array) -> Array:
    """Return binomial probabilities of 0 to n successes, one row for each chance; rows sum to 1."""
    j = np.arange(n + 1.0)
    log_ways = special.gammaln(n + 1) - special.gammaln(j + 1) - special.gammaln(n - j + 1)
    p = chance[:, None]
    rows = np.exp(log_ways + special.xlogy(j, p) + special.xlog1py(n - j, -p))
    return np.asarray(rows / rows.sum(1, keepdims=True))


def _inner_root(coefficients: Array) -> float:
    """Return the fixed point inside (0, 1), by bisection: the polynomial changes its sign there only."""
    from scipy.optimize import brentq

    k = len(coefficients) - 1
    excess = coefficients - np.arange(k + 1) / k

    def change(logit: float) -> float:
        # Divided by a(1 - a), so that it has no roots at the ends.
        a = special.expit(logit)
        return float(_binomial_rows(k - 2, np.array([a]))[0] @ (excess[1:-1] / _weights(k)))

    return float(special.expit(brentq(change, -700.0, 700.0, xtol=1e-13)))


def _weights(k: int) -> Array:
    """Return the ratio of binomial weights of degree k - 2, times a(1 - a), to those of degree k."""
    j = np.arange(1.0, k)
    return j * (k - j) / (k * (k - 1))
