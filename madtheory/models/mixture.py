"""Gaussian mixtures: labels latent (scikit-learn's EM) or observed (exact fit, exact statistics)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from threading import RLock
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from madtheory.data import Moments, Weighted
from madtheory.models.gaussian import Gaussian, OnceKnown
from madtheory.models.log_density import Whitening, check_test_points
from madtheory.numerics import one_openmp_thread, one_thread, stack, triangular
from madtheory.text import short_repr
from madtheory.types import Array
from madtheory.validation import (
    check_arguments,
    check_bias,
    check_choice,
    check_number,
    check_numbers,
    check_points,
    check_size,
    freeze,
)


def component_parts(means: ArrayLike, covariances: ArrayLike) -> tuple[Gaussian, Array]:
    """Return the components as one Gaussian, and equal weights."""
    means, covariances = check_numbers("means", means), check_numbers("covariances", covariances)
    if means.ndim < 2:
        raise ValueError(f"means has shape {means.shape}; expected (components, d).")
    if covariances.ndim < 2:
        covariances = covariances[..., None, None] * np.eye(means.shape[-1])
    try:
        full = np.broadcast_to(covariances, (*means.shape, means.shape[-1]))
    except ValueError:
        raise ValueError(
            f"means of shape {means.shape} and covariances of shape {covariances.shape} do not fit; pass one "
            f"matrix or one variance for each component, or one for all."
        ) from None
    return Gaussian(means, full), np.full(means.shape[:-1], 1 / means.shape[-2])


def normalise(weights: Array, shape: tuple[int, ...]) -> Array:
    """Return weights that sum to 1, in the given shape."""
    if (
        weights.shape[-1:] != shape[-1:]
        or weights.ndim > len(shape)
        or (weights < 0).any()
        or not (weights.sum(-1) > 0).all()
    ):
        raise ValueError(
            f"weights={weights!r} must be {shape[-1]} numbers >= 0 with a positive sum, one per component."
        )
    return np.array(np.broadcast_to(weights / weights.sum(-1, keepdims=True), shape))


def restrict(covariance: Array, shape: str) -> Array:
    """Return the restrict matrices (..., d, d) to a shape of covariances, and keep their traces."""
    if shape in ("full", "tied"):
        return covariance
    variances = np.diagonal(covariance, axis1=-2, axis2=-1)
    if shape == "spherical":
        variances = np.broadcast_to(variances.mean(-1, keepdims=True), variances.shape)
    return np.asarray(variances[..., None] * np.eye(covariance.shape[-1]))


_NAMES = {"full": "full", "diagonal": "diag", "spherical": "spherical", "tied": "tied"}
SHAPES = tuple(_NAMES)
_OFFSET = 2.0**10  # an offset of so many standard deviations is subtracted before EM


def expectation_maximisation(
    points: Array,
    start: tuple[Array, Array, Array] | None,
    rng: np.random.Generator,
    *,
    components: int,
    shape: str,
    ridge: float,
    tolerance: float,
    iterations: int,
    starts: int,
    known: tuple[Array | None, Array | None] = (None, None),
) -> tuple[Array, Array, Array]:
    """Fit weights, means and covariances to points (n, d), from those of `start` or from k-means.

    Weights and covariances that are `known` stay.
    """
    from sklearn.exceptions import ConvergenceWarning

    centre: Any = points.mean(0)
    if (np.abs(centre) <= _OFFSET * points.std(0)).all():
        centre = np.zeros_like(centre)
    points = points - centre
    if start is None:
        settings: dict[str, Any] = {"n_init": starts}
    else:
        settings = _settings(start[0], start[1] - centre, start[2], shape, ridge)
    model = _estimator()(
        components, covariance_type=_NAMES[shape], reg_covar=ridge, tol=tolerance, max_iter=iterations,
        random_state=int(rng.integers(2**31)), **settings,
    )  # fmt: skip
    model.known = known
    with _turn(), warnings.catch_warnings(), one_thread, one_openmp_thread():
        # Stopping after `iterations` steps, and fewer distinct points than components, are not errors.
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            model.fit(points)
        except ValueError as error:
            raise ValueError(
                f"EM failed with ridge={ridge:g}: {error} Where a component has lost its spread, a larger "
                f"ridge or fewer components help."
            ) from error
    covariances = model.covariances_
    if shape == "tied":
        covariances = np.broadcast_to(covariances, (components, *covariances.shape))
    elif shape != "full":
        covariances = np.reshape(covariances, (components, -1, 1)) * np.eye(points.shape[-1])
    return model.weights_, model.means_ + centre, _symmetric(covariances)


@lru_cache(maxsize=1)
def _turn() -> Any:
    """Return the lock of the thread that changes the filters of warnings, which all threads share."""
    return RLock()


@lru_cache(maxsize=1)
def _estimator() -> Any:
    """Return scikit-learn's mixture with variances and distances of diagonal shapes from differences.

    The original takes differences of second moments, which for components that are far apart, or far from the
    origin, are rounding: a variance is lost in a squared mean of 1e16 times its size.
    """
    from sklearn.mixture import GaussianMixture
    from sklearn.mixture._gaussian_mixture import _compute_precision_cholesky

    class Mixtures(GaussianMixture):  # type: ignore[misc]
        known: tuple[Array | None, Array | None] = (None, None)

        def _initialize(self, X: Array, resp: Array | None, **keywords: Any) -> None:
            if self.covariance_type in ("full", "tied") or resp is None:
                super()._initialize(X, resp, **keywords)
            else:
                self._maximise(X, resp)
            self._keep_known()

        def _m_step(self, X: Array, log_resp: Array, **keywords: Any) -> None:
            if self.covariance_type in ("full", "tied"):
                super()._m_step(X, log_resp, **keywords)
            else:
                self._maximise(X, np.exp(log_resp))
            self._keep_known()

        def _keep_known(self) -> None:
            weights, covariances = self.known
            if weights is not None:
                self.weights_ = weights
            if covariances is not None:
                self.covariances_ = covariances
                self.precisions_cholesky_ = _compute_precision_cholesky(covariances, "full")

        def _maximise(self, X: Array, resp: Array) -> None:
            mass = resp.sum(0) + 10 * np.finfo(float).eps
            self.weights_ = mass / mass.sum()
            self.means_ = resp.T @ X / mass[:, None]
            squares = [weight @ np.square(X - mean) for weight, mean in zip(resp.T, self.means_, strict=True)]
            variances = np.array(squares) / mass[:, None] + self.reg_covar
            if self.covariance_type == "spherical":
                variances = variances.mean(1)
            if not (variances > 0).all():
                raise ValueError("a component has variance 0.")
            self.covariances_, self.precisions_cholesky_ = variances, 1 / np.sqrt(variances)

        def _estimate_log_prob(self, X: Array, **keywords: Any) -> Array:
            if self.covariance_type in ("full", "tied"):
                return np.asarray(super()._estimate_log_prob(X, **keywords))
            scale = np.broadcast_to(
                np.reshape(self.precisions_cholesky_, (len(self.means_), -1)), self.means_.shape
            )
            columns = [
                -0.5 * np.square((X - mean) * each).sum(1) + np.log(each).sum()
                for mean, each in zip(self.means_, scale, strict=True)
            ]
            return np.stack(columns, 1) - 0.5 * X.shape[1] * np.log(2 * np.pi)

    return Mixtures


def _settings(weights: Array, means: Array, covariances: Array, shape: str, ridge: float) -> dict[str, Any]:
    """Return scikit-learn's keywords for a start from parameters, with spreads of at least the ridge."""
    if shape == "tied":
        covariances = np.einsum("k,kij->ij", weights, covariances)[None]
    values, vectors = np.linalg.eigh(restrict(covariances, shape))
    inverse = 1 / np.maximum(values, max(ridge, np.finfo(float).tiny))
    precisions = _symmetric((vectors * inverse[..., None, :]) @ np.swapaxes(vectors, -1, -2))
    diagonal = np.diagonal(precisions, axis1=-2, axis2=-1)
    chosen = {
        "full": precisions, "tied": precisions[0], "diagonal": diagonal, "spherical": diagonal[..., 0],
    }[shape]  # fmt: skip
    alive = np.maximum(weights, 1e-300)
    return {"weights_init": alive / alive.sum(), "means_init": means, "precisions_init": chosen}


def _symmetric(matrices: Array) -> Array:
    """Return matrices without the asymmetry of rounding."""
    return np.asarray((matrices + np.swapaxes(matrices, -1, -2)) / 2)


def _known_weights(weights: ArrayLike | None, components: int) -> Array | None:
    if weights is None:
        return None
    given = check_numbers("known_weights", weights)
    if given.shape != (components,) or not (given > 0).all():
        raise ValueError(
            f"known_weights={weights!r} must be {components} positive numbers, one per component."
        )
    return freeze(given / given.sum())


def _known_covariances(covariances: ArrayLike | None, components: int, shape: str) -> Array | None:
    if covariances is None:
        return None
    if shape != "full":
        raise ValueError(f"known_covariances leave no covariance of shape={shape!r} to fit; leave shape out.")
    given = check_numbers("known_covariances", covariances)
    try:
        parts = centred_parts(given, components, given.shape[-1] if given.ndim > 1 else 1)
    except ValueError as error:
        raise ValueError(f"known_covariances={covariances!r}: {error}") from None
    if np.isneginf(parts.log_volume).any():
        raise ValueError(
            f"known_covariances={covariances!r} must be positive definite, all of them: a singular one has "
            f"no likelihood."
        )
    return freeze(given)


def centred_parts(covariances: Array, components: int, dim: int) -> Gaussian:
    """Return components of these covariances about the origin."""
    return component_parts(np.zeros((components, dim)), covariances)[0]


@dataclass(frozen=True, init=False, eq=False)
class Mixture:
    r"""Mixture of Gaussians :math:`\sum_k w_k N(\mu_k, \Sigma_k)`.

    With latent labels the fit is scikit-learn's EM. It starts from the parameters of the model whose
    ``fit`` is called, if it has any, and otherwise from k-means: ``Mixture(25)`` starts again in every
    generation, ``Loop(model=Mixture(25), warm_start=True)`` from the previous one.

    With observed labels each point carries the number of its component as one more coordinate, and the fit
    is exact: counts, and the maximum-likelihood Gaussian of each component. The moments of the
    components are then a sufficient statistic (`sample_statistic` exists), the weights follow Wright-Fisher
    drift, and a component that loses its last point never returns.

    Biased sampling multiplies the covariance of every component by `bias`; weights and means stay.

    Parameters
    ----------
    components : int, optional
        Number of components; not needed with `means`.
    labels : {"latent", "observed"}
        Whether training sets include the component of each point: ``"observed"`` points have d + 1
        coordinates, the last one the component, 0 to components - 1.
    means : array, shape (*replicate, components, d), optional
        Means. Without `means` and `covariances` the model is an unfitted template for `Loop`.
    covariances : float, or array, shape (*replicate, components, d, d) or less, optional
        Covariances, positive semi-definite; a number or shape (components,) are variances, shape (d, d) is
        shared.
    weights : array, shape (*replicate, components), optional
        Weights, which are normalised. Default: equal ones.
    shape : {"full", "diagonal", "spherical", "tied"}
        Shape of the fitted covariances; ``"tied"`` is one full covariance for all components. All shapes
        preserve the mean and the trace of the covariance of the training set, and ``"full"`` and ``"tied"``
        the whole covariance.
    known_weights : array, shape (components,), optional
        Weights that `fit` keeps, after they are normalised; equal ones tie them.
    known_covariances : float, or array, shape (components, d, d) or less, optional
        Covariances that `fit` keeps, given as `covariances`.
    ridge : float
        Variance that each EM fit adds to all components (scikit-learn's ``reg_covar``). In a loop it acts as
        a kernel bandwidth: the variance of a mode of m points does not fall below about m * ridge.
    tolerance, iterations : float, int
        Gain of the mean log-likelihood below which EM stops, and the largest number of its steps.
    starts : int
        Number of k-means starts; the fit of largest likelihood is used.

    Notes
    -----
    Cost of a latent fit: O(n components d^2) for each EM step and replicate. After any M-step the mixture
    has the mean and, up to `ridge`, the covariance of its training set, whatever their law, unless weights or
    covariances are known. Latent components come in the order of k-means, so that known weights or
    covariances that differ need a start: pass `means` and `covariances` as well, or ``warm_start=True``.
    """

    components: int
    labels: str
    shape: str
    ridge: float
    tolerance: float
    iterations: int
    starts: int
    weights: Array | None
    known_weights: Array | None
    known_covariances: Array | None
    parts: Gaussian | None
    """The components: a `Gaussian` whose last leading axis runs over them."""

    __repr__ = short_repr

    def __init__(
        self,
        components: int | None = None,
        *,
        labels: Literal["latent", "observed"] = "latent",
        means: ArrayLike | None = None,
        covariances: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        shape: Literal["full", "diagonal", "spherical", "tied"] = "full",
        known_weights: ArrayLike | None = None,
        known_covariances: ArrayLike | None = None,
        ridge: float = 1e-6,
        tolerance: float = 1e-3,
        iterations: int = 100,
        starts: int = 1,
    ) -> None:
        if (means is None) != (covariances is None) or (means is None and weights is not None):
            raise ValueError(
                "means and covariances go together, and weights with them; pass none for an unfitted model."
            )
        parts = mass = None
        if means is not None and covariances is not None:
            parts, mass = component_parts(
                check_numbers("means", means), check_numbers("covariances", covariances)
            )
            mass = mass if weights is None else normalise(check_numbers("weights", weights), mass.shape)
            components = mass.shape[-1] if components is None else check_size("components", components)
            if components != mass.shape[-1]:
                raise ValueError(
                    f"components={components!r} and {mass.shape[-1]} means; leave components out."
                )
        if components is None:
            raise ValueError("components is missing; pass their number, for example Mixture(25), or means.")
        components = check_size("components", components)
        settings = {
            "known_weights": _known_weights(known_weights, components),
            "known_covariances": _known_covariances(known_covariances, components, shape),
            "components": check_size("components", components),
            "labels": check_choice("labels", labels, ("latent", "observed")),
            "shape": check_choice("shape", shape, SHAPES),
            "ridge": check_number("ridge", ridge, 0),
            "tolerance": check_number("tolerance", tolerance, 0),
            "iterations": check_size("iterations", iterations),
            "starts": check_size("starts", starts),
            "weights": mass,
            "parts": parts,
        }
        for name, value in settings.items():
            object.__setattr__(self, name, value)

    @classmethod
    @check_arguments
    def grid(cls, side: int = 5, *, spacing: float = 1.0, variance: float = 0.01, **settings: Any) -> Mixture:
        """Return equal modes on a square grid about the origin, in 2-D.

        The defaults are the 25-mode distribution of Che et al. 2020 (arXiv 2003.06060), as in MAD.
        """
        line = spacing * (np.arange(check_size("side", side, 1, 10**4)) - (side - 1) / 2)
        means = np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)
        return cls(means=means, covariances=check_number("variance", variance, 0), **settings)

    @property
    def dim(self) -> int:
        """Dimension d of the points, without the label."""
        return self._check_fitted()[1].dim

    @property
    def means(self) -> Array:
        """Means of the components, shape (*replicate, components, d)."""
        mean = self._check_fitted()[1].mean
        assert mean is not None
        return mean

    @property
    def covariances(self) -> Array:
        """Covariances of the components, shape (*replicate, components, d, d)."""
        return self._check_fitted()[1].covariance

    @property
    def mean(self) -> Array:
        """Mean of the mixture, shape (*replicate, d)."""
        return np.einsum("...k,...ki->...i", self._check_fitted()[0], self.means)

    @OnceKnown
    def moments(self) -> Gaussian:
        """Return the Gaussian of the mean and covariance of the mixture, within plus between components."""
        weights, parts = self._check_fitted()
        off = (self.means - self.mean[..., None, :])[..., None]
        roots = np.sqrt(weights)[..., None, None] * np.concatenate([parts.scaled_factor, off], -1)
        wide = np.swapaxes(roots, -3, -2).reshape(*roots.shape[:-3], parts.dim, -1)
        return Gaussian.of_factor(self.mean, triangular(wide))

    @property
    def covariance(self) -> Array:
        """Covariance of the mixture, within plus between components, shape (*replicate, d, d)."""
        return np.asarray(self.moments.covariance)

    @property
    def takes_weights(self) -> bool:
        """Whether `fit` takes `madtheory.data.Weighted` points: with observed labels."""
        return self.labels == "observed"

    @check_arguments
    def fit(self, data: Any, *, rng: np.random.Generator) -> Mixture:
        """Fit to points (*replicate, n, d), or with observed labels to labelled points or their statistic.

        Raises
        ------
        ValueError
            If labels are missing or unknown, points are too few, or points are weighted and labels latent.
        """
        if self.labels == "observed":
            return self._from_statistic(data if isinstance(data, Moments) else self._statistic(data))
        if isinstance(data, (Moments, Weighted)):
            raise ValueError(
                f"data of type {type(data).__name__}: EM takes points of equal weight. Use "
                f"labels='observed', or a regime without weights and method='samples'."
            )
        points = check_points(data)
        *lead, n, dim = points.shape
        if n < max(self.components, 2):
            raise ValueError(f"data has {n} points for {self.components} components; use more points.")
        starts: list[Any] = [None] * int(np.prod(lead))
        if self.weights is not None:
            mass = np.broadcast_to(self.weights, (*lead, self.components)).reshape(-1, self.components)
            shared = (*lead, self.components, dim)
            mean = np.broadcast_to(self.means, shared).reshape(-1, *shared[-2:])
            covariance = np.broadcast_to(self.covariances, (*shared, dim)).reshape(-1, *shared[-2:], dim)
            starts = list(zip(mass, mean, covariance, strict=True))
        given = self.known_covariances
        fixed = None if given is None else centred_parts(given, self.components, dim).covariance
        fits = [
            expectation_maximisation(
                each, start, rng, components=self.components, shape=self.shape, ridge=self.ridge,
                tolerance=self.tolerance, iterations=self.iterations, starts=self.starts,
                known=(self.known_weights, fixed),
            )
            for each, start in zip(points.reshape(-1, n, dim), starts, strict=True)
        ]  # fmt: skip
        weights, means, covariances = (
            np.reshape([fit[i] for fit in fits], (*lead, *fits[0][i].shape)) for i in range(3)
        )
        return self._with(weights, Gaussian(means, covariances))

    def known_variances(self, dim: int) -> Array | None:
        """Return the traces of the known covariances in `dim` dimensions, shape (components,), if any."""
        if self.known_covariances is None:
            return None
        covariances = centred_parts(self.known_covariances, self.components, dim).covariance
        return np.asarray(np.trace(covariances, axis1=-2, axis2=-1))

    def log_density(self, points: Any) -> Array:
        r"""Return the log density at points, shape (*replicate, n).

        .. math:: \log \sum_k w_k N(x; \mu_k, \Sigma_k)

        With respect to the Lebesgue measure: a component whose covariance is singular counts as 0 off its
        support, and +inf on it. With observed labels the density is that of point and label together,
        :math:`\log w_k + \log N(x; \mu_k, \Sigma_k)`. Sampling bias does not enter.

        Parameters
        ----------
        points : array, shape (n, d) or (*replicate, n, d)
            Points; with observed labels of d + 1 coordinates, of which the last is the component.

        Raises
        ------
        ValueError
            If the model is not fitted, or points do not have its dimension or labels.

        Examples
        --------
        >>> from madtheory import Mixture
        >>> Mixture(means=[[0.0], [4.0]], covariances=1.0).log_density([[0.0], [2.0]]).round(3)
        array([-1.612, -2.919])
        """
        from scipy.special import logsumexp

        weights, parts = self._check_fitted()
        observed = self.labels == "observed"
        checked = check_test_points(points, parts.dim + observed)
        label = checked[..., -1]
        if observed:
            checked = checked[..., :-1]
            if not np.isin(label, np.arange(self.components)).all():
                raise ValueError(f"points must end in a label from 0 to {self.components - 1}.")
        each = parts.log_density(checked[..., None, :, :])
        # A density on less than all coordinates is infinite in all of them.
        factor = parts.factor
        assert factor is not None
        flat = np.array([Whitening(factor[at]).rank < parts.dim for at in np.ndindex(*factor.shape[:-2])])
        singular = flat.reshape(factor.shape[:-2])[..., None]
        each = np.where(singular & (each > -np.inf), np.inf, each)
        with np.errstate(divide="ignore"):
            logs = np.log(weights)[..., None]
        each = np.where(logs > -np.inf, each, -np.inf) + np.maximum(logs, -1e300)
        if observed:
            member = label[..., None, :] == np.arange(self.components)[:, None]
            each = np.where(member, each, -np.inf)
        return np.asarray(logsumexp(each, axis=-2))

    @check_arguments
    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Array:
        """Draw `n` points, shape (*replicate, n, d), or (*replicate, n, d + 1) with their labels."""
        weights, parts = self._check_fitted()
        *lead, components = weights.shape
        levels = rng.random((*lead, check_size("n", n)))
        steps = np.cumsum(weights, -1)
        steps /= steps[..., -1:]
        flat = zip(steps.reshape(-1, components), levels.reshape(-1, n), strict=True)
        chosen = np.array([np.searchsorted(step, level, side="right") for step, level in flat])
        row = np.arange(len(chosen))[:, None]
        means = self.means.reshape(-1, components, parts.dim)[row, chosen]
        factor = parts.scaled_factor
        if bias is not None:
            factor = np.sqrt(check_bias(bias)) * factor
        factors = factor.reshape(-1, components, *factor.shape[-2:])[row, chosen]
        normals = rng.standard_normal((len(chosen), n, factor.shape[-1], 1))
        points = means + (factors @ normals)[..., 0]
        if self.labels == "observed":
            points = np.concatenate([points, chosen[..., None].astype(float)], -1)
        return points.reshape(*lead, n, points.shape[-1])

    @property
    def sample_statistic(self) -> Callable[..., Moments]:
        """The function that draws the moments of the components from their exact law (observed labels).

        It is called as ``sample_statistic(n, *, rng, bias=1.0)``; returns `Moments` whose last leading axis
        runs over the components: multinomial counts, then normal means and Wishart scatters.
        """
        if self.labels == "latent":
            raise AttributeError("latent labels have no finite statistic; use labels='observed'.")
        return self._sample_statistic

    def _sample_statistic(self, n: Any, *, rng: np.random.Generator, bias: float = 1.0) -> Moments:
        weights, parts = self._check_fitted()
        n = check_size("n", n, minimum=0) if np.ndim(n) == 0 else np.asarray(n)
        counts = rng.multinomial(n, weights / weights.sum(-1, keepdims=True))
        return parts.sample_statistic(counts, rng=rng, bias=bias)

    def expand(self, *replicates: int) -> Mixture:
        """Add leading replicate axes (views: no memory). An unfitted model is returned unchanged."""
        if self.weights is None or self.parts is None:
            return self
        weights = np.broadcast_to(self.weights, replicates + self.weights.shape)
        return self._with(weights, self.parts.expand(*replicates))

    def _with(self, weights: Array, parts: Gaussian) -> Mixture:
        new = object.__new__(Mixture)
        for name, value in (vars(self) | {"weights": weights, "parts": parts}).items():
            object.__setattr__(new, name, value)
        return new

    def _check_fitted(self) -> tuple[Array, Gaussian]:
        if self.weights is None or self.parts is None:
            raise ValueError("this Mixture is not fitted; call fit(data), or pass means and covariances.")
        return self.weights, self.parts

    def _statistic(self, data: Any) -> Moments:
        """Return the moments of each component of labelled points."""
        given = data.weights if isinstance(data, Weighted) else None
        points = check_points(data.points if isinstance(data, Weighted) else data)
        points, label = points[..., :-1], points[..., -1]
        if not points.shape[-1] or not np.isin(label, np.arange(self.components)).all():
            raise ValueError(
                f"data must end in a label from 0 to {self.components - 1}; with labels='observed' "
                f"real data need them too: use real=Mixture(..., labels='observed'), or labels='latent'."
            )
        member = (label[..., None, :] == np.arange(self.components)[:, None]).astype(float)
        member = member if given is None else member * given[..., None, :]
        return Moments.of(points[..., None, :, :], member)

    def _from_statistic(self, moments: Moments) -> Mixture:
        mass = np.asarray(moments.weight, dtype=float)
        if mass.ndim == 0 or mass.shape[-1] != self.components or (mass.sum(-1) <= 0).any():
            raise ValueError(
                f"data are moments of weight {mass!r}; expected positive sums of shape (*replicate, "
                f"{self.components}): real and model need labels='observed' and equal components."
            )
        weights = mass / mass.sum(-1, keepdims=True)
        if self.known_weights is not None:
            if not (mass > 0).all():
                raise ValueError(
                    f"data hold no point of component {int(np.argwhere(mass <= 0)[0][-1])}, whose weight is "
                    f"known; use more points, or leave out known_weights."
                )
            weights = np.broadcast_to(self.known_weights, mass.shape)
        if self.known_covariances is not None:
            known = centred_parts(self.known_covariances, self.components, moments.dim)
            return self._with(weights, known.moved_to(moments.mean))
        if self.shape == "tied":
            moments = _pool(moments)
        filled = replace(moments, weight=np.where(moments.weight > 0, moments.weight, 1.0))
        shape: Any = "full" if self.shape == "tied" else self.shape
        return self._with(weights, Gaussian(ddof=0, shape=shape).fit(filled))


def _pool(moments: Moments) -> Moments:
    """Return the moments of components, each with the scatter and weight of all of them together."""
    exponent, components = moments.exponent, moments.root.shape[-3]
    roots = [moments.root[..., k, :, :] for k in range(components)]
    powers = [None if exponent is None else exponent[..., k, :] for k in range(components)]
    root, power = stack(roots, powers)
    shape = (*moments.root.shape[:-1], root.shape[-1])
    weight = np.broadcast_to(moments.weight.sum(-1)[..., None], moments.weight.shape)
    return replace(
        moments,
        weight=weight,
        root=np.broadcast_to(root[..., None, :, :], shape),
        exponent=None if power is None else np.broadcast_to(power[..., None, :], (*shape[:-2], shape[-1])),
    )
