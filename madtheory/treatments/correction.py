"""Self-correction: a share of the synthetic points is replaced by draws from the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from madtheory.abilities import can, knows
from madtheory.core import source_of
from madtheory.treatments.mixing import Mixed
from madtheory.treatments.rejection import Mask, draw, draw_accepted
from madtheory.types import Array, Source
from madtheory.validation import (
    check_arguments,
    check_choice,
    check_fields,
    check_number,
    check_snapshot,
    show,
)

if TYPE_CHECKING:
    from madtheory.core import Loop, Snapshot


_BINS = 10  # of the published histogram, in each coordinate


@dataclass(frozen=True)
class Correction:
    """Treatment made by `correct`.

    Attributes
    ----------
    strength : float
        Gillman et al.'s gamma, from 0 to infinity.
    toward : Source, optional
        Law that points are corrected towards; ``None`` is the loop's real one.
    envelope : {"exact", "histogram", "published"}
        How the mixture is sampled: `correct` describes the ways.
    """

    strength: float
    toward: Any = None
    envelope: Literal["exact", "histogram", "published"] = "exact"

    @property
    def share(self) -> float:
        """Probability that a treated point is drawn from the law that points are corrected towards."""
        return 1.0 if np.isinf(self.strength) else self.strength / (1 + self.strength)

    def __post_init__(self) -> None:
        check_fields(self)
        if self.toward is not None and not can(self.toward, "sample"):
            raise TypeError(f"toward={show(self.toward)} is not a source; pass one, or points to correct.")

    def treated(self, model: Any, snapshot: Snapshot) -> Source:
        """Return the source of corrected points: `model` itself at strength 0, the truth at infinity."""
        for name in ("replicates",) if self.toward is not None else ("real", "replicates"):
            check_snapshot(snapshot, name)
        if not can(model, "sample"):
            raise TypeError(f"model={show(model)} is not a source; pass a fitted model.")
        toward = snapshot.real if self.toward is None else self.toward
        if self.envelope != "exact":
            return _Histogram(model, toward, snapshot.replicates, self.share, self.envelope == "histogram")
        if self.strength == 0:
            return model
        truth = _Replicated(toward, snapshot.replicates)
        return Mixed((truth, model), (self.share, 1 - self.share), (False, True), snapshot.replicates)

    def obstacle(self, loop: Loop) -> str | None:
        """Return why corrected points have no statistic of known law."""
        if self.envelope != "exact":
            return f"correct(envelope={self.envelope!r}) makes a histogram of individual points"
        if self.strength == 0:
            return None
        toward = loop.real if self.toward is None else self.toward
        if not can(toward, "sample_statistic", "expand"):
            return f"correct is directed toward {type(toward).__name__}, which has no sample_statistic"
        return None


@check_arguments
def correct(
    strength: float, *, toward: Any = None, envelope: Literal["exact", "histogram", "published"] = "exact"
) -> Correction:
    r"""Correct synthetic data towards the truth: the idealised self-correction of Gillman et al. 2024.

    .. math:: \pi_\gamma p = \frac{p + \gamma p^*}{1 + \gamma}

    Each point is drawn from :math:`p^*` with probability :math:`\gamma/(1 + \gamma)`, independently, and from
    the model otherwise. Strength 0 changes nothing, bit for bit; infinity trains on true samples.

    Parameters
    ----------
    strength : float
        :math:`\gamma`, 0 to infinity (dimensionless; ``projection_strength`` in the published code is
        :math:`\gamma/(1 + \gamma)`).
    toward : Source or array, shape (m, d), optional
        Law :math:`p^*` of ideal points, sampled without a bias; the loop's real data by default.
    envelope : {"exact", "histogram", "published"}
        ``"exact"`` is the formula. The others repeat the published experiment, in two dimensions, where the
        model enters as a 10 x 10 histogram of n of its points, so that the batch is resampled and carries
        their noise twice; strength 0 is then a treatment too. ``"histogram"`` draws from that mixture.
        ``"published"`` does so as the published code does, towards a Gaussian: by rejection from the truth
        with max(mixture)/max(proposal) as the bound, which is not a bound: the ratio exceeds it in the tails,
        so that they are drawn too rarely. Candidates less than one bin below the histogram count to its first
        bin.

    Returns
    -------
    Correction
        A treatment for ``Loop(treatments=...)``. The statistic of a corrected batch has a known law wherever
        those of the model and the truth have one: the number of true points is binomial.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Source: Gillman et al. 2024 (arXiv 2402.07087), Definition 4.1; for ``"published"``, their Fig. 2.

    Examples
    --------
    >>> correct(1.0).share
    0.5
    """
    try:
        gamma = float(strength)
    except (TypeError, ValueError):
        gamma = np.nan
    if not gamma >= 0:
        raise ValueError(
            f"strength={strength!r} is not a strength of a correction: pass a number from 0 (none) to "
            f"infinity (perfect); a share s of true points is strength s / (1 - s)."
        )
    check_choice("envelope", envelope, ("exact", "histogram", "published"))
    if toward is not None:
        toward = source_of(toward, "toward")
    return Correction(gamma, toward, envelope)


@check_arguments
def detect(*, synthetic_share: float, keep_real: float, keep_synthetic: float) -> Correction:
    r"""Draw from a pool of unknown provenance, behind a detector with error rates.

    A pool holds a share w of synthetic points; the rest are new real ones. A detector keeps a real point with
    probability :math:`\phi` and a synthetic one with probability :math:`\psi`. What is left is the mixture of
    `correct`, of strength

    .. math:: \gamma = \frac{(1 - w)\phi}{w\psi},

    and has its closed forms and its statistics: detection is self-correction.

    Parameters
    ----------
    synthetic_share : float
        Share w of synthetic points in the pool, 0 to 1.
    keep_real, keep_synthetic : float
        Probabilities :math:`\phi` and :math:`\psi` that a real and a synthetic point are kept; or, with
        importance weights, their mean weights.

    Returns
    -------
    Correction
        A treatment for ``Loop(treatments=...)``.

    Raises
    ------
    ValueError
        If an argument is not between 0 and 1, or nothing is kept.

    Notes
    -----
    What is kept must not depend on the points beyond their provenance. A detector that judges points is a
    pool and a verifier: ``(detect(synthetic_share=w, keep_real=1, keep_synthetic=1), verify(keep))``,
    where ``keep(points)`` is the weight :math:`(1 - P)^b` of Drayson et al. 2025 (arXiv 2502.15654); then it
    selects, too. Theory: `madtheory.theory.verification.detected_share`.

    Examples
    --------
    >>> from madtheory.treatments import detect
    >>> print(round(detect(synthetic_share=0.7, keep_real=0.95, keep_synthetic=0.1).share, 3))
    0.803
    """
    shares = {"synthetic_share": synthetic_share, "keep_real": keep_real}
    w, real, synthetic = (
        check_number(name, value, 0, 1)
        for name, value in (shares | {"keep_synthetic": keep_synthetic}).items()
    )
    of_real, of_synthetic = (1 - w) * real, w * synthetic
    if of_real + of_synthetic == 0:
        raise ValueError(
            f"keep_real={keep_real!r} and keep_synthetic={keep_synthetic!r} keep nothing where "
            f"synthetic_share={synthetic_share!r}; raise one of them."
        )
    return Correction(of_real / of_synthetic if of_synthetic else np.inf)


@dataclass(frozen=True, eq=False)
class _Replicated:
    """Independent draws of a source on leading axes, also where it cannot be expanded."""

    source: Any
    replicates: tuple[int, ...]

    def sample(self, n: int, *, rng: np.random.Generator) -> Any:
        if not self.replicates:
            return draw(self.source, n, rng)
        if can(self.source, "expand"):
            return np.asarray(self.source.expand(*self.replicates).sample(n, rng=rng))
        points = np.asarray(self.source.sample(int(np.prod(self.replicates)) * n, rng=rng))
        return points.reshape(*self.replicates, n, points.shape[-1])

    def sample_statistic(self, n: Any, *, rng: np.random.Generator) -> Any:
        source = self.source.expand(*self.replicates) if self.replicates else self.source
        return source.sample_statistic(n, rng=rng)


@dataclass(frozen=True, eq=False)
class _Histogram:
    """The mixture of Gillman et al.'s Fig. 2: the batch's histogram in place of the model."""

    model: Any
    toward: Any
    replicates: tuple[int, ...]
    share: float
    exact: bool

    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Array:
        points = np.asarray(self.model.sample(n, rng=rng, **({} if bias is None else {"bias": bias})))
        if points.shape[-1] != 2:
            raise ValueError(f"points have {points.shape[-1]} coordinates; a histogram of 2 is published.")
        low, high = points.min(-2, keepdims=True), points.max(-2, keepdims=True)
        flat = low == high
        low, high = np.where(flat, low - 0.5, low), np.where(flat, high + 0.5, high)
        step = (high - low) / _BINS
        cell = np.minimum(((points - low) / step).astype(int), _BINS - 1)
        if not self.exact:
            return self._sample_published(cell, low, step, rng)
        chosen = rng.integers(n, size=points.shape[:-1])
        cell = np.take_along_axis(cell, chosen[..., None], -2)
        true = rng.random(points.shape[:-1]) < self.share
        truth = _Replicated(self.toward, self.replicates).sample(n, rng=rng)
        return np.where(true[..., None], truth, low + (cell + rng.random(points.shape)) * step)

    def _sample_published(self, cell: Array, low: Array, step: Array, rng: np.random.Generator) -> Array:
        """Sample the truth by rejection, with max(mixture)/max(proposal) as the bound of their ratio."""
        toward, (*lead, n, _) = self.toward, cell.shape
        if not knows(toward, "moments") or np.ndim(toward.mean) != 1:
            raise ValueError(
                f"envelope='published' needs a Gaussian to correct towards, not {type(toward).__name__}; "
                f"use envelope='exact'."
            )
        rows, bins = int(np.prod(lead)), _BINS**2
        place = (cell[..., 0] * _BINS + cell[..., 1]).reshape(rows, n) + bins * np.arange(rows)[:, None]
        counts = np.bincount(place.ravel(), minlength=rows * bins).reshape(*lead, bins)
        density = counts / n / np.prod(step, -1)
        factor = toward.moments.scaled_factor
        top = 1 / (2 * np.pi * np.abs(np.linalg.det(factor)))
        bound = ((1 - self.share) * density.max(-1, keepdims=True) + self.share * top) / top

        def propose(many: int) -> tuple[Array, Mask]:
            normals = rng.standard_normal((*lead, many, 2))
            candidates = toward.mean + normals @ factor.T
            # Truncation towards zero, as published: the bin below the first one counts to the first.
            at = np.trunc((candidates - low) / step)
            inside = ((at >= 0) & (at < _BINS)).all(-1)
            index = np.where(inside, at[..., 0] * _BINS + at[..., 1], 0).astype(int)
            histogram = np.where(inside, np.take_along_axis(density, index, -1), 0.0)
            proposal = top * np.exp(-0.5 * np.square(normals).sum(-1))
            mixture = (1 - self.share) * histogram + self.share * proposal
            return candidates, mixture > rng.random((*lead, many)) * bound * proposal

        refusal = (
            "correct(envelope='published') accepted {kept} of {drawn} candidates: the model lies too far "
            "from the truth, or has collapsed; use envelope='exact'."
        )
        return draw_accepted(propose, n, refusal=refusal)
