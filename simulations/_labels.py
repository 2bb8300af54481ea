"""The error of loops of labels, generation by generation, and its prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import metrics

__all__ = ["measure_risk"]


def measure_risk(loop: mad.Loop, generations: int, *, replicates: int, rng: Any) -> xr.Dataset:
    """Return ``excess_risk`` (generation), the mean over loops, its standard error and its prediction."""
    run = mad.simulate(loop, generations, replicates=replicates, metrics=metrics.excess_risk, rng=rng)
    risk = run["excess_risk"]
    return xr.Dataset(
        {
            "excess_risk": risk.mean("replicate"),
            "excess_risk_error": risk.std("replicate", ddof=1) / np.sqrt(replicates),
            "predicted_excess_risk": mad.predict(loop, generations)["excess_risk"],
        },
        attrs={"method": run.attrs["method"]},
    )
