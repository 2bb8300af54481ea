"""The network inside a diffusion: a residual multilayer perceptron that knows noise level and class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from madtheory.networks._parameterisations import Parameterisation

__all__ = ["NetworkDenoiser"]

_FREQUENCIES = 6


class NetworkDenoiser(nn.Module):
    """A denoiser D(x, sigma, labels): a parameterisation around a network. Class `classes` stands for none.

    `hidden` are the widths of its layers. Noise level and class shift the input of each; a layer that is as
    wide as the one before it is added to that one's output. Without layers, the output is linear in the
    weights and affine in x.
    """

    def __init__(
        self, dim: int, hidden: Sequence[int], classes: int | None, parameterisation: Parameterisation
    ) -> None:
        super().__init__()
        self.parameterisation, self.widths = parameterisation, list(hidden)
        self.marks = 0 if classes is None else classes + 1
        known = 2 * _FREQUENCIES + 2 + self.marks
        if hidden:
            self.condition = nn.Linear(known, sum(hidden), bias=False)
            self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise((dim, *hidden)))
            self.last = nn.Linear(hidden[-1], dim)
        else:
            self.last = nn.Linear((2 * _FREQUENCIES + 2) * (dim + 1 + self.marks), dim)
        # The first denoiser is c_skip x, which is a stable start.
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, sigma: Tensor | float, labels: Tensor | None = None) -> Tensor:
        """Mean of x0 given points x (n, d), at one noise level or at one for each, shape (n, 1)."""
        skip, out, scale, _ = self.parameterisation
        levels = sigma if isinstance(sigma, Tensor) else torch.full((1, 1), sigma, device=x.device)
        return skip(sigma) * x + out(sigma) * self._network(scale(sigma) * x, levels, labels)

    def _network(self, x: Tensor, levels: Tensor, labels: Tensor | None) -> Tensor:
        waves, marks = _waves(levels), self._marks(x, labels)
        if not self.widths:
            inputs = [x, torch.ones_like(x[:, :1])] + ([] if marks is None else [marks])
            products = waves.unsqueeze(2) * torch.cat(inputs, 1).unsqueeze(1)
            return self.last(products.flatten(1))
        if len(levels) == 1 and labels is not None:
            # All points share the noise level: the shifts are computed once for every class.
            every = torch.eye(self.marks, device=x.device)
            shifts = self.condition(torch.cat([waves.expand(self.marks, -1), every], 1))[labels]
        else:
            shifts = self.condition(waves if marks is None else torch.cat([waves, marks], 1))
        h = x
        for layer, shift in zip(self.layers, shifts.split(self.widths, 1), strict=True):
            step = nn.functional.silu(layer(h) + shift)
            h = h + step if h.shape == step.shape else step
        return self.last(h)

    def _marks(self, x: Tensor, labels: Tensor | None) -> Tensor | None:
        return None if labels is None else nn.functional.one_hot(labels, self.marks).to(x.dtype)


def _waves(levels: Tensor) -> Tensor:
    """Features of the noise level, shape (n, 2 frequencies + 2): 1, ln(sigma) / 4, and waves of ln(sigma)."""
    log = levels.log()
    frequencies = math.pi / 16 * 2 ** torch.arange(_FREQUENCIES, device=log.device)
    angles = frequencies * log
    return torch.cat([torch.ones_like(log), log / 4, angles.sin(), angles.cos()], 1)
