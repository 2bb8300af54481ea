"""A verifier that sees a slice: of many candidates it keeps those nearest to its centre."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import integrate, special

from madtheory.theory.labels import Labelled, label
from madtheory.validation import check_arguments, check_choice, check_number, check_size

SOURCE = "derived here (order statistics of a chi-square); the loop of Qiao et al. 2026 (arXiv 2606.13732)"


@check_arguments
def nearest_factor(*, share: float, dim: int, n: int | None = None) -> Labelled:
    r"""Return the factor of the variance if the points nearest to the mean are kept, of a Gaussian.

    .. math:: f = \frac{P(\chi^2_{d+2} \le q)}{a}, \qquad P(\chi^2_d \le q) = a,

    for infinitely many points; for n of m candidates, m the rounding of n / a, the expected mean of the n
    smallest of m chi-squares over d. Distances are those of the model's own metric. Kind: exact mean.

    Parameters
    ----------
    share : float
        Share a of the candidates that is kept, above 0 and up to 1.
    dim : int
        Dimension d.
    n : int, optional
        Number of points that are kept; infinitely many by default.

    Returns
    -------
    Labelled scalar
        Factor f of every variance, from 0 to 1.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Source: derived here. In high dimension nearly all points have the same distance: f tends to 1.

    Examples
    --------
    >>> from madtheory.theory import verification
    >>> print(verification.nearest_factor(share=0.05, dim=10).round(3))
    0.31
    """
    a, d = check_number("share", share, 0, 1, above=True), check_size("dim", dim)
    return label(_factor(a, d, n), "exact mean", SOURCE)


@check_arguments
def nearest_trajectory(
    *, share: float, dim: int, generations: int, regime: str = "replace", n: int | None = None
) -> dict[str, Labelled]:
    r"""Return the total variance of a loop whose verifier keeps the points nearest to the known mean.

    With f of `nearest_factor`, and v the expected total variance relative to the first,

    .. math:: v_t = f^{t-1}\ (\text{replace}), \qquad
       v_t = \prod_{i=1}^{t-1} \frac{i + f}{i + 1} = \frac{\Gamma(t + f)}{\Gamma(1 + f)\Gamma(t + 1)}
       \sim \frac{t^{-(1-f)}}{\Gamma(1 + f)}\ (\text{accumulate}).

    Keeping all data, which prevents collapse without a verifier, leaves a power law. Kind: exact mean, for a
    spherical Gaussian with known mean, `madtheory.Gaussian` with ``shape="spherical"`` and ``known_mean``, at
    which the verifier is centred, and for the treatment `madtheory.treatments.keep_best`.

    Parameters
    ----------
    share, dim, n
        As in `nearest_factor`; `n` is the size of each batch.
    generations : int
        Length of the trajectory; generation 1 is trained on n real points.
    regime : {"replace", "accumulate"}
        Which batches each generation is trained on: the last, or all, the real one included.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``total_variance`` over that of the real data.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    *Proof.* Distances over the standard deviation of the model are independent of it, so that each batch has
    the expected variance f times that of its model, and the fit of all batches is their mean. Where the mean
    is fitted too, or spectra are unequal, the exponent 1 - f is only approached. Source: derived here; Qiao
    et al. 2026 (arXiv 2606.13732) find a power law.

    Examples
    --------
    >>> from madtheory.theory import verification
    >>> print(verification.nearest_trajectory(
    ...     share=0.05, dim=10, generations=4, regime="accumulate"
    ... )["total_variance"].round(3))
    [1.    0.655 0.504 0.417]
    """
    a, d = check_number("share", share, 0, 1, above=True), check_size("dim", dim)
    check_choice("regime", regime, ("replace", "accumulate"))
    t, f = np.arange(1.0, check_size("generations", generations)), _factor(a, d, n)
    factors = np.full(len(t), f) if regime == "replace" else (t + f) / (t + 1)
    values = np.concatenate([[1.0], np.cumprod(factors)])
    return {"total_variance": label(values, "exact mean", SOURCE)}


def _factor(share: float, dim: int, n: Any) -> float:
    if n is None:
        q = float(special.gammaincinv(dim / 2, share))
        return float(special.gammainc(dim / 2 + 1, q) / share)
    kept = check_size("n", n)
    drawn = count_candidates(kept, share)

    def survival(x: float) -> float:
        # A candidate at x is kept if at most n - 1 of the others are nearer.
        below = float(special.gammainc(dim / 2, x / 2))
        return float(special.bdtr(kept - 1, drawn - 1, below)) if below < 1 else float(kept == drawn)

    def integrand(x: float) -> float:
        log_density = (dim / 2 - 1) * np.log(x) - x / 2 - (dim / 2) * np.log(2) - special.gammaln(dim / 2)
        return float(x * np.exp(log_density) * survival(x))

    centre = 2 * special.gammaincinv(dim / 2, min(kept / drawn, 1 - 1e-12))
    far = 2 * special.gammaincinv(dim / 2, 1 - 1e-15) + 60
    points = [centre / 2, centre, min(2 * centre, far)]
    total, _ = integrate.quad(integrand, 0, far, points=points, limit=500, epsabs=0, epsrel=1e-11)
    return float(total * drawn / (kept * dim))


def count_candidates(n: int, share: float) -> int:
    """Return the number of candidates of which `n` are kept."""
    return max(n, round(n / share))
