"""Generators that need no more than NumPy, SciPy and scikit-learn."""

from .categorical import Categorical
from .estimator import Estimator
from .gaussian import Gaussian
from .guided import SIMS, Neon
from .kernel_density import KernelDensity
from .mixture import Mixture
from .selection import Selection, Tuned, checkpoints, select_guidance

__all__ = [
    "SIMS",
    "Categorical",
    "Estimator",
    "Gaussian",
    "KernelDensity",
    "Mixture",
    "Neon",
    "Selection",
    "Tuned",
    "checkpoints",
    "select_guidance",
]
