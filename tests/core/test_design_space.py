"""Every axis of `Regime` and of the real law, against a plain NumPy loop that is written here.

Both simulators are compared with the plain loop by two-sample z-scores, below 5 in absolute value, of the
total variance and of the error of the mean. At these sizes an error of 3 % in the last total variance is
rejected with probability 0.99; the negative control of each axis, the regime without it, is rejected.
"""

import dataclasses
import pickle

import numpy as np
import pytest
from sklearn import neighbors

import madtheory as mad
from madtheory import data, metrics, regimes, storage, testing
from madtheory.core.loop import statistics_obstacle
from madtheory.metrics import discrete
from madtheory.regimes import Mix, Regime

DIM, GENERATIONS, REPLICATES, BIAS = 40, 4, 2_400, 0.8
METRICS = [metrics.total_variance, metrics.mean_error]


def law(t):
    """A truth that moves and grows."""
    return mad.Gaussian(np.full(DIM, 0.3 * (t - 1)), (1 + 0.2 * (t - 1)) * np.eye(DIM))


def chosen(points, n, rng):
    """Some `n` of the points of each replicate, without replacement."""
    index = rng.random(points.shape[:2]).argsort(-1)[:, :n]
    return np.take_along_axis(points, index[..., None], 1)


def plain_loop(at, *, n_initial, keep=1, keep_real=1, moves=False, seed=0):
    """Total variance and error of the mean, each of shape (replicate, generation).

    `at(t)` is the tuple (n_fixed, n_fresh, n_synthetic, n_carried, budget, weights) of a generation.
    """
    rng = np.random.default_rng(seed)

    def real(n, t):
        shift, scale = (0.3 * (t - 1), np.sqrt(1 + 0.2 * (t - 1))) if moves else (0.0, 1.0)
        return shift + scale * rng.standard_normal((REPLICATES, n, DIM))

    first = training = real(n_initial, 1)
    weight, batches, fresh, found = np.ones(n_initial), [], [], []
    mean = deviation = np.zeros((REPLICATES, DIM))
    for t in range(1, GENERATIONS + 1):
        if t > 1:
            n_fixed, n_fresh, n_synthetic, n_carried, budget, weights = at(t)
            noise = rng.standard_normal((REPLICATES, n_synthetic, DIM))
            batches = [*batches, mean[:, None] + np.sqrt(BIAS) * noise * deviation[:, None]][-keep:]
            fresh = [*fresh, real(n_fresh, t)][-keep_real:]
            groups = [(first[:, :n_fixed], 0), *((f, 0) for f in fresh), *((b, 1) for b in batches)]
            groups.append((chosen(training, n_carried, rng), 2))
            training = np.concatenate([points for points, _ in groups], 1)
            given = np.array([*(weights or (1.0, 1.0)), 1.0])
            weight = np.concatenate([np.full(points.shape[1], given[kind]) for points, kind in groups])
            if budget is not None:
                training, weight = chosen(training, budget, rng), np.ones(budget)
        total = weight.sum()
        mean = (weight[:, None] * training).sum(1) / total
        squares = (weight[:, None] * (training - mean[:, None]) ** 2).sum(1)
        # Coordinates are independent in the truth; a fit of the diagonal has the same expectations.
        variance = squares / (total - (weight**2).sum() / total)
        deviation = np.sqrt(variance)
        truth = 0.3 * (t - 1) if moves else 0.0
        found.append((variance.sum(-1), ((mean - truth) ** 2).sum(-1)))
    return [np.stack(values, -1) for values in zip(*found, strict=True)]


AXES = {
    "a subset of the first set": (
        {"n_initial": 12, "real_data": "fixed", "n_real": 4, "n_synthetic": 8},
        {"n_real": 12},
    ),
    "a subset with all batches": (
        {"n_initial": 12, "real_data": "fixed", "n_real": 4, "n_synthetic": 8, "retain": "all"},
        {"n_real": 12},
    ),
    "a growing subset": (
        {"n_initial": 12, "real_data": "fixed", "n_real": (0, 0, 12, 5), "n_synthetic": 8},
        {"n_real": (0, 12, 12, 5)},
    ),
    "a subset by a function": (
        {"n_initial": 12, "real_data": "fixed", "n_real": lambda t: 12 // t, "n_synthetic": 8},
        {"n_real": 12},
    ),
    "fixed and fresh": (
        {"n_initial": 12, "real_data": "fixed", "n_real": 12, "n_fresh": 6, "n_synthetic": 8},
        {"n_fresh": 0},
    ),
    "fixed and all fresh": (
        {
            "n_initial": 12, "real_data": "fixed", "n_real": 5, "n_fresh": lambda t: 3 * t, "n_synthetic": 8,
            "retain": 2, "retain_real": "all",
        },
        {"retain_real": "last"},
    ),
    "carried": (
        {"n_initial": 12, "n_synthetic": 8, "n_carried": 6},
        {"n_carried": 0},
    ),
    "carried and subsampled": (
        {"n_initial": 14, "n_synthetic": 10, "real_data": "fresh", "n_real": 5, "n_carried": 6, "budget": 10},
        {"n_carried": 0},
    ),
    "carried and weighted": (
        {"n_initial": 14, "n_synthetic": 8, "real_data": "fixed", "n_real": 6, "n_carried": 9,
         "retain": "all", "weights": (1.0, 0.5, 3.0)},
        {"weights": (1.0, 0.5, 0.5)},
    ),
    "fresh by generation": (
        {"n_initial": 12, "real_data": "fresh", "n_real": (0, 9, 0, 6), "n_synthetic": 8},
        {"n_real": (0, 9, 3, 6)},
    ),
    "budget by generation": (
        {"n_initial": 12, "real_data": "fresh", "n_real": 5, "n_synthetic": 8, "budget": (0, 12, 6, 9)},
        {"budget": 12},
    ),
    "weights by generation": (
        {"n_initial": 12, "real_data": "fresh", "n_real": 6, "n_synthetic": 9,
         "weights": [None, (1, 1), (4, 1), (1, 3)]},
        {"weights": (1, 1)},
    ),
    "weights by a function": (
        {"n_initial": 12, "real_data": "fixed", "n_real": 12, "n_synthetic": 9, "retain": "all",
         "weights": lambda t: (1.0, t**-1.5)},
        {"weights": (1, 1)},
    ),
    "a real law that changes": (
        {"n_initial": 12, "real_data": "fresh", "n_real": 8, "n_synthetic": 8},
        {},
    ),
    "a real law that changes, with a subset": (
        {"n_initial": 12, "real_data": "fixed", "n_real": 5, "n_fresh": 4, "n_synthetic": 8},
        {},
    ),
}  # fmt: skip


def gaussian_loop(name, changed=None):
    fields = AXES[name][0] | (changed or {})
    real = law if "law" in name and changed is None else law(1)
    return mad.Loop(real=real, model=mad.Gaussian(), regime=Regime(**fields), bias=BIAS)


def scores(loop, expected, method, seed=1):
    """Two-sample z of each metric and generation, and the means and standard errors of the total variance."""
    simulated = mad.simulate(
        loop, GENERATIONS, replicates=REPLICATES, metrics=METRICS, rng=seed, method=method, progress=False
    )
    found = []
    for metric, values in zip(METRICS, expected, strict=True):
        other = simulated[metric.__name__].values
        spread = np.sqrt((values.var(0, ddof=1) + other.var(0, ddof=1)) / REPLICATES)
        found.append((other.mean(0) - values.mean(0)) / spread)
    last = expected[0][:, -1]
    assert testing.power(0.03 * last.mean(), std=np.sqrt(2) * last.std(), n=REPLICATES) > 0.99
    return np.abs(found).max()


@pytest.mark.parametrize("name", AXES)
def test_simulations_follow_a_plain_loop(name):
    loop, (fields, without) = gaussian_loop(name), AXES[name]
    kept = {"last": 1, "all": 99}
    expected = plain_loop(
        loop.regime.at,
        n_initial=12 if fields["n_initial"] == 12 else 14,
        keep=kept.get(loop.regime.retain, loop.regime.retain),
        keep_real=kept.get(loop.regime.retain_real, loop.regime.retain_real),
        moves=loop.real_changes,
    )
    by_points = loop.regime.n_carried != 0 or callable(loop.regime.n_real)
    assert (statistics_obstacle(loop) is not None) == by_points
    for method in ["samples"] if by_points else ["statistics", "samples"]:
        assert scores(loop, expected, method) < 5
    assert scores(gaussian_loop(name, without), expected, None) > 5  # by statistics where they are exact


# Structure, without statistics ---------------------------------------------------------------------------


def snapshots(regime, *, method="samples", real=None, model=None, generations=GENERATIONS, replicates=None):
    real = mad.Gaussian.standard(2) if real is None else real
    loop = mad.Loop(real=real, model=mad.Gaussian() if model is None else model, regime=regime)
    running = mad.iterate(loop, rng=3, replicates=replicates, method=method)
    return [snapshot for _, snapshot in zip(range(generations), running, strict=False)]


@pytest.mark.parametrize("replicates", [None, 3])
@pytest.mark.parametrize("retain", ["last", "all", 2])
@pytest.mark.parametrize("n_real", [4, (0, 4, 9, 2), lambda t: 9 // t])
def test_fixed_real_data_are_the_first_points_of_generation_1(n_real, retain, replicates):
    regime = Regime(
        n_initial=9, real_data="fixed", n_real=n_real, n_fresh=(0, 3, 0, 3), n_synthetic=5, retain=retain
    )
    first, *later = snapshots(regime, replicates=replicates)
    for snapshot in later:
        mix = regime.at(snapshot.generation)
        kept = {"last": 1, "all": snapshot.generation - 1, 2: min(2, snapshot.generation - 1)}[retain]
        assert snapshot.training_set.shape[-2] == mix.n_fixed + mix.n_fresh + 5 * kept
        same = (snapshot.training_set[..., :, None, :] == first.training_set[..., None, :, :]).all(-1).any(-2)
        assert same[..., : mix.n_fixed].all()
        assert (same.sum(-1) == mix.n_fixed).all()


@pytest.mark.parametrize(
    "model", [mad.Gaussian(), mad.Categorical(symbols=3)], ids=lambda m: type(m).__name__
)
@pytest.mark.parametrize("n_real", [4, (0, 0, 9, 2)])
def test_parts_of_a_statistic_join_to_the_first_set(n_real, model):
    """The part and the rest are the whole; a changing number of points is cut at every size that occurs."""
    real = mad.Gaussian.standard(2) if isinstance(model, mad.Gaussian) else mad.Categorical([0.2, 0.3, 0.5])
    regime = Regime(n_initial=9, real_data="fixed", n_real=n_real, n_synthetic=5)
    first, *later = snapshots(regime, method="statistics", real=real, model=model, replicates=4)
    if isinstance(n_real, tuple):
        assert [int(np.max(data.size(part))) for part in first.initial] == [2, 7]
        joined = data.join(first.initial)
        for part, whole in zip(vars(joined).values(), vars(first.training_set).values(), strict=True):
            np.testing.assert_array_equal(part, whole)
    else:
        assert (data.size(first.initial) == 4).all()
        if isinstance(model, mad.Categorical):
            assert (first.initial.dense <= first.training_set.dense).all()
    sizes = [int(np.max(data.size(s.training_set))) for s in later]
    assert sizes == [sum(regime.at(t)[:3]) for t in (2, 3, 4)]


@pytest.mark.parametrize("replicates", [None, 3])
def test_carried_points_are_of_the_previous_training_set_and_differ(replicates):
    regime = Regime(n_initial=9, n_synthetic=5, n_carried=(0, 9, 0, 3))
    before, *later = snapshots(regime, replicates=replicates)
    for snapshot in later:
        many = regime.at(snapshot.generation).n_carried
        same = snapshot.training_set[..., :, None, :] == before.training_set[..., None, :, :]
        same = same.all(-1)
        assert (same.any(-1).sum(-1) == many).all()
        assert (same.sum(-2).max(-1) <= 1).all(), "no point is carried twice"
        before = snapshot


def test_carried_points_are_uniform():
    """Each of 9 points with probability 1/3: 30,000 replicates, chi-square at 8 dof and 1e-6 (42.7)."""
    regime = Regime(n_initial=9, n_synthetic=5, n_carried=3)
    first, second = snapshots(regime, generations=2, replicates=30_000)
    same = (second.training_set[:, :, None, :] == first.training_set[:, None, :, :]).all(-1).any(1)
    counts = same.sum(0)
    assert counts.sum() == 90_000
    assert ((counts - 10_000) ** 2 / 10_000).sum() * 9 / 6 < 42.7


def test_carried_counts_have_the_same_law_by_both_methods():
    """5 % of the heterozygosity is seen with probability 0.99; a loop that carries nothing is rejected."""
    real, model = mad.Categorical([0.2, 0.3, 0.5]), mad.Categorical(symbols=3)
    regime = Regime(n_initial=8, n_synthetic=6, n_carried=4, memory=2)
    loop = mad.Loop(real=real, model=model, regime=regime)
    keywords = {"replicates": 20_000, "metrics": [discrete.heterozygosity], "progress": False}
    points = mad.simulate(loop, 5, rng=0, method="samples", **keywords)["heterozygosity"]
    counts = mad.simulate(loop, 5, rng=1, method="statistics", **keywords)["heterozygosity"]
    none = dataclasses.replace(loop, regime=Regime(n_initial=8, n_synthetic=6, memory=2))
    dropped = mad.simulate(none, 5, rng=1, method="statistics", **keywords)["heterozygosity"]

    def score(a, b):
        spread = np.sqrt((a.var("replicate") + b.var("replicate")) / 20_000)
        return float(np.abs((a.mean("replicate") - b.mean("replicate")) / spread).max())

    spread = float(np.sqrt(2) * points[:, -1].std())
    assert testing.power(0.05 * float(points[:, -1].mean()), std=spread, n=20_000) > 0.99
    assert score(points, counts) < 5
    assert score(points, dropped) > 5


def test_weights_of_carried_points_replace_those_they_had():
    regime = Regime(
        n_initial=6, real_data="fixed", n_real=3, n_synthetic=4, n_carried=5,
        weights=[None, (1, 2, 3), (4, 5, 6), (7, 8, 9)],
    )  # fmt: skip
    for snapshot in snapshots(regime)[1:]:
        given = np.repeat(regime.at(snapshot.generation).weights, (3, 4, 5))
        np.testing.assert_array_equal(snapshot.training_set.weights, given)


def test_a_law_that_changes_is_that_of_the_generation():
    fresh = regimes.fresh(n_real=8, n_synthetic=8)
    for method in ("statistics", "samples"):
        run = snapshots(fresh, real=law, method=method)
        assert [s.real.mean[0] for s in run] == [law(t).mean[0] for t in range(1, 5)]
    loop = mad.Loop(real=law, model=mad.Gaussian(), regime=fresh)
    assert loop.at(3).real.mean[0] == law(3).mean[0]
    still = mad.Loop(real=law(1), model=mad.Gaussian(), regime=fresh)
    assert still.at(3) is still
    assert "real=law" in repr(loop)


def test_a_law_that_does_not_change_as_a_function_gives_the_same_bits():
    truth, regime = law(1), regimes.fresh(n_real=8, n_synthetic=8)
    loops = [mad.Loop(real=r, model=mad.Gaussian(), regime=regime) for r in (truth, lambda t: truth)]
    for method in ("statistics", "samples"):
        one, other = (mad.simulate(a, 4, replicates=3, rng=0, method=method, progress=False) for a in loops)
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


def test_defaults_of_a_law_that_changes_compare_with_no_fixed_reference():
    """A model without known moments is measured by samples; one reference would be that of one generation."""

    class Kernels(neighbors.KernelDensity):
        pass

    moving = mad.Loop(real=law, model=Kernels(bandwidth=0.3), regime=regimes.fresh(n_real=8, n_synthetic=8))
    names = [metric.__name__ for metric in metrics.defaults(moving)]
    still = [metric.__name__ for metric in metrics.defaults(moving.at(1))]
    assert set(names) < set(still)
    assert "sliced_wasserstein" not in names
    assert set(mad.simulate(moving, 2, replicates=2, rng=0, progress=False)) == set(names)


# Descriptions, identity, resuming -------------------------------------------------------------------------


@pytest.mark.parametrize("name", AXES)
def test_new_axes_have_no_other_name_and_rebuild(name):
    regime = Regime(**AXES[name][0])
    assert getattr(regimes, regime.name, Regime)(**regime.keywords) == regime
    if "law" not in name and name != "budget by generation":
        assert regime.name == "custom"


def test_what_is_as_before_is_said_as_before():
    """Keywords of a regime without the new axes do not name them."""
    old = Regime(n_initial=5, n_synthetic=5, retain=2)
    assert not {"n_fresh", "n_carried"} & set(old.keywords)
    assert old.at(2) == Mix(0, 0, 5, 0, None, None)
    assert regimes.augment(n_real=4, n_synthetic=6, weights=(1, 2)).at(9) == Mix(4, 0, 6, 0, None, (1.0, 2.0))
    assert regimes.fresh(n_real=4, n_synthetic=6).at(2) == Mix(0, 4, 6, 0, None, None)


STORED = {
    "carried": Regime(n_initial=9, n_synthetic=5, n_carried=4, memory=2),
    "fixed and fresh": Regime(
        n_initial=9, real_data="fixed", n_real=(0, 4, 2, 9, 4, 4), n_fresh=3, retain_real=2, n_synthetic=5
    ),
    "a law that changes": regimes.fresh(n_real=5, n_synthetic=5),
}


def moving(t):
    return mad.Gaussian([0.1 * t, 0.0], np.eye(2))


def faster(t):
    return mad.Gaussian([0.2 * t, 0.0], np.eye(2))


@pytest.mark.parametrize("name", STORED)
def test_runs_resume_bit_for_bit_and_are_known_by_content(name, tmp_path):
    real = moving if "law" in name else mad.Gaussian.standard(2)
    loop = mad.Loop(real=real, model=mad.Gaussian(), regime=STORED[name])
    keywords = {"replicates": 7, "rng": 1, "progress": False}
    whole = mad.simulate(loop, 6, **keywords)
    path = tmp_path / "run.nc"
    storage.resume(path, loop, 3, **keywords)
    resumed = storage.resume(path, loop, 6, **keywords)
    for variable in whole:
        np.testing.assert_array_equal(resumed[variable], whole[variable])
    regime = STORED[name]
    changed = {"carried": {"n_carried": 5}, "fixed and fresh": {"n_fresh": 4}, "a law that changes": {}}
    other = dataclasses.replace(loop, regime=dataclasses.replace(regime, **changed[name]))
    if "law" in name:
        other = dataclasses.replace(loop, real=faster)
    assert storage.identity(other) != storage.identity(loop)
    with pytest.raises(storage.StorageError, match="real" if "law" in name else "regime"):
        storage.resume(path, other, 6, **keywords)


@pytest.mark.parametrize("name", ["carried", "fixed and fresh"])
@pytest.mark.parametrize("method", ["statistics", "samples"])
def test_a_pickled_snapshot_continues_as_the_run_does(name, method):
    if name == "carried" and method == "statistics":
        return
    loop = mad.Loop(real=mad.Gaussian.standard(2), model=mad.Gaussian(), regime=STORED[name])
    run = mad.iterate(loop, rng=0, method=method)
    past = [next(run) for _ in range(3)]
    follows, again = next(run), mad.step(loop, pickle.loads(pickle.dumps(past[-1])))
    np.testing.assert_array_equal(follows.model.mean, again.model.mean)
    np.testing.assert_array_equal(follows.model.covariance, again.model.covariance)


# Errors ----------------------------------------------------------------------------------------------------

FIXED = {"n_initial": 8, "n_synthetic": 5, "real_data": "fixed"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (FIXED | {"n_real": 9}, "n_real=9 exceeds n_initial=8.*lower it"),
        (FIXED | {"n_real": (0, 4, 9)}, "n_real=9 exceeds n_initial=8"),
        (FIXED | {"n_real": 0}, "n_real=0 is not a positive integer"),
        (FIXED | {"n_real": (0, 4, -1)}, r"n_real\[2\]=-1"),
        (FIXED | {"n_real": 4, "n_fresh": -1}, "n_fresh=-1"),
        (FIXED | {"n_real": 4, "n_carried": 1.5}, "n_carried=1.5"),
        (FIXED | {"n_real": 4, "n_carried": ()}, r"n_carried=\(\) is empty"),
        (FIXED | {"n_real": 4, "budget": 0}, "budget=0"),
        ({"n_initial": 8, "n_synthetic": 5, "n_fresh": 3}, "n_fresh=3 .*'none'.*real_data='fresh'"),
        (
            {"n_initial": 8, "n_synthetic": 5, "real_data": "fresh", "n_real": 4, "n_fresh": 3},
            "n_fresh=3 .*'fresh': pass them as n_real",
        ),
        (FIXED | {"n_real": 8, "retain_real": 2}, "retain_real=2 .*real_data='fixed'"),
        (FIXED | {"n_real": 8, "weights": (1, 2, 3)}, "are not two positive numbers"),
        (FIXED | {"n_real": 8, "n_carried": 2, "weights": (1, 2)}, "three positive numbers.*carried"),
        (FIXED | {"n_real": 8, "weights": [None, (1, 2), (1, -1)]}, r"weights\[2\]=\(1, -1\)"),
        (FIXED | {"n_real": 8, "budget": lambda t: t, "weights": (1, 2)}, "cannot go with budget"),
    ],
)
def test_what_no_regime_is(fields, message):
    with pytest.raises(ValueError, match=message):
        Regime(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (FIXED | {"n_real": lambda t: 9}, r"n_real\(2\)=9 exceeds n_initial=8"),
        (FIXED | {"n_real": lambda t: -1}, r"n_real\(2\)=-1"),
        (FIXED | {"n_real": (0, 4)}, "n_real lists 2 generations and generation 3"),
        (FIXED | {"n_real": (0, 4, 0, 0), "n_synthetic": (0, 5, 0, 0)}, "no point to train on.*n_carried"),
        (FIXED | {"n_real": 4, "n_carried": 9}, "n_carried=9 exceeds the 8 points .* generation 1; lower it"),
        (FIXED | {"n_real": 4, "n_fresh": 1, "budget": (0, 10, 11, 9)}, "budget=11 exceeds the 10 points"),
        (FIXED | {"n_real": 4, "weights": lambda t: (1, 0)}, r"weights\(2\)=\(1, 0\)"),
        (FIXED | {"n_real": 4, "weights": [None, (1, 2)]}, "weights lists 2 generations and generation 3"),
    ],
)
def test_what_a_generation_cannot_be(fields, message):
    with pytest.raises(ValueError, match=message):
        snapshots(Regime(**fields))


@pytest.mark.parametrize(
    ("fields", "obstacle"),
    [
        ({"n_initial": 8, "n_synthetic": 5, "n_carried": 3}, "n_carried=3 picks individual points"),
        (FIXED | {"n_real": lambda t: t}, "n_real is a function.*pass a sequence"),
    ],
)
def test_statistics_say_what_is_in_their_way(fields, obstacle):
    loop = mad.Loop(real=mad.Gaussian.standard(2), model=mad.Gaussian(), regime=Regime(**fields))
    with pytest.raises(ValueError, match=f"method='statistics' is not available.*{obstacle}.*'samples'"):
        mad.simulate(loop, 3, method="statistics", progress=False)
    assert mad.simulate(loop, 3, replicates=2, rng=0, progress=False).attrs["method"] == "samples"


@pytest.mark.parametrize(
    ("real", "message"),
    [
        (lambda t: np.zeros((5, 2)), r"(?s)real\(1\) is array.*data\.Empirical"),
        (lambda t: None, r"real\(1\) is None"),
        (lambda: mad.Gaussian.standard(2), r"real\(1\) is TypeError"),
        (lambda n, rng: rng.normal(size=(n, 2)), r"has no method sample\(n, \*, rng\)"),
    ],
)
def test_functions_that_return_no_source_are_refused_before_anything_runs(real, message):
    with pytest.raises(TypeError, match=message):
        mad.Loop(real=real, model=mad.Gaussian(), regime=regimes.replace(n=5))


def test_a_later_law_must_be_like_the_first():
    class Points:
        def sample(self, n, *, rng):
            return rng.normal(size=(n, 2))

    loop = mad.Loop(
        real=lambda t: mad.Gaussian.standard(2) if t < 3 else Points(),
        model=mad.Gaussian(),
        regime=regimes.fresh(n_real=5, n_synthetic=5),
    )
    with pytest.raises(ValueError, match="is not at generation 3: real Points has no sample_statistic"):
        mad.simulate(loop, 4, replicates=2, rng=0, progress=False)
    with pytest.raises(ValueError, match=r"real\(3\) of type Points has no expand"):
        mad.simulate(loop, 4, replicates=2, rng=0, method="samples", progress=False)
