"""What the distance of a fitted Gaussian depends on: its spectrum and its fourth moments."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from madtheory.types import Array


class Spectrum(NamedTuple):
    r"""Numbers of a data set of n points, weighted or not.

    Attributes
    ----------
    variances : array, shape (d,)
        Eigenvalues of the covariance, largest first.
    dim : float
        Effective dimension :math:`D = 2 \sum_{ij} \lambda_i \lambda_j / (\lambda_i + \lambda_j)`, over the
        total variance: a Gaussian fit of n points has the squared distance (D + 5) / (4 n) of the total
        variance, to leading order. It lies between 1 and d, which a multiple of the identity has.
    tails : float
        Factor by which the data's own fourth moments multiply the noise of a fitted covariance; 1 for
        Gaussian data.
    """

    variances: Array
    dim: float
    tails: float


class Scores:
    """Points in the eigenbasis of their covariance, without directions that have no variance."""

    def __init__(self, points: Array) -> None:
        centred = points - points.mean(0)
        variances, basis = np.linalg.eigh(centred.T @ centred / len(points))
        kept = variances > 1e-10 * variances[-1]
        self.scores = centred @ basis[:, kept][:, ::-1]

    def spectrum(self, weights: Any = None) -> Spectrum:
        """Return the numbers of the data, or of a resample that has each point a number of times."""
        z = self.scores
        if weights is not None:
            z = np.repeat(z, weights, axis=0)
        n = len(z)
        z = z - z.mean(0)
        values, basis = np.linalg.eigh(z.T @ z / n)
        values, z = np.maximum(values[::-1], 0.0), z @ basis[:, ::-1]
        squares = z * z
        fourth = squares.T @ squares / n
        total = values.sum()
        sums = values[:, None] + values
        inverse = np.divide(1.0, sums, out=np.zeros_like(sums), where=sums > 1e-12 * total)
        product = np.outer(values, values)
        effective = 2 * (product * inverse).sum() / total
        noise = ((fourth - np.diag(values**2)) * inverse).sum() / 2
        gaussian = total * (effective + 1) / 4
        return Spectrum(values, float(effective), float(noise / gaussian))
