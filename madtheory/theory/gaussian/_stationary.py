"""Fixed points of Gaussian loops that mix real data with the last synthetic batch."""

from __future__ import annotations

import math

import numpy as np

from madtheory._validation import check_bias, check_ddof, check_size
from madtheory.theory._labels import Labelled, labelled
from madtheory.theory.gaussian._mixing import (
    affine_map,
    checked_mix,
    first_moments,
    require_mean,
    second_moments,
)
from madtheory.theory.gaussian._wasserstein import loop_wasserstein2_squared

__all__ = ["diffusion_limit", "stationary", "tail_index"]

_SOURCE = (
    "derived here (fixed point of the affine recursion of moments); the loop, and the existence of a "
    "limit that forgets generation 1, are those of Alemohammad et al. 2024 (arXiv 2307.01850), Eq. 3"
)


def stationary(
    *,
    n_real: int,
    n_synthetic: int,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    real_data: str = "fresh",
) -> dict[str, Labelled]:
    r"""The state that a loop with real data in every generation settles in, whatever it started from.

    With :math:`N=n_r+n_s`, divisor :math:`N-c` and :math:`k=1-1/(n_r+2n_s)`, per dimension

    .. math:: E\Sigma_\infty=\frac{n_rk}{N-c-\lambda n_sk}, \qquad
       E|\mu_\infty-\mu_0|^2=\frac{n_r+\lambda n_s\,E\Sigma_\infty}{n_r(n_r+2n_s)}

    for fresh real data. For a fixed real set :math:`E\Sigma_\infty=(n_r-1)v` with
    :math:`v=1/(N-c-\lambda n_sk)`, and the squared mean error is
    :math:`1/n_r+(n_r-1)\lambda n_sv/(n_r(n_r+2n_s))`. With a known mean, :math:`n_r/(N-c-\lambda n_s)`.

    Kind: exact mean. The two first moments hold for real data of any law with identity covariance,
    the second moments for Gaussian real data.

    Parameters
    ----------
    n_real, n_synthetic : int
        Real (at least 1) and synthetic (at least 0) points in every training set.
    bias : float
        Factor of the covariance of synthetic points, dimensionless, at least 0.
    ddof : {0, 1}, optional
        The covariance divides by the number of points less `ddof`; unbiased by default.
    known_mean : bool
        Take the scatter about the true mean, which is then not fitted.
    dim : int
        Dimension, with the identity as true covariance.
    real_data : {"fresh", "fixed"}
        New real points in every generation, or one set, over which the means are taken.

    Returns
    -------
    dict of scalar Labelled
        ``total_variance``, ``mean_error``; where second moments exist ``squared_norm``,
        ``squared_trace``, ``total_variance_std`` and ``wasserstein2_squared``; ``spectral_radius``
        and ``second_moment_spectral_radius`` of the recursions of first and second moments;
        ``relaxation_time`` of the first moments, in generations.

    Raises
    ------
    ValueError
        When the mean covariance has no limit; the message names the bias below which it has.

    Notes
    -----
    The stationary covariance has a Pareto tail (`tail_index`): means over simulated paths settle slowly.
    Source: derived here; Alemohammad et al. 2024 (arXiv 2307.01850), Eq. 3 states the limit without a value.
    """
    design = {"n_real": n_real, "n_synthetic": n_synthetic, "bias": bias, "ddof": ddof}
    design |= {"known_mean": known_mean, "dim": dim}
    mix = checked_mix(**design, real_data=real_data)
    require_mean(mix)
    gain, error = first_moments(mix)
    matrix, _ = affine_map(mix)
    radius = float(np.abs(np.linalg.eigvals(matrix[:2, :2])).max())
    squares, second_radius = second_moments(mix)
    out = {
        "total_variance": mix.dim * gain,
        "mean_error": mix.dim * error,
        "spectral_radius": radius,
        "second_moment_spectral_radius": second_radius,
        "relaxation_time": -1 / math.log(radius) if radius > 0 else 0.0,
    }
    if squares:
        out |= {name: squares[name] for name in ("squared_norm", "squared_trace")}
        out["total_variance_std"] = math.sqrt(max(squares["squared_trace"] - (mix.dim * gain) ** 2, 0))
    labels = {name: labelled(value, "exact mean", _SOURCE) for name, value in out.items()}
    distance = loop_wasserstein2_squared(**design, real_data=real_data)
    return labels | ({} if np.isnan(distance) else {"wasserstein2_squared": distance})
