"""Diffusions: noise processes, samplers, denoisers, and the network that learns to denoise."""

from madtheory.networks.diffusion.denoisers import EmpiricalDenoiser, GaussianDenoiser
from madtheory.networks.diffusion.model import (
    PARAMETERISATIONS,
    Diffusion,
    Parameterisation,
    guidance_of as guidance_of,
)
from madtheory.networks.diffusion.processes import DDPM, EDM, FlowMatching, Process
from madtheory.networks.diffusion.samplers import (
    DDIM,
    DPMSolver,
    Heun,
    Sampler,
    levels_of as levels_of,
    sample_denoiser,
    variance_factor,
)

__all__ = [
    "DDIM",
    "DDPM",
    "EDM",
    "PARAMETERISATIONS",
    "DPMSolver",
    "Diffusion",
    "EmpiricalDenoiser",
    "FlowMatching",
    "GaussianDenoiser",
    "Heun",
    "Parameterisation",
    "Process",
    "Sampler",
    "sample_denoiser",
    "variance_factor",
]
