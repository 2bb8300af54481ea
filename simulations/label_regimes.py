"""Linear regression on its own labels: replace or accumulate, inputs used again or drawn anew.

The loop of Gerstgrasser et al. 2024 (arXiv 2404.01413, section 2): T inputs N(0, I) in d dimensions, noise of
standard deviation 1, ten generations; their inputs are drawn once, and every generation labels them again.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import regimes
from simulations._labels import measure_risk

__all__ = ["LOOPS", "SETTINGS", "run"]

SETTINGS = ((30, 5), (200, 100), (1000, 100))
LOOPS = ("replace", "accumulate", "accumulate, new inputs")


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate and predict; `n_jobs` is not used, as the loops run as one array.

    Returns
    -------
    Dataset
        ``excess_risk`` (setting, loop, generation), with standard error and prediction; settings are (T, d).
    """
    settings, replicates = (SETTINGS[:1], 500) if quick else (SETTINGS, 4_000)
    each = []
    for i, (rows, dim) in enumerate(settings):
        many = replicates if dim < 50 else replicates // 10
        seeds = np.random.SeedSequence(rng, spawn_key=(i,)).spawn(len(LOOPS))
        found = [
            measure_risk(_loop(name, rows, dim), 10, replicates=many, rng=seed)
            for name, seed in zip(LOOPS, seeds, strict=True)
        ]
        names = xr.DataArray(list(LOOPS), dims="loop", name="loop")
        each.append(xr.concat(found, names, join="exact").assign_coords(n=rows, dim=dim))
    data = xr.concat(each, "setting", join="exact")
    data.attrs.update({"replicates": replicates, "seed": rng, "quick": int(quick)})
    return data


def _loop(name: str, rows: int, dim: int) -> mad.Loop:
    law = mad.Gaussian.standard(dim)
    real = mad.LinearRegression(np.ones(dim) / np.sqrt(dim), noise=1.0, design=law)
    regime = regimes.replace(n=rows) if name == "replace" else regimes.accumulate(n=rows)
    model = mad.LinearRegression(noise=1.0, design=law if "new" in name else None)
    return mad.Loop(real=real, model=model, regime=regime)
