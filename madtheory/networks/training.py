"""How networks are trained: Adam for a budget of images seen, with an average of the weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from madtheory.validation import check_choice, check_number, check_size, shown


@dataclass(frozen=True, kw_only=True)
class Training:
    """A training budget: it counts images SEEN, not epochs, so that steps = images / batch.

    Attributes
    ----------
    images : int
        Points seen by a fit from random weights, with repetition.
    batch : int
        Points of a step. Smaller training sets are repeated within a batch.
    learning_rate : float
        Of Adam.
    decay : {"constant", "linear", "cosine"}
        Of the learning rate, to 0 at the end of the budget.
    betas : (float, float)
        Of Adam.
    ema_images : int
        Half-life of the exponential average of the weights, in images seen; 0 is no average. At the beginning
        it is at most a twentieth of the images seen (Karras et al. 2022, arXiv 2206.00364, Appendix F.2).
    warm_images, warm_learning_rate : int, float, optional
        Of a fit that starts from fitted weights (``Loop(warm_start=True)``, the auxiliary of SIMS and Neon).
        Default: as above.
    """

    images: int = 768_000
    batch: int = 512
    learning_rate: float = 1e-3
    decay: str = "cosine"
    betas: tuple[float, float] = (0.9, 0.999)
    ema_images: int = 0
    warm_images: int | None = None
    warm_learning_rate: float | None = None

    def __post_init__(self) -> None:
        for name, least in (("images", 1), ("batch", 1), ("ema_images", 0)):
            object.__setattr__(self, name, check_size(name, getattr(self, name), least))
        check_choice("decay", self.decay, ("constant", "linear", "cosine"))
        if self.warm_images is not None:
            check_size("warm_images", self.warm_images)
        rates = [("learning_rate", self.learning_rate), ("warm_learning_rate", self.warm_learning_rate)]
        for name, rate in rates:
            if rate is not None:
                check_number(name, rate, 0, above=True)
        check_betas(self.betas)

    def rate(self, progress: float) -> float:
        """Share of the learning rate after a share `progress` of the budget."""
        if self.decay == "constant":
            return 1.0
        return 1 - progress if self.decay == "linear" else 0.5 * (1 + math.cos(math.pi * progress))


def check_betas(betas: Any) -> None:
    """Refuse what are not the two coefficients of Adam."""
    if isinstance(betas, (str, bytes)) or not np.iterable(betas) or len(tuple(betas)) != 2:
        raise ValueError(f"betas={shown(betas)} are not two numbers; pass for example (0.9, 0.999).")
    for beta in betas:
        check_number("betas", beta, 0, 1, below=True)


def batches(n: int, images: int, batch: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Indices of one batch after another, one random order of all points after another."""
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(math.ceil(images / batch)):
        while len(order) < batch:
            order = torch.cat([order, torch.randperm(n, generator=generator)])
        yield order[:batch]
        order = order[batch:]


def optimised(
    module: nn.Module,
    loss: Callable[[Tensor], Tensor],
    steps: Iterable[Tensor],
    training: Training,
    images: int,
    learning_rate: float,
    name: str = "network",
) -> dict[str, NDArray[np.float32]]:
    """Minimise `loss`, a function of the indices of a batch; return the (averaged) weights."""
    parameters = list(module.parameters())
    optimiser = torch.optim.Adam(parameters, lr=learning_rate, betas=training.betas, fused=True)
    averages = [p.detach().clone() for p in parameters] if training.ema_images else []
    total, seen = math.ceil(images / training.batch), 0
    module.train()
    for i, index in enumerate(progress_bar(steps, total, name)):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate * training.rate(i / total)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss(index))
        optimiser.step()
        if averages:
            seen += len(index)
            half_life = max(min(training.ema_images, seen / 20), 1e-9)
            with torch.no_grad():
                torch._foreach_lerp_(averages, list[Tensor](parameters), 1 - 0.5 ** (len(index) / half_life))
    if averages:
        with torch.no_grad():
            for parameter, average in zip(parameters, averages, strict=True):
                parameter.copy_(average)
    return {key: value.detach().cpu().numpy().copy() for key, value in module.state_dict().items()}


def progress_bar(steps: Iterable[Tensor], total: int, name: str) -> Iterable[Tensor]:
    """A bar on terminals, for trainings of more than five seconds."""
    from tqdm import tqdm

    bar: Iterable[Tensor] = tqdm(steps, total=total, desc=name, delay=5.0, leave=False, disable=None)
    return bar
