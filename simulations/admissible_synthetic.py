"""How many synthetic points still help (MAD, arXiv 2307.01850, Figs. 11 and 12).

Fresh data loop of Gaussians in 100 dimensions. For each cell: the limit of E W2^2, turned into the number
n_e of real points whose fit is as good; synthetic data are admissible where ``n_e >= n_real``. MAD gives
neither grid nor repetitions. Beyond MAD: the largest admissible number for up to 100,000 real points.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.interpolate import PchipInterpolator
from scipy.optimize import brentq

from madtheory.theory import gaussian
from simulations._stationary import Setting, stationary_limits

__all__ = ["largest_admissible", "over_bias", "over_real"]

DIM = 100
BIASES_OVER_REAL = (0.7, 0.85, 1.0)
BIASES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
N_REAL_OVER_BIAS = (100, 250, 1000)
N_REAL_FAR = (3000, 10_000, 100_000)


def over_real(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Fig. 11: ``n_e / n_real`` over (bias, n_real, n_synthetic), and where it falls through 1.

    Returns
    -------
    Dataset
        ``effective_ratio`` and ``wasserstein2_squared`` with standard errors and predictions;
        ``admissible_n_synthetic`` (bias, n_real), not-a-number where every number on the grid is
        admissible; ``far_...`` (far_bias, far_n_real) for more real points than MAD shows;
        ``line_...`` (line_bias, line_n_real) what theory predicts in between.
    """
    n_real = _log_grid(100, 1000, 5 if quick else 11)
    n_synthetic = _log_grid(100, 10_000, 7 if quick else 13)
    out = _map(BIASES_OVER_REAL, n_real, n_synthetic, ("bias", "n_real", "n_synthetic"), quick, rng, n_jobs)
    return out.merge(_far(quick, rng + 1, n_jobs)).merge(_line()).assign_attrs(out.attrs)


def over_bias(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Fig. 12: ``n_e / n_real`` over (n_real, bias, n_synthetic), and where it falls through 1."""
    biases = BIASES[::2] if quick else BIASES
    n_synthetic = _log_grid(10, 10_000, 7 if quick else 13)
    return _map(biases, N_REAL_OVER_BIAS, n_synthetic, ("n_real", "bias", "n_synthetic"), quick, rng, n_jobs)


def largest_admissible(n_synthetic: np.ndarray, ratio: np.ndarray, error: np.ndarray) -> tuple[float, float]:
    """Where ``n_e / n_real`` falls through 1 for the last time, and its standard error; nan if nowhere.

    Monotone cubic interpolation of the logarithms; the error of the ratio is divided by the slope.
    """
    x, y = np.log(n_synthetic), np.log(ratio)
    falls = np.flatnonzero((y[:-1] >= 0) & (y[1:] < 0))
    if not falls.size:
        return np.nan, np.nan
    i = falls[-1]
    curve = PchipInterpolator(x, y)
    root = brentq(curve, x[i], x[i + 1])
    at_root = np.exp(root)
    relative = np.interp(root, x, error / ratio)
    return float(at_root), float(at_root * relative / abs(curve.derivative()(root)))


def _log_grid(low: int, high: int, count: int) -> tuple[int, ...]:
    return tuple(int(n) for n in np.round(np.geomspace(low, high, count)))


def _map(
    biases: tuple[float, ...],
    n_real: tuple[int, ...],
    n_synthetic: tuple[int, ...],
    dims: tuple[str, str, str],
    quick: bool,
    rng: int,
    n_jobs: int,
) -> xr.Dataset:
    coords = {"bias": biases, "n_real": n_real, "n_synthetic": n_synthetic}
    coords = {name: list(coords[name]) for name in dims}
    cells = [
        Setting(**dict(zip(dims, cell, strict=True)))
        for cell in ((a, b, c) for a in coords[dims[0]] for b in coords[dims[1]] for c in coords[dims[2]])
    ]
    limits = stationary_limits(
        cells, dim=DIM, replicates=4 if quick else 12, kept=4 if quick else 8, rng=rng, n_jobs=n_jobs,
        progress="admissible synthetic data",
    )  # fmt: skip
    shape = tuple(len(values) for values in coords.values())
    variables = {
        name: (dims, values.values.reshape(shape), values.attrs) for name, values in limits.data_vars.items()
    }
    out = xr.Dataset(variables, coords, limits.attrs)
    edges = np.array([
        largest_admissible(np.array(n_synthetic), *rows)
        for rows in zip(
            out["effective_ratio"].values.reshape(-1, shape[-1]),
            out["effective_ratio_standard_error"].values.reshape(-1, shape[-1]),
            strict=True,
        )
    ]).reshape(*shape[:-1], 2)  # fmt: skip
    predicted = xr.DataArray(
        [[_predicted_edge(**{dims[0]: a, dims[1]: b}) for b in coords[dims[1]]] for a in coords[dims[0]]],
        dims=dims[:2],
        attrs=limits["predicted_effective_ratio"].attrs,
    )
    return out.assign(
        admissible_n_synthetic=(dims[:2], edges[..., 0]),
        admissible_n_synthetic_standard_error=(dims[:2], edges[..., 1]),
        predicted_admissible_n_synthetic=predicted,
    )


def _far(quick: bool, rng: int, n_jobs: int) -> xr.Dataset:
    """Crossings for more real points than MAD shows, where they settle to a constant."""
    biases, n_real = BIASES_OVER_REAL[:-1], N_REAL_FAR[:2] if quick else N_REAL_FAR
    centres = np.array([[_predicted_edge(bias=bias, n_real=n) for n in n_real] for bias in biases])
    windows = np.round(centres[..., None] * np.array([0.5, 0.8, 1.25, 2.0])).astype(int)
    cells = [
        Setting(n, int(n_synthetic), bias)
        for i, bias in enumerate(biases)
        for j, n in enumerate(n_real)
        for n_synthetic in windows[i, j]
    ]
    limits = stationary_limits(
        cells, dim=DIM, replicates=12, kept=4 if quick else 12, rng=rng, n_jobs=n_jobs, progress="far"
    )
    ratio = limits["effective_ratio"].values.reshape(windows.shape)
    error = limits["effective_ratio_standard_error"].values.reshape(windows.shape)
    edges = np.array([
        [largest_admissible(windows[i, j], ratio[i, j], error[i, j]) for j in range(len(n_real))]
        for i in range(len(biases))
    ])  # fmt: skip
    dims = ("far_bias", "far_n_real")
    return xr.Dataset(
        {
            "far_admissible_n_synthetic": (dims, edges[..., 0]),
            "far_admissible_n_synthetic_standard_error": (dims, edges[..., 1]),
            "far_predicted_admissible_n_synthetic": (dims, centres),
        },
        {"far_bias": list(biases), "far_n_real": list(n_real)},
    )


def _line() -> xr.Dataset:
    """What theory says of the largest admissible number, and where it ends for many real points."""
    biases, n_real = BIASES_OVER_REAL[:-1], _log_grid(50, 1_000_000, 25)
    edge = [[_predicted_edge(bias=bias, n_real=n) for n in n_real] for bias in biases]
    end = [((DIM + 1) * (2 - bias**2) + 4 * (2 - bias)) / (1 - bias) ** 2 for bias in biases]
    source = "derived here: gain in variance against squared bias, n_real to infinity"
    return xr.Dataset(
        {
            "line_predicted_admissible_n_synthetic": (("line_bias", "line_n_real"), edge),
            "line_asymptote": ("line_bias", end, {"kind": "leading order in 1/n", "source": source}),
        },
        {"line_bias": list(biases), "line_n_real": list(n_real)},
    )


def _predicted_edge(*, n_real: int, bias: float) -> float:
    """Largest admissible number of synthetic points by theory; nan if all are."""
    edge = float(gaussian.admissible_n_synthetic(n_real=n_real, bias=bias, dim=DIM))
    return edge if np.isfinite(edge) else np.nan
