"""Figures of "Self-Consuming Generative Models Go MAD" (Alemohammad et al. 2024, arXiv 2307.01850v1)."""

from __future__ import annotations

from paper_scripts import (
    _mad2024_admissible as admissible,
    _mad2024_drawing as drawing,
    _mad2024_findings as findings,
)
from paper_scripts._figure import Figure
from simulations import admissible_synthetic, fresh_limits, model_memory, real_fraction

__all__ = ["FIGURES"]

FIGURES = (
    Figure(
        name="mad_10_left",
        title="The fresh data loop forgets where it started",
        source="MAD, Fig. 10 left",
        simulation=fresh_limits.run,
        draw=drawing.fresh_limits,
        findings=findings.fresh_limits,
        caption="Gaussians in 100 dimensions; mean of the replicates with two standard errors. Squared W2, "
        "the convention of FID, which is the one that fits MAD's axis.",
    ),
    Figure(
        name="mad_11",
        title="How much synthetic data is admissible, over the number of real points",
        source="MAD, Fig. 11",
        simulation=admissible_synthetic.over_real,
        draw=drawing.admissible_over_real,
        findings=admissible.admissible_over_real,
        caption="Blue: a generation is worth more real points than it sees (MAD, Eq. 4). Circles: largest "
        "admissible number of synthetic points, simulated; dashed: by theory. Right: the same far beyond "
        "MAD's range, at a cost that does not grow with the number of points.",
    ),
    Figure(
        name="mad_12",
        title="How much synthetic data is admissible, over the bias",
        source="MAD, Fig. 12",
        simulation=admissible_synthetic.over_bias,
        draw=drawing.admissible_over_bias,
        findings=admissible.admissible_over_bias,
        caption="As the figure before, over the sampling bias (MAD's lambda: it multiplies the covariance).",
    ),
    Figure(
        name="mad_30",
        title="Sampling from several previous models helps",
        source="MAD, Fig. 30",
        simulation=model_memory.run,
        draw=drawing.model_memory,
        findings=findings.model_memory,
        caption="Every synthetic point comes from one of the last K models, chosen uniformly at random.",
    ),
    Figure(
        name="mad_31",
        title="A fixed share of real data, as data grow",
        source="MAD, Fig. 31",
        simulation=real_fraction.run,
        draw=drawing.real_fraction,
        findings=findings.real_fraction,
        caption="Limits of the fresh data loop. Without a bias all shares of real data end in the law 1/n; "
        "a bias leaves a floor that no amount of data lowers.",
    ),
)
