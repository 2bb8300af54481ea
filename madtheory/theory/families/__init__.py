"""Closed forms of exponential-family loops: variance a quadratic function of the mean, and power laws.

All arguments are keyword-only; results carry kind and source. A family enters by its variance function
:math:`V(m) = v_0 + v_1 m + v_2 m^2` (`madtheory.models.ExponentialFamily` lists them); its curvature
:math:`v_2` decides whether the variance of a chain shrinks, stays or grows on average.
"""

from madtheory.theory.families.laws import (
    endpoint_law,
    gamma_logs,
    gamma_rate,
    pareto_tail_index,
    poisson_extinction,
)
from madtheory.theory.families.trajectories import (
    accumulate,
    accumulate_limit,
    central_moments,
    check_variance_function as check_variance_function,
    replace,
    stationary_error,
    trajectory,
)

__all__ = [
    "accumulate",
    "accumulate_limit",
    "central_moments",
    "endpoint_law",
    "gamma_logs",
    "gamma_rate",
    "pareto_tail_index",
    "poisson_extinction",
    "replace",
    "stationary_error",
    "trajectory",
]
