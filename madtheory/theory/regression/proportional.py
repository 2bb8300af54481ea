"""Ridge regression on many inputs: the limit of as many points as a multiple of the number of inputs."""

from __future__ import annotations

import numpy as np

from madtheory.theory.labels import Labelled, label
from madtheory.validation import GREATEST, LONGEST, check_number, check_size

SMALLEST = 1e-12
"""The smallest ratio and ridge, and the inverse of the greatest: beyond, doubles leave no digit."""


def ridge_limit(
    *, ratio: float, ridge: float, norm_squared: float = 1.0, noise: float = 1.0, generations: int
) -> Labelled:
    r"""Return the excess risk of ridge regression in `replace`, where d and n grow and :math:`d/n = \phi`.

    Every generation fits n labels of the last model on new inputs N(0, I) by
    :math:`\hat w = (X^T X / n + \ell)^{-1} X^T y / n`. With the Stieltjes transform of Marchenko and Pastur,

    .. math::
        m_1 = \frac{-(1 - \phi + \ell) + \sqrt{(1 - \phi + \ell)^2 + 4 \phi \ell}}{2 \phi \ell}, \quad
        m_2 = -\frac{d m_1}{d \ell}, \quad s_1 = 1 - \ell m_1, \quad
        s_2 = 1 - 2 \ell m_1 + \ell^2 m_2, \quad v = \sigma^2 \phi (m_1 - \ell m_2)

    .. math:: e_t = |w|^2 (1 - 2 s_1^t + s_2^t) + v \frac{1 - s_2^t}{1 - s_2}

    Parameters
    ----------
    ratio : float
        Inputs per point :math:`\phi`, from 1e-12 to 1e12.
    ridge : float
        Penalty :math:`\ell` for each point, from 1e-12 to 1e12, in units of the squared inputs.
    norm_squared : float
        :math:`|w|^2` of the true coefficients.
    noise : float
        Standard deviation of the labels.
    generations : int
        Number of generations.

    Returns
    -------
    Labelled, shape (generations,)
        Leading order in 1/n.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Source: ours, by free independence of successive Wishart matrices; compare Dohmatob et al. 2024 (arXiv
    2402.07712), who treat general covariances. Checked by tests/theory/test_regression.py.

    Examples
    --------
    >>> from madtheory.theory import regression
    >>> regression.ridge_limit(ratio=0.5, ridge=0.1, generations=3).round(3)
    array([0.604, 1.083, 1.465])
    """
    phi = check_number("ratio", ratio, SMALLEST, 1 / SMALLEST)
    ridge = check_number("ridge", ridge, SMALLEST, 1 / SMALLEST)
    norm_squared, noise = (
        check_number("norm_squared", norm_squared, 0),
        check_number("noise", noise, 0, GREATEST),
    )
    t = np.arange(1, check_size("generations", generations, 1, LONGEST["generations"]) + 1)
    shifted = 1 - phi + ridge
    root = np.hypot(shifted, 2 * np.sqrt(phi * ridge))
    # Of the two forms of the root of a quadratic, the one without cancellation.
    m1 = 2 / (shifted + root) if shifted > 0 else (root - shifted) / (2 * phi * ridge)
    # Implicit derivative of phi l m^2 + (1 - phi + l) m - 1 = 0.
    m2 = (phi * m1**2 + m1) / root
    s1, s2 = 1 - ridge * m1, 1 - 2 * ridge * m1 + ridge**2 * m2
    added = noise**2 * phi * (m1 - ridge * m2)
    risk = norm_squared * (1 - 2 * s1**t + s2**t) + added * -np.expm1(t * np.log(s2)) / (1 - s2)
    return label(risk, "leading order in 1/n", "ours; compare Dohmatob et al. 2024 (arXiv 2402.07712)")
