"""Real data of known law: the small distributions of the papers, and scikit-learn's digits.

Everything here can be passed as ``Loop(real=...)``. The planar laws have a known density, mean and
covariance; with ``labels=True`` each point carries its class (moon, mode, ring or digit) as one more
coordinate, the last.
"""

from madtheory.sources.handwritten import digits
from madtheory.sources.planar import Law, eight_gaussians, grid25, rings, rosenbrock, two_moons

__all__ = ["Law", "digits", "eight_gaussians", "grid25", "rings", "rosenbrock", "two_moons"]
