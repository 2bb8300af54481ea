"""Loops of other papers: stability with real data, correction by cluster centres, curation."""

from __future__ import annotations

from dataclasses import replace

from madtheory import regimes
from madtheory.images.runs.presets.networks import edm_cifar10, edm_ffhq64, flow_cifar10, gillman_mnist
from madtheory.images.runs.presets.preset import Preset
from madtheory.images.runs.settings import Centres, Chosen, RealData, Settings

_BERTRAND = Settings(
    data=RealData(name="CIFAR10", size=32),
    model=edm_cifar10(warm_images=1_000_000),
    regime=regimes.augment(n_real=50_000, n_synthetic=25_000),
    generations=21,
    n_evaluation=50_000,
    features="inception",
    reference="train",
    warm_start=True,
)
_BERTRAND_NOTES = (
    "The paper begins with the public checkpoint of EDM; this run trains that network itself, with the "
    "settings of Karras et al. 2022 (arXiv 2206.00364), but mirrored images in place of its augmentation.",
    "Generation 1 is that network. In each of 20 others its training continues for 1 million images, the "
    "paper's number as far as we know; the published code has 50,000 by default, and 5 generations.",
    "The learning rate rises anew in every generation, over 10 million images, as in the code of EDM.",
    "The paper has synthetic images to real ones in the ratios 0, 0.001, 0.01, 0.1, 0.5 and 1; this is 0.5. "
    "Pass --n-synthetic for the others.",
)

PRESETS: tuple[Preset, ...] = (
    Preset(
        name="bertrand-cifar10",
        title="Iterative retraining of EDM on CIFAR-10, with real and synthetic images",
        source="Bertrand et al. 2024 (arXiv 2310.00429), Figure 3",
        full=_BERTRAND,
        gpu_hours=84.0,
        notes=_BERTRAND_NOTES,
    ),
    Preset(
        name="bertrand-ffhq64",
        title="Iterative retraining of EDM on FFHQ at 64 x 64, with real and synthetic images",
        source="Bertrand et al. 2024 (arXiv 2310.00429), Figure 3",
        full=replace(
            _BERTRAND,
            data=RealData(name="FFHQ", size=64),
            model=edm_ffhq64(warm_images=1_000_000),
            regime=regimes.augment(n_real=70_000, n_synthetic=35_000),
        ),
        gpu_hours=170.0,
        notes=_BERTRAND_NOTES,
    ),
    Preset(
        name="gillman-mnist",
        title="Self-correction on MNIST: synthetic digits become the nearest cluster centre of their class",
        source="Gillman et al. 2024 (arXiv 2402.07087), section 6, Figures 3, 7 and 8",
        full=Settings(
            data=RealData(name="MNIST", size=28, labels=True, first=12_000),
            model=gillman_mnist(),
            regime=regimes.augment(n_real=12_000, n_synthetic=6000),
            generations=51,
            n_evaluation=10_000,
            features="lenet",
            bias=2 / 3,
            warm_start=True,
            treatment=Centres(per_class=16),
        ),
        gpu_hours=3.9,
        notes=(
            "The first 12,000 images of MNIST, 400 steps with beta from 1e-4 to 0.02, guidance w = 0.5 (bias "
            "2/3), 10 % of the classes dropped, batch 256, 20 epochs at first and then one epoch for each of "
            "50 generations, 16 centres per digit by k-means on the real images: all as in the paper.",
            "The paper's learning rate falls from 1e-4 by steps of a twentieth and is then 2.5e-7. Here it "
            "falls linearly to 0 in every generation, from 1e-4 and then from 5e-7, whose mean is 2.5e-7.",
            "The network is our U-Net of 6 million weights. Distances are between 10,000 images and the test "
            "set, on the features of our LeNet; the paper takes 100 images.",
            "The paper has synthetic images to real ones in the ratios 0.2, 0.5, 1 and 1.5; this is 0.5, and "
            "an epoch has 18,000 images. Pass --n-synthetic for the others, whose epoch stays the same.",
        ),
    ),
    Preset(
        name="ferbach-cifar10",
        title="Curation on CIFAR-10: of two synthetic images a classifier chooses, and no real ones",
        source="Ferbach et al. 2024 (arXiv 2407.09499), section 4, Figure 2",
        full=Settings(
            data=RealData(name="CIFAR10", size=32),
            model=flow_cifar10(),
            regime=regimes.replace(n=25_000, n_initial=50_000),
            generations=11,
            n_evaluation=50_000,
            features="inception",
            reference="train",
            warm_start=True,
            treatment=Chosen(choices=2, strength=5.0, target=0),
        ),
        gpu_hours=9.9,
        notes=(
            "The reward is 5 times the probability of an airplane, as in Figure 2, after which airplanes "
            "take over. 50,000 images are made and 25,000 chosen from pairs, in each of 10 retrainings: "
            "these numbers, and the 5, are as papers that follow it report them.",
            "The generator is flow matching with network and training of Tong et al. (arXiv 2302.00482), "
            "400,000 steps of 128 images, but with independent pairs of noise and image in place of optimal "
            "transport, and Heun's method of 50 steps in place of an adaptive solver.",
            "Each retraining sees 1 million images, and continues from the last network: our choice.",
            "The classifier is a VGG11, as in the paper, whose one has an accuracy of 92 %. This run trains "
            "it itself, for 30 epochs, and keeps it in the cache of madtheory.",
        ),
    ),
)
