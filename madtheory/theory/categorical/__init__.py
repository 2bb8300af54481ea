"""Closed forms of categorical loops (tokens). All arguments are keyword-only; results carry kind and source.

Trajectories, by the names of the regimes: `replace`, `augment`, `accumulate`, `accumulate_subsample`,
`fresh`; `heterozygosity` covers the whole design space, and `trajectory` takes a regime.
"""

from madtheory.theory.categorical.ancestry import (
    extinction,
    extinction_branching,
    fixation,
    moments,
    support_size,
    surviving_points,
)
from madtheory.theory.categorical.chain import chi_squared, entropy, expected_sum, symbol_chain
from madtheory.theory.categorical.drift import (
    accumulate,
    accumulate_subsample,
    augment,
    fresh,
    heterozygosity,
    markov_heterozygosity,
    replace,
    trajectory,
)
from madtheory.theory.categorical.limits import (
    ewens_support,
    first_loss_time,
    fixation_time,
    identity_probability,
    innovation_support,
    migration_factor,
    smoothing_variance,
    stationary_factor,
    time_to_types,
)
from madtheory.theory.categorical.provenance import label_blind_sample_size
from madtheory.theory.categorical.rows import row_heterozygosity, temperature_map
from madtheory.theory.categorical.tails import effective_corpus, missing_mass, power_law_missing_mass

__all__ = [
    "accumulate",
    "accumulate_subsample",
    "augment",
    "chi_squared",
    "effective_corpus",
    "entropy",
    "ewens_support",
    "expected_sum",
    "extinction",
    "extinction_branching",
    "first_loss_time",
    "fixation",
    "fixation_time",
    "fresh",
    "heterozygosity",
    "identity_probability",
    "innovation_support",
    "label_blind_sample_size",
    "markov_heterozygosity",
    "migration_factor",
    "missing_mass",
    "moments",
    "power_law_missing_mass",
    "replace",
    "row_heterozygosity",
    "smoothing_variance",
    "stationary_factor",
    "support_size",
    "surviving_points",
    "symbol_chain",
    "temperature_map",
    "time_to_types",
    "trajectory",
]
