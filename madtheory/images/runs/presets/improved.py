"""Runs of models that improve themselves: SIMS (arXiv 2408.16333) and Neon (arXiv 2510.03597)."""

from __future__ import annotations

from dataclasses import replace

from madtheory import regimes
from madtheory.images.runs.presets.networks import edm_cifar10, edm_ffhq64
from madtheory.images.runs.presets.preset import Preset
from madtheory.images.runs.settings import Improvement, RealData, Settings

_SIMS = Improvement(method="SIMS", weight=1.0, n_auxiliary=100_000, budget=2_000_000, learning_rate=1e-4)
_NEON = Improvement(method="Neon", weight=1.0, n_auxiliary=6000, budget=3_500_000, learning_rate=1e-4)

_CIFAR10 = Settings(
    data=RealData(name="CIFAR10", size=32),
    model=edm_cifar10(),
    regime=regimes.augment(n_real=50_000, n_synthetic=0),
    generations=1,
    n_evaluation=50_000,
    features="inception",
    reference="train",
    improvement=_SIMS,
)
_FFHQ64 = replace(
    _CIFAR10,
    data=RealData(name="FFHQ", size=64),
    model=edm_ffhq64(),
    regime=regimes.augment(n_real=70_000, n_synthetic=0),
    improvement=replace(_SIMS, weight=2.0, budget=1_500_000, learning_rate=4e-6),
)

_BASE = (
    "The paper begins with the public checkpoint of EDM (Karras et al. 2022, arXiv 2206.00364). This run "
    "trains that network itself: its channels, dropout, learning rate with 10 million images of warm-up, and "
    "200 million images seen. EDM's augmentation is replaced by mirrored images, and the network is "
    "diffusers', so that the distance before the improvement need not be the published one."
)
_GUIDANCE = (
    "The 100,000 synthetic images are the paper's as far as we know. Its guidance and its fine-tuning budget "
    "are chosen by a grid, and we have not found them: "
)
_GRID = " Search with madtheory.models.select_guidance, or pass --weight."
_CIFAR10_GUIDANCE = (
    f"{_GUIDANCE}ours are 1 and 2 million images, and the learning rate of 1e-4 is Neon's (arXiv 2510.03597)."
    f"{_GRID}"
)
_FFHQ_GUIDANCE = (
    f"{_GUIDANCE}ours, and the learning rate, are Neon's (arXiv 2510.03597): 2, 1.5 million "
    f"images and 4e-6.{_GRID}"
)
_WARM = (
    "The learning rate rises over 10 million images in the fine-tuning too, as in the code of EDM, so that "
    "it stays below its nominal value."
)

PRESETS: tuple[Preset, ...] = (
    Preset(
        name="sims-cifar10",
        title="SIMS improves a diffusion of CIFAR-10 by its own samples",
        source="Alemohammad et al. 2024 (SIMS, arXiv 2408.16333), section 4.1",
        full=_CIFAR10,
        gpu_hours=72.0,
        notes=(
            _BASE,
            _CIFAR10_GUIDANCE,
            _WARM,
            "EDM's sampler of 18 steps: 35 evaluations for an image, and 70 with the guidance, as in the "
            "paper. It reports an FID of 1.97 before and 1.33 after.",
        ),
    ),
    Preset(
        name="sims-ffhq64",
        title="SIMS improves a diffusion of FFHQ at 64 x 64 by its own samples",
        source="Alemohammad et al. 2024 (SIMS, arXiv 2408.16333), section 4.1",
        full=_FFHQ64,
        gpu_hours=130.0,
        notes=(
            _BASE,
            _FFHQ_GUIDANCE,
            _WARM,
            "EDM's sampler of 40 steps: 79 evaluations for an image, and 158 with the guidance, as in the "
            "paper. It reports an FID of 2.39 before and 1.04 after.",
        ),
    ),
    Preset(
        name="sims-cifar10-loop",
        title="SIMS in a synthetic augmentation loop on CIFAR-10",
        source="Alemohammad et al. 2024 (SIMS, arXiv 2408.16333), section 4.2.2",
        full=replace(_CIFAR10, regime=regimes.augment(n_real=50_000, n_synthetic=25_000), generations=2),
        gpu_hours=140.0,
        notes=(
            _BASE,
            _CIFAR10_GUIDANCE,
            _WARM,
            "Generation 2 is trained on all real images and on 25,000 of generation 1. The paper varies that "
            "number, and finds that with fewer than 30,000 SIMS even gains: pass --n-synthetic. For training "
            "without SIMS pass --weight 0.",
            "Images for generation 2 are sampled with the guidance, those for the auxiliary without.",
        ),
    ),
    Preset(
        name="neon-cifar10",
        title="Neon improves a diffusion of CIFAR-10 by extrapolating its weights",
        source="Alemohammad et al. 2025 (Neon, arXiv 2510.03597), Table A.1, Figures 4 and 8",
        full=replace(_CIFAR10, improvement=_NEON),
        gpu_hours=72.0,
        notes=(
            _BASE,
            _WARM,
            "6,000 synthetic images and the learning rate of 1e-4 are the paper's. Its budget is chosen from "
            "checkpoints; 3.5 million images, 1.75 % of the base's, are what it reports as extra cost. Its "
            "weight is searched from 0 to 3, and falls with the budget: 1 is our choice. Pass --weight.",
            "It reports an FID of 1.97 before and 1.38 after.",
        ),
    ),
)
