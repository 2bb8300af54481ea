"""Foreign code with global generators: results repeat, replicates differ, and the caller's state stays."""

import random

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

import madtheory as mad
from madtheory import metrics, regimes
from madtheory.models import Estimator
from madtheory.numerics.global_random import seed_globals

REAL = np.random.default_rng(0).normal(size=(40, 2))


def global_normals(shape):
    return np.random.normal(size=shape)  # noqa: NPY002


def python_normals(shape):
    return np.reshape([random.gauss(0, 1) for _ in range(int(np.prod(shape)))], shape)


def torch_normals(shape):
    return pytest.importorskip("torch").randn(shape).numpy()


SOURCES = {"numpy": global_normals, "random": python_normals, "torch": torch_normals}


class Foreign:
    """A generator of another package: it draws from a global generator, in fit and in sample."""

    def __init__(self, draw=global_normals, fails=False):
        self.draw, self.fails = draw, fails

    def fit(self, X):
        self.mean_ = X[np.argsort(self.draw(len(X)))[: len(X) // 2]].mean(0)
        return self

    def sample(self, num_rows):
        drawn = self.mean_ + self.draw((num_rows, len(self.mean_)))
        if self.fails:
            raise RuntimeError("sampling failed")
        return drawn


class Owner(Foreign):
    """It owns its generators, made when it was."""

    fails = False

    def __init__(self):
        self.own, self.old = np.random.default_rng(), np.random.RandomState()
        self.python = random.Random()

    def draw(self, shape):
        return self.own.normal(size=shape) + self.old.normal(size=shape) + self.python.random()


class GlobalMixture(GaussianMixture):
    """scikit-learn's, with a step of its own."""

    def sample(self, n_samples=1):
        points, labels = super().sample(n_samples)
        return points + global_normals(points.shape), labels


def mean_of_samples(*, fake):
    return fake.mean()


def states():
    """What the caller would draw next."""
    kept = np.random.get_bit_generator(), random.getstate()
    values = [np.random.get_state(legacy=False)["state"]["key"].tolist(), kept[1]]  # noqa: NPY002
    return values, kept[0]


def run(estimator, rng=0):
    loop = mad.Loop(real=REAL, model=Estimator(estimator), regime=regimes.replace(n=30))
    chosen = metrics.on_samples(mean_of_samples, n=20)
    return mad.simulate(loop, 3, metrics=chosen, replicates=3, rng=rng, progress=False)[
        "mean_of_samples"
    ].values


@pytest.mark.parametrize("name", [*SOURCES, "own", "subclass"])
def test_a_loop_repeats(name):
    def made():
        if name in SOURCES:
            return Foreign(SOURCES[name])
        return Owner() if name == "own" else GlobalMixture(2)

    if name == "torch":
        pytest.importorskip("torch")
    first = run(made())
    global_normals(3), python_normals((3,))
    np.testing.assert_array_equal(run(made()), first)
    # Generations and replicates draw for themselves, and another seed other numbers.
    assert len(np.unique(first)) == first.size
    assert not np.isin(run(made(), rng=1), first).any()


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("estimator", [Foreign, GaussianMixture])
def test_the_callers_generators_go_on(estimator, fails):
    """Negative control: without the guard, the state has moved."""
    np.random.seed(5)  # noqa: NPY002
    before, bits = states()
    model = Estimator(estimator()).fit(REAL, rng=np.random.default_rng(0))
    if fails and estimator is Foreign:
        model.estimator.fails = True
        with pytest.raises(RuntimeError, match="sampling failed"):
            model.sample(5, rng=np.random.default_rng(0))
    else:
        model.sample(5, rng=np.random.default_rng(0))
    after, same = states()
    assert after == before
    assert same is bits
    Foreign().fit(REAL)
    assert states()[0] != before


def test_torch_goes_on_too():
    torch = pytest.importorskip("torch")
    torch.manual_seed(3)
    expected = torch.randn(4)
    torch.manual_seed(3)
    with seed_globals(1):
        one = torch.randn(4)
    assert torch.equal(torch.randn(4), expected)
    with seed_globals(1):
        assert torch.equal(torch.randn(4), one)
    assert not torch.equal(one, expected)


def test_guards_nest():
    with seed_globals(1):
        outer = global_normals(2)
        with seed_globals(2):
            inner = global_normals(4)
        rest = global_normals(2)
    with seed_globals(1):
        np.testing.assert_array_equal(global_normals(4), np.concatenate([outer, rest]))
    with seed_globals(2):
        np.testing.assert_array_equal(global_normals(4), inner)


def test_features_that_draw_repeat():
    """A random projection drawn anew in each call, as a careless feature network would."""

    def projected(points):
        return points @ np.random.normal(size=(2, 3))  # noqa: NPY002

    def measured():
        loop = mad.Loop(real=mad.Gaussian.standard(2), model=mad.Gaussian(), regime=regimes.replace(n=30))
        chosen = metrics.on_samples(metrics.frechet_distance, reference=REAL, n=20, features=projected)
        return mad.simulate(loop, 3, metrics=chosen, rng=0, progress=False)["frechet_distance"].values

    first = measured()
    np.testing.assert_array_equal(measured(), first)
    assert len(np.unique(first)) == first.size


def test_nested_estimators_are_not_touched_by_sampling():
    class Holder(GaussianMixture):
        def __init__(self, inner=None, n_components=1, random_state=None):
            super().__init__(n_components, random_state=random_state)
            self.inner = inner

    fitted = Estimator(Holder(GaussianMixture())).fit(REAL, rng=np.random.default_rng(0))
    before = fitted.estimator.inner.random_state
    fitted.sample(5, rng=np.random.default_rng(1))
    assert fitted.estimator.inner.random_state == before


def test_sampling_changes_no_identity():
    """The identity of an estimator does not depend on what was drawn before."""
    from madtheory import storage

    before = [storage.identity(Estimator(made)) for made in (Foreign(), GaussianMixture(2))]
    for made in (Foreign(), GaussianMixture(2)):
        Estimator(made).fit(REAL, rng=np.random.default_rng(0)).sample(3, rng=np.random.default_rng(0))
    assert [storage.identity(Estimator(made)) for made in (Foreign(), GaussianMixture(2))] == before


def careless(points):
    """A function of points that draws, and says nothing of it."""
    return np.random.random(points.shape[:-1])  # noqa: NPY002


def shaken(points):
    return points + np.random.normal(size=points.shape)  # noqa: NPY002


TREATMENTS = {
    "curate": mad.treatments.curate(careless, choices=3),
    "verify": mad.treatments.verify(careless),
    "project": mad.treatments.project(shaken),
}


@pytest.mark.parametrize("name", TREATMENTS)
def test_treatments_that_draw_repeat(name):
    loop = mad.Loop(
        real=mad.Gaussian.standard(2),
        model=mad.Gaussian(),
        regime=regimes.replace(n=30),
        treatments=[TREATMENTS[name]],
    )

    def measured(rng=0):
        return mad.simulate(loop, 4, replicates=3, rng=rng, progress=False)["total_variance"].values

    first = measured()
    global_normals(3)
    np.testing.assert_array_equal(measured(), first)
    assert not np.isin(measured(1), first).any()
    assert len(np.unique(first)) == first.size
    before = states()[0]
    measured()
    assert states()[0] == before
