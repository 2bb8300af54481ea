"""The settings of a run, as a value: data, network, regime and treatment, and the loop that they make."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace as replaced
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import madtheory as mad
from madtheory.images.data import Images, Pixels, RealImages, datasets
from madtheory.images.diffusion import ImageDiffusion
from madtheory.images.evaluation import centres, rewards, vgg_classifier
from madtheory.models import SIMS, Neon
from madtheory.networks import digits_classifier
from madtheory.types import Treatment
from madtheory.validation import check_seed, check_size

_CHANNELS = {"digits": 1, "photographs": 3, "MNIST": 1, "CIFAR10": 3, "FFHQ": 3}


@dataclass(frozen=True, kw_only=True)
class RealData:
    """Real images of a run.

    Attributes
    ----------
    name : {"digits", "photographs", "MNIST", "CIFAR10", "FFHQ"}
        The first two come with scikit-learn; the others lie in a folder, and FFHQ in a folder or archive.
    size : int
        Height and width, pixels.
    labels : bool
        Open the images with their classes.
    first : int, optional
        Number of images, if only the first ones are used.
    cache : str, optional
        Folder where images of files are kept decoded.
    """

    name: Literal["digits", "photographs", "MNIST", "CIFAR10", "FFHQ"]
    size: int
    labels: bool = False
    first: int | None = None
    cache: str | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels), known without opening the images."""
        return self.size, self.size, _CHANNELS[self.name]

    @property
    def offline(self) -> bool:
        """Whether the images come with scikit-learn."""
        return self.name in ("digits", "photographs")

    def open(
        self, part: Literal["train", "test"], path: str | Path | None = None, *, labels: bool | None = None
    ) -> RealImages:
        """Open the images.

        Parameters
        ----------
        part : {"train", "test"}
            Those to train on, or those held out; FFHQ has one part only.
        path : path-like, optional
            Where the images lie, unless they come with scikit-learn: the folder of MNIST's or CIFAR-10's
            files, or FFHQ's folder or archive.
        labels : bool, optional
            Open the images with their classes. Default: as the run has them.

        Raises
        ------
        ValueError
            If `path` is needed and not given.
        ImportError, ImageStoreError, FileNotFoundError
            If the library that reads the images is missing, or the images are.
        """
        marked = self.labels if labels is None else labels
        if self.offline and path is not None:
            raise ValueError(
                f"data={os.fspath(path)!r}: this run takes scikit-learn's {self.name}, which need no folder; "
                f"leave data out, or pass scale=full."
            )
        if not self.offline and path is None:
            what = "its folder or archive" if self.name == "FFHQ" else "the folder of its files"
            raise ValueError(
                f"data=None: {self.name} does not come with madtheory; pass data (--data), {what}, "
                f"or take scale='small', which needs no data set."
            )
        match self.name:
            case "digits":
                real = datasets.digits(part, labels=marked)
            case "photographs":
                real = datasets.photographs(self.size, part, labels=marked)
            case "FFHQ":
                given = Path(path or "")
                if not given.exists():
                    raise FileNotFoundError(
                        f"data={os.fspath(given)!r} does not exist; pass FFHQ's folder or archive."
                    )
                opened = datasets.folder if given.is_dir() else datasets.archive
                real = opened(given, self.size, labels=marked, cache=self.cache)
            case "CIFAR10":
                real = datasets.cifar10(path or "", part, labels=marked)
            case "MNIST":
                real = datasets.idx(path or "", part, labels=marked, known="MNIST")
        if self.first is None:
            return real
        if self.first > real.left:
            raise ValueError(
                f"first={self.first} exceeds the {real.left} images of {real.name}; is the set complete?"
            )
        return RealImages(real.images.select(np.arange(self.first)), f"{real.name}, first {self.first}")


@dataclass(frozen=True, eq=False)
class Truth:
    """The real images that a loop trains on, opened when they are first drawn from; each is drawn once.

    Attributes
    ----------
    data : RealData or OwnData
        Real images.
    path : path-like, optional
        Folder or archive of the images.
    """

    data: Any
    path: str | None = None

    @cached_property
    def source(self) -> RealImages:
        """The images."""
        opened: RealImages = self.data.open("train", self.path)
        return opened

    @property
    def left(self) -> int:
        """Number of images."""
        return self.source.left

    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Images:
        """Draw `n` different images."""
        return self.source.sample(n, rng=rng, bias=bias)

    def take(self, n: int, *, rng: np.random.Generator) -> tuple[Images, RealImages]:
        """Draw `n` images, and return them with the source of all others."""
        return self.source.take(n, rng=rng)


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
        """Description in words."""
        return f"Each of these becomes the nearest of {self.per_class} cluster centres of its class."

    def treatment(self, truth: Truth, seed: int, device: str | None) -> Treatment:
        """Return the treatment, which clusters the real images when it is first used."""
        return mad.treatments.project(_Nearest(truth, self.per_class, seed))


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Keep one of several synthetic images, by a classifier's probability.

    Attributes
    ----------
    choices : int
        Number of images made for each that is kept.
    strength : float
        Factor of the probability in the reward.
    target : int, optional
        Class of the probability; ``None``: the likeliest class, the classifier's confidence.
    """

    choices: int
    strength: float
    target: int | None = None

    @property
    def sentence(self) -> str:
        """Description in words."""
        wanted = "the likeliest class" if self.target is None else f"class {self.target}"
        return (
            f"Each of these is chosen from {self.choices} by a classifier: the reward is {self.strength:g} "
            f"times the probability of {wanted}."
        )

    def treatment(self, truth: Truth, seed: int, device: str | None) -> Treatment:
        """Return the treatment, which trains its classifier on the real images when it is first used."""
        return mad.treatments.curate(_Reward(truth, self, seed, device), choices=self.choices)


@dataclass(frozen=True, eq=False)
class _Nearest:
    truth: Truth
    per_class: int
    seed: int

    @cached_property
    def correction(self) -> centres.NearestCentre:
        return centres.nearest(self.truth.source.images, self.per_class, seed=self.seed)

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
            images = self.truth.data.open("train", self.truth.path, labels=True).images
            classifier = vgg_classifier(images, seed=self.seed, device=self.device)
        if self.rule.target is None:
            return rewards.confidence(classifier, gamma=self.rule.strength)
        return rewards.class_probability(classifier, self.rule.target, gamma=self.rule.strength)

    def __call__(self, pixels: Any) -> NDArray[np.float64]:
        return self.reward(pixels)


@dataclass(frozen=True, kw_only=True)
class Improvement:
    """SIMS or Neon around the network; see `madtheory.models.SIMS`.

    Attributes
    ----------
    method : {"SIMS", "Neon"}
        Name of the method.
    weight : float
        w, the guidance of SIMS or the weight of Neon.
    n_auxiliary : int
        Synthetic images that the auxiliary is trained on.
    budget : int
        Images that the auxiliary sees.
    learning_rate : float
        Learning rate of the auxiliary's training.
    """

    method: Literal["SIMS", "Neon"]
    weight: float
    n_auxiliary: int
    budget: int
    learning_rate: float

    def around(self, model: ImageDiffusion) -> SIMS | Neon:
        """Return the model that is improved in every generation."""
        kind = SIMS if self.method == "SIMS" else Neon
        return kind(
            model,
            self.weight,
            n_auxiliary=self.n_auxiliary,
            budget=self.budget,
            learning_rate=self.learning_rate,
        )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that a run is a function of, apart from its seed.

    Attributes
    ----------
    data : RealData or OwnData
        The real images.
    model : ImageDiffusion
        Network, noise levels, sampler and training, not fitted.
    regime : Regime
        Data that each generation is trained on.
    generations : int
        Number of generations.
    n_evaluation : int
        Images of each generation that are measured.
    features : {"lenet", "inception", "convolutions"}
        Features of the comparison.
    reference : {"train", "test"}
        Real images of the comparison.
    bias : float, optional
        Sampling bias of the loop, 1 / (1 + w) for a classifier-free guidance w.
    warm_start : bool
        Start the training of each generation from the last weights.
    improvement : Improvement, optional
        SIMS or Neon.
    treatment : Centres or Chosen, optional
        Treatment of the synthetic images before they are trained on.
    """

    data: Any
    model: ImageDiffusion
    regime: mad.regimes.Regime
    generations: int
    n_evaluation: int
    features: Literal["lenet", "inception", "convolutions"]
    reference: Literal["train", "test"] = "test"
    bias: float | None = None
    warm_start: bool = False
    improvement: Improvement | None = None
    treatment: Centres | Chosen | None = None

    def change(
        self,
        *,
        generations: int | None = None,
        bias: float | None = None,
        n_synthetic: int | None = None,
        weight: float | None = None,
    ) -> Settings:
        """Return the same run with another value of the parameter that the papers vary, if not ``None``.

        Raises
        ------
        ValueError
            If this run does not have that parameter.
        """
        new = self
        if generations is not None:
            new = replaced(new, generations=check_size("generations", generations))
        if bias is not None:
            if self.model.classes is None:
                raise ValueError(
                    f"bias={bias!r} is a classifier-free guidance, and this network has no classes; leave "
                    f"bias out, or take a preset with classes, such as mad-mnist-fully-synthetic."
                )
            new = replaced(new, bias=bias)
        if n_synthetic is not None:
            new = replaced(new, regime=replaced(self.regime, n_synthetic=n_synthetic))
        if weight is not None:
            if self.improvement is None:
                raise ValueError(
                    f"weight={weight!r} is that of SIMS or Neon, and this preset has neither; leave weight "
                    f"out, or take a preset such as sims-cifar10 or neon-cifar10."
                )
            new = replaced(new, improvement=replaced(self.improvement, weight=weight))
        return new

    def loop(
        self,
        *,
        store: str | Path | None = None,
        data: str | Path | None = None,
        device: str | None = None,
        seed: int = 0,
    ) -> mad.Loop:
        """Return the loop; neither data nor classifiers are opened before they are needed."""
        base = replaced(self.model, store=store, device=device)
        truth = Truth(self.data, None if data is None else os.path.abspath(data))
        model: Any = base if self.improvement is None else self.improvement.around(base)
        treatments = (
            ()
            if self.treatment is None
            else (self.treatment.treatment(truth, check_seed(seed, "seed"), device),)
        )
        return mad.Loop(
            real=truth,
            model=model,
            regime=self.regime,
            bias=self.bias,
            warm_start=self.warm_start,
            treatments=treatments,
        )

    def open_reference(self, data: str | Path | None = None) -> Images:
        """Return the real images that each generation is compared with."""
        whole = replaced(self.data, first=None) if isinstance(self.data, RealData) else self.data
        images: Images = whole.open(self.reference, data).images
        return images


def check_enough(settings: Settings, left: int) -> None:
    """Refuse a run whose real images do not last for all generations."""
    regime = settings.regime
    again = sum(regime.at(t).n_fresh for t in range(2, settings.generations + 1))
    if regime.n_initial + again > left:
        raise ValueError(
            f"generations={settings.generations}: the run draws {regime.n_initial + again:,} real images, "
            f"none of them twice, and there are {left:,}; pass fewer generations."
        )
