"""The demonstration: handwritten digits in the three loops, theory alongside simulation, and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from madtheory.core import Loop


_N = 300
_BIAS = 0.9
_SIDE = 2  # a cell of the picture shows 2 x 2 digits
_TITLES = {"replace": "fully synthetic", "augment": "synthetic augmentation", "fresh": "fresh data"}


def digit_loops() -> dict[str, Loop]:
    """Return MAD's three loops for a Gaussian on scikit-learn's digits (1797 images of 8 x 8)."""
    from sklearn.datasets import load_digits

    import madtheory as mad

    digits = load_digits().data
    three = (
        mad.regimes.replace(n=_N),
        mad.regimes.augment(n_real=_N, n_synthetic=_N),
        mad.regimes.fresh(n_real=_N, n_synthetic=_N),
    )
    return {r.name: mad.Loop(real=digits, model=mad.Gaussian(), regime=r, bias=_BIAS) for r in three}


def run_demo(out: Path, quick: bool = False) -> str:
    """Run the three loops; write the pictures into the folder `out` and return the tables."""
    import madtheory as mad
    from madtheory.cli.tables import comparison
    from madtheory.plotting import animate

    generations, replicates = (10, 20) if quick else (40, 100)
    loops, path = digit_loops(), out / "madtheory_demo.png"
    try:
        out.mkdir(parents=True, exist_ok=True)
        draw_digits(loops, generations).savefig(path, dpi=150)
        titled = {_TITLES[name]: loop for name, loop in loops.items()}
        moving = animate(titled, min(generations, 20), shape=(8, 8)).save(path.with_suffix(".gif"))
    except OSError as error:
        raise ValueError(f"out={str(out)!r} is not a folder to write into ({error.strerror}).") from None
    lines = [
        f"A Gaussian is fitted to {_N} handwritten digits of 64 pixels, sampled, fitted to the samples, ...",
        f"Bias {_BIAS}: samples have {_BIAS} of the model's covariance; {replicates} replicates.",
    ]
    metrics = (mad.metrics.total_variance, mad.metrics.mean_error)
    for seed, (name, loop) in enumerate(loops.items()):
        simulated = mad.simulate(loop, generations, replicates=replicates, metrics=metrics, rng=seed)
        table = comparison(simulated, mad.predict(loop, generations))
        lines += ["", f"== {name}: the {_TITLES[name]} loop", table]
    made = [f"Digits sampled from the model of each generation: {path}", f"The same, moving: {moving}"]
    return "\n".join([*lines, "", *made])


def draw_digits(loops: dict[str, Loop], generations: int) -> Figure:
    """Draw digits sampled along one run of each loop: a row for each loop, a column for each generation."""
    from matplotlib.figure import Figure

    import madtheory as mad
    from madtheory.cli.tables import spread_out
    from madtheory.plotting import sample_grid

    shown = spread_out(range(1, generations + 1), most=6)
    cells = np.zeros((len(loops), len(shown), 9 * _SIDE, 9 * _SIDE))
    for row, loop in enumerate(loops.values()):
        for snapshot in mad.iterate(loop, rng=row):
            if snapshot.generation in shown:
                # The same draws from every model: what changes along a row is the model.
                digits = snapshot.model.sample(_SIDE**2, rng=np.random.default_rng(0))
                framed = np.pad(digits.reshape(_SIDE, _SIDE, 8, 8), ((0, 0), (0, 0), (0, 1), (0, 1)))
                cells[row, shown.index(snapshot.generation)] = framed.swapaxes(1, 2).reshape(cells.shape[2:])
            if snapshot.generation == generations:
                break
    figure = Figure(figsize=(1.3 * len(shown) + 1.6, 1.3 * len(loops) + 0.5), layout="constrained")
    ax = figure.add_subplot()
    sample_grid(
        cells,
        rows=[_TITLES[name] for name in loops],
        columns=[f"generation {t}" for t in shown],
        limits=(0, 16),
        gap=2,
        ax=ax,
    )
    return figure
