"""What shows that modes are lost: variance, modal variance, recall."""

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import agreement, format_value, holds, join
from paper_scripts.mad2024.mad_14 import LABELS
from paper_scripts.style import BLUE, GREEN, RED, THEORY, band, legend_below
from simulations import mixture_modes

SOURCE = "MAD, Fig. 15"
CAPTION = (
    "The same loops. Dashed: exact means, of the variance for any mixture that keeps the moments "
    "of its training set, and of the surviving modes under Wright-Fisher drift. Grey: mean of many loops "
    "with observed labels, by their sufficient statistics, with two standard errors."
)

simulate = mixture_modes.run

COLOURS = {"warm 1": BLUE, "warm 2": "#56B4E9", "scratch": RED, "observed": GREEN}


def draw(data: xr.Dataset) -> Picture:
    """Draw Fig. 15: total variance, modal variance, recall and surviving modes per generation."""
    figure, ((total, modal), (recall, modes)) = plt.subplots(2, 2, figsize=(9.5, 6.4), sharex=True)
    for chain, label in LABELS.items():
        one, style = data.sel(chain=chain), {"color": COLOURS[chain], "linewidth": 1.0}
        total.plot(one["generation"], one["total_variance"], label=label, **style)
        modal.plot(one["generation"], one["modal_variance"], **style)
        recall.plot(one["compared"], one["recall"], marker="o", markersize=2.5, **style)
        modes.plot(one["generation"], one["surviving_modes"], drawstyle="steps-post", **style)
    average = {"color": "0.45", "linewidth": 1.4}
    for ax, name in ((total, "total_variance"), (modal, "modal_variance"), (modes, "surviving_modes")):
        mean, error = data[f"observed_{name}"], 2 * data[f"observed_{name}_error"]
        band(ax, data["generation"], mean, error, alpha=0.3, **average)
    total.plot([], [], label=f"labels observed: mean of {data.attrs['replicates']} loops", **average)
    total.plot(data["generation"], data["predicted_total_variance"], **THEORY, label="exact mean")
    modes.plot(data["generation"], data["predicted_surviving_modes"], **THEORY)
    total.set(title="(a) variance", ylabel="trace of the covariance", ylim=(0, None))
    modal.set(title="(b) average modal variance", ylabel="trace, mean over living modes", ylim=(0, None))
    recall.set(title=f"(c) recall, k = {data.attrs['k']}", ylim=(0, 1.03), xlabel="generation")
    modes.set(title="(d) surviving modes of 25", ylim=(0, 26), xlabel="generation")
    legend_below(figure, total, 3)
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge what variance, modal variance and recall show of the loss of modes."""
    last = int(data["generation"][-1])
    start, end = data["predicted_total_variance"].values[[0, -1]]
    worst = _largest_score(data, "total_variance")
    yield Finding(
        claim="Exact mean of the variance, any mixture with the moments of its training set: "
        f"{start:.3f} at generation 1, {end:.3f} at {last}",
        ours=f"{format_value(data.isel(generation=-1), 'observed_total_variance')} with observed labels; "
        f"largest abs(z) of all generations {worst:.1f}",
        verdict=agreement(worst),
        note="neighbouring generations are correlated",
    )
    worst = _largest_score(data, "surviving_modes")
    yield Finding(
        claim="Surviving modes follow Wright-Fisher drift at every generation",
        ours=f"observed labels: largest abs(z) {worst:.1f}",
        verdict=agreement(worst),
    )
    series = {name: _series(data, name) for name in ("total_variance", "modal_variance", "recall")}
    ends = {name: values[:, -1] for name, values in series.items()}
    rises = {name: (v - np.minimum.accumulate(v, axis=1)).max(1) for name, v in series.items()}
    faster = max(ends["modal_variance"].max(), ends["recall"].max()) < ends["total_variance"].min()
    smoother = max(rises["modal_variance"].max(), rises["recall"].max()) < rises["total_variance"].max()
    yield Finding(
        claim="MAD Fig. 15: the variance does not show the loss of modes smoothly, "
        "modal variance and recall do",
        ours=f"EM from the last model, what is left at generation {last} (largest rise on the way), "
        "in parts of generation 1: "
        + "; ".join(
            f"{name.replace('_', ' ')} {join('{:.2g}', ends[name])} ({join('{:.2g}', rises[name])})"
            for name in series
        ),
        verdict=holds(faster, smoother),
        note="recall is not smooth: a mode of k points or fewer has balls that reach the next mode, and "
        "cover real points in between",
    )
    for name, claim in (("modal_variance", "falls from 0.02"), ("recall", "falls")):
        both = {one["chain"].item(): one.values[[0, -1]] for one in data[name]}
        yield Finding(
            claim=f"MAD Fig. 15: {name.replace('_', ' ')} {claim}, by generation {last}",
            ours="; ".join(f"{chain}: {a:.3g} to {b:.3g}" for chain, (a, b) in both.items()),
            verdict=holds(all(b < a for a, b in both.values())),
        )
    scratch = data["modal_variance"].sel(chain="scratch")
    top = scratch.isel(generation=scratch.argmax("generation"))
    yield Finding(
        claim="EM from k-means in every generation: modal variance",
        ours=f"rises to {top.item():.3g} at generation {top['generation'].item()}",
        verdict="shown",
        note="where k-means misses a mode, one component covers two and joins them. MAD's axis "
        "ends at 0.02, so its EM seems to have found all modes",
    )


def _largest_score(data: xr.Dataset, name: str) -> float:
    """Return the standard errors between the loops with observed labels and theory, where loops differ."""
    gap, error = data[f"observed_{name}"] - data[f"predicted_{name}"], data[f"observed_{name}_error"]
    return float(abs(gap / error.where(error > 0)).max())


def _series(data: xr.Dataset, name: str) -> np.ndarray:
    """Return the values of EM from the last model, over those of generation 1, a row for each seed."""
    one = data[name].sel(chain=[chain for chain in data["chain"].values if chain.startswith("warm")])
    values = (one if name == "recall" else one.sel(generation=data["compared"].values)).values
    return values / values[:, :1]
