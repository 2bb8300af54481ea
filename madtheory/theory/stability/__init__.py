r"""Local stability of loops that retrain on a fixed real set and synthetic data, with or without correction.

Notation of Bertrand et al. 2024 (arXiv 2310.00429): the next model maximises
:math:`E_{data}\log p_{\theta'} + \lambda E_{p_\theta}\log p_{\theta'}`. The optimum :math:`\theta^*`
on real data is a fixed point; with the Hessians :math:`A = E_{data}\nabla^2\log p_{\theta^*}` and
:math:`C = E_{p_{\theta^*}}\nabla^2\log p_{\theta^*}` the loop's Jacobian there is
:math:`J = (A + \lambda C)^{-1}\lambda C`, and C is only known by
:math:`|C - A| \le \epsilon L`. The bounds use this in different ways, and admit different ratios of synthetic
to real data.
"""

from madtheory.theory.stability.bounds import (
    contraction_bound,
    spectral_contraction_bound,
    spectral_threshold,
    threshold,
    tight_contraction_bound,
    tight_threshold,
)
from madtheory.theory.stability.finite import collapse_of_sd, finite_sample_bound
from madtheory.theory.stability.gaussian import (
    at_least as at_least,
    gaussian_contraction,
    gaussian_map,
    synthetic_share as synthetic_share,
)

__all__ = [
    "collapse_of_sd",
    "contraction_bound",
    "finite_sample_bound",
    "gaussian_contraction",
    "gaussian_map",
    "spectral_contraction_bound",
    "spectral_threshold",
    "threshold",
    "tight_contraction_bound",
    "tight_threshold",
]
