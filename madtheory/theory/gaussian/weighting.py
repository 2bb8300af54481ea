"""The weights of real and synthetic data that make the error of a loop with fresh real data smallest."""

from __future__ import annotations

import numpy as np

from madtheory.theory.labels import Labelled, label
from madtheory.validation import LONGEST, check_choice, check_number, check_size

GOLDEN = "He, Xu and Cheng 2026 (arXiv 2502.18049)"


def optimal_weights(
    n_real: int, n_synthetic: int, *, parameter: str = "mean", generations: int | None = None
) -> Labelled:
    r"""Return the share of the real data in each fit that makes the error of a fresh data loop smallest.

    A model is the weighted mean of an estimate from real data and one from synthetic data,
    :math:`\hat\theta_t = u \hat\theta_{real} + (1 - u) \hat\theta_{synthetic}`. For a mean, and for least
    squares on a fixed design, the stationary error and its minimum are, with :math:`k = n_r / n_s`,

    .. math::
        \mathrm{MSE}(u) = \sigma^2 \frac{u^2 / n_r + (1 - u)^2 / n_s}{1 - (1 - u)^2}, \qquad
        u = \frac{\sqrt{k^2 + 4 k} - k}{2}, \qquad \mathrm{MSE} = \frac{\sigma^2 u}{n_r}

    so that the loop is worth :math:`n_r / u` real points. At equal sizes u is the inverse of the golden
    ratio, 0.618. With other weights in each generation, the best share is the gain of a Kalman filter:

    .. math:: \frac{1}{P_t} = n_r + \frac{1}{P_{t-1} + 1/n_s}, \qquad u_t = n_r P_t, \qquad P_1 = 1/n_r

    For the variance of a Gaussian, where :math:`\sigma_t^2 = u s_r^2 + (1 - u) s_s^2` for unbiased
    variances of both groups, with :math:`B = 2 / (n_s - 1)` and :math:`K = B (n_r - 1) / 2`,

    .. math:: 1 - u = \frac{(2 + B + K) - \sqrt{(2 + B + K)^2 - 4 (1 + B)}}{2 (1 + B)}

    Parameters
    ----------
    n_real, n_synthetic : int
        New real points and synthetic points of each generation (at least 2 each for the variance).
    parameter : {"mean", "variance"}
        Parameter whose error is to be smallest.
    generations : int, optional
        Number of generations; the shares of each are returned instead of the stationary one. The first is 1:
        generation 1 has real data only. For the mean only.

    Returns
    -------
    Labelled, shape () or (generations,)
        Share u of the real data, exact. In a regime, each of n real points of total share u has weight u / n.

    Raises
    ------
    ValueError
        If an argument is out of range, or `generations` is given for the variance.

    Notes
    -----
    Source: He, Xu and Cheng 2026 (arXiv 2502.18049); the filter and the variance are ours. Checked by
    tests/theory/test_weighting.py.

    Examples
    --------
    >>> import madtheory as mad
    >>> from madtheory.theory import gaussian
    >>> share = gaussian.optimal_weights(100, 400)
    >>> round(float(share), 3)
    0.39
    >>> weights = (float(share) / 100, float(1 - share) / 400)
    >>> loop = mad.Loop(
    ...     real=mad.Gaussian.standard(1), model=mad.Gaussian(known_mean=None),
    ...     regime=mad.regimes.fresh(n_real=100, n_synthetic=400, weights=weights),
    ... )
    >>> gaussian.optimal_weights(1, 1, generations=4).round(4)
    array([1.    , 0.6667, 0.625 , 0.619 ])
    """
    check_choice("parameter", parameter, ("mean", "variance"))
    least = 1 if parameter == "mean" else 2
    real, made = check_size("n_real", n_real, least), check_size("n_synthetic", n_synthetic, least)
    if generations is not None:
        check_size("generations", generations, 1, LONGEST["generations"])
        if parameter == "variance":
            raise ValueError(
                f"generations={generations} with parameter='variance': the gain by generation is known for "
                f"the mean; leave generations out."
            )
        shares, error = np.ones(generations), 1 / real
        for t in range(1, generations):
            error = 1 / (real + 1 / (error + 1 / made))
            shares[t] = real * error
        return label(shares, "exact mean", f"Kalman filter, ours; stationary: {GOLDEN}")
    if parameter == "variance":
        noise = 2 / (made - 1)
        ratio = noise * (real - 1) / 2
        half = 2 + noise + ratio
        # The smaller root, written without cancellation.
        rest = 2 / (half + np.sqrt(half**2 - 4 * (1 + noise)))
        return label(1 - rest, "exact mean", f"ours; many points: {GOLDEN}")
    return label(golden_share(real / made), "exact mean", GOLDEN)


def golden_share(ratio: float) -> float:
    r"""Return :math:`(\sqrt{k^2 + 4 k} - k) / 2` for k of real per synthetic points, without cancellation."""
    k = check_number("ratio", ratio, 0, above=True)
    return float(2 / (1 + np.sqrt(1 + 4 / k)))
