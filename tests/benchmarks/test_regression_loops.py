"""Loops of labels against the loop that the papers' scripts write; run with ``make benchmark``.

The baseline stacks all labels and takes the pseudo-inverse of all inputs in each generation, one chain at a
time, as in the released code of Kazdan et al. 2025 (arXiv 2410.16713).
"""

import numpy as np

import madtheory as mad
from madtheory import metrics, regimes

DIM, N, GENERATIONS = 10, 1000, 30
CASE = f"labels d={DIM} n={N}"


def run(chains, method):
    law = mad.Gaussian.standard(DIM)
    loop = mad.Loop(
        real=mad.LinearRegression(np.ones(DIM), noise=1.0, design=law),
        model=mad.LinearRegression(noise=1.0),
        regime=regimes.accumulate(n=N),
    )
    metric = metrics.excess_risk
    return lambda: mad.simulate(loop, GENERATIONS, replicates=chains, metrics=metric, rng=0, method=method)


def test_statistics(cost):
    cost(CASE, "madtheory", run(200, "statistics"), chains=200, generations=GENERATIONS)


def test_points(cost):
    cost(CASE, "madtheory, points", run(4, "samples"), chains=4, generations=GENERATIONS)


def test_a_papers_loop(cost):
    rng = np.random.default_rng(0)

    def plain():
        inputs, w = rng.standard_normal((N, DIM)), np.ones(DIM)
        rows, labels = np.empty((0, DIM)), np.empty(0)
        for _ in range(GENERATIONS):
            rows = np.concatenate([rows, inputs])
            labels = np.append(labels, inputs @ w + rng.standard_normal(N))
            w = np.linalg.pinv(rows) @ labels
        return w

    cost(CASE, "numpy, pseudo-inverse of all data", plain, chains=1, generations=GENERATIONS)
