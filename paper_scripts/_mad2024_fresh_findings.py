"""Findings about MAD's loops with fresh digits, read from the Datasets alone."""

from __future__ import annotations

import numpy as np
import xarray as xr

from paper_scripts._figure import Finding, equivalence, no_more, with_error
from paper_scripts._mad2024_networks_findings import CLEAR, estimate, number, score, verdict

__all__ = ["admissible_findings", "limit_findings"]

NAMES = {"fid": "FID", "pixel_frechet": "Frechet distance of the pixels"}
LAST = 4  # generations that are averaged for a limit
SAME = 0.1  # limits are the same where they differ by less than this part of the difference at the start
FLAT = 0.01  # largest growth per generation of a distance that stays bounded


def limit_findings(data: xr.Dataset) -> list[Finding]:
    """Limits for two numbers of initial digits, and whether there are limits."""
    few, many = data["n_initial"].values
    found = []
    for name in ("fid", "pixel_frechet"):
        one = data[name]
        last = min(LAST, one.sizes["generation"] // 2)
        tails = one.isel(generation=slice(-last, None)).mean("generation")
        gap = tails.sel(n_initial=few, drop=True) - tails.sel(n_initial=many, drop=True)
        first = one.isel(generation=0, drop=True)
        begun = first.sel(n_initial=few, drop=True) - first.sel(n_initial=many, drop=True)
        apart, margin = abs(score(begun)) > CLEAR, SAME * abs(begun.mean().item())
        together = equivalence(*estimate(gap), margin, data.sizes["seed"])
        found.append(
            Finding(
                claim=f"Fig. 10 right: the limit does not depend on the initial number ({NAMES[name]})",
                ours=f"n_ini = {few}: {number(tails.sel(n_initial=few))}, {many}: "
                f"{number(tails.sel(n_initial=many))}; difference {number(gap)}, at generation 1 "
                f"{number(begun)}",
                verdict=together if apart else "not tested",
                note=f"mean of the last {last} generations, {data.sizes['seed']} seeds; no difference: its "
                f"95 % interval lies within ±{margin:.2g}, a tenth of that at generation 1",
            )
        )
    return [*found, _bounded(data)]


def _bounded(data: xr.Dataset) -> Finding:
    """Whether the distance still grows at the end."""
    one = data["fid"].mean("n_initial")
    last = min(LAST, one.sizes["generation"] - 1)
    tail = one.isel(generation=slice(-last, None))
    level = tail.mean("generation")
    times = tail["generation"] - tail["generation"].mean()
    rise = (tail * times).sum("generation") / (times**2).sum()
    mean, error = estimate(rise / level)
    return Finding(
        claim="With fresh data there is no MADness: the distance stays bounded",
        ours=f"FID {number(level)}, growing by {with_error(100 * mean, 100 * error)} % a generation in the "
        f"last {last}",
        verdict=no_more(mean, error, FLAT, data.sizes["seed"]),
        note=f"both initial numbers together; bounded: the 95 % interval ends below {FLAT:.0%}. "
        "The 897 digits repeat over the generations",
    )


def admissible_findings(data: xr.Dataset) -> list[Finding]:
    """How the effective size depends on the number of synthetic digits."""
    found = []
    for distance in data["distance"].values:
        one = data.sel(distance=distance)
        alone = one["alone"].mean("model").values
        falls = bool((np.diff(alone) < 0).all())
        note = "" if falls else "; the distance of real digits alone does not fall throughout"
        for bias in one["bias"].values:
            least = int(data["n_alone"].min())
            found.append(_threshold(one.sel(bias=bias), data.attrs["n_real"], least, NAMES[distance], note))
    return found


def _threshold(part: xr.Dataset, n_real: int, least: int, name: str, note: str) -> Finding:
    bias = part["bias"].item()
    ratio = part["effective_size"].values / n_real
    error = part["effective_size_error"].values / n_real
    # At an end of the curve of real digits alone resampling sees no error.
    error = np.maximum(error, 0.02 * ratio)
    listed = ", ".join(
        f"{n}: {with_error(r, e) if r * n_real > least else f'at most {r:g}'}"
        for n, r, e in zip(part["n_synthetic"].values, ratio, error, strict=True)
    )
    top = int(ratio.argmax())
    above = bool(ratio[top] - 1 > CLEAR * error[top])
    crossed = bool(1 - ratio[-1] > CLEAR * error[-1])
    count = f"{part.sizes['seed']} seeds{note}"
    if bias < 1:
        return Finding(
            claim=f"Figs. 11, 12: bias {bias:g}, n_e / n_r rises above 1, peaks, and falls below 1 ({name})",
            ours=f"by number of synthetic digits {listed}",
            verdict=verdict([above, top < len(ratio) - 1 and ratio[-1] < ratio[top], crossed]),
            note=f"{n_real} fresh real digits a generation; {count}",
        )
    return Finding(
        claim=f"Figs. 11, 12: without bias synthetic data always help, n_e / n_r above 1 ({name})",
        ours=f"by number of synthetic digits {listed}",
        verdict=verdict([bool(r - 1 > CLEAR * e) for r, e in zip(ratio, error, strict=True)]),
        note=f"a theorem for no network: each training adds an error of its own; {count}",
    )
