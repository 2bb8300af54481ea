"""What the simulations of SIMS on digits share: real images, diffusions, and the judge of samples.

scikit-learn's digits, 8 x 8 pixels, take the place of CIFAR-10 and FFHQ. 897 images train, 900 are held out.
"FID" is the Frechet distance in the features of a small convolutional classifier of the training half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from madtheory import metrics, sources

JUDGED = 900  # samples of every Frechet distance, as many as there are images held out


@dataclass(frozen=True, eq=False)
class Images:
    """Real images as a source that gives each of them once."""

    points: np.ndarray

    @classmethod
    def train(cls, labels: bool = True) -> Images:
        """Return the half to train on."""
        return cls(sources.digits("train", labels=labels).points)

    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> np.ndarray:
        """Return `n` of the images, none twice."""
        return rng.choice(self.points, n, replace=False)


def diffusion(images: int, *, hidden: Sequence[int], classes: int | None = 10) -> Any:
    """Return the base: EDM, a converged sampler, averaged weights; `images` is the budget of its training."""
    from madtheory.networks import Diffusion, Training

    training = Training(images=images, batch=128, learning_rate=2e-3, ema_images=20_000)
    return Diffusion(hidden=tuple(hidden), classes=classes, training=training, device="cpu")


@cache
def _classifier() -> Any:
    from madtheory.networks import digits_classifier

    return digits_classifier(device="cpu")


def features(points: np.ndarray) -> np.ndarray:
    """Return features of images, whose class, if they have one, is left out."""
    return _classifier().features(points[:, :64])


def labels_of(points: np.ndarray) -> np.ndarray:
    """Return the digits that the classifier sees in images."""
    return _classifier().labels(points[:, :64])


def fid_of(points: np.ndarray, *, reference: np.ndarray) -> float:
    """Return the Frechet distance of the features of images to features."""
    return metrics.frechet_distance(real=reference, fake=features(points))


@dataclass(frozen=True, eq=False)
class Judge:
    """Features of the real images: w is chosen on the training half and reported on the other."""

    train: np.ndarray
    test: np.ndarray

    @classmethod
    def of(cls, train: np.ndarray, test: np.ndarray) -> Judge:
        """Return the judge of two sets of images."""
        return cls(features(train), features(test))

    @classmethod
    def of_digits(cls) -> Judge:
        """Return the judge of the two halves of the digits."""
        return cls.of(sources.digits("train").points, sources.digits("test").points)

    @property
    def choice(self) -> Any:
        """The metric by which w is chosen; can be pickled."""
        return partial(fid_of, reference=self.train)

    def __call__(self, points: np.ndarray) -> dict[str, float]:
        """Return the Frechet distance, precision and recall with respect to the images held out."""
        fake = features(points)
        precision, recall = metrics.precision_recall(real=self.test, fake=fake)
        distance = metrics.frechet_distance(real=self.test, fake=fake)
        return {"fid": distance, "precision": precision, "recall": recall}
