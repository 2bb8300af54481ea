"""The diffusion of Neon's toy (arXiv 2510.03597, Appendix B.11), built from `madtheory.networks`.

A plain network that predicts the noise from the point and the time, trained on a cosine chain of 1,000 steps.
Its sampler recomputes the chain for 20 steps, each with its own count of time, as the published code does:
the network is evaluated at times that are 5 % too late. Its samples are too narrow for that, and for the
coarse steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from madtheory.networks import Diffusion

_START = math.cos(0.008 / 1.008 * math.pi / 2)


def _level(time: Any) -> Any:
    """Return the noise level of the cosine schedule (arXiv 2102.09672, Eq. 17) at a time from 0 to 1."""
    return np.sqrt(np.maximum((_START / np.cos((time + 0.008) / 1.008 * math.pi / 2)) ** 2 - 1, 0.0))


@dataclass(frozen=True, kw_only=True)
class ToyChain:
    """Cosine chain; its times are t / n for t = 1 ... n - 1, and the last level of a sampler is 0."""

    steps: int = 1000

    def levels(self, steps: int) -> np.ndarray:
        """Return the noise levels of a sampler, decreasing to 0, shape (steps,): a chain of so many steps."""
        return _level(np.arange(steps - 1, -1, -1) / steps)

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw noise levels to train at, shape (n, 1)."""
        table = torch.from_numpy(_level(np.arange(1, self.steps) / self.steps).astype(np.float32))
        return table[torch.randint(self.steps - 1, (n, 1), generator=generator)]


@dataclass(frozen=True)
class ScaledDDIM:
    r"""Deterministic DDIM whose prediction of x0 uses the score times `scale`, Neon's :math:`\zeta`.

    .. math:: D = x - \zeta \sigma \epsilon, \qquad x' = D + \sigma' \epsilon

    in coordinates x = x0 + sigma * noise. A scale below 1 makes samples too wide, one above 1 too narrow.
    """

    steps: int = 20
    scale: float = 1.0
    chain: int = 1000

    def integrate(
        self, denoiser: Any, x: Any, sigmas: Sequence[float] | np.ndarray, noise: Any = None
    ) -> Any:
        """Take points x from the noise level ``sigmas[0]`` to the last one."""
        times = np.arange(self.steps - 1, 0, -1) / (self.steps - 1)
        trained = _level(times * (self.chain - 1) / self.chain).tolist()
        for (now, then), level in zip(pairwise(np.asarray(sigmas).tolist()), trained, strict=True):
            # The network is shown x as it is, with the time of its own chain.
            seen = x * math.sqrt((1 + level**2) / (1 + now**2))
            epsilon = (seen - denoiser(seen, level)) / level
            x = x - self.scale * now * epsilon + then * epsilon
        return x


class _Network(nn.Module):
    """Linear, four hidden layers with ReLU, linear: noise from (x, time); wrapped as a denoiser."""

    def __init__(self, dim: int, hidden: Sequence[int], parameterisation: Any) -> None:
        super().__init__()
        self.parameterisation = parameterisation
        first, *rest = hidden
        layers: list[nn.Module] = [nn.Linear(dim + 1, first)]
        for narrow, wide in pairwise((first, *rest)):
            layers += [nn.Linear(narrow, wide), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden[-1], dim))

    def forward(self, x: Tensor, sigma: Tensor | float, labels: Tensor | None = None) -> Tensor:
        """Return the mean of x0 given x."""
        level = sigma if isinstance(sigma, Tensor) else torch.full((len(x), 1), sigma)
        root = (1 + level**2) ** -0.5
        time = 1.008 * 2 / math.pi * torch.arccos((root * _START).clamp(max=1.0)) - 0.008
        return x - level * self.layers(torch.cat([root * x, time], 1))


@dataclass(frozen=True, kw_only=True, eq=False)
class ToyDiffusion(Diffusion):
    """A `Diffusion` with the network of the toy."""

    parameterisation: str = "epsilon"

    def _module(self, dim: int) -> nn.Module:
        from madtheory.networks import PARAMETERISATIONS

        return _Network(dim, self.hidden, PARAMETERISATIONS[self.parameterisation])
