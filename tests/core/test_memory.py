"""Runs that do not fit into memory are refused before they start; the truth is measured once."""

import numpy as np
import pytest

import madtheory as mad
from madtheory import metrics, regimes, validation as _validation


def gaussian_loop(dim=2, regime=None, **keywords):
    regime = regime or regimes.replace(n=100)
    return mad.Loop(real=mad.Gaussian.standard(dim), model=mad.Gaussian(), regime=regime, **keywords)


RUNS = {
    "states": (gaussian_loop(60), 3, {"replicates": 40_000}),
    "records": (gaussian_loop(), 200_000, {"replicates": 1_000}),
    "points": (gaussian_loop(regime=regimes.replace(n=10**8)), 3, {"replicates": 2, "method": "samples"}),
    "retained points": (
        gaussian_loop(regime=regimes.accumulate(n=10**6)), 100, {"replicates": 2, "method": "samples"},
    ),
    "rows drawn": (
        mad.Loop(real=np.eye(3), model=mad.KernelDensity(1.0), regime=regimes.replace(n=10**8)), 3, {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_what_does_not_fit_is_refused_before_it_starts(name, monkeypatch):
    """With 1 GiB at hand; no generation is stepped."""
    loop, generations, keywords = RUNS[name]
    monkeypatch.setattr(_validation, "available_memory", lambda: 2.0**30)

    def never(*arguments):
        raise AssertionError("the run has started")

    monkeypatch.setattr("madtheory.interpreters.simulate.advance", never)
    for error in (MemoryError, ValueError):
        with pytest.raises(error, match=r"needs about .* GiB, and 1.0 GiB of memory are available; "):
            mad.simulate(loop, generations, rng=0, progress=False, **keywords)


def test_the_way_out_is_a_way_out(monkeypatch):
    monkeypatch.setattr(_validation, "available_memory", lambda: 2.0**30)
    loop = gaussian_loop()
    keywords = {"replicates": 2_000, "rng": 0, "progress": False, "metrics": [metrics.total_variance]}
    monkeypatch.setattr("madtheory.interpreters.simulate.advance", lambda run, count=1: None)
    with pytest.raises(MemoryError, match=r"quantiles=.*record='last'"):
        mad.simulate(loop, 200_000, **keywords)
    from madtheory.interpreters.simulate import begin

    begin(loop, 200_000, **keywords, record="last")
    begin(loop, 200_000, **keywords, quantiles=[0.5])


def test_predictions_that_do_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr(_validation, "available_memory", lambda: 2.0**28)
    with pytest.raises(MemoryError, match="fewer generations"):
        mad.predict(gaussian_loop(), 10**7)


def test_memory_is_known_and_small_runs_do_not_ask(monkeypatch):
    assert _validation.available_memory() > 2**20

    def never():
        raise AssertionError("asked")

    monkeypatch.setattr(_validation, "available_memory", never)
    mad.simulate(gaussian_loop(), 3, replicates=10, rng=0)
    mad.predict(gaussian_loop(), 3)


def test_the_truth_is_measured_once(monkeypatch):
    """Its covariance, its root, its rank and its determinant, whatever the metrics and generations."""
    calls = {"cov": 0, "eigh": 0, "matrix_rank": 0}

    def counted(name, function):
        def call(*arguments, **keywords):
            calls[name] += 1
            return function(*arguments, **keywords)

        return call

    monkeypatch.setattr(np, "cov", counted("cov", np.cov))
    for name in ("eigh", "matrix_rank"):
        monkeypatch.setattr(np.linalg, name, counted(name, getattr(np.linalg, name)))
    rows = np.random.default_rng(0).normal(size=(30, 3))
    loop = mad.Loop(real=rows, model=mad.Gaussian(), regime=regimes.fresh(n_real=10, n_synthetic=20))
    measures = [metrics.wasserstein2_squared, metrics.kl_divergence, metrics.reverse_kl_divergence]
    result = mad.simulate(loop, 8, replicates=3, metrics=measures, rng=0)
    assert calls == {"cov": 1, "eigh": 1, "matrix_rank": 1}
    moved = mad.Loop(real=2 * rows, model=mad.Gaussian(), regime=loop.regime)
    other = mad.simulate(moved, 8, replicates=3, metrics=measures, rng=0)
    assert calls == {"cov": 2, "eigh": 2, "matrix_rank": 2}, "another truth is measured anew"
    np.testing.assert_allclose(other["wasserstein2_squared"], 4 * result["wasserstein2_squared"], rtol=1e-9)
    np.testing.assert_allclose(other["kl_divergence"], result["kl_divergence"], rtol=1e-9)
    with pytest.raises(ValueError, match="read-only"):
        loop.real.covariance[0, 0] = 7.0


def test_a_large_dimension_is_refused_before_the_first_fit(monkeypatch):
    """A fit in 3,000 dimensions takes seconds; what it says to do is possible."""
    monkeypatch.setattr(_validation, "available_memory", lambda: 2.0**34)
    monkeypatch.setattr(
        "madtheory.interpreters.simulate.start", lambda *_, **__: pytest.fail("a model was fitted")
    )
    loop = gaussian_loop(3000)
    with pytest.raises(MemoryError, match="100000 replicates in 3000 dimensions") as refused:
        mad.simulate(loop, 10, replicates=100_000, rng=0, progress=False)
    assert "method='statistics'" not in str(refused.value), "the run draws statistics already"
