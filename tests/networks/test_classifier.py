"""The classifier of small images, and its cache."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from madtheory.networks import Classifier, Training, cached_fit, classifier, digits_classifier  # noqa: E402
from madtheory.sources import digits  # noqa: E402

SMALL = Classifier(classes=2, channels=(2, 2), width=5, training=Training(images=500, batch=20))


def rng(seed=0):
    return np.random.default_rng(seed)


def stripes(n, side=6, seed=0):
    """Images of horizontal (0) and of vertical (1) stripes, with noise."""
    labels = np.arange(n) % 2
    lines = np.broadcast_to(np.arange(side) % 2, (side, side)).astype(float)
    images = np.where(labels[:, None, None] == 1, lines, lines.T).reshape(n, -1)
    return images + 0.3 * rng(seed).normal(size=images.shape), labels


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MADTHEORY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def fits(monkeypatch):
    """Counts the trainings."""
    counted, fit = [], Classifier.fit
    monkeypatch.setattr(Classifier, "fit", lambda *args, **kw: (counted.append(1), fit(*args, **kw))[1])
    return counted


def same(left, right):
    return all(np.array_equal(left.weights[name], right.weights[name]) for name in left.weights)


def test_digits_classifier(cache):
    """On digits that it has not seen; shuffled labels are not learned."""
    classifier = digits_classifier()
    points = digits("test", labels=True).points
    assert (classifier.labels(points[:, :-1]) == points[:, -1]).mean() > 0.97
    assert (classifier.labels(points[:, :-1]) == rng().permutation(points[:, -1])).mean() < 0.2
    assert classifier.features(points[:, :-1]).shape == (900, 84)
    assert len(list(cache.iterdir())) == 1
    assert same(digits_classifier(), classifier)


def test_learns_other_images_and_is_a_value():
    x, y = stripes(200)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    fitted = SMALL.fit(x, y, rng=rng(1))
    assert SMALL.weights is None
    probabilities = fitted.probabilities(x)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    np.testing.assert_allclose(replace(fitted, batch=7).probabilities(x), probabilities, atol=1e-5)
    assert np.array_equal(fitted.labels(x), probabilities.argmax(1))
    assert same(SMALL.fit(x, y, rng=rng(1)), fitted)
    assert not same(SMALL.fit(x, y, rng=rng(2)), fitted)
    assert np.array_equal(pickle.loads(pickle.dumps(fitted)).features(x), fitted.features(x))
    longer = replace(SMALL, training=Training(images=4000, batch=20, learning_rate=3e-3))
    other, labels = stripes(100, seed=9)
    assert (longer.fit(x, y, rng=rng(1)).labels(other) == labels).mean() > 0.95


def test_cache_keeps_one_file_for_each_content(cache, fits):
    x, y = stripes(40)
    first = cached_fit(SMALL, x, y)
    assert same(cached_fit(SMALL, x, y), first)
    assert same(cached_fit(replace(SMALL, device="cpu"), x, y), first)
    assert len(fits) == 1
    cached_fit(SMALL, x + 1e-9, y)
    cached_fit(SMALL, x, 1 - y)
    cached_fit(SMALL, x, y, seed=1)
    cached_fit(replace(SMALL, width=6), x, y)
    assert len(fits) == 5
    assert sorted(path.suffix for path in cache.iterdir()) == [".safetensors"] * 5


def test_cache_knows_the_code_that_fits(cache, fits, monkeypatch):
    x, y = stripes(40)
    cached_fit(SMALL, x, y)
    original = classifier.data_units
    monkeypatch.setattr(classifier, "data_units", lambda x: (original(x)[0], 2 * original(x)[1]))
    other = cached_fit(SMALL, x, y)
    assert len(fits) == 2
    monkeypatch.undo()
    assert other.weights is not None


@pytest.mark.parametrize("damage", [b"", b"nothing", None])
def test_damaged_file_is_replaced(cache, fits, damage):
    x, y = stripes(40)
    first = cached_fit(SMALL, x, y)
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-8] if damage is None else damage)
    assert same(cached_fit(SMALL, x, y), first)
    assert len(fits) == 2
    assert path.read_bytes() == whole


def test_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MADTHEORY_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(UserWarning, match="MADTHEORY_CACHE"):
        fitted = cached_fit(SMALL, *stripes(40))
    assert fitted.weights is not None


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: Classifier(classes=0), "classes=0"),
        (lambda: Classifier(channels=(1, 2, 3)), "channels="),
        (lambda: SMALL.features(stripes(5)[0]), "not fitted"),
        (lambda: SMALL.fit(np.zeros((5, 10)), np.zeros(5), rng=rng()), "square images"),
        (lambda: SMALL.fit(np.zeros((5, 9)), np.zeros(5), rng=rng()), "square images"),
        (lambda: SMALL.fit(np.zeros((5, 16)), np.zeros(4), rng=rng()), "labels"),
        (lambda: SMALL.fit(np.zeros((5, 16)), np.full(5, 2), rng=rng()), "raise classes=2"),
        (lambda: SMALL.fit(*stripes(20), rng=rng()).labels(np.zeros((5, 256))), "16 x 16"),
    ],
)
def test_errors(call, match):
    with pytest.raises(ValueError, match=match):
        call()
