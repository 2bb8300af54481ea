"""What images and weights are made by is known by its content: functions, and classes of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch

from madtheory._identity import NoIdentity, identify, identify_each
from madtheory.images._images import Images
from madtheory.images._store import StoredWeights

__all__ = ["WHERE", "content", "contents", "described", "is_ours"]

WHERE = frozenset({"device", "path", "store", "checkpoint_every_images", "checkpoint_every_seconds"})
"""Where something is done or lies, and what is kept meanwhile: no part of what is computed."""

_PACKAGE = __name__.partition(".")[0]


def content(name: str, value: Any) -> str:
    """A digest of what a value is: of images and weights by their checksums, of all else with its code.

    Raises
    ------
    ValueError
        If it has no such digest, as a running generator has none; it says what `name` is.
    """
    try:
        return identify(value, _instead).digest[:32]
    except NoIdentity as error:
        raise ValueError(
            f"{name}: {error}. A result that is kept in a folder is found by the content of what made it."
        ) from None


def contents(values: Mapping[str, Any]) -> dict[str, str]:
    """The `content` of each of several values, by name; code they share is read once.

    Raises
    ------
    ValueError
        If one of them has none.
    """
    try:
        return {name: found.digest[:32] for name, found in identify_each(values, _instead).items()}
    except NoIdentity:  # the message is that of the one by itself
        return {name: content(name, value) for name, value in values.items()}


def described(value: Any) -> Any:
    """What JSON can hold of a configuration: of a dataclass its class and its fields.

    Classes of this package are known by name; others by their content, as their code may be another one when
    the result is looked up.
    """
    if isinstance(value, (tuple, list)):
        return [described(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    kind = type(value)
    if not is_ours(kind):
        return {"class": kind.__name__, "content": content(kind.__name__, value)}
    return {"class": kind.__name__, **{f.name: described(getattr(value, f.name)) for f in fields(value)}}


def _instead(value: Any) -> Any:
    """What stands for a value in its content."""
    if isinstance(value, Images):
        return "images", value.fingerprint()
    if isinstance(value, StoredWeights):
        return "weights", value.digest
    if isinstance(value, torch.device):
        return "device"
    if is_dataclass(value) and not isinstance(value, type) and is_ours(type(value)):
        held = {field.name: getattr(value, field.name) for field in fields(value)}
        if not WHERE.isdisjoint(held):
            return type(value), {name: inner for name, inner in held.items() if name not in WHERE}
    return value


def is_ours(kind: type) -> bool:
    """Whether a class is one of this package."""
    return kind.__module__.partition(".")[0] == _PACKAGE
