"""Closed forms: pure functions of numbers, each labelled with its kind and source."""

from . import categorical, correction, curation, gaussian, guidance, kernel_density, stability, verification

__all__ = [
    "categorical",
    "correction",
    "curation",
    "gaussian",
    "guidance",
    "kernel_density",
    "stability",
    "verification",
]
