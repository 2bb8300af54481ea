"""Samples of digits by generation, bias 1 (an analogue)."""

from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from paper_scripts.figure import Picture
from paper_scripts.mad2024.digits import SETTING, judge_merging as judge
from paper_scripts.style import show_digits
from simulations import network_digits

__all__ = ["judge"]
SOURCE = "MAD, Fig. 26, on other data"
NETWORKS = True
CAPTION = (
    SETTING + "Two samples of each class, one row for each generation; each column has the same noise "
    "in all of them. One seed; the numbers below are of all."
)

simulate = network_digits.run


def draw_bias(data: xr.Dataset, *, bias: float) -> Picture:
    """Draw two samples of each class, a row for every generation, with the same noise in all."""
    one = data.sel(shown_bias=bias)
    one = one.isel(point=np.argsort(one["label"].values, kind="stable"))
    generations = [str(t) for t in one["shown_generation"].values]
    figure, ax = plt.subplots(figsize=(7.6, 0.5 + 0.375 * len(generations)))
    columns = [str(label) if i % 2 == 0 else "" for i, label in enumerate(one["label"].values)]
    images = one["image"].transpose("shown_generation", "point", ...)
    show_digits(ax, images, 16, rows=generations, columns=columns)
    ax.set_ylabel("generation")
    return figure


draw = partial(draw_bias, bias=1.0)
