"""`Estimator` against scikit-learn alone, in the same run: a model of one's own should cost what it costs."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from madtheory.models import Estimator

N = 100
POINTS = np.random.default_rng(0).normal(size=(N, 2))
ESTIMATORS = {
    "GaussianMixture(1)": GaussianMixture(1),
    "GaussianMixture(3)": GaussianMixture(3),
    "KernelDensity": KernelDensity(bandwidth=0.3),
}
estimators = pytest.mark.parametrize("name", ESTIMATORS)


def sampling(name):
    """Ten samples: madtheory's, and the plain call with a generator made once."""
    rng, old = np.random.default_rng(0), np.random.RandomState(0)
    fitted = Estimator(ESTIMATORS[name]).fit(POINTS, rng=rng)
    bare = clone(ESTIMATORS[name]).fit(POINTS)
    if hasattr(bare, "random_state"):
        bare.random_state, keywords = old, {}
    else:
        keywords = {"random_state": old}
    return {
        "madtheory replace": lambda: [fitted.sample(N, rng=rng) for _ in range(10)],
        "scikit-learn alone": lambda: [bare.sample(N, **keywords) for _ in range(10)],
    }


def fitting(name):
    """One fit: madtheory's, and the plain call on a new estimator with a seed."""
    rng, template = np.random.default_rng(0), ESTIMATORS[name]
    model = Estimator(template)

    def plain():
        new = clone(template)
        if hasattr(new, "random_state"):
            new.random_state = int(rng.integers(2**31))
        new.fit(POINTS)

    return {
        "madtheory replace": lambda: model.fit(POINTS, rng=rng),
        "scikit-learn alone": plain,
    }


@estimators
@pytest.mark.parametrize("who", ["madtheory replace", "scikit-learn alone"])
def test_sample(cost, name, who):
    cost(f"sampling {name}", who, sampling(name)[who], chains=1, generations=10, rounds=30)


@estimators
@pytest.mark.parametrize("who", ["madtheory replace", "scikit-learn alone"])
def test_fit(cost, name, who):
    cost(f"fitting {name}", who, fitting(name)[who], chains=1, generations=1, rounds=10)
