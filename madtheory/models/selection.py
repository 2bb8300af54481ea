"""How much guidance, after how much fine-tuning: SIMS and Neon chosen by a metric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from madtheory.models.extrapolated import Improved
from madtheory.types import Array
from madtheory.validation import (
    GREATEST,
    check_bias,
    check_callable,
    check_numbers,
    check_size,
    checked,
    shown,
)

__all__ = ["Selection", "Tuned", "checkpoints", "select_guidance"]

Model = TypeVar("Model", bound=Improved)


@dataclass(frozen=True, eq=False)
class Selection:
    """What `select_guidance` found.

    Attributes
    ----------
    guidance : float
        The w of the smallest metric: a `SIMS` guidance, or the weight of `Neon`.
    value : float
        The metric there. As the smallest of several it is too good: evaluate `model` on fresh samples.
    model : SIMS or Neon
        At this w; base and auxiliary are those given.
    grid, values : arrays, shape (k,)
        Every w that was evaluated, ascending, and the metric there.
    """

    guidance: float
    value: float
    model: Any
    grid: Array = field(repr=False)
    values: Array = field(repr=False)


@checked
def select_guidance(
    improved: Any,
    *,
    metric: Callable[[Array], Any],
    grid: ArrayLike,
    n: int,
    rng: np.random.Generator,
    bias: float | None = None,
    refine: int = 0,
) -> Selection:
    """Choose the guidance of `SIMS`, or the weight of `Neon`, whose samples have the smallest metric.

    Every w is evaluated on samples drawn with the same random numbers, so that neighbouring values differ by
    w and not by noise. Nothing is trained.

    Parameters
    ----------
    improved : SIMS or Neon
        Fitted; its own w plays no part.
    metric : callable
        Maps points, shape (n, d), to a number, the smaller the better: for instance a distance to held-out
        real data. A random metric should use the same random numbers in every call.
    grid : array of float, shape (k,)
        Values of w. 0, the base, is worth a place; -1 is the self-trained model.
    n : int
        Points drawn at each w.
    rng : numpy.random.Generator
        Draws one seed, which every w uses.
    bias : float, optional
        Sampling bias of these points. ``None`` is the model's own default sampling.
    refine : int
        At most so many further evaluations (two at least, unless it is 0) between the neighbours of the best
        w of the grid, by SciPy's bounded ``minimize_scalar``, Brent's method. It needs a grid of two values.

    Returns
    -------
    Selection
        The best w, the model there, and all evaluations. Of equal values the smallest w is taken.

    Raises
    ------
    ValueError
        If the grid is empty, or a metric is no finite number; the message says at which w.

    Notes
    -----
    Source: the grid search of SIMS (Alemohammad et al. 2024, arXiv 2408.16333), there by FID; Neon
    (Alemohammad et al. 2025, arXiv 2510.03597) finds FID unimodal in w and proposes Brent's method.

    Examples
    --------
    A base as wide as the truth, of which a biased sampler shows half the variance. The auxiliary learns that
    bias, and w = 1 undoes it:

    >>> from madtheory.models import SIMS, Gaussian
    >>> rng = np.random.default_rng(0)
    >>> sims = SIMS(Gaussian.standard(1), 0.0, auxiliary_bias=0.5).self_trained(100_000, rng=rng)
    >>> found = select_guidance(
    ...     sims, metric=lambda x: abs(x.var() - 1), grid=[0, 1, 2], n=10_000, rng=rng, bias=0.5
    ... )
    >>> found.guidance, found.values.round(1)
    (1.0, array([0.5, 0. , 1. ]))
    """
    _check_improved(improved)
    weights = _check_search(metric, grid, n, refine)
    seed = int(rng.integers(2**63))
    found: dict[float, float] = {}

    def measured(w: float) -> float:
        points = improved.at(w).sample(n, rng=np.random.default_rng(seed), bias=bias)
        value = np.asarray(metric(points), dtype=float)
        if value.size != 1 or not np.isfinite(value).all():
            raise ValueError(
                f"metric is {value!r} at w={w:g}, and must be one finite number; leave that w out of the "
                f"grid, or mend the metric."
            )
        found[w] = float(value.item())
        return found[w]

    values = [measured(float(w)) for w in weights]
    if refine:
        from scipy.optimize import minimize_scalar

        best = int(np.argmin(values))
        ends = weights[max(best - 1, 0)], weights[min(best + 1, weights.size - 1)]
        minimize_scalar(
            lambda w: measured(float(w)), bounds=ends, method="bounded", options={"maxiter": refine}
        )
    at = np.array(sorted(found))
    values = [found[w] for w in at.tolist()]
    chosen = float(at[int(np.argmin(values))])
    return Selection(chosen, found[chosen], improved.at(chosen), at, np.array(values))


@dataclass(frozen=True, eq=False)
class Tuned:
    """A `SIMS` or `Neon` that chooses its w by a metric, anew after each fit: in a loop, every generation.

    Parameters
    ----------
    improved : SIMS or Neon
        A template; its own w plays no part. After `fit`: fitted, at the w chosen.
    metric, grid, n, bias, refine
        As in `select_guidance`.

    Attributes
    ----------
    selection : Selection, optional
        What was found; ``None`` before `fit`.

    Notes
    -----
    The metric sees the truth where the loop does not: it is how the papers choose w, by FID to the real data,
    and it is information from outside the loop. Runs that are stored need a metric that can be pickled, a
    function at the top of a module or a ``functools.partial`` of one.

    Examples
    --------
    >>> from madtheory.models import SIMS, Gaussian
    >>> tuned = Tuned(SIMS(Gaussian(), 0.0), metric=lambda x: abs(x.var() - 1), grid=[0, 1, 2], n=1000)
    >>> rng = np.random.default_rng(0)
    >>> tuned = tuned.fit(Gaussian.standard(1).sample(1000, rng=rng), rng=rng)
    >>> tuned.improved.guidance in (0, 1, 2)
    True
    """

    improved: Any
    _: KW_ONLY
    metric: Callable[[Array], Any]
    grid: Any
    n: int
    bias: float | None = None
    refine: int = 0
    selection: Selection | None = None

    def __post_init__(self) -> None:
        _check_improved(self.improved)
        _check_search(self.metric, self.grid, self.n, self.refine)
        if self.bias is not None:
            check_bias(self.bias)
        if not isinstance(self.selection, Selection | None):
            raise TypeError(f"selection={shown(self.selection)} is what fit finds; leave it out.")

    @property
    def takes_weights(self) -> bool:
        """Whether the base is fitted to `madtheory.data.Weighted` points too."""
        return bool(self.improved.takes_weights)

    @checked
    def fit(self, data: Any, *, rng: np.random.Generator) -> Tuned:
        """Fit base and auxiliary to `data`, then select w; return a new model."""
        fitted = self.improved.fit(data, rng=rng)
        selection = select_guidance(
            fitted,
            metric=self.metric,
            grid=self.grid,
            n=self.n,
            rng=rng,
            bias=self.bias,
            refine=self.refine,
        )
        return replace(self, improved=selection.model, selection=selection)

    @checked
    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Array:
        """Draw `n` points at the w chosen, shape (n, d); `bias` goes to the law's own sampling."""
        return self.improved.sample(n, rng=rng, bias=bias)


@checked
def checkpoints(improved: Model, *, budgets: Sequence[int], rng: np.random.Generator) -> list[Model]:
    """Fine-tune one auxiliary on one synthetic set, and return what it is after each of several budgets.

    For the choice of the budget: sweep w for every one of them, and take the smallest metric::

        saved = checkpoints(SIMS(network, 0.0, n_auxiliary=2000), budgets=[25_000, 50_000], rng=rng)
        found = [select_guidance(one, metric=metric, grid=grid, n=2000, rng=rng) for one in saved]
        best = min(found, key=lambda selection: selection.value).model

    Parameters
    ----------
    improved : SIMS or Neon
        With a base that is fitted, and `n_auxiliary`. Its own ``budget`` plays no part.
    budgets : sequence of int
        Images seen since the base, ascending.
    rng : numpy.random.Generator
        Draws the synthetic set, then trains.

    Returns
    -------
    list of SIMS or Neon
        Fitted, each with its ``budget``. The first is what ``self_trained`` makes with that budget.

    Raises
    ------
    TypeError, ValueError
        If the base cannot be fine-tuned, the budgets do not ascend, or `n_auxiliary` is missing.

    Notes
    -----
    From one budget to the next the fine-tuning is called again for the difference. What an optimiser
    remembers begins anew there, and so do a decay of its learning rate and an average of weights; train with
    a constant rate where a checkpoint is to be as near as can be to a run of its whole budget.
    Source: Alemohammad et al. 2024 (SIMS, arXiv 2408.16333) and 2025 (Neon, arXiv 2510.03597, Appendix C),
    who save the auxiliary every so many images and sweep w for each.
    """
    _check_improved(improved)
    images = [check_size("budgets", budget) for budget in budgets]
    if not images or sorted(set(images)) != images:
        raise ValueError(
            f"budgets={shown(budgets)} do not ascend; pass for example [25_000, 50_000, 100_000]."
        )
    if improved.n_auxiliary is None:
        raise ValueError("n_auxiliary=None: no training set says how many points to draw; pass n_auxiliary.")
    for budget in images:
        replace(improved, budget=budget)
    synthetic = improved._synthetic(improved.base, improved.n_auxiliary, False, rng)
    auxiliary, seen, made = improved.base, 0, []
    for budget in images:
        auxiliary = improved._fine_tuned(auxiliary, synthetic, budget - seen, rng)
        made.append(replace(improved, budget=budget, auxiliary=auxiliary, law=None))
        seen = budget
    return made


def _check_improved(improved: Any) -> None:
    if not isinstance(improved, Improved):
        raise TypeError(f"improved={shown(improved)} is no SIMS or Neon; pass one of madtheory.models.")


def _check_search(metric: Any, grid: Any, n: Any, refine: Any) -> Array:
    """The values of w, ascending."""
    weights = np.unique(check_numbers("grid", grid))
    if weights.size and max(-weights[0], weights[-1]) > GREATEST:
        raise ValueError(f"grid={shown(grid)} is too large; pass numbers of at most {GREATEST:g}.")
    if not weights.size:
        raise ValueError(f"grid={shown(grid)} is empty; pass values of w, for example np.linspace(0, 3, 13).")
    if check_size("refine", refine, 0) and weights.size < 2:
        raise ValueError(
            f"refine={refine} needs neighbours to search between, and grid={shown(grid)} has one value; "
            f"give more."
        )
    check_callable("metric", metric)
    check_size("n", n)
    return weights
