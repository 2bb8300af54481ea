"""Counts of n-grams: the sufficient statistic of documents under a Markov model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from madtheory.text import short_repr
from madtheory.types import Array
from madtheory.validation import check_arguments, check_number, check_parts, check_points, check_size, freeze

_LARGEST_CODE = 2**62


@dataclass(frozen=True, eq=False)
class NGrams:
    r"""Counts of the n-grams of documents: each symbol with the `order` symbols before it.

    A document is a row of symbols 0, ..., K - 1. A start sign K stands before it, so that its first symbols
    have contexts of their own. Only n-grams that occur are stored.

    Attributes
    ----------
    codes : int array, shape (m,)
        The n-grams in ascending order, written as digits of base K + 1: replicate, context, symbol.
    counts : array, shape (m,)
        How often each occurs; floats if weighted.
    documents : array, shape (*replicate,)
        Number of documents, or their total weight.
    order : int
        Number of symbols of a context.
    symbols : int
        Number K of symbols.
    length : int
        Number of symbols of a document.
    """

    codes: Any
    counts: Any
    documents: Any
    order: int
    symbols: int
    length: int

    __repr__ = short_repr

    def __post_init__(self) -> None:
        for name in ("codes", "counts", "documents"):
            object.__setattr__(self, name, freeze(np.asarray(getattr(self, name))))
        check_size("symbols", self.symbols)
        check_size("length", self.length)
        if (
            check_size("order", self.order, 0)
            and self._copies * self.base ** (self.order + 1) > _LARGEST_CODE
        ):
            raise ValueError(
                f"order={self.order} with {self.symbols} symbols and {self._copies} replicates at once has "
                f"more n-grams than 64 bits can number; lower the order, or run fewer replicates at once."
            )

    @property
    def base(self) -> int:
        """Base of the codes: the symbols and the start sign."""
        return self.symbols + 1

    @property
    def _copies(self) -> int:
        return int(np.prod(np.shape(self.documents)))

    @property
    def weight(self) -> Any:
        """Number of documents, or their total weight, shape (*replicate,)."""
        return self.documents

    @classmethod
    @check_arguments
    def of(
        cls, points: Array, weights: Array | None = None, *, order: int, symbols: int | None = None
    ) -> NGrams:
        """Count the n-grams of documents, shape (*replicate, n, length), with weights (*replicate, n).

        Examples
        --------
        >>> from madtheory.data import NGrams
        >>> pairs = NGrams.of([[0, 1, 1], [0, 0, 1]], order=1)
        >>> pairs.counts, pairs.codes  # 00, 01, 11 and the start sign 2 before 0
        (array([1, 2, 1, 2]), array([0, 1, 4, 6]))
        """
        x = check_symbols(points, symbols)
        *lead, n, length = x.shape
        many = int(x.max()) + 1 if symbols is None else symbols
        copies = int(np.prod(lead))
        empty = cls([], [], np.full(lead, float(n)), order, many, length)  # checks that codes fit
        base, widest = empty.base, empty.base**order
        offset = np.arange(copies).repeat(n) * widest
        context, columns, codes = np.full(copies * n, widest - 1), x.reshape(copies * n, length), []
        for at in range(length):
            codes.append((offset + context) * base + columns[:, at])
            context = codes[-1] % widest
        if weights is None:
            found, counts = np.unique(np.concatenate(codes), return_counts=True)
            return replace(empty, codes=found, counts=counts, documents=np.full(lead, n))
        each = np.broadcast_to(weights, (*lead, n))
        found, counts = add_counts(np.concatenate(codes), np.tile(each.ravel(), length))
        return replace(empty, codes=found, counts=counts, documents=each.sum(-1))

    @check_arguments
    def scaled(self, weight: float) -> NGrams:
        """Multiply the weight of every document."""
        check_number("weight", weight, 0)
        counts = weight * self.counts if weight else self.counts[:0]
        codes = self.codes if weight else self.codes[:0]
        return replace(self, codes=codes, counts=counts, documents=weight * self.documents)

    @staticmethod
    def joined(parts: Sequence[NGrams]) -> NGrams:
        """Pool several counts: addition, at the lowest of their orders."""
        check_parts(parts, NGrams)
        kinds = {(part.symbols, part.length) for part in parts}
        if len(kinds) > 1:
            raise ValueError(f"parts have (symbols, length) {sorted(kinds)}; join those of one kind.")
        order = min(part.order for part in parts)
        parts = [part.lowered(order) for part in parts]
        codes, counts = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("codes", "counts")
        )
        codes, counts = add_counts(codes, counts)
        documents = sum(np.asarray(part.documents) for part in parts)
        return replace(parts[0], codes=codes, counts=counts, documents=documents)

    @check_arguments
    def lowered(self, order: int) -> NGrams:
        """Return the n-grams of a shorter context."""
        if check_size("order", order, 0) > self.order:
            raise ValueError(
                f"order={order} exceeds that of the counts, {self.order}; longer contexts are not in them."
            )
        if order == self.order:
            return self
        replicate = self.codes // self.base ** (self.order + 1)
        short = self.base ** (order + 1)
        codes, counts = add_counts(replicate * short + self.codes % short, self.counts)
        return replace(self, codes=codes, counts=counts, order=order)

    def expand(self, *replicates: int) -> NGrams:
        """Repeat counts without replicates along leading axes."""
        copies = int(np.prod(replicates))
        span = self.base ** (self.order + 1)
        documents = np.broadcast_to(self.documents, replicates)
        replace(self, documents=documents, codes=[], counts=[])  # checks that codes fit
        codes = (np.arange(copies)[:, None] * span + self.codes).ravel()
        return replace(self, codes=codes, counts=np.tile(self.counts, copies), documents=documents)


def check_symbols(points: Any, symbols: int | None) -> Any:
    """Return documents as integers, shape (*replicate, n, length), all below `symbols`."""
    given = check_points(points)
    if (given < 0).any() or (given % 1 != 0).any():
        raise ValueError(
            f"data of shape {given.shape} are not documents; pass rows of integers 0, 1, 2, ..., shape "
            f"(n, length), for example those of Vocabulary.encode."
        )
    if symbols is not None and given.size and given.max() >= symbols:
        raise ValueError(
            f"data hold the symbol {int(given.max())}; expected 0 to {symbols - 1}: enlarge the vocabulary."
        )
    return given.astype(np.int64)


def add_counts(codes: Any, counts: Any) -> tuple[Any, Any]:
    """Add the counts of equal codes, and drop those of 0."""
    found, place = np.unique(codes, return_inverse=True)
    total = np.zeros(len(found), counts.dtype)
    np.add.at(total, place, counts)
    return found[total > 0], total[total > 0]
