"""`monitor`: one verdict from what a pipeline logs, at an exact level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from madtheory.data import Moments
from madtheory.monitoring.modes import assess_modes
from madtheory.monitoring.spread import assess_models, assess_unchanged, training_sets
from madtheory.types import Array
from madtheory.validation import (
    check_bias,
    check_choice,
    check_ddof,
    check_flag,
    check_number,
    check_numbers,
    check_seed,
    check_size,
    show,
)

if TYPE_CHECKING:
    import xarray as xr

REGIMES = ("replace", "augment", "accumulate", "fresh", "unchanged")
_NULL = {
    "unchanged": "every batch is drawn from the law of the real data",
} | {
    name: f"the regime {name}, with every batch drawn from the fitted model without bias"
    for name in REGIMES[:-1]
}


@dataclass(frozen=True, eq=False)
class Monitoring:
    """Result of `monitor`: prints as a report.

    Attributes
    ----------
    dataset : xarray.Dataset
        By generation (and replicate): ``p_variance``, ``p_volume`` and ``p_modes``, where they apply, of all
        data up to that generation; ``p``, of all tests together; and ``threshold``, at or below which `p`
        raises the alarm.
    """

    dataset: xr.Dataset

    @property
    def collapsing(self) -> Any:
        """Whether the alarm is raised: a bool, or an array with one for each replicate."""
        alarm = self._alarms.any("generation").values
        return alarm if alarm.ndim else bool(alarm)

    @property
    def first_alarm(self) -> Any:
        """First generation with an alarm, 0 if there is none."""
        alarms = self._alarms.values
        first = np.where(alarms.any(-1), alarms.argmax(-1) + 1, 0)
        return first if first.ndim else int(first)

    @property
    def _alarms(self) -> xr.DataArray:
        return self.dataset["p"] <= self.dataset["threshold"]

    def __str__(self) -> str:
        about, last = self.dataset.attrs, self.dataset.isel(generation=-1)
        lines = [f"Null hypothesis: {about['null']}."]
        if self.dataset["p"].ndim > 1:
            share = float(np.mean(self.collapsing))
            return "\n".join(
                [*lines, f"{share:.2%} of {self.dataset.sizes['replicate']} runs raise the alarm."]
            )
        if self.collapsing:
            when = f" at generation {self.first_alarm}" if about["sequential"] else ""
            lines.append(f"Collapsing: yes{when}, at level {about['level']:g}.")
        else:
            lines.append(f"Collapsing: no evidence at level {about['level']:g}.")
        for name, variable in last.data_vars.items():
            if str(name).startswith("p_"):
                lines.append(f"  {str(name)[2:]:<9} p = {float(variable):.3g}")
        lines.append(f"  together  p = {float(last['p']):.3g}")
        return "\n".join(lines)


def monitor(
    batches: Sequence[Any] | None = None,
    *,
    regime: str,
    real: Any = None,
    counts: Any = None,
    real_counts: Any = None,
    level: float = 0.01,
    sequential: bool = False,
    ddof: int | None = None,
    null_runs: int = 20_000,
    rng: int = 0,
) -> Monitoring:
    r"""Test whether a pipeline loses variance, volume or modes beyond the sampling noise of its regime.

    Batch t, of n points in d dimensions with scatter :math:`S_t`, is drawn from the model of generation t.
    Under the null hypothesis of a regime that model is the Gaussian with the moments
    :math:`\Sigma_t` of its training set, which the regime and the earlier batches determine. Then, exactly,

    .. math:: \mathrm{tr}\,\Sigma_t^{-1} S_t \sim \chi^2_{d(n-1)}, \qquad
        \log|\Sigma_t^{-1} S_t| - d \log \mathrm{tr}\,\Sigma_t^{-1} S_t \ \text{independent of it}

    and both are independent across generations, so that their sums over all generations so far are the tests
    of variance and of volume (at that variance). The loss that the regime itself implies, such as the slow
    collapse of `replace`, is part of this hypothesis and raises no alarm; for that pass ``"unchanged"``.
    There, against a real sample, the test is the F test in one dimension and the ratio of the determinants
    of the scatters within batches and within the real sample in more (a product of ratios of chi-squares); a
    fitted `Gaussian` as `real` is a law without sampling noise, tested as above.
    The number of modes held, with ties broken by their diversity, is ranked among null runs of the same
    regime that begin with the same real counts. All tests are one-sided. k tests with the smallest p-value p
    together have :math:`1 - (1 - p)^k`, exact for variance with volume, and at most slightly too large for
    modes of the same points.

    Parameters
    ----------
    batches : sequence of array, shape (n, d) or (*replicate, n, d), or of `madtheory.data.Moments`
        What the model of each generation, from the first on, generated: points, or their moments.
    regime : {"replace", "augment", "accumulate", "fresh", "unchanged"}
        How the training sets are composed, or ``"unchanged"``: each batch has the law of the real data.
    real : array, `Moments` or (only with "unchanged") `Gaussian`
        Training set of generation 1. With "fresh" a sequence: the real points of each generation.
    counts : int array, shape (T, K) or (*replicate, T, K)
        Number of points of each batch in each of K modes, alongside or instead of `batches`.
    real_counts : int array, shape (K,)
        Counts of the training set of generation 1. They are the law of the real data where later real data
        are drawn ("fresh", the same number in each generation) and for "unchanged".
    level : float
        Probability of a false alarm, dimensionless, between 0 and 1.
    sequential : bool
        Whether to look at every generation and stop at the first alarm. Look t then spends
        ``level / (t (t + 1))``: the probability of any false alarm stays below `level` for ever. Otherwise
        there is one look, after the last generation, at exactly `level`.
    ddof : {0, 1}, optional
        The models' covariance divides by the number of points less `ddof`; 1 by default.
    null_runs : int
        Number of null runs for the modes.
    rng : int
        Seed of the null runs.

    Returns
    -------
    Monitoring
        Prints as a report; ``collapsing`` is the verdict, ``dataset`` holds the p-values.

    Raises
    ------
    ValueError
        For arguments out of range, sizes that do not fit, or a training set without full rank.

    Notes
    -----
    Source: Wishart (1928) for the scatter; Mauchly (1940) for its shape; Wilks (1932) for ratios of
    generalised variances; Barnard (1963) for Monte Carlo tests. Points that are not Gaussian change the
    level: heavier tails raise it.

    Examples
    --------
    >>> import numpy as np, madtheory as mad
    >>> rng = np.random.default_rng(0)
    >>> real, batches = rng.normal(size=(500, 2)), []
    >>> training = real
    >>> for t in range(5):
    ...     batches.append(mad.Gaussian().fit(training, rng=rng).sample(500, rng=rng, bias=0.9))
    ...     training = batches[-1]
    >>> print(mad.monitor(batches, real=real, regime="replace"))
    Null hypothesis: the regime replace, with every batch drawn from the fitted model without bias.
    Collapsing: yes, at level 0.01.
      variance  p = 8.43e-08
      volume    p = 0.162
      together  p = 1.69e-07
    """
    import xarray as xr

    check_choice("regime", regime, REGIMES)
    level = check_number("level", level, 0, 1, above=True, below=True)
    sequential, seed = check_flag("sequential", sequential), check_seed(rng)
    divisor = check_ddof(ddof, False)
    check_size("null_runs", null_runs, 1)
    if batches is None and counts is None:
        raise ValueError("batches=None and counts=None leave nothing to test; pass one of them.")
    for name, value, law, truth in (
        ("batches", batches, "real", real),
        ("counts", counts, "real_counts", real_counts),
    ):
        if (value is None) != (truth is None):
            raise ValueError(f"{name} and {law} belong together; pass both or none of them.")
    tests: dict[str, Array] = {}
    if batches is not None:
        tests |= _assess_spread(
            [_moments(batch, f"batches[{i}]") for i, batch in enumerate(batches)], real, regime, divisor
        )
    if counts is not None:
        table, first = _counts("counts", counts, 2), _counts("real_counts", real_counts, 1)
        if table.shape[-1] != first.size:
            raise ValueError(
                f"counts has shape {table.shape} and real_counts {first.shape}; the last axes must agree."
            )
        if (table.sum(-1) != table.reshape(-1, *table.shape[-2:])[0].sum(-1)).any():
            raise ValueError("counts differ in their totals between replicates; pass runs of the same sizes.")
        tests["modes"] = assess_modes(table, first, regime, null_runs, seed)
    generations = {values.shape[-1] for values in tests.values()}
    if len(generations) > 1:
        raise ValueError(f"batches and counts have {generations} generations; pass the same number of both.")
    smallest = np.nanmin(np.stack(np.broadcast_arrays(*tests.values())), axis=0)
    many = np.sum([np.isfinite(values) for values in np.broadcast_arrays(*tests.values())], axis=0)
    together = -np.expm1(many * np.log1p(-np.minimum(smallest, 1 - 1e-16)))
    t = np.arange(1, together.shape[-1] + 1)
    threshold = level / (t * (t + 1)) if sequential else np.where(t == t[-1], level, 0.0)
    flat = {name: np.broadcast_to(values, together.shape) for name, values in tests.items()}
    dims = ("generation",) if together.ndim == 1 else ("replicate", "generation")

    def shaped(values: Array) -> tuple[tuple[str, ...], Array]:
        return dims, values.reshape(-1, t.size) if together.ndim > 1 else values

    dataset = xr.Dataset(
        {f"p_{name}": shaped(values) for name, values in flat.items()}
        | {"p": shaped(together), "threshold": ("generation", threshold)},
        {"generation": t},
        {"regime": regime, "level": level, "sequential": int(sequential), "null": _NULL[regime]},
    )
    return Monitoring(dataset)


def _assess_spread(batches: list[Moments], real: Any, regime: str, ddof: int) -> dict[str, Array]:
    if not batches:
        raise ValueError("batches=[] holds no generation; pass at least one batch.")
    dims = {batch.dim for batch in batches}
    if len(dims) > 1:
        raise ValueError(f"batches have dimensions {sorted(dims)}; pass points of one dimension.")
    if regime == "unchanged":
        if not isinstance(real, Moments) and getattr(real, "covariance", None) is not None:
            return assess_models(batches, [real.covariance] * len(batches))
        return assess_unchanged(batches, _moments(real, "real"))
    if regime == "fresh":
        if len(real) != len(batches) or (isinstance(real, np.ndarray) and real.ndim < 3):
            raise ValueError(
                f"real has {len(real)} entries and batches {len(batches)}; with regime='fresh' pass a list "
                f"of the real points of each generation."
            )
        sets = [_moments(points, f"real[{i}]") for i, points in enumerate(real)]
    else:
        sets = [_moments(real, "real")]
    pools = training_sets(batches, sets, regime)
    covariances = []
    for t, pool in enumerate(pools, 1):
        covariance = pool.scatter / (np.asarray(pool.weight)[..., None, None] - ddof)
        if np.max(pool.weight) <= pool.dim or (np.linalg.slogdet(covariance)[0] <= 0).any():
            raise ValueError(
                f"the training set of generation {t} has a singular covariance in {pool.dim} dimensions; "
                f"drop constant or dependent coordinates, or log more points."
            )
        covariances.append(covariance)
    return assess_models(batches, covariances)


def _moments(value: Any, name: str) -> Moments:
    """Return moments of at least two points, as many in each replicate."""
    from madtheory.validation import check_points

    moments = value if isinstance(value, Moments) else Moments.of(check_points(value, name))
    weight = np.asarray(moments.weight)
    if weight.min() < 2 or weight.min() != weight.max() or (weight != np.round(weight)).any():
        raise ValueError(
            f"{name} has weight {show(weight)}; pass at least 2 unweighted points, as many in each replicate."
        )
    return moments


def _counts(name: str, value: Any, least: int) -> Array:
    table = check_numbers(name, value)
    if table.ndim < least or (least == 1 and table.ndim > 1):
        wanted = "(K,)" if least == 1 else "(T, K) or (*replicate, T, K)"
        raise ValueError(f"{name} has shape {table.shape}; expected {wanted}.")
    if (table < 0).any() or (table != np.round(table)).any() or not table.size or (table.sum(-1) < 1).any():
        raise ValueError(f"{name}={show(value)} are not counts; pass integers >= 0 with a positive sum.")
    return table.astype(np.int64)


def detection_power(
    *, bias: Any, n: int, dim: int = 1, generations: int = 1, level: float = 0.01, tests: int = 1
) -> Array:
    r"""Return the probability that the variance test of `monitor` alone detects biased sampling.

    .. math:: P\big(\chi^2_m \le q_\alpha(m) / \lambda\big), \qquad m = d (n - 1) T

    with the quantile q of the same law at :math:`\alpha = 1 - (1 - \mathrm{level})^{1/k}`. Exact in every
    regime for covariances with divisor n - 1 in each batch, one look after the last generation, and bias in
    every generation. For ``k = 2`` (variance and volume) the power of both together is at least this.

    Parameters
    ----------
    bias : array_like
        Factor of the covariance of synthetic points (dimensionless).
    n, dim, generations : int
        Points in each batch, at least 2; their dimension; number of batches.
    level : float
        Probability of a false alarm.
    tests : int
        Number k of tests that `monitor` combines.

    Returns
    -------
    array of the shape of `bias`
        Probabilities.

    Raises
    ------
    ValueError
        For an argument outside its range.

    Examples
    --------
    >>> from madtheory.monitoring import detection_power
    >>> detection_power(bias=[1.0, 0.95, 0.9], n=200, dim=2, generations=5).round(3)
    array([0.01 , 0.231, 0.835])
    """
    from scipy.special import chdtr, chdtri

    factors = np.asarray(check_numbers("bias", bias))
    for factor in factors.flat:
        check_bias(factor)
    if (factors <= 0).any():
        raise ValueError(f"bias={show(bias)} must be positive for a power; pass numbers above 0.")
    dof = check_size("dim", dim) * (check_size("n", n, 2) - 1) * check_size("generations", generations)
    level = check_number("level", level, 0, 1, above=True, below=True)
    each = -np.expm1(np.log1p(-level) / check_size("tests", tests))
    out: Array = chdtr(dof, chdtri(dof, 1 - each) / factors)
    return out
