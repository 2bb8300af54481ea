"""The base of all networks: a value of arrays, fitted for a budget of images, one seed per sample."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from madtheory.networks.context import check_device, choose_device, own_torch, seed_torch
from madtheory.networks.trained import Seeds, Trained
from madtheory.networks.training import Training, batches, optimise
from madtheory.types import Array
from madtheory.validation import (
    check_bias,
    check_generator,
    check_number,
    check_numbers,
    check_points,
    check_seeds,
    check_size,
    check_widths,
    show,
)

Weights = dict[str, NDArray[np.floating]]
Term = tuple[float, Any]
"""A coefficient and a module: a model is sampled from a sum of such terms."""

Self = TypeVar("Self", bound="Network")


_LARGE = 2**18
"""Numbers from which on several threads draw."""


def noise(seeds: Seeds, shape: Sequence[int], role: int = 0) -> Tensor:
    """Draw standard normals, ``(len(seeds), *shape)``: row i depends only on ``seeds[i]`` and `role`."""
    rows = np.empty((len(seeds), *shape), dtype=np.float32)
    if rows.size < _LARGE or len(seeds) < 2:
        _draw_rows(rows, seeds, role)
    else:
        threads = min(8, os.cpu_count() or 1, len(seeds))
        pieces = [slice(part[0], part[-1] + 1) for part in np.array_split(np.arange(len(seeds)), threads)]
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda piece: _draw_rows(rows[piece], seeds[piece], role), pieces))
    return torch.from_numpy(rows)


def _draw_rows(rows: NDArray[np.float32], seeds: Seeds, role: int) -> None:
    bits = np.random.Philox(key=np.array([0, role], dtype=np.uint64))
    state, normals = bits.state, np.random.Generator(bits)
    for row, seed in zip(rows, seeds, strict=True):
        # The state of a new generator with this key, at a fraction of the cost of making one.
        state["state"]["key"][0] = seed
        bits.state = state
        normals.standard_normal(out=row, dtype=np.float32)


def data_units(x: Array) -> tuple[Array, float]:
    """Return the mean of each coordinate, shape (d,), and one standard deviation for all coordinates.

    The spread is taken about the mean of each coordinate: about the grand mean, coordinates that lie far
    apart would count as spread. It is 1 where the points do not differ by more than their rounding.
    """
    shift = x.mean(0)
    scale = float((x - shift).std())
    return shift, scale if scale > 1e-14 * float(np.abs(x).max()) else 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Network(Trained):
    """A trained generator: its configuration, and its weights once it is fitted.

    Attributes
    ----------
    hidden : tuple of int
        Widths of the hidden layers; an empty tuple makes the network linear.
    training : Training
        Budget in images seen, batch, learning rate, averaging of the weights.
    classes : int, optional
        Number of classes of a class-conditional network: points have d + 1 coordinates, of which the last is
        the class, 0 to classes - 1.
    units : (shift, scale), optional
        Units of the network, whose input is (x - shift) / scale. Default: mean and standard deviation (one
        for all coordinates) of the first training set; a warm start keeps them.
    device : str, optional
        Device of `fit` and `sample`: ``"cpu"``, ``"cuda"``. Default: the accelerator, if there is one.
    batch : int
        Number of samples drawn at once; it changes samples only by rounding.
    weights : dict of arrays, optional
        Weights by name. Those that begin with ``_`` are not learned. ``None``: not fitted.
    """

    hidden: tuple[int, ...] = (128, 128, 128)
    training: Training = field(default_factory=Training)
    classes: int | None = None
    units: tuple[float, float] | None = None
    device: str | None = None
    batch: int = 4096
    weights: Weights | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", check_widths("hidden", self.hidden))
        object.__setattr__(self, "batch", check_size("batch", self.batch))
        if not isinstance(self.training, Training):
            raise TypeError(f"training={show(self.training)} is not a Training; pass Training(...).")
        check_device(self.device)
        if self.classes is not None:
            check_size("classes", self.classes)
        if self.units is not None:
            if not isinstance(self.units, (tuple, list)) or len(self.units) != 2:
                raise ValueError(f"units={show(self.units)} are not (shift, scale); pass two numbers.")
            check_numbers("units", self.units[0])
            check_number("units", self.units[1], 0, above=True)

    @abstractmethod
    def _module(self, dim: int) -> nn.Module:
        """Make a new torch module for points of dimension `dim`, with random weights."""

    @abstractmethod
    def _loss(self, module: Any, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """Return the mean loss of a batch x (n, d) in the network's units."""

    @abstractmethod
    def _generate(
        self, terms: Sequence[Term], dim: int, seeds: Seeds, labels: Tensor | None, bias: float | None
    ) -> Tensor:
        """Return samples (n, d) in the network's units, of the sum of `terms`."""

    @own_torch()
    def _train(self: Self, data: Any, images: int, learning_rate: float, rng: np.random.Generator) -> Self:
        check_generator("rng", rng)
        x, labels = self._split(check_points(data))
        if self.weights is None:
            shift, scale = self.units or data_units(x)
            kept = {
                "_shift": np.broadcast_to(np.asarray(shift, dtype=float), x.shape[1:]).copy(),
                "_scale": np.asarray(scale, dtype=float),
            }
        else:
            kept = {name: value for name, value in self.weights.items() if name.startswith("_")}
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        module = self._restore(x.shape[1], int(rng.integers(2**63)))
        device = choose_device(self.device)
        scaled = torch.from_numpy(((x - kept["_shift"]) / kept["_scale"]).astype(np.float32)).to(device)
        marks = None if labels is None else torch.from_numpy(labels).to(device)
        learned = self._optimise(module, scaled, marks, images, learning_rate, generator)
        return replace(self, weights={**learned, **kept})

    def _optimise(
        self,
        module: nn.Module,
        x: Tensor,
        labels: Tensor | None,
        images: int,
        learning_rate: float,
        generator: torch.Generator,
    ) -> Weights:
        """Train `module`; return its weights, averaged if the training averages."""

        def loss(index: Tensor) -> Tensor:
            return self._loss(module, x[index], None if labels is None else labels[index], generator)

        steps = batches(len(x), images, self.training.batch, generator)
        return optimise(module, loss, steps, self.training, images, learning_rate, type(self).__name__)

    def _restore(self, dim: int, seed: int = 0) -> nn.Module:
        """Make the module with these weights, or with new ones drawn from `seed`."""
        with seed_torch(seed):
            module = self._module(dim)
        if self.weights is not None:
            state = {k: torch.from_numpy(v) for k, v in self.weights.items() if not k.startswith("_")}
            module.load_state_dict(state)
        return module.to(choose_device(self.device))

    @own_torch()
    def _combine(
        self, terms: Sequence[tuple[float, Network]], seeds: Any, labels: Any, bias: float | None
    ) -> Array:
        """Return samples of a sum of networks that have the same units."""
        weights = self._check_fitted()
        if bias is not None:
            check_bias(bias)
        seeds = check_seeds(seeds)
        if (labels is None) != (self.classes is None):
            raise ValueError(
                f"labels={show(labels)}, but classes={show(self.classes)}; labels go with classes."
            )
        marks = None if labels is None else np.asarray(labels, dtype=np.int64)
        dim, device = len(weights["_shift"]), choose_device(self.device)
        modules = [(c, network._restore(dim).eval()) for c, network in terms if c != 0]
        parts = []
        with torch.inference_mode():
            for first in range(0, len(seeds), self.batch):
                chosen = slice(first, first + self.batch)
                mark = None if marks is None else torch.from_numpy(marks[chosen]).to(device)
                drawn = self._generate(modules, dim, seeds[chosen], mark, bias)
                parts.append(drawn.cpu().numpy().astype(float))
        x = np.concatenate(parts) * weights["_scale"] + weights["_shift"]
        return x if marks is None else np.column_stack([x, marks])

    def _split(self, points: Array) -> tuple[Array, NDArray[np.int64] | None]:
        """Return the coordinates, and the classes if there are any."""
        if points.ndim != 2:
            raise ValueError(f"data has shape {points.shape}; a network takes one replicate, (n, d).")
        if self.weights is not None:
            expected = len(self.weights["_shift"]) + (self.classes is not None)
            if points.shape[1] != expected:
                raise ValueError(
                    f"data has {points.shape[1]} coordinates and this network was fitted to {expected}; "
                    f"fit a new {type(self).__name__} instead."
                )
        if self.classes is None:
            return points, None
        labels = points[:, -1].astype(np.int64)
        if points.shape[1] < 2 or (labels != points[:, -1]).any() or not (labels >= 0).all():
            raise ValueError("data need the class, 0 to classes - 1, as their last coordinate.")
        if labels.max() >= self.classes:
            raise ValueError(
                f"data hold class {labels.max()}, but classes={self.classes}; raise it to {labels.max() + 1}."
            )
        return points[:, :-1], labels

    def _difference(self, other: Any) -> str | None:
        mine, theirs = self.weights or {}, other.weights
        same = {k: v.shape for k, v in mine.items()} == {k: v.shape for k, v in theirs.items()}
        if same and all(np.array_equal(mine[k], theirs[k]) for k in mine if k.startswith("_")):
            return None
        return "other layers or other units"


def mlp(
    inputs: int, hidden: Sequence[int], outputs: int, activation: Callable[[], nn.Module] = nn.ReLU
) -> nn.Sequential:
    """Make a multilayer perceptron, or a linear layer if there are no hidden ones."""
    layers: list[nn.Module] = []
    for narrow, wide in pairwise((inputs, *hidden)):
        layers += [nn.Linear(narrow, wide), activation()]
    return nn.Sequential(*layers, nn.Linear((inputs, *hidden)[-1], outputs))


def one_hot(x: Tensor, labels: Tensor | None, classes: int | None) -> Tensor:
    """Append the class to rows of x, as 0 and 1, if there are classes."""
    if labels is None or classes is None:
        return x
    return torch.cat([x, nn.functional.one_hot(labels, classes).to(x.dtype)], 1)


def draw_like(x: Tensor, width: int, generator: torch.Generator) -> Tensor:
    """Draw standard normals, one row of `width` for each of x."""
    return torch.randn(len(x), width, generator=generator).to(x.device)
