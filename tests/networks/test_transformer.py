"""The small transformer: it learns a chain, masks the future, and runs in a loop."""

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

import madtheory as mad
from madtheory import metrics, networks, regimes

LAW = mad.Markov.chain([0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]], length=5)
SMALL = networks.Transformer(
    symbols=2, hidden=(16,), heads=2, training=networks.Training(images=30_000, batch=128), device="cpu"
)


def test_it_learns_a_chain_and_runs_in_a_loop():
    rng = np.random.default_rng(0)
    documents = LAW.sample(2_000, rng=rng)
    model = SMALL.fit(documents, rng=rng)

    def changes(bias=None):
        drawn = model.sample(2_000, rng=np.random.default_rng(1), bias=bias)
        assert drawn.shape == (2_000, 5)
        assert set(np.unique(drawn)) <= {0.0, 1.0}
        return (np.diff(drawn, axis=1) != 0).mean()

    true = (np.diff(documents, axis=1) != 0).mean()
    assert abs(changes() - true) < 0.03
    assert changes(bias=0.3) < true / 3
    measured = metrics.on_samples(metrics.distinct_n, n=50)
    tiny = networks.Transformer(
        symbols=2, hidden=(8,), heads=2, training=networks.Training(images=256, batch=64), device="cpu"
    )
    loop = mad.Loop(real=documents, model=tiny, regime=regimes.replace(n=64), bias=0.5)
    found = mad.simulate(loop, 2, metrics=measured, replicates=1, rng=0, progress=False)
    assert found.distinct_n.shape == (1, 2)


def test_no_symbol_sees_the_next():
    module = SMALL._module(5).eval()
    one, other = torch.tensor([[0, 1, 0, 0]]), torch.tensor([[0, 1, 1, 1]])
    first, second = module(one), module(other)
    torch.testing.assert_close(first[:, :3], second[:, :3])
    assert (first[:, 3:] - second[:, 3:]).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("keywords", "says"),
    [({"hidden": (8, 16)}, "hidden"), ({"hidden": (6,)}, "heads"), ({"classes": 2}, "classes")],
)
def test_errors_name_the_argument(keywords, says):
    with pytest.raises(ValueError, match=says):
        networks.Transformer(symbols=2, **keywords)
    with pytest.raises(ValueError, match="raise symbols"):
        SMALL.fit([[0.0, 2.0]], rng=np.random.default_rng(0))
