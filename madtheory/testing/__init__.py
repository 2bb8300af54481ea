"""Public test tools: strategies for loops, calibrated assertions, conformance checks for your own model.

The strategies need the package ``hypothesis``; nothing else here does.
"""

from madtheory.testing.assertions import (
    assert_agrees,
    assert_mean_matches,
    assert_rate_matches,
    power,
    smallest_detectable,
)
from madtheory.testing.conformance import check_generative_model
from madtheory.testing.strategies import (
    DESIGNS,
    FAMILIES,
    REGIMES,
    Cycling,
    Growing,
    Moving,
    ecosystems,
    family_loops,
    gaussians,
    label_loops,
    loops,
    regimes,
    sizes,
    text_loops,
)

__all__ = [
    "DESIGNS",
    "FAMILIES",
    "REGIMES",
    "Cycling",
    "Growing",
    "Moving",
    "assert_agrees",
    "assert_mean_matches",
    "assert_rate_matches",
    "check_generative_model",
    "ecosystems",
    "family_loops",
    "gaussians",
    "label_loops",
    "loops",
    "power",
    "regimes",
    "sizes",
    "smallest_detectable",
    "text_loops",
]
