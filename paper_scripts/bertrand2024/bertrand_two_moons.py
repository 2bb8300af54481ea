"""Two moons retrained on their own samples: flow matching."""

from paper_scripts.bertrand2024.bertrand_eight_gaussians import NETWORKS, SETTING, SOURCE, draw, judge
from simulations import retrained_networks

__all__ = ["NETWORKS", "SOURCE", "draw", "judge"]
CAPTION = SETTING + "A sample is good in the region of highest density that holds 99 % of the truth."

simulate = retrained_networks.two_moons
