"""Many cells at once, on one machine or a cluster, kept as they finish: `sweep` and `run_cells`."""

from madtheory.sweeps.cells import SweepError, count_seconds, run_cells
from madtheory.sweeps.interface import sweep

__all__ = ["SweepError", "count_seconds", "run_cells", "sweep"]
