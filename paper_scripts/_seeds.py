"""Means over seeds, told with their standard errors, and what stands out of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from paper_scripts._figure import student_limit, with_error

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["above", "at_choice", "banded", "listed", "mean_and_error", "told"]

NOISE = 2.0  # standard errors that a change must exceed; more of them where seeds are few


def at_choice(data: xr.Dataset) -> xr.Dataset:
    """Every variable at the w of the smallest ``choice``: other samples, and the training half."""
    return data.isel(weight=data["choice"].argmin("weight"))


def mean_and_error(values: xr.DataArray) -> tuple[Any, Any]:
    """Mean over ``seed`` and its standard error: numbers, or arrays where other dimensions are left."""
    mean = values.mean("seed")
    error = values.std("seed", ddof=1) / np.sqrt(values.sizes["seed"])
    return (mean.item(), error.item()) if mean.ndim == 0 else (mean.values, error.values)


def banded(ax: Axes, x: Any, values: xr.DataArray, **line: Any) -> None:
    """Draw the mean over the seeds, with a band of two standard errors where there are several."""
    (drawn,) = ax.plot(x, values.mean("seed"), **line)
    if values.sizes["seed"] > 1:
        mean, error = mean_and_error(values)
        low, high = mean - 2 * error, mean + 2 * error
        ax.fill_between(x, low, high, color=drawn.get_color(), alpha=0.2, linewidth=0)


def above(values: xr.DataArray, sigmas: float = NOISE) -> bool:
    """Tell whether the mean over the seeds exceeds 0, at the level of so many normal standard errors."""
    mean, error = mean_and_error(values)
    return bool(mean > student_limit(sigmas, values.sizes["seed"]) * error)


def told(values: xr.DataArray, sign: str = "") -> str:
    """Mean and standard error as text; with a sign, where one is asked for."""
    mean, error = mean_and_error(values)
    return ("+" if sign and mean > 0 else "") + with_error(mean, error)


def listed(values: xr.DataArray) -> str:
    """The same for each value along the other dimension."""
    name = next(d for d in values.dims if d != "seed")
    return ", ".join(f"{x:g}: {told(values.sel({name: x}))}" for x in values[name].values)
