"""A preset: a paper's run at three scales, with its source and our choices."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace, replace as replaced
from pathlib import Path
from typing import Any, Literal, get_args

import madtheory as mad
from madtheory.images.evaluation import features
from madtheory.images.runs.plan import Plan, plan
from madtheory.images.runs.run import Run
from madtheory.images.runs.settings import Chosen, RealData, Settings, check_enough
from madtheory.images.training import ImageTraining
from madtheory.images.unet import UNet
from madtheory.networks import digits_classifier
from madtheory.validation import check_choice, check_seed

_GENERATIONS = 5


def smoke(full: Settings) -> Settings:
    """Return two generations of seconds on a CPU: 8 x 8 digits, a tiny network, otherwise the same run."""
    tiny = UNet(block_out_channels=(8, 16), layers_per_block=1, attention=(), dropout=full.model.unet.dropout)
    budget = {"images": 96, "batch": 16, "warm_up_images": 32, "ema_images": 32, "learning_rate": 2e-3}
    made = _reduce(full, _digits(full), 80, tiny, budget)
    # Storing images by pixel is faster on accelerators alone.
    training = replaced(made.model.training, channels_last=False)
    if training.warm_images is not None:
        training = replaced(training, warm_images=min(training.warm_images, 64))
    sampler: Any = made.model.sampler
    model = replaced(made.model, sampler=replaced(sampler, steps=4), training=training, batch=128)
    return replaced(made, model=model, generations=2, n_evaluation=48)


def small(full: Settings) -> Settings:
    """Return a run of at most an hour on one GPU: digits, or photograph patches in colour."""
    generations = min(full.generations, _GENERATIONS)
    if full.data.name == "MNIST" or isinstance(full.treatment, Chosen):
        data, n, unet = _digits(full), 890, UNet(block_out_channels=(64, 128), attention=())
        images = 1_000_000
    else:
        size = min(full.data.size, 64)
        # As many patches as there are, in round numbers.
        data, n, images = RealData(name="photographs", size=size), 6000 if size == 32 else 1300, 2_000_000
        unet = UNet(block_out_channels=(64, 128, 128), attention=(16,))
    budget = {"images": images, "batch": 128, "warm_up_images": 50_000, "ema_images": 50_000}
    unet = replaced(unet, dropout=full.model.unet.dropout)
    if full.regime.real_data == "fresh":
        n = n // generations // 10 * 10
    made = _reduce(full, data, n, unet, budget | {"learning_rate": 5e-4})
    return replaced(made, generations=generations, n_evaluation=1000)


def _digits(full: Settings) -> RealData:
    return RealData(name="digits", size=8, labels=full.model.classes is not None)


def _reduce(full: Settings, data: RealData, n: int, unet: UNet, budget: dict[str, Any]) -> Settings:
    """Return the same loop from `n` real images, with sizes, epochs and shares of the training."""
    share = n / full.regime.n_initial
    regime, training = full.regime, full.model.training
    sizes: dict[str, Any] = {
        name: _part(getattr(regime, name), share) for name in ("n_initial", "n_real", "n_synthetic")
    }
    trained = budget["images"] / training.images
    rate = budget["learning_rate"] / training.learning_rate
    smaller = ImageTraining(
        **budget,
        decay=training.decay,
        betas=training.betas,
        clip_norm=training.clip_norm,
        augment="none" if data.name == "digits" else training.augment,
        precision=training.precision,
        channels_last=training.channels_last,
        checkpoint_every_images=max(budget["images"] // 4, 1),
        warm_images=None if training.warm_images is None else _part(training.warm_images, share),
        warm_learning_rate=None
        if training.warm_learning_rate is None
        else training.warm_learning_rate * rate,
    )
    improvement = full.improvement
    if improvement is not None:
        improvement = replaced(
            improvement,
            n_auxiliary=_part(improvement.n_auxiliary, share),
            # A few steps at least: in the first one the learning rate is 0, if it rises at all.
            budget=max(_part(improvement.budget, trained), 4 * smaller.batch),
            learning_rate=improvement.learning_rate * rate,
        )
    return replaced(
        full,
        data=data,
        model=replaced(full.model, unet=unet, training=smaller),
        regime=replaced(regime, **sizes),
        improvement=improvement,
        features="lenet" if data.name == "digits" else "convolutions",
        reference="test",
    )


def _part(number: Any, share: float) -> int:
    """Return a smaller number of images; 0 stays 0."""
    return max(round(number * share), 1) if number else 0


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
        Short description.
    source : str
        The paper, and where in it.
    full : Settings
        The paper's settings, of which the other scales are made.
    gpu_hours : float
        Hours of the full run on one H100, by its floating-point operations; see `plan.GPU_RATE`.
    notes : tuple of str
        Choices where the paper is silent, and differences from it.
    """

    name: str
    title: str
    source: str
    full: Settings
    gpu_hours: float
    notes: tuple[str, ...]

    def settings(self, scale: Scale = "full") -> Settings:
        """Return the settings of a scale."""
        check_choice("scale", scale, SCALES)
        reduce = {"smoke": smoke, "small": small}.get(scale)
        return self.full if reduce is None else reduce(self.full)

    def loop(
        self,
        scale: Scale = "full",
        *,
        store: str | Path | None = None,
        seed: int = 0,
        data: str | Path | None = None,
        device: str | None = None,
    ) -> mad.Loop:
        """Return the loop of a scale; nothing is opened before it is needed.

        Parameters
        ----------
        scale : {"full", "small", "smoke"}
            Scale of the run.
        store : path, optional
            Folder of fits and samples; ``None`` holds all in memory.
        seed : int
            Seed of cluster centres and classifiers; that of the loop goes to `madtheory.iterate`.
        data : path, optional
            For the full run: the folder of the data set's files, or FFHQ's folder or archive.
        device : str, optional
            Device of the computation. Default: the accelerator, if there is one.
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
        cache: str | Path | None = None,
    ) -> Run:
        """Return the run of a scale, ready for a folder; its data sets and features are opened now.

        Parameters
        ----------
        scale, seed, data, device
            As for `loop`.
        generations : int, optional
            Number of generations. Default: the preset's.
        inception : path, optional
            The file of Inception's weights. Default: a download.
        bias, n_synthetic, weight : number, optional
            What the papers vary: sampling bias, synthetic images per generation, w of SIMS or Neon.
        cache : path, optional
            Folder where FFHQ's images are kept decoded. Default: they are decoded whenever they are read.
        """
        settings = self.settings(scale).change(
            generations=generations, bias=bias, n_synthetic=n_synthetic, weight=weight
        )
        settings = replace(settings, data=replace(settings.data, cache=_absolute(cache)))
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
        reference = settings.open_reference(data)
        check_enough(settings, loop.real.left)
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
        """Return the cost of a run, from the speed of its network on this device; no data set is needed.

        Parameters
        ----------
        scale, generations, device, bias, n_synthetic, weight
            As for `run`.
        """
        settings = self.settings(scale).change(
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
    return features.lenet_of(every.open("train", data, labels=True).images, device=device)


def _absolute(path: Any) -> str | None:
    return None if path is None else os.path.abspath(path)
