"""Loops with verified synthetic data: by interval, nearness, labels, a detector, or a fallible centre."""

from madtheory.theory.verification.centre import centre_contraction, centre_error, centre_trajectory
from madtheory.theory.verification.detection import detected_share, required_keep_ratio
from madtheory.theory.verification.interval import (
    interval_collapse_time,
    interval_fixed_point,
    interval_map,
)
from madtheory.theory.verification.judged import label_threshold, verified_label_error
from madtheory.theory.verification.nearest import nearest_factor, nearest_trajectory

__all__ = [
    "centre_contraction",
    "centre_error",
    "centre_trajectory",
    "detected_share",
    "interval_collapse_time",
    "interval_fixed_point",
    "interval_map",
    "label_threshold",
    "nearest_factor",
    "nearest_trajectory",
    "required_keep_ratio",
    "verified_label_error",
]
