"""Samples of digits by generation, bias 0.8 (an analogue)."""

from functools import partial

from paper_scripts.mad2024 import mad_26
from paper_scripts.mad2024.digits import judge_collapsing as judge
from paper_scripts.mad2024.mad_26 import CAPTION, NETWORKS, simulate

__all__ = ["CAPTION", "NETWORKS", "judge", "simulate"]
SOURCE = "MAD, Fig. 27, on other data"

draw = partial(mad_26.draw_bias, bias=0.8)
