"""Expected trajectories of Gaussian loops, generation by generation: of any regime, and of the named ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from madtheory import regimes
from madtheory.regimes import Regime
from madtheory.theory import moments
from madtheory.theory.gaussian.accumulation import (
    accumulate_second_moments,
    logs_and_distance,
    with_deviation,
)
from madtheory.theory.gaussian.replacement import Sizes, replace
from madtheory.theory.labels import Labelled, Trajectory, is_wanted, label
from madtheory.theory.moments import DISTANCES, SPREADS, Truths, check_spectrum, is_chain, regime_of
from madtheory.types import Weights
from madtheory.validation import check_arguments, check_size, size_at

_SOURCE = (
    "derived here: linear recursion of expected scatters and squared distances of means; real_data='none': "
    "Alemohammad et al. 2024 (arXiv 2307.01850), Eq. 1-2, with the first fit on n_initial real points"
)


@check_arguments
def trajectory(
    regime: Regime,
    *,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
    truths: Truths | None = None,
    generations: int,
    variables: Collection[str] | None = None,
) -> dict[str, Labelled]:
    r"""Return all known expectations of a Gaussian refitted in a regime.

    The first moments always, and what is known of the regime by its name.

    Kind: see `replace`, `augment`, `accumulate` and `fresh`, and for all other regimes `first_moments`.

    Parameters
    ----------
    regime : Regime
        Which data each generation is trained on (`madtheory.regimes`).
    bias, ddof, known_mean, dim, spectrum, generations
        As in `first_moments`.
    truths : Truths, optional
        The real laws of all generations, where they change (`madtheory.theory.Truths`); then `dim` and
        `spectrum` are those of generation 1, and the first moments alone are returned.
    variables : collection of str, optional
        Compute these only, apart from the first moments; all by default.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``total_variance``, ``mean_error``, and the further variables of the function named as the regime.

    Raises
    ------
    ValueError
        For arguments out of range, or a divisor of 0.

    Notes
    -----
    The two first moments hold for any real law with covariance :math:`\Sigma_0`, the rest for Gaussian data.
    Source: as of these functions.

    Examples
    --------
    >>> from madtheory import regimes
    >>> from madtheory.theory import gaussian
    >>> regime = regimes.Regime(n_initial=9, n_synthetic=9, retain=2)
    >>> gaussian.trajectory(regime, bias=0.5, generations=3)["total_variance"].round(3).tolist()
    [1.0, 0.5, 0.36]
    """
    return _trajectory(
        regime, bias=bias, ddof=ddof, known_mean=known_mean, truths=truths, dim=dim, spectrum=spectrum,
        generations=generations, variables=variables,
    )  # fmt: skip


def _trajectory(
    regime: Regime, *, bias: float, ddof: int | None, known_mean: bool, truths: Truths | None, dim: int,
    spectrum: ArrayLike | None, generations: int, variables: Collection[str] | None, until_still: bool = True,
) -> dict[str, Labelled]:  # fmt: skip
    model: dict[str, Any] = {"bias": bias, "ddof": ddof, "known_mean": known_mean, "generations": generations}
    values: Any
    truth: dict[str, Any] = {"dim": dim, "spectrum": spectrum}
    chain: dict[str, Any] = {"n": regime.n_synthetic, "n_initial": regime.n_initial}
    if is_chain(regime) and truths is None:
        return replace(**chain, **model, **truth)
    first = moments.first_moments(regime, source=_SOURCE, truths=truths, **model, **truth)
    if truths is not None:
        return first
    if regime.name == "accumulate" and regime.weights is None:
        costly = ("log_volume", "kl_divergence", "wasserstein2_squared")
        found, values = dict(first), check_spectrum(dim, spectrum)
        if is_wanted(variables, *SPREADS):
            found = with_deviation(first, accumulate_second_moments(**chain, **model, **truth))
        if values.size == 1 and is_wanted(variables, *costly):
            found |= logs_and_distance(first, values[0], **chain, **model)
        return Trajectory(found, "known in one dimension only", costly)
    if regime.name not in ("augment", "fresh") or regime.memory > 1 or regime.weights is not None:
        return first
    from madtheory.theory.gaussian import second_moment_maps as maps
    from madtheory.theory.gaussian.wasserstein import distances

    mixed: dict[str, Any] = {"n_real": regime.n_real, "n_synthetic": regime.n_synthetic}
    if until_still and generations > _FIRST_PART and all(isinstance(size, int) for size in mixed.values()):
        compute = partial(_trajectory, regime, truths=None, variables=variables, until_still=False)
        return _until_still(compute, **model, **truth)
    found = dict(first)
    if is_wanted(variables, *SPREADS):
        second = (
            maps.fixed_second_moments(**mixed, **model, **truth)
            if regime.real_data == "fixed"
            else maps.fresh_second_moments(**mixed, n_initial=regime.n_initial, **model, **truth)
        )
        found = with_deviation(first, second)
    if is_wanted(variables, *DISTANCES):
        batches = maps.batches_of(regime.n_synthetic)
        values = check_spectrum(dim, spectrum).astype(np.float64)
        size = size_at("n_synthetic", regime.n_synthetic, 2, 0) if batches is None else 1
        n_real: Any = regime.n_real
        mix = maps.check_mix(n_real, size, bias, ddof, known_mean, values.size, regime.real_data)
        estimated = is_wanted(variables, "wasserstein2_squared")
        found |= distances(mix, regime.n_initial, batches, values, generations, estimated)
    cause = "there is an estimate for batches of one size and a covariance c * identity; the bounds hold"
    return Trajectory(found, cause, DISTANCES)


_FIRST_PART, _STILL = 1024, 64  # generations; those without a change, after which a loop is stationary


def _moves(values: Labelled) -> bool:
    """Return whether the last values differ by more than rounding, and estimates by more than 1e-9."""
    tail = np.asarray(values)[-_STILL:]
    with np.errstate(invalid="ignore"):
        apart = np.abs(tail - tail[-1])
    return bool((apart > (1e-14 if values.kind.startswith("exact") else 1e-9) * np.abs(tail[-1])).any())


def _until_still(compute: Callable[..., dict[str, Labelled]], *, generations: int, **loop: Any) -> Trajectory:
    """Compute longer and longer parts of a trajectory until it is stationary; continue with its last values.

    The sizes of the training sets are the same in every generation, so that a stationary loop remains so.
    """
    part = _FIRST_PART
    while True:
        found = compute(generations=part, **loop)
        moved = any(_moves(values) for values in found.values())
        if part == generations or not moved:
            break
        part = min(4 * part, generations)
    rest = generations - part
    padded = {
        name: label(np.pad(np.asarray(values), (0, rest), mode="edge"), values.kind, values.source)
        for name, values in found.items()
    }
    kept = Trajectory(padded)
    kept.omitted = getattr(found, "omitted", {})
    return kept


@check_arguments
def first_moments(
    *,
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
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
    generations: int,
) -> dict[str, Labelled]:
    r"""Return the expected covariance trace and mean error of a Gaussian refitted to any mix of data.

    With factors :math:`E\Sigma_g = v_g \Sigma_0`, a batch of size :math:`n` of generation :math:`g` and the
    fit to groups of sizes :math:`N_i`, weights :math:`w_i`, means :math:`m_i` and scatters :math:`S_i` obey

    .. math::
        C = \lambda \bar v + \tfrac12 \overline{E|\mu_k - \mu_l|^2}, \quad E|b - \bar\mu|^2 = C/n, \quad
        E S_b = (n - 1) C,

        v_g = \frac{\sum_i w_i S_i + W \cdot \tfrac12 \sum_{ij} p_i p_j E|m_i - m_j|^2}{W - c W_2 / W},
        \quad \mu_g = \sum_i p_i m_i, \quad p_i = w_i N_i / W,

    bars being averages over the models of the last `memory` generations (per coordinate, units of
    :math:`\Sigma_0`), :math:`W = \sum w_i N_i`, :math:`W_2 = \sum w_i^2 N_i`. Kind: exact mean.

    Parameters
    ----------
    n_initial : int
        Real points that generation 1 is fitted to (all of them, unweighted).
    n_synthetic : int, sequence or callable
        Batch size of generation g >= 2; entry g - 1 of a sequence (entry 0 is not used).
    n_real : int, sequence or callable
        Real points in the pool of each generation g >= 2: new ones with ``real_data="fresh"``, and the first
        of generation 1's with ``real_data="fixed"``, where 0 stands for all of them.
    n_fresh : int, sequence or callable
        New real points of each generation g >= 2 alongside fixed ones.
    n_carried : int, sequence or callable
        Random points of the previous training set that are carried over into that of generation g >= 2.
    real_data : {"none", "fixed", "fresh"}
        Real part of the pool: nothing, points of generation 1, or new points.
    retain : {"last", "all"} or int
        Synthetic batches in the pool: the last one, all so far, or the last `retain`.
    retain_real : {"last", "all"} or int
        Batches of new real points in the pool: the last one, all (with ``real_data="fresh"`` since generation
        1's), or that many.
    memory : int
        Each synthetic point comes from one of the last ``min(memory, g - 1)`` models, at random.
    budget : int, sequence or callable, optional
        Train on a uniformly random subset of that many points of the pool; the pool itself is kept.
    replacement : bool
        Draw that subset with replacement.
    weights : (float, float), optional
        Weight of each real and of each synthetic point (``aweights`` of `numpy.cov`), and with `n_carried` of
        each carried one; a sequence of them or a function gives those of each generation; not with `budget`.
    bias : float
        Factor of the covariance of synthetic samples, >= 0, dimensionless.
    ddof : {0, 1}, optional
        The divisor is N - ddof; default 1, or 0 with `known_mean`.
    known_mean : bool
        Take the scatter about the true mean, which every model then has.
    dim, spectrum : int, array of shape (dim,)
        The true covariance: identity of size `dim` (default 1), or these eigenvalues.
    generations : int
        Number of generations, the real fit included.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``total_variance``, the mean of the trace of the covariance, and ``mean_error``, the mean squared
        distance of the mean to the truth; infinite beyond the range of doubles.

    Raises
    ------
    ValueError
        For sizes, weights or choices out of range, or a divisor N - ddof that is not positive.

    Notes
    -----
    Holds for real data of any law with covariance :math:`\Sigma_0`. With bias near 1 the mean trace is
    carried by ever rarer runs: typical runs collapse below it.
    Source: derived here; ``real_data="none"`` is Alemohammad et al. 2024 (arXiv 2307.01850), Eq. 1-2, there
    with ``ddof=1`` and equal sizes.
    """
    regime = regime_of(
        n_initial=n_initial, n_synthetic=n_synthetic, n_real=n_real, n_fresh=n_fresh, n_carried=n_carried,
        real_data=real_data, retain=retain, retain_real=retain_real, memory=memory, budget=budget,
        replacement=replacement, weights=weights,
    )  # fmt: skip
    return moments.first_moments(
        regime, source=_SOURCE, bias=bias, ddof=ddof, known_mean=known_mean, dim=dim, spectrum=spectrum,
        generations=generations,
    )  # fmt: skip


@check_arguments
def accumulate(
    *,
    n: Sizes,
    n_initial: int | None = None,
    weights: Sequence[float] | None = None,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
    generations: int,
    variables: Collection[str] | None = None,
) -> dict[str, Labelled]:
    r"""Return the expected trajectory when every fit sees the first real points and all batches so far.

    With :math:`N_g` points of equal weight at generation :math:`g` and :math:`E\Sigma_g = v_g \Sigma_0`,

    .. math::
        v_g = v_{g-1} \frac{N_{g-1} - c + \lambda (n - 1 + N_{g-1}/N_g)}{N_g - c}, \quad
        E|\mu_g - \mu_0|^2 = \operatorname{tr} \Sigma_0
        \Big(\frac1{N_1} + \sum_{i \le g} \frac{\lambda n v_{i-1}}{N_i^2}\Big).

    Kind: exact mean; in one dimension the log volume, divergence and Wasserstein distance are numerical
    (a quadrature for each generation).

    Parameters
    ----------
    n : int, sequence or callable
        Batch size of generation g.
    n_initial : int, optional
        Real points of generation 1; `n` at generation 1 by default.
    weights, bias, ddof, known_mean, dim, spectrum, generations
        As in `first_moments`.
    variables : collection of str, optional
        Compute only these, apart from the moments; all by default.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``total_variance``, ``mean_error``; without weights also ``total_variance_std``, ``squared_norm`` and,
        for ``dim=1``, ``log_volume``, ``kl_divergence``, ``wasserstein2_squared``.

    Raises
    ------
    ValueError
        For arguments out of range, or a divisor of 0.

    Notes
    -----
    The two first moments hold for any real law with covariance :math:`\Sigma_0`, the rest for Gaussian data.
    Any bias below 1 makes the covariance vanish, see `accumulate_exponent`.
    Source: derived here; the loop is that of Gerstgrasser et al. 2024 (arXiv 2404.01413).

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> print(gaussian.accumulate(n=20, generations=4)["total_variance"].round(4))
    [1.     0.9872 0.9816 0.9785]
    """
    return trajectory(
        regimes.accumulate(n=n, n_initial=n_initial, weights=weights),  # type: ignore[arg-type]
        bias=bias, ddof=ddof, known_mean=known_mean, dim=dim, spectrum=spectrum, generations=generations,
        variables=variables,
    )  # fmt: skip


@check_arguments
def accumulate_subsample(
    *,
    n: Sizes,
    n_initial: int | None = None,
    replacement: bool = False,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
    generations: int,
) -> dict[str, Labelled]:
    r"""Return the expected trajectory when every fit sees n random points of all data so far.

    With :math:`s_g` the mean pool variance (divisor :math:`N_g`), :math:`v_g` that of the model, and
    :math:`f_g` the variance of the subset mean given the pool, in units of :math:`\Sigma_0`,

    .. math::
        v_g = \frac{n - 1}{n - c} u_g, \quad
        f_g = \frac{u_g}{n} \Big(1 - \frac{n}{N_g}\Big), \quad u_g = \frac{N_g}{N_g - 1} s_g,

        N_{g+1} s_{g+1} = N_g s_g + (n - 1) \lambda v_g
        + \frac{N_g n}{N_{g+1}} \Big(f_g + \frac{\lambda v_g}{n}\Big),

    and with replacement :math:`u_g = s_g`, :math:`f_g = s_g / n`. Kind: exact mean.

    Parameters
    ----------
    n : int, sequence or callable
        Batch size and subset size of generation g.
    n_initial : int, optional
        Real points, all of which generation 1 is fitted to; `n` at generation 1 by default.
    replacement : bool
        Draw the subset with replacement.
    bias, ddof, known_mean, dim, spectrum, generations
        As in `first_moments`.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``total_variance`` and ``mean_error``.

    Raises
    ------
    ValueError
        For arguments out of range, or a divisor of 0.

    Notes
    -----
    Holds for any real law with covariance :math:`\Sigma_0`. Limits: `subsample_limit`.
    Source: derived here; the loop is that of Kazdan et al. 2024 (arXiv 2410.16713).
    """
    return first_moments(
        n_initial=size_at("n", n, 1) if n_initial is None else n_initial, n_synthetic=n, real_data="fixed",
        retain="all", budget=n, replacement=replacement, bias=bias, ddof=ddof, known_mean=known_mean,
        dim=dim, spectrum=spectrum, generations=generations,
    )  # fmt: skip


@check_arguments
def augment(
    *,
    n_real: int,
    n_synthetic: Sizes,
    memory: int = 1,
    weights: Sequence[float] | None = None,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
    generations: int,
    variables: Collection[str] | None = None,
) -> dict[str, Labelled]:
    r"""Return the expected trajectory when every fit sees one fixed real set and the last synthetic batch.

    With :math:`N = n_r + n_s`, :math:`w = n_s / N`, :math:`D_g = E|\mu_g - \bar x_r|^2` per coordinate and
    :math:`E\Sigma_g = v_g \Sigma_0`, for one model in memory and equal weights,

    .. math::
        (N - c)\, v_g = n_r - 1 + \lambda (n_s - 1) v_{g-1}
        + n_r w \Big(D_{g-1} + \frac{\lambda v_{g-1}}{n_s}\Big), \quad
        D_g = w^2 \Big(D_{g-1} + \frac{\lambda v_{g-1}}{n_s}\Big),

    and the mean error is :math:`\operatorname{tr} \Sigma_0 (1/n_r + D_g)`. Kind: exact mean.

    Parameters
    ----------
    n_real : int
        Sizes of the real set, all that generation 1 is fitted to.
    n_synthetic : int, sequence or callable
        Batch size of generation g; entry 0 of a sequence is not used.
    memory, weights, bias, ddof, known_mean, dim, spectrum, generations
        As in `first_moments`.
    variables : collection of str, optional
        Compute only these, apart from the first moments; all by default.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``total_variance``, ``mean_error``; for ``memory=1`` without weights also ``total_variance_std``,
        ``squared_norm`` and rigorous bounds ``wasserstein2_squared_lower`` and ``wasserstein2_squared_upper``
        of the distance to the truth; for a constant `n_synthetic` and a true covariance that is a multiple
        of the identity also ``wasserstein2_squared`` (`loop_wasserstein2_squared`: an estimate, not exact).

    Raises
    ------
    ValueError
        For arguments out of range, or a divisor of 0.

    Notes
    -----
    The two first moments hold for any real law with covariance :math:`\Sigma_0`, the rest for Gaussian data.
    Source: derived here; the loop is Alemohammad et al. 2024 (arXiv 2307.01850), synthetic augmentation.
    """
    n_real = check_size("n_real", n_real)
    return trajectory(
        regime_of(
            n_initial=n_real, n_synthetic=n_synthetic, real_data="fixed", memory=memory, weights=weights
        ),
        bias=bias, ddof=ddof, known_mean=known_mean, dim=dim, spectrum=spectrum, generations=generations,
        variables=variables,
    )  # fmt: skip


@check_arguments
def fresh(
    *,
    n_real: int,
    n_synthetic: Sizes,
    n_initial: int | None = None,
    memory: int = 1,
    weights: Sequence[float] | None = None,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
    generations: int,
    variables: Collection[str] | None = None,
) -> dict[str, Labelled]:
    r"""Return the expected trajectory when every fit sees new real points and the last synthetic batch.

    With :math:`N = n_r + n_s`, :math:`w = n_s / N`, :math:`E\Sigma_g = v_g \Sigma_0` and
    :math:`E(\mu_g - \mu_0)(\mu_g - \mu_0)' = m_g \Sigma_0`, for one model in memory and equal weights,

    .. math::
        (N - c)\, v_g = n_r - \frac{n_r}{N} + \lambda (n_s - w) v_{g-1} + n_r w\, m_{g-1}, \quad
        m_g = \frac{n_r}{N^2} + w^2 \Big(m_{g-1} + \frac{\lambda v_{g-1}}{n_s}\Big).

    Kind: exact mean.

    Parameters
    ----------
    n_real : int
        New real points of each generation.
    n_synthetic : int, sequence or callable
        Batch size of generation g; entry 0 of a sequence is not used.
    n_initial : int, optional
        Real points of generation 1; `n_real` by default.
    memory, weights, bias, ddof, known_mean, dim, spectrum, generations
        As in `first_moments`.
    variables : collection of str, optional
        Compute only these, apart from the first moments; all by default.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``total_variance``, ``mean_error``; for ``memory=1`` without weights also ``total_variance_std``,
        ``squared_norm`` and rigorous bounds ``wasserstein2_squared_lower`` and ``wasserstein2_squared_upper``
        of the distance to the truth; for a constant `n_synthetic` and a true covariance that is a multiple
        of the identity also ``wasserstein2_squared`` (`loop_wasserstein2_squared`: an estimate, not exact).

    Raises
    ------
    ValueError
        For arguments out of range, or a divisor of 0.

    Notes
    -----
    The two first moments hold for any real law with covariance :math:`\Sigma_0`, the rest for Gaussian data.
    Source: derived here; the loop is Alemohammad et al. 2024 (arXiv 2307.01850), fresh data.
    """
    n_real = check_size("n_real", n_real)
    return trajectory(
        regime_of(
            n_initial=n_real if n_initial is None else n_initial, n_synthetic=n_synthetic, n_real=n_real,
            real_data="fresh", memory=memory, weights=weights,
        ),
        bias=bias, ddof=ddof, known_mean=known_mean, dim=dim, spectrum=spectrum, generations=generations,
        variables=variables,
    )  # fmt: skip
