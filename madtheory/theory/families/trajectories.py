"""Expected trajectories of natural exponential families: of any regime, and closed products and limits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.polynomial import polynomial
from numpy.typing import ArrayLike, NDArray

from madtheory.regimes import Regime
from madtheory.theory.families.laws import gamma_logs, poisson_extinction
from madtheory.theory.gaussian import Sizes, sizes_of
from madtheory.theory.labels import Labelled, label
from madtheory.theory.moments import first_moments, is_chain
from madtheory.validation import check_arguments, check_choice, check_number, check_numbers, check_size

Array = NDArray[np.floating]
_SOURCE = (
    "derived here from Morris 1982 (Ann. Statist. 10, 65): V is quadratic and the mean a martingale, so that "
    "E V(m) = V(m0) + v2 E (m - m0)^2"
)


def check_variance_function(
    variance_function: ArrayLike, mean_parameter: float
) -> tuple[float, float, float]:
    """Return V, V' and v2 at the true mean, for coefficients of 1, m, m^2 with V > 0."""
    coefficients = check_numbers("variance_function", variance_function)
    if coefficients.shape != (3,):
        raise ValueError(
            f"variance_function={variance_function!r} has the shape {coefficients.shape}; pass three "
            f"numbers, the coefficients of 1, m and m^2, such as (0, 1, 0) for Poisson."
        )
    mean = check_number("mean_parameter", mean_parameter)
    with np.errstate(over="ignore"):
        constant, slope, curvature = _taylor(coefficients, mean)
    if not (0 < constant < np.inf and np.isfinite(slope)):
        raise ValueError(
            f"mean_parameter={mean:g} has the variance {constant:g} under variance_function="
            f"{variance_function!r}; pass a mean within the range of the family, not at its end."
        )
    return constant, slope, curvature


def _too_curved(variance_function: Sequence[float], curvature: float) -> str:
    return (
        f"variance_function={variance_function!r} has the curvature {curvature:g}, and n points need at "
        f"least -n, or their mean would have a negative variance; pass that of a family."
    )


def _taylor(coefficients: Array, mean: float) -> tuple[float, float, float]:
    v0, v1, v2 = (float(c) for c in coefficients)
    return v0 + mean * (v1 + v2 * mean), v1 + 2 * v2 * mean, v2


@check_arguments
def trajectory(
    regime: Regime,
    *,
    mean_parameter: float,
    variance_function: Sequence[float],
    point_variance: Sequence[float] | None = None,
    real_variance: float | None = None,
    correction: float = 0.0,
    generations: int,
) -> dict[str, Labelled]:
    r"""Return the expected error and variance of an exponential family refitted in a regime.

    The fitted mean m is a weighted mean of the training set, so that it is a martingale in every regime:
    :math:`E\,m_g = m_0`, and with :math:`e_g = E (m_g - m_0)^2`

    .. math:: E\,V(m_g) = V(m_0) + v_2\, e_g.

    That closes the recursion of first moments (`madtheory.theory.gaussian.first_moments`), for real data of
    any law with this mean. Kind: exact mean.

    Parameters
    ----------
    regime : Regime
        Which data each generation is trained on (`madtheory.regimes`).
    mean_parameter : float
        True mean m_0 of T(x).
    variance_function : sequence of 3 floats
        Coefficients of 1, m, m^2 in the variance of T under the model.
    point_variance : sequence of 3 floats, optional
        Coefficients of 1, m, m^2 in the variance of the points, whose mean is then returned too.
    real_variance : float, optional
        Variance of T under the real law; :math:`V(m_0)` by default, of real data from the family itself.
    correction : float
        Strength of the correction of synthetic points (`madtheory.theory.correction`).
    generations : int
        Number of generations, the real fit included.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``mean_parameter``, ``mean_parameter_error`` :math:`e_g`, ``parameter_variance`` :math:`E\,V`, and
        with `point_variance` ``total_variance``. Where each generation sees the last batch only and real data
        are from the family, also the standard deviations of all but the first, ``..._std``, of gamma families
        (:math:`v_0 = v_1 = 0`) ``log_mean_parameter`` and ``log_volume``, and of Poisson ``extinct``.

    Raises
    ------
    ValueError
        For a mean at which V is not positive, or arguments out of range.

    Examples
    --------
    >>> from madtheory import regimes
    >>> from madtheory.theory import families
    >>> moments = families.trajectory(
    ...     regimes.fresh(n_real=10, n_synthetic=10), mean_parameter=2.0, variance_function=(0, 0, 1),
    ...     generations=4,
    ... )
    >>> print(moments["parameter_variance"].round(4))
    [4.4    4.31   4.2852 4.2784]
    """
    variance, _, curvature = check_variance_function(variance_function, mean_parameter)
    own, generations = real_variance is None, check_size("generations", generations)
    if is_chain(regime) and correction == 0 and own:
        sizes = {"n": regime.n_synthetic, "n_initial": regime.n_initial, "generations": generations}
        return _chain(mean_parameter, variance_function, point_variance, sizes)
    true = variance if own else check_number("real_variance", real_variance, 0, above=True)
    moments = first_moments(
        regime, source=_SOURCE, spectrum=[true], natural=(variance / true, curvature),
        correction=correction, generations=generations,
    )  # fmt: skip
    error = np.asarray(moments["mean_error"])
    found = _label(mean_parameter, error, np.asarray(moments["total_variance"]))
    if point_variance is not None:
        of_points = _points_of(point_variance, mean_parameter)
        found["total_variance"] = label(of_points[0] + of_points[2] * error, "exact mean", _SOURCE)
    return found


def _points_of(point_variance: Sequence[float], mean: float) -> tuple[float, float, float]:
    """Return the variance of the points, its slope and its curvature at the true mean."""
    coefficients = check_numbers("point_variance", point_variance)
    if coefficients.shape != (3,):
        raise ValueError(
            f"point_variance={point_variance!r} is not three numbers: coefficients of 1, m, m^2."
        )
    return _taylor(coefficients, mean)


def _chain(
    mean: float, variance: Sequence[float], point_variance: Sequence[float] | None, sizes: dict[str, Any]
) -> dict[str, Labelled]:
    """Return all that is known where every generation sees the last batch only."""
    found = replace(mean_parameter=mean, variance_function=variance, **sizes)
    if variance[0] == variance[1] == 0:
        found |= gamma_logs(shape=1 / variance[2], mean_parameter=mean, **sizes)
    if tuple(variance) == (0, 1, 0):
        found["extinct"] = poisson_extinction(rate=mean, **sizes)
    if point_variance is None:
        return found
    at_truth, slope, curvature = _points_of(point_variance, mean)
    error = np.asarray(found["mean_parameter_error"])
    found["total_variance"] = label(at_truth + curvature * error, "exact mean", _SOURCE)
    if tuple(point_variance) == tuple(variance):  # without the cancellation of a nearly extinct family
        found["total_variance"] = found["parameter_variance"]
    spread = _spread(
        slope, curvature, central_moments(mean_parameter=mean, variance_function=variance, **sizes)
    )
    if "parameter_variance_std" in found:
        found["total_variance_std"] = label(spread, "exact mean", _SOURCE)
    if "log_mean_parameter" in found and point_variance[0] == point_variance[1] == 0:
        logs = found["log_mean_parameter"]
        found["log_volume"] = label(np.log(point_variance[2]) + 2 * np.asarray(logs), logs.kind, logs.source)
    return found


def _spread(slope: float, curvature: float, moments: Array) -> Array:
    """Return the standard deviation of a quadratic function of the mean."""
    _, _, second, third, fourth = np.asarray(moments).T
    with np.errstate(invalid="ignore", over="ignore"):
        square = slope**2 * second + 2 * slope * curvature * third + curvature**2 * (fourth - second**2)
        return np.sqrt(np.maximum(square, 0.0))


def _label(mean: float, error: Array, variance: Array, source: str = _SOURCE) -> dict[str, Labelled]:
    values = {
        "mean_parameter": np.full(len(error), float(mean)),
        "mean_parameter_error": error,
        "parameter_variance": variance,
    }
    return {name: label(value, "exact mean", source) for name, value in values.items()}


@check_arguments
def replace(
    *,
    n: Sizes,
    n_initial: int | None = None,
    mean_parameter: float,
    variance_function: Sequence[float],
    generations: int,
) -> dict[str, Labelled]:
    r"""Return the expected trajectory when every fit sees only samples of the previous one.

    .. math::
        E\,V(m_g) = V(m_0) \prod_{k \le g} \Big(1 + \frac{v_2}{n_k}\Big), \quad
        E (m_g - m_0)^2 = \frac{E\,V(m_g) - V(m_0)}{v_2}

    (the sum of :math:`V(m_0)/n_k` if :math:`v_2 = 0`). It unifies the loss of heterozygosity of tokens
    (:math:`v_2 = -1`) with the variance of a Gaussian of known mean (:math:`v_2 = 2`). Kind: exact mean.

    Parameters
    ----------
    n : int, sequence or callable
        Sample size of generation g.
    n_initial : int, optional
        Real points of generation 1; `n` at generation 1 by default.
    mean_parameter, variance_function, generations
        See `trajectory`.

    Returns
    -------
    dict of Labelled, shape (generations,)
        See `trajectory`, standard deviations included.

    Examples
    --------
    >>> from madtheory.theory import families
    >>> moments = families.replace(n=10, mean_parameter=0.5, variance_function=(0, 1, -1), generations=3)
    >>> print(moments["parameter_variance"].round(4))
    [0.225  0.2025 0.1822]
    """
    variance, slope, curvature = check_variance_function(variance_function, mean_parameter)
    sizes = np.array(sizes_of(n, n_initial, generations), dtype=float)
    if (1 + curvature / sizes).min() < 0:
        raise ValueError(_too_curved(variance_function, curvature))
    with np.errstate(over="ignore"):
        logs = np.cumsum(np.log1p(curvature / sizes))
        error = np.cumsum(variance / sizes) if curvature == 0 else variance * np.expm1(logs) / curvature
        out = _label(mean_parameter, error, variance * np.exp(logs))
        moments = _central((variance, slope, curvature), sizes)
    spreads = {
        "mean_parameter_error_std": np.sqrt(np.maximum(moments[:, 4] - moments[:, 2] ** 2, 0.0)),
        "parameter_variance_std": _spread(slope, curvature, moments),
    }
    if all(np.isfinite(value).all() for value in spreads.values()):
        out |= {name: label(value, "exact mean", _SOURCE) for name, value in spreads.items()}
    return out


@check_arguments
def central_moments(
    *,
    n: Sizes,
    n_initial: int | None = None,
    mean_parameter: float,
    variance_function: Sequence[float],
    generations: int,
) -> Labelled:
    r"""Return :math:`E (m_g - m_0)^j` for j = 0, ..., 4 in `replace`, shape (generations, 5).

    The cumulants of a natural exponential family follow from its variance function,
    :math:`\kappa_{j+1} = V \kappa_j'`, and those of a mean of n points are :math:`\kappa_j / n^{j-1}`: one
    generation maps the moments up to order 4 linearly to themselves. Kind: exact mean. Arguments as in
    `replace`.

    Examples
    --------
    >>> from madtheory.theory import families
    >>> moments = families.central_moments(
    ...     n=5, mean_parameter=1.0, variance_function=(0, 1, 0), generations=2
    ... )
    >>> print(moments.round(4))
    [[1.    0.    0.2   0.04  0.128]
     [1.    0.    0.4   0.2   0.6  ]]
    """
    taylor = check_variance_function(variance_function, mean_parameter)
    sizes = np.array(sizes_of(n, n_initial, generations), dtype=float)
    with np.errstate(over="ignore", invalid="ignore"):
        return label(_central(taylor, sizes), "exact mean", _SOURCE)


def _central(taylor: tuple[float, float, float], sizes: Array) -> Array:
    """Return moments 0, ..., 4 of the distance to the true mean, one row for each size."""
    v = np.array(taylor)  # in powers of the distance
    first = polynomial.polyder(v)
    third = polynomial.polymul(v, first)
    fourth = polynomial.polymul(v, polynomial.polyder(third))
    x, now, rows, maps = np.array([0.0, 1.0]), np.eye(5)[0], [], {}
    for n in sizes:
        if n not in maps:
            cumulants = [np.zeros(1), v / n, third / n**2, fourth / n**3]
            # Moments about the last mean, then about the true one by the binomial formula.
            about = [
                np.ones(1), *cumulants[:3],
                polynomial.polyadd(cumulants[3], 3 * polynomial.polymul(cumulants[1], cumulants[1])),
            ]  # fmt: skip
            matrix = np.zeros((5, 5))
            for j in range(5):
                for i in range(j + 1):
                    power = polynomial.polypow(x, j - i) if j > i else np.ones(1)
                    term = math.comb(j, i) * polynomial.polymul(power, about[i])[:5]
                    matrix[j, : len(term)] += term
            maps[n] = matrix
        now = maps[n] @ now
        rows.append(now)
    return np.array(rows)


@check_arguments
def accumulate(
    *,
    n: Sizes,
    n_initial: int | None = None,
    mean_parameter: float,
    variance_function: Sequence[float],
    generations: int,
) -> dict[str, Labelled]:
    r"""Return the expected trajectory when every fit sees the real data and all synthetic data so far.

    .. math::
        E\,V(m_g) = V(m_0) \prod_{k \le g} \Big(1 + \frac{v_2 n_k}{N_k^2}\Big), \quad N_k = \sum_{j \le k} n_j

    Kind: exact mean. Arguments as in `replace`.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``mean_parameter``, ``mean_parameter_error``, ``parameter_variance``.

    Examples
    --------
    >>> from madtheory.theory import families
    >>> moments = families.accumulate(n=10, mean_parameter=3.0, variance_function=(0, 1, 0), generations=4)
    >>> print(moments["mean_parameter_error"].round(4))
    [0.3    0.375  0.4083 0.4271]
    """
    variance, _, curvature = check_variance_function(variance_function, mean_parameter)
    sizes = np.array(sizes_of(n, n_initial, generations), dtype=float)
    shares = sizes / np.cumsum(sizes) ** 2
    if (1 + curvature * shares).min() < 0:
        raise ValueError(_too_curved(variance_function, curvature))
    logs = np.cumsum(np.log1p(curvature * shares))
    with np.errstate(over="ignore"):
        error = np.cumsum(variance * shares) if curvature == 0 else variance * np.expm1(logs) / curvature
        return _label(mean_parameter, error, variance * np.exp(logs))


@check_arguments
def accumulate_limit(
    *, n: int, mean_parameter: float, variance_function: Sequence[float]
) -> dict[str, Labelled]:
    r"""Return the limit of `accumulate` with equal batches, generation to infinity.

    .. math::
        E\,V(m_\infty) = V(m_0) \prod_{k \ge 1} \Big(1 + \frac{v_2}{n k^2}\Big)
        = V(m_0) \frac{\sinh(\pi \sqrt{v_2/n})}{\pi \sqrt{v_2/n}},

    with sine in place of sinh for :math:`v_2 < 0`. The error :math:`(E\,V(m_\infty) - V(m_0)) / v_2` is
    :math:`\frac{\pi^2}{6} \frac{V(m_0)}{n}` for large n, whatever the family. Kind: exact mean.

    Returns
    -------
    dict of Labelled, 0-d
        ``mean_parameter_error``, ``parameter_variance``, and ``error_ratio``: the error over that of one fit
        of n real points.

    Examples
    --------
    >>> from madtheory.theory import families
    >>> limit = families.accumulate_limit(n=100, mean_parameter=2.0, variance_function=(0, 0, 1))
    >>> print(limit["error_ratio"].round(4))
    1.6531
    """
    n = check_size("n", n)
    variance, _, curvature = check_variance_function(variance_function, mean_parameter)
    x = curvature / n
    if x < -1:
        raise ValueError(_too_curved(variance_function, curvature))
    ratio = _excess(x)
    values = {
        "mean_parameter_error": variance / n * ratio,
        "parameter_variance": variance * (1 + x * ratio),
        "error_ratio": ratio,
    }
    return {name: label(value, "exact mean", _SOURCE) for name, value in values.items()}


def _excess(x: float) -> float:
    """Return (sinh(r) / r - 1) / x with r = pi sqrt(x), of either sign of x; pi^2 / 6 at 0."""
    square = math.pi**2 * x
    if abs(square) < 1.0:
        term, total = math.pi**2 / 6, 0.0
        for k in range(2, 20):
            total += term
            term *= square / (2 * k * (2 * k + 1))
        return total
    root = math.sqrt(abs(square))
    if x > 0 and root > 700:
        return math.inf
    return ((math.sinh(root) if x > 0 else math.sin(root)) / root - 1) / x


@check_arguments
def stationary_error(
    *,
    real_data: Literal["fixed", "fresh"],
    n_real: int,
    n_synthetic: int,
    mean_parameter: float,
    variance_function: Sequence[float],
    synthetic_weight: float | None = None,
) -> dict[str, Labelled]:
    r"""Return the error and variance that a loop with real data tends to.

    With the share w of synthetic data in the fit, :math:`D = 1 - w^2 (1 + v_2/n_s)`, and of fresh real data

    .. math:: E (m - m_0)^2 = \frac{V(m_0)}{D} \Big(\frac{(1-w)^2}{n_r} + \frac{w^2}{n_s}\Big);

    of a fixed set, whose mean :math:`\bar r` stays,

    .. math:: E (m - m_0)^2 = \frac{V(m_0)}{n_r} + \frac{w^2}{n_s} \frac{E\,V(\bar r)}{D}, \quad
              E\,V(\bar r) = V(m_0) (1 + v_2/n_r).

    Kind: exact mean.

    Parameters
    ----------
    real_data : {"fixed", "fresh"}
        Whether the real points of every generation are the same.
    n_real, n_synthetic : int
        Number of real and synthetic points of each generation.
    mean_parameter, variance_function
        See `trajectory`.
    synthetic_weight : float, optional
        Share w of the synthetic mean in the fit, 0 to 1 (dimensionless); by default that of pooled points.

    Returns
    -------
    dict of Labelled, 0-d
        ``mean_parameter_error``, ``parameter_variance``.

    Raises
    ------
    ValueError
        If there is no stationary law (:math:`D \le 0`), or arguments are out of range.

    Examples
    --------
    >>> from madtheory.theory import families
    >>> found = families.stationary_error(
    ...     real_data="fresh", n_real=10, n_synthetic=10, mean_parameter=2.0, variance_function=(0, 0, 1)
    ... )
    >>> print(found["parameter_variance"].round(4))
    4.2759
    """
    check_choice("real_data", real_data, ("fixed", "fresh"))
    n_real, n_synthetic = check_size("n_real", n_real), check_size("n_synthetic", n_synthetic)
    variance, _, curvature = check_variance_function(variance_function, mean_parameter)
    w = (
        n_synthetic / (n_real + n_synthetic)
        if synthetic_weight is None
        else check_number("synthetic_weight", synthetic_weight, 0, 1)
    )
    stays = 1 - w**2 * (1 + curvature / n_synthetic)
    if stays <= 0:
        raise ValueError(
            f"synthetic_weight={w:g} with n_synthetic={n_synthetic} leaves no stationary law of finite "
            f"variance: w^2 (1 + v2/n_synthetic) is {1 - stays:g}; lower the weight."
        )
    if real_data == "fresh":
        error = variance * ((1 - w) ** 2 / n_real + w**2 / n_synthetic) / stays
    else:
        at_real_mean = variance * (1 + curvature / n_real)
        error = variance / n_real + w**2 / n_synthetic * at_real_mean / stays
    values = {"mean_parameter_error": error, "parameter_variance": variance + curvature * error}
    return {name: label(value, "exact mean", _SOURCE) for name, value in values.items()}
