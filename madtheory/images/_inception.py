"""The Inception network of torch-fidelity or of torchmetrics, with its weights."""

from __future__ import annotations

import importlib
import os
import pickle
from typing import Any

import torch
from torch import nn

from madtheory._validation import check_choice
from madtheory.images._shard import ImageStoreError
from madtheory.networks._context import own_torch

__all__ = ["inception_network"]

_WHERE = {
    "torch-fidelity": ("torch_fidelity.feature_extractor_inceptionv3", "FeatureExtractorInceptionV3"),
    "torchmetrics": ("torchmetrics.image.fid", "NoTrainInceptionV3"),
}


@own_torch()
def inception_network(package: str, weights: Any) -> nn.Module:
    """The network of a package, from uint8 (n, 3, height, width) to the 2048 features of the last pooling."""
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
            f"weights={path!r} holds a {type(held).__name__}, no weights by name; pass a file of weights."
        )
