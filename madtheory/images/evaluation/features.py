"""Features of images: outputs of networks, for Frechet distances, precision and recall.

Features of one network are points of one space. Compare sets by one network alone: its name, which knows its
weights, is part of every result that is kept.
"""

from __future__ import annotations

import copy
import hashlib
import importlib
import math
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from madtheory.images.data import Images, ImageStoreError, Pixels, check_pixels
from madtheory.images.store import content, fingerprint
from madtheory.networks import Classifier, Training, cached_fit, choose_device, own_torch
from madtheory.validation import check_choice, check_seed, check_size

__all__ = ["Features", "inception", "lenet", "lenet_of", "of_module", "random_convolutions"]


@own_torch()
def random_network(seed: int, dim: int, channels: int) -> nn.Module:
    """Make three convolutions and a linear layer with random weights, for images of at least 4 x 4."""
    widths = (channels, 32, 64, 128)
    layers: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):  # layers draw weights, which are replaced
        for stride, (before, after) in zip((1, 2, 2), pairwise(widths), strict=True):
            layers += [nn.Conv2d(before, after, 3, stride=stride, padding=1), nn.ReLU()]
        layers += [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * widths[-1], dim)]
    network = nn.Sequential(*layers)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in network.parameters():
            # He's initialisation, which keeps the scale of the activations; the biases are zero.
            scale = math.sqrt(2 / weight[0].numel()) if weight.ndim > 1 else 0.0
            weight.copy_(scale * torch.randn(weight.shape, generator=generator))
    return network


def rows_of(values: Any) -> NDArray[Any]:
    """Return the output of a network as an array (n, d)."""
    rows = torch.as_tensor(values).flatten(1).cpu()
    array: NDArray[Any] = (rows if rows.dtype == torch.float64 else rows.float()).numpy()
    return array


@contextmanager
def exact() -> Iterator[None]:
    """Compute convolutions in full single precision, by algorithms with the same bits in every run."""
    cudnn: Any = torch.backends.cudnn
    precise = hasattr(getattr(cudnn, "conv", None), "fp32_precision")  # torch 2.9 and later
    wanted: list[tuple[Any, str, Any]] = [(cudnn, "benchmark", False), (cudnn, "deterministic", True)]
    if precise:
        wanted += [(cudnn.conv, "fp32_precision", "ieee"), (cudnn.rnn, "fp32_precision", "ieee")]
    else:
        wanted += [(cudnn, "allow_tf32", False)]
    before = [getattr(where, name) for where, name, _ in wanted]
    try:
        for where, name, value in wanted:
            setattr(where, name, value)
        yield
    finally:
        for (where, name, _), value in zip(wanted, before, strict=True):
            setattr(where, name, value)


def checksum(module: nn.Module) -> str:
    """Return the checksum of layers and weights."""
    state = {
        f"{name} {value.dtype} {tuple(value.shape)}": value.detach()
        .cpu()
        .reshape(-1)
        .view(torch.uint8)
        .numpy()
        for name, value in module.state_dict().items()
    }
    return short(f"{type(module)} {module} {fingerprint(state)}")


def short(text: str | None) -> str:
    """Return the beginning of the sha256 of a text."""
    return hashlib.sha256(str(text).encode()).hexdigest()[:16]


_WHERE = {
    "torch-fidelity": ("torch_fidelity.feature_extractor_inceptionv3", "FeatureExtractorInceptionV3"),
    "torchmetrics": ("torchmetrics.image.fid", "NoTrainInceptionV3"),
}


@own_torch()
def inception_network(package: str, weights: Any) -> nn.Module:
    """Return the network of a package, from uint8 (n, 3, height, width) to the 2048 last features."""
    check_choice("package", package, tuple(_WHERE))
    module, name = _WHERE[package]
    try:
        # The network of torchmetrics is built on that of torch-fidelity.
        importlib.import_module("torch_fidelity")
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision of another build of torch
        extra = " torchmetrics" if package == "torchmetrics" else ""
        raise ImportError(
            f"Inception features need {package} ({error}); install it: pip install torch-fidelity{extra}"
        ) from error
    path = None if weights is None else os.fspath(weights)
    if path is not None:
        _check_file(path)
    try:
        with torch.random.fork_rng(devices=[]):  # layers draw weights, which are replaced
            network: nn.Module = kind("inception-v3-compat", ["2048"], path)
    except (OSError, RuntimeError) as error:
        if path is not None:
            raise ImageStoreError(
                f"weights={path!r} holds the weights of another network ({error}); pass those that "
                f"torch-fidelity downloads."
            ) from error
        raise ImageStoreError(
            f"the weights of Inception are not in torch.hub's cache and cannot be downloaded ({error}); call "
            f"inception({package!r}) once where there is a network, or pass weights=, the path of their file."
        ) from error
    return network


def _check_file(path: str) -> None:
    """Refuse what holds more than weights, before the packages read it: they would run the code in it."""
    if not os.path.isfile(path):
        raise ImageStoreError(
            f"weights={path!r} is not a file; pass the file of the weights, or None to download it."
        )
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise ImageStoreError(
            f"weights={path!r} is not a file of weights alone, or is damaged ({type(error).__name__}); "
            f"download it again."
        ) from error
    if not isinstance(held, dict):
        raise ImageStoreError(
            f"weights={path!r} holds a {type(held).__name__}, not weights by name; pass a file of weights."
        )


_EPOCHS, _LEAST = 5, 25_000


@dataclass(frozen=True, eq=False)
class Features:
    """A function of images, and a name that identifies it.

    Your own features are ``Features("name", function)``.

    Attributes
    ----------
    name : str
        Name of the network and its weights; stored results are found by it.
    function : callable
        Function from uint8 pixels (n, height, width, channels) to numbers (n, d).
    """

    name: str
    function: Callable[[Pixels], Any]

    @cached_property
    def content(self) -> str:
        """A digest of the function: its code, and all that it refers to, such as the weights of a network.

        Raises
        ------
        ValueError
            If it has none, because the function refers to what has no content, such as an open file.
        """
        return content(f"features={self.name!r}", self.function)

    def __call__(self, pixels: Any) -> NDArray[Any]:
        """Return features (n, d) of images (n, height, width, channels), uint8.

        Raises
        ------
        ValueError
            If these are not such images, or the function does not return finite numbers of shape (n, d).
        """
        pixels = check_pixels("pixels", pixels)
        with own_torch(threads=None), torch.inference_mode(), exact():
            values = np.asarray(self.function(pixels))
        if values.ndim != 2 or len(values) != len(pixels) or not values.shape[1]:
            raise ValueError(
                f"features={self.name!r} gives shape {values.shape} for {len(pixels)} images; expected "
                f"({len(pixels)}, d): one row for each image."
            )
        if not np.issubdtype(values.dtype, np.floating) or not np.isfinite(values).all():
            raise ValueError(
                f"features={self.name!r} gives values that are not finite numbers (type {values.dtype}); "
                f"check its weights."
            )
        return values if values.dtype == np.float32 else values.astype(np.float64, copy=False)


def of_module(
    module: Callable[[Tensor], Any], name: str | None = None, *, device: str | None = None
) -> Features:
    """Return features of any torch module, or of a function of a tensor.

    Parameters
    ----------
    module : nn.Module or callable
        Function from float32 (n, channels, height, width), 0 to 1, to (n, d), or to (n, ...), flattened. A
        module is copied and put into evaluation mode: later changes of it have no effect.
    name : str, optional
        Name of the features. A checksum of a module's layers and weights is added to it; the name of
        a function has to identify all that it depends on.
    device : str, optional
        Device of the computation. Default: the accelerator, if there is one.
    """
    place = choose_device(device)
    if isinstance(module, nn.Module):
        network = copy.deepcopy(module).eval().to(place)
        label = f"{name or type(module).__name__}-{checksum(module)}"
    elif name is None:
        raise ValueError("name=None: a function needs a name, which identifies all that it depends on.")
    else:
        network, label = module, name  # type: ignore[assignment]

    def values(pixels: Pixels) -> NDArray[Any]:
        scaled = torch.from_numpy(np.ascontiguousarray(pixels)).to(place).permute(0, 3, 1, 2).float() / 255
        return rows_of(network(scaled))

    return Features(label, values)


def lenet(classifier: Classifier) -> Features:
    """Return features of a fitted classifier of grey square images: its layer of 84 units.

    As LeNet's of MNIST (LeCun et al. 1998, doi 10.1109/5.726791), which stand for those of Inception in the
    MNIST experiments of Alemohammad et al. (arXiv 2307.01850). For scikit-learn's digits pass
    ``networks.digits_classifier()``; `lenet_of` trains one on other images.
    """
    if classifier.weights is None:
        raise ValueError("this Classifier is not fitted; call fit(points, labels, rng=rng), or use lenet_of.")

    def values(pixels: Pixels) -> NDArray[Any]:
        return classifier.features(_grey_rows(pixels))

    return Features(f"lenet-{short(fingerprint(classifier.weights))}", values)


def lenet_of(
    images: Images, *, training: Training | None = None, seed: int = 0, device: str | None = None
) -> Features:
    """Return features of a LeNet that is trained on real grey images, and kept in the cache.

    Parameters
    ----------
    images : Images
        Labelled, grey and square images, for instance
        ``datasets.idx("data/mnist", labels=True).images``. They are read at once.
    training : Training, optional
        Default: each image is seen 5 times, and at least 25,000 in all.
    seed : int
        Seed of the training.
    device : str, optional
        Default: the accelerator, if there is one.

    Notes
    -----
    Networks of other seeds, and of other devices, are other features.
    """
    labels = images.labels
    if labels is None:
        raise ValueError("images has no labels; open the data set with labels=True.")
    if training is None:
        seen = max(_LEAST, _EPOCHS * len(images))
        training = Training(images=seen, batch=64, learning_rate=3e-3)
    classifier = Classifier(classes=int(labels.max()) + 1, training=training, device=device)
    return lenet(cached_fit(classifier, _grey_rows(np.asarray(images)), labels, seed=seed))


def inception(package: str = "torch-fidelity", weights: Any = None, *, device: str | None = None) -> Features:
    """Return the 2048 features of Inception-v3 for the FID, by the network of another package.

    Parameters
    ----------
    package : {"torch-fidelity", "torchmetrics"}
        Package of the network. Both have the weights of the first FID code (Heusel et al. 2017, arXiv
        1706.08500) and resize to 299 x 299: torch-fidelity as that code did, torchmetrics with antialiasing,
        so that their numbers differ.
    weights : path, optional
        The file of the weights. ``None``: torch-fidelity downloads it once and keeps it.
    device : str, optional
        Device of the computation. Default: the accelerator, if there is one.

    Raises
    ------
    ImportError
        If the package is not installed.
    ImageStoreError
        If the weights are not there and cannot be downloaded, or the file holds something else.

    Notes
    -----
    Grey images are given to it as colours, three times the same channel.
    """
    place = choose_device(device)
    network = inception_network(package, weights).eval().to(place)

    def values(pixels: Pixels) -> NDArray[Any]:
        if pixels.shape[-1] not in (1, 3):
            raise ValueError(
                f"pixels has {pixels.shape[-1]} channels; Inception takes 1 (grey) or 3 (colour)."
            )
        colours = np.broadcast_to(pixels, (*pixels.shape[:-1], 3))
        given = torch.from_numpy(np.ascontiguousarray(colours.transpose(0, 3, 1, 2))).to(place)
        found = network(given)
        return rows_of(found[0] if isinstance(found, tuple) else found)

    return Features(f"inception-{package}-{checksum(network)}", values)


def random_convolutions(
    seed: int = 0, dim: int = 64, *, channels: int = 3, device: str | None = None
) -> Features:
    """Return features of a convolutional network with random weights.

    They need no download and favour no data set, as the random embedding of Naeem et al. 2020 (arXiv
    2002.09797), of 64 features too. Compare them only with each other: they are not FIDs.

    Parameters
    ----------
    seed : int
        Seed of the weights.
    dim : int
        Number of features.
    channels : int
        Channels of the images, which have at least 4 x 4 pixels.
    device : str, optional
        Device of the computation. Default: the accelerator, if there is one.
    """
    channels, dim = check_size("channels", channels), check_size("dim", dim)
    seed = check_seed(seed, "seed", maximum=2**64 - 1)
    network = random_network(seed, dim, channels)
    convolved = of_module(network, f"random-convolutions-{seed}", device=device)

    def values(pixels: Pixels) -> NDArray[Any]:
        if pixels.shape[-1] != channels:
            raise ValueError(
                f"images have {pixels.shape[-1]} channels, and these features take channels={channels}; pass "
                f"random_convolutions(channels={pixels.shape[-1]})."
            )
        return convolved(pixels)

    return Features(convolved.name, values)


def _grey_rows(pixels: Pixels) -> NDArray[np.float64]:
    n, height, width, channels = pixels.shape
    if channels != 1 or height != width:
        raise ValueError(
            f"images have shape {pixels.shape[1:]}; LeNet takes square grey ones, (s, s, 1). For colours use "
            f"inception() or random_convolutions()."
        )
    return pixels.reshape(n, -1) / 255.0
