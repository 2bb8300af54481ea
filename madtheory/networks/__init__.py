"""Trained generators: flow, VAE, WGAN-GP and diffusion, for points in the plane and small images.

They need the extra ``torch``. A network is an immutable value like every other model: a configuration, and
after ``fit`` its weights. It computes on an accelerator if there is one (``device=``), and can be used in
`madtheory.Loop`, in `madtheory.models.SIMS` and in `madtheory.models.Neon`.

>>> import numpy as np
>>> from madtheory.networks import Flow, Training
>>> points = np.random.default_rng(0).normal(size=(100, 2))
>>> flow = Flow(hidden=(16,), layers=2, training=Training(images=1000, batch=100))
>>> fitted = flow.fit(points, rng=np.random.default_rng(1))
>>> fitted.sample(3, rng=np.random.default_rng(2)).shape
(3, 2)
"""

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as _error:
    raise ImportError(
        f"madtheory.networks needs PyTorch ({_error}); install it with: pip install 'madtheory[torch]'"
    ) from _error

from madtheory.networks.cached import cache_folder as cache_folder, cached_fit, digits_classifier
from madtheory.networks.classifier import Classifier
from madtheory.networks.context import (
    check_parts as check_parts,
    choose_device as choose_device,
    own_torch as own_torch,
    seed_torch as seed_torch,
)
from madtheory.networks.diffusion import (
    DDIM,
    DDPM,
    EDM,
    PARAMETERISATIONS as PARAMETERISATIONS,
    Diffusion,
    DPMSolver,
    EmpiricalDenoiser,
    FlowMatching,
    GaussianDenoiser,
    Heun,
    Parameterisation as Parameterisation,
    Process as Process,
    Sampler as Sampler,
    guidance_of as guidance_of,
    levels_of as levels_of,
    sample_denoiser,
    variance_factor,
)
from madtheory.networks.flow import Flow
from madtheory.networks.network import Network, noise
from madtheory.networks.storage import NetworkFileError, load, save
from madtheory.networks.trained import Guided, Trained as Trained, sample_seeds
from madtheory.networks.training import Budget as Budget, Optimised as Optimised, Training
from madtheory.networks.transformer import Transformer
from madtheory.networks.vae import VAE
from madtheory.networks.wgan_gp import WGANGP

__all__ = [
    "DDIM",
    "DDPM",
    "EDM",
    "VAE",
    "WGANGP",
    "Classifier",
    "DPMSolver",
    "Diffusion",
    "EmpiricalDenoiser",
    "Flow",
    "FlowMatching",
    "GaussianDenoiser",
    "Guided",
    "Heun",
    "Network",
    "NetworkFileError",
    "Training",
    "Transformer",
    "cached_fit",
    "digits_classifier",
    "load",
    "noise",
    "sample_denoiser",
    "sample_seeds",
    "save",
    "variance_factor",
]
