"""Theory and simulation of self-consuming ("autophagous") generative loops."""

from __future__ import annotations

__version__ = "0.1.0"

from . import data, metrics, models, regimes, sources, storage, theory, treatments, types
from ._compare import compare
from ._loop import Loop, Snapshot, iterate, start, step
from ._predict import NoClosedForm, predict
from ._simulate import simulate
from .models import Categorical, Estimator, Gaussian, KernelDensity, Mixture

__all__ = [
    "Categorical",
    "Estimator",
    "Gaussian",
    "KernelDensity",
    "Loop",
    "Mixture",
    "NoClosedForm",
    "Snapshot",
    "compare",
    "data",
    "iterate",
    "metrics",
    "models",
    "predict",
    "regimes",
    "simulate",
    "sources",
    "start",
    "step",
    "storage",
    "theory",
    "treatments",
    "types",
]
