"""Generators that need only NumPy, SciPy and scikit-learn."""

from madtheory.models.categorical import Categorical
from madtheory.models.designs import FixedDesign as FixedDesign
from madtheory.models.estimator import Estimator
from madtheory.models.exponential_family import ExponentialFamily, Pareto
from madtheory.models.extrapolated import SIMS, Neon
from madtheory.models.gaussian import Gaussian
from madtheory.models.generalized_linear import LogisticRegression, PoissonRegression
from madtheory.models.kernel_density import KernelDensity
from madtheory.models.linear_regression import LinearRegression
from madtheory.models.markov import Markov
from madtheory.models.mixture import Mixture
from madtheory.models.selection import Selection, Tuned, checkpoints, select_guidance

__all__ = [
    "SIMS",
    "Categorical",
    "Estimator",
    "ExponentialFamily",
    "Gaussian",
    "KernelDensity",
    "LinearRegression",
    "LogisticRegression",
    "Markov",
    "Mixture",
    "Neon",
    "Pareto",
    "PoissonRegression",
    "Selection",
    "Tuned",
    "checkpoints",
    "select_guidance",
]
