"""Models that train on one another's outputs: Gaussians with private data, and tokens as islands.

After the loop of Vu, Reeves and Wenger 2025 (arXiv 2505.21677): K entities with public and private data, of
which each keeps a share 1 - alpha, and a share alpha from the union of all outputs; alpha in {0, 1/2, 1} and
equal parts of private and public data are the settings of its experiments, over 15 rounds.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes

__all__ = ["ALPHAS", "EXCHANGED", "ISLANDS", "TOKENS", "run"]

ALPHAS = (0.0, 0.5, 1.0)
EXCHANGED = (0.0, 0.01, 1.0)
POINTS, TOKENS, ISLANDS, ROUNDS = 200, 50, 4, 15


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = 1) -> xr.Dataset:
    """Simulate and predict; threads share the replicates.

    Returns
    -------
    Dataset
        ``model_spread`` and ``pool_variance`` of two Gaussians (alpha, generation), ``heterozygosity``
        of four categorical models on average (exchanged, round), each with standard error and prediction.
    """
    replicates = 150 if quick else 3_000
    several = [(_entities(alpha), metrics.model_spread, metrics.pool_variance) for alpha in ALPHAS]
    found = [_measure(one, ROUNDS, replicates, rng, n_jobs, *chosen) for one, *chosen in several]
    data = xr.concat(found, xr.DataArray(list(ALPHAS), dims="alpha", name="alpha"), join="exact")
    tokens = [
        _measure(
            _islands(share), 8 * ROUNDS, replicates, rng, n_jobs, metrics.discrete.heterozygosity
        ).rename(generation="round")
        for share in EXCHANGED
    ]
    axis = xr.DataArray(list(EXCHANGED), dims="exchanged", name="exchanged")
    data = data.merge(xr.concat(tokens, axis, join="exact"))
    data.attrs.update({"replicates": replicates, "seed": rng, "quick": int(quick)})
    return data


def _entities(alpha: float) -> mad.Ecosystem:
    """Return two entities: half of the real data of each is public, N(0, 1), and half private, N(±2, 1)."""
    real = [
        mad.Mixture(weights=[0.5, 0.5], means=[[0.0], [m]], covariances=[[[1.0]]] * 2) for m in (-2.0, 2.0)
    ]
    n_synthetic = round(alpha * POINTS)
    regime = regimes.Regime(
        n_initial=POINTS, n_synthetic=n_synthetic, n_real=POINTS - n_synthetic,
        real_data="fixed" if alpha < 1 else "none",
    )  # fmt: skip
    loops = [mad.Loop(real=law, model=mad.Gaussian(ddof=1), regime=regime) for law in real]
    return mad.Ecosystem(loops=loops, exchange=[[0.5, 0.5]] * 2, draws="shared")


def _islands(share: float) -> mad.Ecosystem:
    """Return models of tokens, a share of which come from the pool of all."""
    truth, regime = mad.Categorical(np.full(20, 0.05)), regimes.replace(n=TOKENS)
    loops = [mad.Loop(real=truth, model=mad.Categorical(), regime=regime)] * ISLANDS
    return mad.Ecosystem(loops=loops, exchange=(1 - share) * np.eye(ISLANDS) + share / ISLANDS)


def _measure(
    ecosystem: mad.Ecosystem, generations: int, replicates: int, rng: int, n_jobs: int, *chosen: object
) -> xr.Dataset:
    """Return means over replicates, standard errors and predictions."""
    drawn = mad.simulate(
        ecosystem, generations, replicates=replicates, metrics=chosen, rng=rng, n_jobs=max(n_jobs, 1)
    )
    predicted = mad.predict(ecosystem, generations, variables=list(drawn))
    if any("model" in drawn[name].dims for name in drawn):
        drawn, predicted = drawn.mean("model"), predicted.mean("model")
    drawn, predicted = (one.drop_vars("model", errors="ignore") for one in (drawn, predicted))
    return xr.merge(
        [
            drawn.mean("replicate"),
            (drawn.std("replicate", ddof=1) / np.sqrt(replicates)).rename({n: f"{n}_error" for n in drawn}),
            predicted.rename({n: f"predicted_{n}" for n in predicted}),
        ],
        combine_attrs="drop",
        join="exact",
    )
