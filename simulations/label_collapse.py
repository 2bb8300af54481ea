"""Regression on labels of labels, by many and by few points, and a fit to a mixture of two models' labels.

The loops of Dohmatob et al. 2024 (arXiv 2402.07712): every generation labels new inputs N(0, I) by the last
fit. Many points: d = 20, 60 points, noise 0.5. Few points: d = 60, 20 points, no noise; and the same few
inputs used again. The one fit of Dohmatob et al. 2025 (arXiv 2410.04840): a share of the rows is labelled by
coefficients at distance 1 from the true ones.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import data, regimes
from simulations._labels import measure_risk

__all__ = ["LOOPS", "SHARES", "SIZES", "run"]

LOOPS = ("many points", "few points, new inputs", "few points, same inputs")
SHARES = (0.0, 0.01, 0.1, 0.5)
SIZES = tuple(10**k for k in range(2, 8))
DIM = 10


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate and predict; `n_jobs` is not used, as the loops run as one array.

    Returns
    -------
    Dataset
        ``excess_risk`` (loop, generation) and ``mixture_risk`` (share, n); errors and predictions.
    """
    replicates = 300 if quick else 4_000
    seeds = np.random.SeedSequence(rng).spawn(len(LOOPS) + 1)
    found = [
        measure_risk(_loop(name), 15, replicates=replicates, rng=seed)
        for name, seed in zip(LOOPS, seeds, strict=False)
    ]
    loops = xr.concat(found, xr.DataArray(list(LOOPS), dims="loop", name="loop"), join="exact")
    generator = np.random.default_rng(seeds[-1])
    risks = [[_mixture(share, n, replicates, generator) for n in SIZES] for share in SHARES]
    names = ("mixture_risk", "mixture_risk_error", "predicted_mixture_risk")
    values = np.moveaxis(np.array(risks), -1, 0)
    mixture = {name: (("share", "n"), value) for name, value in zip(names, values, strict=True)}
    made = loops.assign(mixture).assign_coords(share=list(SHARES), n=list(SIZES))
    made.attrs.update({"replicates": replicates, "seed": rng, "quick": int(quick)})
    return made


def _loop(name: str) -> mad.Loop:
    dim, n, noise = (20, 60, 0.5) if name == "many points" else (60, 20, 0.0)
    law = mad.Gaussian.standard(dim)
    real = mad.LinearRegression(np.ones(dim) / np.sqrt(dim), noise=noise, design=law)
    model = mad.LinearRegression(noise=noise, design=None if "same" in name else law)
    return mad.Loop(real=real, model=model, regime=regimes.replace(n=n))


def _mixture(share: float, n: int, replicates: int, rng: np.random.Generator) -> tuple[float, float, float]:
    """Return the mean excess risk of a fit to a mixture, its standard error and its prediction."""
    truth, wrong = np.zeros(DIM), np.ones(DIM) / np.sqrt(DIM)
    sizes, law = {"real": n - round(share * n), "synthetic": round(share * n)}, mad.Gaussian.standard(DIM)
    parts = [
        mad.LinearRegression(w, noise=1.0, design=law).expand(replicates).sample_statistic(size, rng=rng)
        for w, size in zip((truth, wrong), sizes.values(), strict=True)
        if size
    ]
    fitted = mad.LinearRegression(noise=1.0).fit(data.join(parts))
    risk = (np.asarray(fitted.coefficients) ** 2).sum(-1)
    exact = mad.theory.regression.mixture_risk(
        n_real=sizes["real"], n_synthetic=sizes["synthetic"], dim=DIM, shift_squared=1.0, noise=1.0
    )
    return float(risk.mean()), float(risk.std(ddof=1) / np.sqrt(replicates)), float(exact)
