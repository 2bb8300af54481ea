"""Selection of a share of synthetic points: those of highest score, the newest, or the most spread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from madtheory.abilities import is_set
from madtheory.data import Weighted
from madtheory.numerics import distances
from madtheory.treatments.rejection import draw, evaluate, pick, places
from madtheory.types import Array, Source
from madtheory.validation import (
    check_arguments,
    check_callable,
    check_choice,
    check_fields,
    check_memory,
    check_number,
    check_points,
    check_size,
    check_snapshot,
)

if TYPE_CHECKING:
    from madtheory.core import Loop, Snapshot


@dataclass(frozen=True)
class Ranking:
    """Treatment made by `keep_best`, `keep_new` and `keep_spread`.

    Attributes
    ----------
    share : float
        Share of the candidates that is kept.
    rule : {"best", "new", "spread"}
        What is preferred: a high score, distance to the training set, or distance to what is kept.
    score : callable, optional
        Function of points, for ``"best"``.
    """

    share: float
    rule: Literal["best", "new", "spread"]
    score: Callable[[Array], Any] | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        check_number("share", self.share, 0, 1, above=True)
        check_choice("rule", self.rule, ("best", "new", "spread"))
        if self.rule == "best":
            check_callable("score", self.score)

    def treated(self, model: Any, snapshot: Snapshot) -> Source:
        """Return the source of kept points; with a share of 1, the model itself."""
        if self.share == 1:
            return model
        known = None
        if self.rule == "new":
            check_snapshot(snapshot, "training_set")
            known = snapshot.training_set
            known = known.points if isinstance(known, Weighted) else known
            if is_set(known):
                raise TypeError("keep_new compares arrays of points; use keep_best with a score of images.")
            known = check_points(known, "the training set")
        return _Ranked(model, self, known)

    def obstacle(self, loop: Loop) -> str | None:
        """Return why there is no statistic: which points are kept depends on all of them."""
        return None if self.share == 1 else f"keep_{self.rule} ranks individual points"


@check_arguments
def keep_best(score: Callable[[Array], Any], *, share: float) -> Ranking:
    """Train on the synthetic points of highest score: n of about n / share candidates.

    Parameters
    ----------
    score : callable
        Function that maps points of shape (*replicate, n, d) to finite scores of shape (*replicate, n); for
        example minus the distance to a centre, of a verifier that knows a slice of the data only, or the
        output of a discriminator. For images it gets uint8 pixels, a batch at a time.
    share : float
        Share of the candidates that is kept, above 0 and up to 1. The number of candidates is rounded.

    Returns
    -------
    Ranking
        A treatment for ``Loop(treatments=...)``; a share of 1 is none, bit for bit.

    Raises
    ------
    TypeError, ValueError
        If `score` cannot be called, or `share` is out of range; in the loop, if scores have another shape or
        are not finite.

    Notes
    -----
    The threshold is that of the batch: `verify` has a fixed one. Source: the selections of Qiao et al. 2026
    (arXiv 2606.13732) and Yi et al. 2025 (arXiv 2510.16657). Theory:
    `madtheory.theory.verification.nearest_trajectory`.

    Examples
    --------
    >>> import numpy as np
    >>> import madtheory as mad
    >>> from madtheory.treatments import keep_best
    >>> nearest = keep_best(lambda points: -np.square(points).sum(-1), share=0.05)
    >>> loop = mad.Loop(
    ...     real=mad.Gaussian.standard(2), model=mad.Gaussian(), regime=mad.regimes.accumulate(n=100),
    ...     treatments=nearest,
    ... )
    >>> made = mad.simulate(loop, 5, rng=0, replicates=3, progress=False)
    >>> bool((made["total_variance"][:, -1] < 1.2).all())
    True
    """
    return Ranking(share, "best", score)


@check_arguments
def keep_new(*, share: float) -> Ranking:
    """Train on the synthetic points farthest from the training set of the model that drew them.

    Of about n / share candidates, the n whose nearest training point is farthest are kept: points that the
    model did not memorise. Parameters, errors and returned value: as for `keep_best`. It costs the distances
    of all candidates to all training points, in every generation.

    Notes
    -----
    Source: Shi et al. 2025 (arXiv 2509.16499) select for entropy and measure memorisation by this distance
    (`madtheory.metrics.novelty`); this rule is the simplest of that kind.

    Examples
    --------
    >>> from madtheory.treatments import keep_new
    >>> keep_new(share=0.5).rule
    'new'
    """
    return Ranking(share, "new")


@check_arguments
def keep_spread(*, share: float) -> Ranking:
    """Train on synthetic points that are far from each other: the greedy farthest-point subset.

    Of about n / share candidates the first is kept, and then, n - 1 times, the one that is farthest from all
    that are kept. Parameters, errors and returned value: as for `keep_best`; candidates are arrays. It costs
    n times the number of candidates.

    Notes
    -----
    The subset has more outliers, and a larger variance, than the model. Source: the greedy selection of Shi
    et al. 2025 (arXiv 2509.16499), for arrays of points.

    Examples
    --------
    >>> from madtheory.treatments import keep_spread
    >>> keep_spread(share=0.5).rule
    'spread'
    """
    return Ranking(share, "spread")


@dataclass(frozen=True, eq=False)
class _Ranked:
    model: Any
    rule: Ranking
    known: Any

    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Any:
        n = check_size("n", n)
        many = max(n, round(n / self.rule.share))
        first = draw(self.model, n, rng, bias)
        if not is_set(first):
            needed = 8.0 * many * first[..., 0, :].size * 2
            check_memory(needed, f"{many:,} candidates", "pass a larger share, or fewer points")
        if many > n:
            more = draw(self.model, many - n, rng, bias)
            points = first.joined((first, more)) if is_set(first) else np.concatenate([first, more], -2)
        else:
            points = first
        if self.rule.rule == "spread":
            return pick(points, np.sort(self._spread(points, n), -1))
        scores = self._scores(points)
        # In the order of their drawing, because the first points of a batch may be kept longer than the rest.
        return pick(points, np.sort(np.argsort(-scores, axis=-1, kind="stable")[..., :n], -1))

    def _scores(self, points: Any) -> Array:
        if self.rule.rule == "new":
            known = np.broadcast_to(self.known, points.shape[:-2] + self.known.shape[-2:])
            scores = np.empty(points.shape[:-1])
            for at in np.ndindex(points.shape[:-2]):
                for rows, block in distances(points[at], known[at]):
                    scores[(*at, rows)] = block.min(1)
            return scores
        assert self.rule.score is not None
        scores = evaluate(points, self.rule.score)
        if scores.shape != places(points) or not np.isfinite(scores).all():
            raise ValueError(
                f"score(points) has shape {scores.shape} and must hold one finite number for each point, "
                f"shape {places(points)}."
            )
        return scores

    def _spread(self, points: Any, n: int) -> NDArray[np.int64]:
        if is_set(points):
            raise TypeError("keep_spread compares arrays of points; use keep_best with a score of images.")
        lead, chosen = points.shape[:-2], np.zeros((*points.shape[:-2], n), dtype=np.int64)
        gap = np.full(points.shape[:-1], np.inf)
        for i in range(1, n):
            last = np.take_along_axis(points, chosen[..., i - 1, None, None], -2)
            gap = np.minimum(gap, np.square(points - last).sum(-1))
            chosen[..., i] = gap.argmax(-1)
        # Where fewer points differ than are kept, the rest are the first that are not chosen yet.
        for at in np.ndindex(lead):
            kept, where = np.unique(chosen[at], return_index=True)
            if len(kept) < n:
                rest = np.setdiff1d(np.arange(points.shape[-2]), kept)[: n - len(kept)]
                chosen[at] = np.concatenate([chosen[at][np.sort(where)], rest])
        return chosen
