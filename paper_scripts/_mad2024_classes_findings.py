"""Findings about the classes of digits in MAD's fully synthetic loop, read from the Datasets alone."""

from __future__ import annotations

import xarray as xr

from paper_scripts._figure import Finding
from paper_scripts._mad2024_networks_findings import CLEAR, change, number, score, seeds, verdict

__all__ = ["collapsing_findings", "merging_findings"]

KEPT = 0.9  # what "kept" means: at least this share of generation 1


def merging_findings(data: xr.Dataset) -> list[Finding]:
    """Bias 1: classes drift and merge (MAD's Figs. 5 and 26)."""
    last, ratio = data["generation"][-1].item(), _ratios(data.sel(bias=1.0))
    lost = score(ratio["accuracy"] - KEPT) < -CLEAR
    return [
        Finding(
            claim="Figs. 5, 26: at bias 1 the classes drift and merge, and become illegible",
            ours=f"generation {last} over generation 1: {_spelled(ratio)}",
            verdict=verdict([score(ratio["between_variance"] - 1) < -CLEAR, lost]),
            note=f"illegible means a share below {KEPT:g} of the first; {seeds(data)}"
            + ("" if lost else ". The classes come nearer, and narrow at least as fast: they stay apart"),
        )
    ]


def collapsing_findings(data: xr.Dataset) -> list[Finding]:
    """Bias 0.8: each class collapses, and stays legible (MAD's Figs. 7 and 27)."""
    one = data.sel(bias=0.8)
    last, ratio = data["generation"][-1].item(), _ratios(one)
    kept = [score(ratio[name] - KEPT) > CLEAR for name in ("between_variance", "accuracy")]
    precision = change(data, "precision", 0.8)
    return [
        Finding(
            claim="Figs. 7, 27: at bias 0.8 each class collapses onto itself, and stays apart and legible",
            ours=f"generation {last} over generation 1: {_spelled(ratio)}",
            verdict=verdict([score(ratio["within_variance"] - 1) < -CLEAR, *kept]),
            note=f"kept means a ratio above {KEPT:g}; {seeds(data)}",
        ),
        Finding(
            claim="Fig. 7: the collapse happens within the real support",
            ours=f"precision at generation {last} {number(one['precision'].isel(generation=-1))}, its change "
            f"{number(precision)}",
            verdict=verdict([score(one["precision"].isel(generation=-1) - KEPT) > CLEAR]),
            note=f"support by the 5 nearest neighbours, in features; within means a precision above {KEPT:g}",
        ),
    ]


def _ratios(one: xr.Dataset) -> dict[str, xr.DataArray]:
    """What is left of generation 1 in the last, by seed."""
    names = ("within_variance", "between_variance", "accuracy")
    return {n: one[n].isel(generation=-1, drop=True) / one[n].isel(generation=0, drop=True) for n in names}


def _spelled(ratio: dict[str, xr.DataArray]) -> str:
    within, between, accuracy = map(number, ratio.values())
    return f"variance within classes {within}, between them {between}, share in the intended class {accuracy}"
