"""The error of late models over that of one real fit, for every family."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import agreement, format_value, largest, score
from paper_scripts.style import COLOURS, THEORY, band
from simulations import universal_error

SOURCE = "Dey and Donoho: universality of the π²/6 pathway"
CAPTION = (
    "Mean squared error of the fitted parameter over that of one fit to real points; bands are two standard "
    "errors. Left: each fit sees the last batch only. Middle: all data so far. Right: as many random points "
    "of all data so far. Dashed: the large-sample limits g and Σ 1/i²; on the right exact means at this size."
)

simulate = universal_error.run


def draw(data: xr.Dataset) -> Picture:
    """Draw a panel per workflow, a line per family, and the limits."""
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.6))
    for ax, workflow in zip(axes, data["workflow"].values, strict=True):
        part = data.sel(workflow=workflow)
        for name, colour in zip(data["model"].values, (*COLOURS, "0.4", "black"), strict=False):
            one = part.sel(model=name)
            if np.isfinite(one["ratio"]).all():
                text = str(name).replace("_", " ")
                band(ax, one["generation"], one["ratio"], 2 * one["ratio_error"], alpha=0.12,
                     color=colour, linewidth=0.9, label=text)  # fmt: skip
        theory = part["limit"]
        if np.isnan(theory).all():
            theory = part["predicted_ratio"].sel(model="poisson")
        ax.plot(part["generation"], theory, **THEORY)
        ax.set_xlabel("generation g")
        ax.legend(ncols=2)
    axes[0].set_ylabel("error / error of one real fit")
    for ax, title in zip(axes, ("last batch", "all data", "random points of all data"), strict=True):
        ax.set_title(title)
    axes[1].axhline(np.pi**2 / 6, color="0.6", linewidth=0.7)
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge the ratios at the end, against the limits and exact means."""
    last, g = data.isel(generation=-1), int(data["generation"][-1])
    order = [str(name) for name in data["model"].values]
    for workflow, name, what in (
        (
            "accumulate",
            "Σ 1/i²",
            "all data so far: the ratio is Σ 1/i² for every family, up to π²/6 = 1.6449",
        ),
        ("replace", "g", "the last batch alone: the ratio grows by 1 per generation, for every family"),
    ):
        part = last.sel(workflow=workflow)
        limit = part["limit"].item()
        values = [format_value(part.sel(model=each), "ratio") + f" ({each})" for each in order]
        scores = (part["ratio"] - limit * _finite(part)) / part["ratio_error"]
        yield Finding(
            claim=f"With {what}; {name} = {limit:.4f} at generation {g}",
            ours=", ".join(values).replace("_", " "),
            verdict="reproduced" if largest(scores) < 5 else "not reproduced",
            note=f"held against the exact ratio at {data.attrs['n']:,} points, which differs from the limit "
            f"by at most {float(abs(_finite(part) - 1).max()):.1%}",
        )
    families = data.drop_sel(model="median")
    kept = np.isfinite(families["ratio"]) & (families["ratio_error"] > 0)
    worst = largest(score(families, "ratio").where(kept))
    yield Finding(
        claim="Exact means at finite size: every family, workflow and generation",
        ours=f"largest abs(z) of {int(kept.sum())} is {worst:.1f}",
        verdict=agreement(worst),
        note="neighbouring generations are correlated",
    )
    one = last.sel(workflow="accumulate_subsample", model="poisson")
    z = score(one, "ratio").item()
    yield Finding(
        claim=f"Random points of all data: the ratio tends to π²/2 - 2 = 2.935; "
        f"{one['predicted_ratio'].item():.3f} at generation {g} with {data.attrs['budget']} Poisson points",
        ours=f"{format_value(one, 'ratio')} (z = {z:+.1f})",
        verdict=agreement(z),
    )
    one = last.sel(workflow="accumulate", model="median")
    yield Finding(
        claim="An inefficient estimator has the same ratio (median of Gaussian points)",
        ours=f"{format_value(one, 'ratio')} against {one['limit'].item():.4f}",
        verdict="reproduced" if abs(score(one, "ratio").item()) < 5 else "not reproduced",
        note="real data and logistic regressions of the paper are not repeated here",
    )


def _finite(part: xr.Dataset) -> xr.DataArray:
    """Return the exact ratio over the limit."""
    return part["predicted_ratio"] / part["limit"]
