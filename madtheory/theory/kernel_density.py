r"""Loops of kernel densities, of the bootstrap, and of mixtures: first moments, whatever the law.

A model whose mean is that of its training set and whose covariance is the maximum-likelihood one plus
a kernel H needs no Gaussianity: expectations of scatters and of squared distances between means obey the
recursion of `madtheory.theory.gaussian.first_moments` with ``ddof=0``, H added in each fit. ``bandwidth=0``
is the bootstrap, and any generator that matches the first two moments of its training set (a Gaussian
fitted by maximum likelihood, a mixture after an M-step of EM); EM with a ridge r on its diagonals is
``bandwidth=sqrt(r)``.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from madtheory.numerics import Bandwidth, absolute_width, check_bandwidth
from madtheory.theory.gaussian import Sizes, check_spectrum, moments as moments, sizes_of
from madtheory.theory.labels import Labelled, labelled
from madtheory.validation import (
    check_bias,
    check_choice,
    check_kernel_bias,
    check_numbers,
    check_retain_real,
    check_size,
    checked,
    size_at,
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
]

source = (
    "derived here: linear recursion of expected scatters and squared distances of means, with a kernel added "
    "in each fit; holds for real data of any law"
)


def squared_factor(rule: str, n: float, dim: int) -> float:
    """Square of the factor between the bandwidth and the standard deviation."""
    return float((n if rule == "scott" else n * (dim + 2) / 4) ** (-2 / (dim + 4)))


def _kernel(bandwidth: Bandwidth, count: int, mass: float, squares: float, dim: int) -> tuple[float, float]:
    """Gain and added part of tr H = gain * tr S + added, for sums of weights and of their squares."""
    width = absolute_width(bandwidth, count, dim)
    if width is not None:
        return 0.0, width**2 * dim
    effective = mass**2 / squares
    if effective <= 1:
        raise ValueError(f"bandwidth={bandwidth!r} needs the spread of 2 or more points; pass a number.")
    return squared_factor(str(bandwidth), effective, dim) * effective / (effective - 1), 0.0


@checked
def first_moments(
    *,
    bandwidth: Bandwidth,
    n_initial: int,
    n_synthetic: Sizes,
    n_real: Sizes = 0,
    real_data: Literal["none", "fixed", "fresh"] = "none",
    retain: Literal["last", "all"] | int = "last",
    retain_real: Literal["last", "all"] | int = "last",
    memory: int = 1,
    budget: Sizes | None = None,
    replacement: bool = False,
    weights: tuple[float, float] | None = None,
    bias: float = 1.0,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
    generations: int,
) -> dict[str, Labelled]:
    r"""Expected trace of the model's covariance and mean error, for any mix of real and synthetic data.

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
    n_initial, n_synthetic, n_real, real_data, retain, retain_real, memory, budget, replacement, weights
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
    bandwidth = check_bandwidth(bandwidth)
    bias = check_kernel_bias(bandwidth, bias)
    check_choice("real_data", real_data, ("none", "fixed", "fresh"))
    if not isinstance(retain, str) or retain not in ("last", "all"):
        check_size("retain", retain)
    kept_real = check_retain_real(retain_real, real_data)
    memory, generations = check_size("memory", memory), check_size("generations", generations)
    if real_data != "fresh" and not (n_real == 0 or (real_data == "fixed" and n_real == n_initial)):
        raise ValueError(f"n_real={n_real!r} is used only with real_data='fresh'; with {real_data!r} pass 0.")
    shares = moments._check_weights(weights, budget)
    values = check_spectrum(dim, spectrum)
    trace, least = float(values.sum()), int(real_data == "none")

    means = moments._Means()
    reals = [moments._real(means, check_size("n_initial", n_initial))]
    reports: list[tuple[float, float]] = []
    models: list[moments._Model] = []

    def fit(pool: list[moments._Group], weight: Any) -> None:
        """Fit the next model: `reports` gets its covariance, `models` that of its samples."""
        node, variance = moments._fit(means, pool, weight, 0, False)
        sizes = np.array([group.size for group in pool])
        gain, added = _kernel(bandwidth, int(sizes.sum()), weight @ sizes, weight**2 @ sizes, len(values))
        kernel = gain * variance + added / trace
        models[:] = [*models, moments._Model(node, variance + bias * kernel)][-memory:]
        reports.append((variance + kernel, means.distance[moments._TRUTH, node]))

    fit(reals, np.ones(1))
    batches: list[moments._Group] = []
    constant = moments._constant(n_synthetic, n_real, budget)
    before: tuple[Any, ...] = ()
    with np.errstate(over="ignore", invalid="ignore"):
        for g in range(2, generations + 1):
            batches.append(moments._draw(means, models, size_at("n_synthetic", n_synthetic, g, least), 1.0))
            batches = moments._window(means, batches, retain)
            if real_data == "fresh":
                drawn = moments._real(means, size_at("n_real", n_real, g))
                reals = moments._window(means, [*reals, drawn], kept_real)
            present = [] if real_data == "none" else reals
            pool = present + batches
            weight = np.array([shares[0]] * len(present) + [shares[1]] * len(batches))
            if budget is not None:
                size = size_at("budget", budget, g)
                pool = [moments._subset(means, moments._merge(means, pool), size, replacement)]
                weight = np.ones(1)
            fit(pool, weight)
            if not np.isfinite(reports[-1]).all():
                reports.pop()
                break
            place = means.keep([*(b.node for b in reals + batches), *(m.node for m in models)])
            reals = [r._replace(node=place[r.node]) for r in reals]
            batches = [b._replace(node=place[b.node]) for b in batches]
            models = [m._replace(node=place[m.node]) for m in models]
            now = means.distance, tuple(reals + batches), tuple(models), *reports[-1]
            if constant and moments._repeats(now, before):
                reports += [reports[-1]] * (generations - g)
                break
            before = now
    out = np.full((2, generations), np.inf)
    out[:, : len(reports)] = trace * np.array(reports).T
    return {
        "total_variance": labelled(out[0], "exact mean", source),
        "mean_error": labelled(out[1], "exact mean", source),
    }


@checked
def replace(
    *, n: Sizes, bandwidth: Bandwidth, generations: int, n_initial: int | None = None, bias: float = 1.0,
    dim: int = 1, spectrum: ArrayLike | None = None,
) -> dict[str, Labelled]:  # fmt: skip
    r"""Expected moments when each generation sees only the last batch.

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
    return first_moments(
        n_initial=size_at("n", n, 1) if n_initial is None else n_initial, n_synthetic=n, bandwidth=bandwidth,
        bias=bias, dim=dim, spectrum=spectrum, generations=generations,
    )  # fmt: skip


@checked
def augment(
    *, n_real: int, n_synthetic: Sizes, bandwidth: Bandwidth, generations: int, memory: int = 1,
    weights: tuple[float, float] | None = None, bias: float = 1.0, dim: int = 1,
    spectrum: ArrayLike | None = None,
) -> dict[str, Labelled]:  # fmt: skip
    """Expected moments with the fixed real set beside the last batch; see `first_moments`. Exact mean."""
    return first_moments(
        n_initial=check_size("n_real", n_real), n_synthetic=n_synthetic, real_data="fixed", memory=memory,
        weights=weights,
        bandwidth=bandwidth, bias=bias, dim=dim, spectrum=spectrum, generations=generations,
    )  # fmt: skip


@checked
def accumulate(
    *, n: Sizes, bandwidth: Bandwidth, generations: int, n_initial: int | None = None, bias: float = 1.0,
    dim: int = 1, spectrum: ArrayLike | None = None,
) -> dict[str, Labelled]:  # fmt: skip
    """Expected moments with the fixed real set beside all batches so far; see `first_moments`. Exact mean."""
    sizes = sizes_of(n, n_initial, generations)
    return first_moments(
        n_initial=sizes[0], n_synthetic=sizes, real_data="fixed", retain="all", bandwidth=bandwidth,
        bias=bias, dim=dim, spectrum=spectrum, generations=generations,
    )  # fmt: skip


@checked
def accumulate_subsample(
    *, n: int, bandwidth: Bandwidth, generations: int, replacement: bool = False, bias: float = 1.0,
    dim: int = 1, spectrum: ArrayLike | None = None,
) -> dict[str, Labelled]:  # fmt: skip
    """Expected moments when n points of all so far are trained on; see `first_moments`. Exact mean."""
    return first_moments(
        n_initial=n, n_synthetic=n, real_data="fixed", retain="all", budget=n, replacement=replacement,
        bandwidth=bandwidth, bias=bias, dim=dim, spectrum=spectrum, generations=generations,
    )  # fmt: skip


@checked
def fresh(
    *, n_real: int, n_synthetic: Sizes, bandwidth: Bandwidth, generations: int, n_initial: int | None = None,
    memory: int = 1, weights: tuple[float, float] | None = None, bias: float = 1.0, dim: int = 1,
    spectrum: ArrayLike | None = None,
) -> dict[str, Labelled]:  # fmt: skip
    """Expected moments with new real points beside the last batch; see `first_moments`. Exact mean."""
    return first_moments(
        n_initial=check_size("n_real", n_real) if n_initial is None else n_initial,
        n_synthetic=n_synthetic, n_real=n_real,
        real_data="fresh", memory=memory, weights=weights, bandwidth=bandwidth, bias=bias, dim=dim,
        spectrum=spectrum, generations=generations,
    )  # fmt: skip


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
