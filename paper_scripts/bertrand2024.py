"""Figures on "On the Stability of Iterative Retraining" (Bertrand et al. 2024, arXiv 2310.00429)."""

from __future__ import annotations

from paper_scripts._bertrand2024_drawing import draw_contraction, draw_loops
from paper_scripts._bertrand2024_findings import contraction_findings, loops_findings
from paper_scripts._figure import Figure
from simulations import iterative_retraining

__all__ = ["FIGURES"]

FIGURES = (
    Figure(
        name="bertrand_contraction",
        title="Iterative retraining is stable far beyond the theorem's threshold",
        source="Bertrand et al., Theorem 1",
        simulation=iterative_retraining.contraction,
        draw=draw_contraction,
        findings=contraction_findings,
        caption="Factor by which one generation brings a model back to the optimum. Shaded: ratios of "
        "synthetic to real data that Theorem 1 admits. Its bound passes 1 where the loop itself never "
        "does: the threshold of one half is a property of the proof. (a) Gaussians with a million real "
        "points, started off the optimum; error bars are smaller than the marks. (b) A family without the "
        "law of the data: a logistic density of any location on two groups, from its exact map.",
    ),
    Figure(
        name="bertrand_loops",
        title="A hundred generations on a hundred real points, and without any",
        source="Bertrand et al., Theorem 2 and Proposition 1",
        simulation=iterative_retraining.run,
        draw=draw_loops,
        findings=loops_findings,
        caption="Gaussian loops on a fixed set of 100 real points and 100 λ synthetic ones, and on 100 "
        "synthetic ones alone. Bands are two standard errors; theory is dashed. λ = 0 trains on the "
        "real set for ever.",
    ),
)
