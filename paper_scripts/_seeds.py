"""Means over seeds, told with their standard errors, and what stands out of them."""

from __future__ import annotations

import numpy as np
import xarray as xr

from paper_scripts._figure import with_error

__all__ = ["above", "at_choice", "listed", "told"]

NOISE = 2.0  # standard errors that a change must exceed


def at_choice(data: xr.Dataset) -> xr.Dataset:
    """Every variable at the w of the smallest ``choice``: other samples, and the training half."""
    return data.isel(weight=data["choice"].argmin("weight"))


def above(values: xr.DataArray, sigmas: float = NOISE) -> bool:
    """Whether the mean over the seeds exceeds 0 by so many standard errors."""
    error = values.std("seed", ddof=1).item() / np.sqrt(values.sizes["seed"])
    return bool(values.mean("seed").item() > sigmas * error)


def told(values: xr.DataArray, sign: str = "") -> str:
    mean, error = (
        values.mean("seed").item(),
        values.std("seed", ddof=1).item() / np.sqrt(values.sizes["seed"]),
    )
    return ("+" if sign and mean > 0 else "") + with_error(mean, error)


def listed(values: xr.DataArray) -> str:
    name = next(d for d in values.dims if d != "seed")
    return ", ".join(f"{x:g}: {told(values.sel({name: x}))}" for x in values[name].values)
