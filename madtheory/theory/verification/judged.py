"""Labels that a verifier judges correct or wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madtheory.theory.labels import Labelled, label
from madtheory.theory.stability import at_least
from madtheory.validation import check_arguments

Array = NDArray[np.floating[Any]]

FENG = "Feng et al. 2024 (arXiv 2406.07515), breakdown point of verified labels; algebra derived here"


@check_arguments
def verified_label_error(
    *, label_error: ArrayLike, keep_correct: ArrayLike, keep_incorrect: ArrayLike
) -> dict[str, Labelled]:
    r"""Return the share of wrong labels among those that a verifier keeps.

    .. math:: p' = \frac{p\psi}{p\psi + (1 - p)\phi}

    Kind: exact mean, for infinitely many labels.

    Parameters
    ----------
    label_error : array
        Share p of wrong labels among synthetic ones.
    keep_correct, keep_incorrect : array
        Probabilities :math:`\phi` and :math:`\psi` that a correct and a wrong label are kept.

    Returns
    -------
    dict of Labelled, the arguments' shape
        ``label_error`` after verification (NaN where nothing is kept) and ``acceptance``.

    Raises
    ------
    ValueError
        If an argument is not between 0 and 1.

    Notes
    -----
    Source: the setting of Feng et al. 2024 (arXiv 2406.07515); algebra derived here.

    Examples
    --------
    >>> from madtheory.theory import verification
    >>> known = verification.verified_label_error(
    ...     label_error=0.3, keep_correct=0.9, keep_incorrect=0.2
    ... )
    >>> for name, value in known.items():
    ...     print(name, value.round(4))
    label_error 0.087
    acceptance 0.69
    """
    after, acceptance = share_after(
        check_share("label_error", label_error),
        keep_good=check_share("keep_correct", keep_correct),
        keep_bad=check_share("keep_incorrect", keep_incorrect),
    )
    found = {"label_error": after, "acceptance": acceptance}
    return {key: label(value, "exact mean", FENG) for key, value in found.items()}


def share_after(bad: Array, *, keep_good: Array, keep_bad: Array) -> tuple[Array, Array]:
    """Return the share of bad ones among those that are kept, by Bayes, and the share that is kept."""
    kept = bad * keep_bad
    acceptance = kept + (1 - bad) * keep_good
    with np.errstate(invalid="ignore"):
        return kept / acceptance, acceptance


@check_arguments
def label_threshold(*, keep_correct: ArrayLike, keep_incorrect: ArrayLike) -> Labelled:
    r"""Return the label error up to which a classifier from infinitely many verified labels is optimal.

    .. math:: p < \frac\phi{\phi + \psi}

    that is, wherever `verified_label_error` is below one half. Kind: exact law, for two classes and labels
    whose error does not depend on the point. Parameters and errors: as for `verified_label_error`.

    Returns
    -------
    Labelled array, the arguments' shape
        One half for a verifier that does not discriminate, 1 for one that keeps no wrong label; NaN for one
        that keeps nothing.

    Notes
    -----
    Source: Feng et al. 2024 (arXiv 2406.07515), the breakdown point of their linear classifiers; algebra
    derived here.

    Examples
    --------
    >>> from madtheory.theory import verification
    >>> print(verification.label_threshold(keep_correct=0.9, keep_incorrect=0.2).round(4))
    0.8182
    """
    correct = check_share("keep_correct", keep_correct)
    with np.errstate(invalid="ignore"):
        return label(correct / (correct + check_share("keep_incorrect", keep_incorrect)), "exact law", FENG)


def check_share(name: str, value: ArrayLike) -> Array:
    """Return shares or probabilities."""
    share = at_least(name, value)
    if (share > 1).any():
        raise ValueError(f"{name}={value!r} is above 1; pass a share or probability from 0 to 1.")
    return share
