"""Exact second moments of Gaussian loops that mix real data with the last synthetic batch.

Write ``D = (mean - truth)(mean - truth)'`` and ``V`` for the fitted covariance, both in coordinates
where the true covariance is the identity. The means of ``tr XY`` and of ``tr X tr Y``, for ``X`` and
``Y`` among the identity, the scatter of a fixed real set, ``D`` and ``V``, obey an affine recursion.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madtheory.theory.labels import Labelled, label
from madtheory.validation import (
    check_arguments,
    check_bias,
    check_choice,
    check_ddof,
    check_size,
    freeze,
    size_at,
)

RealData = Literal["fresh", "fixed"]
Array = NDArray[np.float64]

_I, _S, _D, _V = range(4)  # identity, scatter of the fixed real set, squared mean error, covariance
_UNKNOWN = {  # (form, row, column) of every moment that changes; form 0: E tr XY, 1: E tr X tr Y
    "fresh": ((0, _I, _D), (0, _I, _V), (0, _D, _D), (0, _D, _V), (1, _D, _V), (0, _V, _V), (1, _V, _V)),
    "fixed": ((0, _S, _D), (0, _S, _V), (1, _S, _D), (1, _S, _V)),
}


class Mix(NamedTuple):
    """One generation: `n_real` real and `n_synthetic` synthetic points; sizes may be any reals >= 0."""

    n_real: float
    n_synthetic: float
    bias: float
    ddof: int
    known_mean: bool
    dim: int
    real_data: RealData


def check_mix(
    n_real: int, n_synthetic: int, bias: float, ddof: int | None, known_mean: bool, dim: int, real_data: str
) -> Mix:
    """Return a `Mix` of checked arguments."""
    c = check_ddof(ddof, known_mean)
    mix = Mix(
        check_size("n_real", n_real),
        check_size("n_synthetic", n_synthetic, 0),
        check_bias(bias),
        c,
        known_mean,
        check_size("dim", dim),
        check_choice("real_data", real_data, ("fresh", "fixed")),
    )
    if mix.n_real + mix.n_synthetic <= c:
        raise ValueError(
            f"n_real={n_real} leaves the divisor n - ddof at 0; pass n_real of at least {c + 1}."
        )
    return mix


def _symmetric(entries: dict[tuple[int, int], float]) -> Array:
    out = np.zeros((4, 4))
    for (i, j), value in entries.items():
        out[i, j] = out[j, i] = value
    return out


def _constants(mix: Mix) -> Array:
    """Return the two forms with every moment of D and V at zero; shape (2, 4, 4)."""
    d, dof = mix.dim, mix.n_real - (not mix.known_mean)
    if mix.real_data == "fresh":
        dof = 0.0
    trace = {(_I, _I): d, (_I, _S): d * dof, (_S, _S): d * dof * (dof + d + 1)}
    traces = {(_I, _I): d**2, (_I, _S): d**2 * dof, (_S, _S): d * dof * (d * dof + 2)}
    return np.array([_symmetric(trace), _symmetric(traces)])


@np.errstate(over="ignore", invalid="ignore")
def step(forms: Array, mix: Mix, unit: float = 1.0) -> Array:
    """Return the two forms, shape (2, 4, 4), one generation later, with D and V in units of ``1 / unit``.

    Given the past, the new mean ``x``, the difference ``y`` of the synthetic and the real mean, and
    the two scatters are Gaussian and Wishart, so fourth moments are sums over pairings.
    """
    n_r, n_s, bias, ddof, known_mean, _, real_data = mix
    total = n_r + n_s
    w, fresh = n_s / total, (real_data == "fresh") * unit
    eye, scatter, square, cov = np.eye(4)  # a matrix is its coordinates on I, S, D, V
    if known_mean:
        w, k, x, y, xy = 0.0, 0.0, 0 * eye, 0 * eye, 0 * eye
    else:
        k = n_r * w
        x = w**2 * square + (w * bias / total) * cov + fresh * (n_r / total**2) * eye  # E xx'
        y = k * (square + fresh / n_r * eye) + (bias * n_r / total) * cov  # k E yy'
        xy = w * square + (bias / total) * cov - fresh / total * eye  # E xy'
    dof_r, dof_s = n_r - (not known_mean), n_s - (not known_mean)
    old_scatter = (dof_r * eye if real_data == "fresh" else scatter) * unit + bias * dof_s * cov
    new = old_scatter + y

    def one(u: Array, v: Array) -> float:
        return float(u @ forms[0] @ v)

    def two(u: Array, v: Array) -> float:
        return float(u @ forms[1] @ v)

    fourth = one(square, square)
    wishart = bias * bias * dof_s, fresh * unit * dof_r
    trace = {
        (_D, _D): 2 * one(x, x) + two(x, x) - 2 * w**4 * fourth,
        (_D, _V): one(x, new) + k * (one(xy, xy) + two(xy, xy) - 2 * w**2 * fourth),
        (_V, _V): one(new, new) + one(y, y) + two(y, y) - 2 * k**2 * fourth
        + wishart[0] * (one(cov, cov) + two(cov, cov)) + wishart[1] * (one(eye, eye) + two(eye, eye)),
    }  # fmt: skip
    traces = {
        (_D, _D): trace[_D, _D],
        (_D, _V): two(x, new) + k * (2 * one(xy, xy) - 2 * w**2 * fourth),
        (_V, _V): two(new, new) + 2 * one(y, y) - 2 * k**2 * fourth
        + 2 * wishart[0] * one(cov, cov) + 2 * wishart[1] * one(eye, eye),
    }  # fmt: skip
    for i, basis in ((_I, eye), (_S, scatter)):
        trace |= {(i, _D): one(basis, x), (i, _V): one(basis, new)}
        traces |= {(i, _D): two(basis, x), (i, _V): two(basis, new)}
    scale = np.ones(4)
    scale[_V] = 1 / (total - ddof)
    out = _constants(mix)
    out += np.array([_symmetric(trace), _symmetric(traces)]) * np.outer(scale, scale)
    return out


def _changing_moments(mix: Mix) -> list[tuple[int, int, int]]:
    return list(_UNKNOWN["fresh"] + (_UNKNOWN["fixed"] if mix.real_data == "fixed" else ()))


def from_state(state: Array, mix: Mix) -> Array:
    """Return the two forms whose changing moments are `state`."""
    out = _constants(mix)
    for (form, i, j), value in zip(_changing_moments(mix), state, strict=True):
        out[form, i, j] = out[form, j, i] = value
    out[1, _D, _D] = out[0, _D, _D]
    out[1, _I, _D:] = out[1, _D:, _I] = mix.dim * out[0, _I, _D:]
    return out


@lru_cache(maxsize=128)
def affine_map(mix: Mix) -> tuple[Array, Array]:
    """Return the matrix and offset of the recursion of the changing moments; read-only."""
    indices = tuple(np.transpose(_changing_moments(mix)))
    size = len(_changing_moments(mix))
    offset = step(from_state(np.zeros(size), mix), mix)[indices]
    columns = [step(from_state(unit, mix), mix)[indices] - offset for unit in np.eye(size)]
    return freeze(np.transpose(columns)), freeze(offset)


def real_fit(mix: Mix, n_initial: float) -> Array:
    """Return the two forms of the model fitted to `n_initial` real points."""
    first = mix._replace(n_real=n_initial, n_synthetic=0.0)
    return step(_constants(first), first)


def _recolour(forms: Array, spectrum: Array) -> Array:
    """Convert forms from the identity to these eigenvalues of the truth, by rotation invariance."""
    d, s1, s2 = len(spectrum), float(spectrum.sum()), float((spectrum**2).sum())
    if d == 1:
        return forms * s2
    # E X_ij Y_kl = alpha d_ij d_kl + beta (d_ik d_jl + d_il d_jk)
    one, two = forms
    alpha = ((d + 1) * two - 2 * one) / (d * (d + 2) * (d - 1))
    beta = (d * one - two) / (d * (d + 2) * (d - 1))
    return np.array([alpha * s2 + beta * (s1**2 + s2), alpha * s1**2 + 2 * beta * s2])


@np.errstate(over="ignore", invalid="ignore")
def read_out(
    forms: Array, mix: Mix, spectrum: Array | None = None, unit: Any = 1.0
) -> dict[str, np.ndarray[Any, Any]]:
    """Return the named moments about the true mean, in the units of the true covariance.

    `forms` may have leading axes, and `unit` (see `step`) one number for each; what exceeds the range of
    doubles is infinite.
    """
    unit = np.asarray(unit)
    one, two = np.moveaxis(forms, -3, 0)
    if mix.real_data == "fixed" and not mix.known_mean:
        # D was taken about the real set's mean: add that mean, independent, of covariance I / n
        n, d = mix.n_real, mix.dim
        m, v = one[..., _I, _D], one[..., _I, _V]
        shift = np.zeros_like(np.array([one, two]))
        shift[..., _D, _D] = d * (d + 2) / n**2 * unit**2 + (4 + 2 * d) * m / n * unit
        shift[0, ..., _D, _V], shift[1, ..., _D, _V] = v / n * unit, d * v / n * unit
        shift[0, ..., _I, _D], shift[1, ..., _I, _D] = d / n * unit, d**2 / n * unit
        one, two = one + shift[0], two + shift[1]
    scale = 1.0
    mean_error, total_variance = one[..., _I, _D], one[..., _I, _V]
    if spectrum is not None:
        scale = float(np.mean(spectrum))
        one, two = _recolour(np.array([one, two]), spectrum)
    values = {
        "mean_error": scale * mean_error / unit,
        "total_variance": scale * total_variance / unit,
        "mean_error_squared": two[..., _D, _D] / unit / unit,
        "mean_in_covariance": one[..., _D, _V] / unit / unit,
        "mean_error_total_variance": two[..., _D, _V] / unit / unit,
        "squared_norm": one[..., _V, _V] / unit / unit,
        "squared_trace": two[..., _V, _V] / unit / unit,
    }
    return {name: np.where(np.isnan(value), np.inf, value)[()] for name, value in values.items()}


_FIRST_STEPS = 500  # generations computed entry by entry, before the matrix of the map takes over
_HUGE, _SHRINK, _LEAST_UNIT = 1e100, 2.0**-300, 2.0**-600
_SECOND = np.add.outer([0, 0, 1, 1], [0, 0, 1, 1]) == 2  # the moments of order 2 in D and V


@np.errstate(divide="ignore", over="ignore", invalid="ignore")
def forms_of_generations(
    mix: Mix, n_initial: float, n_synthetic_at: Callable[[int], int] | None, generations: int
) -> tuple[Array, Array]:
    """Return the two forms of generations 1, 2, ..., shape (generations, 2, 4, 4), and their units.

    `n_synthetic_at` returns the batch of a generation; ``None`` stands for that of `mix` in all, and then
    nothing is computed beyond the first generation that repeats the previous one. Where second moments leave
    the range of doubles, D and V are kept in larger units, and finally as first moments only.
    """
    out, units = np.empty((generations, 2, 4, 4)), np.ones(generations)
    state, unit, matrix, infinite = real_fit(mix, n_initial), 1.0, None, None
    out[0] = state
    for g in range(1, generations):
        if n_synthetic_at is not None:
            mix = mix._replace(n_synthetic=n_synthetic_at(g + 1))
        if infinite is None and state.max() > _HUGE:
            small, matrix = np.array([1.0, 1.0, _SHRINK, _SHRINK]), None
            if unit > _LEAST_UNIT:
                state, unit = state * np.outer(small, small), unit * _SHRINK
            else:
                infinite = _SECOND & (state != 0)
                state, unit = state / np.outer([1, 1, unit, unit], [1, 1, unit, unit]), 1.0
        if infinite is not None:
            state = np.where(_SECOND, 0.0, state)
        if n_synthetic_at is None and g > _FIRST_STEPS:
            matrix = _linear_map(mix, unit) if matrix is None else matrix
            new = _constants(mix) + (matrix @ state.ravel()).reshape(2, 4, 4)
        else:
            new = step(state, mix, unit)
        out[g], units[g] = new if infinite is None else np.where(infinite, np.inf, new), unit
        if not np.isfinite(new).all():  # the first moments too
            out[g:] = np.where(np.isfinite(new), out[g], np.inf)
            break
        if n_synthetic_at is None and np.array_equal(out[g], out[g - 1]):
            out[g:], units[g:] = out[g], unit
            break
        state = new
    return out, units


def _linear_map(mix: Mix, unit: float) -> Array:
    """Return the matrix (32, 32) of `step`, which adds `_constants` to a linear map of the two forms."""
    zero = _constants(mix)
    columns = [(step(form.reshape(2, 4, 4), mix, unit) - zero).ravel() for form in np.eye(32)]
    return np.transpose(columns)


def largest_bias(mix: Mix) -> float:
    """Return the bias from which the mean covariance grows without limit."""
    n_r, n_s = mix.n_real, mix.n_synthetic
    kept = 1.0 if mix.known_mean else 1 - 1 / (n_r + 2 * n_s)
    return (n_r + n_s - mix.ddof) / (n_s * kept) if n_s else math.inf


def first_moments(mix: Mix) -> tuple[float, float]:
    """Return the stationary means of the covariance and of the squared mean error, per dimension."""
    n_r, n_s, bias, ddof, known_mean, _, real_data = mix
    if known_mean:
        return n_r / (n_r + n_s - ddof - bias * n_s), 0.0
    kept = 1 - 1 / (n_r + 2 * n_s)
    gain = (n_r * kept if real_data == "fresh" else n_r - 1) / (n_r + n_s - ddof - bias * n_s * kept)
    error = bias * n_s * gain / (n_r * (n_r + 2 * n_s))
    return gain, error + (1 / (n_r + 2 * n_s) if real_data == "fresh" else 1 / n_r)


def second_moments(mix: Mix) -> tuple[dict[str, Any], float]:
    """Return stationary second moments (empty where they do not exist) and their spectral radius."""
    matrix, offset = affine_map(mix)
    radius = float(np.abs(np.linalg.eigvals(matrix)).max())
    if radius >= 1:
        return {}, radius
    state = np.linalg.solve(np.eye(len(offset)) - matrix, offset)
    return read_out(from_state(state.astype(np.float64), mix), mix), radius


def require_mean(mix: Mix) -> None:
    """Raise where the mean covariance has no limit."""
    limit = largest_bias(mix)
    if mix.bias >= limit:
        raise ValueError(
            f"bias={mix.bias:g} leaves no stationary mean covariance with n_real={mix.n_real:g} and "
            f"n_synthetic={mix.n_synthetic:g}: pass a bias below {limit:.6g}."
        )


Sizes = int | Sequence[int] | Callable[[int], int]
_SOURCE = (
    "derived here (Isserlis and Wishart second moments); the loops are those of Alemohammad et al. "
    "2024 (arXiv 2307.01850), who give no moments for them"
)


@check_arguments
def fresh_second_moments(
    *,
    n_real: int,
    n_synthetic: Sizes,
    n_initial: int | None = None,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
    generations: int,
) -> dict[str, Labelled]:
    r"""Return the second moments of the loop that draws new real data in every generation.

    With :math:`\delta=\mu_g-\mu_0`: the means of :math:`|\delta|^2,\ \operatorname{tr}\Sigma_g,\
    |\delta|^4,\ \delta'\Sigma_g\delta,\ |\delta|^2\operatorname{tr}\Sigma_g,\
    \operatorname{tr}\Sigma_g^2` and :math:`(\operatorname{tr}\Sigma_g)^2`.

    .. math:: m_{g+1} = M m_g + b, \qquad m_g \in \mathbb R^7

    Kind: exact mean, for Gaussian real data.

    Parameters
    ----------
    n_real : int
        New real points per generation from generation 2 on, at least 1.
    n_synthetic : int, sequence or callable
        Synthetic points of generation g; entry 0 of a sequence is not used.
    n_initial : int, optional
        Real points of generation 1; `n_real` by default.
    bias : float
        Factor of the covariance of synthetic points, dimensionless, at least 0.
    ddof : {0, 1}, optional
        The covariance divides by the number of points less `ddof`; unbiased by default.
    known_mean : bool
        Whether the scatter is taken about the true mean, which is then not fitted.
    dim : int
        Dimension, with the identity as true covariance.
    spectrum : array_like of shape (dim,), optional
        Eigenvalues of another true covariance.
    generations : int
        Number of generations; generation 1 comes first.

    Returns
    -------
    dict of Labelled of shape (generations,)
        ``mean_error``, ``total_variance``, ``mean_error_squared``, ``mean_in_covariance``,
        ``mean_error_total_variance``, ``squared_norm`` and ``squared_trace``, in the order above.

    Raises
    ------
    ValueError
        For an argument outside its range, or a divisor of 0.

    Notes
    -----
    The squares are heavy-tailed: see `stationary` for the existence of their limits.
    Source: derived here (pairings of Gaussian vectors, Wishart second moments).

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> known = gaussian.fresh_second_moments(n_real=20, n_synthetic=30, generations=3)
    >>> for name, value in known.items():
    ...     print(name, value.round(4))
    mean_error [0.05   0.038  0.0338]
    total_variance [1.     1.0122 1.0167]
    mean_error_squared [0.0075 0.0044 0.0035]
    mean_in_covariance [0.05   0.0397 0.0355]
    mean_error_total_variance [0.05   0.0397 0.0355]
    squared_norm [1.1053 1.1072 1.108 ]
    squared_trace [1.1053 1.1072 1.108 ]
    """
    eigenvalues, dim = _eigenvalues(spectrum, dim)
    mix = check_mix(n_real, 1, bias, ddof, known_mean, dim, "fresh")
    first = n_real if n_initial is None else check_size("n_initial", n_initial)
    return _trajectory(mix, n_synthetic, first, eigenvalues, generations)


@check_arguments
def fixed_second_moments(
    *,
    n_real: int,
    n_synthetic: Sizes,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
    generations: int,
) -> dict[str, Labelled]:
    r"""Return the second moments of the loop that keeps one fixed real set, averaged over that set.

    .. math:: m_{g+1} = M m_g + b, \qquad m_g \in \mathbb R^{11}

    The state also holds the products of :math:`|\mu_g-\bar x_{real}|^2` and :math:`\Sigma_g` with
    the scatter of the real set. Kind: exact mean, for Gaussian real data.

    Parameters
    ----------
    n_real : int
        Size of the real set, which is in the training set of every generation.
    n_synthetic, bias, ddof, known_mean, dim, spectrum, generations
        As in `fresh_second_moments`.

    Returns
    -------
    dict of Labelled of shape (generations,)
        The keys of `fresh_second_moments`; errors are about the true mean.

    Raises
    ------
    ValueError
        For an argument outside its range, or a divisor of 0.

    Notes
    -----
    Source: derived here (pairings of Gaussian vectors, Wishart second moments).

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> known = gaussian.fixed_second_moments(n_real=20, n_synthetic=30, generations=3)
    >>> for name, value in known.items():
    ...     print(name, value.round(4))
    mean_error [0.05   0.062  0.0662]
    total_variance [1.     0.9878 0.9833]
    mean_error_squared [0.0075 0.0116 0.0132]
    mean_in_covariance [0.05   0.0627 0.0674]
    mean_error_total_variance [0.05   0.0627 0.0674]
    squared_norm [1.1053 1.1052 1.1055]
    squared_trace [1.1053 1.1052 1.1055]
    """
    eigenvalues, dim = _eigenvalues(spectrum, dim)
    mix = check_mix(n_real, 1, bias, ddof, known_mean, dim, "fixed")
    return _trajectory(mix, n_synthetic, int(mix.n_real), eigenvalues, generations)


@check_arguments
def second_moment_map(
    *,
    n_real: int,
    n_synthetic: int,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    real_data: str = "fresh",
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return the affine recursion of the second moments, and its spectral radius.

    .. math:: m_{g+1} = M m_g + b

    Kind: exact mean. The first seven entries are those of `fresh_second_moments`, in the order mean
    error, total variance, mean error squared, mean in covariance, mean error times total variance,
    squared norm, squared trace; with fixed real data errors are about the mean of the real set, and
    four products with its scatter follow.

    Parameters
    ----------
    n_real, n_synthetic, bias, ddof, known_mean, dim
        As in `fresh_second_moments`, constant in time.
    real_data : {"fresh", "fixed"}
        Whether every generation sees new real points or the same ones.

    Returns
    -------
    matrix : ndarray of shape (7, 7) or (11, 11)
    offset : ndarray of shape (7,) or (11,)
    spectral_radius : float
        Below 1 exactly when stationary second moments exist.

    Raises
    ------
    ValueError
        For an argument outside its range, or a divisor of 0.

    Notes
    -----
    Source: derived here (pairings of Gaussian vectors, Wishart second moments).
    """
    matrix, offset = affine_map(check_mix(n_real, n_synthetic, bias, ddof, known_mean, dim, real_data))
    return matrix.copy(), offset.copy(), float(np.abs(np.linalg.eigvals(matrix)).max())


def _eigenvalues(spectrum: ArrayLike | None, dim: int) -> tuple[NDArray[np.float64] | None, int]:
    if spectrum is None:
        return None, dim
    values = np.asarray(spectrum, dtype=float)
    if values.ndim != 1 or not (values > 0).all() or dim not in (1, len(values)):
        raise ValueError(
            f"spectrum={spectrum!r} does not list the positive eigenvalues of a covariance of "
            f"dim={dim}; leave dim out, or pass as many eigenvalues."
        )
    return values, len(values)


def _trajectory(
    mix: Mix,
    n_synthetic: Sizes,
    n_initial: int,
    spectrum: NDArray[np.float64] | None,
    generations: int,
) -> dict[str, Labelled]:
    if n_initial <= mix.ddof:
        raise ValueError(f"{n_initial} initial points leave the divisor n - ddof at 0; pass 2 or more.")
    batches = batches_of(n_synthetic)
    if batches is None:
        mix = mix._replace(n_synthetic=size_at("n_synthetic", n_synthetic, 2, 0))
    forms, units = forms_of_generations(mix, n_initial, batches, check_size("generations", generations))
    named = read_out(forms, mix, spectrum, units)
    return {name: label(values, "exact mean", _SOURCE) for name, values in named.items()}


def batches_of(n_synthetic: Sizes) -> Callable[[int], int] | None:
    """Return the batch size as a function of the generation; ``None`` for one that never changes."""
    if callable(n_synthetic) or np.iterable(n_synthetic):
        return lambda generation: size_at("n_synthetic", n_synthetic, generation, 0)
    return None
