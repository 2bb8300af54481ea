"""Expected functions of one symbol's frequency, by the size-biased chain on Chebyshev nodes."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from madtheory.theory.gaussian import Sizes, sizes_of
from madtheory.theory.labels import Labelled, label
from madtheory.validation import check_arguments, check_numbers, check_size

Array = NDArray[np.floating[Any]]

_MOST = 40_000
_SPINE = (
    "derived here: size-biased Wright-Fisher chain, E sum f(p) = sum p E f(x)/x, x -> (1 + Bin(n-1, x))/n; "
    "the loop is Shumailov et al. 2024 (Nature 631), discrete case"
)


def check_law(probabilities: ArrayLike) -> Array:
    """Return probabilities, shape (K,), divided by their sum."""
    p = check_numbers("probabilities", probabilities)
    if p.ndim != 1 or not p.size or (p < 0).any() or p.sum() <= 0:
        raise ValueError(
            f"probabilities={probabilities!r} are not a law of K symbols; pass for example [0.5, 0.5]."
        )
    return p / p.sum()


@check_arguments
def expected_sum(
    *,
    function: Callable[[Array], ArrayLike],
    n: Sizes,
    probabilities: ArrayLike,
    n_initial: int | None = None,
    generations: int,
) -> Labelled:
    r"""Return the mean of :math:`\sum_i f(p_{g,i})` in the `replace` loop, for any f with f(0) = 0.

    Seen from a symbol chosen with probability :math:`p_i`, the frequency follows
    :math:`x \to (1 + \mathrm{Bin}(n - 1, x))/n`, and :math:`E \sum_i f(p_{g,i}) = \sum_i p_i E f(x_g)/x_g`.
    That chain maps polynomials to polynomials of the same degree or lower, and damps the one of degree k by
    about :math:`\prod_{j<k} (1 - j/n)`: a small multiple of :math:`\sqrt n` Chebyshev nodes represents it to
    rounding. Kind: exact mean.

    Parameters
    ----------
    function : callable
        Function f, vectorised over the frequencies 1/n, 2/n, ..., 1; f(0) = 0 is assumed.
    n : int, sequence or callable
        Sample size of generation g.
    probabilities : array, shape (K,)
        True law.
    n_initial : int, optional
        Real points of generation 1; `n` at generation 1 by default.
    generations : int
        Number of generations, the real fit included.

    Returns
    -------
    Labelled, shape (generations,)

    Raises
    ------
    ValueError
        For arguments out of range, or samples of more than 40,000 points (the cost grows with n).

    Notes
    -----
    Agrees with powers of the exact chain `symbol_chain` to about 1e-10 of the largest value of f(x)/x.

    Examples
    --------
    >>> import numpy as np
    >>> from madtheory.theory import categorical
    >>> print(categorical.expected_sum(
    ...     function=np.sqrt, n=20, probabilities=[0.5, 0.3, 0.2], generations=4
    ... ).round(4))
    [1.6748 1.6421 1.6071 1.5722]
    """
    p, sizes = check_law(probabilities), sizes_of(n, n_initial, generations)
    if max(sizes) > _MOST:
        raise ValueError(
            f"n={max(sizes)} (or n_initial) is above {_MOST}; simulate, or use the diffusion limits."
        )
    nodes = min(max(sizes), int(6 * np.sqrt(max(sizes))) + 24)
    different, inverse = np.unique(p[p > 0], return_inverse=True)
    mass = np.bincount(inverse, p[p > 0])
    state = mass @ _cosines(different, nodes) @ _analysis(nodes)
    values, means = np.empty(len(sizes)), {}
    for g, size in enumerate(sizes):
        if size not in means:
            x = np.arange(1, size + 1) / size
            value = check_numbers("function(x)", function(x))
            if value.shape not in ((), x.shape):
                raise ValueError(f"function(x) has shape {value.shape} for x of shape {x.shape}.")
            ratio = np.broadcast_to(value / x, x.shape)
            means[size] = _expectation(size, nodes, ratio[:, None])[:, 0]
        values[g] = state @ means[size]
        if g + 1 < len(sizes):
            state = state @ _step(size, nodes)
    return label(values, "exact mean", _SPINE)


@check_arguments
def entropy(
    *, n: Sizes, probabilities: ArrayLike, n_initial: int | None = None, generations: int
) -> Labelled:
    r"""Return the mean Shannon entropy (nats) of the `replace` loop, generation by generation.

    It is also the mean divergence from the truth: :math:`E\,\mathrm{KL}(p_g | p_0) = S_0 - E S_g` exactly,
    because every :math:`p_{g,i}` is a martingale. Kind: exact mean. Arguments as in `expected_sum`.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.entropy(n=20, probabilities=[0.5, 0.3, 0.2], generations=4).round(4))
    [0.9771 0.9243 0.8727 0.8235]
    """
    return expected_sum(
        function=lambda x: -special.xlogy(x, x),
        n=n, probabilities=probabilities, n_initial=n_initial, generations=generations,
    )  # fmt: skip


@check_arguments
def chi_squared(
    *, n: Sizes, probabilities: ArrayLike, n_initial: int | None = None, generations: int
) -> Labelled:
    r"""Return the mean chi-squared divergence from the truth, :math:`(K - 1)(1 - \prod_g (1 - 1/n_g))`.

    K counts the symbols of positive probability. Kind: exact mean. Arguments as in `expected_sum`.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.chi_squared(n=20, probabilities=[0.5, 0.3, 0.2], generations=4).round(4))
    [0.1    0.195  0.2853 0.371 ]
    """
    alive = np.count_nonzero(check_law(probabilities))
    kept = np.cumprod(1 - 1 / np.array(sizes_of(n, n_initial, generations), dtype=float))
    return label((alive - 1) * (1 - kept), "exact mean", "derived here: Wright-Fisher covariances")


@check_arguments
def symbol_chain(*, n: int) -> Labelled:
    """Return the transition matrix of one symbol's count, (n + 1, n + 1): row j is Bin(n, j/n).

    Kind: exact law.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.symbol_chain(n=4).round(4))
    [[1.     0.     0.     0.     0.    ]
     [0.3164 0.4219 0.2109 0.0469 0.0039]
     [0.0625 0.25   0.375  0.25   0.0625]
     [0.0039 0.0469 0.2109 0.4219 0.3164]
     [0.     0.     0.     0.     1.    ]]
    """
    n = check_size("n", n, maximum=_MOST)
    x = np.arange(n + 1) / n
    return label(_binomial(n, x, 1 - x, 0, n), "exact law", "Fisher 1930; Wright 1931 (Genetics 16)")


def _cosines(x: Array, count: int) -> Array:
    """Return the Chebyshev polynomials of [0, 1] of the orders below `count`, shape (len(x), count)."""
    angle = 2 * np.arcsin(np.sqrt(x))
    turn = np.exp(1j * angle[:, None] * np.arange(32))
    jump = np.exp(1j * angle[:, None] * np.arange(0, count, 32))
    product = jump.real[:, :, None] * turn.real[:, None] - jump.imag[:, :, None] * turn.imag[:, None]
    cosines: Array = product.reshape(len(x), -1)[:, :count]
    return cosines


@lru_cache(maxsize=8)
def _nodes(count: int) -> tuple[Array, Array]:
    """Return the Chebyshev nodes x of [0, 1] in ascending order, and 1 - x."""
    angle = np.pi * (np.arange(count) + 0.5) / (2 * count)
    return np.sin(angle) ** 2, np.cos(angle) ** 2


@lru_cache(maxsize=8)
def _analysis(count: int) -> Array:
    """Return the matrix from values at the nodes to coefficients."""
    matrix = np.cos(np.pi * np.outer(np.arange(count), np.arange(count) + 0.5) / count) * (2 / count)
    matrix[0] /= 2
    return matrix


def _expectation(n: int, count: int, values: Array) -> Array:
    """Return the mean of functions of (1 + Bin(n-1, x))/n at each node x, given on the grid 1/n, ..., 1."""
    x, y = _nodes(count)
    out = np.empty((count, values.shape[1]))
    for rows in np.array_split(np.arange(count), max(count // 16, 1)):
        reach = 9 * np.sqrt(n * (x * y)[rows].max()) + 40
        low = max(int((n - 1) * x[rows[0]] - reach), 0)
        high = min(int((n - 1) * x[rows[-1]] + reach), n - 1)
        weight = _binomial(n - 1, x[rows], y[rows], low, high)
        out[rows] = (weight / weight.sum(1, keepdims=True)) @ values[low : high + 1]
    return out


@lru_cache(maxsize=4)
def _step(n: int, count: int) -> Array:
    """Return the matrix of one generation of the size-biased chain, on values at the nodes."""
    return _expectation(n, count, _cosines(np.arange(1, n + 1) / n, count)) @ _analysis(count)


def _binomial(n: int, x: Array, y: Array, low: int, high: int) -> Array:
    """Return probabilities of low, ..., high under Bin(n, x), y = 1 - x, also for large n (Loader 2000)."""
    k = np.arange(low, high + 1)
    out = np.zeros((len(x), len(k)))
    inner = (k > 0) & (k < n)
    j = k[inner].astype(float)
    root = 0.5 * np.log(n / (2 * np.pi * j * (n - j))) + _stirling(n) - _stirling(j) - _stirling(n - j)
    inside = (x > 0) & (y > 0)
    mean, rest = n * x[inside, None], n * y[inside, None]
    log = root - j * np.log1p((j - mean) / mean) - (n - j) * np.log1p((n - j - rest) / rest)
    out[np.ix_(inside, inner)] = np.exp(log)
    if low == 0:
        out[:, 0] = y**n
    if high == n:
        out[:, -1] = x**n
    return out


def _stirling(k: ArrayLike) -> Array:
    """Return the error of Stirling's formula for log k!."""
    k = np.asarray(k, dtype=float)
    large, small = np.maximum(k, 16.0), np.maximum(k, 1.0)
    u = large**-2
    series = (1 / 12 - u * (1 / 360 - u * (1 / 1260 - u * (1 / 1680 - u / 1188)))) / large
    direct = special.gammaln(small + 1) - (small + 0.5) * np.log(small) + small - 0.5 * np.log(2 * np.pi)
    return np.where(k >= 16, series, direct)
