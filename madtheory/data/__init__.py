"""Training sets as a monoid: points, weighted or not, and statistics have a size, join, subsample.

A type of your own takes part through its methods: ``weight`` (its size), a static ``joined(parts)``, and
where a regime needs them ``scaled(weight)``, ``first(share)`` and ``subsample(budget, rng=, replacement=)``,
which draws in random order.
"""

from madtheory.data.counts import Counts, spread as spread
from madtheory.data.moments import (
    Empirical,
    Moments,
    Weighted,
    draw_index as draw_index,
    first,
    join,
    pick as pick,
    shuffle as shuffle,
    size,
    subsample,
    weighted,
)
from madtheory.data.ngrams import NGrams, add_counts as add_counts, check_symbols as check_symbols
from madtheory.data.totals import Totals
from madtheory.data.vocabulary import Vocabulary

__all__ = [
    "Counts",
    "Empirical",
    "Moments",
    "NGrams",
    "Totals",
    "Vocabulary",
    "Weighted",
    "first",
    "join",
    "size",
    "subsample",
    "weighted",
]
