"""SIMS improves a diffusion of digits by its own samples (analogue)."""

import matplotlib.pyplot as plt
import xarray as xr

from paper_scripts.figure import Finding, Findings, Picture, Verdict
from paper_scripts.findings import above, combine, format_mean, holds, join
from paper_scripts.sims2024.digits import ANALOGUE, GUIDANCE, NEON, at_choice
from paper_scripts.style import DOTTED, GREEN, PINK, gradient, seed_band
from simulations import sims_digits

SOURCE = "SIMS, section 4.1; Neon, Fig. 4"
NETWORKS = True
CAPTION = (
    ANALOGUE + "(a) FID to held-out digits against guidance, for budgets of the auxiliary; stars "
    "mark the best w, the dotted line the base. (b) One line a seed: the base, and SIMS at the w chosen "
    "with other samples and the training half. (c) Precision and recall for the largest budget."
)

simulate = sims_digits.budgets


def draw(data: xr.Dataset) -> Picture:
    """Draw FID against w, the gain at the w chosen, and precision and recall."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12.0, 3.9), width_ratios=(1.5, 1, 1))
    guided = data.sel(curve=data["scheme"] == "SIMS")
    colours = gradient(guided.sizes["curve"])
    for i, colour in enumerate(colours):
        one = guided.isel(curve=i)
        label = f"SIMS, {one['budget'].item() / 1000:.0f}k images"
        seed_band(left, one["weight"], one["fid"], label=label, color=colour)
        mean = one["fid"].mean("seed")
        left.plot(mean.idxmin("weight"), mean.min(), "*", color=colour, markersize=12, zorder=5)
    left.plot([], [], "*", color="0.3", markersize=9, label="smallest FID")
    neon = data.sel(curve=data["scheme"] == "Neon").isel(curve=0)
    label = f"Neon, {neon['budget'].item() / 1000:.0f}k images"
    seed_band(left, neon["weight"], neon["fid"], label=label, color=NEON, linestyle="--")
    base = data["fid"].sel(weight=0.0).isel(curve=0)
    left.axhline(base.mean(), **DOTTED)
    high = guided["fid"].mean("seed").sel(weight=[-1.0, 2.0]).max().item()
    left.set(xlabel=GUIDANCE, ylabel="FID, classifier's features", ylim=(0, 1.3 * high))
    left.set_title("(a) FID for several budgets")
    left.legend()

    chosen = at_choice(data)
    for k in range(data.sizes["seed"]):
        y = chosen["fid"].isel(seed=k).values[: len(colours)]
        middle.plot([0, *range(1, 1 + len(y))], [base.isel(seed=k), *y], "o-", color="0.6", linewidth=0.9)
    names = ["base", *(f"{b / 1000:.0f}k" for b in guided["budget"].values)]
    middle.set_xticks(range(len(names)), names)
    middle.set(ylim=(0, None), xlabel="images seen by the auxiliary", title="(b) every seed, w chosen before")
    one = guided.isel(curve=-1)
    for name, colour in (("precision", GREEN), ("recall", PINK)):
        seed_band(right, one["weight"], one[name], label=name, color=colour)
    right.set(xlabel=GUIDANCE, title="(c) largest budget", ylim=(None, 1.0))
    right.legend()
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge what SIMS gains, the shape of the curves, and Neon with the same auxiliary."""
    guided = data.sel(curve=data["scheme"] == "SIMS")
    base, chosen = data["fid"].sel(weight=0.0).isel(curve=0), at_choice(guided)
    best = chosen["choice"].mean("seed").argmin("curve")
    improved = chosen["fid"].isel(curve=best)
    gain, spread = base - improved, max(base.std("seed", ddof=1).item(), improved.std("seed", ddof=1).item())
    yield Finding(
        claim="Section 4.1: SIMS improves the FID of its base",
        ours=f"{format_mean(base)} to {format_mean(improved)}, "
        f"{100 * (gain / base).mean().item():.0f} % less; "
        f"gain of a seed {format_mean(gain)}, spread of the seeds {spread:.2g}",
        verdict=holds(above(gain), above(gain) and gain.mean() > spread),
        note=f"w chosen on other samples by the training half, budget {_thousands(chosen, best)}; FID of "
        f"the real training half: {data['floor'].mean().item():.2f}",
    )
    drops = [_unimodal(guided["fid"].isel(curve=i)) for i in range(guided.sizes["curve"])]
    yield Finding(
        claim="FID is unimodal in w",
        ours=f"the mean over the seeds, {drops.count('reproduced')} of {len(drops)} curves",
        verdict=combine(drops),
        note="not tested: a step goes the other way, within the noise of the seeds",
    )
    at = guided["fid"].idxmin("weight")
    change = at.isel(curve=-1) - at.isel(curve=0)
    yield Finding(
        claim="The best w falls as the budget grows",
        ours="best w "
        + ", ".join(f"{format_mean(at.isel(curve=i))} ({_thousands(guided, i)})" for i in range(len(drops))),
        verdict=holds(above(-change)),
        note="the auxiliary moves by "
        + join("{:.1f}", 100 * guided["displacement"].mean("seed").values)
        + " % of its weights' norm; our reading: the move of a short fine-tuning is mostly noise of the "
        "gradients, which guidance amplifies, and that keeps w small there too",
    )
    self_trained = guided["fid"].sel(weight=-1.0).isel(curve=-1) - base
    yield Finding(
        claim="w = -1, a model trained on its own samples, is worse than the base",
        ours=f"FID larger by {format_mean(self_trained)}, largest budget",
        verdict=holds(above(self_trained)),
    )
    yield _neon(data)
    yield _precision(guided)


def _neon(data: xr.Dataset) -> Finding:
    neon = data.sel(curve=data["scheme"] == "Neon").isel(curve=0)
    twin = (data["scheme"] == "SIMS") & (data["budget"] == neon["budget"])
    sims, base = at_choice(data.sel(curve=twin).isel(curve=0))["fid"], neon["fid"].sel(weight=0.0)
    extrapolated = at_choice(neon)["fid"]
    return Finding(
        claim="Neon: weights extrapolated from the same auxiliary improve the base as SIMS does",
        ours=f"FID {format_mean(extrapolated)}, SIMS {format_mean(sims)}, base {format_mean(base)}",
        verdict=holds(above(base - extrapolated)),
        note="one network is evaluated in place of two; beyond the best w its FID rises faster",
    )


def _precision(guided: xr.Dataset) -> Finding:
    one = guided.isel(curve=-1)
    at = one["fid"].mean("seed").idxmin("weight").item()
    moves = {name: one[name].sel(weight=at) - one[name].sel(weight=0.0) for name in ("precision", "recall")}
    verdict = holds(above(-moves["precision"]), above(moves["recall"]))
    return Finding(
        claim="Neon, Fig. 4: up to the best w precision falls and recall rises",
        ours=", ".join(f"{name} {format_mean(move, '+')}" for name, move in moves.items())
        + f" from w = 0 to {at:g}",
        verdict=verdict,
        note=""
        if verdict == "reproduced"
        else "these bases err to the other side: their samples are noisier than the data, not sharper",
    )


def _unimodal(fid: xr.DataArray) -> Verdict:
    """Return whether the mean falls, then rises; a step the other way within the noise leaves it open."""
    low = int(fid.mean("seed").argmin("weight"))
    steps = [fid.isel(weight=i + 1) - fid.isel(weight=i) for i in range(fid.sizes["weight"] - 1)]
    wrong = [step if i < low else -step for i, step in enumerate(steps)]
    if all(step.mean() <= 0 for step in wrong):
        return "reproduced"
    return "not reproduced" if any(above(step) for step in wrong) else "not tested"


def _thousands(data: xr.Dataset, curve: object) -> str:
    return f"{data['budget'].isel(curve=curve).item() / 1000:.0f}k images"
