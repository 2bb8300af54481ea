"""Expected trajectories of categorical loops by generation: of any regime, and of the named ones."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from madtheory import regimes
from madtheory.regimes import Regime
from madtheory.theory.categorical.ancestry import support_size, surviving_branching
from madtheory.theory.categorical.chain import check_law, chi_squared, entropy
from madtheory.theory.gaussian import Sizes, sizes_of
from madtheory.theory.labels import Labelled, NoClosedForm, Trajectory, is_wanted, label
from madtheory.theory.moments import Truths, first_moments, is_chain, regime_of
from madtheory.validation import check_arguments, check_numbers, check_size

_SOURCE = (
    "derived here: the heterozygosity is the covariance trace of one-hot symbols, so the first moments "
    "of any law apply (Alemohammad et al. 2024, arXiv 2307.01850, regimes)"
)
_SMOOTHED = "derived here: add-beta smoothing of the Wright-Fisher chain, second moments"
_MOST_SIZES = 8


@check_arguments
def heterozygosity(*, probabilities: ArrayLike, generations: int, **regime: Any) -> dict[str, Labelled]:
    r"""Return the mean heterozygosity :math:`1 - \sum p_i^2` of a categorical loop in any regime.

    Symbols written as unit vectors have the covariance :math:`\mathrm{diag}(p) - pp^T`, whose trace is the
    heterozygosity, and counting is the maximum-likelihood fit of that covariance: the recursion of
    `madtheory.theory.gaussian.first_moments`, which holds for any law, applies unchanged. Every
    probability keeps its mean, and :math:`\mathrm{Cov}(p_i, p_j) = v_g (\delta_{ij} p_{0i} - p_{0i} p_{0j})`
    with one factor :math:`v_g` in the regimes where every training point is a copy of a real one.
    Kind: exact mean.

    Parameters
    ----------
    probabilities : array, shape (K,)
        True law.
    generations : int
        Number of generations, the real fit included.
    **regime
        Other keywords of `first_moments`, which specify a regime: `n_initial`, `n_synthetic`, `n_real`,
        `n_fresh`, `n_carried`, `real_data`, `retain`, `retain_real`, `memory`, `budget`, `replacement`,
        `weights`.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``heterozygosity``, and ``squared_error``: the sum of the variances of the probabilities.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.heterozygosity(
    ...     n_initial=20, n_synthetic=20, retain=2, probabilities=[0.5, 0.3, 0.2], generations=4
    ... )["heterozygosity"].round(4))
    [0.589  0.5596 0.5526 0.5369]
    """
    return _drift(regime_of(**regime), probabilities, generations)


def _drift(
    regime: Regime,
    probabilities: ArrayLike,
    generations: int,
    correction: float = 0.0,
    truths: Truths | None = None,
) -> dict[str, Labelled]:
    p = check_law(probabilities)
    trace = float(p @ (1 - p))
    scale = trace if trace > 0 else 1.0
    moments = first_moments(
        regime, source=_SOURCE, spectrum=[scale], correction=correction, truths=truths,
        generations=generations,
    )  # fmt: skip
    share = trace / scale
    return {
        name: label(share * np.asarray(moments[key]), "exact mean", _SOURCE)
        for name, key in (("heterozygosity", "total_variance"), ("squared_error", "mean_error"))
    }


@check_arguments
def trajectory(
    regime: Regime,
    *,
    probabilities: ArrayLike,
    smoothing: float = 0.0,
    correction: float = 0.0,
    truths: Truths | None = None,
    generations: int,
    variables: Collection[str] | None = None,
) -> dict[str, Labelled]:
    r"""Return all known expectations of counts refitted in a regime.

    The heterozygosity always, and what is known of the regime by its name. Kind: see `replace` and
    `heterozygosity`.

    Parameters
    ----------
    regime : Regime
        Which data each generation is trained on (`madtheory.regimes`).
    probabilities : array, shape (K,)
        The true law.
    smoothing : float
        Total pseudo-count, the same for every symbol; in regime `replace` only.
    correction : float
        Strength of the correction of synthetic points (`madtheory.theory.correction`).
    truths : Truths, optional
        The real laws of all generations, where they change (`madtheory.theory.Truths`): of unit vectors.
    generations : int
        Number of generations, the real fit included.
    variables : collection of str, optional
        Compute ``support_size`` and ``entropy`` only if they are among these; all by default.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``heterozygosity``, and as far as they are known ``squared_error``, ``chi_squared``, ``support_size``
        and ``entropy``.

    Raises
    ------
    NoClosedForm
        With smoothing in other regimes than `replace`, or of corrected points.

    Examples
    --------
    >>> from madtheory import regimes
    >>> from madtheory.theory import categorical
    >>> regime = regimes.Regime(n_initial=20, n_synthetic=20, retain=2)
    >>> moments = categorical.trajectory(regime, probabilities=[0.5, 0.3, 0.2], generations=4)
    >>> print(moments["heterozygosity"].round(4))
    [0.589  0.5596 0.5526 0.5369]
    """
    if is_chain(regime) and correction == 0 and truths is None:
        return replace(
            n=regime.n_synthetic, n_initial=regime.n_initial, probabilities=probabilities,
            smoothing=smoothing, generations=generations, variables=variables,
        )  # fmt: skip
    if check_numbers("smoothing", smoothing).item():
        raise NoClosedForm(f"smoothing={smoothing!r} has a closed form in regime 'replace' only.")
    means = _drift(regime, probabilities, generations, correction, truths)
    stays = regime.real_data == "fixed" and regime.n_real == regime.n_initial and regime.budget is None
    if not stays or regime.n_fresh != 0 or correction != 0 or truths is not None:
        return means
    with np.errstate(divide="ignore"):
        seen = -np.expm1(regime.n_initial * np.log1p(-check_law(probabilities))).sum()
    source = "derived here: real points stay in every training set"
    return means | {"support_size": label(np.full(generations, seen), "exact mean", source)}


@check_arguments
def replace(
    *,
    n: Sizes,
    n_initial: int | None = None,
    probabilities: ArrayLike,
    smoothing: float = 0.0,
    generations: int,
    variables: Collection[str] | None = None,
) -> dict[str, Labelled]:
    r"""Return the expected trajectory when every fit sees only samples of the previous one.

    This is Wright-Fisher drift:

    .. math::
        E\,h_g = h_0 \prod_{k \le g} (1 - 1/n_k), \quad
        E\,\chi^2_g = (K - 1) \Big(1 - \prod_{k \le g} (1 - 1/n_k)\Big),

    and with :math:`w = n/(n + \beta)` for add-:math:`\beta` smoothing, :math:`m' = wm + (1 - w)/K` and

    .. math::
        E\sum p'^2 = w^2 \Big[\Big(1 - \frac1n\Big) E\sum p^2 + \frac1n\Big] + \frac{2w(1-w) + (1-w)^2}{K}.

    Kind: exact mean.

    Parameters
    ----------
    n : int, sequence or callable
        Sample size of generation g.
    n_initial : int, optional
        Real points of generation 1; `n` at generation 1 by default.
    probabilities : array, shape (K,)
        True law.
    smoothing : float
        Total pseudo-count, the same for every symbol.
    generations : int
        Number of generations, the real fit included.
    variables : collection of str, optional
        Compute ``support_size`` and ``entropy`` only if they are among these; all by default.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``heterozygosity``; unsmoothed also ``squared_error``, ``chi_squared``, ``support_size`` and
        ``entropy``. ``support_size`` is exact for one size after generation 1, ``entropy`` for at most 8
        different sizes, and both for sizes up to 40,000 (their cost grows with the size); beyond, they
        are leading orders in 1/n, which hold for generations well below n.

    Notes
    -----
    Source: Seddik et al. 2024 (arXiv 2404.05090) for the first; `entropy` and `support_size` state theirs.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.replace(
    ...     n=20, probabilities=[0.5, 0.3, 0.2], generations=4
    ... )["support_size"].round(4))
    [2.9877 2.9281 2.8384 2.7372]
    """
    p, sizes = check_law(probabilities), sizes_of(n, n_initial, generations)
    beta = check_numbers("smoothing", smoothing).item()
    if beta < 0:
        raise ValueError(f"smoothing={smoothing!r} is negative; pass a pseudo-count of 0 or more.")
    if beta:
        cause = f"smoothing={beta:g} has a closed form of the heterozygosity only"
        others = ("squared_error", "chi_squared", "support_size", "entropy")
        return Trajectory({"heterozygosity": _smooth(p, sizes, beta)}, cause, others)
    shared: dict[str, Any] = {"n": n, "n_initial": n_initial, "probabilities": p, "generations": generations}
    kept = np.cumprod(1 - 1 / np.array(sizes, dtype=float))
    source = "Seddik et al. 2024 (arXiv 2404.05090): Wright-Fisher drift of the homozygosity"
    out = {
        "heterozygosity": label(float(p @ (1 - p)) * kept, "exact mean", source),
        "squared_error": label(float(p @ (1 - p)) * (1 - kept), "exact mean", source),
        "chi_squared": chi_squared(**shared),
    }
    one_size, small = len(set(sizes[1:])) <= 1, max(sizes) <= 40_000
    if is_wanted(variables, "support_size"):
        exact = one_size and small
        out["support_size"] = support_size(**shared) if exact else surviving_branching(sizes, p)
    if not is_wanted(variables, "entropy"):
        return out
    if small and len(set(sizes)) <= _MOST_SIZES:
        return out | {"entropy": entropy(**shared)}
    # To leading order, half the chi-squared divergence is the Kullback-Leibler one; -log p >= 1 - p.
    start = float(special.entr(p).sum())
    expanded = np.maximum(start - np.asarray(out["chi_squared"]) / 2, np.asarray(out["heterozygosity"]))
    source = "derived here: half the mean chi-squared divergence; error of order g**2 / (n * min(p))**2"
    return out | {"entropy": label(expanded, "leading order in 1/n", source)}


def _smooth(p: Any, sizes: list[int], beta: float) -> Labelled:
    many, square, values = len(p), float(p @ p), []
    for n in sizes:
        w = n / (n + beta)
        square = w**2 * ((1 - 1 / n) * square + 1 / n) + (2 * w * (1 - w) + (1 - w) ** 2) / many
        values.append(1 - square)
    return label(values, "exact mean", _SMOOTHED)


@check_arguments
def accumulate(
    *,
    n: Sizes,
    n_initial: int | None = None,
    weights: Sequence[float] | None = None,
    probabilities: ArrayLike,
    generations: int,
) -> dict[str, Labelled]:
    r"""Return the expected trajectory when every fit sees the real data and all synthetic data so far.

    .. math:: E\,h_g = h_0 \prod_{k \le g} \Big(1 - \frac{n_k}{N_k^2}\Big), \quad N_k = \sum_{j \le k} n_j,

    for equal sizes :math:`h_0 \prod_k (1 - 1/(n k^2)) \to h_0\,\mathrm{sinc}(1/\sqrt n)`. No symbol is ever
    lost after the first fit, as the real counts stay. Kind: exact mean. Arguments as in `replace`.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``heterozygosity``, ``squared_error``, ``support_size``.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.accumulate(
    ...     n=20, probabilities=[0.5, 0.3, 0.2], generations=4
    ... )["heterozygosity"].round(4))
    [0.589  0.5816 0.5784 0.5766]
    """
    return trajectory(
        regimes.accumulate(n=n, n_initial=n_initial, weights=weights),  # type: ignore[arg-type]
        probabilities=probabilities, generations=generations,
    )  # fmt: skip


@check_arguments
def accumulate_subsample(
    *, n: int, replacement: bool = False, probabilities: ArrayLike, generations: int
) -> dict[str, Labelled]:
    """Return the expected trajectory when every fit sees n random points of all data so far.

    Kind: exact mean. Returns ``heterozygosity`` and ``squared_error``; arguments as in `replace`.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.accumulate_subsample(
    ...     n=20, probabilities=[0.5, 0.3, 0.2], generations=4
    ... )["heterozygosity"].round(4))
    [0.589  0.5667 0.5573 0.5521]
    """
    return trajectory(
        regimes.accumulate_subsample(n=n, replacement=replacement),
        probabilities=probabilities, generations=generations,
    )  # fmt: skip


@check_arguments
def augment(
    *,
    n_real: int,
    n_synthetic: Sizes,
    memory: int = 1,
    weights: Sequence[float] | None = None,
    probabilities: ArrayLike,
    generations: int,
) -> dict[str, Labelled]:
    r"""Return the expected trajectory when every fit sees one fixed real set and the last synthetic batch.

    Given the real frequencies q, with :math:`\alpha = n_s/(n_r + n_s)`, the variances tend to
    :math:`\frac{\alpha^2/n_s}{1 - \alpha^2(1 - 1/n_s)} q_i (1 - q_i)`. No symbol of the real set is
    ever lost. Kind: exact mean.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``heterozygosity``, ``squared_error``, ``support_size``.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.augment(
    ...     n_real=20, n_synthetic=30, probabilities=[0.5, 0.3, 0.2], generations=4
    ... )["heterozygosity"].round(4))
    [0.589  0.5819 0.5795 0.5786]
    """
    return trajectory(
        regime_of(
            n_initial=check_size("n_real", n_real), n_synthetic=n_synthetic, real_data="fixed", memory=memory,
            weights=weights,
        ),
        probabilities=probabilities, generations=generations,
    )  # fmt: skip


@check_arguments
def fresh(
    *,
    n_real: int,
    n_synthetic: Sizes,
    n_initial: int | None = None,
    memory: int = 1,
    weights: Sequence[float] | None = None,
    probabilities: ArrayLike,
    generations: int,
) -> dict[str, Labelled]:
    r"""Return the expected trajectory when every fit sees new real points and the last synthetic batch.

    With :math:`\alpha = n_s/(n_r + n_s)` the variances tend to
    :math:`\frac{(1-\alpha)^2/n_r + \alpha^2/n_s}{1 - \alpha^2(1 - 1/n_s)} p_i (1 - p_i)`. Kind: exact mean.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``heterozygosity``, ``squared_error``.

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.fresh(
    ...     n_real=20, n_synthetic=30, probabilities=[0.5, 0.3, 0.2], generations=4
    ... )["heterozygosity"].round(4))
    [0.589  0.5968 0.5995 0.6005]
    """
    return trajectory(
        regime_of(
            n_initial=check_size("n_real", n_real) if n_initial is None else n_initial,
            n_synthetic=n_synthetic, n_real=n_real, real_data="fresh", memory=memory, weights=weights,
        ),
        probabilities=probabilities, generations=generations,
    )  # fmt: skip


@check_arguments
def markov_heterozygosity(*, row_sizes: ArrayLike, rows: ArrayLike, generations: int) -> Labelled:
    r"""Return the mean heterozygosity of the rows of an n-gram (Markov) generator refitted to itself.

    If every generation draws exactly :math:`n_r` continuations of context r, each row is a separate
    Wright-Fisher chain: :math:`E h_{r,g} = h_{r,0} (1 - 1/n_r)^g`. Kind: exact mean.

    Parameters
    ----------
    row_sizes : int array, shape (contexts,)
        Continuations drawn for each context.
    rows : array, shape (contexts, K)
        True transition probabilities.
    generations : int
        Number of generations, the real fit included.

    Returns
    -------
    Labelled, shape (generations, contexts)

    Examples
    --------
    >>> from madtheory.theory import categorical
    >>> print(categorical.markov_heterozygosity(
    ...     row_sizes=[10, 20], rows=[[0.5, 0.5], [0.2, 0.8]], generations=3
    ... ).round(4))
    [[0.45   0.304 ]
     [0.405  0.2888]
     [0.3645 0.2744]]
    """
    table, sizes = check_numbers("rows", rows), check_numbers("row_sizes", row_sizes)
    if table.ndim != 2 or sizes.shape != table.shape[:1] or (sizes < 1).any() or (table < 0).any():
        raise ValueError(
            f"row_sizes of shape {sizes.shape} and rows of shape {table.shape} do not fit together; "
            f"pass one size >= 1 for each row of probabilities."
        )
    law = table / table.sum(1, keepdims=True)
    steps = np.arange(1, check_size("generations", generations) + 1)[:, None]
    values = (1 - np.einsum("ij,ij->i", law, law)) * (1 - 1 / sizes) ** steps
    return label(values, "exact mean", "derived here: one Wright-Fisher chain per context")
