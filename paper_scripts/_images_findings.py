"""Findings about loops of image diffusions and their throughput, read from the Datasets alone."""

from __future__ import annotations

import numpy as np
import xarray as xr

from paper_scripts._figure import Finding, Verdict, no_more
from paper_scripts._seeds import above, mean_and_error, told

__all__ = ["AIMS", "MARGIN", "loops_findings", "throughput_findings"]

MARGIN = 0.2
"""Share by which distances must differ to count: single runs have no standard error."""
AIMS = {"training": 1.5, "sampling": 2.0}
NO_GPU = "no GPU here"


def loops_findings(data: xr.Dataset) -> list[Finding]:
    """The last generation against the first, and the loops against each other."""
    plain, augmented, fresh, sims = (data.sel(loop=loop) for loop in data["loop"].values)
    last = data["generation"].values[-1]
    seeds = data.sizes["seed"]
    note = "one run" if seeds == 1 else f"{seeds} seeds"
    first_of, last_of = ({"generation": i} for i in (0, -1))
    end = {
        k: d["distance"].isel(last_of)
        for k, d in (("plain", plain), ("a", augmented), ("f", fresh), ("s", sims))
    }

    def course(one: xr.Dataset) -> str:
        ends = told(one["distance"].isel(first_of)), told(one["distance"].isel(last_of))
        return f"distance {ends[0]} in generation 1, {ends[1]} in generation {last}"

    def rises(one: xr.Dataset) -> bool:
        return _exceeds(one["distance"].isel(last_of), one["distance"].isel(first_of))

    slower = _exceeds(end["plain"], end["a"])
    delays: Verdict = (
        "reproduced" if slower and rises(augmented) else "partly reproduced" if slower else "not reproduced"
    )
    better = _exceeds(end["plain"], end["f"])
    growth = fresh["distance"].isel(last_of) / fresh["distance"].isel(first_of) - 1
    stays = no_more(*mean_and_error(growth), MARGIN, seeds) if seeds > 1 else "not tested"
    keeps: Verdict = "not reproduced"
    if better:
        keeps = "partly reproduced" if rises(fresh) else stays
    moves = {name: plain[name].isel(last_of) - plain[name].isel(first_of) for name in ("precision", "recall")}
    falls = any(_clearly(-move, 0.05) for move in moves.values())
    return [
        Finding(
            claim="MAD: in the fully synthetic loop the distance to the real images grows",
            ours=course(plain),
            verdict="reproduced" if rises(plain) else "not reproduced",
            note=f"{note}; differences of less than {MARGIN:.0%} do not count; the real images have "
            f"{data['floor'].item():.3g}",
        ),
        Finding(
            claim="MAD: it loses quality (precision) or diversity (recall)",
            ours=", ".join(f"{name} {told(move, '+')}" for name, move in moves.items()),
            verdict="reproduced" if falls else "not reproduced",
            note="what the loop amplifies depends on the generator's own error",
        ),
        Finding(
            claim="MAD: fixed real images slow that down, and do not prevent it",
            ours=course(augmented),
            verdict=delays,
            note="its training sets are twice as large",
        ),
        Finding(
            claim="MAD: with enough new real images it does not happen",
            ours=course(fresh),
            verdict=keeps,
            note=f"{data.attrs['fresh']} of {data.attrs['n_real']} images are new and real",
        ),
        Finding(
            claim="SIMS: negative guidance by a self-trained model keeps the fully synthetic loop nearer",
            ours=f"{course(sims)}, without it {told(end['plain'])}",
            verdict="reproduced" if _exceeds(end["plain"], end["s"]) else "not reproduced",
            note=f"w = {data.attrs['guidance']:g}, chosen on generation 1 with another seed, by the same "
            f"real images, which favours SIMS; each auxiliary sees {data.attrs['auxiliary']} images",
        ),
    ]


def throughput_findings(data: xr.Dataset) -> list[Finding]:
    """Ratios at the largest batch: what is asked of an accelerator, or what this processor does."""
    rates = data["images_per_second"].isel(batch=-1)
    ours, theirs, half = (rates.isel(code=i) for i in range(3))
    on_gpu = bool(data.attrs["accelerator"])
    told_rates = {
        task: f"{ours.sel(task=task).item():.0f} images/s, {(ours / theirs).sel(task=task).item():.2f} times"
        for task in AIMS
    }
    found = []
    for task, aim in AIMS.items():
        baseline = {"training": "example step", "sampling": "pipeline, at equal evaluations"}[task]
        verdict: Verdict = "agrees" if (ours / theirs).sel(task=task) >= aim else "disagrees"
        equal = (ours / half).sel(task=task).item()
        found.append(
            Finding(
                claim=f"On a GPU {task} makes {aim:g} times the images of diffusers' {baseline}, or more",
                ours=f"{told_rates[task]}, {equal:.2f} times its half precision" if on_gpu else NO_GPU,
                verdict=verdict if on_gpu else "not yet measured",
                note="diffusers as its example is given: single precision, not compiled",
            )
        )
    share = ours * data["operations"] / data.attrs["peak"]
    known = on_gpu and bool(np.isfinite(share).all())
    shares = ", ".join(f"{task} {share.sel(task=task).item():.0%}" for task in AIMS)
    found.append(
        Finding(
            claim="Share of the GPU's bf16 peak",
            ours=shares if known else "peak of this GPU not listed" if on_gpu else NO_GPU,
            verdict="shown" if known else "not yet measured",
            note="operations of the network alone, three passes for a training step; its maker's dense peak",
        )
    )
    if not on_gpu:
        found.append(
            Finding(
                claim="One thread of this processor, a tiny network, the largest batch",
                ours="; ".join(f"{task}: {rate} diffusers" for task, rate in told_rates.items()),
                verdict="shown",
                note="nearly all of it convolutions, in both; nothing about a GPU follows from it",
            )
        )
    return found


def _exceeds(more: xr.DataArray, less: xr.DataArray) -> bool:
    return _clearly(more / less - 1, MARGIN)


def _clearly(values: xr.DataArray, margin: float) -> bool:
    """Whether the mean exceeds a margin, and 0 beyond the seeds' noise where that is known."""
    return bool(values.mean() > margin) and (values.sizes["seed"] == 1 or above(values))
