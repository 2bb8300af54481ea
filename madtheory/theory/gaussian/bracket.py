r"""Rigorous bounds of the mean squared Wasserstein distance of loops with real data, in any dimension.

In coordinates where the truth is the identity, the covariance :math:`\Sigma` of a model has a law that is
invariant under rotations: :math:`E\Sigma^{1/2}=rI`, and the overlap with the truth is at least
:math:`r\operatorname{tr}\Sigma_0`, with equality for a truth that is a multiple of the identity. The bounds
of r follow from three facts.

- :math:`\operatorname{tr}\sqrt{XX'}\ge\operatorname{tr}XU'` for every U of norm 1: a training set is a matrix
  X of Gaussian columns, and U is the polar factor of the same columns drawn from the truth. This gives a
  recursion of lower bounds, generation by generation.
- :math:`\operatorname{tr}\sqrt\cdot` is concave: a part of the randomness may be replaced by its mean, which
  gives upper bounds; and Hoelder's inequality for the first two moments gives another lower bound.
- In one dimension, Gauss's rule on the moments of order 0 to 3 is an upper bound and the Gauss-Radau rule
  with a node at 0 on those of order 0 to 4 a lower one, as all derivatives of the root alternate in sign.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madtheory.theory.gaussian import line
from madtheory.theory.gaussian.second_moment_maps import Mix
from madtheory.theory.gaussian.spectra import singular_values, wishart_root_deficit

Array = NDArray[np.float64]
_DISTINCT = 32  # up to this many batch sizes, the mean root of each is exact
_NEAR = 1e-4  # relative variance below which third and fourth moments are mostly rounding


@np.errstate(all="ignore")
def root_bounds(
    mix: Mix, n_initial: int, n_synthetic_at: Callable[[int], int] | None, named: dict[str, Any]
) -> tuple[Array, Array]:
    """Bound ``E tr sqrt(covariance) / dim`` of each generation from below and above.

    The truth is the identity. `named` are the moments of `read_out`. Where the mean covariance is infinite,
    so are both.
    """
    generations = len(named["total_variance"])
    mean = np.asarray(named["total_variance"]) / mix.dim
    batches = [
        mix.n_synthetic if n_synthetic_at is None else n_synthetic_at(g) for g in range(2, generations + 1)
    ]
    first = _wishart_root(mix.dim, n_initial - (not mix.known_mean)) / math.sqrt(n_initial - mix.ddof)
    fixed = mix.real_data == "fixed"
    spread = np.asarray(named["squared_norm"]) * mix.dim / np.asarray(named["total_variance"]) ** 2
    low = (_fixed_recursion if fixed else _fresh_recursion)(mix, batches, first)
    low = np.fmax(low, np.sqrt(mean / spread))
    high = (_fixed_concave if fixed else _fresh_concave)(mix, batches, mean)
    if mix.dim == 1 and n_synthetic_at is None:
        nearest, farthest = _line_bounds(mix, n_initial, generations, mean)
        low, high = np.fmax(low, nearest), np.fmin(high, farthest)
    low[0] = high[0] = first
    low, high = np.minimum(low, high), np.maximum(low, high)  # equal except for rounding
    return np.where(np.isfinite(mean), low, np.inf), np.where(np.isfinite(mean), high, np.inf)


def _wishart_root(dim: int, dof: float) -> float:
    """Return ``E tr W**(1/2) / dim`` for a standard Wishart matrix."""
    return math.sqrt(dof) * (1 - wishart_root_deficit(dim, dof)) if dof > 0 else 0.0


def _wishart_roots(dim: int, many: bool) -> Callable[[float], float]:
    """Return ``_wishart_root`` as a function of ``dof``; a lower bound (Hoelder) if `many` are needed."""
    if many:
        return lambda dof: dof / math.sqrt(dof + dim + 1)
    known: dict[float, float] = {}

    def root(dof: float) -> float:
        if dof not in known:
            known[dof] = _wishart_root(dim, dof)
        return known[dof]

    return root


def _fresh_recursion(mix: Mix, batches: list[float], first: float) -> Array:
    """Return lower bounds by polar factors of all columns, and of real and synthetic ones separately."""
    one, n_r, shrink = int(not mix.known_mean), mix.n_real, math.sqrt(mix.bias)
    root = _wishart_roots(mix.dim, len(set(batches)) > _DISTINCT)
    out = np.empty(len(batches) + 1)
    out[0] = r = first
    for g, n_s in enumerate(batches):
        total = n_r + n_s
        real, synthetic, between = n_r - one, max(n_s - one, 0), one * (n_s > 0)
        columns = real + synthetic + between
        share = real + shrink * r * synthetic
        share += between * math.sqrt((mix.bias * n_r * r * r + n_s) / total)
        joint = share / columns * root(columns) if columns else 0.0
        apart = math.hypot(root(real), shrink * r * root(synthetic))
        out[g + 1] = r = max(joint, apart) / math.sqrt(total - mix.ddof)
    return out


def _fixed_recursion(mix: Mix, batches: list[float], first: float) -> Array:
    """Return lower bounds for the covariance over the real set's scatter, which is independent of it."""
    one, n_r, dof = int(not mix.known_mean), mix.n_real, mix.n_real - (not mix.known_mean)
    out = np.zeros(len(batches) + 1)
    if dof == 0:
        return out
    root = _wishart_roots(int(min(mix.dim, dof)), len(set(batches)) > _DISTINCT)
    scatter = _wishart_root(mix.dim, dof)
    r = 1 / math.sqrt(n_r - mix.ddof)
    out[0] = first
    for g, n_s in enumerate(batches):
        total, synthetic = n_r + n_s, max(n_s - one, 0)
        drawn = root(synthetic)
        if one and n_s:
            drawn = max(drawn, (synthetic + math.sqrt(n_r / total)) / (synthetic + 1) * root(synthetic + 1))
        r = math.sqrt((1 + mix.bias * (r * drawn) ** 2) / (total - mix.ddof))
        out[g + 1] = r * scatter
    return out


def _fixed_concave(mix: Mix, batches: list[float], mean: Array) -> Array:
    """Return an upper bound: given the real set, the mean covariance is a multiple of its scatter."""
    dof = mix.n_real - (not mix.known_mean)
    return np.sqrt(mean / dof) * _wishart_root(mix.dim, dof) if dof else np.zeros_like(mean)


def _fresh_concave(mix: Mix, batches: list[float], mean: Array) -> Array:
    """Return an upper bound: by means in place of all but the last real points, and by the rank."""
    dof, dim = mix.n_real - (not mix.known_mean), mix.dim
    total = mix.n_real + np.array([0.0, *batches])
    rest = np.maximum((total - mix.ddof) * mean - dof, 0.0)  # a multiple of the identity
    few = int(min(dim, dof))
    t, weights = singular_values(few, float(max(dim, dof))) if few else (np.zeros(1), np.zeros(1))
    values, where = np.unique(rest, return_inverse=True)
    roots = np.concatenate(
        [np.sqrt(t**2 + block[:, None]) @ weights for block in np.array_split(values, len(values) // 64 + 1)]
    )
    roots = (roots + (dim - few) * np.sqrt(values))[where.ravel()] / (dim * np.sqrt(total - mix.ddof))
    rank = np.minimum((total - (not mix.known_mean)) / dim, 1)
    return np.asarray(np.fmin(roots, np.sqrt(mean * rank)))


def _line_bounds(mix: Mix, n_initial: int, generations: int, mean: Array) -> tuple[Array, Array]:
    """Return Gauss and Gauss-Radau bounds in one dimension; nan where the moments do not suffice."""
    rows = line.moments_of_generations(mix, float(n_initial), generations, 4)
    moments = np.full((generations, 5), np.nan)
    for g, row in enumerate(rows):
        given = [row[i] for i in (0, 1, 3, 6, 10) if i < len(row)]
        moments[g, : len(given)] = given
    scaled = moments / moments[:, 1:2] ** np.arange(5)
    s = scaled[:, 2] - 1
    third = scaled[:, 3] - 3 * scaled[:, 2] + 2
    fourth = scaled[:, 4] - 4 * scaled[:, 3] + 6 * scaled[:, 2] - 3
    # Gauss, about 1: nodes 1 - down and 1 + up
    up, down = _two_nodes(0.0, s, third)
    near, far = np.sqrt(np.maximum(1 - down, 0.0)), np.sqrt(1 + up)
    least = s / ((near + far) * (1 + near) * (1 + far))
    # Gauss-Radau: Gauss for the measure times x, whose moments about 1 are these, of x**-0.5
    up, down = _two_nodes(s, s + third, third + fourth)
    low, high = s - down, s + up
    weight = up / (up + down)
    most = sum(
        w * x / (np.sqrt(1 + x) * (1 + np.sqrt(1 + x))) for w, x in ((weight, low), (1 - weight, high))
    )
    known = s > _NEAR
    least = np.where(known & np.isfinite(least), least * (1 - 1e-7), 0.0)
    most = np.where(known & (low > 1e-6 - 1), most * (1 + 1e-7), 1.0)
    scale = np.sqrt(mean)
    if mix.real_data == "fixed":
        dof = mix.n_real - (not mix.known_mean)
        scale = scale * (_wishart_root(1, dof) / math.sqrt(dof) if dof else 0.0)
    return scale * (1 - most), scale * (1 - least)


def _two_nodes(mean: Any, second: Array, third: Array) -> tuple[Array, Array]:
    """Return how far the nodes of Gauss's rule lie above and below the mean, from central moments."""
    variance = second - mean**2
    lean = (third - 3 * mean * second + 2 * mean**3) / variance
    up = (lean + np.sqrt(lean**2 + 4 * variance)) / 2
    return up, variance / up
