"""Curated loops: rewards that never fall, the limit and its rate, and bounds with real data."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madtheory.theory.curation.choice import check_choices, check_law, top_of
from madtheory.theory.labels import Labelled, label
from madtheory.theory.stability import at_least, synthetic_share
from madtheory.validation import check_arguments

Array = NDArray[np.floating[Any]]

FERBACH = "Ferbach et al. 2024 (arXiv 2407.09499)"


@check_arguments
def reward_moments(*, p: ArrayLike, reward: ArrayLike, top: ArrayLike | None = None) -> dict[str, Labelled]:
    r"""Return the mean and variance of a reward and of its exponential, relative to the largest.

    Kind: exact mean.

    Parameters
    ----------
    p, reward : array, shape (*batch, m)
        Law and rewards.
    top : array, shape (*batch), optional
        Reward :math:`r_*`, the reference of exponentials; by default the largest reward with mass.

    Returns
    -------
    dict of Labelled, shape (*batch)
        ``mean`` and ``variance`` of r, ``exp_mean`` and ``exp_variance`` of :math:`e^{r - r_*}`.

    Examples
    --------
    >>> from madtheory.theory import curation
    >>> known = curation.reward_moments(p=[0.5, 0.3, 0.2], reward=[0.0, 1.0, 2.0])
    >>> for name, value in known.items():
    ...     print(name, value.round(4))
    mean 0.7
    variance 0.61
    exp_mean 0.378
    exp_variance 0.1069
    """
    law, r = check_law("p", p, reward)
    relative = _exponentials(law, r, top)
    moments = {}
    for name, values in (("", r), ("exp_", relative)):
        mean = (law * values).sum(-1)
        moments[f"{name}mean"] = mean
        with np.errstate(over="ignore", invalid="ignore"):
            variance = (law * (values - mean[..., None]) ** 2).sum(-1)
        moments[f"{name}variance"] = np.where(np.isfinite(mean), variance, np.inf)  # far above `top`
    return {key: label(value, "exact mean", "definition") for key, value in moments.items()}


@check_arguments
def reward_gain_bound(*, p: ArrayLike, reward: ArrayLike, choices: float) -> Labelled:
    r"""Return a lower bound on the gain of one Luce choice in the expected exponential of the reward.

    .. math:: E_{p'}e^{r - r_*} - E_pe^{r - r_*} \ge \frac{K-1}K \operatorname{Var}_p(e^{r - r_*})

    with :math:`r_*` the largest reward with mass: Lemma 2.2 divided by :math:`e^{r_*}`, so that nothing
    overflows. Never negative. Kind: bound.

    Parameters
    ----------
    p, reward : array, shape (*batch, m)
        Law and rewards.
    choices : float
        Number of candidates K, from 1 to infinity.

    Returns
    -------
    Labelled array, shape (*batch)
        The bound, in units of :math:`e^{r_*}`, as ``exp_mean`` in `reward_moments`.

    Notes
    -----
    Source: Ferbach et al. 2024 (arXiv 2407.09499), Lemma 2.2.

    Examples
    --------
    >>> from madtheory.theory import curation
    >>> print(curation.reward_gain_bound(
    ...     p=[0.5, 0.3, 0.2], reward=[0.0, 1.0, 2.0], choices=4
    ... ).round(4))
    0.0801
    """
    variance = np.asarray(reward_moments(p=p, reward=reward)["exp_variance"])
    return label(_gain_share(choices) * variance, "bound", f"{FERBACH}, Lemma 2.2, over exp(r*)")


@check_arguments
def reward_gain_upper_bound(*, p: ArrayLike, reward: ArrayLike, choices: float) -> Labelled:
    r"""Return an upper bound on the gain of one Luce choice in the expected exponential of the reward.

    .. math:: E_{p'}e^{r - r_*} - E_pe^{r - r_*}
       \le \frac{K-1}K \operatorname{Var}_p(e^{r - r_*})\, e^{r_* - r_{min}}

    Kind: bound. Parameters and units as in `reward_gain_bound`; it is infinite where the last factor is.

    Notes
    -----
    Source: Wei and Zhang, extension of Lemma 2.2 of Ferbach et al. 2024 (arXiv 2407.09499) to the smallest
    reward with mass, here without malicious users.

    Examples
    --------
    >>> from madtheory.theory import curation
    >>> print(curation.reward_gain_upper_bound(
    ...     p=[0.5, 0.3, 0.2], reward=[0.0, 1.0, 2.0], choices=4
    ... ).round(4))
    0.5921
    """
    law, r = check_law("p", p, reward)
    lowest = np.where(law > 0, r, np.inf).min(-1)
    with np.errstate(over="ignore"):
        factor = np.exp(top_of(law, r)[..., 0] - lowest)
    variance = np.asarray(reward_moments(p=p, reward=reward)["exp_variance"])
    bound = np.where(variance > 0, _gain_share(choices) * variance * factor, 0.0)
    return label(bound, "bound", f"{FERBACH}, Lemma 2.2 with the smallest reward (Wei and Zhang)")


@check_arguments
def limit(*, p: ArrayLike, reward: ArrayLike) -> Labelled:
    r"""Return the law that a curated loop without real data converges to: p given the largest reward.

    Kind: exact law.

    Parameters
    ----------
    p, reward : array, shape (*batch, m)
        Law of generation 1 and rewards.

    Returns
    -------
    Labelled array, shape (*batch, m)

    Notes
    -----
    The law given the largest reward is that of generation 1 in every generation.
    Source: Ferbach et al. 2024 (arXiv 2407.09499), limit theorem of section 2.

    Examples
    --------
    >>> from madtheory.theory import curation
    >>> print(curation.limit(p=[0.5, 0.3, 0.2], reward=[0.0, 2.0, 2.0]).round(4))
    [0.  0.6 0.4]
    """
    law, r = check_law("p", p, reward)
    best = np.where(r == top_of(law, r), law, 0.0)
    return label(best / best.sum(-1, keepdims=True), "exact law", f"{FERBACH}, section 2")


@check_arguments
def kl_to_limit(*, p: ArrayLike, reward: ArrayLike) -> Labelled:
    r"""Return the divergence of a law p of the loop from its limit.

    .. math:: \mathrm{KL}(p_* \| p_t) = -\log P_t(r = r_*)

    Kind: exact mean.

    Parameters
    ----------
    p, reward : array, shape (*batch, m)
        Law of some generation and rewards.

    Returns
    -------
    Labelled array, shape (*batch)
        The divergence, in nats.

    Notes
    -----
    It is exact because the law given the largest reward never changes.
    Source: Ferbach et al. 2024 (arXiv 2407.09499), limit theorem of section 2; identity derived here.

    Examples
    --------
    >>> from madtheory.theory import curation
    >>> print(curation.kl_to_limit(p=[0.5, 0.3, 0.2], reward=[0.0, 1.0, 2.0]).round(4))
    1.6094
    """
    law, r = check_law("p", p, reward)
    below = np.where(r == top_of(law, r), 0.0, law).sum(-1)
    return label(-np.log1p(-below), "exact mean", f"{FERBACH}, section 2; identity derived here")


@check_arguments
def rate(*, gap: ArrayLike, choices: float) -> Labelled:
    r"""Return the factor per generation of the mass of a level, once the best one has almost all mass.

    .. math:: \frac K{1 + (K-1)e^\Delta}, \qquad e^{-\Delta} \text{ for infinite } K

    Kind: almost-sure rate.

    Parameters
    ----------
    gap : array
        Distance :math:`\Delta \ge 0` of the level's reward from the best.
    choices : float
        Number of candidates K, from 1 (where nothing dies out: factor 1) to infinity.

    Returns
    -------
    Labelled array, shape of `gap`

    Notes
    -----
    The factor is K times the probability that a candidate of that level is chosen among K - 1 of the best.
    Source: derived here, for Lemma 2.1 of Ferbach et al. 2024 (arXiv 2407.09499).

    Examples
    --------
    >>> from madtheory.theory import curation
    >>> print(curation.rate(gap=1.0, choices=4).round(4))
    0.4369
    """
    fall, k = np.exp(-at_least("gap", gap, infinite=True)), check_choices(choices)
    values = fall if k == np.inf else fall / (fall / k + (1 - 1 / k))
    return label(values, "almost-sure rate", "derived here, for Lemma 2.1 of " + FERBACH)


@check_arguments
def kl_bound(*, curated_ratio: ArrayLike, choices: float) -> Labelled:
    r"""Bound the divergence of a curated loop with real data from their law, if it starts there.

    .. math:: \mathrm{KL}(p_t \| p_{ref}) \le -\log\big(1 - \lambda(K-1)\big), \qquad \lambda(K-1) < 1

    Kind: bound. It holds for Luce's choice and any other: no choice multiplies the mass of a point by more
    than K.

    Parameters
    ----------
    curated_ratio : array
        Curated points per real point, :math:`\lambda`.
    choices : float
        Number of candidates K, from 1 to infinity.

    Returns
    -------
    Labelled array, shape of `curated_ratio`
        The bound, in nats; infinite where the condition fails.

    Notes
    -----
    Source: Ferbach et al. 2024 (arXiv 2407.09499), stability of curated loops with real data, section 2.

    Examples
    --------
    >>> from madtheory.theory import curation
    >>> print(curation.kl_bound(curated_ratio=0.1, choices=4).round(4))
    0.3567
    """
    ratio = at_least("curated_ratio", curated_ratio, infinite=True)
    with np.errstate(invalid="ignore"):
        product = np.where(ratio == 0, 0.0, ratio * (check_choices(choices) - 1))
    product = np.where(np.isnan(product), 0.0, product)  # infinitely many points, without a choice
    bound = np.where(product < 1, -np.log1p(-np.minimum(product, 1 - 1e-16)), np.inf)
    return label(bound, "bound", f"{FERBACH}, section 2")


@check_arguments
def mixing_reward_bound(
    *,
    reference: ArrayLike,
    reward: ArrayLike,
    choices: float,
    curated_ratio: float,
    published: bool = False,
) -> Labelled:
    r"""Return a lower bound on the gain in reward in every generation of a loop with real data.

    .. math:: E_{p_t}e^{r - r_*} - E_{p_{ref}}e^{r - r_*}
       \ge c\,\frac{K-1}K\operatorname{Var}_{p_{ref}}(e^{r - r_*}), \qquad t \ge 1

    with :math:`c = \lambda/(1+\lambda)`, or the published :math:`\lambda/(1+\lambda)^3`; the loop starts at
    :math:`p_0 = p_{ref}`, which is generation 1. Kind: bound.

    Parameters
    ----------
    reference, reward : array, shape (*batch, m)
        Law of the real data and rewards.
    choices : float
        Number of candidates K, from 1 to infinity.
    curated_ratio : float
        Curated points per real point, :math:`\lambda`; infinity is the loop without real data.
    published : bool
        Whether to return the published bound instead of the sharper one.

    Returns
    -------
    Labelled array, shape (*batch)
        The bound, in units of :math:`e^{r_*}`.

    Notes
    -----
    With :math:`\eta = \lambda/(1+\lambda)` and V the variance under :math:`p_{ref}`, Lemma 2.2 gives a gain
    :math:`a_1 \ge \eta B`, :math:`B = V(K-1)/K`. As a mixture has a variance of at least
    :math:`(1-\eta)V`, also :math:`a_{t+1} \ge \eta(a_t + (1-\eta)B)`, whose fixed point is
    :math:`\eta B`. Source: Ferbach et al. 2024 (arXiv 2407.09499), reward of curated loops with real
    data, section 2; c derived here.

    Examples
    --------
    >>> from madtheory.theory import curation
    >>> print(curation.mixing_reward_bound(
    ...     reference=[0.5, 0.3, 0.2], reward=[0.0, 1.0, 2.0], choices=4, curated_ratio=0.5
    ... ).round(4))
    0.0267
    """
    share = float(synthetic_share(curated_ratio, "curated_ratio"))
    factor = share * (1 - share) ** 2 if published else share
    variance = np.asarray(reward_moments(p=reference, reward=reward)["exp_variance"])
    source = f"{FERBACH}, section 2" if published else f"derived here, from Lemma 2.2 of {FERBACH}"
    return label(factor * _gain_share(choices) * variance, "bound", source)


def _gain_share(choices: float) -> float:
    return 1 - 1 / check_choices(choices)


def _exponentials(law: Array, reward: Array, top: ArrayLike | None) -> Array:
    best = top_of(law, reward) if top is None else np.asarray(top, dtype=float)[..., None]
    with np.errstate(over="ignore"):
        return np.exp(np.where(law > 0, reward - best, 0.0))
