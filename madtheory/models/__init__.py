"""Generators that need no more than NumPy, SciPy and scikit-learn."""

from .gaussian import Gaussian

__all__ = ["Gaussian"]
