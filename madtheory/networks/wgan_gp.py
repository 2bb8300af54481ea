"""Wasserstein GANs with a gradient penalty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from madtheory.networks.context import choose_device
from madtheory.networks.network import Network, Term, Weights, draw_like, mlp, noise, one_hot
from madtheory.networks.trained import Seeds
from madtheory.networks.training import Training, batches, optimise
from madtheory.validation import check_number, check_size, check_widths

_SLOPE = 0.2


@dataclass(frozen=True, kw_only=True, eq=False)
class WGANGP(Network):
    r"""A Wasserstein GAN with gradient penalty: perceptrons for the generator and the critic.

    The critic D minimises

    .. math:: E\,D(G(z)) - E\,D(x) + \gamma\, E(|\nabla D(\hat x)| - 1)^2,
              \quad \hat x = u x + (1 - u) G(z),\ u \sim U(0, 1),

    in `critic_steps` steps for each step of the generator G, which minimises :math:`-E\,D(G(z))`.

    Attributes
    ----------
    hidden : tuple of int
        Widths of the generator. An empty tuple makes it linear: :math:`x = W z + b`.
    training : Training
        Training, whose budget counts the real images that the CRITIC sees: ``images / batch`` steps of the
        critic, and one of the generator for each `critic_steps` of those. The average (``ema_images``) is
        that of the generator.
    latent_dim : int
        Dimension of the latent :math:`z \sim N(0, I)`.
    critic_hidden : tuple of int, optional
        Widths of the critic. Default: those of the generator, in reverse.
    critic_steps : int
        Number of steps of the critic for each step of the generator.
    critic_rate : float
        Learning rate of the critic, in units of the training's, which is the generator's.
    penalty : float
        Weight gamma of the gradient penalty.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    `bias` truncates: the latent is scaled by it towards its mean, so that of a linear generator the
    covariance is multiplied by its SQUARE. (The truncation of StyleGAN, which this is named after, acts on
    styles, not on latents.) The weights hold generator and critic, and a warm start continues both.
    Source: Gulrajani et al. 2017 (arXiv 1704.00028), Algorithm 1, whose constants are penalty 10, five steps,
    learning rate 1e-4 for both and momenta (0, 0.9), on images (0.5, 0.9) as here. On points in the plane and
    small digits that penalty lets the generator circle around the data, so the default is 1, and a faster
    critic (two time scales, Heusel et al. 2017, arXiv 1706.08500) compensates short trainings.
    """

    hidden: tuple[int, ...] = (128, 128)
    training: Training = field(
        default_factory=lambda: Training(images=200_000, batch=64, learning_rate=1e-3, betas=(0.5, 0.9))
    )
    latent_dim: int = 16
    critic_hidden: tuple[int, ...] | None = None
    critic_steps: int = 5
    critic_rate: float = 2.0
    penalty: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_size("latent_dim", self.latent_dim)
        check_size("critic_steps", self.critic_steps)
        if self.critic_hidden is not None:
            object.__setattr__(self, "critic_hidden", check_widths("critic_hidden", self.critic_hidden))
        for name in ("critic_rate", "penalty"):
            check_number(name, getattr(self, name), 0, above=True)

    def _module(self, dim: int) -> nn.Module:
        widths = self.hidden[::-1] if self.critic_hidden is None else self.critic_hidden
        classes = self.classes or 0
        generator = mlp(self.latent_dim + classes, self.hidden, dim)
        return nn.ModuleDict({"generator": generator, "critic": _Critic(dim, classes, widths)})

    def _fake(self, module: Any, latent: Tensor, labels: Tensor | None) -> Tensor:
        points: Tensor = module["generator"](one_hot(latent, labels, self.classes))
        return points

    def _value(self, module: Any, x: Tensor, labels: Tensor | None) -> Tensor:
        value: Tensor = module["critic"](one_hot(x, labels, self.classes))
        return value

    def _loss(self, module: Any, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """Return the loss of the generator."""
        latent = draw_like(x, self.latent_dim, generator)
        return -self._value(module, self._fake(module, latent, labels), labels).mean()

    def _critic_loss(
        self, module: Any, x: Tensor, labels: Tensor | None, generator: torch.Generator
    ) -> Tensor:
        with torch.no_grad():
            fake = self._fake(module, draw_like(x, self.latent_dim, generator), labels)
        mixed = fake + torch.rand(len(x), 1, generator=generator).to(x.device) * (x - fake)
        slope = module["critic"].slope(one_hot(mixed, labels, self.classes), x.shape[1])
        length = (slope.square().sum(1) + 1e-12).sqrt()
        gap = self._value(module, fake, labels).mean() - self._value(module, x, labels).mean()
        return gap + self.penalty * (length - 1).square().mean()

    def _optimise(
        self,
        module: Any,
        x: Tensor,
        labels: Tensor | None,
        images: int,
        learning_rate: float,
        generator: torch.Generator,
    ) -> Weights:
        turn = replace(self.training, batch=self.training.batch * self.critic_steps)
        critic = module["critic"]
        rate = learning_rate * self.critic_rate
        optimiser = torch.optim.Adam(critic.parameters(), rate, self.training.betas, fused=True)
        seen = 0

        def loss(index: Tensor) -> Tensor:
            """Train the critic, then return the loss of the generator."""
            nonlocal seen
            for group in optimiser.param_groups:
                group["lr"] = rate * turn.rate(seen / max(images, seen + len(index)))
            seen += len(index)
            critic.requires_grad_(True)
            for part in torch.split(index, self.training.batch):
                optimiser.zero_grad(set_to_none=True)
                marks = None if labels is None else labels[part]
                torch.autograd.backward(self._critic_loss(module, x[part], marks, generator))
                optimiser.step()
            critic.requires_grad_(False)
            marks = None if labels is None else labels[part]
            return self._loss(module, x[part], marks, generator)

        steps = batches(len(x), images, turn.batch, generator)
        name = type(self).__name__
        learned = optimise(module["generator"], loss, steps, turn, images, learning_rate, name)
        state = {f"critic.{key}": value.cpu().numpy().copy() for key, value in critic.state_dict().items()}
        return {f"generator.{key}": value for key, value in learned.items()} | state

    def _generate(
        self, terms: Sequence[Term], dim: int, seeds: Seeds, labels: Tensor | None, bias: float | None
    ) -> Tensor:
        latent = noise(seeds, (self.latent_dim,)).to(choose_device(self.device)) * (
            1.0 if bias is None else bias
        )
        return torch.stack([c * self._fake(module, latent, labels) for c, module in terms]).sum(0)


class _Critic(nn.Module):
    """A perceptron of leaky rectifiers, with its own gradient."""

    def __init__(self, dim: int, classes: int, hidden: Sequence[int]) -> None:
        super().__init__()
        widths = (dim + classes, *hidden, 1)
        self.layers = nn.ModuleList(nn.Linear(narrow, wide) for narrow, wide in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = nn.functional.leaky_relu(layer(x), _SLOPE)
        value: Tensor = self.layers[-1](x)
        return value

    def slope(self, x: Tensor, dim: int) -> Tensor:
        """Return the gradient with respect to the first `dim` inputs.

        It is written out: the chain rule of a piecewise linear function has no second derivatives, so that
        one backward pass is enough for the penalty.
        """
        factors = []
        for layer in self.layers[:-1]:
            before = layer(x)
            factors.append(torch.where(before > 0, 1.0, _SLOPE))
            x = before * factors[-1]
        gradient: Any = self.layers[-1].weight
        for layer, factor in zip(self.layers[-2::-1], factors[::-1], strict=True):
            gradient = (gradient * factor) @ layer.weight
        return gradient[:, :dim].expand(len(x), dim)
