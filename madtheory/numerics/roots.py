"""Lower-triangular roots of many small scatter matrices: products, sums, powers of two kept apart.

In a few dimensions the replicates run innermost in memory (`room`), so that each operation on the entries of
the matrices runs over all replicates at once; in more, each matrix is contiguous, for BLAS. Shapes are
``(*replicate, d, k)`` in both, and every function takes either layout.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from madtheory.types import Array

FEW = 5  # dimensions up to which replicates run innermost
_LEAF = 64  # rows from which on triangular products are cut in blocks
_SMALL, _LARGE = 2.0**-256, 2.0**256


def room(lead: tuple[int, ...], *shape: int) -> Array:
    """Return an array (*lead, *shape), not initialised, in the layout of its dimension ``shape[0]``."""
    if shape[0] > FEW:
        return np.empty((*lead, *shape))
    return replicates_first(np.empty((*shape, *lead)), len(shape))


def entries(values: Array, axes: int = 2) -> Array:
    """Return a view of roots (*replicate, d, k) as (d, k, *replicate), of vectors if `axes` is 1."""
    lead = range(values.ndim - axes)
    return values.transpose(*range(len(lead), values.ndim), *lead)


def replicates_first(values: Array, axes: int = 2) -> Array:
    """Return a view of entries (d, k, *replicate) as (*replicate, d, k)."""
    return values.transpose(*range(axes, values.ndim), *range(axes))


def triangular(*roots: Array) -> Array:
    """Return the lower-triangular L with L Lᵀ = R Rᵀ, for roots joined to R, (*replicate, d, k >= d).

    Orthogonal triangularisation, or Cholesky of the Gram matrix where that is faster and well conditioned.
    """
    if roots[0].shape[-2] <= FEW:
        return _gram_schmidt(roots)
    try:
        factor = np.linalg.cholesky(_gram(roots))
        diagonal = np.diagonal(factor, axis1=-2, axis2=-1)
        if (diagonal.min(-1) >= 1e-4 * diagonal.max(-1)).all():
            return factor
    except np.linalg.LinAlgError:
        pass
    return np.swapaxes(np.linalg.qr(np.swapaxes(_side_by_side(roots), -1, -2), mode="r"), -1, -2)


def _gram(roots: Sequence[Array]) -> Array:
    """Sum R Rᵀ. Large temporaries would cost more in page faults than their arithmetic."""
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


def _gram_schmidt(roots: Sequence[Array]) -> Array:
    """Orthogonalise rows by modified Gram-Schmidt, each operation over all replicates."""
    lead = np.broadcast_shapes(*(root.shape[:-2] for root in roots))
    dim, columns = roots[0].shape[-2], sum(root.shape[-1] for root in roots)
    rows = np.empty((dim, columns, *lead))
    parts = [entries(np.broadcast_to(root, lead + root.shape[-2:])) for root in roots]
    np.concatenate(parts, axis=1, out=rows)
    factor = np.zeros((dim, dim, *lead))
    for j, row in enumerate(rows):
        norm = np.sqrt(np.einsum("k...,k...->...", row, row), out=factor[j, j, ...])
        if j + 1 < dim:
            row /= np.where(norm > 0, norm, 1.0)
        for i in range(j + 1, dim):
            overlap = np.einsum("k...,k...->...", rows[i], row, out=factor[i, j, ...])
            rows[i] -= overlap * row
    return replicates_first(factor)


def multiply_lower(factor: Array, drawn: Array) -> Array:
    """Return the product of a root, lower-triangular if square, and a lower-trapezoidal matrix.

    In a few dimensions a square root writes it over `drawn`. The bits do not depend on the layouts.
    """
    dim, rank = factor.shape[-2:]
    if dim <= FEW:
        left, rows = entries(factor), entries(drawn)
        square = rank == dim
        out = rows if square else np.zeros((dim, *rows.shape[1:]))
        for i in reversed(range(dim)):
            if square:
                rows[i, : i + 1] *= left[i, i]
            for k in range(i if square else rank):
                out[i, : k + 1] += left[i, k] * rows[k, : k + 1]
        return replicates_first(out)
    if rank < dim or drawn.shape[-1] < dim or dim < _LEAF:
        return np.asarray(factor @ drawn)
    out = np.empty(drawn.shape)
    _multiply_blocks(factor, drawn, out)
    return out


def _multiply_blocks(left: Array, right: Array, out: Array) -> None:
    """Multiply lower-triangular matrices without the products with blocks of zeros."""
    dim, half = left.shape[-1], left.shape[-1] // 2
    if dim < _LEAF:
        np.matmul(left, right, out=out)
        return
    _multiply_blocks(left[..., :half, :half], right[..., :half, :half], out[..., :half, :half])
    out[..., :half, half:] = 0.0
    np.matmul(left[..., half:, :], right[..., :half], out=out[..., half:, :half])
    _multiply_blocks(left[..., half:, half:], right[..., half:, half:], out[..., half:, half:])


def without_direction(root: Array, direction: Array) -> Array:
    """Return a root with one column less, for R v = 0 with v of shape (*replicate, k)."""
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


def stack(roots: list[Array], exponents: list[Array | None]) -> tuple[Array, Array | None]:
    """Concatenate roots, at one power of two per replicate, and triangularise if they are wide."""
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
