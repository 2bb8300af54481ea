"""What the presets do to synthetic images: correction by cluster centres, curation by a classifier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

import madtheory as mad
from madtheory.images import centres, rewards
from madtheory.images._parts import Pixels
from madtheory.images.runs._truth import Truth
from madtheory.images.runs._vgg import vgg_classifier
from madtheory.networks import digits_classifier
from madtheory.types import Treatment

__all__ = ["Centres", "Chosen"]


@dataclass(frozen=True, kw_only=True)
class Centres:
    """Replace every synthetic image by the nearest cluster centre of its class.

    Attributes
    ----------
    per_class : int
        Centres of each class, by k-means on the real images.
    """

    per_class: int

    @property
    def choices(self) -> int:
        """Images that are made for each that is kept."""
        return 1

    @property
    def sentence(self) -> str:
        """What is done, in words."""
        return f"Each of these becomes the nearest of {self.per_class} cluster centres of its class."

    def treatment(self, truth: Truth, seed: int, device: str | None) -> Treatment:
        """The treatment, which clusters the real images when it is first used."""
        return mad.treatments.project(_Nearest(truth, self.per_class, seed))


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Keep one of several synthetic images, by a classifier's probability.

    Attributes
    ----------
    choices : int
        How many are made for each that is kept.
    strength : float
        The reward is that many times the probability.
    target : int, optional
        Of this class; ``None``: of the likeliest class, the classifier's confidence.
    """

    choices: int
    strength: float
    target: int | None = None

    @property
    def sentence(self) -> str:
        """What is done, in words."""
        wanted = "the likeliest class" if self.target is None else f"class {self.target}"
        return (
            f"Each of these is chosen from {self.choices} by a classifier: the reward is {self.strength:g} "
            f"times the probability of {wanted}."
        )

    def treatment(self, truth: Truth, seed: int, device: str | None) -> Treatment:
        """The treatment, which trains its classifier on the real images when it is first used."""
        return mad.treatments.curate(_Reward(truth, self, seed, device), choices=self.choices)


@dataclass(frozen=True, eq=False)
class _Nearest:
    truth: Truth
    per_class: int
    seed: int

    @cached_property
    def correction(self) -> centres.NearestCentre:
        return centres.nearest(self.truth.opened.images, self.per_class, seed=self.seed)

    def __call__(self, pixels: Any, labels: Any = None) -> Pixels:
        return self.correction(pixels, labels)


@dataclass(frozen=True, eq=False)
class _Reward:
    truth: Truth
    rule: Chosen
    seed: int
    device: str | None

    @cached_property
    def reward(self) -> rewards.ClassifierReward:
        classifier: Callable[[Pixels], Any] | Any
        if self.truth.data.name == "digits":
            classifier = digits_classifier(device=self.device)
        else:
            images = self.truth.data.opened("train", self.truth.path, labels=True).images
            classifier = vgg_classifier(images, seed=self.seed, device=self.device)
        if self.rule.target is None:
            return rewards.confidence(classifier, gamma=self.rule.strength)
        return rewards.class_probability(classifier, self.rule.target, gamma=self.rule.strength)

    def __call__(self, pixels: Any) -> NDArray[np.float64]:
        return self.reward(pixels)
