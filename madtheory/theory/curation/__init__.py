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

__all__ = [
    "best_of_moments",
    "closest_of_second_moment",
    "hard_refit",
    "house_of_cards",
    "iterate_update",
    "kl_bound",
    "kl_to_limit",
    "limit",
    "luce_refit",
    "mixing_reward_bound",
    "quadratic_luce_refit",
    "rate",
    "reward_gain_bound",
    "reward_gain_upper_bound",
    "reward_moments",
    "thurstone_refit",
    "tilted_gaussian",
    "update",
]
