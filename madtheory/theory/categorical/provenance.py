"""Estimates from batches of real and synthetic tokens, knowing or not knowing which are which."""

from __future__ import annotations

from numpy.typing import ArrayLike

from madtheory.theory.labels import Labelled, label
from madtheory.validation import check_numbers, check_shapes, show

SOURCE = "Kanabar and Gastpar 2026; weights and variance checked here"


def label_blind_sample_size(*, sizes: ArrayLike, real_shares: ArrayLike) -> dict[str, Labelled]:
    r"""Return how many real tokens the batches of a loop are worth where nobody knows which tokens are real.

    Each of the :math:`n_i` tokens of batch i is real with a known probability :math:`\alpha_i`, and otherwise
    drawn from the known last estimate :math:`\hat P_{i-1}`. The correction
    :math:`\hat p_i = (\mathrm{emp}_i - (1 - \alpha_i) \hat P_{i-1}) / \alpha_i` is unbiased, and the best
    weights of the batches are :math:`n_i \alpha_i^2`. For an estimate close to the truth, the variance of a
    probability p is :math:`p (1 - p) / n` with

    .. math:: n = \sum_i n_i \alpha_i^2, \qquad n = \sum_i n_i \alpha_i

    for unknown, and for known provenance of every token.

    Parameters
    ----------
    sizes : array, shape (k,)
        Numbers of tokens of the batches.
    real_shares : array, shape (k,), or number
        Probability that a token of each batch is real, above 0 and up to 1.

    Returns
    -------
    dict of Labelled, shape ()
        ``label_blind`` and ``oracle``: effective numbers of real tokens.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Source: Kanabar and Gastpar 2026. Checked by tests/theory/test_weighting.py against drawn tokens.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> found = categorical.label_blind_sample_size(sizes=[100, 100], real_shares=[1.0, 0.5])
    >>> float(found["label_blind"]), float(found["oracle"])
    (125.0, 150.0)
    """
    n, share = check_numbers("sizes", sizes), check_numbers("real_shares", real_shares)
    check_shapes(sizes=n, real_shares=share)
    if not (n > 0).all():
        raise ValueError(f"sizes={show(sizes)} are not numbers of tokens; pass positive ones.")
    if not ((share > 0) & (share <= 1)).all():
        raise ValueError(
            f"real_shares={show(real_shares)} are out of range; pass shares above 0 and up to 1."
        )
    return {
        "label_blind": label((n * share**2).sum(), "leading order in 1/n", SOURCE),
        "oracle": label((n * share).sum(), "leading order in 1/n", SOURCE),
    }
