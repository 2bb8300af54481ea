"""The nearest of the cluster centres of real images: the correction of Gillman et al. 2024 for digits."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madtheory.images.data import Images, Pixels, check_pixels
from madtheory.validation import check_array, check_seed, check_size, freeze

__all__ = ["NearestCentre", "cluster_centres", "nearest"]

_STARTS = 4


def nearest(images: Images, clusters: int = 16, *, seed: int = 0) -> NearestCentre:
    """Return the function that replaces each image by the nearest cluster centre of its class.

    Parameters
    ----------
    images : Images
        Real images; labelled, for a function of images and their classes.
    clusters : int
        K, centres of each class. The paper takes 16 for digits of MNIST.
    seed : int
        Seed of the clustering.

    Returns
    -------
    NearestCentre
        To be put in ``treatments.project``: ``Loop(treatments=[project(centres.nearest(images))])``.

    Notes
    -----
    Source: Gillman et al. 2024 (arXiv 2402.07087), the experiments on MNIST of Figures 3, 7 and 8.

    Examples
    --------
    >>> from madtheory.images import centres, datasets
    >>> real = datasets.digits(labels=True).images
    >>> correction = centres.nearest(real, 2)
    >>> correction.centres.shape
    (10, 2, 8, 8, 1)
    >>> real.mapped(correction)
    Images(shape=(897, 8, 8, 1), labels)
    """
    return NearestCentre(cluster_centres(images, clusters, seed=seed))


def cluster_centres(images: Images, clusters: int = 16, *, seed: int = 0) -> Pixels:
    """Cluster the images of each class by k-means; return the centres, rounded to uint8.

    Parameters
    ----------
    images, clusters, seed
        As for `nearest`. The images of one class are read at once.

    Returns
    -------
    uint8 array, shape (classes, clusters, height, width, channels)
        Images without labels make one class.

    Raises
    ------
    ValueError
        If a class has fewer different images than clusters.
    """
    from sklearn.cluster import KMeans

    threads = importlib.import_module("threadpoolctl")  # comes with scikit-learn
    clusters, seed = check_size("clusters", clusters), check_seed(seed, "seed", maximum=2**32 - 1)
    labels = np.zeros(len(images), dtype=np.int64) if images.labels is None else images.labels
    centres = []
    for label in range(int(labels.max(initial=0)) + 1):
        pixels = images.batch(np.flatnonzero(labels == label)).reshape(-1, int(np.prod(images.shape[1:])))
        different = len(np.unique(pixels, axis=0))
        if different < clusters:
            raise ValueError(
                f"clusters={clusters} exceeds the {different} different images of class {label}; pass fewer, "
                f"or images with more of that class."
            )
        # Several threads would add up in another order each time.
        with threads.threadpool_limits(1):
            found = KMeans(clusters, n_init=_STARTS, random_state=seed).fit(pixels.astype(float))
        centres.append(found.cluster_centers_.round().clip(0, 255).astype(np.uint8))
    return np.stack(centres).reshape(len(centres), clusters, *images.shape[1:])


@dataclass(frozen=True, eq=False)
class NearestCentre:
    """Function that replaces images by the nearest centre of their class; of all centres, without classes.

    Distances are those of the pixels, in whole numbers: no batch size and no machine changes them. Of equal
    ones the first centre is taken.

    Attributes
    ----------
    centres : uint8 array, shape (classes, clusters, height, width, channels)
        Centres, as `cluster_centres` returns them.
    """

    centres: Pixels = field(repr=False)

    def __post_init__(self) -> None:
        shape = np.shape(self.centres)
        if len(shape) != 5 or 0 in shape:
            raise ValueError(
                f"centres has shape {shape}; expected (classes, clusters, height, width, channels): for "
                f"centres of all classes together pass centres[None]."
            )
        checked = check_pixels("centres", check_array(self.centres, "centres").reshape(-1, *shape[2:]))
        object.__setattr__(self, "centres", freeze(checked.reshape(shape)))

    def __call__(self, pixels: Pixels, labels: Any = None) -> Pixels:
        """Return the nearest centre of each image, uint8 of shape (n, height, width, channels)."""
        if pixels.shape[1:] != self.centres.shape[2:]:
            raise ValueError(
                f"pixels has shape {pixels.shape} and the centres are images of shape "
                f"{self.centres.shape[2:]}; cluster images of the size that the model makes."
            )
        if labels is None:
            return _nearest(pixels, self.centres.reshape(-1, *self.centres.shape[2:]))
        labels = np.asarray(labels)
        if labels.size and not (labels.min() >= 0 and labels.max() < len(self.centres)):
            raise ValueError(
                f"labels go from {labels.min()} to {labels.max()} and there are centres of the classes 0 to "
                f"{len(self.centres) - 1}; cluster images of all classes."
            )
        made = np.empty_like(pixels)
        for label in np.unique(labels):
            made[labels == label] = _nearest(pixels[labels == label], self.centres[label])
        return made


def _nearest(pixels: Pixels, centres: Pixels) -> Pixels:
    """Return the nearest of the centres (k, height, width, channels) for each image."""
    # Products and sums of whole numbers are exact in double precision.
    rows: NDArray[np.float64] = pixels.reshape(len(pixels), -1).astype(float)
    columns: NDArray[np.float64] = centres.reshape(len(centres), -1).astype(float)
    return centres[(0.5 * np.square(columns).sum(-1) - rows @ columns.T).argmin(-1)]
