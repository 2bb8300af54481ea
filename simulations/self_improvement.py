"""Negative guidance by a self-trained model: one generation, loops of a hundred, and rates of collapse.

SIMS (Alemohammad et al. 2024, arXiv 2408.16333) and Neon (2025, arXiv 2510.03597) for Gaussians. Truth in two
dimensions: N(0, [[2, 1], [1, 2]]), 1000 real points, the toy of the second paper, and 20. `distance` improves
one model, whose sampler may be biased; `run` follows augmentation loops and fully synthetic loops with
and without SIMS; `rates` measures how fast the fully synthetic loop collapses.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes
from madtheory.models import SIMS, Neon
from madtheory.theory import guidance as theory

TRUTH = ((2.0, 1.0), (1.0, 2.0))
SIZES = (1000, 20)
WEIGHTS = (0.0, 0.5, 1.0, 2.0)
LOOP_BIASES = (1.0, 0.9)
BIASES = (1.0, 0.9, 0.8)
GRID = tuple(np.linspace(-1.0, 2.5, 29).tolist())
RATE_WEIGHTS = (-1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
N_RATE = 50
N_ONE, N_AUXILIARY = 50, 1000
GENERATIONS = (40, 100)  # of the loops; quick, and full size
REPLICATES = (60, 600)


def distance(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate one model, its auxiliary, and the sampled law; `n_jobs` is not used (seconds).

    All weights act on the same models and auxiliaries.

    Returns
    -------
    Dataset
        ``line`` (bias, weight): mean W2 squared of samples of SIMS in one dimension, its error, and the exact
        ``predicted_line``; ``plane`` (size, bias, scheme, weight): the same in two, for SIMS and Neon;
        ``best_line`` and ``best_plane``, the weights of the smallest values.
    """
    replicates = 2000 if quick else 50_000
    grid = GRID[::2] if quick else GRID
    seed = np.random.SeedSequence(rng).spawn(1 + len(SIZES))
    line = [_improve(1, N_ONE, N_AUXILIARY, bias, SIMS, grid, replicates, seed[0]) for bias in BIASES]
    exact = [
        [
            float(theory.sims_distance(guidance=w, n=N_ONE, n_auxiliary=N_AUXILIARY, sampling_bias=bias))
            for w in grid
        ]
        for bias in BIASES
    ]
    fewer = max(replicates // 20, 100)
    plane = [
        [
            [
                _improve(2, n, max(10 * n, 1000), bias, scheme, grid, fewer, seed[1 + i])
                for scheme in (SIMS, Neon)
            ]
            for bias in BIASES[::2]
        ]
        for i, n in enumerate(SIZES)
    ]
    flat, deep = np.array(line), np.array(plane)
    axes, deep_axes = ("bias", "weight"), ("size", "plane_bias", "scheme", "weight")
    weight = np.array(grid)
    variables = {
        "line": (axes, flat[..., 0, :]),
        "line_error": (axes, flat[..., 1, :]),
        "predicted_line": (axes, exact, {"kind": "exact mean", "source": "madtheory.theory.guidance"}),
        "plane": (deep_axes, deep[..., 0, :]),
        "plane_error": (deep_axes, deep[..., 1, :]),
        "best_line": ("bias", weight[np.argmin(exact, axis=-1)]),
        "best_plane": (deep_axes[:-1], weight[deep[..., 0, :].argmin(-1)]),
    }
    coords = {
        "weight": weight, "bias": list(BIASES), "plane_bias": list(BIASES[::2]), "size": list(SIZES),
        "scheme": ["SIMS", "Neon"],
    }  # fmt: skip
    attrs = {
        "replicates": replicates,
        "n": N_ONE,
        "n_auxiliary": N_AUXILIARY,
        "seed": rng,
        "quick": int(quick),
    }
    return xr.Dataset(variables, coords, attrs=attrs)


def _improve(
    dim: int,
    n: int,
    n_auxiliary: int,
    bias: float,
    scheme: Any,
    grid: tuple[float, ...],
    replicates: int,
    seed: np.random.SeedSequence,
) -> tuple[list[float], list[float]]:
    """Return the mean W2 squared between truth and samples of an improved model, with its error."""
    truth = _truth(dim)
    means, errors = [], []
    for w in grid:
        model = scheme(mad.Gaussian(), w, n_auxiliary=n_auxiliary, auxiliary_bias=bias)
        loop = mad.Loop(real=truth, model=model, regime=regimes.replace(n=n))
        one = mad.start(loop, rng=seed, replicates=replicates)
        values = metrics.wasserstein2_squared(_with_sampling_law(one, bias))
        means.append(float(values.mean()))
        errors.append(float(values.std(ddof=1) / np.sqrt(replicates)))
    return means, errors


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate a hundred generations; `n_jobs` is not used, as the loops run as one array.

    The law of the samples is judged, bias included. Auxiliaries are trained on samples of the same bias.

    Returns
    -------
    Dataset
        Over (regime, bias, size, weight, generation): median, mean, 5 and 95 % quantiles of W2 squared over
        the trace of the truth; ``log_volume`` (mean, with its error) over that of the truth, and its exact
        prediction in the fully synthetic loop; ``stable_weight`` (bias, size): in one dimension, exact.
    """
    replicates, generations = (pair[0 if quick else 1] for pair in (REPLICATES, GENERATIONS))
    kept = tuple(sorted({1, 2, 3, 5, 7, *range(10, generations + 1, 5)}))
    seeds = np.random.SeedSequence(rng).spawn(2 * len(SIZES))
    settings: dict[str, Any] = {"replicates": replicates, "record": kept}
    parts = [
        [
            [
                [
                    loops_of(regime=name, n=n, weight=w, bias=bias, seed=seeds[2 * i + j], **settings)
                    for w in WEIGHTS
                ]
                for i, n in enumerate(SIZES)
            ]
            for bias in LOOP_BIASES
        ]
        for j, name in enumerate(("augment", "replace"))
    ]
    dims = ["regime", "bias", "size", "weight"]
    data = xr.combine_nested(parts, dims, join="exact", combine_attrs="drop_conflicts")
    stable = [
        [float(theory.largest_stable_guidance(n_synthetic=n, n_real=n, n_auxiliary=n, bias=b)) for n in SIZES]
        for b in LOOP_BIASES
    ]
    data = data.assign_coords(
        regime=["augment", "replace"], bias=list(LOOP_BIASES), size=list(SIZES), weight=list(WEIGHTS)
    ).transpose(*dims, "generation")
    data = data.assign(stable_weight=(("bias", "size"), stable, {"kind": "exact mean"}))
    data.attrs.update({"replicates": replicates, "seed": rng, "quick": int(quick)})
    return data


def loops_of(
    *,
    regime: str,
    n: int,
    weight: float,
    replicates: int,
    record: tuple[int, ...],
    seed: int | np.random.SeedSequence,
    bias: float = 1.0,
    dim: int = 2,
) -> xr.Dataset:
    """Simulate loops of n real and n synthetic points, or of n synthetic ones, and auxiliaries of n."""
    truth = _truth(dim)
    which = regimes.replace(n=n) if regime == "replace" else regimes.augment(n_real=n, n_synthetic=n)
    model = SIMS(mad.Gaussian(), weight, n_auxiliary=n, auxiliary_bias=bias)
    loop = mad.Loop(real=truth, model=model, regime=which, bias=bias)

    def sampled_w2(snapshot: mad.Snapshot) -> Any:
        return metrics.wasserstein2_squared(_with_sampling_law(snapshot, bias))

    simulated = mad.simulate(
        loop,
        max(record),
        replicates=replicates,
        metrics=[sampled_w2, metrics.log_volume],
        rng=seed,
        record=record,
        progress=False,
    )
    w2, volume = (
        simulated[name].transpose("replicate", "generation").values for name in ("sampled_w2", "log_volume")
    )
    w2 = w2 / np.trace(truth.covariance)
    shift = dim * np.log(bias)
    volume = volume - truth.log_volume + shift
    low, middle, high = np.quantile(w2, [0.05, 0.5, 0.95], axis=0)
    predicted = np.full(len(record), np.nan)
    if regime == "replace":
        each = float(theory.rate(guidance=weight, n=n, dim=dim, bias=bias))
        first = float(theory.rate(guidance=weight, n=n, dim=dim, auxiliary_bias=bias))
        predicted = shift + first + each * (np.array(record) - 1)
    variables = {
        "median": middle,
        "low": low,
        "high": high,
        "mean": w2.mean(0),
        "log_volume": volume.mean(0),
        "log_volume_error": volume.std(0, ddof=1) / np.sqrt(replicates),
        "predicted_log_volume": predicted,
    }
    return xr.Dataset(
        {key: ("generation", values) for key, values in variables.items()}, {"generation": list(record)}
    )


def _with_sampling_law(snapshot: mad.Snapshot, bias: float) -> mad.Snapshot:
    """Return the snapshot of a model that is the law of the samples."""
    if bias == 1:
        return snapshot
    law = mad.Gaussian(snapshot.model.mean, bias * snapshot.model.covariance)
    return replace(snapshot, model=law)


def rates(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Measure rates of the fully synthetic loop; `n_jobs` is not used, as this takes seconds.

    Returns
    -------
    Dataset
        ``rate`` and ``growth`` (dim, weight): mean and variance of the log volume's change per generation
        under SIMS, with errors and predictions; ``neon_rate`` (weight) likewise, where no law is lost;
        ``curve_<scheme>`` (fine): exact rates of the three schemes; ``critical_<scheme>``.
    """
    replicates = 400 if quick else 10_000
    generations = 11
    seeds = np.random.SeedSequence(rng).spawn(3)
    measured = [
        [_rate(SIMS, w, dim, replicates, generations, seeds[dim]) for w in RATE_WEIGHTS] for dim in (1, 2)
    ]
    none = (np.nan,) * 4
    neon = [_rate(Neon, w, 1, replicates, generations, seeds[0]) if w <= 0.5 else none for w in RATE_WEIGHTS]
    values, of_neon = np.array(measured), np.array(neon)
    predicted = [[float(theory.rate(guidance=w, dim=d, n=N_RATE)) for w in RATE_WEIGHTS] for d in (1, 2)]
    growth = [
        [float(theory.log_variance_growth(guidance=w, dim=d, n=N_RATE)) for w in RATE_WEIGHTS] for d in (1, 2)
    ]
    fine = np.linspace(-1.0, 1.5, 51)
    both = ("dim", "weight")
    variables: dict[str, Any] = {
        name: (both, values[..., k])
        for k, name in enumerate(("rate", "rate_error", "growth", "growth_error"))
    }
    variables |= {
        "predicted_rate": (both, predicted, {"kind": "almost-sure rate"}),
        "predicted_growth": (both, growth, {"kind": "exact mean"}),
        "neon_rate": ("weight", of_neon[:, 0]),
        "neon_rate_error": ("weight", of_neon[:, 1]),
        "predicted_neon_rate": (
            "weight",
            [float(theory.rate(guidance=w, scheme="neon", n=N_RATE)) for w in RATE_WEIGHTS],
            {"kind": "numerical"},
        ),
    }
    for scheme in ("sims", "neon", "clean_score"):
        kind = {"kind": "almost-sure rate" if scheme == "sims" else "numerical"}
        curve = [float(theory.rate(guidance=w, scheme=scheme, n=N_RATE)) for w in fine]
        variables[f"curve_{scheme}"] = ("fine", curve, kind)
        variables[f"critical_{scheme}"] = ((), float(theory.critical_guidance(scheme=scheme, n=N_RATE)), kind)
    coords = {"dim": [1, 2], "weight": list(RATE_WEIGHTS), "fine": fine}
    attrs = {"replicates": replicates, "n": N_RATE, "seed": rng, "quick": int(quick)}
    return xr.Dataset(variables, coords, attrs=attrs)


def _rate(
    scheme: Any, weight: float, dim: int, replicates: int, generations: int, seed: np.random.SeedSequence
) -> tuple[float, float, float, float]:
    model = scheme(mad.Gaussian(), weight, n_auxiliary=N_RATE)
    loop = mad.Loop(real=_truth(dim), model=model, regime=regimes.replace(n=N_RATE))
    data = mad.simulate(
        loop, generations, replicates=replicates, metrics=[metrics.log_volume], rng=seed, progress=False
    )
    steps = np.diff(data["log_volume"].transpose("replicate", "generation").values, axis=-1).ravel()
    square = (steps - steps.mean()) ** 2
    root = np.sqrt(steps.size)
    return (
        float(steps.mean()),
        float(steps.std(ddof=1) / root),
        float(steps.var(ddof=1)),
        float(square.std(ddof=1) / root),
    )


def _truth(dim: int) -> mad.Gaussian:
    return mad.Gaussian.standard(1) if dim == 1 else mad.Gaussian([0.0, 0.0], TRUTH)
