"""Linear regression as a generator: a law of labels y given inputs x, by points or sufficient statistics."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar

import numpy as np

from madtheory.data import Moments, Weighted
from madtheory.models.designs import (
    TrainingInputs,
    design_of,
    lacks_statistic,
    obstacle_of,
)
from madtheory.numerics import one_thread, stack
from madtheory.text import short_repr
from madtheory.types import Array
from madtheory.validation import (
    GREATEST,
    check_arguments,
    check_bias,
    check_ddof,
    check_many,
    check_number,
    check_numbers,
    check_size,
    freeze,
)


@dataclass(frozen=True, eq=False)
class LinearRegression:
    r"""Law of a label given inputs, :math:`y = x^T w + \sigma \varepsilon` with normal errors.

    Points are rows (x, y): the label is the last coordinate. A fit minimises

    .. math:: \frac{1}{W} \sum_i w_i (y_i - x_i^T w)^2 + \mathrm{ridge} \, |w|^2

    with W the total weight; without a ridge it is least squares, and of the solutions for fewer points than
    inputs the one of least norm. There is no intercept: let one column of the inputs be 1.

    A sample draws inputs from `design` and labels from the model. Its statistic (`madtheory.data.Moments`
    of the rows, from which XᵀX, Xᵀy and yᵀy follow) is drawn from its exact law for any number of points.

    Parameters
    ----------
    coefficients : array, shape (*replicate, d), optional
        Coefficients w. Without them the model is a template for `Loop`.
    noise : float, optional
        Standard deviation of the labels given x, in units of y. A template keeps it; without one, each fit
        estimates it from the residuals.
    ridge : float, default 0
        Penalty for each point, in units of the squared inputs.
    design : array, shape (T, d), or Source, optional
        Rows of inputs that every sample uses again (the first n, periodically), or a source that draws new
        inputs for every sample. By default a fitted model labels the inputs of its training set, the first
        n of them, periodically. Points with rows of inputs are not drawn independently: their labels are,
        given the inputs.
    ddof : {0, 1}, default 1
        Divisor of the fitted noise variance: :math:`W - \mathrm{ddof} \, r \, W_2 / W` for rank r of the
        inputs and the sum W2 of squared weights, so that 1 is unbiased where all weights are equal.

    Raises
    ------
    ValueError
        If a number is out of range, or the design is not a table of rows.
    TypeError
        If the design is neither rows nor a source.

    Examples
    --------
    >>> import madtheory as mad
    >>> truth = mad.LinearRegression([1.0, -2.0], noise=0.5, design=mad.Gaussian.standard(2))
    >>> loop = mad.Loop(real=truth, model=mad.LinearRegression(), regime=mad.regimes.replace(n=50))
    >>> run = mad.simulate(loop, 3, replicates=2_000, metrics=mad.metrics.excess_risk, rng=0)
    >>> run["excess_risk"].mean("replicate").values.round(2)
    array([0.01, 0.02, 0.03])
    >>> mad.predict(loop, 3)["excess_risk"].values.round(4)
    array([0.0106, 0.0213, 0.0319])
    """

    takes_weights: ClassVar[bool] = True

    coefficients: Array | None = None
    _: KW_ONLY
    noise: float | None = None
    ridge: float = 0.0
    design: Any = None
    ddof: int = 1
    scale: Array | None = field(default=None, init=False)
    inputs: TrainingInputs | None = field(default=None, init=False, repr=False)

    __repr__ = short_repr

    def __post_init__(self) -> None:
        if self.noise is not None:
            self._set(noise=check_number("noise", self.noise, 0, GREATEST))
        self._set(ridge=check_number("ridge", self.ridge, 0, GREATEST), design=design_of(self.design))
        self._set(ddof=check_ddof(self.ddof, False))
        if self.coefficients is None:
            return
        coefficients = np.atleast_1d(check_numbers("coefficients", self.coefficients))
        if self.noise is None:
            raise ValueError("coefficients without noise are not a law of labels; pass noise=, such as 1.0.")
        rows = getattr(self.design, "rows", None)
        if rows is not None and rows.shape[-1] != coefficients.shape[-1]:
            raise ValueError(
                f"design has {rows.shape[-1]} columns and coefficients has {coefficients.shape[-1]} entries; "
                f"make them equal."
            )
        self._set(coefficients=freeze(coefficients), scale=np.asarray(self.noise))

    def _set(self, **values: Any) -> LinearRegression:
        for name, value in values.items():
            object.__setattr__(self, name, value)
        return self

    def _with(self, **values: Any) -> LinearRegression:
        new = object.__new__(LinearRegression)
        vars(new).update(vars(self))
        return new._set(**values)

    @property
    def noise_variance(self) -> Array:
        """Variance of the labels given x, known or fitted, shape (*replicate,)."""
        lead = self._fitted().shape[:-1]
        assert self.scale is not None
        return np.broadcast_to(np.asarray(self.scale**2, dtype=float), lead)

    @one_thread
    @check_arguments
    def fit(self, data: Any, *, rng: np.random.Generator | None = None) -> LinearRegression:
        """Fit to points (x, y) (*replicate, n, d + 1), `Weighted` points or `Moments`; `rng` is not used.

        Raises
        ------
        ValueError
            If the points have no input, or leave no degree of freedom for the noise.
        """
        if isinstance(data, Weighted):
            moments, points = Moments.of(data.points, data.weights), data.points
        elif isinstance(data, Moments):
            moments, points = data, None
        else:
            moments, points = Moments.of(data), np.asarray(data)
        dim = moments.dim - 1
        if dim < 1:
            raise ValueError("data of shape (n, 1) have labels and no inputs; pass rows (x, y), (n, d + 1).")
        weight = np.asarray(moments.weight, dtype=float)
        column = np.sqrt(weight)[..., None, None] * moments.mean[..., None]
        root, exponent = stack([moments.root, column], [moments.exponent, None])
        if exponent is not None:
            root = np.ldexp(root, exponent[..., None, :])
        rows, labels = np.swapaxes(root[..., :dim, :], -1, -2), root[..., dim, :]
        coefficients, rank = _solve(rows, labels, self.ridge * weight)
        scale = np.asarray(self.noise)
        if self.noise is None:
            residuals = labels - (rows @ coefficients[..., None])[..., 0]
            squares = np.asarray(moments.squared_weight) / np.where(weight > 0, weight, 1.0)
            divisor = weight - self.ddof * rank * squares
            if np.min(divisor) <= 1e-9 * np.min(weight):
                raise ValueError(
                    f"n={np.min(weight):g} points leave no degree of freedom for the noise about {dim} "
                    f"coefficients with ddof={self.ddof}; use more points, ddof=0, or pass noise=."
                )
            scale = np.sqrt((residuals * residuals).sum(-1) / divisor)
        inputs = None
        if self.design is None:
            inputs = TrainingInputs(_moments_of_inputs(moments) if points is None else points[..., :dim])
        return self._with(coefficients=coefficients, scale=scale, inputs=inputs)

    @one_thread
    @check_arguments
    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Array:
        """Draw `n` points (x, y), shape (*replicate, n, d + 1); `bias` scales the variance of y given x."""
        coefficients, n = self._fitted(), check_size("n", n)
        inputs = self._inputs().inputs(n, coefficients.shape[:-1], rng)
        if inputs.shape[-1] != coefficients.shape[-1]:
            raise ValueError(
                f"design draws {inputs.shape[-1]} inputs and the model has {coefficients.shape[-1]} "
                f"coefficients; make them equal."
            )
        points = np.empty((*inputs.shape[:-1], inputs.shape[-1] + 1))
        points[..., :-1] = inputs
        errors = rng.standard_normal(points.shape[:-1])
        points[..., -1] = (inputs @ coefficients[..., None])[..., 0] + self._errors(bias)[..., None] * errors
        return points

    @one_thread
    @check_arguments
    def sample_statistic(self, n: Any, *, rng: np.random.Generator, bias: float = 1.0) -> Moments:
        r"""Draw the moments of `n` points from their exact law, given those of their inputs.

        With a root R of the scatter of k columns of the inputs, the labels' row of the root is
        :math:`w^T R + \sigma z`, with z standard normal, and a last entry :math:`\sigma \chi_{n-1-k}`.
        """
        coefficients, n = self._fitted(), check_many("n", n)
        lead = coefficients.shape[:-1]
        inputs, scale = self._inputs().moments(n, lead, rng), self._errors(bias)
        dim, columns = inputs.root.shape[-2:]
        many = np.broadcast_to(n, lead)
        normals = rng.standard_normal((*lead, columns + 1)) * scale[..., None]
        normals[..., :columns] *= np.arange(columns) < many[..., None] - 1
        dof = many - 1 - columns
        chi = np.sqrt(rng.chisquare(np.maximum(dof, 1), lead)) * (dof > 0)
        root = np.zeros((*lead, dim + 1, columns + 1))
        root[..., :dim, :columns] = inputs.root
        root[..., dim, :columns] = _product(coefficients, inputs.root) + normals[..., :columns]
        root[..., dim, columns] = scale * chi
        mean = np.empty((*lead, dim + 1))
        mean[..., :dim] = inputs.mean
        label = (coefficients * inputs.mean).sum(-1)
        mean[..., dim] = label + normals[..., columns] / np.sqrt(np.maximum(many, 1))
        weight = np.broadcast_to(np.asarray(n, dtype=float), np.shape(n))
        return Moments(weight, weight, mean, root)

    def expand(self, *replicates: int) -> LinearRegression:
        """Add leading replicate axes (views: no memory). An unfitted model is returned unchanged."""
        if self.coefficients is None:
            return self
        return self._with(
            coefficients=np.broadcast_to(self.coefficients, replicates + self.coefficients.shape)
        )

    def lacks(self, name: str) -> str | None:
        """Return why the model has no method of this name, or ``None``."""
        return lacks_statistic(self.design) if name == "sample_statistic" else None

    def obstacle(self, loop: Any) -> str | None:
        """Return why the statistics of a loop have no known law with this design, or ``None``."""
        role = "real" if self is loop.real else "model"
        return obstacle_of(self.design, loop.regime, role)

    @property
    def second_moment(self) -> Array:
        """Mean of x xᵀ over the design, shape (d, d)."""
        if self.design is None:
            raise ValueError("the inputs of this model have no law; pass design=.")
        return np.asarray(self.design.second_moment)

    def _errors(self, bias: float | None) -> Array:
        assert self.scale is not None
        return np.asarray(self.scale * np.sqrt(check_bias(1.0 if bias is None else bias)), dtype=float)

    def _inputs(self) -> Any:
        if self.design is None and self.inputs is None:
            raise ValueError("this LinearRegression has no inputs to label; pass design=, or call fit(data).")
        return self.inputs if self.design is None else self.design

    def _fitted(self) -> Array:
        if self.coefficients is None:
            raise ValueError(
                "this LinearRegression is not fitted; call fit(data), or pass coefficients and noise."
            )
        return self.coefficients


def _product(coefficients: Array, root: Array) -> Array:
    return np.asarray((coefficients[..., None, :] @ root)[..., 0, :])


def _moments_of_inputs(moments: Moments) -> Moments:
    """Return the moments of the inputs alone; a square root of all coordinates is triangular."""
    dim = moments.dim - 1
    root = (
        moments.root if moments.exponent is None else np.ldexp(moments.root, moments.exponent[..., None, :])
    )
    return Moments(moments.weight, moments.squared_weight, moments.mean[..., :dim], root[..., :dim, :dim])


def _solve(rows: Array, labels: Array, penalty: Array) -> tuple[Array, Any]:
    """Solve least squares with a ridge, of least norm without one; return the rank of the rows too.

    Rows (*replicate, k, d) are upper-triangular where k is d + 1, with zeros below.
    """
    many, dim = rows.shape[-2:]
    if np.any(penalty > 0):
        gram = np.swapaxes(rows, -1, -2) @ rows + penalty[..., None, None] * np.eye(dim)
        right = np.swapaxes(rows, -1, -2) @ labels[..., None]
        return np.linalg.solve(gram, right)[..., 0], min(many, dim)
    if many == dim + 1:
        square = rows[..., :dim, :]
        size = np.abs(np.diagonal(square, axis1=-2, axis2=-1))
        if (size.min(-1) > 1e-10 * size.max(-1)).all():
            return np.linalg.solve(square, labels[..., :dim, None])[..., 0], dim
    inverse = np.linalg.pinv(rows, rcond=1e-12)
    return (inverse @ labels[..., None])[..., 0], np.linalg.matrix_rank(rows, rtol=1e-12)
