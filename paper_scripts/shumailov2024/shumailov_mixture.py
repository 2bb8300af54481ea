"""A mixture of two components on one blob."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import agreement, holds, score, value_of, with_error
from paper_scripts.style import BLUE, GREEN, RED, THEORY, draw_variable
from simulations import one_blob_mixture

SOURCE = "Shumailov et al., Nature 631 (2024): mixtures; settings and end values of the released code"
CAPTION = (
    "EM with two full covariances on 1,000 points of one standard normal blob, refitted to its own points; "
    "one run, as published. Left: standard deviations of the narrower and the wider component. Middle: "
    "squared L2 distance of the densities, and what two narrow peaks alone give. Right: the trace of the "
    "total covariance of 40 runs of 200 points (two standard errors; dashed: exact mean)."
)

simulate = one_blob_mixture.run


def draw(data: xr.Dataset) -> Picture:
    """Draw components, distance, and the total covariance with theory on top."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.5))
    x = data["generation"]
    for run in range(data.sizes["run"]):
        one, first = data.isel(run=run), run == 0
        left.plot(x, one["smaller_sd"], color=RED, linewidth=0.9, label="narrower" if first else None)
        left.plot(x, one["larger_sd"], color=BLUE, linewidth=0.9, label="wider" if first else None)
        middle.plot(x, one["squared_distance"], color=RED, linewidth=0.9, label="distance" if first else None)
    middle.plot(x, _peaks(data).mean("run"), **THEORY, label="of the peaks alone, mean")
    for ax, name in (
        (left, "sd of a component  [true sd]"),
        (middle, "squared L2 distance  [1/true variance]"),
    ):
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_ylabel(name)
        ax.legend()
    early = data.rename(generation="late").rename(early="generation")
    draw_variable(right, early, "total_variance", color=GREEN, label=f"{data.attrs['small_runs']} runs")
    right.set_ylabel("trace of the covariance / true")
    right.legend()
    for ax in (left, middle, right):
        ax.set_xlabel("generation")
    return figure


def _peaks(data: xr.Dataset) -> xr.DataArray:
    """Return the integral of the squared density of two separate round components."""
    light, heavy = data["smaller_weight"], 1 - data["smaller_weight"]
    narrow, wide = data["smaller_sd"], data["larger_sd"]
    # Which component is lighter is not recorded: near equal weights it does not matter.
    return (light**2 / narrow**2 + heavy**2 / wide**2) / (4 * np.pi)


def judge(data: xr.Dataset) -> Findings:
    """Judge the end of the run, the distance, and the total covariance."""
    last = data.isel(generation=-1)
    narrow, wide = last["smaller_sd"].values, last["larger_sd"].values
    t = int(last["generation"])
    yield Finding(
        claim="Both components collapse: sd 0.0100 and 0.0112 in the one published run, from 0.89 to 0.90",
        ours=f"generation {t}: narrower {_listed(narrow)}, wider {_listed(wide)}",
        verdict=holds((wide < 0.1).all()),
        note="logs of sds drift at random, so that runs differ by factors",
    )
    yield Finding(
        claim="The squared L2 distance to the start diverges: 536 at the end of the published run",
        ours=f"{_listed(last['squared_distance'].values)}",
        verdict=holds((last["squared_distance"] > 1).all()),
        note="a property of the distance: narrow peaks of weight w have the squared norm w^2 / (4 pi sd^2)",
    )
    yield Finding(
        claim="The mixture loses modes",
        ours=f"smaller weight at the end: {_listed(last['smaller_weight'].values)}",
        verdict="not tested",
        note="the truth has one mode, which EM divides arbitrarily",
    )
    early = data.isel(early=-1)
    z = score(early, "total_variance").item()
    yield Finding(
        claim=f"EM keeps the total covariance: its mean at generation {int(early['early'])} is (1 - 1/n)^t, "
        f"{early['predicted_total_variance'].item():.4f} for n = {data.attrs['small']}",
        ours=f"{with_error(*value_of(early, 'total_variance'))} (z = {z:+.1f})",
        verdict=agreement(z, count=data.attrs["small_runs"]),
        note="the components themselves collapse much faster than their mixture",
    )


def _listed(values: np.ndarray) -> str:
    return ", ".join(f"{value:.3g}" for value in np.sort(values))
