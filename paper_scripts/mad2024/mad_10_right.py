"""Fresh digits: the limit does not depend on the start (an analogue)."""

import matplotlib.pyplot as plt
import xarray as xr

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import equivalence, format_mean, mean_and_error, no_more, with_error
from paper_scripts.mad2024.digits import DOTS, MEASURE, NAMES, SETTING, finish_panel, is_clear
from paper_scripts.style import BLUE, RED, seed_band
from simulations import network_digits_fresh

SOURCE = "MAD, Fig. 10 right, on other data"
NETWORKS = True
CAPTION = (
    SETTING + "100 fresh real and 100 synthetic digits in every generation, bias 1. With a finite "
    "set fresh data repeat: each draw is of different digits, but of the same 897. " + MEASURE
)

simulate = network_digits_fresh.run_limits

LAST = 4  # generations that are averaged for a limit
SAME = 0.1  # limits are the same where they differ by less than this part of the difference at the start
FLAT = 0.01  # largest growth per generation of a distance that stays bounded


def draw(data: xr.Dataset) -> Picture:
    """Draw distances of two loops that differ in the number of initial digits."""
    figure, axes = plt.subplots(1, 2, figsize=(8.5, 3.7))
    for ax, name in zip(axes, ("fid", "pixel_frechet"), strict=True):
        for colour, n in zip((BLUE, RED), data["n_initial"].values, strict=True):
            line = {"color": colour, "label": f"{n} initial digits", **DOTS}
            seed_band(ax, data["generation"], data[name].sel(n_initial=n), **line)
        finish_panel(ax, data, name)
        ax.set_ylim(0, None)
    axes[0].legend(fontsize="small")
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge limits for two numbers of initial digits, and whether there are limits."""
    few, many = data["n_initial"].values
    for name in ("fid", "pixel_frechet"):
        one = data[name]
        last = min(LAST, one.sizes["generation"] // 2)
        tails = one.isel(generation=slice(-last, None)).mean("generation")
        gap, begun = (x.sel(n_initial=few) - x.sel(n_initial=many) for x in (tails, one.isel(generation=0)))
        apart, margin = is_clear(begun) or is_clear(begun, -1), SAME * abs(begun.mean().item())
        together = equivalence(*mean_and_error(gap), margin, data.sizes["seed"])
        yield Finding(
            claim=f"Fig. 10 right: the limit does not depend on the initial number ({NAMES[name]})",
            ours=f"n_ini = {few}: {format_mean(tails.sel(n_initial=few))}, {many}: "
            f"{format_mean(tails.sel(n_initial=many))}; difference {format_mean(gap)}, at generation 1 "
            f"{format_mean(begun)}",
            verdict=together if apart else "not tested",
            note=f"mean of the last {last} generations, {data.sizes['seed']} seeds; no difference: its "
            f"95 % interval lies within ±{margin:.2g}, a tenth of that at generation 1",
        )
    yield _judge_growth(data)


def _judge_growth(data: xr.Dataset) -> Finding:
    """Judge whether the distance still grows at the end."""
    one = data["fid"].mean("n_initial")
    last = min(LAST, one.sizes["generation"] - 1)
    tail = one.isel(generation=slice(-last, None))
    level = tail.mean("generation")
    times = tail["generation"] - tail["generation"].mean()
    rise = (tail * times).sum("generation") / (times**2).sum()
    mean, error = mean_and_error(rise / level)
    return Finding(
        claim="With fresh data there is no MADness: the distance stays bounded",
        ours=f"FID {format_mean(level)}, growing by {with_error(100 * mean, 100 * error)} % a generation in "
        f"the last {last}",
        verdict=no_more(mean, error, FLAT, data.sizes["seed"]),
        note=f"both initial numbers together; bounded: the 95 % interval ends below {FLAT:.0%}. "
        "The 897 digits repeat over the generations",
    )
