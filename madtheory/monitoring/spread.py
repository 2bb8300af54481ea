"""Tests of variance and volume: what a batch shows against the model that it was drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import chdtr, fdtr

from madtheory.data import Moments, join
from madtheory.monitoring.laws import LogGammas, shape_law, volume_ratio_law
from madtheory.types import Array


def training_sets(batches: Sequence[Moments], real: Sequence[Moments], regime: str) -> list[Moments]:
    """Return what the model of each generation was fitted to; `real` is the set of each generation."""
    pools = [real[0]]
    for t in range(1, len(batches)):
        kept = list(batches[:t]) if regime == "accumulate" else [batches[t - 1]]
        if regime != "replace":
            kept.insert(0, real[t if regime == "fresh" else 0])
        pools.append(join(kept))
    return pools


def assess_models(batches: Sequence[Moments], covariances: Sequence[Array]) -> dict[str, Array]:
    """Return one-sided p-values up to each generation: batches from Gaussians of these covariances."""
    dim = batches[0].dim
    traces: list[Array] = []
    shapes: list[Array] = []
    dofs, law, variance, volume = 0, None, [], []
    for batch, covariance in zip(batches, covariances, strict=True):
        dof, scatter = _dof(batch), batch.scatter
        trace = np.trace(np.linalg.solve(covariance, scatter), axis1=-2, axis2=-1)
        traces.append(trace)
        dofs += dof
        variance.append(chdtr(dim * dofs, sum(traces)))
        if dim > 1 and dof >= dim:
            shapes.append(_log_volume(scatter) - _log_volume(covariance) - dim * np.log(trace))
            now = shape_law(dof, dim)
            law = now if law is None else law.joined(now)
        if dim > 1:
            volume.append(
                np.full(trace.shape, np.nan) if law is None else law.lower_tail(np.sum(shapes, axis=0))
            )
    out = {"variance": np.stack(variance, -1)}
    return out | ({"volume": np.stack(volume, -1)} if volume else {})


def assess_unchanged(batches: Sequence[Moments], real: Moments) -> dict[str, Array]:
    """Return one-sided p-values up to each generation: batches from the unknown Gaussian of a real sample."""
    dim, reference_dof = real.dim, _dof(real)
    total: Any = 0.0
    out: list[Array] = []
    reference, dofs = real.scatter, 0
    for batch in batches:
        total, dofs = total + batch.scatter, dofs + _dof(batch)
        if dim == 1:
            ratio = (total / reference)[..., 0, 0] * reference_dof / dofs
            out.append(fdtr(dofs, reference_dof, ratio))
        elif min(dofs, reference_dof) < dim:
            out.append(np.full(total.shape[:-2], np.nan))
        else:
            law: LogGammas = volume_ratio_law(dofs, reference_dof, dim)
            out.append(law.lower_tail(_log_volume(total) - _log_volume(reference)))
    return {"variance" if dim == 1 else "volume": np.stack(out, -1)}


def _dof(moments: Moments) -> int:
    return int(np.max(moments.weight)) - 1


def _log_volume(matrix: Array) -> Any:
    with np.errstate(divide="ignore"):
        sign, log = np.linalg.slogdet(matrix)
    return np.where(sign > 0, log, -np.inf)
