"""Logistic and Poisson regression as generators of labels given inputs, fitted by scikit-learn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from madtheory.data import Moments, Weighted
from madtheory.models.designs import TrainingInputs, design_of
from madtheory.numerics import one_openmp_thread, one_thread
from madtheory.text import short_repr
from madtheory.types import Array
from madtheory.validation import (
    GREATEST,
    check_arguments,
    check_number,
    check_numbers,
    check_points,
    check_size,
    freeze,
)


@dataclass(frozen=True, eq=False)
class _LabelModel(ABC):
    """A law of labels given the linear predictor of the inputs, by points, one replicate at a time."""

    takes_weights: ClassVar[bool] = True

    coefficients: Array | None = None
    _: KW_ONLY
    ridge: float = 0.0
    design: Any = None
    inputs: TrainingInputs | None = field(default=None, init=False, repr=False)

    __repr__ = short_repr

    def __post_init__(self) -> None:
        self._set(ridge=check_number("ridge", self.ridge, 0, GREATEST), design=design_of(self.design))
        if self.coefficients is not None:
            coefficients = np.atleast_1d(check_numbers("coefficients", self.coefficients))
            if coefficients.ndim != 1:
                raise ValueError(
                    f"coefficients has shape {coefficients.shape}; expected one for each input, (d,)."
                )
            self._set(coefficients=freeze(coefficients))

    def _set(self, **values: Any) -> Self:
        for name, value in values.items():
            object.__setattr__(self, name, value)
        return self

    @abstractmethod
    def _estimate(self, inputs: Array, labels: Array, weights: Array | None) -> Array:
        """Return the coefficients of the fit."""

    @abstractmethod
    def _draw(self, predictor: Array, rng: np.random.Generator) -> Array:
        """Draw labels of a linear predictor."""

    @check_arguments
    def fit(self, data: Any, *, rng: np.random.Generator | None = None) -> Self:
        """Fit to points (x, y), shape (n, d + 1), or `Weighted` points; `rng` is not used.

        Raises
        ------
        ValueError
            If the points have no input, or labels outside the range of the family.
        """
        weights = None
        if isinstance(data, Weighted):
            weights, data = data.weights, data.points
        if isinstance(data, Moments):
            raise ValueError(
                f"data are Moments; {type(self).__name__} is fitted to points: use method='samples'."
            )
        points = check_points(data)
        if points.ndim != 2 or points.shape[-1] < 2:
            raise ValueError(
                f"data has shape {points.shape}; expected rows (x, y) of one replicate, (n, d + 1)."
            )
        inputs, labels = points[:, :-1], points[:, -1]
        with one_thread, one_openmp_thread():
            coefficients = self._estimate(inputs, labels, weights)
        new = object.__new__(type(self))
        vars(new).update(vars(self))
        kept = TrainingInputs(inputs) if self.design is None else None
        return new._set(coefficients=freeze(coefficients), inputs=kept)

    @one_thread
    @check_arguments
    def sample(self, n: int, *, rng: np.random.Generator) -> Array:
        """Draw `n` points (x, y), shape (n, d + 1)."""
        if self.coefficients is None:
            raise ValueError(
                f"this {type(self).__name__} is not fitted; call fit(data), or pass coefficients."
            )
        source = self.inputs if self.design is None else self.design
        if source is None:
            raise ValueError(f"this {type(self).__name__} has no inputs to label; pass design=.")
        inputs = source.inputs(check_size("n", n), (), rng)
        if inputs.shape[-1] != len(self.coefficients):
            raise ValueError(
                f"design draws {inputs.shape[-1]} inputs and the model has {len(self.coefficients)} "
                f"coefficients; make them equal."
            )
        labels = self._draw(inputs @ self.coefficients, rng)
        return np.concatenate([inputs, labels[:, None]], -1)

    @property
    def second_moment(self) -> Array:
        """Mean of x xᵀ over the design, shape (d, d)."""
        if self.design is None:
            raise ValueError("the inputs of this model have no law; pass design=.")
        return np.asarray(self.design.second_moment)


class LogisticRegression(_LabelModel):
    r"""Law of a label 0 or 1 given inputs, :math:`P(y = 1) = 1 / (1 + e^{-x^T w})`.

    Points are rows (x, y). A fit minimises the mean negative log-likelihood in nats plus half of
    :math:`\mathrm{ridge} \, |w|^2`, by scikit-learn. There is no intercept: let one input be 1.

    Parameters
    ----------
    coefficients : array, shape (d,), optional
        Coefficients w. Without them the model is a template for `Loop`.
    ridge : float, default 0
        Penalty for each point. Without one, labels that a plane separates have no estimate: coefficients
        then grow until the optimiser stops.
    design : array, shape (T, d), or Source, optional
        Inputs, as in `LinearRegression`.

    Raises
    ------
    ValueError
        If a number is out of range, or the design is not a table of rows.
    TypeError
        If the design is neither rows nor a source.

    Examples
    --------
    >>> import madtheory as mad
    >>> truth = mad.models.LogisticRegression([1.0, -1.0], design=mad.Gaussian.standard(2))
    >>> loop = mad.Loop(
    ...     real=truth, model=mad.models.LogisticRegression(), regime=mad.regimes.accumulate(n=500)
    ... )
    >>> run = mad.simulate(loop, 3, replicates=2, rng=0)
    >>> list(run)
    ['excess_risk', 'parameter_error']
    """

    def _estimate(self, inputs: Array, labels: Array, weights: Array | None) -> Array:
        from sklearn.linear_model import LogisticRegression as Estimator

        if not np.isin(labels, (0.0, 1.0)).all():
            raise ValueError("labels of a LogisticRegression are 0 or 1, in the last column of the points.")
        weights = np.ones(len(labels)) if weights is None else np.asarray(weights)
        penalty = self.ridge * weights.sum()
        estimator = Estimator(
            C=1 / penalty if penalty else np.inf, fit_intercept=False, solver="newton-cholesky", tol=1e-10,
            max_iter=1000,
        )  # fmt: skip
        # Rows of zeros have the same likelihood for all coefficients: they make both labels present.
        inputs = np.concatenate([inputs, np.zeros((2, inputs.shape[1]))])
        labels, weights = np.append(labels, (0.0, 1.0)), np.append(weights, (1.0, 1.0))
        return np.asarray(estimator.fit(inputs, labels, sample_weight=weights).coef_[0])

    def _draw(self, predictor: Array, rng: np.random.Generator) -> Array:
        from scipy.special import expit

        return (rng.random(predictor.shape) < expit(predictor)).astype(float)


class PoissonRegression(_LabelModel):
    r"""Law of a count given inputs, Poisson with mean :math:`e^{x^T w}`.

    Points are rows (x, y). A fit minimises the mean negative log-likelihood in nats plus half of
    :math:`\mathrm{ridge} \, |w|^2`, by scikit-learn. There is no intercept: let one input be 1.

    Parameters
    ----------
    coefficients : array, shape (d,), optional
        Coefficients w. Without them the model is a template for `Loop`.
    ridge : float, default 0
        Penalty for each point.
    design : array, shape (T, d), or Source, optional
        Inputs, as in `LinearRegression`.

    Raises
    ------
    ValueError
        If a number is out of range, or the design is not a table of rows.
    TypeError
        If the design is neither rows nor a source.

    Examples
    --------
    >>> import madtheory as mad
    >>> truth = mad.models.PoissonRegression([0.5], design=mad.Gaussian.standard(1))
    >>> loop = mad.Loop(real=truth, model=mad.models.PoissonRegression(), regime=mad.regimes.replace(n=200))
    >>> mad.simulate(loop, 2, replicates=2, rng=0).sizes["replicate"]
    2
    """

    def _estimate(self, inputs: Array, labels: Array, weights: Array | None) -> Array:
        from sklearn.linear_model import PoissonRegressor

        if (labels < 0).any() or (labels != np.floor(labels)).any():
            raise ValueError("labels of a PoissonRegression are counts 0, 1, 2, ..., in the last column.")
        estimator = PoissonRegressor(
            alpha=self.ridge, fit_intercept=False, solver="newton-cholesky", tol=1e-10, max_iter=1000
        )
        return np.asarray(estimator.fit(inputs, labels, sample_weight=weights).coef_)

    def _draw(self, predictor: Array, rng: np.random.Generator) -> Array:
        return rng.poisson(np.exp(predictor)).astype(float)
