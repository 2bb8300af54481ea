"""Exact means of loops of labels on Gaussian inputs: new ones for every set, or drawn once for the loop."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madtheory.regimes import Regime
from madtheory.theory.labels import Labelled, NoClosedForm
from madtheory.theory.regression.fixed_design import (
    check_directions,
    check_no_subsets,
    fixed_design,
    label_errors,
)
from madtheory.theory.regression.mixing import mixing_moments
from madtheory.validation import (
    GREATEST,
    LONGEST,
    check_arguments,
    check_bias,
    check_ddof,
    check_flag,
    check_number,
    check_size,
    show,
)

Array = NDArray[np.floating]
SOURCE = (
    "replace: Dohmatob et al. 2024 (arXiv 2402.07712), and least norm there; accumulate and fresh: ours "
    "(compare Gerstgrasser et al. 2024, arXiv 2404.01413, whose inputs are fixed)"
)


@check_arguments
def fresh_design(
    regime: Regime,
    *,
    eigenvalues: ArrayLike,
    coefficients: ArrayLike | None = None,
    noise: float = 1.0,
    fit_noise: bool = False,
    ddof: int = 1,
    bias: float = 1.0,
    generations: int,
) -> dict[str, Labelled]:
    r"""Return the expected errors of least squares where every set of points has new inputs N(0, S).

    In `replace`, every fit of n points adds the same excess risk; in `accumulate`, generation t of N points
    of which n are new adds a share of it; in `fresh`, the error of the last model is handed on in part:

    .. math::
        e_t = e_{t-1} + \frac{\sigma^2 d}{n - d - 1}, \qquad
        e_t = e_{t-1} + \frac{n}{N} \frac{\sigma^2 d}{N - d - 1}, \qquad
        e_t = g \, e_{t-1} + \frac{n_r \sigma^2 + n_s \sigma_{t-1}^2}{N} \frac{d}{N - d - 1}

    with the gain g of `mixing_moments`. For training sets of N < d - 1 points, the fit of least norm has, for
    :math:`S = s I` and :math:`\eta = N/d`,

    .. math:: e_t = (1 - \eta) s |w|^2 + \frac{n_s}{d} \Big(1 + \frac{n_r}{d - N - 1}\Big) e_{t-1}
              + \frac{\sigma^2 N}{d - N - 1}

    Parameters
    ----------
    regime : Regime
        `replace` or `fresh` of any sizes, or `accumulate`, without weights.
    eigenvalues : array, shape (d,)
        Eigenvalues of the covariance S of the inputs, all positive.
    coefficients : array, shape (d,), optional
        True coefficients along the eigenvectors, which matter for fewer points than inputs; 0 by default.
    noise, fit_noise, ddof, bias, generations
        As for `fixed_design`.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``excess_risk``: :math:`E\,(\hat w - w)^T S (\hat w - w)`, ``parameter_error``, ``noise_variance``.

    Raises
    ------
    NoClosedForm
        If the regime has no closed form, or an expectation is infinite (N from d - 1 to d + 1).
    ValueError
        If an argument is out of range.

    Notes
    -----
    Source: `replace`, least norm included: Dohmatob et al. 2024 (arXiv 2402.07712). The others are ours:
    proved by exchangeable rows, by the independence of a matrix beta and its Wishart sum, and by partitioned
    Wishart matrices. Checked by tests/theory/test_regression.py.

    Examples
    --------
    >>> from madtheory import regimes
    >>> from madtheory.theory import regression
    >>> found = regression.fresh_design(regimes.replace(n=26), eigenvalues=[1.0] * 5, generations=3)
    >>> found["excess_risk"]
    Labelled([0.25, 0.5 , 0.75])
    """
    scale, truth, generations = _check(eigenvalues, coefficients, generations)
    noise, bias = check_number("noise", noise, 0, GREATEST), check_bias(bias)
    fit_noise, ddof = check_flag("fit_noise", fit_noise), check_ddof(ddof, False)
    name = regime.name
    if name not in ("replace", "accumulate", "fresh") or regime.weights is not None or regime.memory > 1:
        raise NoClosedForm(
            f"regime={show(regime)} has no closed form for inputs that are new in every generation; there "
            f"are those of replace, accumulate and fresh without weights and memory. Use simulate."
        )
    dim, accumulated = len(scale), name == "accumulate"
    risk = before = 0.0
    variance, total = noise**2, 0
    residual = 0.0
    out = np.empty((3, generations))
    for t in range(1, generations + 1):
        mix = regime.at(t) if t > 1 else None
        real = mix.n_fresh if mix else regime.n_initial
        made = mix.n_synthetic if mix else 0
        label = bias * variance
        before, total = (total, total + real + made) if accumulated else (0, real + made)
        _check_finite(total, scale, fit_noise)
        if total < dim and accumulated:
            raise NoClosedForm(
                f"accumulate with {total} points for {dim} inputs has no closed form where inputs are new; "
                f"use n_initial of at least {dim + 2}, or simulate."
            )
        if total < dim:
            missed = (1 - total / dim) * scale[0] * float(truth @ truth)
            gain, spare = made / dim * (1 + real / (dim - total - 1)), dim - total - 1
            risk = missed + gain * risk + (real * noise**2 + made * label) / spare
        elif accumulated:
            # The labels so far are of the last model, up to the residuals: it is the fit to them.
            new = noise**2 if t == 1 else label
            share = (total - before) / total
            risk += new * share * dim / (total - dim - 1)
            residual += new * ((total - before) - dim * share)
        else:
            gain, between = mixing_moments(real, made, dim)
            mean = (real * noise**2 + made * label) / total
            residual = mean * (total - dim) + between * risk
            risk = gain * risk + mean * dim / (total - dim - 1)
        if fit_noise:
            variance = residual / (total - ddof * dim)
        spread = 1 / scale[0] if total < dim else float((1 / scale).mean())
        out[:, t - 1] = risk, spread * risk, variance
    return label_errors(out, SOURCE)


@check_arguments
def design_drawn_once(
    regime: Regime,
    *,
    rows: int,
    eigenvalues: ArrayLike,
    coefficients: ArrayLike | None = None,
    noise: float = 1.0,
    fit_noise: bool = False,
    ddof: int = 1,
    bias: float = 1.0,
    generations: int,
) -> dict[str, Labelled]:
    r"""Return the expected errors of least squares on T inputs N(0, S) that are drawn once and used again.

    These are the means of `fixed_design` over the inputs: its factor :math:`\sigma^2 / T` in each direction
    becomes :math:`\sigma^2 / (T - d - 1)`. For T < d - 1 and S = s I, only the row space of the inputs is
    ever learned: :math:`|w|^2 (1 - T/d)` is lost for good, and the rest grows with the factor
    :math:`\sigma^2 T / (d - T - 1)`: in `replace` linearly, not geometrically as for new inputs.

    Parameters
    ----------
    regime : Regime
        As for `fixed_design`.
    rows : int
        Number T of inputs.
    eigenvalues, coefficients
        As for `fresh_design`.
    noise, fit_noise, ddof, bias, generations
        As for `fixed_design`.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``excess_risk``: :math:`E\,(\hat w - w)^T S (\hat w - w)`, ``parameter_error``, ``noise_variance``.

    Raises
    ------
    NoClosedForm
        If the regime picks single rows, sizes are not multiples of `rows`, or an expectation is infinite.
    ValueError
        If an argument is out of range.

    Notes
    -----
    Source: Gerstgrasser et al. 2024 (arXiv 2404.01413), Theorem 1, for `replace` and `accumulate`; ours
    otherwise. Checked by tests/theory/test_regression.py.

    Examples
    --------
    >>> from madtheory import regimes
    >>> from madtheory.theory import regression
    >>> found = regression.design_drawn_once(
    ...     regimes.accumulate(n=26), rows=26, eigenvalues=[1.0] * 5, generations=3
    ... )
    >>> found["excess_risk"].round(4)
    array([0.25  , 0.3125, 0.3403])
    """
    rows = check_size("rows", rows)
    scale, truth, generations = _check(eigenvalues, coefficients, generations)
    dim = len(scale)
    check_no_subsets(regime)
    _check_finite(rows, scale, False)
    rank = min(rows, dim)
    # One direction of unit size stands for each of the rank: their errors are of one size in the mean.
    found = fixed_design(
        regime, rows=rows, eigenvalues=np.ones(rank), noise=noise, fit_noise=fit_noise, ddof=ddof, bias=bias,
        generations=generations,
    )  # fmt: skip
    each = np.asarray(found["excess_risk"]) / rank
    if rows > dim:
        risk = each * rows * dim / (rows - dim - 1)
        return label_errors((risk, risk * (1 / scale).mean(), found["noise_variance"]), SOURCE)
    lost = (1 - rows / dim) * float(truth @ truth)
    error = lost + each * rows * rows / (dim - rows - 1) / scale[0]
    return label_errors((scale[0] * error, error, found["noise_variance"]), SOURCE)


def _check(
    eigenvalues: ArrayLike, coefficients: ArrayLike | None, generations: int
) -> tuple[Array, Array, int]:
    scale, truth = check_directions(eigenvalues, coefficients)
    if not (scale > 0).all():
        raise ValueError(f"eigenvalues={show(eigenvalues)} of a covariance of inputs must all be positive.")
    return scale, truth, check_size("generations", generations, 1, LONGEST["generations"])


def _check_finite(points: int, scale: Array, fit_noise: bool) -> None:
    """Refuse numbers of points for which the expected error is infinite or not known."""
    dim = len(scale)
    if dim - 2 < points < dim + 2:
        raise NoClosedForm(
            f"{points} points for {dim} inputs have an infinite expected error; use at least {dim + 2}, or "
            f"at most {dim - 2}."
        )
    if points < dim and (fit_noise or np.ptp(scale) > 1e-9 * scale.max()):
        raise NoClosedForm(
            f"{points} points for {dim} inputs have a closed form only for inputs of equal variance without "
            f"correlation, and for a known noise; use simulate."
        )
