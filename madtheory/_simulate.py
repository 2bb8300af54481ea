"""Replicates, choice of method, progress and labelling."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from madtheory._loop import Loop, Snapshot, Streams, start, step
from madtheory._validation import check_choice, check_size
from madtheory.types import Array, Metric, RandomState

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Run", "advance", "begin", "describe", "simulate", "to_dataset"]

_BLOCK_NUMBERS = 2**17  # doubles of one block's training sets: they stay in a second-level cache
_BLOCK_REPLICATES = 2**13


@dataclass(frozen=True)
class Run:
    """A simulation in progress: everything that is needed to continue it.

    Replicates are cut into blocks whose size depends on the loop only, and all blocks go through a
    generation before the next one begins: memory holds one state per replicate, and what is recorded.
    """

    loop: Loop
    generations: int
    metrics: tuple[Metric, ...]
    record: tuple[int, ...]
    quantiles: tuple[float, ...] | None
    snapshots: tuple[Snapshot, ...] = ()
    recorded: dict[str, list[Array]] = field(default_factory=dict)

    @property
    def generation(self) -> int:
        """The generation reached; 0 before the first."""
        return self.snapshots[0].generation if self.snapshots else 0


def begin(
    loop: Loop,
    generations: int,
    *,
    replicates: int = 100,
    metrics: Sequence[Metric] | None = None,
    rng: RandomState = None,
    method: str | None = None,
    record: Literal["all", "last"] | Sequence[int] = "all",
    quantiles: Sequence[float] | None = None,
    progress: bool | None = None,
) -> Run:
    """Generation 1 of every replicate; the arguments are those of `simulate`."""
    from madtheory.metrics import DEFAULT

    check_size("generations", generations)
    check_size("replicates", replicates)
    if quantiles is not None:
        q = np.asarray(quantiles, dtype=float)
        if q.ndim != 1 or not q.size or not ((q >= 0) & (q <= 1)).all():
            raise ValueError(
                f"quantiles={quantiles!r} are not numbers from 0 to 1; pass for example (0.05, 0.5, 0.95)."
            )
        quantiles = tuple(q.tolist())
    streams = Streams.of(rng)
    if hasattr(loop.model, "expand") and hasattr(loop.real, "expand"):
        probe = start(loop, rng=streams, replicates=1, method=method)
        block = int(np.clip(_BLOCK_NUMBERS // _numbers(probe.training_set), 1, _BLOCK_REPLICATES))
        sizes: list[int | None] = [min(block, replicates - first) for first in range(0, replicates, block)]
    else:
        sizes = [None] * replicates
    snapshots = tuple(
        start(loop, rng=replace(streams, block=i), replicates=size, method=method)
        for i, size in enumerate(_bar(sizes, "generation 1", progress))
    )
    metrics = tuple(DEFAULT if metrics is None else metrics)
    names = [getattr(metric, "__name__", None) for metric in metrics]
    if not names or None in names or len(set(names)) < len(names):
        raise ValueError(f"metrics={metrics!r} must be functions of different names, at least one of them.")
    run = Run(loop, generations, metrics, _to_record(record, generations), quantiles, snapshots)
    return _recorded(run)


def advance(run: Run) -> Run:
    """One generation further."""
    return _recorded(replace(run, snapshots=tuple(step(run.loop, snapshot) for snapshot in run.snapshots)))


def simulate(
    loop: Loop,
    generations: int,
    *,
    replicates: int = 100,
    metrics: Sequence[Metric] | None = None,
    rng: RandomState = None,
    method: Literal["statistics", "samples"] | None = None,
    record: Literal["all", "last"] | Sequence[int] = "all",
    quantiles: Sequence[float] | None = None,
    progress: bool | None = None,
) -> xr.Dataset:
    """Run independent copies of a loop and measure every generation.

    Parameters
    ----------
    loop : Loop
        What happens.
    generations : int
        Number of generations; 1 is the model trained on real data only.
    replicates : int
        Number of independent copies.
    metrics : sequence of functions of a Snapshot, optional
        What is measured; each one's name becomes a variable. Default `madtheory.metrics.DEFAULT`.
    rng : int, SeedSequence, Generator or None
        Seed. ``None`` draws fresh entropy; ``attrs["seed"]`` says which.
    method : {None, "statistics", "samples"}
        In order of precedence: draw the sufficient statistics of the training sets from their exact law (cost
        free of n), or draw every point. ``None`` takes the first that is possible.
    record : {"all", "last"} or sequence of int
        Which generations are measured and kept; memory and time of the metrics go with their number.
    quantiles : sequence of floats in [0, 1], optional
        Keep these quantiles over the replicates instead of the replicates.
    progress : bool, optional
        Progress bar; ``None`` shows it on a terminal, for runs of more than a second.

    Returns
    -------
    xarray.Dataset
        Variables (replicate, generation), or (quantile, generation); provenance in ``attrs``.

    Raises
    ------
    ValueError
        If an argument is out of range, or the method asked for does not exist for this loop.
    """
    run = begin(
        loop, generations, replicates=replicates, metrics=metrics, rng=rng, method=method,
        record=record, quantiles=quantiles, progress=progress,
    )  # fmt: skip
    for later in follow(run, progress=progress):
        run = later
    return to_dataset(run)


def follow(run: Run, *, progress: bool | None = None) -> Iterator[Run]:
    """Yield the run after each further generation, up to its last."""
    for _ in _bar(range(run.generation, run.generations), "generations", progress):
        run = advance(run)
        yield run


def to_dataset(run: Run) -> xr.Dataset:
    """Label what a run has recorded."""
    import xarray as xr

    reached = [t for t in run.record if t <= run.generation]
    dims = ("replicate" if run.quantiles is None else "quantile", "generation")
    variables = {name: (dims, np.stack(values, -1)) for name, values in run.recorded.items()}
    coords: dict[str, Any] = {"generation": reached}
    if run.quantiles is not None:
        coords["quantile"] = list(run.quantiles)
    return xr.Dataset(variables, coords, attrs=describe(run))


def describe(run: Run) -> dict[str, Any]:
    """Provenance: what was run, how, from which seed, with which versions."""
    import scipy

    import madtheory

    loop, first = run.loop, run.snapshots[0]
    return {
        "method": first.method,
        "regime": loop.regime.name,
        "regime_keywords": json.dumps(loop.regime.keywords, default=repr),
        "bias": "model's default" if loop.bias is None else loop.bias,
        "model": type(loop.model).__name__,
        "real": type(loop.real).__name__,
        "replicates": sum(int(np.prod(s.replicates)) for s in run.snapshots),
        "seed": str(first.streams.entropy),
        "versions": json.dumps(
            {"madtheory": madtheory.__version__, "numpy": np.__version__, "scipy": scipy.__version__}
        ),
    }


def _recorded(run: Run) -> Run:
    """Measure all blocks and keep what was asked for."""
    if run.generation not in run.record:
        return run
    recorded = {name: list(values) for name, values in run.recorded.items()}
    for metric in run.metrics:
        values = np.concatenate([np.atleast_1d(metric(snapshot)) for snapshot in run.snapshots])
        if run.quantiles is not None:
            values = np.quantile(values, run.quantiles)
        recorded.setdefault(metric.__name__, []).append(values)
    return replace(run, recorded=recorded)


def _to_record(record: Any, generations: int) -> tuple[int, ...]:
    if isinstance(record, str):
        check_choice("record", record, ("all", "last"))
        return tuple(range(1, generations + 1)) if record == "all" else (generations,)
    kept = tuple(sorted({check_size("record", t) for t in record}))
    if not kept or kept[-1] > generations:
        raise ValueError(f"record={record!r} must list generations from 1 to {generations}.")
    return kept


def _numbers(training_set: Any) -> int:
    """How many numbers one replicate's training set holds."""
    held = vars(training_set).values() if hasattr(training_set, "__dict__") else (training_set,)
    return max(sum(np.size(value) for value in held if value is not None), 1)


def _bar(items: Any, what: str, progress: bool | None) -> Any:
    from tqdm import tqdm

    return tqdm(items, desc=what, delay=1.0, leave=False, disable=None if progress is None else not progress)
