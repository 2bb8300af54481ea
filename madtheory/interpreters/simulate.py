"""Simulation of loops: replicates, choice of method, progress and labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from madtheory.abilities import can, find_obstacle, knows  # knows: has a property, which is not computed
from madtheory.core import (
    Ecosystem,
    Loop,
    LoopOrLoops,
    Snapshot,
    Streams,
    check_same_method,
    choose_method,
    start,
    step_together,
    take_step,
)
from madtheory.data import Counts
from madtheory.interpreters.provenance import COORDINATES, provenance, variable_attributes
from madtheory.numerics import one_thread  # limits BLAS to one thread
from madtheory.types import Array, Metric, RandomState
from madtheory.validation import (
    LONGEST,  # largest numbers of generations, dimensions and symbols
    check_arguments,
    check_array,
    check_memory,
    check_metrics,
    check_quantiles,
    check_record,
    check_size,
    metric_name,
    show,
)

if TYPE_CHECKING:
    import xarray as xr


_BLOCK_NUMBERS = 2**17  # doubles of one block's training sets: they stay in a second-level cache
_BLOCK_REPLICATES = 2**13


@dataclass
class Run:
    """A simulation in progress: everything needed to continue it.

    Replicates are cut into blocks whose size depends on the loop only. Memory holds one state per replicate,
    and the recorded values.
    """

    loop: Loop
    generations: int
    replicates: int
    metrics: tuple[Metric, ...]
    record: frozenset[int]
    quantiles: tuple[float, ...] | None
    streams: Streams
    method: str
    n_jobs: int = 1
    snapshots: list[Snapshot] = field(default_factory=list)
    recorded: dict[str, list[Array]] = field(default_factory=dict)

    @property
    def generation(self) -> int:
        """The generation that all blocks have reached."""
        return self.snapshots[-1].generation


def prepare(
    loop: Loop,
    generations: int,
    *,
    replicates: int | None = None,
    metrics: Metric | Sequence[Metric] | None = None,
    rng: RandomState = None,
    method: str | None = None,
    record: Literal["all", "last"] | int | Sequence[int] = "all",
    quantiles: Sequence[float] | None = None,
    n_jobs: int = 1,
) -> Run:
    """Check all arguments of `simulate` and return a run before its first generation."""
    from madtheory.metrics import check_suitable, defaults

    generations = check_size("generations", generations, 1, LONGEST["generations"])
    if not isinstance(loop, Loop):
        raise TypeError(
            f"loop={show(loop)} is not a Loop; pass madtheory.Loop(real=..., model=..., regime=...)."
        )
    chosen = check_metrics(defaults(loop) if metrics is None else metrics)
    check_suitable(loop.at(1), chosen)
    many = usual_replicates(loop) if replicates is None else check_size("replicates", replicates)
    check_memory(8.0 * many, f"a run of replicates={many}", "run fewer")
    return Run(
        loop=loop,
        generations=generations,
        replicates=many,
        metrics=chosen,
        record=check_record(record, generations),
        quantiles=check_quantiles(quantiles),
        streams=Streams.of(rng),
        method=choose_method(loop, method),
        n_jobs=_check_threads(loop, n_jobs),
    )


def _check_threads(loop: Loop, n_jobs: int) -> int:
    """Return the number of threads; models that run one replicate at a time may share what they hold."""
    if n_jobs == -1:
        from joblib import cpu_count

        n_jobs = int(cpu_count())
    many = check_size("n_jobs", n_jobs)
    for name, value in (("model", loop.model), ("real", loop.at(1).real)):
        if many > 1 and (obstacle := find_obstacle(value, "expand")) is not None:
            raise ValueError(
                f"n_jobs={many} runs blocks of replicates in threads, and {name} runs one replicate at a "
                f"time ({obstacle}). Leave n_jobs out, or use processes: madtheory.sweep."
            )
    return many


def usual_replicates(loop: Loop) -> int:
    """Return the number of replicates where none is given: the model's ``usual_replicates``, else 100."""
    template = getattr(loop.model, "base", loop.model)
    return int(getattr(template, "usual_replicates", 100))


@one_thread
def start_all(run: Run, *, progress: bool | None = None, sizes: list[int | None] | None = None) -> None:
    """Run generation 1 of every replicate, in blocks of these sizes or of usual ones."""
    loop, streams, method = run.loop, run.streams, run.method
    usual, is_checked = (sizes, None not in sizes) if sizes is not None else _block_sizes(run)

    def begin_block(block: int, size: int | None) -> Snapshot:
        return start(loop, rng=replace(streams, block=block), replicates=size, method=method)

    run.snapshots = []
    started = _map(run, begin_block, range(len(usual)), usual)
    for snapshot in _bar(started, desc="generation 1", progress=progress, total=len(usual)):
        run.snapshots.append(snapshot)
        if len(run.snapshots) == 1 and not is_checked:
            _check_memory(run, snapshot)
    if 1 in run.record:
        _record(run, [_measure(run, snapshot) for snapshot in run.snapshots])


def _block_sizes(run: Run) -> tuple[list[int | None], bool]:
    """Return the numbers of replicates that run at once, and whether their memory has been checked.

    They are ``None`` where replicates run one at a time.
    """
    _check_points(run)
    loop, replicates = run.loop, run.replicates
    if not (can(loop.model, "expand") and can(loop.at(1).real, "expand")):
        return [None] * replicates, False
    # One replicate, whose size gives that of the blocks.
    probe = start(loop, rng=run.streams, replicates=1, method=run.method)
    # Counts thin out as symbols die, and their calls cost the same however few are left.
    room = _BLOCK_NUMBERS * (4 if isinstance(probe.training_set, Counts) else 1)
    block = int(np.clip(room // _numbers(probe.training_set), 1, _BLOCK_REPLICATES))
    _check_memory(run, probe)
    return [min(block, replicates - first) for first in range(0, replicates, block)], True


def _map(run: Run, function: Callable[..., Any], *arguments: Iterable[Any]) -> Iterator[Any]:
    """Call a function once for each block: in turn, or in threads, while NumPy computes."""
    if run.n_jobs == 1:
        yield from map(function, *arguments)
        return
    with ThreadPoolExecutor(run.n_jobs) as pool:
        yield from pool.map(function, *arguments)


def begin(loop: Loop, generations: int, *, progress: bool | None = None, **keywords: Any) -> Run:
    """Return a run in its first generation; the arguments are those of `simulate`."""
    run = prepare(loop, generations, **keywords)
    start_all(run, progress=progress)
    return run


@one_thread
def advance(run: Run | _JointRun, count: int = 1) -> None:
    """Take every block `count` generations further, one block after another: its state stays in the cache."""
    target, measured = min(run.generation + count, run.generations), []
    if isinstance(run, _JointRun):
        _advance_together(run, target)
        return
    advanced = _map(run, partial(_advance_block, run, target), run.snapshots)
    for i, (snapshot, values) in enumerate(advanced):
        run.snapshots[i] = snapshot
        measured.append(values)
    for blocks in zip(*measured, strict=True):
        _record(run, blocks)


@one_thread
def _advance_block(run: Run, target: int, snapshot: Snapshot) -> tuple[Snapshot, list[list[Array]]]:
    """Take one block to a generation; return its snapshot, and what is measured in each generation."""
    values = []
    while snapshot.generation < target:
        snapshot = take_step(run.loop, snapshot)
        if snapshot.generation in run.record:
            values.append(_measure(run, snapshot))
    return snapshot, values


@one_thread
def _advance_block_of_all(
    joint: _JointRun, target: int, snapshots: tuple[Snapshot, ...]
) -> tuple[tuple[Snapshot, ...], list[list[list[Array]]]]:
    """Take one block of all loops to a generation; return the snapshots, and what is measured."""
    values = []
    while snapshots[0].generation < target:
        snapshots = step_together(joint.ecosystem, snapshots)
        if snapshots[0].generation in joint.whole.record:
            values.append(joint.measure(snapshots))
    return snapshots, values


def _advance_together(joint: _JointRun, target: int) -> None:
    """Take every block of an ecosystem to a generation."""
    measured = []
    advance_block = partial(_advance_block_of_all, joint, target)
    for i, (snapshots, values) in enumerate(_map(joint.runs[0], advance_block, joint.blocks())):
        for run, snapshot in zip(joint.runs, snapshots, strict=True):
            run.snapshots[i] = snapshot
        measured.append(values)
    for blocks in zip(*measured, strict=True):
        joint.record(blocks)


@check_arguments
def simulate(
    loop: LoopOrLoops,
    generations: int,
    *,
    replicates: int | None = None,
    metrics: Metric | Sequence[Metric] | None = None,
    rng: RandomState = None,
    method: Literal["statistics", "samples"] | None = None,
    record: Literal["all", "last"] | int | Sequence[int] = "all",
    quantiles: Sequence[float] | None = None,
    n_jobs: int = 1,
    progress: bool | None = None,
) -> xr.Dataset:
    """Run independent copies of a loop and measure every generation.

    Parameters
    ----------
    loop : Loop or Ecosystem
        Loop to run, or several loops whose models train on one another's samples.
    generations : int
        Number of generations; 1 is the model trained on real data only.
    replicates : int, optional
        Number of independent copies. Default 100; for networks, whose fits take seconds to minutes, 1.
    metrics : function of a Snapshot or sequence of them, optional
        Metrics to measure; each one's name becomes a variable (for a `functools.partial` without
        ``__name__``, the name of its function). Default `madtheory.metrics.defaults`, which follow the loop.
    rng : int, SeedSequence, Generator or None
        Seed. ``None`` draws fresh entropy; ``attrs["seed"]`` records it.
    method : {None, "statistics", "samples"}
        Way of computing, in order of precedence: draw the sufficient statistics of the training sets from
        their exact law (at a cost that does not depend on n), or draw every point. ``None`` takes the first
        that is possible.
    record : {"all", "last"} or sequence of int
        Generations that are measured and kept; memory and time of the metrics grow with their number.
    quantiles : sequence of floats in [0, 1], optional
        Quantiles over the replicates to keep instead of the replicates.
    n_jobs : int
        Number of threads; -1 is one per core. The results are the same bits for any number. Threads share
        the blocks into which replicates are cut (thousands for a few dimensions, a dozen for a hundred), so
        model and real data need ``expand``, and metrics are called from several threads.
    progress : bool, optional
        Whether to show a progress bar; ``None`` shows it on a terminal, for runs of more than a second.

    Returns
    -------
    xarray.Dataset
        Variables (replicate, generation), or (quantile, generation); provenance in ``attrs``. Those of an
        `Ecosystem` have a dimension ``model`` too, one entry for each loop, apart from those of all models
        (`madtheory.metrics.model_spread`, `madtheory.metrics.pool_variance`).

    Raises
    ------
    ValueError
        If an argument is out of range, or the requested method does not exist for this loop.
    TypeError
        If a metric needs what the models of this loop do not have.

    Notes
    -----
    BLAS runs on one thread during the simulation, so that results are the same bits for any number of threads
    and small matrices do not wait for threads; the caller's setting is restored. PyTorch keeps its threads. A
    model whose `fit` needs more can request them there, with ``threadpoolctl.threadpool_limits``.
    """
    keywords: dict[str, Any] = {
        "replicates": replicates, "metrics": metrics, "rng": rng, "method": method, "record": record,
        "quantiles": quantiles, "n_jobs": n_jobs,
    }  # fmt: skip
    if isinstance(loop, Ecosystem):
        return _simulate_together(loop, generations, progress=progress, **keywords)
    run = begin(loop, generations, progress=progress, **keywords)
    for _ in follow(run, progress=progress):
        pass
    return to_dataset(run)


@dataclass
class _JointRun:
    """The runs of the loops of an ecosystem, block by block, and what is measured of all models at once."""

    ecosystem: Ecosystem
    runs: list[Run]
    whole: Run

    @property
    def generations(self) -> int:
        """The last generation."""
        return self.runs[0].generations

    @property
    def generation(self) -> int:
        """The generation that all blocks have reached."""
        return self.runs[0].generation

    def blocks(self) -> list[tuple[Snapshot, ...]]:
        """Return the snapshots of all loops, for each block."""
        return list(zip(*(run.snapshots for run in self.runs), strict=True))

    def record(self, measured: Sequence[Sequence[list[Array]]]) -> None:
        """Keep the values of one generation, measured block by block: of each loop, and of all."""
        for run, values in zip([*self.runs, self.whole], zip(*measured, strict=True), strict=True):
            _record(run, values)

    def measure(self, snapshots: tuple[Snapshot, ...]) -> list[list[Array]]:
        """Return what is measured of each loop, and of all."""
        own = [_measure(run, one) for run, one in zip(self.runs, snapshots, strict=True)]
        return [*own, _measure(self.whole, snapshots)]


def _prepare_together(
    ecosystem: Ecosystem, generations: int, *, metrics: Any, rng: RandomState, replicates: int | None,
    method: str | None, **keywords: Any,
) -> _JointRun:  # fmt: skip
    """Check all arguments and return the runs before their first generation."""
    from madtheory.metrics import OF_ECOSYSTEM, defaults

    loops, streams = ecosystem.loops, Streams.of(rng)
    if metrics is None:
        own = [defaults(loop) for loop in loops]
        shared = set.intersection(*({metric_name(metric) for metric in one} for one in own))
        own = [tuple(metric for metric in one if metric_name(metric) in shared) for one in own]
        alike = all(knows(loop.model, "moments") or knows(loop.model, "probabilities") for loop in loops)
        of_all = OF_ECOSYSTEM if alike else ()
    else:
        chosen = check_metrics(metrics)
        of_all = tuple(metric for metric in chosen if metric in OF_ECOSYSTEM)
        own = [tuple(metric for metric in chosen if metric not in OF_ECOSYSTEM)] * len(loops)
    many = min(map(usual_replicates, loops)) if replicates is None else replicates
    chosen_method = check_same_method(ecosystem, method)
    runs = []
    for k, (loop, measured) in enumerate(zip(loops, own, strict=True)):
        seed = np.random.SeedSequence(streams.of_part(k).entropy)
        run = prepare(
            loop, generations, metrics=measured or None, rng=seed, replicates=many, method=chosen_method,
            **keywords,
        )  # fmt: skip
        runs.append(replace(run, metrics=measured))
    return _JointRun(ecosystem, runs, replace(runs[0], metrics=of_all, recorded={}))


def _simulate_together(
    ecosystem: Ecosystem, generations: int, *, progress: bool | None, **keywords: Any
) -> xr.Dataset:
    """Simulate an ecosystem; the arguments are those of `simulate`."""
    import xarray as xr

    joint = _prepare_together(ecosystem, generations, **keywords)
    sizes = max((_block_sizes(run)[0] for run in joint.runs), key=lambda one: (None in one, len(one)))
    for run in joint.runs:
        measured, run.metrics = run.metrics, ()
        start_all(run, progress=progress, sizes=sizes)
        run.metrics = measured
    if 1 in joint.whole.record:
        joint.record([joint.measure(snapshots) for snapshots in joint.blocks()])
    for _ in follow(joint, progress=progress):
        pass
    joint.whole.snapshots = joint.runs[0].snapshots
    own = [to_dataset(run) for run in joint.runs]
    axis = xr.Variable("model", np.arange(len(own)), COORDINATES["model"])
    data = xr.concat(own, dim=axis, combine_attrs="override")
    first = "replicate" if joint.whole.quantiles is None else "quantile"
    data = data.transpose(first, "model", "generation", missing_dims="ignore")
    data = data.merge(to_dataset(joint.whole), combine_attrs="override")
    for name in ("regime", "regime_keywords", "bias", "model", "real"):
        values = list(dict.fromkeys(one.attrs[name] for one in own))
        data.attrs[name] = values[0] if len(values) == 1 else "; ".join(map(str, values))
    data.attrs |= {"exchange": json.dumps(ecosystem.exchange.tolist()), "draws": ecosystem.draws}
    return data


def follow(run: Run | _JointRun, *, progress: bool | None = None) -> Iterator[None]:
    """Take a run to its last generation, pausing at least once a second or once a generation."""
    count = 1
    with _bar(
        None, desc="generations", progress=progress, total=run.generations, initial=run.generation
    ) as bar:
        while run.generation < run.generations:
            began, before = perf_counter(), run.generation
            advance(run, count)
            bar.update(run.generation - before)
            yield
            seconds = perf_counter() - began
            count = min(2 * count, 16) if seconds < 0.5 else max(count // 2, 1) if seconds > 1 else count


def to_dataset(run: Run) -> xr.Dataset:
    """Return the recorded values of a run as a labelled dataset."""
    import xarray as xr

    reached = sorted(t for t in run.record if t <= run.generation)
    dims = ("replicate" if run.quantiles is None else "quantile", "generation")
    measured = {metric_name(metric): metric for metric in run.metrics}
    variables = {
        # A view: to move millions of numbers would take as long as to draw some of them.
        name: (dims, np.stack(values).T, variable_attributes(name, measured[name]))
        for name, values in run.recorded.items()
    }
    coords: dict[str, Any] = {"generation": ("generation", reached, COORDINATES["generation"])}
    if run.quantiles is not None:
        coords["quantile"] = ("quantile", list(run.quantiles), COORDINATES["quantile"])
    return xr.Dataset(variables, coords, attrs=provenance(run.loop, run.snapshots))


def _measure(run: Run, snapshot: Any) -> list[Array]:
    """Measure one snapshot, or those of all loops of an ecosystem."""
    first = snapshot[0] if isinstance(snapshot, tuple) else snapshot
    expected = first.replicates or (1,)
    measured = []
    for metric in run.metrics:
        name, returned = metric_name(metric), metric(snapshot)
        try:
            values = np.atleast_1d(check_array(returned, "its value"))
        except ValueError as error:
            raise ValueError(
                f"metric {name} returned {show(returned)}; expected one real number per replicate, "
                f"{expected} ({error})."
            ) from None
        if values.shape != expected:
            raise ValueError(
                f"metric {name} returned shape {values.shape}; expected one number per replicate, {expected}."
            )
        measured.append(values)
    return measured


def _record(run: Run, blocks: Sequence[list[Array]]) -> None:
    """Keep the requested values of one generation, measured block by block."""
    for metric, values in zip(run.metrics, zip(*blocks, strict=True), strict=True):
        joined = np.concatenate(values)
        kept = joined if run.quantiles is None else np.quantile(joined, run.quantiles)
        run.recorded.setdefault(metric_name(metric), []).append(kept)


_REMEDY = (
    "run fewer replicates or generations, keep quantiles= instead of replicates, record='last' or a few "
    "generations"
)


def _check_points(run: Run) -> None:
    """Refuse points that cannot fit before the first is drawn."""
    law = run.loop.at(1).real
    if run.method == "samples":
        known: Any = getattr(law, "points", None)
        dim = getattr(law, "dim", None) or np.shape(known)[-1:] or 1
        needed = 8.0 * _most_points(run) * int(np.prod(dim))
        what = f"one replicate of {_most_points(run)} points"
        check_memory(needed, what, "train on fewer points, or use method='statistics'")
    elif knows(law, "covariance"):
        # A lower bound, from one factor of a covariance each: the first fit itself can take long.
        dim = int(np.prod(np.shape(law.mean)[-1:]))  # of a source that is not fitted: 1
        needed = 8.0 * run.replicates * dim * min(dim, run.loop.regime.n_initial)
        check_memory(needed, f"a run of {run.replicates} replicates in {dim} dimensions", _REMEDY)


def _most_points(run: Run) -> int:
    """Return the number of points that one replicate holds at the end, at least."""
    regime, last = run.loop.regime, run.generations
    if last == 1:
        return regime.n_initial
    mix = regime.at(last)
    kept = {"last": 1, "all": last - 1, "logarithmic": last - 1}.get(str(regime.retain), regime.retain)
    first = int(regime.real_data == "fresh")  # the real data of generation 1 are a batch of their own
    reals = {"last": 1, "all": last - 1 + first}.get(str(regime.retain_real), regime.retain_real)
    synthetic = mix.n_synthetic * (min(int(kept), last - 1) if isinstance(regime.n_synthetic, int) else 1)
    constant = isinstance(regime.n_real if first else regime.n_fresh, int)
    fresh = mix.n_fresh * (min(int(reals), last - 1 + first) if constant else 1)
    return max(regime.n_initial, synthetic + mix.n_fixed + fresh + mix.n_carried)


def _check_memory(run: Run, first: Snapshot) -> None:
    """Refuse a run whose states and records do not fit, from the first snapshot."""
    here = max(int(np.prod(first.replicates)), 1)
    regime, drawn = run.loop.regime, first.training_set
    state = (_bytes(drawn) + _bytes(first.model) * min(regime.memory, run.generations)) / here
    if isinstance(drawn, np.ndarray):
        state *= max(_most_points(run) / max(drawn.shape[-2], 1), 1.0) if drawn.ndim >= 2 else 1.0
    elif isinstance(regime.retain, int) or isinstance(regime.retain_real, int):
        kept = sum(int(k) for k in (regime.retain, regime.retain_real) if isinstance(k, int))
        state += _bytes(drawn) / here * min(kept, run.generations)
    kept_of_each = run.replicates if run.quantiles is None else len(run.quantiles)
    # The records are stacked into the arrays of the result.
    records = 16.0 * kept_of_each * len(run.record) * len(run.metrics)
    what = f"a run of {run.replicates} replicates over {run.generations} generations"
    drawing = ", or draw statistics (method='statistics')" if run.method == "samples" else ""
    check_memory(run.replicates * state + records, what, _REMEDY + drawing)


def _bytes(held: Any) -> float:
    """Return the bytes of the arrays that a model or a training set holds."""
    if isinstance(held, np.ndarray):
        return float(held.nbytes)
    if isinstance(held, (tuple, list)):
        return sum(map(_bytes, held))
    return sum(float(v.nbytes) for v in getattr(held, "__dict__", {}).values() if isinstance(v, np.ndarray))


def _numbers(training_set: Any) -> int:
    """Return how many numbers one replicate's training set holds."""
    held = vars(training_set).values() if hasattr(training_set, "__dict__") else (training_set,)
    return max(sum(np.size(value) for value in held if value is not None), 1)


def _bar(items: Any, *, progress: bool | None, **options: Any) -> Any:
    from tqdm import tqdm

    return tqdm(items, delay=1.0, leave=False, disable=None if progress is None else not progress, **options)
