"""Rewards of images by a classifier, for ``treatments.curate``: the probability of a class, the confidence.

With ``curate(reward, choices=K)`` the image :math:`x_k` of a group of K is chosen with probability
proportional to :math:`e^{r(x_k)}`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from madtheory.images.data import Images, Pixels
from madtheory.images.device import deterministic
from madtheory.images.store import Store, key_of
from madtheory.images.training import order
from madtheory.networks import Classifier, cache_folder, choose_device, own_torch, seed_torch
from madtheory.validation import check_number, check_seed, check_size, show

__all__ = ["ClassifierReward", "class_probability", "confidence", "of_module"]

Probabilities = NDArray[np.float64]


def class_probability(classifier: Any, label: int, *, gamma: float = 1.0) -> ClassifierReward:
    r"""Reward images by the probability that a classifier gives to a class, :math:`r = \gamma q_c(x)`.

    Parameters
    ----------
    classifier : Classifier or callable
        A fitted `madtheory.networks.Classifier`, which sees pixels / 255 of square grey images; or a function
        of uint8 pixels (n, height, width, channels) that returns probabilities (n, classes), as `of_module`
        makes of a torch module.
    label : int
        The class c.
    gamma : float
        :math:`\gamma`; the reward is from 0 to gamma, which is ``reward_max``.

    Returns
    -------
    ClassifierReward
        A function of pixels, shape (n,).

    Raises
    ------
    TypeError, ValueError
        If the classifier is not one, or is not fitted; when called, if it does not return probabilities.

    Notes
    -----
    Source: Ferbach et al. 2024 (arXiv 2407.09499) curate CIFAR-10 by the probability of its class 0
    (airplane), Figure 2, and by the confidence, Figure 3.
    """
    return ClassifierReward(classifier, check_number("gamma", gamma), check_size("label", label, 0))


def confidence(classifier: Any, *, gamma: float = 1.0) -> ClassifierReward:
    r"""Reward images by the confidence of a classifier, :math:`r = \gamma \max_c q_c(x)`.

    Arguments, errors and source are those of `class_probability`.
    """
    return ClassifierReward(classifier, check_number("gamma", gamma))


@dataclass(frozen=True, eq=False)
class ClassifierReward:
    """Function that rewards images by a classifier's probabilities.

    Attributes
    ----------
    classifier : Classifier or callable
        Source of the probabilities.
    gamma : float
        Factor of the probabilities.
    label : int, optional
        The class whose probability it is; ``None`` is the largest of all.
    """

    classifier: Any
    gamma: float = 1.0
    label: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.classifier, torch.nn.Module):
            raise TypeError(
                "classifier is a torch module, whose units are not known; pass of_module(module, "
                "mean=..., std=...)."
            )
        if isinstance(self.classifier, Classifier):
            if self.classifier.weights is None:
                raise ValueError("classifier is not fitted; call fit(points, labels, rng=rng).")
        elif not callable(self.classifier):
            raise TypeError(
                f"classifier={show(self.classifier)} is neither a networks.Classifier nor a function of "
                f"pixels; "
                f"pass one that returns probabilities (n, classes)."
            )

    def probabilities(self, pixels: Pixels) -> Probabilities:
        """Return the probabilities of the classes, shape (n, classes)."""
        if isinstance(self.classifier, Classifier):
            found = _of_classifier(self.classifier, pixels)
        else:
            found = np.asarray(self.classifier(pixels), dtype=float)
        if found.ndim != 2 or len(found) != len(pixels) or (self.label or 0) >= found.shape[1]:
            raise ValueError(
                f"classifier returned shape {found.shape} for {len(pixels)} images; expected "
                f"({len(pixels)}, classes)"
                + ("." if self.label is None else f" with more than label={self.label} classes.")
            )
        if not ((found >= 0).all() and np.allclose(found.sum(1), 1, atol=1e-3)):
            raise ValueError(
                "classifier returned rows that are not probabilities (not negative, with sum 1): take the "
                "softmax of its outputs, as rewards.of_module does."
            )
        return found

    def __call__(self, pixels: Pixels) -> Probabilities:
        """Return the reward of each image, shape (n,)."""
        found = self.probabilities(pixels)
        return self.gamma * (found.max(1) if self.label is None else found[:, self.label])


@own_torch()
def of_module(
    module: torch.nn.Module,
    *,
    mean: float | Sequence[float] = 0.0,
    std: float | Sequence[float] = 1.0,
    device: str | None = None,
) -> Callable[[Pixels], Probabilities]:
    """Return the function of pixels that gives the class probabilities of a torch module.

    Parameters
    ----------
    module : torch.nn.Module
        Maps images (n, channels, height, width), single precision, to the logarithms of unnormalised
        probabilities (n, classes). It is copied.
    mean, std : float or one for each channel
        Units of its input, which is (pixels / 255 - mean) / std.
    device : str, optional
        Device of the computation. Default: the accelerator, if there is one.

    Returns
    -------
    callable
        Maps uint8 pixels (n, height, width, channels) to probabilities (n, classes), for
        `class_probability` and `confidence`.
    """
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"module={show(module)} is not a torch.nn.Module; pass a trained classifier.")
    place = choose_device(device)
    shift, scale = (torch.as_tensor(value, dtype=torch.float32).reshape(-1, 1, 1) for value in (mean, std))
    if not (torch.isfinite(shift).all() and (scale > 0).all() and torch.isfinite(scale).all()):
        raise ValueError(
            f"mean={show(mean)}, std={show(std)} are not units of pixels; pass numbers, std above 0."
        )
    return _OfModule(deepcopy(module).eval().to(place), shift, scale, place)


@dataclass(frozen=True, eq=False)
class _OfModule:
    module: torch.nn.Module
    shift: torch.Tensor
    scale: torch.Tensor
    device: torch.device

    def __call__(self, pixels: Pixels) -> Probabilities:
        with own_torch(threads=None), torch.inference_mode(), _exactly():
            x = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 255
            found = self.module(((x - self.shift) / self.scale).to(self.device))
            return np.asarray(found.double().softmax(-1).cpu().numpy())


def _of_classifier(classifier: Classifier, pixels: Pixels) -> Probabilities:
    if pixels.shape[-1] != 1:
        raise ValueError(
            f"pixels has shape {pixels.shape}, and a networks.Classifier takes grey images; pass "
            f"of_module(module, mean=..., std=...) for images in colour."
        )
    with _exactly():
        return np.asarray(classifier.probabilities(pixels.reshape(len(pixels), -1) / 255))


def _exactly() -> AbstractContextManager[None]:
    """Compute in single precision, with the same bits in every run: choices depend on them."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)


# Channels after each convolution as multiples of the width; after "M" half the height.
_LAYERS = (1, "M", 2, "M", 4, 4, "M", 8, 8, "M", 8, 8, "M")


@own_torch(threads=None)
def vgg_classifier(
    images: Images,
    *,
    epochs: int = 30,
    width: int = 64,
    seed: int = 0,
    device: str | None = None,
    cache: Path | None = None,
) -> Callable[[Pixels], NDArray[np.float64]]:
    """Return class probabilities of a VGG11 that is trained on labelled images of at least 32 x 32 pixels.

    Simonyan and Zisserman 2015 (arXiv 1409.1556), configuration A, with batch normalisation and one full
    layer. SGD with momentum, mirrored and shifted images.

    Parameters
    ----------
    images : Images
        Labelled images.
    epochs, width, seed : int
        Epochs of the training; channels of the first layer; seed of weights and batches.
    device : str, optional
        Default: the accelerator, if there is one.
    cache : path, optional
        Folder where the weights are kept. Default: that of ``networks.cached_fit``.

    Returns
    -------
    callable
        Function from uint8 pixels (n, height, width, channels) to probabilities (n, classes), for
        `madtheory.images.rewards`.
    """
    if images.labels is None or not len(images):
        raise ValueError(f"{images!r} has no labels; open the data set with labels=True.")
    if min(images.shape[1:3]) < 32:
        raise ValueError(f"images are {images.shape[1]} x {images.shape[2]}; VGG11 takes 32 x 32 or more.")
    seed = check_seed(seed, "seed", maximum=2**64 - 1)
    place = choose_device(device)
    module = _network(images.shape[3], int(images.labels.max()) + 1, width, seed)
    store = Store((cache_folder() if cache is None else Path(cache)) / "classifiers")
    key = key_of(vgg=[epochs, width, seed], data=images.fingerprint(), place=place.type)
    if (kept := store.weights(key)) is None:
        _train(module.to(place), images, epochs, seed, place)
        store.finish(key, {k: v.cpu().numpy() for k, v in module.state_dict().items()}, {})
        kept = store.weights(key)
    assert kept is not None
    module.load_state_dict({name: torch.from_numpy(np.array(kept[name])) for name in kept})
    return of_module(module, mean=0.5, std=0.25, device=device)


def _network(channels: int, classes: int, width: int, seed: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    before = channels
    with seed_torch(seed):
        for entry in _LAYERS:
            if isinstance(entry, str):
                layers.append(nn.MaxPool2d(2))
                continue
            after = entry * width
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
            before = after
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, classes))


def _train(module: nn.Module, images: Images, epochs: int, seed: int, place: torch.device) -> None:
    from tqdm import tqdm

    batch, labels = min(128, len(images)), images.labels
    assert labels is not None
    steps = epochs * max(len(images) // batch, 1)
    places, generator = order(len(images), seed), torch.Generator().manual_seed(seed)
    optimiser = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True)
    decay = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=0.05, total_steps=steps)
    module.train()
    with deterministic(place):
        for step in tqdm(range(steps), desc="classifier", delay=5.0, leave=False, disable=None):
            rows = places(step * batch, batch)
            x = torch.from_numpy(images.batch(rows)).permute(0, 3, 1, 2).float() / 255
            x = _mirror_and_shift((x - 0.5) / 0.25, generator).to(place)
            loss = nn.functional.cross_entropy(module(x), torch.from_numpy(labels[rows]).to(place))
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimiser.step()
            decay.step()


def _mirror_and_shift(x: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror half of the images, and shift all of them by up to 4 pixels."""
    n, _, height, width = x.shape
    mirrored = torch.rand(n, 1, 1, 1, generator=generator) < 0.5
    padded = nn.functional.pad(torch.where(mirrored, x.flip(3), x), (4, 4, 4, 4), mode="reflect")
    top, left = torch.randint(9, (2, n), generator=generator)
    rows = (top[:, None] + torch.arange(height))[:, None, :, None]
    columns = (left[:, None] + torch.arange(width))[:, None, None, :]
    return padded[
        torch.arange(n)[:, None, None, None], torch.arange(x.shape[1])[:, None, None], rows, columns
    ]
