"""A loop of GANs on digits, for a hundred generations: an analogue of MAD (arXiv 2307.01850), Fig. 13.

Fully synthetic loop without bias: each generation trains a new WGAN-GP on samples of the last one. The paper
has MNIST and does not give its settings. Here are scikit-learn's 8 x 8 digits, 900 images a generation (those
of generation 1 are drawn with replacement from the 897 of the training part), and perceptrons of two layers
of 128 units: latent of 32 coordinates, penalty 10, three critic steps for one of the generator, 100,000
images seen by the critic in batches of 64, Adam (0.5, 0.9) from 2e-3 with cosine decay. Samples are stored as
the digits are, with 17 grey levels from 0 to 1: the generator's last layer has no bounds, and without them a
few images of large contrast take over within some thirty generations.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes, sources, treatments
from madtheory.sweeps import run_cells
from simulations._sims_digits import Judge

MEASURES = ("fid", "pixel_distance", "precision", "recall")
N = 900  # images of a training set, and of a comparison with the 900 held out
PICTURED = 30


@dataclass(frozen=True)
class _Sizes:
    generations: int
    seeds: int
    images: int
    shown: tuple[int, ...]


SIZES = {True: _Sizes(12, 2, 40_000, (1, 4, 8, 12)), False: _Sizes(100, 5, 100_000, (1, 10, 50, 100))}


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1, folder: Path | None = None) -> xr.Dataset:
    """Simulate.

    Returns
    -------
    Dataset
        By seed and generation, against the held-out digits: ``fid``, ``precision`` and ``recall`` (k = 5) in
        features of the classifier, ``pixel_distance`` (the Frechet distance in pixels). The same for the real
        training images: ``fid_real`` and so on. ``image``: samples of the first seed, by shown generation.
    """
    from madtheory.networks import digits_classifier

    digits_classifier(device="cpu")  # trained here, once, and not by every process at the same time
    sizes = SIZES[quick]
    cells = [{"seed": 1000 * rng + i, "quick": quick} for i in range(sizes.seeds)]
    parts = run_cells(_cell, cells, store=folder, n_jobs=n_jobs, desc="WGAN")
    data = xr.concat([part.drop_vars("image") for part in parts], "seed", join="exact")
    data["image"] = parts[0]["image"]
    for name, value in _measure(Judge.of_digits(), sources.digits("train").points).items():
        data[f"{name}_real"] = value
    return data.assign_attrs(n=N, seeds=sizes.seeds, images=sizes.images, rng=rng, quick=int(quick))


def _cell(*, seed: int, quick: bool) -> xr.Dataset:
    """Simulate one loop."""
    from madtheory.networks import WGANGP, Training

    sizes, judge = SIZES[quick], Judge.of_digits()
    training = Training(images=sizes.images, batch=64, learning_rate=2e-3, betas=(0.5, 0.9))
    model = WGANGP(latent_dim=32, critic_steps=3, training=training, device="cpu")
    loop = mad.Loop(
        real=sources.digits("train"), model=model, regime=regimes.replace(n=N), bias=1.0,
        treatments=(treatments.project(to_grey),),
    )  # fmt: skip
    rows, pictures = [], []
    for snapshot in islice(mad.iterate(loop, rng=seed), sizes.generations):
        t = snapshot.generation
        images = to_grey(snapshot.model.sample(N, rng=np.random.default_rng([seed, t]), bias=1.0))
        rows.append(_measure(judge, images))
        if t in sizes.shown:
            pictures.append(np.rint(255 * images[:PICTURED]).astype(np.uint8))
    return xr.Dataset(
        {name: ("generation", [row[name] for row in rows]) for name in MEASURES}
        | {"image": (("shown", "sample", "pixel"), np.array(pictures))},
        {"generation": np.arange(1, sizes.generations + 1), "shown": list(sizes.shown)},
    )


def to_grey(images: np.ndarray) -> np.ndarray:
    """Round pixels to 0, 1/16, ..., 1, as those of the data."""
    return np.rint(16 * np.clip(images, 0, 1)) / 16


def _measure(judge: Judge, images: np.ndarray) -> dict[str, float]:
    """Return `MEASURES` of images, against the digits that no network is trained on."""
    held_out = sources.digits("test").points
    return {**judge(images), "pixel_distance": metrics.frechet_distance(real=held_out, fake=images)}
