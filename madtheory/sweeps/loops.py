"""One cell of a sweep over loops: a block of replicates, reduced to its moments, and theory alongside."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from madtheory.core import Loop
from madtheory.interpreters import predict as _predict, simulate as _simulate
from madtheory.interpreters.provenance import COORDINATES, provenance, variable_attributes
from madtheory.numerics import one_thread
from madtheory.sweeps.cells import encode
from madtheory.sweeps.points import Point, address_of, seed_of, takes_rng
from madtheory.theory import NoClosedForm
from madtheory.types import Array, Metric
from madtheory.validation import metric_name, show

SETTLED = 0.005
"""Relative distance of the exact means to their limits at which a loop counts as stationary."""

_LONGEST = 2**16
_PARTS = ("_std", "_lower", "_upper")


@dataclass(frozen=True)
class Description:
    """What is computed at every point; with the point and a block it fixes the numbers.

    Attributes
    ----------
    make : callable
        Function of a point that returns a Loop, or without `generations` a Dataset.
    entropy : int
        Seed of the whole sweep.
    """

    make: Callable[..., Any]
    generations: Any
    replicates: int | None
    metrics: Metric | Sequence[Metric] | None
    method: str | None
    record: Any
    quantiles: tuple[float, ...] | None
    keep_replicates: bool
    theory: bool
    entropy: int

    def identity(self) -> dict[str, Any]:
        """Return the parts that a digest is made of."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def make_at(self, point: Point) -> Any:
        """Return what the user's function makes of a point."""
        given = dict(point)
        if takes_rng(self.make, point):
            # Block -1 does not exist: a stream of its own.
            given["rng"] = seed_of(self.entropy, address_of(point), 2**32 - 1)
        return self.make(**given)

    def prepare(self, point: Point, block: int) -> _simulate.Run:
        """Return the run of one block before its first generation; all arguments are checked."""
        loop = self.make_at(point)
        if not isinstance(loop, Loop):
            raise TypeError(
                f"make_loop returned {show(loop)}, which is not a Loop; return madtheory.Loop(...), or "
                f"leave generations= out if it returns a Dataset."
            )
        length = self.length(loop, point)
        return _simulate.prepare(
            loop, length, replicates=self.replicates, metrics=self.metrics, method=self.method,
            record=self.record, rng=seed_of(self.entropy, address_of(point), block),
        )  # fmt: skip

    def length(self, loop: Loop, point: Point) -> int:
        """Return the number of generations at a point."""
        if self.generations == "stationary":
            return stationary_length(loop)
        return self.generations(**point) if callable(self.generations) else self.generations

    def __call__(self, point: Point, block: int) -> dict[str, Any]:
        """Compute one block of replicates at a point, as plain arrays."""
        began = time.perf_counter()
        if self.generations is None:
            made = self.make_at(point)
            if not hasattr(made, "data_vars"):
                raise TypeError(
                    f"make_loop returned {show(made)} and generations is missing; pass generations= for a "
                    f"Loop, or return an xarray.Dataset."
                )
            return {"cell": encode(made), "point": point, "seconds": time.perf_counter() - began}
        run = self.prepare(point, block)
        _simulate.start_all(run, progress=False)
        for _ in _simulate.follow(run, progress=False):
            pass
        names = [str(metric_name(metric)) for metric in run.metrics]
        # Replicates last, as `simulate` holds them: sums of another order have other bits.
        draws = np.stack([np.stack(run.recorded[name]) for name in names])
        mean = draws.mean(-1)
        with np.errstate(invalid="ignore", over="ignore"):
            squares = ((draws - mean[..., None]) ** 2).sum(-1)
        generations = sorted(run.record)
        return {
            "point": point,
            "generation": np.array(generations),
            "length": run.generations,
            "count": run.replicates,
            "names": names,
            "mean": mean,
            "squares": squares,
            "about": [variable_attributes(n, metric) for n, metric in zip(names, run.metrics, strict=True)],
            "attrs": provenance(run.loop, run.snapshots),
            "draws": draws.swapaxes(1, 2) if self.keep_replicates or self.quantiles else None,
            "theory": theory_at(run.loop, generations, names) if self.theory and not block else None,
            "seconds": time.perf_counter() - began,
        }


@one_thread
def theory_at(loop: Loop, generations: Sequence[int], names: Sequence[str]) -> dict[str, Any]:
    """Return theory's values of variables, with kind and source, or why there are none."""
    wanted = [*names, *(name + part for name in names for part in _PARTS)]
    try:
        found = _predict.trajectory_of(loop, generations[-1], wanted)
    except NoClosedForm as obstacle:
        return {"about": {}, "omitted": str(obstacle)}
    places = np.asarray(generations) - 1
    held = [name for name in wanted if name in found]
    return {
        "about": {name: {"kind": found[name].kind, "source": found[name].source} for name in held},
        "values": np.array([np.asarray(found[name])[places] for name in held]),
    }


@one_thread
def stationary_length(loop: Loop) -> int:
    """Return the generation from which the exact means of a loop are within half a percent of their limits.

    Raises
    ------
    NoClosedForm
        If there is no theory of this loop.
    ValueError
        If its means do not settle.
    """
    length = 64
    while length <= _LONGEST:
        settled = [_settling_time(path) for path in _exact_means(loop, length)]
        if all(settled):
            return max(settled)
        length *= 4
    raise ValueError(
        f"generations='stationary': the means of this loop in regime {loop.regime.name!r} do not settle "
        f"within {_LONGEST:,} generations; pass a number, or a function of the point."
    )


def _exact_means(loop: Loop, length: int) -> list[Array]:
    found = _predict.trajectory_of(loop, length, ())
    paths = [np.asarray(v, dtype=float) for v in found.values() if getattr(v, "kind", "") == "exact mean"]
    if not paths:
        raise NoClosedForm(
            "generations='stationary' needs exact means of this loop, and theory has none; pass a number."
        )
    return paths


def _settling_time(path: Array) -> int:
    """Return the first generation of an exact mean that is close to its limit; 0 if it has not settled."""
    size, last = np.abs(path).max(), abs(path[-1])
    if last <= 1e-9 * size:
        return 0 if size else 1
    steps = np.abs(np.diff(path))
    quarter = len(steps) // 4
    late, before = steps[-quarter:].max(), steps[-2 * quarter : -quarter].max()
    if late > 1e-12 * last:
        rate = (late / before) ** (1 / quarter) if before else 1.0
        if rate >= 1 or late * rate / (1 - rate) > 0.1 * SETTLED * last:
            return 0
    far = np.flatnonzero(np.abs(path - path[-1]) > SETTLED * last)
    return int(far[-1]) + 2 if far.size else 1


@dataclass(frozen=True)
class Layout:
    """What the cells of a sweep hold.

    Attributes
    ----------
    quantiles : tuple of float, optional
        Quantiles over the replicates.
    keep_replicates : bool
        Whether every replicate is kept.
    last : bool
        Whether only the last generation is kept: there is no dimension ``generation`` then.
    fixed_length, fixed_count : bool
        Whether all points have the same number of generations, and of replicates.
    """

    quantiles: tuple[float, ...] | None
    keep_replicates: bool
    last: bool
    fixed_length: bool
    fixed_count: bool


def join_blocks(blocks: Sequence[Mapping[str, Any]], layout: Layout) -> dict[str, Any]:
    """Return the labelled cell of several blocks of replicates at one point, in the order of the blocks."""
    first, quantiles = blocks[0], layout.quantiles
    if "cell" in first:
        return dict(first["cell"])
    data: dict[str, Any] = {}
    coords: dict[str, Any] = {}
    dims: tuple[str, ...] = ("generation",)
    for i, (name, about, mean, error) in enumerate(
        zip(first["names"], first["about"], *moments(blocks), strict=True)
    ):
        data[name] = (dims, mean, about)
        label = {"long_name": f"standard error of the {about['long_name']}"}
        data[f"{name}_standard_error"] = (
            dims,
            error,
            label | {k: v for k, v in about.items() if k == "units"},
        )
        if first["draws"] is not None:
            draws = np.concatenate([block["draws"][i] for block in blocks])
            if quantiles:
                data[f"{name}_quantiles"] = (
                    ("quantile", *dims),
                    np.quantile(draws, quantiles, axis=0),
                    about,
                )
                coords["quantile"] = (("quantile",), np.array(quantiles), {})
            if layout.keep_replicates:
                data[f"{name}_replicates"] = (("replicate", *dims), draws, about)
                coords["replicate"] = (("replicate",), np.arange(len(draws)), {})
    theory = first["theory"] or {"about": {}}
    for i, (name, label) in enumerate(theory["about"].items()):
        data[f"predicted_{name}"] = (dims, theory["values"][i], label | variable_attributes(name))
    if layout.last:
        data = {name: _last(*entry) for name, entry in data.items()}
    else:
        coords["generation"] = (dims, first["generation"], COORDINATES["generation"])
    if not layout.fixed_count:
        data["replicates"] = ((), np.array(sum(b["count"] for b in blocks)), {"long_name": "replicates"})
    if not layout.fixed_length:
        data["generations"] = ((), np.array(first["length"]), {"long_name": "number of generations"})
    attrs = {k: v for k, v in first["attrs"].items() if k not in ("replicates", "seed")}
    if "omitted" in theory:
        attrs["omitted"] = theory["omitted"]
    return {"data": data, "coords": coords, "attrs": attrs}


def _last(dims: tuple[str, ...], values: Array, about: Mapping[str, str]) -> tuple[Any, Array, Any]:
    """Return a variable without its only generation, which comes last."""
    return dims[:-1], values[..., 0], about


def moments(blocks: Sequence[Mapping[str, Any]]) -> tuple[Array, Array]:
    """Return means over the replicates of all blocks and their standard errors, (variable, generation)."""
    count, mean, squares = (blocks[0][name] for name in ("count", "mean", "squares"))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for block in blocks[1:]:
            # Chan, Golub and LeVeque 1983.
            total = count + block["count"]
            gap = block["mean"] - mean
            mean = mean + gap * (block["count"] / total)
            squares = squares + block["squares"] + gap**2 * (count * block["count"] / total)
            count = total
        error = np.sqrt(squares / (count - 1) / count) if count > 1 else np.full(mean.shape, np.nan)
    return mean, error
