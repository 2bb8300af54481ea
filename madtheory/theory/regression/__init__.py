"""Closed forms of loops of labels, by linear regression. Every result carries kind and source.

`fixed_design`, `design_drawn_once` and `fresh_design` take a regime and say what becomes of the inputs.
"""

from madtheory.theory.regression.fixed_design import fixed_design
from madtheory.theory.regression.mixing import mixture_risk
from madtheory.theory.regression.proportional import ridge_limit
from madtheory.theory.regression.random_design import design_drawn_once, fresh_design
from madtheory.theory.regression.weighting import mixed_label_risk, optimal_weights, weighted_risk

__all__ = [
    "design_drawn_once",
    "fixed_design",
    "fresh_design",
    "mixed_label_risk",
    "mixture_risk",
    "optimal_weights",
    "ridge_limit",
    "weighted_risk",
]
