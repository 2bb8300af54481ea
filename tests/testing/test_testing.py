"""The test tools are held to what they promise, wrong inputs first."""

import dataclasses
import random

import numpy as np
import pytest
from hypothesis import given, settings

import madtheory as mad
from madtheory import regimes, testing

RNG = np.random.default_rng


def test_power_is_the_rate_of_rejection():
    """4,000 small experiments with an error of known power 0.5 and 0.9; |z| < 5 on their rates."""
    for wanted in (0.5, 0.9):
        error = testing.smallest_detectable(std=2.0, n=50, limit=3.0, probability=wanted)
        assert testing.power(error, std=2.0, n=50, limit=3.0) == pytest.approx(wanted, abs=1e-6)
        samples = RNG(0).normal(0.0, 2.0, size=(4_000, 50))
        rejected = 0
        for row in samples:
            try:
                testing.assert_mean_matches(row, error, std=2.0, limit=3.0)
            except AssertionError:
                rejected += 1
        assert abs(rejected / 4_000 - wanted) < 5 * np.sqrt(wanted * (1 - wanted) / 4_000)
    assert testing.power(0.0, std=1.0, n=10) == pytest.approx(5.7e-7, rel=0.01)


def test_the_message_shows_what_it_takes_to_judge():
    with pytest.raises(AssertionError, match=r"variance\[1\].*n=100 .*z=.*detects an error of 0\.628.*0\.9"):
        testing.assert_mean_matches(np.zeros((100, 2)), [0.0, 1.0], std=1.0, name="variance")


@pytest.mark.parametrize("samples", [np.nan, np.inf])
def test_samples_that_are_not_finite_fail(samples):
    with pytest.raises(AssertionError):
        testing.assert_mean_matches(np.full(50, samples), 1.0)
    mixed = RNG(0).normal(size=50)
    mixed[7] = samples
    with pytest.raises(AssertionError):
        testing.assert_mean_matches(mixed, 0.0)


def test_infinite_expectations_are_of_every_sample():
    testing.assert_mean_matches(np.full(5, -np.inf), -np.inf)
    with pytest.raises(AssertionError):
        testing.assert_mean_matches([-np.inf, -np.inf, -78.0], -np.inf)
    with pytest.raises(AssertionError):
        testing.assert_mean_matches(np.full(5, np.inf), -np.inf)
    with pytest.raises(AssertionError):
        testing.assert_mean_matches(RNG(0).normal(size=50), np.nan)


def test_constants_are_compared_to_rounding():
    testing.assert_mean_matches(np.full(5, 3.0), 3.0 * (1 + 1e-12))
    with pytest.raises(AssertionError):
        testing.assert_mean_matches(np.full(5, 3.0), 3.0 * (1 + 1e-7))
    testing.assert_mean_matches(np.full(5, 3.0), 3.0 * (1 + 1e-7), rtol=1e-6)


def test_bounds_are_one_sided():
    samples = RNG(0).normal(size=1000)
    testing.assert_mean_matches(samples, -1.0, bound="lower")
    testing.assert_mean_matches(samples, 1.0, bound="upper")
    for side, expected in (("lower", 1.0), ("upper", -1.0)):
        with pytest.raises(AssertionError):
            testing.assert_mean_matches(samples, expected, bound=side)
    testing.assert_mean_matches(samples, np.inf, bound="upper")


def test_one_sample_needs_a_standard_error():
    with pytest.raises(ValueError, match="samples has 1 replicates"):
        testing.assert_mean_matches([1.0], 1.0)
    testing.assert_mean_matches([1.0], 1.2, std=1.0)


def test_rates():
    steps = RNG(0).normal(-0.05, 0.3, size=(50, 400))
    logs = np.cumsum(steps, axis=1)
    for keywords in ({}, {"std": 0.3}):
        testing.assert_rate_matches(logs, -0.05, **keywords)
        testing.assert_rate_matches(logs[:, ::57], -0.05, generation=np.arange(1, 401)[::57], **keywords)
        with pytest.raises(AssertionError, match="rate"):
            testing.assert_rate_matches(logs, -0.03, **keywords)
    with pytest.raises(ValueError, match="spans no time"):
        testing.assert_rate_matches(logs[:, :1], 0.0)


@given(loop=testing.loops(moving=True))
def test_strategies_give_loops_that_run(loop):
    run = mad.iterate(loop, rng=0, replicates=2)
    assert [next(run).generation for _ in range(4)] == [1, 2, 3, 4]


def test_strategies_reach_the_hard_cases():
    """Singular fits, growing sizes, memory, weights, known means, every regime."""
    seen = set()

    @settings(max_examples=200)
    @given(loop=testing.loops(moving=True) | testing.loops(["custom"], moving=True))
    def collect(loop):
        regime, mix = loop.regime, loop.regime.at(2)
        seen.add(regime.name)
        seen.update(
            label
            for label, holds in {
                "singular": regime.n_initial <= loop.at(1).real.dim,
                "moving": loop.real_changes,
                "part": 0 < mix.n_fixed < regime.n_initial,
                "changing part": isinstance(regime.n_real, tuple),
                "fixed and fresh": mix.n_fixed and mix.n_fresh,
                "fixed and all fresh": mix.n_fixed and mix.n_fresh and regime.retain_real == "all",
                "changing fresh": callable(regime.n_real) or callable(regime.n_fresh),
                "carried": isinstance(regime.n_carried, int) and regime.n_carried,
                "changing carried": callable(regime.n_carried),
                "carried and weighted": regime.n_carried and regime.weights is not None,
                "carried and subsampled": regime.n_carried and regime.budget is not None,
                "changing budget": callable(regime.budget),
                "changing weights": callable(regime.weights),
                "growing": callable(regime.n_synthetic) and regime.name != "custom",
                "memory": regime.memory > 1,
                "weights": regime.weights is not None,
                "budget": regime.budget is not None and regime.name == "custom",
                "known mean": loop.model.known_mean is not None,
                "ddof 0": loop.model.ddof == 0,
                "bias above 1": (loop.bias or 0) > 1,
                "no bias": loop.bias is None,
                "replacement": regime.replacement,
            }.items()
            if holds
        )

    collect()
    assert seen >= set(testing.REGIMES) | {"growing", "memory", "weights", "budget", "known mean", "no bias"}
    assert seen >= {"singular", "ddof 0", "bias above 1", "replacement", "moving", "part", "changing part"}
    assert seen >= {"fixed and fresh", "fixed and all fresh", "changing fresh", "carried", "changing carried"}
    assert seen >= {"carried and weighted", "carried and subsampled", "changing budget", "changing weights"}


# Conformance: a sound model passes, each broken one is caught by name -----------------------------------


@dataclasses.dataclass(frozen=True, eq=False)
class Bootstrap:
    """The smallest honest model: it repeats its training points with a little noise."""

    points: np.ndarray | None = None

    def fit(self, data, *, rng):
        return type(self)(np.array(data))

    def sample(self, n, *, rng):
        rows = self.points[rng.integers(len(self.points), size=n)]
        return rows + 0.1 * rng.standard_normal(rows.shape)


class FitsInPlace(Bootstrap):
    def fit(self, data, *, rng):
        object.__setattr__(self, "points", np.array(data))
        return self


class FitsTemplateToo(Bootstrap):
    def fit(self, data, *, rng):
        object.__setattr__(self, "points", np.array(data))
        return type(self)(np.array(data))


class ReturnsNone(Bootstrap):
    def fit(self, data, *, rng):
        return None


class ChangesData(Bootstrap):
    def fit(self, data, *, rng):
        data -= 1
        return type(self)(np.array(data))


class GlobalRandom(Bootstrap):
    def sample(self, n, *, rng):
        return super().sample(n, rng=rng) + np.random.standard_normal((n, 1))  # noqa: NPY002


class OwnRandom(Bootstrap):
    def sample(self, n, *, rng):
        return super().sample(n, rng=np.random.default_rng())


class Deterministic(Bootstrap):
    def sample(self, n, *, rng):
        return super().sample(n, rng=np.random.default_rng(0))


class WrongShape(Bootstrap):
    def sample(self, n, *, rng):
        return super().sample(n, rng=rng)[:, :1]


class NotFinite(Bootstrap):
    def sample(self, n, *, rng):
        return super().sample(n, rng=rng) * np.where(np.arange(n) == 5, np.nan, 1)[:, None]


class IgnoresBias(Bootstrap):
    def sample(self, n, *, rng, bias=None):
        return super().sample(n, rng=rng)


class RefusesBadly(Bootstrap):
    def sample(self, n, *, rng, bias=None):
        if bias is not None:
            raise ValueError("no")
        return super().sample(n, rng=rng)


class AcceptsNegativeBias(Bootstrap):
    def sample(self, n, *, rng, bias=None):
        return super().sample(n, rng=rng) * (1.0 if bias is None else bias)


class NotPicklable(Bootstrap):
    def __reduce__(self):
        raise TypeError("no")


class WrongStatistic(mad.Gaussian):
    """One degree of freedom too many."""

    def _new(self, *values):
        return object.__new__(type(self))._set(*values, self.ddof, self.known_mean)

    def sample_statistic(self, n, *, rng, bias=1.0):
        return dataclasses.replace(
            super().sample_statistic(n + 1, rng=rng, bias=bias), weight=float(n), squared_weight=float(n)
        )


class RepeatsReplicates(mad.Gaussian):
    def _new(self, *values):
        return object.__new__(type(self))._set(*values, self.ddof, self.known_mean)

    def sample(self, n, *, rng, bias=None):
        points = super().sample(n, rng=rng, bias=bias)
        return points if points.ndim == 2 else np.broadcast_to(points[:1], points.shape)


class ShrinksAtBiasOne(Bootstrap):
    def sample(self, n, *, rng, bias=None):
        if bias is not None and bias < 0:
            raise ValueError("bias is negative")
        return super().sample(n, rng=rng) * (1.0 if bias is None else 0.5 * bias)


class ShrinksALittleAtBiasOne(Bootstrap):
    """By 5 %, which two samples of 2,000 points do not show; equal generators do."""

    def sample(self, n, *, rng, bias=None):
        if bias is not None and bias < 0:
            raise ValueError("bias is negative")
        return super().sample(n, rng=rng) * (1.0 if bias is None else 0.95 * bias)


class IgnoresItsData(Bootstrap):
    def fit(self, data, *, rng):
        return type(self)(np.zeros_like(data))


class ReturnsLists(Bootstrap):
    def sample(self, n, *, rng):
        return super().sample(n, rng=rng).tolist()


class ReturnsPointsTwice(Bootstrap):
    def sample(self, n, *, rng):
        return np.repeat(super().sample(n // 2 + 1, rng=rng), 2, axis=0)[:n]


class ReturnsHalvesTwice(Bootstrap):
    def sample(self, n, *, rng):
        return np.tile(super().sample((n + 1) // 2, rng=rng), (2, 1))[:n]


class KeepsAView(Bootstrap):
    def fit(self, data, *, rng):
        return type(self)(data)


class PythonRandom(Bootstrap):
    def sample(self, n, *, rng):
        return super().sample(n, rng=rng) + random.random()


class ChangesItselfInSample(Bootstrap):
    def sample(self, n, *, rng):
        object.__setattr__(self, "points", self.points + 1.0)
        return super().sample(n, rng=rng)


class TakesNoRng(Bootstrap):
    def fit(self, data):
        return type(self)(np.array(data))


class ReturnsComplex(Bootstrap):
    def sample(self, n, *, rng):
        return super().sample(n, rng=rng).astype(complex)


REAL = np.random.default_rng(0).normal(size=(30, 2))
BROKEN = {
    FitsInPlace: "changed the template",
    FitsTemplateToo: "changed the template",
    ReturnsNone: "returned None",
    ChangesData: "changed its data",
    GlobalRandom: "global generator",
    OwnRandom: "all randomness from rng",
    Deterministic: "same for different rng",
    WrongShape: r"shape \(1, 1\)",
    NotFinite: "not finite",
    IgnoresBias: "ignores bias=0.5",
    RefusesBadly: "does not name bias",
    AcceptsNegativeBias: "accepts bias=-1",
    NotPicklable: "cannot be pickled",
    WrongStatistic: "sample_statistic",
    ShrinksAtBiasOne: "bias=1 differs in law",
    ReturnsPointsTwice: "returns points twice",
    ReturnsHalvesTwice: "returns points twice",
    KeepsAView: "as a view",
    PythonRandom: "Python's random",
    ChangesItselfInSample: "changed",
    TakesNoRng: "does not take rng",
    ReturnsComplex: "complex",
    RepeatsReplicates: "repeats one draw",
    ShrinksALittleAtBiasOne: "has another spread than without bias",
    IgnoresItsData: "ignores its data",
    ReturnsLists: "returns a list",
}


def test_a_sound_model_conforms():
    testing.check_generative_model(Bootstrap(), real=REAL)
    testing.check_generative_model(Bootstrap(), real=mad.Gaussian.standard(3), n=10)


@pytest.mark.parametrize("model", BROKEN, ids=lambda model: model.__name__)
def test_broken_models_do_not_conform(model):
    with pytest.raises(AssertionError, match=BROKEN[model]):
        testing.check_generative_model(model(), real=REAL)


def test_scikit_learn_style_wrappers_conform():
    """A foreign estimator in one class of two methods."""
    pytest.importorskip("sklearn")
    from sklearn.neighbors import KernelDensity

    class Kernel(Bootstrap):
        def sample(self, n, *, rng):
            density = KernelDensity(bandwidth=0.2).fit(self.points)
            return density.sample(n, random_state=int(rng.integers(2**31)))

    globals()["Kernel"] = Kernel
    Kernel.__qualname__ = "Kernel"
    testing.check_generative_model(Kernel(), real=REAL)


def test_conformance_of_a_loop_with_a_metric_of_ones_own():
    def spread(snapshot):
        return snapshot.model.sample(50, rng=RNG(0)).std()

    testing.check_generative_model(Bootstrap(), real=REAL, metric=spread)
    assert regimes.replace(n=5).name == "replace"
