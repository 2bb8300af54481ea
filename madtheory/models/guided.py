"""Generators that move away from a version of themselves trained on their own samples: SIMS and Neon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from madtheory.models._guided_gaussian import extrapolated_gaussian, guided_gaussian
from madtheory.models._improved import Improved
from madtheory.models.gaussian import Gaussian

__all__ = ["SIMS", "Neon", "extrapolated_gaussian", "guided_gaussian"]


@dataclass(frozen=True, init=False, eq=False)
class SIMS(Improved):
    r"""Negative guidance of a base by an auxiliary that is trained on the base's own samples.

    Samples follow the probability flow with the score :math:`(1 + w) s_r - w s_s`. For a Gaussian base that
    is a Gaussian: log-covariances are extrapolated (`madtheory.theory.guidance.sims_law`).

    Parameters
    ----------
    base : GenerativeModel
        A `Gaussian`, or any model with a method ``guided(auxiliary, weight)`` that returns the guided model,
        as those of `madtheory.networks`.
    guidance : float
        w: 0 is the base, bit for bit; -1 the auxiliary, a self-trained model; above 0 moves away from it.
    n_auxiliary : int, optional
        Synthetic points that each auxiliary is trained on, :math:`|S|`. Default: as many as the training set
        holds.
    auxiliary_bias : float, optional
        Sampling bias of those points (1 is unbiased). ``None`` is the base's own default sampling, also where
        ``Loop(bias=...)`` biases the samples of the guided model.
    budget : int, optional
        Images that the auxiliary's fine-tuning sees, with repetition: ``budget / batch`` steps from the
        base's weights, by its ``fine_tuned(data, images=, learning_rate=, rng=)``. Default: the auxiliary is
        fitted by the fitted base's ``fit``, which for a network is a warm start.
    learning_rate : float, optional
        Of that fine-tuning. Default: the base's own.
    treatments : sequence of Treatment
        What is done to the synthetic points before the auxiliary trains on them, in this order:
        `madtheory.treatments.verify`, `curate` or `project`, but not `correct`, which needs a loop. Where S
        has too many points of a class, the guided model has fewer of it (distribution control, section 4.3).

    Attributes
    ----------
    auxiliary, law : models
        The auxiliary, trained from the fitted base, and the model that is sampled; ``None`` before `fit`.

    Raises
    ------
    TypeError
        If the base cannot be guided, a budget is given and it cannot be fine-tuned, or, by `fit`, if a
        treatment needs a loop.
    ValueError
        If an argument is out of range.

    See Also
    --------
    madtheory.models.selection : choose the guidance and the budget by a metric.

    Notes
    -----
    The auxiliary's samples come from the base, by the generator of ``fit``; what later generations train on
    comes from the guided model. With ``method="statistics"`` both are drawn by their sufficient statistics;
    treatments of points need ``method="samples"``.
    Source: Alemohammad et al. 2024 (SIMS, arXiv 2408.16333).
    """

    _method: ClassVar[str] = "guided"
    _weight_name: ClassVar[str] = "guidance"
    _known: ClassVar[dict[type, Callable[[Any, Any, float], Any]]] = {Gaussian: guided_gaussian}

    def __init__(
        self,
        base: Any,
        guidance: float,
        *,
        n_auxiliary: int | None = None,
        auxiliary_bias: float | None = None,
        budget: int | None = None,
        learning_rate: float | None = None,
        treatments: Any = (),
    ) -> None:
        self._begin(
            base,
            guidance,
            treatments,
            n_auxiliary=n_auxiliary,
            auxiliary_bias=auxiliary_bias,
            budget=budget,
            learning_rate=learning_rate,
        )

    @property
    def guidance(self) -> float:
        """The guidance w."""
        return self._weight


@dataclass(frozen=True, init=False, eq=False)
class Neon(Improved):
    r"""Negative extrapolation of a base's parameters from those of an auxiliary trained on its samples.

    Parameters become :math:`\theta_r - w(\theta_s - \theta_r)`; for a Gaussian base they are mean and
    covariance (`madtheory.theory.guidance.neon_law`). Sampling needs one model, not two.

    Parameters
    ----------
    base : GenerativeModel
        A `Gaussian`, or any model with a method ``extrapolated(auxiliary, weight)``.
    weight : float
        w: 0 is the base, bit for bit; -1 the auxiliary, a self-trained model; above 0 moves away from it.
    n_auxiliary, auxiliary_bias, budget, learning_rate, treatments
        As for `SIMS`, and so are attributes and errors.

    Raises
    ------
    ValueError
        By `fit` too: where an extrapolated covariance has a negative eigenvalue.

    Notes
    -----
    A Gaussian's auxiliary is trained to convergence: the paper's brief fine-tuning is then a smaller weight
    (for a gradient step of the covariance, see `madtheory.theory.guidance.neon_warm_up`). A network's is
    fine-tuned for `budget` images, in the paper with a reduced learning rate. To first order in
    :math:`\theta_s - \theta_r` Neon is `SIMS`, and exactly so for models that are linear in their weights.
    Source: Alemohammad et al. 2025 (Neon, arXiv 2510.03597), Algorithm 1 and Appendix C.
    """

    _method: ClassVar[str] = "extrapolated"
    _weight_name: ClassVar[str] = "weight"
    _known: ClassVar[dict[type, Callable[[Any, Any, float], Any]]] = {Gaussian: extrapolated_gaussian}

    def __init__(
        self,
        base: Any,
        weight: float,
        *,
        n_auxiliary: int | None = None,
        auxiliary_bias: float | None = None,
        budget: int | None = None,
        learning_rate: float | None = None,
        treatments: Any = (),
    ) -> None:
        self._begin(
            base,
            weight,
            treatments,
            n_auxiliary=n_auxiliary,
            auxiliary_bias=auxiliary_bias,
            budget=budget,
            learning_rate=learning_rate,
        )

    @property
    def weight(self) -> float:
        """The weight w."""
        return self._weight
