"""Loops of image diffusions: patches of two photographs (analogue)."""

from paper_scripts.images.image_loops_digits import NETWORKS, SETTING, SOURCE, draw, judge
from simulations import image_loops

__all__ = ["NETWORKS", "SOURCE", "draw", "judge"]
CAPTION = (
    "An analogue: patches of scikit-learn's two photographs (a temple, a flower), 16 x 16 pixels on a "
    "CPU and 32 x 32 on a GPU, in place of FFHQ, and features of random convolutions, whose distances are no "
    "FID. " + SETTING
)

simulate = image_loops.photographs
