"""Closed forms of loops as labelled data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from madtheory._closed_forms import CLOSED_FORMS, NoClosedForm, omitted_of, trajectory_of
from madtheory._long_names import COORDINATES, variable_attributes
from madtheory._loop import Loop
from madtheory._threads import one_thread
from madtheory._validation import (
    check_memory,
    check_names,
    check_size,
    checked,
)

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["CLOSED_FORMS", "NoClosedForm", "predict"]


@one_thread
@checked
def predict(loop: Loop, generations: int, *, variables: Sequence[str] | None = None) -> xr.Dataset:
    """Closed-form answer for every generation of a loop.

    Parameters
    ----------
    loop : Loop
        What happens.
    generations : int
        Number of generations; 1 is the model trained on real data only.
    variables : sequence of str, optional
        Names of the variables to return; all by default. Distances, entropies and supports, which cost
        most, are computed only if they are asked for.

    Returns
    -------
    xarray.Dataset
        Variables (generation,), under the names of the metrics they predict; each one's ``attrs`` hold its
        ``kind`` (a ``"bound"`` is not an equality) and ``source``. The attribute ``omitted`` of the dataset
        names the variables that loops of this model can have and this one has not, each with the cause.

    Raises
    ------
    ValueError
        If `generations` is not a positive integer, or `variables` names one that this loop does not have;
        the message lists those it has.
    NoClosedForm
        If no form is known; the message says what it would take.
    """
    import xarray as xr

    check_size("generations", generations)
    # About twenty numbers for each generation, and the eigenvalues of the covariance of the truth.
    needed = 8.0 * (20 * generations + 3 * (getattr(loop.real, "dim", None) or 1) ** 2)
    what = f"a prediction for {generations} generations"
    check_memory(needed, what, "ask for fewer generations, or for a truth of fewer dimensions")
    wanted = None if variables is None else _check_variables(loop, variables)
    trajectory = trajectory_of(loop, generations, wanted)
    omitted = omitted_of(loop, trajectory) if wanted is None else {}
    if wanted is not None:
        trajectory = {name: trajectory[name] for name in wanted}
    data = {
        key: (
            "generation",
            np.asarray(values),
            {"kind": values.kind, "source": values.source} | variable_attributes(key),
        )
        for key, values in trajectory.items()
    }
    attrs = {
        "regime": loop.regime.name,
        "bias": 1.0 if loop.bias is None else loop.bias,
        "model": type(loop.model).__name__,
    }
    if omitted:
        attrs["omitted"] = "; ".join(f"{name}: {cause}" for name, cause in omitted.items())
    axis = ("generation", np.arange(1, generations + 1), COORDINATES["generation"])
    return xr.Dataset(data, {"generation": axis}, attrs)


def _check_variables(loop: Loop, variables: Sequence[str]) -> list[str]:
    """Names that the closed form of this loop returns."""
    names = check_names("variables", variables)
    known = list(trajectory_of(loop, 1))
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ValueError(
            f"variables={variables!r} names {', '.join(map(repr, unknown)) or 'nothing'}; this loop has: "
            f"{', '.join(known)}."
        )
    return names
