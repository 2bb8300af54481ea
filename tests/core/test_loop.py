"""The loop is a pure function of its streams: it repeats, restarts and extends bit for bit."""

import dataclasses
import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import madtheory as mad
from madtheory import data, regimes, testing
from madtheory.core.loop import statistics_obstacle
from madtheory.core.streams import _ROLES, Streams
from madtheory.data import Moments, Weighted


def run(loop, generations, **keywords):
    return list(itertools.islice(mad.iterate(loop, **keywords), generations))


def numbers(snapshot):
    """Everything a fitted Gaussian holds."""
    model = snapshot.model
    return model.mean, model.factor, 0 if model.exponent is None else model.exponent


def assert_identical(left, right):
    assert left.generation == right.generation
    for a, b in zip(numbers(left), numbers(right), strict=True):
        assert np.array_equal(a, b)


methods = st.sampled_from(["statistics", "samples"])


@settings(max_examples=40)
@given(loop=testing.loops(max_size=12), method=methods, seed=st.integers(0, 99), stop=st.integers(1, 4))
def test_prefix_and_restart(loop, method, seed, stop):
    """A longer run begins with the shorter one, and continues from any of its snapshots."""
    if method == "statistics" and statistics_obstacle(loop):
        method = "samples"
    keywords = {"rng": seed, "replicates": 3, "method": method}
    whole = run(loop, 5, **keywords)
    for a, b in zip(run(loop, stop, **keywords), whole, strict=False):
        assert_identical(a, b)
    kept = pickle.loads(pickle.dumps(whole[stop - 1])) if _picklable(loop) else whole[stop - 1]
    for a, b in zip(run(loop, 5 - stop, previous=kept), whole[stop:], strict=True):
        assert_identical(a, b)
    assert_identical(mad.step(loop, whole[0]), whole[1])


def _picklable(loop):
    return not callable(loop.regime.n_synthetic) or isinstance(loop.regime.n_synthetic, testing.Growing)


@given(loop=testing.loops(["augment", "accumulate", "custom"], max_size=12), seed=st.integers(0, 99))
@settings(max_examples=20)
def test_a_step_changes_nothing_it_is_given(loop, seed):
    first = mad.start(loop, rng=seed, replicates=2)
    before = pickle.dumps((first.model, first.initial, first.synthetic, first.training_set, loop.model))
    second = mad.step(loop, first)
    mad.step(loop, second)
    assert (
        pickle.dumps((first.model, first.initial, first.synthetic, first.training_set, loop.model)) == before
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.generation = 7
    with pytest.raises(dataclasses.FrozenInstanceError):
        loop.bias = 0.5


def test_streams_have_addresses():
    """A draw depends on seed, block, generation and role, and on nothing else."""
    draws = [
        Streams(seed, block)(generation, role).random()
        for seed in (0, 1)
        for block in (0, 1)
        for generation in (1, 2)
        for role in ("initial", "real", "source", "synthetic", "subsample", "fit")
    ]
    assert len(set(draws)) == len(draws)
    assert Streams(5, 2)(3, "real").random() == Streams(5, 2)(3, "real").random()


@given(
    entropy=st.integers(0, 2**140) | st.sampled_from([0, 2**32, 2**128 - 1, 2**128, 2**300]),
    block=st.integers(0, 2**34),
    generation=st.integers(1, 40) | st.integers(1, 2**34),
    role=st.sampled_from(_ROLES),
)
def test_streams_are_those_of_numpys_seed_sequence(entropy, block, generation, role):
    """The seeds are computed for many addresses at once: state, draws, children and pickles are NumPy's."""
    key = (block, generation, _ROLES.index(role))
    expected = np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=key))
    stream = Streams(entropy, block)(generation, role)
    assert stream.bit_generator.state == expected.bit_generator.state
    other = Streams(entropy + 1, block)(generation, role)
    assert other.bit_generator.state != expected.bit_generator.state
    for _ in range(2):  # a sequence counts the children that it has spawned
        for ours, theirs in zip(stream.spawn(2), expected.spawn(2), strict=True):
            assert ours.bit_generator.state == theirs.bit_generator.state
    copied = pickle.loads(pickle.dumps(stream))
    assert copied.random() == stream.random() == expected.random()
    assert copied.spawn(1)[0].random() == expected.spawn(1)[0].random()
    words = stream.bit_generator.seed_seq.generate_state(5)
    assert np.array_equal(words, expected.bit_generator.seed_seq.generate_state(5))


def test_seeds_of_every_kind():
    loop = mad.Loop(real=mad.Gaussian.standard(1), model=mad.Gaussian(), regime=regimes.replace(n=9))

    def mean(rng):
        return float(mad.start(loop, rng=rng).model.mean[0])

    assert mean(3) == mean(np.random.SeedSequence(3))
    assert mean(np.random.default_rng(3)) == mean(np.random.default_rng(3))
    assert mean(np.random.SeedSequence(3).spawn(2)[0]) != mean(np.random.SeedSequence(3).spawn(2)[1])
    generator = np.random.default_rng(3)
    assert mean(generator) != mean(generator)
    assert mean(None) != mean(None)
    seed = mad.start(loop, rng=None).streams.entropy
    assert mean(seed) == mean(seed)


def snapshots(method, generations=5, replicates=None, bias=None, real=None, model=None, **regime):
    real = mad.Gaussian([1.0, -2.0], [[2.0, 0.6], [0.6, 1.0]]) if real is None else real
    loop = mad.Loop(real=real, model=model or mad.Gaussian(), regime=regimes.Regime(**regime), bias=bias)
    return run(loop, generations, rng=0, replicates=replicates, method=method)


@pytest.mark.parametrize("method", ["statistics", "samples"])
def test_training_sets_have_the_size_the_regime_says(method):
    fixed = {"n_initial": 6, "n_real": 6, "real_data": "fixed"}
    cases = [
        ({"n_initial": 6, "n_synthetic": 5}, [6, 5, 5, 5, 5]),
        ({"n_initial": 6, "n_synthetic": [6, 5, 7, 9, 8]}, [6, 5, 7, 9, 8]),
        ({"n_initial": 6, "n_synthetic": lambda t: 10 * t}, [6, 20, 30, 40, 50]),
        ({**fixed, "n_synthetic": 5}, [6, 11, 11, 11, 11]),
        ({**fixed, "n_synthetic": 5, "retain": "all"}, [6, 11, 16, 21, 26]),
        ({**fixed, "n_synthetic": 5, "retain": 2}, [6, 11, 16, 16, 16]),
        ({"n_initial": 6, "n_real": 3, "real_data": "fresh", "n_synthetic": 5, "memory": 3}, [6, 8, 8, 8, 8]),
        ({"n_initial": 6, "n_real": 3, "real_data": "fresh", "n_synthetic": 5, "budget": 4}, [6, 4, 4, 4, 4]),
        (
            {"n_initial": 6, "n_real": 3, "real_data": "fresh", "n_synthetic": 5, "weights": (1, 2)},
            [6] + [13] * 4,
        ),
    ]
    for regime, expected in cases:
        for replicates in (None, 4):
            found = [data.size(s.training_set) for s in snapshots(method, replicates=replicates, **regime)]
            for n, want in zip(found, expected, strict=True):
                np.testing.assert_allclose(n, want, err_msg=str(regime))


def test_generation_1_is_real_data_only():
    """Neither bias nor the synthetic size enters it."""
    plain = snapshots("samples", 1, n_initial=8, n_synthetic=5)[0]
    other = snapshots("samples", 1, bias=0.1, n_initial=8, n_synthetic=50)[0]
    assert_identical(plain, other)
    assert plain.generation == 1


def test_fixed_real_data_are_those_of_generation_1_and_fresh_are_new():
    fixed = snapshots("samples", n_initial=6, n_synthetic=5, n_real=6, real_data="fixed")
    for snapshot in fixed[1:]:
        assert np.array_equal(snapshot.training_set[:6], fixed[0].training_set)
    fresh = snapshots("samples", n_initial=6, n_synthetic=5, n_real=6, real_data="fresh")
    assert len({s.training_set[:6].tobytes() for s in fresh}) == 5


def test_accumulated_batches_stay():
    kept = snapshots("samples", n_initial=6, n_synthetic=5, n_real=6, real_data="fixed", retain="all")
    for before, after in itertools.pairwise(kept):
        assert np.array_equal(after.training_set[: len(before.training_set)], before.training_set)
    window = snapshots("samples", n_initial=6, n_synthetic=5, retain=2)
    for before, after in itertools.pairwise(window[1:]):
        assert np.array_equal(after.training_set[:5], before.training_set[-5:])


FRESH = {"n_initial": 6, "n_real": 3, "n_synthetic": 5, "real_data": "fresh"}


@pytest.mark.parametrize("method", ["statistics", "samples"])
def test_retained_real_batches_have_the_size_that_the_regime_says(method):
    """Retained from generation 1 on; 5 synthetic points, or all so far, come on top."""
    cases = [
        ({}, [6, 8, 8, 8, 8]),
        ({"retain": "all"}, [6, 8, 13, 18, 23]),
        ({"retain_real": "all"}, [6, 14, 17, 20, 23]),
        ({"retain_real": 1}, [6, 8, 8, 8, 8]),
        ({"retain_real": 2}, [6, 14, 11, 11, 11]),
        ({"retain_real": 3, "retain": 2}, [6, 14, 22, 19, 19]),
        ({"retain_real": "all", "retain": "all"}, [6, 14, 22, 30, 38]),
        ({"retain_real": "all", "retain": "all", "memory": 2}, [6, 14, 22, 30, 38]),
        ({"retain_real": "all", "weights": (1, 2)}, [6, 19, 22, 25, 28]),
    ]
    for regime, expected in cases:
        for replicates in (None, 3):
            found = [
                data.size(s.training_set) for s in snapshots(method, replicates=replicates, **FRESH, **regime)
            ]
            for n, want in zip(found, expected, strict=True):
                np.testing.assert_allclose(n, want, err_msg=str(regime))


@pytest.mark.parametrize("replicates", [None, 3])
def test_retained_real_batches_are_those_drawn(replicates):
    """All of them stand in front, oldest first, and none is drawn twice."""
    plain = snapshots("samples", replicates=replicates, **FRESH)
    batches = [plain[0].training_set, *(s.training_set[..., :3, :] for s in plain[1:])]
    for many in (2, "all"):
        kept = snapshots("samples", replicates=replicates, **FRESH, retain_real=many)
        for t, snapshot in enumerate(kept[1:], start=2):
            expected = np.concatenate(batches[(0 if many == "all" else t - 2) : t], -2)
            assert np.array_equal(snapshot.training_set[..., : expected.shape[-2], :], expected)


def by_hand(regime, generations, seed):
    """Training sets of a loop of `Marker`s that are joined from lists of batches, as a plain loop does."""
    loop = mad.Loop(real=mad.Gaussian.standard(1), model=Marker(), regime=regime)
    snapshot = mad.start(loop, rng=seed)
    reals, synthetic = [snapshot.training_set], []
    yield snapshot, snapshot.training_set
    for t in range(2, generations + 1):
        n = regime.n_synthetic_at(t)
        synthetic.append(snapshot.model.sample(n, rng=None))
        if regime.real_data == "fresh":
            reals.append(loop.real.sample(regime.n_real, rng=snapshot.streams(t, "real")))
        real = {"last": 1, "all": t}.get(regime.retain_real, regime.retain_real)
        many = {"last": 1, "all": t}.get(regime.retain, regime.retain)
        kept = [] if regime.real_data == "none" else reals[-real:]
        pool = np.concatenate([*kept, *synthetic[-many:]])
        if regime.budget is not None:
            order = snapshot.streams(t, "subsample").random(len(pool)).argpartition(regime.budget - 1)
            pool = pool[order[: regime.budget]]
        snapshot = mad.step(loop, snapshot)
        yield snapshot, pool


@pytest.mark.parametrize("sizes", [5, (0, 5, 1, 8, 2, 40, 3, 3), (0, 0, 5, 0, 1, 0, 90, 2)], ids=str)
@pytest.mark.parametrize("retain", ["last", "all", 2, 3])
@pytest.mark.parametrize("budget", [None, 4])
@pytest.mark.parametrize("real", ["none", "fixed", "fresh", "fresh 2", "fresh all"])
def test_pools_are_those_that_a_plain_loop_joins(sizes, retain, budget, real):
    real_data, _, retain_real = real.partition(" ")
    if real_data == "none" and (sizes == (0, 0, 5, 0, 1, 0, 90, 2) or (budget and sizes != 5)):
        return  # pools of no points, or of fewer than the budget
    regime = regimes.Regime(
        n_initial=7, n_synthetic=sizes, real_data=real_data, retain=retain, budget=budget,
        n_real={"none": 0, "fixed": 7, "fresh": 4}[real_data],
        retain_real=int(retain_real) if retain_real.isdigit() else retain_real or "last",
    )  # fmt: skip
    for snapshot, expected in by_hand(regime, 8, seed=3):
        assert np.array_equal(snapshot.training_set, expected)


@pytest.mark.parametrize(
    "regime",
    [
        {"n_initial": 6, "n_real": 6, "real_data": "fixed", "retain": "all"},
        {**FRESH, "retain": "all", "retain_real": 3},
        {"n_initial": 6, "retain": 3},
    ],
    ids=str,
)
def test_two_futures_of_one_snapshot_do_not_meet(regime):
    """Pools share a buffer: whoever writes second gets a copy, and what was written stays."""
    regime = {"n_synthetic": 5} | regime
    past = snapshots("samples", 5, **regime)
    loops_ = [
        mad.Loop(real=mad.Gaussian.standard(2), model=mad.Gaussian(), regime=regimes.Regime(**regime), bias=b)
        for b in (0.5, 2.0)
    ]
    before = [s.training_set.copy() for s in past]
    first = [run(loop, 4, previous=past[2]) for loop in loops_]
    again = [run(loop, 4, previous=pickle.loads(pickle.dumps(past[2]))) for loop in loops_]
    for a, b in zip(itertools.chain(*first), itertools.chain(*again), strict=True):
        assert np.array_equal(a.training_set, b.training_set)
    assert not np.array_equal(first[0][-1].training_set, first[1][-1].training_set)
    for s, kept in zip(past, before, strict=True):
        assert np.array_equal(s.training_set, kept)


class Marker:
    """A model that says which generation its points come from."""

    def __init__(self, mark=0.0):
        self.mark = mark

    def fit(self, points, *, rng):
        values = points.points if isinstance(points, Weighted) else points
        return Marker(values.max() + 1)

    def sample(self, n, *, rng):
        return np.full((n, 1), self.mark)


class Zeros:
    def sample(self, n, *, rng):
        return np.zeros((n, 1))


def test_memory_draws_from_the_last_models_uniformly():
    """Multinomial sources: 3 models, 30,000 points; chi-square at alpha 1e-6 (27.6 at 2 dof)."""
    regime = {"n_initial": 2, "n_synthetic": 30_000, "memory": 3}
    last = snapshots("samples", real=Zeros(), model=Marker(), **regime)[-1]
    assert [m.mark for m in last.models] == [3.0, 4.0, 5.0]
    counts = np.bincount(last.training_set.astype(int).ravel())[-3:]
    assert counts.sum() == 30_000
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 27.6
    # Equal shares would be a different law: they have no spread at all.
    spread = [
        np.bincount(s.training_set.astype(int).ravel())[-3:]
        for s in snapshots("samples", 12, real=Zeros(), model=Marker(), **{**regime, "n_synthetic": 300})[3:]
    ]
    assert np.std(spread) > 2


def test_weights_reach_the_fit():
    weighted = snapshots(
        "samples", 2, n_initial=6, n_synthetic=5, n_real=6, real_data="fixed", weights=(2.0, 0.5)
    )[-1]
    x, w = weighted.training_set.points, weighted.training_set.weights
    assert w.tolist() == [2.0] * 6 + [0.5] * 5
    np.testing.assert_allclose(weighted.model.mean, np.average(x, axis=0, weights=w))
    np.testing.assert_allclose(weighted.model.covariance, np.cov(x.T, aweights=w), rtol=1e-10)


def test_statistics_and_points_fit_the_same_model():
    """The fit to Moments of points is the fit to the points."""
    x = np.random.default_rng(0).normal(size=(4, 9, 3))
    for ddof in (0, 1):
        for known in (None, np.ones(3)):
            model = mad.Gaussian(ddof=ddof, known_mean=known)
            left, right = model.fit(x), model.fit(Moments.of(x))
            np.testing.assert_allclose(left.covariance, right.covariance, rtol=1e-12)
            np.testing.assert_allclose(left.mean, right.mean)


def test_warm_start_fits_from_the_previous_model():
    class Counting(Marker):
        fits = 0

        def fit(self, points, *, rng):
            new = Counting(1.0)
            new.fits = self.fits + 1
            return new

    for warm, expected in ((False, [1, 1, 1, 1]), (True, [1, 2, 3, 4])):
        loop = mad.Loop(real=Zeros(), model=Counting(), regime=regimes.replace(n=4), warm_start=warm)
        assert [s.model.fits for s in run(loop, 4, rng=0)] == expected


def test_bias_is_passed_only_when_asked_for():
    """A model without `bias` in its signature runs in a loop without bias."""
    loop = mad.Loop(real=Zeros(), model=Marker(), regime=regimes.replace(n=4))
    assert [s.model.mark for s in run(loop, 3, rng=0)] == [1.0, 2.0, 3.0]
    with pytest.raises(TypeError, match="bias"):
        run(mad.Loop(real=Zeros(), model=Marker(), regime=regimes.replace(n=4), bias=0.5), 2, rng=0)


@pytest.mark.parametrize("method", ["statistics", "samples"])
@pytest.mark.parametrize(
    "regime",
    [
        regimes.fresh(n_real=3, n_synthetic=3, memory=3),
        regimes.Regime(n_initial=5, n_real=3, n_synthetic=5, real_data="fresh", budget=3, memory=2),
    ],
    ids=["memory", "budget"],
)
@pytest.mark.parametrize("dim", [1, 5])
@pytest.mark.parametrize("empirical", [False, True])
def test_a_source_that_happens_to_give_no_point(method, regime, empirical, dim):
    """With few points some model, or the real data, is not drawn from at all in some replicates."""
    rows = np.random.default_rng(0).normal(size=(9, dim))
    real = rows if empirical else mad.Gaussian.standard(dim)
    loop = mad.Loop(real=real, model=mad.Gaussian(), regime=regime)
    for snapshot in run(loop, 4, rng=0, replicates=400, method=method):
        assert np.isfinite(snapshot.model.mean).all()
        assert np.isfinite(snapshot.model.covariance).all()
