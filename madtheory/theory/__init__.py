"""Closed forms: pure functions of numbers, each labelled with its kind and source."""

from madtheory.theory import (
    categorical,
    correction,
    curation,
    diffusion,
    ecosystem,
    families,
    gaussian,
    guidance,
    kernel_density,
    mixtures,
    regression,
    stability,
    verification,
)
from madtheory.theory.forms import table as table
from madtheory.theory.labels import (
    Labelled as Labelled,
    NoClosedForm as NoClosedForm,
    Trajectory as Trajectory,
    label as label,
)
from madtheory.theory.moments import Truths as Truths, is_chain as is_chain

__all__ = [
    "categorical",
    "correction",
    "curation",
    "diffusion",
    "ecosystem",
    "families",
    "gaussian",
    "guidance",
    "kernel_density",
    "mixtures",
    "regression",
    "stability",
    "verification",
]
