"""Figures on SIMS (arXiv 2408.16333) and Neon (2510.03597) with trained diffusions."""

from __future__ import annotations

from paper_scripts._figure import Figure
from paper_scripts._neon2025_findings import toy_findings
from paper_scripts._sims2024_networks_drawing import (
    draw_budgets,
    draw_classes,
    draw_loops,
    draw_pollution,
    draw_toy,
)
from paper_scripts._sims2024_networks_findings import (
    budgets_findings,
    classes_findings,
    loops_findings,
    pollution_findings,
)
from simulations import neon_toy, sims_digits, sims_loop_digits

__all__ = ["FIGURES"]

ANALOGUE = (
    "An analogue of the paper's figure: 8 x 8 digits in place of CIFAR-10 and FFHQ, small networks trained "
    "from scratch, and a small classifier's features in place of Inception's. Bands are two standard errors "
    "over the seeds. "
)

FIGURES = (
    Figure(
        name="sims_budget_digits",
        title="SIMS improves a diffusion of digits by its own samples (analogue)",
        source="SIMS, section 4.1; Neon, Fig. 4",
        simulation=sims_digits.budgets,
        draw=draw_budgets,
        findings=budgets_findings,
        caption=ANALOGUE + "(a) FID to held-out digits against guidance, for budgets of the auxiliary; stars "
        "mark the best w, the dotted line the base. (b) One line a seed: the base, and SIMS at the w chosen "
        "with other samples and the training half. (c) Precision and recall for the largest budget.",
        networks=True,
    ),
    Figure(
        name="sims_pollution_digits",
        title="Synthetic images among the real ones: standard training and SIMS (analogue)",
        source="SIMS, section 4.2.2",
        simulation=sims_digits.pollution,
        draw=draw_pollution,
        findings=pollution_findings,
        caption=ANALOGUE + "Generation 2 trains on all real digits and on samples of generation 1.",
        networks=True,
    ),
    Figure(
        name="sims_loop_digits",
        title="Loops of diffusions of digits with SIMS and without (analogue)",
        source="SIMS, section 4.2, continued",
        simulation=sims_loop_digits.run,
        draw=draw_loops,
        findings=loops_findings,
        caption=ANALOGUE + "(a) Synthetic images only; (b) all real digits and as many images of the last "
        "generation. The green stripe is the first base's FID, 10 % up and down. (c-e) Solid: fully "
        "synthetic; dashed: augmentation. What the next generation trains on is judged. (f) One seed, digits "
        "0 to 9.",
        networks=True,
    ),
    Figure(
        name="sims_classes_digits",
        title="A class-imbalanced set S steers the mix of classes (analogue)",
        source="SIMS, section 4.3",
        simulation=sims_digits.classes,
        draw=draw_classes,
        findings=classes_findings,
        caption=ANALOGUE
        + "An unconditional diffusion; a classifier lets every even digit into S, and one odd "
        "one in ten. Wanted: 70 % odd digits.",
        networks=True,
    ),
    Figure(
        name="neon_toy",
        title="Neon's toy: which way to extrapolate depends on the samples' bias",
        source="Neon, Fig. B.2, B.3",
        simulation=neon_toy.run,
        draw=draw_toy,
        findings=toy_findings,
        caption="A diffusion of N(0, [[2, 1], [1, 2]]), fine-tuned on samples drawn with the score times ζ. "
        "Dotted grey: the base; stars: minima read off the published notebook, one run. Bands hold all "
        "our seeds (Neon).",
        networks=True,
    ),
)
