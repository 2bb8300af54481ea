"""Curation of synthetic points: one of K candidates is chosen by a reward."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from madtheory.abilities import is_set
from madtheory.treatments.rejection import Mask, draw, draw_accepted, evaluate, pick, places
from madtheory.types import Array, Source
from madtheory.validation import (
    check_arguments,
    check_callable,
    check_fields,
    check_number,
    check_numbers,
    check_size,
)

if TYPE_CHECKING:
    from madtheory.core import Loop, Snapshot


AT_ONCE = 2_000_000  # numbers that are drawn at a time


@dataclass(frozen=True)
class Curation:
    """Treatment made by `curate`: one candidate of each group is chosen."""

    reward: Callable[[Array], Any]
    choices: float
    noise: Literal["luce", "hard", "thurstone"] = "luce"
    scale: float = 1.0
    reward_max: float | None = None

    def __post_init__(self) -> None:
        check_fields(self)

    def treated(self, model: Any, snapshot: Snapshot) -> Source:
        """Return the source of curated points; with one choice, the model itself."""
        return model if self.choices == 1 else _Curated(model, self)

    def obstacle(self, loop: Loop) -> str | None:
        """Return why there is no statistic: the choice depends on the reward of each point."""
        if self.choices == 1:
            return None
        return (
            f"curate(choices={self.choices}) picks individual points by their reward, so that the law of "
            f"their statistic depends on the reward's form"
        )


@check_arguments
def curate(
    reward: Callable[[Array], Any],
    *,
    choices: float = 2,
    noise: Literal["luce", "hard", "thurstone"] = "luce",
    scale: float = 1.0,
    reward_max: float | None = None,
) -> Curation:
    r"""Train on synthetic points that were chosen by their reward, one of every K.

    Every point is chosen from a group of its own: n curated points cost n K draws of the model. One choice is
    no treatment, bit for bit.

    Parameters
    ----------
    reward : callable
        Function that maps points of shape (*replicate, n, d) to finite rewards of shape (*replicate, n). A
        constant added to them changes nothing. For images it gets uint8 pixels (k, height, width, channels),
        a batch at a time, and their classes if it has a parameter ``labels``.
    choices : int or infinity
        Number K of candidates. Infinitely many Luce choices tilt the model's law by
        :math:`e^{r/\mathrm{scale}}`; they are drawn exactly, by rejection, and need `reward_max`.
    noise : {"luce", "hard", "thurstone"}
        Law of the choice: :math:`P(x_k) \propto e^{r(x_k)/\mathrm{scale}}`, which is Bradley and Terry's
        choice for K = 2; the largest reward, with ties broken at random; or the largest reward plus normal
        noise.
    scale : float
        Scale of the noise; the standard deviation of normal noise.
    reward_max : float, optional
        Upper bound of the reward, for ``choices=inf``. The closer it is, the fewer candidates are drawn.

    Returns
    -------
    Curation
        A treatment for ``Loop(treatments=...)``.

    Raises
    ------
    TypeError, ValueError
        If `reward` cannot be called or an argument is out of range; in the loop, if the rewards have another
        shape, are not finite, or exceed `reward_max`.

    Notes
    -----
    Keeping the best share of a batch, or drawing from it by one softmax, is another treatment.
    Theory: `madtheory.theory.curation`. Source: Ferbach et al. 2024 (arXiv 2407.09499), Lemma 2.1.
    """
    check_callable("reward", reward)
    width = check_number("scale", scale, 0, above=True)
    if not (isinstance(choices, (float, np.floating)) and np.isposinf(choices)):
        return Curation(reward, check_size("choices", choices), noise, width, reward_max)
    if noise != "luce":
        raise ValueError(
            f"choices=inf with noise={noise!r} leaves only the best points that a model can draw; "
            f"pass a finite number of choices, or noise='luce'."
        )
    if reward_max is None or check_numbers("reward_max", reward_max).ndim:
        raise ValueError(
            f"reward_max={reward_max!r}: choices=inf samples by rejection, which needs an upper bound of the "
            f"reward; pass that number, or a finite number of choices."
        )
    return Curation(reward, np.inf, noise, float(width), float(reward_max))


@dataclass(frozen=True, eq=False)
class _Curated:
    model: Any
    rule: Curation

    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Any:
        n = check_size("n", n)
        if self.rule.choices == np.inf:
            return self._draw_tilted(n, rng, bias)
        k = int(self.rule.choices)
        parts: list[Any] = []
        left, each = n, max(1, AT_ONCE // k)
        while left:
            parts.append(self._draw_chosen(min(left, each), k, rng, bias))
            left -= places(parts[-1])[-1]
            each = max(1, AT_ONCE // k if is_set(parts[0]) else AT_ONCE // (k * parts[0][..., 0, :].size))
        if len(parts) == 1:
            return parts[0]
        return parts[0].joined(parts) if is_set(parts[0]) else np.concatenate(parts, axis=-2)

    def _draw_chosen(self, n: int, k: int, rng: np.random.Generator, bias: float | None) -> Any:
        points = draw(self.model, n * k, rng, bias)
        groups = self._rewards(points).reshape(*places(points)[:-1], n, k)
        match self.rule.noise:
            case "luce":
                groups = groups + self.rule.scale * rng.gumbel(size=groups.shape)
            case "thurstone":
                groups = groups + self.rule.scale * rng.standard_normal(groups.shape)
            case _:
                groups = np.where(groups == groups.max(-1, keepdims=True), rng.random(groups.shape), -1.0)
        index = groups.argmax(-1) + k * np.arange(n)
        return pick(points, index)

    def _draw_tilted(self, n: int, rng: np.random.Generator, bias: float | None) -> Any:
        """Draw points that are accepted with probability exp((r - reward_max) / scale)."""
        top = self.rule.reward_max
        assert top is not None

        def propose(many: int) -> tuple[Any, Mask]:
            points = draw(self.model, many, rng, bias)
            rewards = self._rewards(points)
            if rewards.max() > top + 1e-9 * (1 + abs(top)):
                raise ValueError(
                    f"reward_max={top!r} is below the reward {rewards.max():.6g} of a point; raise it to "
                    f"the largest reward."
                )
            return points, rng.standard_exponential(rewards.shape) * self.rule.scale >= top - rewards

        refusal = (
            f"reward_max={top!r} is far above the rewards of the model's points: of {{drawn}} candidates "
            f"{{kept}} were accepted; pass a closer bound, or a finite number of choices."
        )
        return draw_accepted(propose, n, refusal=refusal)

    def _rewards(self, points: Any) -> Array:
        rewards = evaluate(points, self.rule.reward)
        if rewards.shape != places(points):
            raise ValueError(
                f"reward returned shape {rewards.shape} for points of shape {points.shape}; expected "
                f"{places(points)}: one reward per point."
            )
        if not np.isfinite(rewards).all():
            raise ValueError("reward returned values that are not finite; clip or shift them.")
        return rewards
