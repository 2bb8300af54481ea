"""One loop of a class-conditional diffusion on digits: what the figures on digits are made of.

A small network is trained on scikit-learn's 8 x 8 digits, from scratch in every generation, on images of the
training half, drawn without replacement. Guidance w = 1 / bias - 1. Samples have equal class counts, and are
stored as the data are: in 17 grey levels from 0 to 1. Every generation is measured against the 900 held-out
images with as many samples, drawn with the same noise in every generation, in features of a LeNet trained on
the real training half.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes, sources, treatments
from madtheory.types import Array

NEIGHBOURS = 5
VARIABLES = (
    "fid",
    "precision",
    "recall",
    "pixel_frechet",
    "accuracy",
    "within_variance",
    "between_variance",
    "total_variance",
)


@dataclass(frozen=True)
class RealDigits:
    """Images with their class, drawn without replacement and with equal class counts as far as they go."""

    points: Array

    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Array:
        """Return `n` of the images, with their class as last coordinate."""
        if n > len(self.points):
            raise ValueError(f"n={n} exceeds the {len(self.points)} images; they are drawn once each.")
        order = rng.permutation(len(self.points))
        labels, rank = self.points[order, -1], np.empty(len(order), dtype=int)
        for label in np.unique(labels):
            rank[labels == label] = np.arange((labels == label).sum())
        return self.points[order[np.argsort(rank, kind="stable")[:n]]]


def to_grey(points: Array) -> Array:
    """Store images as the data are: pixels 0, 1/16, ..., 1. Their class stays."""
    pixels = np.rint(16 * np.clip(points[..., :-1], 0, 1)) / 16
    return np.concatenate([pixels, points[..., -1:]], -1)


@cache
def halves() -> tuple[Array, Array, Any]:
    """Return the training and the held-out images, with their classes, and the classifier of the former."""
    from madtheory.networks import digits_classifier

    train, test = (sources.digits(part, labels=True).points for part in ("train", "test"))
    return train, test, digits_classifier(device="cpu")


def measure(points: Array) -> dict[str, float]:
    """Measure images with their intended class as last coordinate, against the held-out half."""
    _, test, classifier = halves()
    pixels, labels = points[:, :-1], points[:, -1]
    real, fake = classifier.features(test[:, :-1]), classifier.features(pixels)
    precision, recall = metrics.precision_recall(real=real, fake=fake, k=NEIGHBOURS)
    centres = np.array([pixels[labels == label].mean(0) for label in range(10)])
    return {
        "fid": metrics.frechet_distance(real=real, fake=fake),
        "precision": precision,
        "recall": recall,
        "pixel_frechet": metrics.frechet_distance(real=test[:, :-1], fake=pixels),
        "accuracy": float((classifier.labels(pixels) == labels).mean()),
        "within_variance": metrics.class_variance(pixels, labels),
        "between_variance": float(centres.var(0, ddof=1).sum()),
        "total_variance": float(pixels.var(0, ddof=1).sum()),
    }


def describe_run(*, images: int, rng: int, quick: bool, **sizes: int) -> dict[str, Any]:
    """Return what the figures on digits have in their attributes."""
    return {
        "real": "scikit-learn load_digits: 897 images to train on, 900 held out",
        **sizes,
        "images": images,
        "k": NEIGHBOURS,
        "seed": rng,
        "quick": int(quick),
    }


def digit_diffusion(images: int) -> Any:
    """Return the class-conditional diffusion of all loops on digits; `images` is the budget of a training."""
    from madtheory.networks import EDM, Diffusion, Training

    return Diffusion(
        hidden=(256, 256),
        classes=10,
        # The start at sigma_max knows no class: each generation would take a share of 1 / sigma_max off the
        # distances of the class means. And classes are decided at higher noise than p_mean is by default.
        process=EDM(sigma_max=80.0, p_mean=-0.2, p_std=1.0),
        training=Training(images=images, batch=128, learning_rate=8e-3),
        device="cpu",
    )


def one_loop(
    *,
    regime: str,
    sizes: dict[str, int],
    bias: float,
    generations: int,
    images: int,
    seed: int,
    rng: int,
    measured_bias: float | None = None,
    grey: bool = True,
    kept: int = 0,
) -> xr.Dataset:
    """Simulate one loop of one seed; a cell.

    Parameters
    ----------
    regime, sizes
        A constructor of `madtheory.regimes`, and its keywords.
    bias, measured_bias : float
        Of the samples that are trained on, and of those that are measured; by default the same.
    images : int
        Budget of each training, in images seen.
    grey : bool
        Whether samples are stored in grey levels.
    kept : int
        How many of the measured images to return.

    Returns
    -------
    Dataset
        `VARIABLES` by generation; ``image``, in sixteenths, and ``label`` where some are kept. Loops of one
        seed share the first generation and the noise of what is measured.
    """
    from madtheory.networks import sample_seeds

    train, test, _ = halves()
    loop = mad.Loop(
        real=RealDigits(train),
        model=digit_diffusion(images),
        regime=getattr(regimes, regime)(**sizes),
        bias=bias,
        treatments=(treatments.project(to_grey),) if grey else (),
    )
    n = len(test)
    noise = sample_seeds(n, np.random.default_rng(np.random.SeedSequence(rng, spawn_key=(seed, 1))))
    labels = np.arange(n) % 10
    rows, pictures = [], []
    run = mad.iterate(loop, rng=np.random.SeedSequence(rng, spawn_key=(seed, 0)))
    for _, snapshot in zip(range(generations), run, strict=False):
        points = snapshot.model.generate(noise, labels, bias=bias if measured_bias is None else measured_bias)
        points = to_grey(points) if grey else points
        rows.append(measure(points))
        pictures.append(np.rint(16 * points[:kept, :-1]).clip(0, 16).astype(np.uint8))
    data = xr.Dataset(
        {name: ("generation", [row[name] for row in rows]) for name in VARIABLES},
        {"generation": np.arange(1, generations + 1)},
    )
    if kept:
        data["image"] = (("generation", "point", "pixel"), np.array(pictures))
        data["label"] = ("point", labels[:kept])
    return data
