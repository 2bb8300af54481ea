"""How much a fixed share of real data helps as the training set grows (MAD, arXiv 2307.01850, Fig. 31).

Fresh data loop of Gaussians in 100 dimensions with n points per generation, a share p of them real.
Left: no bias, p from 100 to 0.3 per cent. Right: p = 10 per cent, bias from 1 to 0.9. MAD prints no
grid of n; its axes run from 1e3 to 1e5 and from 1e3 to 1e4.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from simulations._stationary import Setting, stationary_limits

DIM = 100
REAL_FRACTIONS = (1.0, 0.1, 0.03, 0.01, 0.003)
SIZES = (1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)
BIASES = (1.0, 0.97, 0.95, 0.93, 0.9)
BIASED_SIZES = (1000, 1500, 2000, 3000, 5000, 7000, 10_000, 20_000)
BIASED_REAL_FRACTION = 0.1
REPLICATES = (6, 12)  # quick, and full size


def bias_floor(*, real_fraction: float, bias: float, dim: int) -> float:
    """Return E W2^2 for n to infinity at a fixed share of real points; the mean is exact (derived here)."""
    variance = real_fraction / (1 - (1 - real_fraction) * bias)
    return float(dim * (1 - np.sqrt(variance)) ** 2)


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate the limits of E W2^2 on both grids.

    Returns
    -------
    Dataset
        ``left_...`` (real_fraction, n) and ``right_...`` (bias, n_right), each with standard error and
        prediction; ``bias_floor`` (bias).
    """
    # The smallest share forgets in 333 generations, which is most of the cost.
    fractions = REAL_FRACTIONS[:-1] if quick else REAL_FRACTIONS
    sizes = SIZES[::3] if quick else SIZES
    biased_sizes = BIASED_SIZES[::3] if quick else BIASED_SIZES
    left = [_setting(n, p, 1.0) for p in fractions for n in sizes]
    right = [_setting(n, BIASED_REAL_FRACTION, bias) for bias in BIASES for n in biased_sizes]
    limits = stationary_limits(
        left + right, dim=DIM, replicates=REPLICATES[0 if quick else 1], kept=3 if quick else 8,
        rng=rng, n_jobs=n_jobs
    )  # fmt: skip
    first = limits.isel(setting=slice(len(left)))
    second = limits.isel(setting=slice(len(left), None))
    floor = [bias_floor(real_fraction=BIASED_REAL_FRACTION, bias=bias, dim=DIM) for bias in BIASES]
    coords = {
        "real_fraction": list(fractions),
        "n": list(sizes),
        "bias": list(BIASES),
        "n_right": list(biased_sizes),
    }
    return xr.Dataset(
        _table(first, "left", ("real_fraction", "n"), (len(fractions), len(sizes)))
        | _table(second, "right", ("bias", "n_right"), (len(BIASES), len(biased_sizes)))
        | {"bias_floor": ("bias", floor, {"kind": "exact law", "source": "derived here, n to infinity"})},
        coords,
        limits.attrs,
    )


def _setting(n: int, real_fraction: float, bias: float) -> Setting:
    n_real = max(1, round(real_fraction * n))
    return Setting(n_real, n - n_real, bias)


def _table(
    limits: xr.Dataset, prefix: str, dims: tuple[str, str], shape: tuple[int, int]
) -> dict[str, tuple]:
    return {
        f"{prefix}_{name}": (dims, values.values.reshape(shape), values.attrs)
        for name, values in limits.data_vars.items()
    }
