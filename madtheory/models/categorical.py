"""The categorical generator: integer symbols (tokens) and their counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from madtheory.data import Counts, Weighted
from madtheory.text import short_repr
from madtheory.types import Array
from madtheory.validation import (
    check_arguments,
    check_bias,
    check_many,
    check_number,
    check_numbers,
    check_points,
    check_size,
)

_RATES, _CELLS = 256, 4096
_TRIES = 4


def offspring(counts: Any, rng: np.random.Generator) -> Any:
    r"""Draw from Multinomial(n, counts/n) with n = sum of counts, for each row of a matrix of counts.

    Multinomial counts are independent Poisson counts of the means c_i, given that their sum is n. All but the
    last columns are drawn so, from tables. A row is kept with the probability that a Poisson sum of the rest
    equals the remainder, over the largest such probability; the last columns divide the remainder by an
    ordinary multinomial draw. A row that is refused too often is drawn in the ordinary way. Exact to 1e-13
    per symbol; quickest if the largest counts come last.
    """
    rows, columns = counts.shape
    n = counts.sum(1)
    split = columns - max(columns // 6, 2)
    small, large = counts[:, :split], counts[:, split:]
    mass = large.sum(1)
    safe = np.maximum(mass, 1)
    peak = mass * np.log(safe) - special.gammaln(mass + 1)
    drawn = np.empty_like(counts)
    left, open_rows = np.zeros(rows, counts.dtype), np.flatnonzero(mass > 0)
    refused = [np.flatnonzero(mass == 0)]
    for _ in range(_TRIES):
        every = len(open_rows) == rows  # then no rows need to be picked
        x = _poisson(small if every else small[open_rows], rng)
        rest = n[open_rows] - x.sum(1, dtype=np.int64)
        log = rest * np.log(safe[open_rows]) - special.gammaln(np.maximum(rest, 0) + 1.0) - peak[open_rows]
        kept = (rest >= 0) & (-rng.standard_exponential(len(rest)) < log)
        if every:
            drawn[:, :split] = x
        else:
            drawn[open_rows[kept], :split] = x[kept]
        left[open_rows[kept]] = rest[kept]
        open_rows = open_rows[~kept]
        if not open_rows.size:
            break
    refused.append(open_rows)
    drawn[:, split:] = rng.multinomial(left, large / safe[:, None])
    again = np.concatenate(refused)
    drawn[again] = rng.multinomial(n[again], counts[again] / n[again, None])
    return drawn


def _poisson(means: Any, rng: np.random.Generator) -> Any:
    """Draw Poisson counts of integer means, by inversion in tables, and within their cells if needed."""
    cells, flat, starts = _tables()
    cell = rng.integers(_CELLS, size=means.shape, dtype=np.uint16)
    large = means >= _RATES
    any_large = large.any()
    rates = np.where(large, 0, means) if any_large else means
    index = rates * _CELLS
    index += cell
    x = cells.take(index, mode="clip")
    unclear = np.flatnonzero(x < 0)
    if unclear.size:
        rate = rates.ravel()[unclear]
        point = rate + (cell.ravel()[unclear] + rng.random(len(rate))) / _CELLS
        x.ravel()[unclear] = flat.searchsorted(point, side="right") - starts[rate]
    if any_large:
        x = x.astype(np.int64)
        x[large] = rng.poisson(means[large])
    return x


@lru_cache(maxsize=1)
def _tables() -> tuple[Any, Array, Any]:
    """Tabulate each mean's value on cells of (0, 1), -1 where it changes, and distribution functions."""
    cells, starts = np.zeros((_RATES, _CELLS), np.int16), np.ones(_RATES, np.int64)
    flat: list[Array] = [np.ones(1)]
    edges = np.arange(_CELLS + 1) / _CELLS
    for rate in range(1, _RATES):
        below = special.pdtr(np.arange(int(rate + 12 * np.sqrt(rate) + 30)), rate)
        low, high = below.searchsorted(edges[:-1], side="right"), below.searchsorted(edges[1:])
        cells[rate] = np.where(low == high, low, -1)
        starts[rate] = starts[rate - 1] + len(flat[-1]) - (rate == 1)
        flat.append(rate + below)
    return cells.ravel(), np.concatenate(flat), starts


_MANY = 48


@dataclass(frozen=True, init=False, eq=False)
class Categorical:
    r"""Distribution on the symbols 0, ..., K - 1, fitted by counting.

    Fitting takes the relative frequencies :math:`(X_i + \beta/K) / (n + \beta)` of the symbols. Unsmoothed
    (:math:`\beta = 0`) that is maximum likelihood, and its `replace` loop is the Wright-Fisher model.
    Biased sampling draws symbol i with probability proportional to :math:`p_i^{1/\mathrm{bias}}`: bias is a
    temperature, 1 is exact, and 0 takes the most probable symbol (evenly among several).

    Parameters
    ----------
    probabilities : array, shape (*replicate, K), optional
        Probabilities, which are divided by their sum. Without them the model is an unfitted template for
        `Loop`.
    symbols : int, optional
        Number K of symbols; by default that of `probabilities`, or one more than the largest point.
    smoothing : float
        Total pseudo-count :math:`\beta`, the same for every symbol.

    Notes
    -----
    Points are integers held as floats, shape (*replicate, n, 1). The statistic is `madtheory.data.Counts`.
    A fitted model leaves out the symbols that have died out, so late generations of `replace` are cheap.
    """

    takes_weights: ClassVar[bool] = True

    statistic = Counts
    """What `fit` takes apart from points."""

    held: Counts | None
    parents: Any
    symbols: int | None
    smoothing: float

    __repr__ = short_repr

    def __init__(
        self, probabilities: ArrayLike | None = None, *, symbols: int | None = None, smoothing: float = 0.0
    ) -> None:
        beta = check_number("smoothing", smoothing, 0)
        many = None if symbols is None else check_size("symbols", symbols)
        held = None
        if probabilities is not None:
            p = np.atleast_1d(check_numbers("probabilities", probabilities))
            if (p < 0).any() or not (p.sum(-1) > 0).all():
                raise ValueError(
                    f"probabilities={probabilities!r} must be 0 or more with a positive sum; "
                    f"pass for example [0.5, 0.5]."
                )
            if many is not None and many != p.shape[-1]:
                raise ValueError(
                    f"symbols={many} differs from the {p.shape[-1]} probabilities; leave symbols out."
                )
            many, held = p.shape[-1], Counts(p / p.sum(-1, keepdims=True))
        elif beta and many is None:
            raise ValueError(f"smoothing={beta:g} needs the number of symbols; pass symbols=K.")
        self._set(held, None, many, beta)

    def _set(self, *values: Any) -> Categorical:
        for name, value in zip(("held", "parents", "symbols", "smoothing"), values, strict=True):
            object.__setattr__(self, name, value)
        return self

    def _new(self, held: Counts, parents: Any = None) -> Categorical:
        return object.__new__(type(self))._set(held, parents, self.symbols, self.smoothing)

    @check_arguments
    def fit(self, data: Any, *, rng: np.random.Generator | None = None) -> Categorical:
        """Return the model of the relative frequencies of points, `Weighted` points or `Counts`."""
        if isinstance(data, Weighted):
            counted = Counts.of(data.points, data.weights, symbols=self.symbols)
        elif isinstance(data, Counts):
            counted = data
        else:
            counted = Counts.of(_points(data), symbols=self.symbols)
        total = counted.weight
        if not np.all(total > 0):
            raise ValueError("data hold no points; a Categorical needs at least one.")
        if self.smoothing:
            many = counted.total_symbols if self.symbols is None else self.symbols
            dense = replace(counted, total_symbols=max(many, counted.total_symbols)).dense
            share = self.smoothing / dense.shape[-1]
            return self._new(Counts((dense + share) / (total + self.smoothing)[..., None]))
        counted = counted.compressed()
        whole = np.issubdtype(counted.counts.dtype, np.integer) and counted.counts.ndim == 2
        frequencies = replace(counted, counts=counted.counts / total[..., None])
        return self._new(frequencies, counted.counts if whole else None)

    @property
    def support(self) -> Counts:
        """Probabilities of the symbols that can occur, as `Counts` of total 1."""
        if self.held is None:
            raise ValueError("this Categorical is not fitted; call fit(data), or pass probabilities.")
        return self.held

    @property
    def probabilities(self) -> Array:
        """Probabilities of all symbols, shape (*replicate, K)."""
        dense: Array = self.support.dense
        return dense

    @property
    def dim(self) -> int:
        """Dimension of the points: 1."""
        return 1

    def log_density(self, points: Any) -> Array:
        r"""Log probability :math:`\log p_{x_i}` of symbols, shape (*replicate, n); -inf where p is 0.

        Parameters
        ----------
        points : array, shape (n, 1) or (*replicate, n, 1)
            Whole numbers; one that the model does not have, K or more, has probability 0.

        Raises
        ------
        ValueError
            If the model is not fitted, or points are not symbols.

        Examples
        --------
        >>> from madtheory import Categorical
        >>> Categorical([0.75, 0.25, 0.0]).log_density([[0], [1], [2]]).round(3)
        array([-0.288, -1.386,   -inf])
        """
        p, checked = self.probabilities, check_points(points, "points")
        if checked.shape[-1] != 1 or (checked < 0).any() or (checked % 1 != 0).any():
            raise ValueError(
                f"points of shape {checked.shape} are not symbols; pass integers 0, 1, 2, ..., shape (n, 1)."
            )
        symbols = np.minimum(checked[..., 0], p.shape[-1]).astype(np.int64)
        lead = np.broadcast_shapes(p.shape[:-1], symbols.shape[:-1])
        padded = np.concatenate([p, np.zeros((*p.shape[:-1], 1))], -1)
        padded = np.broadcast_to(padded, (*lead, padded.shape[-1]))
        taken = np.take_along_axis(padded, np.broadcast_to(symbols, (*lead, symbols.shape[-1])), -1)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(taken))

    @check_arguments
    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Array:
        """Draw `n` symbols, shape (*replicate, n, 1), in random order."""
        drawn = self.sample_statistic(check_size("n", n), rng=rng, bias=1.0 if bias is None else bias)
        columns = np.arange(drawn.counts.shape[-1]) if drawn.symbols is None else drawn.symbols
        listed = np.broadcast_to(columns, drawn.counts.shape).ravel().repeat(drawn.counts.ravel())
        points = listed.reshape(*drawn.counts.shape[:-1], n).astype(float)
        return rng.permuted(points, axis=-1)[..., None]

    @check_arguments
    def sample_statistic(self, n: Any, *, rng: np.random.Generator, bias: float = 1.0) -> Counts:
        """Draw the counts of `n` symbols (one number per replicate): multinomial, at one cost for any n."""
        held, bias = self.support, check_bias(bias)
        n = check_many("n", n)
        many = bias == 1 and self.parents is not None and self.parents.shape[1] >= _MANY
        if many and (self.parents.sum(1) == n).all():
            # As many points as the model was fitted to: each has one child on average.
            return replace(held, counts=offspring(self.parents, rng))
        return replace(held, counts=draw_multinomial(n, temper(held.counts, bias), rng))

    def expand(self, *replicates: int) -> Categorical:
        """Add leading replicate axes (views: no memory). An unfitted model is returned unchanged."""
        if self.held is None:
            return self
        held = self.held
        symbols = (
            None if held.symbols is None else np.broadcast_to(held.symbols, replicates + held.symbols.shape)
        )
        counts = np.broadcast_to(held.counts, replicates + held.counts.shape)
        return self._new(replace(held, counts=counts, symbols=symbols))


def draw_multinomial(n: Any, p: Array, rng: np.random.Generator) -> Any:
    """Draw multinomial counts that never fall on a symbol of probability 0."""
    drawn = rng.multinomial(n, p)
    # NumPy gives the remainder of a rounded sum, if any, to the last symbol.
    stray = np.where(p[..., -1] == 0, drawn[..., -1], 0)
    if stray.any():
        drawn[..., -1] -= stray
        top = p.argmax(-1)[..., None]
        np.put_along_axis(drawn, top, np.take_along_axis(drawn, top, -1) + stray[..., None], -1)
    return drawn


def temper(p: Array, bias: float) -> Array:
    """Return probabilities proportional to p^(1/bias), without overflow."""
    if bias == 1:
        return p
    relative = p / p.max(-1, keepdims=True)
    powered = (relative == 1).astype(float) if bias == 0 else relative ** (1 / bias)
    tempered: Array = powered / powered.sum(-1, keepdims=True)
    return tempered


def _points(data: Any) -> Any:
    if hasattr(data, "scatter"):
        raise TypeError(
            f"data are {type(data).__name__}, which a Categorical cannot be fitted to; "
            f"pass points (n, 1) or Counts, or use method='samples'."
        )
    return data
