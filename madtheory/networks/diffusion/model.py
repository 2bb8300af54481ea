"""Diffusions: a network learns to denoise, and samplers turn noise into data with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from madtheory.networks.context import check_parts, choose_device
from madtheory.networks.diffusion.processes import EDM, Process
from madtheory.networks.diffusion.samplers import DPMSolver, Sampler, levels_of
from madtheory.networks.network import Network, Term, noise
from madtheory.networks.trained import Seeds
from madtheory.networks.training import Training
from madtheory.validation import check_bias, check_choice, check_number, show


class Parameterisation(NamedTuple):
    r"""Functions that turn a network F into a denoiser (Karras et al. 2022, arXiv 2206.00364, Eq. 7, 8).

    .. math:: D(x, \sigma) = c_{skip} x + c_{out} F(c_{in} x, \ln\sigma), \qquad
              \mathrm{loss} = E\,\lambda(\sigma) |D(x_0 + \sigma n, \sigma) - x_0|^2

    All four are functions of the noise level, a number or a tensor. The data have unit variance.
    """

    skip: Callable[[Any], Any]
    out: Callable[[Any], Any]
    input: Callable[[Any], Any]
    weight: Callable[[Any], Any]


def _unit(s: Any) -> Any:
    return (s * s + 1) ** -0.5


PARAMETERISATIONS = {
    # Table 1 of arXiv 2206.00364, for sigma_data = 1.
    "edm": Parameterisation(
        lambda s: 1 / (s * s + 1), lambda s: s * _unit(s), _unit, lambda s: (s * s + 1) / (s * s)
    ),
    # |F - n|^2, n the noise: Ho et al. 2020, arXiv 2006.11239, Eq. 14.
    "epsilon": Parameterisation(lambda s: 1.0, lambda s: -s, _unit, lambda s: s**-2),
    "x0": Parameterisation(lambda s: 0.0, lambda s: 1.0, _unit, lambda s: 1.0),
    # |F - v|^2, v = (n - s x0) / sqrt(1 + s^2): Salimans and Ho 2022, arXiv 2202.00512, Eq. 11.
    "v_prediction": Parameterisation(
        lambda s: 1 / (s * s + 1), lambda s: -s * _unit(s), _unit, lambda s: (s * s + 1) / (s * s)
    ),
    # |F + n / std|^2 std^2, F the score of the variance-preserving x, whose noise has this std:
    # Song et al. 2021, arXiv 2011.13456, Eq. 7.
    "score": Parameterisation(lambda s: 1.0, lambda s: s * s * _unit(s), _unit, lambda s: s**-2),
    # |F - (n - x0)|^2 with the input (1 - t) x0 + t n, s = t / (1 - t): Lipman et al. 2023, arXiv 2210.02747.
    "velocity": Parameterisation(
        lambda s: 1 / (1 + s), lambda s: -s / (1 + s), lambda s: 1 / (1 + s), lambda s: ((1 + s) / s) ** 2
    ),
}


_FREQUENCIES = 6


class NetworkDenoiser(nn.Module):
    """A denoiser D(x, sigma, labels): a parameterisation around a network.

    Class `classes` stands for no class. `hidden` holds the widths of its layers. Noise level and class shift
    the input of each; a layer that is as wide as the one before it is added to that one's output. Without
    layers, the output is linear in the weights and affine in x.
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
        """Return the mean of x0 given points x (n, d), at one noise level or one for each, shape (n, 1)."""
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
            # In place: for batches of samples, new memory costs as much time as products.
            step = nn.functional.silu(layer(h).add_(shift))
            h = step.add_(h) if h.shape == step.shape else step
        return self.last(h)

    def _marks(self, x: Tensor, labels: Tensor | None) -> Tensor | None:
        return None if labels is None else nn.functional.one_hot(labels, self.marks).to(x.dtype)


def _waves(levels: Tensor) -> Tensor:
    """Return features of the noise level, (n, 2 frequencies + 2): 1, ln(sigma) / 4, and waves of it."""
    log = levels.log()
    frequencies = math.pi / 16 * 2 ** torch.arange(_FREQUENCIES, device=log.device)
    angles = frequencies * log
    return torch.cat([torch.ones_like(log), log / 4, angles.sin(), angles.cos()], 1)


_CHUNK = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Diffusion(Network):
    r"""A diffusion model, or flow matching: a network that learns to remove noise of every level.

    Its central object is the denoiser :math:`D(x, \sigma, c) = E[x_0 \mid x_0 + \sigma n = x, c]`, the
    minimum of :math:`E\,\lambda(\sigma) |D(x_0 + \sigma n, \sigma, c) - x_0|^2`. Parameterisations define D
    in terms of the network's output, and the weight lambda; processes choose the noise levels; samplers use
    D.

    Its layers are dense, which serves up to about 64 dimensions: points, and images of 8 x 8. On MNIST's 784
    pixels the samples are ghosts in salt noise (a Frechet distance of 526 on LeNet features, against 2.7 of
    held-out images), although their k-NN precision is 0.98; `madtheory.images.ImageDiffusion` is
    convolutional.

    Attributes
    ----------
    parameterisation : {"edm", "epsilon", "x0", "v_prediction", "score", "velocity"}
        Quantity that the network predicts: the mixture of data and noise of Karras et al. 2022 (arXiv
        2206.00364, Table 1), noise (Ho et al. 2020, arXiv 2006.11239), data, the score of the
        variance-preserving process (arXiv 2011.13456), or the velocity of flow matching (Lipman et al. 2023,
        arXiv 2210.02747).
    process : EDM, DDPM or FlowMatching
        Noise levels of training and sampling, in units of the data's standard deviation.
    sampler : DPMSolver, Heun or DDIM
        Sampler of the denoiser. Its error accumulates in loops: see `variance_factor`. Default:
        ``DPMSolver(32)``.
    dropout : float
        Share of the points that are trained without their class, if there are classes. 0 rules guidance out.

    Notes
    -----
    `bias` is classifier-free guidance, for class-conditional models only (Ho and Salimans 2022, arXiv
    2207.12598): bias = 1 / (1 + w), and :math:`D_w = (1 + w) D(x, c) - w D(x)` at every noise level. 1 is no
    guidance, and smaller values are more guidance. `guided` combines the denoisers of two models in the same
    way, with the same noise. For the 8 x 8 digits, ``Diffusion(hidden=(256, 256), classes=10,
    training=Training(images=320_000, batch=128, learning_rate=1e-2))`` trains in seconds on one core; at
    these sizes a high learning rate matters more than width or depth. Without hidden layers D is affine in x
    and in the weights. Sampling starts from noise of variance :math:`1 + \sigma^2`, that of noisy data in
    units of their deviation.
    """

    training: Training = field(default_factory=lambda: Training(learning_rate=4e-3))
    parameterisation: str = "edm"
    process: Process = field(default_factory=EDM)
    sampler: Sampler = field(default_factory=DPMSolver)
    dropout: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_parts(self.process, self.sampler, self.device)
        check_number("dropout", self.dropout, 0, 1, below=True)
        check_choice("parameterisation", self.parameterisation, tuple(PARAMETERISATIONS))
        levels_of(self.sampler, self.process)

    def _module(self, dim: int) -> nn.Module:
        return NetworkDenoiser(dim, self.hidden, self.classes, PARAMETERISATIONS[self.parameterisation])

    def _loss(self, module: Any, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        sigma = self.process.draw(len(x), generator).to(x.device)
        noisy = x + sigma * torch.randn(x.shape, generator=generator).to(x.device)
        if labels is not None and self.classes is not None and self.dropout > 0:
            dropped = torch.rand(len(x), generator=generator).to(x.device) < self.dropout
            labels = labels.masked_fill(dropped, self.classes)
        weight = module.parameterisation.weight(sigma)
        loss: Tensor = (weight * (module(noisy, sigma, labels) - x).square()).mean()
        return loss

    def _generate(
        self, terms: Sequence[Term], dim: int, seeds: Seeds, labels: Tensor | None, bias: float | None
    ) -> Tensor:
        guidance = guidance_of(self, bias, "data with their class as last coordinate")
        parts: list[tuple[float, nn.Module, Tensor | None]] = []
        for coefficient, module in terms:
            parts.append((coefficient * (1 + guidance), module, labels))
            if labels is not None:
                parts.append((-coefficient * guidance, module, torch.full_like(labels, self.classes or 0)))
        parts = [part for part in parts if part[0] != 0]

        def denoiser(x: Tensor, sigma: float) -> Tensor:
            outputs = [c * module(x, sigma, marks) for c, module, marks in parts]
            return torch.stack(outputs).sum(0) if len(outputs) > 1 else outputs[0]

        device, sigmas = choose_device(self.device), levels_of(self.sampler, self.process)
        start = math.sqrt(1 + sigmas[0] ** 2) * noise(seeds, (dim,)).to(device)
        drawn: Tensor = self.sampler.integrate(denoiser, start, sigmas, _StepNoise(seeds, dim, device))
        return drawn


def guidance_of(model: Any, bias: float | None, labelled: str) -> float:
    """Return the w of a bias of 1 / (1 + w), for a model with `classes` and `dropout`."""
    if bias is None or check_bias(bias) == 1:
        return 0.0
    if model.classes is None:
        raise ValueError(
            f"bias={show(bias)}: this diffusion has no classes for guidance; pass classes=10, say, and "
            f"{labelled}, or bias=None."
        )
    if model.dropout == 0 or bias <= 0:
        raise ValueError(
            f"bias={show(bias)} is 1 / (1 + w) for a guidance w, and needs a model that was trained without "
            f"classes too: pass bias > 0, and dropout=0.1 for training."
        )
    return 1 / bias - 1


class _StepNoise:
    """Noise of each step, a function of only the seeds and the step; a few steps are held at once."""

    def __init__(self, seeds: Seeds, dim: int, device: torch.device) -> None:
        self.seeds, self.dim, self.device, self.role = seeds, dim, device, 0

    def __call__(self, step: int) -> Tensor:
        role, index = 1 + step // _CHUNK, step % _CHUNK
        if role != self.role:
            self.role, self.held = role, noise(self.seeds, (_CHUNK, self.dim), role).to(self.device)
        return self.held[:, index]
