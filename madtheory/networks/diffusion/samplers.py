"""Samplers: from noise to data along a list of noise levels, by a denoiser.

Points are x = x0 + sigma * noise throughout, NumPy arrays or tensors; a denoiser is any function of
(x, sigma). Samplers of scaled x (variance-preserving, flow matching) are the same in these coordinates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, TypeAlias

import numpy as np

from madtheory.networks.diffusion.processes import EDM, Process
from madtheory.types import Array, Count
from madtheory.validation import check_fields, check_generator, check_number, check_numbers, check_size, show

Denoiser: TypeAlias = Callable[[Any, float], Any]
"""Function of points x (n, d) and a noise level sigma: the mean of x0, given x0 + sigma * noise = x."""


class Sampler(Protocol):
    """A number of steps, and a method to take them."""

    @property
    def steps(self) -> int:
        """Number of steps."""
        ...

    def integrate(
        self,
        denoiser: Denoiser,
        x: Any,
        sigmas: Sequence[float] | Array,
        noise: Callable[[int], Any] | None = None,
    ) -> Any:
        """Take points x at the noise level ``sigmas[0]`` to the last one."""
        ...


@dataclass(frozen=True)
class Heun:
    r"""Heun's method for the flow :math:`dx/d\sigma = (x - D(x, \sigma)) / \sigma`, of second order.

    Karras et al. 2022 (arXiv 2206.00364), Algorithm 1: 2 N - 1 evaluations of the denoiser for N steps, as
    the last step, to sigma = 0, is an Euler step.

    The error of the steps matters in a loop, where it accumulates. On Gaussian data, along the levels of
    `EDM`, the variance is too large by about 9 % after 18 steps, 2.5 % after 32 and 0.7 % after 60;
    along directions of small variance by nearly twice as much.
    """

    steps: Count = 18

    def __post_init__(self) -> None:
        check_fields(self)

    def integrate(
        self,
        denoiser: Denoiser,
        x: Any,
        sigmas: Sequence[float] | Array,
        noise: Callable[[int], Any] | None = None,
    ) -> Any:
        """Take points x at the noise level ``sigmas[0]`` to the last one, without further noise."""
        for now, then in pairwise(_check_decreasing(sigmas)):
            slope = (x - denoiser(x, now)) / now
            euler = x + (then - now) * slope
            if then > 0:
                slope = 0.5 * (slope + (euler - denoiser(euler, then)) / then)
                euler = x + (then - now) * slope
            x = euler
        return x


@dataclass(frozen=True)
class DDIM:
    r"""The sampler of first order, deterministic or with noise.

    .. math:: x' = D + \sqrt{\sigma'^2 - s^2}\, \frac{x - D}{\sigma} + s z, \qquad
              s = \eta\, \frac{\sigma'}{\sigma} \sqrt{\sigma^2 - \sigma'^2}

    Song et al. 2021 (arXiv 2010.02502), Eq. 12 and 16, where x is :math:`\sqrt{\bar\alpha}` times this x.
    With eta = 0 it is Euler's method for the flow, in sigma and equally in the t of flow matching. With
    eta = 1 it is the ancestral sampler; over all steps of the chain that is DDPM with the posterior variance
    (Ho et al. 2020, arXiv 2006.11239, Algorithm 2).

    Attributes
    ----------
    steps : int
        Number of steps, with one evaluation of the denoiser each.
    eta : float
        Share of new noise, 0 to 1.
    """

    steps: Count = 50
    eta: float = 0.0

    def __post_init__(self) -> None:
        check_fields(self)
        check_number("eta", self.eta, 0, 1)

    def integrate(
        self,
        denoiser: Denoiser,
        x: Any,
        sigmas: Sequence[float] | Array,
        noise: Callable[[int], Any] | None = None,
    ) -> Any:
        """Take points x at the noise level ``sigmas[0]`` to the last one.

        Where eta > 0, ``noise(i)`` is the noise z of step i, standard normal, of the shape of x.

        Raises
        ------
        ValueError
            If `noise` is missing and eta > 0, or the levels do not decrease.
        """
        if self.eta > 0 and noise is None:
            raise ValueError(f"noise=None, and eta={self.eta} needs noise: pass a function of the step.")
        for step, (now, then) in enumerate(pairwise(_check_decreasing(sigmas))):
            clean = denoiser(x, now)
            spread = self.eta * then / now * math.sqrt(now**2 - then**2)
            x = clean + math.sqrt(then**2 - spread**2) / now * (x - clean)
            if noise is not None and spread > 0:
                x = x + spread * noise(step)
        return x


def sample_denoiser(
    denoiser: Denoiser,
    n: int,
    dim: int,
    *,
    process: Process | None = None,
    sampler: Sampler | None = None,
    rng: np.random.Generator,
) -> Array:
    """Draw `n` points of dimension `dim` from any denoiser, for example one in closed form; shape (n, dim).

    The data should be of about unit size, as in the units of a network: sampling starts from
    noise of variance 1 + sigma^2, sigma the largest level.

    Parameters
    ----------
    denoiser : function of (x, sigma)
        Mean of x0, given x = x0 + sigma * noise; x has shape (n, dim).
    process : Process
        Process that chooses the noise levels. Default: ``EDM()``.
    sampler : Sampler
        Sampler. Default: ``Heun()``.

    Examples
    --------
    >>> import numpy as np
    >>> from madtheory import networks
    >>> truth = networks.GaussianDenoiser(mean=[0.5, 0.0], covariance=[[1.0, 0.3], [0.3, 0.5]])
    >>> sampler = networks.Heun(40)
    >>> x = networks.sample_denoiser(truth, 10_000, 2, sampler=sampler, rng=np.random.default_rng(0))
    >>> np.round(np.cov(x.T), 1)
    array([[1. , 0.3],
           [0.3, 0.5]])
    """
    check_generator("rng", rng)
    chosen = Heun() if sampler is None else sampler
    sigmas = (EDM() if process is None else process).levels(chosen.steps)
    shape = check_size("n", n), check_size("dim", dim)
    start = math.sqrt(1 + sigmas[0] ** 2) * rng.standard_normal(shape)
    return chosen.integrate(denoiser, start, sigmas, lambda _: rng.standard_normal(shape))


def _check_decreasing(sigmas: Sequence[float] | Array) -> list[float]:
    levels: list[float] = check_numbers("sigmas", sigmas).ravel().tolist()
    if len(levels) < 2 or min(levels) < 0 or any(now <= then for now, then in pairwise(levels)):
        raise ValueError(f"sigmas={show(sigmas)} do not decrease to 0 or above; see EDM().levels(18).")
    return levels
