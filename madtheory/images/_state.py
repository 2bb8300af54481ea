"""What a training step changes, and how it is kept in a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from madtheory.images._shards import ImageStoreError
from madtheory.images._store import Checkpoint

__all__ = ["Arrays", "State", "load_weights", "weights_of"]

Arrays = Mapping[str, NDArray[Any]]

_MOMENTS = ("exp_avg", "exp_avg_sq")


def weights_of(module: nn.Module) -> dict[str, NDArray[Any]]:
    """The weights of a module, by name."""
    return {name: _array(parameter) for name, parameter in module.named_parameters()}


def load_weights(module: nn.Module, weights: Arrays) -> None:
    """Give a module these weights; names that begin with ``_`` are not its own.

    Raises
    ------
    ValueError
        If they are those of another network.
    """
    named = dict(module.named_parameters())
    given = {name: weights[name] for name in weights if not name.startswith("_")}
    _check_same(named, given)
    with torch.no_grad():
        for name, array in given.items():
            named[name].copy_(torch.from_numpy(array))


class State:
    """Weights, their average, and the moments of Adam."""

    def __init__(
        self, module: nn.Module, learning_rate: float, betas: tuple[float, float], half_life: int
    ) -> None:
        self.half_life, self.named = half_life, dict(module.named_parameters())
        self.parameters = list[Tensor](self.named.values())
        self.optimiser = torch.optim.Adam(self.parameters, lr=learning_rate, betas=betas, fused=True)
        self.averages = [p.detach().clone() for p in self.parameters] if half_life else []

    def average(self, seen: int, batch: int) -> None:
        """Move the average towards the weights, after a step of `batch` images."""
        if self.averages:
            half_life = max(min(self.half_life, seen / 20), 1e-9)
            with torch.no_grad():
                torch._foreach_lerp_(self.averages, self.parameters, 1 - 0.5 ** (batch / half_life))

    def finish(self, step: int) -> None:
        """Put the average in the place of the weights."""
        self._check_finite(step)
        with torch.no_grad():
            for parameter, average in zip(self.parameters, self.averages, strict=False):
                parameter.copy_(average)

    def write(self, checkpoint: Checkpoint, step: int, scaler: Any) -> None:
        """Write the state after so many steps; `scaler` is that of half precision, or ``None``."""
        self._check_finite(step)
        moments = self.optimiser.state
        tensors = {"weights": self.parameters, "average": self.averages}
        if moments:
            tensors |= {name: [moments[p][name] for p in self.parameters] for name in _MOMENTS}
        about = {
            "step": step,
            "adam_step": int(moments[self.parameters[0]]["step"]) if moments else 0,
            "scaler": None if scaler is None else scaler.state_dict(),
        }
        checkpoint.write({
            f"{kind}/{name}": _array(tensor)
            for kind, group in tensors.items()
            for name, tensor in zip(self.named, group, strict=False)
        }, about)  # fmt: skip

    def read(self, checkpoint: Checkpoint | None, scaler: Any) -> int:
        """Go back to the last checkpoint, if there is one; return the number of steps that were made."""
        found = None if checkpoint is None else checkpoint.read()
        if checkpoint is None or found is None:
            return 0
        header, tensors = found
        groups: dict[str, dict[str, NDArray[Any]]] = {}
        for name, array in tensors.items():
            kind, _, own = name.partition("/")
            groups.setdefault(kind, {})[own] = array
        try:
            for group in groups.values():
                _check_same(self.named, group)
        except ValueError as error:
            raise ImageStoreError(
                f"{str(checkpoint.paths[0])!r} is the checkpoint of another network ({error}) Remove it to "
                f"train from the start."
            ) from error
        with torch.no_grad():
            for kind, targets in (("weights", self.parameters), ("average", self.averages)):
                for name, target in zip(self.named, targets, strict=False):
                    target.copy_(torch.from_numpy(groups[kind][name]))
        if header["adam_step"]:
            made = float(header["adam_step"])
            # In the layout of the weights: Adam walks through the memory of all in step.
            known = {
                i: {"step": torch.tensor(made)}
                | {kind: torch.empty_like(p).copy_(torch.from_numpy(groups[kind][name])) for kind in _MOMENTS}
                for i, (name, p) in enumerate(self.named.items())
            }
            described = self.optimiser.state_dict()
            self.optimiser.load_state_dict({"state": known, "param_groups": described["param_groups"]})
        if scaler is not None:
            scaler.load_state_dict(header["scaler"])
        return int(header["step"])

    def _check_finite(self, step: int) -> None:
        if not all(bool(torch.isfinite(p).all()) for p in self.parameters):
            raise ValueError(
                f"the weights are not finite after {step} steps; lower learning_rate, raise warm_up_images, "
                f"or limit the gradient by clip_norm=1.0."
            )


def _array(tensor: Tensor) -> NDArray[Any]:
    return np.array(tensor.detach().cpu().contiguous().numpy())


def _check_same(named: Mapping[str, Tensor], given: Arrays) -> None:
    """Refuse weights of another network."""
    for name in (*named, *given):
        mine = tuple(named[name].shape) if name in named else "no such layer"
        theirs = tuple(given[name].shape) if name in given else "no such layer"
        if mine != theirs:
            raise ValueError(
                f"the weights are those of another network: {name} is {theirs} there and {mine} in this "
                f"configuration of unet and classes."
            )
