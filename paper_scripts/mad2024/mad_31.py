"""A fixed share of real data, as data grow."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import holds, join
from paper_scripts.mad2024.gaussians import DISTANCE, W2, against_theory, compare_with_theory, label_ticks
from paper_scripts.style import BOUND, COLOURS, THEORY, label_theory
from simulations import real_fraction

SOURCE = "MAD, Fig. 31"
CAPTION = (
    "Limits of the fresh data loop. Without a bias all shares of real data end in the law 1/n; "
    "a bias leaves a floor that no amount of data lowers."
)

simulate = real_fraction.run

SIZES = (1_000, 2_000, 10_000, 100_000)


def draw(data: xr.Dataset) -> Picture:
    """Draw Fig. 31: the limit over the size of the training set, for shares of real data and for biases."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.7))
    for value, color in zip(data["real_fraction"].values, COLOURS, strict=False):
        _distances(left, data.sel(real_fraction=value), "left", "n", color, f"{100 * value:g} % real")
    for value, color in zip(data["bias"].values, COLOURS, strict=True):
        part = data.sel(bias=value)
        _distances(right, part, "right", "n_right", color, f"bias {value:g}")
        if value < 1:
            right.axhline(float(part["bias_floor"]), **BOUND | {"color": color})
    left.set_title("no bias")
    right.set_title("10 % real")
    for ax in (left, right):
        label_theory(ax)
        ax.set(xscale="log", yscale="log", xlabel="points per generation $n$", ylabel=DISTANCE)
    right.plot([], [], **BOUND, label=r"theory, $n\to\infty$")
    left.legend(loc="lower left", ncols=2)
    right.set_ylim(bottom=0.35)
    label_ticks(right.yaxis, (0.5, 1, 2, 5, 10))
    right.legend(loc="lower left", ncols=2)
    return figure


def _distances(ax: Axes, part: xr.Dataset, prefix: str, size: str, color: str, label: str) -> None:
    name = f"{prefix}_{W2}"
    error = 2 * part[f"{name}_standard_error"]
    ax.errorbar(part[size], part[name], error, fmt="o-", color=color, markersize=4, linewidth=1, label=label)
    ax.plot(part[size], part[f"{prefix}_predicted_{W2}"], **THEORY)


def judge(data: xr.Dataset) -> Findings:
    """Judge the claims of Fig. 31."""
    left, right, floor = data[f"left_{W2}"], data[f"right_{W2}"], data["bias_floor"]
    shares, biases = left["real_fraction"].values, [b for b in data["bias"].values if b < 1]
    slopes = np.diff(np.log(left.values[:, -2:]))[:, 0] / np.diff(np.log(left["n"].values[-2:]))
    above = {b: float(right.sel(bias=b)[-1] / floor.sel(bias=b)) for b in biases}
    small = right.sel(n_right=1000)
    yield Finding(
        claim="Fig. 31 left: E W2^2 falls with n at every share p of real data, later where p is small",
        ours="last slopes of the log-log curves " + join("{:.2f} (p = {:g} %)", slopes, 100 * shares),
        verdict=holds((left.diff("n") < 0).all() and (left.diff("real_fraction") > 0).all()),
        note="all tend to -1, the law 1/n of real data",
    )
    for p in (p for p in (1.0, 0.1, 0.01) if p in shares):
        # Theory is of leading order in 1 / n_real: from 30 real points on.
        rows = _rows(data.sel(real_fraction=p), "left", "n", [n for n in SIZES if n * p >= 30])
        yield compare_with_theory(f"Fig. 31 left: E W2^2 at p = {100 * p:g} %", rows, tolerance=0.02)
    yield Finding(
        claim="Fig. 31 right: with a bias, even 0.97, more data stop helping",
        ours=f"E W2^2 over its floor at n = {int(right['n_right'][-1]):,}: "
        + join("{:.2f} (bias {:g})", above.values(), above),
        verdict=holds(all(1 < value < 2 for value in above.values())),
        note="floor by theory, d (1 - sqrt(p / (1 - (1 - p) bias)))^2; bias 0.97 nears it beyond 1e4",
    )
    for b in (1.0, 0.9):
        rows = _rows(data.sel(bias=b), "right", "n_right", SIZES)
        yield compare_with_theory(f"Fig. 31 right: E W2^2 at bias {b:g}", rows, tolerance=0.02)
    yield Finding(
        claim="Fig. 31 right, n = 1000: a little bias helps small data sets (0.97 to 0.93 lie below 1)",
        ours=join("{:.2f} (bias {:g})", small.values, small["bias"].values),
        verdict=holds((small.sel(bias=[0.97, 0.95, 0.93]) < small.sel(bias=1.0)).all()),
    )
    yield against_theory(data, "left_", left["real_fraction"] * left["n"])
    yield against_theory(data, "right_")


def _rows(part: xr.Dataset, prefix: str, size: str, sizes: Sequence[int]) -> list:
    held = [n for n in sizes if n in part[size].values]
    names = f"{prefix}_{W2}", f"{prefix}_predicted_{W2}"
    return [(f"n = {n:,}", part.sel({size: n}), *names) for n in held]
