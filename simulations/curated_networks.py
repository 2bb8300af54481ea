"""Curated loops with diffusions: an analogue of Ferbach et al. 2024 (arXiv 2407.09499).

`planar` has the toy laws of its appendix, a mixture of eight Gaussians (DDPM) and two moons (flow matching),
and the reward -10 max(0, |x - x*| - r_min), with x* = (2, 0), r_min = 1 for the mixture and the left end of
the upper moon, r_min = 0.6. `digits` is the analogue of its figure on CIFAR-10 with the confidence of a
classifier as reward: scikit-learn's 8 x 8 digits, an unconditional diffusion, and 15 times the largest
probability of the small convolutional classifier of the real digits. Every synthetic point is chosen
from two, every synthetic digit from four. Each generation continues the training of the last network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes, sources, treatments
from madtheory.sweeps import run_cells
from madtheory.theory import curation
from simulations._pictures import Exactly, grey
from simulations._planar import planar_diffusion

CHOICES = {"planar": 2, "digits": 4}
N_REAL = 1000
STEEPNESS = 10.0
LAWS = {"eight Gaussians": ((2.0, 0.0), 1.0), "two moons": ((-1.0, 0.0), 0.6)}
"""Centre and radius of the plateau of the reward."""
LOOPS = ("curated only", "with real data")
CONFIDENCE = 15.0
DIGIT_LOOPS = (*LOOPS, "not curated")
ATOMS = 2000  # points by which the exact loop stands for a law
PICTURED = 800


@dataclass(frozen=True)
class _Sizes:
    generations: int
    seeds: int
    first: dict[str, int]  # steps of the training of generation 1, and of all others
    later: dict[str, int]
    judged: int


PLANAR = {
    True: _Sizes(5, 2, {"eight Gaussians": 1500, "two moons": 1500},
                 {"eight Gaussians": 200, "two moons": 200}, 2000),
    False: _Sizes(12, 5, {"eight Gaussians": 5000, "two moons": 2500},
                  {"eight Gaussians": 400, "two moons": 300}, 4000),
}  # fmt: skip
DIGITS = {
    True: _Sizes(4, 2, {"digits": 1000}, {"digits": 100}, 1000),
    False: _Sizes(11, 5, {"digits": 3000}, {"digits": 250}, 2000),
}


def planar(*, quick: bool = False, rng: int = 0, n_jobs: int = -1, folder: Path | None = None) -> xr.Dataset:
    """Simulate both laws, with real data (as many as curated points) and without.

    Returns
    -------
    Dataset
        By seed, law, loop and generation: ``reward`` (mean), ``top`` (share of the points on the plateau) and
        ``mode_mass`` (share of each mode, or moon), which real points have in the same way:
        ``real_mode_mass``. ``predicted_...`` is the exact loop of infinitely many points and a perfect
        generator. ``points`` of the first seed in the first and last generation.
    """
    sizes = PLANAR[quick]
    cells = [{"law": law, "quick": quick, "seed": 1000 * rng + i} for law in LAWS for i in range(sizes.seeds)]
    parts = run_cells(_planar, cells, store=folder, n_jobs=n_jobs, desc="curation in the plane")
    rows = []
    for i in range(len(LAWS)):
        seeds = parts[i * sizes.seeds : (i + 1) * sizes.seeds]
        once = [n for n in seeds[0] if n in ("points", "real_mode_mass") or n.startswith("predicted")]
        row = xr.concat([part.drop_vars(once) for part in seeds], "seed", join="exact")
        rows.append(row.merge(seeds[0][once]))
    data = xr.concat(rows, "law", join="outer").assign_coords(law=list(LAWS))
    return data.assign_attrs(
        n_real=N_REAL, choices=CHOICES["planar"], seeds=sizes.seeds, rng=rng, quick=int(quick)
    )


def digits(*, quick: bool = False, rng: int = 0, n_jobs: int = -1, folder: Path | None = None) -> xr.Dataset:
    """Simulate digits: curated only, with as many real images, and synthetic images without curation.

    Returns
    -------
    Dataset
        By seed, loop and generation: ``confidence`` (mean of the largest probability, the reward over 15),
        ``share`` (by digit, of the classifier's labels), ``imbalance`` (total variation of these and of the
        shares of held-out images), ``frechet`` (squared, in the classifier's features, to held-out images),
        ``precision`` and ``recall``. ``images`` of the first seed, by loop, in the last generation, and
        ``first`` in the first.
    """
    sizes = DIGITS[quick]
    cells = [{"quick": quick, "seed": 1000 * rng + i} for i in range(sizes.seeds)]
    parts = run_cells(_digits, cells, store=folder, n_jobs=n_jobs, desc="curation of digits")
    once = ["images", "first", "real_confidence"]
    data = xr.concat([part.drop_vars(once) for part in parts], "seed", join="exact").merge(parts[0][once])
    return data.assign_attrs(
        real="scikit-learn load_digits, 897 of 1797 images", choices=CHOICES["digits"], steepness=CONFIDENCE,
        seeds=sizes.seeds, rng=rng, quick=int(quick),
    )  # fmt: skip


def plateau(law: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return the reward of a law: zero on the plateau, a steep slope outside."""
    centre, radius = LAWS[law]

    def reward(points: np.ndarray) -> np.ndarray:
        distance = np.linalg.norm(points - np.asarray(centre), axis=-1)
        return -STEEPNESS * np.maximum(0.0, distance - radius)

    return reward


def _planar(*, law: str, quick: bool, seed: int) -> xr.Dataset:
    """Simulate both loops of one law and seed, with common generation 1 and noise of judged samples."""
    sizes, reward = PLANAR[quick], plateau(law)
    make = sources.two_moons if law == "two moons" else sources.eight_gaussians
    atoms = make(labels=True).sample(ATOMS, rng=np.random.default_rng(0))
    model = planar_diffusion(law, first=sizes.first[law], later=sizes.later[law])
    loops = _loops(make(), model, N_REAL, reward, CHOICES["planar"], LOOPS)

    def measure(points: np.ndarray) -> dict[str, Any]:
        rewards = reward(points)
        mass = np.bincount(_nearest_class(points, atoms), minlength=len(_classes(atoms))) / len(points)
        return {"reward": rewards.mean(), "top": (rewards == 0).mean(), "mode_mass": mass}

    data, first, last = _judge(loops, sizes, seed, measure)
    pictures = np.stack([[first[:PICTURED]] * len(last), [points[:PICTURED] for points in last]], 1)
    data["points"] = (("loop", "when", "point", "axis"), pictures.astype(np.float32))
    data["real_mode_mass"] = ("mode", np.bincount(atoms[:, -1].astype(int)) / len(atoms))
    data = data.merge(_exact(atoms, reward, sizes.generations))
    return data.assign_coords(mode=_classes(atoms).astype(int))


def _exact(atoms: np.ndarray, reward: Callable, generations: int) -> xr.Dataset:
    """Return the loops of infinitely many points, on a sample of the law."""
    rewards, law = reward(atoms[:, :-1]), np.full(len(atoms), 1 / len(atoms))
    member = atoms[:, -1][:, None] == _classes(atoms)
    paths = [
        np.asarray(
            curation.iterate_update(
                law, reward=rewards, choices=CHOICES["planar"], generations=generations, curated_ratio=ratio
            )
        )
        for ratio in (np.inf, 1.0)
    ]
    path, dims = np.stack(paths), ("loop", "generation")
    return xr.Dataset(
        {
            "predicted_reward": (dims, path @ rewards),
            "predicted_top": (dims, path @ (rewards == 0)),
            "predicted_mode_mass": ((*dims, "mode"), path @ member),
        }
    )


def _classes(atoms: np.ndarray) -> np.ndarray:
    return np.unique(atoms[:, -1])


def _nearest_class(points: np.ndarray, atoms: np.ndarray) -> np.ndarray:
    from scipy.spatial import KDTree

    return atoms[KDTree(atoms[:, :-1]).query(points)[1], -1].astype(int)


def _digits(*, quick: bool, seed: int) -> xr.Dataset:
    """Simulate all loops of one seed, with common generation 1 and noise of the judged samples."""
    from madtheory.networks import digits_classifier

    sizes, classifier = DIGITS[quick], digits_classifier(device="cpu")
    real, held_out = (sources.digits(part).points for part in ("train", "test"))
    reference, shares = classifier.features(held_out), metrics.class_shares(classifier.labels(held_out), 10)

    def reward(points: np.ndarray) -> np.ndarray:
        return np.asarray(CONFIDENCE * classifier.probabilities(points).max(1))

    def measure(points: np.ndarray) -> dict[str, Any]:
        probabilities = classifier.probabilities(points)
        share = metrics.class_shares(probabilities.argmax(1), 10)
        features = classifier.features(points[: len(held_out)])
        precision, recall = metrics.precision_recall(real=reference, fake=features)
        return {
            "confidence": probabilities.max(1).mean(),
            "share": share,
            "imbalance": np.abs(share - shares).sum() / 2,
            "frechet": metrics.frechet_distance(real=reference, fake=features),
            "precision": precision,
            "recall": recall,
        }

    loops = _loops(Exactly(real), _digits_model(sizes), len(real), reward, CHOICES["digits"], DIGIT_LOOPS)
    data, first, last = _judge(loops, sizes, seed, measure)
    data = data.rename(mode="digit").assign_coords(digit=np.arange(10))
    data = data.assign(real_confidence=reward(held_out).mean() / CONFIDENCE)
    data["images"] = (("loop", "image", "pixel"), grey([points[:20] for points in last]))
    return data.assign(first=(("image", "pixel"), grey(first[:20])))


def _loops(
    real: Any,
    model: Any,
    n: int,
    reward: Callable[[np.ndarray], np.ndarray],
    choices: int,
    names: tuple[str, ...],
) -> dict[str, mad.Loop]:
    chosen = (treatments.curate(reward, choices=choices),)
    return {
        name: mad.Loop(
            real=real,
            model=model,
            regime=regimes.augment(n_real=n, n_synthetic=n) if "real" in name else regimes.replace(n=n),
            treatments=() if name == "not curated" else chosen,
            warm_start=True,
        )
        for name in names
    }


def _judge(
    loops: dict[str, mad.Loop], sizes: _Sizes, seed: int, measure: Callable[[np.ndarray], dict[str, Any]]
) -> tuple[xr.Dataset, np.ndarray, list[np.ndarray]]:
    """Return numbers of all generations and loops, and samples of the first and of the last ones."""
    shared = next(mad.iterate(loops["with real data"], rng=seed))

    def sample(snapshot: mad.Snapshot) -> np.ndarray:
        drawn = np.random.default_rng([seed, snapshot.generation])
        return np.asarray(snapshot.model.sample(sizes.judged, rng=drawn))

    first = sample(shared)
    rows, last = [], []
    for loop in loops.values():
        row = [measure(first)]
        for snapshot in islice(mad.iterate(loop, previous=shared), sizes.generations - 1):
            points = sample(snapshot)
            row.append(measure(points))
        rows.append(row)
        last.append(points)
    variables = {}
    for name, value in rows[0][0].items():
        dims = ("loop", "generation", "mode")[: 2 + np.ndim(value)]
        variables[name] = (dims, np.array([[one[name] for one in row] for row in rows], dtype=float))
    coords = {"loop": list(loops), "generation": np.arange(1, sizes.generations + 1)}
    return xr.Dataset(variables, coords), first, last


def _digits_model(sizes: _Sizes) -> Any:
    from madtheory.networks import Diffusion, Training

    training = Training(
        images=128 * sizes.first["digits"], batch=128, learning_rate=4e-3,
        warm_images=128 * sizes.later["digits"], warm_learning_rate=3e-4,
    )  # fmt: skip
    return Diffusion(hidden=(256, 256, 256), training=training, device="cpu")
