"""Replicates in threads: the same bits for any number, and what cannot run in threads is refused."""

import threading

import numpy as np
import pytest

import madtheory as mad
from madtheory import metrics, regimes
from madtheory.interpreters import simulate as interpreter

POINTS = np.random.default_rng(0).normal(size=(200, 2))
GAUSSIAN = {"real": mad.Gaussian.standard(2), "model": mad.Gaussian()}
LOOPS = {
    "statistics": (mad.Loop(**GAUSSIAN, regime=regimes.fresh(n_real=20, n_synthetic=30)), "statistics"),
    "points": (mad.Loop(**GAUSSIAN, regime=regimes.accumulate_subsample(n=30)), "samples"),
    "counts": (
        mad.Loop(
            real=mad.Categorical([0.2, 0.3, 0.5]), model=mad.Categorical(), regime=regimes.replace(n=40)
        ),
        "statistics",
    ),
    "mixture": (
        mad.Loop(
            real=mad.Mixture(2).fit(
                np.random.default_rng(0).normal(size=(200, 2)), rng=np.random.default_rng(0)
            ),
            model=mad.Mixture(2),
            regime=regimes.replace(n=60),
        ),
        "samples",
    ),
}


@pytest.fixture
def small_blocks(monkeypatch):
    """Several blocks of few replicates, as a run of many replicates has them."""
    monkeypatch.setattr(interpreter, "_BLOCK_REPLICATES", 3)


@pytest.mark.parametrize("name", LOOPS)
def test_the_bits_do_not_depend_on_the_number_of_threads(name, small_blocks):
    loop, method = LOOPS[name]
    keywords = {"replicates": 10, "method": method, "rng": 1}
    one = mad.simulate(loop, 4, **keywords)
    for n_jobs in (2, 5, -1):
        assert mad.simulate(loop, 4, n_jobs=n_jobs, **keywords).identical(one)
    assert not mad.simulate(loop, 4, **(keywords | {"rng": 2}), n_jobs=2).equals(one)


def test_blocks_run_in_threads(small_blocks):
    """Two blocks are measured at once: each metric waits for another thread."""
    loop, _ = LOOPS["statistics"]
    meeting = threading.Barrier(2, timeout=60)

    def spread(snapshot):
        if snapshot.generation > 1:
            meeting.wait()
        return metrics.total_variance(snapshot)

    run = mad.simulate(loop, 3, replicates=6, metrics=[spread], rng=0, n_jobs=2)
    assert np.array_equal(run["spread"], mad.simulate(loop, 3, replicates=6, rng=0)["total_variance"])


def test_an_error_in_a_thread_is_raised(small_blocks):
    def fail(snapshot):
        if snapshot.generation == 3:
            raise RuntimeError("no such spread")
        return metrics.total_variance(snapshot)

    with pytest.raises(RuntimeError, match="no such spread"):
        mad.simulate(LOOPS["statistics"][0], 4, replicates=10, metrics=[fail], rng=0, n_jobs=2)


def test_models_of_one_replicate_are_refused():
    class Point:
        def fit(self, data, *, rng):
            return self

        def sample(self, n, *, rng):
            return rng.standard_normal((n, 1))

    loop = mad.Loop(real=mad.Gaussian.standard(1), model=Point(), regime=regimes.replace(n=10))
    with pytest.raises(ValueError, match=r"n_jobs=2 .* model runs one .* madtheory\.sweep"):
        mad.simulate(loop, 2, replicates=2, n_jobs=2, rng=0)

    def one(snapshot):
        return 1.0

    run = mad.simulate(loop, 2, replicates=2, n_jobs=1, rng=0, metrics=[one])
    assert run.sizes["replicate"] == 2


@pytest.mark.parametrize("n_jobs", [0, -2, 1.5, True, "2"])
def test_a_number_of_threads_is_positive_or_all(n_jobs):
    with pytest.raises(ValueError, match="n_jobs="):
        mad.simulate(LOOPS["statistics"][0], 2, replicates=2, rng=0, n_jobs=n_jobs)


def test_a_resumed_run_in_threads_has_the_same_bits(tmp_path, small_blocks):
    loop, _ = LOOPS["statistics"]
    keywords = {"replicates": 10, "rng": 3}
    mad.storage.resume(tmp_path / "run.nc", loop, 3, n_jobs=2, **keywords)
    longer = mad.storage.resume(tmp_path / "run.nc", loop, 6, n_jobs=2, **keywords)
    assert longer.drop_attrs().equals(mad.simulate(loop, 6, **keywords).drop_attrs())
