"""SIMS and Neon on diffusions of digits: budgets, polluted training sets, and the mix of classes.

Analogues of SIMS (Alemohammad et al. 2024, arXiv 2408.16333): FID against guidance for budgets of the
auxiliary (section 4.1), standard training and SIMS on real images plus synthetic ones of an earlier
generation (section 4.2.2), and a class-imbalanced set S (section 4.3); and of Neon (arXiv 2510.03597), which
extrapolates the weights instead. Images and networks are small (`simulations._sims_digits`); bases are
trained from scratch, and averaged weights are combined, as in the papers. Every w has the same noise. It is
chosen by FID to the training half, and what is reported are other samples against the half held out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from madtheory import sources, treatments
from madtheory.models import SIMS, checkpoints
from madtheory.sweeps import run_cells
from simulations._sims_digits import JUDGED, Images, Judge, diffusion, fid_of, labels_of

WEIGHTS = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
POLLUTED_WEIGHTS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
CLASS_WEIGHTS = (-1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
RATIOS = (0.0, 0.2, 0.5, 1.0, 2.0)  # synthetic images per real one
TARGET = 0.7  # wanted share of odd digits
KEPT = 0.1  # probability that an odd digit is let into S; an even one always is


@dataclass(frozen=True)
class _Sizes:
    seeds: int
    hidden: tuple[int, ...]
    images: int  # seen by a base
    n_auxiliary: int  # |S|
    rate: float  # of the fine-tuning
    budgets: tuple[int, ...]  # images seen by auxiliaries

    @property
    def budget(self) -> int:
        """The budget where one must do."""
        return self.budgets[len(self.budgets) // 2]


SIZES = {
    True: _Sizes(2, (128, 128, 128), 60_000, 2000, 2e-4, (8192, 32_768)),
    False: _Sizes(5, (256, 256, 256), 200_000, 8000, 2e-4, (16_384, 65_536, 262_144)),
}


def budgets(*, quick: bool = False, rng: int = 0, n_jobs: int = -1, folder: Path | None = None) -> xr.Dataset:
    """Sweep w for several budgets.

    Returns
    -------
    Dataset
        By seed, curve and weight: ``fid``, ``precision``, ``recall`` (held-out half), and ``choice``, the FID
        of other samples to the training half. Curves are SIMS at every budget and Neon at one
        (coordinates ``scheme``, ``budget``). ``displacement`` of the auxiliary's weights from the base's,
        relative to their norm. ``floor`` is the FID of the real training half.
    """
    return _run(_budgets, quick, rng, n_jobs, folder)


def pollution(
    *, quick: bool = False, rng: int = 0, n_jobs: int = -1, folder: Path | None = None
) -> xr.Dataset:
    """Train on real images and on synthetic ones of generation 1.

    Returns
    -------
    Dataset
        The variables of `budgets` by seed, ratio (synthetic images per real one) and weight; w = 0 is
        standard training.
    """
    return _run(_pollution, quick, rng, n_jobs, folder)


def classes(*, quick: bool = False, rng: int = 0, n_jobs: int = -1, folder: Path | None = None) -> xr.Dataset:
    """Steer the mix of odd and even digits by an S that has too many even ones.

    Returns
    -------
    Dataset
        By seed and weight: ``fid`` to held-out images, of which a share `TARGET` is odd, ``choice`` as in
        `budgets`, and ``share`` of every digit among the samples. ``floor`` as there.
    """
    return _run(_classes, quick, rng, n_jobs, folder)


def _run(
    cell: Callable[..., xr.Dataset], quick: bool, rng: int, n_jobs: int, folder: Path | None
) -> xr.Dataset:
    sizes = SIZES[quick]
    cells = [{"quick": quick, "seed": 1000 * rng + i} for i in range(sizes.seeds)]
    parts = run_cells(cell, cells, store=folder, n_jobs=n_jobs, desc=cell.__name__.strip("_"))
    return xr.concat(parts, "seed", join="exact").assign_attrs(
        seeds=sizes.seeds, images=sizes.images, n_auxiliary=sizes.n_auxiliary, learning_rate=sizes.rate,
        budget=sizes.budget, target=TARGET, n_real=897, judged=JUDGED, rng=rng, quick=int(quick),
    )  # fmt: skip


def _budgets(*, quick: bool, seed: int) -> xr.Dataset:
    sizes, judge = SIZES[quick], Judge.of_digits()
    base = diffusion(sizes.images, hidden=sizes.hidden).fit(Images.train().points, rng=_rng(seed, 0))
    # A checkpoint begins anew with its learning rate: it must not decay.
    base = replace(base, training=replace(base.training, decay="constant"))
    template = SIMS(base, 0.0, n_auxiliary=sizes.n_auxiliary, budget=1, learning_rate=sizes.rate)
    saved = checkpoints(template, budgets=sizes.budgets, rng=_rng(seed, 1))
    curves = [("SIMS", one.budget, one.at) for one in saved]
    chosen = saved[sizes.budgets.index(sizes.budget)].auxiliary
    curves.append(("Neon", sizes.budget, lambda w: base.extrapolated(chosen, w)))
    swept = [_sweep(at, _grid(WEIGHTS, quick), judge, seed) for _, _, at in curves]
    data = xr.concat(swept, "curve").assign_coords(
        scheme=("curve", [scheme for scheme, _, _ in curves]),
        budget=("curve", [budget for _, budget, _ in curves]),
    )
    moved = [_displacement(base, one.auxiliary) for one in saved]
    data["displacement"] = ("curve", [*moved, moved[sizes.budgets.index(sizes.budget)]])
    return data.assign(floor=judge(sources.digits("train").points)["fid"])


def _displacement(base: Any, auxiliary: Any) -> float:
    """Return the distance of the weights of both over the norm of the base's."""
    names = [name for name in base.weights if not name.startswith("_")]
    square = sum(np.square(auxiliary.weights[n] - base.weights[n]).sum() for n in names)
    return float(np.sqrt(square / sum(np.square(base.weights[n]).sum() for n in names)))


def _pollution(*, quick: bool, seed: int) -> xr.Dataset:
    sizes, judge = SIZES[quick], Judge.of_digits()
    real = Images.train().points
    template = diffusion(sizes.images, hidden=sizes.hidden)
    first = template.fit(real, rng=_rng(seed, 0))
    swept = []
    ratios = _grid(RATIOS, quick)
    for ratio in ratios:
        # Networks of one seed begin with the same weights: they differ by their training sets.
        n = round(ratio * len(real))
        polluted = np.concatenate([real, first.sample(n, rng=_rng(seed, 1))]) if n else real
        base = template.fit(polluted, rng=_rng(seed, 0)) if n else first
        improved = SIMS(base, 0.0, budget=sizes.budget, learning_rate=sizes.rate)
        improved = improved.self_trained(sizes.n_auxiliary, rng=_rng(seed, 2))
        swept.append(_sweep(improved.at, _grid(POLLUTED_WEIGHTS, quick), judge, seed))
    data = xr.concat(swept, "ratio").assign_coords(ratio=ratios)
    return data.assign(floor=judge(sources.digits("train").points)["fid"])


def _classes(*, quick: bool, seed: int) -> xr.Dataset:
    sizes = SIZES[quick]
    train, test = (_mix(part) for part in ("train", "test"))
    judge = Judge.of(train, test)
    base = diffusion(sizes.images, hidden=sizes.hidden, classes=None).fit(
        Images.train(labels=False).points, rng=_rng(seed, 0)
    )
    improved = SIMS(
        base, 0.0, budget=sizes.budget, learning_rate=sizes.rate,
        treatments=treatments.verify(_is_even, keep_incorrect=KEPT),
    )  # fmt: skip
    improved = improved.self_trained(sizes.n_auxiliary, rng=_rng(seed, 1))
    weights = _grid(CLASS_WEIGHTS, quick)
    data = _sweep(improved.at, weights, judge, seed, count=len(test))
    shares = [_shares(improved.at(w).sample(len(test), rng=_rng(seed, 8))) for w in weights]
    data["share"] = (("weight", "digit"), np.array(shares))
    return data.assign(floor=judge(train)["fid"])


def _mix(part: Any) -> np.ndarray:
    """Return images of which a share `TARGET` is odd: all the odd ones, and evenly spaced even ones."""
    points = sources.digits(part, labels=True).points
    odd = points[:, -1] % 2 == 1
    even = points[~odd]
    n = round(odd.sum() * (1 - TARGET) / TARGET)
    even = even[np.argsort(even[:, -1], kind="stable")]
    return np.concatenate([points[odd], even[np.arange(n) * len(even) // n]])[:, :64]


def _is_even(points: np.ndarray) -> np.ndarray:
    return labels_of(points) % 2 == 0


def _shares(points: np.ndarray) -> np.ndarray:
    return np.bincount(labels_of(points), minlength=10) / len(points)


def _grid(values: Sequence[float], quick: bool) -> list[float]:
    return list(values[::2] if quick else values)


def _sweep(
    at: Callable[[float], Any], weights: Sequence[float], judge: Judge, seed: int, count: int = JUDGED
) -> xr.Dataset:
    """Return chosen and reported numbers of every w, with two sets of seeds that all of them share."""
    rows = []
    for w in weights:
        model = at(w)
        chosen = fid_of(model.sample(count, rng=_rng(seed, 7)), reference=judge.train)
        rows.append({"choice": chosen, **judge(model.sample(count, rng=_rng(seed, 8)))})
    values = {name: ("weight", [row[name] for row in rows]) for name in rows[0]}
    return xr.Dataset(values, {"weight": list(weights)})


def _rng(seed: int, role: int) -> np.random.Generator:
    return np.random.default_rng([seed, role])
