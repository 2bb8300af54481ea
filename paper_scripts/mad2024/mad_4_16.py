"""Digits, fully synthetic loop: quality or diversity decreases (an analogue)."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import (
    combine,
    format_mean,
    format_means,
    holds,
    join,
    name_seeds,
    no_more_over_seeds,
)  # fmt: skip
from paper_scripts.mad2024.digits import (
    COLOURS,
    DOTS,
    MEASURE,
    SETTING,
    STORED,
    are_clear,
    change,
    finish_panel,
    is_clear,
    legend_of_biases,
    ratio_of_ends,
    scale_logarithmic,
)  # fmt: skip
from paper_scripts.style import seed_band
from simulations import network_digits

SOURCE = "MAD, Figs. 4, 6, 16, on other data"
NETWORKS = True
CAPTION = (
    SETTING + MEASURE + STORED + "Samples are drawn with the bias of their loop, also those of "
    "generation 1. Below: the share of samples that are read as the class they were drawn for, and "
    "variances within and between classes."
)

simulate = network_digits.run

KEPT = 0.05  # precision does not fall where it falls by less
MIDDLE = 5  # the generation at which precision and recall are compared, or the last if there are fewer


def draw(data: xr.Dataset) -> Picture:
    """Draw FID, precision and recall of the fully synthetic loop, and what becomes of the classes."""
    figure, axes = plt.subplots(2, 3, figsize=(11.5, 6.6))
    names = ("fid", "precision", "recall", "accuracy", "within_variance", "between_variance")
    for ax, name in zip(axes.flat, names, strict=True):
        for bias in data["bias"].values:
            seed_band(ax, data["generation"], data[name].sel(bias=bias), **DOTS, color=COLOURS[bias])
        finish_panel(ax, data, name)
    scale_logarithmic(axes[0, 0])
    legend_of_biases(figure, data["bias"].values)
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge the statements of MAD's Figs. 4, 6 and 16 on the fully synthetic loop."""
    yield _quality(data)
    last, middle = data["generation"][-1].item(), min(MIDDLE, data["generation"][-1].item())
    plain, biased = data.sel(bias=1.0), data.sel(bias=data["bias"] < 1)
    fid, precision, recall = (change(plain[name]) for name in ("fid", "precision", "recall"))
    yield Finding(
        claim="Figs. 4, 16: bias 1, FID rises, and precision and recall both fall",
        ours=f"FID {format_mean(fid)}; precision {format_mean(precision)}; recall {format_mean(recall)}",
        verdict=holds(is_clear(fid), is_clear(precision, -1), is_clear(recall, -1)),
        note=f"change from generation 1 to {last}, {name_seeds(data)}",
    )
    falls, at_one = (change(one["precision"], middle) for one in (biased, plain))
    held = combine([no_more_over_seeds(-falls.isel(bias=i), KEPT) for i in range(falls.sizes["bias"])])
    less = are_clear(falls - at_one)
    yield Finding(
        claim="Figs. 6, 16: bias below 1, precision does not fall",
        ours=f"change from generation 1 to {middle}: {format_means(falls)}; bias 1: {format_mean(at_one)}",
        verdict="partly reproduced" if held != "reproduced" and any(less) else held,
        note=f"does not fall: the 95 % interval of the fall ends below {KEPT:g}"
        + ("" if held == "reproduced" else "; " + _why(biased, less, data, middle)),
    )
    faster = change(biased["recall"], middle) - change(plain["recall"], middle)
    yield Finding(
        claim="Figs. 6, 16: bias below 1, recall falls faster than at bias 1",
        ours=f"its change from generation 1 to {middle}, less that at bias 1: {format_means(faster)}",
        verdict=holds(*are_clear(faster, -1)),
    )
    rises = change(biased["fid"])
    yield Finding(
        claim="Figs. 6, 16: bias below 1, FID still rises",
        ours=f"change from generation 1 to {last}: {format_means(rises)}; bias 1: {format_mean(fid)}",
        verdict=holds(*are_clear(rises)),
    )
    recall = data["recall"].sel(generation=middle)
    steps = recall.isel(bias=slice(-1)).drop_vars("bias") - recall.isel(bias=slice(1, None)).drop_vars("bias")
    texts = [format_mean(steps.isel(bias=i)) for i in range(steps.sizes["bias"])]
    names = data["bias"].values
    yield Finding(
        claim="Fig. 16: the smaller the bias, the lower the recall",
        ours=f"generation {middle}: {format_means(recall)}",
        verdict=holds(*are_clear(steps)),
        note="differences of neighbours: " + join("{:g} less {:g}: {}", names[:-1], names[1:], texts),
    )
    yield from _judge_tracking(data, last)
    yield _judge_storing(data)


def _why(biased: xr.Dataset, less: list[bool], data: xr.Dataset, middle: int) -> str:
    """Explain why precision falls."""
    fewer = ", ".join(f"{b:g}" for b in biased["bias"].values[np.array(less)]) or "none"
    between = biased["between_variance"].isel(bias=-1)
    first, then = (format_mean(between.sel(generation=t)) for t in (1, middle))
    return (
        f"it falls less than at bias 1 for {fewer}. A small network errs in every generation; and guidance "
        f"extrapolates: at bias {between['bias'].item():g} the variance between classes goes from {first} to "
        f"{then} (real: {data['real_between_variance'].item():.2f})"
    )


def _quality(data: xr.Dataset) -> Finding:
    """Describe how good generation 1 is."""
    first = data.sel(bias=1.0).isel(generation=0)
    names = {
        "fid": "FID", "precision": "precision", "recall": "recall", "accuracy": "in the intended class",
        "within_variance": "variance within classes",
    }  # fmt: skip
    return Finding(
        claim="Generation 1 is a fair generator",
        ours="; ".join(
            f"{label} {format_mean(first[name])} ({data[f'real_{name}'].item():.3g})"
            for name, label in names.items()
        ),
        verdict="shown",
        note="in brackets the real training half against the held-out one, the floor. Bias 1. Part of the "
        "distance is rounding to grey levels, which cuts what the network spreads beyond black and white",
    )


def _judge_tracking(data: xr.Dataset, last: int) -> Findings:
    """Judge whether the total variance shows what recall shows."""
    for bias in (b for b in (1.0, 0.8) if b in data["bias"].values):
        one = data.sel(bias=bias)
        recall, variance = (ratio_of_ends(one[name]) - 1 for name in ("recall", "total_variance"))
        yield Finding(
            claim=f"Fig. 15's point: total variance does not track the loss of diversity (bias {bias:g})",
            ours=f"relative change to generation {last}: recall {format_mean(recall)}, total "
            f"variance {format_mean(variance)}",
            verdict=holds(is_clear(recall, -1) and is_clear(abs(variance) - abs(recall) / 2, -1)),
            note="reproduced if the variance changes by less than half as much",
        )


def _judge_storing(data: xr.Dataset) -> Finding:
    """Describe what rounding to grey levels does."""
    raw = data["raw_fid"].rename(raw_seed="seed")
    end = raw["raw_generation"][-1].item()
    parts = []
    for bias in raw["raw_bias"].values:
        first, final = (format_mean(raw.sel(raw_bias=bias).isel(raw_generation=i)) for i in (0, -1))
        stored = [format_mean(data["fid"].sel(bias=bias).isel(generation=i)) for i in (0, end - 1)]
        parts.append(f"bias {bias:g}: {first} to {final}, stored {' to '.join(stored)}")
    return Finding(
        claim="Storing samples as images, in 17 grey levels from 0 to 1, matters",
        ours=f"FID at generations 1 and {end}, not stored: " + "; ".join(parts),
        verdict="shown",
        note=f"without it guidance, which extrapolates, leaves the range of pixels and diverges; "
        f"{name_seeds(raw)}",
    )
