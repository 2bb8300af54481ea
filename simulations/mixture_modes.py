"""Modes lost in a mixture loop (MAD, Figs. 14-15): 25 Gaussians on a grid, fully synthetic, bias 1.

The 25-mode distribution of Che et al. 2020 (arXiv 2003.06060): means on the 5 x 5 unit grid, variance 0.01.
MAD gives no sample size and no start of EM. Here 10,000 points are trained on in each generation, and three
fits are compared:

- ``warm``: EM with full covariances, one step a generation, started from the model that drew the data,
  whose posteriors are exact (the first model starts from the truth);
- ``scratch``: EM from k-means in every generation, scikit-learn's defaults but for the ridge;
- ``observed``: labels observed, exact fits. Weights follow Wright-Fisher drift; many loops, by statistics.

The ridge that EM adds to variances is 1e-9: with scikit-learn's 1e-6 no mode would shrink below a variance
of about 1e-6 for each of its points.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from typing import Any

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes
from madtheory.models import Mixture
from madtheory.sweeps import run_cells
from madtheory.theory import categorical, kernel_density

SIDE, VARIANCE, RIDGE = 5, 0.01, 1e-9
MODES = SIDE**2
NEIGHBOURS = 5
CHAINS = (("scratch", 0), ("warm", 0), ("warm", 1), ("observed", 0))  # the longest first
EDGES = np.linspace(-2.6, 2.6, 157)


@dataclass(frozen=True)
class _Sizes:
    n: int
    generations: int
    replicates: int  # loops with observed labels
    judged: int  # points for recall, real and synthetic
    recalled: int  # so many generations
    shown: tuple[int, ...]


QUICK = _Sizes(1_000, 100, 100, 500, 8, (1, 30, 100))
FULL = _Sizes(10_000, 2_000, 400, 2_000, 32, (1, 200, 2_000))


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate and predict.

    Returns
    -------
    Dataset
        By chain and generation: ``total_variance``, ``modal_variance`` (trace of the covariance of the
        points of a mode, averaged over the modes that are left), ``surviving_modes``, and at some
        generations ``recall``, ``precision`` (k = 5) and ``density`` (share of points in each pixel). For
        many loops with observed labels: ``observed_*``, their mean, and ``observed_*_error``. Predictions:
        ``predicted_*``.
    """
    # Two figures are drawn from one run.
    return _run(QUICK if quick else FULL, bool(quick), rng, n_jobs).copy()


@lru_cache(maxsize=1)
def _run(sizes: _Sizes, quick: bool, rng: int, n_jobs: int) -> xr.Dataset:
    recalled = _recall_generations(sizes)
    part = partial(_part, sizes=sizes, recalled=recalled, rng=rng)
    cells = [{"kind": kind, "seed": seed} for kind, seed in (*CHAINS, ("drift", 0))]
    *chains, drift = run_cells(part, cells, n_jobs=n_jobs, desc="mixtures")
    kinds = [kind for kind, _ in CHAINS]
    names = [kind if kinds.count(kind) == 1 else f"{kind} {seed + 1}" for kind, seed in CHAINS]
    data = xr.concat(chains, xr.DataArray(names, dims="chain", name="chain"))
    data = data.merge(drift)
    predicted = {
        "total_variance": kernel_density.replace(
            n=sizes.n, bandwidth=np.sqrt(RIDGE), spectrum=np.linalg.eigvalsh(_real().covariance),
            generations=sizes.generations,
        )["total_variance"],
        "surviving_modes": categorical.support_size(
            n=sizes.n, probabilities=np.full(MODES, 1 / MODES), generations=sizes.generations
        ),
    }  # fmt: skip
    for name, values in predicted.items():
        data[f"predicted_{name}"] = ("generation", np.asarray(values), values.attrs)
    data.attrs.update(
        {
            "n": sizes.n,
            "k": NEIGHBOURS,
            "judged": sizes.judged,
            "ridge": RIDGE,
            "replicates": sizes.replicates,
            "seed": rng,
            "quick": int(quick),
        }
    )
    return data


def _real(labels: Any = "latent") -> Mixture:
    return Mixture.grid(SIDE, variance=VARIANCE, labels=labels)


def _loop(kind: str, n: int) -> mad.Loop:
    model = {
        "warm": Mixture.grid(SIDE, variance=VARIANCE, ridge=RIDGE, iterations=1),
        "scratch": Mixture(MODES, ridge=RIDGE),
        "observed": Mixture(MODES, labels="observed"),
    }[kind]
    real = _real("observed" if kind == "observed" else "latent")
    return mad.Loop(real=real, model=model, regime=regimes.replace(n=n), warm_start=kind == "warm")


def _recall_generations(sizes: _Sizes) -> set[int]:
    """Return the generations at which points are compared: even in the logarithm and even in time."""
    half = sizes.recalled // 2
    spread = [*np.geomspace(1, sizes.generations, half), *np.linspace(1, sizes.generations, half + 1)]
    return {round(float(t)) for t in spread} | set(sizes.shown)


def _generations(kind: str, seed: int, sizes: _Sizes, rng: int) -> Iterator[mad.Snapshot]:
    seeds = np.random.SeedSequence(rng, spawn_key=(seed, ("warm", "scratch", "observed").index(kind)))
    return islice(mad.iterate(_loop(kind, sizes.n), rng=seeds, method="samples"), sizes.generations)


def _part(kind: str, seed: int, *, sizes: _Sizes, recalled: set[int], rng: int) -> xr.Dataset:
    return _drift(sizes, rng) if kind == "drift" else _chain(kind, seed, sizes, recalled, rng)


def _chain(kind: str, seed: int, sizes: _Sizes, recalled: set[int], rng: int) -> xr.Dataset:
    """Simulate one loop by points: modes at every generation, comparison with real points at some."""
    reference = _real().sample(sizes.judged, rng=np.random.default_rng([rng, 1]))
    counted, compared, pictures = [], [], []
    for snapshot in _generations(kind, seed, sizes, rng):
        points, labels = np.split(snapshot.training_set, [2], axis=1)
        counted.append(_modes(points, labels))
        if snapshot.generation in recalled:
            drawn = np.random.default_rng([rng, 2, seed, snapshot.generation])
            fake = snapshot.model.sample(sizes.judged, rng=drawn)
            compared.append(metrics.precision_recall(real=reference, fake=fake[:, :2], k=NEIGHBOURS))
        if snapshot.generation in sizes.shown:
            pictures.append(np.histogram2d(*points.T, bins=EDGES)[0] / len(points))
    variance, modal, modes = np.transpose(counted)
    precision, recall = np.transpose(compared)
    return xr.Dataset(
        {
            "total_variance": ("generation", variance),
            "modal_variance": ("generation", modal),
            "surviving_modes": ("generation", modes),
            "precision": ("compared", precision),
            "recall": ("compared", recall),
            "density": (("shown", "x", "y"), np.array(pictures, dtype=np.float32)),
        },
        {
            "generation": np.arange(1, sizes.generations + 1),
            "compared": sorted(recalled),
            "shown": list(sizes.shown),
            "x": (EDGES[1:] + EDGES[:-1]) / 2,
            "y": (EDGES[1:] + EDGES[:-1]) / 2,
        },
    )


def _modes(points: np.ndarray, labels: np.ndarray) -> tuple[float, float, int]:
    """Return the total variance, average variance of the modes that hold points, and their number.

    Without labels (a column of them, or none) a point belongs to the nearest mode of the truth.
    """
    half = (SIDE - 1) / 2
    place = np.clip(np.rint(points + half), 0, SIDE - 1).astype(int)
    mode = labels[:, 0].astype(int) if labels.size else place @ [SIDE, 1]
    count = np.bincount(mode, minlength=MODES)
    alive = count > 0
    variance = np.zeros(MODES)
    for coordinate in points.T:
        mean = np.bincount(mode, coordinate, MODES) / np.maximum(count, 1)
        variance += np.bincount(mode, (coordinate - mean[mode]) ** 2, MODES) / np.maximum(count, 1)
    return float(points.var(0).sum()), float(variance[alive].mean()), int(alive.sum())


def _drift(sizes: _Sizes, rng: int) -> xr.Dataset:
    """Simulate many loops with observed labels, by their statistics."""

    def total_variance(snapshot: mad.Snapshot) -> Any:
        return metrics.total_variance(snapshot)

    def modal_variance(snapshot: mad.Snapshot) -> Any:
        model = snapshot.model
        within = np.trace(model.covariances, axis1=-2, axis2=-1)
        return (within * (model.weights > 0)).sum(-1) / (model.weights > 0).sum(-1)

    def surviving_modes(snapshot: mad.Snapshot) -> Any:
        return (snapshot.model.weights > 0).sum(-1)

    runs = mad.simulate(
        _loop("observed", sizes.n), sizes.generations, replicates=sizes.replicates, method="statistics",
        metrics=(total_variance, modal_variance, surviving_modes), progress=False,
        rng=np.random.SeedSequence(rng, spawn_key=(0, 3)),
    )  # fmt: skip
    mean, error = runs.mean("replicate"), runs.std("replicate", ddof=1) / np.sqrt(sizes.replicates)
    mean = mean.rename({name: f"observed_{name}" for name in mean})
    return mean.merge(error.rename({name: f"observed_{name}_error" for name in error})).drop_attrs()
