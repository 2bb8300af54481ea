"""What a network's weights and images depend on, and what it can be trained on and asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from madtheory._validation import check_bias, shown
from madtheory.images._content import content, described, is_ours
from madtheory.images._images import Images

__all__ = ["check_data", "check_marks", "described_fit", "described_network", "guidance_of"]

_TRAINING = ("batch", "warm_up_images", "decay", "betas", "clip_norm", "ema_images", "augment", "accumulate")


def described_network(model: Any) -> dict[str, Any]:
    """What images depend on, beside weights, sampler and seeds."""
    names = ("unet", "process", "parameterisation", "sigma_data", "classes")
    arithmetic = ("precision", "compile", "channels_last")
    derived = {} if is_ours(type(model)) else {"model": content("model", type(model))}
    return (
        derived
        | {name: described(getattr(model, name)) for name in names}
        | {name: getattr(model.training, name) for name in arithmetic}
    )


def described_fit(model: Any) -> dict[str, Any]:
    """What weights depend on, beside data, budget, learning rate and seed."""
    settings = {name: described(getattr(model.training, name)) for name in _TRAINING}
    return {**described_network(model), "dropout": model.dropout, "training": settings}


def check_data(model: Any, images: Images) -> None:
    """Refuse images that this model cannot be trained on."""
    model.unet.check_shape(images.shape[1:])
    if not len(images):
        raise ValueError("data holds no images; pass at least one.")
    if model.weights is not None and tuple(model.weights["_shape"].tolist()) != images.shape[1:]:
        raise ValueError(
            f"data has images of shape {images.shape[1:]} and this network was fitted to "
            f"{tuple(model.weights['_shape'].tolist())}; fit a new ImageDiffusion instead."
        )
    if model.classes is None and images.labelled:
        raise ValueError(
            "data has labels and classes=None: pass classes, or open the data set with labels=False."
        )
    labels = images.labels
    if model.classes is not None and (labels is None or not _are_classes(labels, model.classes)):
        found = "none" if labels is None else f"labels from {labels.min()} to {labels.max()}"
        raise ValueError(
            f"classes={model.classes} needs images with labels from 0 to {model.classes - 1}, and there are "
            f"{found}; open the data set with labels=True, or pass Images.of(pixels, labels=labels), or "
            f"change classes."
        )


def check_marks(model: Any, seeds: NDArray[np.uint64], labels: Any) -> NDArray[np.int64] | None:
    """Return the classes of the images to be made, one for each seed, or ``None``."""
    if (labels is None) != (model.classes is None):
        raise ValueError(f"labels={shown(labels)}, but classes={model.classes!r}; labels go with classes.")
    if labels is None:
        return None
    marks = np.asarray(labels, dtype=np.int64)
    if marks.shape != seeds.shape or not _are_classes(marks, model.classes):
        raise ValueError(
            f"labels are not one class, 0 to {model.classes - 1}, for each of {len(seeds)} seeds; pass for "
            f"example labels=np.zeros({len(seeds)}, dtype=int)."
        )
    return marks


def guidance_of(model: Any, bias: float | None) -> float:
    """The w of a bias of 1 / (1 + w)."""
    if bias is None or check_bias(bias) == 1:
        return 0.0
    if model.classes is None:
        raise ValueError(
            f"bias={shown(bias)}: this diffusion has no classes to be guided by; pass classes=10, say, "
            f"and images "
            f"with labels, or bias=None."
        )
    if model.dropout == 0 or bias <= 0:
        raise ValueError(
            f"bias={shown(bias)} is 1 / (1 + w) for a guidance w, and needs a network that was trained "
            f"without "
            f"classes too: pass bias > 0, and dropout=0.1 for training."
        )
    return 1 / bias - 1


def _are_classes(labels: NDArray[np.int64], classes: int) -> bool:
    return bool(((labels >= 0) & (labels < classes)).all())
