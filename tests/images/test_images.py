"""Sets of images as a training set: what the loop asks of them, and that it reads no pixels."""

import itertools
import pickle
import tracemalloc
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import madtheory as mad
from madtheory import data
from madtheory.images.data.images import Images, RealImages
from madtheory.images.data.shards import write_shards


def rng(seed=0):
    return np.random.default_rng(seed)


def pixels(n, seed=0, shape=(3, 2, 1)):
    return rng(seed).integers(256, size=(n, *shape), dtype=np.uint8)


@dataclass(frozen=True)
class Unread:
    """A part that must not be read: it stands for a set that does not fit into memory."""

    shape: tuple[int, int, int, int]
    labelled: bool = False
    labels: None = None
    seeds: None = None

    def read(self, index):
        raise AssertionError("pixels were read")

    digests = read


@dataclass(frozen=True)
class Spy:
    """Counts the bytes that are read."""

    array: Any
    counted: list
    labelled: bool = False
    labels: None = None
    seeds: None = None

    @property
    def shape(self):
        return self.array.shape

    def read(self, index):
        self.counted.append(self.array[index].nbytes)
        return self.array[index]


def test_a_set_is_its_array():
    array = pixels(7)
    images = Images.of(array, labels=range(7), seeds=np.arange(7) + 10)
    assert (len(images), images.weight, images.shape) == (7, 7, (7, 3, 2, 1))
    assert np.array_equal(images, array)
    assert np.asarray(images).dtype == np.uint8
    assert np.array_equal(images.batch([3, 3, 0]), array[[3, 3, 0]])
    assert [len(batch) for batch in images.batches(3)] == [3, 3, 1]
    assert np.array_equal(np.concatenate(list(images.batches(3))), array)
    assert images.seeds.dtype == np.uint64
    chosen = images.select([5, 1])
    assert (chosen.labels.tolist(), chosen.seeds.tolist()) == ([5, 1], [15, 11])
    assert np.array_equal(chosen, array[[5, 1]])
    assert np.array_equal(images.select(images.labels % 2 == 0), array[::2])
    assert chosen.select([]).shape == (0, 3, 2, 1)
    assert repr(chosen) == "Images(shape=(2, 3, 2, 1), labels)"


def test_the_pixels_of_a_set_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        Images.of(pixels(2)).parts[0].pixels[0] = 0


def test_the_monoid_of_the_core():
    """`madtheory.data` treats sets as it treats arrays: the same sizes, and for `first` the same rows."""
    a, b, c = (pixels(n, n) for n in (4, 1, 6))
    joined = data.join([Images.of(a), Images.of(b).first(1.0), Images.of(c).select([5, 0, 3])])
    expected = np.concatenate([a, b, c[[5, 0, 3]]])
    assert data.size(joined) == 8
    assert np.array_equal(joined, expected)
    assert np.array_equal(joined.select([7, 4, 0, 6]), expected[[7, 4, 0, 6]])
    assert np.array_equal(data.join([joined, Images.of(b)]), np.concatenate([expected, b]))
    for share in (0.0, 0.25, 1 / 3, 1.0):
        flat = expected.reshape(8, -1)
        assert np.array_equal(np.asarray(data.first(joined, share)).reshape(-1, 6), data.first(flat, share))
    drawn = data.subsample(joined, 8, rng=rng())
    assert sorted(map(bytes, np.asarray(drawn))) == sorted(map(bytes, expected))
    repeated = np.asarray(data.subsample(joined, 1000, rng=rng(), replacement=True))
    assert {bytes(image) for image in repeated} == {bytes(image) for image in expected}


def test_a_subsample_is_uniform():
    images, counts = Images.of(np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)), np.zeros(10)
    for seed in range(500):
        counts[np.asarray(images.subsample(3, rng=rng(seed))).ravel()] += 1
    # Each of 10 images is in 3/10 of the draws: standard deviation (500 * 0.21)^(1/2) = 10.
    assert np.abs(counts - 150).max() < 45


def test_every_order_is_equally_likely():
    """Chi-square of the 6 orders of three images: above 20.5 with probability 0.001."""
    images, generator = Images.of(np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1)), rng()
    orders = [np.ravel(data.shuffle(images, rng=generator)) for _ in range(6_000)]
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    assert len(counts) == 6
    assert ((counts - 1_000) ** 2 / 1_000).sum() < 20.5


def test_joining_and_selecting_read_nothing():
    """Twenty generations of 50,000 images, 32 x 32 x 3, are 3 GB; their union takes some bytes."""
    generations = [Images((Unread((50_000, 32, 32, 3)),)) for _ in range(20)]
    tracemalloc.start()
    pool = generations[0]
    for generation in generations[1:]:
        pool = data.join([pool, generation])
    assert tracemalloc.get_traced_memory()[1] < 100_000
    drawn = data.subsample(pool, 50_000, rng=rng())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(pool), len(drawn), drawn.labels) == (1_000_000, 50_000, None)
    assert peak < 64_000_000  # the places of a million images, not their 3 GB
    assert len(pickle.dumps(pool)) < 3000


def test_a_batch_reads_only_its_images(monkeypatch):
    counted = []
    pool = data.join([Images((Spy(pixels(50, k), counted),)) for k in range(20)])
    pool.subsample(100, rng=rng()).first(0.5)
    assert counted == []
    pool.batch(np.arange(45, 55))
    assert counted == [5 * 6, 5 * 6]
    counted.clear()
    assert sum(batch.nbytes for batch in pool.batches(64)) == sum(counted) == 1000 * 6


def test_streaming_shards_takes_the_memory_of_a_batch(tmp_path):
    """Four generations of 500 images of 3072 bytes (6 MB in all) through batches of 32 (98 kB)."""
    for k in range(4):
        array = pixels(500, k, (32, 32, 3))
        write_shards(tmp_path / str(k), lambda start, stop, array=array: array[start:stop], 500, shard=200)
    from madtheory.images.data.shards import open_shards

    pool = data.join([open_shards(tmp_path / str(k)) for k in range(4)])
    tracemalloc.start()
    total = sum(int(batch.sum()) for batch in pool.batches(32))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == sum(int(pixels(500, k, (32, 32, 3)).sum()) for k in range(4))
    assert peak < 1_000_000
    assert len(pickle.dumps(pool)) < 4000


def test_the_fingerprint_is_of_the_content(tmp_path):
    array, labels = pixels(9), np.arange(9) % 2
    images = Images.of(array, labels)
    stored = write_shards(tmp_path / "a", lambda i, j: array[i:j], 9, labels=labels, seeds=range(9), shard=4)
    pieces = data.join([images.first(0.5), images.select(range(4, 9))])
    assert images.fingerprint() == stored.fingerprint() == pieces.fingerprint()
    assert pickle.loads(pickle.dumps(stored)).fingerprint() == images.fingerprint()
    changed = array.copy()
    changed[8, 2, 1, 0] ^= 1
    others = [
        Images.of(changed, labels),
        Images.of(array),
        Images.of(array, 1 - labels),
        Images.of(array[::-1], labels),
        Images.of(array.reshape(9, 2, 3, 1), labels),
        images.first(0.9),
    ]
    assert len({other.fingerprint() for other in [images, *others]}) == 7


@dataclass(frozen=True)
class Memoriser:
    """A model that knows its training images, and samples them."""

    images: Any = None

    def fit(self, images, *, rng):
        return Memoriser(images)

    def sample(self, n, *, rng, bias=None):
        return self.images.subsample(n, rng=rng, replacement=True)


def numbered(n):
    """Images that carry their number."""
    number = np.arange(n)
    return np.stack([number // 256, number % 256], -1).astype(np.uint8).reshape(n, 2, 1, 1)


def numbers(images):
    first, second = np.asarray(images).reshape(-1, 2).astype(int).T
    return (256 * first + second).tolist()


def generations(regime, many, total=1000):
    loop = mad.Loop(real=RealImages(Images.of(numbered(total))), model=Memoriser(), regime=regime)
    return list(itertools.islice(mad.iterate(loop, rng=1), many))


def test_fresh_data_are_drawn_once():
    """Without synthetic images a training set is the draw itself: all draws together hold no image twice."""
    run = generations(mad.regimes.fresh(n_real=150, n_synthetic=0, n_initial=100), 7)
    drawn = [numbers(snapshot.training_set) for snapshot in run]
    assert [len(draw) for draw in drawn] == [100] + 6 * [150]
    assert sorted(itertools.chain(*drawn)) == list(range(1000))
    assert [snapshot.real.left for snapshot in run] == [900 - 150 * t for t in range(7)]


def test_fresh_data_end_in_the_right_generation():
    regime = mad.regimes.fresh(n_real=300, n_synthetic=50)
    run = generations(regime, 3)
    assert [len(snapshot.training_set) for snapshot in run] == [300, 350, 350]
    with pytest.raises(ValueError, match="n=300 exceeds the 100 images that are left of images") as caught:
        generations(regime, 4)
    for told in (
        "3 draws have used 900 of its 1000",
        "in generation 4",
        "after generation 3",
        "lower n_real",
    ):
        assert told in str(caught.value)


def test_the_fresh_loop_is_continued_from_a_snapshot():
    regime = mad.regimes.fresh(n_real=200, n_synthetic=10)
    loop = mad.Loop(real=RealImages(Images.of(numbered(1000))), model=Memoriser(), regime=regime)
    whole = generations(regime, 4)
    going_on = mad.iterate(loop, previous=pickle.loads(pickle.dumps(whole[1])))
    assert numbers(next(going_on).training_set) == numbers(whole[2].training_set)
    assert numbers(next(going_on).training_set) == numbers(whole[3].training_set)


def test_the_other_regimes():
    run = generations(mad.regimes.replace(n=40), 3)
    assert [len(snapshot.training_set) for snapshot in run] == [40, 40, 40]
    assert (
        set(numbers(run[2].training_set))
        < set(numbers(run[1].training_set))
        < set(numbers(run[0].training_set))
    )
    run = generations(mad.regimes.augment(n_real=40, n_synthetic=20), 4)
    assert [len(snapshot.training_set) for snapshot in run] == [40, 60, 60, 60]
    assert all(numbers(s.training_set)[:40] == numbers(run[0].training_set) for s in run)
    run = generations(mad.regimes.accumulate(n=30), 4)
    assert [len(snapshot.training_set) for snapshot in run] == [30, 60, 90, 120]
    assert numbers(run[3].training_set)[:90] == numbers(run[2].training_set)
    run = generations(mad.regimes.accumulate_subsample(n=30), 4)
    assert [len(snapshot.training_set) for snapshot in run] == [30] * 4
    logarithmic = mad.regimes.Regime(n_initial=30, n_synthetic=30, retain="logarithmic")
    assert [len(snapshot.training_set) for snapshot in generations(logarithmic, 4)] == [30, 30, 45, 60]


def test_weights_are_refused():
    with pytest.raises(TypeError, match="use a regime without weights"):
        generations(mad.regimes.augment(n_real=4, n_synthetic=4, weights=(1, 2)), 2)


def test_wrong_input_says_what_to_write():
    images = Images.of(pixels(4), labels=[0, 1, 0, 1])
    wrong = [
        (lambda: Images.of(pixels(4)[..., 0]), r"pass pixels\[..., None\]"),
        (lambda: Images.of(pixels(4) / 255), "255 \\* pixels"),
        (lambda: Images.of(pixels(4), labels=[0, 1]), r"shape \(4,\)"),
        (lambda: Images.of(pixels(4), labels=[0, 1, 2, -1]), "0 or more"),
        (lambda: Images.of(pixels(4), labels=[0.5, 1, 2, 3]), "whole number"),
        (lambda: Images.of(pixels(4), seeds=[1]), "one per image"),
        (lambda: images.subsample(5, rng=rng()), "exceeds the 4 images"),
        (lambda: images.batch([[0]]), "whole numbers"),
        (lambda: images.batch([0.5]), "whole numbers"),
        (lambda: images.batches(0).__next__(), "size=0"),
        (lambda: data.join([images, Images.of(pixels(3))]), r"no labels.*labels=False"),
        (lambda: data.join([Images.of(pixels(3)), images]), r"no labels.*labels=False"),
        (lambda: data.join([images, Images.of(pixels(3, shape=(2, 2, 1)))]), "height, width and channels"),
        (lambda: np.asarray(images, copy=False), "leave copy out"),
        (
            lambda: RealImages(images, "four").take(5, rng=rng()),
            "n=5 exceeds the 4 images of four; request 4",
        ),
        (lambda: RealImages(images).sample(2, rng=rng(), bias=1.0), "leave it out"),
    ]
    for call, message in wrong:
        with pytest.raises(ValueError, match=message):
            call()
    for call in (lambda: images.batch([4]), lambda: images.select([-1])):
        with pytest.raises(IndexError, match="count from 0 to 3"):
            call()
    with pytest.raises(TypeError, match=r"Images.of\(array\)"):
        data.join([images, pixels(3)])
    with pytest.raises(TypeError, match=r"Images.of\(array\)"):
        RealImages(pixels(3))
