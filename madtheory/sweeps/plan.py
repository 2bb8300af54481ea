"""What a sweep will cost: one cell per corner is measured, the others lie in between."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from madtheory.files import pack
from madtheory.sweeps.cells import SweepError, Work, describe_failures
from madtheory.sweeps.engine import count_workers
from madtheory.sweeps.points import Points, address_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Plan:
    """Cost of a sweep, estimated from its corners.

    Attributes
    ----------
    cells, finished : int
        Cells of the sweep, and those that are in its store already.
    workers : int
        Workers that the active backend of joblib has.
    cpu_seconds, seconds : float
        Time of all cells that are not finished: of one worker, and of all of them together.
    memory : int
        Bytes that a worker held at most while it computed a corner, with the interpreter and its imports.
    disk : int
        Bytes of all cells in a store.
    corners : pandas.DataFrame
        Seconds of every corner.
    """

    cells: int
    finished: int
    workers: int
    cpu_seconds: float
    memory: int
    disk: int
    corners: pd.DataFrame

    @property
    def seconds(self) -> float:
        """Time of all cells that are not finished."""
        return self.cpu_seconds / self.workers

    def __str__(self) -> str:
        return (
            f"{self.cells:,} cells, {self.finished:,} of them finished: about {_duration(self.seconds)} on "
            f"{self.workers} workers ({_duration(self.cpu_seconds)} of one), "
            f"{self.memory / 2**20:,.0f} MiB for each, {self.disk / 2**20:,.1f} MiB on disk"
        )

    __repr__ = __str__


def make_plan(points: Points, work: Work, n_jobs: int | None) -> Plan:
    """Compute one cell per corner, and return what the others will cost."""
    import pandas as pd

    listed = points.as_list()
    places = np.arange(len(listed)).reshape(tuple(points.sizes.values()))
    finished = {i for i, point in enumerate(listed) if f"{address_of(point)}.0" in work.records}
    corners = {corner: listed[int(places[corner])] for corner in points.corners()}
    keys = {corner: f"{address_of(point)}.0" for corner, point in corners.items()}
    work.compute({keys[corner]: (point, 0) for corner, point in corners.items()})
    if failed := [(corners[corner], work.errors[key]) for corner, key in keys.items() if key in work.errors]:
        raise SweepError(describe_failures(failed, len(keys)), failed)
    seconds = {corner: float(work.records[key]["seconds"]) for corner, key in keys.items()}
    all_seconds = spread_corners(points, seconds).ravel()
    left = [i for i in range(len(listed)) if i not in finished | {int(places[corner]) for corner in corners}]
    size = max(len(pack(work.records[key], {})[0]) for key in keys.values())
    table = pd.DataFrame([point | {"seconds": seconds[corner]} for corner, point in corners.items()])
    return Plan(
        cells=len(listed),
        finished=len(listed) - len(left),
        workers=count_workers(n_jobs),
        cpu_seconds=float(all_seconds[left].sum()),
        memory=work.peak,
        disk=size * len(listed),
        corners=table,
    )


def _duration(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"


def spread_corners(points: Points, seconds: dict[tuple[int, ...], float]) -> np.ndarray:
    """Return the time of every cell: the logarithm is linear between the corners along every dimension.

    Examples
    --------
    >>> points = Points({"n": 3}, {"n": (("n",), np.array([1, 2, 3]))}, ("n",))
    >>> spread_corners(points, {(0,): 1.0, (2,): 4.0}).round(3).tolist()
    [1.0, 2.0, 4.0]
    """
    shape = tuple(points.sizes.values())
    total = np.zeros(shape)
    for corner, value in seconds.items():
        weight = np.ones(shape)
        for axis, size in enumerate(shape):
            share = np.linspace(0, 1, size) if size > 1 else np.ones(1)
            along = share if corner[axis] or size == 1 else 1 - share
            weight = weight * along.reshape([-1 if i == axis else 1 for i in range(len(shape))])
        total += weight * math.log(max(value, 1e-6))
    return np.exp(total)
