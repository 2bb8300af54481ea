"""Least squares on real and synthetic labels together: the error that is handed on, and its floor."""

from __future__ import annotations

from madtheory.theory.labels import Labelled, label
from madtheory.validation import GREATEST, LONGEST, check_number, check_size


def mixing_moments(n_real: int, n_synthetic: int, dim: int) -> tuple[float, float]:
    r"""Return how much of an error of the synthetic labels reaches the fit, and the residuals.

    For independent Wishart matrices G = G_r + G_s of `n_real` and `n_synthetic` rows of N(0, I):

    .. math:: g = \frac{1}{d} E\,\mathrm{tr}\,(G^{-1} G_s)^T (G^{-1} G_s), \qquad
              b = \frac{1}{d} E\,\mathrm{tr}\,G_r G^{-1} G_s

    by the zonal moments of the matrix beta :math:`U = G^{-1/2} G_s G^{-1/2}`, which is independent of G
    and has
    :math:`E\,U A U = \alpha A + \beta (A + \mathrm{tr}(A) I)` for symmetric A. The sum needs at least
    `dim` + 2 rows.
    """
    total, d = n_real + n_synthetic, float(dim)
    if n_synthetic == 0 or n_real == 0:
        return float(n_synthetic > 0), 0.0
    half, whole = n_synthetic / 2, total / 2
    if dim == 1:
        square = half * (half + 1) / (whole * (whole + 1))
        return square, total * (n_synthetic / total - square)
    second = (d * d + 2 * d) / 3 * half * (half + 1) / (whole * (whole + 1))
    mixed = 2 * (d * d - d) / 3 * half * (half - 0.5) / (whole * (whole - 0.5))
    of_square, of_trace = second - mixed / 2, second + mixed
    beta = (of_square * d - of_trace) / (d**3 + d**2 - 2 * d)
    alpha = (of_square - beta * (d * d + d)) / d
    gain = alpha + beta + beta * (total * d - 2) / (total - d - 1)
    return gain, total * (n_synthetic / total - alpha - beta * (1 + d))


def mixture_risk(
    *, n_real: int, n_synthetic: int, dim: int, shift_squared: float = 0.0, noise: float = 1.0
) -> Labelled:
    r"""Return the expected excess risk of one fit to real points and to synthetic ones of a wrong model.

    The labels of `n_synthetic` of the N rows come from coefficients that differ by :math:`\delta`; all inputs
    are independent N(0, I):

    .. math:: E\,|\hat w - w|^2 = g\,|\delta|^2 + \frac{\sigma^2 d}{N - d - 1}

    with g of the zonal moments of a matrix beta. For :math:`N \to \infty` at a fixed share p of synthetic
    points it tends to :math:`p^2 |\delta|^2`: no amount of data removes the floor ("strong collapse").

    Parameters
    ----------
    n_real, n_synthetic : int
        Numbers of real and of synthetic rows, together at least `dim` + 2.
    dim : int
        Number d of inputs.
    shift_squared : float
        Squared distance :math:`|\delta|^2` between the synthetic and the true coefficients.
    noise : float
        Standard deviation of the labels.

    Returns
    -------
    Labelled
        Exact mean, in units of the squared label.

    Raises
    ------
    ValueError
        If an argument is out of range, or there are too few rows for a finite mean.

    Notes
    -----
    Source: the floor: Dohmatob et al. 2025 (arXiv 2410.04840); the finite formula is ours. Checked by
    tests/theory/test_regression.py against drawn points.

    Examples
    --------
    >>> from madtheory.theory import regression
    >>> risk = regression.mixture_risk(n_real=99_000, n_synthetic=1_000, dim=5, shift_squared=1.0, noise=0.0)
    >>> round(float(risk), 5)
    0.0001
    """
    n_real, n_synthetic = check_size("n_real", n_real, 0), check_size("n_synthetic", n_synthetic, 0)
    dim = check_size("dim", dim, maximum=LONGEST["dim"])
    shift_squared, noise = (
        check_number("shift_squared", shift_squared, 0),
        check_number("noise", noise, 0, GREATEST),
    )
    total = n_real + n_synthetic
    if total < dim + 2:
        raise ValueError(
            f"n_real + n_synthetic={total} rows for dim={dim} inputs have an infinite expected error; use at "
            f"least {dim + 2}."
        )
    risk = mixing_moments(n_real, n_synthetic, dim)[0] * shift_squared + noise**2 * dim / (total - dim - 1)
    return label(risk, "exact mean", "ours; floor: Dohmatob et al. 2025 (arXiv 2410.04840)")
