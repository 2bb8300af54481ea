"""The real images of a run: which they are, and a source that opens them when they are first drawn from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from madtheory.images import datasets
from madtheory.images._images import Images
from madtheory.images._real import RealImages

__all__ = ["RealData", "Truth"]

_CHANNELS = {"digits": 1, "photographs": 3, "MNIST": 1, "CIFAR10": 3, "FFHQ": 3}


@dataclass(frozen=True, kw_only=True)
class RealData:
    """Which real images.

    Attributes
    ----------
    name : {"digits", "photographs", "MNIST", "CIFAR10", "FFHQ"}
        The first two come with scikit-learn; the others lie in a folder, and FFHQ in a folder or archive.
    size : int
        Height and width, pixels.
    labels : bool
        With classes.
    first : int, optional
        Only the first so many.
    """

    name: Literal["digits", "photographs", "MNIST", "CIFAR10", "FFHQ"]
    size: int
    labels: bool = False
    first: int | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels), known without opening the images."""
        return self.size, self.size, _CHANNELS[self.name]

    @property
    def offline(self) -> bool:
        """Whether the images come with scikit-learn."""
        return self.name in ("digits", "photographs")

    def opened(
        self, part: Literal["train", "test"], path: str | Path | None = None, *, labels: bool | None = None
    ) -> RealImages:
        """Open the images.

        Parameters
        ----------
        part : {"train", "test"}
            Those to train on, or those held out; FFHQ has one part only.
        path : path-like, optional
            Where the images lie, unless they come with scikit-learn: torchvision's folder, FFHQ's folder or
            archive.
        labels : bool, optional
            With classes. Default: as the run has them.

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
            what = "its folder or archive" if self.name == "FFHQ" else "the folder torchvision keeps it in"
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
                        f"data={os.fspath(given)!r}: there is no such folder or archive; pass FFHQ's."
                    )
                opened = datasets.folder if given.is_dir() else datasets.archive
                real = opened(given, self.size, labels=marked)
            case name:
                real = datasets.torchvision_set(name, path or "", part, labels=marked)
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
    data : RealData
        Which.
    path : path-like, optional
        Where they lie.
    """

    data: RealData
    path: str | None = None

    @cached_property
    def opened(self) -> RealImages:
        """The images."""
        return self.data.opened("train", self.path)

    @property
    def left(self) -> int:
        """How many images there are."""
        return self.opened.left

    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Images:
        """Draw `n` different images."""
        return self.opened.sample(n, rng=rng, bias=bias)

    def take(self, n: int, *, rng: np.random.Generator) -> tuple[Images, RealImages]:
        """Draw `n` images, and return them with the source of all others."""
        return self.opened.take(n, rng=rng)
