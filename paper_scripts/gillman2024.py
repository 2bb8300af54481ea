"""Figures on "Self-Correcting Self-Consuming Loops" (Gillman et al. 2024, arXiv 2402.07087)."""

from __future__ import annotations

from paper_scripts._figure import Figure
from paper_scripts._gillman2024_drawing import draw_correction, draw_digits
from paper_scripts._gillman2024_findings import correction_findings, digits_findings
from simulations import self_corrected_digits, self_correction

__all__ = ["FIGURES"]

FIGURES = (
    Figure(
        name="gillman_2",
        title="Self-correction of a Gaussian: the figure, and the formula behind it",
        source="Gillman et al., Fig. 2",
        simulation=self_correction.run,
        draw=draw_correction,
        findings=correction_findings,
        caption="50 fixed real points in two dimensions, 25 corrected ones a generation. Curves are means "
        "over the seeds, bands one standard deviation: where a single run, as in the paper, would lie. "
        "(a) The published sampler; crosses are the paper's values at generation 500. (b) The same "
        "mixture of truth and histogram of the batch, drawn correctly. (c) The formula: the mixture of "
        "truth and model. (d) The formula where only the last batch is kept, the loop of the theorems. "
        "(e) The last generation. (f) What the samplers do to the variance; theory (dashed) is exact.",
    ),
    Figure(
        name="gillman_3_digits",
        title="Digits corrected by the nearest cluster centre",
        source="Gillman et al., Fig. 3, on other data",
        simulation=self_corrected_digits.run,
        draw=draw_digits,
        findings=digits_findings,
        caption="scikit-learn's 8 x 8 digits, one Gaussian per class, 100 fixed real images a class, and λ "
        "synthetic ones for each; the last panel has synthetic images only. Frechet distance to all real "
        "images of the class, average over the ten classes; bands are two standard errors. Below: a draw "
        "of each class, and the same corrected.",
    ),
)
