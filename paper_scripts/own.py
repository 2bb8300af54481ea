"""Our own figures: collapse against the exact law, the order in which directions die, and real digits."""

from __future__ import annotations

from paper_scripts._figure import Figure
from paper_scripts._own_drawing import draw_digits, draw_lyapunov, draw_variance_collapse
from paper_scripts._own_findings import digits_findings, lyapunov_findings, variance_collapse_findings
from simulations import digits, lyapunov, variance_collapse

__all__ = ["FIGURES"]

FIGURES = (
    Figure(
        name="variance_collapse",
        title="Variance collapse of the fully synthetic loop, against its exact law",
        source="our own",
        simulation=variance_collapse.run,
        draw=draw_variance_collapse,
        findings=variance_collapse_findings,
        caption="One dimension, n points per generation. Bands hold 90 % of the loops. The exact mean "
        "(dotted) and the average of the simulated loops (thin) are carried by ever fewer of them.",
    ),
    Figure(
        name="lyapunov",
        title="Which directions die first: the Lyapunov spectrum of the fully synthetic loop",
        source="our own",
        simulation=lyapunov.run,
        draw=draw_lyapunov,
        findings=lyapunov_findings,
        caption="Ten dimensions, identity covariance at the start, bias 1. Theory gives slopes: in (a) and "
        "(c) its lines go through the middle of the run. Error bars in (b) are two standard errors, "
        "smaller than the marks.",
    ),
    Figure(
        name="digits",
        title="Real data: handwritten digits in the three loops",
        source="our own",
        simulation=digits.run,
        draw=draw_digits,
        findings=digits_findings,
        caption="scikit-learn's 8 x 8 digits, one Gaussian per class, 100 real and 100 synthetic points per "
        "class and generation (fully synthetic: 100 synthetic). Samples are unbiased draws from the "
        "models, clipped to the grey scale. Curves are averages over classes and replicates, with "
        "bands of two standard errors; W2² compares Gaussians of the model's and the real moments "
        "(the Frechet distance, in pixels). Its bounds are dotted, in the colour of the loop; only "
        "the fully synthetic loop has an upper one.",
    ),
)
