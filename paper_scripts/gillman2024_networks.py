"""Figures on "Self-Correcting Self-Consuming Loops" with networks (Gillman et al. 2024, arXiv 2402.07087)."""

from __future__ import annotations

from paper_scripts._figure import Figure
from paper_scripts._gillman2024_networks import correction_findings, draw_corrected_networks
from simulations import self_corrected_networks

__all__ = ["FIGURES"]

FIGURES = (
    Figure(
        name="gillman_3_networks",
        title="Digits of a diffusion, corrected by the nearest cluster centre: an analogue",
        source="Gillman et al., Fig. 3, analogue on other data",
        simulation=self_corrected_networks.run,
        draw=draw_corrected_networks,
        findings=correction_findings,
        caption="An analogue: scikit-learn's 8 x 8 digits, a class-conditional diffusion with a multilayer "
        "perceptron. Every generation goes on training on the 897 real images and λ synthetic ones for each, "
        "at a tenth of the learning rate; corrected ones are replaced by the nearest of 16 cluster centres "
        "of the real images of their class. Against 900 held-out images, features of a small convolutional "
        "classifier. Means over the seeds, bands are two standard errors; all loops of a seed share "
        "generation 1 (dotted). Dashed: λ = 0.5. Long training unless the panel says brief: that budget was "
        "added after the long one had come out against the paper, whose generator is a worse one.",
        networks=True,
    ),
)
