"""What MAD's Figs. 11 and 12 claim, and what we find: how much synthetic data is admissible."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from scipy.interpolate import CubicSpline

from paper_scripts._figure import Finding, with_error
from paper_scripts._mad2024_findings import against_theory, agrees, compare_with_theory, holds, value_of

__all__ = ["admissible_over_bias", "admissible_over_real"]

_EDGE = "admissible_n_synthetic"


def admissible_over_real(data: xr.Dataset) -> list[Finding]:
    """Fig. 11."""
    biased = data.sel(bias=[b for b in data["bias"].values if b < 1])
    edge, peaks = biased[_EDGE], biased["effective_ratio"].max("n_synthetic")
    unbiased = data["effective_ratio"].sel(bias=1.0)
    middle = edge.sel(n_real=edge["n_real"] >= 200)
    flat = bool(
        (edge[:, -1] < edge[:, 0]).all() and (middle.max("n_real") < 1.4 * middle.min("n_real")).all()
    )
    corners = [(n, b) for n in (100, 1000) for b in edge["bias"].values]
    return [
        Finding(
            claim="Fig. 11, bias < 1: n_e / n_real rises above 1, then falls through 1",
            ours=f"at all {peaks.size} sizes; peaks {float(peaks.min()):.2f} to {float(peaks.max()):.2f}",
            verdict=holds(bool((peaks > 1).all() and np.isfinite(edge).all())),
        ),
        Finding(
            claim="Fig. 11, bias 1: every amount of synthetic data is admissible",
            ours=f"n_e / n_real from {float(unbiased.min()):.3f} to {float(unbiased.max()):.3f}",
            verdict=holds(bool((unbiased > 1).all())),
        ),
        _edges(data, corners, "Fig. 11"),
        _peaks(data, [*((100, b) for b in data["bias"].values), (1000, 1.0)], "Fig. 11"),
        Finding(
            claim="Fig. 11: the admissible number converges, it does not grow in proportion to n_real",
            ours="; ".join(
                f"bias {float(b):g}: {float(row[0]):,.0f} at 100, {float(row.min()):,.0f} at least, "
                f"{float(row[-1]):,.0f} at 1000 real points"
                for b, row in zip(edge["bias"], edge, strict=True)
            ),
            verdict=holds(flat),
            note="a shallow minimum lies inside MAD's range; the limit itself far outside, see the next rows",
        ),
        *_far(data),
        Finding(
            claim="Fig. 11: synthetic data help most where real data are few",
            ours="; ".join(
                f"bias {float(b):g}: peak {float(row[0]):.2f} at 100, {float(row[-1]):.2f} at 1000 points"
                for b, row in zip(peaks["bias"], peaks, strict=True)
            ),
            verdict=holds(bool((peaks[:, 0] > peaks[:, -1]).all())),
        ),
        against_theory(data),
    ]


def admissible_over_bias(data: xr.Dataset) -> list[Finding]:
    """Fig. 12."""
    edge = data[_EDGE]
    change = edge.sel(n_real=1000) / edge.sel(n_real=250)
    corners = [(n, b) for n in (100, 1000) for b in (0.1, 0.5, 0.7)]
    return [
        Finding(
            claim="Fig. 12: the smaller the bias, the fewer synthetic points are admissible",
            ours="; ".join(
                f"{int(n):,} real points: "
                + " < ".join(f"{value:,.0f}" for value in edge.sel(n_real=n).values)
                for n in edge["n_real"]
            ),
            verdict=holds(bool((edge.diff("bias") > 0).all())),
            note="bias from " + f"{float(edge['bias'][0]):g} to {float(edge['bias'][-1]):g}",
        ),
        _edges(data, corners, "Fig. 12"),
        _peaks(data, [(100, b) for b in (0.1, 0.5, 0.7)], "Fig. 12"),
        Finding(
            claim="Fig. 12: from 250 to 1000 real points the admissible number hardly changes",
            ours=f"factor {float(change.min()):.2f} to {float(change.max()):.2f} over the biases",
            verdict=holds(bool(((change > 0.7) & (change < 1.4)).all())),
            note="while real points grow fourfold",
        ),
        against_theory(data),
    ]


def _edges(data: xr.Dataset, corners: Sequence[tuple[int, float]], figure: str) -> Finding:
    held = [(n, b) for n, b in corners if b in data["bias"].values]
    parts = [data.sel(n_real=n, bias=b) for n, b in held]
    straight = ", ".join(f"{_straight(part):,.0f}" for part in parts)
    return compare_with_theory(
        f"{figure}: largest admissible number at (n_real, bias)",
        [
            (f"({n}, {b:g})", part, _EDGE, f"predicted_{_EDGE}")
            for (n, b), part in zip(held, parts, strict=True)
        ],
        tolerance=0.05,
        note=f"straight lines between the cells of the map would give {straight}",
    )


def _straight(part: xr.Dataset) -> float:
    """Where a log-log line between two cells of the map falls through 1."""
    x, y = np.log(part["n_synthetic"].values), np.log(part["effective_ratio"].values)
    i = np.flatnonzero((y[:-1] >= 0) & (y[1:] < 0))[-1]
    return float(np.exp(x[i] - y[i] * (x[i + 1] - x[i]) / (y[i + 1] - y[i])))


def _peaks(data: xr.Dataset, corners: Sequence[tuple[int, float]], figure: str) -> Finding:
    held = [(n, b) for n, b in corners if b in data["bias"].values]
    peaks = [_peak(data.sel(n_real=n, bias=b)) for n, b in held]
    return compare_with_theory(
        f"{figure}: peak of n_e / n_real at (n_real, bias)",
        [
            (f"({n}, {b:g})", part, "effective_ratio", "predicted_effective_ratio")
            for (n, b), part in zip(held, peaks, strict=True)
        ],
        tolerance=0.03,
        note="at n_synthetic = " + ", ".join(f"{float(part['n_synthetic']):,.0f}" for part in peaks),
    )


def _peak(part: xr.Dataset) -> xr.Dataset:
    """The ratio at its largest, along a cubic spline of the logarithms; the error is the next cell's."""
    x = np.log(part["n_synthetic"].values)
    fine = np.linspace(x[0], x[-1], 2001)
    names = ("effective_ratio", "predicted_effective_ratio")
    ours, theory = (CubicSpline(x, np.log(part[name].values))(fine) for name in names)
    at = np.exp(fine[ours.argmax()])
    nearest = part.sel(n_synthetic=at, method="nearest").assign_coords(n_synthetic=at)
    return nearest.assign(dict(zip(names, (np.exp(ours.max()), np.exp(theory.max())), strict=True)))


def _far(data: xr.Dataset) -> list[Finding]:
    """The admissible number for more real points than MAD shows."""
    found = []
    for bias in data["far_bias"].values:
        part, end = data.sel(far_bias=bias), float(data["line_asymptote"].sel(line_bias=bias))
        sizes = part["far_n_real"].values
        ours = [value_of(part.sel(far_n_real=n), f"far_{_EDGE}") for n in sizes]
        off = np.abs(part[f"far_predicted_{_EDGE}"].values / [value for value, _ in ours] - 1)
        text = ", ".join(f"{with_error(*pair)} at {int(n):,}" for pair, n in zip(ours, sizes, strict=True))
        found.append(
            Finding(
                claim=f"theory (ours), bias {bias:g}: the admissible number climbs slowly to {end:,.0f}",
                ours=f"{text} real points; theory off by at most {100 * off.max():.1f} %",
                verdict=agrees(bool((off < 0.05).all() and ours[-1][0] < end)),
            )
        )
    return found
