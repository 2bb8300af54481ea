"""Several treatments in one batch: each point gets one of them, chosen at random."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from madtheory.abilities import can
from madtheory.treatments.mixing import Mixed
from madtheory.types import Source, Treatment
from madtheory.validation import check_arguments, check_numbers, check_snapshot, show

if TYPE_CHECKING:
    from madtheory.core import Loop, Snapshot


@dataclass(frozen=True)
class Assignment:
    """Treatment made by `assign`: one of several, chosen for each point.

    Attributes
    ----------
    treatments : tuple of Treatment
        What is done to points.
    shares : tuple of float
        Probability of each; they sum to 1.
    """

    treatments: tuple[Treatment, ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.treatments, Sequence) or not self.treatments:
            raise TypeError(
                f"treatments={show(self.treatments)} is not a sequence of treatments; pass a list."
            )
        for one in self.treatments:
            if not can(one, "treated", "obstacle"):
                raise TypeError(
                    f"treatments holds {show(one)}, which is not a treatment; see madtheory.treatments."
                )
        shares = check_numbers("shares", self.shares)
        if shares.shape != (len(self.treatments),):
            raise ValueError(
                f"shares={show(self.shares)} has shape {shares.shape}; pass one share for each of the "
                f"{len(self.treatments)} treatments."
            )
        if (shares < 0).any() or not np.isclose(shares.sum(), 1, rtol=0, atol=1e-9):
            raise ValueError(
                f"shares={show(self.shares)} are not probabilities: they need entries of 0 or more with sum "
                f"1 (the sum is {shares.sum():g}); divide them by it."
            )
        object.__setattr__(self, "treatments", tuple(self.treatments))
        object.__setattr__(self, "shares", tuple((shares / shares.sum()).tolist()))

    def treated(self, model: Any, snapshot: Snapshot) -> Source:
        """Return the source whose points are treated by one of the treatments each."""
        check_snapshot(snapshot, "replicates")
        used = [(one, share) for one, share in zip(self.treatments, self.shares, strict=True) if share]
        sources = tuple(one.treated(model, snapshot) for one, _ in used)
        if len(sources) == 1:
            return sources[0]
        shares = tuple(share for _, share in used)
        return Mixed(sources, shares, (True,) * len(sources), snapshot.replicates)

    def obstacle(self, loop: Loop) -> str | None:
        """Return why there is no statistic: the first reason of a treatment that is used."""
        used = (one for one, share in zip(self.treatments, self.shares, strict=True) if share)
        return next((why for one in used if (why := one.obstacle(loop)) is not None), None)


@check_arguments
def assign(treatments: Sequence[Treatment], *, shares: Sequence[float]) -> Assignment:
    """Treat every synthetic point by one of several treatments, chosen at random.

    With several `curate`, this is pluralistic curation: judges with different rewards, of whom one, drawn
    independently of the candidates, chooses each point.

    Parameters
    ----------
    treatments : sequence of Treatment
        What is done to a point: `curate`, `verify`, `correct` and so on.
    shares : sequence of float
        Probability of each treatment; they sum to 1.

    Returns
    -------
    Assignment
        A treatment for ``Loop(treatments=...)``. The whole share on one of them is that treatment, bit for
        bit. The statistic has a known law if it has one under each treatment.

    Raises
    ------
    TypeError, ValueError
        If `treatments` holds something else, or `shares` are not one probability for each.

    Notes
    -----
    A mixture of rewards is not this: one judge with the reward q r1 + (1 - q) r2 chooses differently.
    Theory: `madtheory.theory.curation.pluralistic_update`. Source: the loop of Falahati et al. 2026 (arXiv
    2605.07724).

    Examples
    --------
    >>> from madtheory.treatments import assign, curate
    >>> left = curate(lambda points: -points[..., 0], choices=4)
    >>> right = curate(lambda points: points[..., 0], choices=4)
    >>> assign([left, right], shares=[0.7, 0.3]).shares
    (0.7, 0.3)
    """
    for name, given in (("treatments", treatments), ("shares", shares)):
        if not isinstance(given, Iterable):
            raise TypeError(f"{name}={show(given)} is not a sequence; pass one entry for each treatment.")
    return Assignment(tuple(treatments), tuple(shares))
