r"""Local stability of loops that retrain on a fixed real set and synthetic data, with or without correction.

Notation of Bertrand et al. 2024 (arXiv 2310.00429): the next model maximises
:math:`E_{data}\log p_{\theta'} + \lambda E_{p_\theta}\log p_{\theta'}`. The optimum :math:`\theta^*`
on real data is a fixed point; with the Hessians :math:`A = E_{data}\nabla^2\log p_{\theta^*}` and
:math:`C = E_{p_{\theta^*}}\nabla^2\log p_{\theta^*}` the loop's Jacobian there is
:math:`J = (A + \lambda C)^{-1}\lambda C`, and C is only known by
:math:`|C - A| \le \epsilon L`. The bounds use this in different ways, and admit different ratios of synthetic
to real data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madtheory.theory.labels import Labelled, label
from madtheory.theory.stability.gaussian import at_least, synthetic_share
from madtheory.validation import check_arguments

BERTRAND = "Bertrand et al. 2024 (arXiv 2310.00429), Theorem 1; corrected: Gillman et al. 2024 (2402.07087)"
FERBACH = "Ferbach et al. 2024 (arXiv 2407.09499), stability without curation; with correction derived here"
SPECTRAL = "derived here (spectral radius under the assumptions of Bertrand et al. 2024, arXiv 2310.00429)"

Array = NDArray[np.floating[Any]]


@check_arguments
def contraction_bound(
    *,
    synthetic_ratio: ArrayLike,
    curvature: ArrayLike,
    smoothness: ArrayLike,
    misfit: ArrayLike,
    correction: ArrayLike = 0.0,
) -> Labelled:
    r"""Bound the contraction of a generation at the optimum, by Theorem 1 of Bertrand et al.

    .. math:: |J| \le \frac{\rho(\lambda)}{1 + \gamma}, \qquad
       \rho(\lambda) = \frac{\lambda(\alpha + \epsilon L)}{\alpha - \lambda(\alpha + \epsilon L)}

    Kind: bound, on the spectral norm, for infinitely many samples. Below 1 the loop converges to the optimum
    from nearby, by this factor a generation; at 1 or more the theorem states nothing, and the loop may still
    be stable.

    Parameters
    ----------
    synthetic_ratio : array
        Synthetic points per real point, :math:`\lambda` = n_synthetic / n_real (a ratio, not a share).
        Infinity is the fully synthetic loop.
    curvature : array
        Positive :math:`\alpha`: the expected log-likelihood has all second derivatives below
        :math:`-\alpha` at the optimum.
    smoothness : array
        Lipschitz constant L, over x, of the Hessian of the log-likelihood.
    misfit : array
        Wasserstein distance :math:`\epsilon` of the best model of the family to the data (W1 suffices).
    correction : array
        Strength :math:`\gamma` of the self-correction: synthetic data follow
        :math:`(p_\theta + \gamma p_{\theta^*})/(1 + \gamma)`. 0 is none, infinity a perfect one.

    Returns
    -------
    Labelled array, the arguments' shape
        Infinite where :math:`\lambda(\alpha + \epsilon L) \ge \alpha`, for any correction: the Neumann series
        that the proof sums diverges, and no number bounds the Jacobian.

    Raises
    ------
    ValueError
        If an argument is negative, `curvature` is 0, or one other than `synthetic_ratio` and `correction`
        is infinite.

    Notes
    -----
    Source: Bertrand et al. 2024 (arXiv 2310.00429), Theorem 1; correction: Gillman et al. 2024
    (arXiv 2402.07087), Theorem 4.3 and Lemma A.7.

    Examples
    --------
    >>> from madtheory.theory import stability
    >>> print(stability.contraction_bound(
    ...     synthetic_ratio=0.1, curvature=1.0, smoothness=2.0, misfit=0.1
    ... ).round(4))
    0.1364
    """
    share, e, weakened = _arguments(synthetic_ratio, curvature, smoothness, misfit, correction)
    return _quotient(share * (1 + e), 1 - share * (2 + e), weakened, BERTRAND)


@check_arguments
def threshold(
    *, curvature: ArrayLike, smoothness: ArrayLike, misfit: ArrayLike, correction: ArrayLike = 0.0
) -> Labelled:
    r"""Return the largest ratio of synthetic to real data with stability by Theorem 1 of Bertrand et al.

    .. math:: \lambda\Big(1 + \frac{\epsilon L}\alpha\Big) < \frac{1 + \gamma}{2 + \gamma}

    Kind: bound: below it the loop is stable, above it the theorem states nothing. It is one half without
    correction or misfit, where the loop is stable at every ratio (`spectral_threshold`). Parameters and
    errors: as for `contraction_bound`.

    Returns
    -------
    Labelled array, the arguments' shape
        The supremum of admitted ratios, which is itself not admitted.

    Notes
    -----
    Source: Gillman et al. 2024 (arXiv 2402.07087), Theorem 4.3; without correction Bertrand et al. 2024
    (arXiv 2310.00429), Theorem 1.

    Examples
    --------
    >>> from madtheory.theory import stability
    >>> print(stability.threshold(curvature=1.0, smoothness=2.0, misfit=0.1).round(4))
    0.4167
    """
    _, e, weakened = _arguments(0.0, curvature, smoothness, misfit, correction)
    return label(1 / (1 + weakened) / (1 + e), "bound", BERTRAND)


@check_arguments
def tight_contraction_bound(
    *,
    synthetic_ratio: ArrayLike,
    curvature: ArrayLike,
    smoothness: ArrayLike,
    misfit: ArrayLike,
    correction: ArrayLike = 0.0,
) -> Labelled:
    r"""Bound the contraction of a generation more tightly, by expanding about :math:`(1 + \lambda) A`.

    .. math:: |J| \le \frac1{1 + \gamma}\,
       \frac{\lambda(\alpha + \epsilon L)}{\alpha + \lambda(\alpha - \epsilon L)}

    Kind: bound, on the spectral norm; never above `contraction_bound`, and exact without misfit. Parameters
    and errors: as for `contraction_bound`.

    Returns
    -------
    Labelled array, the arguments' shape
        Infinite where the denominator is not positive: the Jacobian may then not exist.

    Notes
    -----
    Source: Ferbach et al. 2024 (arXiv 2407.09499), stability of retraining without curation; the factor for
    the correction is derived here.

    Examples
    --------
    >>> from madtheory.theory import stability
    >>> print(stability.tight_contraction_bound(
    ...     synthetic_ratio=0.1, curvature=1.0, smoothness=2.0, misfit=0.1
    ... ).round(4))
    0.1111
    """
    share, e, weakened = _arguments(synthetic_ratio, curvature, smoothness, misfit, correction)
    return _quotient(share * (1 + e), 1 - share * e, weakened, FERBACH)


@check_arguments
def tight_threshold(
    *, curvature: ArrayLike, smoothness: ArrayLike, misfit: ArrayLike, correction: ArrayLike = 0.0
) -> Labelled:
    r"""Return the largest ratio of synthetic to real data at which `tight_contraction_bound` is below 1.

    .. math:: \lambda < \frac{1 + \gamma}{e(2 + \gamma) - \gamma}, \quad e = \frac{\epsilon L}\alpha;
       \qquad \lambda < \frac\alpha{2 \epsilon L} \ (\gamma = 0)

    Kind: bound. Infinite where the denominator is not positive: without misfit, or for
    :math:`\gamma \ge 2e/(1 - e)`. Parameters, errors and source: as for `tight_contraction_bound`.

    Examples
    --------
    >>> from madtheory.theory import stability
    >>> print(stability.tight_threshold(curvature=1.0, smoothness=2.0, misfit=[0.1, 0.6]).round(4))
    [2.5    0.4167]
    """
    _, e, weakened = _arguments(0.0, curvature, smoothness, misfit, correction)
    # Divided by 1 + gamma, so that an infinite correction is not a special case.
    return _quotient(np.ones_like(e), (1 + weakened) * e - (1 - weakened), np.ones_like(e), FERBACH)


@check_arguments
def spectral_contraction_bound(
    *,
    synthetic_ratio: ArrayLike,
    curvature: ArrayLike,
    smoothness: ArrayLike,
    misfit: ArrayLike,
    correction: ArrayLike = 0.0,
) -> Labelled:
    r"""Return the sharp bound on the spectral radius of a generation's Jacobian, the asymptotic rate.

    .. math:: \mathrm{r}(J) \le \frac1{1 + \gamma} \max\Big(
       \frac{\lambda(1 + e)}{1 + \lambda(1 + e)},\ \frac{\lambda(e - 1)}{1 - \lambda(e - 1)}\Big),
       \quad e = \frac{\epsilon L}\alpha

    Kind: bound; some loop with these constants attains it, so it cannot be improved. For
    :math:`e \le 1` it is below 1 at every ratio. Parameters and errors: as for `contraction_bound`.

    Returns
    -------
    Labelled array, the arguments' shape
        Infinite where :math:`\lambda(e - 1) \ge 1`: the Jacobian may then not exist.

    Notes
    -----
    :math:`A^{-1}C` is similar to a symmetric matrix with eigenvalues :math:`m \in [1 - e, 1 + e]`, and those
    of J are :math:`\lambda m/(1 + \lambda m)`; in the norm :math:`|(-A)^{1/2} x|` it bounds the norm of J
    too. Attained in one dimension by :math:`C = (1 \pm e) A`. Source: derived here.

    Examples
    --------
    >>> from madtheory.theory import stability
    >>> print(stability.spectral_contraction_bound(
    ...     synthetic_ratio=0.1, curvature=1.0, smoothness=2.0, misfit=0.1
    ... ).round(4))
    0.1071
    """
    share, e, weakened = _arguments(synthetic_ratio, curvature, smoothness, misfit, correction)
    same = share * (1 + e) / (1 + share * e)
    opposite = _quotient(share * np.maximum(e - 1, 0.0), 1 - share * e, weakened, SPECTRAL)
    return label(np.maximum(weakened * same, np.where(e > 1, opposite, 0.0)), "bound", SPECTRAL)


@check_arguments
def spectral_threshold(
    *, curvature: ArrayLike, smoothness: ArrayLike, misfit: ArrayLike, correction: ArrayLike = 0.0
) -> Labelled:
    r"""Return the largest ratio of synthetic to real data at which `spectral_contraction_bound` is below 1.

    .. math:: \lambda(e - 1) < \frac{1 + \gamma}{2 + \gamma}, \quad e = \frac{\epsilon L}\alpha > 1

    Kind: bound. Infinite for :math:`e \le 1`, that is wherever the family is close enough to the data for
    the theorem's own condition of uniqueness, :math:`\epsilon L < \alpha`: every ratio of synthetic to real
    data is then locally stable. Parameters and errors: as for `contraction_bound`.

    Notes
    -----
    Source: derived here, from `spectral_contraction_bound`.

    Examples
    --------
    >>> from madtheory.theory import stability
    >>> print(stability.spectral_threshold(curvature=1.0, smoothness=2.0, misfit=0.1).round(4))
    inf
    """
    _, e, weakened = _arguments(0.0, curvature, smoothness, misfit, correction)
    return _quotient(1 / (1 + weakened), e - 1, np.ones_like(e), SPECTRAL)


def _arguments(
    synthetic_ratio: ArrayLike,
    curvature: ArrayLike,
    smoothness: ArrayLike,
    misfit: ArrayLike,
    correction: ArrayLike,
) -> tuple[Array, Array, Array]:
    """Return the synthetic share, the relative misfit e = eps L / alpha, and 1 / (1 + correction)."""
    alpha = at_least("curvature", curvature, positive=True)
    with np.errstate(over="ignore"):
        e = at_least("smoothness", smoothness) * at_least("misfit", misfit) / alpha
    e = np.minimum(e, np.finfo(float).max)
    weakened = 1 / (1 + at_least("correction", correction, infinite=True))
    share, e, weakened = np.broadcast_arrays(synthetic_share(synthetic_ratio), e, weakened)
    return share, e, weakened


@np.errstate(divide="ignore", invalid="ignore")
def _quotient(above: Array, below: Array, factor: Array, source: str) -> Labelled:
    """Return ``factor * above / below`` as a bound: infinite where `below` is not positive."""
    return label(np.where(below > 0, factor * above / below, np.inf), "bound", source)
