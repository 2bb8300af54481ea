"""A sweep against the bare calls of `simulate` that it makes, one process each, at about 0.1 s a cell."""

import numpy as np
import pytest

import madtheory as mad
from madtheory import metrics, regimes
from madtheory.sweeps.points import Points, address_of, seed_of

OVER = {"bias": np.linspace(0.5, 1, 5), "n_synthetic": [100, 200, 300, 400]}
RUN = {"generations": 60, "replicates": 400, "metrics": [metrics.total_variance]}
CELLS = 20


def loop(bias, n_synthetic):
    regime = regimes.fresh(n_real=100, n_synthetic=n_synthetic)
    return mad.Loop(real=mad.Gaussian.standard(10), model=mad.Gaussian(), regime=regime, bias=bias)


def simulate():
    for point in Points.of(OVER, loop).as_list():
        mad.simulate(loop(**point), rng=seed_of(0, address_of(point), 0), progress=False, **RUN)


def sweep(store=None):
    mad.sweep(loop, over=OVER, rng=0, n_jobs=1, store=store, progress=False, **RUN)


@pytest.mark.parametrize("name", ["madtheory", "sweep", "sweep with a store"])
def test_a_sweep_costs_what_its_cells_cost(cost, name, tmp_path):
    stores = iter(range(100))
    run = {
        "madtheory": simulate,  # the baseline: bare calls
        "sweep": sweep,
        "sweep with a store": lambda: sweep(tmp_path / str(next(stores))),
    }[name]
    cost(f"sweep of {CELLS} loops", name, run, chains=400 * CELLS, generations=60)


def test_ten_thousand_cells_are_read_as_one_dataset(benchmark, tmp_path):
    over = {"bias": np.linspace(0.5, 1, 100), "n_synthetic": np.arange(10, 110)}
    keywords = {"generations": 3, "replicates": 2, "rng": 0, "n_jobs": 1, "store": tmp_path}
    mad.sweep(loop, over=over, metrics=[metrics.total_variance], progress=False, **keywords)
    opened = benchmark.pedantic(lambda: mad.sweep.open(tmp_path), rounds=1)
    assert opened.sizes == {"bias": 100, "n_synthetic": 100, "generation": 3}
