"""Selection of guidance and fine-tuning of SIMS and Neon by a metric."""

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
    check_arguments,
    check_bias,
    check_callable,
    check_numbers,
    check_size,
    show,
)

Model = TypeVar("Model", bound=Improved)


@dataclass(frozen=True, eq=False)
class Selection:
    """Result of `select_guidance`.

    Attributes
    ----------
    guidance : float
        Weight w of the smallest metric: a `SIMS` guidance, or the weight of `Neon`.
    value : float
        Metric there. The smallest of several values is biased: evaluate `model` on fresh samples.
    model : SIMS or Neon
        Model at this w; base and auxiliary are those passed.
    grid, values : arrays, shape (k,)
        Evaluated values of w, ascending, and the metric at each.
    """

    guidance: float
    value: float
    model: Any
    grid: Array = field(repr=False)
    values: Array = field(repr=False)


@check_arguments
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

    Every w is evaluated on samples drawn with the same random numbers, so that neighbouring values
    differ by w and not by noise. Nothing is trained.

    Parameters
    ----------
    improved : SIMS or Neon
        Fitted model; its own w is not used.
    metric : callable
        Function that maps points, shape (n, d), to a number, smaller for better ones: for instance a distance
        to held-out real data. A random metric should use the same random numbers in every call.
    grid : array of float, shape (k,)
        Values of w. 0 is the base, -1 the self-trained model.
    n : int
        Number of points drawn at each w.
    rng : numpy.random.Generator
        Generator that draws one seed, used for every w.
    bias : float, optional
        Sampling bias of these points. ``None`` is the model's own default sampling.
    refine : int
        Largest number of further evaluations (0, or at least two) between the neighbours of the best
        w of the grid, by SciPy's bounded ``minimize_scalar``, Brent's method. It needs a grid of two values.

    Returns
    -------
    Selection
        Best w, the model there, and all evaluations. Among equal values the smallest w is chosen.

    Raises
    ------
    ValueError
        If the grid is empty, or a metric is not a finite number; the message names the w.

    Notes
    -----
    Source: the grid search of SIMS (Alemohammad et al. 2024, arXiv 2408.16333), there by FID; Neon
    (Alemohammad et al. 2025, arXiv 2510.03597) finds FID unimodal in w and proposes Brent's method.

    Examples
    --------
    The base is as wide as the truth, and a biased sampler halves its variance. The auxiliary learns that
    bias, and w = 1 removes it:

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

    def measure(w: float) -> float:
        points = improved.at(w).sample(n, rng=np.random.default_rng(seed), bias=bias)
        value = np.asarray(metric(points), dtype=float)
        if value.size != 1 or not np.isfinite(value).all():
            raise ValueError(
                f"metric is {value!r} at w={w:g}, and must be one finite number; leave that w out of the "
                f"grid, or fix the metric."
            )
        found[w] = float(value.item())
        return found[w]

    values = [measure(float(w)) for w in weights]
    if refine:
        from scipy.optimize import minimize_scalar

        best = int(np.argmin(values))
        ends = weights[max(best - 1, 0)], weights[min(best + 1, weights.size - 1)]
        minimize_scalar(
            lambda w: measure(float(w)), bounds=ends, method="bounded", options={"maxiter": refine}
        )
    at = np.array(sorted(found))
    values = [found[w] for w in at.tolist()]
    chosen = float(at[int(np.argmin(values))])
    return Selection(chosen, found[chosen], improved.at(chosen), at, np.array(values))


@dataclass(frozen=True, eq=False)
class Tuned:
    """A `SIMS` or `Neon` that chooses its w by a metric after each fit: in a loop, in every generation.

    Parameters
    ----------
    improved : SIMS or Neon
        Template; its own w is not used. After `fit`: the fitted model at the chosen w.
    metric, grid, n, bias, refine
        As in `select_guidance`.

    Attributes
    ----------
    selection : Selection, optional
        Result of the selection; ``None`` before `fit`.

    Notes
    -----
    The metric may use the truth, which the loop does not: the papers choose w by FID to the real data, which
    is information from outside the loop. Runs that are stored need a metric that can be pickled, a function
    at the top of a module or a ``functools.partial`` of one.

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
            raise TypeError(f"selection={show(self.selection)} is the result of fit; leave it out.")

    @property
    def takes_weights(self) -> bool:
        """Whether the base is fitted to `madtheory.data.Weighted` points too."""
        return bool(self.improved.takes_weights)

    @check_arguments
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

    @check_arguments
    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Array:
        """Draw `n` points at the chosen w, shape (n, d); `bias` is passed to the law's own sampling."""
        return self.improved.sample(n, rng=rng, bias=bias)


@check_arguments
def checkpoints(improved: Model, *, budgets: Sequence[int], rng: np.random.Generator) -> list[Model]:
    """Fine-tune one auxiliary on one synthetic set, and return the model after each budget.

    To choose the budget, sweep w for each of them, and take the smallest metric::

        saved = checkpoints(SIMS(network, 0.0, n_auxiliary=2000), budgets=[25_000, 50_000], rng=rng)
        found = [select_guidance(one, metric=metric, grid=grid, n=2000, rng=rng) for one in saved]
        best = min(found, key=lambda selection: selection.value).model

    Parameters
    ----------
    improved : SIMS or Neon
        Model with a fitted base, and `n_auxiliary`. Its own ``budget`` is not used.
    budgets : sequence of int
        Numbers of images seen since the base, ascending.
    rng : numpy.random.Generator
        Generator of the synthetic set and of the training.

    Returns
    -------
    list of SIMS or Neon
        Fitted models, each with its ``budget``. The first equals that of ``self_trained`` with its budget.

    Raises
    ------
    TypeError, ValueError
        If the base cannot be fine-tuned, the budgets do not ascend, or `n_auxiliary` is missing.

    Notes
    -----
    From one budget to the next the fine-tuning is called again for the difference. The state of the
    optimiser is reset there, and so are a decay of its learning rate and an average of weights; train with a
    constant rate if a checkpoint should be close to a run of its whole budget.
    Source: Alemohammad et al. 2024 (SIMS, arXiv 2408.16333) and 2025 (Neon, arXiv 2510.03597, Appendix C),
    who save the auxiliary every so many images and sweep w for each.
    """
    _check_improved(improved)
    images = [check_size("budgets", budget) for budget in budgets]
    if not images or sorted(set(images)) != images:
        raise ValueError(
            f"budgets={show(budgets)} do not ascend; pass for example [25_000, 50_000, 100_000]."
        )
    if improved.n_auxiliary is None:
        raise ValueError(
            "n_auxiliary=None: no training set determines the number of points; pass n_auxiliary."
        )
    for budget in images:
        replace(improved, budget=budget)
    synthetic = improved._synthetic(improved.base, improved.n_auxiliary, False, rng)
    auxiliary, seen, made = improved.base, 0, []
    for budget in images:
        auxiliary = improved._fine_tune(auxiliary, synthetic, budget - seen, rng)
        made.append(replace(improved, budget=budget, auxiliary=auxiliary, law=None))
        seen = budget
    return made


def _check_improved(improved: Any) -> None:
    if not isinstance(improved, Improved):
        raise TypeError(f"improved={show(improved)} is not a SIMS or Neon; pass one of madtheory.models.")


def _check_search(metric: Any, grid: Any, n: Any, refine: Any) -> Array:
    """Return the values of w, ascending."""
    weights = np.unique(check_numbers("grid", grid))
    if weights.size and max(-weights[0], weights[-1]) > GREATEST:
        raise ValueError(f"grid={show(grid)} is too large; pass numbers of at most {GREATEST:g}.")
    if not weights.size:
        raise ValueError(f"grid={show(grid)} is empty; pass values of w, for example np.linspace(0, 3, 13).")
    if check_size("refine", refine, 0) and weights.size < 2:
        raise ValueError(
            f"refine={refine} needs neighbours to search between, and grid={show(grid)} has one value; "
            f"give more."
        )
    check_callable("metric", metric)
    check_size("n", n)
    return weights
