"""Lines, bands and colours that figures share."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture, SubFigure

from madtheory.plotting import BOUND, THEORY
from paper_scripts.findings import error_of, mean_and_error

__all__ = ["BOUND", "THEORY"]

BLUE, RED, GREEN, PINK, YELLOW = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"
COLOURS = (BLUE, RED, GREEN, PINK, YELLOW)
DOTTED: dict[str, Any] = {"color": "0.45", "linestyle": ":", "linewidth": 1.1, "zorder": 1}


def gradient(n: int, end: float = 0.8, name: str = "viridis") -> np.ndarray:
    """Return the colours from dark to light, shape (n, 4); without the palest, which are lost on white."""
    return plt.get_cmap(name)(np.linspace(0, end, n))


def band(ax: Axes, x: Any, y: Any, error: Any, *, alpha: float = 0.22, **line: Any) -> None:
    """Draw a line, with a band of `error` on both sides."""
    (drawn,) = ax.plot(x, y, **line)
    ax.fill_between(x, y - error, y + error, color=drawn.get_color(), alpha=alpha, linewidth=0)


def draw_variable(ax: Axes, one: xr.Dataset, name: str, *, theory: bool = True, **line: Any) -> None:
    """Draw a variable by generation with two standard errors, and what theory predicts for it."""
    band(ax, one["generation"], one[name], 2 * error_of(one, name), **line)
    if theory:
        ax.plot(one["generation"], one[f"predicted_{name}"], **THEORY)


def seed_band(ax: Axes, x: Any, values: xr.DataArray, *, alpha: float = 0.2, **line: Any) -> None:
    """Draw the mean over the seeds, with a band of two standard errors where there are several."""
    (drawn,) = ax.plot(x, values.mean("seed"), **line)
    if values.sizes["seed"] > 1:
        mean, error = mean_and_error(values)
        low, high = mean - 2 * error, mean + 2 * error
        ax.fill_between(x, low, high, color=drawn.get_color(), alpha=alpha, linewidth=0)


def draw_runs(ax: Axes, values: xr.DataArray, *, color: str, label: str) -> None:
    """Draw each seed thinly, and their mean with a band of two standard errors."""
    for one in values.transpose("seed", "generation").values:
        ax.plot(values["generation"], one, color=color, linewidth=0.5, alpha=0.35)
    seed_band(ax, values["generation"], values, alpha=0.22, color=color, label=label)


def label_theory(ax: Axes, label: str = "theory") -> None:
    """Put the line of theory into the legend."""
    ax.plot([], [], label=label, **THEORY)


def legend_below(figure: Picture | SubFigure, ax: Axes, columns: int | None = None, **keywords: Any) -> None:
    """Draw the legend of one of the panels below all of them."""
    handles, labels = ax.get_legend_handles_labels()
    keywords = {"loc": "outside lower center", "ncols": columns or len(labels), **keywords}
    figure.legend(handles, labels, **keywords)


def show_digits(ax: Axes, images: Any, top: int = 255, **keywords: Any) -> None:
    """Draw 8 x 8 digits, a row for each of the first axis."""
    from madtheory import plotting

    plotting.sample_grid(
        np.reshape(np.asarray(images), (len(images), -1, 8, 8)), limits=(0, top), ax=ax, **keywords
    )
