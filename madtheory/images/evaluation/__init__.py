"""What is measured of images: features, distances between sets, rewards, cluster centres."""

from madtheory.images.evaluation.features import Features
from madtheory.images.evaluation.metrics import measured
from madtheory.images.evaluation.rewards import vgg_classifier

__all__ = ["Features", "measured", "vgg_classifier"]
