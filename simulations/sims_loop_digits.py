"""Many generations of diffusions of digits, with SIMS and without it.

An analogue of SIMS (Alemohammad et al. 2024, arXiv 2408.16333), section 4.2, for more than two generations: a
fully synthetic loop, and one with fixed real images next to the synthetic ones of the last generation. Every
generation is trained from scratch. What the next one trains on comes from the guided model; the set S of its
auxiliary comes from the base. SIMS chooses its w anew every generation, by FID to the real training half.
Loops of one seed share their first base, and the noise of the samples that are judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import regimes, sources
from madtheory.models import SIMS, Tuned
from madtheory.sweeps import run_cells
from simulations._pictures import grey
from simulations._sims_digits import JUDGED, Images, Judge, diffusion

LOOPS = ("fully synthetic", "synthetic augmentation")
GENERATORS = ("plain", "SIMS")
GRID = (0.0, 1.0, 1.5, 2.0, 3.0)
N = 897  # real images, and synthetic ones of each generation


@dataclass(frozen=True)
class _Sizes:
    seeds: int
    generations: int
    hidden: tuple[int, ...]
    images: int
    n_auxiliary: int
    budget: int
    grid: tuple[float, ...]
    rate: float = 2e-4


SIZES = {
    True: _Sizes(2, 3, (128, 128, 128), 25_000, 1000, 8192, GRID[::2]),
    False: _Sizes(5, 8, (256, 256, 256), 100_000, 5000, 65_536, GRID),
}


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1, folder: Path | None = None) -> xr.Dataset:
    """Simulate.

    Returns
    -------
    Dataset
        By seed, loop, generator and generation: ``fid``, ``precision``, ``recall`` of the samples that the
        next generation would train on, against the half held out, and ``guidance``, the w in use; the
        digits ``images`` of the first seed's last generation, and ``floor``, the FID of the real training
        half.
    """
    sizes = SIZES[quick]
    seeds = range(sizes.seeds)
    cells = [
        {"quick": quick, "seed": 1000 * rng + i, "loop": loop, "generator": generator}
        for i in seeds
        for loop in LOOPS
        for generator in GENERATORS
    ]
    parts = iter(run_cells(_cell, cells, store=folder, n_jobs=n_jobs, desc="loops with SIMS"))
    nested = [[[next(parts) for _ in GENERATORS] for _ in LOOPS] for _ in seeds]
    data = xr.combine_nested(nested, ["seed", "loop", "generator"], join="exact")
    data = data.transpose("seed", "loop", "generator", ...).assign_coords(
        seed=list(seeds), loop=list(LOOPS), generator=list(GENERATORS)
    )
    data["images"] = data["images"].isel(seed=0)
    data["floor"] = Judge.of_digits()(sources.digits("train").points)["fid"]
    return data.assign_attrs(
        seeds=sizes.seeds, images_seen=sizes.images, n_auxiliary=sizes.n_auxiliary, budget=sizes.budget,
        learning_rate=sizes.rate, n_real=N, judged=JUDGED, rng=rng, quick=int(quick),
    )  # fmt: skip


def _cell(*, quick: bool, seed: int, loop: str, generator: str) -> xr.Dataset:
    sizes, judge = SIZES[quick], Judge.of_digits()
    augmented = regimes.augment(n_real=N, n_synthetic=N)
    regime = regimes.replace(n=N) if loop == "fully synthetic" else augmented
    made = mad.Loop(real=Images.train(), model=_model(generator, sizes, judge), regime=regime)
    rows = []
    for snapshot in islice(mad.iterate(made, rng=seed), sizes.generations):
        # The same noise in every loop and generation: what differs is the model.
        points = snapshot.model.sample(JUDGED, rng=np.random.default_rng([seed, 9]))
        rows.append({**judge(points), "guidance": _guidance(snapshot.model)})
    data = xr.Dataset(
        {name: ("generation", [row[name] for row in rows]) for name in rows[0]},
        {"generation": np.arange(1, sizes.generations + 1)},
    )
    shown = points[np.argsort(points[:, -1], kind="stable")][:: JUDGED // 10][:10, :64]
    data["images"] = (("digit", "pixel"), grey(shown))
    return data


def _model(generator: str, sizes: _Sizes, judge: Judge) -> Any:
    base = diffusion(sizes.images, hidden=sizes.hidden)
    if generator == "plain":
        return base
    improved = SIMS(base, 0.0, n_auxiliary=sizes.n_auxiliary, budget=sizes.budget, learning_rate=sizes.rate)
    return Tuned(improved, metric=judge.choice, grid=sizes.grid, n=JUDGED)


def _guidance(model: Any) -> float:
    return model.improved.guidance if isinstance(model, Tuned) else 0.0
