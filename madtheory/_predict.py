"""Closed forms of loops as labelled data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from madtheory._closed_forms import CLOSED_FORMS, NoClosedForm, trajectory_of
from madtheory._loop import Loop
from madtheory._validation import check_size

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["CLOSED_FORMS", "NoClosedForm", "predict"]


def predict(loop: Loop, generations: int) -> xr.Dataset:
    """Closed-form answer for every generation of a loop.

    Parameters
    ----------
    loop : Loop
        What happens.
    generations : int
        Number of generations; 1 is the model trained on real data only.

    Returns
    -------
    xarray.Dataset
        Variables (generation,), under the names of the metrics they predict; each one's ``attrs`` hold its
        ``kind`` (a ``"bound"`` is no equality) and ``source``.

    Raises
    ------
    NoClosedForm
        If no form is known; the message says what it would take.
    """
    import xarray as xr

    check_size("generations", generations)
    trajectory = trajectory_of(loop, generations)
    variables = {
        key: ("generation", np.asarray(values), {"kind": values.kind, "source": values.source})
        for key, values in trajectory.items()
    }
    attrs = {
        "regime": loop.regime.name,
        "bias": 1.0 if loop.bias is None else loop.bias,
        "model": type(loop.model).__name__,
    }
    return xr.Dataset(variables, {"generation": np.arange(1, generations + 1)}, attrs)
