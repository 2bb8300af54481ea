"""Torch's global settings: those of the caller do not affect fits and samples, and are restored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from madtheory.validation import show


def check_device(device: Any) -> None:
    """Refuse a value that is not the name of a device; the device need not be in this machine."""
    try:
        torch.device("cpu" if device is None else device)
    except (RuntimeError, TypeError):
        raise ValueError(
            f"device={show(device)} is not a device; pass 'cpu', 'cuda', or None for the accelerator, if "
            f"there is one."
        ) from None


def choose_device(device: str | None) -> torch.device:
    """Return the device of that name; of none, the accelerator if there is one."""
    automatic = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(automatic if device is None else device)


def check_parts(process: Any, sampler: Any, device: Any) -> None:
    """Refuse values that are not a noise process, a sampler and a device."""
    for name, value, needed in (
        ("process", process, ("levels", "draw")),
        ("sampler", sampler, ("steps", "integrate")),
    ):
        if isinstance(value, type) or not all(hasattr(value, attribute) for attribute in needed):
            raise TypeError(
                f"{name}={show(value)} is not a {name}, which has {' and '.join(needed)}; pass for example "
                f"{'EDM()' if name == 'process' else 'DPMSolver(32)'}."
            )
    check_device(device)


@contextmanager
def own_torch(threads: int | None = 1) -> Iterator[None]:
    """Compute with the settings of torch in a new process, and restore the caller's, also after an error.

    They are: gradients, as outside of ``no_grad`` and ``inference_mode``; no autocast; the default dtype
    float32 and the default device CPU; full single precision; no deterministic algorithms, which code that
    needs them requests inside; and a number of CPU threads, on which the last digits of sums depend: ``None``
    is the caller's. It is a decorator too. Global random numbers are not changed: see `seed_torch`.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for kind in {"cpu", "cuda" if torch.cuda.is_available() else "cpu"}:
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device() != torch.device("cpu"):
            stack.enter_context(torch.device("cpu"))
        if (dtype := torch.get_default_dtype()) != torch.float32:
            stack.callback(torch.set_default_dtype, dtype)
            torch.set_default_dtype(torch.float32)
        if (precision := torch.get_float32_matmul_precision()) != "highest":
            stack.callback(torch.set_float32_matmul_precision, precision)
            torch.set_float32_matmul_precision("highest")
        if torch.are_deterministic_algorithms_enabled():
            warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
            stack.callback(torch.use_deterministic_algorithms, True, warn_only=warn_only)
            torch.use_deterministic_algorithms(False)
        if threads is not None and (before := torch.get_num_threads()) != threads:
            stack.callback(torch.set_num_threads, before)
            torch.set_num_threads(threads)
        yield


@contextmanager
def seed_torch(seed: int) -> Iterator[None]:
    """Seed torch's global generator of the CPU, and restore it afterwards.

    ``torch.manual_seed`` would seed the generators of accelerators too, without restoring them.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
