"""Figs. 13 and 17 of "Self-Consuming Generative Models Go MAD" (arXiv 2307.01850): WGAN-GP and flow."""

from __future__ import annotations

from paper_scripts._figure import Figure
from paper_scripts._mad2024_small_drawing import draw_digits, draw_tails
from paper_scripts._mad2024_small_findings import digits_findings, tails_findings
from simulations import flow_tails, wgan_digits

__all__ = ["FIGURES"]

FIGURES = (
    Figure(
        name="mad_13_digits",
        title="A hundred generations of GANs: an analogue on digits",
        source="MAD, Fig. 13, on other data",
        simulation=wgan_digits.run,
        draw=draw_digits,
        findings=digits_findings,
        caption="Analogue of MAD's WGAN-GP on MNIST: scikit-learn's 8 x 8 digits, a WGAN-GP of perceptrons, "
        "900 images a generation, stored with 17 grey levels, fully synthetic, bias 1. Against held-out "
        "digits; distance, precision and recall (k = 5) in features of a small LeNet, and the distance in "
        "pixels. Mean of the seeds with two standard errors, single seeds thin. Below: samples of the first "
        "seed.",
        networks=True,
    ),
    Figure(
        name="mad_17",
        title="A flow and the tails of its truth, with and without bias",
        source="MAD, Fig. 17",
        simulation=flow_tails.run,
        draw=draw_tails,
        findings=tails_findings,
        caption="Normalizing flow of eight coupling layers on the Rosenbrock law, fully synthetic, trained "
        "anew in each generation with the paper's sizes; the bias multiplies the latent variance. Above: "
        "samples of the first seed, with contours of the true density at 0.001, 0.01 and 0.1. Below: mass of "
        "the tails, mean of the seeds with two standard errors, single seeds thin; dashed: exact.",
        networks=True,
    ),
)
