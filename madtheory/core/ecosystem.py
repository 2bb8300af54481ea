"""Several loops whose models train on one another's samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from madtheory import data
from madtheory.core.loop import Loop, Snapshot, choose_method, draw_batch, start_loop, take_step
from madtheory.core.streams import Streams
from madtheory.text import html_table, short_repr
from madtheory.types import Array
from madtheory.validation import check_choice, check_numbers, freeze, show

DRAWS = ("random", "fixed", "shared")


@dataclass(frozen=True, kw_only=True, eq=False)
class Ecosystem:
    """Several loops whose models train on one another's samples.

    Each loop has its own real data, model, regime, bias and treatments. Only the origin of its synthetic
    points differs from that of a loop on its own: a row of `exchange` says whose models they come from. The
    bias is that of the loop whose model is sampled; treatments, such as a curation by a reward of one's own,
    are those of the loop that trains on the points.

    Attributes
    ----------
    loops : sequence of Loop
        The loops, in the order of the rows of `exchange`.
    exchange : array, shape (M, M)
        Row k holds the shares of the synthetic points of loop k that come from the models of loops 0 to M-1;
        its sum is 1. The identity leaves every loop to itself.
    draws : {"random", "fixed", "shared"}
        How a batch is drawn. ``"random"``: each point chooses its source by the shares. ``"fixed"``: each
        source gives exactly its share, which must be a whole number of points. ``"shared"``: the same, and
        each model publishes one batch, from which all loops take their first points: with equal rows all
        loops train on the same synthetic points.

    Raises
    ------
    TypeError
        If `loops` holds something other than loops.
    ValueError
        If `exchange` has another shape, a negative share, or a row whose sum is not 1.

    Examples
    --------
    Two models with private real data, each of which takes half of its synthetic points from the other:

    >>> import madtheory as mad
    >>> regime = mad.regimes.augment(n_real=50, n_synthetic=50)
    >>> loops = [
    ...     mad.Loop(real=mad.Gaussian([mean], [[1.0]]), model=mad.Gaussian(), regime=regime)
    ...     for mean in (-1.0, 1.0)
    ... ]
    >>> ecosystem = mad.Ecosystem(loops=loops, exchange=[[0.5, 0.5], [0.5, 0.5]])
    >>> mad.predict(ecosystem, 3)["total_variance"].round(3).values
    array([[1.   , 1.755, 1.758],
           [1.   , 1.755, 1.758]])
    """

    loops: Sequence[Loop]
    exchange: Any
    draws: Literal["random", "fixed", "shared"] = "random"

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        loops = tuple(self.loops) if np.iterable(self.loops) else (self.loops,)
        for loop in loops:
            if not isinstance(loop, Loop):
                raise TypeError(
                    f"loops holds {show(loop)}, which is not a Loop; pass a list of madtheory.Loop."
                )
        shares = check_numbers("exchange", self.exchange)
        if not loops or shares.shape != (len(loops), len(loops)):
            raise ValueError(
                f"exchange has shape {shares.shape} and there are {len(loops)} loops; pass one row and one "
                f"column for each loop."
            )
        if (shares < 0).any() or not np.allclose(shares.sum(1), 1, rtol=0, atol=1e-9):
            raise ValueError(
                f"exchange={shares.tolist()} has a negative share or a row whose sum is not 1; divide each "
                f"row by its sum."
            )
        object.__setattr__(self, "loops", loops)
        object.__setattr__(self, "exchange", freeze(shares / shares.sum(1, keepdims=True)))
        check_choice("draws", self.draws, DRAWS)
        if self.draws == "shared" and any(loop.treatments for loop in loops):
            raise ValueError(
                "draws='shared' gives the same points to all loops, and treatments change those of one; "
                "leave out the treatments, or pass draws='fixed'."
            )
        if self.draws != "random":
            self._check_whole()

    def _check_whole(self) -> None:
        """Refuse batches that change, and shares that are not whole numbers of points."""
        for number, loop in enumerate(self.loops):
            regime = loop.regime
            subset = regime.budget is not None or regime.retain == "logarithmic"
            if not isinstance(regime.n_synthetic, int) or subset:
                raise ValueError(
                    f"draws={self.draws!r} needs n_synthetic as one number, without budget and with retain "
                    f"other than 'logarithmic', and loop {number} has {regime!r}; pass draws='random'."
                )
            points = regime.n_synthetic * self.exchange[number]
            if not np.allclose(points, np.round(points), rtol=0, atol=1e-6):
                raise ValueError(
                    f"draws={self.draws!r} takes {points.tolist()} points from the models for loop {number}, "
                    f"which are not whole numbers; change n_synthetic, or pass draws='random'."
                )

    @property
    def points(self) -> Array:
        """Numbers of points that each loop takes from each model where they are not random, shape (M, M)."""
        sizes = [loop.regime.n_synthetic for loop in self.loops]
        return np.rint(np.array(sizes)[:, None] * self.exchange).astype(int)

    def parts(self, source: int) -> list[int]:
        """Return the sizes of the parts of the batch that a model publishes, cut where some loop's end."""
        return np.diff([0, *sorted({*self.points[:, source].tolist()} - {0})]).tolist()


def statistics_differ(ecosystem: Ecosystem) -> str | None:
    """Return why models cannot be fitted to one another's statistics, or ``None``.

    A statistic may leave out what its own model does not need, such as the mean of points where it is known.
    """
    models = [loop.model for loop in ecosystem.loops]
    kinds = sorted({type(model).__name__ for model in models})
    if len(kinds) > 1:
        return f"its models are of the kinds {kinds}, whose statistics differ"
    for name in ("known_mean", "design", "statistic"):
        values = [getattr(model, name, None) for model in models]
        if any(not _is_same(values[0], value) for value in values):
            return f"the statistics depend on {name}, which differs between the models"
    return None


def _is_same(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    return bool(one.equals(other)) if hasattr(one, "equals") else np.array_equal(one, other)


def check_same_method(ecosystem: Ecosystem, method: str | None) -> str:
    """Return the requested method, if it is possible for all loops; for ``None`` the first one that is."""
    methods = [choose_method(loop, method) for loop in ecosystem.loops]
    if method == "samples" or "samples" in methods:
        return "samples"
    exchanged = (ecosystem.exchange != np.eye(len(methods))).any()
    obstacle = statistics_differ(ecosystem) if exchanged else None
    if obstacle is None:
        return "statistics"
    if method == "statistics":
        raise ValueError(
            f"method='statistics' is not available for this ecosystem: {obstacle}. Use method='samples'."
        )
    return "samples"


def start_together(
    ecosystem: Ecosystem, streams: Streams, *, replicates: int | None = None, method: str | None = None
) -> tuple[Snapshot, ...]:
    """Run generation 1 of all loops."""
    method = check_same_method(ecosystem, method)
    return tuple(
        start_loop(loop, streams.of_part(k), replicates=replicates, method=method)
        for k, loop in enumerate(ecosystem.loops)
    )


def step_together(ecosystem: Ecosystem, previous: tuple[Snapshot, ...]) -> tuple[Snapshot, ...]:
    """Take all loops one generation further."""
    published = _publish(ecosystem, previous) if ecosystem.draws == "shared" else None
    return tuple(
        take_step(loop, snapshot, partial(_take_points, ecosystem, previous, k, published))
        for k, (loop, snapshot) in enumerate(zip(ecosystem.loops, previous, strict=True))
    )


def _models_of(ecosystem: Ecosystem, previous: tuple[Snapshot, ...], source: int, share: float) -> list[Any]:
    """Return the last models of a loop with its bias, and the share of each."""
    models = previous[source].models
    return [(model, ecosystem.loops[source].bias, share / len(models)) for model in models]


def _take_points(
    ecosystem: Ecosystem, previous: tuple[Snapshot, ...], member: int, published: Any, loop: Loop,
    snapshot: Snapshot, n: Any,
) -> Any:  # fmt: skip
    """Draw the synthetic batch of one loop from the models of all."""
    shares = ecosystem.exchange[member]
    senders = np.flatnonzero(shares).tolist()
    if ecosystem.draws == "random":
        sources = [one for j in senders for one in _models_of(ecosystem, previous, j, shares[j])]
        return draw_batch(loop, snapshot, n, sources)
    wanted = ecosystem.points[member]
    if published is not None:
        ends: list[Any] = [np.cumsum(np.array(ecosystem.parts(j))) for j in senders]
        taken = [
            published[j][: int(np.searchsorted(end, wanted[j])) + 1]
            for j, end in zip(senders, ends, strict=True)
        ]
        return data.join([part for parts in taken for part in parts])
    readers = [_at_address(snapshot, previous, member, j) for j in senders]
    return data.join(
        [
            _draw_of(ecosystem, previous, j, loop, reader, int(wanted[j]))
            for j, reader in zip(senders, readers, strict=True)
        ]
    )


def _draw_of(
    ecosystem: Ecosystem, previous: tuple[Snapshot, ...], source: int, loop: Loop, reader: Snapshot, n: int
) -> Any:
    return draw_batch(loop, reader, n, _models_of(ecosystem, previous, source, 1.0))


def _publish(ecosystem: Ecosystem, previous: tuple[Snapshot, ...]) -> list[list[Any]]:
    """Draw the batch that each model publishes, in parts."""
    return [
        [
            _draw_of(ecosystem, previous, j, loop, _at_address(snapshot, previous, j, part), n)
            for part, n in enumerate(ecosystem.parts(j))
        ]
        for j, (loop, snapshot) in enumerate(zip(ecosystem.loops, previous, strict=True))
    ]


def _at_address(snapshot: Snapshot, previous: tuple[Snapshot, ...], *address: int) -> Snapshot:
    """Return a snapshot with streams of its own, for one of several draws of one generation."""
    moved = object.__new__(Snapshot)
    vars(moved).update(vars(snapshot), streams=previous[0].streams.of_part(*address))
    return moved
