"""Arithmetic that does not depend on loops: distances, bandwidths, roots, threads, the global generators."""

from madtheory.numerics.bandwidth import (
    Bandwidth,
    absolute_width,
    check_bandwidth,
    relative_factor,
    scales_with_data,
)
from madtheory.numerics.euclidean import distances, nearest, neighbour_radii, of_usual_size
from madtheory.numerics.global_random import seed_globals
from madtheory.numerics.roots import (
    FEW,
    entries,
    multiply_lower,
    replicates_first,
    rescale,
    room,
    stack,
    triangular,
    without_direction,
)
from madtheory.numerics.threads import one_openmp_thread, one_thread

__all__ = [
    "FEW",
    "Bandwidth",
    "absolute_width",
    "check_bandwidth",
    "distances",
    "entries",
    "multiply_lower",
    "nearest",
    "neighbour_radii",
    "of_usual_size",
    "one_openmp_thread",
    "one_thread",
    "relative_factor",
    "replicates_first",
    "rescale",
    "room",
    "scales_with_data",
    "seed_globals",
    "stack",
    "triangular",
    "without_direction",
]
