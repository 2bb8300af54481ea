"""How an image diffusion is trained: what step k draws is a function of the seed and of k alone."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from madtheory.images.data import Images, ImageStoreError
from madtheory.images.device import ahead, algorithms, send
from madtheory.images.journal import Journal, check_tracker
from madtheory.images.store import Checkpoint, StoredWeights
from madtheory.images.unet import ImageDenoiser
from madtheory.networks import Budget, Optimised, Process
from madtheory.types import Count
from madtheory.validation import check_number, check_path, check_size

Arrays = Mapping[str, NDArray[Any]]

_MOMENTS = ("exp_avg", "exp_avg_sq")


def weights_of(module: nn.Module) -> dict[str, NDArray[Any]]:
    """Return the weights of a module, by name."""
    return {name: _array(parameter) for name, parameter in module.named_parameters()}


def load_weights(module: nn.Module, weights: Arrays) -> None:
    """Give a module these weights; names that begin with ``_`` are not its own.

    Raises
    ------
    ValueError
        If they are those of another network.
    """
    named = dict(module.named_parameters())
    held = weights.read() if isinstance(weights, StoredWeights) else weights
    given = {name: held[name] for name in held if not name.startswith("_")}
    _check_same(named, given)
    with torch.no_grad():
        for name, array in given.items():
            named[name].copy_(torch.from_numpy(array))


class State(Optimised):
    """Weights, their average, and the moments of Adam, which a checkpoint keeps."""

    def write(self, checkpoint: Checkpoint, step: int, scaler: Any) -> None:
        """Write the state after so many steps; `scaler` is that of half precision, or ``None``."""
        self.check_finite(step)
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
        """Restore the last checkpoint, if there is one; return the number of steps that were made."""
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

    def check_finite(self, step: int) -> None:
        """Refuse weights that have diverged."""
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


@dataclass(frozen=True, kw_only=True)
class ImageTraining(Budget):
    """A training budget: it counts images SEEN, not epochs, so that steps = images / batch.

    Attributes
    ----------
    images : int
        Images seen by a fit from random weights, with repetition.
    batch : int
        Images per step, over all processes. Smaller training sets are repeated within a batch.
    learning_rate : float
        Learning rate of Adam, after the warm-up.
    warm_up_images : int
        Images over which the learning rate rises from 0, also when the training of a fitted model continues.
    decay : {"constant", "linear", "cosine"}
        Decay of the learning rate, to 0 at the end of the budget.
    betas : (float, float)
        Coefficients of Adam's moments.
    clip_norm : float, optional
        Largest norm of the gradient; ``None`` sets no limit.
    ema_images : int
        Half-life of the exponential average of the weights, in images seen; 0 turns the average off. At
        the beginning it is at most a twentieth of the images seen (Karras et al. 2022, arXiv 2206.00364,
        Appendix F.2).
    augment : {"none", "flips"}
        ``"flips"``: every second image, at random, is mirrored left to right.
    precision : {"no", "bf16", "fp16"}
        Mixed precision, of training and sampling. The weights themselves are kept in single precision.
    accumulate : int
        Parts that a step is computed in, to save memory: one after another, or by several processes. In two
        parts, two processes compute the bits that one computes.
    compile : bool
        Compile the network (``torch.compile``), which is faster on accelerators, where the first steps then
        take a minute. Not useful on a CPU.
    channels_last : bool, optional
        Store images by pixel. Default: on accelerators, where it is faster, unless `exact`.
    exact : bool
        On an accelerator, take algorithms with the same bits in every run, in full single precision: a fit
        that was killed and resumed then ends in the same bits. Otherwise the fastest algorithms are taken
        (TF32, chosen by trial). A CPU is always exact.
    checkpoint_every_images, checkpoint_every_seconds : int, float
        A checkpoint is written as soon as either has passed. No effect on the weights, nor has the store.
    log_every_seconds : float
        Time between two lines of the logger ``"madtheory"``, with loss, images per second and time left; one
        more follows at the end. No effect on the weights, as the next two.
    log : path, optional
        Folder of ``train.jsonl``, which gets the same lines, and of the tracker's files. Default: no file;
        a run takes its own folder.
    tracker : {"tensorboard", "wandb", "mlflow"}, optional
        Tracker of accelerate that gets the numbers too.
    warm_images, warm_learning_rate : int, float, optional
        Budget and learning rate of a fit that starts from fitted weights (``Loop(warm_start=True)``, the
        auxiliary of SIMS and Neon). Default: as above.
    """

    images: Count = 5_000_000
    batch: Count = 256
    learning_rate: float = 2e-4
    warm_up_images: int = 0
    decay: Literal["constant", "linear", "cosine"] = "constant"
    clip_norm: float | None = None
    ema_images: int = 500_000
    augment: Literal["none", "flips"] = "none"
    precision: Literal["no", "bf16", "fp16"] = "no"
    accumulate: Count = 1
    compile: bool = False
    channels_last: bool | None = None
    exact: bool = False
    checkpoint_every_images: Count = 1_000_000
    checkpoint_every_seconds: float = 600.0
    log_every_seconds: float = 30.0
    log: str | Path | None = None
    tracker: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_size("warm_up_images", self.warm_up_images, 0)
        if self.clip_norm is not None:
            check_number("clip_norm", self.clip_norm, 0, above=True)
        for name in ("checkpoint_every_seconds", "log_every_seconds"):
            check_number(name, getattr(self, name), 0, infinite=True)
        if self.log is not None:
            check_path("log", self.log)
        check_tracker(self.tracker)

    def by_pixel(self, device: torch.device) -> bool:
        """Return whether images are stored by pixel on this device."""
        if self.channels_last is None:
            return device.type == "cuda" and not self.exact
        return self.channels_last

    def rate(self, seen: int, images: int) -> float:
        """Return the share of the learning rate after `seen` of a budget of `images`."""
        rise = min(seen / self.warm_up_images, 1.0) if self.warm_up_images else 1.0
        left = {"constant": 1.0, "linear": 1 - seen / images}
        return rise * left.get(self.decay, 0.5 * (1 + math.cos(math.pi * seen / images)))


def _seed(*address: Any) -> int:
    """Return a seed for this address, independent of those for others."""
    return int.from_bytes(hashlib.sha256(repr(address).encode()).digest()[:8], "little") >> 1


def order(n: int, seed: int) -> Callable[[int, int], NDArray[np.int64]]:
    """Return images first, ..., first + count - 1 of one random order of all n after another."""
    known: dict[int, NDArray[np.int64]] = {}

    def permutation(epoch: int) -> NDArray[np.int64]:
        if epoch not in known:
            # A batch may cross into the next order, and many of them if there are few images.
            for old in [past for past in known if past < epoch - 1]:
                del known[old]
            known[epoch] = np.random.default_rng(_seed(seed, "order", epoch)).permutation(n)
        return known[epoch]

    def places(first: int, count: int) -> NDArray[np.int64]:
        epochs = range(first // n, (first + count - 1) // n + 1)
        rows = np.concatenate([permutation(epoch) for epoch in epochs])
        return rows[first - epochs[0] * n :][:count]

    return places


def _shares(batch: int, accumulate: int, accelerator: Any) -> list[tuple[int, slice]]:
    """Return the parts of a step that this process computes: equally many for each process."""
    workers = accelerator.num_processes
    parts = workers * math.ceil(accumulate / workers)
    if batch < parts:
        raise ValueError(
            f"batch={batch} is less than one image for each of {parts} parts of a step "
            f"(accumulate={accumulate}, processes: {workers}); raise batch."
        )
    pieces = [slice(part[0], part[-1] + 1) for part in np.array_split(np.arange(batch), parts)]
    mine = np.array_split(np.arange(parts), workers)[accelerator.process_index]
    return [(i, pieces[i]) for i in mine.tolist()]


@dataclass(frozen=True, kw_only=True)
class Fit:
    """One training run: everything that the weights are a function of, apart from the initial ones."""

    training: ImageTraining
    process: Process
    images: int
    learning_rate: float
    seed: int
    classes: int | None
    unlabelled: float
    dropout: bool

    @property
    def steps(self) -> int:
        """Number of steps."""
        return math.ceil(self.images / self.training.batch)

    def run(
        self, module: ImageDenoiser, data: Images, accelerator: Any, checkpoint: Checkpoint | None
    ) -> None:
        """Train `module`, from its checkpoint on if there is one; in the end it has the averaged weights."""
        from tqdm import tqdm

        training = self.training
        shares = _shares(training.batch, training.accumulate, accelerator)
        mine = slice(shares[0][1].start, shares[-1][1].stop)
        with ExitStack() as stack:
            device = accelerator.device
            on = [device] if device.type == "cuda" else []
            stack.enter_context(torch.random.fork_rng(on, enabled=self.dropout))
            stack.enter_context(algorithms(device, exact=training.exact))
            places = order(len(data), self.seed)

            def read(step: int) -> tuple[int, NDArray[np.int64], NDArray[np.uint8]]:
                rows = places(step * training.batch, training.batch)[mine]
                return step, rows, data.batch(rows)

            module.train().place(device, channels_last=training.by_pixel(device), compiled=training.compile)
            state = State(module, self.learning_rate, training.betas, training.ema_images)
            first = state.read(checkpoint, accelerator.scaler)
            # A process writes a checkpoint only after all processes have read the last one.
            accelerator.wait_for_everyone()
            denoiser, optimiser = accelerator.prepare(module, state.optimiser)
            written, seconds = first, time.monotonic()
            name = "in memory" if checkpoint is None else checkpoint.key[:8]
            journal = Journal(name, self.steps * training.batch, training.log_every_seconds, training.log,
                              accelerator, training.tracker is not None)  # fmt: skip
            stack.callback(journal.close)
            steps, quiet = (
                ahead(read, range(first, self.steps)),
                None if accelerator.is_main_process else True,
            )
            bar = tqdm(steps, initial=first, total=self.steps, desc="U-Net", delay=5.0, leave=False,
                       disable=quiet)  # fmt: skip
            for step, rows, pixels in bar:
                seen = step * training.batch
                rate = self.learning_rate * training.rate(seen, self.images)
                for group in optimiser.param_groups:
                    group["lr"] = rate
                labels = None if data.labels is None else data.labels[rows]
                loss = self._step(step, shares, pixels, labels, denoiser, module, optimiser, accelerator)
                journal.add(loss, training.batch, rate, step)
                state.average(seen + training.batch, training.batch)
                due = (step + 1 - written) * training.batch >= training.checkpoint_every_images
                due = due or time.monotonic() - seconds >= training.checkpoint_every_seconds
                if checkpoint is not None and due and accelerator.is_main_process:
                    state.write(checkpoint, step + 1, accelerator.scaler)
                    written, seconds = step + 1, time.monotonic()
            state.check_finite(self.steps)
            state.finish()

    def _step(
        self,
        step: int,
        shares: Sequence[tuple[int, slice]],
        pixels: NDArray[np.uint8],
        labels: NDArray[np.int64] | None,
        denoiser: Any,
        module: ImageDenoiser,
        optimiser: Any,
        accelerator: Any,
    ) -> Tensor:
        """Take one step of Adam, and return the mean loss of the images of this process.

        Every process draws the noise of all images, for the pixels of its part.
        """
        training, device, n = self.training, accelerator.device, self.training.batch
        small = torch.Generator().manual_seed(_seed(self.seed, "level", step))
        large = torch.Generator(device).manual_seed(_seed(self.seed, "noise", step))
        _, height, width, channels = pixels.shape
        noise = torch.randn((n, channels, height, width), generator=large, device=device)
        sigma = self.process.draw(n, small)[:, :, None, None]
        mirrored = torch.rand(n, 1, 1, 1, generator=small) < 0.5
        unlabelled = torch.rand(n, generator=small) < self.unlabelled
        optimiser.zero_grad(set_to_none=True)
        total = torch.zeros((), device=device)
        for i, part in shares:
            own = slice(part.start - shares[0][1].start, part.stop - shares[0][1].start)
            x = send(pixels[own], device)
            x = (x.permute(0, 3, 1, 2).float() / 127.5 - 1).contiguous()
            if training.augment == "flips":
                x = torch.where(send(mirrored[part], device), x.flip(3), x)
            if training.by_pixel(device):
                x = x.contiguous(memory_format=torch.channels_last)
            known = None
            if self.classes is not None and labels is not None:
                classes = torch.from_numpy(labels[own].astype(np.int64))
                known = send(classes.masked_fill(unlabelled[part], self.classes), device)
            level, last = send(sigma[part], device), i == shares[-1][0]
            if self.dropout:
                number = _seed(self.seed, "dropout", step, i)
                torch.default_generator.manual_seed(number)
                if device.type == "cuda":
                    torch.cuda.manual_seed(number)
            with nullcontext() if last else accelerator.no_sync(denoiser):
                denoised = denoiser(x + level * noise[part], level, known)
                # The processes' gradients are averaged: in all, this is the mean over the batch.
                loss = module.loss(denoised, x, level).sum() * (accelerator.num_processes / n)
                total += loss.detach()
                accelerator.backward(loss)
        if training.clip_norm is not None:
            accelerator.clip_grad_norm_(module.parameters(), training.clip_norm)
        optimiser.step()
        return total
