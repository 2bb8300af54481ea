"""What the figures of MAD (Alemohammad et al., arXiv 2307.01850) claim, and what we find.

MAD prints curves and colours, but hardly any numbers. A number called "reference" was obtained before, by
another direct simulation of MAD's description.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from scipy.interpolate import CubicSpline

from paper_scripts._figure import Finding, Verdict, with_error

__all__ = ["admissible_over_bias", "admissible_over_real", "fresh_limits", "model_memory", "real_fraction"]

_W2 = "wasserstein2_squared"
_EDGE = "admissible_n_synthetic"


def fresh_limits(data: xr.Dataset) -> list[Finding]:
    """Fig. 10 left."""
    found = []
    for bias, reference in ((1.0, 12.23), (0.8, 20.62)):
        part = data.sel(bias=bias)
        late, error = part["late"].values, part["late_standard_error"].values
        gap, gap_error = late[1] - late[0], np.hypot(*error)
        found.append(
            Finding(
                claim=f"Fig. 10 left, Eq. 3: at bias {bias:g} the limit does not depend on n_initial",
                ours=f"late generations, n_initial = 1000 less 100: {with_error(gap, gap_error)}",
                verdict=_holds(abs(gap) < 4 * gap_error),
            )
        )
        off = float(part[f"limit_predicted_{_W2}"] / part[f"limit_{_W2}"]) - 1
        found.append(
            _compared(
                f"Fig. 10 left: limit of E W2^2 at bias {bias:g}",
                [("", part, f"limit_{_W2}", reference)],
                tolerance=0.01,
                note=f"theory {float(part[f'limit_predicted_{_W2}']):.4g}, off by {100 * off:+.2f} %",
            )
        )
    ratios = [with_error(*_value(data.sel(bias=b), "limit_effective_ratio")) for b in data["bias"].values]
    found.append(
        Finding(
            claim="Sec. 5, Eq. 4: with fresh data no MADness; here a generation is worth more than n_real",
            ours="n_e / n_real = "
            + ", ".join(
                f"{ratio} (bias {b:g})" for ratio, b in zip(ratios, data["bias"].values, strict=True)
            ),
            verdict=_holds(bool((data["limit_effective_ratio"] > 1).all())),
        )
    )
    return found


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
    references = dict(zip(corners, (1230, 2640, 785, 1925), strict=True))
    tops = {(100, 0.7): 1.87, (100, 0.85): 2.21, (100, 1.0): 2.51, (1000, 1.0): 1.95}
    return [
        Finding(
            claim="Fig. 11, bias < 1: n_e / n_real rises above 1, then falls through 1",
            ours=f"at all {peaks.size} sizes; peaks {float(peaks.min()):.2f} to {float(peaks.max()):.2f}",
            verdict=_holds(bool((peaks > 1).all() and np.isfinite(edge).all())),
        ),
        Finding(
            claim="Fig. 11, bias 1: every amount of synthetic data is admissible",
            ours=f"n_e / n_real from {float(unbiased.min()):.3f} to {float(unbiased.max()):.3f}",
            verdict=_holds(bool((unbiased > 1).all())),
        ),
        _edges(data, references, "Fig. 11"),
        _peaks(data, tops, "Fig. 11"),
        Finding(
            claim="Fig. 11: the admissible number converges, it does not grow in proportion to n_real",
            ours="; ".join(
                f"bias {float(b):g}: {float(row[0]):,.0f} at 100, {float(row.min()):,.0f} at least, "
                f"{float(row[-1]):,.0f} at 1000 real points"
                for b, row in zip(edge["bias"], edge, strict=True)
            ),
            verdict=_holds(flat),
            note="a shallow minimum lies inside MAD's range; the limit itself far outside, see the next rows",
        ),
        *_far(data),
        Finding(
            claim="Fig. 11: synthetic data help most where real data are few",
            ours="; ".join(
                f"bias {float(b):g}: peak {float(row[0]):.2f} at 100, {float(row[-1]):.2f} at 1000 points"
                for b, row in zip(peaks["bias"], peaks, strict=True)
            ),
            verdict=_holds(bool((peaks[:, 0] > peaks[:, -1]).all())),
        ),
        _against_theory(data),
    ]


def admissible_over_bias(data: xr.Dataset) -> list[Finding]:
    """Fig. 12."""
    edge = data[_EDGE]
    change = edge.sel(n_real=1000) / edge.sel(n_real=250)
    references = dict(
        zip(
            [(n, b) for n in (100, 1000) for b in (0.1, 0.5, 0.7)],
            (224, 657, 1230, 98, 361, 785),
            strict=True,
        )
    )
    return [
        Finding(
            claim="Fig. 12: the smaller the bias, the fewer synthetic points are admissible",
            ours="; ".join(
                f"{int(n):,} real points: "
                + " < ".join(f"{value:,.0f}" for value in edge.sel(n_real=n).values)
                for n in edge["n_real"]
            ),
            verdict=_holds(bool((edge.diff("bias") > 0).all())),
            note="bias from " + f"{float(edge['bias'][0]):g} to {float(edge['bias'][-1]):g}",
        ),
        _edges(data, references, "Fig. 12"),
        _peaks(data, {(100, 0.1): 1.19, (100, 0.5): 1.57, (100, 0.7): 1.87}, "Fig. 12"),
        Finding(
            claim="Fig. 12: from 250 to 1000 real points the admissible number hardly changes",
            ours=f"factor {float(change.min()):.2f} to {float(change.max()):.2f} over the biases",
            verdict=_holds(bool(((change > 0.7) & (change < 1.4)).all())),
            note="while real points grow fourfold",
        ),
        _against_theory(data),
    ]


def model_memory(data: xr.Dataset) -> list[Finding]:
    """Fig. 30."""
    memory, ratio = data["memory"].values, data["effective_ratio"].values
    slopes = np.diff(ratio) / np.diff(memory)
    bound = 1 + data.attrs["n_synthetic"] / data.attrs["n_real"]
    off = data["predicted_effective_ratio"].values / ratio - 1
    held = {k: reference for k, reference in ((1, 1.94), (10, 6.01), (100, 10.0)) if k in memory}
    return [
        Finding(
            claim="Fig. 30: n_e / n_real grows with the number K of models, and the gains flatten",
            ours="gain per model " + ", ".join(f"{slope:.2g}" for slope in slopes),
            verdict=_holds(bool((slopes > 0).all() and (np.diff(slopes) < 0).all())),
        ),
        _compared(
            "Fig. 30: n_e / n_real",
            [(f"K = {k}", data.sel(memory=k), "effective_ratio", value) for k, value in held.items()],
            tolerance=0.01,
            note="MAD's axis runs from 2 to 10",
        ),
        Finding(
            claim=f"bound (ours): n_e < n, so that n_e / n_real < {bound:g}",
            ours=f"largest {ratio.max():.2f}",
            verdict=_agrees(bool((ratio < bound).all())),
        ),
        Finding(
            claim="theory (ours, leading order in 1/n): n_e = d / (exact stationary mean error)",
            ours=f"off by {100 * off.min():+.1f} to {100 * off.max():+.1f} %",
            verdict=_agrees(bool((np.abs(off) < 0.04).all())),
            note="what it leaves out is of order d / n_e, most at K = 1",
        ),
    ]


def real_fraction(data: xr.Dataset) -> list[Finding]:
    """Fig. 31."""
    left, right, floor = data[f"left_{_W2}"], data[f"right_{_W2}"], data["bias_floor"]
    shares, biases = left["real_fraction"].values, [b for b in data["bias"].values if b < 1]
    slopes = np.diff(np.log(left.values[:, -2:]))[:, 0] / np.diff(np.log(left["n"].values[-2:]))
    falls = bool((left.diff("n") < 0).all() and (left.diff("real_fraction") > 0).all())
    above = {b: float(right.sel(bias=b)[-1] / floor.sel(bias=b)) for b in biases}
    small = right.sel(n_right=1000)
    unbiased = {
        1.0: {1000: 2.661, 10_000: 0.2632, 100_000: 0.0263},
        0.1: {1000: 12.3, 10_000: 1.37, 100_000: 0.138},
        0.01: {1000: 63.6, 10_000: 11.32, 100_000: 1.298},
        0.003: {1000: 116.0},
    }
    biased = {1.0: {1000: 12.3, 2000: 6.39, 10_000: 1.37}, 0.9: {1000: 13.4, 2000: 10.5, 10_000: 8.14}}
    return [
        Finding(
            claim="Fig. 31 left: E W2^2 falls with n at every share p of real data, later where p is small",
            ours="last slopes of the log-log curves "
            + ", ".join(f"{slope:.2f} (p = {100 * p:g} %)" for slope, p in zip(slopes, shares, strict=True)),
            verdict=_holds(falls),
            note="all tend to -1, the law 1/n of real data",
        ),
        *(
            _compared(
                f"Fig. 31 left: E W2^2 at p = {100 * p:g} %",
                _rows(data.sel(real_fraction=p), "left", "n", row),
                tolerance=0.1 if p < 0.05 else 0.02,
                note="the reference's own standard error is up to 3 %" if p < 0.05 else "",
            )
            for p, row in unbiased.items()
            if p in shares
        ),
        Finding(
            claim="Fig. 31 right: with a bias, even 0.97, more data stop helping",
            ours=f"E W2^2 over its floor at n = {int(right['n_right'][-1]):,}: "
            + ", ".join(f"{value:.2f} (bias {b:g})" for b, value in above.items()),
            verdict=_holds(all(1 < value < 2 for value in above.values())),
            note="floor by theory, d (1 - sqrt(p / (1 - (1 - p) bias)))^2; bias 0.97 nears it beyond 1e4",
        ),
        *(
            _compared(
                f"Fig. 31 right: E W2^2 at bias {b:g}",
                _rows(data.sel(bias=b), "right", "n_right", row),
                tolerance=0.02,
            )
            for b, row in biased.items()
        ),
        Finding(
            claim="Fig. 31 right, n = 1000: a little bias helps small data sets (0.97 to 0.93 lie below 1)",
            ours=", ".join(f"{float(small.sel(bias=b)):.2f} (bias {float(b):g})" for b in data["bias"]),
            verdict=_holds(bool((small.sel(bias=[0.97, 0.95, 0.93]) < small.sel(bias=1.0)).all())),
        ),
        _against_theory(data, "left_"),
        _against_theory(data, "right_"),
    ]  # fmt: skip


def _value(part: xr.Dataset, name: str) -> tuple[float, float]:
    return float(part[name]), float(part[f"{name}_standard_error"])


def _holds(statement: bool) -> Verdict:
    return "reproduced" if statement else "not reproduced"


def _agrees(statement: bool) -> Verdict:
    return "agrees" if statement else "disagrees"


def _compared(
    claim: str,
    items: Sequence[tuple[str, xr.Dataset, str, float]],
    *,
    tolerance: float,
    note: str = "",
) -> Finding:
    """Our numbers beside references, each given as (where, numbers, variable, reference)."""
    ours = [_value(part, name) for _, part, name, _ in items]
    close = [
        abs(value - reference) <= tolerance * reference + 3 * error
        for (value, error), (*_, reference) in zip(ours, items, strict=True)
    ]
    references = ", ".join(
        f"{reference:g}" + (f" at {where}" if where else "") for where, *_, reference in items
    )
    return Finding(
        claim=f"{claim} (no number in MAD; reference {references})",
        ours=", ".join(with_error(*number) for number in ours),
        verdict="partly reproduced" if any(close) and not all(close) else _holds(all(close)),
        note=note,
    )


def _rows(part: xr.Dataset, prefix: str, size: str, references: dict[int, float]) -> list:
    held = {n: reference for n, reference in references.items() if n in part[size].values}
    return [(f"n = {n:,}", part.sel({size: n}), f"{prefix}_{_W2}", value) for n, value in held.items()]


def _edges(data: xr.Dataset, references: dict[tuple[int, float], float], figure: str) -> Finding:
    held = {at: reference for at, reference in references.items() if at[1] in data["bias"].values}
    parts = [data.sel(n_real=n, bias=b) for n, b in held]
    predicted = ", ".join(f"{float(part[f'predicted_{_EDGE}']):,.0f}" for part in parts)
    straight = ", ".join(f"{_straight(part):,.0f}" for part in parts)
    return _compared(
        f"{figure}: largest admissible number at (n_real, bias)",
        [(f"({n}, {b:g})", part, _EDGE, held[n, b]) for (n, b), part in zip(held, parts, strict=True)],
        tolerance=0.08,
        note=f"theory {predicted}; straight lines between the cells, as the reference has them, {straight}",
    )


def _straight(part: xr.Dataset) -> float:
    """Where a log-log line between two cells of the map falls through 1."""
    x, y = np.log(part["n_synthetic"].values), np.log(part["effective_ratio"].values)
    i = np.flatnonzero((y[:-1] >= 0) & (y[1:] < 0))[-1]
    return float(np.exp(x[i] - y[i] * (x[i + 1] - x[i]) / (y[i + 1] - y[i])))


def _peaks(data: xr.Dataset, references: dict[tuple[int, float], float], figure: str) -> Finding:
    held = {at: reference for at, reference in references.items() if at[1] in data["bias"].values}
    peaks = [_peak(data.sel(n_real=n, bias=b)) for n, b in held]
    return _compared(
        f"{figure}: peak of n_e / n_real at (n_real, bias)",
        [
            (f"({n}, {b:g})", part, "effective_ratio", reference)
            for ((n, b), reference), part in zip(held.items(), peaks, strict=True)
        ],
        tolerance=0.03,
        note="at n_synthetic = " + ", ".join(f"{float(part['n_synthetic']):,.0f}" for part in peaks),
    )


def _peak(part: xr.Dataset) -> xr.Dataset:
    """The ratio at its largest, along a cubic spline of the logarithms; the error is the next cell's."""
    x = np.log(part["n_synthetic"].values)
    fine = np.linspace(x[0], x[-1], 2001)
    curve = CubicSpline(x, np.log(part["effective_ratio"].values))(fine)
    at = np.exp(fine[curve.argmax()])
    nearest = part.sel(n_synthetic=at, method="nearest").assign_coords(n_synthetic=at)
    return nearest.assign(effective_ratio=np.exp(curve.max()))


def _far(data: xr.Dataset) -> list[Finding]:
    """The admissible number for more real points than MAD shows."""
    found = []
    for bias in data["far_bias"].values:
        part, end = data.sel(far_bias=bias), float(data["line_asymptote"].sel(line_bias=bias))
        sizes = part["far_n_real"].values
        ours = [_value(part.sel(far_n_real=n), f"far_{_EDGE}") for n in sizes]
        off = np.abs(part[f"far_predicted_{_EDGE}"].values / [value for value, _ in ours] - 1)
        text = ", ".join(f"{with_error(*pair)} at {int(n):,}" for pair, n in zip(ours, sizes, strict=True))
        found.append(
            Finding(
                claim=f"theory (ours), bias {bias:g}: the admissible number climbs slowly to {end:,.0f}",
                ours=f"{text} real points; theory off by at most {100 * off.max():.1f} %",
                verdict=_agrees(bool((off < 0.05).all() and ours[-1][0] < end)),
            )
        )
    return found


def _against_theory(data: xr.Dataset, prefix: str = "") -> Finding:
    """All cells of a map against the predicted stationary distance."""
    ours, predicted = data[f"{prefix}{_W2}"], data[f"{prefix}predicted_{_W2}"]
    off = np.abs(predicted / ours - 1).values
    noise = (data[f"{prefix}{_W2}_standard_error"] / ours).values
    return Finding(
        claim=f"theory (ours, {predicted.attrs['kind']}): E W2^2 of all {off.size} cells {prefix}".strip(
            "_ "
        ),
        ours=f"off by {100 * np.median(off):.2f} % in the median, {100 * off.max():.2f} % at most; "
        f"standard errors up to {100 * noise.max():.2f} %",
        verdict=_agrees(bool(np.median(off) < 0.005 and (off < 0.03 + 4 * noise).all())),
    )
