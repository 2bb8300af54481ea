"""Theory and simulation of self-consuming ("autophagous") generative loops."""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import Any as _Any

from madtheory import data, metrics, models, regimes, sources, storage, theory, treatments, types
from madtheory.advice import advise
from madtheory.core import Ecosystem, Loop, Snapshot, iterate, start, step
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
    Markov,
    Mixture,
    Pareto,
)
from madtheory.monitoring import monitor
from madtheory.sweeps import sweep
from madtheory.theory import NoClosedForm
from madtheory.version import __version__ as __version__

__all__ = [
    "Categorical",
    "Ecosystem",
    "Estimator",
    "ExponentialFamily",
    "Gaussian",
    "KernelDensity",
    "LinearRegression",
    "Loop",
    "Markov",
    "Mixture",
    "NoClosedForm",
    "Pareto",
    "Snapshot",
    "advise",
    "compare",
    "data",
    "iterate",
    "metrics",
    "models",
    "monitor",
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

_HEAVY = ("images", "networks", "plotting", "testing")


def __getattr__(name: str) -> _Any:
    """Import a room that needs more than the core when it is first used."""
    if name not in _HEAVY:
        raise AttributeError(f"module 'madtheory' has no attribute {name!r}")
    return _import_module(f"madtheory.{name}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HEAVY])
