"""Kingman's house of cards: the infinitely curated loop with real data, and its condensation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special
from scipy.optimize import brentq

from madtheory.theory.curation.choice import check_law, top_of
from madtheory.theory.labels import Labelled, label
from madtheory.validation import check_arguments


@check_arguments
def house_of_cards(
    *, reference: ArrayLike, reward: ArrayLike, mixing: float, top: float | None = None
) -> dict[str, Labelled]:
    r"""Return the fixed point of a loop on real data and data tilted by infinitely many choices.

    .. math:: p = (1 - \eta)\,p_{ref} + \eta\,\frac{p\,e^r}Z
       \quad\Longrightarrow\quad p = \frac{(1 - \eta)\,p_{ref}}{1 - \eta e^r/Z}

    where Z makes p a law. If even :math:`Z = \eta e^{r_*}` leaves a mass
    :math:`W = (1-\eta)\,E_{p_{ref}}[1/(1 - e^{r - r_*})] < 1`, the rest condenses into an atom of mass 1 - W
    at the largest reward, where the real data have no mass. Kind: exact law.

    Parameters
    ----------
    reference : array, shape (m,)
        Law of the real data, on a discrete space or on the cells of a grid.
    reward : array, shape (m,)
        Rewards, at the middle of the cells.
    mixing : float
        Curated share :math:`\eta = \lambda/(1 + \lambda)`, from 0 to below 1.
    top : float, optional
        Largest reward :math:`r_*` of the space that the grid represents; by default that of a point with
        mass, and then there is no atom.

    Returns
    -------
    dict of Labelled
        ``law`` (m,), whose sum is 1 without the atom; ``atom``, the mass at `top`; ``log_normaliser``, log Z.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Solved for the logarithm of :math:`\varepsilon = 1 - \eta e^{r_*}/Z`, which may be smaller than rounding.
    Source: Kingman 1978 (J. Appl. Probab. 15, 1-12), for Lemma 2.1 of Ferbach et al. 2024 (arXiv 2407.09499).

    Examples
    --------
    >>> from madtheory.theory import curation
    >>> known = curation.house_of_cards(reference=[0.7, 0.2, 0.1], reward=[0.0, 1.0, 2.0], mixing=0.3)
    >>> for name, value in known.items():
    ...     print(name, value.round(4))
    law [0.5441 0.1919 0.264 ]
    atom 0.0
    log_normaliser 1.1041
    """
    law, r = check_law("reference", reference, reward)
    if law.ndim != 1:
        raise ValueError(f"reference has shape {law.shape} with these rewards; pass one law, shape (m,).")
    eta = float(mixing)
    if not 0 <= eta < 1:
        raise ValueError(f"mixing={mixing!r} is not from 0 to below 1; pass lambda / (1 + lambda).")
    held = law > 0
    best = float(top_of(law, r)[0]) if top is None else float(top)
    depth = r[held] - best
    if not (depth <= 0).all():
        raise ValueError(f"top={top!r} is below the reward {r[held].max()}; pass the largest of the space.")

    with np.errstate(divide="ignore"):
        log_gap = np.log(-np.expm1(depth))

    def log_weights(log_epsilon: float) -> Any:
        # 1 - (1 - epsilon) exp(depth), without cancellation
        return np.log1p(-eta) + np.log(law[held]) - np.logaddexp(log_gap, log_epsilon + depth)

    out, atom, log_epsilon = np.zeros_like(law), 0.0, -np.inf
    if (depth < 0).all() and (at_top := np.exp(log_weights(-np.inf))).sum() < 1:
        out[held], atom = at_top, 1 - at_top.sum()
    elif eta > 0:
        log_epsilon = brentq(lambda x: special.logsumexp(log_weights(x)), -1e4, 0.0, xtol=1e-13, rtol=1e-14)
        out[held] = np.exp(log_weights(log_epsilon))
        out /= out.sum()
    else:
        out, log_epsilon = law.copy(), 0.0
    if eta > 0:
        log_z = best + np.log(eta) - np.log1p(-np.exp(log_epsilon))
    else:
        log_z = best + np.log((law[held] * np.exp(depth)).sum())
    source = "Kingman 1978 (J. Appl. Probab. 15, 1-12); Ferbach et al. 2024 (arXiv 2407.09499), Lemma 2.1"
    values = {"law": out, "atom": atom, "log_normaliser": log_z}
    return {key: label(value, "exact law", source) for key, value in values.items()}
