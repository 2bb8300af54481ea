"""Every public function and constructor, one argument at a time replaced by what it is not.

Accepted is a result without NaN, or an error of this package that names the argument. An exception from
inside NumPy or SciPy, an accident (`IndexError`, `OverflowError`, ...), a silent NaN and a hang are not.
"""

from __future__ import annotations

import dataclasses
import datetime
import importlib
import inspect
import linecache
import math
import os
import re
import signal
import traceback
import warnings
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import madtheory as mad
import madtheory.testing
from madtheory.validation import NotEnoughMemory

PACKAGE = str(Path(mad.__file__).parent)
SECONDS = 20
OWN = (TypeError, ValueError, OSError, ImportError, NotImplementedError)
ACCIDENTS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    NameError,
    RecursionError,
    UnicodeError,
    json_error := importlib.import_module("json").JSONDecodeError,
)

HOSTILE: dict[str, Any] = {
    "None": None,
    "True": True,
    "text": "x",
    "number as text": "1",
    "False as text": "False",
    "empty text": "",
    "bytes": b"1",
    "complex": 1j,
    "nan": math.nan,
    "inf": math.inf,
    "-inf": -math.inf,
    "-1": -1,
    "0": 0,
    "half": 0.5,
    "1.5": 1.5,
    "5": 5,
    "huge": 10**400,
    "huge digits": 10**5000,
    "trillion": 10**12,
    "long": 99999999999999999999,
    "-long": -(10**20),
    "1e308": 1e308,
    "5e-324": 5e-324,
    "-1e300": -1e300,
    "list": [1.0],
    "empty list": [],
    "nested": [[1.0]],
    "ragged": [[1.0], [1.0, 2.0]],
    "texts": ["a", "b"],
    "nones": [None, 1.0],
    "nans": [math.nan, 1.0],
    "tuple": (1, 0),
    "dict": {},
    "set": {1, 2},
    "object": object(),
    "type": int,
    "function": lambda *_: 1,
    "failing": lambda *_: None,
    "range": range(3),
    "generator": (i for i in range(3)),
    "date": datetime.date(2026, 11, 30),
    "datetime64": np.datetime64("2026-11-30"),
    "decimal": Decimal("0.5"),
    "decimal nan": Decimal("NaN"),
    "fraction": Fraction(1, 2),
    "0-d": np.array(3),
    "float32": np.float32(0.5),
    "np.bool": np.True_,
    "array": np.array([1.0, 2.0, 3.0]),
    "matrix": np.array([[1.0, 2.0], [3.0, 4.0]]),
    "empty array": np.empty((0, 2)),
    "text array": np.array(["a", "b"]),
    "object array": np.array([None, "a"], dtype=object),
    "complex array": np.array([1j, 2.0]),
    "dates array": np.array(["2026-11-30"], dtype="datetime64[D]"),
    "slice": slice(3),
    "ellipsis": ...,
}

THEORY = (
    "gaussian",
    "categorical",
    "curation",
    "correction",
    "diffusion",
    "ecosystem",
    "families",
    "guidance",
    "regression",
    "kernel_density",
    "mixtures",
    "stability",
    "verification",
)
MODULES = [
    "regimes",
    "models",
    "treatments",
    "metrics",
    "sources",
    "data",
    "testing",
    "storage",
    "plotting",
    *(f"theory.{name}" for name in THEORY),
]
HEAVY = ["networks", "images", "images.metrics", "images.datasets", "images.rewards", "images.features"]

P = [0.2, 0.3, 0.5]
EYE = [[1.0, 0.2], [0.2, 1.0]]
MEMBER = mad.theory.ecosystem.Member(mad.regimes.replace(n=20), mean=[0.5, 0.5], variance=0.5)

BASE: dict[str, Any] = {
    "accept": lambda points: points[..., 0] > 0,
    "auxiliary_covariance": EYE,
    "auxiliary_mean": [0.1, 0.0],
    "bandwidth": 0.3,
    "bandwidths": [0.3, 0.2],
    "bias": 0.9,
    "choices": 3.0,
    "concentration": (1.0, 1.0),
    "contraction": 0.5,
    "correction": 0.5,
    "covariance": EYE,
    "curated_ratio": 0.5,
    "curvature": 1.0,
    "dim": 2,
    "drift": [-0.4, -0.1],
    "eigenvalues": [1.0, 0.5],
    "error": [0.1, -0.2],
    "exchange": [[0.5, 0.5], [0.5, 0.5]],
    "exponent": 1.5,
    "failure_probability": 0.05,
    "first_share": 0.6,
    "fresh_share": 0.3,
    "function": np.abs,
    "gap": 0.5,
    "bad": 0.6,
    "gaps": [1.0, 2.0],
    "good": 0.8,
    "power": 0.0,
    "target": 1.0,
    "generation": 3,
    "generations": 4,
    "guidance": 0.2,
    "half_width": 1.0,
    "initial": P,
    "innovation": 0.1,
    "keep_correct": 0.9,
    "keep_incorrect": 0.2,
    "keep_real": 0.9,
    "keep_synthetic": 0.2,
    "label_error": 0.2,
    "initial_share": 0.5,
    "mean": [0.0, 0.5],
    "members": [MEMBER, MEMBER],
    "mean_parameter": 2.0,
    "migration": 0.1,
    "misfit": 0.1,
    "mixing": 0.3,
    "models": 3,
    "n": 20,
    "n_auxiliary": 30,
    "n_initial": 20,
    "n_real": 20,
    "n_synthetic": 15,
    "order": 2,
    "p": P,
    "points": [[20, 10], [10, 20]],
    "probabilities": P,
    "probability": 0.3,
    "rate": 0.5,
    "ratio": 0.3,
    "real_data": "fresh",
    "real_shares": [1.0, 0.5],
    "reference": P,
    "regime": mad.regimes.fresh(n_real=20, n_synthetic=15),
    "ridge": 0.1,
    "reward": [0.1, 0.5, 0.2],
    "rewards": [[0.1, 0.5, 0.2], [0.5, 0.1, 0.2]],
    "row_sizes": [10, 20, 30],
    "rows": [P, P, P],
    "scale": 1.0,
    "shape": 1.5,
    "share": 0.6,
    "shares": [0.3, 0.7],
    "sizes": [10, 20],
    "smoothing": 0.5,
    "smoothness": 1.0,
    "symbols": 3,
    "synthetic_ratio": 0.3,
    "synthetic_share": 0.3,
    "tail_index": 2.0,
    "target_share": 0.2,
    "temperature": 0.5,
    "threshold": 0.1,
    "time": 0.5,
    "types": 2,
    "variance": 0.8,
    "variances": [2.0, 0.5],
    "variance_function": [0.0, 1.0, 0.5],
    "wasserstein2_squared": 0.1,
    "weight": 0.2,
    "weights": [0.5, 0.5],
    "means": [[0.0], [4.0]],
    "guided": 0.1,
    "strength": 0.5,
    "centre": 0.2,
    "centres": [[0.0, 0.0], [1.0, 1.0]],
    "labels": False,
}

COPIES = {"regime": mad.regimes.fresh(n_real=20, n_synthetic=40), "rows": 20}

OVERRIDES: dict[str, dict[str, Any]] = {
    "theory.regression.design_drawn_once": COPIES,
    "theory.regression.fixed_design": COPIES,
    "theory.regression.mixed_label_risk": {"rows": 20},
    "theory.kernel_density.rule_growth": {"bandwidth": "silverman"},
    "theory.mixtures.replace": {
        "n": 200,
        "weights": [0.5, 0.5],
        "means": [[0.0], [4.0]],
        "variances": [1.0, 2.0],
        "weights_known": True,
    },
    "theory.curation.quadratic_luce_refit": {"curvature": 0.5},
}


def entries(modules: list[str]) -> dict[str, Any]:
    """Public functions and constructors by dotted name, each once."""
    found: dict[str, Any] = {}
    seen: set[int] = set()
    for name in modules:
        module = importlib.import_module(f"madtheory.{name}")
        for public in module.__all__:
            entry = getattr(module, public)
            if id(entry) in seen or inspect.ismodule(entry) or not callable(entry):
                continue
            if inspect.isclass(entry) and issubclass(entry, Exception):
                continue
            seen.add(id(entry))
            found[f"{name}.{public}"] = entry
    return found


@dataclasses.dataclass
class Case:
    """A call that is right, as a function of its keywords."""

    call: Any
    keywords: dict[str, Any]
    without: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        named = [
            p.name
            for p in inspect.signature(self.call).parameters.values()
            if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        return [name for name in dict.fromkeys([*self.keywords, *named]) if name not in self.without]

    def run(self, **changed: Any) -> Any:
        keywords = self.keywords | changed
        if "rng" not in changed and "rng" in keywords:
            keywords["rng"] = np.random.default_rng(0)
        positional = [
            keywords.pop(p.name)
            for p in inspect.signature(self.call).parameters.values()
            if p.kind is p.POSITIONAL_ONLY and p.name in keywords
        ]
        return self.call(*positional, **keywords)


def theory_cases() -> dict[str, Case]:
    found = {}
    for name, entry in entries([f"theory.{name}" for name in THEORY]).items():
        if inspect.isclass(entry):
            continue
        required = [
            p.name
            for p in inspect.signature(entry).parameters.values()
            if p.default is p.empty and p.kind is not p.VAR_KEYWORD
        ]
        keywords = {key: BASE[key] for key in required} | OVERRIDES.get(name, {})
        found[name] = Case(entry, keywords)
    found["theory.categorical.heterozygosity"].keywords |= {
        "n_initial": 20,
        "n_synthetic": 15,
        "n_real": 3,
        "real_data": "fresh",
    }
    law = mad.theory.gaussian.variance_law(generation=3, n=20)
    for method, keywords in {
        "moment": {"order": 2},
        "log_cumulant": {"order": 2},
        "chernoff": {"x": 1.5},
        "pdf": {"x": 0.5},
        "cdf": {"x": 0.5},
        "sf": {"x": 0.5},
        "logpdf": {"x": 0.5},
        "logcdf": {"x": 0.5},
        "logsf": {"x": 0.5},
        "ppf": {"q": 0.5},
        "isf": {"q": 0.5},
        "log_ppf": {"q": 0.5},
        "log_isf": {"q": 0.5},
        "interval": {"confidence": 0.9},
        "pdf_of_log": {"y": 0.5},
        "cdf_of_log": {"y": 0.5},
        "rvs": {"size": 3, "random_state": 0},
    }.items():
        found[f"VarianceLaw.{method}"] = Case(getattr(law, method), keywords)
    return found


def loop_of(**changed: Any) -> mad.Loop:
    real, regime = mad.Gaussian.standard(2), mad.regimes.replace(n=10)
    return mad.Loop(**{"real": real, "model": mad.Gaussian(), "regime": regime} | changed)


def light_cases(folder: Path) -> dict[str, Case]:
    """What needs neither torch nor a figure."""
    draw = np.random.default_rng(1).normal
    points, other = draw(size=(20, 2)), draw(size=(20, 2))
    labels = np.arange(20) % 2
    symbols = points[:, :1].round().clip(0, 2)
    loop, rng = loop_of(), np.random.default_rng(0)
    gaussian = mad.Gaussian.standard(2)
    categorical = mad.Categorical(P)
    density = mad.KernelDensity(0.3).fit(points)
    mixture = mad.Mixture(2, starts=1).fit(points, rng=rng)
    counts = categorical.sample_statistic(9, rng=rng)
    moments = mad.data.Moments.of(points)
    snapshot = mad.start(loop, rng=0)
    simulated = mad.simulate(loop, 4, rng=0, replicates=6, progress=False)
    saved = mad.storage.save(simulated, folder / "saved.nc")
    samples = draw(size=(8, 4))
    m, t, d, mt, x = mad.models, mad.treatments, mad.data, mad.metrics, madtheory.testing
    sims = m.SIMS(mad.Gaussian(), 0.1)
    tuned = m.Tuned(sims, metric=lambda fake: fake.mean(), grid=[0.0, 0.1], n=10)
    correction = t.correct(0.5)
    on = {"real": points, "fake": other}
    return {
        "Loop": Case(mad.Loop, {"real": gaussian, "model": mad.Gaussian(), "regime": loop.regime}),
        "start": Case(mad.start, {"loop": loop, "rng": 0}),
        "step": Case(mad.step, {"loop": loop, "previous": snapshot}),
        "iterate": Case(
            lambda loop, rng=0, replicates=None, method=None, previous=None: next(
                mad.iterate(loop, rng=rng, replicates=replicates, method=method, previous=previous)
            ),
            {"loop": loop},
        ),
        "predict": Case(mad.predict, {"loop": loop, "generations": 3}),
        "simulate": Case(mad.simulate, {"loop": loop, "generations": 3, "replicates": 3, "rng": 0}),
        "regimes.Regime": Case(
            mad.regimes.Regime, {"n_initial": 10, "n_synthetic": 5, "n_real": 5, "real_data": "fresh"}
        ),
        "Regime.n_synthetic_at": Case(loop.regime.n_synthetic_at, {"generation": 2}),
        **{
            f"regimes.{name}": Case(getattr(mad.regimes, name), keywords)
            for name, keywords in {
                "accumulate": {"n": 10},
                "accumulate_subsample": {"n": 10},
                "augment": {"n_real": 10, "n_synthetic": 5},
                "fresh": {"n_real": 10, "n_synthetic": 5},
                "replace": {"n": 10},
            }.items()
        },
        "Gaussian": Case(mad.Gaussian, {"mean": [0.0, 1.0], "covariance": EYE}),
        "Gaussian.standard": Case(mad.Gaussian.standard, {"dim": 2}),
        "Gaussian()": Case(mad.Gaussian, {}),
        "Gaussian of known covariance": Case(mad.Gaussian, {"known_covariance": EYE}),
        "Categorical": Case(mad.Categorical, {"probabilities": P}),
        "Categorical()": Case(mad.Categorical, {"symbols": 3}),
        "KernelDensity": Case(mad.KernelDensity, {"bandwidth": 0.3}),
        "ExponentialFamily": Case(
            mad.ExponentialFamily, {"family": "gamma", "mean_parameter": 2.0, "shape": 1.5}
        ),
        "Pareto": Case(mad.Pareto, {"tail_index": 2.0, "minimum": 1.5}),
        "Mixture": Case(mad.Mixture, {"components": 2}),
        "Mixture of": Case(mad.Mixture, {"means": [[0.0], [1.0]], "covariances": [[[1.0]], [[1.0]]]}),
        "Mixture.grid": Case(mad.Mixture.grid, {"side": 3, "spacing": 1.0, "variance": 0.01}),
        "Estimator": Case(mad.Estimator, {"estimator": _estimator()}),
        "SIMS": Case(m.SIMS, {"base": mad.Gaussian(), "guidance": 0.1}),
        "Neon": Case(m.Neon, {"base": mad.Gaussian(), "weight": 0.1}),
        "Tuned": Case(
            m.Tuned, {"improved": sims, "metric": lambda fake: fake.mean(), "grid": [0.0, 0.1], "n": 10}
        ),
        "select_guidance": Case(
            m.select_guidance,
            {
                "improved": sims.fit(points, rng=rng),
                "metric": lambda fake: fake.mean(),
                "grid": [0.0, 0.1],
                "n": 10,
                "rng": rng,
            },
        ),
        **{
            f"{name}.sample": Case(model.sample, {"n": 5, "rng": rng})
            for name, model in {
                "Gaussian": gaussian,
                "Categorical": categorical,
                "KernelDensity": density,
                "ExponentialFamily": mad.ExponentialFamily("poisson", 2.0),
                "Pareto": mad.Pareto(2.0),
                "Mixture": mixture,
                "Empirical": d.Empirical(points),
                "Law": mad.sources.two_moons(),
                "SIMS": sims.fit(points, rng=rng),
                "Tuned": tuned.fit(points, rng=rng),
            }.items()
        },
        **{
            f"{name}.fit": Case(model.fit, {"data": data, "rng": rng})
            for name, model, data in (
                ("Gaussian", mad.Gaussian(), points),
                ("Categorical", mad.Categorical(symbols=3), symbols),
                ("KernelDensity", mad.KernelDensity(), points),
                ("ExponentialFamily", mad.ExponentialFamily("normal", variance=1.0), points[:, :1]),
                ("Mixture", mad.Mixture(2), points),
                ("SIMS", sims, points),
                ("Tuned", tuned, points),
            )
        },
        **{
            f"{name}.sample_statistic": Case(model.sample_statistic, {"n": 5, "rng": rng})
            for name, model in {
                "Gaussian": gaussian,
                "Categorical": categorical,
                "ExponentialFamily": mad.ExponentialFamily("poisson", 2.0),
                "Empirical": d.Empirical(points),
            }.items()
        },
        "Law.log_density": Case(mad.sources.two_moons().log_density, {"points": points}),
        "treatments.assign": Case(
            t.assign, {"treatments": [t.correct(1.0), t.correct(2.0)], "shares": [0.3, 0.7]}
        ),
        "treatments.Assignment": Case(
            t.Assignment, {"treatments": (t.correct(1.0), t.correct(2.0)), "shares": (0.3, 0.7)}
        ),
        "treatments.correct": Case(t.correct, {"strength": 0.5}),
        "treatments.Correction": Case(t.Correction, {"strength": 0.5}),
        "treatments.curate": Case(t.curate, {"reward": lambda p: p[..., 0]}),
        "treatments.Curation": Case(t.Curation, {"reward": lambda p: p[..., 0], "choices": 2}),
        "treatments.detect": Case(
            t.detect, {"synthetic_share": 0.7, "keep_real": 0.9, "keep_synthetic": 0.2}
        ),
        "treatments.keep_best": Case(t.keep_best, {"score": lambda p: p[..., 0], "share": 0.5}),
        "treatments.keep_new": Case(t.keep_new, {"share": 0.5}),
        "treatments.keep_spread": Case(t.keep_spread, {"share": 0.5}),
        "treatments.Ranking": Case(t.Ranking, {"share": 0.5, "rule": "best", "score": lambda p: p[..., 0]}),
        "treatments.project": Case(t.project, {"function": np.round}),
        "treatments.Projection": Case(t.Projection, {"function": np.round}),
        "treatments.verify": Case(t.verify, {"accept": lambda p: p[..., 0] > 0}),
        "treatments.Verification": Case(t.Verification, {"accept": lambda p: p[..., 0] > 0}),
        "treatments.nearest": Case(t.nearest, {"centres": [[0.0, 0.0], [1.0, 1.0]]}),
        "treatments.treated": Case(correction.treated, {"model": gaussian, "snapshot": snapshot}),
        "metrics.class_shares": Case(mt.class_shares, {"labels": labels}),
        "metrics.class_variance": Case(mt.class_variance, {"fake": points, "labels": labels}),
        "metrics.variance_by_class": Case(mt.variance_by_class, {"fake": points, "labels": labels}),
        "metrics.density_coverage": Case(mt.density_coverage, on),
        "metrics.novelty": Case(mt.novelty, on),
        "metrics.neighbour_entropy": Case(mt.neighbour_entropy, {"fake": points}),
        "metrics.frechet_distance": Case(mt.frechet_distance, on),
        "metrics.precision_recall": Case(mt.precision_recall, on),
        "metrics.sliced_wasserstein": Case(mt.sliced_wasserstein, on),
        "metrics.mode_coverage": Case(
            mt.mode_coverage, {"fake": points, "centres": [[0.0, 0.0]], "radius": 0.5}
        ),
        "metrics.on_samples": Case(
            lambda metric, reference=None, n=5, features=None, bias=None, labelled=False, rng=0: (
                mt.on_samples(
                    metric, reference=reference, n=n, features=features, bias=bias, labelled=labelled, rng=rng
                )
            ),
            {"metric": mt.frechet_distance, "reference": points, "n": 5},
            ("metric",),
        ),
        **{
            f"metrics.{metric.__name__}": Case(metric, {"snapshot": snapshot})
            for metric in (
                mt.effective_sample_size,
                mt.kl_divergence,
                mt.log_total_variance,
                mt.log_volume,
                mt.mean_error,
                mt.reverse_kl_divergence,
                mt.total_variance,
                mt.wasserstein2_squared,
            )
        },
        "sources.digits": Case(mad.sources.digits, {"part": "test"}),
        "sources.eight_gaussians": Case(mad.sources.eight_gaussians, {"radius": 2.0, "std": 0.1}),
        "sources.grid25": Case(mad.sources.grid25, {"std": 0.1}),
        "sources.rings": Case(mad.sources.rings, {"radii": (1.0, 2.0), "noise": 0.1}),
        "sources.two_moons": Case(mad.sources.two_moons, {"noise": 0.1}),
        "data.Empirical": Case(d.Empirical, {"points": points}),
        "data.Weighted": Case(d.Weighted, {"points": points, "weights": np.ones(20)}),
        "data.Counts": Case(d.Counts, {"counts": np.array([3, 2, 1])}),
        "Counts.of": Case(d.Counts.of, {"points": symbols}),
        "Counts.scaled": Case(counts.scaled, {"weight": 2.0}),
        "Counts.joined": Case(d.Counts.joined, {"parts": [counts, counts]}),
        "Counts.subsample": Case(counts.subsample, {"budget": 3, "rng": rng}),
        "Moments.of": Case(d.Moments.of, {"points": points}),
        "Moments.scaled": Case(moments.scaled, {"weight": 2.0}),
        "Moments.joined": Case(d.Moments.joined, {"parts": [moments, moments]}),
        "data.first": Case(d.first, {"points": points, "share": 0.5}),
        "data.join": Case(d.join, {"parts": [points, other]}),
        "data.size": Case(d.size, {"data": points}),
        "data.subsample": Case(d.subsample, {"points": points, "budget": 5, "rng": rng}),
        "data.weighted": Case(d.weighted, {"data": points, "weight": 2.0}),
        "testing.assert_mean_matches": Case(
            x.assert_mean_matches, {"samples": samples, "expected": np.zeros(4)}
        ),
        "testing.assert_rate_matches": Case(
            x.assert_rate_matches, {"log_values": samples, "expected": 0.0, "limit": 50.0}
        ),
        "testing.power": Case(x.power, {"error": 0.5, "std": 1.0, "n": 50}),
        "testing.smallest_detectable": Case(x.smallest_detectable, {"std": 1.0, "n": 50}),
        "testing.gaussians": Case(x.gaussians, {"min_dim": 1, "max_dim": 2}),
        "testing.family_loops": Case(x.family_loops, {"min_size": 8, "max_size": 9}),
        "testing.loops": Case(x.loops, {"min_size": 5, "max_size": 9}),
        "testing.regimes": Case(x.regimes, {"min_size": 5, "max_size": 9}),
        "testing.sizes": Case(x.sizes, {"min_value": 5, "max_value": 9}),
        "testing.Growing": Case(x.Growing, {"first": 5, "each": 2}),
        "testing.Cycling": Case(x.Cycling, {"values": (5, 2)}),
        "testing.Moving": Case(x.Moving, {"first": mad.Gaussian.standard(2), "step": 0.5, "growth": 2.0}),
        "testing.check_generative_model": Case(
            x.check_generative_model, {"model": mad.Gaussian(), "real": gaussian}
        ),
        "storage.load": Case(mad.storage.load, {"path": saved}),
        "storage.save": Case(mad.storage.save, {"dataset": simulated, "path": folder / "again.nc"}),
        "storage.resume": Case(
            lambda path, loop, generations=2, every_seconds=5.0, rng=0, replicates=2: mad.storage.resume(
                path, loop, generations, every_seconds=every_seconds, rng=rng, replicates=replicates
            ),
            {"path": folder / "resumed.nc", "loop": loop},
        ),
    }


def _estimator() -> Any:
    from sklearn.mixture import GaussianMixture

    return GaussianMixture(1)


@dataclasses.dataclass
class Verdict:
    """What came of one hostile call."""

    kind: str
    said: str = ""


def judge(case: Case, argument: str, value: Any) -> Verdict:
    """Run a call with one argument replaced."""
    kept = os.getcwd()
    signal.signal(signal.SIGALRM, _too_late)
    signal.alarm(SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with np.errstate(all="ignore"):
                result = case.run(**{argument: value})
                silent = _holds_nan(result)
    except _TooLate:
        return Verdict("hang", f"more than {SECONDS} s")
    except BaseException as error:
        signal.alarm(0)
        return _judge_error(error, argument)
    finally:
        signal.alarm(0)
        os.chdir(kept)
    return Verdict("silent NaN") if silent else Verdict("answer")


class _TooLate(BaseException):
    pass


def _too_late(*_: Any) -> None:
    raise _TooLate


def _judge_error(error: BaseException, argument: str) -> Verdict:
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(last.filename).name}:{last.lineno}"
    try:
        said = f"{type(error).__name__}: {str(error)[:150]} [{where}]"
    except Exception as second:
        return Verdict("accident", f"{type(error).__name__} whose message fails: {second}")
    ours = last.filename.startswith(PACKAGE) and linecache.getline(
        last.filename, last.lineno
    ).strip().startswith("raise")
    if isinstance(error, AssertionError):
        ours &= "testing" in last.filename or "conformance" in last.filename
    elif isinstance(error, NotEnoughMemory):
        ours = True
    elif not isinstance(error, mad.NoClosedForm) and (
        not isinstance(error, OWN) or isinstance(error, ACCIDENTS)
    ):
        ours = False
    if not ours:
        return Verdict("accident", said)
    if not re.search(rf"(?<![a-z_]){argument}", str(error)):
        return Verdict("does not name it", said)
    return Verdict("error")


def _holds_nan(value: Any, depth: int = 0) -> bool:
    if depth > 4 or value is None or isinstance(value, str | bytes | int | type):
        return False
    if isinstance(value, float | complex | np.generic | np.ndarray) or hasattr(value, "__array__"):
        try:
            array = np.asarray(value)
            return array.dtype.kind in "fc" and bool(np.isnan(array).any())
        except Exception:
            return False
    if isinstance(value, dict):
        return any(_holds_nan(v, depth + 1) for v in value.values())
    if isinstance(value, tuple | list):
        return any(_holds_nan(v, depth + 1) for v in value)
    if hasattr(value, "data_vars"):
        return any(_holds_nan(v.values) for v in value.variables.values())
    if dataclasses.is_dataclass(value):
        return any(_holds_nan(getattr(value, f.name, None), depth + 1) for f in dataclasses.fields(value))
    return False


def sweep(cases: dict[str, Case], hostile: dict[str, Any]) -> dict[tuple[str, str, str], Verdict]:
    """The verdicts of all calls."""
    return {
        (name, argument, label): judge(case, argument, value)
        for name, case in cases.items()
        for argument in case.arguments()
        for label, value in hostile.items()
    }


REFUSED = {"theory.gaussian.invert_real_fit", "VarianceLaw", "metrics.variance_by_class"}
"""Laws in the manner of SciPy, and classes without points: their NaN is documented."""


def faults(verdicts: dict[tuple[str, str, str], Verdict]) -> list[str]:
    """Accidents, silent NaN and hangs, in words."""
    return [
        f"{' '.join(call)}: {verdict.kind} {verdict.said}"
        for call, verdict in verdicts.items()
        if verdict.kind in ("accident", "silent NaN", "hang")
        and not (verdict.kind == "silent NaN" and any(name in call[0] for name in REFUSED))
    ]


SAMPLE = ["None", "True", "number as text", "nan", "huge", "long", "list", "ragged", "date", "object"]


def test_a_sample_of_hostile_arguments():
    names = ["theory.gaussian.fresh", "theory.gaussian.half_life", "theory.categorical.ewens_support",
             "theory.curation.rate", "theory.correction.mean_law", "theory.guidance.rate",
             "theory.kernel_density.limit", "theory.stability.threshold"]  # fmt: skip
    cases = theory_cases()
    verdicts = sweep({name: cases[name] for name in names}, {label: HOSTILE[label] for label in SAMPLE})
    assert len(verdicts) > 300
    assert faults(verdicts) == []


def test_the_judge_sees_accidents_and_silent_nan():
    """Negative control."""

    def index(n):
        return [1][n]

    def cast(n):
        return np.sqrt(np.asarray(n, dtype=float))

    def refused(n):
        raise ValueError(f"n={n} is refused")

    assert judge(Case(index, {"n": 0}), "n", 5).kind == "accident"
    assert judge(Case(cast, {"n": 1}), "n", "x").kind == "accident"
    assert judge(Case(cast, {"n": 1}), "n", None).kind == "silent NaN"
    assert judge(Case(refused, {"n": 1}), "n", 2).kind == "accident"  # not raised by the package
    assert judge(Case(mad.regimes.replace, {"n": 5}), "n", "x").kind == "error"
    assert judge(Case(mad.regimes.replace, {"n": 5}), "n", 7).kind == "answer"


@pytest.mark.slow
def test_theory_under_all_hostile_arguments():
    verdicts = sweep(theory_cases(), HOSTILE)
    assert len(verdicts) > 30_000
    assert faults(verdicts) == []


FAST = ("Moments", "Counts", "data.", "metrics.", "treatments.", "testing.assert", "testing.power",
        "storage.load", "storage.save", "predict", "Mixture", "Categorical", "Gaussian", "regimes.",
        "Loop", "start")  # fmt: skip


def test_a_sample_of_hostile_arguments_to_the_other_entries(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a text is a path of a file
    cases = {name: case for name, case in light_cases(tmp_path).items() if name.startswith(FAST)}
    chosen = [label for label in SAMPLE if label != "nan"]
    verdicts = sweep(cases, {label: HOSTILE[label] for label in [*chosen, "tuple", "range"]})
    assert len(verdicts) > 2000
    found = faults(verdicts)
    assert len(found) < 0.001 * len(verdicts), "\n".join(found)


@pytest.mark.slow
def test_other_entries_under_all_hostile_arguments(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a text is a path of a file
    verdicts = sweep(light_cases(tmp_path), HOSTILE)
    assert len(verdicts) > 18_000
    found = faults(verdicts)
    assert len(found) < 0.001 * len(verdicts), "\n".join(found)
