"""One generation after another, of a loop or of an ecosystem."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias, overload

from madtheory.core.ecosystem import Ecosystem, start_together, step_together
from madtheory.core.loop import Loop, Snapshot, start_loop, take_step
from madtheory.core.streams import Streams
from madtheory.numerics import one_thread  # limits BLAS to one thread
from madtheory.types import RandomState
from madtheory.validation import check_arguments, show

LoopOrLoops: TypeAlias = Loop | Ecosystem


@overload
def start(
    loop: Loop, *, rng: RandomState | Streams = ..., replicates: int | None = ..., method: str | None = ...
) -> Snapshot: ...
@overload
def start(
    loop: Ecosystem,
    *,
    rng: RandomState | Streams = ...,
    replicates: int | None = ...,
    method: str | None = ...,
) -> tuple[Snapshot, ...]: ...
@one_thread
@check_arguments
def start(
    loop: LoopOrLoops,
    *,
    rng: RandomState | Streams = None,
    replicates: int | None = None,
    method: str | None = None,
) -> Snapshot | tuple[Snapshot, ...]:
    """Run generation 1: fit the model to real data only.

    Parameters
    ----------
    loop : Loop or Ecosystem
        What happens; an ecosystem returns a tuple, with the snapshot of each of its loops.
    replicates : int, optional
        Number of independent copies that run at once, on a leading axis; model and real data need ``expand``,
        which adds it.
    method : {None, "statistics", "samples"}
        How the loop is computed; ``None`` takes the first method that is possible.

    Returns
    -------
    Snapshot or tuple of Snapshot
        State, from which `step` continues.
    """
    _check_loop(loop)
    streams = rng if isinstance(rng, Streams) else Streams.of(rng)
    if isinstance(loop, Ecosystem):
        return start_together(loop, streams, replicates=replicates, method=method)
    return start_loop(loop, streams, replicates=replicates, method=method)


@overload
def step(loop: Loop, previous: Snapshot) -> Snapshot: ...
@overload
def step(loop: Ecosystem, previous: tuple[Snapshot, ...]) -> tuple[Snapshot, ...]: ...
@one_thread
def step(loop: LoopOrLoops, previous: Any) -> Snapshot | tuple[Snapshot, ...]:
    """Run one generation: sample the previous models, assemble the training set, fit the next model.

    Parameters
    ----------
    loop : Loop or Ecosystem
        What happens.
    previous : Snapshot or tuple of Snapshot
        What `start` or `step` returned for it.

    Returns
    -------
    Snapshot or tuple of Snapshot

    Raises
    ------
    TypeError
        If `previous` is not the state of such a loop.
    """
    _check_loop(loop)
    if not isinstance(loop, Ecosystem):
        _check_snapshot(previous)
        return take_step(loop, previous)
    if not isinstance(previous, tuple) or len(previous) != len(loop.loops):
        raise TypeError(
            f"previous={show(previous)} is not a tuple of {len(loop.loops)} snapshots, one for each loop; "
            f"pass what madtheory.start or step returned for this ecosystem."
        )
    for snapshot in previous:
        _check_snapshot(snapshot)
    return step_together(loop, previous)


@overload
def iterate(
    loop: Loop,
    *,
    rng: RandomState = ...,
    replicates: int | None = ...,
    method: str | None = ...,
    previous: Snapshot | None = ...,
) -> Iterator[Snapshot]: ...
@overload
def iterate(
    loop: Ecosystem,
    *,
    rng: RandomState = ...,
    replicates: int | None = ...,
    method: str | None = ...,
    previous: tuple[Snapshot, ...] | None = ...,
) -> Iterator[tuple[Snapshot, ...]]: ...
@check_arguments
def iterate(
    loop: LoopOrLoops,
    *,
    rng: RandomState = None,
    replicates: int | None = None,
    method: str | None = None,
    previous: Any = None,
) -> Iterator[Any]:
    """Yield one generation after another, indefinitely; continue from `previous` if it is given."""
    going: Any = loop  # the overloads tell users which state belongs to which description
    snapshot: Any = (
        start(going, rng=rng, replicates=replicates, method=method)
        if previous is None
        else step(going, previous)
    )
    while True:
        yield snapshot
        snapshot = step(going, snapshot)


def _check_loop(loop: Any) -> None:
    if not isinstance(loop, (Loop, Ecosystem)):
        raise TypeError(f"loop={show(loop)} is not a Loop; pass one that madtheory makes.")


def _check_snapshot(previous: Any) -> None:
    if not isinstance(previous, Snapshot):
        raise TypeError(f"previous={show(previous)} is not a Snapshot; pass one that madtheory makes.")
