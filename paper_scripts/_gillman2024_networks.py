"""Drawing and findings of Gillman et al. 2024 with networks, from the Dataset alone."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from madtheory import plotting
from paper_scripts._figure import Finding, Verdict, combine, no_more, with_error
from paper_scripts._seeds import above, mean_and_error

__all__ = ["correction_findings", "draw_corrected_networks"]

COLOURS = {"real only": "0.35", "plain": "#D55E00", "corrected": "#0072B2"}
PANELS = {
    "precision": "precision",
    "recall": "recall",
    "accuracy": "share of the intended class",
    "class_variance": "variance within classes, in features",
}


def draw_corrected_networks(data: xr.Dataset) -> Figure:
    """Six numbers by generation, with pictures of the last generation below."""
    figure = plt.figure(figsize=(11.5, 8.0), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(2.9, 1))
    axes = upper.subplots(2, 3)
    panels = [
        ("frechet", f"squared Frechet distance, {name} training", name) for name in data["training"].values
    ]
    panels += [(name, title, data["training"].values[0]) for name, title in PANELS.items()]
    for ax, (name, title, training) in zip(axes.flat, panels, strict=False):
        _curves(data.sel(training=training), name, ax)
        ax.set(title=title, xlabel="generation")
        ax.xaxis.get_major_locator().set_params(integer=True)
    for spare in axes.flat[len(panels) :]:
        spare.set_visible(False)
    handles, labels = ax.get_legend_handles_labels()
    upper.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize="small")
    left, right = lower.subplots(1, 2, width_ratios=(1, 1))
    size = (-1, 10, 8, 8)
    start = np.stack([data["first"].values, data["corrected"].values])
    rows = ["generation 1", "the same, corrected"]
    plotting.sample_grid(start.reshape(size), rows=rows, limits=(0, 255), cmap="gray_r", ax=left)
    last = int(data["generation"][-1])
    rows = list(data["loop"].values)
    plotting.sample_grid(
        data["images"].values.reshape(size), rows=rows, limits=(0, 255), cmap="gray_r", ax=right
    )
    left.set_title("what the correction does")
    right.set_title(f"generation {last}, same noise")
    return figure


def _style(loop: str) -> dict:
    kind = "corrected" if "corrected" in loop else loop if loop in COLOURS else "plain"
    return {"color": COLOURS[kind], "linestyle": "--" if "0.5" in loop else "-"}


def _curves(data: xr.Dataset, name: str, ax: Axes) -> None:
    for loop in data["loop"].values:
        mean, error = mean_and_error(data[name].sel(loop=loop))
        style = _style(loop)
        ax.plot(data["generation"], mean, label=loop, **style)
        band = (mean - 2 * error, mean + 2 * error)
        ax.fill_between(data["generation"], *band, color=style["color"], alpha=0.13, linewidth=0)
    first = data[name].isel(generation=0).mean().item()
    ax.axhline(first, color="0.5", linestyle=":", linewidth=1)


def correction_findings(data: xr.Dataset) -> list[Finding]:
    """Distances of plain, corrected and real-only loops; what the centres do to real images."""
    found = []
    for training in data["training"].values:
        found += _distances(data.sel(training=training), f"{training} training")
    one = data.isel(training=0)
    return [*found, _centres(one, one.isel(generation=slice(-3, None)).mean("generation"))]


def _distances(data: xr.Dataset, training: str) -> list[Finding]:
    """The paper's statements, for one budget."""
    frechet = data["frechet"].isel(generation=slice(-3, None)).mean("generation")
    first = data["frechet"].isel(generation=0, loop=0)
    loops = list(data["loop"].values)
    ratios = [name.removesuffix(", corrected") for name in loops if "corrected" in name]
    baseline = frechet.sel(loop="real only")
    margin = 0.1 * baseline.mean().item()
    found = []
    for ratio in ratios:
        plain, fixed = frechet.sel(loop=ratio), frechet.sel(loop=f"{ratio}, corrected")
        found.append(
            Finding(
                claim=f"Fig. 3, {ratio}: the corrected loop is closer to the truth than the plain one",
                ours=f"corrected {_both(fixed)}, plain {_both(plain)}, difference {_both(fixed - plain)}",
                verdict=_less(fixed - plain),
                note=f"{training}, generation 1 {_both(first)}; the centres themselves are at "
                f"{data['centre_frechet'].item():.2g}; {_when(data)}",
            )
        )
        found.append(
            Finding(
                claim=f"Fig. 3, {ratio}: the plain loop is farther from the truth than training on real data "
                "alone, the corrected one is not",
                ours=f"beyond real only: plain {_both(plain - baseline)}, "
                f"corrected {_both(fixed - baseline)}",
                verdict=combine([_less(baseline - plain), _not_more(fixed - baseline, margin)]),
                note=f"{training}; not farther: the 95 % interval ends below {margin:.2g}, a tenth of real "
                "only",
            )
        )
    if len(ratios) > 1:
        gaps = [frechet.sel(loop=r) - frechet.sel(loop=f"{r}, corrected") for r in ratios]
        found.append(
            Finding(
                claim="Fig. 3: the correction gains the more, the more synthetic images there are",
                ours=", ".join(f"{r}: gain {_both(gap)}" for r, gap in zip(ratios, gaps, strict=True)),
                verdict=_less(gaps[0] - gaps[-1]) if gaps[-1].mean() > 0 else "not reproduced",
                note=training,
            )
        )
    found.append(
        Finding(
            claim="Fig. 3: going on training brings every loop below generation 1",
            ours=f"generation 1 {_both(first)}; late: "
            + ", ".join(f"{name} {_both(frechet.sel(loop=name))}" for name in loops),
            verdict=combine([_less(frechet.sel(loop=name) - first) for name in loops]),
            note=f"{training}; in the paper even the plain loop of λ = 1, narrowly",
        )
    )
    return found


def _centres(data: xr.Dataset, late: xr.Dataset) -> Finding:
    names = ("frechet", "pixel_frechet", "precision", "recall", "accuracy", "class_variance")
    corrected = [name for name in data["loop"].values if "corrected" in name][-1]
    real, centre = ([data[f"{p}_{name}"].item() for name in names] for p in ("real", "centre"))
    ours = "; ".join(
        f"{name} {a:.3g} → {b:.3g}, loop {_both(late[name].sel(loop=corrected))}"
        for name, a, b in zip(names, real, centre, strict=True)
    )
    return Finding(
        claim="The correction leaves correct images as they are (Definition 4.1: it mixes with the truth)",
        ours=ours,
        verdict="not reproduced" if centre[-1] < 0.95 * real[-1] else "reproduced",
        note=f"real images before and after the correction, and the loop {corrected}: centres are averages",
    )


def _when(data: xr.Dataset) -> str:
    n, last = data.sizes["seed"], int(data["generation"][-1])
    return f"mean of the last three generations up to {last}; {n} seeds, paired; an analogue on other data"


def _both(values: xr.DataArray) -> str:
    return with_error(*mean_and_error(values))


def _less(difference: xr.DataArray) -> Verdict:
    """Whether a paired difference is below 0, beyond the noise of the seeds; above 0 is the contrary."""
    if above(-difference):
        return "reproduced"
    return "not reproduced" if above(difference) else "not tested"


def _not_more(difference: xr.DataArray, margin: float) -> Verdict:
    return no_more(*mean_and_error(difference), margin, difference.sizes["seed"])
