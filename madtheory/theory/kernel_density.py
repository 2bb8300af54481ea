r"""Loops of kernel densities, of the bootstrap, and of mixtures: first moments, whatever the law.

A model whose mean is that of its training set and whose covariance is the maximum-likelihood one plus
a kernel H needs no Gaussianity: expectations of scatters and of squared distances between means obey the
recursion of `madtheory.theory.gaussian.first_moments` with ``ddof=0``, H added in each fit. ``bandwidth=0``
is the bootstrap, and any generator that matches the first two moments of its training set (a Gaussian
fitted by maximum likelihood, a mixture after an M-step of EM); EM with a ridge r on its diagonals is
``bandwidth=sqrt(r)``.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from madtheory._bandwidth import Bandwidth, absolute_width, check_bandwidth
from madtheory._validation import (
    check_bias,
    check_choice,
    check_kernel_bias,
    check_numbers,
    check_size,
    checked,
)
from madtheory.theory._kernel_moments import (
    accumulate,
    accumulate_subsample,
    augment,
    first_moments,
    fresh,
    replace,
    source,
    squared_factor,
)
from madtheory.theory._labels import Labelled, labelled

__all__ = [
    "accumulate",
    "accumulate_subsample",
    "accumulated_second_moment",
    "augment",
    "first_moments",
    "fresh",
    "limit",
    "replace",
    "rule_growth",
]


@checked
def limit(*, n: int, bandwidth: Bandwidth, bias: float = 1.0, dim: int = 1) -> Labelled:
    r"""Total variance in which `replace` with a fixed bandwidth ends, from any start.

    .. math:: \lim_t E\,\mathrm{tr}(S_t + H) = ((n - 1)\,\mathrm{bias} + 1)\, h^2 d

    The loop shrinks if that is below the true total variance and spreads if it is above; the training
    sets end at :math:`(n - 1)\,\mathrm{bias}\, h^2 d`. Kind: exact mean.

    Parameters
    ----------
    n : int
        Size of each training set.
    bandwidth : float, str or function
        Standard deviation h of the kernel, or a rule that does not scale with the data.
    bias : float
        Factor of its variance in samples; >= 0.
    dim : int
        Dimension d.

    Returns
    -------
    Labelled, scalar
        In the units of h squared.
    """
    n, dim = check_size("n", n), check_size("dim", dim)
    width = absolute_width(check_bandwidth(bandwidth), n, dim)
    if width is None:
        raise ValueError(
            f"bandwidth={bandwidth!r} scales with the data, so that there is no limit: see rule_growth."
        )
    return labelled(((n - 1) * check_kernel_bias(width, bias) + 1) * width**2 * dim, "exact mean", source)


@checked
def rule_growth(
    *, n: int, bandwidth: Literal["silverman", "scott"], bias: float = 1.0, dim: int = 1
) -> Labelled:
    r"""Factor by which the expected variance grows in each generation of `replace`, under a rule for h.

    .. math:: \frac{E\,\mathrm{tr} S_{t+1}}{E\,\mathrm{tr} S_t} = 1 - \frac1n + \mathrm{bias} \cdot f_n^2

    It is 1 only for :math:`f_n = n^{-1/2}`; both rules have a larger f, so the loop spreads geometrically.
    Kind: exact mean.

    Parameters
    ----------
    n : int
        Size of each training set, 2 or more.
    bandwidth : {"silverman", "scott"}
        The rule for f.
    bias : float
        Factor of the variance of the kernel in samples.
    dim : int
        Dimension d.

    Returns
    -------
    Labelled, scalar
        Dimensionless.

    Notes
    -----
    With the divisor n instead of n - 1 in the covariance of the rule, the factor is
    :math:`(1 - 1/n)(1 + f_n^2)`.
    """
    check_choice("bandwidth", bandwidth, ("silverman", "scott"))
    n, dim = check_size("n", n, minimum=2), check_size("dim", dim)
    return labelled(1 - 1 / n + check_bias(bias) * squared_factor(bandwidth, n, dim), "exact mean", source)


@checked
def accumulated_second_moment(
    *, bandwidths: ArrayLike, total_variance: float = 1.0, dim: int = 1
) -> Labelled:
    r"""Second moment of all the data about the true mean, in `accumulate` with batches of equal size.

    .. math:: E\,Q_t = \mathrm{tr}\,\Sigma_0 + d \sum_{i=1}^{t-1} \frac{h_i^2}{i + 1}

    For a fixed bandwidth it grows like log t; for :math:`h_i \propto i^{-1/5}` it stays finite. The size of
    the batches does not enter. Kind: exact mean.

    Parameters
    ----------
    bandwidths : array, shape (generations,)
        Standard deviation of the kernel of each generation (the last one is not sampled from).
    total_variance : float
        Trace of the true covariance.
    dim : int
        Dimension d.

    Returns
    -------
    Labelled, shape (generations,)
        In the units of `total_variance`.
    """
    widths = np.atleast_1d(check_numbers("bandwidths", bandwidths))
    if widths.ndim != 1 or not widths.size:
        raise ValueError(f"bandwidths has shape {widths.shape}; pass one per generation, at least one.")
    steps = check_size("dim", dim) * widths[:-1] ** 2 / np.arange(2, len(widths) + 1)
    start = float(check_numbers("total_variance", total_variance))
    return labelled(start + np.concatenate([[0.0], np.cumsum(steps)]), "exact mean", source)
