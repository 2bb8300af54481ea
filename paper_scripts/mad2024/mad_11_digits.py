"""Digits: how many real ones a fresh data loop is worth (an analogue)."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.ticker import NullFormatter

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import holds, with_error
from paper_scripts.mad2024.digits import CLEAR, COLOURS, LABELS, NAMES, SETTING, scale_logarithmic
from simulations import network_digits_fresh

SOURCE = "MAD, Figs. 11, 12, on other data"
NETWORKS = True
CAPTION = (
    SETTING + "Left: distance of models of real digits alone (black), and the range of the loops. "
    "Right: the number of real digits alone that gives the loop's distance, over the 100 fresh ones of a "
    "generation. Models are measured without bias, as the paper's Gaussians are; bars are two standard "
    "errors."
)

simulate = network_digits_fresh.run_admissible


def draw(data: xr.Dataset) -> Picture:
    """Draw distances of real digits alone and of the loops, and the effective size that follows."""
    rows = data.sizes["distance"]
    figure, axes = plt.subplots(rows, 2, figsize=(8.5, 3.3 * rows), squeeze=False)
    n_real = data.attrs["n_real"]
    for (left, right), distance in zip(axes, data["distance"].values, strict=True):
        one = data.sel(distance=distance)
        alone, many = one["alone"], one.sizes["model"]
        error = 2 * alone.std("model", ddof=1) / np.sqrt(many)
        left.errorbar(
            alone["n_alone"],
            alone.mean("model"),
            error,
            color="black",
            marker="o",
            markersize=3,
            label="real digits alone",
        )
        for bias in one["bias"].values:
            part = one.sel(bias=bias)
            means = part["value"].mean("seed")
            span = {"color": COLOURS[bias], "alpha": 0.2, "linewidth": 0}
            left.axhspan(means.min(), means.max(), label=f"loops, bias {bias:g}: from best to worst", **span)
            ratio, error = part["effective_size"] / n_real, 2 * part["effective_size_error"] / n_real
            line = {"color": COLOURS[bias], "marker": "o", "markersize": 4, "label": f"bias {bias:g}"}
            right.errorbar(part["n_synthetic"], ratio, error, **line)
        left.set(xscale="log", xlabel="real digits alone", ylabel=LABELS[distance])
        left.set_xticks(alone["n_alone"], list(map(str, alone["n_alone"].values)), minor=False)
        scale_logarithmic(left)
        right.axhline(1, color="0.45", linestyle=":")
        right.set(xscale="log", xlabel="synthetic digits of a generation", ylabel="$n_e / n_r$")
        right.set_xticks(one["n_synthetic"], list(map(str, one["n_synthetic"].values)), minor=False)
        for ax in (left, right):
            ax.xaxis.set_minor_formatter(NullFormatter())
        right.set_ylim(0, None)
    axes[0, 1].legend(fontsize="small")
    axes[0, 0].legend(fontsize="small")
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge how the effective size depends on the number of synthetic digits."""
    for distance in data["distance"].values:
        one = data.sel(distance=distance)
        alone = one["alone"].mean("model").values
        falls = (np.diff(alone) < 0).all()
        note = "" if falls else "; the distance of real digits alone does not fall throughout"
        for bias in one["bias"].values:
            least = int(data["n_alone"].min())
            yield _threshold(one.sel(bias=bias), data.attrs["n_real"], least, NAMES[distance], note)


def _threshold(part: xr.Dataset, n_real: int, least: int, name: str, note: str) -> Finding:
    bias = part["bias"].item()
    ratio = part["effective_size"].values / n_real
    error = part["effective_size_error"].values / n_real
    # At an end of the curve of real digits alone resampling sees no error.
    error = np.maximum(error, 0.02 * ratio)
    listed = ", ".join(
        f"{n}: {with_error(r, e) if r * n_real > least else f'at most {r:g}'}"
        for n, r, e in zip(part["n_synthetic"].values, ratio, error, strict=True)
    )
    top = int(ratio.argmax())
    above, crossed = ratio[top] - 1 > CLEAR * error[top], 1 - ratio[-1] > CLEAR * error[-1]
    count = f"{part.sizes['seed']} seeds{note}"
    if bias < 1:
        return Finding(
            claim=f"Figs. 11, 12: bias {bias:g}, n_e / n_r rises above 1, peaks, and falls below 1 ({name})",
            ours=f"by number of synthetic digits {listed}",
            verdict=holds(above, top < len(ratio) - 1 and ratio[-1] < ratio[top], crossed),
            note=f"{n_real} fresh real digits a generation; {count}",
        )
    return Finding(
        claim=f"Figs. 11, 12: without bias synthetic data always help, n_e / n_r above 1 ({name})",
        ours=f"by number of synthetic digits {listed}",
        verdict=holds(*(ratio - 1 > CLEAR * error)),
        note=f"a theorem for no network: each training adds an error of its own; {count}",
    )
