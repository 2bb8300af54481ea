"""What a result says about where it comes from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from madtheory._loop import Loop, Snapshot

__all__ = ["provenance"]


def provenance(loop: Loop, snapshots: Sequence[Snapshot]) -> dict[str, Any]:
    """What was run, how, from which seed, with which versions: attributes that netCDF can hold."""
    import scipy

    import madtheory

    first = snapshots[0]
    return {
        "method": first.method,
        "regime": loop.regime.name,
        "regime_keywords": json.dumps(loop.regime.keywords, default=repr),
        "bias": "model's default" if loop.bias is None else loop.bias,
        "model": type(loop.model).__name__,
        "real": type(loop.real).__name__,
        "replicates": sum(int(np.prod(s.replicates)) for s in snapshots),
        "seed": str(first.streams.entropy),
        "versions": json.dumps(
            {"madtheory": madtheory.__version__, "numpy": np.__version__, "scipy": scipy.__version__}
        ),
    }
