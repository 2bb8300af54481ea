"""A small convolutional classifier of square images, for features and class shares of samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from madtheory.networks.context import check_device, choose_device, own_torch, seed_torch
from madtheory.networks.network import Weights, data_units
from madtheory.networks.training import Training, batches, optimise
from madtheory.types import Array
from madtheory.validation import (
    check_array,
    check_generator,
    check_points,
    check_size,
    check_widths,
    show,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Classifier:
    """A classifier in the manner of LeNet: two convolutions with pooling, and two full layers.

    Attributes
    ----------
    classes : int
        Number of classes, 0 to classes - 1.
    channels : (int, int)
        Channels of the convolutions (3 x 3).
    width : int
        Width of the layer before the last, which gives the features.
    training : Training
        Budget and learning rate.
    device : str, optional
        Device of the computations. Default: the accelerator, if there is one.
    batch : int
        Number of images classified at once; it changes results only by rounding.
    weights : dict of arrays, optional
        Weights by name. ``None``: not fitted.

    Notes
    -----
    Points are rows of pixels, s x s of them with s at least 4. Source: LeCun et al. 1998, "Gradient-based
    learning applied to document recognition"; its features, of 84 units, feed Frechet distances and
    precision and recall in place of those of Inception (Alemohammad et al., arXiv 2307.01850, use a LeNet
    for MNIST).
    """

    classes: int = 10
    channels: tuple[int, int] = (32, 64)
    width: int = 84
    training: Training = field(default_factory=lambda: Training(images=25_000, batch=64, learning_rate=3e-3))
    device: str | None = None
    batch: int = 4096
    weights: Weights | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in ("classes", "width", "batch"):
            check_size(name, getattr(self, name))
        widths = check_widths("channels", self.channels)
        check_device(self.device)
        if not isinstance(self.training, Training):
            raise TypeError(f"training={show(self.training)} is not a Training; pass Training(...).")
        if len(widths) != 2:
            raise ValueError(
                f"channels={show(self.channels)} are not two integers; pass for example (32, 64)."
            )
        object.__setattr__(self, "channels", widths)

    @own_torch()
    def fit(self, points: Any, labels: Any, *, rng: np.random.Generator) -> Classifier:
        """Train on images (n, s * s) and their classes (n,), from random weights; return a new classifier.

        Raises
        ------
        ValueError
            If the images are not square or smaller than 4 x 4, or the labels are not one class for each
            image.
        """
        check_generator("rng", rng)
        x = check_points(points, "points")
        _check_square(x)
        y = check_array(labels, "labels")
        if y.shape != (len(x),) or not np.isin(y, np.arange(self.classes)).all():
            raise ValueError(
                f"labels have shape {y.shape} for {len(x)} points, or hold values that are not integers from "
                f"0 to {self.classes - 1}; pass one class for each point, or raise classes={self.classes}."
            )
        # One shift for all pixels: with one for each, equal pixels of an image would differ.
        kept = {"_shift": np.asarray(x.mean()), "_scale": np.asarray(data_units(x)[1])}
        seed, generator = int(rng.integers(2**63)), torch.Generator().manual_seed(int(rng.integers(2**63)))
        module, device = self._restore(x.shape[1], seed), choose_device(self.device)
        images = _images(x, kept).to(device)
        marks = torch.from_numpy(y.astype(np.int64)).to(device)

        def loss(index: Tensor) -> Tensor:
            return nn.functional.cross_entropy(module(images[index]), marks[index])

        budget = self.training.images
        steps = batches(len(x), budget, self.training.batch, generator)
        rate = self.training.learning_rate
        learned = optimise(module, loss, steps, self.training, budget, rate, type(self).__name__)
        return replace(self, weights={**learned, **kept})

    def features(self, points: Any) -> Array:
        """Return the values of the layer before the last, for images (n, s * s): shape (n, width)."""
        return self._compute(points, lambda module, x: module[:-1](x))

    def probabilities(self, points: Any) -> Array:
        """Return the probabilities of the classes, for images (n, s * s): shape (n, classes)."""
        return self._compute(points, lambda module, x: module(x).double().softmax(1))

    def labels(self, points: Any) -> NDArray[np.int64]:
        """Return the most probable class of images (n, s * s): shape (n,)."""
        return self.probabilities(points).argmax(1)

    @own_torch()
    def _compute(self, points: Any, function: Callable[[Any, Tensor], Tensor]) -> Array:
        if self.weights is None:
            raise ValueError("this Classifier is not fitted; call fit(points, labels, rng=rng).")
        x = check_points(points, "points")
        _check_square(x)
        module, device = self._restore(x.shape[1]).eval(), choose_device(self.device)
        parts = []
        with torch.inference_mode():
            for first in range(0, len(x), self.batch):
                images = _images(x[first : first + self.batch], self.weights).to(device)
                parts.append(function(module, images).cpu().numpy().astype(float))
        return np.concatenate(parts)

    def _restore(self, dim: int, seed: int = 0) -> nn.Sequential:
        side, (first, second) = math.isqrt(dim), self.channels
        with seed_torch(seed):
            module = nn.Sequential(
                *(nn.Conv2d(1, first, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
                *(nn.Conv2d(first, second, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
                *(nn.Linear(second * (side // 4) ** 2, self.width), nn.ReLU()),
                nn.Linear(self.width, self.classes),
            )
        if self.weights is not None:
            state = {k: torch.from_numpy(v) for k, v in self.weights.items() if not k.startswith("_")}
            expected = module.state_dict()
            if any(expected[k].shape != v.shape for k, v in state.items()):
                raise ValueError(
                    f"points are images of {side} x {side} pixels and this Classifier was fitted to others; "
                    f"pass images of its size."
                )
            module.load_state_dict(state)
        return module.to(choose_device(self.device))


FITTING = (Classifier.fit, Classifier._restore)
"""The code that computes the weights."""


def _check_square(points: Array) -> None:
    side = math.isqrt(points.shape[-1])
    if points.ndim != 2 or side**2 != points.shape[1] or side < 4:
        raise ValueError(
            f"points have shape {points.shape}; expected (n, s * s), the pixels of square images with s >= 4."
        )


def _images(points: Array, weights: Weights) -> Tensor:
    side = math.isqrt(points.shape[1])
    scaled = (points - weights["_shift"]) / weights["_scale"]
    return torch.from_numpy(scaled.astype(np.float32)).reshape(-1, 1, side, side)
