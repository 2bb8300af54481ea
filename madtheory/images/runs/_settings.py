"""What a run is made of, as a value: data, network, regime and treatment, and the loop that they make."""

from __future__ import annotations

import os
from dataclasses import dataclass
from dataclasses import replace as replaced
from pathlib import Path
from typing import Any, Literal

import madtheory as mad
from madtheory._validation import check_seed, check_size
from madtheory.images._images import Images
from madtheory.images.diffusion import ImageDiffusion
from madtheory.images.runs._treated import Centres, Chosen
from madtheory.images.runs._truth import RealData, Truth
from madtheory.models import SIMS, Neon

__all__ = ["Improvement", "Settings"]


@dataclass(frozen=True, kw_only=True)
class Improvement:
    """SIMS or Neon around the network; see `madtheory.models.SIMS`.

    Attributes
    ----------
    method : {"SIMS", "Neon"}
        Which of the two.
    weight : float
        w, the guidance of SIMS or the weight of Neon.
    n_auxiliary : int
        Synthetic images that the auxiliary is trained on.
    budget : int
        Images that it sees.
    learning_rate : float
        Of its training.
    """

    method: Literal["SIMS", "Neon"]
    weight: float
    n_auxiliary: int
    budget: int
    learning_rate: float

    def around(self, model: ImageDiffusion) -> SIMS | Neon:
        """The model that is improved in every generation."""
        kind = SIMS if self.method == "SIMS" else Neon
        return kind(
            model,
            self.weight,
            n_auxiliary=self.n_auxiliary,
            budget=self.budget,
            learning_rate=self.learning_rate,
        )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that a run is a function of, beside its seed.

    Attributes
    ----------
    data : RealData
        The real images.
    model : ImageDiffusion
        Network, noise levels, sampler and training, not fitted.
    regime : Regime
        Which data each generation is trained on.
    generations : int
        How many.
    n_evaluation : int
        Images of each generation that are measured.
    features : {"lenet", "inception", "convolutions"}
        In which features.
    reference : {"train", "test"}
        Against which real images.
    bias : float, optional
        Sampling bias of the loop, 1 / (1 + w) for a classifier-free guidance w.
    warm_start : bool
        Train each generation from the last one's weights on.
    improvement : Improvement, optional
        SIMS or Neon.
    treatment : Centres or Chosen, optional
        What is done to synthetic images before anyone trains on them.
    """

    data: RealData
    model: ImageDiffusion
    regime: mad.regimes.Regime
    generations: int
    n_evaluation: int
    features: Literal["lenet", "inception", "convolutions"]
    reference: Literal["train", "test"] = "test"
    bias: float | None = None
    warm_start: bool = False
    improvement: Improvement | None = None
    treatment: Centres | Chosen | None = None

    def changed(
        self,
        *,
        generations: int | None = None,
        bias: float | None = None,
        n_synthetic: int | None = None,
        weight: float | None = None,
    ) -> Settings:
        """The same run with another value of what the papers vary; ``None`` leaves it as it is.

        Raises
        ------
        ValueError
            If this run has no such thing.
        """
        new = self
        if generations is not None:
            new = replaced(new, generations=check_size("generations", generations))
        if bias is not None:
            if self.model.classes is None:
                raise ValueError(
                    f"bias={bias!r} is a classifier-free guidance, and this network has no classes; leave "
                    f"bias out, or take a preset with classes, such as mad-mnist-fully-synthetic."
                )
            new = replaced(new, bias=bias)
        if n_synthetic is not None:
            new = replaced(new, regime=replaced(self.regime, n_synthetic=n_synthetic))
        if weight is not None:
            if self.improvement is None:
                raise ValueError(
                    f"weight={weight!r} is that of SIMS or Neon, and this preset has neither; leave weight "
                    f"out, or take a preset such as sims-cifar10 or neon-cifar10."
                )
            new = replaced(new, improvement=replaced(self.improvement, weight=weight))
        return new

    def loop(
        self,
        *,
        store: str | Path | None = None,
        data: str | Path | None = None,
        device: str | None = None,
        seed: int = 0,
    ) -> mad.Loop:
        """The loop; neither data nor classifiers are opened before they are needed."""
        base = replaced(self.model, store=store, device=device)
        truth = Truth(self.data, None if data is None else os.path.abspath(data))
        model: Any = base if self.improvement is None else self.improvement.around(base)
        treatments = (
            ()
            if self.treatment is None
            else (self.treatment.treatment(truth, check_seed(seed, "seed"), device),)
        )
        return mad.Loop(
            real=truth,
            model=model,
            regime=self.regime,
            bias=self.bias,
            warm_start=self.warm_start,
            treatments=treatments,
        )

    def measured_against(self, data: str | Path | None = None) -> Images:
        """The real images that each generation is compared with."""
        return replaced(self.data, first=None).opened(self.reference, data).images
