"""Exact first moments of a self-corrected Gaussian loop that keeps earlier batches, whole or in part."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madtheory._validation import (
    check_bias,
    check_choice,
    check_ddof,
    check_memory,
    check_size,
    checked,
    shown,
)
from madtheory.theory._correction_steps import Setting, check_correction
from madtheory.theory._labels import Labelled, labelled
from madtheory.theory.gaussian._steps import check_spectrum

__all__ = ["accrual"]

Array = NDArray[np.floating[Any]]
SOURCE = "derived here, for the loop of Gillman et al. 2024 (arXiv 2402.07087), Fig. 2, with an exact sampler"


@checked
@np.errstate(over="ignore", invalid="ignore")
def accrual(
    *,
    n_initial: int,
    n_synthetic: int,
    retain: Literal["logarithmic", "all"] = "logarithmic",
    correction: float = 0.0,
    bias: float = 1.0,
    ddof: int | None = None,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
    generations: int,
) -> dict[str, Labelled]:
    r"""First moments of the loop on a fixed real set and corrected batches that are retained.

    Points of one batch share their model, and every model is a mean of earlier points, so that with
    :math:`\delta_t` the error of the mean of generation t, :math:`N_t` its training set's size and y a point

    .. math:: E[\delta_t y] = \frac1{N_t}\sum_{x} E[x y], \quad E[x_{t+1} y] = (1 - m) E[\delta_t y], \quad
       E[x_{t+1} x_{t+1}'] = (1 - m)^2 E\delta_t^2, \quad E x_{t+1}^2 = V_t + (1 - m)^2 E\delta_t^2,

    with :math:`V_t` the variance of a corrected point. Kind: exact mean.

    Parameters
    ----------
    n_initial : int
        Real points, in every training set.
    n_synthetic : int
        Corrected points drawn for each generation; 0 is the baseline.
    retain : {"logarithmic", "all"}
        The first share i/t of the i-th of t batches (Gillman et al.'s accrual), or all of them.
    correction : float
        Strength, 0 to infinity.
    bias : float
        Factor of the covariance of the model's own samples.
    ddof : {0, 1}, optional
        The divisor is the number of points less this; default 1. The published code takes 0.
    dim, spectrum : int, array of shape (dim,)
        The true covariance: identity of size `dim` (default 1), or these eigenvalues.
    generations : int
        Number T of generations, the real fit included. With logarithmic accrual the cost is
        O(T^3 n_synthetic) and the memory O(T^2 n_synthetic).

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``total_variance`` and ``mean_error``.

    Raises
    ------
    ValueError
        If a number is out of range.

    Notes
    -----
    Source: derived here. Holds for real data of any law.
    """
    check_choice("retain", retain, ("logarithmic", "all"))
    n, s, last = check_size("n_initial", n_initial), check_size("n_synthetic", n_synthetic, 0), generations
    m = check_correction(correction)
    if m.ndim:
        raise ValueError(f"correction={shown(correction)} is not one number; call once for each strength.")
    setting = Setting("fixed", float(m), check_bias(bias), check_ddof(ddof, False), False)
    kept = 1 - setting.share
    variance, error, with_real = setting.start(n)
    values = [(variance, error)]
    batches = check_size("generations", last) - 1
    check_memory(
        24.0 * batches**2 * (s if retain == "logarithmic" else 1),
        f"accrual of n_synthetic={s} points in generations={last}",
        "pass fewer, or retain='all', whose memory does not grow with n_synthetic",
    )
    # Points of a batch that are dropped at different times differ: classes of `many` points that do not.
    classes, many = (s, 1) if retain == "logarithmic" else (1, s)
    # E[delta_j y], j along the rows, for y in class a of batch i < j; and for y a real point.
    across = np.zeros((batches, batches * classes))
    real_across, pairs, squares = np.zeros(batches), np.zeros(batches), np.zeros(batches)
    for t in range(1, batches + 1):
        i = t - 1
        pairs[i] = kept**2 * error
        squares[i] = setting.mixed(variance, error) + pairs[i]
        real_across[i] = with_real
        shares = np.arange(1, t + 1) / t
        sizes = np.floor(shares * s + 1e-9).astype(int) if retain == "logarithmic" else np.full(t, s)
        inside = np.arange(classes) * many < sizes[:, None]
        total = n + sizes.sum()
        # Sum over all points of the pool of their product with a point of class a of each batch.
        own = (sizes[:, None] - inside) * pairs[:t, None] + inside * squares[:t, None]
        own += n * kept * real_across[:t, None]
        # earlier batches h < i: E[x_h x_i] = kept E[delta of the model of i, x_h]
        known = across[:t, : t * classes]
        earlier = many * (known @ inside.ravel().astype(float))
        later = (sizes.astype(float) @ known).reshape(t, classes)
        product = (own + kept * (earlier[:, None] + later)) / total
        with_real = (1 + kept * (sizes @ real_across[:t])) / total
        error = float((many * (inside * product).sum() + n * with_real) / total)
        second = n + sizes @ squares[:t]
        variance = float((second - total * error) / (total - setting.ddof))
        values.append((variance, error))
        if t < batches:
            across[t, : t * classes] = product.ravel()
    scaled = np.array(values) * check_spectrum(dim, spectrum).sum()
    scaled[np.isnan(scaled)] = np.inf  # beyond the range of doubles
    return {
        "total_variance": labelled(scaled[:, 0], "exact mean", SOURCE),
        "mean_error": labelled(scaled[:, 1], "exact mean", SOURCE),
    }
