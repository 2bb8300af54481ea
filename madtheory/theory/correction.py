r"""Self-corrected loops: what a share of true points in every synthetic batch does to a Gaussian.

Gillman et al. 2024 (arXiv 2402.07087), Definition 4.1: synthetic points follow
:math:`\pi_\gamma p = (p + \gamma p^*)/(1 + \gamma)`, that is, each is a true one with probability
:math:`m = \gamma/(1 + \gamma)`. The threshold and the rate of their Theorem 4.3 are in
`madtheory.theory.stability`; here are the exact first moments for finite samples, of which the theorem
bounds the limit, and the law of a mean under migration.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madtheory._validation import check_bias, check_choice, check_ddof, check_size, checked, size_at
from madtheory.theory._correction_accrual import accrual
from madtheory.theory._correction_laws import mean_law, mixture_moments
from madtheory.theory._correction_steps import Setting, affine, check_correction
from madtheory.theory._labels import Labelled, labelled
from madtheory.theory.gaussian._steps import Sizes, check_spectrum

__all__ = [
    "accrual",
    "accumulate",
    "augment",
    "fresh",
    "mean_law",
    "mixture_moments",
    "replace",
    "stationary",
]

Array = NDArray[np.floating[Any]]
SOURCE = "derived here: first moments of the loop of Gillman et al. 2024 (arXiv 2402.07087), Definition 4.1"


@checked
def replace(
    *,
    n: Sizes,
    n_initial: int | None = None,
    correction: float,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
    generations: int,
) -> dict[str, Labelled]:
    r"""First moments of the corrected loop without other real data.

    .. math:: v' = \frac{n - 1}{n - c} V, \quad D' = (1 - m)^2 D + \frac Vn, \qquad
       V = (1 - m)\lambda v + m + m(1 - m) D

    for :math:`E\Sigma = v\Sigma^*` and :math:`E(\mu - \mu^*)(\mu - \mu^*)^T = D\Sigma^*`. Kind: exact mean.
    The true points among the synthetic ones keep the loop from collapsing, for any positive correction.

    Parameters
    ----------
    n, n_initial : int, sequence or callable; int
        Size of every training set, and that of generation 1 if it differs.
    correction : float
        Strength :math:`\gamma`, 0 to infinity.
    bias : float
        Factor :math:`\lambda` of the covariance of the model's own samples.
    ddof : {0, 1}, optional
        The divisor is n - ddof; default 1, or 0 with `known_mean`.
    known_mean : bool
        Take the scatter about the true mean, which every model then has.
    dim, spectrum : int, array of shape (dim,)
        The true covariance: identity of size `dim` (default 1), or these eigenvalues.
    generations : int
        Number of generations, the real fit included.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``total_variance`` and ``mean_error``.

    Raises
    ------
    ValueError
        If a number is out of range, or a size leaves no degree of freedom.

    Notes
    -----
    Source: derived here. Holds for real data of any law.
    """
    first = size_at("n", n, 1) if n_initial is None else check_size("n_initial", n_initial)
    setting = _setting("none", correction, bias, ddof, known_mean)
    return _trajectory(setting, first, 0, n, generations, dim, spectrum)


@checked
def augment(
    *,
    n_real: int,
    n_synthetic: Sizes,
    correction: float,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
    generations: int,
) -> dict[str, Labelled]:
    """First moments of the corrected loop on a fixed real set: Gillman et al.'s, with the last batch only.

    As `replace`, on `n_real` points of generation 1 and `n_synthetic` corrected ones; the covariance of the
    model's mean with that of the real set is carried along. Kind: exact mean. Parameters, returns, errors
    and source: as for `replace`.
    """
    setting = _setting("fixed", correction, bias, ddof, known_mean)
    first = check_size("n_real", n_real)
    return _trajectory(setting, first, first, n_synthetic, generations, dim, spectrum)


@checked
def fresh(
    *,
    n_real: int,
    n_synthetic: Sizes,
    n_initial: int | None = None,
    correction: float,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
    generations: int,
) -> dict[str, Labelled]:
    """First moments of the corrected loop on new real data in every generation.

    Kind: exact mean. Parameters, returns, errors and source: as for `replace`.
    """
    setting = _setting("fresh", correction, bias, ddof, known_mean)
    first = check_size("n_real", n_real) if n_initial is None else check_size("n_initial", n_initial)
    return _trajectory(setting, first, check_size("n_real", n_real), n_synthetic, generations, dim, spectrum)


@checked
def accumulate(
    *,
    n: int,
    n_initial: int | None = None,
    correction: float,
    bias: float = 1.0,
    ddof: int | None = None,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
    generations: int,
) -> dict[str, Labelled]:
    """First moments of the corrected loop on a fixed real set and all batches so far.

    The ``retain="all"`` of `accrual`, for batches of one size. Kind: exact mean. Parameters, returns, errors
    and source: as for `replace`, and `accrual`.
    """
    n = check_size("n", n)
    return accrual(
        n_initial=n if n_initial is None else n_initial, n_synthetic=n, retain="all", correction=correction,
        bias=bias, ddof=ddof, dim=dim, spectrum=spectrum, generations=generations,
    )  # fmt: skip


@checked
def stationary(
    *,
    n_synthetic: int,
    n_real: int = 0,
    real_data: Literal["none", "fixed", "fresh"] = "none",
    correction: float,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
) -> dict[str, Labelled]:
    """Limits of the first moments of a corrected loop, and the rate at which they are approached.

    Kind: exact mean; the rate is that of the expectations. Parameters: as for `replace` and `augment`, which
    `real_data` chooses between.

    Returns
    -------
    dict of Labelled, scalars
        ``total_variance`` and ``mean_error``, infinite where the rate is 1 or more; ``rate``, the spectral
        radius of a generation.

    Raises
    ------
    ValueError
        If a number is out of range, or `n_real` and `real_data` contradict each other.

    Notes
    -----
    Source: derived here.
    """
    check_choice("real_data", real_data, ("none", "fixed", "fresh"))
    n_real = check_size("n_real", n_real, 0)
    n_synthetic = check_size("n_synthetic", n_synthetic, int(n_real == 0))
    if (n_real > 0) == (real_data == "none"):
        raise ValueError(f"n_real={n_real} contradicts real_data={real_data!r}; pass both or neither.")
    setting = _setting(real_data, correction, bias, ddof, known_mean)
    matrix, offset = affine(setting, n_real, n_synthetic)
    rate = float(np.abs(np.linalg.eigvals(matrix)).max())
    limit = np.linalg.solve(np.eye(3) - matrix, offset) if rate < 1 - 1e-12 else np.full(3, np.inf)
    trace = check_spectrum(dim, spectrum).sum()
    values = {"total_variance": limit[0] * trace, "mean_error": limit[1] * trace, "rate": rate}
    if known_mean:
        values["mean_error"] = 0.0
    return {name: labelled(value, "exact mean", SOURCE) for name, value in values.items()}


def _setting(
    real_data: Literal["none", "fixed", "fresh"],
    correction: float,
    bias: float,
    ddof: int | None,
    known_mean: bool,
) -> Setting:
    share = check_correction(correction)
    if share.ndim:
        raise ValueError(f"correction={correction!r} is not one number; call once for each strength.")
    known = bool(known_mean)
    return Setting(real_data, float(share), check_bias(bias), check_ddof(ddof, known), known)


@np.errstate(over="ignore", invalid="ignore")
def _trajectory(
    setting: Setting,
    first: int,
    n_real: int,
    n_synthetic: Sizes,
    generations: int,
    dim: int,
    spectrum: ArrayLike | None,
) -> dict[str, Labelled]:
    state = setting.start(first)
    states = [state]
    for t in range(2, check_size("generations", generations) + 1):
        matrix, offset = affine(setting, n_real, size_at("n_synthetic", n_synthetic, t, int(n_real == 0)))
        state = matrix @ state + offset
        states.append(state)
    values = np.array(states) * check_spectrum(dim, spectrum).sum()
    values[np.isnan(values)] = np.inf  # beyond the range of doubles
    return {
        "total_variance": labelled(values[:, 0], "exact mean", SOURCE),
        "mean_error": labelled(values[:, 1], "exact mean", SOURCE),
    }
