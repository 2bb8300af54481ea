"""Write ``docs/coverage.md``, which loops `predict` answers: ``python docs/coverage.py``."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import madtheory as mad
from madtheory import models, regimes, treatments

HEAD = """# Coverage: which loops have a closed form

What `madtheory.predict` returns for each model in each regime, asked of small loops by
`docs/coverage.py`, which writes this page: the number of variables that are an *m* exact mean, *l* exact law,
*r* almost-sure rate, *1/n* leading order, *b* bound, *n* numerical. Open cells have no closed form for this
loop; the reasons stand below. Some formulas of [theory](theory.md) are functions of numbers, not of loops.
`simulate` runs all of these loops.
"""
SHORT = {
    "exact mean": "m",
    "exact law": "l",
    "almost-sure rate": "r",
    "leading order in 1/n": "1/n",
    "bound": "b",
    "numerical": "n",
}
N = 40
REGIMES: dict[str, regimes.Regime] = {
    "`replace`": regimes.replace(n=N),
    "`augment`": regimes.augment(n_real=N, n_synthetic=N),
    "`accumulate`": regimes.accumulate(n=N),
    "`accumulate_subsample`": regimes.accumulate_subsample(n=N),
    "`fresh`": regimes.fresh(n_real=N, n_synthetic=N),
    "`augment`, memory 2": regimes.augment(n_real=N, n_synthetic=N, memory=2),
}
LINE, PLANE = mad.Gaussian.standard(1), mad.Gaussian.standard(2)
LAW = mad.Categorical([0.5, 0.3, 0.2])
MIXTURE = mad.Mixture(weights=[0.5, 0.5], means=[[-2.0], [2.0]], covariances=[[[1.0]], [[1.0]]])


def _loop(real: Any, model: Any, **settings: Any) -> Callable[[regimes.Regime], mad.Loop]:
    return lambda regime: mad.Loop(real=real, model=model, regime=regime, **settings)


def _labels(regime: regimes.Regime) -> mad.Loop:
    real = mad.LinearRegression([1.0, -0.5], noise=1.0, design=PLANE)
    return mad.Loop(real=real, model=mad.LinearRegression(), regime=regime)


def _family(name: Any, mean: float) -> Callable[[regimes.Regime], mad.Loop]:
    return _loop(mad.ExponentialFamily(name, mean), mad.ExponentialFamily(name))


LOOPS: dict[str, Callable[[regimes.Regime], mad.Loop]] = {
    "`Gaussian`, d = 1": _loop(LINE, mad.Gaussian()),
    "`Gaussian`, d = 2": _loop(PLANE, mad.Gaussian()),
    "`Gaussian`, d = 2, bias 0.8": _loop(PLANE, mad.Gaussian(), bias=0.8),
    '`Gaussian`, `shape="diagonal"`': _loop(PLANE, mad.Gaussian(shape="diagonal")),
    '`Gaussian`, `shape="spherical"`': _loop(PLANE, mad.Gaussian(shape="spherical")),
    "`Gaussian`, known covariance": _loop(PLANE, mad.Gaussian(known_covariance=np.eye(2))),
    "`Gaussian` on data that are not": _loop(MIXTURE, mad.Gaussian()),
    "`Gaussian`, self-corrected": _loop(PLANE, mad.Gaussian(), treatments=treatments.correct(1.0)),
    "`Gaussian`, curated": _loop(
        LINE, mad.Gaussian(), treatments=treatments.curate(lambda x: -((x[..., 0] - 1) ** 2), choices=4)
    ),
    "`SIMS` of a Gaussian": _loop(PLANE, models.SIMS(mad.Gaussian(), guidance=0.5)),
    "`Neon` of a Gaussian": _loop(PLANE, models.Neon(mad.Gaussian(), weight=0.5)),
    "`Mixture`, labels observed": _loop(MIXTURE, mad.Mixture(2, labels="observed")),
    "`Mixture`, EM": _loop(MIXTURE, mad.Mixture(2)),
    "`KernelDensity`": _loop(LINE, mad.KernelDensity()),
    "`Categorical`": _loop(LAW, mad.Categorical()),
    '`ExponentialFamily("poisson")`': _family("poisson", 4.0),
    '`ExponentialFamily("exponential")`': _family("exponential", 2.0),
    "`Pareto`": _loop(mad.Pareto(3.0), mad.Pareto()),
    "`LinearRegression`": _labels,
}


def answer(make: Callable[[regimes.Regime], mad.Loop], regime: regimes.Regime) -> tuple[str, str]:
    """Return the cell of the table, and why it is open."""
    try:
        predicted = mad.predict(make(regime), 3)
    except mad.NoClosedForm as error:
        return "open", _in_words(str(error))
    kinds = [str(variable.attrs.get("kind")) for variable in predicted.data_vars.values()]
    return ", ".join(f"{kinds.count(kind)} {short}" for kind, short in SHORT.items() if kind in kinds), ""


def _in_words(reason: str) -> str:
    """Return a reason without the loop that it is about, which the page names."""
    reason = re.sub(r"Regime\([^()]*\)", "this regime", reason).replace("regime=this", "this")
    reason = re.sub(r" in regime '\w+'", "", reason).replace(" with treatments=()", "")
    reason = re.sub(r"treatments=\(Curation\(.*?\),\) in this regime", "curation", reason)
    return reason.removesuffix(" madtheory.compare(simulated) lists a simulation without theory.")


def page() -> str:
    """Return the page as Markdown."""
    rows, reasons = [], {}
    for name, make in LOOPS.items():
        cells = []
        for called, regime in REGIMES.items():
            cell, reason = answer(make, regime)
            cells.append(cell)
            if reason:
                reasons.setdefault(reason, []).append(f"{name} in {called}")
        rows.append("| " + " | ".join([name, *cells]) + " |")
    header = ["| model | " + " | ".join(REGIMES) + " |", "|---" * (len(REGIMES) + 1) + "|"]
    why = [f"- {'; '.join(where)}: {reason}" for reason, where in reasons.items()]
    return "\n".join([HEAD, *header, *rows, "", "## Why a cell is open", "", *(why or ["None is."])]) + "\n"


if __name__ == "__main__":
    (Path(__file__).parent / "coverage.md").write_text(page())
