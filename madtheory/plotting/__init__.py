"""Pictures of results: trajectories with theory on top, phase diagrams, grids of samples, animations.

The functions for still pictures draw into an `Axes` (a new one by default) and return it. Matplotlib is
imported only then.
"""

from madtheory.plotting.animation import Animation, animate
from madtheory.plotting.pictures import (
    BOUND as BOUND,
    STYLE,
    THEORY as THEORY,
    phase_diagram,
    sample_grid,
    style,
    trajectories,
)

__all__ = ["STYLE", "Animation", "animate", "phase_diagram", "sample_grid", "style", "trajectories"]
