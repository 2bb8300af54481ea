"""What the network's output means: every choice is a denoiser, and a weight of its squared error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["PARAMETERISATIONS", "Parameterisation"]


class Parameterisation(NamedTuple):
    r"""How the denoiser is made of the network F (Karras et al. 2022, arXiv 2206.00364, Eq. 7 and 8).

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
    # |F + n / std|^2 std^2, F the score of the variance-preserving x, whose noise has this std:
    # Song et al. 2021, arXiv 2011.13456, Eq. 7.
    "score": Parameterisation(lambda s: 1.0, lambda s: s * s * _unit(s), _unit, lambda s: s**-2),
    # |F - (n - x0)|^2 with the input (1 - t) x0 + t n, s = t / (1 - t): Lipman et al. 2023, arXiv 2210.02747.
    "velocity": Parameterisation(
        lambda s: 1 / (1 + s), lambda s: -s / (1 + s), lambda s: 1 / (1 + s), lambda s: ((1 + s) / s) ** 2
    ),
}
