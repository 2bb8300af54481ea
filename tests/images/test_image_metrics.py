"""Metrics of streamed images: equal to those of all points at once, kept by content, in little memory."""

import tracemalloc
import warnings
from dataclasses import dataclass, field

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

import madtheory as mad
from madtheory.data import Moments
from madtheory.images import Images, ImageStoreError, write_shards
from madtheory.images.data import datasets
from madtheory.images.evaluation import features, metrics
from madtheory.images.evaluation.features import Features


def rng(seed=0):
    return np.random.default_rng(seed)


def pictures(n, seed=0, size=6, channels=1, low=0):
    return Images.of(rng(seed).integers(low, 256, size=(n, size, size, channels), dtype=np.uint8))


def linear(dim, seed=1, offset=0.0, scale=1.0):
    """Double-precision features: a random linear map of the pixels and their squares."""

    def function(pixels):
        x = pixels.reshape(len(pixels), -1) / 255
        both = np.concatenate([x, x**2], 1)
        return offset + scale * both @ rng(seed).normal(size=(both.shape[1], dim))

    return Features(f"linear-{dim}-{seed}-{offset}-{scale}", function)


def points(images, found):
    return found(np.asarray(images))


# Equal to all at once -------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 7, 64, 1000])
@pytest.mark.parametrize(
    ("n", "dim"), [(60, 1), (300, 20), (40, 64), (100, 100), (3, 30)], ids=lambda value: str(value)
)
def test_streamed_is_all_at_once(n, dim, batch):
    real, fake, found = pictures(n + 9), pictures(n, 5, low=60), linear(dim)
    streamed = metrics.frechet_distance(
        *(metrics.feature_summary(images, found, batch=batch).moments for images in (real, fake))
    )
    at_once = mad.metrics.frechet_distance(real=points(real, found), fake=points(fake, found))
    assert streamed == pytest.approx(at_once, rel=1e-9)
    assert at_once > 0


def test_streamed_is_all_at_once_far_from_the_origin():
    """Means 1e6 deviations from zero, which moments of the raw numbers do not survive."""
    real, fake, found = pictures(300), pictures(200, 5, low=40), linear(10, offset=1e6)
    sets = [points(images, found) for images in (real, fake)]
    at_once = mad.metrics.frechet_distance(real=sets[0], fake=sets[1])
    streamed = metrics.frechet_distance(*(metrics.feature_summary(s, found).moments for s in (real, fake)))
    assert streamed == pytest.approx(at_once, rel=1e-6)
    # Negative control: what most codes do, in single precision.
    total = np.zeros((10, 10), np.float32)
    for row in sets[0].astype(np.float32):
        total += np.outer(row, row)
    naive = np.trace(total / 300 - np.outer(sets[0].mean(0), sets[0].mean(0)))
    assert naive != pytest.approx(np.trace(np.cov(sets[0], rowvar=False, ddof=0)), rel=0.1)


def test_moments_join_in_any_order():
    real, found = pictures(90), linear(12)
    whole = metrics.feature_summary(real, found).moments
    pieces = [
        metrics.feature_summary(real.select(range(a, b)), found).moments
        for a, b in ((40, 90), (0, 5), (5, 40))
    ]
    joined = Moments.joined(pieces)
    expected = points(real, found)
    for moments in (whole, joined):
        assert moments.weight == 90
        np.testing.assert_allclose(moments.mean, expected.mean(0), rtol=1e-12)
        np.testing.assert_allclose(moments.scatter, 89 * np.cov(expected, rowvar=False), rtol=1e-9)
    other = metrics.feature_summary(pictures(50, 3, low=30), found).moments
    assert metrics.frechet_distance(joined, other) == pytest.approx(metrics.frechet_distance(whole, other))


def test_collapsed_images():
    """All images one and the same: no spread, and the distance to itself is exactly zero."""
    one = Images.of(np.repeat(np.asarray(pictures(1, 9)), 50, axis=0))
    found = features.random_convolutions(channels=1)
    real = pictures(40)
    collapsed = metrics.feature_summary(one, found).moments
    assert metrics.frechet_distance(collapsed, collapsed) == 0
    at_once = mad.metrics.frechet_distance(real=points(real, found), fake=points(one, found))
    summary = metrics.feature_summary(real, found)
    assert metrics.frechet_distance(summary.moments, collapsed) == pytest.approx(at_once, rel=1e-6)
    assert metrics.measured(one, reference=summary, features=found)["recall"] == 0


class Pooled(torch.nn.Module):
    """A network for torchmetrics, which gives it numbers from 0 to 255."""

    num_features = 5

    def __init__(self, scale):
        super().__init__()
        self.scale = scale
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("map", torch.randn(36, 5, generator=generator, dtype=torch.float64))

    def forward(self, x):
        x = x.double().flatten(1) / self.scale
        return torch.cat([x @ self.map, (x**2) @ self.map], 1)[:, [0, 1, 2, 5, 6]]


def test_frechet_distance_as_torchmetrics():
    """Their stream of the same batches through the same network."""
    fid = pytest.importorskip("torchmetrics.image.fid")
    real, fake = pictures(70), pictures(50, 5, low=60)
    theirs = fid.FrechetInceptionDistance(feature=Pooled(255.0), normalize=False).set_dtype(torch.float64)
    for is_real, images in ((True, real), (False, fake)):
        for batch in images.batches(16):
            theirs.update(torch.from_numpy(batch).permute(0, 3, 1, 2), real=is_real)
    found = features.of_module(Pooled(1.0), device="cpu")
    ours = metrics.measured(fake, reference=real, features=found, batch=16)["frechet_distance"]
    assert ours == pytest.approx(float(theirs.compute()), rel=1e-5)


def test_measured_is_what_the_metrics_of_points_say():
    real, fake = datasets.digits().images, datasets.digits("test").images.select(range(300))
    found = features.random_convolutions(channels=1, dim=20)
    measured = metrics.measured(fake, reference=real, features=found, k=3)
    of_real, of_fake = points(real, found), points(fake, found)
    precision, recall = mad.metrics.precision_recall(real=of_real, fake=of_fake, k=3)
    expected = mad.metrics.frechet_distance(real=of_real, fake=of_fake)
    assert measured["frechet_distance"] == pytest.approx(expected, rel=1e-6)
    assert (measured["precision"], measured["recall"]) == pytest.approx((precision, recall), abs=2 / 300)
    assert 0.5 < precision < 1 and 0.5 < recall < 1  # noqa: PT018
    assert all(type(value) is float for value in measured.values())
    noise = metrics.measured(pictures(300, size=8), reference=real, features=found, k=3)
    assert noise["frechet_distance"] > 10 * measured["frechet_distance"]
    assert noise["recall"] < measured["recall"]


# Some points of many --------------------------------------------------------------------------------


def test_points_are_chosen_from_the_whole_set():
    levels = np.arange(500) // 2
    images = Images.of(np.broadcast_to(levels[:, None, None, None], (500, 2, 2, 1)).astype(np.uint8))
    level = Features("level", lambda pixels: pixels[:, 0, 0].astype(float))
    some = metrics.feature_summary(images, level, most=100, batch=30)
    assert some.points.shape == (100, 1)
    assert some.points.mean() == pytest.approx(levels.mean(), abs=40)
    assert np.array_equal(some.points, np.sort(some.points, axis=0))
    assert np.array_equal(some.points, metrics.feature_summary(images, level, most=100).points)
    assert some.moments.weight == 500
    assert some.moments.mean == pytest.approx(levels.mean())
    assert np.array_equal(metrics.feature_summary(images, level).points[:, 0], levels)
    assert metrics.feature_summary(images, level, most=0).points.shape == (0, 1)


@dataclass(frozen=True)
class Made:
    """A part that is drawn when it is read: 200 MB of images that are nowhere."""

    shape: tuple[int, int, int, int]
    largest: list = field(default_factory=list)
    labelled: bool = False
    labels: None = None
    seeds: None = None

    def read(self, index):
        self.largest.append(len(index))
        return rng(int(index[0])).integers(256, size=(len(index), *self.shape[1:]), dtype=np.uint8)

    def digests(self, index):
        return np.zeros((len(index), 32), dtype=np.uint8)


def test_images_are_never_all_in_memory():
    part = Made((4000, 128, 128, 3))
    images = Images((part,))
    corner = Features("corner", lambda pixels: pixels[:, 0, :3, 0].astype(float))
    tracemalloc.start()
    try:
        metrics.feature_summary(images, corner, batch=64, most=1000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert max(part.largest) == 64
    assert peak < 12 * 2**20, peak
    assert 15 * peak < 4000 * 128 * 128 * 3


# Kept by content ------------------------------------------------------------------------------------


def counting(dim=4):
    """Features that count the images they see."""
    seen, inner = [], linear(dim)

    def function(pixels):
        seen.append(len(pixels))
        return inner.function(pixels)

    return Features(inner.name, function), seen


def kept(folder):
    (path,) = (folder / "features").iterdir()
    return path


def same(first, second):
    return (
        np.array_equal(first.points, second.points)
        and first.points.dtype == second.points.dtype
        and np.array_equal(first.moments.mean, second.moments.mean)
        and np.array_equal(first.moments.root, second.moments.root)
        and (first.moments.weight, first.features) == (second.moments.weight, second.features)
    )


def test_a_summary_is_kept_by_content(tmp_path):
    found, seen = counting()
    real = pictures(50)
    first = metrics.feature_summary(real, found, store=tmp_path)
    assert sum(seen) == 50
    copied = Images.joined([Images.of(np.asarray(real)[:20]), Images.of(np.asarray(real)[20:])])
    assert same(first, metrics.feature_summary(copied, found, store=tmp_path))
    assert sum(seen) == 50
    assert kept(tmp_path).suffix == ".safetensors"
    changed = np.array(real)
    changed[7, 0, 0, 0] ^= 1
    metrics.feature_summary(Images.of(changed), found, store=tmp_path)
    metrics.feature_summary(real, linear(4, seed=2), store=tmp_path)
    metrics.feature_summary(real, found, most=10, store=tmp_path)
    assert sum(seen) == 150
    assert len(list((tmp_path / "features").iterdir())) == 4


def test_single_precision_is_kept_as_it_is(tmp_path):
    found, real = features.random_convolutions(channels=1, dim=6), pictures(30)
    first, again = (metrics.feature_summary(real, found, store=tmp_path) for _ in range(2))
    assert first.points.dtype == np.float32
    assert same(first, again)


def test_measured_keeps_the_reference_alone(tmp_path):
    found, seen = counting()
    real, fake = pictures(50), pictures(30, 1)
    first = metrics.measured(fake, reference=real, features=found, store=tmp_path)
    kept(tmp_path)
    again = metrics.measured(fake, reference=real, features=found, store=tmp_path)
    assert sum(seen) == 50 + 30 + 30
    summary = metrics.feature_summary(real, found, store=tmp_path)
    assert first == again == metrics.measured(fake, reference=summary, features=found)
    assert sum(seen) == 50 + 4 * 30 - 30


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage", [flipped, lambda content: content[:300], lambda content: b"", lambda content: b"no archive"]
)
def test_a_damaged_file_is_replaced(tmp_path, damage):
    found, seen = counting()
    first = metrics.feature_summary(pictures(50), found, store=tmp_path)
    path = kept(tmp_path)
    content = path.read_bytes()
    path.write_bytes(damage(content))
    with pytest.warns(UserWarning, match=r"is damaged.*Now the features are computed again"):
        again = metrics.feature_summary(pictures(50), found, store=tmp_path)
    assert same(first, again)
    assert sum(seen) == 100
    assert path.read_bytes() == content
    assert same(first, metrics.feature_summary(pictures(50), found, store=tmp_path))


def test_every_flipped_byte_is_seen_or_harmless(tmp_path):
    """Of the 40 flips, one every so many bytes, none may change the numbers unnoticed."""
    found = linear(4)
    first = metrics.feature_summary(pictures(20), found, store=tmp_path)
    path = kept(tmp_path)
    content = path.read_bytes()
    noticed = 0
    for place in range(0, len(content), len(content) // 40):
        path.write_bytes(content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert same(first, metrics.feature_summary(pictures(20), found, store=tmp_path))
        noticed += len(caught)
    assert noticed >= 39  # in the header there may be a byte that tells nothing


def test_a_store_that_cannot_be_written_is_no_loss(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with pytest.warns(UserWarning, match="not kept for the next time: .* cannot be made"):
        summary = metrics.feature_summary(pictures(20), linear(4), store=blocked)
    assert same(summary, metrics.feature_summary(pictures(20), linear(4)))


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    def full(*given):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.replace", full)
        with pytest.warns(UserWarning, match="No space left on device"):
            metrics.feature_summary(pictures(20), linear(4), store=tmp_path)
    assert list((tmp_path / "features").iterdir()) == []


def test_a_damaged_shard_is_no_number(tmp_path):
    stored = write_shards(tmp_path / "set", lambda start, stop: np.asarray(pictures(20))[start:stop], 20)
    path = tmp_path / "set" / "shard-00000.npy"
    path.write_bytes(flipped(path.read_bytes()))
    with pytest.raises(ImageStoreError, match="is damaged"):
        metrics.feature_summary(stored, linear(4))


# Errors ---------------------------------------------------------------------------------------------


def test_errors_say_what_to_do():
    real, found = pictures(20), linear(4)
    summary = metrics.feature_summary(real, found)
    cases = [
        ({"images": datasets.digits()}, TypeError, r"images is a RealImages; pass Images"),
        ({"images": np.asarray(real)}, TypeError, r"images is a ndarray.*Images.of\(array\)"),
        ({"reference": np.asarray(real)}, TypeError, "reference is a ndarray"),
        ({"images": real.select(range(5))}, ValueError, "images holds 5 images; pass 6 or more for k=5"),
        ({"reference": real.select(range(5))}, ValueError, "reference holds 5 images"),
        ({"k": 0}, ValueError, "k=0 is not a positive integer"),
        ({"most": 5}, ValueError, "most=5 is not more than k=5"),
        ({"reference": pictures(20, size=4)}, ValueError, r"\(6, 6, 1\) and those of reference \(4, 4, 1\)"),
        ({"reference": summary, "features": linear(5)}, ValueError, "make both of one network"),
        (
            {"reference": metrics.feature_summary(real, found, most=3)},
            ValueError,
            "features of 3 images; make it with most=6 or more",
        ),
    ]
    for change, error, message in cases:
        arguments = {"images": real, "reference": real, "features": found} | change
        with pytest.raises(error, match=message):
            metrics.measured(arguments.pop("images"), **arguments)
    with pytest.raises(ValueError, match="images holds 0 images; pass 1 or more"):
        metrics.feature_summary(real.select([]), found)
    one = metrics.feature_summary(real.select([0]), found).moments
    with pytest.raises(ValueError, match="fake has 1 points"):
        metrics.frechet_distance(summary.moments, one)
    with pytest.raises(ValueError, match=r"fake has 20 points of shape \(5,\); expected 2 or more, of shape"):
        metrics.frechet_distance(summary.moments, metrics.feature_summary(real, linear(5)).moments)


def test_published_statistics_give_the_distance(tmp_path):
    """Mean and covariance alone, singular ones too; without points there is no precision."""
    real, fake = pictures(60), pictures(80).select(np.arange(20, 80))
    network = features.random_convolutions(channels=1, dim=100)
    known = network(np.asarray(real))
    np.savez(tmp_path / "known.npz", mu=known.mean(0), sigma=np.cov(known.T))
    published = metrics.read_statistics(tmp_path / "known.npz", network)
    found = metrics.measured(fake, reference=published, features=network)
    whole = metrics.measured(fake, reference=real, features=network)
    assert set(found) == {"frechet_distance"}
    assert found["frechet_distance"] == pytest.approx(whole["frechet_distance"], rel=1e-3)
    np.savez(tmp_path / "other.npz", mu=known.mean(0) + 1, sigma=np.cov(known.T))
    other = metrics.read_statistics(tmp_path / "other.npz", network)
    assert metrics.measured(fake, reference=other, features=network)["frechet_distance"] > 50


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"mu": np.zeros(3)}, "does not hold mu and sigma"),
        ({"mu": np.zeros(3), "sigma": np.eye(4)}, r"sigma of shape \(4, 4\)"),
        ({"mu": np.zeros(3), "sigma": -np.eye(3)}, "not a covariance"),
        ({"mu": np.zeros(3), "sigma": np.triu(np.ones((3, 3)))}, "not a covariance"),
        ({"mu": np.full(3, np.nan), "sigma": np.eye(3)}, "not finite"),
        ({"mu": np.zeros(3), "sigma": np.eye(3)}, "has 3 features"),
    ],
)
def test_files_that_are_no_statistics(tmp_path, held, message):
    network = features.random_convolutions(channels=1, dim=8)
    np.savez(tmp_path / "a.npz", **held)

    def measure():
        reference = metrics.read_statistics(tmp_path / "a.npz", network)
        metrics.measured(pictures(10), reference=reference, features=network)

    with pytest.raises(ValueError, match=message):
        measure()
    with pytest.raises(FileNotFoundError, match="mu and sigma"):
        metrics.read_statistics(tmp_path / "none.npz", network)
    (tmp_path / "b.npz").write_bytes(b"text")
    with pytest.raises(ValueError, match="does not hold mu"):
        metrics.read_statistics(tmp_path / "b.npz", network)
