"""Figures on "On the Stability of Iterative Retraining" with networks (Bertrand et al., arXiv 2310.00429)."""

from __future__ import annotations

from paper_scripts._bertrand2024_networks import draw_retraining, retraining_findings
from paper_scripts._figure import Figure
from simulations import retrained_networks

__all__ = ["FIGURES"]

CAPTION = (
    "Every generation goes on training the network of the last one, on the same 1,000 real points and λ "
    "synthetic ones for each. Pictures: one seed. Numbers: mean over the seeds, bands are two standard "
    "errors; all λ of a seed share generation 1. Dotted: a new sample of the truth. Network and budget are "
    "smaller than the paper's, which are not published for these pictures."
)

FIGURES = (
    Figure(
        name="bertrand_eight_gaussians",
        title="Eight Gaussians retrained on their own samples: DDPM",
        source="Bertrand et al., Fig. 2",
        simulation=retrained_networks.eight_gaussians,
        draw=draw_retraining,
        findings=retraining_findings,
        caption=CAPTION + " A sample is good within ten standard deviations of a centre.",
        networks=True,
    ),
    Figure(
        name="bertrand_two_moons",
        title="Two moons retrained on their own samples: flow matching",
        source="Bertrand et al., Fig. 2",
        simulation=retrained_networks.two_moons,
        draw=draw_retraining,
        findings=retraining_findings,
        caption=CAPTION + " A sample is good in the region of highest density that holds 99 % of the truth.",
        networks=True,
    ),
)
