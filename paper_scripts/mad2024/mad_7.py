"""Digits in the plane, bias 0.8: each class collapses (an analogue)."""

from functools import partial

from paper_scripts.mad2024.digits import judge_collapsing as judge
from paper_scripts.mad2024.mad_5 import CAPTION, NETWORKS, draw
from simulations import network_digits

__all__ = ["CAPTION", "NETWORKS", "draw", "judge"]
SOURCE = "MAD, Fig. 7, on other data"

simulate = partial(network_digits.run_embedding, bias=0.8)
