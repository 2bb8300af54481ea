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

from madtheory import regimes
from madtheory.numerics import Bandwidth, absolute_width, check_bandwidth
from madtheory.regimes import Regime
from madtheory.theory import moments
from madtheory.theory.gaussian import Sizes
from madtheory.theory.labels import Labelled, label
from madtheory.theory.moments import Truths, regime_of, squared_factor
from madtheory.types import Weights
from madtheory.validation import (
    check_arguments,
    check_bias,
    check_choice,
    check_kernel_bias,
    check_numbers,
    check_size,
)

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
    "trajectory",
]

source = (
    "derived here: linear recursion of expected scatters and squared distances of means, with a kernel added "
    "in each fit; holds for real data of any law"
)


@check_arguments
def trajectory(
    regime: Regime, *, bandwidth: Bandwidth, bias: float = 1.0, dim: int = 1,
    spectrum: ArrayLike | None = None, truths: Truths | None = None, generations: int,
) -> dict[str, Labelled]:  # fmt: skip
    """Return the expected moments in a regime (`madtheory.regimes`); see `first_moments`. Exact mean."""
    return moments.first_moments(
        regime, source=source, bandwidth=check_bandwidth(bandwidth), bias=bias, dim=dim, spectrum=spectrum,
        truths=truths, generations=generations,
    )  # fmt: skip


@check_arguments
def first_moments(
    *,
    bandwidth: Bandwidth,
    n_initial: int,
    n_synthetic: Sizes,
    n_real: Sizes = 0,
    n_fresh: Sizes = 0,
    n_carried: Sizes = 0,
    real_data: Literal["none", "fixed", "fresh"] = "none",
    retain: Literal["last", "all"] | int = "last",
    retain_real: Literal["last", "all"] | int = "last",
    memory: int = 1,
    budget: Sizes | None = None,
    replacement: bool = False,
    weights: Weights | None = None,
    bias: float = 1.0,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
    generations: int,
) -> dict[str, Labelled]:
    r"""Return the expected trace of the model's covariance and mean error, for any mix of data.

    With S the maximum-likelihood covariance of a training set and H the kernel, the model has covariance
    S + H, and a sample with bias :math:`S + \mathrm{bias} \cdot H`:

    .. math:: \mathrm{tr} H = h^2 d \quad\text{or}\quad \mathrm{tr} H = f_n^2 \frac{n}{n-1} \mathrm{tr} S.

    Everything else is as for a Gaussian with ``ddof=0``. Kind: exact mean.

    Parameters
    ----------
    bandwidth : float, str or function
        h, or the rule for h or f (`madtheory.models.KernelDensity`).
    bias : float
        Factor of the covariance of the kernel in synthetic samples, >= 0, dimensionless; 1 for a bandwidth
        of 0, which has no kernel to scale.
    n_initial, n_synthetic, n_real, n_fresh, n_carried, real_data, retain, retain_real, memory, budget
    replacement, weights
        As in `madtheory.theory.gaussian.first_moments`.
    dim, spectrum : int, array of shape (dim,)
        The true covariance: identity of size `dim` (default 1), or these eigenvalues.
    generations : int
        Number of generations, the real fit included.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``total_variance``, the mean of tr(S + H), and ``mean_error``, that of the squared distance of the
        mean to the truth; infinite beyond the range of doubles.

    Raises
    ------
    ValueError
        For sizes, weights or choices out of range.
    """
    regime = regime_of(
        n_initial=n_initial, n_synthetic=n_synthetic, n_real=n_real, n_fresh=n_fresh, n_carried=n_carried,
        real_data=real_data, retain=retain, retain_real=retain_real, memory=memory, budget=budget,
        replacement=replacement, weights=weights,
    )  # fmt: skip
    return trajectory(
        regime, bandwidth=bandwidth, bias=bias, dim=dim, spectrum=spectrum, generations=generations
    )


@check_arguments
def replace(
    *, n: Sizes, bandwidth: Bandwidth, generations: int, n_initial: int | None = None, bias: float = 1.0,
    dim: int = 1, spectrum: ArrayLike | None = None,
) -> dict[str, Labelled]:  # fmt: skip
    r"""Return the expected moments when each generation sees only the last batch.

    For fixed bandwidth and constant n, the model's covariance :math:`T_t = E\,\mathrm{tr}(S_t + H)` obeys

    .. math:: T_{t+1} = (1 - \tfrac1n) T_t + h^2 d \;\to\; n h^2 d

    at bias 1: a kernel density loop ends at a spread of its own, whatever the data. Kind: exact mean.

    Parameters
    ----------
    n : int, sequence or callable
        Size of each training set; entry 0 of a sequence is that of generation 1.
    n_initial : int, optional
        Size of the first one; default `n` at generation 1.
    bandwidth, bias, dim, spectrum, generations
        See `first_moments`.

    Returns
    -------
    dict of Labelled, shape (generations,)
        See `first_moments`.
    """
    return trajectory(
        regimes.replace(n=n, n_initial=n_initial),
        bandwidth=bandwidth, bias=bias, dim=dim, spectrum=spectrum, generations=generations,
    )  # fmt: skip


@check_arguments
def augment(
    *, n_real: int, n_synthetic: Sizes, bandwidth: Bandwidth, generations: int, memory: int = 1,
    weights: tuple[float, float] | None = None, bias: float = 1.0, dim: int = 1,
    spectrum: ArrayLike | None = None,
) -> dict[str, Labelled]:  # fmt: skip
    """Return the expected moments with a fixed real set and one batch; see `first_moments`. Exact mean."""
    return trajectory(
        regime_of(
            n_initial=check_size("n_real", n_real), n_synthetic=n_synthetic, real_data="fixed", memory=memory,
            weights=weights,
        ),
        bandwidth=bandwidth, bias=bias, dim=dim, spectrum=spectrum, generations=generations,
    )  # fmt: skip


@check_arguments
def accumulate(
    *, n: Sizes, bandwidth: Bandwidth, generations: int, n_initial: int | None = None,
    weights: tuple[float, float] | None = None, bias: float = 1.0, dim: int = 1,
    spectrum: ArrayLike | None = None,
) -> dict[str, Labelled]:  # fmt: skip
    """Return the expected moments with a fixed real set and all batches; see `first_moments`. Exact mean."""
    return trajectory(
        regimes.accumulate(n=n, n_initial=n_initial, weights=weights),
        bandwidth=bandwidth, bias=bias, dim=dim, spectrum=spectrum, generations=generations,
    )  # fmt: skip


@check_arguments
def accumulate_subsample(
    *, n: int, bandwidth: Bandwidth, generations: int, replacement: bool = False, bias: float = 1.0,
    dim: int = 1, spectrum: ArrayLike | None = None,
) -> dict[str, Labelled]:  # fmt: skip
    """Return the expected moments with n points of all data so far; see `first_moments`. Exact mean."""
    return trajectory(
        regimes.accumulate_subsample(n=n, replacement=replacement),
        bandwidth=bandwidth, bias=bias, dim=dim, spectrum=spectrum, generations=generations,
    )  # fmt: skip


@check_arguments
def fresh(
    *, n_real: int, n_synthetic: Sizes, bandwidth: Bandwidth, generations: int, n_initial: int | None = None,
    memory: int = 1, weights: tuple[float, float] | None = None, bias: float = 1.0, dim: int = 1,
    spectrum: ArrayLike | None = None,
) -> dict[str, Labelled]:  # fmt: skip
    """Return the expected moments with new real points and one batch; see `first_moments`. Exact mean."""
    return trajectory(
        regime_of(
            n_initial=check_size("n_real", n_real) if n_initial is None else n_initial,
            n_synthetic=n_synthetic, n_real=n_real, real_data="fresh", memory=memory, weights=weights,
        ),
        bandwidth=bandwidth, bias=bias, dim=dim, spectrum=spectrum, generations=generations,
    )  # fmt: skip


@check_arguments
def limit(*, n: int, bandwidth: Bandwidth, bias: float = 1.0, dim: int = 1) -> Labelled:
    r"""Return the limit of the total variance of `replace` with a fixed bandwidth, from any start.

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
    return label(((n - 1) * check_kernel_bias(width, bias) + 1) * width**2 * dim, "exact mean", source)


@check_arguments
def rule_growth(
    *, n: int, bandwidth: Literal["silverman", "scott"], bias: float = 1.0, dim: int = 1
) -> Labelled:
    r"""Return the growth factor of the expected variance per generation of `replace`, under a rule for h.

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
    return label(1 - 1 / n + check_bias(bias) * squared_factor(bandwidth, n, dim), "exact mean", source)


@check_arguments
def accumulated_second_moment(
    *, bandwidths: ArrayLike, total_variance: float = 1.0, dim: int = 1
) -> Labelled:
    r"""Return the second moment of all data about the true mean, in `accumulate` with equal batches.

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
    return label(start + np.concatenate([[0.0], np.cumsum(steps)]), "exact mean", source)
