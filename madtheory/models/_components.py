"""The arguments of a mixture: components, weights, shapes of covariances."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from madtheory._validation import (
    check_number,
    check_numbers,
)
from madtheory.models.gaussian import Gaussian
from madtheory.types import Array

__all__ = ["component_parts", "normalised", "positive", "shaped"]


def component_parts(means: ArrayLike, covariances: ArrayLike) -> tuple[Gaussian, Array]:
    """Return the components as one Gaussian, and equal weights."""
    means, covariances = check_numbers("means", means), check_numbers("covariances", covariances)
    if means.ndim < 2:
        raise ValueError(f"means has shape {means.shape}; expected (components, d).")
    if covariances.ndim < 2:
        covariances = covariances[..., None, None] * np.eye(means.shape[-1])
    try:
        full = np.broadcast_to(covariances, (*means.shape, means.shape[-1]))
    except ValueError:
        raise ValueError(
            f"means of shape {means.shape} and covariances of shape {covariances.shape} do not fit; pass one "
            f"matrix or one variance for each component, or one for all."
        ) from None
    return Gaussian(means, full), np.full(means.shape[:-1], 1 / means.shape[-2])


def normalised(weights: Array, shape: tuple[int, ...]) -> Array:
    """Return weights that sum to 1, in the given shape."""
    if (
        weights.shape[-1:] != shape[-1:]
        or weights.ndim > len(shape)
        or (weights < 0).any()
        or not (weights.sum(-1) > 0).all()
    ):
        raise ValueError(
            f"weights={weights!r} must be {shape[-1]} numbers >= 0 with a positive sum, one per component."
        )
    return np.array(np.broadcast_to(weights / weights.sum(-1, keepdims=True), shape))


def positive(name: str, value: Any) -> float:
    """Return `value` as a finite float that is not negative."""
    number = check_number(name, value)
    if number < 0:
        raise ValueError(f"{name}={value!r} is negative; pass a number >= 0.")
    return number


def shaped(covariance: Array, shape: str) -> Array:
    """Drop what a shape does not have from matrices (..., d, d); traces stay."""
    if shape == "full":
        return covariance
    variances = np.diagonal(covariance, axis1=-2, axis2=-1)
    if shape == "spherical":
        variances = np.broadcast_to(variances.mean(-1, keepdims=True), variances.shape)
    return np.asarray(variances[..., None] * np.eye(covariance.shape[-1]))
