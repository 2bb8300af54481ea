"""Loops of one's own images: a folder, a regime by name, and a network that suits their size."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from madtheory import regimes
from madtheory.images.data import RealImages, datasets
from madtheory.images.diffusion import ImageDiffusion
from madtheory.images.evaluation import features
from madtheory.images.runs.run import Run
from madtheory.images.runs.settings import Settings, check_enough
from madtheory.images.training import ImageTraining
from madtheory.images.unet import UNet
from madtheory.validation import check_choice, check_seed, check_size, show

LoopName = Literal["replace", "augment", "fresh"]
Scale = Literal["smoke", "small", "full"]

_HELD_OUT, _MOST_HELD_OUT = 0.2, 10_000
_LEAST = 40  # images: eight are held out

_NETWORKS = {
    "smoke": (UNet(block_out_channels=(8, 16), layers_per_block=1, attention=()), 96, 16, 48),
    "small": (UNet(block_out_channels=(64, 128, 128), attention=(16,)), 1_000_000, 128, 1000),
    "full": (UNet(block_out_channels=(128, 256, 256, 256), attention=(16,)), 10_000_000, 256, 10_000),
}
"""Network, images seen, batch, and measured images of each scale; chosen here."""


@dataclass(frozen=True, kw_only=True)
class OwnData:
    """Images of a folder or an archive, of which a fifth, at most 10,000, is held out for the comparison.

    Attributes
    ----------
    path : str
        Folder or archive.
    resize : int, optional
        Height and width of the images; ``None``: as they are.
    labels : bool
        Open the images with their classes, one for each folder.
    mode : {"convert", "skip", "refuse"}
        What becomes of images that differ; see `madtheory.images.datasets.folder`.
    cache : str, optional
        Folder of decoded images.
    """

    path: str
    resize: int | None = None
    labels: bool = False
    mode: datasets.Mode = "convert"
    cache: str | None = None

    first = None
    offline = False

    @cached_property
    def all(self) -> RealImages:
        """All images, of both parts."""
        if not os.path.exists(self.path):
            raise FileNotFoundError(f"images={self.path!r} does not exist; pass a folder or a zip archive.")
        opened = datasets.folder if os.path.isdir(self.path) else datasets.archive
        return opened(self.path, self.resize, labels=self.labels, mode=self.mode, cache=self.cache)

    @property
    def name(self) -> str:
        """Name of the folder."""
        return os.path.basename(self.path)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        _, height, width, channels = self.all.shape
        return height, width, channels

    @property
    def size(self) -> int:
        """Height, pixels."""
        return self.shape[0]

    def open(
        self, part: Literal["train", "test"], path: Any = None, *, labels: bool | None = None
    ) -> RealImages:
        """Return the images to train on, or those held out: always the same ones."""
        images = self.all.images
        n = len(images)
        if n < _LEAST:
            raise ValueError(
                f"images={self.path!r} holds {n} images; pass a folder with {_LEAST} or more, of which a "
                f"fifth is held out."
            )
        held_out = min(int(_HELD_OUT * n), _MOST_HELD_OUT)
        order = np.random.default_rng(0).permutation(n)
        chosen = order[:held_out] if part == "test" else order[held_out:]
        return RealImages(images.select(np.sort(chosen)), f"{self.name} ({part})")


def own_run(
    images: str | Path,
    *,
    loop: LoopName = "augment",
    scale: Scale = "small",
    size: int | None = None,
    labels: bool = False,
    mode: datasets.Mode = "convert",
    seed: int = 0,
    generations: int | None = None,
    n_synthetic: int | None = None,
    budget: int | None = None,
    bias: float | None = None,
    inception: str | Path | None = None,
    device: str | None = None,
    cache: str | Path | None = None,
) -> Run:
    """Return the run of a loop on one's own images, ready for a folder.

    Parameters
    ----------
    images : path
        Folder or zip archive of images.
    loop : {"replace", "augment", "fresh"}
        Each generation is trained on the last one's images, on the real and the last one's images, or on new
        real and the last one's images.
    scale : {"smoke", "small", "full"}
        Network and training: a test of seconds, a small one, a large one.
    size : int, optional
        Crop to the central square and resize to that many pixels. Default: the images as they are.
    labels : bool
        A class for each folder below `images`, for a network with classes.
    mode : {"convert", "skip", "refuse"}
        What becomes of images that differ; see `madtheory.images.datasets.folder`.
    seed, generations, n_synthetic, bias, device
        As for a preset. Default: 5 generations (smoke: 2), as many synthetic images as real ones.
    budget : int, optional
        Images seen by each training. Default: that of the scale.
    inception : path, optional
        Weights of Inception, whose features are then compared. Default: features of random convolutions.
    cache : path, optional
        Folder where the decoded images are kept.
    """
    settings, data = own_settings(
        images, loop=loop, scale=scale, size=size, labels=labels, mode=mode, generations=generations,
        n_synthetic=n_synthetic, budget=budget, bias=bias, cache=cache,
    )  # fmt: skip
    seed = check_seed(seed, "seed")
    made = settings.loop(device=device, seed=seed)
    check_enough(settings, made.real.left)
    if inception is None:
        chosen = features.random_convolutions(channels=data.shape[-1], device=device)
    else:
        chosen = features.inception(weights=inception, device=device)
    arguments = {
        "images": data.path, "loop": loop, "scale": scale, "size": size, "labels": labels, "mode": mode,
        "seed": seed, "n_synthetic": n_synthetic, "budget": budget, "bias": bias, "device": device,
        "inception": None if inception is None else os.path.abspath(inception), "weight": None,
    }  # fmt: skip
    return Run(
        loop=made,
        generations=settings.generations,
        seed=seed,
        features=chosen,
        reference=settings.open_reference(),
        n_evaluation=settings.n_evaluation,
        about={
            "preset": OWN,
            "title": f"A {loop} loop on the images of {data.name}",
            "source": f"{data.path}, {len(data.all.images):,} images",
            "arguments": arguments,
        },
    )


OWN = "own images"
"""The name of such runs where a preset's would stand."""


def own_settings(
    images: str | Path,
    *,
    loop: LoopName,
    scale: Scale,
    size: int | None,
    labels: bool,
    mode: datasets.Mode,
    generations: int | None = None,
    n_synthetic: int | None = None,
    budget: int | None = None,
    bias: float | None = None,
    cache: str | Path | None = None,
) -> tuple[Settings, OwnData]:
    """Return the settings of a loop on one's own images, and the images; arguments as for `own_run`."""
    check_choice("loop", loop, get_args(LoopName))
    check_choice("scale", scale, get_args(Scale))
    if bias is not None and not labels:
        raise ValueError(
            f"bias={show(bias)} is a classifier-free guidance, and there are no classes; pass labels."
        )
    kept = None if cache is None else os.path.abspath(cache)
    data = OwnData(path=os.path.abspath(images), resize=size, labels=labels, mode=mode, cache=kept)
    real = data.open("train").images
    unet, seen, batch, measured = _NETWORKS[scale]
    unet = _fit_network(unet, data.shape)
    seen = seen if budget is None else check_size("budget", budget)
    generations = (2 if scale == "smoke" else 5) if generations is None else generations
    training = ImageTraining(
        images=seen,
        batch=batch,
        learning_rate=2e-3 if scale == "smoke" else 3e-4,
        warm_up_images=seen // 20,
        ema_images=seen // 20,
        checkpoint_every_images=max(seen // 4, 1),
    )
    classes = None if real.labels is None else int(data.all.images.labels.max()) + 1  # type: ignore[union-attr]
    model = ImageDiffusion(unet=unet, classes=classes, training=training)
    n = len(real)
    if loop == "fresh":
        n = n // check_size("generations", generations)
    n_synthetic = n if n_synthetic is None else check_size("n_synthetic", n_synthetic)
    made = {
        "replace": lambda: regimes.replace(n=n),
        "augment": lambda: regimes.augment(n_real=n, n_synthetic=n_synthetic),
        "fresh": lambda: regimes.fresh(n_real=n, n_synthetic=n_synthetic),
    }[loop]()
    if loop == "replace":
        made = replace(made, n_synthetic=n_synthetic)
    settings = Settings(
        data=data,
        model=model,
        regime=made,
        generations=check_size("generations", generations),
        n_evaluation=measured,
        features="convolutions",
        bias=bias,
    )
    return settings, data


def _fit_network(unet: UNet, shape: tuple[int, int, int]) -> UNet:
    """Return the network with as many levels as the images can be halved, at least two."""
    height, width, _ = shape
    most = len(unet.block_out_channels)
    levels = next((k for k in range(most, 1, -1) if height % 2 ** (k - 1) == width % 2 ** (k - 1) == 0), 1)
    if levels == 1:
        size = max(min(shape[:2]) // 8 * 8, 8)
        raise ValueError(
            f"images of {height} x {width} pixels cannot be halved; pass size={size} (--size {size}) to crop "
            f"and resize them."
        )
    return replace(unet, block_out_channels=unet.block_out_channels[:levels])
