"""Exact first moments of every loop: one linear recursion for the whole design space.

Each training set is made of groups of points, and only two expectations of a group matter: its scatter about
its own mean, and the squared distances between its mean and the other means of the loop. Drawing, pooling,
weighting, subsampling and fitting act linearly on them, for any law of the real data. Distances are used
instead of covariances with the truth because they stay accurate when a collapsed model is far from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madtheory.numerics import Bandwidth, absolute_width, check_bandwidth
from madtheory.regimes import Regime
from madtheory.theory.growing_pool import growing_pool, grows
from madtheory.theory.labels import Labelled, Trajectory, label  # numbers with kind and source
from madtheory.validation import (
    LONGEST,
    check_bias,
    check_choice,
    check_ddof,
    check_kernel_bias,
    check_memory,
    check_numbers,
    check_size,
    show,
)

Array = NDArray[np.floating]
TRUTH = 0  # the node of the true mean
SPREADS = ("total_variance_std", "squared_norm")
DISTANCES = ("wasserstein2_squared", "wasserstein2_squared_lower", "wasserstein2_squared_upper")
OTHERS = (*SPREADS, *DISTANCES)  # variables that other closed forms add to the first moments


def check_spectrum(dim: int, spectrum: ArrayLike | None) -> Array:
    """Return the eigenvalues of the truth's covariance: `dim` ones, or `spectrum`."""
    dim = check_size("dim", dim, maximum=LONGEST["dim"])
    values = np.ones(dim) if spectrum is None else np.atleast_1d(check_numbers("spectrum", spectrum))
    if values.ndim != 1 or not values.size or not np.all(values > 0):
        raise ValueError(f"spectrum={show(spectrum)} is not a list of positive eigenvalues.")
    if dim not in (1, len(values)):
        raise ValueError(f"spectrum has {len(values)} eigenvalues but dim={dim}; leave dim out or equal.")
    return values


def regime_of(*, n_initial: int, n_real: Any = 0, real_data: str = "none", **rest: Any) -> Regime:
    """Return the regime of these numbers; without `n_real`, fixed real data are all of the first ones."""
    check_choice("real_data", real_data, ("none", "fixed", "fresh"))
    if real_data == "fixed" and isinstance(n_real, int) and n_real == 0:
        n_real = n_initial
    return Regime(n_initial=n_initial, n_real=n_real, real_data=real_data, **rest)  # type: ignore[arg-type]


class Truths(NamedTuple):
    """The real laws of generations 1, 2, ...: of one that changes, in units of the first.

    Attributes
    ----------
    nodes : tuple of int
        Node of the mean of each generation's law; 0 is that of generation 1.
    variances : tuple of float
        Trace of the covariance of each, relative to the first.
    distance : array, shape (k, k)
        Squared distances between the k means, relative to the first trace.
    """

    nodes: tuple[int, ...]
    variances: tuple[float, ...]
    distance: Array

    @classmethod
    def of(cls, means: Array, traces: Array) -> Truths:
        """Return those of laws with these means, shape (generations, d), and traces of their covariances."""
        kept, nodes = np.unique(means, axis=0, return_inverse=True)
        # The mean of generation 1 is node 0.
        order = np.r_[nodes[0], np.delete(np.arange(len(kept)), nodes[0])]
        kept, place = kept[order], np.argsort(order)
        square = ((kept[:, None] - kept[None]) ** 2).sum(-1) / traces[0]
        return cls(tuple(place[nodes].tolist()), tuple((traces / traces[0]).tolist()), square)


def check_correction(correction: ArrayLike) -> Array:
    """Return the share of true points of a correction of strength 0 to infinity."""
    try:
        gamma = np.asarray(correction, dtype=float)
    except (TypeError, ValueError):
        gamma = np.asarray(np.nan)
    if not (gamma >= 0).all():
        raise ValueError(f"correction={correction!r} is out of range: pass strengths from 0 to infinity.")
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(gamma), 1.0, gamma / (1 + gamma))


def share_of(correction: float) -> float:
    """Return the share of true points of one correction."""
    share = check_correction(correction)
    if share.ndim:
        raise ValueError(f"correction={show(correction)} is not one number; call once for each strength.")
    return float(share)


def is_chain(regime: Regime) -> bool:
    """Return whether every generation sees only the last batch, so that weights do not matter either."""
    alone = regime.real_data == "none" and regime.retain == "last" and regime.n_carried == 0
    return alone and regime.memory == 1 and regime.budget is None


def check_truths(truths: Truths | None, generations: int) -> None:
    """Refuse what does not describe the real law of each generation."""
    if truths is None:
        return
    if not isinstance(truths, Truths):
        raise TypeError(f"truths={show(truths)} is not a Truths; make it by Truths.of(means, traces).")
    if len(truths.nodes) < generations:
        raise ValueError(
            f"truths holds the laws of {len(truths.nodes)} generations and generations={generations}; pass "
            f"one for each."
        )


class Group(NamedTuple):
    """Points in units of the truth: node of their mean, their number, expected scatter about that mean."""

    node: int
    size: int
    scatter: float


class Model(NamedTuple):
    """A fitted model: node of its mean, expected variance factor of its samples without a bias."""

    node: int
    variance: float


class Means:
    """Expected squared distances between the means of a loop, each a node: a row of the matrix.

    The first nodes are true means.
    """

    def __init__(self, truths: Truths | None = None) -> None:
        self.distance: Array = np.zeros((1, 1)) if truths is None else truths.distance
        self.truths = len(self.distance)

    def spread(self, nodes: list[int], share: Array) -> float:
        """Return the expected squared distance to the barycentre of a node drawn by the law `share`."""
        if len(nodes) == 1:
            return 0.0
        return float(share @ self._among(nodes) @ share) / 2

    def add(self, nodes: list[int], share: Array, noise: float = 0.0) -> int:
        """Append the barycentre of `nodes` plus independent noise of that variance; return its node."""
        k = len(self.distance)
        row = self.distance[:, nodes] @ share - self.spread(nodes, share) + noise
        grown = np.zeros((k + 1, k + 1))
        grown[:k, :k] = self.distance
        grown[k, :k] = grown[:k, k] = row
        self.distance = grown
        return k

    def _among(self, nodes: list[int]) -> Array:
        """Return the distances among these nodes; `np.ix_` would take longer for its checks."""
        index = np.array(nodes)
        return self.distance[index[:, None], index]

    def near(self, node: int, noise: float) -> int:
        """Append one node plus independent noise."""
        return self.add([node], np.ones(1), noise)

    def move(self, node: int, noise: float) -> None:
        """Add independent noise to a node."""
        self.distance[node] += noise
        self.distance[:, node] += noise
        self.distance[node, node] = 0.0

    def keep(self, nodes: Sequence[int]) -> dict[int, int]:
        """Forget all other nodes; return the new place of each kept one."""
        alive = sorted({*range(self.truths), *nodes})
        self.distance = self._among(alive)
        return {old: new for new, old in enumerate(alive)}


def draw_real(means: Means, size: int, truth: Model) -> Group:
    """Return a group of i.i.d. points of the truth."""
    if size == 0:
        return Group(TRUTH, 0, 0.0)
    return Group(means.near(truth.node, truth.variance / size), size, (size - 1.0) * truth.variance)


def draw(means: Means, models: list[Model], share: Array, size: int) -> Group:
    """Return a batch of i.i.d. points of a mixture of `models`; the variance of each is of its samples."""
    if size == 0:
        return Group(TRUTH, 0, 0.0)
    nodes = [model.node for model in models]
    covariance = sum(s * model.variance for s, model in zip(share.tolist(), models, strict=True))
    covariance += means.spread(nodes, share)
    return Group(means.add(nodes, share, covariance / size), size, (size - 1) * covariance)


def merge(means: Means, groups: list[Group]) -> Group:
    """Return the groups as one pool."""
    groups = [group for group in groups if group.size] or groups[:1]
    if len(groups) == 1:
        return groups[0]
    nodes, size = [g.node for g in groups], sum(g.size for g in groups)
    share = np.array([g.size for g in groups]) / size
    scatter = sum(g.scatter for g in groups) + size * means.spread(nodes, share)
    return Group(means.add(nodes, share), size, scatter)


def _window(means: Means, batches: list[Group], retained: str | int) -> list[Group]:
    """Return the batches that stay in the pool; all of them as one group."""
    if retained == "all":
        return [merge(means, batches)]
    return batches[-1:] if retained == "last" else batches[-int(retained) :]


def _choose(pool: Group, size: int, replacement: bool, name: str = "budget") -> tuple[float, float]:
    """Return the variances of the mean of random points about their pool's, and of points about their mean.

    Finite-population sampling: Cochran 1977, ch. 2.
    """
    if replacement:
        variance, kept = pool.scatter / pool.size, 1.0
    elif size > pool.size:
        otherwise = " or pass replacement=True" if name == "budget" else ""
        raise ValueError(f"{name}={size} exceeds the pool of {pool.size} points; lower it{otherwise}.")
    else:
        variance, kept = pool.scatter / max(pool.size - 1, 1), 1 - size / pool.size
    return kept * variance / size, variance


def _first(means: Means, batch: Group, size: int) -> Group:
    """Return the first points of a batch, whose order is random: as random ones, all of them bear alike."""
    if size == batch.size:
        return batch
    if size == 0:
        return Group(TRUTH, 0, 0.0)
    noise, variance = _choose(batch, size, False)
    means.move(batch.node, noise)
    return Group(batch.node, size, (size - 1) * variance)


def _kernel(bandwidth: Bandwidth, count: int, mass: float, squares: float, dim: int) -> tuple[float, float]:
    """Return gain and added of tr H = gain * tr S + added: H is the kernel's covariance, S the points'."""
    width = absolute_width(bandwidth, count, dim)
    if width is not None:
        return 0.0, width**2 * dim
    effective = mass**2 / squares
    if effective <= 1:
        raise ValueError(f"bandwidth={bandwidth!r} needs the spread of 2 or more points; pass a number.")
    return squared_factor(str(bandwidth), effective, dim) * effective / (effective - 1), 0.0


def squared_factor(rule: str, n: float, dim: int) -> float:
    """Return the square of the factor between the bandwidth and the standard deviation."""
    return float((n if rule == "scott" else n * (dim + 2) / 4) ** (-2 / (dim + 4)))


def _is_constant(value: Any) -> bool:
    """Return whether a size, or a pair of weights, is the same in every generation."""
    return (
        value is None or isinstance(value, int) or (isinstance(value, tuple) and isinstance(value[0], float))
    )


_STILL = 3  # generations without a change after which a loop is stationary


def _agree(now: tuple[Array, Array], before: tuple[Array, Array]) -> bool:
    """Return whether two states differ by the rounding of one step at most."""
    same = now[1].shape == before[1].shape and np.array_equal(now[0], before[0])
    return same and bool((np.abs(now[1] - before[1]) <= 2 * np.finfo(float).eps * np.abs(now[1])).all())


class Recursion:
    """The moments of one loop, generation by generation, in units of the truth.

    `true_share` of the points of a batch are true ones. The bias scales the kernel, or without a `bandwidth`
    the covariance of the models. The real law is one, or changes as in `truths`. For a model whose variance
    is a quadratic function of its mean, `natural` is the variance at the true mean, and the curvature,
    half of the second derivative. Loops that train on one another's samples share `means`.
    """

    def __init__(
        self, regime: Regime, *, spectrum: Array, bias: float = 1.0, ddof: int = 0, known_mean: bool = False,
        bandwidth: Bandwidth | None = None, true_share: float = 0.0, truths: Truths | None = None,
        natural: tuple[float, float] | None = None, means: Means | None = None,
    ) -> None:  # fmt: skip
        self.regime, self.spectrum, self.trace = regime, spectrum, float(spectrum.sum())
        self.ddof, self.known_mean, self.true_share = ddof, known_mean, true_share
        self.bandwidth, self.natural = bandwidth, natural
        self.bias, self.kernel_bias = (bias, 1.0) if bandwidth is None else (1.0, bias)
        self.means, self.truths = Means(truths) if means is None else means, truths
        first = draw_real(self.means, regime.n_initial, self.truth(1))
        self.fixed = {} if regime.real_data == "fresh" else {regime.n_initial: first}
        self.training = first
        self.reals = [first] if regime.real_data == "fresh" else []
        self.drawn: list[int] = []
        self.batches: list[Group] = []
        self.models: list[Model] = []
        self.fit([(first, 1.0)], self.truth(1))

    def truth(self, generation: int) -> Model:
        """Return the real law of a generation."""
        if self.truths is None:
            return Model(TRUTH, 1.0)
        return Model(self.truths.nodes[generation - 1], self.truths.variances[generation - 1])

    def first_points(self, n: int) -> Group:
        """Return the first `n` real points of generation 1.

        Of the points between the two nearest sets that are in use already, each contributes equally to all
        means so far: the mean of some is that of all of them, plus independent noise.
        """
        if n not in self.fixed:
            above = min(size for size in self.fixed if size > n)
            below = max((size for size in self.fixed if size < n), default=0)
            new, part = (n - below) / n, 1 / (above - below)
            nodes, share = [self.fixed[above].node], [new * above * part]
            if below:
                nodes, share = [*nodes, self.fixed[below].node], [*share, below * (1 / n - new * part)]
            variance = self.truth(1).variance
            noise = variance * new**2 * (1 / (n - below) - part)
            node = self.means.add(nodes, np.array(share), noise)
            self.fixed[n] = Group(node, n, (n - 1) * variance)
        return self.fixed[n]

    def samplers(self) -> list[Model]:
        """Return the last models, with the variance of their samples."""
        return [Model(model.node, self.bias * model.variance) for model in self.models]

    def step(self, generation: int) -> None:
        """Draw a batch, assemble the pool, fit the next model."""
        models = self.samplers()
        share = np.full(len(models), 1 / len(models))
        if self.true_share:
            models = [*models, self.truth(generation - 1)]
            share = np.append((1 - self.true_share) * share, self.true_share)
        batch = draw(self.means, models, share, self.regime.at(generation).n_synthetic)
        self.train(generation, batch)
        self.renumber(self.means.keep(self.nodes()))

    def train(self, generation: int, batch: Group) -> None:
        """Assemble the pool of a generation with a new batch, and fit the next model."""
        regime, means, mix = self.regime, self.means, self.regime.at(generation)
        truth = self.truth(generation)
        self.batches.append(batch)
        if regime.retain == "logarithmic":
            self.drawn.append(mix.n_synthetic)
            left = [int(i / len(self.drawn) * n + 1e-9) for i, n in enumerate(self.drawn, start=1)]
            self.batches = [_first(means, batch, n) for batch, n in zip(self.batches, left, strict=True)]
        else:
            self.batches = _window(means, self.batches, regime.retain)
        if regime.draws_real:
            drawn = draw_real(means, mix.n_fresh, truth)
            self.reals = _window(means, [*self.reals, drawn], regime.retain_real)
        of_real, of_synthetic, of_carried = (*(mix.weights or (1.0, 1.0)), 1.0)[:3]
        fixed = [self.first_points(mix.n_fixed)] if mix.n_fixed else []
        pool = [(group, of_real) for group in (*fixed, *self.reals)]
        pool += [(group, of_synthetic) for group in self.batches]
        if mix.n_carried:
            noise, variance = _choose(self.training, mix.n_carried, False, "n_carried")
            node = means.near(self.training.node, noise)
            pool.append((Group(node, mix.n_carried, (mix.n_carried - 1) * variance), of_carried))
        if mix.budget is not None:
            whole = merge(means, [group for group, _ in pool])
            noise, variance = _choose(whole, mix.budget, regime.replacement)
            pool = [(Group(means.near(whole.node, noise), mix.budget, (mix.budget - 1) * variance), 1.0)]
        self.fit(pool, truth)
        if regime.n_carried != 0:
            whole = merge(means, [group for group, _ in pool])
            # A node of its own: batches of which fewer and fewer points stay are moved.
            self.training = whole._replace(node=means.near(whole.node, 0.0))
        else:
            self.training = Group(TRUTH, 0, 0.0)

    def nodes(self) -> list[int]:
        """Return the nodes of the means that later generations depend on."""
        groups = [*self.fixed.values(), self.training, *self.reals, *self.batches]
        return [*(group.node for group in groups), *(model.node for model in self.models)]

    def renumber(self, place: dict[int, int]) -> None:
        """Replace the nodes by their new places."""
        self.fixed = {n: group._replace(node=place[group.node]) for n, group in self.fixed.items()}
        self.training = self.training._replace(node=place[self.training.node])
        self.reals = [group._replace(node=place[group.node]) for group in self.reals]
        self.batches = [group._replace(node=place[group.node]) for group in self.batches]
        self.models = [model._replace(node=place[model.node]) for model in self.models]

    def fit(self, pool: list[tuple[Group, float]], truth: Model) -> None:
        """Fit the next model, by maximum likelihood or without bias, to groups of points of given weights."""
        groups, weight = [group for group, _ in pool], np.array([weight for _, weight in pool])
        nodes, sizes = [g.node for g in groups], np.array([g.size for g in groups])
        mass = weight * sizes
        total = mass.sum()
        divisor = total - self.ddof * (weight @ mass) / total if total > 0 else 0.0
        if divisor <= 1e-12 * total:
            raise ValueError(
                f"a training set of total weight {total:.3g} leaves no degree of freedom with "
                f"ddof={self.ddof}: train on more points, or pass ddof=0."
            )
        scatter = weight @ np.array([g.scatter for g in groups])
        if self.known_mean:
            node, scatter = truth.node, scatter + mass @ self.means.distance[truth.node, nodes]
        else:
            scatter += total * self.means.spread(nodes, mass / total)
            node = self.means.add(nodes, mass / total)
        variance, kernel = float(scatter / divisor), 0.0
        if self.natural is not None:
            at_truth, curvature = self.natural
            variance = max(at_truth + curvature * float(self.means.distance[TRUTH, node]), 0.0)
        if self.bandwidth is not None:
            count, dim = int(sizes.sum()), len(self.spectrum)
            gain, added = _kernel(self.bandwidth, count, weight @ sizes, weight**2 @ sizes, dim)
            kernel = gain * variance + added / self.trace
        self.models = [*self.models, Model(node, variance + self.kernel_bias * kernel)][-self.regime.memory :]
        self.moments = variance + kernel, float(self.means.distance[truth.node, node])

    def state(self) -> tuple[Array, Array]:
        """Return everything that later generations depend on: nodes and sizes, and the moments."""
        groups = [*self.fixed.values(), self.training, *self.reals, *self.batches]
        places = [number for group in groups for number in group[:2]] + [model.node for model in self.models]
        moments = [group.scatter for group in groups] + [model.variance for model in self.models]
        return np.array(places), np.concatenate([moments, self.moments, self.means.distance.ravel()])

    def run(self, generations: int) -> Array:
        """Return the variance and mean error of generations 1, 2, ..., shape (2, generations)."""
        regime = self.regime
        out = np.full((2, generations), np.inf)
        if self.known_mean:
            out[1] = 0.0
        out[:, 0] = self.moments
        sizes = (
            regime.n_synthetic, regime.n_real, regime.n_fresh, regime.n_carried, regime.budget,
            regime.weights,
        )  # fmt: skip
        constant = self.truths is None and all(_is_constant(size) for size in sizes)
        before, still = self.state(), 0
        with np.errstate(over="ignore", invalid="ignore"):
            for g in range(2, generations + 1):
                self.step(g)
                if not np.isfinite(self.moments).all():
                    break
                out[:, g - 1] = self.moments
                if not constant:
                    continue
                now = self.state()
                still = still + 1 if _agree(now, before) else 0
                if still == _STILL:
                    out[:, g:] = out[:, g - 1 : g]  # so will be all later ones
                    break
                before = now
        return out


def first_moments(
    regime: Regime, *, source: str, bias: float = 1.0, ddof: int | None = 0, known_mean: bool = False,
    bandwidth: Bandwidth | None = None, correction: float = 0.0, truths: Truths | None = None, dim: int = 1,
    spectrum: ArrayLike | None = None, natural: tuple[float, float] | None = None, generations: int,
) -> dict[str, Labelled]:  # fmt: skip
    """Return the expected trace of the covariance and mean error of a loop's models, as labelled by `source`.

    Where the real law changes, as in `truths`, `dim` and `spectrum` are of generation 1. Where the variance
    of a model is a quadratic function of its mean, `natural` holds its value at the true mean and its
    curvature, in units of the truth.
    """
    known_mean, generations = bool(known_mean), check_size("generations", generations)
    if bandwidth is None:
        bias = check_bias(bias)
    else:
        bandwidth = check_bandwidth(bandwidth)
        bias = check_kernel_bias(bandwidth, bias)
    values, share = check_spectrum(dim, spectrum), share_of(correction)
    check_truths(truths, generations)
    kept = (
        regime.memory,
        generations if regime.retain == "logarithmic" else regime.retain,
        regime.retain_real,
    )
    nodes = sum(min(most, generations) for most in kept if not isinstance(most, str))
    nodes += 0 if isinstance(regime.n_real, int) else min(regime.n_initial, generations)
    nodes += 0 if truths is None else len(truths.distance)
    remedy = "pass fewer generations, or retain fewer batches and models"
    check_memory(24.0 * nodes**2, f"a recursion of generations={generations}", remedy)
    loop = Recursion(
        regime, spectrum=values, bias=bias, ddof=check_ddof(ddof, known_mean), known_mean=known_mean,
        bandwidth=bandwidth, true_share=share, truths=truths, natural=natural,
    )  # fmt: skip
    plain = bandwidth is None and truths is None and natural is None and not share
    if plain and grows(regime, loop.ddof, known_mean):
        run = growing_pool(regime, bias=bias, ddof=loop.ddof, known_mean=known_mean, generations=generations)
    else:
        run = loop.run(generations)
    with np.errstate(over="ignore"):
        variance, error = values.sum() * run
    moments = {
        "total_variance": label(variance, "exact mean", source),
        "mean_error": label(error, "exact mean", source),
    }
    if share:
        cause = "the treatment of synthetic data has closed forms of other variables only"
    elif regime.memory > 1 or regime.weights is not None:
        cause = f"memory={regime.memory} and weights={regime.weights} have first moments only"
    else:
        cause = f"no closed form is known in regime {regime.name!r}"
    return Trajectory(moments, cause, () if bandwidth is not None else OTHERS)
