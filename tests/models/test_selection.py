"""Guidance and budget chosen by a metric: the known best w, common random numbers, loops, errors."""

import functools
import pickle

import numpy as np
import pytest

import madtheory as mad
from madtheory import regimes
from madtheory.models.extrapolated import SIMS, Neon
from madtheory.models.selection import Selection, Tuned, checkpoints, select_guidance
from madtheory.testing import check_generative_model

LINE = mad.Gaussian.standard(1)


def rng(seed=0):
    return np.random.default_rng(seed)


def spread(points, truth=1.0):
    return abs(np.log(points.var() / truth))


def learned(scheme=SIMS, variance=0.5, n=100_000):
    """A base of that variance; its auxiliary's is 0.8 of it, up to noise."""
    return scheme(mad.Gaussian([0.0], [[variance]]), 0.0, auxiliary_bias=0.8).self_trained(n, rng=rng(1))


def known_best(improved):
    """Where the variance is 1, given the two that were fitted."""
    one, two = improved.base.covariance.item(), improved.auxiliary.covariance.item()
    return np.log(one) / np.log(two / one) if isinstance(improved, SIMS) else (1 - one) / (one - two)


@pytest.mark.parametrize("scheme", [SIMS, Neon])
def test_the_best_of_the_grid_and_its_refinement(scheme):
    improved, grid = learned(scheme), np.linspace(0, 12, 13)
    best = known_best(improved)
    # The metric's own noise, n points at any w: a log variance of standard error sqrt(2 / n).
    slope = np.log(improved.base.covariance / improved.auxiliary.covariance).item()
    error = np.sqrt(2 / 20_000) / min(slope, improved.base.covariance.item() * 0.2)
    found = select_guidance(improved, metric=spread, grid=grid, n=20_000, rng=rng(2))
    assert found.guidance == grid[abs(grid - best).argmin()]
    assert found.grid.shape == found.values.shape == (13,)
    assert found.value == found.values.min() == spread(found.model.sample(20_000, rng=seeded(2)))
    assert type(found.model) is scheme
    assert found.model.auxiliary is improved.auxiliary
    finer = select_guidance(improved, metric=spread, grid=grid, n=20_000, rng=rng(2), refine=25)
    assert finer.value < found.value
    assert abs(finer.guidance - best) < 5 * error
    assert 15 <= finer.grid.size <= 13 + 25
    assert (np.diff(finer.grid) > 0).all()
    assert set(found.grid) < set(finer.grid)
    kept = np.isin(finer.grid, found.grid)
    assert np.array_equal(finer.values[kept], found.values)


def seeded(seed):
    """The generator that a search by `rng(seed)` uses at every w."""
    return rng(int(rng(seed).integers(2**63)))


def test_every_w_sees_the_same_random_numbers():
    seen = []

    def metric(points):
        seen.append(points)
        return points.std()

    improved = learned()
    select_guidance(improved, metric=metric, grid=[2.0, -1, 0, 0], n=50, rng=rng(3), bias=0.5)
    assert len(seen) == 3  # once for each value, ascending
    for points, w in zip(seen, (-1, 0, 2), strict=True):
        assert np.array_equal(points, improved.at(w).sample(50, rng=seeded(3), bias=0.5))
    normals = [(p - improved.at(w).mean) / p.std() for p, w in zip(seen, (-1, 0, 2), strict=True)]
    assert np.allclose(normals[0], normals[1])
    assert np.allclose(normals[0], normals[2])


def test_common_random_numbers_make_the_metric_smooth():
    """Second differences over w are below a hundredth of what independent draws would make of them."""
    found = select_guidance(
        learned(), metric=lambda x: np.log(x.var()), grid=np.linspace(0, 1, 9), n=500, rng=rng()
    )
    noise = np.sqrt((1 + 4 + 1) * 2 / 500)
    assert abs(np.diff(found.values, 2)).max() < 0.01 * noise
    apart = [np.log(found.model.at(w).sample(500, rng=rng(i)).var()) for i, w in enumerate(found.grid)]
    assert abs(np.diff(apart, 2)).max() > 0.3 * noise


@pytest.mark.parametrize(
    ("changed", "error", "match"),
    [
        ({"grid": []}, ValueError, "grid=.* is empty"),
        ({"grid": [0, np.nan]}, ValueError, "grid"),
        ({"grid": [1.0], "refine": 5}, ValueError, "refine=5 needs neighbours"),
        ({"refine": -1}, ValueError, "refine"),
        ({"n": 0}, ValueError, "n=0"),
        ({"metric": 3}, TypeError, "metric=3 cannot be called"),
        ({"metric": lambda x: np.nan if x.var() > 1 else 0.0}, ValueError, "metric is .*nan.* at w=9"),
        ({"metric": lambda x: x.var(-1)}, ValueError, "at w=0, and must be one finite number"),
        ({"improved": mad.Gaussian()}, TypeError, "not a SIMS or Neon"),
        ({"improved": SIMS(mad.Gaussian(), 1.0)}, ValueError, "no auxiliary yet"),
    ],
)
def test_errors_of_the_search(changed, error, match):
    settings = {"improved": learned(n=2000), "metric": spread, "grid": [0, 9], "n": 100, "rng": rng()}
    settings |= changed
    improved = settings.pop("improved")
    with pytest.raises(error, match=match):
        select_guidance(improved, **settings)
    if "at w" not in match and "auxiliary" not in match:  # what can be known before there are data
        del settings["rng"]
        with pytest.raises(error, match=match):
            Tuned(improved, **settings)


# In a loop ------------------------------------------------------------------------------------------


def test_contract():
    tuned = Tuned(SIMS(mad.Gaussian(), 0.0, n_auxiliary=300), metric=spread, grid=(0.0, 1.0), n=50)
    check_generative_model(tuned, real=LINE)


def test_each_generation_selects_anew():
    """Sampling with bias 0.8, seen by the auxiliary: each generation finds w near 1 and undoes the bias.

    Without guidance the log variance falls by 0.22 a generation; its noise in a chain of five is about 0.03.
    """
    template = SIMS(mad.Gaussian(), 7.0, auxiliary_bias=0.8, n_auxiliary=20_000)
    tuned = Tuned(template, metric=spread, grid=np.linspace(0, 2, 9), n=20_000, bias=0.8)
    loop = mad.Loop(real=LINE, model=tuned, regime=regimes.replace(n=20_000), bias=0.8)
    chain = mad.iterate(loop, rng=0)
    snapshots = [next(chain) for _ in range(5)]
    chosen = [s.model.improved.guidance for s in snapshots]
    assert chosen == [s.model.selection.guidance for s in snapshots]
    assert all(0.5 <= w <= 1.5 for w in chosen)
    assert len({tuple(s.model.selection.values) for s in snapshots}) == 5
    plain = mad.Loop(real=LINE, model=mad.Gaussian(), regime=regimes.replace(n=20_000), bias=0.8)
    chain = mad.iterate(plain, rng=0)
    collapsed = [next(chain) for _ in range(5)][-1].model.log_volume
    assert collapsed < -0.7
    assert abs(snapshots[-1].model.improved.base.log_volume) < 0.2
    assert tuned.selection is None
    assert tuned.improved.guidance == 7
    with pytest.raises(ValueError, match="no auxiliary yet"):
        tuned.sample(3, rng=rng())


def test_stored_runs_with_a_selection(tmp_path):
    from madtheory import storage

    metric = functools.partial(spread, truth=2.0)
    tuned = Tuned(Neon(mad.Gaussian(), 0.0, n_auxiliary=50), metric=metric, grid=(0.0, 0.3), n=20, refine=3)
    loop = mad.Loop(real=LINE, model=tuned, regime=regimes.replace(n=30))
    options = {"rng": 2, "replicates": 2, "metrics": [guidance], "progress": False}
    stored = storage.resume(tmp_path / "run.nc", loop, 3, **options)
    assert stored["guidance"].equals(mad.simulate(loop, 3, **options)["guidance"])
    fitted = tuned.fit(LINE.sample(30, rng=rng()), rng=rng())
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.sample(4, rng=rng()), fitted.sample(4, rng=rng()))
    assert isinstance(again.selection, Selection)


def guidance(snapshot):
    """The w of this generation."""
    return np.asarray(snapshot.model.improved.weight)


# Budgets --------------------------------------------------------------------------------------------


class Trained:
    """A level that every image seen moves a little."""

    def __init__(self, level=0.0):
        self.level = level

    def fit(self, data, *, rng):
        return Trained(float(np.mean(data)))

    def fine_tuned(self, data, *, images, learning_rate=1e-3, rng):
        keep = (1 - learning_rate) ** images
        return Trained(keep * self.level + (1 - keep) * float(np.mean(data)))

    def sample(self, n, *, rng, bias=None):
        return self.level + rng.random((n, 1))

    def guided(self, auxiliary, weight):
        return Trained((1 + weight) * self.level - weight * auxiliary.level)

    extrapolated = guided


@pytest.mark.parametrize("scheme", [SIMS, Neon])
def test_checkpoints_of_one_run(scheme):
    template = scheme(Trained(3.0), 0.5, n_auxiliary=400, budget=1, learning_rate=2e-3)
    saved = checkpoints(template, budgets=[100, 300, 1000], rng=rng(7))
    assert [one.budget for one in saved] == [100, 300, 1000]
    for one in saved:
        alone = scheme(Trained(3.0), 0.5, n_auxiliary=400, budget=one.budget, learning_rate=2e-3)
        # This fine-tuning remembers nothing, so that the pieces make the whole.
        assert one.auxiliary.level == pytest.approx(alone.self_trained(400, rng=rng(7)).auxiliary.level)
        assert one.law.level == pytest.approx(3 - 0.5 * (one.auxiliary.level - 3))
        assert one.base is template.base
    first = scheme(Trained(3.0), 0.5, budget=100, learning_rate=2e-3).self_trained(400, rng=rng(7))
    assert saved[0].auxiliary.level == first.auxiliary.level


def test_the_best_guidance_falls_with_the_budget():
    saved = checkpoints(SIMS(Trained(0.5), 0.0, n_auxiliary=2000), budgets=[200, 400, 800], rng=rng())

    def distance(points):
        return abs(points.mean() - 0.4)  # the base's samples have mean 1

    found = [
        select_guidance(one, metric=distance, grid=np.linspace(0, 10, 41), n=2000, rng=rng(1))
        for one in saved
    ]
    best = [one.guidance for one in found]
    assert best == sorted(best, reverse=True)
    assert best[0] > 2 * best[2] > 0
    assert max(one.value for one in found) < 0.05


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (
            lambda: checkpoints(SIMS(Trained(), 0.0, n_auxiliary=9), budgets=[], rng=rng()),
            ValueError,
            "ascend",
        ),
        (
            lambda: checkpoints(SIMS(Trained(), 0.0, n_auxiliary=9), budgets=[5, 5], rng=rng()),
            ValueError,
            "ascend",
        ),
        (lambda: checkpoints(SIMS(Trained(), 0.0), budgets=[5], rng=rng()), ValueError, "n_auxiliary=None"),
        (
            lambda: checkpoints(SIMS(Trained(), 0.0, n_auxiliary=9), budgets=[0, 5], rng=rng()),
            ValueError,
            "budgets=0",
        ),
        (
            lambda: checkpoints(Neon(LINE, 0.0, n_auxiliary=9), budgets=[5], rng=rng()),
            TypeError,
            "no fine_tuned",
        ),
        (lambda: checkpoints(Trained(), budgets=[5], rng=rng()), TypeError, "not a SIMS or Neon"),
    ],
)
def test_errors_of_checkpoints(call, error, match):
    with pytest.raises(error, match=match):
        call()
