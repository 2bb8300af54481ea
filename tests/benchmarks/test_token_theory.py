"""The mean entropy of 1,000 symbols over 1,000 generations, against drawing the counts of one chain."""

import numpy as np
import pytest

from madtheory.theory import categorical

LAW = 1 / np.arange(1, 1001)
N, GENERATIONS = 10_000, 1000


def theory():
    categorical.entropy(probabilities=LAW, n=N, generations=GENERATIONS)
    categorical.support_size(probabilities=LAW, n=N, generations=GENERATIONS)


def one_chain():
    rng, p = np.random.default_rng(0), LAW / LAW.sum()
    for _ in range(GENERATIONS):
        p = rng.multinomial(N, p) / N
        -np.sum(p[p > 0] * np.log(p[p > 0]))


@pytest.mark.parametrize("name", ["madtheory", "numpy, one chain"])
def test_means_of_a_thousand_symbols(cost, name):
    run = {"madtheory": theory, "numpy, one chain": one_chain}[name]
    cost("tokens, 1,000 symbols", name, run, chains=1, generations=GENERATIONS)
