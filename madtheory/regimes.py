"""Regimes: points in a small design space, and their names in the literature.

Every constructor is keyword-only. Sizes written ``Size`` may be an int, a sequence (its first entry is
generation 1) or a function of the generation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from madtheory.text import html_table, short_repr
from madtheory.types import Size, Weights
from madtheory.validation import (
    check_arguments,
    check_choice,
    check_flag,
    check_retain_real,
    check_size,
    check_sizes,
    check_weights_by_generation,
    show,
    size_at,
    weights_at,
)

__all__ = ["Mix", "Regime", "accumulate", "accumulate_subsample", "augment", "fresh", "replace"]


class Mix(NamedTuple):
    """Composition of the training set of one generation t >= 2, as returned by `Regime.at`.

    Attributes
    ----------
    n_fixed : int
        Real points of generation 1 that are used again: the first of that set.
    n_fresh : int
        New real points.
    n_synthetic : int
        New synthetic points.
    n_carried : int
        Points of the previous training set that are carried over.
    budget : int or None
        Number of points drawn from the pool to train on; ``None`` for the whole pool.
    weights : tuple of float or None
        Weights of a real, a synthetic and (where points are carried over) a carried point in the fit.
    """

    n_fixed: int
    n_fresh: int
    n_synthetic: int
    n_carried: int
    budget: int | None
    weights: tuple[float, ...] | None


@dataclass(frozen=True, kw_only=True)
class Regime:
    """Which data each generation is trained on.

    Generation 1 is trained on `n_initial` real points. Generation t >= 2 draws a batch of `n_synthetic`
    points from the last `memory` models, and is trained on the pool of real data, retained batches and
    points carried over from the previous training set.

    Attributes
    ----------
    n_initial : int
        Real points of generation 1.
    n_synthetic : Size
        Synthetic points drawn for each generation t >= 2; with real data it may be 0, the baseline.
    n_real : Size
        Real points in the pool of each generation t >= 2: of the first set with ``real_data="fixed"``, where
        fewer than `n_initial` are always its first points; new ones with ``real_data="fresh"``.
    n_fresh : Size
        With ``real_data="fixed"``, number of new real points of each generation t >= 2 alongside the fixed
        ones. Each kind has its own number, so this number implies that both are present.
    n_carried : Size
        Number of points carried over into the training set of each generation t >= 2: drawn uniformly,
        without replacement, from the previous training set.
    real_data : {"none", "fixed", "fresh"}
        Real data of later generations: none, those of generation 1 again, or a new draw.
    retain : {"last", "all", "logarithmic"} or int
        Which synthetic batches stay in the pool: the last, all, or the last k; or the first share i/t of the
        i-th of t batches (the accrual of Gillman et al. 2024). It does not apply to real data: with
        ``real_data="fresh"`` they accumulate only with ``retain_real="all"``.
    retain_real : {"last", "all"} or int
        Which batches of new real points stay in the pool: the last, all (with ``real_data="fresh"`` those of
        generation 1 included), or the last k. By default every generation drops the real batches before its
        own.
    memory : int
        Number of last models; each synthetic point comes from one of them, chosen uniformly at random.
    budget : Size, optional
        Number of points drawn uniformly from the pool to train on (with `replacement` if set).
    weights : (float, float), optional
        Weight of each real and of each synthetic point in the fit, and with `n_carried` a third one of each
        carried point; or a sequence of them (its first entry, of generation 1, is not used), or a function of
        the generation. A model of your own takes them if it sets ``takes_weights = True``: its fit
        then gets `madtheory.data.Weighted` points.

    Examples
    --------
    A fifth of the first real data stays, as many new real points arrive, and half of the previous training
    set is carried over:

    >>> from madtheory import regimes
    >>> mixed = regimes.Regime(
    ...     n_initial=100, real_data="fixed", n_real=20, n_fresh=20, n_synthetic=60, n_carried=50
    ... )
    >>> mixed.at(2)
    Mix(n_fixed=20, n_fresh=20, n_synthetic=60, n_carried=50, budget=None, weights=None)
    """

    n_initial: int
    n_synthetic: Size
    n_real: Size = 0
    n_fresh: Size = 0
    n_carried: Size = 0
    real_data: Literal["none", "fixed", "fresh"] = "none"
    retain: Literal["last", "all", "logarithmic"] | int = "last"
    retain_real: Literal["last", "all"] | int = "last"
    memory: int = 1
    budget: Size | None = None
    replacement: bool = False
    weights: Weights | None = None

    _shows_defaults = True
    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        check_choice("real_data", self.real_data, ("none", "fixed", "fresh"))
        check_size("n_initial", self.n_initial)
        check_size("memory", self.memory)
        object.__setattr__(self, "replacement", check_flag("replacement", self.replacement))
        self._set("n_synthetic", check_sizes("n_synthetic", self.n_synthetic, int(self.real_data == "none")))
        constant = self.real_data != "none" and isinstance(self.n_real, int)
        self._set("n_real", check_sizes("n_real", self.n_real, int(constant)))
        self._set("n_fresh", check_sizes("n_fresh", self.n_fresh, 0))
        self._set("n_carried", check_sizes("n_carried", self.n_carried, 0))
        if self.real_data == "none" and self.n_real != 0:
            raise ValueError(
                f"n_real={show(self.n_real)} needs real_data='fixed' or 'fresh'; now it is 'none'."
            )
        if self.real_data != "none" and self.n_real == 0:
            check_size("n_real", self.n_real)
        if self.real_data == "fixed" and not callable(self.n_real):
            for size in self.n_real[1:] if isinstance(self.n_real, tuple) else (self.n_real,):
                self._check_fixed("n_real", size)
        if self.real_data != "fixed" and self.n_fresh != 0:
            fix = "pass them as n_real" if self.real_data == "fresh" else "pass real_data='fresh' and n_real"
            raise ValueError(
                f"n_fresh={show(self.n_fresh)} adds new real points to the fixed ones of real_data='fixed'; "
                f"now it is {self.real_data!r}: {fix}."
            )
        if isinstance(self.retain, str):
            check_choice("retain", self.retain, ("last", "all", "logarithmic"))
        elif check_size("retain", self.retain) == 1:
            self._set("retain", "last")
        kind = "fresh" if self.draws_real else self.real_data
        self._set("retain_real", check_retain_real(self.retain_real, kind))
        if self.budget is not None:
            self._set("budget", check_sizes("budget", self.budget))
            if self.weights is not None:
                raise ValueError(
                    f"weights={show(self.weights)} cannot go with budget={show(self.budget)}; "
                    f"drop one of them."
                )
        if self.weights is not None:
            self._set("weights", check_weights_by_generation(self.weights, self._weight_kinds))

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _check_fixed(self, name: str, size: int) -> int:
        if size > self.n_initial:
            raise ValueError(
                f"{name}={size} exceeds n_initial={self.n_initial}, but real_data='fixed' trains on the "
                f"points of generation 1 again; lower it, or raise n_initial."
            )
        return size

    @property
    def _weight_kinds(self) -> int:
        """Number of kinds of points with separate weights: real, synthetic and carried ones."""
        return 2 if self.n_carried == 0 else 3

    def at(self, generation: int) -> Mix:
        """Return the composition of the training set of a generation t >= 2.

        Examples
        --------
        >>> from madtheory import regimes
        >>> growing = regimes.fresh(n_real=10, n_synthetic=lambda t: 10 * t)
        >>> growing.at(3).n_synthetic
        30
        """
        t = check_size("generation", generation, 2)
        n_real, n_fresh, n_synthetic, n_carried, budget, weights = (
            self.n_real, self.n_fresh, self.n_synthetic, self.n_carried, self.budget, self.weights,
        )  # fmt: skip
        if type(n_synthetic) is not int:
            n_synthetic = self.n_synthetic_at(t)
        if type(n_real) is not int:
            n_real = size_at("n_real", n_real, t, 0)
        if type(n_fresh) is not int:
            n_fresh = size_at("n_fresh", n_fresh, t, 0)
        if type(n_carried) is not int:
            n_carried = size_at("n_carried", n_carried, t, 0)
        if budget is not None and type(budget) is not int:
            budget = size_at("budget", budget, t)
        if weights is not None:
            weights = weights_at(weights, t, self._weight_kinds)
        if self.real_data == "fixed":
            return Mix(
                self._check_fixed(f"n_real({t})", n_real), n_fresh, n_synthetic, n_carried, budget, weights
            )
        return Mix(0, n_real, n_synthetic, n_carried, budget, weights)

    @check_arguments
    def n_synthetic_at(self, generation: int) -> int:
        """Return the size of the synthetic batch of a generation t >= 2."""
        least = int(self.real_data == "none" or (self.name == "accumulate" and self.weights is None))
        return size_at("n_synthetic", self.n_synthetic, generation, least)

    @property
    def reuses_points(self) -> bool:
        """Whether a point can be in the pool of more than one generation."""
        kept = self.retain != "last" or self.retain_real != "last"
        return self.real_data == "fixed" or kept or self.n_carried != 0

    @property
    def draws_real(self) -> bool:
        """Whether generations after the first draw new real points."""
        return self.real_data == "fresh" or self.n_fresh != 0

    @property
    def _is_nameless(self) -> bool:
        """Whether no constructor covers all fields: names are for sizes of real data that do not change."""
        plain = isinstance(self.n_real, int) and self.n_fresh == 0 and self.n_carried == 0
        subset = self.real_data == "fixed" and self.n_real != self.n_initial
        pair = self.weights is None or (
            isinstance(self.weights, tuple) and isinstance(self.weights[0], float)
        )
        return not plain or subset or not pair

    @property
    def name(self) -> str:
        """Name of this point of the design space in the literature, or ``"custom"``."""
        if self._is_nameless:
            return "custom"
        match self.real_data, self.retain, self.budget is not None:
            case "none", "last", False if self.memory == 1 and self.weights is None:
                return "replace"
            case "fixed", "last", False:
                return "augment"
            case "fixed", "all", False if self.memory == 1 and not self._pauses:
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
                weights = {} if self.weights is None else {"weights": self.weights}
                return {"n": self.n_synthetic, "n_initial": self.n_initial} | weights
            case "accumulate_subsample":
                return {"n": self.n_initial, "replacement": self.replacement}
            case "augment":
                return real | mixing
            case "fresh":
                return real | mixing | {"n_initial": self.n_initial}
        return {name: v for name, v in vars(self).items() if v != 0 or name not in ("n_fresh", "n_carried")}


@check_arguments
def replace(*, n: Size, n_initial: int | None = None) -> Regime:
    """Train on the last synthetic batch only (MAD's fully synthetic loop).

    `n` is the size of every training set; `n_initial` defaults to `n` at generation 1.
    """
    n_initial = size_at("n", n, 1) if n_initial is None else n_initial
    return Regime(n_initial=n_initial, n_synthetic=n)


@check_arguments
def augment(
    *, n_real: int, n_synthetic: Size, memory: int = 1, weights: tuple[float, float] | None = None
) -> Regime:
    """Train on the real points of generation 1 and the last synthetic batch (MAD's augmentation loop).

    With ``n_synthetic=0`` every generation is trained on the data of generation 1: the baseline. Dey and
    Donoho call augment what is `accumulate` here: they keep every batch.
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


@check_arguments
def accumulate(
    *, n: Size, n_initial: int | None = None, weights: tuple[float, float] | None = None
) -> Regime:
    """Train on the real points of generation 1 and every synthetic batch so far, `n` points each."""
    check_sizes("n", n)
    n_initial = size_at("n", n, 1) if n_initial is None else n_initial
    return Regime(
        n_initial=n_initial, n_synthetic=n, n_real=n_initial, real_data="fixed", retain="all", weights=weights
    )


@check_arguments
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


@check_arguments
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
    """Refuse a sequence whose first entry is not 0: generation 1 trains on real data only."""
    sizes = check_sizes("n_synthetic", n_synthetic, 0)
    if isinstance(sizes, tuple) and sizes[0] != 0:
        raise ValueError(
            f"n_synthetic[0]={sizes[0]!r} is the batch of generation 1, which trains on real data "
            f"only; put a 0 there, and the batch of generation 2 next."
        )
