"""A hundred generations with SIMS: sane for mild guidance."""

from itertools import product

import matplotlib.pyplot as plt
import xarray as xr

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import agreement, format_value, join, largest, score
from paper_scripts.style import draw_variable, gradient
from simulations import self_improvement

SOURCE = "SIMS, section 4.2.1"
CAPTION = (
    "Above: a fixed real set and as many synthetic points of the last model; bands hold 90 % of "
    "the loops. Below: synthetic points only, with the exact mean log volume. Laws of the samples are "
    "judged, bias included."
)

simulate = self_improvement.run


def draw(data: xr.Dataset) -> Picture:
    """Draw distance in the augmentation loop and log volume in the fully synthetic one, by bias and size."""
    figure, axes = plt.subplots(2, 4, figsize=(13.5, 6.4), sharex=True)
    colours = gradient(data.sizes["weight"])
    columns = product(data["bias"].values, data["size"].values)
    for (upper, lower), (bias, size) in zip(axes.T, columns, strict=True):
        one = data.sel(bias=bias, size=size)
        for weight, colour in zip(data["weight"].values, colours, strict=True):
            loop = one.sel(weight=weight, regime="augment")
            upper.plot(loop["generation"], loop["median"], color=colour, label=f"w = {weight:g}")
            upper.fill_between(loop["generation"], loop["low"], loop["high"], color=colour, alpha=0.12, lw=0)
            loop = one.sel(weight=weight, regime="replace")
            draw_variable(lower, loop, "log_volume", alpha=0.25, color=colour)
        upper.set(yscale="log", title=f"n = {size}, sampler's bias {bias:g}")
        lower.axhline(0, color="0.8", linewidth=0.8, zorder=0)
        lower.set_xlabel("generation")
    axes[0, 0].set_ylabel("real + synthetic data:\nmedian of relative squared W2")
    axes[1, 0].set_ylabel("synthetic data only:\nmean log volume (dashed: exact)")
    axes[0, 0].legend(fontsize="small", ncols=2)
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge whether the augmentation loop stays sane, and the exact volume of the fully synthetic one."""
    cells = [{"bias": b, "size": n} for b, n in product(data["bias"].values, data["size"].values)]
    for cell in cells:
        yield _judge_sanity(data.sel(regime="augment", **cell))
    one = data.sel(regime="replace")
    worst, last = largest(score(one, "log_volume")), one.sel(weight=1.0).isel(generation=-1)
    shown = ", ".join(format_value(last.sel(cell), "log_volume") for cell in cells)
    yield Finding(
        claim="The fully synthetic loop has no drift at w = 1, whatever n, dimension and bias",
        ours=f"mean log volume at generation {int(last['generation'])}: {shown}; "
        f"largest abs(z), all weights: {worst:.1f}",
        verdict=agreement(worst),
        note="of the log volume, which is a random walk; the mean wanders, and distances grow",
    )


def _judge_sanity(one: xr.Dataset) -> Finding:
    """Judge whether an augmentation loop is better with SIMS, and stays near its start."""
    last, start = one.isel(generation=-1), one["median"].sel(weight=0.0).isel(generation=0).item()
    weights, ends = one["weight"].values.tolist(), last["median"].values.tolist()
    best = ends.index(min(ends))
    sane = [f"{w:g}" for w, end in zip(weights, ends, strict=True) if end < 5 * start]
    shown = join("{:.3g} (w = {:g})", ends, weights)
    helped = ends[best] < 0.9 * ends[weights.index(0.0)]
    return Finding(
        claim=f"SIMS keeps the augmentation loop sane: n = {one['size'].item()} real points, sampler's bias "
        f"{one['bias'].item():g}",
        ours=f"median relative squared W2 at generation {int(last['generation'])}: {shown}; generation 1 of "
        f"the base: {start:.3g}",
        verdict="reproduced" if helped else "partly reproduced",
        note=f"smallest at w = {weights[best]:g}; within five times generation 1 for w = "
        f"{', '.join(sane) or 'none'}{'' if helped else '; SIMS gains nothing here'}; the mean variance is "
        f"bounded for w < {one['stable_weight'].item():.2f} (exact, one dimension)",
    )
