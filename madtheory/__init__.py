"""Theory and simulation of self-consuming ("autophagous") generative loops."""

from __future__ import annotations

__version__ = "0.1.0"

from . import data, metrics, regimes, storage, theory, types
from ._loop import Loop, Snapshot, iterate, start, step
from ._predict import NoClosedForm, predict
from ._simulate import simulate
from .models import Gaussian

__all__ = [
    "Gaussian",
    "Loop",
    "NoClosedForm",
    "Snapshot",
    "data",
    "iterate",
    "metrics",
    "predict",
    "regimes",
    "simulate",
    "start",
    "step",
    "storage",
    "theory",
    "types",
]
