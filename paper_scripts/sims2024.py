"""Figures on self-improvement by negative guidance: SIMS (arXiv 2408.16333) and Neon (2510.03597)."""

from __future__ import annotations

from paper_scripts._figure import Figure
from paper_scripts._sims2024_drawing import draw_distance, draw_loops, draw_rates
from paper_scripts._sims2024_findings import distance_findings, loops_findings, rates_findings
from simulations import self_improvement

__all__ = ["FIGURES"]

FIGURES = (
    Figure(
        name="sims_distance",
        title="Moving away from a self-trained model corrects a biased sampler, not sampling noise",
        source="SIMS, Fig. of distance against guidance; Gaussians, after Neon, Appendix B.11",
        simulation=self_improvement.distance,
        draw=draw_distance,
        findings=distance_findings,
        caption="Distance of samples to the truth against guidance; stars mark the optimum. (a) SIMS in one "
        "dimension, with the exact curves. (b, c) SIMS and Neon in two, truth N(0, [[2, 1], [1, 2]]), "
        "auxiliaries on 10,000 and on 1000 points.",
    ),
    Figure(
        name="sims_loops",
        title="A hundred generations with SIMS: sane for mild guidance",
        source="SIMS, section 4.2.1",
        simulation=self_improvement.run,
        draw=draw_loops,
        findings=loops_findings,
        caption="Above: a fixed real set and as many synthetic points of the last model; bands hold 90 % of "
        "the loops. Below: synthetic points only, with the exact mean log volume. Laws of the samples are "
        "judged, bias included.",
    ),
    Figure(
        name="sims_rates",
        title="At guidance 1 the fully synthetic loop has no drift, and twice the noise",
        source="our own",
        simulation=self_improvement.rates,
        draw=draw_rates,
        findings=rates_findings,
        caption="Growth of the log variance per generation for three ways of moving away from a self-trained "
        "model, and the variance that SIMS adds. Stars mark the guidance at which the collapse stops.",
    ),
)
