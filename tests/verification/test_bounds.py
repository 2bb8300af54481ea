"""Bounds of distances, over more loops and replicates than `tests/theory/test_bracket.py`."""

import numpy as np
import pytest
from test_bracket import random_case, violations

pytestmark = pytest.mark.slow


def test_means_lie_within_the_bounds_of_many_loops():
    rng = np.random.default_rng(4)
    for seed in range(200):
        loop = random_case(rng)
        (found,) = violations(loop, 4_000, seed)
        assert max(found) < 5, loop
