"""The image runs of MAD: Alemohammad et al. 2023, arXiv 2307.01850."""

from __future__ import annotations

from dataclasses import replace

from madtheory import regimes
from madtheory.images.runs.presets.networks import edm_ffhq128, mad_mnist
from madtheory.images.runs.presets.preset import Preset
from madtheory.images.runs.settings import RealData, Settings

_MNIST = Settings(
    data=RealData(name="MNIST", size=28, labels=True),
    model=mad_mnist(),
    regime=regimes.replace(n=60_000),
    generations=20,
    n_evaluation=10_000,
    features="lenet",
    bias=1.0,
)

_SILENT = (
    "The paper gives the conditional DDPM of 500 steps, dropping 10 % of the classes in training, and the "
    "guidance by bias = 1 / (1 + w). It is silent about network, noise schedule, optimiser and training "
    "time. We chose a U-Net of 6 million weights, the linear schedule of Ho et al. (arXiv 2006.11239), Adam "
    "with learning rate 1e-4 falling linearly to 0, batch 256, and 1,200,000 images seen in every "
    "generation, which is 20 epochs of MNIST.",
    "Classes are sampled in equal numbers, and every generation is trained from scratch. The paper is silent "
    "about the former; the latter is its definition.",
    "Distances are on the features of a LeNet, as in the paper, between 10,000 images and MNIST's test "
    "images. Number, reference set and training of the LeNet are our choice. Precision and recall have "
    "k = 5.",
)
_BIASES = "The paper has bias 1, 0.8, 0.66 and 0.5; this is 1. Pass --bias for the others."

PRESETS: tuple[Preset, ...] = (
    Preset(
        name="mad-mnist-fully-synthetic",
        title="MAD's fully synthetic loop on MNIST",
        source="Alemohammad et al. 2023 (arXiv 2307.01850), section 3, Figures 4, 5, 6, 7, 16, 26 and 27",
        full=_MNIST,
        gpu_hours=4.5,
        notes=(*_SILENT, _BIASES),
    ),
    Preset(
        name="mad-mnist-augmentation",
        title="MAD's synthetic augmentation loop on MNIST",
        source="Alemohammad et al. 2023 (arXiv 2307.01850), section 4, Figure 9",
        full=replace(_MNIST, regime=regimes.augment(n_real=60_000, n_synthetic=60_000), generations=10),
        gpu_hours=2.1,
        notes=(
            *_SILENT,
            _BIASES,
            "60,000 fixed real images and as many of the last generation, as in the paper, whose curves go "
            "to about generation 10.",
        ),
    ),
    Preset(
        name="mad-mnist-fresh",
        title="MAD's fresh data loop on MNIST",
        source="Alemohammad et al. 2023 (arXiv 2307.01850), section 5, Figure 10 (right)",
        full=replace(_MNIST, regime=regimes.fresh(n_real=2000, n_synthetic=2000), generations=15),
        gpu_hours=0.86,
        notes=(
            *_SILENT,
            "2,000 new real and 2,000 synthetic images in each of 15 generations, bias 1, as in the paper, "
            "which also begins with 3,000. No real image is used twice: MNIST has enough for 30 generations.",
        ),
    ),
    Preset(
        name="mad-ffhq-fully-synthetic",
        title="MAD's fully synthetic loop on FFHQ, with a diffusion in place of StyleGAN2",
        source="Alemohammad et al. 2023 (arXiv 2307.01850), section 3, Figures 1, 4 and 18 to 22",
        full=Settings(
            data=RealData(name="FFHQ", size=128),
            model=edm_ffhq128(),
            regime=regimes.replace(n=70_000),
            generations=9,
            n_evaluation=10_000,
            features="inception",
            reference="train",
        ),
        gpu_hours=240.0,
        notes=(
            "The paper trains StyleGAN2 on 128 x 128 pixels, 70,000 images in each of 9 generations. Here "
            "the generator is an unconditional diffusion, so that its artefacts are not those of the paper: "
            "directions can be compared, numbers cannot.",
            "The paper's truncation of 0.7 has no counterpart in an unconditional diffusion; this is its run "
            "without bias.",
            "Network, training of 25 million images seen in each generation, and a sampler of 40 steps are "
            "our choice, after the FFHQ settings of Karras et al. 2022 (arXiv 2206.00364). Distances are "
            "between 10,000 images and all of FFHQ, on Inception features.",
        ),
    ),
)
