"""A detector with error rates in place of known provenance."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from madtheory.theory.labels import Labelled, label
from madtheory.theory.verification.judged import check_share, share_after
from madtheory.validation import check_arguments

SOURCE = "derived here (Bayes); the setting of Drayson, Yilmaz and Lampos 2025 (arXiv 2502.15654)"


@check_arguments
def detected_share(
    *, synthetic_share: ArrayLike, keep_real: ArrayLike, keep_synthetic: ArrayLike
) -> dict[str, Labelled]:
    r"""Return the share of synthetic points among those that a detector of synthetic points keeps.

    .. math:: w' = \frac{w\psi}{w\psi + (1 - w)\phi}

    The expected weight of a point plays the part of a probability: with importance weights :math:`(1 -
    P)^b`, where P is the detector's probability that a point is synthetic, :math:`\phi` and :math:`\psi` are
    their means over real and synthetic points. Kind: exact mean, for infinitely many points.

    Parameters
    ----------
    synthetic_share : array
        Share w of synthetic points in the pool.
    keep_real, keep_synthetic : array
        Probabilities :math:`\phi` and :math:`\psi` that a real and a synthetic point are kept.

    Returns
    -------
    dict of Labelled, the arguments' shape
        ``synthetic_share`` among the kept points (NaN where nothing is kept) and ``acceptance``.

    Raises
    ------
    ValueError
        If an argument is not between 0 and 1.

    Notes
    -----
    The shares say all only if what is kept does not depend on the points beyond their provenance; a detector
    that rejects unusual real points selects, and changes their law. Treatment: `madtheory.treatments.detect`.
    Source: derived here; the setting is that of Drayson et al. 2025 (arXiv 2502.15654).

    Examples
    --------
    >>> from madtheory.theory import verification
    >>> print(verification.detected_share(
    ...     synthetic_share=0.7, keep_real=0.95, keep_synthetic=0.1
    ... )["synthetic_share"].round(3))
    0.197
    """
    after, acceptance = share_after(
        check_share("synthetic_share", synthetic_share),
        keep_good=check_share("keep_real", keep_real),
        keep_bad=check_share("keep_synthetic", keep_synthetic),
    )
    found = {"synthetic_share": after, "acceptance": acceptance}
    return {key: label(value, "exact mean", SOURCE) for key, value in found.items()}


@check_arguments
def required_keep_ratio(*, synthetic_share: ArrayLike, target_share: ArrayLike) -> Labelled:
    r"""Return the largest ratio of kept synthetic to kept real points that brings a pool to a target share.

    .. math:: \frac\psi\phi = \frac{w'(1 - w)}{w(1 - w')}

    Where a loop tolerates the share w' (`madtheory.theory.gaussian` says which), a detector with this ratio
    of error rates is good enough for a pool of share w. Kind: exact law.

    Parameters
    ----------
    synthetic_share, target_share : array
        Shares w and w' of synthetic points before and after detection.

    Returns
    -------
    Labelled array, the arguments' shape
        Ratio; above 1 where the pool is better than the target, infinite without synthetic points.

    Raises
    ------
    ValueError
        If an argument is not between 0 and 1.

    Notes
    -----
    Source: derived here, as for `detected_share`.

    Examples
    --------
    >>> from madtheory.theory import verification
    >>> print(verification.required_keep_ratio(synthetic_share=0.8, target_share=0.5).round(4))
    0.25
    """
    w, target = check_share("synthetic_share", synthetic_share), check_share("target_share", target_share)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = target * (1 - w) / (w * (1 - target))
    return label(np.where((w == 0) | (target == 1), np.inf, ratio), "exact law", SOURCE)
