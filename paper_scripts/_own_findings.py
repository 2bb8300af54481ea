"""Findings of our own figures, read from the Dataset of each alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import xarray as xr

from paper_scripts._figure import Finding, Verdict, agreement, combine, no_more, with_error

__all__ = ["digits_findings", "lyapunov_findings", "variance_collapse_findings"]


def variance_collapse_findings(data: xr.Dataset) -> list[Finding]:
    """Quantiles against the exact law, the half-life, and what the mean hides."""
    last, loops = int(data["generation"][-1]), f"{data.attrs['replicates']:,} loops"
    score = (data["log_variance"] - data["predicted_log_variance"]) / data["log_variance_error"]
    found = []
    for bias in data["bias"].values:
        n = data["n"].values[0]
        one = data.sel(n=n, bias=bias, generation=last, quantile=0.5)
        z = score.sel(n=n, bias=bias, generation=last, quantile=0.5).item()
        value, error = one["log_variance"].item(), one["log_variance_error"].item()
        found.append(
            Finding(
                claim=f"Exact law: ln of the median of the variance at generation {last}, n = {n}, "
                f"bias {bias:g}, is {one['predicted_log_variance'].item():.3f}",
                ours=f"{with_error(value, error)} (z = {z:+.1f})",
                verdict=agreement(z),
            )
        )
    found.append(
        Finding(
            claim="Exact law: medians, 5 % and 95 % quantiles at every generation, n and bias",
            ours=f"largest abs(z) of {score.size:,} is {abs(score).max().item():.1f}",
            verdict=agreement(abs(score).max().item()),
            note="neighbouring generations are correlated",
        )
    )
    for n in data["n"].values:
        one = data.sel(n=n, bias=1.0)
        total, error = one["log_mean"][-1].item(), one["log_mean_error"][-1].item()
        z = (total - one["predicted_log_mean"][-1].item()) / error
        half_life = np.log(2) * last / -total
        found.append(
            Finding(
                claim=f"Typical half-life at bias 1, n = {n}: {one['predicted_half_life'].item():.2f} "
                f"generations exactly, (n - 1) ln 2 = {(n - 1) * np.log(2):.2f} to leading order",
                ours=f"{with_error(half_life, half_life * error / -total)} (z = {z:+.1f})",
                verdict=agreement(z),
            )
        )
    rare = data.sel(n=data["n"].values[0], bias=1.0, generation=last)
    found.append(
        Finding(
            claim=f"The mean misleads: at bias 1 it stays 1 for ever while every loop collapses "
            f"(n = {rare['n'].item()}, generation {last})",
            ours=f"average of {loops}: {np.exp(rare['log_average'].item()):.2g}, "
            f"{rare['largest_share'].item():.0%} of it from one loop; "
            f"median: {np.exp(rare['log_variance'].sel(quantile=0.5).item()):.2g}",
            verdict="shown",
            note="no standard error: at this generation it would itself be carried by single loops",
        )
    )
    return found


def lyapunov_findings(data: xr.Dataset) -> list[Finding]:
    """Rates of the directions, of the condition number, and how many directions are left."""
    score = (data["rate"] - data["predicted_rate"]) / data["rate_error"]
    found = [
        Finding(
            claim="Rate of eigenvalue j per generation: ln(2 / (n - 1)) + digamma((n - j) / 2), "
            f"j = 1 to {data.sizes['direction']}, n = {', '.join(map(str, data['n'].values))}",
            ours=f"largest abs(z) of {score.size} rates is {abs(score).max().item():.1f}",
            verdict=agreement(abs(score).max().item()),
        )
    ]
    for which, j in (("slowest", 0), ("fastest", -1)):
        one = data.sel(n=20).isel(direction=j)
        z = score.sel(n=20).isel(direction=j).item()
        found.append(
            Finding(
                claim=f"The {which} direction, n = 20: {one['predicted_rate'].item():.4f} per generation",
                ours=f"{with_error(one['rate'].item(), one['rate_error'].item())} (z = {z:+.1f})",
                verdict=agreement(z),
            )
        )
    for n in data["n"].values:
        one = data.sel(n=n)
        value, error = one["condition_rate"].item(), one["condition_rate_error"].item()
        z = (value - one["predicted_condition_rate"].item()) / error
        found.append(
            Finding(
                claim=f"ln of the condition number grows by {one['predicted_condition_rate'].item():.4f} "
                f"per generation, n = {n}",
                ours=f"{with_error(value, error)} (z = {z:+.1f})",
                verdict=agreement(z),
            )
        )
    one = data.sel(n=20, time=2.0)
    left = one["effective_directions"].sel(quantile=0.5).item()
    found.append(
        Finding(
            claim="The model collapses to one direction before it collapses to a point: directions left "
            f"(squared trace / trace of the square) of {data.attrs['dim']}, median over loops, n = 20, "
            f"generation {int(one['generation'])}",
            ours=with_error(left, one["median_error"].item()),
            verdict="shown",
        )
    )
    return found


def digits_findings(data: xr.Dataset) -> list[Finding]:
    """Exact means and bounds on real data, then MAD's statements about the three loops."""
    last = int(data["generation"][-1])
    found = []
    for name, words in (("total_variance", "total variance"), ("mean_error", "squared error of the mean")):
        score = (data[name] - data[f"predicted_{name}"]) / data[f"{name}_error"]
        one = data.sel(loop="augment", bias=0.9, generation=last)
        ours = with_error(one[name].item(), one[f"{name}_error"].item())
        found.append(
            Finding(
                claim=f"Exact mean of the {words}, for any real data; for example synthetic augmentation, "
                f"bias 0.9, generation {last}: {one[f'predicted_{name}'].item():.4f}",
                ours=f"{ours}; largest abs(z) of {score.size} is {abs(score).max().item():.1f}",
                verdict=agreement(abs(score).max().item()),
            )
        )
    found.append(_bounds(data))
    found += [_change(data, *statement) for statement in STATEMENTS]
    found.insert(-2, _faster(data))
    return found


def _rose(change: float, error: float, _: float) -> Verdict:
    return "reproduced" if change > 3 * error else "not reproduced"


def _fell(change: float, error: float, start: float) -> Verdict:
    return _rose(-change, error, start)


def _kept(change: float, error: float, start: float) -> Verdict:
    return _not_risen(-change, error, start)


def _not_risen(change: float, error: float, start: float) -> Verdict:
    return no_more(change, error, SAME * start, math.inf)


SAME = 0.05  # part of the first generation's value; a smaller change for the worse is none
STATEMENTS = (
    (
        "replace",
        1.0,
        "MAD, Figs. 4, 13 and 16: fully synthetic, bias 1: FID rises, precision and recall fall",
        {"wasserstein2_squared": _rose, "precision": _fell, "recall": _fell},
    ),
    (
        "replace",
        0.9,
        "MAD, Figs. 6 and 16: fully synthetic, bias < 1: FID rises, precision does not fall, recall falls",
        {"wasserstein2_squared": _rose, "precision": _kept, "recall": _fell},
    ),
    (
        "augment",
        1.0,
        "MAD, Figs. 8 and 9: synthetic augmentation, bias 1: FID rises, precision and recall fall",
        {"wasserstein2_squared": _rose, "precision": _fell, "recall": _fell},
        "as many real as synthetic points, and a Gaussian: W2² settles within a few generations",
    ),
    (
        "fresh",
        1.0,
        "MAD, section 5: with enough fresh real data, FID, precision and recall do not degrade",
        {"wasserstein2_squared": _not_risen, "precision": _kept, "recall": _kept},
    ),
)
"""Loop, bias, what MAD says, and what each measure must do from the first to the last generation."""


def _ends(data: xr.Dataset, loop: str, bias: float, name: str) -> tuple[xr.DataArray, xr.DataArray]:
    """Values of the first and the last generation, and their standard errors."""
    one = data.sel(loop=loop, bias=bias)
    dim = one[name].dims[0]
    return one[name].isel({dim: [0, -1]}), one[f"{name}_error"].isel({dim: [0, -1]})


def _change(
    data: xr.Dataset,
    loop: str,
    bias: float,
    claim: str,
    expected: dict[str, Callable[[float, float, float], Verdict]],
    note: str = "",
) -> Finding:
    """First and last generation of some measures, held against the direction that a paper says."""
    texts, holds = [], []
    for name, holds_at in expected.items():
        value, error = (x.values for x in _ends(data, loop, bias, name))
        # The two generations are independent at worst; they share the first fit, which only narrows it.
        holds.append(holds_at(value[1] - value[0], max(np.hypot(*error), 1e-12), value[0]))
        label = {"wasserstein2_squared": "W2²"}.get(name, name)
        texts.append(f"{label} {with_error(value[0], error[0])} → {with_error(value[1], error[1])}")
    if {_kept, _not_risen} & set(expected.values()):
        note = f"no change for the worse: the 95 % interval ends below {SAME:.0%} of generation 1"
    generations = f"generation {int(data['generation'][0])} → {int(data['generation'][-1])}"
    return Finding(claim=claim, ours=f"{generations}: {'; '.join(texts)}", verdict=combine(holds), note=note)


def _faster(data: xr.Dataset) -> Finding:
    """Recall falls faster with bias, at the same generation."""
    at = data.sel(loop="replace", shown=5)
    values, errors = at["recall"], at["recall_error"]
    low, high = values.sel(bias=0.9).item(), values.sel(bias=1.0).item()
    error = [errors.sel(bias=bias).item() for bias in (0.9, 1.0)]
    return Finding(
        claim="MAD, Fig. 6: the fully synthetic loop loses recall faster at bias < 1 than at bias 1",
        ours=f"generation {int(at['shown'])}: {with_error(low, error[0])} at bias 0.9, "
        f"{with_error(high, error[1])} at bias 1",
        verdict="reproduced" if (high - low) / max(np.hypot(*error), 1e-12) > 3 else "not reproduced",
    )


def _bounds(data: xr.Dataset) -> Finding:
    """Whether the squared distance lies between its bounds, within five standard errors."""
    value, error = data["wasserstein2_squared"], data["wasserstein2_squared_error"]
    below = (data["predicted_wasserstein2_squared_lower"] - value) / error
    above = ((value - data["predicted_wasserstein2_squared_upper"]) / error).sel(loop="replace")
    one = data.sel(loop="replace", bias=1.0).isel(generation=-1)
    low, high = (one[f"predicted_wasserstein2_squared_{side}"].item() for side in ("lower", "upper"))
    kept_below, kept_above = (below < 5).mean().item(), (above < 5).mean().item()
    inside = with_error(one["wasserstein2_squared"].item(), one["wasserstein2_squared_error"].item())
    return Finding(
        claim="W2² has no closed form for this truth, but a lower bound for any data and, in the fully "
        f"synthetic loop, an upper one for a Gaussian truth; there, at the end, {low:.2f} to {high:.2f}",
        ours=f"{inside}; within five standard errors of the lower bound or above it at {kept_below:.0%}, "
        f"of the upper or below it at {kept_above:.0%} of the generations",
        verdict=agreement(max(below.max().item(), above.max().item(), 0.0)),
    )
