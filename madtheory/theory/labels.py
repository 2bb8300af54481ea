"""Closed-form values with the kind of statement that they make."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

Kind = Literal["exact mean", "exact law", "almost-sure rate", "leading order in 1/n", "bound", "numerical"]
KINDS: tuple[str, ...] = Kind.__args__  # type: ignore[attr-defined]


class Labelled(np.ndarray):
    """An array of closed-form values with its `kind` and `source`.

    It behaves as the plain array it holds. Slices keep the labels; the result of arithmetic is a
    plain array, because a function of an exact mean is in general not an exact mean.

    Attributes
    ----------
    kind : str
        One of `KINDS`. A ``"bound"`` must never be tested or drawn as an equality.
    source : str
        Origin of the formula: author, year, equation, and any change to it.
    """

    kind: str
    source: str

    @property
    def attrs(self) -> dict[str, str]:
        """Kind and source, as attributes of an xarray variable."""
        return {"kind": self.kind, "source": self.source}

    def __array_finalize__(self, parent: Any) -> None:
        self.kind = getattr(parent, "kind", "")
        self.source = getattr(parent, "source", "")

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        plain = np.asarray(array)
        return plain[()] if plain.ndim == 0 else plain

    def __reduce__(self) -> tuple[Any, ...]:
        return label, (np.asarray(self), self.kind, self.source)


def label(values: ArrayLike, kind: str, source: str) -> Labelled:
    """Attach a kind and a source to closed-form values."""
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r} is unknown; use one of {', '.join(KINDS)}.")
    out = np.array(values, dtype=float).view(Labelled)
    out.kind, out.source = kind, source
    return out


class Trajectory(dict[str, Labelled]):
    """Variables of a loop by name; `omitted` holds those of similar loops that it lacks, with the cause."""

    def __init__(
        self, variables: Mapping[str, Labelled], cause: str = "", names: Collection[str] = ()
    ) -> None:
        super().__init__(variables)
        self.omitted = getattr(variables, "omitted", {}) | {x: cause for x in names if x not in variables}

    def without(self, names: Collection[str], cause: str) -> Trajectory:
        """Omit the variables of these names for a cause, which becomes that of all omitted ones."""
        kept = {name: value for name, value in self.items() if name not in names}
        return Trajectory(kept, cause, [*self.omitted, *names])


class NoClosedForm(LookupError):
    """No closed form is known for this loop; the message names what is missing."""


def is_wanted(variables: Collection[str] | None, *names: str) -> bool:
    """Return whether any of these variables is to be computed; ``None`` stands for all."""
    return variables is None or any(name in variables for name in names)
