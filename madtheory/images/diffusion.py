"""The image diffusion: trained, sampled, guided and extrapolated as a value, whose bulk lies in a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from madtheory.images.data import Images
from madtheory.images.device import open_accelerator
from madtheory.images.pretrained import parts_of, to_diffusers
from madtheory.images.sampling import (
    Term,
    deal_shards,
    even_piece,
    make_in_memory,
    make_in_shards,
    sample_pixels,
)
from madtheory.images.store import Checkpoint, Store, content, describe, fingerprint, is_ours, key_of
from madtheory.images.training import Arrays, Fit, ImageTraining, load_weights, weights_of
from madtheory.images.unet import ImageDenoiser, UNet, of_one_type
from madtheory.networks import (
    EDM,
    PARAMETERISATIONS,
    DPMSolver,
    Process,
    Sampler,
    Trained,
    check_parts,
    guidance_of,
    levels_of,
    own_torch,
    seed_torch,
)
from madtheory.types import Count
from madtheory.validation import (
    check_choice,
    check_fields,
    check_generator,
    check_number,
    check_path,
    check_seeds,
    show,
)

_TRAINING = ("batch", "warm_up_images", "decay", "betas", "clip_norm", "ema_images", "augment", "accumulate")


def describe_network(model: Any) -> dict[str, Any]:
    """Describe what images depend on, apart from weights, sampler and seeds."""
    names = ("unet", "process", "parameterisation", "sigma_data", "classes")
    arithmetic = ("precision", "compile", "channels_last", "exact")
    derived = {} if is_ours(type(model)) else {"model": content("model", type(model))}
    return (
        derived
        | {name: describe(getattr(model, name)) for name in names}
        | {name: getattr(model.training, name) for name in arithmetic}
    )


def describe_fit(model: Any) -> dict[str, Any]:
    """Describe what weights depend on, apart from data, budget, learning rate and seed."""
    training = model.settled().training
    settings = {name: describe(getattr(training, name)) for name in _TRAINING}
    return {**describe_network(model), "dropout": model.dropout, "training": settings}


def check_data(model: Any, images: Images) -> None:
    """Refuse images that this model cannot be trained on."""
    model.unet.check_shape(images.shape[1:])
    if not len(images):
        raise ValueError("data is empty; pass at least one image.")
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
        raise ValueError(f"labels={show(labels)}, but classes={model.classes!r}; labels go with classes.")
    if labels is None:
        return None
    marks = np.asarray(labels, dtype=np.int64)
    if marks.shape != seeds.shape or not _are_classes(marks, model.classes):
        raise ValueError(
            f"labels are not one class, 0 to {model.classes - 1}, for each of {len(seeds)} seeds; pass for "
            f"example labels=np.zeros({len(seeds)}, dtype=int)."
        )
    return marks


def _are_classes(labels: NDArray[np.int64], classes: int) -> bool:
    return bool(((labels >= 0) & (labels < classes)).all())


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageDiffusion(Trained):
    r"""A diffusion model of images: a U-Net that learns to remove noise of every level.

    It is a value like every other model: `fit` returns a new one. Pixels are numbers from -1 to 1, and noise
    levels are in their units, as in Karras et al. 2022 (arXiv 2206.00364), whose training and levels are the
    default. ``ImageDiffusion(process=DDPM(steps=500), parameterisation="epsilon", sampler=DDIM(500, eta=1))``
    is the DDPM of Ho et al. 2020 (arXiv 2006.11239).

    Attributes
    ----------
    unet : UNet
        The network.
    process : EDM, DDPM or FlowMatching
        Noise levels of training and sampling.
    parameterisation : {"edm", "epsilon", "x0", "v_prediction", "score", "velocity"}
        What the network predicts; see `madtheory.networks.Diffusion`.
    sigma_data : float, optional
        Deviation of the data that the parameterisation assumes. Default: 0.5 for ``"edm"``, as in the paper,
        and 1 for the others, which gives DDPM and flow matching their own input.
    sampler : DPMSolver, Heun or DDIM
        Method that makes images with the denoiser. Its error accumulates in loops: see
        `madtheory.networks.variance_factor`, with variances in units of the noise levels.
    classes : int, optional
        Class-conditional: images have labels, 0 to classes - 1. ``None``: they have none.
    dropout : float
        Share of the images that are trained without their class, if there are classes. 0: no guidance.
    training : ImageTraining
        Budget, batch, learning rate, precision, checkpoints.
    device : str, optional
        Default: the one accelerate chooses; ``"cpu"`` does not use accelerators.
    batch : int
        Images sampled at once. No effect on the images, beyond rounding.
    store : path, optional
        Folder of checkpoints, weights and synthetic sets. A fit or a sample that is in it is read, one that
        was interrupted continues where it was; nothing is held in memory. ``None``: all is held in memory.
    weights : mapping of arrays, optional
        By name. ``None``: not fitted.

    Notes
    -----
    `bias` is classifier-free guidance, for class-conditional models alone (Ho and Salimans 2022,
    arXiv 2207.12598): bias = 1 / (1 + w), and :math:`D_w = (1 + w) D(x, c) - w D(x)` at every noise level.

    Every image has a seed. Image i is a function of seed i, label i and the weights, independent of the
    number of processes (``accelerate launch``), which share each batch of a training step, and the batches of
    a sample. On one process a fit that was killed and resumed ends in the same bits, on a CPU, or on an
    accelerator with ``training=ImageTraining(exact=True)``, which is slower.
    """

    unet: UNet = field(default_factory=UNet)
    process: Process = field(default_factory=lambda: EDM(p_mean=-1.2))
    parameterisation: str = "edm"
    sigma_data: float | None = None
    sampler: Sampler = field(default_factory=DPMSolver)
    classes: Count | None = None
    dropout: float = 0.1
    training: ImageTraining = field(default_factory=ImageTraining)
    device: str | None = None
    batch: Count = 256
    store: str | Path | None = None
    weights: Arrays | None = field(default=None, repr=False)

    @classmethod
    def from_diffusers(
        cls,
        unet: Any,
        scheduler: Any,
        *,
        classes: int | None = None,
        steps: int | None = None,
        eta: float | None = None,
        shape: Sequence[int] | None = None,
        **settings: Any,
    ) -> ImageDiffusion:
        """Return the fitted model of a network and a scheduler of diffusers.

        Its samples are those of the scheduler's own steps with the same noise, up to rounding. A fit
        continues from these weights, with the loss of what the network predicts;
        ``dataclasses.replace(model, weights=None)`` is the same network, not fitted.

        Parameters
        ----------
        unet : diffusers.UNet2DModel
            Network; its images have pixels from -1 to 1.
        scheduler : diffusers scheduler
            Chain with ``alphas_cumprod``. Steps of ``DDPMScheduler`` and ``DDIMScheduler`` are taken as they
            are; for others the sampler is the default of `ImageDiffusion`.
        classes : int, optional
            Classes of a network with class embeddings. Default: as many as embeddings. One less: the last
            embedding stands for no class, for guidance.
        steps : int, optional
            Number of steps. Default: all of the chain for DDPM, 50 for DDIM.
        eta : float, optional
            Share of new noise of DDIM. Default: 0.
        shape : (int, int), optional
            Height and width of the images. Default: the network's ``sample_size``.
        **settings
            `training`, `device`, `batch`, `store`, `dropout` of an `ImageDiffusion`.

        Raises
        ------
        TypeError
            If `unet` is not a ``UNet2DModel``, or the scheduler has no chain.
        ValueError
            If the network learns a variance, or the scheduler limits or ends the chain in another way.

        Examples
        --------
        >>> from diffusers import DDPMScheduler, UNet2DModel  # doctest: +SKIP
        >>> unet = UNet2DModel.from_pretrained("google/ddpm-cifar10-32")  # doctest: +SKIP
        >>> model = ImageDiffusion.from_diffusers(unet, DDPMScheduler())  # doctest: +SKIP
        """
        parts = parts_of(unet, scheduler, classes=classes, steps=steps, eta=eta, shape=shape)
        return cls(**(parts | settings))

    def to_diffusers(self) -> tuple[Any, Any]:
        """Return network and scheduler of diffusers, ``(UNet2DModel, scheduler)``, with these weights.

        Raises
        ------
        ValueError
            If the model is not fitted, or was not made by `from_diffusers`: other networks know the noise by
            its logarithm, which schedulers do not pass.
        """
        self._check_fitted()
        return to_diffusers(self)

    def __post_init__(self) -> None:
        if isinstance(self.unet, torch.nn.Module):
            raise TypeError(
                f"unet is a {type(self.unet).__name__}, which is a network of torch; pass its configuration, "
                f"UNet(...), or make the model by ImageDiffusion.from_diffusers(unet, scheduler)."
            )
        for name, value, kind in (("unet", self.unet, UNet), ("training", self.training, ImageTraining)):
            if not isinstance(value, kind):
                raise TypeError(f"{name}={show(value)} is not a {kind.__name__}; pass {kind.__name__}(...).")
        check_parts(self.process, self.sampler, self.device)
        check_fields(self)
        check_choice("parameterisation", self.parameterisation, tuple(PARAMETERISATIONS))
        check_number("dropout", self.dropout, 0, 1, below=True)
        if self.sigma_data is None:
            object.__setattr__(self, "sigma_data", 0.5 if self.parameterisation == "edm" else 1.0)
        check_number("sigma_data", self.sigma_data, 0, above=True)
        if self.store is not None:
            object.__setattr__(self, "store", check_path("store", self.store))
        levels_of(self.sampler, self.process)

    def settled(self) -> ImageDiffusion:
        """Return this model with defaults for all that has no effect on weights and images, beyond rounding.

        Models that differ in device, store, checkpoints, images at once or parts of a step are equal then.
        With dropout the parts of a step count: each draws what it leaves out.
        """
        usual = ImageTraining()
        names = ["checkpoint_every_images", "checkpoint_every_seconds", "log_every_seconds", "log", "tracker"]
        names += [] if self.unet.dropout else ["accumulate"]
        training = replace(self.training, **{name: getattr(usual, name) for name in names})
        return replace(self, training=training, device=None, store=None, batch=ImageDiffusion.batch)

    def _merge(self, merge: Any, theirs: Any, weight: float) -> ImageDiffusion:
        key = key_of(extrapolated=[fingerprint(self.weights), fingerprint(theirs)], weight=float(weight))
        with open_accelerator(self.device) as accelerator:
            return self._find_or_make(key, merge, accelerator)

    @own_torch(threads=None)
    def _train(
        self, data: Any, images: int, learning_rate: float, rng: np.random.Generator
    ) -> ImageDiffusion:
        check_generator("rng", rng)
        given = data if isinstance(data, Images) else Images.of(data)
        check_data(self, given)
        seed = int(rng.integers(2**63))
        fit = Fit(
            training=self.training,
            process=self.process,
            images=images,
            learning_rate=learning_rate,
            seed=seed,
            classes=self.classes,
            unlabelled=self.dropout,
            dropout=self.unet.dropout > 0,
        )
        key, checkpoint = "", None
        if self.store is not None:
            start = fingerprint(self.weights)
            key = key_of(fit=describe_fit(self), data=given.fingerprint(), start=start,
                         images=images, learning_rate=float(learning_rate), seed=seed)  # fmt: skip
            checkpoint = Checkpoint(Store(Path(self.store)).fit(key), key)

        how = self.training
        folder = None if how.log is None else Path(how.log) / "tracker" / key[:8]
        with open_accelerator(self.device, how.precision, how.tracker, folder) as accelerator:

            def learn() -> dict[str, NDArray[Any]]:
                module = self._restore(given.shape[1:], seed)
                fit.run(module, given, accelerator, checkpoint)
                return {**weights_of(module), "_shape": np.array(given.shape[1:], dtype=np.int32)}

            return self._find_or_make(key, learn, accelerator)

    def _find_or_make(self, key: str, make: Any, accelerator: Any) -> ImageDiffusion:
        """Return the model with new weights, or with those in the store."""
        if self.store is None:
            return replace(self, weights=make())
        store = Store(Path(self.store))
        found = store.weights(key)
        # A process writes only after all processes have looked.
        accelerator.wait_for_everyone()
        if found is None:
            with store.lock(key, accelerator.is_main_process):
                weights = make()
                if accelerator.is_main_process:
                    store.finish(key, weights, {"model": describe_fit(self)})
            accelerator.wait_for_everyone()
            found = store.weights(key)
        return replace(self, weights=found)

    def _restore(self, shape: Any, seed: int = 0) -> ImageDenoiser:
        """Make the network with these weights, or with new ones drawn from `seed`."""
        with seed_torch(seed):
            unet = of_one_type(self.unet.module(shape, self.classes))
        assert self.sigma_data is not None
        form = PARAMETERISATIONS[self.parameterisation], self.sigma_data
        times, patch = getattr(self.process, "times", None), getattr(self.unet, "patch", 1)
        module = ImageDenoiser(unet, *form, times=times, patch=patch)
        if self.weights is not None:
            load_weights(module, self.weights)
        return module

    @own_torch(threads=None)
    def _combine(self, terms: Any, seeds: Any, labels: Any, bias: float | None) -> Images:
        """Return images of a sum of networks: the denoiser of the guided model is the sum of theirs."""
        shape = tuple(self._check_fitted()["_shape"].tolist())
        guidance = guidance_of(self, bias, "images with labels")
        seeds = check_seeds(seeds)
        marks = check_marks(self, seeds, labels)
        modules: list[Term] = []

        def make(start: int, stop: int) -> NDArray[np.uint8]:
            if not modules:
                modules.extend(self._terms(terms, shape, guidance, accelerator.device))
            chosen = None if marks is None else marks[start:stop]
            return sample_pixels(
                modules, self.process, self.sampler, shape, seeds[start:stop], chosen, chunk, accelerator,
                shared=self.store is None, exact=self.training.exact,
            )  # fmt: skip

        if self.store is None:
            with open_accelerator(self.device, self.training.precision) as accelerator:
                chunk = self._chunk(len(seeds), accelerator.num_processes)
                return make_in_memory(make, shape, seeds, marks, accelerator)
        drawn = hashlib.sha256(seeds.tobytes() + (b"" if marks is None else marks.tobytes())).hexdigest()
        weights = [[float(c), fingerprint(network.weights)] for c, network in terms]
        key = key_of(sample=describe_network(self), terms=weights, guidance=guidance, drawn=drawn,
                     sampler=describe(self.sampler))  # fmt: skip
        folder = Store(Path(self.store)).samples(key)
        with open_accelerator(self.device, self.training.precision) as accelerator:
            deal = deal_shards(len(seeds), shape, self.batch, accelerator.num_processes)
            chunk = self._chunk(deal.unit)
            return make_in_shards(folder, make, deal, seeds, marks, accelerator)

    def _chunk(self, n: int, workers: int = 1) -> int:
        """Return how many of `n` images are made at once; a compiled network is compiled for one number."""
        return self.batch if self.training.compile else even_piece(n, self.batch, workers)

    def _terms(self, terms: Any, shape: Any, guidance: float, device: torch.device) -> list[Term]:
        """Return the denoisers of the sum, each with classes and, with guidance, also without."""
        found: list[Term] = []
        for coefficient, network in terms:
            if coefficient:
                module = network._restore(shape).eval()
                how = self.training
                module.place(device, channels_last=how.by_pixel(device), compiled=how.compile)
                found.append(Term(coefficient * (1 + guidance), module, self.classes, True))
                if guidance:
                    found.append(Term(-coefficient * guidance, module, self.classes, False))
        return found

    def _difference(self, other: Any) -> str | None:
        shapes = [self._check_fitted()["_shape"], other.weights["_shape"]]
        same = describe_network(self) == describe_network(other) and np.array_equal(*shapes)
        return None if same else "another network, process or image size"
