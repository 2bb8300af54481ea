"""Treatments of image sets: picked by index, mapped when read; the same law as treatments of arrays."""

import pickle

import numpy as np
import pytest

pytest.importorskip("torch")

from tiny_diffusion import Fixed, pictures, pixels_digest, rng, tiny

import madtheory as mad
from madtheory import regimes, treatments
from madtheory.images import Images, write_shards
from madtheory.images.data import datasets
from madtheory.images.evaluation import centres
from madtheory.images.store import fingerprint
from madtheory.networks import Heun

SHAPE = (4, 4, 1)
GENERATOR = rng(0)


def pixels_of(n, generator):
    return generator.integers(0, 256, (n, *SHAPE), dtype=np.uint8)


class Rows:
    """A model whose points are rows of pixels."""

    def fit(self, data, *, rng):
        return self

    def sample(self, n, *, rng):
        return pixels_of(n, rng).reshape(n, -1).astype(float)


class Pictures(Rows):
    """The same model, whose points are a set of images; it remembers those that it made."""

    def __init__(self, labelled=True):
        self.labelled, self.made = labelled, []

    def sample(self, n, *, rng):
        pixels = pixels_of(n, rng)
        self.made.append(Images.of(pixels, pixels[:, 0, 0, 0] % 3 if self.labelled else None))
        return self.made[-1]


def brightness(x):
    """The mean of rows of pixels, and of pixels."""
    return np.asarray(x, dtype=float).reshape(len(x), -1).mean(-1) / 16


def invert(pixels):
    return 255 - pixels


CHOICES = {
    "luce": treatments.curate(brightness, choices=3),
    "hard": treatments.curate(brightness, choices=4, noise="hard"),
    "thurstone": treatments.curate(brightness, noise="thurstone", scale=0.2),
    "infinitely many": treatments.curate(brightness, choices=np.inf, scale=4.0, reward_max=14.0),
    "verify": treatments.verify(lambda x: brightness(x) > 8.2, keep_correct=0.9, keep_incorrect=0.05),
}


# Picking --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHOICES)
def test_images_are_picked_as_rows_are(name):
    """The same random numbers choose the same points, in batches of 256 too; none is copied."""
    model = Pictures()
    found = CHOICES[name].treated(model, None).sample(300, rng=rng(2))
    expected = CHOICES[name].treated(Rows(), None).sample(300, rng=rng(2))
    np.testing.assert_array_equal(np.asarray(found).reshape(300, -1), expected)
    assert isinstance(found, Images)
    made = [np.asarray(part.pixels) for drawn in model.made for part in drawn.parts]
    assert all(any(np.shares_memory(part.pixels, m) for m in made) for part in found.parts)
    np.testing.assert_array_equal(found.labels, np.asarray(found)[:, 0, 0, 0] % 3)
    # Negative control: a model without the treatment, and other random numbers.
    assert not np.array_equal(np.asarray(found), np.asarray(Pictures().sample(300, rng=rng(2))))
    other = CHOICES[name].treated(Pictures(), None).sample(300, rng=rng(3))
    assert not np.array_equal(np.asarray(found), np.asarray(other))


def test_one_choice_is_no_treatment():
    model = Pictures()
    assert treatments.curate(brightness, choices=1).treated(model, None) is model


def test_a_reward_sees_small_batches_and_the_labels():
    seen = []

    def reward(pixels, labels):
        seen.append(len(pixels))
        assert pixels.dtype == np.uint8
        assert pixels.shape[1:] == SHAPE
        return np.where(labels == 2, 1.0, 0.0)

    chosen = treatments.curate(reward, choices=16, noise="hard").treated(Pictures(), None)
    assert (chosen.sample(40, rng=rng(0)).labels == 2).mean() > 0.95
    assert sum(seen) == 640
    assert max(seen) <= 256


def test_a_verifier_of_labels():
    """A verifier with phi = 1 and psi = 0 keeps right labels alone."""
    right = treatments.verify(lambda pixels, labels: labels == 1).treated(Pictures(), None)
    kept = right.sample(50, rng=rng(1))
    assert len(kept) == 50
    assert (kept.labels == 1).all()
    assert not (Pictures().sample(50, rng=rng(1)).labels == 1).all()


def test_what_cannot_be_picked_by():
    def treated(made, **keywords):
        return made.treated(Pictures(**keywords), None).sample(4, rng=rng(0))

    with pytest.raises(ValueError, match="one number per image, shape \\(8,\\)"):
        treated(treatments.curate(lambda pixels: pixels.mean()))
    with pytest.raises(ValueError, match="not finite"):
        treated(treatments.curate(lambda pixels: np.full(len(pixels), np.nan)))
    with pytest.raises(ValueError, match="a boolean or a probability"):
        treated(treatments.verify(lambda pixels: np.full(len(pixels), 2.0)))
    with pytest.raises(ValueError, match="takes labels and the images have none"):
        treated(treatments.verify(lambda pixels, labels: labels == 1), labelled=False)
    assert len(treated(treatments.verify(lambda pixels, labels=None: pixels[:, 0, 0, 0] > 9), labelled=False))


def test_a_verifier_that_refuses_all_images_gives_up_soon():
    model = Pictures()
    with pytest.raises(ValueError, match="verify kept 0 of"):
        treatments.verify(lambda pixels: np.zeros(len(pixels))).treated(model, None).sample(50, rng=rng(0))
    assert sum(len(made) for made in model.made) <= 50 * 110


# Mapping --------------------------------------------------------------------------------------------


class Counted:
    """A function of pixels that counts the images it maps."""

    def __init__(self, function=invert):
        self.function, self.images = function, 0

    def __call__(self, pixels):
        self.images += len(pixels)
        return self.function(pixels)


def test_project_maps_when_images_are_read():
    function, model = Counted(), Pictures()
    found = treatments.project(function).treated(model, None).sample(600, rng=rng(4))
    assert function.images <= 8  # tried
    before = np.asarray(model.made[0])
    np.testing.assert_array_equal(found.batch([7, 3, 7]), 255 - before[[7, 3, 7]])
    assert function.images <= 11
    np.testing.assert_array_equal(np.asarray(found), 255 - before)
    np.testing.assert_array_equal(found.labels, model.made[0].labels)
    chosen = found.subsample(20, rng=rng(0))
    np.testing.assert_array_equal(np.asarray(chosen), 255 - before[chosen.index])


def test_fingerprint_of_mapped_images_is_that_of_their_pixels(tmp_path):
    """In memory, in shards, in part and joined; and each image is mapped once for it."""
    before = Images.of(pixels_of(700, rng(1)), np.arange(700) % 3, np.arange(700))
    stored = write_shards(
        tmp_path / "set", lambda a, b: before.batch(np.arange(a, b)), 700, labels=before.labels, shard=256
    )
    function = Counted()
    lazy, after = stored.mapped(function), Images.of(255 - np.asarray(before), before.labels)
    tried = function.images
    assert lazy.fingerprint() == after.fingerprint() != before.fingerprint()
    assert function.images == tried + 700
    index = rng(2).integers(0, 700, 300)
    both = Images.joined([before, lazy.select(index), lazy])
    assert both.fingerprint() == Images.joined([before, after.select(index), after]).fingerprint()
    assert function.images == tried + 700
    twice = lazy.mapped(invert)
    assert twice.fingerprint() == before.fingerprint()
    assert lazy.seeds is None
    assert before.mapped(invert).seeds.tolist() == list(range(700))


def test_mapped_images_pickle_without_pixels(tmp_path):
    made = pixels_of(500, rng(1))
    stored = write_shards(tmp_path / "set", lambda a, b: made[a:b], 500)
    lazy = stored.mapped(invert)
    lazy.fingerprint()
    sent = pickle.dumps(lazy)
    assert len(sent) < 2000
    np.testing.assert_array_equal(np.asarray(pickle.loads(sent)), 255 - made)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda pixels: pixels / 2, "float64"),
        (lambda pixels: pixels[:, :2], "uint8 images of shape"),
        (lambda pixels: pixels.mean(), "uint8 images of shape"),
        (GENERATOR.permuted, "at random"),
        (lambda pixels, labels: pixels, "takes labels"),
    ],
)
def test_functions_that_cannot_map(function, message):
    with pytest.raises(ValueError, match=message):
        treatments.project(function).treated(Pictures(labelled=False), None).sample(9, rng=rng(0))


def test_mapped_takes_a_function():
    with pytest.raises(TypeError, match="cannot be called"):
        pictures().mapped(3)
    assert len(pictures().select([]).mapped(invert)) == 0
    np.testing.assert_array_equal(pictures().mapped(np.negative), -np.asarray(pictures()))


# Cluster centres ------------------------------------------------------------------------------------


def test_nearest_centre_of_the_class():
    """Against all distances, which do not depend on the batch."""
    known = pixels_of(12, rng(0)).reshape(3, 4, *SHAPE)
    correction = centres.NearestCentre(known)
    images = Pictures().sample(200, rng=rng(1))
    found = np.asarray(images.mapped(correction))
    difference = np.asarray(images)[:, None].astype(int) - known[images.labels].astype(int)
    nearest = np.square(difference).sum((-3, -2, -1)).argmin(1)
    np.testing.assert_array_equal(found, known[images.labels, nearest])
    one_by_one = np.concatenate([images.mapped(correction).batch([i]) for i in range(200)])
    np.testing.assert_array_equal(found, one_by_one)
    # Without classes the nearest of all, which is nearer.
    anything = np.asarray(Images.of(np.asarray(images)).mapped(correction))
    assert set(map(bytes, anything)) <= set(map(bytes, known.reshape(-1, *SHAPE)))
    assert (
        np.square(anything - np.asarray(images).astype(int)).sum()
        < np.square(found - np.asarray(images).astype(int)).sum()
    )


def test_centres_of_digits():
    """They cluster the digits of each class, are the same each time, and stay where they are."""
    real = datasets.digits(labels=True).images
    correction = centres.nearest(real, 4, seed=1)
    assert correction.centres.shape == (10, 4, 8, 8, 1)
    assert correction.centres.dtype == np.uint8
    np.testing.assert_array_equal(correction.centres, centres.cluster_centres(real, 4, seed=1))
    corrected = real.mapped(correction)
    np.testing.assert_array_equal(corrected.mapped(correction), corrected)

    def error(centred):
        return np.square(np.asarray(real).astype(int) - np.asarray(real.mapped(centred)).astype(int)).mean()

    one, shifted = centres.nearest(real, 1), centres.NearestCentre(np.roll(correction.centres, 1, 0))
    assert error(correction) < 0.85 * error(one) < error(shifted)
    means = np.stack([np.asarray(real)[real.labels == c].mean(0) for c in range(10)])
    assert np.abs(one.centres[:, 0] - means).max() <= 0.5 + 1e-9
    together = centres.cluster_centres(datasets.digits().images, 3)
    assert together.shape == (1, 3, 8, 8, 1)


def test_centres_that_cannot_be():
    with pytest.raises(ValueError, match="exceeds the 2 different images of class 1"):
        centres.nearest(Images.of(pixels_of(5, rng(0)), [0, 0, 0, 1, 1]), 3)
    with pytest.raises(ValueError, match="centres of the classes 0 to 0"):
        centres.NearestCentre(pixels_of(2, rng(0))[None])(pixels_of(2, rng(0)), [0, 1])
    with pytest.raises(ValueError, match="images of the size that the model makes"):
        centres.NearestCentre(pixels_of(2, rng(0))[None])(np.zeros((2, 3, 3, 1), dtype=np.uint8))
    with pytest.raises(ValueError, match="classes, clusters, height"):
        centres.NearestCentre(pixels_of(2, rng(0)))


# In a loop ------------------------------------------------------------------------------------------


def written(folder):
    """Every file, and when it was written."""
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def two_generations(store, *treated, **settings):
    model = tiny(store, training={"images": 32}, sampler=Heun(2), **settings)
    loop = mad.Loop(
        real=Fixed(), model=model, regime=regimes.augment(n_real=20, n_synthetic=12), treatments=treated
    )
    snapshots = mad.iterate(loop, rng=3)
    last = [next(snapshots) for _ in range(2)][-1]
    return last, [fingerprint(last.model.weights), last.training_set.fingerprint()]


def dimmed(pixels, labels):
    return (pixels * (0.5 + 0.1 * labels[:, None, None, None])).astype(np.uint8)


@pytest.fixture(scope="module")
def plain():
    """Digests of the loop without a treatment."""
    return two_generations(None)[1:]


TREATED = {
    "curate": (treatments.curate(brightness, choices=2), 24),
    "verify": (treatments.verify(lambda pixels: brightness(pixels) > 7.9), None),
    "project": (treatments.project(dimmed), 12),
    "all": ((treatments.curate(brightness, choices=3, noise="hard"), treatments.project(dimmed)), 36),
}


@pytest.mark.parametrize("name", TREATED)
def test_a_loop_stores_what_was_drawn_once(name, tmp_path, plain):
    """The training set reads from the shards of the candidates; a second run writes nothing."""
    treated, candidates = TREATED[name]
    treated = treated if isinstance(treated, tuple) else (treated,)
    last, digests = two_generations(tmp_path, *treated)
    assert last.training_set.shape == (32, 8, 8, 1)
    shards = [np.load(p, mmap_mode="r") for p in tmp_path.rglob("shard-*.npy") if "rows" not in p.name]
    if candidates is not None:
        assert sum(len(shard) for shard in shards) == candidates
    before = written(tmp_path)
    assert two_generations(tmp_path, *treated)[1] == digests
    assert written(tmp_path) == before
    assert digests != plain[0]
    if name == "all":  # and without a store the same bits
        in_memory, same = two_generations(None, *treated)
        assert same == digests
        assert pixels_digest(in_memory.training_set) == pixels_digest(last.training_set)


def test_the_corrected_loop_of_gillman():
    """Synthetic images of the training set are centres of their class; the real ones are not touched."""
    real = pictures()
    correction = centres.nearest(real, 4)
    last, _ = two_generations(None, treatments.project(correction), classes=3)
    assert last.training_set.labelled
    synthetic = last.training_set.select(np.arange(20, 32))
    allowed = [set(map(bytes, of_class)) for of_class in correction.centres]
    pairs = zip(np.asarray(synthetic), synthetic.labels, strict=True)
    assert all(bytes(image) in allowed[label] for image, label in pairs)
    np.testing.assert_array_equal(last.training_set.batch(np.arange(20)), real.batch(np.arange(20)))
