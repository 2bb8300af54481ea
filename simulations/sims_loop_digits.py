"""Many generations of diffusions of digits, with SIMS and without it.

An analogue of SIMS (Alemohammad et al. 2024, arXiv 2408.16333), section 4.2, for more than two generations: a
fully synthetic loop, and one with fixed real images beside the synthetic ones of the last generation. Every
generation is trained from scratch. What the next one trains on comes from the guided model; the set S of its
auxiliary comes from the base. SIMS has w = 1, or chooses w anew every generation by FID to the real training
half. Loops of one seed share their first base and the noise of the samples that are judged.
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
from madtheory.models.guided import SIMS
from madtheory.models.selection import Tuned
from simulations._cells import run_cells
from simulations._sims_digits import JUDGED, Images, Judge, diffusion

__all__ = ["LOOPS", "PLAIN", "run"]

LOOPS = {
    "fully synthetic": ("plain", "SIMS, w = 1", "SIMS, w chosen"),
    "synthetic augmentation": ("plain", "SIMS, w = 1", "SIMS, w chosen"),
}
PLAIN = "plain"
GRID = (0.0, 0.5, 1.0, 1.5, 2.0)
N = 897  # real images, and synthetic ones of each generation


@dataclass(frozen=True)
class _Sizes:
    seeds: int
    generations: int
    images: int
    n_auxiliary: int
    budget: int
    rate: float = 2e-4


SIZES = {True: _Sizes(2, 3, 20_000, 1000, 8192), False: _Sizes(5, 8, 100_000, 6000, 65_536)}


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
    cells = [
        {"quick": quick, "seed": 1000 * rng + i, "loop": loop, "generator": generator}
        for i in range(sizes.seeds)
        for loop, generators in LOOPS.items()
        for generator in generators
    ]
    parts = run_cells(_cell, cells, folder=folder, n_jobs=n_jobs, progress="loops with SIMS")
    rows = []
    for i in range(sizes.seeds):
        per = len(cells) // sizes.seeds
        seed = parts[i * per : (i + 1) * per]
        width = len(LOOPS[next(iter(LOOPS))])
        loops = [xr.concat(seed[k : k + width], "generator") for k in range(0, per, width)]
        rows.append(xr.concat(loops, "loop"))
    data = xr.concat(rows, "seed").assign_coords(
        loop=list(LOOPS), generator=list(LOOPS["fully synthetic"]), seed=np.arange(sizes.seeds)
    )
    data["images"] = data["images"].isel(seed=0)
    data["floor"] = Judge.of_digits()(sources.digits("train").points)["fid"]
    return data.assign_attrs(
        seeds=sizes.seeds, images_seen=sizes.images, n_auxiliary=sizes.n_auxiliary, budget=sizes.budget,
        learning_rate=sizes.rate, n_real=N, judged=JUDGED, rng=rng, quick=int(quick),
    )  # fmt: skip


def _cell(*, quick: bool, seed: int, loop: str, generator: str) -> xr.Dataset:
    sizes, judge = SIZES[quick], Judge.of_digits()
    if loop == "fully synthetic":
        regime = regimes.replace(n=N)
    else:
        regime = regimes.augment(n_real=N, n_synthetic=N)
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
    data["images"] = (("digit", "pixel"), np.rint(255 * np.clip(shown, 0, 1)).astype(np.uint8))
    return data


def _model(generator: str, sizes: _Sizes, judge: Judge) -> Any:
    base = diffusion(sizes.images, layers=3)
    if generator == PLAIN:
        return base
    improved = SIMS(
        base, 1.0, n_auxiliary=sizes.n_auxiliary, budget=sizes.budget, learning_rate=sizes.rate
    )
    if generator == "SIMS, w = 1":
        return improved
    return Tuned(improved, metric=judge.choice, grid=GRID, n=JUDGED)


def _guidance(model: Any) -> float:
    improved = model.improved if isinstance(model, Tuned) else model
    return improved.guidance if isinstance(improved, SIMS) else 0.0
