"""Text as n-grams: Markov chains of any order with back-off, and their exact statistic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from madtheory.data import NGrams, Vocabulary, Weighted, add_counts, check_symbols
from madtheory.models.categorical import draw_multinomial, temper
from madtheory.text import short_repr
from madtheory.types import Array
from madtheory.validation import (
    check_arguments,
    check_bias,
    check_generator,
    check_many,
    check_memory,
    check_number,
    check_numbers,
    check_size,
    show,
)


@dataclass(frozen=True, eq=False)
class Markov:
    r"""Documents whose symbols depend on the `order` symbols before them, fitted by counting n-grams.

    With the counts :math:`N(c, x)` of symbol x after context c, and c' the context without its oldest symbol,

    .. math:: p(x | c) = \frac{N(c, x) + \beta\, p(x | c')}{N(c) + \beta},

    down to the uniform law below the empty context. Unsmoothed (:math:`\beta = 0`) that is maximum
    likelihood, and a context that was never seen backs off to the longest one that was.

    Parameters
    ----------
    order : int
        Number of symbols of a context. With 0 the symbols are independent; with ``length - 1`` or more the
        unsmoothed law is the training set itself.
    smoothing : float
        Total pseudo-count :math:`\beta` of a context.
    vocabulary : Vocabulary or int, optional
        Symbols, or their number K; by default one more than the largest symbol of the data.
    top_k : int, optional
        Sampling keeps only the `top_k` most probable symbols after each context.
    top_p : float, optional
        Sampling keeps only the fewest most probable symbols whose probabilities add up to `top_p` or more.
    table : NGrams, optional
        The counts. ``None``: not fitted.

    Notes
    -----
    Points are documents, rows of `length` symbols, shape (*replicate, n, length). Biased sampling draws from
    probabilities proportional to :math:`p(x | c)^{1/\mathrm{bias}}` within each context: bias is a
    temperature, 1 is exact, and 0 takes the most probable symbol. Bias, `top_k` and `top_p`, in this order,
    change what is sampled; the law that `log_density` describes is the fitted one.

    The statistic, `madtheory.data.NGrams`, of n documents is drawn by dividing all documents that share a
    context among its continuations, position by position: the exact law, for every order, at a cost that
    grows with the number of contexts and not with n once all of them occur.

    Examples
    --------
    >>> import numpy as np
    >>> from madtheory.data import Vocabulary
    >>> from madtheory.models import Markov
    >>> names = ["anna", "hanna", "hannah", "nina"]
    >>> letters = Vocabulary.of(names)
    >>> model = Markov(order=2, vocabulary=letters).fit(letters.encode(names, length=6))
    >>> letters.decode(model.sample(3, rng=np.random.default_rng(0)))
    ['hanna', 'hannah', 'anna']
    """

    order: int = 1
    smoothing: float = 0.0
    vocabulary: Any = None
    top_k: int | None = None
    top_p: float | None = None
    table: NGrams | None = None

    statistic: ClassVar[type] = NGrams
    """What `fit` takes apart from points."""

    takes_weights: ClassVar[bool] = True

    __repr__ = short_repr

    def __post_init__(self) -> None:
        check_size("order", self.order, 0)
        object.__setattr__(self, "smoothing", check_number("smoothing", self.smoothing, 0))
        if self.vocabulary is not None and not isinstance(self.vocabulary, Vocabulary):
            check_size("vocabulary", self.vocabulary)
        if self.top_k is not None:
            check_size("top_k", self.top_k)
        if self.top_p is not None:
            check_number("top_p", self.top_p, 0, 1, above=True)
        if self.table is not None and not isinstance(self.table, NGrams):
            raise TypeError(f"table={show(self.table)} is not an NGrams; call fit(data) instead.")

    @classmethod
    @check_arguments
    def chain(cls, initial: ArrayLike, transitions: ArrayLike, *, length: int) -> Markov:
        """Return the law of documents of a known chain of order 1.

        Parameters
        ----------
        initial : array, shape (K,)
            Probabilities of the first symbol.
        transitions : array, shape (K, K)
            Probabilities of the next symbol (column) after each symbol (row). Rows are divided by their sums.
        length : int
            Number of symbols of a document.

        Examples
        --------
        >>> import numpy as np
        >>> from madtheory.models import Markov
        >>> law = Markov.chain([0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]], length=3)
        >>> np.exp(law.log_density([[0, 0, 1], [1, 1, 1]])).round(3)
        array([0.045, 0.32 ])
        """
        first, rows = check_numbers("initial", initial), check_numbers("transitions", transitions)
        if first.ndim != 1 or rows.shape != 2 * first.shape:
            raise ValueError(
                f"initial of shape {first.shape} and transitions of shape {rows.shape} do not fit together; "
                f"expected (K,) and (K, K)."
            )
        table = np.vstack([rows, first])
        if (table < 0).any() or not (table.sum(1) > 0).all():
            raise ValueError(
                "initial and transitions must be 0 or more, and each row must have a positive sum."
            )
        table = table / table.sum(1, keepdims=True)
        context, symbol = np.nonzero(table)
        many = len(first)
        codes = context * (many + 1) + symbol
        grams = NGrams(codes, table[context, symbol], 1.0, 1, many, check_size("length", length))
        return cls(vocabulary=many, table=grams)

    @property
    def symbols(self) -> int | None:
        """Number K of symbols; ``None`` until it is known."""
        if isinstance(self.vocabulary, Vocabulary):
            return len(self.vocabulary)
        known: int | None = self.vocabulary
        return known if known is not None or self.table is None else self.table.symbols

    @property
    def dim(self) -> int | None:
        """Length of the documents; ``None`` until it is known."""
        return None if self.table is None else self.table.length

    @property
    def ngrams(self) -> NGrams:
        """The fitted counts."""
        if self.table is None:
            raise ValueError("this Markov is not fitted; call fit(data), or use Markov.chain.")
        return self.table

    def obstacle(self, loop: Any) -> str | None:
        """Return why the statistic of a loop is not enough to fit its model, or ``None``."""
        real, model = loop.real, loop.model
        if isinstance(real, Markov) and isinstance(model, Markov):
            if real.order < model.order:
                return f"the n-grams of real have order {real.order}, and those of model order {model.order}"
            if model.vocabulary is not None and model.symbols != real.symbols:
                return f"model has {model.symbols} symbols and real has {real.symbols}"
        return None

    @check_arguments
    def fit(self, data: Any, *, rng: np.random.Generator | None = None) -> Markov:
        """Return the model of the n-grams of documents, `Weighted` documents or `NGrams`."""
        symbols = None if self.vocabulary is None else self.symbols
        if isinstance(data, Weighted):
            grams = NGrams.of(data.points, data.weights, order=self.order, symbols=symbols)
        elif isinstance(data, NGrams):
            grams = data.lowered(self.order)
            if symbols not in (None, grams.symbols):
                raise ValueError(
                    f"data count {grams.symbols} symbols and the vocabulary has {symbols}; make them equal."
                )
        else:
            grams = NGrams.of(data, order=self.order, symbols=symbols)
        if not np.all(np.asarray(grams.documents) > 0):
            raise ValueError("data hold no documents; a Markov needs at least one.")
        return replace(self, table=grams)

    def expand(self, *replicates: int) -> Markov:
        """Add leading replicate axes. An unfitted model is returned unchanged."""
        return self if self.table is None else replace(self, table=self.table.expand(*replicates))

    @cached_property
    def _levels(self) -> tuple[_Level, ...]:
        """The counts by context, for contexts of 0, 1, ..., `order` symbols."""
        return tuple(_Level(self.ngrams.lowered(order)) for order in range(self.order + 1))

    def _rows(self, contexts: Any, order: int) -> Array:
        """Return the probabilities after contexts, (replicate, context) as codes, shape (contexts, K)."""
        grams = self.ngrams
        base, many = grams.base, grams.symbols
        counts, total = self._levels[order].of(contexts, many)
        shorter = (total == 0) | (self.smoothing > 0)
        if not shorter.any():
            return counts / total[:, None]
        if order == 0:
            lower = np.full((int(shorter.sum()), many), 1 / many)
        else:
            asked = contexts[shorter]
            span = base ** (order - 1)
            keys, place = np.unique(asked // (span * base) * span + asked % span, return_inverse=True)
            lower = self._rows(keys, order - 1)[place]
        weight = np.where(total == 0, self.smoothing or 1.0, self.smoothing)[:, None]
        counts[shorter] += weight[shorter] * lower
        return counts / (total[:, None] + weight)

    def _sampled_rows(self, contexts: Any, bias: float) -> Array:
        """Return the probabilities that continuations are drawn with."""
        check_memory(8.0 * len(contexts) * self.ngrams.symbols * 4, "a table of continuations", "draw fewer")
        return _truncate(temper(self._rows(contexts, self.order), bias), self.top_k, self.top_p)

    def _starts(self) -> Any:
        """Return the code of the start context of every replicate."""
        grams = self.ngrams
        widest = grams.base**self.order
        return np.arange(int(np.prod(np.shape(grams.documents)))) * widest + widest - 1

    @check_arguments
    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Array:
        """Draw `n` documents, shape (*replicate, n, length)."""
        grams, bias = self.ngrams, check_bias(1.0 if bias is None else bias)
        n, widest = check_size("n", n), grams.base**self.order
        keys = self._starts().repeat(n)
        x = np.empty((grams.length, len(keys)), dtype=np.int64)
        for at in range(grams.length):
            asked, row = np.unique(keys, return_inverse=True)
            x[at] = _draw(self._sampled_rows(asked, bias), row, rng)
            keys = keys // widest * widest + (keys * grams.base + x[at]) % widest
        return x.T.reshape(*np.shape(grams.documents), n, grams.length).astype(float)

    @check_arguments
    def sample_statistic(self, n: Any, *, rng: np.random.Generator, bias: float = 1.0) -> NGrams:
        """Draw the n-grams of `n` documents (one number per replicate) from their exact law."""
        check_generator("rng", rng)
        grams, bias = self.ngrams, check_bias(bias)
        numbers = np.broadcast_to(check_many("n", n), np.shape(grams.documents))
        codes, counts = [], []

        def divide(many: Any, rows: Array) -> Any:
            return draw_multinomial(many, rows, rng)

        for keys, divided, _ in self._walk(numbers.ravel(), bias, divide):
            context, symbol = np.nonzero(divided)
            codes.append(keys[context] * grams.base + symbol)
            counts.append(divided[context, symbol])
        found, total = add_counts(np.concatenate(codes), np.concatenate(counts))
        return replace(grams, codes=found, counts=total, documents=numbers.copy())

    def _walk(
        self, numbers: Any, bias: float, divide: Callable[[Any, Array], Any]
    ) -> Iterator[tuple[Any, Any, Array]]:
        """Divide documents among the continuations of their contexts, position by position.

        Yields the contexts, the documents by context and symbol, and the probabilities they were divided by.
        """
        grams = self.ngrams
        widest = grams.base**self.order
        keys = self._starts()[numbers > 0]
        numbers = numbers[numbers > 0]
        for _ in range(grams.length):
            rows = self._sampled_rows(keys, bias)
            divided = divide(numbers, rows)
            yield keys, divided, rows
            context, symbol = np.nonzero(divided)
            after = keys[context] // widest * widest + (keys[context] * grams.base + symbol) % widest
            keys, numbers = add_counts(after, divided[context, symbol])

    @check_arguments
    def log_density(self, points: Any) -> Array:
        r"""Log probability of documents, shape (*replicate, n); -inf where a symbol cannot follow.

        Parameters
        ----------
        points : array, shape (n, length) or (*replicate, n, length)
            Documents, of any length.

        Raises
        ------
        ValueError
            If the model is not fitted, or points are not symbols of the vocabulary.
        """
        grams = self.ngrams
        x = check_symbols(points, grams.symbols)
        lead = np.shape(grams.documents)
        x = np.broadcast_to(x, (*lead, *x.shape[-2:]))
        widest, columns = grams.base**self.order, x.reshape(-1, x.shape[-1])
        keys = self._starts().repeat(x.shape[-2])
        total = np.zeros(len(keys))
        with np.errstate(divide="ignore"):
            for symbol in columns.T:
                asked, row = np.unique(keys, return_inverse=True)
                total += np.log(self._rows(asked, self.order)[row, symbol])
                keys = keys // widest * widest + (keys * grams.base + symbol) % widest
        return total.reshape(x.shape[:-1])

    @cached_property
    def entropy_rate(self) -> Array:
        r"""Entropy of a document over its length, in nats per symbol, shape (*replicate,).

        .. math:: \frac1L \sum_{l=1}^L E[-\log p(X_l | X_{l-order}, ..., X_{l-1})]
        """
        grams, plain = self.ngrams, replace(self, top_k=None, top_p=None)
        lead, span = np.shape(grams.documents), grams.base**self.order
        total = np.zeros(int(np.prod(lead)))
        for keys, mass, rows in plain._walk(np.ones(len(total)), 1.0, lambda m, p: m[:, None] * p):
            np.add.at(total, keys // span, -(mass * np.log(np.where(rows > 0, rows, 1.0))).sum(1))
        return (total / grams.length).reshape(lead) + 0.0

    @cached_property
    def row_heterozygosity(self) -> Array:
        """Sum over the contexts that occur of the chance that two continuations differ, (*replicate,)."""
        grams = self.ngrams
        contexts = self._levels[-1].contexts
        rows = self._rows(contexts, self.order)
        total = np.zeros(int(np.prod(np.shape(grams.documents))))
        np.add.at(total, contexts // grams.base**self.order, 1 - np.einsum("ij,ij->i", rows, rows))
        return total.reshape(np.shape(grams.documents))

    @property
    def support_size(self) -> Any:
        """Number of n-grams that occur, shape (*replicate,)."""
        grams = self.ngrams
        replicate = grams.codes // grams.base ** (self.order + 1)
        lead = np.shape(grams.documents)
        return np.bincount(replicate, minlength=int(np.prod(lead))).reshape(lead)

    @property
    def prefix_length(self) -> int:
        """Number of first symbols whose joint law is fitted by counting alone, and so is categorical.

        The contexts of the first `order` symbols begin with the start sign, and occur at one place only. A
        document of ``order + 1`` symbols or fewer is counted as a whole.
        """
        length = self.ngrams.length
        return length if length <= self.order + 1 else max(self.order, 1)

    @check_arguments
    def prefix_law(self, length: int) -> Array:
        """Return the law of the first symbols of a document, shape (*replicate, K, ..., K)."""
        grams, many = self.ngrams, self.ngrams.symbols
        widest, lead = grams.base**self.order, np.shape(grams.documents)
        copies = int(np.prod(lead))
        needed = 32.0 * copies * float(many) ** check_size("length", length)
        check_memory(needed, f"the law of {length} symbols out of {many}", "pass fewer")
        keys, p = self._starts(), np.ones(copies)
        for _ in range(length):
            asked, place = np.unique(keys, return_inverse=True)
            p = (p[:, None] * self._rows(asked, self.order)[place]).ravel()
            after = (keys[:, None] * grams.base + np.arange(many)) % widest
            keys = (keys[:, None] // widest * widest + after).ravel()
        return p.reshape(*lead, *[many] * length)

    @cached_property
    def prefixes(self) -> Array:
        """The law of the first `prefix_length` symbols, shape (*replicate, K, ..., K)."""
        return self.prefix_law(self.prefix_length)


class _Level:
    """Counts by context, for contexts of one length: the continuations of a context are consecutive."""

    def __init__(self, grams: NGrams) -> None:
        self.contexts, self.first = np.unique(grams.codes // grams.base, return_index=True)
        self.last = np.append(self.first[1:], len(grams.codes))
        self.symbols, self.counts = grams.codes % grams.base, grams.counts

    def of(self, contexts: Any, many: int) -> tuple[Array, Array]:
        """Return the counts after contexts, shape (contexts, many), and their sums; 0 where not seen."""
        place = np.minimum(self.contexts.searchsorted(contexts), len(self.contexts) - 1)
        seen = np.flatnonzero(self.contexts[place] == contexts)
        first, last = self.first[place[seen]], self.last[place[seen]]
        each = last - first
        row = seen.repeat(each)
        entry = np.arange(len(row)) + (first - np.append(0, np.cumsum(each)[:-1])).repeat(each)
        counts = np.zeros((len(contexts), many))
        counts[row, self.symbols[entry]] = self.counts[entry]
        return counts, counts.sum(1)


def _draw(rows: Array, row: Any, rng: np.random.Generator) -> Any:
    """Draw one symbol from each of the chosen rows of probabilities, by inversion."""
    cumulative = rows.cumsum(1)
    cumulative /= cumulative[:, -1:]
    # Row r occupies (r, r + 1); equal entries are symbols of probability 0, which are passed over.
    flat = (cumulative + np.arange(len(rows))[:, None]).ravel()
    point = np.minimum(row + rng.random(len(row)), np.nextafter(row + 1.0, 0.0))
    return flat.searchsorted(point, side="right") - row * rows.shape[1]


def _truncate(rows: Array, top_k: int | None, top_p: float | None) -> Array:
    """Keep the most probable symbols of each row; symbols of equal probability are kept in their order."""
    if top_k is None and top_p is None:
        return rows
    order = np.argsort(-rows, axis=1, kind="stable")
    ranked = np.take_along_axis(rows, order, 1)
    if top_k is not None:
        ranked[:, top_k:] = 0.0
    if top_p is not None:
        ranked /= ranked.sum(1, keepdims=True)
        ranked[ranked.cumsum(1) - ranked >= top_p - 1e-12] = 0.0
    kept = np.zeros_like(rows)
    np.put_along_axis(kept, order, ranked, 1)
    return kept / kept.sum(1, keepdims=True)
