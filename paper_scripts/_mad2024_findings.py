"""What the figures of MAD (Alemohammad et al., arXiv 2307.01850) claim, and what we find.

MAD prints curves and colours, but hardly any numbers: where it prints none, simulation is held against our
own theory, and the verdict says so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from paper_scripts._figure import Finding, Verdict, equivalence, with_error

__all__ = [
    "against_theory",
    "agrees",
    "compare_with_theory",
    "fresh_limits",
    "holds",
    "model_memory",
    "real_fraction",
    "value_of",
]

_W2 = "wasserstein2_squared"
SIZES = (1_000, 2_000, 10_000, 100_000)


def fresh_limits(data: xr.Dataset) -> list[Finding]:
    """Fig. 10 left."""
    found = []
    for bias in (1.0, 0.8):
        part = data.sel(bias=bias)
        late, error = part["late"].values, part["late_standard_error"].values
        gap, gap_error = late[1] - late[0], np.hypot(*error)
        margin = 0.02 * float(part[f"limit_{_W2}"])
        found.append(
            Finding(
                claim=f"Fig. 10 left, Eq. 3: at bias {bias:g} the limit does not depend on n_initial",
                ours=f"late generations, n_initial = 1000 less 100: {with_error(gap, gap_error)}",
                verdict=equivalence(gap, gap_error, margin, data.attrs["replicates"]),
                note=f"no difference: its 95 % interval lies within ±{margin:.2g}, 2 % of the limit",
            )
        )
        found.append(
            compare_with_theory(
                f"Fig. 10 left: limit of E W2^2 at bias {bias:g}",
                [("", part, f"limit_{_W2}", f"limit_predicted_{_W2}")],
                tolerance=0.01,
            )
        )
    ratios = [with_error(*value_of(data.sel(bias=b), "limit_effective_ratio")) for b in data["bias"].values]
    found.append(
        Finding(
            claim="Sec. 5, Eq. 4: with fresh data no MADness; here a generation is worth more than n_real",
            ours="n_e / n_real = "
            + ", ".join(
                f"{ratio} (bias {b:g})" for ratio, b in zip(ratios, data["bias"].values, strict=True)
            ),
            verdict=holds(bool((data["limit_effective_ratio"] > 1).all())),
        )
    )
    return found


def model_memory(data: xr.Dataset) -> list[Finding]:
    """Fig. 30."""
    memory, ratio = data["memory"].values, data["effective_ratio"].values
    slopes = np.diff(ratio) / np.diff(memory)
    bound = 1 + data.attrs["n_synthetic"] / data.attrs["n_real"]
    off = data["predicted_effective_ratio"].values / ratio - 1
    held = [k for k in (1, 10, 100) if k in memory]
    return [
        Finding(
            claim="Fig. 30: n_e / n_real grows with the number K of models, and the gains flatten",
            ours="gain per model " + ", ".join(f"{slope:.2g}" for slope in slopes),
            verdict=holds(bool((slopes > 0).all() and (np.diff(slopes) < 0).all())),
        ),
        Finding(
            claim="Fig. 30: n_e / n_real at K = " + ", ".join(map(str, held)) + " (MAD prints no number)",
            ours=", ".join(with_error(*value_of(data.sel(memory=k), "effective_ratio")) for k in held),
            verdict="shown",
            note="MAD's axis runs from 2 to 10",
        ),
        Finding(
            claim=f"bound (ours): n_e < n, so that n_e / n_real < {bound:g}",
            ours=f"largest {ratio.max():.2f}",
            verdict=agrees(bool((ratio < bound).all())),
        ),
        Finding(
            claim="theory (ours, leading order in 1/n): n_e = d / (exact stationary mean error)",
            ours=f"off by {100 * off.min():+.1f} to {100 * off.max():+.1f} %",
            verdict=agrees(bool((np.abs(off) < 0.04).all())),
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
    unbiased = [p for p in (1.0, 0.1, 0.01) if p in shares]
    return [
        Finding(
            claim="Fig. 31 left: E W2^2 falls with n at every share p of real data, later where p is small",
            ours="last slopes of the log-log curves "
            + ", ".join(f"{slope:.2f} (p = {100 * p:g} %)" for slope, p in zip(slopes, shares, strict=True)),
            verdict=holds(falls),
            note="all tend to -1, the law 1/n of real data",
        ),
        *(
            compare_with_theory(
                f"Fig. 31 left: E W2^2 at p = {100 * p:g} %",
                # Theory is of leading order in 1 / n_real: from 30 real points on.
                _rows(data.sel(real_fraction=p), "left", "n", [n for n in SIZES if n * p >= 30]),
                tolerance=0.02,
            )
            for p in unbiased
        ),
        Finding(
            claim="Fig. 31 right: with a bias, even 0.97, more data stop helping",
            ours=f"E W2^2 over its floor at n = {int(right['n_right'][-1]):,}: "
            + ", ".join(f"{value:.2f} (bias {b:g})" for b, value in above.items()),
            verdict=holds(all(1 < value < 2 for value in above.values())),
            note="floor by theory, d (1 - sqrt(p / (1 - (1 - p) bias)))^2; bias 0.97 nears it beyond 1e4",
        ),
        *(
            compare_with_theory(
                f"Fig. 31 right: E W2^2 at bias {b:g}",
                _rows(data.sel(bias=b), "right", "n_right", SIZES),
                tolerance=0.02,
            )
            for b in (1.0, 0.9)
        ),
        Finding(
            claim="Fig. 31 right, n = 1000: a little bias helps small data sets (0.97 to 0.93 lie below 1)",
            ours=", ".join(f"{float(small.sel(bias=b)):.2f} (bias {float(b):g})" for b in data["bias"]),
            verdict=holds(bool((small.sel(bias=[0.97, 0.95, 0.93]) < small.sel(bias=1.0)).all())),
        ),
        against_theory(data, "left_", left["real_fraction"] * left["n"]),
        against_theory(data, "right_"),
    ]  # fmt: skip


def value_of(part: xr.Dataset, name: str) -> tuple[float, float]:
    return float(part[name]), float(part[f"{name}_standard_error"])


def holds(statement: bool) -> Verdict:
    return "reproduced" if statement else "not reproduced"


def agrees(statement: bool) -> Verdict:
    return "agrees" if statement else "disagrees"


def compare_with_theory(
    claim: str, items: Sequence[tuple[str, xr.Dataset, str, str]], *, tolerance: float, note: str = ""
) -> Finding:
    """Numbers that MAD does not print against our theory, each as (where, numbers, variable, predicted).

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


def _rows(part: xr.Dataset, prefix: str, size: str, sizes: Sequence[int]) -> list:
    held = [n for n in sizes if n in part[size].values]
    names = f"{prefix}_{_W2}", f"{prefix}_predicted_{_W2}"
    return [(f"n = {n:,}", part.sel({size: n}), *names) for n in held]


def against_theory(data: xr.Dataset, prefix: str = "", n_real: xr.DataArray | None = None) -> Finding:
    """The cells of a map against the predicted stationary distance."""
    ours, predicted = data[f"{prefix}{_W2}"], data[f"{prefix}predicted_{_W2}"]
    many = np.full(ours.shape, True) if n_real is None else n_real.transpose(*ours.dims).values >= 29
    off = np.abs(predicted / ours - 1).values
    noise = (data[f"{prefix}{_W2}_standard_error"] / ours).values[many]
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
