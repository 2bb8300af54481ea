"""Loops of finitely many points: a bound on their distance to the optimum, and collapse without real data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from madtheory.theory.gaussian import Sizes, chain_sizes, direction_gains
from madtheory.theory.labels import Labelled, label
from madtheory.theory.stability.gaussian import at_least
from madtheory.validation import check_arguments, check_bias, check_size


@check_arguments
def finite_sample_bound(
    *,
    contraction: float,
    generations: int,
    n_real: int,
    concentration: Sequence[float],
    failure_probability: float,
    initial_distance: float = 0.0,
    optimisation_error: float = 0.0,
) -> Labelled:
    r"""Bound the distance to the optimum when every generation sees finitely many points.

    .. math:: |\theta_t - \theta^*| \le \tau\sum_{i=0}^t r^i + r^t |\theta_0 - \theta^*|, \qquad
       \tau = \epsilon_{opt} + \frac a{\sqrt n}\sqrt{\ln\frac{bt}\delta}

    with probability :math:`1 - \delta` for each :math:`t`, not for all at once. Kind: bound.

    Parameters
    ----------
    contraction : float
        Contraction :math:`r \ge 0` of the exact map; the theorem uses `contraction_bound`.
    generations : int
        Length of the trajectory. Generation 1, the fit to real data only, is the paper's :math:`t = 0`.
    n_real : int
        Number n of real points.
    concentration : (float, float)
        Constants a and b of the theorem's assumption A3: with probability :math:`1 - \delta` a generation's
        fit misses the exact map by at most :math:`\tau` at t = 1, for every previous model; a is in units of
        theta.
    failure_probability : float
        Probability :math:`\delta`, above 0 and up to 1.
    initial_distance : float
        Distance of generation 1 to the optimum.
    optimisation_error : float
        Error :math:`\epsilon_{opt}` of the optimiser, in units of theta.

    Returns
    -------
    Labelled array of shape (generations,)
        Entry 0, generation 1, is `initial_distance`; later ones are infinite unless ``contraction < 1``.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Source: Bertrand et al. 2024 (arXiv 2310.00429), Theorem 2; with a correction Gillman et al. 2024
    (arXiv 2402.07087), Theorem 4.3.

    Examples
    --------
    >>> from madtheory.theory import stability
    >>> print(stability.finite_sample_bound(
    ...     contraction=0.5, generations=10, n_real=1000, concentration=(1.0, 1.0), failure_probability=0.05
    ... ).round(4))
    [0.     0.0821 0.1063 0.12   0.1283 0.1336 0.1373 0.14   0.1422 0.144 ]
    """
    t = np.arange(check_size("generations", generations))
    rate = float(at_least("contraction", contraction, infinite=True))
    pair = at_least("concentration", concentration)
    if pair.shape != (2,):
        raise ValueError(f"concentration={concentration!r} is not two numbers; pass (a, b) of assumption A3.")
    a, b = pair
    delta = float(at_least("failure_probability", failure_probability, positive=True))
    if not delta <= min(1.0, b):
        raise ValueError(
            f"failure_probability={failure_probability!r} is above 1 or above b={b:g} of concentration, "
            f"where the assumption makes no statement; pass for example 0.05, and b >= 1."
        )
    start = float(at_least("initial_distance", initial_distance))
    missed = float(at_least("optimisation_error", optimisation_error))
    out = np.full(len(t), np.inf)
    if rate < 1:
        spread = a * np.sqrt(np.log(b * np.maximum(t, 1) / delta) / check_size("n_real", n_real))
        out = (missed + spread) * (1 - rate ** (t + 1)) / (1 - rate) + rate**t * start
    out[0] = start
    source = (
        "Bertrand et al. 2024 (arXiv 2310.00429), Theorem 2; Gillman et al. 2024 (2402.07087), Theorem 4.3"
    )
    return label(out, "bound", source)


@check_arguments
def collapse_of_sd(
    *,
    n: Sizes,
    generations: int,
    n_initial: int | None = None,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
) -> Labelled:
    r"""Return the expected standard deviation in the fully synthetic loop, relative to the true one.

    .. math:: \frac{E\sigma_g}{\sigma_0} = \prod_{i \le g} \sqrt{\frac{\lambda_i}{n_i - c}}\;
       E\chi_{\nu_i} = c_4(n)^g, \qquad c_4(n) = \sqrt{\frac2{n - 1}}\,
       \frac{\Gamma(n/2)}{\Gamma((n - 1)/2)}

    the last for constant n, no bias and the unbiased covariance. Kind: exact mean in one dimension; a bound
    in more, :math:`E\,\Sigma_g^{1/2} \preceq c_4(n)^g\,\Sigma_0^{1/2}`.

    Parameters
    ----------
    n : int, sequence or function of the generation
        Synthetic points per generation.
    generations : int
        Length of the trajectory.
    n_initial : int, optional
        Real points of generation 1, by default `n` there.
    bias : float
        Factor of the covariance of synthetic samples (dimensionless), >= 0.
    ddof : {0, 1}, optional
        The divisor is n - ddof; by default 1, or 0 when the mean is known.
    known_mean : bool
        Whether the scatter is taken about the true mean, with :math:`\nu_i = n_i`, not :math:`n_i - 1`.
    dim : int
        Dimension; it does not change the values, only their kind.

    Returns
    -------
    Labelled array of shape (generations,)
        Ratios (dimensionless); entry 0 is generation 1, after one fit.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Bertrand et al. 2024 (arXiv 2310.00429), Proposition 1, prove that some rate below 1 exists; this is its
    value. In more dimensions the loop's projection on a direction u is the one-dimensional loop, and
    :math:`u^T\Sigma_g^{1/2}u \le (u^T\Sigma_g u)^{1/2}`; by symmetry :math:`E\,\Sigma_g^{1/2}` is diagonal in
    the eigenbasis of :math:`\Sigma_0`, so that its directions suffice. Source: derived here.

    Examples
    --------
    >>> from madtheory.theory import stability
    >>> print(stability.collapse_of_sd(n=20, generations=3).round(4))
    [0.9869 0.974  0.9613]
    """
    check_size("dim", dim)
    sizes, degrees, divisors = chain_sizes(n, n_initial, generations, ddof, known_mean)
    with np.errstate(divide="ignore"):
        log_bias = np.full(len(sizes), np.log(check_bias(bias)))
    log_bias[0] = 0.0
    roots = direction_gains(degrees, divisors, 1)[1][:, 0]
    source = "Bertrand et al. 2024 (arXiv 2310.00429), Proposition 1; rate derived here (chi law)"
    return label(np.exp(np.cumsum(roots + log_bias / 2)), "exact mean" if dim == 1 else "bound", source)
