"""What features need of torch: a device, arithmetic that repeats itself, checksums, and a random network."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from madtheory.images._store import fingerprint
from madtheory.networks._context import own_torch

__all__ = ["checksum", "device_of", "exact", "random_network", "rows_of", "short"]


@own_torch()
def random_network(seed: int, dim: int, channels: int) -> nn.Module:
    """Three convolutions and a linear layer with random weights, for images of any size from 4 x 4."""
    widths = (channels, 32, 64, 128)
    layers: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):  # layers draw weights, which are replaced
        for stride, (before, after) in zip((1, 2, 2), pairwise(widths), strict=True):
            layers += [nn.Conv2d(before, after, 3, stride=stride, padding=1), nn.ReLU()]
        layers += [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * widths[-1], dim)]
    network = nn.Sequential(*layers)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in network.parameters():
            # He's initialisation, which keeps the size of what goes through; no biases.
            scale = math.sqrt(2 / weight[0].numel()) if weight.ndim > 1 else 0.0
            weight.copy_(scale * torch.randn(weight.shape, generator=generator))
    return network


def rows_of(values: Any) -> NDArray[Any]:
    """What a network gives, as an array (n, d)."""
    rows = torch.as_tensor(values).flatten(1).cpu()
    array: NDArray[Any] = (rows if rows.dtype == torch.float64 else rows.float()).numpy()
    return array


@contextmanager
def exact() -> Iterator[None]:
    """Convolutions in full single precision, by algorithms that give the same bits in every run."""
    cudnn: Any = torch.backends.cudnn
    precise = hasattr(getattr(cudnn, "conv", None), "fp32_precision")  # torch 2.9 and later
    wanted: list[tuple[Any, str, Any]] = [(cudnn, "benchmark", False), (cudnn, "deterministic", True)]
    if precise:
        wanted += [(cudnn.conv, "fp32_precision", "ieee"), (cudnn.rnn, "fp32_precision", "ieee")]
    else:
        wanted += [(cudnn, "allow_tf32", False)]
    before = [getattr(where, name) for where, name, _ in wanted]
    try:
        for where, name, value in wanted:
            setattr(where, name, value)
        yield
    finally:
        for (where, name, _), value in zip(wanted, before, strict=True):
            setattr(where, name, value)


def device_of(device: str | None) -> torch.device:
    """The device of that name, or the accelerator if there is one."""
    automatic = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(automatic if device is None else device)


def checksum(module: nn.Module) -> str:
    """Of layers and weights."""
    state = {
        f"{name} {value.dtype} {tuple(value.shape)}": value.detach()
        .cpu()
        .reshape(-1)
        .view(torch.uint8)
        .numpy()
        for name, value in module.state_dict().items()
    }
    return short(f"{type(module)} {module} {fingerprint(state)}")


def short(text: str | None) -> str:
    """The beginning of the sha256 of a text."""
    return hashlib.sha256(str(text).encode()).hexdigest()[:16]
