"""The symbols of texts, and how texts become points: documents of equal length."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from madtheory.text import short_repr
from madtheory.types import Array
from madtheory.validation import check_arguments, check_choice, check_size, show


@dataclass(frozen=True)
class Vocabulary:
    """Symbols of texts: characters, or words. Symbol 0 is the end of a text, which pads short ones.

    Attributes
    ----------
    symbols : tuple of str
        The symbols 1, 2, ...; a string stands for its characters.
    unit : {"character", "word"}
        Whether a text is cut into characters or at white space.

    Examples
    --------
    >>> from madtheory.data import Vocabulary
    >>> letters = Vocabulary.of(["anna", "nan"])
    >>> letters.encode(["anna", "nan"], length=5)
    array([[1., 2., 2., 1., 0.],
           [2., 1., 2., 0., 0.]])
    >>> letters.decode(letters.encode(["nan"], length=5))
    ['nan']
    """

    symbols: Any
    unit: str = "character"

    __repr__ = short_repr

    def __post_init__(self) -> None:
        check_choice("unit", self.unit, ("character", "word"))
        symbols = tuple(self.symbols)
        if not symbols or not all(isinstance(one, str) and one for one in symbols):
            raise ValueError(f"symbols={show(self.symbols)} are not texts; pass 'abc', or ('one', 'two').")
        if len(set(symbols)) < len(symbols):
            raise ValueError(f"symbols={show(self.symbols)} repeat; pass each once.")
        object.__setattr__(self, "symbols", symbols)

    @classmethod
    @check_arguments
    def of(cls, texts: Iterable[str], *, unit: str = "character", most: int | None = None) -> Vocabulary:
        """Collect the symbols of texts, in sorted order; only the `most` frequent ones if given."""
        counts: dict[str, int] = {}
        for text in _check_texts(texts):
            for piece in text if unit == "character" else text.split():
                counts[piece] = counts.get(piece, 0) + 1
        kept = sorted(counts, key=lambda piece: (-counts[piece], piece))
        return cls(tuple(sorted(kept if most is None else kept[: check_size("most", most)])), unit)

    def __len__(self) -> int:
        return len(self.symbols) + 1

    @check_arguments
    def encode(self, texts: Iterable[str], *, length: int) -> Array:
        """Return texts as documents, shape (n, length): short ones are padded, long ones are cut.

        Symbols outside the vocabulary are left out.
        """
        number = {symbol: i for i, symbol in enumerate(self.symbols, start=1)}
        given = _check_texts(texts)
        rows = np.zeros((len(given), check_size("length", length)))
        for row, text in zip(rows, given, strict=True):
            pieces: Sequence[str] = text if self.unit == "character" else text.split()
            known = [number[piece] for piece in pieces if piece in number][:length]
            row[: len(known)] = known
        return rows

    def decode(self, documents: Array) -> list[str]:
        """Return documents, shape (n, length), as texts, each up to its end."""
        names, between = ("", *self.symbols), "" if self.unit == "character" else " "
        texts = []
        for row in np.atleast_2d(np.asarray(documents)).astype(int):
            end = int(np.argmax(row == 0)) if (row == 0).any() else len(row)
            texts.append(between.join(names[symbol] for symbol in row[:end]))
        return texts


def _check_texts(texts: Any) -> list[str]:
    found = [texts] if isinstance(texts, str) else list(texts)
    if not found or not all(isinstance(text, str) for text in found):
        raise TypeError(f"texts={show(texts)} are not texts; pass a list of strings.")
    return found
