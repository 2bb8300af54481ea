"""Curated loops on a few symbols: choices, real data, and two bounds."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from paper_scripts.ferbach2024.loops import format_number, largest_score
from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import agreement, format_value, holds, join
from paper_scripts.style import BOUND, GREEN, PINK, draw_variable, gradient, label_theory
from simulations import curation

SOURCE = "Ferbach et al., Lemmas 2.1 and 2.2"
CAPTION = (
    "Each point is the chosen one of K by Luce's rule. (a) Without real data the better of two "
    "symbols takes over. (b) With λ curated points per real point the gain stops at a fixed point; "
    "dotted: λ/(1+λ) (K-1)/K Var, which holds in every generation. (c) Two symbols with a rare good "
    "one. Bands are two standard errors of sampled loops."
)

simulate = curation.symbols


def draw(data: xr.Dataset) -> Picture:
    """Draw the better symbol's share, the reward's gain with real data, and the divergence from them."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11.5, 3.9))
    t = data["generation"]
    for choices, colour in zip(data["choices"].values, gradient(data.sizes["choices"]), strict=True):
        one = data.sel(choices=choices)
        draw_variable(left, one, "share", color=colour, label=f"K = {format_number(choices)}")
    label_theory(left, "exact")
    left.set(title="(a) two symbols, rewards 0 and 1", xlabel="generation", ylabel="share of the better")
    left.legend(loc="lower right")
    for ratio, colour in zip(data["ratio"].values, gradient(data.sizes["ratio"]), strict=True):
        one = data.sel(ratio=ratio).isel(generation=slice(1, None))
        draw_variable(middle, one, "gain", color=colour, label=f"λ = {format_number(ratio)}")
        middle.hlines(one["gain_bound"].item(), 2, t[-1], **BOUND | {"color": colour})
    label_theory(middle, "exact")
    middle.plot([], [], label="lower bound", **BOUND)
    middle.set(title="(b) five symbols with real data, K = 4", xlabel="generation")
    middle.set(ylabel="gain of E exp(r - r*)", yscale="log", ylim=(2e-3, 12))
    middle.legend(loc="upper left", ncols=3)
    for choices, colour in zip(data["pair"].values, (GREEN, PINK), strict=True):
        one = data.sel(pair=choices)
        right.plot(data["curve"], one["divergence"], color=colour, label=f"K = {choices}: KL")
        dashed = {"color": colour, "linestyle": "-.", "label": f"K = {choices}: log max ratio"}
        right.plot(data["curve"], one["log_ratio"], **dashed)
    right.plot(data["curve"], data["divergence_bound"], label="bound", **BOUND | {"color": "0.2"})
    right.set(title="(c) distance from the real data", xlabel="λ (K - 1)", ylabel="nats")
    right.set(yscale="log")
    right.legend(loc="lower right")
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge the exact update against samples, the lemma, and the bounds with real data."""
    for choices in data["choices"].values:
        one = data.sel(choices=choices, generation=6)
        z = largest_score(data.sel(choices=choices), "share")
        yield Finding(
            claim=f"Lemma 2.1, K = {format_number(choices)}: the better of two symbols has a share of "
            f"{one['predicted_share'].item():.5f} after 5 generations",
            ours=f"{format_value(one, 'share')}; largest abs(z) {z:.1f}",
            verdict=agreement(z),
            note=f"loops of {data.attrs['n']:,} points",
        )
    later = data.isel(generation=slice(1, None))
    published, sharper = (
        (later["predicted_gain"] / later[name]).min("generation")
        for name in ("published_gain_bound", "gain_bound")
    )
    published = published[np.isfinite(data["ratio"])]
    yield Finding(
        claim="With real data the expected exponential of the reward gains at least "
        "λ/(1+λ)³ (K-1)/K Var, in every generation",
        ours=f"least gain over bound: {_list_by_ratio(published)}",
        verdict=holds((published >= 1).all()),
        note=f"λ/(1+λ) holds as well, derived here: {_list_by_ratio(sharper)}",
    )
    z = largest_score(data, "gain")
    yield Finding(
        claim="Lemma 2.1 with real data: samples follow the exact law of the gain",
        ours=f"largest abs(z) of {data['gain'].size} is {z:.1f}",
        verdict=agreement(z),
    )
    held = (data["log_ratio"] <= data["divergence_bound"]).all().item()
    share, tight = ((data[x] / data["divergence_bound"]).max().item() for x in ("divergence", "log_ratio"))
    yield Finding(
        claim="With real data KL(p_t, real) stays below -log(1 - λ(K-1))",
        ours=f"it does, at {share:.0%} of the bound or less" if held else "it does not",
        verdict=holds(held),
        note=f"it bounds the log of the largest density ratio, which comes to {tight:.0%} of it; "
        "three laws with few good points, 60 generations",
    )


def _list_by_ratio(values: xr.DataArray) -> str:
    return join("{:.2f} (λ = {})", values.values, map(format_number, values["ratio"].values))
