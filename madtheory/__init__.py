"""Theory and simulation of self-consuming ("autophagous") generative loops."""

from __future__ import annotations

from madtheory import data, metrics, models, regimes, sources, storage, theory, treatments, types
from madtheory.core import Loop, Snapshot, iterate, start, step
from madtheory.interpreters.compare import compare
from madtheory.interpreters.predict import predict
from madtheory.interpreters.simulate import simulate
from madtheory.models import (
    Categorical,
    Estimator,
    ExponentialFamily,
    Gaussian,
    KernelDensity,
    LinearRegression,
    Mixture,
    Pareto,
)
from madtheory.sweeps import sweep
from madtheory.theory import NoClosedForm
from madtheory.version import __version__ as __version__

__all__ = [
    "Categorical",
    "Estimator",
    "ExponentialFamily",
    "Gaussian",
    "KernelDensity",
    "LinearRegression",
    "Loop",
    "Mixture",
    "NoClosedForm",
    "Pareto",
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
    "sweep",
    "theory",
    "treatments",
    "types",
]
