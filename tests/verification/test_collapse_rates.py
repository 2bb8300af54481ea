"""Rates of collapse, to a few percent, of the long runs of `tests/interpreters/test_simulate.py`."""

import pytest
from test_simulate import assert_directions_part, assert_rate, gaussian_loop

import madtheory as mad
from madtheory import metrics

pytestmark = pytest.mark.slow


def test_one_dimension_100_000_generations():
    """Without bias the log-variance falls 0.0536 a generation; 100,000 generations see 4 % of that."""
    result = mad.simulate(
        gaussian_loop(dim=1), 100_000, replicates=20, metrics=[metrics.log_volume],
        record=[1, 50_000, 100_000], rng=0,
    )  # fmt: skip
    assert (result["log_volume"][:, -1] < -5000).all()
    assert_rate(result, 20, 1, 1.0, accuracy=0.04)


def test_directions_part_slowly():
    assert_directions_part(20, 22_001, accuracy=0.03)


@pytest.mark.parametrize(("dim", "bias"), [(1, 1.0), (3, 1.0), (3, 0.9)])
def test_the_rate_of_collapse_to_one_percent(dim, bias):
    """1,500 replicates of 15,000 generations detect 1 % of the rate."""
    keywords = {"replicates": 1_500, "metrics": [metrics.log_volume], "record": [1, 15_001]}
    result = mad.simulate(gaussian_loop(dim=dim, bias=bias), 15_001, rng=2, **keywords)
    assert_rate(result, 20, dim, bias, accuracy=0.01)
