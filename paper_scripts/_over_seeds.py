"""Means over the seeds of a Dataset, with their standard errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

__all__ = ["mean_and_error"]


def mean_and_error(values: xr.DataArray) -> tuple[Any, Any]:
    """Mean over ``seed`` and its standard error: numbers, or arrays where other dimensions are left."""
    mean = values.mean("seed")
    error = values.std("seed", ddof=1) / np.sqrt(values.sizes["seed"])
    return (mean.item(), error.item()) if mean.ndim == 0 else (mean.values, error.values)
