"""Noise processes: the noise levels at which a diffusion is trained, and those of a sampler.

Every process is written as x = x0 + sigma * noise. Variance-preserving chains and flow matching scale this x,
by a function of sigma that the parameterisation applies at the network's input; samplers do not need it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from madtheory.types import Array, Count
from madtheory.validation import check_fields, check_number, check_size, show


class Process(Protocol):
    """A noise process: levels to train at, levels to sample at."""

    def levels(self, steps: int) -> Array:
        """Return the noise levels of a sampler, decreasing, shape (steps + 1,); the last is 0."""
        ...

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw noise levels for training, shape (n, 1)."""
        ...

    @property
    def sigma_range(self) -> tuple[float, float]:
        """Smallest and largest noise level of a sampler."""
        ...


@dataclass(frozen=True, kw_only=True)
class EDM:
    r"""The process of Karras et al. 2022 (arXiv 2206.00364, Table 1), in units of the data's deviation.

    .. math:: \sigma_i = \Big(\sigma_{max}^{1/\rho} + \frac{i}{N - 1}
              \big(\sigma_{min}^{1/\rho} - \sigma_{max}^{1/\rho}\big)\Big)^\rho, \quad i < N, \qquad
              \ln\sigma \sim N(P_{mean}, P_{std}^2) \text{ in training}

    Attributes
    ----------
    sigma_min, sigma_max, rho : float
        Smallest and largest level of the sampler, and the density of levels near the smallest. Sampling
        starts around 0: every generation loses a share s / sigma_max of the mean of a class of deviation s.
    p_mean, p_std : float
        Mean and standard deviation of the log of the levels in training. The paper's mean, -1.2, is for data
        of deviation 0.5.
    """

    sigma_min: float = 0.002
    sigma_max: float = 80.0
    rho: float = 7.0
    p_mean: float = -0.5
    p_std: float = 1.2

    def __post_init__(self) -> None:
        check_fields(self)
        if not 0 < self.sigma_min < self.sigma_max < math.inf:
            raise ValueError(
                f"sigma_min={show(self.sigma_min)}, sigma_max={show(self.sigma_max)} are not a range of "
                f"noise levels; "
                f"pass 0 < sigma_min < sigma_max, for example 0.002 and 80."
            )
        for name in ("rho", "p_std"):
            check_number(name, getattr(self, name), 0, above=True)

    def levels(self, steps: int) -> Array:
        """Return the noise levels of a sampler, decreasing, shape (steps + 1,); the last is 0."""
        ends = self.sigma_max ** (1 / self.rho), self.sigma_min ** (1 / self.rho)
        return np.append(np.linspace(*ends, check_size("steps", steps)) ** self.rho, 0.0)

    @property
    def sigma_range(self) -> tuple[float, float]:
        """Smallest and largest noise level of a sampler."""
        return self.sigma_min, self.sigma_max

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw noise levels for training, log-normal, shape (n, 1)."""
        return (self.p_mean + self.p_std * torch.randn(n, 1, generator=generator)).exp()


@dataclass(frozen=True, kw_only=True)
class DDPM:
    r"""A variance-preserving chain of T steps (Ho et al. 2020, arXiv 2006.11239).

    .. math:: \bar\alpha_t = \prod_{s \le t} (1 - \beta_s), \qquad
              \sigma_t = \sqrt{(1 - \bar\alpha_t) / \bar\alpha_t}

    Attributes
    ----------
    steps : int
        Length T of the chain. Training draws its levels uniformly.
    schedule : {"linear", "cosine"}
        Schedule of beta: from `beta_start` to `beta_end`; or the cosine schedule of Nichol and Dhariwal 2021
        (arXiv 2102.09672, Eq. 17), with beta at most 0.999.
    beta_start, beta_end : float
        First and last beta of a linear chain of 1000 steps; a chain of T steps has 1000 / T times as much per
        step, and ends at the same noise.
    """

    steps: Count = 1000
    schedule: Literal["linear", "cosine"] = "linear"
    beta_start: float = 1e-4
    beta_end: float = 0.02

    def __post_init__(self) -> None:
        check_fields(self)
        if not 0 < self.beta_start <= self.beta_end < 1:
            raise ValueError(
                f"beta_start={show(self.beta_start)}, beta_end={show(self.beta_end)} are not a noise "
                f"schedule; pass "
                f"0 < beta_start <= beta_end < 1, for example 1e-4 and 0.02."
            )
        if self.schedule == "linear" and self.beta_end * 1000 / self.steps >= 1:
            raise ValueError(
                f"steps={self.steps} is too short for beta_end={self.beta_end}, which is for 1000 "
                f"steps; pass more than {int(self.beta_end * 1000)} steps, or schedule='cosine'."
            )

    @property
    def sigmas(self) -> Array:
        """Noise levels of the chain, increasing, shape (steps,)."""
        if self.schedule == "linear":
            betas = np.linspace(self.beta_start, self.beta_end, self.steps) * (1000 / self.steps)
        else:
            share = np.cos((np.arange(self.steps + 1) / self.steps + 0.008) / 1.008 * math.pi / 2) ** 2
            betas = np.minimum(1 - share[1:] / share[:-1], 0.999)
        log_kept = np.cumsum(np.log1p(-betas))
        return np.sqrt(np.expm1(-log_kept))

    def levels(self, steps: int) -> Array:
        """Return the noise levels of a sampler, decreasing, shape (steps + 1,): even in t, from T to 0."""
        if check_size("steps", steps) > self.steps:
            raise ValueError(
                f"steps={steps} exceeds the {self.steps} steps of the chain; pass a sampler of fewer."
            )
        times = np.round(np.arange(steps, 0, -1) * (self.steps / steps)).astype(int)
        return np.append(self.sigmas[times - 1], 0.0)

    @property
    def sigma_range(self) -> tuple[float, float]:
        """Smallest and largest noise level of the chain."""
        smallest, *_, largest = self.sigmas.tolist()
        return smallest, largest

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw noise levels for training, uniformly from the chain, shape (n, 1)."""
        table = torch.from_numpy(self.sigmas.astype(np.float32))
        return table[torch.randint(self.steps, (n, 1), generator=generator)]


@dataclass(frozen=True, kw_only=True)
class FlowMatching:
    r"""Straight paths from data to noise (Lipman et al. 2023, arXiv 2210.02747; Liu et al., 2209.03003).

    .. math:: x_t = (1 - t) x_0 + t n, \qquad \sigma = t / (1 - t), \qquad t \sim U(0, 1) \text{ in training}

    Attributes
    ----------
    t_max : float
        Time t at which sampling starts, below 1, where sigma is infinite.
    """

    t_max: float = 0.999

    def __post_init__(self) -> None:
        check_fields(self)
        check_number("t_max", self.t_max, 0, 1, above=True, below=True)

    def levels(self, steps: int) -> Array:
        """Return the noise levels of a sampler, decreasing, shape (steps + 1,): even in t; the last is 0."""
        t = np.linspace(self.t_max, 0.0, check_size("steps", steps) + 1)
        return t / (1 - t)

    @property
    def sigma_range(self) -> tuple[float, float]:
        """Noise level 0.001, and that of the time t_max."""
        return 1e-3, self.t_max / (1 - self.t_max)

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw noise levels for training, shape (n, 1)."""
        t = torch.rand(n, 1, generator=generator).clamp(1e-4, self.t_max)
        return t / (1 - t)
