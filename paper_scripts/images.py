"""Figures of the image backend: loops of diffusions of digits and photographs, and their throughput."""

from __future__ import annotations

from paper_scripts._figure import Figure
from paper_scripts._images_drawing import draw_loops, draw_throughput
from paper_scripts._images_findings import loops_findings, throughput_findings
from simulations import image_loops, image_throughput

__all__ = ["FIGURES"]

LOOPS = (
    "Rows are generations, columns the same noise throughout; every generation is a U-Net trained from "
    "random weights. Sizes are those of minutes on a CPU, and larger where there is a GPU. In (c) a quarter "
    "of every training set is new and real. Dotted: the real images."
)

FIGURES = (
    Figure(
        name="image_loops_digits",
        title="Loops of image diffusions: digits (analogue)",
        source="MAD, section 4; SIMS, section 4.2",
        simulation=image_loops.digits,
        draw=draw_loops,
        findings=loops_findings,
        caption="An analogue: 8 x 8 digits, with their classes, in place of MNIST and FFHQ, and a small "
        "classifier's features in place of LeNet's and Inception's. " + LOOPS,
        networks=True,
    ),
    Figure(
        name="image_photographs",
        title="Loops of image diffusions: patches of two photographs (analogue)",
        source="MAD, section 4; SIMS, section 4.2",
        simulation=image_loops.photographs,
        draw=draw_loops,
        findings=loops_findings,
        caption="An analogue: patches of scikit-learn's two photographs (a temple, a flower), 16 x 16 pixels "
        "on a CPU and 32 x 32 on a GPU, in place of FFHQ, and features of random convolutions, whose "
        "distances are no FID. " + LOOPS,
        networks=True,
    ),
    Figure(
        name="image_throughput",
        title="Images per second of training and sampling, against diffusers",
        source="our own",
        simulation=image_throughput.run,
        draw=draw_throughput,
        findings=throughput_findings,
        caption="The same U-Net on the same device in the same run. diffusers: the step of its training "
        "example, and its DDIM pipeline. Measured once, on the device that the title names: another run "
        "gives other numbers.",
        networks=True,
    ),
)
