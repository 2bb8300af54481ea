r"""Negative guidance by a self-trained model: SIMS, Neon, and guidance of the clean score, for Gaussians.

A model r draws synthetic data, an auxiliary s is trained on them, and the model is moved away from it with
weight w: 0 is the model, -1 the auxiliary. What "away" means differs. In one dimension all three are
:math:`v^p = (1 + w) v_r^p - w v_s^p`:

================  ======================================  ====================
p = 1             Neon, on the covariance                 `neon_law`
p = 0, the logs   SIMS, probability flow, guided scores   `sims_law`
p = -1            density ratio, guided clean score       `clean_score_law`
================  ======================================  ====================

They agree to first order in the auxiliary's difference. The second order decides whether the loop
collapses: sampling noise has no mean to extrapolate, but its logarithm has (`rate`).
Generators: `madtheory.models.guided`.
"""

from __future__ import annotations

from madtheory.theory.guidance.directions import (
    auxiliary_drift,
    best_guidance,
    best_weight,
    extrapolated_variance,
    polluted_guidance,
    pollution_cost,
    pollution_slope,
)
from madtheory.theory.guidance.laws import clean_score_law, neon_law, sims_law
from madtheory.theory.guidance.moments import largest_stable_guidance, sims_distance, sims_moments
from madtheory.theory.guidance.rates import critical_guidance, existence, log_variance_growth, rate
from madtheory.theory.guidance.warm_up import neon_alignment, neon_variance_moments, neon_warm_up

__all__ = [
    "auxiliary_drift",
    "best_guidance",
    "best_weight",
    "clean_score_law",
    "critical_guidance",
    "existence",
    "extrapolated_variance",
    "largest_stable_guidance",
    "log_variance_growth",
    "neon_alignment",
    "neon_law",
    "neon_variance_moments",
    "neon_warm_up",
    "polluted_guidance",
    "pollution_cost",
    "pollution_slope",
    "rate",
    "sims_distance",
    "sims_law",
    "sims_moments",
]
