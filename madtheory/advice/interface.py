"""`advise`: what the Gaussian theory says about one's own data, and how well it holds on them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from madtheory import metrics
from madtheory.advice.loss import REGIMES, compute_loss, find_limits
from madtheory.advice.spectrum import Scores
from madtheory.core import Loop
from madtheory.data import Empirical
from madtheory.interpreters.simulate import simulate
from madtheory.models import Gaussian
from madtheory.numerics import one_thread
from madtheory.regimes import fresh
from madtheory.theory import gaussian
from madtheory.types import Array
from madtheory.validation import check_bias, check_flag, check_points, check_seed, check_size

if TYPE_CHECKING:
    import xarray as xr

_ACCURACY = 0.1
"""Relative error of the loss within which the theory is said to hold."""


@dataclass(frozen=True, eq=False)
class Advice:
    """Result of `advise`: prints as a report.

    Attributes
    ----------
    dataset : xarray.Dataset
        ``spectrum``; ``effective_dimension``, ``tails``, ``admissible_n_synthetic`` and
        ``best_n_synthetic`` by bound (low, estimate, high); ``effective_n`` by regime, in real points;
        ``half_life`` (generations, of `replace`); ``weight_mean`` and ``weight_variance``, the best shares of
        the real data; ``loss``, ``loss_error`` and ``predicted_loss`` of the loop that was run.
    """

    dataset: xr.Dataset

    @property
    def holds(self) -> bool:
        """Whether the loop that was run agrees with the theory, within 10 % or 3 standard errors."""
        found = self.dataset
        gap = abs(math.log(float(found["loss"] / found["predicted_loss"])))
        return bool(gap <= max(_ACCURACY, 3 * float(found["loss_error"] / found["loss"])))

    def __str__(self) -> str:
        found, about = self.dataset, self.dataset.attrs

        def triple(name: str) -> str:
            low, middle, high = found[name].values
            if not math.isfinite(middle):
                return "no limit: every number of them helps"
            return f"{middle:.4g}   [{low:.4g}, {high:.4g}]"

        worth = {name: float(found["effective_n"].sel(regime=name)) for name in REGIMES}
        ran = f"{float(found['loss']):.3g} +- {float(found['loss_error']):.2g}"
        verdict = (
            "The theory holds here."
            if self.holds
            else "The theory does NOT hold for this generator and data."
        )
        return "\n".join(
            [
                f"{about['n']} points in {about['d']} dimensions; in each generation {about['n_real']} real "
                f"points, "
                f"{about['n_synthetic']} synthetic ones, bias {about['bias']:.4g}",
                f"effective dimension             {triple('effective_dimension')}",
                f"noise over that of a Gaussian   {triple('tails')}",
                "",
                "With new real data in every generation (fresh)",
                f"  admissible synthetic points   {triple('admissible_n_synthetic')}",
                f"  best number                   {triple('best_n_synthetic')}",
                f"  best share of the real data   {float(found['weight_mean']):.3f} for means, "
                f"{float(found['weight_variance']):.3f} for variances",
                "With the same real data in every generation (augment, accumulate) synthetic points do not "
                "help: 0 is best.",
                f"Without real data (replace) a typical variance halves in {float(found['half_life']):.4g} "
                f"generations.",
                "",
                "Worth in real points: "
                + ", ".join(f"{name} {value:.4g}" for name, value in worth.items())
                + f" (the last two at generation {about['generations']})",
                "",
                "The theory is that of a Gaussian generator in one family; of the data it uses the first "
                "four moments.",
                f"A loop of {about['model']} on these data ({about['check_n_real']} real and "
                f"{about['check_n_synthetic']} synthetic points) has {ran} times the error of",
                f"a fit to its real points alone; predicted {float(found['predicted_loss']):.3g}. {verdict}",
            ]
        )


@one_thread
def advise(
    data: Any,
    *,
    n_synthetic: int | None = None,
    bias: float | None = None,
    n_real: int | None = None,
    model: Any = None,
    standardise: bool = True,
    generations: int = 20,
    resamples: int = 40,
    rng: int = 0,
) -> Advice:
    r"""Return how much synthetic data a loop on these data can take, with intervals, and a check.

    The error of a model is the squared Wasserstein-2 distance of its first two moments to those of the data
    (the Frechet distance, if the data are features). For a Gaussian fit of n points it is, relative to the
    total variance and to leading order,

    .. math:: \frac1n + \kappa \frac{D + 1}{4 n}, \qquad
        D = \frac2{\sum \lambda_i} \sum_{ij} \frac{\lambda_i \lambda_j}{\lambda_i + \lambda_j}

    with the eigenvalues of the covariance, the effective dimension D and the factor :math:`\kappa` that the
    fourth moments of the data have over those of a Gaussian. Synthetic points are admissible while the
    stationary loop is not worse than a fit of its real points alone. The number is corrected for finite sizes
    by `theory.gaussian.admissible_n_synthetic` at dimension D. Intervals are 95 % of the bootstrap, extended
    to the number without this correction.

    Parameters
    ----------
    data : array or frame, shape (n, d)
        A table of numbers, or features of images; one row for each point.
    n_synthetic : int, optional
        Synthetic points in each generation; `n_real` by default.
    bias : float, optional
        Factor of the covariance of synthetic points, dimensionless, at least 0. By default 1, or with a
        `model` what one generation of it shows: the total variance of its samples over that of the data.
    n_real : int, optional
        Real points in each generation, at least 2; the number of rows by default.
    model : generator, optional
        Any generator that a `Loop` takes, to check the theory with; the Gaussian by default.
    standardise : bool
        Whether columns are scaled to variance 1 first, as a table with several units needs.
    generations : int
        Generation at which accumulate and replace, which have no stationary state, are judged.
    resamples : int
        Resamples of the bootstrap.
    rng : int
        Seed.

    Returns
    -------
    Advice
        Prints as a report; ``dataset`` holds the numbers.

    Raises
    ------
    ValueError
        For data that are not a table of finite numbers with some variance, or an argument out of range.

    Notes
    -----
    Source: derived here, from second-order perturbation of the Bures distance; the admissible number is that
    of Alemohammad et al. 2024 (arXiv 2307.01850), Figs. 11 and 12. Checked by tests/advice/test_advise.py.

    Examples
    --------
    >>> import madtheory as mad
    >>> from sklearn.datasets import load_wine
    >>> advice = mad.advise(load_wine().data, bias=0.8)
    >>> print(advice.dataset["effective_dimension"].sel(bound="estimate").item() < 13, advice.holds)
    True True
    """
    import xarray as xr

    points, seed = check_points(data), check_seed(rng)
    if points.ndim != 2 or len(points) < 4:
        raise ValueError(f"data has shape {points.shape}; expected (n, d) with at least 4 rows.")
    real = len(points) if n_real is None else check_size("n_real", n_real, 2)
    made = real if n_synthetic is None else check_size("n_synthetic", n_synthetic, 2)
    check_size("generations", generations, 2)
    check_size("resamples", resamples, 2)
    spread = points.std(0)
    kept = spread > 1e-10 * np.maximum(np.abs(points).max(0), 1e-300)
    if not kept.any():
        raise ValueError("data have no variance: all rows are equal; pass rows that differ.")
    points = points[:, kept]
    if check_flag("standardise", standardise):
        points = (points - points.mean(0)) / spread[kept]
    generator = np.random.default_rng(seed)
    generative = Gaussian() if model is None else _wrap(model, points)
    b = 1.0 if bias is None else check_bias(bias)
    if model is not None and bias is None:
        b = _measure_bias(generative, points, real, generator)

    scores = Scores(points)
    found = scores.spectrum()
    rows = np.empty((resamples, 4))
    for i in range(resamples):
        weights = generator.multinomial(len(points), np.full(len(points), 1 / len(points)))
        again = scores.spectrum(weights)
        rows[i] = again.dim, again.tails, *find_limits(real, b, again.dim, again.tails)
    estimate = np.array([found.dim, found.tails, *find_limits(real, b, found.dim, found.tails)])
    low, high = np.quantile(rows, [0.025, 0.975], axis=0, method="nearest")
    # A resample of the data has fewer distinct points: what it shifts is taken off.
    with np.errstate(invalid="ignore"):
        shift = np.nan_to_num(np.median(rows, axis=0) - estimate, nan=0.0, posinf=0.0, neginf=0.0)
    bounds = np.stack([np.minimum(low - shift, estimate), estimate, np.maximum(high - shift, estimate)])
    factor = _finite_size(real, b, found.dim)
    bounds[:, 2] = (
        min(bounds[0, 2], factor * bounds[0, 2]),
        factor * bounds[1, 2],
        max(bounds[2, 2], factor * bounds[2, 2]),
    )
    worth = [
        real / float(compute_loss(name, real, made, b, found.dim, found.tails, generations))
        for name in REGIMES
    ]
    check = _run_check(points, generative, model is None, bias, b, real, made, found.dim, found.tails, seed)
    names = ("effective_dimension", "tails", "admissible_n_synthetic", "best_n_synthetic")
    dataset = xr.Dataset(
        {name: ("bound", bounds[:, i]) for i, name in enumerate(names)}
        | {
            "spectrum": ("direction", found.variances),
            "effective_n": ("regime", worth),
            "half_life": float(gaussian.half_life(n=made, bias=b)),
            "weight_mean": float(gaussian.optimal_weights(real, made)),
            "weight_variance": float(gaussian.optimal_weights(real, made, parameter="variance")),
        }
        | {name: check[name] for name in ("loss", "loss_error", "predicted_loss")},
        {"bound": ["low", "estimate", "high"], "regime": list(REGIMES)},
        {
            "n": len(points), "d": points.shape[1], "n_real": real, "n_synthetic": made, "bias": b,
            "generations": generations, "model": type(generative).__name__,
            "check_n_real": check["n_real"], "check_n_synthetic": check["n_synthetic"],
        },
    )  # fmt: skip
    return Advice(dataset)


def _wrap(model: Any, points: Array) -> Any:
    """Return a generator as a loop takes it; an estimator of another package is wrapped."""
    return Loop(real=Empirical(points), model=model, regime=fresh(n_real=2, n_synthetic=2)).model


def _measure_bias(model: Any, points: Array, n_real: int, rng: np.random.Generator) -> float:
    """Return the total variance of samples of a model over that of the data it was fitted to."""
    training = Empirical(points).sample(min(n_real, 2_000), rng=rng)
    samples = np.asarray(model.fit(training, rng=rng).sample(20_000, rng=rng))
    return float(samples.var(0).sum() / training.var(0, ddof=1).sum())


def _finite_size(n_real: int, bias: float, dim: float) -> float:
    """Return the admissible number of the full theory over that of second order, at Gaussian tails."""
    rough, _ = find_limits(n_real, bias, dim, 1.0)
    if not (0 < rough < math.inf):
        return 1.0
    below = math.floor(dim)
    exact = [
        float(gaussian.admissible_n_synthetic(n_real=n_real, bias=bias, dim=d)) for d in (below, below + 1)
    ]
    value = exact[0] + (dim - below) * (exact[1] - exact[0])
    return value / rough if 0 < value < math.inf else 1.0


def _run_check(
    points: Array, model: Any, ours: bool, bias: float | None, b: float, n_real: int, made: int,
    dim: float, tails: float, seed: int,
) -> dict[str, Any]:  # fmt: skip
    """Run a small loop, at the admissible number if there is one, and measure its loss."""
    real = min(n_real, max(200, 10 * points.shape[1]))
    admissible = find_limits(real, b, dim, tails)[0] * _finite_size(real, b, dim)
    if 2 <= admissible <= 4 * real:
        synthetic, predicted = round(admissible), 1.0
    else:
        synthetic = max(2, min(made * real // n_real, 2 * real))
        predicted = float(compute_loss("fresh", real, synthetic, b, dim, tails, 2))
    burn = math.ceil(3 * (1 + synthetic / real)) + 2
    work = (burn + 4) * (real + synthetic) * points.shape[1]
    replicates = int(np.clip(2e7 // work, 8, 300)) if ours else 8
    metric = metrics.wasserstein2_squared
    source = Empirical(points)
    loop = Loop(
        real=source,
        model=model,
        regime=fresh(n_real=real, n_synthetic=synthetic),
        bias=b if ours else bias,
    )
    measured = [metric] if ours else metrics.on_samples(metric, reference=source, n=20_000)
    run = simulate(
        loop, burn + 4, replicates=replicates, rng=seed, metrics=measured, method="samples", progress=False
    )
    values = next(iter(run.data_vars.values())).transpose("replicate", "generation").values
    alone, late = values[:, 0], values[:, burn:].mean(1)
    loss = late.mean() / alone.mean()
    error = (late - loss * alone).std(ddof=1) / math.sqrt(replicates) / alone.mean()
    return {
        "loss": float(loss), "loss_error": float(error), "predicted_loss": predicted,
        "n_real": real, "n_synthetic": synthetic,
    }  # fmt: skip
