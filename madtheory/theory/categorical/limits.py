"""Mean times of drift, and the long-run effect of mixing, innovation and smoothing."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import integrate, special

from madtheory.theory.categorical.ancestry import occupancy
from madtheory.theory.categorical.chain import Array, check_law
from madtheory.theory.labels import Labelled, label
from madtheory.validation import check_arguments, check_choice, check_numbers, check_size

_TIMES = "Kimura and Ohta 1969; Littler 1975; Baxter, Blythe and McKane 2007 (haploid: 2N is n)"


def _h(x: Array) -> Array:
    return special.xlog1py(1 - x, -x)


@check_arguments
def fixation_time(*, n: int, probabilities: ArrayLike) -> Labelled:
    r"""Return the mean number of generations until one symbol is left.

    It is :math:`-2n \sum_i (1 - p_i) \log(1 - p_i)`.

    Kind: leading order in 1/n (diffusion; the discrete chain is faster by one or two generations).

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.fixation_time(n=20, probabilities=[0.5, 0.3, 0.2]).round(2))
    30.99
    """
    value = -2 * check_size("n", n) * _h(check_law(probabilities)).sum()
    return label(value, "leading order in 1/n", _TIMES)


@check_arguments
def time_to_types(*, n: int, probabilities: ArrayLike, types: int) -> Labelled:
    r"""Return the mean number of generations until at most `types` symbols are left.

    .. math::
        -2n \sum_{s=1}^r (-1)^{r-s} \binom{K-s-1}{r-s} \sum_{|S|=s} h(p_S), \quad h(x) = (1-x) \log(1-x).

    Sums over all subsets: at most 20 symbols. Kind: leading order in 1/n.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.time_to_types(n=20, probabilities=[0.5, 0.3, 0.2], types=2).round(2))
    10.2
    """
    p = check_law(probabilities)
    p, r = p[p > 0], check_size("types", types)
    if p.size > 20:
        raise ValueError(f"probabilities has {p.size} symbols; the sum over subsets takes at most 20.")
    if r >= p.size:
        return label(0.0, "leading order in 1/n", _TIMES)
    mass, members = np.zeros(1), np.zeros(1, dtype=int)
    for value in p:
        mass, members = np.append(mass, mass + value), np.append(members, members + 1)
    total = np.bincount(members, _h(np.minimum(mass, 1.0)), p.size + 1)
    s = np.arange(1, r + 1)
    sign = (-1.0) ** (r - s) * special.binom(p.size - s - 1, r - s)
    return label(-2 * check_size("n", n) * (sign @ total[1 : r + 1]), "leading order in 1/n", _TIMES)


@check_arguments
def first_loss_time(*, n: int, probabilities: ArrayLike) -> Labelled:
    r"""Return the mean number of generations until a first symbol is lost.

    It is :math:`\int \prod_i (1 - e^{-2np_i/t}) dt`, at a cost linear in the number of symbols. The product
    is not a survival function: only its integral is the mean. Kind: leading order in 1/n.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.first_loss_time(n=20, probabilities=[0.5, 0.3, 0.2]).round(2))
    10.2
    """
    p = check_law(probabilities)
    p = p[p > 0]
    if p.size == 1:
        return label(np.inf, "leading order in 1/n", _TIMES)

    def survival(log_time: float) -> float:
        return float(np.exp(np.log(-np.expm1(-p * np.exp(-log_time))).sum() + log_time))

    # Before this time the product is 1 to rounding.
    start = float(np.log(p.min() / 40))
    value = np.exp(start) + sum(
        integrate.quad(survival, start + a, start + b, limit=200, epsrel=1e-11)[0]
        for a, b in ((0, 2), (2, 4), (4, 8), (8, 16), (16, 45))
    )
    return label(2 * check_size("n", n) * value, "leading order in 1/n", _TIMES + "; Benati et al. 2025")


@check_arguments
def stationary_factor(*, real_data: Literal["fixed", "fresh"], n_real: int, n_synthetic: int) -> Labelled:
    r"""Limit of :math:`\mathrm{Var}(p_i)/(q_i (1 - q_i))` with real data in every fit.

    With :math:`\alpha = n_s/(n_r + n_s)`: :math:`\frac{\alpha^2/n_s}{1 - \alpha^2(1 - 1/n_s)}` about the
    fixed real frequencies q; fresh ones add :math:`(1-\alpha)^2/n_r` to the numerator (about the truth).
    Kind: exact mean.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.stationary_factor(real_data="fresh", n_real=20, n_synthetic=30).round(4))
    0.0307
    """
    check_choice("real_data", real_data, ("fixed", "fresh"))
    real, synthetic = check_size("n_real", n_real), check_size("n_synthetic", n_synthetic, 0)
    share = synthetic / (real + synthetic)
    drift = share / (real + synthetic)  # share^2 / n_s, also where n_s is 0
    noise = drift + ((1 - share) ** 2 / real if real_data == "fresh" else 0.0)
    return label(noise / (1 - share**2 + drift), "exact mean", "derived here: second moments")


@check_arguments
def migration_factor(*, n: int, migration: ArrayLike) -> Labelled:
    r"""Limit of :math:`\mathrm{Var}(p_i)/(p_i(1 - p_i))` if each of n points is real with probability m.

    :math:`\frac{1/n}{1 - (1-m)^2 (1 - 1/n)} \approx 1/(1 + 2nm)`, the F_ST of Wright's island model; the
    diffusion limit is Dirichlet(2nmp). Self-correction of strength gamma is m = gamma/(1 + gamma)
    (Gillman et al. 2024, arXiv 2402.07087). Kind: exact mean.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.migration_factor(n=20, migration=0.1).round(4))
    0.2169
    """
    n, m = check_size("n", n), _share("migration", migration)
    return label(
        1 / n / (1 - (1 - m) ** 2 * (1 - 1 / n)), "exact mean", "Wright 1931; derived here for finite n"
    )


@check_arguments
def identity_probability(*, n: int, innovation: ArrayLike) -> Labelled:
    r"""Limit of the probability that two of n points agree if each is a new symbol with probability mu.

    :math:`F = \frac{(1-\mu)^2}{n - (n-1)(1-\mu)^2} \approx \frac{1}{1 + 2n\mu}`. Kind: exact mean.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.identity_probability(n=20, innovation=0.05).round(4))
    0.3164
    """
    n, kept = check_size("n", n), (1 - _share("innovation", innovation)) ** 2
    return label(kept / (n - (n - 1) * kept), "exact mean", "Kimura and Crow 1964 (haploid)")


@check_arguments
def ewens_support(*, n: int, innovation: float) -> Labelled:
    r"""Return the mean number of symbols among n points by Ewens' formula.

    It is :math:`\sum_{i<n} \theta/(\theta + i)`, :math:`\theta = 2n\mu`. Kind: leading order in 1/n;
    `innovation_support` is exact.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.ewens_support(n=100, innovation=0.05).round(4))
    24.4418
    """
    n, theta = check_size("n", n, maximum=10**8), 2 * n * float(_share("innovation", innovation))
    return label((theta / (theta + np.arange(n))).sum(), "leading order in 1/n", "Ewens 1972")


@check_arguments
def innovation_support(*, n: int, innovation: float) -> Labelled:
    r"""Return the long-run mean number of symbols among n points, each of them new with probability mu.

    Solves :math:`E_a = a\mu + \sum_b \mathrm{Bin}(b; a, 1-\mu) \sum_c P(b \to c) E_c` over the numbers a of
    lineages, P being the ancestral chain; n up to 2,000. Kind: exact mean.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.innovation_support(n=100, innovation=0.05).round(4))
    26.2475
    """
    n, mu = check_size("n", n), float(_share("innovation", innovation))
    if n > 2000:
        raise ValueError(f"n={n} makes a linear system of that size; use ewens_support above 2000.")
    thrown = np.zeros((n + 1, n + 1))
    for b, (low, row) in enumerate(occupancy(n, n)):
        thrown[b, low : low + len(row)] = row
    survive = np.zeros((n + 1, n + 1))
    survive[0, 0] = 1.0
    for a in range(n):
        survive[a + 1] = mu * survive[a]
        survive[a + 1, 1:] += (1 - mu) * survive[a, :-1]
    chain = survive @ thrown
    # A single lineage makes one symbol for every mu: its row, 1 - (1 - mu), would lose a small mu.
    several = np.arange(2, n + 1) * mu + chain[2:, 1]
    solved = np.linalg.solve((np.eye(n + 1) - chain)[2:, 2:], several)
    return label(
        solved[-1] if n > 1 else 1.0,
        "exact mean",
        "derived here: lineages of the infinite-alleles Wright-Fisher model",
    )


@check_arguments
def smoothing_variance(*, n: int, smoothing: float, symbols: int) -> Labelled:
    r"""Limit of :math:`\mathrm{Var}(p_i)` in the `replace` loop with add-beta smoothing; the mean is 1/K.

    :math:`\frac{w^2 \frac1n \frac1K (1 - \frac1K)}{1 - w^2 (1 - 1/n)}`, :math:`w = n/(n + \beta)`: no symbol
    dies out, and the limit does not depend on the truth. Kind: exact mean.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.smoothing_variance(n=20, smoothing=0.5, symbols=3).round(4))
    0.1104
    """
    n, many = check_size("n", n), check_size("symbols", symbols)
    beta = check_numbers("smoothing", smoothing).item()
    if beta <= 0:
        raise ValueError(f"smoothing={smoothing!r} must be positive: without it the limit is fixation.")
    w = n / (n + beta)
    value = w**2 / n / many * (1 - 1 / many) / (1 - w**2 * (1 - 1 / n))
    return label(value, "exact mean", "derived here: add-beta smoothing of the Wright-Fisher chain")


def _share(name: str, value: ArrayLike) -> Array:
    share = check_numbers(name, value)
    if not ((share > 0) & (share <= 1)).all():
        raise ValueError(f"{name}={value!r} is not a probability above 0; pass for example {name}=0.01.")
    return share
