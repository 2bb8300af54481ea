"""Mean and variance of the reward, curated only and with real data."""

import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.axes import Axes

from paper_scripts.ferbach2024.loops import COLOURS, largest_score
from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import agreement, format_value, holds
from paper_scripts.style import BOUND, draw_variable, label_theory
from simulations import curation

SOURCE = "Ferbach et al., Lemma 2.2"
CAPTION = (
    "The loops of the maps above, exact (dashed) and by 5,000 points chosen from 10,000; bands "
    "are two standard errors. Right, exact: the expected exponential, which never falls, above its "
    "bound."
)

simulate = curation.mixture


def draw(data: xr.Dataset) -> Picture:
    """Draw mean, variance and expected exponential of the reward by generation."""
    rows = data.sizes["r_min"]
    figure, axes = plt.subplots(rows, 3, figsize=(11.0, 2.9 * rows), sharex=True)
    names = {"reward_mean": "mean reward", "reward_variance": "variance of the reward"}
    for row, r_min in zip(axes, data["r_min"].values, strict=True):
        one = data.sel(r_min=r_min)
        for ax, (name, label) in zip(row, names.items(), strict=False):
            for loop in one["loop"].values:
                draw_variable(ax, one.sel(loop=loop), name, color=COLOURS[loop], label=loop)
            label_theory(ax, "exact")
            ax.set(title=f"plateau of radius {r_min:g}", ylabel=label)
        _exponential(one, row[2])
        row[2].set(title=f"plateau of radius {r_min:g}", ylabel="E exp(reward)", ylim=(0, 1.05))
    for ax in axes[-1]:
        ax.set_xlabel("generation")
    axes[0, 0].legend(loc="lower right")
    axes[0, 2].legend(loc="lower right")
    return figure


def _exponential(one: xr.Dataset, ax: Axes) -> None:
    t = one["generation"]
    for loop in one["loop"].values:
        ax.plot(t, one["exp_mean"].sel(loop=loop), color=COLOURS[loop], label=loop)
    bound = (one["exp_mean"] + one["gain_bound"]).sel(loop="curated only")[:-1]
    ax.plot(t[1:], bound, label="bound: Lemma 2.2, from the last", **BOUND | {"color": "0.2"})


def judge(data: xr.Dataset) -> Findings:
    """Judge how rewards rise, and their variance falls, with and without real data."""
    for name, label in (("reward_mean", "mean"), ("reward_variance", "variance")):
        z = largest_score(data, name)
        yield Finding(
            claim=f"Lemma 2.1: samples follow the exact {label} of the reward",
            ours=f"largest abs(z) of {data[name].size} is {z:.1f}",
            verdict=agreement(z),
            note=f"loops of {data.attrs['n']:,} points, chosen from twice as many",
        )
    alone = data.sel(loop="curated only")
    gain, bound = alone["exp_mean"].diff("generation"), alone["gain_bound"].isel(generation=slice(None, -1))
    slack = (gain - bound.values).min().item()
    yield Finding(
        claim="Lemma 2.2: E exp(r) rises by (K-1)/K Var exp(r) / exp(r*) or more in each generation",
        ours=f"least gain beyond the bound {slack:.2g}",
        verdict=holds(slack >= -1e-12),
    )
    first, last = alone.isel(generation=0), alone.isel(generation=-1)
    falls = last["predicted_reward_variance"] / first["predicted_reward_variance"]
    yield Finding(
        claim="Lemma 2.2: the variance of the reward goes to 0 without real data",
        ours="; ".join(
            f"{format_value(last.isel(r_min=i), 'reward_variance')} of "
            f"{first['predicted_reward_variance'][i].item():.2f} (radius {r:g})"
            for i, r in enumerate(data["r_min"].values)
        ),
        verdict=holds((falls < 0.01).all()),
    )
    mixed = data.sel(loop="with real data").isel(generation=-1)
    start = data["predicted_reward_mean"].sel(loop="with real data").isel(generation=0)
    yield Finding(
        claim="With real data the reward still rises, and its variance stays",
        ours="; ".join(
            f"mean {format_value(mixed.isel(r_min=i), 'reward_mean')} from {start[i].item():.2f}, "
            f"variance {mixed['reward_variance'][i].item():.2f} (radius {r:g})"
            for i, r in enumerate(data["r_min"].values)
        ),
        verdict=holds((mixed["predicted_reward_mean"] > start).all()),
    )
