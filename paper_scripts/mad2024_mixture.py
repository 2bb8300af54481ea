"""Figs. 14-15 of "Self-Consuming Generative Models Go MAD": modes lost in a mixture loop."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure as Picture

from paper_scripts._figure import Figure, Finding, agreement, with_error
from simulations import mixture_modes

__all__ = ["FIGURES"]

THEORY = {"color": "black", "linestyle": "--", "linewidth": 1.1, "zorder": 4}
COLOURS = {"warm 1": "#0072B2", "warm 2": "#56B4E9", "scratch": "#D55E00", "observed": "#009E73"}
LABELS = {
    "warm 1": "EM from the last model, seed 1",
    "warm 2": "EM from the last model, seed 2",
    "scratch": "EM from k-means",
    "observed": "labels observed",
}


def densities(data: xr.Dataset) -> Picture:
    """Fig. 14: share of points in each pixel, a row for each way to fit, a column for each generation."""
    rows = ("warm 1", "scratch", "observed")
    figure, axes = plt.subplots(len(rows), data.sizes["shown"], figsize=(8.2, 8.0), sharex=True, sharey=True)
    edge = float(data["x"][-1] + data["x"][0]), float(data["x"][-1])
    extent = (-edge[1], edge[1], -edge[1], edge[1])
    lowest = 1 / data.attrs["n"]
    for line, chain in zip(axes, rows, strict=True):
        for ax, generation in zip(line, data["shown"].values, strict=True):
            one = data.sel(chain=chain)
            density = one["density"].sel(shown=generation).values
            image = ax.imshow(
                np.ma.masked_equal(density.T, 0), origin="lower", extent=extent, cmap="viridis",
                norm=LogNorm(lowest, 1e3 * lowest), interpolation="nearest",
            )  # fmt: skip
            modes = int(one["surviving_modes"].sel(generation=generation))
            ax.set_title(f"t = {generation}: {modes} modes", fontsize=9)
            ax.set(xticks=range(-2, 3), yticks=range(-2, 3))
            ax.grid(visible=False)
        line[0].set_ylabel(LABELS[chain].removesuffix(", seed 1"))
    figure.colorbar(image, ax=axes, label="share of the points in a pixel", shrink=0.5)
    return figure


def trajectories(data: xr.Dataset) -> Picture:
    """Fig. 15: total variance, modal variance, recall and surviving modes per generation."""
    figure, ((total, modal), (recall, modes)) = plt.subplots(2, 2, figsize=(9.5, 6.4), sharex=True)
    for chain, label in LABELS.items():
        one, style = data.sel(chain=chain), {"color": COLOURS[chain], "linewidth": 1.0}
        total.plot(one["generation"], one["total_variance"], label=label, **style)
        modal.plot(one["generation"], one["modal_variance"], **style)
        recall.plot(one["compared"], one["recall"], marker="o", markersize=2.5, **style)
        modes.plot(one["generation"], one["surviving_modes"], drawstyle="steps-post", **style)
    average = {"color": "0.45", "linewidth": 1.4}
    for ax, name in ((total, "total_variance"), (modal, "modal_variance"), (modes, "surviving_modes")):
        _band(ax, data, name, **average)
    total.plot([], [], label=f"labels observed: mean of {data.attrs['replicates']} loops", **average)
    total.plot(data["generation"], data["predicted_total_variance"], **THEORY, label="exact mean")
    modes.plot(data["generation"], data["predicted_surviving_modes"], **THEORY)
    total.set(title="(a) variance", ylabel="trace of the covariance", ylim=(0, None))
    modal.set(title="(b) average modal variance", ylabel="trace, mean over living modes", ylim=(0, None))
    recall.set(title=f"(c) recall, k = {data.attrs['k']}", ylim=(0, 1.03), xlabel="generation")
    modes.set(title="(d) surviving modes of 25", ylim=(0, 26), xlabel="generation")
    handles, labels = total.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _band(ax: Axes, data: xr.Dataset, name: str, **line: object) -> None:
    """Mean of the loops with observed labels, with two standard errors."""
    mean, error = data[f"observed_{name}"].values, 2 * data[f"observed_{name}_error"].values
    ax.fill_between(data["generation"], mean - error, mean + error, color="0.45", alpha=0.3, linewidth=0)
    ax.plot(data["generation"], mean, **line)


def _z(data: xr.Dataset, name: str) -> np.ndarray:
    """Standard errors between the loops with observed labels and theory, where loops differ."""
    gap = data[f"observed_{name}"] - data[f"predicted_{name}"]
    error = data[f"observed_{name}_error"].values
    return (gap.values / np.where(error > 0, error, np.inf))[error > 0]


def density_findings(data: xr.Dataset) -> list[Finding]:
    """How many modes are left at the generations that the paper shows."""
    shown = data["shown"].values
    alive = data["surviving_modes"].sel(generation=shown)
    fell = bool((alive[:, -1] < alive[:, 0]).all() and (alive.diff("generation") <= 0).all())
    found = [
        Finding(
            claim=f"MAD Fig. 14: modes are progressively lost, at generations {', '.join(map(str, shown))}",
            ours="; ".join(
                f"{chain}: {', '.join(f'{k:.0f}' for k in alive.sel(chain=chain).values)}"
                for chain in data["chain"].values
            ),
            verdict="reproduced" if fell else "not reproduced",
            note=f"modes that hold a point; {data.attrs['n']:,} points, which the paper does not state",
        )
    ]
    for generation in shown[1:]:
        one = data.sel(generation=generation)
        expected, mean = (one[f"{x}_surviving_modes"].item() for x in ("predicted", "observed"))
        error = one["observed_surviving_modes_error"].item()
        z = (mean - expected) / error if error > 0 else 0.0
        spread = error * np.sqrt(data.attrs["replicates"])
        found.append(
            Finding(
                claim=f"Wright-Fisher drift: {expected:.2f} of 25 modes are left at generation {generation}",
                ours=f"{with_error(mean, error)} with observed labels (z = {z:+.1f})",
                verdict=agreement(z),
                note=f"standard deviation of one loop: {spread:.2f}",
            )
        )
        warm = [c for c in data["chain"].values if str(c).startswith("warm")]
        left = one["surviving_modes"].sel(chain=warm).mean().item()
        error = spread / np.sqrt(len(warm))
        z = (left - expected) / error if error > 0 else 0.0
        found.append(
            Finding(
                claim=f"EM from the last model drifts as with observed labels, generation {generation}",
                ours=f"{with_error(left, error)} modes, mean of {len(warm)} seeds (z = {z:+.1f})",
                verdict=agreement(z),
                note="standard error from the loops with observed labels",
            )
        )
    return found


def trajectory_findings(data: xr.Dataset) -> list[Finding]:
    """What variance, modal variance and recall tell of the loss of modes."""
    last = int(data["generation"][-1])
    z = _z(data, "total_variance")
    modes = _z(data, "surviving_modes")
    warm = [str(chain) for chain in data["chain"].values if str(chain).startswith("warm")]
    start, end = (data["predicted_total_variance"].values[i] for i in (0, -1))
    found = [
        Finding(
            claim="Exact mean of the variance, any mixture with the moments of its training set: "
            f"{start:.3f} at generation 1, {end:.3f} at {last}",
            ours=f"{_observed(data, 'total_variance')} with observed labels; "
            f"largest abs(z) of all generations {np.abs(z).max():.1f}",
            verdict=agreement(np.abs(z).max()),
            note="neighbouring generations are correlated",
        ),
        Finding(
            claim="Surviving modes follow Wright-Fisher drift at every generation",
            ours=f"observed labels: largest abs(z) {np.abs(modes).max():.1f}",
            verdict=agreement(np.abs(modes).max()),
        ),
    ]
    names = ("total_variance", "modal_variance", "recall")
    ends, rises = ({name: f(data, name, warm) for name in names} for f in (_left, _rise))
    faster = max(ends["modal_variance"].max(), ends["recall"].max()) < ends["total_variance"].min()
    smoother = max(rises["modal_variance"].max(), rises["recall"].max()) < rises["total_variance"].max()
    found.append(
        Finding(
            claim="MAD Fig. 15: the variance does not show the loss of modes smoothly, "
            "modal variance and recall do",
            ours=f"EM from the last model, what is left at generation {last} (largest rise on the way), "
            "in parts of generation 1: "
            + "; ".join(
                f"{name.replace('_', ' ')} {', '.join(f'{v:.2g}' for v in ends[name])} "
                f"({', '.join(f'{v:.2g}' for v in rises[name])})"
                for name in ends
            ),
            verdict=("not reproduced", "partly reproduced", "reproduced")[int(faster) + int(smoother)],
            note="recall is not smooth: a mode of k points or fewer has balls that reach the next mode, and "
            "cover real points in between",
        )
    )
    for name, claim in (("modal_variance", "falls from 0.02"), ("recall", "falls")):
        both = {str(c): _first_last(data, name, str(c)) for c in data["chain"].values}
        fell = all(b < a for a, b in both.values())
        found.append(
            Finding(
                claim=f"MAD Fig. 15: {name.replace('_', ' ')} {claim}, by generation {last}",
                ours="; ".join(f"{c}: {a:.3g} to {b:.3g}" for c, (a, b) in both.items()),
                verdict="reproduced" if fell else "not reproduced",
            )
        )
    scratch = data["modal_variance"].sel(chain="scratch")
    top = int(np.argmax(scratch.values))
    found.append(
        Finding(
            claim="EM from k-means in every generation: modal variance",
            ours=f"rises to {scratch[top].item():.3g} at generation {scratch['generation'][top].item()}",
            verdict="shown",
            note="where k-means misses a mode, one component covers two and joins them. MAD's axis "
            "ends at 0.02, so its EM seems to have found all modes",
        )
    )
    return found


def _first_last(data: xr.Dataset, name: str, chain: str) -> tuple[float, float]:
    one = data[name].sel(chain=chain)
    return float(one[0]), float(one[-1])


def _series(data: xr.Dataset, name: str, chains: list[str]) -> np.ndarray:
    """Values of each chain at the generations where points are compared, in parts of generation 1."""
    one = data[name].sel(chain=chains)
    values = (one if name == "recall" else one.sel(generation=data["compared"].values)).values
    return np.asarray(values / values[:, :1])


def _left(data: xr.Dataset, name: str, chains: list[str]) -> np.ndarray:
    return np.asarray(_series(data, name, chains)[:, -1])


def _rise(data: xr.Dataset, name: str, chains: list[str]) -> np.ndarray:
    """Largest rise above an earlier value."""
    values = _series(data, name, chains)
    return np.asarray((values - np.minimum.accumulate(values, axis=1)).max(1))


def _observed(data: xr.Dataset, name: str) -> str:
    mean, error = (data[f"observed_{name}{tail}"].values[-1] for tail in ("", "_error"))
    return with_error(float(mean), float(error))


FIGURES = (
    Figure(
        name="mad_14",
        title="A mixture loop loses its modes",
        source="MAD, Fig. 14",
        simulation=mixture_modes.run,
        draw=densities,
        findings=density_findings,
        caption="Fully synthetic loop of a mixture of 25 Gaussians on the 25-mode grid (means on the 5 x 5 "
        "unit grid, variance 0.01), bias 1. Points of the training sets; lost modes are those without a "
        "point. The paper gives neither the number of points nor the start of EM.",
    ),
    Figure(
        name="mad_15",
        title="What shows that modes are lost: variance, modal variance, recall",
        source="MAD, Fig. 15",
        simulation=mixture_modes.run,
        draw=trajectories,
        findings=trajectory_findings,
        caption="The same loops. Dashed: exact means, of the variance for any mixture that keeps the moments "
        "of its training set, and of the surviving modes under Wright-Fisher drift. Grey: mean of many loops "
        "with observed labels, by their sufficient statistics, with two standard errors.",
    ),
)
