"""Figures on curated self-consuming loops with networks (Ferbach et al. 2024, arXiv 2407.09499)."""

from __future__ import annotations

from paper_scripts._ferbach2024_networks import digits_findings, draw_digits, draw_planar, planar_findings
from paper_scripts._figure import Figure
from simulations import curated_networks

__all__ = ["FIGURES"]

FIGURES = (
    Figure(
        name="ferbach_planar_networks",
        title="Curated loops of diffusions in the plane: without real data one plateau takes all",
        source="Ferbach et al., appendix, toy figures",
        simulation=curated_networks.planar,
        draw=draw_planar,
        findings=planar_findings,
        caption="DDPM on eight Gaussians, flow matching on two moons; the reward is zero on the shaded "
        "plateau and falls with slope 10 outside. Each synthetic point is chosen from two; 1,000 of them a "
        "generation, with 1,000 real points or without, and the network of the last generation is trained "
        "on. Pictures: one seed. Curves: means over the seeds, bands are two standard errors. Dashed: the "
        "exact loop of infinitely many points and a perfect generator (Lemma 2.1).",
        networks=True,
    ),
    Figure(
        name="ferbach_digits_networks",
        title="Digits curated by a classifier's confidence: an analogue",
        source="Ferbach et al., Fig. 3, analogue on other data",
        simulation=curated_networks.digits,
        draw=draw_digits,
        findings=digits_findings,
        caption="An analogue: scikit-learn's 8 x 8 digits in place of CIFAR-10, an unconditional diffusion "
        "with a multilayer perceptron, and 15 times the largest probability of a small convolutional "
        "classifier as reward. Each synthetic image is chosen from four. 897 curated images a generation, "
        "with 897 real ones or without, and 897 synthetic ones without curation. Imbalance is the total "
        "variation between the classes' shares and those of held-out images. Bands are two standard errors.",
        networks=True,
    ),
)
