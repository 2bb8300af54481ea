"""Findings about Bertrand et al. 2024, read from the Datasets alone."""

from __future__ import annotations

import numpy as np
import xarray as xr

from paper_scripts._figure import Finding, agreement, with_error

__all__ = ["contraction_findings", "loops_findings"]


def contraction_findings(data: xr.Dataset) -> list[Finding]:
    """The theorem's bound, the exact map, and what becomes of the threshold of one half."""
    gaussian, groups = data.sel(system="Gaussian"), data.sel(system="two groups")
    inside = data["ratio"] < gaussian["bound_threshold"].item()
    held = all(
        (data["mean_contraction"] - 5 * data["mean_contraction_error"] <= gaussian[name])[inside].all().item()
        and (data["misfit_contraction"] <= groups[name] * (1 + 1e-6)).all().item()
        for name in ("bound_at_ratio", "tight_bound_at_ratio", "spectral_bound_at_ratio")
    )
    found = [
        Finding(
            claim="Theorem 1: the contraction is at most λ(α + εL) / (α - λ(α + εL)): "
            + _listed(data["ratio"][inside], gaussian["bound_at_ratio"][inside]),
            ours=_measured(data.isel(ratio=inside.values)),
            verdict="reproduced" if held else "not reproduced",
            note="Gaussians, εL = 0; the bounds hold in both systems, at all ratios",
        )
    ]
    z = [
        (data[f"{name}_contraction"] - data["exact_contraction"]) / data[f"{name}_contraction_error"]
        for name in ("mean", "second_moment")
    ]
    worst = max(abs(values).max().item() for values in z)
    found.append(
        Finding(
            claim="Exact Gaussian map: mean and second moment contract by λ / (1 + λ): "
            + _listed(data["ratio"], data["exact_contraction"]),
            ours=f"{_measured(data)}; largest abs(z) of {2 * data.sizes['ratio']} is {worst:.1f}",
            verdict=agreement(worst),
            note=f"{data.attrs['n_real']:,} real points, {data.attrs['replicates']} loops, one generation",
        )
    )
    beyond = data.isel(ratio=~inside.values)
    found.append(
        Finding(
            claim="Theorem 1 promises stability for λ < 1/2 only (no misfit)",
            ours=f"stable far beyond: {_measured(beyond)}",
            verdict="shown",
            note="a sufficient condition: one half comes from a Neumann series about the real data alone",
        )
    )
    e = (groups["smoothness"] * groups["misfit"] / groups["curvature"]).item()
    last = data["curve"][-1].item()
    found.append(
        Finding(
            claim=f"Thresholds of a model with misfit, εL/α = {e:.3f}: Theorem 1 λ < "
            f"{groups['bound_threshold'].item():.3f}, Ferbach et al. λ < "
            f"{groups['tight_bound_threshold'].item():.3f}; the sharp bound (derived here) none",
            ours=f"contraction {groups['misfit_curve'].max().item():.4f} at λ = {last:g}: still stable",
            verdict="agrees" if groups["misfit_curve"].max().item() < 1 else "disagrees",
            note="εL < α, which the paper assumes for uniqueness, is enough for stability at every ratio; "
            "exact map of a logistic location family, no sampling",
        )
    )
    return found


def loops_findings(data: xr.Dataset) -> list[Finding]:
    """No blow-up with real data, at any ratio; collapse without."""
    last = data.isel(generation=-1)
    n, t = data.attrs["n_real"], int(last["generation"])
    found = []
    for name, what in (("rms_mean", "mean"), ("rms_variance", "variance")):
        # Generation 1 is the same for all ratios.
        z = ((data[name] - data[f"predicted_{name}"]) / data[f"{name}_error"]).transpose(
            "ratio", "generation"
        )
        worst = abs(z).max().item()
        growth = (last[name] / data[name].isel(generation=0)).max().item()
        shown = ", ".join(
            f"{with_error(last[name].sel(ratio=r).item(), last[f'{name}_error'].sel(ratio=r).item())}"
            for r in last["ratio"].values
        )
        found.append(
            Finding(
                claim=f"Real data keep the loop near the optimum (Theorem 2): root mean squared error of the "
                f"{what}, n = {n}, generation {t}, λ = {_numbers(last['ratio'])}, in theory "
                f"{', '.join(f'{x:.4f}' for x in last[f'predicted_{name}'].values)}",
                ours=f"{shown}; largest abs(z) over all generations is {worst:.1f}",
                verdict=agreement(worst),
                note=f"no blow-up: at most {growth:.2f} times generation 1, also for λ >= 1/2, of which the "
                "theorem says nothing; neighbouring generations are correlated",
            )
        )
    for name, claim in (
        ("mean_sd", "Proposition 1: without real data E σ falls like c4(n)^t"),
        ("median_variance", "Exact law: median variance without real data"),
    ):
        value, error = last[name].item(), last[f"{name}_error"].item()
        z = (value - last[f"predicted_{name}"].item()) / error
        found.append(
            Finding(
                claim=f"{claim}: {last[f'predicted_{name}'].item():.4f} at n = {n}, generation {t}",
                ours=f"{with_error(value, error)} (z = {z:+.1f})",
                verdict=agreement(z),
                note="the paper proves that some rate below 1 exists; c4 is it" if name == "mean_sd" else "",
            )
        )
    return found


def _numbers(values: xr.DataArray) -> str:
    return ", ".join(f"{x:g}" for x in values.values)


def _listed(ratios: xr.DataArray, values: xr.DataArray) -> str:
    return ", ".join(f"{y:.4f} (λ = {x:g})" for x, y in zip(ratios.values, values.values, strict=True))


def _measured(data: xr.Dataset) -> str:
    columns = (data["ratio"], data["mean_contraction"], data["mean_contraction_error"])
    rows = zip(*(np.asarray(column.values) for column in columns), strict=True)
    return ", ".join(f"{with_error(float(y), float(e))} (λ = {x:g})" for x, y, e in rows)
