"""`sweep`: one call for a grid of loops, and `sweep.open` for what a folder holds."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Protocol, TypeVar, cast

import numpy as np

from madtheory.core import Loop, Streams
from madtheory.interpreters import simulate as _simulate
from madtheory.metrics import defaults as default_metrics
from madtheory.sweeps.cells import Bar, SweepError, Work, describe_failures, hold
from madtheory.sweeps.gather import gather
from madtheory.sweeps.loops import Description, Layout, join_blocks
from madtheory.sweeps.plan import make_plan
from madtheory.sweeps.points import Point, Points, address_of
from madtheory.sweeps.precision import blocks_to_use, check_target
from madtheory.sweeps.refinement import Value, crossing_of, find_edges, narrow, next_point
from madtheory.sweeps.store import Store, identity_of, newest
from madtheory.types import Metric, RandomState
from madtheory.validation import (
    LONGEST,
    check_callable,
    check_choice,
    check_flag,
    check_metrics,
    check_number,
    check_path,
    check_quantiles,
    check_size,
    metric_name,
    show,
)

if TYPE_CHECKING:
    import xarray as xr

P = ParamSpec("P")
R = TypeVar("R", covariant=True)

_MOST = 100  # blocks of replicates for a target error
_ROUNDS = 60  # of new points for a level set


class _WithOpen(Protocol[P, R]):
    """A function with another one as its attribute, as `functools.lru_cache` gives ``cache_clear``."""

    open: Callable[[str | os.PathLike[str]], xr.Dataset]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function."""


def _with_open(function: Callable[P, R]) -> _WithOpen[P, R]:
    function.open = open_sweep  # type: ignore[attr-defined]
    return cast("_WithOpen[P, R]", function)


def open_sweep(folder: str | os.PathLike[str]) -> xr.Dataset:
    """Return the cells that the folder of a sweep holds, also while it still runs.

    Parameters
    ----------
    folder : path-like
        Folder that was passed to `sweep` as `store`. If it holds several sweeps, the last one is read.

    Returns
    -------
    xarray.Dataset
        As `sweep` returns it, with NaN where a cell is not finished, and with all replicates that are there;
        ``attrs["missing"]`` is the number of cells without any. Of a sweep with `refine`, the points without
        the crossings.

    Raises
    ------
    StorageError
        If the folder holds no sweep.
    """
    store, about = newest(folder)
    if "points" not in about:
        raise ValueError(
            f"folder={str(folder)!r} holds the cells of {about.get('function')}, not of a sweep."
        )
    layout = Layout(**about["layout"] | {"quantiles": _tuple(about["layout"]["quantiles"])})
    points, records = Points.from_description(about["points"]), store.read()
    cells = [_join(_blocks(records, point), layout) for point in points.as_list()]
    return gather(points, cells, {"seed": about["seed"], "missing": cells.count(None)})


@_with_open
def sweep(
    make_loop: Callable[..., Loop | xr.Dataset],
    *,
    over: Mapping[str, Any] | xr.Dataset,
    generations: int | Callable[..., int] | Literal["stationary"] | None = None,
    replicates: int | None = None,
    metrics: Metric | Sequence[Metric] | None = None,
    rng: RandomState = None,
    method: Literal["statistics", "samples"] | None = None,
    record: Literal["all", "last"] | Sequence[int] | None = None,
    quantiles: Sequence[float] | None = None,
    keep_replicates: bool = False,
    theory: bool = False,
    target_error: float | Mapping[str, float] | None = None,
    max_replicates: int | None = None,
    refine: str | None = None,
    level: float = 1.0,
    tolerance: float = 0.01,
    store: str | os.PathLike[str] | None = None,
    n_jobs: int | None = None,
    plan: bool = False,
    progress: bool | None = None,
) -> Any:
    r"""Simulate a loop at every point of a grid, on one machine or a cluster.

    Per variable it returns the mean over the replicates, :math:`\bar x`, and its standard error
    :math:`s/\sqrt R` for R replicates.

    Parameters
    ----------
    make_loop : callable
        Function of a point, whose coordinates it takes as keywords, that returns a `Loop`; or, if
        `generations` is left out, an `xarray.Dataset`: any other experiment. If it has a keyword ``rng``
        that is not a coordinate, without a default or with ``None``, it gets a `SeedSequence` of the point.
    over : mapping or Dataset
        Coordinates: a mapping of names to lists gives their product, and one value a coordinate without a
        dimension; a Dataset gives one point for each element, its variables zipped along its dimensions.
        Values are numbers, texts or booleans; a seed is a coordinate like others.
    generations : int, callable or "stationary"
        Number of generations; a function of the point, called as `make_loop` is; or the number after which
        theory's exact means are within half a percent of their limits.
    replicates : int, optional
        Replicates at each point; as in `simulate` by default.
    metrics, method
        As in `simulate`.
    rng : int, SeedSequence, Generator or None
        Seed of the whole sweep. A cell draws from ``SeedSequence(entropy, spawn_key)`` with a key made of its
        coordinates: its numbers depend on them alone, not on the grid, the order, the workers or the engine.
    record : {"all", "last"} or sequence of int, optional
        Generations that are kept. With ``"last"``, the default for ``generations="stationary"``, there is no
        dimension ``generation``.
    quantiles : sequence of floats in [0, 1], optional
        Quantiles over the replicates to keep as well, in ``<name>_quantiles``.
    keep_replicates : bool
        Whether to keep every replicate as well, in ``<name>_replicates``.
    theory : bool
        Whether to put what `predict` says next to each variable, in ``predicted_<name>``, with its kind and
        source; ``attrs["omitted"]`` says why there is none.
    target_error : float or mapping, optional
        Standard error to be reached in every kept generation, in units of the variable: one for all, or one
        for each name. A point gets further blocks of `replicates` replicates until it is; the blocks before
        stay as they are.
    max_replicates : int, optional
        Replicates after which a point stops all the same, with a warning; 100 times `replicates` by default.
    refine : str, optional
        Variable whose level set is located. The grid is a coarse one then: along all axes of numbers, new
        points narrow the edges between neighbours that the level set passes.
    level : float
        Level of that set.
    tolerance : float
        Width to which an edge is narrowed, relative to its coordinate (absolute where that changes sign).
    store : path-like, optional
        Folder in which finished cells are kept; it is made if it does not exist. The same call continues
        there, and another grid uses the cells that are there already. It needs `rng`.
    n_jobs : int, optional
        Number of workers; ``None`` follows ``joblib.parallel_config``, and outside of one takes every core.
    plan : bool
        Whether to compute only the corners of the grid, and to return what the rest will cost.
    progress : bool, optional
        Whether to show a progress bar; ``None`` shows it on a terminal, after a second.

    Returns
    -------
    xarray.Dataset
        Variables with the dimensions of `over`, then ``generation``: ``<name>``, ``<name>_standard_error``,
        and what was asked for. ``generations`` and ``replicates`` where they depend on the point. With
        `refine` the points lie along ``point``, and ``crossing_<coordinate>`` along ``crossing`` are the
        places where the level set crosses an edge, with ``crossing_standard_error`` along ``crossing_axis``.
        With `plan`, a `Plan` instead.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range; also from the loop of the first point, before others are computed.
    SweepError
        If every cell fails.
    StorageError
        If the folder cannot be written; cells that finished before are kept in it.

    Warns
    -----
    UserWarning
        If cells failed, with the point and the error of each: their values are NaN, and the variable
        ``error`` holds the texts. The same call tries them again.

    Notes
    -----
    joblib executes: its active backend is respected, as in
    ``with joblib.parallel_config(backend="dask"): ...``. Workers need no common file system. Cells are cut
    into tasks of about a second, each on one thread. After a kill of a worker, a scheduler or this process
    the same call ends with the same bits.

    ``sweep.open(folder)`` reads what a folder holds, also while it runs.

    Examples
    --------
    >>> import madtheory as mad
    >>> def fresh(bias, n_synthetic):
    ...     regime = mad.regimes.fresh(n_real=100, n_synthetic=n_synthetic)
    ...     return mad.Loop(real=mad.Gaussian.standard(2), model=mad.Gaussian(), regime=regime, bias=bias)
    >>> grid = {"bias": [0.8, 1.0], "n_synthetic": [10, 100, 1000]}
    >>> result = mad.sweep(
    ...     fresh, over=grid, generations=5, replicates=400, rng=0, theory=True, n_jobs=1,
    ...     metrics=[mad.metrics.total_variance],
    ... )
    >>> dict(result.sizes)
    {'bias': 2, 'n_synthetic': 3, 'generation': 5}
    >>> gap = result.total_variance - result.predicted_total_variance
    >>> bool((abs(gap) < 5 * result.total_variance_standard_error).all())
    True
    """
    check_callable("make_loop", make_loop)
    points = Points.of(over, make_loop)
    described = Description(
        make=make_loop,
        generations=_check_generations(generations),
        replicates=None if replicates is None else check_size("replicates", replicates),
        metrics=None if metrics is None else check_metrics(metrics),
        method=method,
        record=record or ("last" if generations == "stationary" else "all"),
        quantiles=check_quantiles(quantiles),
        keep_replicates=check_flag("keep_replicates", keep_replicates),
        theory=check_flag("theory", theory),
        entropy=_entropy(rng, store),
    )
    check_number("level", level)
    check_number("tolerance", tolerance, 0, 1, above=True)
    check_flag("plan", plan)
    count, names = _check_first(described, points)
    _check_refined(refine, names, described)
    target = check_target(target_error, names) if described.generations is not None else None
    if target_error is not None and target is None:
        raise ValueError(f"target_error={show(target_error)} needs loops; pass generations= with it.")
    limit = _MOST * count if max_replicates is None else check_size("max_replicates", max_replicates, count)
    layout = Layout(
        described.quantiles, described.keep_replicates, described.record == "last",
        isinstance(described.generations, int), target is None,
    )  # fmt: skip
    about = {"points": points.describe(), "layout": asdict(layout), "seed": str(described.entropy)}
    opened = None
    if store is not None:
        code = (_simulate.start_all, _simulate.advance, default_metrics, join_blocks)
        opened = Store(check_path("store", store), identity_of(described.identity(), code))
    with hold(opened, about), Bar(len(points), "sweep", progress) as bar:
        work = Work(described, opened, n_jobs)
        state = _State(work, layout, target, limit // count, bar)
        if plan:
            return make_plan(points, work, n_jobs)
        listed = points.as_list()
        cells = state.complete(listed)
        crossings: dict[str, Any] = {}
        if refine is not None:
            listed, cells, crossings = _refine(state, points, cells, (refine, level, tolerance), about)
            points = Points.from_list(listed, points)
    result = gather(points, cells, {"seed": str(described.entropy)}).assign(crossings)
    return _report(result, points, listed, state)


class _State:
    """The records of a sweep, and the cells made of them."""

    def __init__(
        self, work: Work, layout: Layout, target: dict[str, float] | None, most: int, bar: Bar
    ) -> None:
        self.work, self.layout, self.target, self.most, self.bar = work, layout, target, most, bar
        self.unreached: list[Point] = []

    def complete(self, listed: Sequence[Point]) -> list[dict[str, Any] | None]:
        """Compute what is missing at these points, and return their cells; ``None`` for those that failed."""
        self._compute({(address_of(point), 0): point for point in listed})
        used = dict.fromkeys(map(address_of, listed), 1)
        if self.target is not None:
            used = self._reach(self.target, {address_of(point): point for point in listed})
        return [_join(_blocks(self.work.records, p)[: used[address_of(p)]], self.layout) for p in listed]

    def _reach(self, target: dict[str, float], listed: dict[str, Point]) -> dict[str, int]:
        """Add blocks of replicates until their standard errors are small enough; return their numbers."""
        used: dict[str, int] = {}
        open_ones = dict(listed)
        while open_ones:
            wanted: dict[tuple[str, int], Point] = {}
            for address, point in list(open_ones.items()):
                blocks = _blocks(self.work.records, point)
                enough, ahead = blocks_to_use(blocks, target, self.most) if blocks else (1, 1)
                if not enough and len(blocks) < ahead and not self._failed(address, len(blocks)):
                    wanted |= {(address, block): point for block in range(len(blocks), ahead)}
                    continue
                if not enough:
                    self.unreached.append(point)
                used[address] = enough or len(blocks)
                del open_ones[address]
            if wanted:
                self.bar.expect(len(wanted))
                self._compute(wanted)
        return used

    def _failed(self, address: str, block: int) -> bool:
        return f"{address}.{block}" in self.work.errors

    def _compute(self, wanted: Mapping[tuple[str, int], Point]) -> None:
        calls = {f"{address}.{block}": (point, block) for (address, block), point in wanted.items()}
        self.work.compute(calls, self.bar)

    def errors_at(self, point: Point) -> str:
        """Return the error of a point; empty if there is none."""
        address = address_of(point)
        return next((text for key, text in self.work.errors.items() if key.startswith(address)), "")


def _blocks(records: Mapping[str, Any], point: Point) -> list[dict[str, Any]]:
    """Return the blocks of replicates of a point that are there, from the first without a gap."""
    address = address_of(point)
    blocks: list[dict[str, Any]] = []
    while (key := f"{address}.{len(blocks)}") in records:
        blocks.append(records[key])
    return blocks


def _join(blocks: Sequence[dict[str, Any]], layout: Layout) -> dict[str, Any] | None:
    return join_blocks(blocks, layout) if blocks else None


def _refine(
    state: _State,
    points: Points,
    cells: Sequence[dict[str, Any] | None],
    goal: tuple[str, float, float],
    about: dict[str, Any],
) -> tuple[list[Point], list[dict[str, Any] | None], dict[str, Any]]:
    """Add points until the level set is known; return all points, their cells, and the crossings."""
    name, level, tolerance = goal
    listed = points.as_list()
    values = {address_of(point): _value(cell, name) for point, cell in zip(listed, cells, strict=True)}
    every = dict(zip(map(address_of, listed), zip(listed, cells, strict=True), strict=True))
    edges = find_edges(points, listed, [values[address_of(point)] for point in listed], level)

    def at(point: Point) -> Value:
        return values[address_of(point)]

    moving = list(edges)
    for _ in range(_ROUNDS):
        proposed = [
            (edge, point)
            for edge in moving
            if (point := next_point(edge, at(edge.low), at(edge.high), level, tolerance)) is not None
        ]
        if not proposed:
            break
        new = {address_of(p): p for _, p in proposed if address_of(p) not in every}
        state.bar.expect(len(new))
        if state.work.store is not None and new:
            known = [point for point, _ in every.values()]
            state.work.store.describe(
                about | {"points": Points.from_list([*known, *new.values()], points).describe()}
            )
        made = state.complete(list(new.values()))
        for (address, point), cell in zip(new.items(), made, strict=True):
            every[address], values[address] = (point, cell), _value(cell, name)
        moving = []
        for edge, point in proposed:
            value = at(point)[0]
            if np.isfinite(value):  # an edge whose new point failed stays as wide as it is
                narrow(edge, point, value, at(edge.low), level)
                moving.append(edge)
    found = [crossing_of(edge, at(edge.low), at(edge.high), level) for edge in edges]
    crossings: dict[str, Any] = {
        f"crossing_{key}": ("crossing", np.array([point[key] for point, _ in found])) for key in points.names
    }
    crossings["crossing_standard_error"] = ("crossing", np.array([error for _, error in found], dtype=float))
    crossings["crossing_axis"] = ("crossing", np.array([edge.name for edge in edges], dtype=str))
    return [point for point, _ in every.values()], [cell for _, cell in every.values()], crossings


def _value(cell: Mapping[str, Any] | None, name: str) -> Value:
    """Return a variable of a cell and its standard error, in its last generation."""
    if cell is None:
        return math.nan, math.nan
    if name not in cell["data"]:
        raise ValueError(f"refine={name!r} is not a variable; there are {', '.join(cell['data'])}.")
    found = []
    for key in (name, f"{name}_standard_error"):
        dims, values, _ = cell["data"].get(key, ((), np.array(0.0), {}))
        if dims not in ((), ("generation",)):
            raise ValueError(f"refine={name!r} has the dimensions {dims}; name a variable with one number.")
        found.append(float(values[-1] if dims else values))
    return found[0], found[1]


def _report(result: xr.Dataset, points: Points, listed: Sequence[Point], state: _State) -> xr.Dataset:
    """Add the errors of cells that failed, and warn of them."""
    texts = [state.errors_at(point) for point in listed]
    errors = [(point, text) for point, text in zip(listed, texts, strict=True) if text]
    if errors:
        said = describe_failures(errors, len(listed))
        if len(errors) == len(listed):
            raise SweepError(said, errors)
        shape = tuple(points.sizes.values())
        result = result.assign(error=(tuple(points.sizes), np.reshape(np.array(texts, dtype=str), shape)))
        warnings.warn(said, stacklevel=3)
    if state.unreached:
        warnings.warn(
            f"target_error was not reached at {len(state.unreached)} of {len(listed)} points with the most "
            f"replicates, {int(result['replicates'].max()):,}; raise max_replicates or the target. First: "
            f"{state.unreached[0]}.",
            stacklevel=3,
        )
    return result


def _check_first(described: Description, points: Points) -> tuple[int, list[str]]:
    """Check all arguments at a corner; return its number of replicates and the names of its variables."""
    if described.generations is None:
        return 1, []
    listed, first = points.as_list(), None
    places = np.arange(len(listed)).reshape(tuple(points.sizes.values()))
    for corner in points.corners():
        try:
            run = described.prepare(listed[int(places[corner])], 0)
        except Exception as error:
            first = first or error
        else:
            return run.replicates, [str(metric_name(metric)) for metric in run.metrics]
    assert first is not None
    raise first


def _check_refined(refine: str | None, names: Sequence[str], described: Description) -> None:
    """Refuse, before anything is computed, a level set of a variable that the loops do not have."""
    known = [name for metric in names for name in (metric, f"{metric}_standard_error")]
    predicted = described.theory and isinstance(refine, str) and refine.startswith("predicted_")
    if refine is not None and known and refine not in known and not predicted:
        raise ValueError(
            f"refine={refine!r} is not a variable; there are {', '.join(known)}. For one that is computed "
            f"from others, let make_loop simulate, and return a Dataset that holds it."
        )


def _check_generations(generations: Any) -> Any:
    if isinstance(generations, str):
        return check_choice("generations", generations, ("stationary",))
    if generations is None or (callable(generations) and not isinstance(generations, type)):
        return generations
    return check_size("generations", generations, 1, LONGEST["generations"])


def _entropy(rng: RandomState, store: Any) -> int:
    if store is not None and (rng is None or hasattr(rng, "bit_generator")):
        raise ValueError(
            f"rng={rng!r}: a sweep that can be continued needs a seed that can be given again; pass an int."
        )
    return Streams.of(rng).entropy


def _tuple(values: Any) -> tuple[float, ...] | None:
    return None if values is None else tuple(values)
