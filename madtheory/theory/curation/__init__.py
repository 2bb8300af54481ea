"""Loops whose synthetic data are curated: each point is chosen among K candidates (Ferbach et al. 2024)."""

from __future__ import annotations

from madtheory.theory.curation.bounds import (
    kl_bound,
    kl_to_limit,
    limit,
    mixing_reward_bound,
    rate,
    reward_gain_bound,
    reward_gain_upper_bound,
    reward_moments,
)
from madtheory.theory.curation.choice import iterate_update, update
from madtheory.theory.curation.condensation import house_of_cards
from madtheory.theory.curation.gaussian import (
    best_of_moments,
    closest_of_second_moment,
    hard_refit,
    luce_refit,
    quadratic_luce_refit,
    thurstone_refit,
    tilted_gaussian,
)
from madtheory.theory.curation.pluralistic import (
    basin_chain,
    basin_update,
    coexistence,
    iterate_pluralistic_update,
    pluralistic_update,
)

__all__ = [
    "basin_chain",
    "basin_update",
    "best_of_moments",
    "closest_of_second_moment",
    "coexistence",
    "hard_refit",
    "house_of_cards",
    "iterate_pluralistic_update",
    "iterate_update",
    "kl_bound",
    "kl_to_limit",
    "limit",
    "luce_refit",
    "mixing_reward_bound",
    "pluralistic_update",
    "quadratic_luce_refit",
    "rate",
    "reward_gain_bound",
    "reward_gain_upper_bound",
    "reward_moments",
    "thurstone_refit",
    "tilted_gaussian",
    "update",
]
