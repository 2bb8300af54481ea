"""Treatments: changes of synthetic data before the next model is trained on them.

A treatment goes into ``Loop(treatments=...)``: `correct` towards the truth, `project` every point, `verify`,
or `curate` by a reward. It makes a source of treated points from a model. Several are applied one after
another, in the order given.

Functions of points that draw from the global generators of NumPy, `random` and torch (on the CPU) find them
seeded by the points, so that results repeat; this does not hold for images that are mapped when they are
read.

Points are arrays, or the image sets of `madtheory.images`, which are not copied: `curate` and `verify`
pick images by index, `project` makes a set whose images are mapped when they are read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from madtheory.abilities import is_set
from madtheory.numerics import nearest as nearest_index
from madtheory.treatments.rejection import Mask, draw, draw_accepted, evaluate, places, seed_from
from madtheory.types import Array, Source
from madtheory.validation import check_arguments, check_fields, check_numbers, check_points, freeze

if TYPE_CHECKING:
    from madtheory.core import Loop, Snapshot


@dataclass(frozen=True)
class Projection:
    """Treatment made by `project`: a function of every point."""

    function: Callable[[Array], Any]

    def __post_init__(self) -> None:
        check_fields(self)

    def treated(self, model: Any, snapshot: Snapshot) -> Source:
        """Return the source of projected points."""
        return _Projected(model, self.function)

    def obstacle(self, loop: Loop) -> str | None:
        """Return why there is no statistic: a function of the points has none of known law."""
        return "project maps individual points"


@check_arguments
def project(function: Callable[[Array], Any]) -> Projection:
    """Correct synthetic points one by one: the practical, point-wise self-correction.

    Parameters
    ----------
    function : callable
        Function that maps points of shape (*replicate, n, d) to corrected ones of the same shape; for example
        ``nearest(centres)``, or a simulator that finds the nearest admissible state. For images it maps uint8
        pixels (k, height, width, channels), a batch at a time and each time they are read, and gets their
        classes if it has a parameter ``labels``: an image must become the same in every batch.

    Returns
    -------
    Projection
        A treatment for ``Loop(treatments=...)``.

    Raises
    ------
    TypeError
        If `function` cannot be called.

    Notes
    -----
    Source: Gillman et al. 2024 (arXiv 2402.07087), section 4 and Appendix C: such a map is a correction of
    strength gamma if the law of its values is the mixture of `correct`, which is not the case in general.
    """
    if not callable(function):
        raise TypeError(f"function={function!r} cannot be called; pass a function of points, shape (n, d).")
    return Projection(function)


@dataclass(frozen=True, eq=False)
class _Nearest:
    centres: Array

    def __call__(self, points: Array) -> Array:
        points = check_points(points, "points")
        if points.shape[-1] != self.centres.shape[-1]:
            raise ValueError(
                f"points has shape {points.shape}; the centres have {self.centres.shape[-1]} coordinates."
            )
        rows = points.reshape(-1, points.shape[-1])
        return self.centres[nearest_index(rows, self.centres)].reshape(points.shape)


def nearest(centres: Any) -> Callable[[Array], Array]:
    """Return the function that replaces points by the nearest of the centres, shape (k, d).

    For `project`: Gillman et al. 2024 (arXiv 2402.07087) correct generated digits by the nearest of the 16
    cluster centres of the digit's real images.
    """
    checked = check_points(centres, "centres")
    if checked.ndim != 2:
        raise ValueError(f"centres has shape {checked.shape}; pass one row for each centre, shape (k, d).")
    return _Nearest(freeze(checked))


@dataclass(frozen=True)
class Verification:
    """Treatment made by `verify`: points are kept or dropped."""

    accept: Callable[[Array], Any]
    keep_correct: float = 1.0
    keep_incorrect: float = 0.0

    def __post_init__(self) -> None:
        check_fields(self)

    def treated(self, model: Any, snapshot: Snapshot) -> Source:
        """Return the source of verified points."""
        return _Verified(model, self)

    def obstacle(self, loop: Loop) -> str | None:
        """Return why there is no statistic: it does not determine which points were kept."""
        return "verify keeps or drops individual points"


@check_arguments
def verify(
    accept: Callable[[Array], Any], *, keep_correct: float = 1.0, keep_incorrect: float = 0.0
) -> Verification:
    r"""Train on synthetic points that a verifier accepts; points are drawn until enough are accepted.

    A point that `accept` calls good with probability a is kept with probability
    :math:`a\phi + (1 - a)\psi`. An imperfect verifier of labels is
    ``verify(truth, keep_correct=phi, keep_incorrect=psi)``, where ``truth`` returns which labels are right.

    Parameters
    ----------
    accept : callable
        Function that maps points of shape (*replicate, n, d) to booleans or probabilities of shape
        (*replicate, n). For images it gets uint8 pixels (k, height, width, channels), a batch at a time, and
        their classes if it has a parameter ``labels``.
    keep_correct, keep_incorrect : float
        Probabilities :math:`\phi` and :math:`\psi` that a point which `accept` calls good, or bad, is kept.

    Returns
    -------
    Verification
        A treatment for ``Loop(treatments=...)``. Equal probabilities leave the model's own law unchanged.

    Raises
    ------
    TypeError, ValueError
        If `accept` cannot be called, a probability is outside 0 to 1, or both are 0.

    Notes
    -----
    Source: Feng et al. 2024 (arXiv 2406.07515). Theory: `madtheory.theory.verification`.
    """
    if not callable(accept):
        raise TypeError(f"accept={accept!r} cannot be called; pass a function of points, shape (n, d).")
    chances = []
    for name, value in (("keep_correct", keep_correct), ("keep_incorrect", keep_incorrect)):
        number = check_numbers(name, value)
        if number.ndim or not 0 <= number <= 1:
            raise ValueError(f"{name}={value!r} is not a probability; pass a number from 0 to 1.")
        chances.append(float(number))
    if not any(chances):
        raise ValueError("keep_correct and keep_incorrect are both 0: nothing is ever kept; raise one.")
    return Verification(accept, *chances)


@dataclass(frozen=True, eq=False)
class _Projected:
    model: Any
    function: Callable[[Array], Any]

    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Any:
        points = draw(self.model, n, rng, bias)
        if is_set(points):
            return points.mapped(self.function)
        with seed_from(points):
            mapped = check_points(self.function(points), "function(points)")
        if mapped.shape != points.shape:
            raise ValueError(
                f"function(points) has shape {mapped.shape}; expected that of the points, {points.shape}."
            )
        return mapped


@dataclass(frozen=True, eq=False)
class _Verified:
    model: Any
    verifier: Verification

    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Any:
        good, bad = self.verifier.keep_correct, self.verifier.keep_incorrect

        def propose(many: int) -> tuple[Any, Mask]:
            points = draw(self.model, many, rng, bias)
            called = evaluate(points, self.verifier.accept)
            if called.shape != places(points) or not ((called >= 0) & (called <= 1)).all():
                raise ValueError(
                    f"accept(points) has shape {called.shape} and must hold a boolean or a probability for "
                    f"each point, shape {places(points)}."
                )
            chance = bad + (good - bad) * called
            return points, rng.random(chance.shape) < chance

        refusal = (
            "verify kept {kept} of {drawn} points: the verifier accepts almost none of the model's points; "
            "loosen accept, or raise keep_incorrect."
        )
        return draw_accepted(propose, n, refusal=refusal)
