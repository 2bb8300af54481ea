"""Rewards of images by a classifier: a small one of digits, and any torch module."""

import pickle

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from madtheory import treatments
from madtheory.images import Images
from madtheory.images.data import datasets
from madtheory.images.evaluation import rewards
from madtheory.networks import Classifier, Training

GAMMA = 5.0


@pytest.fixture(scope="module")
def digits():
    return datasets.digits("test", labels=True).images.select(np.arange(300))


@pytest.fixture(scope="module")
def classifier():
    real = datasets.digits(labels=True).images
    points = np.asarray(real).reshape(len(real), -1) / 255
    training = Training(images=12_000, batch=64, learning_rate=3e-3)
    return Classifier(channels=(8, 16), training=training, device="cpu").fit(
        points, real.labels, rng=np.random.default_rng(0)
    )


class Colours(torch.nn.Module):
    """Logits: the mean of each channel; another in training."""

    def forward(self, x):
        return x.mean((2, 3)) * (0 if self.training else 1)


def coloured(n=7):
    return np.random.default_rng(0).integers(0, 256, (n, 5, 6, 3), dtype=np.uint8)


def softmax(x):
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


def test_rewards_of_digits(digits, classifier):
    """The classifier's own probabilities, in batches, which tell the digits apart."""
    points = np.asarray(digits).reshape(300, -1) / 255
    expected = classifier.probabilities(points)
    assert (expected.argmax(1) == digits.labels).mean() > 0.85
    three = digits.valued(rewards.class_probability(classifier, 3, gamma=GAMMA))
    np.testing.assert_allclose(three, GAMMA * expected[:, 3], atol=1e-5)
    sure = digits.valued(rewards.confidence(classifier, gamma=GAMMA))
    np.testing.assert_allclose(sure, GAMMA * expected.max(1), atol=1e-5)
    assert three[digits.labels == 3].mean() > 0.6 * GAMMA
    assert three[digits.labels != 3].mean() < 0.1 * GAMMA
    assert (sure <= GAMMA + 1e-9).all()
    assert (sure >= GAMMA / 10).all()


def test_curation_by_a_class(digits, classifier):
    """Ferbach et al.'s choice of K by gamma q: the class grows as its choice probabilities say."""

    class Model:
        def sample(self, n, *, rng):
            return digits.select(rng.integers(len(digits), size=n))

    reward = rewards.class_probability(classifier, 0, gamma=GAMMA)
    curated = treatments.curate(reward, choices=2).treated(Model(), None)
    found = curated.sample(3000, rng=np.random.default_rng(1))
    share = (digits.labels == 0).mean()
    # Of two, the one of the class is chosen, unless the other is too: 2 p e^g / (e^g + 1) (1 - p) + p^2.
    most = share**2 + 2 * share * (1 - share) / (1 + np.exp(-GAMMA))
    assert (found.labels == 0).mean() == pytest.approx(most, abs=0.03)
    none = treatments.curate(rewards.class_probability(classifier, 0, gamma=0.0)).treated(Model(), None)
    assert (none.sample(3000, rng=np.random.default_rng(1)).labels == 0).mean() < share + 0.03 < most


def test_a_torch_module_in_the_units_it_was_trained_in():
    module, pixels = Colours(), coloured()
    probabilities = rewards.of_module(module, mean=(0.1, 0.2, 0.3), std=(1.0, 0.5, 0.2), device="cpu")
    scaled = (pixels / 255 - [0.1, 0.2, 0.3]) / [1.0, 0.5, 0.2]
    expected = softmax(scaled.mean((1, 2)))
    np.testing.assert_allclose(probabilities(pixels), expected, atol=1e-6)
    assert module.training  # a copy was put into evaluation mode
    reward = rewards.class_probability(probabilities, 2, gamma=2.0)
    np.testing.assert_allclose(Images.of(pixels).valued(reward), 2 * expected[:, 2], atol=1e-6)
    plain = rewards.of_module(module, device="cpu")
    np.testing.assert_allclose(plain(pixels), softmax(pixels.mean((1, 2)) / 255), atol=1e-6)


def test_a_function_of_pixels():
    reward = rewards.confidence(lambda pixels: softmax(pixels.mean((1, 2)) / 50))
    np.testing.assert_allclose(reward(coloured()), softmax(coloured().mean((1, 2)) / 50).max(1))


def test_it_pickles(digits, classifier):
    reward = rewards.class_probability(classifier, 3)
    again = pickle.loads(pickle.dumps(reward))
    np.testing.assert_array_equal(again(digits.batch([1, 2])), reward(digits.batch([1, 2])))


def test_what_is_no_classifier(classifier):
    with pytest.raises(TypeError, match="of_module"):
        rewards.confidence(Colours())
    with pytest.raises(TypeError, match="neither"):
        rewards.confidence("LeNet")
    with pytest.raises(ValueError, match="not fitted"):
        rewards.confidence(Classifier())
    with pytest.raises(TypeError, match="not a torch"):
        rewards.of_module(3)
    with pytest.raises(ValueError, match="std above 0"):
        rewards.of_module(Colours(), std=0.0)
    with pytest.raises(ValueError, match="label"):
        rewards.class_probability(classifier, -1)
    with pytest.raises(ValueError, match="gamma"):
        rewards.confidence(classifier, gamma=[1.0, 2.0])
    with pytest.raises(ValueError, match="grey images"):
        rewards.confidence(classifier)(coloured())
    with pytest.raises(ValueError, match="more than label=3 classes"):
        rewards.class_probability(lambda pixels: np.full((len(pixels), 3), 1 / 3), 3)(coloured())
    with pytest.raises(ValueError, match="softmax"):
        rewards.confidence(lambda pixels: np.full((len(pixels), 3), 1.0))(coloured())
    with pytest.raises(ValueError, match="7 images"):
        rewards.confidence(lambda pixels: np.full((3, 3), 1 / 3))(coloured())
