"""How far synthetic images are from real ones: Frechet distance, precision and recall of their features.

Sets are read batch by batch. What is known of the real images is kept in the store.
"""

from __future__ import annotations

import os

import numpy as np

from madtheory._point_metrics import gaussian_distance, precision_recall
from madtheory._validation import check_size
from madtheory.data import Moments
from madtheory.images._images import Images
from madtheory.images._summary import FeatureSummary, check_images, feature_summary
from madtheory.images.features import Features
from madtheory.types import Array

__all__ = ["FeatureSummary", "feature_summary", "frechet_distance", "measured"]


def measured(
    images: Images,
    *,
    reference: Images | FeatureSummary,
    features: Features,
    k: int = 5,
    most: int = 10_000,
    batch: int = 256,
    store: str | os.PathLike[str] | None = None,
) -> dict[str, float]:
    """Measure synthetic images against real ones.

    Parameters
    ----------
    images : Images
        The synthetic images.
    reference : Images or FeatureSummary
        The real images, or what `feature_summary` made of them.
    features : Features
        The network whose features are compared.
    k : int
        Neighbours of precision and recall.
    most : int
        Precision and recall take at most that many images of each set, chosen at random and always the same;
        the Frechet distance takes all.
    batch : int
        Images read and computed at once. No effect, beyond rounding.
    store : path, optional
        A folder where the summary of the real images is kept.

    Returns
    -------
    dict of float
        ``frechet_distance``, which on Inception features is the FID; ``precision`` and ``recall``
        (Kynkaanniemi et al. 2019, arXiv 1904.06991).

    Raises
    ------
    ValueError
        If a set has no more than `k` images, or the two differ in height, width or channels, or in features.
    TypeError
        If one is no `Images`.

    Examples
    --------
    >>> from madtheory.images import datasets, features, metrics
    >>> real, held_out = datasets.digits().images, datasets.digits("test").images
    >>> network = features.random_convolutions(channels=1)
    >>> sorted(metrics.measured(held_out, reference=real, features=network))
    ['frechet_distance', 'precision', 'recall']
    """
    least = check_size("k", k) + 1
    if check_size("most", most) < least:
        raise ValueError(f"most={most} is not more than k={k}; pass for example most=10_000.")
    why = f" for k={k} neighbours"
    check_images("images", images, least, why)
    if not isinstance(reference, FeatureSummary):
        check_images("reference", reference, least, why)
        if reference.shape[1:] != images.shape[1:]:
            raise ValueError(
                f"images have shape {images.shape[1:]} and those of reference {reference.shape[1:]}; open "
                f"the real images at the size of the synthetic ones."
            )
        reference = feature_summary(reference, features, most=most, batch=batch, store=store)
    if reference.features != features.name:
        raise ValueError(
            f"reference holds features of {reference.features!r}, and features is {features.name!r}; make "
            f"both of one network."
        )
    if len(reference.points) < least:
        raise ValueError(
            f"reference holds the features of {len(reference.points)} images; make it with most={least} or "
            f"more{why}."
        )
    fake = feature_summary(images, features, most=most, batch=batch)
    precision, recall = precision_recall(real=reference.points, fake=fake.points, k=k)
    distance = frechet_distance(real=reference.moments, fake=fake.moments)
    return {"frechet_distance": distance, "precision": precision, "recall": recall}


def frechet_distance(real: Moments, fake: Moments) -> float:
    """Squared Frechet distance of the Gaussians of two moments, as of all points at once.

    See `madtheory.metrics.frechet_distance`: covariances have divisor n - 1, and may be singular. Biased
    upwards: compare at equal numbers of images only.

    Raises
    ------
    ValueError
        If one has less than two points, or their dimensions differ.
    """
    for name, moments in (("real", real), ("fake", fake)):
        if not moments.weight >= 2 or moments.mean.shape != real.mean.shape:
            raise ValueError(
                f"{name} has {moments.weight:g} points of shape {moments.mean.shape}; expected 2 or more, of "
                f"shape {real.mean.shape}."
            )
    return gaussian_distance(real.mean - fake.mean, _deviation(real), _deviation(fake))


def _deviation(moments: Moments) -> Array:
    """R of which R R^T is the covariance."""
    root = moments.root if moments.exponent is None else np.ldexp(moments.root, moments.exponent)
    return root / np.sqrt(moments.weight - 1)
