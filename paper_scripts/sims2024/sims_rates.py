"""At guidance 1 the fully synthetic loop has no drift, and twice the noise."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import agreement, format_value, largest, score
from paper_scripts.style import BLUE, GREEN, PINK, RED, THEORY
from simulations import self_improvement

SOURCE = "our own"
CAPTION = (
    "Growth of the log variance per generation for three ways of moving away from a self-trained "
    "model, and the variance that SIMS adds. Stars mark the guidance at which the collapse stops."
)

simulate = self_improvement.rates

SCHEMES = {
    "sims": ("SIMS: log-covariances", BLUE),
    "neon": ("Neon: covariances", RED),
    "clean_score": ("clean score: precisions", GREEN),
}


def draw(data: xr.Dataset) -> Picture:
    """Draw rate of collapse, and variance of the log volume, against guidance."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.0, 4.0))
    for scheme, (label, colour) in SCHEMES.items():
        critical = data[f"critical_{scheme}"].item()
        tail = f"w* = {critical:.3g}" if np.isfinite(critical) else "no w*"
        left.plot(data["fine"], data[f"curve_{scheme}"], "--", color=colour, label=f"{label}, {tail}")
        if np.isfinite(critical):
            left.plot(critical, 0, "*", markersize=13, color=colour, zorder=5)
    one = data.sel(dim=1)
    for name, mark, colour in (("rate", "o", BLUE), ("neon_rate", "s", RED)):
        dots = {"fmt": mark, "markersize": 4, "color": colour}
        label = f"measured, {'Neon' if mark == 's' else 'SIMS'}"
        left.errorbar(data["weight"], one[name], yerr=2 * one[f"{name}_error"], label=label, **dots)
    left.axhline(0, color="0.5", linewidth=0.8)
    left.set(title="(a) log variance, one dimension", ylabel="growth per generation")
    for dim, mark, colour in ((1, "o", BLUE), (2, "^", PINK)):
        one = data.sel(dim=dim)
        dots = {"fmt": mark, "markersize": 4, "color": colour, "label": f"SIMS, d = {dim}"}
        right.errorbar(data["weight"], one["growth"], yerr=2 * one["growth_error"], **dots)
        right.plot(data["weight"], one["predicted_growth"], **THEORY, label="exact" if dim == 1 else None)
    right.set(title="(b) what it costs: variance of the log volume", ylim=(0, None))
    right.set_ylabel("added per generation")
    for ax in (left, right):
        ax.set_xlabel(f"guidance w (n = {data.attrs['n']}, fully synthetic)")
        ax.legend(fontsize="small")
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge the rate's zero, and the price."""
    notes = {"rate": "zero exactly: proved", "growth": "twice that of the loop without guidance"}
    for name, what in (("rate", "Mean"), ("growth", "Variance")):
        worst, one = largest(score(data, name)), data.sel(dim=1, weight=1.0)
        yield Finding(
            claim=f"{what} of the log volume's step under SIMS, one and two dimensions; at w = 1, one "
            f"dimension: {one[f'predicted_{name}'].item():.4f}",
            ours=f"{format_value(one, name)}; largest abs(z) {worst:.1f}",
            verdict=agreement(worst),
            note=notes[name],
        )
    worst = largest(score(data, "neon_rate"))
    yield Finding(
        claim="Neon on the covariance never stops the collapse of unbiased fits; guiding the clean score "
        f"does, at w = {data['critical_clean_score'].item():.3f}",
        ours=f"measured rates of Neon fall with w; largest abs(z) {worst:.1f}",
        verdict=agreement(worst),
        note="Jensen's inequality: the noise of a covariance has no mean, that of its logarithm has",
    )
