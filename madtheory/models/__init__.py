"""Generators that need only NumPy, SciPy and scikit-learn."""

from madtheory.models.categorical import Categorical
from madtheory.models.estimator import Estimator
from madtheory.models.exponential_family import ExponentialFamily, Pareto
from madtheory.models.extrapolated import SIMS, Neon
from madtheory.models.gaussian import Gaussian
from madtheory.models.kernel_density import KernelDensity
from madtheory.models.mixture import Mixture
from madtheory.models.selection import Selection, Tuned, checkpoints, select_guidance

__all__ = [
    "SIMS",
    "Categorical",
    "Estimator",
    "ExponentialFamily",
    "Gaussian",
    "KernelDensity",
    "Mixture",
    "Neon",
    "Pareto",
    "Selection",
    "Tuned",
    "checkpoints",
    "select_guidance",
]
