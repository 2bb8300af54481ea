"""Networks on disk: one safetensors file, with the configuration as JSON in its header."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madtheory.files import StorageError, as_json, check_folder, digest_of, write_atomically
from madtheory.validation import check_path, show

_KEY, _FORMAT = "madtheory_network", 1
_WEIGHTS, _DEVICE = "weights", "device"


class NetworkFileError(StorageError):
    """A file of a network that is damaged, or that is something else."""


def _storable_types() -> dict[str, type]:
    """Return the types that a file can hold, by name."""
    from madtheory.networks import (
        classifier,
        diffusion,
        flow,
        trained,
        training as _training,
        vae,
        wgan_gp,
    )
    from madtheory.networks.diffusion import processes as _processes, samplers as _samplers

    kinds: list[type] = [flow.Flow, vae.VAE, wgan_gp.WGANGP, diffusion.Diffusion, classifier.Classifier]
    kinds += [trained.Guided, _training.Training, _processes.EDM, _processes.DDPM, _processes.FlowMatching]
    kinds += [_samplers.Heun, _samplers.DDIM, _samplers.DPMSolver]
    return {kind.__name__: kind for kind in kinds}


def save(model: Any, path: str | os.PathLike[str]) -> Path:
    """Write a network, fitted or not, a guided one or a classifier, as a safetensors file.

    The file appears complete or not at all. It holds configuration and weights, but not the device. It may
    replace the file of a network, and no other file.

    Raises
    ------
    TypeError
        If the model is not of this package, for instance a subclass.
    NetworkFileError
        If the file cannot be written, for instance because the folder does not exist or the disk is full, or
        if there is a file that is not a network.
    """
    from safetensors.numpy import save as serialised

    path, tensors = check_path("path", path), dict[str, NDArray[Any]]()
    described = _encode(model, "", tensors, _storable_types())
    header = {"format": _FORMAT, "model": described, "sha256": _checksum(tensors)}
    header["described"] = _description(header, tensors)
    content = serialised(tensors, {_KEY: json.dumps(header)})
    check_folder(path, NetworkFileError)
    if path.is_file() and not _holds_a_network(path):
        raise NetworkFileError(
            f"path={str(path)!r} exists and is not a network of madtheory, or a damaged one; choose another "
            f"name, or remove the file."
        )
    return write_atomically(path, content, kind=NetworkFileError)


def load(path: str | os.PathLike[str]) -> Any:
    """Read a network written by `save`. It runs no code of the file, which is not a pickle.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    NetworkFileError
        If the file is damaged, was not written by madtheory, or by a version with other networks.
    """
    from safetensors import SafetensorError, safe_open

    path = check_path("path", path)
    if not path.is_file():
        raise FileNotFoundError(f"path={str(path)!r} is not a file; save a network there first.")
    try:
        with safe_open(path, framework="numpy") as file:
            header = (file.metadata() or {}).get(_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()} if header else {}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise NetworkFileError(
            f"path={str(path)!r} is not a readable safetensors file ({error}); it is damaged or something "
            f"else. Train and save the network again, or restore the file from a copy."
        ) from error
    if header is None:
        raise NetworkFileError(
            f"path={str(path)!r} was not written by madtheory (its header has no {_KEY!r}); read it with "
            f"safetensors."
        )
    try:
        content = json.loads(header)
        if content["format"] != _FORMAT:
            raise NetworkFileError(
                f"path={str(path)!r} has format {content['format']!r} and this version of madtheory reads "
                f"format {_FORMAT}; update madtheory."
            )
        if content["sha256"] != _checksum(tensors):
            raise NetworkFileError(
                f"path={str(path)!r} is damaged: its weights do not have their checksum. Train and save the "
                f"network again, or restore the file from a copy."
            )
        model = _decode(content["model"], "", tensors, _storable_types())
        # Files of earlier versions have no checksum of their description.
        if content.keys() != {"format", "model", "sha256"} and content["described"] != _description(
            {name: content[name] for name in ("format", "model", "sha256")}, tensors
        ):
            raise NetworkFileError(
                f"path={str(path)!r} is damaged: its configuration does not have its checksum. Train and "
                f"save the network again, or restore the file from a copy."
            )
        return model
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        raise NetworkFileError(
            f"path={str(path)!r} holds no network that this version of madtheory knows ({error}); use the "
            f"version that wrote it."
        ) from error


def _holds_a_network(path: Path) -> bool:
    """Return whether a file was written by `save`, by its header."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return _KEY in (file.metadata() or {})
    except (SafetensorError, OSError, ValueError):
        return False


def _encode(value: Any, prefix: str, tensors: dict[str, NDArray[Any]], known: dict[str, type]) -> Any:
    """Return the JSON of a value; its weights are added to `tensors`."""

    def instead(held: Any) -> Any:
        if not is_dataclass(held) or known.get(type(held).__name__) is not type(held):
            raise TypeError(
                f"{prefix.rstrip('/') or 'model'}={show(held)} cannot be stored; pass a network of "
                f"madtheory.networks."
            )
        described = {
            field.name: _encode(getattr(held, field.name), f"{prefix}{field.name}/", tensors, known)
            for field in fields(held)
            if field.init and field.name not in (_WEIGHTS, _DEVICE)
        }
        weights = getattr(held, _WEIGHTS, None)
        if weights is not None:
            tensors.update({f"{prefix}{_WEIGHTS}/{name}": np.array(a) for name, a in weights.items()})
        return {"class": type(held).__name__, "fitted": weights is not None, "fields": described}

    return as_json(value, instead)


def _decode(value: Any, prefix: str, tensors: dict[str, NDArray[Any]], known: dict[str, type]) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item, prefix, tensors, known) for item in value)
    if not isinstance(value, dict):
        return value
    if value["class"] not in known:
        raise KeyError(f"class {value['class']!r} is not one of {', '.join(sorted(known))}")
    held = {name: _decode(item, f"{prefix}{name}/", tensors, known) for name, item in value["fields"].items()}
    if value["fitted"]:
        start = f"{prefix}{_WEIGHTS}/"
        held[_WEIGHTS] = {k[len(start) :]: v for k, v in tensors.items() if k.startswith(start)}
    model = known[value["class"]](**held)
    if value["fitted"] and held[_WEIGHTS]["_shift"].ndim:
        model._restore(len(held[_WEIGHTS]["_shift"]))  # Raises where weights are not those of the network.
    return model


def _description(header: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> str:
    """Return the checksum of the configuration, and of names, types and shapes of the weights."""
    shapes = [[name, str(tensors[name].dtype), list(tensors[name].shape)] for name in sorted(tensors)]
    return digest_of([header, shapes])


def _checksum(tensors: dict[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()
