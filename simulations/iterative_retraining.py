"""Iterative retraining on real and synthetic data: contraction, finite samples, and no real data at all.

The loop of Bertrand et al. 2024 (arXiv 2310.00429): a fixed real set and a batch of the last model, lambda
synthetic points per real point. `contraction` measures one generation near the optimum, for Gaussians and for
a family that does not contain the law of the data, with the theorem's bound and tighter ones. `run` follows
loops of 100 real points for 100 generations, and the fully synthetic loop.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes
from madtheory.theory import stability
from simulations._location_family import SMOOTHNESS, LocationFamily, quantile_levels

RATIOS = (0.1, 0.3, 0.49, 1.0, 3.0, 10.0)
CURVE = tuple(np.geomspace(0.05, 20, 121).tolist())
LARGE = 1_000_000  # real points where a generation's contraction is measured
N_REAL = 100
LOOP_RATIOS = (0.0, 0.1, 0.5, 1.0, 3.0)
GENERATIONS = 100
REPLICATES = (400, 20_000)  # quick, and full size
BOUNDS = {
    "bound": stability.contraction_bound,
    "tight_bound": stability.tight_contraction_bound,
    "spectral_bound": stability.spectral_contraction_bound,
}
THRESHOLDS = {
    "bound": stability.threshold,
    "tight_bound": stability.tight_threshold,
    "spectral_bound": stability.spectral_threshold,
}


def contraction(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Measure the contraction of one generation at the optimum; `n_jobs` is not used (seconds).

    Returns
    -------
    Dataset
        ``mean_contraction`` and ``second_moment_contraction`` (ratio) of large Gaussian loops, with errors;
        ``exact_contraction``; ``misfit_contraction`` (ratio) of the family with a misfit, from its exact map;
        bounds (system, curve) and thresholds (system), and the constants they are made of.
    """
    replicates = 100 if quick else 1000
    measured = [
        measure_contraction(n_real=LARGE, synthetic_ratio=ratio, replicates=replicates, rng=rng, place=i)
        for i, ratio in enumerate(RATIOS)
    ]
    data = xr.concat(measured, "ratio", join="exact").assign_coords(ratio=list(RATIOS))
    family = two_groups()
    constants = {
        "curvature": [1.0, family.curvature],
        "smoothness": [0.0, SMOOTHNESS],
        "misfit": [0.0, family.misfit],
    }
    columns = {name: np.array(values)[:, None] for name, values in constants.items()}
    variables = {name: ("system", values) for name, values in constants.items()}
    curve = np.array(CURVE)
    for name, form in BOUNDS.items():
        values = form(synthetic_ratio=curve, **columns)
        variables[name] = (("system", "curve"), np.asarray(values), values.attrs)
        at = form(synthetic_ratio=np.array(RATIOS), **columns)
        variables[f"{name}_at_ratio"] = (("system", "ratio"), np.asarray(at), at.attrs)
        limit = THRESHOLDS[name](**{key: np.array(value) for key, value in constants.items()})
        variables[f"{name}_threshold"] = ("system", np.asarray(limit), limit.attrs)
    exact = stability.gaussian_contraction(synthetic_ratio=np.array(RATIOS))
    smooth = stability.gaussian_contraction(synthetic_ratio=curve)
    variables["exact_contraction"] = ("ratio", np.asarray(exact), exact.attrs)
    variables["exact_curve"] = ("curve", np.asarray(smooth), smooth.attrs)
    for name, dim, grid in (("misfit_contraction", "ratio", RATIOS), ("misfit_curve", "curve", CURVE)):
        variables[name] = (dim, [family.contraction(synthetic_ratio=ratio) for ratio in grid])
    coords = {"curve": curve, "system": ["Gaussian", "two groups"]}
    data = data.assign_coords(coords).assign(variables)
    data.attrs.update({"replicates": replicates, "n_real": LARGE, "seed": rng, "quick": int(quick)})
    return data


def two_groups(distance: float = 2.0, spread: float = 0.6) -> LocationFamily:
    """Return two normal groups of equal size, at plus and minus `distance`, as no logistic law is."""
    from scipy.special import ndtr

    grid = np.linspace(-distance - 12 * spread, distance + 12 * spread, 200_001)
    mass = (ndtr((grid - distance) / spread) + ndtr((grid + distance) / spread)) / 2
    kept = np.append(True, np.diff(mass) > 0)
    return LocationFamily(np.interp(quantile_levels()[0], mass[kept], grid[kept]))


def measure_contraction(
    *,
    n_real: int,
    synthetic_ratio: float,
    replicates: int,
    rng: int,
    place: int = 0,
    method: str | None = None,
) -> xr.Dataset:
    """Take large loops out of the optimum of their real set, and see how far one generation brings them back.

    The model's mean is moved by one standard deviation and its variance doubled. The second moment is taken
    about the real mean.
    """
    loop = mad.Loop(
        real=mad.Gaussian.standard(1), model=mad.Gaussian(ddof=0), regime=_augment(n_real, synthetic_ratio)
    )
    seed = np.random.SeedSequence(rng, spawn_key=(place,))
    at_rest = mad.start(loop, rng=seed, replicates=replicates, method=method)
    mean, variance = at_rest.model.mean, at_rest.model.scaled_factor**2
    moved = mad.Gaussian(mean + 1.0, 2 * variance, ddof=0)
    after = mad.step(loop, replace(at_rest, model=moved, models=(moved,))).model
    error = after.mean - mean
    second = (after.scaled_factor[..., 0] ** 2 + error**2 - variance[..., 0]) / (variance[..., 0] + 1.0)
    variables = {}
    for name, values in (("mean_contraction", error), ("second_moment_contraction", second)):
        variables[name] = ((), values.mean())
        variables[f"{name}_error"] = ((), values.std(ddof=1) / np.sqrt(replicates))
    return xr.Dataset(variables)


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate loops of 100 real points; `n_jobs` is not used, as the loops run as one array.

    Returns
    -------
    Dataset
        ``rms_mean`` and ``rms_variance`` (ratio, generation): root mean squares of the errors of mean and
        variance; ``median_variance`` and ``mean_sd`` (generation) of the fully synthetic loop; each with its
        standard error and prediction.
    """
    replicates = REPLICATES[0 if quick else 1]
    seeds = [np.random.SeedSequence(rng, spawn_key=(i,)) for i in range(2)]
    # One seed for all ratios: they share their real sets, and so the model of generation 1.
    parts = [
        loops_of(synthetic_ratio=ratio, generations=GENERATIONS, replicates=replicates, seed=seeds[0])
        for ratio in LOOP_RATIOS
    ]
    mixed = xr.concat(parts, "ratio", join="exact", combine_attrs="drop_conflicts")
    data = mixed.assign_coords(ratio=list(LOOP_RATIOS)).merge(_fully_synthetic(replicates, seeds[1]))
    data.attrs.update({"replicates": replicates, "n_real": N_REAL, "seed": rng, "quick": int(quick)})
    return data


def loops_of(
    *,
    synthetic_ratio: float,
    generations: int,
    replicates: int,
    seed: int | np.random.SeedSequence,
    n_real: int = N_REAL,
) -> xr.Dataset:
    """Simulate the errors of loops with one ratio."""
    loop = mad.Loop(
        real=mad.Gaussian.standard(1),
        model=mad.Gaussian(),
        regime=_augment(n_real, synthetic_ratio),
        warm_start=True,
    )
    kept = [metrics.total_variance, metrics.mean_error]
    simulated = mad.simulate(loop, generations, replicates=replicates, metrics=kept, rng=seed, progress=False)
    predicted = mad.predict(loop, generations)
    squares = {
        "rms_mean": (simulated["mean_error"], predicted["mean_error"]),
        "rms_variance": (
            (simulated["total_variance"] - 1) ** 2,
            predicted["total_variance_std"] ** 2 + (predicted["total_variance"] - 1) ** 2,
        ),
    }
    variables = {}
    for name, (square, expected) in squares.items():
        # Columns of equal numbers add up to equal bits only in this order of summation.
        rows = np.ascontiguousarray(square.transpose("generation", "replicate").values)
        rms = np.sqrt(rows.mean(1))
        error = rows.std(1, ddof=1) / np.sqrt(replicates) / (2 * rms)
        source = {"kind": "exact mean", "source": "root of the mean square that predict returns"}
        for key, values, attrs in (
            (name, rms, {}),
            (f"{name}_error", error, {}),
            (f"predicted_{name}", np.sqrt(expected.values), source),
        ):
            variables[key] = ("generation", values, attrs)
    return xr.Dataset(variables, {"generation": np.arange(1, generations + 1)}, attrs=simulated.attrs)


def _fully_synthetic(replicates: int, seed: np.random.SeedSequence) -> xr.Dataset:
    loop = mad.Loop(real=mad.Gaussian.standard(1), model=mad.Gaussian(), regime=regimes.replace(n=N_REAL))
    simulated = mad.simulate(
        loop, GENERATIONS, replicates=replicates, metrics=[metrics.total_variance], rng=seed, progress=False
    )
    variance = simulated["total_variance"].transpose("replicate", "generation").values
    law = [
        mad.theory.gaussian.variance_law(generation=t, n=N_REAL)
        for t in simulated["generation"].values.tolist()
    ]
    median = np.exp([float(one.log_ppf(0.5)) for one in law])
    density = (
        np.array([float(one.pdf_of_log(np.log(m))) for one, m in zip(law, median, strict=True)]) / median
    )
    sd = stability.collapse_of_sd(n=N_REAL, generations=GENERATIONS)
    spread = np.sqrt(variance)
    return xr.Dataset(
        {
            "median_variance": ("generation", np.median(variance, axis=0)),
            "median_variance_error": ("generation", 0.5 / np.sqrt(replicates) / density),
            "predicted_median_variance": (
                "generation",
                median,
                {"kind": law[0].kind, "source": law[0].source},
            ),
            "mean_sd": ("generation", spread.mean(0)),
            "mean_sd_error": ("generation", spread.std(0, ddof=1) / np.sqrt(replicates)),
            "predicted_mean_sd": ("generation", np.asarray(sd), sd.attrs),
        },
        {"generation": simulated["generation"].values},
    )


def _augment(n_real: int, synthetic_ratio: float) -> regimes.Regime:
    return regimes.augment(n_real=n_real, n_synthetic=_n_synthetic(n_real, synthetic_ratio))


def _n_synthetic(n_real: int, synthetic_ratio: float) -> int:
    """Return the paper's number of synthetic points, the integer part of lambda n (0.29 of 100 are 29)."""
    return int(synthetic_ratio * n_real * (1 + 1e-12))
