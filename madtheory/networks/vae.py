"""Variational autoencoders with a Gaussian likelihood."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from madtheory.networks.context import choose_device
from madtheory.networks.network import Network, Term, draw_like, mlp, noise, one_hot
from madtheory.networks.trained import Seeds
from madtheory.networks.training import Training
from madtheory.validation import check_size

_LEAST_STD, _FIRST_STD = 1e-3, 0.3


@dataclass(frozen=True, kw_only=True, eq=False)
class VAE(Network):
    r"""A variational autoencoder whose law is decoder plus noise, the variance of which is learned.

    .. math:: x = g(z) + \sigma\epsilon,\quad z \sim N(0, I_k),\ \epsilon \sim N(0, I_d),

    trained by the evidence lower bound with :math:`q(z|x) = N(m(x), \mathrm{diag}\,v(x))`,

    .. math:: -\frac{E_q |x - g(z)|^2}{2\sigma^2} - \frac d2 \log(2\pi\sigma^2)
              - \frac12 \sum_j (m_j^2 + v_j - 1 - \log v_j).

    Attributes
    ----------
    hidden : tuple of int
        Widths of the encoder, and in reverse of the decoder. An empty tuple makes the VAE linear, which is
        probabilistic principal component analysis: at the optimum the law is the
        :math:`N(\mu, W W^T + \sigma^2 I)` of maximum likelihood. With ``latent_dim=d - 1`` that is every
        Gaussian.
    latent_dim : int
        Dimension k of the latent; superfluous dimensions are left unused by the bound.
    noisy : bool
        Whether samples include the noise :math:`\sigma\epsilon`. Without it they are the decoder's mean, as
        is usual for images, which is not the law that was fitted: a loop then loses :math:`\sigma^2` each
        time.

    Notes
    -----
    `bias` multiplies the variances of latent and noise, so that of a linear VAE it multiplies the covariance,
    as for a `Gaussian`. Guided samples share latent and noise. The noise has a standard deviation of
    at least 0.001 of the data's. Sources: Kingma and Welling 2014 (arXiv 1312.6114); the linear case: Tipping
    and Bishop 1999, Lucas et al. 2019 (arXiv 1911.02469).
    """

    hidden: tuple[int, ...] = (128, 128)
    training: Training = field(default_factory=lambda: Training(images=200_000, batch=128))
    latent_dim: int = 16
    noisy: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_size("latent_dim", self.latent_dim)

    def _module(self, dim: int) -> nn.Module:
        return _Autoencoder(dim, self.classes, self.latent_dim, self.hidden)

    def _loss(self, module: Any, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        mean, log_variance = module.encoder(one_hot(x, labels, self.classes)).chunk(2, 1)
        variance = log_variance.exp()
        if self.hidden:
            latent = mean + variance.sqrt() * draw_like(x, self.latent_dim, generator)
            error = (x - module.decode(latent, labels)).square().sum(1)
        else:
            columns = module.decoder[0].weight[:, : self.latent_dim].square().sum(0)
            error = (x - module.decode(mean, labels)).square().sum(1) + variance @ columns
        noise_variance = module.std.square().clamp(min=_LEAST_STD**2)
        misfit = 0.5 * (error / noise_variance + x.shape[1] * noise_variance.log())
        divergence = 0.5 * (mean.square() + variance - 1 - log_variance).sum(1)
        loss: Tensor = (misfit + divergence).mean()
        return loss

    def _generate(
        self, terms: Sequence[Term], dim: int, seeds: Seeds, labels: Tensor | None, bias: float | None
    ) -> Tensor:
        scale, device = math.sqrt(1.0 if bias is None else bias), choose_device(self.device)
        latent = noise(seeds, (self.latent_dim,), 0).to(device) * scale
        outputs = [c * module.decode(latent, labels) for c, module in terms]
        if self.noisy:
            error = noise(seeds, (dim,), 1).to(device) * scale
            outputs += [c * module.std * error for c, module in terms]
        return torch.stack(outputs).sum(0)


class _Autoencoder(nn.Module):
    """Encoder, decoder and the standard deviation of the noise."""

    def __init__(self, dim: int, classes: int | None, latent_dim: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.classes = classes
        self.encoder = mlp(dim + (classes or 0), hidden, 2 * latent_dim)
        self.decoder = mlp(latent_dim + (classes or 0), hidden[::-1], dim)
        # Nonlinear ones that start from the deviation of the data, 1, may never use the latent.
        self.std = nn.Parameter(torch.full((1,), _FIRST_STD if hidden else 1.0))

    def decode(self, latent: Tensor, labels: Tensor | None) -> Tensor:
        mean: Tensor = self.decoder(one_hot(latent, labels, self.classes))
        return mean
