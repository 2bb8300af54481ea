"""Values at the edge that reach entries other than theory: an error that names the argument, at once."""

import functools
import re

import numpy as np
import pytest

import madtheory as mad
import madtheory.testing
from madtheory import metrics, models, regimes, treatments
from madtheory.testing import Growing
from madtheory.validation import NotEnoughMemory, check_callable, show

LONG = 10**5000
POINTS = np.random.default_rng(0).normal(size=(20, 2))
SIMS = models.SIMS(mad.Gaussian(), 0.1)


def tuned(**changed):
    return models.Tuned(
        SIMS, **{"metric": lambda fake: fake.mean(), "grid": [0.0, 0.1], "n": 10, "bias": None} | changed
    )


def loop(**changed):
    parts = {"real": mad.Gaussian.standard(2), "model": mad.Gaussian(), "regime": regimes.replace(n=10)}
    return mad.Loop(**parts | changed)


@pytest.mark.parametrize("value", [LONG, -LONG, [LONG], {"a": LONG}, (1, LONG)], ids=range(5))
def test_any_value_can_be_shown(value):
    assert re.fullmatch(r"<\w+>", show(value))
    assert show(list(range(1000))).endswith("999]")
    assert len(show(list(range(1000)))) < 200


@pytest.mark.parametrize(
    ("name", "call"),
    {
        "regime": lambda: loop(regime=LONG),
        "bias": lambda: loop(bias=LONG),
        "rng": lambda: mad.simulate(loop(), 2, rng=LONG, replicates=2, progress=False),
        "learning_rate": lambda: models.SIMS(mad.Gaussian(), 0.1, learning_rate=LONG),
        "weight": lambda: models.Neon(mad.Gaussian(), LONG),
        "treatments": lambda: loop(treatments=LONG),
        "generations": lambda: mad.predict(loop(), LONG),
        "weights": lambda: regimes.fresh(n_real=5, n_synthetic=5, weights=(1, LONG)),
        "grid": lambda: tuned(grid=[LONG]),
        "noise": lambda: mad.sources.two_moons(noise=LONG),
    }.items(),
)
def test_integers_of_many_digits(name, call):
    with pytest.raises((ValueError, TypeError), match=name) as caught:
        call()
    assert "digits" not in str(caught.value)


def test_long_seeds_that_can_be_written_down_still_work():
    run = mad.simulate(loop(), 2, rng=2**4096, replicates=2, progress=False)
    assert run.attrs["seed"] == str(2**4096)


@pytest.mark.parametrize("kind", [int, str, dict, np.float64, mad.Gaussian], ids=lambda kind: kind.__name__)
def test_classes_are_not_functions(kind):
    calls = {
        "features": lambda: metrics.on_samples(
            metrics.frechet_distance, reference=POINTS, n=5, features=kind
        ),
        "metrics": lambda: metrics.on_samples(kind, n=5),
        "metric": lambda: tuned(metric=kind),
        "reward": lambda: treatments.curate(kind),
        "accept": lambda: treatments.verify(kind),
        "function": lambda: treatments.project(kind),
        "bandwidth": lambda: mad.KernelDensity(kind),
        "n": lambda: regimes.replace(n=kind),
    }
    for name, call in calls.items():
        with pytest.raises((TypeError, ValueError), match=name):
            call()
    assert check_callable("function", functools.partial(kind))  # says that it is meant


@pytest.mark.parametrize("weights", [lambda t: (1, 2), 2, "ab", "12", {1: 2}, (1,), (1, -1), int, [["a"]]])
def test_weights_of_a_regime(weights):
    with pytest.raises(ValueError, match="weights"):
        regimes.fresh(n_real=5, n_synthetic=5, weights=weights)


@pytest.mark.parametrize("grid", [-1e20, 10**12, -1e170, [0.0, -1e300]])
def test_guidance_without_bounds(grid):
    fitted = SIMS.fit(POINTS, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"grid|guidance"):
        models.select_guidance(fitted, metric=np.mean, grid=grid, n=5, rng=np.random.default_rng(0))


def test_projections_that_do_not_fit_into_memory():
    with pytest.raises(NotEnoughMemory, match="projections=1000000000000"):
        metrics.sliced_wasserstein(real=POINTS, fake=POINTS, projections=10**12)


@pytest.mark.parametrize(
    ("name", "call"),
    {
        "bias": lambda: tuned(bias=np.nan),
        "selection": lambda: tuned(selection=np.nan),
        "toward": lambda: treatments.Correction(0.5, toward=np.nan),
        "name": lambda: mad.testing.assert_rate_matches(POINTS, 0.0, name=LONG),
        "dim": lambda: mad.theory.gaussian.invert_real_fit(wasserstein2_squared=0.1, dim=10**12),
        "first": lambda: Growing(np.nan, 1),
        "each": lambda: Growing(1, 0.5),
        "noise": lambda: treatments.Curation(reward=np.sum, choices=2, noise=np.nan),
        "weights": lambda: mad.data.Counts.of(np.zeros((3, 1)), np.ones((1, 1, 3))),
    }.items(),
)
def test_descriptions_check_what_they_are_given(name, call):
    with pytest.raises((ValueError, TypeError), match=name):
        call()


def test_points_that_require_grad():
    torch = pytest.importorskip("torch")
    points = torch.tensor(POINTS, requires_grad=True)
    assert np.array_equal(mad.data.Empirical(points).points, POINTS)
    assert metrics.frechet_distance(real=points, fake=POINTS) == pytest.approx(0, abs=1e-12)
    fits = [mad.Gaussian().fit(data, rng=np.random.default_rng(0)) for data in (points, POINTS)]
    assert np.array_equal(*(fit.mean for fit in fits))
    with pytest.raises(ValueError, match=r"points.*detach"):
        mad.data.Empirical(list(points))
