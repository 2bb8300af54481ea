"""Second moments of Gaussian loops with fresh or fixed real data, generation by generation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madtheory._validation import check_size, checked, size_at
from madtheory.theory._labels import Labelled, labelled
from madtheory.theory.gaussian._mixing import Mix, affine_map, checked_mix, forms_of_generations, read_out

__all__ = ["fixed_second_moments", "fresh_second_moments", "second_moment_map"]

Sizes = int | Sequence[int] | Callable[[int], int]
_SOURCE = (
    "derived here (Isserlis and Wishart second moments); the loops are those of Alemohammad et al. "
    "2024 (arXiv 2307.01850), who give no moments for them"
)


@checked
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
    r"""Second moments of the loop that draws new real data in every generation.

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
        Take the scatter about the true mean, which is then not fitted.
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
    """
    eigenvalues, dim = _eigenvalues(spectrum, dim)
    mix = checked_mix(n_real, 1, bias, ddof, known_mean, dim, "fresh")
    first = n_real if n_initial is None else check_size("n_initial", n_initial)
    return _trajectory(mix, n_synthetic, first, eigenvalues, generations)


@checked
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
    r"""Second moments of the loop that keeps one fixed real set, averaged over that set.

    .. math:: m_{g+1} = M m_g + b, \qquad m_g \in \mathbb R^{11}

    The state also holds the products of :math:`|\mu_g-\bar x_{real}|^2` and :math:`\Sigma_g` with
    the scatter of the real set. Kind: exact mean, for Gaussian real data.

    Parameters
    ----------
    n_real : int
        Size of the real set, which generation 1 is fitted to and every later one keeps.
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
    """
    eigenvalues, dim = _eigenvalues(spectrum, dim)
    mix = checked_mix(n_real, 1, bias, ddof, known_mean, dim, "fixed")
    return _trajectory(mix, n_synthetic, int(mix.n_real), eigenvalues, generations)


@checked
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
    """The affine recursion of the second moments, and how fast it forgets.

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
    matrix, offset = affine_map(checked_mix(n_real, n_synthetic, bias, ddof, known_mean, dim, real_data))
    return matrix, offset, float(np.abs(np.linalg.eigvals(matrix)).max())


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
    return {name: labelled(values, "exact mean", _SOURCE) for name, values in named.items()}


def batches_of(n_synthetic: Sizes) -> Callable[[int], int] | None:
    """The batch size of a generation, as a function; ``None`` for one that never changes."""
    if callable(n_synthetic) or np.iterable(n_synthetic):
        return lambda generation: size_at("n_synthetic", n_synthetic, generation, 0)
    return None
