"""Regimes: points in a small design space, and the field's names for them.

Every constructor is keyword-only. Sizes written ``Size`` may be an int, a sequence (its first entry is
generation 1) or a function of the generation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from madtheory.text import html_table, short_repr
from madtheory.types import Size
from madtheory.validation import (
    check_choice,
    check_flag,
    check_retain_real,
    check_size,
    check_sizes,
    check_weights,
    checked,
    shown,
    size_at,
)

__all__ = ["Regime", "accumulate", "accumulate_subsample", "augment", "fresh", "replace"]


@dataclass(frozen=True, kw_only=True)
class Regime:
    """Which data each generation is trained on.

    Generation 1 is trained on `n_initial` real points. Generation t >= 2 draws a batch of `n_synthetic`
    points from the last `memory` models, and is trained on the pool of real data and retained batches.

    Attributes
    ----------
    n_initial : int
        Real points of generation 1.
    n_synthetic : Size
        Synthetic points drawn for each generation t >= 2; with real data it may be 0, the baseline.
    n_real : int
        Real points in the pool of each generation t >= 2.
    real_data : {"none", "fixed", "fresh"}
        No real data, those of generation 1 again, or a new draw.
    retain : {"last", "all", "logarithmic"} or int
        Which synthetic batches stay in the pool: the last, all, or the last k; or the first share i/t of the
        i-th of t batches (the accrual of Gillman et al. 2024). Of real data it says nothing: with
        ``real_data="fresh"`` they accumulate only with ``retain_real="all"``.
    retain_real : {"last", "all"} or int
        With ``real_data="fresh"``, which real batches stay in the pool: the last, all (those of generation 1
        included), or the last k. By default every generation drops the real batches before its own.
    memory : int
        Each synthetic point comes from one of the last `memory` models, chosen uniformly at random.
    budget : int, optional
        Train on that many points drawn uniformly from the pool (with `replacement` if set).
    weights : (float, float), optional
        Weight of each real and of each synthetic point in the fit. A model of one's own takes them if it
        says so, by ``takes_weights = True``: its fit then gets `madtheory.data.Weighted` points.
    """

    n_initial: int
    n_synthetic: Size
    n_real: int = 0
    real_data: Literal["none", "fixed", "fresh"] = "none"
    retain: Literal["last", "all", "logarithmic"] | int = "last"
    retain_real: Literal["last", "all"] | int = "last"
    memory: int = 1
    budget: int | None = None
    replacement: bool = False
    weights: tuple[float, float] | None = None

    _shows_defaults = True
    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        check_choice("real_data", self.real_data, ("none", "fixed", "fresh"))
        check_size("n_initial", self.n_initial)
        check_size("memory", self.memory)
        object.__setattr__(self, "replacement", check_flag("replacement", self.replacement))
        sizes = check_sizes("n_synthetic", self.n_synthetic, int(self.real_data == "none"))
        object.__setattr__(self, "n_synthetic", sizes)
        if self.real_data == "fixed" and self.n_real != self.n_initial:
            raise ValueError(
                f"n_real={self.n_real} differs from n_initial={self.n_initial}, but real_data='fixed' "
                f"trains on the points of generation 1 again; make them equal."
            )
        check_size("n_real", self.n_real, minimum=0 if self.real_data == "none" else 1)
        if self.real_data == "none" and self.n_real:
            raise ValueError(f"n_real={self.n_real} needs real_data='fixed' or 'fresh'; now it is 'none'.")
        if isinstance(self.retain, str):
            check_choice("retain", self.retain, ("last", "all", "logarithmic"))
        elif check_size("retain", self.retain) == 1:
            object.__setattr__(self, "retain", "last")
        object.__setattr__(self, "retain_real", check_retain_real(self.retain_real, self.real_data))
        if self.budget is not None:
            check_size("budget", self.budget)
            if self.weights is not None:
                raise ValueError(
                    f"weights={shown(self.weights)} cannot go with budget={self.budget}; drop one of them."
                )
        if self.weights is not None:
            object.__setattr__(self, "weights", check_weights(self.weights))

    @checked
    def n_synthetic_at(self, generation: int) -> int:
        """Size of the synthetic batch of a generation t >= 2."""
        least = int(self.real_data == "none" or self.name == "accumulate")
        return size_at("n_synthetic", self.n_synthetic, generation, least)

    @property
    def reuses_points(self) -> bool:
        """Whether a point can stand in the pool of more than one generation."""
        return self.real_data == "fixed" or self.retain != "last" or self.retain_real != "last"

    @property
    def name(self) -> str:
        """The field's word for this point of the design space, or ``"custom"``."""
        match self.real_data, self.retain, self.budget is not None:
            case "none", "last", False if self.memory == 1 and self.weights is None:
                return "replace"
            case "fixed", "last", False:
                return "augment"
            case "fixed", "all", False if self.memory == 1 and self.weights is None and not self._pauses:
                return "accumulate"
            case "fixed", "all", True if (
                self.budget == self.n_initial == self.n_synthetic and self.memory == 1
            ):
                return "accumulate_subsample"
            case "fresh", "last", False if self.retain_real == "last":
                return "fresh"
        return "custom"

    @property
    def _pauses(self) -> bool:
        """Whether a generation is known to draw no synthetic point."""
        sizes = self.n_synthetic
        return 0 in sizes[1:] if isinstance(sizes, tuple) else sizes == 0

    @property
    def keywords(self) -> dict[str, Any]:
        """The arguments of the constructor called `name` (of `Regime` itself if that is ``"custom"``)."""
        real = {"n_real": self.n_real, "n_synthetic": self.n_synthetic}
        mixing = {"memory": self.memory, "weights": self.weights}
        match self.name:
            case "replace" | "accumulate":
                return {"n": self.n_synthetic, "n_initial": self.n_initial}
            case "accumulate_subsample":
                return {"n": self.n_initial, "replacement": self.replacement}
            case "augment":
                return real | mixing
            case "fresh":
                return real | mixing | {"n_initial": self.n_initial}
        return dict(vars(self))


@checked
def replace(*, n: Size, n_initial: int | None = None) -> Regime:
    """Train on the last synthetic batch only (MAD's fully synthetic loop).

    `n` is the size of every training set; `n_initial` defaults to `n` at generation 1.
    """
    n_initial = size_at("n", n, 1) if n_initial is None else n_initial
    return Regime(n_initial=n_initial, n_synthetic=n)


@checked
def augment(
    *, n_real: int, n_synthetic: Size, memory: int = 1, weights: tuple[float, float] | None = None
) -> Regime:
    """Train on the real points of generation 1 and the last synthetic batch (MAD's augmentation loop).

    With ``n_synthetic=0`` every generation is trained on the data of generation 1: the baseline. Not what Dey
    and Donoho call augment: they keep every batch, which is `accumulate` here.
    """
    _no_first(n_synthetic)
    check_size("n_real", n_real)
    return Regime(
        n_initial=n_real,
        n_synthetic=n_synthetic,
        n_real=n_real,
        real_data="fixed",
        memory=memory,
        weights=weights,
    )


@checked
def accumulate(*, n: Size, n_initial: int | None = None) -> Regime:
    """Train on the real points of generation 1 and every synthetic batch so far, `n` points each."""
    check_sizes("n", n)
    n_initial = size_at("n", n, 1) if n_initial is None else n_initial
    return Regime(n_initial=n_initial, n_synthetic=n, n_real=n_initial, real_data="fixed", retain="all")


@checked
def accumulate_subsample(*, n: int, replacement: bool = False) -> Regime:
    """Accumulate batches of `n` points, but train on only `n` points drawn uniformly from the pool."""
    n = check_size("n", n)
    return Regime(
        n_initial=n,
        n_synthetic=n,
        n_real=n,
        real_data="fixed",
        retain="all",
        budget=n,
        replacement=replacement,
    )


@checked
def fresh(
    *,
    n_real: int,
    n_synthetic: Size,
    n_initial: int | None = None,
    memory: int = 1,
    weights: tuple[float, float] | None = None,
) -> Regime:
    """Train on a new real draw and the last synthetic batch (MAD's fresh data loop).

    `n_initial` defaults to `n_real`. With ``n_synthetic=0`` generations are independent fits of real data.
    """
    _no_first(n_synthetic)
    check_size("n_real", n_real)
    return Regime(
        n_initial=n_real if n_initial is None else n_initial,
        n_synthetic=n_synthetic,
        n_real=n_real,
        real_data="fresh",
        memory=memory,
        weights=weights,
    )


def _no_first(n_synthetic: Size) -> None:
    """A sequence's first entry is generation 1, which trains on real data only."""
    sizes = check_sizes("n_synthetic", n_synthetic, 0)
    if isinstance(sizes, tuple) and sizes[0] != 0:
        raise ValueError(
            f"n_synthetic[0]={sizes[0]!r} is the batch of generation 1, which trains on real data "
            f"only; put a 0 there, and the batch of generation 2 next."
        )
