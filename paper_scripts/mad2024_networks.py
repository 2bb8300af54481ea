"""Figures on "Self-Consuming Generative Models Go MAD" (arXiv 2307.01850) with a diffusion, on digits."""

from __future__ import annotations

from functools import partial

from paper_scripts import _mad2024_networks_drawing as drawing
from paper_scripts._figure import Figure
from paper_scripts._mad2024_classes_findings import collapsing_findings, merging_findings
from paper_scripts._mad2024_fresh_findings import admissible_findings, limit_findings
from paper_scripts._mad2024_networks_findings import augmented_findings, synthetic_findings
from simulations import network_digits, network_digits_fresh

__all__ = ["FIGURES"]

_SETTING = (
    "An analogue: 897 of scikit-learn's 8 x 8 digits in place of MNIST, and a class-conditional diffusion of "
    "two layers, trained from scratch in every generation; guidance w = 1 / bias - 1, equal class counts. "
)
_MEASURE = (
    "900 samples a generation against 900 held-out digits; FID, precision and recall (k = 5) in features of "
    "a LeNet trained on the real training half; dotted: that half itself in place of samples. Bands are two "
    "standard errors over the seeds. "
)
_STORED = "Samples are stored in the grey levels of the data, which bounds guidance and narrows the spread. "

FIGURES = (
    Figure(
        name="mad_4_16",
        title="Digits, fully synthetic loop: quality or diversity decreases (an analogue)",
        source="MAD, Figs. 4, 6, 16, on other data",
        simulation=network_digits.run,
        draw=drawing.draw_synthetic,
        findings=synthetic_findings,
        caption=_SETTING
        + _MEASURE
        + _STORED
        + "Samples are drawn with the bias of their loop, also those of "
        "generation 1. Below: the share of samples that are read as the class they were drawn for, and "
        "variances within and between classes.",
        networks=True,
    ),
    *(
        Figure(
            name=name,
            title=f"Digits in the plane, bias {bias:g}: {what} (an analogue)",
            source=f"MAD, Fig. {number}, on other data",
            simulation=partial(network_digits.run_embedding, bias=bias),
            draw=drawing.draw_embedding,
            findings=findings,
            caption=_SETTING
            + "One t-SNE of pixels for each generation, of real digits (crosses) and samples (dots) of one "
            "seed together; colours are classes, for samples the ones they were drawn for. The numbers below "
            "are of all seeds.",
            networks=True,
        )
        for name, number, bias, what, findings in (
            ("mad_5", 5, 1.0, "classes drift and merge", merging_findings),
            ("mad_7", 7, 0.8, "each class collapses", collapsing_findings),
        )
    ),
    Figure(
        name="mad_9",
        title="Digits beside fixed real ones: degradation is delayed (an analogue)",
        source="MAD, Figs. 8, 9, on other data",
        simulation=network_digits.run_augment,
        draw=drawing.draw_augmented,
        findings=augmented_findings,
        caption=_SETTING
        + "The 897 real digits and as many samples of the last generation; dashes: the fully "
        "synthetic loop. " + _MEASURE,
        networks=True,
    ),
    Figure(
        name="mad_10_right",
        title="Fresh digits: the limit does not depend on the start (an analogue)",
        source="MAD, Fig. 10 right, on other data",
        simulation=network_digits_fresh.run_limits,
        draw=drawing.draw_limits,
        findings=limit_findings,
        caption=_SETTING
        + "100 fresh real and 100 synthetic digits in every generation, bias 1. With a finite "
        "set fresh data repeat: each draw is of different digits, but of the same 897. " + _MEASURE,
        networks=True,
    ),
    Figure(
        name="mad_11_digits",
        title="Digits: how many real ones a fresh data loop is worth (an analogue)",
        source="MAD, Figs. 11, 12, on other data",
        simulation=network_digits_fresh.run_admissible,
        draw=drawing.draw_admissible,
        findings=admissible_findings,
        caption=_SETTING
        + "Left: distance of models of real digits alone (black), and the range of the loops. "
        "Right: the number of real digits alone that gives the loop's distance, over the 100 fresh ones of a "
        "generation. Models are measured without bias, as the paper's Gaussians are; bars are two standard "
        "errors.",
        networks=True,
    ),
    *(
        Figure(
            name=f"mad_{number}",
            title=f"Samples of digits by generation, bias {bias:g} (an analogue)",
            source=f"MAD, Fig. {number}, on other data",
            simulation=network_digits.run,
            draw=partial(drawing.draw_samples, bias=bias),
            findings=findings,
            caption=_SETTING + "Two samples of each class, one row for each generation; each column has the "
            "same noise in all of them. One seed; the numbers below are of all.",
            networks=True,
        )
        for number, bias, findings in ((26, 1.0, merging_findings), (27, 0.8, collapsing_findings))
    ),
)
