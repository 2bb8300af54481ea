"""Normalizing flows of coupling layers, with an exact density."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from madtheory.networks.context import choose_device, own_torch
from madtheory.networks.network import Network, Term, draw_like, mlp, noise, one_hot
from madtheory.networks.trained import Seeds
from madtheory.networks.training import Training
from madtheory.types import Array
from madtheory.validation import check_number, check_points, check_size


@dataclass(frozen=True, kw_only=True, eq=False)
class Flow(Network):
    r"""A normalizing flow: an invertible network of affine coupling layers, trained by maximum likelihood.

    Data are :math:`x = f^{-1}(z)` of a latent :math:`z \sim N(0, I_d)`, where each layer of f shifts and
    scales half of the coordinates by functions of the other half, so that

    .. math:: \log p(x) = \log N(f(x); 0, I) + \log|\det \partial f / \partial x|.

    The default is the size of Fig. 17 of Alemohammad et al. (arXiv 2307.01850): eight layers of hidden
    dimension 64, 20 passes over 10,000 points in batches of 256.

    Attributes
    ----------
    hidden : tuple of int
        Widths of the network in each layer. An empty tuple makes the flow linear: a shift and a triangular
        factor (of each class), whose law is N(shift, factor factor^T). Its optimum is the Gaussian of maximum
        likelihood, and its samples are linear in the weights.
    layers : int
        Number of coupling layers; unused without hidden layers.
    blur : float
        Standard deviation of normal noise that is added to the points in each step of training, in units of
        the data's deviation. It is needed where coordinates are discrete or constant, as pixels are: the
        likelihood has no maximum there. The law that is fitted is that of the points and the noise.

    Raises
    ------
    ValueError
        By `fit`, for points of one coordinate: coupling layers need two, so use ``hidden=()``.

    Notes
    -----
    `bias` multiplies the variance of the latent, as in Fig. 17. Coupling layers: Dinh et al. 2017 (RealNVP,
    arXiv 1605.08803), by the library zuko. Beyond two coordinates the halves are drawn for each pair of
    layers.
    """

    hidden: tuple[int, ...] = (64, 64)
    training: Training = field(default_factory=lambda: Training(images=200_000, batch=256))
    layers: int = 8
    blur: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_size("layers", self.layers)
        check_number("blur", self.blur, 0)

    @own_torch()
    def log_density(self, points: Any) -> Array:
        """Return the log density at points (n, d), in their own units, shape (n,).

        Where the flow is class-conditional, points are (n, d + 1), and the density is that within the class.

        Raises
        ------
        ValueError
            If the flow is not fitted, or points do not have its number of coordinates.
        """
        weights = self._check_fitted()
        x, labels = self._split(check_points(points, "points"))
        dim, device = x.shape[1], choose_device(self.device)
        module: Any = self._restore(dim).eval()
        scaled = torch.from_numpy(((x - weights["_shift"]) / weights["_scale"]).astype(np.float32))
        marks = None if labels is None else torch.from_numpy(labels)
        parts = []
        with torch.inference_mode():
            for first in range(0, len(x), self.batch):
                chosen = slice(first, first + self.batch)
                mark = None if marks is None else marks[chosen].to(device)
                parts.append(module.log_density(scaled[chosen].to(device), mark).cpu().numpy())
        return np.concatenate(parts).astype(float) - dim * math.log(float(weights["_scale"]))

    def _module(self, dim: int) -> nn.Module:
        if not self.hidden:
            return _Affine(dim, self.classes or 1)
        if dim < 2:
            raise ValueError(
                "data has one coordinate, and coupling layers need two; pass hidden=() for a Gaussian."
            )
        return _Couplings(dim, self.classes, self.layers, self.hidden)

    def _loss(self, module: Any, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        if self.blur:
            x = x + self.blur * draw_like(x, x.shape[1], generator)
        loss: Tensor = -module.log_density(x, labels).mean()
        return loss

    def _generate(
        self, terms: Sequence[Term], dim: int, seeds: Seeds, labels: Tensor | None, bias: float | None
    ) -> Tensor:
        latent = noise(seeds, (dim,)).to(choose_device(self.device)) * math.sqrt(
            1.0 if bias is None else bias
        )
        return torch.stack([c * module(latent, labels) for c, module in terms]).sum(0)


def _standard(z: Tensor) -> Tensor:
    """Return the log density of N(0, I)."""
    return -0.5 * (z.square() + math.log(2 * math.pi)).sum(1)


def _times(z: Tensor, matrix: Tensor) -> Tensor:
    """Multiply rows of z by one matrix, or each by its own."""
    return z @ matrix.T if matrix.ndim == 2 else (matrix @ z[:, :, None])[:, :, 0]


class _Affine(nn.Module):
    """x = shift + factor z, of each class."""

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(classes, dim))
        self.factor = nn.Parameter(torch.eye(dim).repeat(classes, 1, 1))

    def forward(self, latent: Tensor, labels: Tensor | None) -> Tensor:
        chosen = 0 if labels is None else labels
        return self.shift[chosen] + _times(latent, self.factor.tril()[chosen])

    def log_density(self, x: Tensor, labels: Tensor | None) -> Tensor:
        chosen = 0 if labels is None else labels
        factor = self.factor.tril()
        whitening = torch.linalg.solve_triangular(factor, torch.eye(x.shape[1]).to(factor), upper=False)
        log_determinant = factor.diagonal(dim1=1, dim2=2).abs().log().sum(1)
        return _standard(_times(x - self.shift[chosen], whitening[chosen])) - log_determinant[chosen]


class _Couplings(nn.Module):
    """A sequence of affine coupling layers, from data to latent and back."""

    def __init__(self, dim: int, classes: int | None, layers: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.classes = classes
        self.masks, nets = [], []
        for i in range(layers):
            # Two layers in a row change one half and the other; which halves is drawn for each pair.
            order = np.random.default_rng(i // 2).permutation(dim) if dim > 2 else np.arange(dim)
            mask = torch.from_numpy(order % 2 == i % 2)
            kept = int(mask.sum())
            nets.append(mlp(kept + (classes or 0), hidden, 2 * (dim - kept)))
            for parameter in nets[-1][-1].parameters():
                nn.init.zeros_(parameter)  # At first, every layer is the identity.
            self.masks.append(mask)
        self.nets = nn.ModuleList(nets)

    def _transform(self, labels: Tensor | None) -> Any:
        from zuko.transforms import (
            ComposedTransform,
            CouplingTransform,
            DependentTransform,
            MonotonicAffineTransform,
        )

        def layer(net: nn.Module, kept: Tensor) -> Any:
            shift, scale = net(one_hot(kept, labels, self.classes)).chunk(2, 1)
            return DependentTransform(MonotonicAffineTransform(shift, scale), 1)

        parts = zip(self.nets, self.masks, strict=True)
        return ComposedTransform(*(CouplingTransform(partial(layer, net), mask) for net, mask in parts))

    def forward(self, latent: Tensor, labels: Tensor | None) -> Tensor:
        x: Tensor = self._transform(labels).inv(latent)
        return x

    def log_density(self, x: Tensor, labels: Tensor | None) -> Tensor:
        z, log_determinant = self._transform(labels).call_and_ladj(x)
        return _standard(z) + log_determinant
