"""Roots of scatter matrices: any R with S = R Rᵀ, its columns optionally carrying powers of two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from madtheory.types import Array

__all__ = ["lower_product", "rescale", "stacked", "triangular", "without_direction"]

_SMALL, _LARGE = 2.0**-256, 2.0**256


def triangular(*roots: Array) -> Array:
    """Return the lower-triangular L with L Lᵀ = R Rᵀ, for wide roots side by side, (*replicate, d, k >= d).

    Orthogonal triangularisation, or Cholesky of the Gram matrix where that is faster and well conditioned.
    """
    if roots[0].shape[-2] <= 5:
        return _gram_schmidt(_side_by_side(roots))
    try:
        factor = np.linalg.cholesky(_gram(roots))
        diagonal = np.diagonal(factor, axis1=-2, axis2=-1)
        if (diagonal.min(-1) >= 1e-4 * diagonal.max(-1)).all():
            return factor
    except np.linalg.LinAlgError:
        pass
    return np.swapaxes(np.linalg.qr(np.swapaxes(_side_by_side(roots), -1, -2), mode="r"), -1, -2)


def _gram(roots: Sequence[Array]) -> Array:
    """Sum of R Rᵀ. Large temporaries would cost more in page faults than their arithmetic."""
    wide = [roots[0]]
    for root in roots[1:]:
        if root.shape[-1] < root.shape[-2] and root.shape[:-1] == wide[-1].shape[:-1]:
            wide[-1] = np.concatenate([wide[-1], root], -1)
        else:
            wide.append(root)
    gram = wide[0] @ np.swapaxes(wide[0], -1, -2)
    for root in wide[1:]:
        gram += root @ np.swapaxes(root, -1, -2)
    return np.asarray(gram)


def _side_by_side(roots: Sequence[Array]) -> Array:
    if len(roots) == 1:
        return roots[0]
    lead = np.broadcast_shapes(*(root.shape[:-2] for root in roots))
    return np.concatenate([np.broadcast_to(root, lead + root.shape[-2:]) for root in roots], -1)


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


def lower_product(factor: Array, drawn: Array) -> Array:
    """Return the product of a factor, lower-triangular if square, and [T z] with T lower-trapezoidal.

    Large square ones go by blocks, which leaves out half of the work: the products with zeros.
    """
    dim, rank, half = factor.shape[-2], factor.shape[-1], factor.shape[-1] // 2
    if rank < 40 or rank < dim or drawn.shape[-1] < dim + 1:
        return np.asarray(factor @ drawn)
    out = np.empty(drawn.shape)
    np.matmul(factor[..., :half, :half], drawn[..., :half, :half], out=out[..., :half, :half])
    out[..., :half, half:-1] = 0.0
    np.matmul(factor[..., half:, :], drawn[..., :, :half], out=out[..., half:, :half])
    np.matmul(factor[..., half:, half:], drawn[..., half:, half:-1], out=out[..., half:, half:-1])
    np.matmul(factor, drawn[..., :, -1:], out=out[..., :, -1:])
    return out


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
    """Join roots side by side, at one power of two per replicate, and triangularise if they are wide."""
    columns, dim = sum(root.shape[-1] for root in roots), roots[0].shape[-2]
    top = None
    if any(e is not None for e in exponents):
        root = _side_by_side(roots)
        lead = root.shape[:-2]
        exponent = np.concatenate(
            [
                np.broadcast_to(0 if e is None else e, (*lead, r.shape[-1]))
                for r, e in zip(roots, exponents, strict=True)
            ],
            -1,
        )
        size = np.abs(root).max(-2)
        top = np.where(size > 0, np.frexp(size)[1] + exponent, -(2**30)).max(-1, keepdims=True)
        roots = [np.ldexp(root, np.maximum(exponent - top, -(2**20))[..., None, :])]
    joined = triangular(*roots) if columns >= dim else _side_by_side(roots)
    return joined, None if top is None else np.broadcast_to(top, (*joined.shape[:-2], joined.shape[-1]))
