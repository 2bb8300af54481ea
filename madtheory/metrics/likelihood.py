"""The likelihood of held-out points under the fitted models, as a metric of a loop."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from madtheory.abilities import can, knows
from madtheory.data import Empirical
from madtheory.types import Array, Metric
from madtheory.validation import check_points

if TYPE_CHECKING:
    from madtheory.core import Snapshot


def negative_log_likelihood(*, test: Any) -> Metric:
    r"""Return the metric of held-out points: their mean negative log likelihood under the model.

    .. math:: -\frac1m \sum_{j=1}^m \log p(x_j)

    The variable is ``negative_log_likelihood``, in nats, and for densities up to the units of the points; its
    expectation is the entropy of the truth plus KL(truth || model). It is inf where a point has probability
    0: a symbol that has died out, or a point off the support of a singular covariance.

    Parameters
    ----------
    test : array, shape (m, d)
        Points of the truth that are not used in training; shape (m, 1) for tokens.

    Returns
    -------
    Metric
        A metric for ``simulate(metrics=[...])``. The model needs ``log_density(points)``, as `Gaussian`,
        `Mixture`, `KernelDensity`, `Categorical`, `networks.Flow` and an `Estimator` with ``score_samples``
        have.

    Raises
    ------
    ValueError
        If `test` is not of shape (m, d); by `simulate`, before the first fit, if d is not that of the loop.
    TypeError
        By `simulate`, before the first fit, for a model without ``log_density``.

    Examples
    --------
    >>> import numpy as np
    >>> import madtheory as mad
    >>> from madtheory import metrics, regimes
    >>> truth = mad.Gaussian.standard(2)
    >>> held_out = truth.sample(500, rng=np.random.default_rng(1))
    >>> loop = mad.Loop(real=truth, model=mad.Gaussian(), regime=regimes.replace(n=20))
    >>> chosen = [metrics.negative_log_likelihood(test=held_out)]
    >>> found = mad.simulate(loop, 30, metrics=chosen, replicates=50, rng=0, progress=False)
    >>> means = found.negative_log_likelihood.mean("replicate")
    >>> bool(means[0] < 3.2) and bool(means[-1] > 5)
    True
    """
    points = check_points(test, "test")
    if points.ndim != 2:
        raise ValueError(f"test has shape {points.shape}; expected (m, d), without replicates.")
    kept = points.copy()
    kept.flags.writeable = False
    return NegativeLogLikelihood(kept)


@dataclass(frozen=True, eq=False)
class NegativeLogLikelihood:
    """The metric, with its points."""

    test: Array = field(repr=False)

    name: ClassVar[str] = "negative_log_likelihood"

    def __post_init__(self) -> None:
        object.__setattr__(self, "__name__", self.name)
        # Stored runs identify their metrics by this: other points are another metric.
        digest = hashlib.sha256(repr(self.test.shape).encode() + self.test.tobytes()).hexdigest()
        object.__setattr__(self, "__qualname__", f"{self.name}.{digest[:32]}")

    def __call__(self, snapshot: Snapshot) -> Array:
        """Return the mean negative log likelihood of the test points, one number per replicate."""
        self.check_model(snapshot.model)
        return np.asarray(-np.mean(snapshot.model.log_density(self.test), axis=-1))

    def check_model(self, model: Any) -> None:
        """Refuse a model without a density."""
        if not can(model, "log_density"):
            raise TypeError(
                f"metric {self.name} needs a model with log_density(points), and "
                f"{type(model).__name__} has none; measure its samples instead, by metrics.on_samples(...)."
            )
        if hasattr(model, "_check_density"):
            model._check_density()

    def check_truth(self, real: Any) -> None:
        """Refuse points that cannot come from the truth of the loop."""
        dim = getattr(real, "dim", None)
        if isinstance(real, Empirical):
            dim = real.points.shape[-1]
        if isinstance(dim, int) and self.test.shape[-1] != dim:
            raise ValueError(
                f"test has shape {self.test.shape}; the loop has points of dimension {dim}: expected "
                f"(m, {dim})."
            )
        if knows(real, "probabilities") and ((self.test < 0) | (self.test % 1 != 0)).any():
            raise ValueError(
                "test holds values that are not symbols; pass integers 0, 1, 2, ..., shape (m, 1)."
            )
