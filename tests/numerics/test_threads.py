"""The library limits BLAS to one thread around its own work: same bits, no environment variable."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import threadpoolctl

import madtheory as mad
from madtheory import metrics, regimes
from madtheory.numerics.threads import one_openmp_thread, one_thread

CHILD = """
import hashlib, itertools, json, sys, tempfile
import numpy as np, madtheory as mad
from madtheory import metrics, regimes

def digest(*arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()

def of(dataset):
    return digest(*[dataset[name].values for name in sorted(dataset)])

rng, found = np.random.default_rng(0), {}
ray = rng.normal(size=100)
truth = mad.Gaussian(ray, np.diag(rng.uniform(0.5, 2, 100)) + 0.3 * ray[:, None] * ray)
named = ["total_variance", "wasserstein2_squared", "kl_divergence", "reverse_kl_divergence", "log_volume"]
measures = [getattr(metrics, name) for name in named]
for name, regime in {
    "replace": regimes.replace(n=400),
    "accumulate": regimes.accumulate(n=60, n_initial=150),
    "fresh": regimes.fresh(n_real=150, n_synthetic=300),
}.items():
    loop = mad.Loop(real=truth, model=mad.Gaussian(), regime=regime, bias=0.9)
    found[f"{name} predict"] = of(mad.predict(loop, 5))
    for method in ("statistics", "samples"):
        keywords = {"replicates": 2, "rng": 0, "method": method}
        found[f"{name} {method} simulate"] = of(mad.simulate(loop, 3, metrics=measures, **keywords))
        snapshots = list(itertools.islice(mad.iterate(loop, **keywords), 3))
        found[f"{name} {method} iterate"] = digest(*[s.model.scaled_factor for s in snapshots])
        measured = [measure(snapshot) for measure in measures for snapshot in snapshots]
        found[f"{name} {method} metrics"] = digest(*measured)
    path = tempfile.mkdtemp() + "/run.nc"
    found[f"{name} resume"] = of(mad.storage.resume(path, loop, 3, rng=0, replicates=2))
points = np.random.default_rng(0).normal(size=(600, 20))
from sklearn.mixture import GaussianMixture
for model in (mad.Mixture(3), mad.KernelDensity("scott"), mad.Estimator(GaussianMixture(3))):
    loop = mad.Loop(real=points, model=model, regime=regimes.replace(n=600))
    distances = metrics.on_samples(metrics.frechet_distance, reference=points, n=300)
    run = mad.simulate(loop, 3, replicates=2, rng=0, metrics=distances)
    found[type(model).__name__] = of(run)
json.dump(found, sys.stdout)
"""


def digests(threads):
    variables = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"}
    environment = {name: value for name, value in os.environ.items() if name not in variables}
    if threads is not None:
        environment |= dict.fromkeys(variables, str(threads))
    done = subprocess.run(
        [sys.executable, "-c", CHILD], capture_output=True, text=True, check=True, env=environment
    )
    return json.loads(done.stdout)


def test_the_same_bits_for_any_number_of_threads():
    """A loop in 100 dimensions, by every way to run it; before, the last digits changed."""
    one, *others = (digests(threads) for threads in (1, 2, None))
    assert len(one) == 27
    assert len(set(one.values())) > 15
    for other in others:
        assert other == one


def blas():
    return {one["num_threads"] for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"}


@pytest.fixture
def two_threads():
    """The caller's own setting."""
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        if blas() != {2}:
            pytest.skip("this BLAS has no second thread")
        yield


def loop_of(seen):
    class Spy:
        def fit(self, data, *, rng):
            seen.append(blas())
            return self

        def sample(self, n, *, rng):
            return rng.normal(size=(n, 1))

    return mad.Loop(real=Spy(), model=Spy(), regime=regimes.replace(n=9))


def test_one_thread_inside_and_the_callers_afterwards(two_threads):
    seen, measured = [], []
    loop = loop_of(seen)

    def threads(snapshot):
        measured.append(blas())
        return np.zeros(1)

    mad.simulate(loop, 3, replicates=2, rng=0, metrics=[threads])
    assert blas() == {2}
    snapshots = mad.iterate(loop, rng=0)
    for _ in range(3):
        next(snapshots)
        assert blas() == {2}, "between generations the caller has its threads"
    assert seen == [{1}] * 9
    assert measured == [{1}] * 6


def test_an_error_inside_restores_the_callers_threads(two_threads):
    def fails(snapshot):
        raise KeyError("inside")

    with pytest.raises(KeyError):
        mad.simulate(loop_of([]), 2, replicates=2, rng=0, metrics=[fails])
    assert blas() == {2}
    snapshot = mad.start(
        mad.Loop(real=mad.Gaussian.standard(2), model=mad.Gaussian(), regime=regimes.replace(n=9))
    )
    metrics.wasserstein2_squared(snapshot)
    assert blas() == {2}


def test_a_model_can_ask_for_threads_of_its_own(two_threads):
    seen = []

    class Asks:
        def fit(self, data, *, rng):
            with threadpoolctl.threadpool_limits(2, user_api="blas"):
                seen.append(blas())
            return self

        def sample(self, n, *, rng):
            return rng.normal(size=(n, 1))

    loop = mad.Loop(real=Asks(), model=Asks(), regime=regimes.replace(n=9))
    mad.step(loop, mad.start(loop, rng=0))
    assert seen == [{2}] * 2
    assert blas() == {2}


def test_several_threads_share_the_limit(two_threads):
    """The first to leave does not give threads back to those still inside, and the last does."""
    seen, keywords = [], {"metrics": [nothing], "progress": False}
    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(
                lambda seed: mad.simulate(loop_of(seen), 20, replicates=2, rng=seed, **keywords), range(8)
            )
        )
    assert seen == [{1}] * (8 * 2 * 20)
    assert blas() == {2}


def nothing(snapshot):
    return np.zeros(1)


def test_libraries_loaded_inside_are_limited_too(two_threads):
    with one_thread, one_thread:
        import scipy.linalg  # brings a BLAS of its own

        scipy.linalg.svd(np.eye(2))
        with one_thread:
            assert blas() == {1}
    assert 1 not in blas()


def test_openmp_is_limited_where_scikit_learn_sums():
    from sklearn.mixture import GaussianMixture

    def openmp():
        return {one["num_threads"] for one in threadpoolctl.threadpool_info() if one["user_api"] == "openmp"}

    class Spy(GaussianMixture):
        def fit(self, points):
            seen.append(openmp())
            return super().fit(points)

    seen = []
    with threadpoolctl.threadpool_limits(2, user_api="openmp"):
        if openmp() != {2}:
            pytest.skip("scikit-learn was built without OpenMP")
        with one_openmp_thread():
            assert openmp() == {1}
        points = np.random.default_rng(0).normal(size=(50, 2))
        mad.Estimator(Spy(2)).fit(points, rng=np.random.default_rng(0))
        assert seen == [{1}]
        assert openmp() == {2}
