"""`monitor`: exact levels in every regime, exact power, negative controls, and errors that say what to do."""

import numpy as np
import pytest

import madtheory as mad
from madtheory.data import Moments, join
from madtheory.monitoring import detection_power
from madtheory.monitoring.laws import shape_law, volume_ratio_law

REGIMES = ("replace", "augment", "accumulate", "fresh", "unchanged")
LEVEL = 0.01


def log(regime, runs, *, dim=2, generations=3, n=20, n_real=15, bias=1.0, seed=0):
    """Return the moments that pipelines of a Gaussian log, and their real data."""
    rng, law = np.random.default_rng(seed), mad.Gaussian.standard(dim).expand(runs)
    real, batches = [law.sample_statistic(n_real, rng=rng)], []
    pool = real[0]
    for _ in range(generations):
        model = law if regime == "unchanged" else mad.Gaussian().fit(pool, rng=rng)
        batches.append(model.sample_statistic(n, rng=rng, bias=bias))
        real.append(law.sample_statistic(n_real, rng=rng))
        pool = {
            "augment": [real[0], batches[-1]],
            "accumulate": [real[0], *batches],
            "fresh": [real[-1], batches[-1]],
        }.get(regime, [batches[-1]])
        pool = join(pool)
    return batches, real[:generations] if regime == "fresh" else real[0]


def z(alarms, expected):
    return (alarms.mean() - expected) / np.sqrt(expected * (1 - expected) / alarms.size)


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("dim", [1, 3])
def test_level_is_exact(regime, dim):
    """20,000 null runs see a level of 1.4 % (z = 4.7 or more) with a power above 1/2; bias is a control."""
    batches, real = log(regime, 20_000, dim=dim)
    verdict = mad.monitor(batches, real=real, regime=regime, level=LEVEL)
    assert abs(z(verdict.collapsing, LEVEL)) < 5
    sequential = mad.monitor(batches, real=real, regime=regime, level=LEVEL, sequential=True)
    assert z(sequential.collapsing, LEVEL) < 5
    biased, real = log(regime, 20_000, dim=dim, bias=0.9)
    assert z(mad.monitor(biased, real=real, regime=regime).collapsing, LEVEL) > 5


@pytest.mark.slow
@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("dim", [1, 2, 5])
def test_level_in_100_000_runs(regime, dim):
    batches, real = log(regime, 100_000, dim=dim, generations=5, n=30, n_real=40, seed=1)
    assert 0.007 < mad.monitor(batches, real=real, regime=regime).collapsing.mean() < 0.013


@pytest.mark.parametrize("regime", REGIMES)
def test_level_of_modes(regime):
    """Runs are written out here, not drawn by the test's own null; the control loses its rarest modes."""
    rng, runs, real = np.random.default_rng(3), 20_000, np.array([40, 30, 20, 5, 3, 1, 1])
    pool, batches = np.broadcast_to(real, (runs, real.size)), []
    for _ in range(3):
        batches.append(rng.multinomial(100, pool / pool.sum(-1, keepdims=True)))
        drawn = rng.multinomial(100, real / 100, size=runs)
        pool = {
            "replace": batches[-1],
            "augment": real + batches[-1],
            "accumulate": real + sum(batches),
            "fresh": drawn + batches[-1],
            "unchanged": np.broadcast_to(real, (runs, real.size)),
        }[regime]
    counts = np.stack(batches, 1)
    alarms = mad.monitor(counts=counts, real_counts=real, regime=regime, level=0.05).collapsing
    # The null's own 20,000 runs have the same noise as these.
    assert abs(z(alarms, 0.05)) < 5 * np.sqrt(2)
    counts[..., 0] += counts[..., 3:].sum(-1)
    counts[..., 3:] = 0
    assert mad.monitor(counts=counts, real_counts=real, regime=regime, level=0.05).collapsing.mean() > 0.9


def test_power_is_exact():
    batches, real = log("replace", 20_000, dim=1, n=100, n_real=100, generations=4, bias=0.85)
    power = float(detection_power(bias=0.85, n=100, generations=4))
    assert 0.2 < power < 0.8
    alarms = mad.monitor(batches, real=real, regime="replace").collapsing
    assert abs(z(alarms, power)) < 5
    assert abs(z(alarms, float(detection_power(bias=0.87, n=100, generations=4)))) > 5


@pytest.mark.parametrize("dim", [2, 3, 6])
def test_laws_by_inversion(dim):
    rng, many = np.random.default_rng(5), 40_000
    a, b = (rng.normal(size=(many, dim, n)) for n in (12, 9))
    first, second = a @ np.swapaxes(a, -1, -2), b @ np.swapaxes(b, -1, -2)
    volume = [np.linalg.slogdet(w)[1] for w in (first, second)]
    shape = volume[0] - dim * np.log(np.trace(first, axis1=1, axis2=2))
    for law, wrong, values in (
        (shape_law(12, dim), shape_law(13, dim), shape),
        (volume_ratio_law(12, 9, dim), volume_ratio_law(13, 9, dim), volume[0] - volume[1]),
    ):
        for at in (0.003, 0.05, 0.5):
            assert abs(z(law.lower_tail(values) <= at, at)) < 5
        assert max(abs(z(wrong.lower_tail(values) <= at, at)) for at in (0.05, 0.5)) > 5


def test_shape_law_in_the_plane_is_a_power():
    """In two dimensions the ratio (2 sqrt|W| / tr W)^(n - 1) is uniform."""
    x = np.log([0.01, 0.3, 0.9]) - np.log(4)
    np.testing.assert_allclose(shape_law(8, 2).lower_tail(x), (4 * np.exp(x)) ** 3.5, atol=1e-7)


def test_a_lost_direction_is_seen_by_the_volume_alone():
    rng = np.random.default_rng(0)
    real = rng.normal(size=(400, 3))
    batch = real[rng.permutation(400)] * [1.3, 1.0, 0.6]
    last = mad.monitor([batch], real=real, regime="replace").dataset.isel(generation=-1)
    assert last["p_volume"] < 1e-4 < 0.05 < last["p_variance"]


def test_points_moments_and_replicates_agree():
    rng = np.random.default_rng(0)
    real, batches = rng.normal(size=(50, 2)), [rng.normal(size=(40, 2)) for _ in range(3)]
    plain = mad.monitor(batches, real=real, regime="accumulate")
    moments = mad.monitor([Moments.of(b) for b in batches], real=Moments.of(real), regime="accumulate")
    stacked = mad.monitor([b[None] for b in batches], real=real[None], regime="accumulate")
    assert plain.dataset.equals(moments.dataset)
    np.testing.assert_allclose(stacked.dataset["p"][0], plain.dataset["p"])
    assert plain.collapsing is False
    assert "no evidence" in str(plain)


def test_an_affine_map_changes_nothing():
    rng = np.random.default_rng(0)
    real, batches = rng.normal(size=(50, 2)), [rng.normal(size=(40, 2)) for _ in range(3)]
    matrix = np.array([[1e6, 3.0], [0.0, 1e-3]])
    for regime in ("replace", "augment", "unchanged"):
        first = mad.monitor(batches, real=real, regime=regime).dataset["p"]
        other = mad.monitor([b @ matrix + 7 for b in batches], real=real @ matrix + 7, regime=regime)
        np.testing.assert_allclose(first, other.dataset["p"], rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"regime": "refresh"}, "regime='refresh'"),
        ({"regime": "replace", "level": 0}, "level=0"),
        ({"regime": "replace", "real": None}, "belong together"),
        ({"regime": "replace", "batches": []}, "no generation"),
        ({"regime": "fresh"}, "list of the real points"),
        ({"regime": "replace", "real": np.ones((5, 2))}, "singular covariance"),
        ({"regime": "replace", "batches": [np.zeros((1, 2))]}, "at least 2"),
        ({"regime": "replace", "batches": None, "real": None}, "leave nothing to test"),
        ({"regime": "replace", "counts": [[1, 2]], "real_counts": [1, 2, 3]}, "last axes"),
        ({"regime": "replace", "counts": [[1.5, 2]], "real_counts": [1, 2]}, "not counts"),
    ],
)
def test_errors_say_what_to_do(arguments, message):
    rng = np.random.default_rng(0)
    given = {"batches": [rng.normal(size=(9, 2))], "real": rng.normal(size=(9, 2))} | arguments
    with pytest.raises((ValueError, TypeError), match=message):
        mad.monitor(given.pop("batches"), **given)
