"""Iterative retraining of diffusions in the plane: Bertrand et al. 2024 (arXiv 2310.00429), Fig. 2.

Each generation continues the training of the last network, on the same 1,000 real points and on
``ratio * 1000`` synthetic ones of the last network. Eight Gaussians have a DDPM, two moons flow matching. The
paper shows pictures; here are numbers too. Its settings for them are not published: those of the eight
Gaussians (radius 2, standard deviation 0.02, chain of 100 steps, linear schedule, network of width 128 that
predicts the noise) are those of the DDPM package that it uses, those of the moons (three layers of 64) are
the usual ones of flow matching in the plane; the budgets are smaller, and the sets of real points too.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes, sources
from madtheory.sweeps import run_cells
from simulations._planar import planar_diffusion

N_REAL = 1000
RATIOS = (0.0, 0.1, 0.5, 1.0, 3.0, np.inf)  # synthetic points per real point; infinity: no real points
RADIUS = 0.2  # of a mode, ten of its standard deviations
PICTURED = 600  # points of a picture
NEIGHBOURED = 1000  # points of precision and recall


@dataclass(frozen=True)
class _Sizes:
    ratios: tuple[float, ...]
    generations: int
    seeds: int
    first: int  # steps of the training of generation 1, and of all others
    later: int
    judged: int
    shown: tuple[int, ...]


SIZES = {
    "eight Gaussians": {
        True: _Sizes((0.0, 0.5, np.inf), 5, 2, 1800, 200, 2000, (1, 2, 3, 5)),
        False: _Sizes(RATIOS, 13, 5, 5000, 400, 4000, (1, 2, 4, 8, 13)),
    },
    "two moons": {
        True: _Sizes((0.0, 0.5, np.inf), 5, 2, 1500, 200, 2000, (1, 2, 3, 5)),
        False: _Sizes(RATIOS, 13, 5, 2500, 300, 4000, (1, 2, 4, 8, 13)),
    },
}


def eight_gaussians(
    *, quick: bool = False, rng: int = 0, n_jobs: int = -1, folder: Path | None = None
) -> xr.Dataset:
    """Simulate the mixture.

    Returns
    -------
    Dataset
        By seed, ratio and generation: ``distance`` (sliced Wasserstein distance of order 1 to the truth),
        ``precision``, ``recall``, ``quality`` (share of the points within `RADIUS` of a centre), ``coverage``
        (share of the modes with a quarter or more of their points) and ``imbalance`` (total variation of the
        modes' shares). ``points`` of the first seed, by ratio and shown generation, and ``real_points``.
        ``floor`` is the distance of as many new real points.
    """
    return _run("eight Gaussians", quick, rng, n_jobs, folder)


def two_moons(
    *, quick: bool = False, rng: int = 0, n_jobs: int = -1, folder: Path | None = None
) -> xr.Dataset:
    """Simulate the moons: as `eight_gaussians`.

    ``quality`` is the share of points in the region of highest density that holds 99 % of the truth;
    ``coverage`` and ``imbalance`` are left out.
    """
    return _run("two moons", quick, rng, n_jobs, folder)


def _run(law: str, quick: bool, rng: int, n_jobs: int, folder: Path | None) -> xr.Dataset:
    sizes = SIZES[law][quick]
    cells = [{"law": law, "quick": quick, "seed": 1000 * rng + i} for i in range(sizes.seeds)]
    parts = run_cells(_cell, cells, store=folder, n_jobs=n_jobs, desc=law)
    pictures = ["points", "real_points"]
    data = xr.concat([part.drop_vars(pictures) for part in parts], "seed", join="exact")
    data = data.merge(parts[0][pictures])
    return data.assign_attrs(law=law, n_real=N_REAL, seeds=sizes.seeds, rng=rng, quick=int(quick))


def _cell(*, law: str, quick: bool, seed: int) -> xr.Dataset:
    """Simulate all loops of one seed, with common generation 1 and noise of the judged samples."""
    sizes = SIZES[law][quick]
    truth = sources.two_moons() if law == "two moons" else sources.eight_gaussians()
    judge = _Judge.of(truth, sizes.judged)
    shared = next(mad.iterate(_loop(truth, law, sizes, 1.0), rng=seed))
    shown: list[np.ndarray] = []
    rows: list[list[dict[str, float]]] = []
    for ratio in sizes.ratios:
        rows.append([])
        later = islice(mad.iterate(_loop(truth, law, sizes, ratio), previous=shared), sizes.generations - 1)
        for snapshot in (shared, *later):
            points = snapshot.model.sample(
                sizes.judged, rng=np.random.default_rng([seed, snapshot.generation])
            )
            rows[-1].append(judge(points))
            if snapshot.generation in sizes.shown:
                shown.append(points[:PICTURED])
    dims = ("ratio", "generation")
    data = xr.Dataset(
        {name: (dims, [[one[name] for one in row] for row in rows]) for name in rows[0][0]},
        {"ratio": list(sizes.ratios), "generation": np.arange(1, sizes.generations + 1)},
    ).assign_coords(shown=list(sizes.shown))
    pictures = np.reshape(shown, (len(sizes.ratios), len(sizes.shown), PICTURED, 2))
    data["points"] = (("ratio", "shown", "point", "axis"), pictures.astype(np.float32))
    data["real_points"] = (("point", "axis"), shared.training_set[:PICTURED].astype(np.float32))
    data["floor"] = judge(truth.sample(sizes.judged, rng=np.random.default_rng([seed, 0])))["distance"]
    return data


def _loop(truth: sources.Law, law: str, sizes: _Sizes, ratio: float) -> mad.Loop:
    if np.isinf(ratio):
        regime = regimes.replace(n=N_REAL)
    else:
        regime = regimes.augment(n_real=N_REAL, n_synthetic=round(ratio * N_REAL))
    return mad.Loop(
        real=truth,
        model=planar_diffusion(law, first=sizes.first, later=sizes.later),
        regime=regime,
        warm_start=True,
    )


@dataclass(frozen=True)
class _Judge:
    """Numbers of a set of points, against a fixed sample of the truth."""

    truth: sources.Law
    reference: np.ndarray
    log_density: float  # 99 % of the truth lie above it

    @classmethod
    def of(cls, truth: sources.Law, n: int) -> _Judge:
        reference = truth.sample(5 * n, rng=np.random.default_rng(0))
        return cls(truth, reference, float(np.quantile(truth.log_density(reference[:n]), 0.01)))

    def __call__(self, points: np.ndarray) -> dict[str, float]:
        precision, recall = metrics.precision_recall(
            real=self.reference[:NEIGHBOURED], fake=points[:NEIGHBOURED]
        )
        out = {
            "distance": metrics.sliced_wasserstein(real=self.reference, fake=points, order=1, projections=64),
            "precision": precision,
            "recall": recall,
        }
        if self.truth.centres is None:
            good = self.truth.log_density(points) >= self.log_density
            return out | {"quality": float(good.mean())}
        distance = np.linalg.norm(points[:, None] - self.truth.centres, axis=-1)
        mode = distance.argmin(1)[distance.min(1) < RADIUS]
        modes = len(self.truth.centres)
        shares = np.bincount(mode, minlength=modes) / len(points)
        fair = np.bincount(distance.argmin(1), minlength=modes) / len(points)
        return out | {
            "quality": len(mode) / len(points),
            "coverage": float((shares >= 0.25 / modes).mean()),
            "imbalance": float(np.abs(fair - 1 / modes).sum() / 2),
        }
