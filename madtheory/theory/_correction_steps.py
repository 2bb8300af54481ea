"""One generation of a self-corrected Gaussian loop: the affine map of its first moments."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Setting", "affine", "check_correction"]

Array = NDArray[np.floating[Any]]


def check_correction(correction: ArrayLike) -> Array:
    """Return the share of true points of a correction of strength 0 to infinity."""
    try:
        gamma = np.asarray(correction, dtype=float)
    except (TypeError, ValueError):
        gamma = np.asarray(np.nan)
    if not (gamma >= 0).all():
        raise ValueError(f"correction={correction!r} is out of range: pass strengths from 0 to infinity.")
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(gamma), 1.0, gamma / (1 + gamma))


class Setting(NamedTuple):
    """What the generations of a loop share."""

    real_data: Literal["none", "fixed", "fresh"]
    share: float  # of true points in a corrected batch
    bias: float
    ddof: int
    known_mean: bool

    def start(self, n: int) -> Array:
        """Moments of the fit of `n` real points: variance, mean error, covariance with the real mean."""
        divisor = _positive(n - self.ddof, n, self.ddof)
        if self.known_mean:
            return np.array([n / divisor, 0.0, 0.0])
        return np.array([(n - 1) / divisor, 1 / n, 1 / n if self.real_data == "fixed" else 0.0])

    def mixed(self, variance: float, error: float) -> float:
        """Variance of a corrected point, given those of the model and of its mean."""
        return (1 - self.share) * (self.bias * variance + self.share * error) + self.share


def affine(setting: Setting, n_real: int, n_synthetic: int) -> tuple[Array, Array]:
    """Matrix and offset of one generation, on (variance, mean error, covariance with the real mean)."""
    offset = _next(setting, n_real, n_synthetic, np.zeros(3))
    columns = [_next(setting, n_real, n_synthetic, unit) - offset for unit in np.eye(3)]
    return np.stack(columns, -1), offset


def _next(setting: Setting, n_real: int, n_synthetic: int, state: Array) -> Array:
    variance, error, shared = state
    total = n_real + n_synthetic
    divisor = _positive(total - setting.ddof, total, setting.ddof)
    point = setting.mixed(variance, error)
    if setting.known_mean:
        return np.array([(n_real + n_synthetic * setting.mixed(variance, 0.0)) / divisor, 0.0, 0.0])
    w, kept, real = n_synthetic / total, 1 - setting.share, 1 / n_real if n_real else 0.0
    batch = kept**2 * error + point / max(n_synthetic, 1)  # squared mean of the batch,
    across = kept * shared if setting.real_data == "fixed" else 0.0  # its product with that of the real set
    scatter = max(n_real - 1, 0) + max(n_synthetic - 1, 0) * point
    scatter += n_real * w * (real + batch - 2 * across)
    return np.array(
        [
            scatter / divisor,
            (1 - w) ** 2 * real + w**2 * batch + 2 * w * (1 - w) * across,
            (1 - w) * real + w * across if setting.real_data == "fixed" else 0.0,
        ]
    )


def _positive(divisor: int, n: int, ddof: int) -> int:
    if divisor <= 0:
        raise ValueError(
            f"a training set of {n} points leaves no degree of freedom with ddof={ddof}; use more points."
        )
    return divisor
