"""Real data: handwritten digits in the three loops."""

import math
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.lines import Line2D

from paper_scripts.figure import Finding, Findings, Picture, Verdict
from paper_scripts.findings import (
    agreement,
    combine,
    format_value,
    holds,
    largest,
    no_more,
    score,
    value_of,
)
from paper_scripts.style import BLUE, BOUND, GREEN, RED, THEORY, band, show_digits
from simulations import digits

SOURCE = "our own"
CAPTION = (
    "scikit-learn's 8 x 8 digits, one Gaussian per class, 100 real and 100 synthetic points per "
    "class and generation (fully synthetic: 100 synthetic). Samples are unbiased draws from the "
    "models, clipped to the grey scale. Curves are averages over classes and replicates, with "
    "bands of two standard errors; W2² compares Gaussians of the model's and the real moments "
    "(the Frechet distance, in pixels). Its bounds are dotted, in the colour of the loop; only "
    "the fully synthetic loop has an upper one."
)

simulate = digits.run

LOOPS = {"replace": "fully synthetic", "augment": "synthetic augmentation", "fresh": "fresh data"}
COLOURS = {"replace": RED, "augment": BLUE, "fresh": GREEN}
REAL = {"color": "0.6", "linewidth": 0.8}
W2 = "wasserstein2_squared"
SAME = 0.05  # part of the first generation's value; a smaller change for the worse is none
NO_WORSE = f"no change for the worse: the 95 % interval ends below {SAME:.0%} of generation 1"


def draw(data: xr.Dataset) -> Picture:
    """Draw sampled digits by loop, bias and generation; below them four measures with theory."""
    rows, columns = 1 + data.sizes["shown"], data.sizes["digit"] * data.sizes["sample"]
    pictures = data.sizes["bias"] * (3.4 * rows / columns + 0.4)
    figure = plt.figure(figsize=(11, pictures + 3.2))
    top, bottom = figure.subfigures(2, 1, height_ratios=(pictures, 3.2))
    _pictures(data, top)
    titles = {
        "total_variance": "total variance",
        W2: "squared Wasserstein-2 distance",
        "precision": f"precision (k = {data.attrs['k']})",
        "recall": f"recall (k = {data.attrs['k']})",
    }
    axes = dict(zip(titles, bottom.subplots(1, 4), strict=True))
    styles = dict(zip(data["bias"].values, ("-", "-."), strict=True))
    for variable, ax in axes.items():
        for loop in data["loop"].values:
            for bias, dash in styles.items():
                _measure(data.sel(loop=loop, bias=bias), variable, ax, COLOURS[loop], dash)
        ax.set_title(titles[variable])
        ax.set_xlabel("generation")
    axes["total_variance"].set_ylabel("squared intensity, per image")
    axes["total_variance"].axhline(data["real_total_variance"].item(), **REAL)
    axes[W2].set(yscale="log", ylabel="squared intensity")
    for variable in ("precision", "recall"):
        axes[variable].axhline(data[f"real_{variable}"].item(), **REAL)
        axes[variable].set_ylim(0, 1.03)
    handles = [Line2D([], [], color=COLOURS[loop], label=LOOPS[loop]) for loop in data["loop"].values]
    handles += [
        Line2D([], [], color="0.3", linestyle=dash, label=f"bias {bias:g}") for bias, dash in styles.items()
    ]
    handles += [
        Line2D([], [], **THEORY, label="exact mean"),
        Line2D([], [], **BOUND, label="bound"),
        Line2D([], [], **REAL, label="real images"),
    ]
    bottom.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _pictures(data: xr.Dataset, figure: SubFigure) -> None:
    grid = figure.subplots(data.sizes["bias"], data.sizes["loop"])
    for row, bias in zip(grid, data["bias"].values, strict=True):
        for ax, loop in zip(row, data["loop"].values, strict=True):
            synthetic = data["image"].sel(loop=loop, bias=bias)
            synthetic = synthetic.transpose("shown", "digit", "sample", "pixel").values
            labels = ["real", *(f"gen. {t}" for t in data["shown"].values)] if ax is row[0] else None
            show_digits(ax, np.concatenate([data["real_image"].values[None], synthetic]), rows=labels)
            ax.set_title(f"{LOOPS[loop]}, bias {bias:g}", color=COLOURS[loop])


def _measure(one: xr.Dataset, variable: str, ax: Axes, colour: str, dash: object) -> None:
    y = one[variable]
    x = y[y.dims[0]].values
    line = {"color": colour, "linestyle": dash, "marker": "o" if y.dims == ("shown",) else None}
    band(ax, x, y, 2 * one[f"{variable}_error"], markersize=3, **line)
    for name in (f"predicted_{variable}", f"predicted_{variable}_lower", f"predicted_{variable}_upper"):
        if name in one:
            bound = one[name].attrs["kind"] == "bound"
            how = BOUND | {"color": colour} if bound else THEORY
            ax.plot(one["generation"], one[name], **how)


def judge(data: xr.Dataset) -> Findings:
    """Judge exact means and bounds on real data, then MAD's statements about the three loops."""
    last = int(data["generation"][-1])
    for name, words in (("total_variance", "total variance"), ("mean_error", "squared error of the mean")):
        worst, one = largest(score(data, name)), data.sel(loop="augment", bias=0.9, generation=last)
        yield Finding(
            claim=f"Exact mean of the {words}, for any real data; for example synthetic augmentation, "
            f"bias 0.9, generation {last}: {one[f'predicted_{name}'].item():.4f}",
            ours=f"{format_value(one, name)}; largest abs(z) of {data[name].size} is {worst:.1f}",
            verdict=agreement(worst),
        )
    yield _judge_bounds(data)
    yield _judge_change(
        "MAD, Figs. 4, 13 and 16: fully synthetic, bias 1: FID rises, precision and recall fall",
        data.sel(loop="replace", bias=1.0),
        {W2: _judge_rise, "precision": _judge_fall, "recall": _judge_fall},
    )
    yield _judge_change(
        "MAD, Figs. 6 and 16: fully synthetic, bias < 1: FID rises, precision does not fall, recall falls",
        data.sel(loop="replace", bias=0.9),
        {W2: _judge_rise, "precision": _judge_no_fall, "recall": _judge_fall},
        NO_WORSE,
    )
    at = data.sel(loop="replace", shown=5)
    gap, error = (at.sel(bias=1.0) - at.sel(bias=0.9))["recall"].item(), np.hypot(*at["recall_error"].values)
    yield Finding(
        claim="MAD, Fig. 6: the fully synthetic loop loses recall faster at bias < 1 than at bias 1",
        ours=f"generation {int(at['shown'])}: {format_value(at.sel(bias=0.9), 'recall')} at bias 0.9, "
        f"{format_value(at.sel(bias=1.0), 'recall')} at bias 1",
        verdict=holds(gap / max(error, 1e-12) > 3),
    )
    yield _judge_change(
        "MAD, Figs. 8 and 9: synthetic augmentation, bias 1: FID rises, precision and recall fall",
        data.sel(loop="augment", bias=1.0),
        {W2: _judge_rise, "precision": _judge_fall, "recall": _judge_fall},
        "as many real as synthetic points, and a Gaussian: W2² settles within a few generations",
    )
    yield _judge_change(
        "MAD, section 5: with enough fresh real data, FID, precision and recall do not degrade",
        data.sel(loop="fresh", bias=1.0),
        {W2: _judge_no_rise, "precision": _judge_no_fall, "recall": _judge_no_fall},
        NO_WORSE,
    )


def _judge_rise(change: float, error: float, _: float) -> Verdict:
    return holds(change > 3 * error)


def _judge_fall(change: float, error: float, _: float) -> Verdict:
    return holds(-change > 3 * error)


def _judge_no_rise(change: float, error: float, start: float) -> Verdict:
    return no_more(change, error, SAME * start, math.inf)


def _judge_no_fall(change: float, error: float, start: float) -> Verdict:
    return _judge_no_rise(-change, error, start)


def _judge_change(
    claim: str, one: xr.Dataset, expected: dict[str, Callable[..., Verdict]], note: str = ""
) -> Finding:
    """Compare the first and last generation of some measures with the direction that a paper states."""
    texts, verdicts = [], []
    for name, judge_change in expected.items():
        ends = [one.isel({one[name].dims[0]: i}) for i in (0, -1)]
        (first, first_error), (last, last_error) = (value_of(end, name) for end in ends)
        # The two generations are independent at worst; they share the first fit, which only narrows it.
        verdicts.append(judge_change(last - first, max(np.hypot(first_error, last_error), 1e-12), first))
        label = "W2²" if name == W2 else name
        texts.append(f"{label} {' → '.join(format_value(end, name) for end in ends)}")
    generations = f"generation {int(one['generation'][0])} → {int(one['generation'][-1])}"
    return Finding(claim, f"{generations}: {'; '.join(texts)}", combine(verdicts), note)


def _judge_bounds(data: xr.Dataset) -> Finding:
    """Judge whether the squared distance lies between its bounds, within five standard errors."""
    value, error = data[W2], data[f"{W2}_error"]
    below = (data[f"predicted_{W2}_lower"] - value) / error
    above = ((value - data[f"predicted_{W2}_upper"]) / error).sel(loop="replace")
    one = data.sel(loop="replace", bias=1.0).isel(generation=-1)
    low, high = (one[f"predicted_{W2}_{side}"].item() for side in ("lower", "upper"))
    return Finding(
        claim="W2² has no closed form for this truth, but a lower bound for any data and, in the fully "
        f"synthetic loop, an upper one for a Gaussian truth; there, at the end, {low:.2f} to {high:.2f}",
        ours=f"{format_value(one, W2)}; within five standard errors of the lower bound or above it at "
        f"{(below < 5).mean().item():.0%}, of the upper or below it at {(above < 5).mean().item():.0%} of "
        "the generations",
        verdict=agreement(max(below.max().item(), above.max().item(), 0.0)),
    )
