"""What the figures of MAD (Alemohammad et al., arXiv 2307.01850) claim, and what we find.

MAD prints curves and colours, but hardly any numbers. A number called "reference" was obtained before, by
another direct simulation of MAD's description.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from paper_scripts._figure import Finding, Verdict, with_error

__all__ = [
    "against_theory",
    "agrees",
    "compared",
    "fresh_limits",
    "holds",
    "model_memory",
    "real_fraction",
    "value_of",
]

_W2 = "wasserstein2_squared"


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
                verdict=holds(abs(gap) < 4 * gap_error),
            )
        )
        off = float(part[f"limit_predicted_{_W2}"] / part[f"limit_{_W2}"]) - 1
        found.append(
            compared(
                f"Fig. 10 left: limit of E W2^2 at bias {bias:g}",
                [("", part, f"limit_{_W2}", reference)],
                tolerance=0.01,
                note=f"theory {float(part[f'limit_predicted_{_W2}']):.4g}, off by {100 * off:+.2f} %",
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
    held = {k: reference for k, reference in ((1, 1.94), (10, 6.01), (100, 10.0)) if k in memory}
    return [
        Finding(
            claim="Fig. 30: n_e / n_real grows with the number K of models, and the gains flatten",
            ours="gain per model " + ", ".join(f"{slope:.2g}" for slope in slopes),
            verdict=holds(bool((slopes > 0).all() and (np.diff(slopes) < 0).all())),
        ),
        compared(
            "Fig. 30: n_e / n_real",
            [(f"K = {k}", data.sel(memory=k), "effective_ratio", value) for k, value in held.items()],
            tolerance=0.01,
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
    unbiased = {
        1.0: {1000: 2.661, 10_000: 0.2632, 100_000: 0.0263},
        0.1: {1000: 12.3, 10_000: 1.37, 100_000: 0.138},
        0.01: {1000: 63.6, 10_000: 11.32, 100_000: 1.298},
        0.003: {1000: 116.0},
    }
    biased = {1.0: {1000: 12.3, 2000: 6.39, 10_000: 1.37}, 0.9: {1000: 13.4, 2000: 10.5, 10_000: 8.14}}
    notes = {
        0.01: "the reference's standard errors are 1.7 at n = 1,000 and .07 at 10,000",
        0.003: "3 real points; the reference (standard error 3) averages 300 generations of a loop that "
        "forgets in 333",
    }
    return [
        Finding(
            claim="Fig. 31 left: E W2^2 falls with n at every share p of real data, later where p is small",
            ours="last slopes of the log-log curves "
            + ", ".join(f"{slope:.2f} (p = {100 * p:g} %)" for slope, p in zip(slopes, shares, strict=True)),
            verdict=holds(falls),
            note="all tend to -1, the law 1/n of real data",
        ),
        *(
            compared(
                f"Fig. 31 left: E W2^2 at p = {100 * p:g} %",
                _rows(data.sel(real_fraction=p), "left", "n", row),
                tolerance=0.1 if p < 0.05 else 0.02,
                note=notes.get(p, ""),
            )
            for p, row in unbiased.items()
            if p in shares
        ),
        Finding(
            claim="Fig. 31 right: with a bias, even 0.97, more data stop helping",
            ours=f"E W2^2 over its floor at n = {int(right['n_right'][-1]):,}: "
            + ", ".join(f"{value:.2f} (bias {b:g})" for b, value in above.items()),
            verdict=holds(all(1 < value < 2 for value in above.values())),
            note="floor by theory, d (1 - sqrt(p / (1 - (1 - p) bias)))^2; bias 0.97 nears it beyond 1e4",
        ),
        *(
            compared(
                f"Fig. 31 right: E W2^2 at bias {b:g}",
                _rows(data.sel(bias=b), "right", "n_right", row),
                tolerance=0.02,
            )
            for b, row in biased.items()
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


def compared(
    claim: str,
    items: Sequence[tuple[str, xr.Dataset, str, float]],
    *,
    tolerance: float,
    note: str = "",
) -> Finding:
    """Our numbers beside references, each given as (where, numbers, variable, reference)."""
    ours = [value_of(part, name) for _, part, name, _ in items]
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
        verdict="partly reproduced" if any(close) and not all(close) else holds(all(close)),
        note=note,
    )


def _rows(part: xr.Dataset, prefix: str, size: str, references: dict[int, float]) -> list:
    held = {n: reference for n, reference in references.items() if n in part[size].values}
    return [(f"n = {n:,}", part.sel({size: n}), f"{prefix}_{_W2}", value) for n, value in held.items()]


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
