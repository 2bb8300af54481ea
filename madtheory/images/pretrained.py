"""Networks and schedulers of diffusers as parts of an image diffusion, and back.

A variance-preserving chain is written as x = x0 + sigma * noise, as everywhere in madtheory; the network sees
the x and the time step that it was trained with.
"""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from madtheory.images.unet import UNet
from madtheory.types import Array, Count
from madtheory.validation import check_fields, check_number, check_size, show

_PREDICTIONS = {"epsilon": "epsilon", "sample": "x0", "v_prediction": "v_prediction"}


@dataclass(frozen=True, kw_only=True)
class PretrainedUNet(UNet):
    """A ``UNet2DModel`` of diffusers by its configuration.

    Attributes
    ----------
    config : str
        Its configuration, JSON.
    """

    config: str = "{}"

    def __post_init__(self) -> None:
        held = json.loads(self.config)
        object.__setattr__(self, "block_out_channels", tuple(held["block_out_channels"]))
        object.__setattr__(self, "layers_per_block", held["layers_per_block"])
        object.__setattr__(self, "dropout", float(held.get("dropout") or 0.0))
        super().__post_init__()

    def check_shape(self, shape: Sequence[int]) -> None:
        """Refuse images that cannot be halved as often as needed, or of another number of channels."""
        super().check_shape(shape)
        channels = json.loads(self.config)["in_channels"]
        if shape[2] != channels:
            raise ValueError(f"images have shape {tuple(shape)}, and the network takes {channels} channels.")

    def module(self, shape: Sequence[int], classes: int | None) -> nn.Module:
        """Make the network with random weights."""
        self.check_shape(shape)
        made: nn.Module = importlib.import_module("diffusers").UNet2DModel.from_config(
            json.loads(self.config)
        )
        return made


@dataclass(frozen=True, kw_only=True)
class SchedulerProcess:
    r"""The chain of a scheduler of diffusers, with :math:`\sigma_t^2 = (1 - \bar\alpha_t) / \bar\alpha_t`.

    Attributes
    ----------
    config : str
        The scheduler's class and configuration, JSON.
    """

    config: str

    def scheduler(self) -> Any:
        """Return the scheduler."""
        held = json.loads(self.config)
        kind = getattr(importlib.import_module("diffusers"), held.pop("_class_name"))
        return kind.from_config(held)

    @cached_property
    def sigmas(self) -> Array:
        """Noise levels of the chain, increasing, shape (T,)."""
        kept = self.scheduler().alphas_cumprod.double().numpy()
        levels: Array = np.sqrt((1 - kept) / kept)
        return levels

    @property
    def sigma_range(self) -> tuple[float, float]:
        """Smallest and largest noise level of the chain."""
        return float(self.sigmas[0]), float(self.sigmas[-1])

    def levels(self, steps: int) -> Array:
        """Return the noise levels at the time steps that the scheduler takes, shape (steps + 1,)."""
        if check_size("steps", steps) > len(self.sigmas):
            raise ValueError(f"steps={steps} exceeds the {len(self.sigmas)} steps of the chain; pass fewer.")
        made = self.scheduler()
        made.set_timesteps(steps)
        times = made.timesteps.numpy()
        if len(times) != steps or times.dtype.kind != "i" or not (np.diff(times) < 0).all():
            # A scheduler of higher order visits some levels twice, or others than those of the chain.
            times = np.round(np.linspace(len(self.sigmas) - 1, 0, steps)).astype(int)
        last = 0.0 if made.config.get("set_alpha_to_one", True) else float(self.sigmas[0])
        return np.append(self.sigmas[times], last)

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw noise levels for training, uniformly from the chain, shape (n, 1)."""
        table = torch.from_numpy(self.sigmas.astype(np.float32))
        return table[torch.randint(len(table), (n, 1), generator=generator)]

    def times(self, sigma: Tensor) -> Tensor:
        """Return the time step of each noise level; between those of the chain by the logarithm."""
        table = torch.from_numpy(np.log(self.sigmas)).to(sigma.device, torch.float32)
        log = sigma.flatten().log()
        above = torch.searchsorted(table, log).clamp(1, len(table) - 1)
        exact = above - 1 + (log - table[above - 1]) / (table[above] - table[above - 1])
        exact, near = exact.clamp(0, len(table) - 1), exact.clamp(0, len(table) - 1).round()
        # A level of the chain is known up to rounding only, and its step is a whole number.
        return torch.where((exact - near).abs() < 0.02, near, exact)


@dataclass(frozen=True, kw_only=True)
class SchedulerSampler:
    r"""The steps of diffusers' ``DDPMScheduler`` and ``DDIMScheduler``.

    .. math:: x' = D + \sqrt{\sigma'^2 - s^2}\, \epsilon + r z, \qquad
              s = \eta\, \frac{\sigma'}{\sigma} \sqrt{\sigma^2 - \sigma'^2}

    With D limited to [-clip, clip]. DDPM takes the noise :math:`\epsilon = (x - D) / \sigma` after that, with
    eta = 1 and r = s, or the larger deviation :math:`r = \sqrt{\sigma^2 - \sigma'^2}`; DDIM takes it before.

    Attributes
    ----------
    steps : int
        Number of steps, with one evaluation of the denoiser each.
    eta : float
        Share of new noise, 0 to 1.
    clip : float, optional
        Largest absolute value of a pixel in D. ``None``: no limit.
    ancestral : bool
        DDPM's rule.
    large : bool
        The larger of DDPM's two deviations.
    """

    steps: Count = 50
    eta: float = 0.0
    clip: float | None = None
    ancestral: bool = False
    large: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        check_number("eta", self.eta, 0, 1)

    def integrate(
        self,
        denoiser: Callable[[Any, float], Any],
        x: Any,
        sigmas: Sequence[float] | Array,
        noise: Callable[[int], Any] | None = None,
    ) -> Any:
        """Take points x at the noise level ``sigmas[0]`` to the last one."""
        for step, (now, then) in enumerate(pairwise(float(level) for level in sigmas)):
            data = denoiser(x, now)
            limited = data if self.clip is None else data.clip(-self.clip, self.clip)
            epsilon = (x - (limited if self.ancestral else data)) / now
            small = self.eta * then / now * math.sqrt(now * now - then * then)
            x = limited + math.sqrt(max(then * then - small * small, 0.0)) * epsilon
            if small > 0 and noise is not None:
                # beta_t in the units of x / sqrt(alpha_bar) at the next level.
                wide = math.sqrt((now * now - then * then) / (1 + now * now) * (1 + then * then))
                x = x + (wide if self.large else small) * noise(step)
        return x


def parts_of(
    unet: Any, scheduler: Any, *, classes: int | None, steps: int | None, eta: float | None, shape: Any
) -> dict[str, Any]:
    """Return the fields of an image diffusion of a network and a scheduler of diffusers.

    Raises
    ------
    TypeError, ValueError
        If one of them is of a kind that an image diffusion does not have.
    """
    diffusers = importlib.import_module("diffusers")
    if not isinstance(unet, diffusers.UNet2DModel):
        raise TypeError(f"unet={show(unet)} is not a UNet2DModel; pass diffusers.UNet2DModel(...).")
    if not hasattr(scheduler, "alphas_cumprod"):
        raise TypeError(
            f"scheduler={show(scheduler)} has no alphas_cumprod; pass the scheduler of a chain, such as "
            f"diffusers.DDPMScheduler() or DDIMScheduler()."
        )
    net, chain = dict(unet.config), dict(scheduler.config)
    if net["in_channels"] != net["out_channels"]:
        raise ValueError(
            f"unet has {net['in_channels']} channels in and {net['out_channels']} out; networks that learn a "
            f"variance are not supported: pass one with equal numbers."
        )
    kept = scheduler.alphas_cumprod
    if chain.get("thresholding") or not float(kept.min()) > 0:
        raise ValueError(
            "scheduler has thresholding or ends at a signal of zero (rescale_betas_zero_snr); switch it off."
        )
    predicted = chain.get("prediction_type", "epsilon")
    if predicted not in _PREDICTIONS:
        raise ValueError(f"prediction_type={predicted!r} is not one of {', '.join(_PREDICTIONS)}.")
    sampler = _sampler_of(scheduler, chain, steps, eta)
    embeddings = net.get("num_class_embeds")
    known = embeddings if classes is None else check_size("classes", classes)
    if known is not None and (embeddings is None or embeddings - known not in (0, 1)):
        raise ValueError(
            f"classes={classes!r}, and num_class_embeds={embeddings!r} of the network; pass that number, or "
            f"one less if the last stands for no class, for guidance."
        )
    config = json.dumps({name: value for name, value in net.items() if name[0] != "_"}, sort_keys=True)
    made = {
        "unet": PretrainedUNet(config=config),
        "process": SchedulerProcess(config=_config_of(scheduler)),
        "parameterisation": _PREDICTIONS[predicted],
        "classes": known,
        "dropout": 0.1 if known is not None and embeddings == known + 1 else 0.0,
        "weights": {**_weights_of(unet), "_shape": np.array(_shape_of(net, shape), dtype=np.int32)},
    }
    return made if sampler is None else made | {"sampler": sampler}


def _sampler_of(
    scheduler: Any, chain: Mapping[str, Any], steps: int | None, eta: float | None
) -> SchedulerSampler | None:
    """Return the sampler of a scheduler; ``None`` for one whose steps are not ours."""
    clip = float(chain.get("clip_sample_range", 1.0)) if chain.get("clip_sample") else None
    name = type(scheduler).__name__
    if name == "DDPMScheduler":
        if chain["variance_type"] not in ("fixed_small", "fixed_large"):
            raise ValueError(
                f"variance_type={chain['variance_type']!r} is not supported; pass 'fixed_small' or "
                f"'fixed_large'."
            )
        if eta not in (None, 1, 1.0):
            raise ValueError(f"eta={show(eta)} is for DDIMScheduler; leave it out.")
        large = chain["variance_type"] == "fixed_large"
        steps = chain["num_train_timesteps"] if steps is None else steps
        return SchedulerSampler(steps=steps, eta=1.0, clip=clip, ancestral=True, large=large)
    if name == "DDIMScheduler":
        return SchedulerSampler(steps=50 if steps is None else steps, eta=eta or 0.0, clip=clip)
    if steps is not None or eta is not None:
        raise ValueError(
            f"steps={steps!r}, eta={eta!r}: the steps of {name} are not known here, and the default sampler "
            f"is taken; pass a sampler by dataclasses.replace(model, sampler=...)."
        )
    return None


def _config_of(scheduler: Any) -> str:
    held = {name: value for name, value in dict(scheduler.config).items() if name[0] != "_"}
    listed = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in held.items()}
    return json.dumps({"_class_name": type(scheduler).__name__, **listed}, sort_keys=True)


def _weights_of(unet: nn.Module) -> dict[str, NDArray[Any]]:
    return {
        f"unet.{name}": np.array(parameter.detach().float().cpu().numpy())
        for name, parameter in unet.named_parameters()
    }


def _shape_of(net: Mapping[str, Any], shape: Any) -> tuple[int, int, int]:
    size = net["sample_size"] if shape is None else shape[:2]
    if size is None:
        raise ValueError("shape=None, and the network has no sample_size; pass shape=(height, width).")
    height, width = (size, size) if isinstance(size, int) else size
    return int(height), int(width), int(net["in_channels"])


def to_diffusers(model: Any) -> tuple[Any, Any]:
    """Return the ``UNet2DModel`` and the scheduler of a fitted model that `parts_of` began."""
    if not isinstance(model.unet, PretrainedUNet):
        raise ValueError(
            "this network knows the noise by its logarithm, and a scheduler of diffusers passes time steps; "
            "only models that ImageDiffusion.from_diffusers made go back."
        )
    shape = tuple(model.weights["_shape"].tolist())
    module: Any = model.unet.module(shape, model.classes)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(torch.from_numpy(np.array(model.weights[f"unet.{name}"])))
    return module.eval(), model.process.scheduler()
