"""What a preset is: a paper's run at three scales, and what is known and chosen about it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import madtheory as mad
from madtheory._validation import check_choice, check_seed
from madtheory.images import features
from madtheory.images.runs import _scales
from madtheory.images.runs._plan import Plan, plan
from madtheory.images.runs._run import Run
from madtheory.images.runs._settings import Settings
from madtheory.networks import digits_classifier

__all__ = ["SCALES", "Preset", "Scale"]

Scale = Literal["smoke", "small", "full"]
SCALES: tuple[Scale, ...] = get_args(Scale)


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A paper's run, at three scales.

    ``"full"`` has the paper's settings and needs its data set; ``"small"`` takes about an hour or less on one
    GPU, ``"smoke"`` seconds on a CPU, and both take digits or photographs that come with scikit-learn.

    Attributes
    ----------
    name : str
        Paper, data set, loop.
    title : str
        What it is, in a few words.
    source : str
        The paper, and where in it.
    full : Settings
        The paper's settings, of which the other scales are made.
    gpu_hours : float
        Of the full run on one H100, by the count of its floating-point operations; see `_work.GPU_RATE`.
    notes : tuple of str
        What the paper does not say or does otherwise, and what was chosen.
    """

    name: str
    title: str
    source: str
    full: Settings
    gpu_hours: float
    notes: tuple[str, ...]

    def settings(self, scale: Scale = "full") -> Settings:
        """The settings of a scale."""
        check_choice("scale", scale, SCALES)
        return {"smoke": _scales.smoke, "small": _scales.small, "full": _same}[scale](self.full)

    def loop(
        self,
        scale: Scale = "full",
        *,
        store: str | Path | None = None,
        seed: int = 0,
        data: str | Path | None = None,
        device: str | None = None,
    ) -> mad.Loop:
        """The loop of a scale; nothing is opened before it is needed.

        Parameters
        ----------
        scale : {"full", "small", "smoke"}
            Of the run.
        store : path, optional
            Where fits and samples are kept; ``None`` holds all in memory.
        seed : int
            Of cluster centres and classifiers; that of the loop goes to `madtheory.iterate`.
        data : path, optional
            For the full run: the folder in which torchvision keeps the data set, or FFHQ's folder or archive.
        device : str, optional
            Where to compute. Default: the accelerator, if there is one.
        """
        return self.settings(scale).loop(store=store, data=data, device=device, seed=seed)

    def run(
        self,
        scale: Scale = "full",
        *,
        seed: int = 0,
        generations: int | None = None,
        data: str | Path | None = None,
        inception: str | Path | None = None,
        device: str | None = None,
        bias: float | None = None,
        n_synthetic: int | None = None,
        weight: float | None = None,
    ) -> Run:
        """The run of a scale, ready to go into a folder. Its data sets and features are opened now.

        Parameters
        ----------
        scale, seed, data, device
            As for `loop`.
        generations : int, optional
            How many. Default: the preset's.
        inception : path, optional
            The file of Inception's weights. Default: a download.
        bias, n_synthetic, weight : number, optional
            What the papers vary: sampling bias, synthetic images per generation, w of SIMS or Neon.
        """
        settings = self.settings(scale).changed(
            generations=generations, bias=bias, n_synthetic=n_synthetic, weight=weight
        )
        seed = check_seed(seed, "seed")
        chosen = {
            "scale": scale,
            "seed": seed,
            "data": _absolute(data),
            "inception": _absolute(inception),
            "device": device,
            "bias": bias,
            "n_synthetic": n_synthetic,
            "weight": weight,
        }
        loop = settings.loop(data=data, device=device, seed=seed)
        reference = settings.measured_against(data)
        _check_enough(settings, loop.real.left)
        return Run(
            loop=loop,
            generations=settings.generations,
            seed=seed,
            features=_features(settings, data, inception, device),
            reference=reference,
            n_evaluation=settings.n_evaluation,
            about={"preset": self.name, "title": self.title, "source": self.source, "arguments": chosen},
        )

    def plan(
        self,
        scale: Scale = "full",
        *,
        generations: int | None = None,
        device: str | None = None,
        bias: float | None = None,
        n_synthetic: int | None = None,
        weight: float | None = None,
    ) -> Plan:
        """The cost of a run, from the speed of its network on this device; no data set is needed.

        Parameters
        ----------
        scale, generations, device, bias, n_synthetic, weight
            As for `run`.
        """
        settings = self.settings(scale).changed(
            generations=generations, bias=bias, n_synthetic=n_synthetic, weight=weight
        )
        return plan(settings, device=device)


def _features(
    settings: Settings, data: str | Path | None, inception: str | Path | None, device: str | None
) -> features.Features:
    if settings.features == "inception":
        return features.inception(weights=inception, device=device)
    if settings.features == "convolutions":
        return features.random_convolutions(channels=settings.data.shape[-1], device=device)
    if settings.data.name == "digits":
        return features.lenet(digits_classifier(device=device))
    every = replace(settings.data, first=None)
    return features.lenet_of(every.opened("train", data, labels=True).images, device=device)


def _check_enough(settings: Settings, left: int) -> None:
    """Whether the real images last for all generations."""
    regime = settings.regime
    again = regime.n_real * (settings.generations - 1) if regime.real_data == "fresh" else 0
    if regime.n_initial + again > left:
        raise ValueError(
            f"generations={settings.generations}: the run draws {regime.n_initial + again:,} real images, "
            f"none of them twice, and there are {left:,}; ask for fewer generations."
        )


def _same(settings: Settings) -> Settings:
    return settings


def _absolute(path: Any) -> str | None:
    return None if path is None else os.path.abspath(path)
