"""Pieces of modules that several networks use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = ["drawn_like", "mlp", "one_hot"]


def mlp(
    inputs: int, hidden: Sequence[int], outputs: int, activation: Callable[[], nn.Module] = nn.ReLU
) -> nn.Sequential:
    """A multilayer perceptron; a linear layer if there are no hidden ones."""
    layers: list[nn.Module] = []
    for narrow, wide in pairwise((inputs, *hidden)):
        layers += [nn.Linear(narrow, wide), activation()]
    return nn.Sequential(*layers, nn.Linear((inputs, *hidden)[-1], outputs))


def one_hot(x: Tensor, labels: Tensor | None, classes: int | None) -> Tensor:
    """Rows of x, with the class behind them as 0 and 1 if there are classes."""
    if labels is None or classes is None:
        return x
    return torch.cat([x, nn.functional.one_hot(labels, classes).to(x.dtype)], 1)


def drawn_like(x: Tensor, width: int, generator: torch.Generator) -> Tensor:
    """Standard normals, one row of `width` for each of x."""
    return torch.randn(len(x), width, generator=generator).to(x.device)
