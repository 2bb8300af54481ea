"""Closed forms of Gaussian loops. All arguments are keyword-only; every result carries kind and source.

Trajectories, by the names of the regimes: `replace`, `augment`, `accumulate`, `accumulate_subsample`,
`fresh`; `first_moments` covers the whole design space, and `trajectory` takes a regime.
"""

from madtheory.theory.gaussian.accumulation import (
    accumulate_exponent,
    accumulate_limit,
    accumulate_second_moments,
    sliding_window_slope,
    subsample_growth_exponent,
    subsample_limit,
    universal_constants,
)
from madtheory.theory.gaussian.admissible import (
    admissible_n_synthetic,
    effective_sample_size,
    invert_real_fit,
    optimal_n_synthetic,
    phase_boundary,
)
from madtheory.theory.gaussian.collapse import (
    bias_threshold,
    final_mean_law,
    half_life,
    hitting_time,
    lyapunov_spectrum,
    survival_limit,
    tail_bound,
)
from madtheory.theory.gaussian.replacement import (
    Sizes as Sizes,
    chain_sizes as chain_sizes,
    digamma_minus_log as digamma_minus_log,
    direction_gains as direction_gains,
    replace,
    scaled_log_moment as scaled_log_moment,
    second_moments,
    sizes_of as sizes_of,
    third_moments,
)
from madtheory.theory.gaussian.second_moment_maps import (
    fixed_second_moments,
    fresh_second_moments,
    second_moment_map,
)
from madtheory.theory.gaussian.shapes import (
    diagonal_trajectory,
    known_covariance_trajectory,
    spherical_trajectory,
)
from madtheory.theory.gaussian.stationarity import diffusion_limit, stationary, tail_index
from madtheory.theory.gaussian.trajectories import (
    accumulate,
    accumulate_subsample,
    augment,
    first_moments,
    fresh,
    trajectory,
)
from madtheory.theory.gaussian.variance_laws import VarianceLaw, variance_law
from madtheory.theory.gaussian.wasserstein import loop_wasserstein2_squared, real_fit_wasserstein2_squared
from madtheory.theory.gaussian.weighting import optimal_weights

__all__ = [
    "VarianceLaw",
    "accumulate",
    "accumulate_exponent",
    "accumulate_limit",
    "accumulate_second_moments",
    "accumulate_subsample",
    "admissible_n_synthetic",
    "augment",
    "bias_threshold",
    "diagonal_trajectory",
    "diffusion_limit",
    "effective_sample_size",
    "final_mean_law",
    "first_moments",
    "fixed_second_moments",
    "fresh",
    "fresh_second_moments",
    "half_life",
    "hitting_time",
    "invert_real_fit",
    "known_covariance_trajectory",
    "loop_wasserstein2_squared",
    "lyapunov_spectrum",
    "optimal_n_synthetic",
    "optimal_weights",
    "phase_boundary",
    "real_fit_wasserstein2_squared",
    "replace",
    "second_moment_map",
    "second_moments",
    "sliding_window_slope",
    "spherical_trajectory",
    "stationary",
    "subsample_growth_exponent",
    "subsample_limit",
    "survival_limit",
    "tail_bound",
    "tail_index",
    "third_moments",
    "trajectory",
    "universal_constants",
    "variance_law",
]
