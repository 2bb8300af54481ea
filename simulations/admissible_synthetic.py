"""How many synthetic points still help (MAD, arXiv 2307.01850, Figs. 11 and 12).

Fresh data loop of Gaussians in 100 dimensions. For each cell: the limit of E W2^2, turned into the number
n_e of real points whose fit is as good; synthetic data are admissible where ``n_e >= n_real``. MAD gives
neither grid nor repetitions. Beyond MAD: the largest admissible number for up to 100,000 real points.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import xarray as xr
from scipy.interpolate import PchipInterpolator
from scipy.optimize import brentq

from madtheory.theory import gaussian
from simulations._stationary import Setting, stationary_limits

DIM = 100
BIASES_OVER_REAL = (0.7, 0.85, 1.0)
BIASES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
N_REAL_OVER_BIAS = (100, 250, 1000)
N_REAL_FAR = (3000, 10_000, 100_000)
N_REAL_LINE = tuple(int(n) for n in np.geomspace(50, 300_000, 20))
REPLICATES = (6, 8)  # quick, and full size

_WINDOW = np.array([0.8, 1.0, 1.25])  # where a crossing is looked up, about a first guess


def over_real(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate Fig. 11: ``n_e / n_real`` over (bias, n_real, n_synthetic), and where it crosses 1.

    Returns
    -------
    Dataset
        ``effective_ratio`` and ``wasserstein2_squared`` with standard errors and predictions;
        ``admissible_n_synthetic`` (bias, n_real), not-a-number where every number on the grid is
        admissible; ``far_...`` (far_bias, far_n_real) for more real points than MAD shows;
        ``line_...`` (line_bias, line_n_real) what theory predicts in between.
    """
    coords = {
        "bias": BIASES_OVER_REAL,
        "n_real": _log_grid(100, 1000, 4 if quick else 11),
        "n_synthetic": _log_grid(100, 10_000, 6 if quick else 13),
    }
    out = _map(coords, quick, rng, n_jobs)
    far = {"bias": BIASES_OVER_REAL[:-1], "n_real": N_REAL_FAR[1:2] if quick else N_REAL_FAR}
    beyond = _edges(far, _predicted_edges(far), quick, rng + 2, n_jobs)
    beyond = beyond.rename({name: f"far_{name}" for name in (*beyond.data_vars, *beyond.dims)})
    return out.merge(beyond).merge(_line(N_REAL_LINE[::2] if quick else N_REAL_LINE)).assign_attrs(out.attrs)


def over_bias(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate Fig. 12: ``n_e / n_real`` over (n_real, bias, n_synthetic), and where it crosses 1."""
    coords = {
        "n_real": N_REAL_OVER_BIAS,
        "bias": BIASES[::2] if quick else BIASES,
        "n_synthetic": _log_grid(10, 10_000, 7 if quick else 13),
    }
    return _map(coords, quick, rng, n_jobs)


def crossing(n_synthetic: np.ndarray, ratio: np.ndarray) -> float:
    """Return where ``n_e / n_real`` falls through 1 for the last time on a grid; nan if nowhere.

    Interpolates logarithms by a monotone cubic.
    """
    x, y = np.log(n_synthetic), np.log(ratio)
    falls = np.flatnonzero((y[:-1] >= 0) & (y[1:] < 0))
    if not falls.size:
        return np.nan
    i = falls[-1]
    return float(np.exp(brentq(PchipInterpolator(x, y), x[i], x[i + 1])))


def _log_grid(low: int, high: int, count: int) -> tuple[int, ...]:
    return tuple(int(n) for n in np.round(np.geomspace(low, high, count)))


def _map(coords: dict[str, tuple], quick: bool, rng: int, n_jobs: int) -> xr.Dataset:
    """Return the ratio on a grid whose last dimension is n_synthetic, and its crossings."""
    cells = [Setting(**dict(zip(coords, cell, strict=True))) for cell in product(*coords.values())]
    limits = _limits(cells, quick, rng, n_jobs)
    shape = tuple(len(values) for values in coords.values())
    variables = {
        name: (tuple(coords), values.values.reshape(shape), values.attrs)
        for name, values in limits.data_vars.items()
    }
    out = xr.Dataset(variables, {name: list(values) for name, values in coords.items()}, limits.attrs)
    sizes = np.array(coords["n_synthetic"])
    rows = {name: values for name, values in coords.items() if name != "n_synthetic"}
    guesses = np.apply_along_axis(lambda ratio: crossing(sizes, ratio), -1, out["effective_ratio"].values)
    return out.merge(_edges(rows, guesses, quick, rng + 1, n_jobs)).assign_attrs(out.attrs)


def _edges(rows: dict[str, tuple], guesses: np.ndarray, quick: bool, rng: int, n_jobs: int) -> xr.Dataset:
    """Return the largest admissible numbers of synthetic points, from three more cells around each guess.

    A parabola through the logarithms: straight lines between the cells of the map are off by up to 7 %.
    """
    found = np.argwhere(np.isfinite(guesses))
    names, grids = list(rows), list(rows.values())
    cells = [
        Setting(
            **{name: grid[k] for name, grid, k in zip(names, grids, at, strict=True)}, n_synthetic=round(n)
        )
        for at in found
        for n in guesses[tuple(at)] * _WINDOW
    ]
    limits = _limits(cells, quick, rng, n_jobs)
    ratio = limits["effective_ratio"].values
    x = np.log([cell.n_synthetic for cell in cells]).reshape(-1, 3)
    y = np.log(ratio).reshape(-1, 3)
    noise = (limits["effective_ratio_standard_error"].values / ratio).reshape(-1, 3)
    roots = [_root(*cell) for cell in zip(x, y, noise, strict=True)]
    edge, edge_error = np.full(guesses.shape, np.nan), np.full(guesses.shape, np.nan)
    edge[tuple(found.T)] = [value for value, _ in roots]
    edge_error[tuple(found.T)] = [error for _, error in roots]
    attrs = limits["predicted_effective_ratio"].attrs
    return xr.Dataset(
        {
            "admissible_n_synthetic": (names, edge),
            "admissible_n_synthetic_standard_error": (names, edge_error),
            "predicted_admissible_n_synthetic": (names, _predicted_edges(rows), attrs),
        },
        {name: list(grid) for name, grid in rows.items()},
    )


def _root(x: np.ndarray, y: np.ndarray, noise: np.ndarray) -> tuple[float, float]:
    """Return the exponential of the root of a falling parabola, and its standard error."""
    parabola = np.polynomial.Polynomial.fit(x, y, 2)
    roots = parabola.roots().real
    root = roots[np.abs(roots - x[1]).argmin()]
    lines = [np.polynomial.Polynomial.fit(x, unit, 2)(root) for unit in np.eye(3)]
    error = np.hypot.reduce(lines * noise) / abs(parabola.deriv()(root))
    return float(np.exp(root)), float(np.exp(root) * error)


def _limits(cells: list[Setting], quick: bool, rng: int, n_jobs: int) -> xr.Dataset:
    return stationary_limits(
        cells,
        dim=DIM,
        replicates=REPLICATES[0 if quick else 1],
        kept=3 if quick else 8,
        rng=rng,
        n_jobs=n_jobs,
    )


def _predicted_edges(rows: dict[str, tuple]) -> np.ndarray:
    """Return the largest admissible number of synthetic points by theory; nan where all are."""
    edges = [
        float(gaussian.admissible_n_synthetic(**dict(zip(rows, row, strict=True)), dim=DIM))
        for row in product(*rows.values())
    ]
    table = np.reshape(edges, [len(values) for values in rows.values()])
    return np.where(np.isfinite(table), table, np.nan)


def _line(n_real: tuple[int, ...]) -> xr.Dataset:
    """Return the predicted largest admissible number, and its limit for many real points."""
    rows = {"bias": BIASES_OVER_REAL[:-1], "n_real": n_real}
    limits = [
        gaussian.phase_boundary(n_real=rows["n_real"][-1], bias=bias, dim=DIM)["admissible_limit"]
        for bias in rows["bias"]
    ]
    return xr.Dataset(
        {
            "line_predicted_admissible_n_synthetic": (("line_bias", "line_n_real"), _predicted_edges(rows)),
            "line_asymptote": ("line_bias", [float(limit) for limit in limits], limits[0].attrs),
        },
        {"line_bias": list(rows["bias"]), "line_n_real": list(rows["n_real"])},
    )
