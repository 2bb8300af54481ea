"""Closed forms of Gaussian loops. All arguments are keyword-only; every result carries kind and source.

Trajectories, by the names of the regimes: `replace`, `augment`, `accumulate`, `accumulate_subsample`,
`fresh`; `first_moments` covers the whole design space.
"""

from ._accumulate import (
    accumulate_exponent,
    accumulate_limit,
    sliding_window_slope,
    subsample_growth_exponent,
    subsample_limit,
    universal_constants,
)
from ._accumulated_moments import accumulate, accumulate_second_moments
from ._boundary import admissible_n_synthetic, optimal_n_synthetic, phase_boundary
from ._closures import fixed_second_moments, fresh_second_moments, second_moment_map
from ._collapse import bias_threshold, half_life, hitting_time, lyapunov_spectrum, tail_bound
from ._effective import effective_sample_size, invert_real_fit
from ._first_moments import first_moments
from ._law import VarianceLaw, variance_law
from ._limits import final_mean_law, survival_limit
from ._replace import replace, second_moments, third_moments
from ._stationary import diffusion_limit, stationary, tail_index
from ._trajectories import accumulate_subsample, augment, fresh
from ._wasserstein import loop_wasserstein2_squared, real_fit_wasserstein2_squared

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
    "loop_wasserstein2_squared",
    "lyapunov_spectrum",
    "optimal_n_synthetic",
    "phase_boundary",
    "real_fit_wasserstein2_squared",
    "replace",
    "second_moment_map",
    "second_moments",
    "sliding_window_slope",
    "stationary",
    "subsample_growth_exponent",
    "subsample_limit",
    "survival_limit",
    "tail_bound",
    "tail_index",
    "third_moments",
    "universal_constants",
    "variance_law",
]
