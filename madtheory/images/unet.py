"""The U-Net, and the denoiser that is made of it."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from madtheory.networks import Parameterisation
from madtheory.types import Count
from madtheory.validation import check_fields, check_number, check_widths


@dataclass(frozen=True, kw_only=True)
class UNet:
    """Configuration of a U-Net, built as diffusers' ``UNet2DModel``.

    The default is a small one for 32 x 32 pixels. ``UNet(block_out_channels=(256, 256, 256),
    layers_per_block=4, attention=(16,), dropout=0.13)`` has the size of the CIFAR-10 network of Karras et al.
    2022 (arXiv 2206.00364), 59 million weights.

    Attributes
    ----------
    block_out_channels : tuple of int
        Channels of each resolution, the finest first; each next one has half the height and width.
    layers_per_block : int
        Residual blocks of each resolution, on the way down.
    attention : tuple of int
        Heights of the feature maps that have self-attention, apart from the coarsest.
    dropout : float
        Dropout of the residual blocks.
    patch : int
        Side of the squares of pixels that the network takes for one pixel with more channels. On a CPU
        ``patch=2`` makes it four times as fast, for images that are smooth at that scale.
    """

    block_out_channels: tuple[int, ...] = (128, 256, 256)
    layers_per_block: Count = 2
    attention: tuple[int, ...] = (16,)
    dropout: float = 0.0
    patch: Count = 1

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("block_out_channels", "attention"):
            object.__setattr__(self, name, check_widths(name, getattr(self, name)))
        if not self.block_out_channels:
            raise ValueError("block_out_channels=() is empty; pass for example (128, 256, 256).")
        check_number("dropout", self.dropout, 0, 1, below=True)

    def check_shape(self, shape: Sequence[int]) -> None:
        """Refuse images (height, width, channels) that cannot be halved as often as this network does."""
        factor = self.patch * 2 ** (len(self.block_out_channels) - 1)
        if len(shape) != 3 or any(size % factor or size < 1 for size in shape[:2]):
            halvings = len(self.block_out_channels) - 1
            raise ValueError(
                f"images have shape {tuple(shape)}, and block_out_channels={self.block_out_channels} halves "
                f"them {halvings} times, after patch={self.patch}: pass (height, width, channels), both "
                f"multiples of {factor}, or fewer entries of block_out_channels."
            )

    def module(self, shape: Sequence[int], classes: int | None) -> nn.Module:
        """Make a new network for images (height, width, channels); class `classes` stands for no class.

        Its random weights come from torch's global generator; the last layer is zero.
        """
        self.check_shape(shape)
        try:
            unet_of = importlib.import_module("diffusers").UNet2DModel
        except ModuleNotFoundError as error:
            raise ImportError(
                f"madtheory.images needs diffusers ({error}); install it with: pip install diffusers"
            ) from error
        height, width, channels = shape[0] // self.patch, shape[1] // self.patch, shape[2] * self.patch**2
        attended = [height >> level in self.attention for level in range(len(self.block_out_channels))]
        module: nn.Module = unet_of(
            sample_size=(height, width),
            in_channels=channels,
            out_channels=channels,
            block_out_channels=self.block_out_channels,
            layers_per_block=self.layers_per_block,
            down_block_types=tuple("AttnDownBlock2D" if at else "DownBlock2D" for at in attended),
            up_block_types=tuple("AttnUpBlock2D" if at else "UpBlock2D" for at in reversed(attended)),
            attention_head_dim=None,
            norm_num_groups=math.gcd(32, *self.block_out_channels),
            num_class_embeds=None if classes is None else classes + 1,
            dropout=self.dropout,
        )
        # The first denoiser is c_skip x, which is a stable start.
        last: Any = module.conv_out
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        return module


def of_one_type(module: Any) -> nn.Module:
    """Let a U-Net take the type of its weights from one of them; it would look through all in every pass."""
    kind: Any = type(module)
    module.__class__ = _of_one_type(kind)
    known: nn.Module = module
    return known


@cache
def _of_one_type(kind: type) -> Any:
    return type(kind.__name__, (kind,), {"dtype": property(_type_of_weights)})


def _type_of_weights(module: Any) -> torch.dtype:
    dtype: torch.dtype = module.conv_in.weight.dtype
    return dtype


def _log_times(sigma: Tensor) -> Tensor:
    return 250 * sigma.flatten().log()


class ImageDenoiser(nn.Module):
    r"""The denoiser :math:`D(x, \sigma, c)` of images x (n, channels, height, width): a parameterised U-Net.

    Parameterisations hold for data of unit deviation, so x and sigma are divided by that of the data,
    `sigma_data`. The network knows the noise level as the time :math:`1000\,c_{noise} = 250 \ln\sigma`, or as
    another function of sigma, `times`.
    """

    def __init__(
        self,
        unet: nn.Module,
        parameterisation: Parameterisation,
        sigma_data: float,
        times: Callable[[Tensor], Tensor] | None = None,
        patch: int = 1,
    ) -> None:
        super().__init__()
        self.unet, self.parameterisation, self.sigma_data = unet, parameterisation, sigma_data
        self.times, self.patch = _log_times if times is None else times, patch
        self.compiled = False

    def forward(self, x: Tensor, sigma: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the mean of x0 given x, at one noise level, (1, 1, 1, 1), or one for each, (n, 1, 1, 1)."""
        skip, out, scale, _ = self.parameterisation
        unit, level = x / self.sigma_data, sigma / self.sigma_data
        patches = nn.functional.pixel_unshuffle(scale(level) * unit, self.patch)
        output = self.unet(patches, self.times(sigma), class_labels=labels, return_dict=False)[0]
        output = nn.functional.pixel_shuffle(output, self.patch)
        denoised: Tensor = self.sigma_data * (skip(level) * unit + out(level) * output.float())
        return denoised

    def loss(self, denoised: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        r"""Return the weighted error :math:`\lambda(\sigma) |D - x|^2`, mean over pixels, shape (n,)."""
        error = (denoised - x) / self.sigma_data
        weight = self.parameterisation.weight(sigma / self.sigma_data)
        loss: Tensor = (weight * error.square()).flatten(1).mean(1)
        return loss

    def place(self, device: torch.device, *, channels_last: bool, compiled: bool) -> ImageDenoiser:
        """Place the network on its device, and compile it if requested."""
        module: Any = self.to(device)
        if channels_last:
            module.to(memory_format=torch.channels_last)
        if compiled:
            # For one size each: code for any size is slower, and training and sampling need two sizes.
            self.unet.compile(dynamic=False)
            self.compiled = True
        return self
