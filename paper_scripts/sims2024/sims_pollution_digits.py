"""Synthetic images among the real ones: standard training and SIMS (analogue)."""

import matplotlib.pyplot as plt
import xarray as xr

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import NOISE, above, combine, format_means, holds, join, no_more_over_seeds
from paper_scripts.sims2024.digits import ANALOGUE, BASE, SIMS, at_choice
from paper_scripts.style import DOTTED, gradient, seed_band
from simulations import sims_digits

SOURCE = "SIMS, section 4.2.2"
NETWORKS = True
CAPTION = ANALOGUE + "Generation 2 trains on all real digits and on samples of generation 1."

simulate = sims_digits.pollution


def draw(data: xr.Dataset) -> Picture:
    """Draw FID against the amount of pollution, and against w for every amount."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.0, 3.9))
    standard, guided = data["fid"].sel(weight=0.0), at_choice(data)["fid"]
    seed_band(left, data["ratio"], standard, label="standard training", color=BASE, marker="o")
    seed_band(left, data["ratio"], guided, label="SIMS, w chosen", color=SIMS, marker="o")
    left.axhline(standard.sel(ratio=0.0).mean(), label="standard, not polluted", **DOTTED)
    left.set(title="(a) generation 2, trained on real and synthetic images", ylim=(0, None))
    left.set(xlabel="synthetic images per real one, $|D_p| / |D_r|$", ylabel="FID, classifier's features")
    left.legend()
    colours = gradient(data.sizes["ratio"], name="plasma")
    for ratio, colour in zip(data["ratio"].values, colours, strict=True):
        one = data["fid"].sel(ratio=ratio)
        seed_band(right, data["weight"], one, label=f"ratio {ratio:g}", color=colour)
    right.set(xlabel="guidance w (0: standard training)", ylim=(0, None), title="(b) the sweeps of w")
    right.legend(ncols=2)
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge standard training and SIMS against the amount of synthetic images."""
    standard, guided = data["fid"].sel(weight=0.0), at_choice(data)["fid"]
    clean = standard.sel(ratio=0.0)
    rises = [above(step) for step in standard.transpose("ratio", "seed").diff("ratio")]
    polluted = guided.sel(ratio=data["ratio"] > 0).transpose("ratio", "seed")
    gains, own = -(polluted - clean), polluted - guided.sel(ratio=0.0)
    helped = [gain["ratio"].item() for gain in gains if above(gain)]
    weights = data["weight"].values
    share = (data["choice"].argmin("weight") == len(weights) - 1).mean().item()
    margin = 0.1 * (standard.isel(ratio=-1) - clean).mean().item()
    yield Finding(
        claim="Section 4.2.2: standard training degrades monotonically with the synthetic images",
        ours="FID " + format_means(standard),
        verdict=holds(*rises),
        note=f"ratio |D_p| / |D_r| before the colon; {sum(rises)} of {len(rises)} steps rise by over "
        f"{NOISE:g} standard errors",
    )
    yield Finding(
        claim="SIMS on the polluted set has a smaller FID than standard training on the real one, up to "
        "|D_p| / |D_r| = 0.6 (CIFAR-10) or 0.2 (FFHQ)",
        ours="FID less by " + format_means(gains),
        verdict=holds(*(ratio in helped for ratio in gains["ratio"].values if ratio <= 0.6)),
        note=f"clearly smaller at {join('{:g}', helped) or 'none of the ratios'}; the w "
        f"chosen is {weights.max():g}, the largest tried, in {share:.0%} of the cases",
    )
    yield Finding(
        claim="SIMS does not degrade with the synthetic images",
        ours="FID " + format_means(guided),
        verdict=combine([no_more_over_seeds(one, margin) for one in own]),
        note=f"not: the 95 % interval ends below {margin:.2g}, a tenth of what standard training loses "
        "at the largest ratio; below standard training on the same images by "
        + format_means(standard.sel(ratio=polluted["ratio"]) - polluted, "{0}")
        + "; what generation 1 gets wrong is data for generation 2, and stays",
    )
