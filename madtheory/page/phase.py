"""What synthetic data are worth in the regime with fresh real data: the map that the page holds.

The numbers take minutes, so that they are stored; `store` computes them again.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from madtheory import theory

STORED = Path(__file__).parent / "source" / "phase.json"
SIZES = tuple(sorted({round(size) for size in np.geomspace(5, 1000, 24)}))
"""The numbers of real and of synthetic points that the page offers."""
BIASES = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0, 1.02)
DIMENSIONS = (1, 2, 12)


def effective_ratio(*, n_real: int, n_synthetic: int, bias: float, dim: int) -> int:
    """Return 1000 times the effective sample size over `n_real`, rounded; -1 where there is none.

    Examples
    --------
    >>> from madtheory.page.phase import effective_ratio
    >>> effective_ratio(n_real=100, n_synthetic=900, bias=0.8, dim=1)
    94
    """
    try:
        size = theory.gaussian.effective_sample_size(
            n_real=n_real, n_synthetic=n_synthetic, bias=bias, dim=dim
        )
    except ValueError:  # the loop has no stationary covariance
        return -1
    return round(1000 * float(size) / n_real) if np.isfinite(size) else -1


def effective_ratios() -> dict[str, list[list[int]]]:
    """Return the stored map: for each dimension one list for each bias, by rows of equal `n_real`."""
    found: dict[str, list[list[int]]] = json.loads(STORED.read_text(encoding="utf-8"))
    return found


def compute() -> dict[str, list[list[int]]]:
    """Compute the map; it takes minutes."""
    return {
        str(dim): [
            [
                effective_ratio(n_real=real, n_synthetic=synthetic, bias=bias, dim=dim)
                for real in SIZES
                for synthetic in SIZES
            ]
            for bias in BIASES
        ]
        for dim in DIMENSIONS
    }


def store() -> None:
    """Compute the map and write it where the page is put together from."""
    STORED.write_text(json.dumps(compute(), separators=(",", ":")) + "\n")
