"""Curation by several judges: Falahati et al. 2026 (arXiv 2605.07724), on symbols.

Two basins, each of which one of two judges prefers; a judge, drawn for each point, chooses among K candidates
by Luce's rule. Their theory has infinitely many candidates; their experiment keeps 2,500 of 50,000 images in
each of 25 rounds, with one to five target classes of ten. Here the classes are symbols, one of 20 candidates
is chosen, and the reward of the target class is 5 (theirs was not read). Numbers printed in the paper were
read in an audit of others.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import regimes
from madtheory.theory import curation
from madtheory.treatments import assign, curate

CHOICES = (2, 3, 4, 10, np.inf)
SHARE, GAPS, POINTS = 0.6, (3.0, 3.0), 500
TARGETS, CLASSES, REWARD, KEPT, PER_POINT = (1, 2, 3, 4, 5), 10, 5.0, 2_500, 20
PRINTED = (0.032, 1.098, 1.357, 1.670, 1.687)
SETTINGS = ((0.3, 2.0, 1.5), (0.6, 1.0, 3.0))


def first_basin(snapshot: mad.Snapshot) -> np.ndarray:
    """Return the share of the first symbol."""
    return np.asarray(snapshot.model.probabilities[..., 0])


def entropy(snapshot: mad.Snapshot) -> np.ndarray:
    """Return the entropy of the symbols, in nats."""
    return _entropy(snapshot.model.probabilities)


def judges(rewards: np.ndarray, shares: list[float], choices: float) -> object:
    """Return the treatment: a judge for each row of rewards."""
    chosen = [
        curate(lambda points, row=row: row[points[..., 0].astype(int)], choices=choices, reward_max=row.max())
        for row in rewards
    ]
    return assign(chosen, shares=shares)


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate and predict; `n_jobs` is not used.

    Returns
    -------
    Dataset
        By (choices, generation): ``share`` of the first basin, a mean over loops of 500 points, with its
        standard error and the exact ``predicted_share``; ``second_lost``, the share of loops without the
        second basin, with the same. By choices: the fixed point ``limit``. By (q, choice): ``fixed_point``,
        for the curve of few candidates. By setting: ``inner`` and the ``lower`` and ``upper`` bounds of the
        paper. By target: ``entropy``, its error, the law of infinitely many points and the ``printed`` one.
        ``outside`` (step): mass outside two basins that nobody likes best and both like well.
    """
    loops, generations = (100, 12) if quick else (1_000, 40)
    seeds = np.random.SeedSequence(rng).spawn(len(CHOICES) + len(TARGETS))
    drawn, exact = [], []
    for choices, seed in zip(CHOICES, seeds, strict=False):
        loop = mad.Loop(
            real=mad.Categorical([0.5, 0.5]), model=mad.Categorical(), regime=regimes.replace(n=POINTS),
            treatments=judges(np.diag(GAPS), [SHARE, 1 - SHARE], choices),
        )  # fmt: skip
        made = mad.simulate(loop, generations, replicates=loops, metrics=first_basin, rng=seed)["first_basin"]
        values = np.stack([made.values, made.values == 1.0])
        drawn.append(np.stack([values.mean(1), values.std(1, ddof=1) / np.sqrt(loops)]))
        known = curation.basin_chain(
            n=POINTS,
            initial_share=0.5,
            first_share=SHARE,
            gaps=GAPS,
            choices=choices,
            generations=generations,
        )
        exact.append([known["share"], known["second_lost"]])
    means, predicted = np.array(drawn), np.array(exact)
    # A share of loops has the error of its exact chance, where no loop was lost by luck.
    lost = predicted[:, 1]
    means[:, 1, 1] = np.maximum(np.sqrt(lost * (1 - lost) / loops), 1 / loops)
    q = np.linspace(0.02, 0.98, 97)
    curves = [
        [float(curation.coexistence(first_share=x, gaps=GAPS, choices=k)["share"]) for k in CHOICES]
        for x in q
    ]
    inner, lower, upper = [], [], []
    for x, one, two in SETTINGS:
        inner.append(float(curation.coexistence(first_share=x, gaps=[one, two], choices=np.inf)["share"]))
        lower.append((x - np.exp(-one)) / (1 - np.exp(-one)))
        upper.append(x / (1 - np.exp(-two)))
    outside = curation.iterate_pluralistic_update(
        [0.001, 0.001, 0.998], rewards=np.log([[1, 0.01, 0.8], [0.01, 1, 0.8]]), shares=[0.5, 0.5],
        choices=np.inf, generations=10,
    )[:, 2]  # fmt: skip
    entropies = _entropies(3 if quick else 30, seeds[len(CHOICES) :])
    axes = ("choices", "generation")
    variables = {
        "share": (axes, means[:, 0, 0]), "share_error": (axes, means[:, 1, 0]),
        "predicted_share": (axes, predicted[:, 0]),
        "second_lost": (axes, means[:, 0, 1]), "second_lost_error": (axes, means[:, 1, 1]),
        "predicted_second_lost": (axes, lost),
        "limit": ("choices", [float(curation.coexistence(first_share=SHARE, gaps=GAPS, choices=k)["share"])
                              for k in CHOICES]),
        "fixed_point": (("q", "choices"), curves),
        "inner": ("setting", inner), "lower": ("setting", lower), "upper": ("setting", upper),
        "coexist": ("rule", _count_coexistence()), "outside": ("step", outside),
        "entropy": ("target", entropies[0]), "entropy_error": ("target", entropies[1]),
        "entropy_of_many": ("target", entropies[2]), "printed": ("target", list(PRINTED)),
    }  # fmt: skip
    coords = {
        "choices": list(CHOICES), "generation": np.arange(1, generations + 1), "q": q,
        "target": list(TARGETS), "rule": ["paper", "exact", "paper only"],
    }  # fmt: skip
    return xr.Dataset(variables, coords, attrs={"loops": loops, "seed": rng, "quick": int(quick)})


def _entropies(loops: int, seeds: list[np.random.SeedSequence]) -> np.ndarray:
    """Return mean and error over loops of the entropy after 25 rounds, and that of infinitely many points."""
    rows = []
    for target, seed in zip(TARGETS, seeds, strict=True):
        rewards, shares = REWARD * np.eye(CLASSES)[:target], [1 / target] * target
        uniform = np.full(CLASSES, 1 / CLASSES)
        loop = mad.Loop(
            real=mad.Categorical(uniform), model=mad.Categorical(), regime=regimes.replace(n=KEPT),
            treatments=judges(rewards, shares, PER_POINT),
        )  # fmt: skip
        made = mad.simulate(loop, 26, replicates=loops, metrics=entropy, rng=seed)["entropy"][:, -1].values
        path = curation.iterate_pluralistic_update(
            uniform, rewards=rewards, shares=shares, choices=PER_POINT, generations=26
        )
        rows.append([made.mean(), made.std(ddof=1) / np.sqrt(loops), float(_entropy(np.asarray(path[-1])))])
    return np.array(rows).T


def _count_coexistence() -> list[float]:
    """Return in which shares of a grid of q and gaps both basins survive by each rule, for infinite K."""
    q, one, two = np.meshgrid(np.linspace(0.05, 0.95, 19), np.linspace(0.25, 4, 16), np.linspace(0.25, 4, 16))
    paper = (q > np.exp(-one)) & (1 - q > np.exp(-two))
    big_a, big_b = np.exp(one), np.exp(two)
    exact = (q * big_a + (1 - q) / big_b > 1) & ((1 - q) * big_b + q / big_a > 1)
    return [float(paper.mean()), float(exact.mean()), float((paper & ~exact).mean())]


def _entropy(p: np.ndarray) -> np.ndarray:
    return -(p * np.log(np.where(p > 0, p, 1.0))).sum(-1)
