"""Laws of a model and its auxiliary: guided scores, extrapolated moments, tilted densities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import integrate, special

from madtheory.theory.labels import Labelled, label
from madtheory.validation import check_arguments, check_numbers

Array = NDArray[np.floating[Any]]

SIMS = "derived here; sampler of Alemohammad et al. 2024 (SIMS, arXiv 2408.16333)"
NEON = "Alemohammad et al. 2025 (Neon, arXiv 2510.03597), Algorithm 1, on mean and covariance"
CLEAN = "derived here (a power of one Gaussian density over a power of another)"


@check_arguments
def sims_law(
    *,
    mean: ArrayLike,
    covariance: ArrayLike,
    auxiliary_mean: ArrayLike,
    auxiliary_covariance: ArrayLike,
    guidance: float,
) -> dict[str, Labelled]:
    r"""Return the law of the probability-flow ODE with the score :math:`(1 + w) s_r - w s_s`.

    It extrapolates logarithms. For covariances that commute, in each common eigendirection,

    .. math:: \ln v = (1 + w)\ln v_r - w\ln v_s, \qquad
       m = m_r - w\,{}_2F_1\!\big(1, \tfrac{1+w}2; \tfrac32; 1 - \tfrac{v_s}{v_r}\big)\,(m_s - m_r).

    In general, :math:`\ln\det V = (1 + w)\ln\det V_r - w\ln\det V_s` holds still, but V is the solution of a
    matrix ODE, and :math:`\exp((1 + w)\ln V_r - w\ln V_s)` only approximates it.

    Kind: exact law, where the covariances commute; else numerical (relative error below 1e-8).

    Parameters
    ----------
    mean, auxiliary_mean : array, shape (d,), or number
        Means of the model and of its auxiliary, which is trained on samples of the model.
    covariance, auxiliary_covariance : array, shape (d, d), or variance
        Covariances of both, positive definite.
    guidance : float
        Weight w: 0 is the model, -1 the auxiliary; positive values move away from the auxiliary.

    Returns
    -------
    dict of Labelled
        ``mean``, shape (d,), and ``covariance``, shape (d, d).

    Raises
    ------
    ValueError
        If an argument is not finite, shapes do not fit, or a covariance is not positive definite.

    Notes
    -----
    *Proof.* With t the variance of the added noise the scores are :math:`-(V_i + t)^{-1}(x - m_i)`, and the
    flow, :math:`dx/dt = -\tfrac12 s(x, t)`, is affine: its law stays Gaussian. Deviations from the mean obey
    :math:`\dot X = \tfrac12[(1 + w)(V_r + t)^{-1} - w(V_s + t)^{-1}]X`. If the covariances commute, the
    solution is :math:`X(t) \propto (V_r + t)^{(1+w)/2}(V_s + t)^{-w/2}`, which is :math:`\sqrt t\,(1 +
    O(1/t))` for large t, as is the spread of the noise that sampling starts from: the constant is 1, and t =
    0 gives the first claim. For the mean, :math:`u = m - m_r` obeys the same equation plus :math:`\tfrac w2
    (v_s + t)^{-1}(m_s - m_r)`. Variation of constants gives :math:`u(0) = -\tfrac w2 (m_s - m_r)
    X(0)\int_0^\infty X(t)^{-1}(v_s + t)^{-1} dt`, Euler's integral of the hypergeometric function; the start
    of the flow is forgotten, as :math:`X(0)/X(\infty) = 0`. Without commutation, Liouville's formula gives
    the determinant; the first term of Magnus' series for :math:`\ln X` is :math:`\tfrac12[(1 + w)\ln V_r -
    w\ln V_s]` up to a constant, and the second is antisymmetric, a rotation: the error of the log-linear rule
    is of third order in the commutator and the anisotropy. Scaling the noise schedule (variance-preserving,
    flow matching) changes nothing, as the coefficients 1 + w and -w sum to 1. Source: derived here; guidance
    of Alemohammad et al. 2024 (arXiv 2408.16333).

    Examples
    --------
    >>> from madtheory.theory import guidance
    >>> print(guidance.sims_law(
    ...     mean=[0.0], covariance=[[1.0]], auxiliary_mean=[0.1], auxiliary_covariance=[[0.9]], guidance=0.5
    ... )["covariance"].round(4))
    [[1.0541]]
    """
    m, v, aux_m, aux_v, w = _arguments(mean, covariance, auxiliary_mean, auxiliary_covariance, guidance)
    scale = float(np.exp(np.log(np.linalg.eigvalsh(v)).mean()))
    if np.abs(v @ aux_v - aux_v @ v).max() <= 1e-13 * np.linalg.norm(v) * np.linalg.norm(aux_v):
        # Eigenvectors of a generic combination diagonalise both, also where eigenvalues repeat.
        _, basis = np.linalg.eigh(v / np.trace(v) + np.sqrt(0.5) * aux_v / np.trace(aux_v))
        one, two = (np.einsum("ji,jk,ki->i", basis, matrix, basis) for matrix in (v, aux_v))
        pull = w * mean_pull(two / one, w) * (basis.T @ (aux_m - m))
        covariance_w = (basis * (one * (two / one) ** -w)) @ basis.T
        return _label_law(m - basis @ pull, covariance_w, "exact law", SIMS)
    root, moved = _flow(v / scale, aux_v / scale, (aux_m - m) / np.sqrt(scale), w)
    return _label_law(m + np.sqrt(scale) * moved, scale * root @ root.T, "numerical", SIMS)


def _flow(v: Array, aux_v: Array, gap: Array, w: float) -> tuple[Array, Array]:
    """Return the root of the guided covariance and the step of the mean, by solving the ODE.

    It runs from infinite noise (q = 0) to none (q = 1). In q = (1 + t) ** -0.5 and z = q x it is smooth on
    [0, 1], ends included.
    """
    (one, basis), (two, aux_basis) = np.linalg.eigh(v), np.linalg.eigh(aux_v)
    dim = len(v)

    def slope(q: float, flat: Array) -> Array:
        z = flat.reshape(dim, dim + 1)
        out = np.zeros_like(z)
        for weight, values, axes in ((1 + w, one, basis), (-w, two, aux_basis)):
            noisy = values * q**2 + 1 - q**2
            out -= weight * q * (axes * ((1 - values) / noisy)) @ (axes.T @ z)
        noisy = two * q**2 + 1 - q**2
        out[:, -1] -= w * (aux_basis / noisy) @ (aux_basis.T @ gap)
        return out.ravel()

    start = np.column_stack([np.eye(dim), np.zeros(dim)]).ravel()
    done = integrate.solve_ivp(slope, (0.0, 1.0), start, method="DOP853", rtol=1e-11, atol=1e-13)
    end = done.y[:, -1].reshape(dim, dim + 1)
    return end[:, :-1], end[:, -1]


def mean_pull(ratio: ArrayLike, guidance: float) -> Array:
    """Return how far `sims_law` moves the mean, over w (m_r - m_s); `ratio` is v_s / v_r."""
    x, b = np.asarray(ratio, dtype=float), (1 + guidance) / 2

    def series(x: Array) -> Array:
        return special.hyp2f1(1.0, b, 1.5, 1 - x)

    def below(x: Array) -> Array:
        # Euler's transformation removes the power that the series cannot represent.
        return x ** (0.5 - b) * special.hyp2f1(0.5, 1.5 - b, 1.5, 1 - x)

    def far(x: Array) -> Array:
        # SciPy's function is infinite or NaN for many b: use Pfaff's transformation, and treat b = 1 alone.
        if b > 1:
            return special.hyp2f1(1.0, 1.5 - b, 1.5, 1 - 1 / x) / x
        return np.arcsinh(np.sqrt(x)) / x

    small, large = x < 0.5, (x > 1e12) & (b >= 1)
    pull = np.empty(x.shape)
    # Each only where it is needed: integrals over ratios call this often, and all three take much longer.
    for where, form in ((small, below), (large, far), (~(small | large), series)):
        if where.any():
            pull[where] = form(x[where])
    return pull


@check_arguments
def neon_law(
    *,
    mean: ArrayLike,
    covariance: ArrayLike,
    auxiliary_mean: ArrayLike,
    auxiliary_covariance: ArrayLike,
    weight: float,
) -> dict[str, Labelled]:
    r"""Return the law of Neon on the parameters mean and covariance: it extrapolates both linearly.

    .. math:: m = (1 + w) m_r - w m_s, \qquad V = (1 + w) V_r - w V_s

    Kind: exact law. Parameters and results: as for `sims_law`; `weight` is its `guidance`. The outcome
    depends on the parameters: on precisions it is `clean_score_law`, and on the logarithms of commuting
    covariances the covariance is that of `sims_law`. All agree to first order in the auxiliary's difference.

    Raises
    ------
    ValueError
        As `sims_law`, and if V is not positive definite, so that there is no such law.

    Notes
    -----
    Source: Alemohammad et al. 2025 (Neon, arXiv 2510.03597), Algorithm 1.

    Examples
    --------
    >>> from madtheory.theory import guidance
    >>> print(guidance.neon_law(
    ...     mean=[0.0], covariance=[[1.0]], auxiliary_mean=[0.1], auxiliary_covariance=[[0.9]], weight=0.5
    ... )["covariance"].round(4))
    [[1.05]]
    """
    m, v, aux_m, aux_v, w = _arguments(mean, covariance, auxiliary_mean, auxiliary_covariance, weight)
    extrapolated = (1 + w) * v - w * aux_v
    _check_exists("weight", w, extrapolated, "covariance")
    return _label_law(m - w * (aux_m - m), extrapolated, "exact law", NEON)


@check_arguments
def clean_score_law(
    *,
    mean: ArrayLike,
    covariance: ArrayLike,
    auxiliary_mean: ArrayLike,
    auxiliary_covariance: ArrayLike,
    guidance: float,
) -> dict[str, Labelled]:
    r"""Return the normalised density :math:`p_r^{1+w} p_s^{-w}`: the law of the guided clean score.

    It extrapolates precisions:

    .. math:: V^{-1} = (1 + w) V_r^{-1} - w V_s^{-1}, \qquad
       V^{-1} m = (1 + w) V_r^{-1} m_r - w V_s^{-1} m_s

    Langevin sampling with the guided score of data without noise converges to this law. The probability flow
    of `sims_law` does not: the guided scores of noisy data are not those of a diffusion. Kind:
    exact law, for any covariances. Parameters and results: as for `sims_law`.

    Raises
    ------
    ValueError
        As `sims_law`, and if the precision is not positive definite, so that the density has no integral.

    Notes
    -----
    *Proof.* The exponent of the density is a quadratic form. Source: derived here.

    Examples
    --------
    >>> from madtheory.theory import guidance
    >>> print(guidance.clean_score_law(
    ...     mean=[0.0], covariance=[[1.0]], auxiliary_mean=[0.1], auxiliary_covariance=[[0.9]], guidance=0.5
    ... )["covariance"].round(4))
    [[1.0588]]
    """
    m, v, aux_m, aux_v, w = _arguments(mean, covariance, auxiliary_mean, auxiliary_covariance, guidance)
    one, two = np.linalg.inv(v), np.linalg.inv(aux_v)
    precision = (1 + w) * one - w * two
    _check_exists("guidance", w, precision, "precision")
    tilted = np.linalg.inv(precision)
    return _label_law(tilted @ ((1 + w) * one @ m - w * two @ aux_m), tilted, "exact law", CLEAN)


def _arguments(
    mean: ArrayLike, covariance: ArrayLike, aux_mean: ArrayLike, aux_covariance: ArrayLike, weight: Any
) -> tuple[Array, Array, Array, Array, float]:
    w = check_numbers("guidance", weight)
    if w.ndim:
        raise ValueError(f"guidance={weight!r} has shape {w.shape}; pass one number.")
    checked = []
    for prefix, center, spread in (("", mean, covariance), ("auxiliary_", aux_mean, aux_covariance)):
        m = np.atleast_1d(check_numbers(f"{prefix}mean", center))
        v = np.atleast_2d(check_numbers(f"{prefix}covariance", spread))
        if m.ndim != 1 or v.shape != (len(m), len(m)):
            raise ValueError(
                f"{prefix}covariance has shape {v.shape} and {prefix}mean {m.shape}; pass (d, d) and (d,)."
            )
        if not np.allclose(v, v.T, rtol=1e-8, atol=0) or np.linalg.eigvalsh(v)[0] <= 0:
            raise ValueError(
                f"{prefix}covariance={spread!r} is not symmetric and positive definite; a singular one has "
                f"no logarithm: use more points than dimensions."
            )
        checked += [m, v]
    if checked[0].shape != checked[2].shape:
        raise ValueError(
            f"auxiliary_mean has {len(checked[2])} entries and mean {len(checked[0])}; make them equal."
        )
    return checked[0], checked[1], checked[2], checked[3], float(w)


def _check_exists(name: str, w: float, matrix: Array, what: str) -> None:
    smallest = np.linalg.eigvalsh(matrix)[0]
    if smallest <= 0:
        raise ValueError(
            f"{name}={w:g} gives a {what} with the eigenvalue {smallest:.3g}, so there is no such law; pass "
            f"one nearer to 0, or use sims_law, which exists for all."
        )


def _label_law(mean: Array, covariance: Array, kind: str, source: str) -> dict[str, Labelled]:
    values = {"mean": mean, "covariance": (covariance + covariance.T) / 2}
    return {key: label(value, kind, source) for key, value in values.items()}
