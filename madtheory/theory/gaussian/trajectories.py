"""Expected trajectories of Gaussian loops under the named regimes, generation by generation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from madtheory.theory.gaussian.accumulation import with_deviation
from madtheory.theory.gaussian.moments import first_moments
from madtheory.theory.gaussian.replacement import Sizes, check_spectrum
from madtheory.theory.labels import Labelled, is_asked
from madtheory.validation import check_size, checked, size_at

_DISTANCES = ("wasserstein2_squared", "wasserstein2_squared_lower", "wasserstein2_squared_upper")


def _distances(
    *, n_real: int, n_synthetic: Sizes, n_initial: int | None = None, bias: float, ddof: int | None,
    known_mean: bool, real_data: str, dim: int, spectrum: ArrayLike | None, generations: int,
    variables: Collection[str] | None,
) -> dict[str, Labelled]:  # fmt: skip
    """Squared Wasserstein distance and its bounds."""
    from madtheory.theory.gaussian.second_moment_maps import batches_of, checked_mix
    from madtheory.theory.gaussian.wasserstein import distances

    truth, batches = check_spectrum(dim, spectrum).astype(np.float64), batches_of(n_synthetic)
    size = size_at("n_synthetic", n_synthetic, 2, 0) if batches is None else 1
    mix = checked_mix(n_real, size, bias, ddof, known_mean, truth.size, real_data)
    first = n_real if n_initial is None else n_initial
    return distances(mix, first, batches, truth, generations, is_asked(variables, "wasserstein2_squared"))


@checked
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
    r"""Expected trajectory when every fit sees n random points of all real and synthetic data so far.

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
        n_initial=size_at("n", n, 1) if n_initial is None else n_initial,
        n_synthetic=n,
        real_data="fixed",
        retain="all",
        budget=n,
        replacement=replacement,
        bias=bias,
        ddof=ddof,
        known_mean=known_mean,
        dim=dim,
        spectrum=spectrum,
        generations=generations,
    )


@checked
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
    r"""Expected trajectory when every fit sees one fixed real set and the last synthetic batch.

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
        Compute these only, beside the first moments; all by default.

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
    shared: dict[str, Any] = {
        "bias": bias,
        "ddof": ddof,
        "known_mean": known_mean,
        "generations": generations,
    }
    shared |= {"n_synthetic": n_synthetic, "dim": dim, "spectrum": spectrum}
    moments = first_moments(
        n_initial=check_size("n_real", n_real), real_data="fixed", memory=memory, weights=weights, **shared
    )
    if memory > 1 or weights is not None:
        return moments
    from madtheory.theory.gaussian.second_moment_maps import fixed_second_moments

    if is_asked(variables, "total_variance_std", "squared_norm"):
        moments = with_deviation(moments, fixed_second_moments(n_real=n_real, **shared))
    if not is_asked(variables, *_DISTANCES):
        return moments
    return moments | _distances(real_data="fixed", n_real=n_real, variables=variables, **shared)


@checked
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
    r"""Expected trajectory when every fit sees new real points and the last synthetic batch.

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
        Compute these only, beside the first moments; all by default.

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
    first = n_real if n_initial is None else n_initial
    shared: dict[str, Any] = {
        "bias": bias,
        "ddof": ddof,
        "known_mean": known_mean,
        "generations": generations,
    }
    shared |= {"n_real": n_real, "n_synthetic": n_synthetic, "n_initial": first}
    shared |= {"dim": dim, "spectrum": spectrum}
    moments = first_moments(real_data="fresh", memory=memory, weights=weights, **shared)
    if memory > 1 or weights is not None:
        return moments
    from madtheory.theory.gaussian.second_moment_maps import fresh_second_moments

    if is_asked(variables, "total_variance_std", "squared_norm"):
        moments = with_deviation(moments, fresh_second_moments(**shared))
    if not is_asked(variables, *_DISTANCES):
        return moments
    return moments | _distances(real_data="fresh", variables=variables, **shared)
