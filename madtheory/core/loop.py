"""The autophagous loop: what a generation is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from madtheory import data
from madtheory.abilities import can, find_obstacle, is_set  # is_set: training data that are not an array
from madtheory.core import retained as _retained
from madtheory.core.adapters import check_bias_of_model, is_law_by_generation, model_of, source_at, source_of
from madtheory.core.streams import Streams
from madtheory.regimes import Mix, Regime
from madtheory.text import html_table, short_repr
from madtheory.types import Treatment
from madtheory.validation import (
    check_array,
    check_bias,
    check_choice,
    check_flag,
    check_memory,
    check_sample,
    check_size,
    show,
)

METHODS = ("statistics", "samples")

Source = tuple[Any, float | None, float]
"""A model, the bias it is sampled with, and the probability that a point comes from it."""


@dataclass(frozen=True, kw_only=True)
class Loop:
    """What happens in an autophagous loop; how it is computed is a separate question.

    Attributes
    ----------
    real : Source or array, shape (m, d)
        The reference distribution: anything with ``sample(n, *, rng)``. Points (an array, a frame, a tensor,
        nested lists) stand for the uniform law on their rows, of which a read-only copy is kept.
        Distributions of ``scipy.stats`` and ``torch.distributions``, and fitted estimators, are wrapped.
        A function of the generation returns the source of each: a real law that changes. New real data of a
        generation come from its law, fixed real data from the law of generation 1, and metrics compare with
        the law of the generation that they measure. The function is called several times, and must return
        the same law for the same generation.
    model : GenerativeModel
        Template that every generation fits. An estimator of another package that has ``fit`` and
        ``sample``, without ``rng``, is wrapped in `madtheory.Estimator`.
    regime : Regime
        Which data each generation is trained on.
    bias : float, optional
        Sampling bias, MAD's lambda: 1 is unbiased. ``None`` is the model's own default sampling.
    warm_start : bool
        Fit each generation from the previous model instead of from the template.
    treatments : sequence of Treatment
        Changes of synthetic data before the next model is trained on them, applied in this order
        (`madtheory.treatments`).
    """

    real: Any
    model: Any
    regime: Regime
    bias: float | None = None
    warm_start: bool = False
    treatments: tuple[Treatment, ...] = ()

    __repr__ = short_repr
    _repr_html_ = html_table

    def __post_init__(self) -> None:
        if is_law_by_generation(self.real):
            source_at(self.real, 1)
        else:
            object.__setattr__(self, "real", source_of(self.real, "real"))
        object.__setattr__(self, "model", model_of(self.model))
        if not isinstance(self.regime, Regime):
            raise TypeError(
                f"regime={show(self.regime)} is not a Regime; use for example regimes.replace(n=100)."
            )
        if self.bias is not None:
            object.__setattr__(self, "bias", check_bias(self.bias))
            check_bias_of_model(self.model, self.bias)
        object.__setattr__(self, "warm_start", check_flag("warm_start", self.warm_start))
        given = self.treatments if np.iterable(self.treatments) else (self.treatments,)
        object.__setattr__(self, "treatments", tuple(given))
        for treatment in self.treatments:
            if not can(treatment, "treated", "obstacle"):
                raise TypeError(
                    f"treatments holds {show(treatment)}, which is not a treatment; see madtheory.treatments."
                )

    @property
    def real_changes(self) -> bool:
        """Whether the real law is a function of the generation."""
        return is_law_by_generation(self.real)

    def at(self, generation: int) -> Loop:
        """Return the loop with the real law of one generation in all; the loop itself if the law is fixed."""
        return replace(self, real=source_at(self.real, generation)) if self.real_changes else self


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One generation of a loop, from which the loop can be continued.

    Attributes
    ----------
    generation : int
        1 is the model trained on real data only.
    model : GenerativeModel
        The fitted model.
    training_set : points, Weighted, Moments, Counts, NGrams or Totals
        Data that `model` was fitted to.
    initial : points or Moments, optional
        The real data of generation 1 that the regime uses again; a tuple of consecutive parts where
        statistics are drawn and the number of these points changes.
    synthetic : tuple
        The retained synthetic batches, oldest first, ``None`` for one of no points; points that stay for
        several generations are in one buffer. Empty where the training set itself retains them.
    reals : tuple
        The retained fresh real batches, oldest first, in the same way.
    models : tuple
        The last `memory` models, oldest first.
    real : Source
        The reference distribution of this generation; its remaining points, where no point is drawn twice.
    method : str
        ``"statistics"`` or ``"samples"``.
    replicates : tuple of int
        The leading axes: ``()`` or ``(replicates,)``.
    streams : Streams
        Random streams of the run; ``streams(generation, role)`` is the generator of one purpose.
    """

    generation: int
    model: Any
    training_set: Any
    initial: Any
    synthetic: tuple[Any, ...]
    reals: tuple[Any, ...]
    models: tuple[Any, ...]
    real: Any
    method: str
    replicates: tuple[int, ...]
    streams: Streams

    __repr__ = short_repr


def statistics_obstacle(loop: Loop) -> str | None:
    """Return why ``method="statistics"`` is impossible for a loop, or ``None`` if it is possible."""
    loop = loop.at(1)
    for role in ("model", "real"):
        if (why := find_obstacle(getattr(loop, role), "sample_statistic")) is not None:
            return f"{role} {why}"
    # The type of statistic that a model is fitted to, and that the real data are drawn as.
    of_model, of_real = (getattr(o, "statistic", data.Moments) for o in (loop.model, loop.real))
    if of_model != of_real:
        names = [getattr(one, "__name__", str(one)) for one in (of_model, of_real)]
        return f"model is fitted to {names[0]} and the statistic of real is {names[1]}"
    if loop.regime.retain == "logarithmic":
        return "retain='logarithmic' drops individual points of earlier batches"
    if loop.regime.real_data == "fixed" and callable(loop.regime.n_real):
        return (
            "n_real is a function, and the statistic of fixed real data is drawn in parts, whose sizes must "
            "be known at generation 1 (pass a sequence)"
        )
    for part in (loop.real, loop.model, *loop.treatments):
        if hasattr(part, "obstacle") and (obstacle := part.obstacle(loop)) is not None:
            return obstacle
    reused = loop.regime.reuses_points or loop.regime.replacement
    if loop.regime.budget is not None and reused and of_model is not data.Counts:
        return (
            f"regime {loop.regime.name!r} picks individual points from a pool that is used again, "
            f"and which points were picked is not a function of the statistic"
        )
    if loop.regime.n_carried != 0 and (of_model is not data.Counts or loop.regime.weights is not None):
        return (
            f"n_carried={show(loop.regime.n_carried)} picks individual points from the previous training "
            f"set, and which points were picked is not a function of the statistic"
        )
    return None


def choose_method(loop: Loop, method: str | None) -> str:
    """Return the requested method, if it is possible; for ``None`` the first one that is."""
    obstacle = statistics_obstacle(loop)
    if method is None:
        return "statistics" if obstacle is None else "samples"
    if check_choice("method", method, METHODS) == "statistics" and obstacle is not None:
        raise ValueError(
            f"method='statistics' is not available for this loop: {obstacle}. Use method='samples'."
        )
    return method


def start_loop(
    loop: Loop, streams: Streams, *, replicates: int | None = None, method: str | None = None
) -> Snapshot:
    """Run generation 1 without the checks of `start`."""
    method = choose_method(loop, method)
    lead: tuple[int, ...] = ()  # the axis of the replicates
    law = loop.at(1).real
    if replicates is not None:
        if not (can(law, "expand") and can(loop.model, "expand")):
            raise ValueError(
                f"replicates={replicates} at once need expand on both model and real; use simulate."
            )
        lead = (check_size("replicates", replicates),)
        check_memory(8.0 * lead[0], f"replicates={replicates} at once", "run fewer")
    rng, regime = streams(1, "initial"), loop.regime
    fixed, kept = regime.real_data == "fixed", None
    parts = _parts_of_first(regime) if fixed and method == "statistics" else (regime.n_initial,)
    drawn, left = [], law
    for n in parts:
        part, left = _draw_real(left, n, method, lead, rng)
        drawn.append(part)
    initial = data.join(drawn)
    if fixed and not (_is_accumulated(regime) and is_set(initial)):
        kept = tuple(drawn) if len(drawn) > 1 else initial
        kept = _first(kept, regime.n_real, regime) if isinstance(regime.n_real, int) else kept
    _check_weighted(loop, initial)
    model = loop.model.fit(initial, rng=streams(1, "fit"))
    retains_real = regime.real_data == "fresh" and regime.retain_real != "last"
    reals = _retained.retain((), initial, regime.retain_real) if retains_real else ()
    return Snapshot(1, model, initial, kept, (), reals, (model,), left, method, lead, streams)


def _is_accumulated(regime: Regime) -> bool:
    """Return whether a training set is the previous one and a new batch, all points with weight 1."""
    return regime.name == "accumulate" and regime.weights is None


def _parts_of_first(regime: Regime) -> tuple[int, ...]:
    """Return the sizes of the parts of the first real data, cut where some generation stops reusing them."""
    used = regime.n_real[1:] if isinstance(regime.n_real, tuple) else (regime.n_real,)
    ends = sorted({*(int(n) for n in used), regime.n_initial} - {0})
    return tuple(end - begin for begin, end in zip([0, *ends], ends, strict=False))


def _first(initial: Any, n: int, regime: Regime) -> Any:
    """Return the first `n` of the real data of generation 1, or ``None`` if `n` is 0."""
    if isinstance(initial, tuple):
        ends = np.cumsum(_parts_of_first(regime))
        return data.join(initial[: int(np.searchsorted(ends, n)) + 1]) if n else None
    if n == regime.n_initial:
        return initial
    return data.first(initial, (n + 0.5) / regime.n_initial) if n else None


def _check_weighted(loop: Loop, initial: Any) -> None:
    """Refuse weights, before the first fit, where a model can only be fitted to points."""
    weights, kind = loop.regime.weights, type(loop.model).__name__
    if weights is None or can(initial, "scaled") or getattr(loop.model, "takes_weights", False):
        return
    if loop.regime.n_synthetic == 0 and loop.regime.n_carried == 0:
        return  # weights are relative: real data alone are not weighted
    raise TypeError(
        f"weights={weights} of the regime would pass madtheory.data.Weighted points to {kind}.fit from "
        f"generation 2 on, and {kind} does not say that it takes them. Leave weights out; or let its fit use "
        f"data.points, shape (n, d), and data.weights, shape (n,), where data is a Weighted, and set "
        f"takes_weights = True on the class."
    )


def _draw_own(loop: Loop, previous: Snapshot, n: Any) -> Any:
    """Draw a synthetic batch; each point comes from one of the last models, chosen uniformly."""
    models = previous.models
    return draw_batch(loop, previous, n, [(model, loop.bias, 1 / len(models)) for model in models])


def take_step(
    loop: Loop, previous: Snapshot, draw: Callable[[Loop, Snapshot, Any], Any] = _draw_own
) -> Snapshot:
    """Take one step without its checks; the caller makes them and limits the threads.

    `draw` returns the synthetic batch of a number of points.
    """
    regime, t = loop.regime, previous.generation + 1
    mix = regime.at(t)  # the numbers of points of this generation
    law = _law(loop, previous)
    n_synthetic: Any = mix.n_synthetic
    n_fresh: Any = mix.n_fresh
    independent = isinstance(previous.training_set, (data.Moments, data.NGrams, data.Totals))
    exact_subsample = independent and mix.budget is not None
    if exact_subsample:
        # A uniform subset of points that are used once is itself independent draws: draw only those.
        n_fresh, n_synthetic = _subset_sizes(mix, previous)

    batch = draw(loop, previous, n_synthetic) if mix.n_synthetic else None
    if is_set(previous.training_set) and _is_accumulated(regime):
        # All data so far are the last training set and this batch: no second copy of them is kept.
        return _fit_next(loop, previous, data.join((previous.training_set, batch)), real=law)
    fixed, constant = regime.real_data == "fixed", isinstance(regime.n_real, int)
    # Where all batches are kept they are rows of one buffer, which begins with the fixed real data, its head.
    head = previous.initial if fixed and constant and regime.retain == "all" else None
    synthetic = _retained.retain(previous.synthetic, batch, regime.retain, head)
    kept = synthetic
    if regime.retain == "logarithmic":
        aged = enumerate(synthetic, start=1)
        kept = tuple(data.first(part, i / len(synthetic)) for i, part in aged if part is not None)

    reals = previous.reals
    if regime.draws_real:
        drawn = None
        if mix.n_fresh:
            rng = previous.streams(t, "real")
            drawn, law = _draw_real(law, n_fresh, previous.method, previous.replicates, rng)
        reals = _retained.retain(reals, drawn, regime.retain_real)
    real: tuple[Any, ...] = reals
    if fixed:
        in_front = bool(kept) and isinstance(kept[0], _retained.Rows) and kept[0].head > 0
        first = previous.initial if constant else _first(previous.initial, mix.n_fixed, regime)
        real = reals if in_front else (first, *reals)
    carried = (_carry(previous, mix.n_carried),) if mix.n_carried else ()
    if mix.budget is None or exact_subsample:
        training_set = _retained.join(real, kept, carried, mix.weights)
    else:
        rng, replacement = previous.streams(t, "subsample"), regime.replacement
        training_set = _retained.subset(real + kept + carried, mix.budget, rng=rng, replacement=replacement)
    return _fit_next(loop, previous, training_set, synthetic=synthetic, reals=reals, real=law)


def _law(loop: Loop, previous: Snapshot) -> Any:
    """Return the real law of the next generation; of a fixed one, its remaining points."""
    if not loop.real_changes:
        return previous.real
    t = previous.generation + 1
    now = loop.at(t)
    if previous.method == "statistics" and (obstacle := statistics_obstacle(now)) is not None:
        raise ValueError(
            f"method='statistics' was possible at generation 1 and is not at generation {t}: {obstacle}. Let "
            f"real({t}) be a source as real(1) is, or use method='samples'."
        )
    if previous.replicates and not can(now.real, "expand"):
        raise ValueError(
            f"real({t}) of type {type(now.real).__name__} has no expand, and real(1) has; let it be a source "
            f"as real(1) is."
        )
    return now.real


def _carry(previous: Snapshot, n: int) -> Any:
    """Draw `n` points of the previous training set, without their weights."""
    held = previous.training_set
    points = held.points if isinstance(held, data.Weighted) else held
    most = int(np.min(data.size(points)))
    if n > most:
        raise ValueError(
            f"n_carried={n} exceeds the {most} points of the training set of generation "
            f"{previous.generation}; lower it."
        )
    return data.subsample(points, n, rng=previous.streams(previous.generation + 1, "carried"))


def _fit_next(loop: Loop, previous: Snapshot, training_set: Any, **changed: Any) -> Snapshot:
    """Return the next snapshot, with a model fitted to `training_set`."""
    t, template = previous.generation + 1, previous.model if loop.warm_start else loop.model
    model = template.fit(training_set, rng=previous.streams(t, "fit"))
    models = (*previous.models, model)[-loop.regime.memory :]
    changed |= {"generation": t, "model": model, "training_set": training_set, "models": models}
    snapshot = object.__new__(Snapshot)
    vars(snapshot).update(vars(previous), **changed)  # half the time of a frozen dataclass's constructor
    return snapshot


def _draw(source: Any, n: Any, method: str, rng: np.random.Generator, **bias: float) -> Any:
    if method == "statistics":
        return source.sample_statistic(n, rng=rng, **bias)
    points = source.sample(n, rng=rng, **bias)
    # Whatever else a model does with its points is up to its own sample and fit.
    name = f"{type(source).__name__}.sample(n)"
    if isinstance(points, np.ma.MaskedArray):
        points = check_array(points, name)
    return check_sample(points, n, name)


def _draw_real(
    real: Any, n: Any, method: str, lead: tuple[int, ...], rng: np.random.Generator
) -> tuple[Any, Any]:
    """Draw real data; return them and the remaining source: one with ``take`` gives each point once."""
    if can(real, "take") and not lead:
        drawn, left = real.take(n, rng=rng)
        return drawn, left
    return _draw(real.expand(*lead) if lead else real, n, method, rng), real


def draw_batch(loop: Loop, previous: Snapshot, n: Any, sources: Sequence[Source]) -> Any:
    """Draw a synthetic batch; each point comes from one of the sources, chosen by their shares."""
    t = previous.generation + 1
    models = [model for model, _, _ in sources]
    for treatment in loop.treatments:
        models = [treatment.treated(model, previous) for model in models]
    rng = previous.streams(t, "synthetic")
    biases = [{} if bias is None else {"bias": bias} for _, bias, _ in sources]
    if len(models) == 1:
        return _draw(models[0], n, previous.method, rng, **biases[0])
    share, choice = np.array([share for _, _, share in sources]), previous.streams(t, "source")
    counts = choice.multinomial(n, share, size=previous.replicates or None)
    if previous.method == "statistics":
        known = zip(models, biases, range(len(models)), strict=True)
        return data.join([_draw(m, counts[..., k], "statistics", rng, **bias) for m, bias, k in known])
    most = counts.reshape(-1, len(models)).max(0)
    parts = zip(models, biases, most, strict=True)
    batch = data.join([_draw(m, int(k), "samples", rng, **bias) for m, bias, k in parts if k])
    if previous.replicates:
        used = [np.arange(k) < counts[..., i, None] for i, k in enumerate(most) if k]
        batch = batch[np.concatenate(used, axis=-1)].reshape(*batch.shape[:-2], n, batch.shape[-1])
    # The models follow one another in a batch; its first points must come from all of them alike.
    return data.shuffle(batch, rng=choice) if loop.regime.retain == "logarithmic" else batch


def _subset_sizes(mix: Mix, previous: Snapshot) -> tuple[Any, Any]:
    """Draw how many of the budget's points are new real ones and synthetic, in each replicate."""
    assert mix.budget is not None
    if mix.budget > mix.n_fresh + mix.n_synthetic:
        raise ValueError(
            f"budget={mix.budget} exceeds the {mix.n_fresh + mix.n_synthetic} points of the pool; lower it."
        )
    rng = previous.streams(previous.generation + 1, "subsample")
    n_fresh = rng.hypergeometric(mix.n_fresh, mix.n_synthetic, mix.budget, size=previous.replicates or None)
    return n_fresh, mix.budget - n_fresh
