"""Training of networks: Adam for a budget of images seen, with an average of the weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from madtheory.types import Count
from madtheory.validation import check_fields, check_number, check_size, show


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The settings of every training; it counts images SEEN, not epochs, so that steps = images / batch."""

    images: Count
    batch: Count
    learning_rate: float
    decay: Literal["constant", "linear", "cosine"]
    betas: tuple[float, float] = (0.9, 0.999)
    ema_images: int
    warm_images: Count | None = None
    warm_learning_rate: float | None = None

    def __post_init__(self) -> None:
        if isinstance(self.betas, (str, bytes)) or not np.iterable(self.betas) or len(tuple(self.betas)) != 2:
            raise ValueError(f"betas={show(self.betas)} are not two numbers; pass for example (0.9, 0.999).")
        for beta in self.betas:
            check_number("betas", beta, 0, 1, below=True)
        check_fields(self)
        check_size("ema_images", self.ema_images, 0)
        for name in ("learning_rate", "warm_learning_rate"):
            if (rate := getattr(self, name)) is not None:
                check_number(name, rate, 0, above=True)


@dataclass(frozen=True, kw_only=True)
class Training(Budget):
    """A training budget: it counts images SEEN, not epochs, so that steps = images / batch.

    Attributes
    ----------
    images : int
        Number of points seen by a fit from random weights, with repetition.
    batch : int
        Number of points of a step. Smaller training sets are repeated within a batch.
    learning_rate : float
        Learning rate of Adam.
    decay : {"constant", "linear", "cosine"}
        Decay of the learning rate, to 0 at the end of the budget.
    betas : (float, float)
        Decay rates of the moments of Adam.
    ema_images : int
        Half-life of the exponential average of the weights, in images seen; 0 turns the average off. At
        the beginning it is at most a twentieth of the images seen (Karras et al. 2022, arXiv 2206.00364,
        Appendix F.2).
    warm_images, warm_learning_rate : int, float, optional
        Budget and learning rate of a fit that starts from fitted weights (``Loop(warm_start=True)``, the
        auxiliary of SIMS and Neon). Default: as above.
    """

    images: Count = 768_000
    batch: Count = 512
    learning_rate: float = 1e-3
    decay: Literal["constant", "linear", "cosine"] = "cosine"
    ema_images: int = 0

    def rate(self, progress: float) -> float:
        """Return the share of the learning rate after a share `progress` of the budget."""
        if self.decay == "constant":
            return 1.0
        return 1 - progress if self.decay == "linear" else 0.5 * (1 + math.cos(math.pi * progress))


def batches(n: int, images: int, batch: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield indices of batches, through one random order of all points after another."""
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(math.ceil(images / batch)):
        while len(order) < batch:
            order = torch.cat([order, torch.randperm(n, generator=generator)])
        yield order[:batch]
        order = order[batch:]


class Optimised:
    """The weights of a module, Adam, and the exponential average of the weights."""

    def __init__(
        self, module: nn.Module, learning_rate: float, betas: tuple[float, float], half_life: int
    ) -> None:
        self.half_life, self.named = half_life, dict(module.named_parameters())
        self.parameters = list[Tensor](self.named.values())
        self.optimiser = torch.optim.Adam(self.parameters, lr=learning_rate, betas=betas, fused=True)
        self.averages = [p.detach().clone() for p in self.parameters] if half_life else []

    def average(self, seen: int, batch: int) -> None:
        """Move the average towards the weights, after a step of `batch` images."""
        if self.averages:
            half_life = max(min(self.half_life, seen / 20), 1e-9)
            with torch.no_grad():
                torch._foreach_lerp_(self.averages, self.parameters, 1 - 0.5 ** (batch / half_life))

    def finish(self) -> None:
        """Replace the weights by their average."""
        with torch.no_grad():
            for parameter, average in zip(self.parameters, self.averages, strict=False):
                parameter.copy_(average)


def optimise(
    module: nn.Module,
    loss: Callable[[Tensor], Tensor],
    steps: Iterable[Tensor],
    training: Training,
    images: int,
    learning_rate: float,
    name: str = "network",
) -> dict[str, NDArray[np.float32]]:
    """Minimise `loss`, a function of the indices of a batch; return the (averaged) weights."""
    state = Optimised(module, learning_rate, training.betas, training.ema_images)
    total, seen = math.ceil(images / training.batch), 0
    module.train()
    for i, index in enumerate(progress_bar(steps, total, name)):
        for group in state.optimiser.param_groups:
            group["lr"] = learning_rate * training.rate(i / total)
        state.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss(index))
        state.optimiser.step()
        seen += len(index)
        state.average(seen, len(index))
    state.finish()
    return {key: value.detach().cpu().numpy().copy() for key, value in module.state_dict().items()}


def progress_bar(steps: Iterable[Tensor], total: int, name: str) -> Iterable[Tensor]:
    """Show a bar on terminals, for trainings of more than five seconds."""
    from tqdm import tqdm

    bar: Iterable[Tensor] = tqdm(steps, total=total, desc=name, delay=5.0, leave=False, disable=None)
    return bar
