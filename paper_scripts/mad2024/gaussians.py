"""What MAD's figures on Gaussians share: maps of the effective ratio, and theory where MAD prints no number.

MAD prints curves and colours, but hardly any numbers: where it prints none, simulation is compared with our
own theory, and the verdict states that.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.ticker import NullFormatter
from scipy.interpolate import CubicSpline

from paper_scripts.figure import Finding
from paper_scripts.findings import agrees, value_of, with_error
from paper_scripts.style import THEORY

DISTANCE = "squared Wasserstein-2 distance"
RATIO = r"effective sample ratio $n_e\,/\,n_{\mathrm{real}}$"
W2 = "wasserstein2_squared"
EDGE = "admissible_n_synthetic"


def ratio_map(ax: Axes, part: xr.Dataset, across: str, *, top: float) -> Any:
    """Draw a heat map with 1 in the middle of the colours, and the largest admissible numbers."""
    x, y = part[across].values, part["n_synthetic"].values
    ratio = part["effective_ratio"].transpose("n_synthetic", across).values
    x_edges = _borders(x, logarithmic=across != "bias")
    mesh = ax.pcolormesh(
        x_edges, _borders(y, logarithmic=True), ratio, cmap="RdBu", norm=TwoSlopeNorm(1.0, 0.0, top)
    )
    ax.plot(x, part["predicted_admissible_n_synthetic"].values, **THEORY)
    ax.plot(
        x, part["admissible_n_synthetic"].values, "o", color="black", markerfacecolor="white", markersize=4,
        zorder=5,
    )  # fmt: skip
    ax.set_yscale("log")
    ax.set(xlim=(x_edges[0], x_edges[-1]), ylim=(float(y[0]), float(y[-1])))
    ax.grid(False)
    return mesh


def _borders(centres: np.ndarray, *, logarithmic: bool) -> np.ndarray:
    """Return the borders of cells, half-way between their centres."""
    c = np.log(centres) if logarithmic else np.asarray(centres, dtype=float)
    middle = (c[1:] + c[:-1]) / 2
    edges = np.concatenate([[2 * c[0] - middle[0]], middle, [2 * c[-1] - middle[-1]]])
    return np.exp(edges) if logarithmic else edges


def label_ticks(axis: Any, values: tuple[float, ...]) -> None:
    """Put plain numbers at these ticks of a logarithmic axis, and nowhere else."""
    axis.set_ticks(values, [f"{value:,g}" for value in values])
    axis.set_minor_formatter(NullFormatter())


def compare_with_theory(
    claim: str, items: Sequence[tuple[str, xr.Dataset, str, str]], *, tolerance: float, note: str = ""
) -> Finding:
    """Compare numbers that MAD does not print with theory: (where, numbers, variable, predicted).

    They agree where they differ by no more than the relative `tolerance`, which is that of the theory, and
    three standard errors.
    """
    ours = [value_of(part, name) for _, part, name, _ in items]
    theory = [float(part[predicted]) for _, part, _, predicted in items]
    close = [
        abs(value - expected) <= tolerance * expected + 3 * error
        for (value, error), expected in zip(ours, theory, strict=True)
    ]
    expected = ", ".join(
        f"{value:.4g}" + (f" at {where}" if where else "")
        for (where, *_), value in zip(items, theory, strict=True)
    )
    return Finding(
        claim=f"{claim} (MAD prints no number; theory, ours: {expected})",
        ours=", ".join(with_error(*number) for number in ours),
        verdict=agrees(all(close)),
        note="; ".join(filter(None, [f"within {tolerance:.0%} and three standard errors", note])),
    )


def against_theory(data: xr.Dataset, prefix: str = "", n_real: xr.DataArray | None = None) -> Finding:
    """Compare the cells of a map with the predicted stationary distance."""
    ours, predicted = data[f"{prefix}{W2}"], data[f"{prefix}predicted_{W2}"]
    many = np.full(ours.shape, True) if n_real is None else n_real.transpose(*ours.dims).values >= 29
    off = np.abs(predicted / ours - 1).values
    noise = (data[f"{prefix}{W2}_standard_error"] / ours).values[many]
    rest = off[~many & np.isfinite(off)]
    few = f"; {100 * rest.max():.0f} % where real points are fewer than 30" if rest.size else ""
    off = off[many]
    return Finding(
        claim=f"theory (ours, {predicted.attrs['kind']}): E W2^2 of {off.size} cells {prefix}".strip("_ "),
        ours=f"off by {100 * np.median(off):.2f} % in the median, {100 * off.max():.2f} % at most; "
        f"standard errors up to {100 * noise.max():.2f} %",
        verdict=agrees(bool(np.median(off) < 0.005 and (off < 0.01 + 4 * noise).all())),
        note=f"the error goes with 1 / n_real{few}",
    )


def compare_edges(data: xr.Dataset, corners: Sequence[tuple[int, float]], figure: str) -> Finding:
    """Compare the largest admissible numbers at (n_real, bias) with theory."""
    parts = _parts(data, corners)
    straight = ", ".join(f"{_cross_straight(part):,.0f}" for part in parts.values())
    return compare_with_theory(
        f"{figure}: largest admissible number at (n_real, bias)",
        [(where, part, EDGE, f"predicted_{EDGE}") for where, part in parts.items()],
        tolerance=0.05,
        note=f"straight lines between the cells of the map would give {straight}",
    )


def compare_peaks(data: xr.Dataset, corners: Sequence[tuple[int, float]], figure: str) -> Finding:
    """Compare the peaks of the effective ratio at (n_real, bias) with theory."""
    peaks = {where: _find_peak(part) for where, part in _parts(data, corners).items()}
    return compare_with_theory(
        f"{figure}: peak of n_e / n_real at (n_real, bias)",
        [(where, peak, "effective_ratio", "predicted_effective_ratio") for where, peak in peaks.items()],
        tolerance=0.03,
        note="at n_synthetic = " + ", ".join(f"{float(peak['n_synthetic']):,.0f}" for peak in peaks.values()),
    )


def _parts(data: xr.Dataset, corners: Sequence[tuple[int, float]]) -> dict[str, xr.Dataset]:
    return {f"({n}, {b:g})": data.sel(n_real=n, bias=b) for n, b in corners if b in data["bias"].values}


def _cross_straight(part: xr.Dataset) -> float:
    """Return where a log-log line between two cells of the map falls through 1."""
    x, y = np.log(part["n_synthetic"].values), np.log(part["effective_ratio"].values)
    i = np.flatnonzero((y[:-1] >= 0) & (y[1:] < 0))[-1]
    return float(np.exp(x[i] - y[i] * (x[i + 1] - x[i]) / (y[i + 1] - y[i])))


def _find_peak(part: xr.Dataset) -> xr.Dataset:
    """Return the largest ratio along a cubic spline of the logarithms; the error is the next cell's."""
    x = np.log(part["n_synthetic"].values)
    fine = np.linspace(x[0], x[-1], 2001)
    names = ("effective_ratio", "predicted_effective_ratio")
    ours, theory = (CubicSpline(x, np.log(part[name].values))(fine) for name in names)
    at = np.exp(fine[ours.argmax()])
    nearest = part.sel(n_synthetic=at, method="nearest").assign_coords(n_synthetic=at)
    return nearest.assign(dict(zip(names, (np.exp(ours.max()), np.exp(theory.max())), strict=True)))
