"""A classifier of images in colour, for rewards: VGG11 with batch normalisation, trained once and kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from madtheory._validation import check_seed
from madtheory.images import rewards
from madtheory.images._device import deterministic
from madtheory.images._images import Images
from madtheory.images._parts import Pixels
from madtheory.images._store import Store, key_of
from madtheory.images._training import order
from madtheory.networks._context import own_torch, seeded
from madtheory.networks.classifier import _cache_folder

__all__ = ["vgg_classifier"]

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
    """The class probabilities of a VGG11 that is trained on labelled images of at least 32 x 32 pixels.

    Simonyan and Zisserman 2015 (arXiv 1409.1556), configuration A, with batch normalisation and one full
    layer. SGD with momentum, mirrored and shifted images.

    Parameters
    ----------
    images : Images
        With labels.
    epochs, width, seed : int
        Of the training; channels of the first layer; of weights and batches.
    device : str, optional
        Default: the accelerator, if there is one.
    cache : path, optional
        Folder where the weights are kept. Default: that of ``networks.cached_fit``.

    Returns
    -------
    callable
        From uint8 pixels (n, height, width, channels) to probabilities (n, classes), for
        `madtheory.images.rewards`.
    """
    if images.labels is None or not len(images):
        raise ValueError(f"{images!r} has no labels; open the data set with labels=True.")
    if min(images.shape[1:3]) < 32:
        raise ValueError(f"images are {images.shape[1]} x {images.shape[2]}; VGG11 takes 32 x 32 or more.")
    seed = check_seed(seed, "seed", maximum=2**64 - 1)
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    module = _network(images.shape[3], int(images.labels.max()) + 1, width, seed)
    store = Store((_cache_folder() if cache is None else Path(cache)) / "classifiers")
    key = key_of(vgg=[epochs, width, seed], data=images.fingerprint(), place=place.type)
    if (kept := store.weights(key)) is None:
        _train(module.to(place), images, epochs, seed, place)
        store.finish(key, {k: v.cpu().numpy() for k, v in module.state_dict().items()}, {})
        kept = store.weights(key)
    assert kept is not None
    module.load_state_dict({name: torch.from_numpy(np.array(kept[name])) for name in kept})
    return rewards.of_module(module, mean=0.5, std=0.25, device=device)


def _network(channels: int, classes: int, width: int, seed: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    before = channels
    with seeded(seed):
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
            x = _shifted((x - 0.5) / 0.25, generator).to(place)
            loss = nn.functional.cross_entropy(module(x), torch.from_numpy(labels[rows]).to(place))
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimiser.step()
            decay.step()


def _shifted(x: Tensor, generator: torch.Generator) -> Tensor:
    """Half of the images mirrored, all of them shifted by up to 4 pixels."""
    n, _, height, width = x.shape
    mirrored = torch.rand(n, 1, 1, 1, generator=generator) < 0.5
    padded = nn.functional.pad(torch.where(mirrored, x.flip(3), x), (4, 4, 4, 4), mode="reflect")
    top, left = torch.randint(9, (2, n), generator=generator)
    rows = (top[:, None] + torch.arange(height))[:, None, :, None]
    columns = (left[:, None] + torch.arange(width))[:, None, None, :]
    return padded[
        torch.arange(n)[:, None, None, None], torch.arange(x.shape[1])[:, None, None], rows, columns
    ]
