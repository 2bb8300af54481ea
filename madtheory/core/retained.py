"""The batches that stay in the pool: their points share one buffer, which snapshots share too."""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np

from madtheory import data
from madtheory.data import draw_index, pick

_GROWTH = 2
_FEW = 4  # parts that are cheaper to pick rows from than to join


class _Buffer:
    """Room for points, and how many of its rows are written."""

    def __init__(self, array: Any, used: int) -> None:
        self.array, self.used, self.claiming = array, used, Lock()


class Rows:
    """Points of consecutive batches, which never change; appending writes after them, or into a copy.

    Attributes
    ----------
    head : int
        Number of rows of fixed real data, which precede all batches; 0 where batches are dropped.
    sizes : tuple of int
        Sizes of the batches; their sum, as one number, where none is ever dropped.
    """

    def __init__(self, buffer: _Buffer, head: int, start: int, sizes: tuple[int, ...]) -> None:
        self._buffer, self._start = buffer, start
        self.head, self.sizes = head, sizes

    @classmethod
    def of(cls, points: Any, head: int, sizes: tuple[int, ...]) -> Rows:
        """Wrap points that begin with `head` rows of real data; they are neither copied nor written to."""
        return cls(_Buffer(points, points.shape[-2]), head, head, sizes)

    @property
    def _stop(self) -> int:
        return self._start + sum(self.sizes)

    @property
    def points(self) -> Any:
        """The points of the batches, shape (*replicate, n, d)."""
        return self._buffer.array[..., self._start : self._stop, :]

    @property
    def whole(self) -> Any:
        """The fixed real data, if there are any, and the points of the batches."""
        first = 0 if self.head else self._start
        return self._buffer.array[..., first : self._stop, :]

    def append(self, batch: Any, keep: int | None) -> Rows:
        """Return the rows of the last `keep` batches with one more, ``None`` for one of no points."""
        n = 0 if batch is None else np.shape(batch)[-2]
        sizes = (sum(self.sizes) + n,) if keep is None else (*self.sizes, n)[-keep:]
        start, stop = self._stop + n - sum(sizes), self._stop
        if batch is None or self._claim(stop, batch):
            if n:
                self._buffer.array[..., stop : stop + n, :] = batch
            return Rows(self._buffer, self.head, start, sizes)
        old = self._buffer.array[..., 0 if self.head else start : stop, :]
        parts = (old, np.asarray(batch))
        rows = old.shape[-2] + n
        if old.shape[:-2] != parts[1].shape[:-2] or old.shape[-1] != parts[1].shape[-1]:
            np.concatenate(parts, axis=-2)  # raises NumPy's own error
        array = np.empty((*old.shape[:-2], _GROWTH * rows, old.shape[-1]), np.result_type(*parts))
        array[..., : old.shape[-2], :], array[..., old.shape[-2] : rows, :] = parts
        return Rows(_Buffer(array, rows), self.head, self.head, sizes)

    def _claim(self, stop: int, batch: Any) -> bool:
        """Return whether `batch` fits after row `stop` in unused room, and reserve that room."""
        array, end = self._buffer.array, stop + np.shape(batch)[-2]
        if not isinstance(batch, np.ndarray) or batch.dtype != array.dtype:
            return False
        if batch.shape[:-2] != array.shape[:-2] or batch.shape[-1] != array.shape[-1]:
            return False
        with self._buffer.claiming:
            free = self._buffer.used == stop and end <= array.shape[-2]
            if free:
                self._buffer.used = end
        return free

    def __reduce__(self) -> tuple[Any, ...]:
        return Rows.of, (np.ascontiguousarray(self.whole), self.head, self.sizes)


def retain(held: tuple[Any, ...], batch: Any, how: str | int, head: Any = None) -> tuple[Any, ...]:
    """Retain one more batch, ``None`` for one of no points.

    Parameters
    ----------
    held : tuple
        The batches so far, oldest first; points that stay for several generations are one `Rows`.
    how : {"last", "all", "logarithmic"} or int
        Which batches stay, as in `Regime.retain`.
    head : points, optional
        Fixed real data, stored in front of the batches where no batch is ever dropped.
    """
    if how == "last":
        return (batch,)
    if how == "logarithmic":
        return (*held, batch)
    keep = None if how == "all" else int(how)
    rows = next((one for one in held if isinstance(one, Rows)), None)
    if rows is None and _is_points(batch) and (head is None or _is_points(head)):
        # Batches before this one were empty.
        sizes = (0,) * max(len(held), 1)
        first = batch[..., :0, :] if head is None else head
        rows = Rows.of(first, 0 if head is None else first.shape[-2], sizes)
    if rows is not None:
        return (rows.append(batch, keep),)
    if keep is not None:
        return (*held, batch)[-keep:]
    present = [part for part in (*held, batch) if part is not None]
    return (data.join(present),) if present else ()


def _is_points(batch: Any) -> bool:
    return type(batch) is np.ndarray and batch.ndim >= 2


def join(
    real: tuple[Any, ...], held: tuple[Any, ...], carried: tuple[Any, ...], weights: tuple[float, ...] | None
) -> Any:
    """Pool real data, the batches that stay and carried points: one training set, weighted by `weights`.

    Weights are relative: real data alone are the baseline, bit for bit.
    """
    parts = _parts(real + held + carried)
    made = carried or any(sum(b.sizes) if isinstance(b, Rows) else _is_some(b) for b in held)
    if weights is None or not made:
        return data.join(parts)
    kinds = zip((real, held, carried), weights, strict=False)
    each = [(part, weight) for sets, weight in kinds for part in sets if _is_some(_whole(part))]
    return data.join([_set_weight(part, weight, weights[0]) for part, weight in each])


def _set_weight(part: Any, weight: float, in_front: float) -> Any:
    """Set the weight of the points of a set, and that of fixed real data in front of batches."""
    whole = _whole(part)
    if not (isinstance(part, Rows) and part.head):
        return data.weighted(whole, weight)
    lead, numbers = whole.shape[:-2], ((part.head, in_front), (sum(part.sizes), weight))
    return data.Weighted(whole, np.concatenate([np.full((*lead, n), w) for n, w in numbers], -1))


def subset(sets: tuple[Any, ...], budget: int, *, rng: np.random.Generator, replacement: bool) -> Any:
    """Draw `budget` of the pool's points, as `madtheory.data.subsample` draws them, without joining it."""
    parts = _parts(sets)
    if not 1 < len(parts) <= _FEW or not all(map(_is_points, parts)):
        return data.subsample(data.join(parts), budget, rng=rng, replacement=replacement)
    numbers = [part.shape[-2] for part in parts]
    index = draw_index(parts[0].shape[:-2], sum(numbers), budget, rng=rng, replacement=replacement)
    first, before = parts[0], numbers[0]
    drawn = pick(first, np.minimum(index, before - 1))
    for part, n in zip(parts[1:], numbers[1:], strict=True):
        here = pick(part, np.clip(index - before, 0, n - 1))
        drawn = np.where((index >= before)[..., None], here, drawn)
        before += n
    return drawn


def _parts(sets: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the sets that make up a pool, without those of no points."""
    parts = tuple(part for part in map(_whole, sets) if _is_some(part))
    if not parts:
        raise ValueError(
            "a generation has no point to train on: n_real, n_fresh, n_synthetic and n_carried are all 0 in "
            "it, and no earlier batch stays; make at least one of them positive."
        )
    return parts


def _whole(part: Any) -> Any:
    return part.whole if isinstance(part, Rows) else part


def _is_some(part: Any) -> bool:
    return part is not None and not (_is_points(part) and not part.shape[-2])
