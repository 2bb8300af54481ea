"""The weight of new real labels in a loop: the error that it leaves, and the best weight."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from madtheory.theory.gaussian import optimal_weights as golden_share
from madtheory.theory.labels import Labelled, label
from madtheory.theory.regression.fixed_design import check_directions
from madtheory.validation import GREATEST, check_number, check_numbers, check_size, show

Array = NDArray[np.floating]
SOURCE = "ours; compare Garg, Bhattacharya and Sur 2025 (arXiv 2509.22341)"


def weighted_risk(
    *,
    share: ArrayLike,
    n_real: int,
    n_synthetic: int,
    eigenvalues: ArrayLike = (1.0,),
    coefficients: ArrayLike | None = None,
    noise: float = 1.0,
    ridge: float = 0.0,
) -> Labelled:
    r"""Return the stationary excess risk of a fresh data loop on a fixed design, by the share of real labels.

    With shrinkage :math:`s_j = \lambda_j / (\lambda_j + \ell)` in eigendirection j and the share u of the
    real labels in the loss,

    .. math::
        \sum_j \lambda_j \left[ \Big(\frac{w_j (1 - s_j)}{1 - s_j (1 - u)}\Big)^2 + \frac{s_j^2 \sigma^2}
        {\lambda_j} \frac{u^2 / n_r + (1 - u)^2 / n_s}{1 - s_j^2 (1 - u)^2} \right]

    Parameters
    ----------
    share : array
        Shares u of the real labels, from 1e-12 to 1.
    n_real, n_synthetic : int
        New real labels and synthetic labels of each generation.
    eigenvalues, coefficients, noise, ridge
        As for `fixed_design`.

    Returns
    -------
    Labelled, shape of `share`
        Exact mean of generations after many others, in units of the squared label.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Source: ours. Checked by tests/theory/test_regression.py against `fixed_design`.

    Examples
    --------
    >>> from madtheory.theory import regression
    >>> regression.weighted_risk(share=[0.2, 0.5, 0.618], n_real=100, n_synthetic=100).round(5)
    array([0.01889, 0.00667, 0.00618])
    """
    u = check_numbers("share", share)
    _check_share(share, u)
    real, made = check_size("n_real", n_real), check_size("n_synthetic", n_synthetic)
    gram, truth = check_directions(eigenvalues, coefficients)
    noise, ridge = check_number("noise", noise, 0, GREATEST), check_number("ridge", ridge, 0, GREATEST)
    return label(_risk(u, real, made, gram, truth, noise, ridge), "exact mean", SOURCE)


def _check_share(share: ArrayLike, u: Array) -> None:
    """Refuse shares of which 1 - (1 - u)² has no digits."""
    if not ((u >= 1e-12) & (u <= 1)).all():
        raise ValueError(f"share={show(share)} is out of range; pass shares from 1e-12 to 1.")


def _risk(u: Array, real: int, made: int, gram: Array, truth: Array, noise: float, ridge: float) -> Array:
    seen = gram > 1e-12 * gram.max()
    gram, truth, u = gram[seen], truth[seen], np.asarray(u)[..., None]
    kept = gram / (gram + ridge)
    missed = truth * (1 - kept) / (1 - kept * (1 - u))
    drawn = kept**2 * noise**2 * (u**2 / real + (1 - u) ** 2 / made) / (1 - kept**2 * (1 - u) ** 2)
    return np.asarray((gram * missed**2 + drawn).sum(-1))


def optimal_weights(
    n_real: int,
    n_synthetic: int,
    *,
    eigenvalues: ArrayLike = (1.0,),
    coefficients: ArrayLike | None = None,
    noise: float = 1.0,
    ridge: float = 0.0,
    generations: int | None = None,
) -> Labelled:
    r"""Return the share of real labels that makes the excess risk of a fresh data loop smallest.

    On a fixed design and without a ridge, least norm included, it is that of
    `madtheory.theory.gaussian.optimal_weights`: 0.618 at equal sizes, whatever the inputs. With a ridge it
    is the minimum of `weighted_risk`, found numerically: the variance alone asks for a share from 1/2 to
    0.618 at equal sizes, and the bias for more.

    Parameters
    ----------
    n_real, n_synthetic, eigenvalues, coefficients, noise, ridge
        As for `weighted_risk`.
    generations : int, optional
        Number of generations, for the best share of each; without a ridge only.

    Returns
    -------
    Labelled, shape () or (generations,)
        Share of the real labels; exact without a ridge, numerical with one.

    Raises
    ------
    ValueError
        If an argument is out of range, or `generations` is given with a ridge.

    Notes
    -----
    Source: Garg, Bhattacharya and Sur 2025 (arXiv 2509.22341); He, Xu and Cheng 2026 (arXiv 2502.18049).
    Checked by tests/theory/test_regression.py.

    Examples
    --------
    >>> from madtheory.theory import regression
    >>> round(float(regression.optimal_weights(50, 50)), 4)
    0.618
    >>> round(float(regression.optimal_weights(50, 50, coefficients=[0.5], ridge=0.2)), 4)
    0.8478
    """
    real, made = check_size("n_real", n_real), check_size("n_synthetic", n_synthetic)
    gram, truth = check_directions(eigenvalues, coefficients)
    noise, ridge = check_number("noise", noise, 0, GREATEST), check_number("ridge", ridge, 0, GREATEST)
    if ridge == 0:
        return golden_share(real, made, generations=generations)
    if generations is not None:
        raise ValueError(
            f"generations={show(generations)} with ridge={ridge:g}: only the stationary share is known; "
            f"leave generations out."
        )
    found = minimize_scalar(
        lambda u: float(_risk(u, real, made, gram, truth, noise, ridge)),
        bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-10},
    )  # fmt: skip
    return label(found.x, "numerical", SOURCE)


def mixed_label_risk(
    *, share: ArrayLike, rows: int, dim: int, norm_squared: float = 1.0, noise: float = 1.0
) -> Labelled:
    r"""Return the stationary risk where each generation mixes two labels, real and synthetic, of new inputs.

    Each of T new inputs N(0, I) has a real label and one of the last model; the fit of least norm, or least
    squares, is to :math:`u y_{real} + (1 - u) y_{synthetic}`. With :math:`\eta = \min(T/d, 1)` and
    :math:`v = \sigma^2 T / (d - T - 1)` for T < d - 1, or :math:`\sigma^2 d / (T - d - 1)` for T > d + 1,

    .. math:: e_t = (1 - \eta) |w|^2 + \eta (1 - u)^2 e_{t-1} + (u^2 + (1 - u)^2) v

    With more inputs than points, the best share depends on :math:`|w|^2 / \sigma^2`: the golden ratio is
    exact for a fixed design only.

    Parameters
    ----------
    share : array
        Shares u of the real labels, from 1e-12 to 1.
    rows : int
        Number T of new inputs in each generation.
    dim : int
        Number d of coordinates of an input.
    norm_squared : float
        :math:`|w|^2` of the true coefficients.
    noise : float
        Standard deviation of the labels.

    Returns
    -------
    Labelled, shape of `share`
        Exact mean, in units of the squared label.

    Raises
    ------
    ValueError
        If an argument is out of range, or the mean is infinite (T from d - 1 to d + 1).

    Notes
    -----
    Source: ours; compare Garg, Bhattacharya and Sur 2025 (arXiv 2509.22341). Checked by
    tests/theory/test_regression.py against drawn points.

    Examples
    --------
    >>> from madtheory.theory import regression
    >>> regression.mixed_label_risk(share=[0.5, 0.618, 1.0], rows=20, dim=40).round(3)
    array([1.173, 1.139, 1.553])
    """
    u = check_numbers("share", share)
    _check_share(share, u)
    rows, dim = check_size("rows", rows), check_size("dim", dim)
    norm_squared, noise = (
        check_number("norm_squared", norm_squared, 0),
        check_number("noise", noise, 0, GREATEST),
    )
    if abs(rows - dim) < 2:
        raise ValueError(
            f"rows={rows} for dim={dim} inputs have an infinite expected error; use at least {dim + 2} rows, "
            f"or at most {dim - 2}."
        )
    seen, added = min(rows / dim, 1.0), noise**2 * min(rows, dim) / (abs(dim - rows) - 1)
    risk = ((1 - seen) * norm_squared + (u**2 + (1 - u) ** 2) * added) / (1 - seen * (1 - u) ** 2)
    return label(risk, "exact mean", SOURCE)
