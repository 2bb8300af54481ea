"""The networks and trainings that the presets share, with the papers that they are from."""

from __future__ import annotations

from madtheory.images.diffusion import ImageDiffusion
from madtheory.images.training import ImageTraining
from madtheory.images.unet import UNet
from madtheory.networks import DDIM, DDPM, FlowMatching, Heun

_MNIST = UNet(block_out_channels=(64, 128, 128), attention=())


def _training(**settings: object) -> ImageTraining:
    """Return training in half precision, compiled, which is faster on accelerators."""
    return ImageTraining(**settings, precision="bf16", compile=True, channels_last=True)  # type: ignore[arg-type]


def mad_mnist() -> ImageDiffusion:
    """Return MAD's conditional DDPM of 500 steps (arXiv 2307.01850, section 3); training chosen here."""
    return ImageDiffusion(
        unet=_MNIST,
        process=DDPM(steps=500),
        parameterisation="epsilon",
        sampler=DDIM(500, eta=1.0),
        classes=10,
        dropout=0.1,
        training=_training(images=1_200_000, learning_rate=1e-4, decay="linear", ema_images=50_000),
        batch=2000,
    )


def gillman_mnist() -> ImageDiffusion:
    """Return the conditional DDPM of Gillman et al. (arXiv 2402.07087): T = 400, beta from 1e-4 to 0.02."""
    return ImageDiffusion(
        unet=_MNIST,
        # DDPM states its betas for a chain of 1000 steps.
        process=DDPM(steps=400, beta_start=4e-5, beta_end=8e-3),
        parameterisation="epsilon",
        sampler=DDIM(400, eta=1.0),
        classes=10,
        dropout=0.1,
        training=_training(
            images=240_000,
            learning_rate=1e-4,
            decay="linear",
            ema_images=0,
            warm_images=18_000,
            warm_learning_rate=5e-7,
        ),
        batch=2000,
    )


def edm_cifar10(warm_images: int | None = None) -> ImageDiffusion:
    """Return unconditional EDM for CIFAR-10 (Karras et al. 2022, arXiv 2206.00364, Table 7)."""
    return ImageDiffusion(
        unet=UNet(block_out_channels=(256, 256, 256), layers_per_block=4, attention=(16,), dropout=0.13),
        sampler=Heun(18),
        training=_training(
            images=200_000_000,
            batch=512,
            learning_rate=1e-3,
            warm_up_images=10_000_000,
            augment="flips",
            checkpoint_every_images=5_000_000,
            warm_images=warm_images,
        ),
        batch=1024,
    )


def edm_ffhq64(warm_images: int | None = None) -> ImageDiffusion:
    """Return unconditional EDM for FFHQ at 64 x 64 (Karras et al. 2022, arXiv 2206.00364, Table 7)."""
    unet = UNet(block_out_channels=(128, 256, 256, 256), layers_per_block=4, attention=(16,), dropout=0.05)
    return ImageDiffusion(
        unet=unet,
        sampler=Heun(40),
        training=_training(
            images=200_000_000,
            batch=256,
            learning_rate=2e-4,
            warm_up_images=10_000_000,
            augment="flips",
            checkpoint_every_images=5_000_000,
            warm_images=warm_images,
        ),
        batch=512,
    )


def edm_ffhq128() -> ImageDiffusion:
    """Return EDM for FFHQ at 128 x 128, with settings chosen here."""
    unet = UNet(block_out_channels=(128, 128, 256, 256, 256), attention=(16,), dropout=0.05)
    return ImageDiffusion(
        unet=unet,
        sampler=Heun(40),
        training=_training(
            images=25_000_000,
            batch=256,
            learning_rate=2e-4,
            warm_up_images=2_000_000,
            augment="flips",
            checkpoint_every_images=2_500_000,
        ),
        batch=256,
    )


def flow_cifar10() -> ImageDiffusion:
    """Return flow matching for CIFAR-10, with the network and training of Tong et al. (arXiv 2302.00482)."""
    unet = UNet(block_out_channels=(128, 256, 256, 256), attention=(16,), dropout=0.1)
    return ImageDiffusion(
        unet=unet,
        process=FlowMatching(),
        parameterisation="velocity",
        sampler=Heun(50),
        training=_training(
            images=51_200_000,
            batch=128,
            learning_rate=2e-4,
            warm_up_images=640_000,
            clip_norm=1.0,
            ema_images=887_000,
            augment="flips",
            warm_images=1_000_000,
        ),
        batch=1024,
    )
