"""Mixed labels with more inputs than points: the golden ratio for inputs that stay, and not for new ones."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import agreement, error_of, holds, largest, place_of_minimum, score
from paper_scripts.style import BLUE, DOTTED, THEORY, label_theory
from simulations import mixed_labels

SOURCE = "Garg, Bhattacharya and Sur 2025"
CAPTION = (
    "Excess risk of generation 20 by the weight w of new real labels, in 20 dimensions, with two standard "
    "errors; theory dashed; the dotted line is 1 / golden ratio, the triangle the minimum of theory."
)

simulate = mixed_labels.run


def draw(data: xr.Dataset) -> Picture:
    """Draw the risk by the weight, a panel per loop."""
    figure, axes = plt.subplots(1, data.sizes["loop"], figsize=(11, 3.3))
    for ax, name in zip(axes, data["loop"].values, strict=True):
        one = data.sel(loop=name)
        error = 2 * error_of(one, "risk")
        ax.errorbar(one["share"], one["risk"], error, fmt="o", markersize=3, color=BLUE, label="simulation")
        ax.plot(one["share"], one["predicted_risk"], **THEORY)
        ax.axvline(0.618, **DOTTED)
        ax.plot(one["best_share"], one["predicted_risk"].min(), "v", color="black")
        ax.set(title=name, xlabel="weight w of real labels")
    label_theory(axes[0], "exact mean")
    axes[0].set_ylabel("excess risk  [squared labels]")
    axes[0].legend()
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge the exact means, and the place of their minimum."""
    golden = (np.sqrt(5) - 1) / 2
    worst = largest(score(data, "risk"))
    yield Finding(
        "Our exact means of every loop and weight",
        f"largest abs(z) of {data['risk'].size} is {worst:.1f}",
        agreement(worst),
    )
    for name, what in (("least norm", "more inputs than rows"), ("least squares", "fewer")):
        where, exact = _minimum(data, name), data["best_share"].sel(loop=name).item()
        yield Finding(
            f"The best weight is 1 / golden ratio = {golden:.3f} ({what}: {name}, inputs that stay)",
            f"{where:.3f} simulated, {exact:.3f} exact",
            holds(abs(where - golden) < 0.05, abs(exact - golden) < 1e-6),
        )
    where, exact = _minimum(data, "ridge"), data["best_share"].sel(loop="ridge").item()
    yield Finding(
        "With a ridge the best weight is at least 1/2",
        f"{where:.3f} simulated, {exact:.3f} exact",
        holds(exact >= 0.5, where >= 0.5),
        "by the variance alone it is between 1/2 and 0.618; the bias moves it up",
    )
    exact = data["best_share"].sel(loop="least norm, new inputs").item()
    yield Finding(
        "Our own: with new inputs in every generation the golden ratio is not exact; the best weight "
        "depends on the signal",
        f"{_minimum(data, 'least norm, new inputs'):.3f} simulated, {exact:.3f} exact",
        "agrees" if abs(exact - golden) > 1e-3 else "disagrees",
        "which inputs the paper's theorem is for was not read",
    )


def _minimum(data: xr.Dataset, name: str) -> float:
    """Weight at which a smooth curve through the simulated risks is smallest."""
    return place_of_minimum(data["share"], data["risk"].sel(loop=name), 0.42, 0.82, 3)
