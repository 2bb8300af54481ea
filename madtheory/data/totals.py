"""Totals of one function of the points: the sufficient statistic of natural exponential families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from madtheory.text import short_repr
from madtheory.types import Array
from madtheory.validation import check_arguments, check_number, check_parts, freeze


@dataclass(frozen=True, eq=False)
class Totals:
    r"""Sum of one function of the points, :math:`\sum_i w_i T(x_i)`, and the total weight.

    Attributes
    ----------
    weight : float or array, shape (*replicate,)
        Sum of the weights: the number of points when unweighted.
    total : array, shape (*replicate,)
        Weighted sum of :math:`T(x_i)`.
    of : str
        The function T in words. Totals of different functions cannot be joined.
    """

    weight: Any
    total: Array
    of: str = "x"

    __repr__ = short_repr

    def __post_init__(self) -> None:
        for name in ("weight", "total"):
            if isinstance(given := getattr(self, name), np.ndarray):
                object.__setattr__(self, name, freeze(given))

    @check_arguments
    def scaled(self, weight: float) -> Totals:
        """Multiply the weight of every point."""
        check_number("weight", weight, 0)
        return replace(self, weight=weight * self.weight, total=weight * self.total)

    @staticmethod
    def joined(parts: Sequence[Totals]) -> Totals:
        """Pool several statistics, by addition."""
        check_parts(parts, Totals)
        of = {part.of for part in parts}
        if len(of) > 1:
            raise ValueError(f"parts hold totals of different functions, {sorted(of)}; join those of one.")
        weight = sum(np.asarray(part.weight, dtype=float) for part in parts)
        return Totals(weight, np.asarray(sum(part.total for part in parts)), parts[0].of)
