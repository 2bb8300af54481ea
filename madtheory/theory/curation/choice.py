"""Exact update of a discrete law by the choice of one among K candidates."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from madtheory.theory.labels import Labelled, label
from madtheory.theory.stability import at_least, synthetic_share
from madtheory.validation import check_arguments, check_choice, check_numbers, check_size

Array = NDArray[np.floating[Any]]

NOISES = ("luce", "hard", "thurstone")
SOURCE = "Ferbach et al. 2024 (arXiv 2407.09499), Lemma 2.1; integral form derived here"
CHUNK = 2_000_000  # entries of the quadrature's matrix at a time


@check_arguments
def update(
    p: ArrayLike, *, reward: ArrayLike, choices: float, noise: str = "luce", scale: float = 1.0
) -> Labelled:
    r"""Return the law of the point chosen among K independent candidates from p.

    With the choice :math:`P(x_k) \propto e^{r(x_k)}` of Luce (K = 2: Bradley and Terry), p' = p H with

    .. math:: H(x) = E\,\frac{K e^{r(x)}}{e^{r(x)} + \sum_{i<K} e^{r(x_i)}}
       = K\int_0^\infty e^{r(x)}e^{-se^{r(x)}}\varphi(s)^{K-1}\,ds, \qquad
       \varphi(s) = E_p\,e^{-se^{r(X)}},

    and :math:`p' \propto p e^r` for infinite K. Every `noise` chooses the largest :math:`r + \xi`, with
    Gumbel, zero or normal :math:`\xi`, and has such an integral. Kind: exact law.

    Parameters
    ----------
    p : array, shape (*batch, m)
        Probabilities on a discrete space, or on the cells of a grid; each row sums to 1.
    reward : array, shape (*batch, m)
        Rewards; a constant added to them changes nothing. Broadcast against `p`.
    choices : float
        Number of candidates K, from 1 (no choice) to infinity; if not an integer, the integral defines H.
    noise : {"luce", "hard", "thurstone"}
        Law of the choice: the one above; the largest reward, with ties broken at random; or the largest
        reward plus normal noise. For the last two, infinite K leaves only the best points.
    scale : float
        Scale of the noise: Luce with :math:`e^{r/\mathrm{scale}}`, or the normal's standard deviation.

    Returns
    -------
    Labelled array, shape (*batch, m)
        Rows that sum to 1: they are renormalised, as an error of the sum would grow K-fold in each update.

    Raises
    ------
    ValueError
        If a row of `p` is not a law, the shapes do not fit, or an argument is out of range.

    Notes
    -----
    Cost O(m Q), with about 5 (50 + range of the rewards) nodes Q for Luce; accurate to 1e-10, and to rounding
    for integer K. Source: Ferbach et al. 2024 (arXiv 2407.09499), Lemma 2.1; the integral is derived here.

    Examples
    --------
    >>> from madtheory.theory import curation
    >>> print(curation.update([0.5, 0.3, 0.2], reward=[0.0, 1.0, 2.0], choices=4).round(4))
    [0.2616 0.3379 0.4006]
    """
    law, r = check_law("p", p, reward)
    k = check_choices(choices)
    out = np.exp(log_law(law, r, k, check_choice("noise", noise, NOISES), _scale(scale))) if k > 1 else law
    return label(out, "exact law", SOURCE)


@check_arguments
def iterate_update(
    p: ArrayLike,
    *,
    reward: ArrayLike,
    choices: float,
    generations: int,
    reference: ArrayLike | None = None,
    curated_ratio: float = np.inf,
    noise: str = "luce",
    scale: float = 1.0,
) -> Labelled:
    r"""Return the law of each generation of a curated loop, with infinitely many points.

    .. math:: p_{t+1} = \frac1{1+\lambda}\,p_{ref} + \frac\lambda{1+\lambda}\,p_t H_{p_t}

    Kind: exact law.

    Parameters
    ----------
    p : array, shape (m,)
        Law of generation 1.
    reward : array, shape (m,)
        Rewards.
    choices : float
        Number of candidates K, as in `update`.
    generations : int
        Length of the trajectory.
    reference : array, shape (m,), optional
        Law of the real data; by default `p`.
    curated_ratio : float
        Curated points per real point, :math:`\lambda`; infinity is the loop without real data.
    noise, scale
        As in `update`.

    Returns
    -------
    Labelled array, shape (generations, m)
        Entry 0 is generation 1: `p` itself.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Source: Ferbach et al. 2024 (arXiv 2407.09499), Lemma 2.1.

    Examples
    --------
    >>> from madtheory.theory import curation
    >>> print(curation.iterate_update(
    ...     [0.5, 0.3, 0.2], reward=[0.0, 1.0, 2.0], choices=4, generations=3
    ... ).round(3))
    [[0.5   0.3   0.2  ]
     [0.262 0.338 0.401]
     [0.091 0.273 0.636]]
    """
    law, r = _one_law("p", p, reward)
    real = law if reference is None else _one_law("reference", reference, reward)[0]
    k, share = check_choices(choices), float(synthetic_share(curated_ratio, "curated_ratio"))
    check_choice("noise", noise, NOISES)
    width = _scale(scale)
    rows = np.empty((check_size("generations", generations), len(law)))
    rows[0] = law
    with np.errstate(divide="ignore"):
        log_p, log_real = np.log(law), np.log(real) + np.log1p(-share)
    for t in range(1, len(rows)):
        if k > 1:
            log_p = _normalise(log_p + _log_gain(log_p, r, k, noise, width))
        if share < 1:
            log_p = np.logaddexp(log_real, log_p + np.log(share)) if share > 0 else np.log(real)
        rows[t] = np.exp(log_p) if k > 1 or share < 1 else rows[t - 1]
    return label(rows, "exact law", SOURCE)


def log_law(law: Array, reward: Array, choices: float, noise: str, scale: float) -> Array:
    """Log of the chosen point's law, row by row."""
    with np.errstate(divide="ignore"):
        logs = np.log(law)
    flat = zip(logs.reshape(-1, logs.shape[-1]), reward.reshape(-1, logs.shape[-1]), strict=True)
    return np.array([_normalise(row + _log_gain(row, r, choices, noise, scale)) for row, r in flat]).reshape(
        logs.shape
    )


def _log_gain(log_p: Array, reward: Array, choices: float, noise: str, scale: float) -> Array:
    """Log of H; 0 where p is 0."""
    held = np.isfinite(log_p)
    levels, where = np.unique(reward[held], return_inverse=True)
    logs = _log_mass(log_p[held], where, len(levels))
    if noise == "hard" or (noise == "thurstone" and choices == np.inf):
        gain = _hard(logs, choices)
    elif choices == np.inf:
        gain = (levels - levels[-1]) / scale
    elif noise == "luce":
        gain = _quadrature(logs, (levels - levels[-1]) / scale, choices, _gumbel)
    else:
        gain = _quadrature(logs, (levels - levels[-1]) / scale, choices, _normal)
    out = np.zeros(len(log_p))
    out[held] = gain[where]
    return out


def _log_mass(log_p: Array, where: NDArray[np.intp], n: int) -> Array:
    """Log of the total mass of each level."""
    top = np.full(n, -np.inf)
    np.maximum.at(top, where, log_p)
    return top + np.log(np.bincount(where, np.exp(log_p - top[where]), n))


def _hard(logs: Array, choices: float) -> Array:
    """Log of (F(r)^K - F(r-)^K) / P(r), for levels in increasing order."""
    if choices == np.inf:
        return np.where(np.arange(len(logs)) == len(logs) - 1, -logs, -np.inf)
    upto = np.logaddexp.accumulate(logs)
    upto -= upto[-1]
    # A level whose mass is below rounding still grows.
    with np.errstate(divide="ignore"):
        change = choices * np.log1p(-np.exp(np.minimum(logs - upto, 0.0)))
        return choices * upto + np.log(-np.expm1(change)) - logs


def _quadrature(logs: Array, levels: Array, choices: float, noise: Any) -> Array:
    """Return the log of H at each level; the trapezoid rule's error is exponentially small in 1 / step."""
    step = 0.2 if float(choices).is_integer() else 0.05
    gain: Array = np.zeros(len(levels))
    log_share = _normalise(logs)
    for _ in range(6):
        gain = _trapezoid(log_share, levels, choices, noise, step)
        if abs(np.exp(log_share + gain).sum() - 1) < 1e-12:
            break
        step /= 2
    return gain


def _trapezoid(log_share: Array, levels: Array, choices: float, noise: Any, step: float) -> Array:
    # Nodes lie on one lattice, wherever the noise of some level has weight.
    low, high = noise(None, choices)
    first = np.floor((-levels + low) / step).astype(int)
    last = np.ceil((-levels + high) / step).astype(int)
    order = np.argsort(first)
    runs, end = [], None
    for i in order:
        begin = first[i] if end is None else max(first[i], end + 1)
        if begin <= last[i]:
            runs.append(np.arange(begin, last[i] + 1))
            end = last[i]
    nodes = np.concatenate(runs) * step
    share = np.exp(log_share)
    total = np.full(len(levels), -np.inf)
    width = max(1, CHUNK // len(levels))
    for start in range(0, len(nodes), width):
        z = nodes[start : start + width, None] + levels
        density, left, log_right = noise(z, choices)
        missing = left @ share
        # log1p keeps K log(phi) accurate for large K; logsumexp keeps it finite for small phi.
        log_phi = np.where(
            missing < 0.5,
            np.log1p(-np.minimum(missing, 0.5)),
            _log_sum(log_right + log_share, 1),
        )
        part = _log_sum(density + (choices - 1) * log_phi[:, None], 0)
        total = np.logaddexp(total, part)
    return total + np.log(choices * step)


def _gumbel(z: Array | None, choices: float) -> Any:
    """Return the log density of the noise, 1 less its survival function, and the log of the latter."""
    if z is None:
        return -45.0 - np.log(choices), 6.7
    s = np.exp(np.minimum(z, 700.0))
    return z - s, -np.expm1(-s), -s


def _normal(z: Array | None, choices: float) -> Any:
    if z is None:
        reach = 9.0 + np.sqrt(2 * np.log(choices))
        return -reach, 9.0 + 0.0 * reach
    return -0.5 * z * z - 0.5 * np.log(2 * np.pi), special.ndtr(z), special.log_ndtr(-z)


def _normalise(logs: Array) -> Array:
    return logs - _log_sum(logs, -1)


def _log_sum(logs: Array, axis: int) -> Array:
    """Return the log of a sum of exponentials as SciPy's `logsumexp` does, without its checks."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        top = logs.max(axis, keepdims=True)
        highest = logs == top
        many = highest.sum(axis, keepdims=True, dtype=float)
        rest = np.exp(np.where(highest, -np.inf, logs) - top).sum(axis, keepdims=True)
        total: Array = np.log1p(rest / many) + np.log(many) + top
        if not np.isfinite(total).all():
            total = np.where(np.isfinite(total), total, np.log(np.exp(logs).sum(axis, keepdims=True)))
    return total.squeeze(axis)


def check_law(name: str, p: ArrayLike, reward: ArrayLike) -> tuple[Array, Array]:
    """Return laws and rewards of one shape; each law sums to exactly 1 up to rounding."""
    law, r = check_numbers(name, p), check_numbers("reward", reward)
    if law.ndim == 0 or r.shape[-1:] != law.shape[-1:]:
        raise ValueError(
            f"reward has shape {r.shape} and {name} {law.shape}; both need m as their last length."
        )
    sums = law.sum(-1, keepdims=True)
    if (law < 0).any() or not np.allclose(sums, 1, rtol=0, atol=1e-9):
        raise ValueError(
            f"{name} is not a law: it needs entries of 0 or more with sum 1 (the sums are {sums.squeeze()}); "
            f"pass {name} / {name}.sum(-1, keepdims=True)."
        )
    try:
        shape = np.broadcast_shapes(law.shape, r.shape)
    except ValueError:
        raise ValueError(f"{name} of shape {law.shape} and reward of shape {r.shape} do not fit.") from None
    return np.broadcast_to(law, shape), np.broadcast_to(r, shape)


def _one_law(name: str, p: ArrayLike, reward: ArrayLike) -> tuple[Array, Array]:
    law, r = check_law(name, p, reward)
    if law.ndim != 1:
        raise ValueError(f"{name} has shape {law.shape} with these rewards; pass one law, shape (m,).")
    return law, r


def check_choices(choices: Any) -> float:
    """Return K: a number from 1 to infinity."""
    try:
        k = float(choices)
    except (TypeError, ValueError):
        k = np.nan
    if not k >= 1:
        raise ValueError(f"choices={choices!r} is not 1 or more; pass for example 2, or infinity.")
    return k


def _scale(scale: Any) -> float:
    return float(at_least("scale", scale, positive=True))


def top_of(law: Array, reward: Array) -> Array:
    """Return the largest reward that has mass, shape (*batch, 1)."""
    return np.where(law > 0, reward, -np.inf).max(-1, keepdims=True)
