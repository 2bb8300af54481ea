"""Seeds: integers that are equal give equal numbers; what is not a seed is refused by name."""

import numpy as np
import pytest

import madtheory as mad
from madtheory import metrics, regimes
from madtheory.core.streams import Streams
from madtheory.validation import check_seed

LOOP = mad.Loop(real=mad.Gaussian.standard(2), model=mad.Gaussian(), regime=regimes.replace(n=20))


@pytest.mark.parametrize(
    "seed",
    [np.int64(3), np.uint8(3), np.array(3), np.random.SeedSequence(3), np.random.SeedSequence(np.int64(3))],
)
def test_equal_seeds_give_equal_runs(seed):
    def run(rng):
        return mad.simulate(LOOP, 3, rng=rng, replicates=4, progress=False)

    assert run(seed).identical(run(3))
    assert run(seed).attrs["seed"] == "3"
    assert not run(seed).equals(run(4))  # negative control


@pytest.mark.parametrize(
    "seed",
    [True, np.True_, np.array(True), -1, np.int64(-1), 3.0, np.float64(3), "3", b"3", [3], 3j, {}, "a" * 999],
)
def test_what_is_not_a_seed(seed):
    points = np.random.default_rng(0).normal(size=(8, 2))
    for call in (
        lambda: mad.simulate(LOOP, 3, rng=seed, replicates=2),
        lambda: mad.start(LOOP, rng=seed),
        lambda: next(mad.iterate(LOOP, rng=seed)),
        lambda: Streams.of(seed),
        lambda: metrics.sliced_wasserstein(real=points, fake=points, rng=seed),
        lambda: metrics.on_samples(metrics.class_variance, n=5, labelled=True, rng=seed),
    ):
        with pytest.raises(ValueError, match=r"^rng=.* is not a seed; pass an int >= 0") as error:
            call()
        assert len(str(error.value)) < 400


def test_documented_seeds_are_accepted():
    spawned = np.random.SeedSequence(3).spawn(1)[0]
    assert Streams.of(spawned) == Streams.of(np.random.SeedSequence(3, spawn_key=(0,))) != Streams.of(3)
    assert Streams.of(np.random.default_rng(0)) == Streams.of(np.random.default_rng(0)) != Streams.of(0)
    assert Streams.of(None) != Streams.of(None)
    assert Streams.of(2**200).entropy == 2**200


def test_seeds_of_networks_and_images():
    pytest.importorskip("torch")
    from madtheory import images, networks

    points = np.random.default_rng(0).normal(size=(8, 2))
    with pytest.raises(ValueError, match=r"^seed=True is not a seed"):
        networks.cached_fit(networks.Classifier(), points, np.arange(8) % 2, seed=True)
    for seed in (True, -1, 2.0, "0"):
        with pytest.raises(ValueError, match=r"^seed=.* is not a seed"):
            images.features.random_convolutions(seed)
    one, other = (images.features.random_convolutions(seed, 4, channels=1) for seed in (3, np.int64(3)))
    assert one.name == other.name


def test_a_truth_value_of_torch_is_not_a_seed():
    torch = pytest.importorskip("torch")
    assert check_seed(torch.tensor(3)) == 3
    with pytest.raises(ValueError, match="is not a seed"):
        check_seed(torch.tensor(True))
    with pytest.raises(ValueError, match="is not a positive integer"):
        regimes.replace(n=torch.tensor(True))
