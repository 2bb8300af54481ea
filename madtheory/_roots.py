"""Roots of scatter matrices: any R with S = R Rᵀ, its columns optionally carrying powers of two."""

from __future__ import annotations

import numpy as np

from madtheory.types import Array

__all__ = ["rescale", "stacked", "triangular", "without_direction"]

_SMALL, _LARGE = 2.0**-256, 2.0**256


def triangular(root: Array) -> Array:
    """Return the lower-triangular L with L Lᵀ = R Rᵀ for a wide root R of shape (*replicate, d, k >= d).

    Orthogonal triangularisation, or Cholesky of the Gram matrix where that is faster and well conditioned.
    """
    if root.shape[-2] <= 5:
        return _gram_schmidt(root)
    try:
        factor = np.linalg.cholesky(root @ np.swapaxes(root, -1, -2))
        diagonal = np.diagonal(factor, axis1=-2, axis2=-1)
        if (diagonal.min(-1) >= 1e-4 * diagonal.max(-1)).all():
            return factor
    except np.linalg.LinAlgError:
        pass
    return np.swapaxes(np.linalg.qr(np.swapaxes(root, -1, -2), mode="r"), -1, -2)


def _gram_schmidt(root: Array) -> Array:
    """Modified Gram-Schmidt on the rows; replicates run innermost, which pays for few rows."""
    rows = np.moveaxis(root, (-2, -1), (0, 1)).copy()
    factor = np.zeros((len(rows), *rows.shape[:1], *rows.shape[2:]))
    for j, row in enumerate(rows):
        factor[j, j] = norm = np.sqrt((row * row).sum(0))
        row /= np.where(norm > 0, norm, 1.0)
        for i in range(j + 1, len(rows)):
            factor[i, j] = (rows[i] * row).sum(0)
            rows[i] -= factor[i, j] * row
    return np.ascontiguousarray(np.moveaxis(factor, (0, 1), (-2, -1)))


def without_direction(root: Array, direction: Array) -> Array:
    """Return a root with one column less, for R v = 0 with v of shape (*replicate, k): rank in columns."""
    norm = np.linalg.norm(direction, axis=-1, keepdims=True)
    v = direction / np.where(norm > 0, norm, 1.0)
    v[..., 0] += np.where(v[..., 0] < 0, -1.0, 1.0)
    v /= np.linalg.norm(v, axis=-1, keepdims=True)
    reflected = root - 2 * (root @ v[..., None]) * v[..., None, :]
    return np.asarray(reflected[..., 1:])


def rescale(root: Array, exponent: Array | None) -> tuple[Array, Array | None]:
    """Move powers of two from columns near the ends of the double range into `exponent`; exact."""
    diagonal = np.abs(np.diagonal(root, axis1=-2, axis2=-1))
    if not diagonal.size:
        return root, exponent
    low = diagonal.min()
    if low == 0.0:
        low = np.min(diagonal, where=diagonal > 0, initial=1.0)
    if low > _SMALL and diagonal.max() < _LARGE:
        return root, exponent
    shift = np.frexp(np.abs(root).max(-2))[1].astype(np.int64)
    root = np.ldexp(root, -shift[..., None, :])
    return root, shift if exponent is None else exponent + shift


def stacked(roots: list[Array], exponents: list[Array | None]) -> tuple[Array, Array | None]:
    """Join roots side by side, at one power of two per replicate, and triangularise."""
    lead = np.broadcast_shapes(*(root.shape[:-2] for root in roots))
    root = np.concatenate([np.broadcast_to(r, lead + r.shape[-2:]) for r in roots], -1)
    top = None
    if any(e is not None for e in exponents):
        exponent = np.concatenate(
            [
                np.broadcast_to(0 if e is None else e, (*lead, r.shape[-1]))
                for r, e in zip(roots, exponents, strict=True)
            ],
            -1,
        )
        size = np.abs(root).max(-2)
        top = np.where(size > 0, np.frexp(size)[1] + exponent, -(2**30)).max(-1, keepdims=True)
        root = np.ldexp(root, np.maximum(exponent - top, -(2**20))[..., None, :])
    if root.shape[-1] >= root.shape[-2]:
        root = triangular(root)
    return root, None if top is None else np.broadcast_to(top, (*lead, root.shape[-1]))
