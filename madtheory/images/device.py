"""What training and sampling share: accelerate, repeatable algorithms, and data on the way to the device."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

_PATIENCE = timedelta(hours=12)
"""How long a process waits for the others, which may train a classifier or write to a slow disk meanwhile."""

Key = TypeVar("Key")
Item = TypeVar("Item")


@contextmanager
def open_accelerator(
    device: str | None, precision: str = "no", tracker: str | None = None, folder: Path | None = None
) -> Iterator[Any]:
    """Open an ``accelerate.Accelerator`` for this device, or for the one that accelerate chooses.

    Its settings are global, and those of the first in a process hold for all. The caller's are put aside, and
    put back at the end; those of several processes (``accelerate launch``) are common to both.
    """
    try:
        accelerate = importlib.import_module("accelerate")
    except ModuleNotFoundError as error:
        raise ImportError(
            f"madtheory.images needs accelerate ({error}); install it with: pip install accelerate"
        ) from error
    state = importlib.import_module("accelerate.state")
    kinds = [state.AcceleratorState, state.GradientState]
    launched = torch.distributed.is_initialized() or int(os.environ.get("WORLD_SIZE", "1")) > 1
    if not launched:
        kinds.append(state.PartialState)
    # Objects of these classes share one dictionary, which the caller's objects hold already.
    shared = [kind._shared_state for kind in kinds]
    before = [dict(held) for held in shared]
    try:
        for held in shared:
            held.clear()
        accelerator = accelerate.Accelerator(
            cpu=device == "cpu",
            mixed_precision=precision,
            gradient_accumulation_steps=1,
            log_with=tracker,
            project_dir=folder,
            kwargs_handlers=[accelerate.InitProcessGroupKwargs(timeout=_PATIENCE)],
        )
        if precision == "fp16" and accelerator.device.type == "cpu":
            raise ValueError("precision='fp16' needs an accelerator; pass precision='bf16' or 'no' on a CPU.")
        yield accelerator
    finally:
        for held, kept in zip(shared, before, strict=True):
            held.clear()
            held.update(kept)


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Choose algorithms with the same bits in every run, on an accelerator."""
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    fill: Any = torch.utils.deterministic
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        fill.fill_uninitialized_memory,
    )
    torch.use_deterministic_algorithms(True)
    # Memory that is written before it is read would be written twice.
    fill.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        fill.fill_uninitialized_memory = before[2]


@contextmanager
def algorithms(device: torch.device, *, exact: bool) -> Iterator[None]:
    """Choose algorithms with the same bits in every run, or the fastest of an accelerator."""
    if exact or device.type != "cuda":
        with deterministic(device):
            yield
        return
    backend: Any = torch.backends.cudnn
    # Torch 2.9 and later have one setting for each operation.
    where, name, value = (
        (backend.conv, "fp32_precision", "tf32")
        if hasattr(getattr(backend, "conv", None), "fp32_precision")
        else (backend, "allow_tf32", True)
    )
    before = backend.benchmark, getattr(where, name), torch.get_float32_matmul_precision()
    backend.benchmark = True
    setattr(where, name, value)
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        backend.benchmark = before[0]
        setattr(where, name, before[1])
        torch.set_float32_matmul_precision(before[2])


def send(values: Any, device: torch.device) -> Tensor:
    """Copy an array or a CPU tensor to `device`; to an accelerator asynchronously."""
    tensor = torch.as_tensor(values)
    # From memory that can be swapped out, a copy waits for all that the accelerator has still to do.
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def ahead(read: Callable[[Key], Item], keys: Iterable[Key]) -> Iterator[Item]:
    """Yield ``read(key)`` for each key; the next one is read while the last one is used."""
    with ThreadPoolExecutor(1) as reader:
        coming = None
        for key in keys:
            waiting, coming = coming, reader.submit(read, key)
            if waiting is not None:
                yield waiting.result()
        if coming is not None:
            yield coming.result()
