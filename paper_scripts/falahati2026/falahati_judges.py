"""Curation by several judges: when two basins coexist."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import agreement, holds, join, largest, score
from paper_scripts.style import THEORY, draw_variable, gradient, label_theory
from simulations import several_judges

SOURCE = "Falahati et al.: pluralistic curation, interval of coexistence and number of target classes"
CAPTION = (
    "Two judges with shares q and 1 - q, a basin for each, gap 3. (a) Loops of 500 points, q = 0.6, with two "
    "standard errors; dashed is exact. (b) Share that the first basin tends to: only infinitely many "
    "candidates and gaps give the diagonal, and two candidates leave one basin. (c) Entropy of ten classes "
    "after 25 rounds with 1 to 5 target classes."
)

simulate = several_judges.run


def draw(data: xr.Dataset) -> Picture:
    """Draw the share of the first basin by generation, its limit by q, and the entropy of the classes."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 3.9))
    for choices, colour in zip(data["choices"].values, gradient(data.sizes["choices"]), strict=True):
        name = "K = ∞" if np.isinf(choices) else f"K = {choices:g}"
        draw_variable(left, data.sel(choices=choices), "share", color=colour, label=name)
        middle.plot(data["q"], data["fixed_point"].sel(choices=choices), color=colour, label=name)
    label_theory(left, "exact")
    left.set(title="(a) loops, q = 0.6", xlabel="generation", ylabel="share of the first basin")
    left.legend(fontsize="small")
    middle.plot([0, 1], [0, 1], ":", color="0.5", label="share q")
    middle.set(title="(b) limit", xlabel="share q of the first judge", ylabel="share of the first basin")
    middle.legend(fontsize="small")
    right.errorbar(
        data["target"], data["entropy"], 2 * data["entropy_error"], fmt="o", label="loops of 2,500 symbols"
    )
    right.plot(data["target"], data["entropy_of_many"], label="infinitely many", **THEORY)
    right.plot(data["target"], np.log(data["target"]), ":", color="0.5", label="log of the number")
    right.plot(data["target"], data["printed"], "x", color="0.2", label="printed, CIFAR-10")
    right.set(title="(c) ten classes", xlabel="target classes", ylabel="entropy, nats")
    right.legend(fontsize="small")
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge the exact chain, the interval, the conditions of coexistence, and two candidates."""
    worst = max(largest(score(data, name)) for name in ("share", "second_lost"))
    yield Finding(
        claim="Exact law of a loop of 500 points, every K: expected share, and chance that a basin is lost",
        ours=f"largest abs(z) of {2 * data['share'].size} is {worst:.1f}",
        verdict=agreement(worst),
        note="neighbouring generations are correlated",
    )
    inside = (data["lower"] < data["inner"]) & (data["inner"] < data["upper"])
    yield Finding(
        claim="Infinite K: the first basin's share stays in [(q - κ₁)/(1 - κ₁), q/(1 - κ₂)], κ = exp(-Δ)",
        ours=join(
            "{:.4f} in [{:.3f}, {:.3f}]", data["inner"].values, data["lower"].values, data["upper"].values
        ),
        verdict=holds(inside.all()),
        note="(q, Δ₁, Δ₂) = (0.3, 2, 1.5) and (0.6, 1, 3)",
    )
    paper, exact, only = data["coexist"].values
    yield Finding(
        claim="Both basins survive if q > κ₁ and 1 - q > κ₂",
        ours=f"they do; the exact condition holds in {exact:.0%} of a grid of q and gaps, this one in "
        f"{paper:.0%}",
        verdict=holds(paper < exact, only == 0),
        note="exact: q A + (1 - q)/B > 1 and (1 - q) B + q/A > 1, proved here for plateaus",
    )
    two = data.sel(choices=2)
    yield Finding(
        claim="Two candidates never let both basins survive (ours, proved)",
        ours=f"limit {two['limit'].item():g}; {two['second_lost'][-1].item():.1%} of the loops of 500 points "
        f"lost the second basin by generation {data.sizes['generation']}, exact "
        f"{two['predicted_second_lost'][-1].item():.1%}",
        verdict=holds(two["limit"] == 1),
        note="three let both survive for q from 0.35 to 0.65 at this gap",
    )
    yield Finding(
        claim="The weights of the Nash product are the judges' shares: the first basin tends to q = 0.6",
        ours=join("{:.3f} (K = {:g})", data["limit"].values, data["choices"].values),
        verdict="partly reproduced",
        note="only for infinite K and infinite gaps: few candidates amplify the more frequent judge",
    )
    growth = float(data["outside"][1] / data["outside"][0])
    yield Finding(
        claim="Mass outside both basins decays geometrically",
        ours=f"where outside points get 0.8 of the best weight it grows, by {growth:.6f} in the first round, "
        "and takes all",
        verdict=holds(growth < 1),
        note="the paper's appendix assumes that the outside is dominated, which excludes this",
    )
    gap = float(abs(data["entropy"] - data["printed"]).max())
    yield Finding(
        claim=f"Entropy after 25 rounds: {join('{:.3f}', data['printed'].values)} for 1 to 5 target classes",
        ours=f"{join('{:.3f}', data['entropy'].values)}; largest difference {gap:.2f}",
        verdict=holds(bool((data["entropy"].diff("target") > 0).all()), gap < 0.1),
        note="symbols in place of images; from two targets on, printed values exceed the log of their "
        "number, and which other classes remain was not read",
    )
