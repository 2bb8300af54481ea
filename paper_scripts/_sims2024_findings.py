"""Findings about SIMS and Neon on Gaussians, read from the Datasets alone."""

from __future__ import annotations

import xarray as xr

from paper_scripts._figure import Finding, Verdict, agreement, with_error

__all__ = ["distance_findings", "loops_findings", "rates_findings"]


def distance_findings(data: xr.Dataset) -> list[Finding]:
    """What one generation gains, with an unbiased and with a biased sampler."""
    z = ((data["line"] - data["predicted_line"]) / data["line_error"]).values
    worst = abs(z).max().item()
    found = [
        Finding(
            claim="Exact mean squared W2 of SIMS in one dimension, at every guidance and bias",
            ours=f"largest abs(z) of {z.size} is {worst:.1f}",
            verdict=agreement(worst),
            note=f"{data.attrs['n']} real points, auxiliary on {data.attrs['n_auxiliary']}; all weights "
            "share their draws",
        )
    ]
    for bias in data["plane_bias"].values:
        told, gains = [], []
        for size in data["size"].values:
            for scheme in data["scheme"].values:
                one = data.sel(plane_bias=bias, size=size, scheme=scheme)
                gain = (one["plane"].min() / one["plane"].sel(weight=0.0)).item()
                gains.append(gain)
                best = one["best_plane"].item()
                told.append(f"{scheme}, n = {size}: {gain:.2f} of the base at w = {best:g}")
        ours = f"{'; '.join(told)} (sampler's bias {bias:g})"
        if bias < 1:
            made = Finding(
                claim="SIMS and Neon improve a base whose sampler is too narrow",
                ours=ours,
                verdict=_verdict(max(gains), min(gains)),
                note="by as much as the bias stands out of the sampling noise; image models have one too",
            )
        else:
            made = Finding(
                claim="An unbiased sampler leaves (almost) nothing to improve",
                ours=ours,
                verdict="agrees" if min(gains) > 0.8 else "disagrees",
                note="the error of a fit is sampling noise, which the auxiliary does not know",
            )
        found.append(made)
    return found


def _verdict(most: float, least: float) -> Verdict:
    if most < 0.9:
        return "reproduced"
    return "partly reproduced" if least < 0.9 else "not reproduced"


def loops_findings(data: xr.Dataset) -> list[Finding]:
    """Whether the augmentation loop stays sane, and the exact volume of the fully synthetic one."""
    found = [
        _sanity(data.sel(regime="augment", bias=bias, size=size))
        for bias in data["bias"].values
        for size in data["size"].values
    ]
    one = data.sel(regime="replace")
    z = (one["log_volume"] - one["predicted_log_volume"]) / one["log_volume_error"]
    worst = abs(z).max().item()
    last = one.sel(weight=1.0).isel(generation=-1)
    shown = ", ".join(
        with_error(cell["log_volume"].item(), cell["log_volume_error"].item())
        for bias in data["bias"].values
        for cell in (last.sel(bias=bias, size=size) for size in data["size"].values)
    )
    found.append(
        Finding(
            claim="The fully synthetic loop has no drift at w = 1, whatever n, dimension and bias",
            ours=f"mean log volume at generation {int(last['generation'])}: {shown}; "
            f"largest abs(z), all weights: {worst:.1f}",
            verdict=agreement(worst),
            note="of the log volume, which is a random walk; the mean wanders, and distances grow",
        )
    )
    return found


def _sanity(one: xr.Dataset) -> Finding:
    """One augmentation loop: is it better with SIMS, and for which guidance does it stay near its start?"""
    last, start = one.isel(generation=-1), one["median"].sel(weight=0.0).isel(generation=0).item()
    weights, ends = one["weight"].values.tolist(), last["median"].values.tolist()
    best = ends.index(min(ends))
    sane = [f"{w:g}" for w, end in zip(weights, ends, strict=True) if end < 5 * start]
    shown = ", ".join(f"{end:.3g} (w = {w:g})" for w, end in zip(weights, ends, strict=True))
    helped = ends[best] < 0.9 * ends[weights.index(0.0)]
    return Finding(
        claim=f"SIMS keeps the augmentation loop sane: n = {one['size'].item()} real points, sampler's bias "
        f"{one['bias'].item():g}",
        ours=f"median relative squared W2 at generation {int(last['generation'])}: {shown}; generation 1 of "
        f"the base: {start:.3g}",
        verdict="reproduced" if helped else "partly reproduced",
        note=f"smallest at w = {weights[best]:g}; within five times generation 1 for w = "
        f"{', '.join(sane) or 'none'}{'' if helped else '; SIMS gains nothing here'}; the mean variance is "
        f"bounded for w < {one['stable_weight'].item():.2f} (exact, one dimension)",
    )


def rates_findings(data: xr.Dataset) -> list[Finding]:
    """The rate's zero, and the price."""
    found = []
    notes = {"rate": "zero exactly: proved", "growth": "twice that of the loop without guidance"}
    for name, what in (("rate", "Mean"), ("growth", "Variance")):
        worst = abs((data[name] - data[f"predicted_{name}"]) / data[f"{name}_error"]).max().item()
        one = data.sel(dim=1, weight=1.0)
        found.append(
            Finding(
                claim=f"{what} of the log volume's step under SIMS, one and two dimensions; at w = 1, one "
                f"dimension: {one[f'predicted_{name}'].item():.4f}",
                ours=f"{with_error(one[name].item(), one[f'{name}_error'].item())}; "
                f"largest abs(z) {worst:.1f}",
                verdict=agreement(worst),
                note=notes[name],
            )
        )
    z = (data["neon_rate"] - data["predicted_neon_rate"]) / data["neon_rate_error"]
    worst = abs(z).max().item()
    found.append(
        Finding(
            claim="Neon on the covariance never stops the collapse of unbiased fits; guiding the clean score "
            f"does, at w = {data['critical_clean_score'].item():.3f}",
            ours=f"measured rates of Neon fall with w; largest abs(z) {worst:.1f}",
            verdict=agreement(worst),
            note="Jensen's inequality: the noise of a covariance has no mean, that of its logarithm has",
        )
    )
    return found
