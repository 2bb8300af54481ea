"""How far synthetic images are from real ones: Frechet distance, precision and recall of their features.

Sets are read batch by batch. Summaries of the real images are kept in the store.
"""

from __future__ import annotations

import os
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from madtheory.data import Moments
from madtheory.images.data import Images, ImageStoreError
from madtheory.images.evaluation.features import Features
from madtheory.images.store import key_of, read_arrays, write_arrays
from madtheory.metrics import gaussian_distance, precision_recall
from madtheory.types import Array
from madtheory.validation import check_size

__all__ = ["FeatureSummary", "feature_summary", "frechet_distance", "measured", "read_statistics"]

_VERSION = 1


class FeatureSummary(NamedTuple):
    """Features of a set of images: the moments of all, and those of some images.

    Attributes
    ----------
    moments : Moments
        Number, mean and scatter of the features of all images.
    points : array, shape (m, d)
        Features of `most` images that are chosen at random, always the same ones, in their order; those of
        all if there are fewer.
    features : str
        The name of the features.
    """

    moments: Moments
    points: NDArray[Any]
    features: str


def read_statistics(path: str | os.PathLike[str], features: Features) -> FeatureSummary:
    """Read published statistics of real images: their mean and covariance in a ``.npz`` file.

    The FID of a paper is computed with the file of its authors, not with the images. The result is a
    `reference` of `measured`, which then returns the Frechet distance alone: without points there are neither
    precision nor recall.

    Parameters
    ----------
    path : path-like
        File with ``mu``, shape (d,), and ``sigma``, shape (d, d), as EDM, pytorch-fid and others publish.
    features : Features
        The network that they are of, for instance `features.inception`; the file does not say.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it does not hold a mean and a covariance.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from madtheory.images import datasets, features, metrics
    >>> network = features.random_convolutions(channels=1)
    >>> known = network(np.asarray(datasets.digits().images))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "digits.npz")
    ...     np.savez(path, mu=known.mean(0), sigma=np.cov(known.T))
    ...     published = metrics.read_statistics(path, network)
    >>> held_out = datasets.digits("test").images
    >>> by_file = metrics.measured(held_out, reference=published, features=network)
    >>> by_images = metrics.measured(held_out, reference=datasets.digits().images, features=network)
    >>> bool(np.isclose(by_file["frechet_distance"], by_images["frechet_distance"], rtol=1e-3))
    True
    """
    name = os.fspath(path)
    if not os.path.isfile(name):
        raise FileNotFoundError(f"path={name!r} is not a file; pass a .npz with mu and sigma.")
    try:
        with np.load(name, allow_pickle=False) as held:
            mean, covariance = (np.asarray(held[key], dtype=float) for key in ("mu", "sigma"))
    except (KeyError, ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"path={name!r} does not hold mu and sigma ({error}); pass a .npz with both, as "
            f"np.savez(path, mu=mean, sigma=covariance) writes."
        ) from error
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
        raise ValueError(
            f"path={name!r} holds mu of shape {mean.shape} and sigma of shape {covariance.shape}; expected "
            f"(d,) and (d, d)."
        )
    size = float(np.abs(covariance).max(initial=0.0))
    if not (np.isfinite(mean).all() and np.isfinite(size)):
        raise ValueError(f"path={name!r} holds numbers that are not finite; get it again.")
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    if np.abs(covariance - covariance.T).max(initial=0.0) > 1e-3 * size or values.min() < -1e-3 * size:
        raise ValueError(f"path={name!r}: sigma is not a covariance, symmetric and not negative.")
    # As of two points: the number of images is not published, and does not count.
    root = vectors * np.sqrt(values.clip(0))
    return FeatureSummary(Moments(2.0, 2.0, mean, root), np.empty((0, len(mean))), features.name)


def feature_summary(
    images: Images,
    features: Features,
    *,
    most: int = 10_000,
    batch: int = 256,
    store: str | os.PathLike[str] | None = None,
) -> FeatureSummary:
    """Return moments of the features of all images, and the features of at most `most` of them, in one pass.

    Parameters
    ----------
    images : Images
        Read batch by batch: never all at once.
    features : Features
        The network.
    most : int
        Number of images whose features are kept; 0 keeps none.
    batch : int
        Images read and computed at once. No effect, beyond rounding.
    store : path, optional
        A folder where the summary is kept, under ``features``. It is found by the content of images and
        network, code included. A damaged file is replaced, with a warning. ``None``: nothing is kept.

    Raises
    ------
    ValueError
        If there is a store, and the function of the features has no identity by content.
    """
    check_images("images", images)
    most, batch = check_size("most", most, 0), check_size("batch", batch)
    if store is None:
        return _stream(images, features, most, batch)
    known = [features.name, features.content]
    key = key_of(summary=_VERSION, images=images.fingerprint(), features=known, most=most)
    path = Path(store) / "features" / f"{key}.safetensors"
    summary = _read_summary(path, features.name)
    if summary is None:
        summary = _stream(images, features, most, batch)
        _write_summary(path, summary)
    return summary


def check_images(name: str, images: Any, least: int = 1, why: str = "") -> None:
    """Refuse a value that is not a set of at least `least` images."""
    if not isinstance(images, Images):
        raise TypeError(
            f"{name} is a {type(images).__name__}; pass Images: for an array Images.of(array), for a "
            f"RealImages its .images."
        )
    if len(images) < least:
        raise ValueError(f"{name} holds {len(images)} images; pass {least} or more{why}.")


def _stream(images: Images, features: Features, most: int, batch: int) -> FeatureSummary:
    n = len(images)
    chosen = np.arange(n)
    if most < n:
        # A set may be sorted by class, so that its first images would not do.
        chosen = np.sort(np.random.default_rng(0).choice(n, most, replace=False))
    moments: list[Moments] = []
    points: list[NDArray[Any]] = []
    first = 0
    for block in _blocks(images, features, batch):
        here = chosen[slice(*np.searchsorted(chosen, [first, first + len(block)]))]
        points.append(block[here - first])
        moments = [Moments.joined([*moments, Moments.of(block)])]
        first += len(block)
    return FeatureSummary(moments[0], np.concatenate(points), features.name)


def _blocks(images: Images, features: Features, batch: int) -> Iterator[NDArray[Any]]:
    """Yield features in blocks of several batches: a scatter needs more images than features."""
    held: list[NDArray[Any]] = []
    for pixels in images.batches(batch):
        held.append(features(pixels))
        if sum(map(len, held)) >= 2 * held[0].shape[1]:
            yield np.concatenate(held)
            held = []
    if held:
        yield np.concatenate(held)


def _read_summary(path: Path, name: str) -> FeatureSummary | None:
    if not path.exists():
        return None
    try:
        header, arrays = read_arrays(path)
    except ImageStoreError as error:
        warnings.warn(f"{error} Now the features are computed again, and it is replaced.", stacklevel=3)
        return None
    n = float(header["n"])
    return FeatureSummary(Moments(n, n, arrays["mean"], arrays["root"]), arrays["points"], name)


def _write_summary(path: Path, summary: FeatureSummary) -> None:
    moments = summary.moments
    root = moments.root if moments.exponent is None else np.ldexp(moments.root, moments.exponent)
    try:
        write_arrays(
            path, {"mean": moments.mean, "root": root, "points": summary.points}, {"n": float(moments.weight)}
        )
    except ImageStoreError as error:
        warnings.warn(f"The features are not kept for the next time: {error}", stacklevel=3)


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
        The real images, or what `feature_summary` made of them, or published statistics by
        `read_statistics`.
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
        (Kynkaanniemi et al. 2019, arXiv 1904.06991), unless the reference is a mean and a covariance alone.
        Precision does not see noise: read it alongside the distance.

    Raises
    ------
    ValueError
        If a set has no more than `k` images, or the two differ in height, width or channels, or in features.
    TypeError
        If one is not an `Images`.

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
    published = not len(reference.points)
    if not published and len(reference.points) < least:
        raise ValueError(
            f"reference holds the features of {len(reference.points)} images; make it with most={least} or "
            f"more{why}."
        )
    fake = feature_summary(images, features, most=0 if published else most, batch=batch)
    if reference.moments.mean.shape != fake.moments.mean.shape:
        raise ValueError(
            f"reference has {len(reference.moments.mean)} features and {features.name} gives "
            f"{len(fake.moments.mean)}; take the network of the published statistics."
        )
    if published:
        return {"frechet_distance": frechet_distance(real=reference.moments, fake=fake.moments)}
    precision, recall = precision_recall(real=reference.points, fake=fake.points, k=k)
    distance = frechet_distance(real=reference.moments, fake=fake.moments)
    return {"frechet_distance": distance, "precision": precision, "recall": recall}


def frechet_distance(real: Moments, fake: Moments) -> float:
    """Return the squared Frechet distance of the Gaussians of two moments.

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
    """Return R with R R^T equal to the covariance."""
    root = moments.root if moments.exponent is None else np.ldexp(moments.root, moments.exponent)
    return root / np.sqrt(moments.weight - 1)
