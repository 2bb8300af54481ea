"""Exact means of loops of labels on inputs that never change: one linear recursion for the design space.

Every set of labels is of whole copies of the same rows, so that a fit is an average of the least-squares fits
of its sets, with scalar weights, in each eigendirection of the inputs. A ridge moves it towards 0, which is
one more point to average with. Distances between estimates, instead of covariances with the truth, stay
accurate where models are far from it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madtheory.regimes import Mix, Regime
from madtheory.theory.labels import Labelled, NoClosedForm, label
from madtheory.validation import (
    GREATEST,
    LONGEST,
    check_arguments,
    check_bias,
    check_ddof,
    check_flag,
    check_memory,
    check_number,
    check_numbers,
    check_size,
    show,
)

Array = NDArray[np.floating]
TRUTH, ORIGIN = 0, 1
SOURCE = (
    "ours, for every regime; replace and accumulate: Gerstgrasser et al. 2024 (arXiv 2404.01413), Theorem 1; "
    "ridge and weights: compare Garg, Bhattacharya and Sur 2025 (arXiv 2509.22341)"
)


class Labels(NamedTuple):
    """Labels of copies of the rows: node of their least-squares fit, number, expected residual about it."""

    node: int
    size: int
    residual: float


class Estimates:
    """Expected squared distances (direction, node, node) between estimates; the first are truth and 0."""

    def __init__(self, coefficients: Array) -> None:
        self.distance = np.zeros((len(coefficients), 2, 2))
        self.distance[:, TRUTH, ORIGIN] = self.distance[:, ORIGIN, TRUTH] = coefficients**2

    def spread(self, nodes: list[int], share: Array) -> Array:
        """Return half the expected squared distance of two random nodes; shares (k,) or (direction, k)."""
        shares = np.broadcast_to(share, (len(self.distance), len(nodes)))
        among = self.distance[:, nodes][:, :, nodes]
        return np.asarray(np.einsum("ja,jab,jb->j", shares, among, shares) / 2)

    def add(self, nodes: list[int], share: Array, noise: Array | float = 0.0) -> int:
        """Append the barycentre of `nodes` plus independent noise of that variance; return its node."""
        shares = np.broadcast_to(share, (len(self.distance), len(nodes)))
        k = self.distance.shape[-1]
        row = np.einsum("jak,jk->ja", self.distance[:, :, nodes], shares)
        row += np.asarray(noise - self.spread(nodes, shares))[..., None]
        grown = np.zeros((len(self.distance), k + 1, k + 1))
        grown[:, :k, :k] = self.distance
        grown[:, k, :k] = grown[:, :k, k] = row
        self.distance = grown
        return k

    def keep(self, nodes: set[int]) -> dict[int, int]:
        """Forget all other nodes; return the new place of each kept one."""
        alive = sorted({TRUTH, ORIGIN, *nodes})
        self.distance = self.distance[:, alive][:, :, alive]
        return {old: new for new, old in enumerate(alive)}


class Recursion:
    """The moments of one loop, generation by generation."""

    def __init__(
        self, regime: Regime, *, gram: Array, coefficients: Array, noise: float, fit_noise: bool,
        ridge: float, ddof: int, bias: float,
    ) -> None:  # fmt: skip
        self.regime, self.gram, self.noise = regime, gram, noise**2
        self.shrinkage = gram / (gram + ridge)
        self.fit_noise, self.ddof, self.bias = fit_noise, ddof, bias
        self.estimates = Estimates(coefficients)
        self.initial = self.draw(TRUTH, self.noise, regime.n_initial)
        self.reals = [self.initial] if regime.real_data == "fresh" else []
        self.batches: list[Labels] = []
        self.fit([(self.initial, 1.0)])

    def draw(self, node: int, variance: float, size: int) -> Labels:
        """Return new labels of a model, or of the truth."""
        if size == 0:
            return Labels(TRUTH, 0, 0.0)
        fitted = self.estimates.add([node], np.ones(1), variance / (size * self.gram))
        return Labels(fitted, size, variance * (size - len(self.gram)))

    def window(self, sets: list[Labels], retained: str | int) -> list[Labels]:
        """Return the sets that stay in the pool; all of them as one."""
        if retained != "all":
            return sets[-1:] if retained == "last" else sets[-int(retained) :]
        sets = [one for one in sets if one.size] or sets[:1]
        if len(sets) == 1:
            return sets
        nodes, size = [one.node for one in sets], sum(one.size for one in sets)
        share = np.array([one.size for one in sets]) / size
        between = size * float(self.gram @ self.estimates.spread(nodes, share))
        return [Labels(self.estimates.add(nodes, share), size, between + sum(one.residual for one in sets))]

    def fit(self, pool: list[tuple[Labels, float]]) -> None:
        """Fit the next model to sets of labels of given weights."""
        nodes, sizes = [one.node for one, _ in pool], np.array([one.size for one, _ in pool])
        weight = np.array([weight for _, weight in pool])
        total = weight @ sizes
        share = weight * sizes / total
        self.model = self.estimates.add(nodes, share)
        # The spread of the sets about their least-squares fit, and the distance of the shrunken fit to it.
        apart = self.estimates.spread(nodes, share)
        if (self.shrinkage < 1).any():
            kept = np.stack([self.shrinkage, 1 - self.shrinkage], -1)
            shrunken = self.estimates.add([self.model, ORIGIN], kept)
            apart = apart + self.estimates.distance[:, self.model, shrunken]
            self.model = shrunken
        self.variance = self.noise
        if self.fit_noise:
            divisor = total - self.ddof * len(self.gram) * (weight**2 @ sizes) / total
            if divisor <= 1e-9 * total:
                raise ValueError(
                    f"a training set of total weight {total:.3g} leaves no degree of freedom for the noise "
                    f"with ddof={self.ddof}: train on more points, pass ddof=0, or pass the noise as known."
                )
            residual = weight @ np.array([one.residual for one, _ in pool]) + total * float(self.gram @ apart)
            self.variance = residual / divisor

    def step(self, mix: Mix) -> None:
        """Draw labels, assemble the pool, fit the next model."""
        regime = self.regime
        drawn = self.draw(self.model, self.bias * self.variance, mix.n_synthetic)
        self.batches = self.window([*self.batches, drawn], regime.retain)
        if regime.draws_real:
            fresh = self.draw(TRUTH, self.noise, mix.n_fresh)
            self.reals = self.window([*self.reals, fresh], regime.retain_real)
        of_real, of_synthetic = (mix.weights or (1.0, 1.0))[:2]
        pool = [(self.initial, of_real)] if mix.n_fixed else []
        pool += [(one, of_real) for one in self.reals] + [(one, of_synthetic) for one in self.batches]
        self.fit([(one, weight) for one, weight in pool if one.size])
        sets = (self.initial, *self.reals, *self.batches)
        place = self.estimates.keep({self.model, *(one.node for one in sets)})
        self.model = place[self.model]
        self.initial = self.initial._replace(node=place[self.initial.node])
        self.reals = [one._replace(node=place[one.node]) for one in self.reals]
        self.batches = [one._replace(node=place[one.node]) for one in self.batches]

    @property
    def errors(self) -> Array:
        """Expected squared error in each direction."""
        return np.asarray(self.estimates.distance[:, TRUTH, self.model])


def check_no_subsets(regime: Regime) -> None:
    """Refuse regimes that pick single points of a pool, or mix the last models."""
    if (
        regime.memory > 1
        or regime.budget is not None
        or regime.n_carried != 0
        or regime.retain == "logarithmic"
    ):
        raise NoClosedForm(
            f"regime={show(regime)} picks single rows of a design (memory, budget, n_carried or a "
            f"logarithmic window), and no closed form for regression is known; use simulate."
        )


def check_copies(regime: Regime, rows: int, generations: int) -> None:
    """Refuse training sets that are not whole copies of the rows of a design."""
    check_no_subsets(regime)
    mixes = [regime.at(t) for t in range(2, generations + 1)]
    parts = {mix.n_fixed for mix in mixes} - {0, regime.n_initial}
    sizes = {regime.n_initial, *(size for mix in mixes for size in (mix.n_fresh, mix.n_synthetic))}
    if parts or any(size % rows for size in sizes):
        raise NoClosedForm(
            f"the sizes {sorted(sizes | parts)} of the training sets are not whole copies of the {rows} rows "
            f"of the design; let n_initial, n_real, n_fresh and n_synthetic be multiples of {rows}, or use "
            f"simulate."
        )


def check_directions(eigenvalues: ArrayLike, coefficients: ArrayLike | None) -> tuple[Array, Array]:
    """Return eigenvalues and the coefficients along them."""
    gram = np.atleast_1d(check_numbers("eigenvalues", eigenvalues))
    if gram.ndim != 1 or not gram.size or (gram < 0).any() or not (gram > 1 / GREATEST).any():
        raise ValueError(f"eigenvalues={show(eigenvalues)} is not a list of numbers >= 0, some above 1e-150.")
    truth = (
        np.zeros(len(gram))
        if coefficients is None
        else np.atleast_1d(check_numbers("coefficients", coefficients))
    )
    if truth.shape != gram.shape:
        raise ValueError(
            f"coefficients has shape {truth.shape} and eigenvalues has {gram.shape}; pass one for each "
            f"eigendirection."
        )
    return gram, truth


@check_arguments
def fixed_design(
    regime: Regime,
    *,
    rows: int,
    eigenvalues: ArrayLike,
    coefficients: ArrayLike | None = None,
    noise: float = 1.0,
    fit_noise: bool = False,
    ridge: float = 0.0,
    ddof: int = 1,
    bias: float = 1.0,
    generations: int,
) -> dict[str, Labelled]:
    r"""Return the expected errors of regression on inputs X that every generation uses again.

    Labels of `n` points are of n / T copies of the T rows of X. In eigendirection j of :math:`X^T X / T`, a
    set of labels of coefficient w has the least-squares fit :math:`w_j + N(0, \sigma^2 / (n \lambda_j))`, and
    a model is

    .. math:: \hat w_j = \frac{\lambda_j}{\lambda_j + \ell} \sum_g \frac{v_g n_g}{W} \hat w_{gj}

    for sets of weights v, total weight W and ridge :math:`\ell`. Directions of eigenvalue 0 keep their
    coefficient 0 (least norm). In `replace` without a ridge the expected excess risk of generation t is
    :math:`t \, \sigma^2 r / T` for rank r, and in `accumulate`
    :math:`\sigma^2 r / T \, \sum_{i \le t} i^{-2}`.

    Parameters
    ----------
    regime : Regime
        Regime of any sizes that are multiples of `rows`, real data, windows and weights; without a budget,
        carried points and memory.
    rows : int
        Number T of rows of the design.
    eigenvalues : array, shape (d,)
        Eigenvalues of XᵀX / T, in units of the squared inputs.
    coefficients : array, shape (d,), optional
        True coefficients along the eigenvectors; 0 by default, of which least squares of full rank is free.
    noise : float
        Standard deviation of the real labels given the inputs.
    fit_noise : bool
        Whether each model estimates its noise from the residuals; otherwise it knows `noise`.
    ridge : float
        Penalty for each point.
    ddof : {0, 1}
        Divisor of a fitted noise variance, as in `madtheory.LinearRegression`.
    bias : float
        Sampling bias: factor of the noise variance of synthetic labels.
    generations : int
        Number of generations; 1 is the model trained on real data only.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``excess_risk``: :math:`E\,(\hat w - w)^T (X^T X / T) (\hat w - w)`; ``parameter_error``:
        :math:`E\,|\hat w - w|^2`; ``noise_variance``. All exact means, given X.

    Raises
    ------
    NoClosedForm
        If the regime picks single rows, or its sizes are not multiples of `rows`.
    ValueError
        If an argument is out of range.

    Notes
    -----
    Source: ours, for every regime; `replace` and `accumulate`: Gerstgrasser et al. 2024 (arXiv 2404.01413),
    Theorem 1. Checked by tests/theory/test_regression.py.

    Examples
    --------
    >>> from madtheory import regimes
    >>> from madtheory.theory import regression
    >>> found = regression.fixed_design(
    ...     regimes.accumulate(n=50), rows=50, eigenvalues=[2.0, 1.0, 0.5], generations=4
    ... )
    >>> (found["excess_risk"] / found["excess_risk"][0]).round(3)
    array([1.   , 1.25 , 1.361, 1.424])
    """
    rows, generations = (
        check_size("rows", rows),
        check_size("generations", generations, 1, LONGEST["generations"]),
    )
    gram, truth = check_directions(eigenvalues, coefficients)
    noise, ridge, bias = (
        check_number("noise", noise, 0, GREATEST),
        check_number("ridge", ridge, 0, GREATEST),
        check_bias(bias),
    )
    fit_noise, ddof = check_flag("fit_noise", fit_noise), check_ddof(ddof, False)
    check_memory(24.0 * generations, f"a recursion of generations={generations}", "ask for fewer generations")
    check_copies(regime, rows, generations)
    seen = gram > 1e-12 * gram.max()
    loop = Recursion(
        regime, gram=gram[seen], coefficients=truth[seen], noise=noise, fit_noise=fit_noise, ridge=ridge,
        ddof=ddof, bias=bias,
    )  # fmt: skip
    unseen = float((truth[~seen] ** 2).sum())
    out = np.empty((3, generations))
    for t in range(1, generations + 1):
        if t > 1:
            loop.step(regime.at(t))
        out[:, t - 1] = loop.gram @ loop.errors, loop.errors.sum() + unseen, loop.variance
    return label_errors(out, SOURCE)


def label_errors(values: Any, source: str) -> dict[str, Labelled]:
    """Label the rows of an array of expectations."""
    names = ("excess_risk", "parameter_error", "noise_variance")
    return {name: label(row, "exact mean", source) for name, row in zip(names, values, strict=True)}
