"""Self-correction of digits with a diffusion: an analogue of Gillman et al. 2024 (arXiv 2402.07087), Fig. 3.

The paper corrects each MNIST digit that a class-conditional diffusion generates to the nearest of the 16
cluster centres of the real images of its class, and continues training on these and the real images. Here are
scikit-learn's 8 x 8 digits (897 to train on, 900 held out) and a multilayer perceptron. As in the paper the
clusters are found once, on raw pixels, later generations have a smaller learning rate, and the distance is
that of Frechet in the features of a small convolutional classifier, to held-out images. Apart from the
corrected and the plain loop, one network continues training on the real images alone. There are two budgets:
the brief one was added after the long one had contradicted the paper, whose generator is a worse one.
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
from simulations._pictures import Exactly, grey

CLUSTERS = 16
LOOPS = {
    "real only": (0.0, False),
    "λ = 0.5": (0.5, False),
    "λ = 0.5, corrected": (0.5, True),
    "λ = 1": (1.0, False),
    "λ = 1, corrected": (1.0, True),
}
"""Synthetic images per real image, and whether they are corrected."""


@dataclass(frozen=True)
class _Sizes:
    loops: tuple[str, ...]
    generations: int
    seeds: int
    steps: dict[str, tuple[int, int]]  # of the training of generation 1, and of all others


SIZES = {
    True: _Sizes(("real only", "λ = 1", "λ = 1, corrected"), 5, 2, {"brief": (800, 100)}),
    False: _Sizes(tuple(LOOPS), 10, 5, {"long": (2500, 200), "brief": (800, 100)}),
}


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1, folder: Path | None = None) -> xr.Dataset:
    """Simulate.

    Returns
    -------
    Dataset
        By training, seed, loop and generation, for as many samples as there are held-out images:
        ``frechet`` (squared Frechet distance in the classifier's features), ``pixel_frechet``, ``precision``,
        ``recall``, ``accuracy`` (share that the classifier gives their class) and ``class_variance`` (in
        features).
        The same for the real images that are trained on, ``real_...``, and for them after correction,
        ``centre_...``. ``images`` of the first training and seed (loop, digit, pixel) in the last
        generation, ``first`` in generation 1, and the latter ``corrected``.
    """
    sizes = SIZES[quick]
    seeds = [1000 * rng + i for i in range(sizes.seeds)]
    cells = [{"training": name, "quick": quick, "seed": seed} for name in sizes.steps for seed in seeds]
    parts = run_cells(_cell, cells, store=folder, n_jobs=n_jobs, desc="self-correction of digits")
    once = [name for name, variable in parts[0].items() if "generation" not in variable.dims]
    rows = [
        xr.concat([part.drop_vars(once) for part in parts[i : i + len(seeds)]], "seed", join="exact")
        for i in range(0, len(cells), len(seeds))
    ]
    data = xr.concat(rows, "training", join="exact").assign_coords(training=list(sizes.steps))
    return data.merge(parts[0][once]).assign_attrs(
        real="scikit-learn load_digits, 897 of 1797 images", clusters=CLUSTERS, seeds=sizes.seeds, rng=rng,
        quick=int(quick),
    )  # fmt: skip


def _cell(*, training: str, quick: bool, seed: int) -> xr.Dataset:
    """Simulate all loops of one seed, with common generation 1 and noise of the judged samples."""
    sizes = SIZES[quick]
    real = sources.digits("train", labels=True).points
    correction, judge = _correction(real), _judge()
    shared = next(mad.iterate(_loop(real, correction, sizes.steps[training], "λ = 1"), rng=seed))
    rows, images = [], []
    for name in sizes.loops:
        loop = _loop(real, correction, sizes.steps[training], name)
        row = []
        for snapshot in [shared, *islice(mad.iterate(loop, previous=shared), sizes.generations - 1)]:
            drawn = np.random.default_rng([seed, snapshot.generation])
            points = snapshot.model.sample(len(sources.digits("test").points), rng=drawn)
            row.append(judge(points))
        rows.append(row)
        images.append(_pictures(snapshot.model))
    data = xr.Dataset(
        {key: (("loop", "generation"), [[one[key] for one in row] for row in rows]) for key in rows[0][0]},
        {"loop": list(sizes.loops), "generation": np.arange(1, sizes.generations + 1)},
    )
    for prefix, points in (("real", real), ("centre", correction(real))):
        data = data.assign({f"{prefix}_{key}": value for key, value in judge(points).items()})
    first = _pictures(shared.model)
    fixed = correction(np.column_stack([first, np.arange(10)]))[:, :-1]
    data["images"] = (("loop", "digit", "pixel"), grey(images))
    return data.assign(first=(("digit", "pixel"), grey(first)), corrected=(("digit", "pixel"), grey(fixed)))


def _loop(real: np.ndarray, correction: Callable, steps: tuple[int, int], name: str) -> mad.Loop:
    ratio, corrected = LOOPS[name]
    return mad.Loop(
        real=Exactly(real),
        model=_model(*steps),
        regime=regimes.augment(n_real=len(real), n_synthetic=round(ratio * len(real))),
        treatments=(treatments.project(correction),) if corrected else (),
        warm_start=True,
    )


def _model(first: int, later: int) -> Any:
    from madtheory.networks import Diffusion, DPMSolver, Training

    training = Training(
        images=128 * first, batch=128, learning_rate=1e-2, warm_images=128 * later,
        warm_learning_rate=1e-3,
    )  # fmt: skip
    return Diffusion(
        sampler=DPMSolver(32), hidden=(256, 256), classes=10, training=training,
        device="cpu",
    )  # fmt: skip


def _correction(real: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return the map of labelled images to the nearest centre of their class."""
    from sklearn.cluster import KMeans

    pixels, labels = real[:, :-1], real[:, -1]
    maps = []
    for digit in range(10):
        clusters = KMeans(CLUSTERS, n_init=4, random_state=0).fit(pixels[labels == digit])
        maps.append(treatments.nearest(clusters.cluster_centers_))

    def correct(points: np.ndarray) -> np.ndarray:
        out = np.array(points)
        for digit, nearest in enumerate(maps):
            out[points[:, -1] == digit, :-1] = nearest(points[points[:, -1] == digit, :-1])
        return out

    return correct


def _judge() -> Callable[[np.ndarray], dict[str, float]]:
    """Return numbers of labelled images, against the held-out ones."""
    from madtheory.networks import digits_classifier

    classifier = digits_classifier(device="cpu")
    held_out = sources.digits("test").points
    reference = classifier.features(held_out)

    def judge(points: np.ndarray) -> dict[str, float]:
        pixels, labels = points[:, :-1], points[:, -1]
        features = classifier.features(pixels)
        precision, recall = metrics.precision_recall(real=reference, fake=features)
        return {
            "frechet": metrics.frechet_distance(real=reference, fake=features),
            "pixel_frechet": metrics.frechet_distance(real=held_out, fake=pixels),
            "precision": precision,
            "recall": recall,
            "accuracy": float((classifier.labels(pixels) == labels).mean()),
            "class_variance": metrics.class_variance(features, labels),
        }

    return judge


def _pictures(model: Any) -> np.ndarray:
    """Return one image of each digit, from the same noise for all models."""
    return np.asarray(model.generate(np.arange(10, dtype=np.uint64), np.arange(10))[:, :-1])
