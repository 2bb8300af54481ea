"""The best weight of new real data: the golden ratio at equal sizes, or a filter's gain by generation."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import (
    agreement,
    equivalence,
    error_of,
    holds,
    largest,
    place_of_minimum,
    score,
    value_of,
    with_error,
)
from paper_scripts.style import (
    BLUE,
    DOTTED,
    GREEN,
    RED,
    THEORY,
    draw_variable,
    label_theory,
)
from simulations import golden_weights

SOURCE = "He, Xu and Cheng 2026, Scenarios 2 and 3"
CAPTION = (
    "100 new real points in two dimensions in every generation. (a) Squared error after many generations "
    "with 100 synthetic points, by the share w of the real ones in the fit; dotted: 0.618. (b) Error of "
    "pooled data relative to that of the best share, with k real points for each synthetic one. (c) Error by "
    "generation. Two standard errors; theory dashed."
)

simulate = golden_weights.run


def draw(data: xr.Dataset) -> Picture:
    """Draw the error by share, the gain by ratio, and the error by generation."""
    figure, (by_share, by_ratio, by_generation) = plt.subplots(1, 3, figsize=(10.5, 3.5))
    for family, colour in zip(golden_weights.FAMILIES, (BLUE, RED), strict=True):
        one = data.sel(family=family)
        error = 2 * error_of(one, "error")
        by_share.errorbar(
            one["share"], one["error"], error, fmt="o", markersize=3, color=colour, label=family
        )
    by_share.plot(data["share"], _golden(data["share"]), **THEORY)
    by_share.axvline(0.618, **DOTTED)
    by_share.set(xlabel="share w of real data", ylabel="squared error", title="(a) by share", ylim=(0, None))
    ratio, error = _relative(data)
    by_ratio.errorbar(data["ratio"], ratio, 2 * error, fmt="o", markersize=3, color=BLUE)
    by_ratio.plot(data["ratio"], _relative(data, "predicted_")[0], **THEORY)
    by_ratio.axhline(1, **DOTTED)
    by_ratio.set(xlabel="real per synthetic points k", ylabel="pooled / best  [dimensionless]")
    by_ratio.set(title="(b) error of pooled data", ylim=(0, None))
    for name, colour in zip(golden_weights.WEIGHTS, (RED, BLUE, GREEN), strict=True):
        one = data.sel(weights=name)
        draw_variable(by_generation, one, "error_by_generation", color=colour, label=name)
    by_generation.set(ylabel="squared error", title="(c) by generation")
    by_generation.set_xlabel("generation")
    for ax in (by_share, by_generation):
        label_theory(ax)
        ax.legend(fontsize=8)
    return figure


def _golden(share: xr.DataArray) -> xr.DataArray:
    """Stationary squared error of a mean in two dimensions, or of two coefficients, to leading order."""
    return 2 / golden_weights.N * (share**2 + (1 - share) ** 2) / (1 - (1 - share) ** 2)


def _relative(data: xr.Dataset, prefix: str = "") -> tuple[xr.DataArray, xr.DataArray]:
    """Error of pooled data relative to that of the best share, and its standard error."""
    error = data[f"{prefix}error_by_ratio"]
    spread = data["error_by_ratio_error"] / data["error_by_ratio"]
    ratio = error.sel(weighting="pooled") / error.sel(weighting="best")
    return ratio, ratio * np.hypot(spread.sel(weighting="pooled"), spread.sel(weighting="best"))


def judge(data: xr.Dataset) -> Findings:
    """Judge the place of the minimum, the errors printed, the ratios of Scenario 3, and the filter."""
    best = {
        family: place_of_minimum(data["share"], data["error"].sel(family=family), 0.4, 0.78, 4)
        for family in golden_weights.FAMILIES
    }
    yield Finding(
        "The best share at equal sizes is 0.618",
        ", ".join(f"{where:.3f} ({family})" for family, where in best.items()),
        holds(*(abs(where - 0.618) < 0.02 for where in best.values())),
        "minimum of a polynomial of degree 4 through the errors from w = 0.4",
    )
    for family in golden_weights.FAMILIES:
        one = data.sel(family=family, share=[0.2, 0.5, 0.62, 0.78])
        want = _golden(one["share"])
        gap = (one["error"] / want - 1).values
        shown = [with_error(*value_of(one.sel(share=share), "error")) for share in one["share"].values]
        yield Finding(
            "Squared error at w = 0.2, 0.5, 0.62, 0.78: "
            f"{', '.join(f'{value:.5f}' for value in want.values)} ({family})",
            ", ".join(shown),
            holds((np.abs(gap) < 5 / golden_weights.N + 5 * _spread(one)).all()),
            "to leading order: fitted variances, or new inputs, add a share of order 1/n",
        )
    worst = largest(score(data, "error_by_ratio"))
    (ratio, error), (predicted, _) = _relative(data), _relative(data, "predicted_")
    limits = {0.01: 5.28, 0.09: 2.02, 0.19: 1.55}
    shown = [with_error(ratio.sel(ratio=k).item(), error.sel(ratio=k).item()) for k in limits]
    yield Finding(
        "Pooled data are worse than the best share by 5.28 (k = 0.01), 2.02 (0.09), 1.55 (0.19), stationary",
        f"{', '.join(shown)}; exact at these generations "
        f"{', '.join(f'{predicted.sel(ratio=k).item():.2f}' for k in limits)}, "
        f"largest abs(z) {worst:.1f}",
        holds(worst < 5),
        "at k = 0.01 the pooled loop needs several hundred generations to become stationary",
    )
    for name in data["points"].values:
        low, high = (data.sel(points=name, two_shares=share) for share in golden_weights.TWO)
        value = low["error_of_points"].item() / high["error_of_points"].item()
        spread = value * np.hypot(
            *(one["error_of_points_error"].item() / one["error_of_points"].item() for one in (low, high))
        )
        want = float(_golden(xr.DataArray(0.2)) / _golden(xr.DataArray(0.62)))
        yield Finding(
            f"Error at w = 0.2 over that at 0.62: {want:.2f} for many points ({name})",
            f"{with_error(value, spread)} with {data.attrs['few']} loops, n = {golden_weights.N}",
            equivalence(value - want, spread, 0.4 * want, data.attrs["few"]),
            "to leading order: a difference below 40 % is asked for",
        )
    worst = largest(score(data, "error_by_generation"))
    yield Finding(
        "Our own: shares of a Kalman filter, 1, 2/3, 5/8, 13/21, ..., have the smallest error in every "
        "generation",
        f"largest abs(z) of the exact means {worst:.1f}",
        agreement(worst),
    )


def _spread(one: xr.Dataset) -> np.ndarray:
    return (one["error_error"] / one["error"]).values
