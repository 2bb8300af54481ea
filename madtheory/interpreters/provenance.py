"""Labels and units of variables, and the provenance of a run."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from madtheory.core import Loop, Snapshot
from madtheory.version import __version__

_POINTS, _SQUARED = "units of the points", "squared units of the points"
_LOG = f"log of {_SQUARED}"
_NONE = "dimensionless"

_KNOWN = {
    "total_variance": ("total variance", _SQUARED),
    "log_total_variance": ("log of the total variance", _LOG),
    "log_volume": ("log determinant of the covariance", _LOG),
    "squared_norm": ("mean of the squared norm", _SQUARED),
    "mean_error": ("squared error of the mean", _SQUARED),
    "wasserstein2_squared": ("squared Wasserstein-2 distance of Gaussians", _SQUARED),
    "loop_wasserstein2_squared": ("squared Wasserstein-2 distance, averaged over the loop", _SQUARED),
    "frechet_distance": ("squared Frechet distance", _SQUARED),
    "sliced_wasserstein": ("sliced Wasserstein distance", _POINTS),
    "wasserstein1": ("Wasserstein-1 distance", _POINTS),
    "kl_divergence": ("KL(model || truth)", "nats"),
    "reverse_kl_divergence": ("KL(truth || model)", "nats"),
    "negative_log_likelihood": ("negative log-likelihood per point", "nats"),
    "entropy": ("Shannon entropy", "nats"),
    "effective_sample_size": ("effective sample size", _NONE),
    "class_variance": ("variance within classes", _SQUARED),
    "maximum_mean_discrepancy": ("maximum mean discrepancy", _NONE),
    "model_spread": ("mean squared distance of the models' means to their centre", _SQUARED),
    "pool_variance": ("total variance of the mixture of all models", _SQUARED),
    "cramer_von_mises": ("Cramer-von Mises distance", _NONE),
    "support_size": ("number of symbols in the support", _NONE),
    "heterozygosity": ("heterozygosity", _NONE),
    "chi_squared": ("chi-squared divergence", _NONE),
    "squared_error": ("squared error of the probabilities", _NONE),
    "excess_risk": ("excess risk", "squared units of the labels"),
    "noise_variance": ("variance of the labels given the inputs", "squared units of the labels"),
    "parameter_error": ("squared error of the coefficients", "squared units of labels per input"),
    "mode_coverage": ("share of the modes that are covered", _NONE),
    "precision": ("precision", _NONE),
    "recall": ("recall", _NONE),
    "density": ("density", _NONE),
    "coverage": ("coverage", _NONE),
}

_PARTS = {"std": "standard deviation of", "lower": "lower bound of", "upper": "upper bound of"}

COORDINATES = {
    "generation": {"long_name": "generation", "units": _NONE},
    "replicate": {"long_name": "replicate", "units": _NONE},
    "model": {"long_name": "model of the ecosystem", "units": _NONE},
    "quantile": {"long_name": "quantile over the replicates", "units": _NONE},
}


def variable_attributes(name: str, metric: Any = None) -> dict[str, str]:
    """Return the ``long_name`` and ``units`` of a variable.

    A metric whose name is not known sets them as attributes ``long_name`` and ``units``; otherwise its long
    name is the first line of its docstring, and its units are not stated.
    """
    base, _, part = name.rpartition("_")
    known, units = _KNOWN.get(name, (None, None))
    if base in _KNOWN and part in _PARTS:
        known, units = f"{_PARTS[part]} the {_KNOWN[base][0]}", _KNOWN[base][1]
    long_name, units = getattr(metric, "long_name", known), getattr(metric, "units", units)
    if long_name is None:
        own = inspect.getdoc(metric) if inspect.isfunction(metric) else None
        long_name = own.splitlines()[0].rstrip(".") if own else name.replace("_", " ")
    return {"long_name": str(long_name), **({} if units is None else {"units": str(units)})}


def provenance(loop: Loop, snapshots: Sequence[Snapshot]) -> dict[str, Any]:
    """Return the provenance of a run, as netCDF attributes: loop, method, seed and versions."""
    import scipy

    first = snapshots[0]
    return {
        "method": first.method,
        "regime": loop.regime.name,
        "regime_keywords": json.dumps(loop.regime.keywords, default=repr),
        "bias": "model's default" if loop.bias is None else loop.bias,
        "model": type(loop.model).__name__,
        "real": type(loop.real).__name__,
        "replicates": sum(int(np.prod(s.replicates)) for s in snapshots),
        "seed": str(first.streams.entropy),
        "versions": json.dumps(
            {"madtheory": __version__, "numpy": np.__version__, "scipy": scipy.__version__}
        ),
    }
