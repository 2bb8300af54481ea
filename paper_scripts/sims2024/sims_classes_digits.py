"""A class-imbalanced set S steers the mix of classes (analogue)."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import above, format_mean, holds, join, mean_and_error
from paper_scripts.sims2024.digits import ANALOGUE, GUIDANCE, SIMS, at_choice
from paper_scripts.style import DOTTED, seed_band
from simulations import sims_digits

SOURCE = "SIMS, section 4.3"
NETWORKS = True
CAPTION = (
    ANALOGUE + "An unconditional diffusion; a classifier lets every even digit into S, and one odd "
    "one in ten. Wanted: 70 % odd digits."
)

simulate = sims_digits.classes


def draw(data: xr.Dataset) -> Picture:
    """Draw the share of odd digits and the FID to the target against w, and every digit's share."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12.0, 3.7))
    odd = data["share"].isel(digit=slice(1, None, 2)).sum("digit")
    seed_band(left, data["weight"], odd, color=SIMS, marker="o")
    left.axhline(data.attrs["target"], **DOTTED)
    left.set(xlabel=GUIDANCE, ylabel="share of odd digits", ylim=(0, 1), title="(a) mix of classes")
    left.annotate("wanted", (-0.95, data.attrs["target"]), (0, 3), textcoords="offset points", color="0.35")
    seed_band(middle, data["weight"], data["fid"], color=SIMS, marker="o")
    middle.set(xlabel=GUIDANCE, ylabel="FID to images of the wanted mix", ylim=(0, None))
    middle.set_title("(b) distance to the target")
    x, target = np.arange(10), data.attrs["target"]
    shares = {"base": data["share"].sel(weight=0.0), "SIMS, w chosen": at_choice(data)["share"]}
    for i, (label, share) in enumerate(shares.items()):
        mean, error = mean_and_error(share)
        bars = {"color": ("0.7", SIMS)[i], "width": 0.38, "error_kw": {"linewidth": 0.8}, "label": label}
        right.bar(x + 0.4 * i - 0.2, mean, yerr=2 * error, **bars)
    wanted = np.where(x % 2, target, 1 - target) / 5
    steps = np.append(x, 10) - 0.5, np.append(wanted, wanted[-1])
    right.step(*steps, where="post", color="0.3", label="wanted")
    right.set(xticks=x, xlabel="digit", ylabel="share of the samples", title="(c) every class")
    right.set_ylim(0, 1.4 * shares["SIMS, w chosen"].mean("seed").max().item())
    right.legend(ncols=3, fontsize="x-small")
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge the mix of classes and the distance to the wanted one."""
    odd, target = data["share"].isel(digit=slice(1, None, 2)).sum("digit"), data.attrs["target"]
    mean, base = odd.mean("seed"), odd.sel(weight=0.0)
    chosen = at_choice(data)
    reached = at_choice(data.assign(odd=odd))["odd"]
    gain = data["fid"].sel(weight=0.0) - chosen["fid"]
    at = data["choice"].idxmin("weight")
    near = abs(reached.mean().item() - target) < 0.5 * abs(base.mean().item() - target)
    yield Finding(
        claim="Section 4.3: an S with too many of a class moves the samples to the others",
        ours=f"share of odd digits {format_mean(base)} for the base, {format_mean(reached)} at the w chosen "
        f"({format_mean(at)}), wanted {target:g}",
        verdict=holds(near and above(reached - base)),
        note="in S one digit in eleven is odd, by the base's mix; classes are those of the classifier",
    )
    yield Finding(
        claim="The share grows with w",
        ours="share " + join("{:.2f} (w = {:g})", mean.values, data["weight"].values),
        verdict="reproduced" if (np.diff(mean) > 0).all() else "partly reproduced",
    )
    yield Finding(
        claim="FID to the wanted mix falls",
        ours=f"from {format_mean(data['fid'].sel(weight=0.0))} to {format_mean(chosen['fid'])} at the w "
        "chosen",
        verdict=holds(above(gain)),
        note="w chosen on other samples by the training half, reweighted in the same way",
    )
