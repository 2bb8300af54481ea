"""Self-correction of digits by the nearest cluster centre: Gillman et al. 2024 (arXiv 2402.07087), Fig. 3.

The paper corrects each MNIST digit that a diffusion model generates to the nearest of the 16 cluster centres
of the real images of that digit. Here are scikit-learn's 8 x 8 digits (1797 images; Alpaydin and Kaynak 1998)
with a Gaussian for each class as the generator, 100 fixed real images a class, and 100 lambda synthetic ones.
The distance is the Frechet distance in pixels, to all images of the class, without noise of evaluation. Also
simulated: the ideal correction of the paper's theory, at strength 1, and the loop without real images.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes, treatments
from simulations._pictures import grey
from simulations.digits import load

N_REAL, CLUSTERS = 100, 16
RATIOS = (0.2, 0.5, 1.0, np.inf)  # synthetic per real image; infinity: synthetic images only
CORRECTIONS = ("none", "nearest centre", "ideal, strength 1")
METRICS = (metrics.wasserstein2_squared, metrics.total_variance)
QUICK, FULL = (9, 4), (51, 12)  # generations, replicates


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate.

    Returns
    -------
    Dataset
        ``wasserstein2_squared`` (the Frechet distance) and ``total_variance`` by correction, ratio and
        generation: averages over classes and replicates, with ``_error``. ``real_variance`` is the truth's,
        ``centre_variance`` that of the real images after correction. Pictures: ``image`` and ``corrected``.
    """
    generations, replicates = QUICK if quick else FULL
    kept = sorted({t for t in (1, 2, 3, 6, 11, 21, 31, 41, 51) if t <= generations} | {generations})
    pixels, labels = load()
    classes = [pixels[labels == c] for c in range(10)]
    maps = [treatments.nearest(_centres(images, rng)) for images in classes]
    loop = partial(_loop, classes=classes, maps=maps)
    runs = mad.sweep(
        loop, over={"correction": CORRECTIONS, "ratio": RATIOS, "digit": range(10)}, generations=generations,
        replicates=replicates, metrics=METRICS, record=kept, rng=rng, n_jobs=n_jobs,
    )  # fmt: skip
    data = xr.Dataset(coords={"correction": list(CORRECTIONS), "ratio": list(RATIOS), "generation": kept})
    for name in (metric.__name__ for metric in METRICS):
        data[name] = runs[name].mean("digit")
        # The classes are independent: their variances add.
        data[f"{name}_error"] = np.sqrt((runs[f"{name}_standard_error"] ** 2).sum("digit")) / 10
    _references(data, classes, maps)
    return data.assign_attrs(
        real="scikit-learn load_digits, 1797 images", n_real=N_REAL, clusters=CLUSTERS, replicates=replicates,
        rng=rng, quick=int(quick),
    )  # fmt: skip


def _loop(
    correction: str, ratio: float, digit: int, *, classes: list[np.ndarray], maps: list[Any]
) -> mad.Loop:
    """Return the loop of one class of digits."""
    changes = _treatments(correction, maps[digit])
    return mad.Loop(real=classes[digit], model=mad.Gaussian(), regime=_regime(ratio), treatments=changes)


def _centres(images: np.ndarray, rng: int) -> np.ndarray:
    from sklearn.cluster import KMeans

    return np.asarray(KMeans(CLUSTERS, n_init=4, random_state=rng).fit(images).cluster_centers_)


def _regime(ratio: float) -> regimes.Regime:
    if np.isinf(ratio):
        return regimes.replace(n=N_REAL)
    return regimes.augment(n_real=N_REAL, n_synthetic=round(ratio * N_REAL))


def _treatments(kind: str, nearest: object) -> tuple:
    match kind:
        case "none":
            return ()
        case "nearest centre":
            return (treatments.project(nearest),)
    return (treatments.correct(1.0),)


def _references(data: xr.Dataset, classes: list[np.ndarray], maps: list) -> None:
    """Add what the correction does to real images, and pictures of it."""
    corrected = [nearest(images) for images, nearest in zip(classes, maps, strict=True)]
    data["real_variance"] = np.mean([images.var(0).sum() for images in classes])
    data["centre_variance"] = np.mean([images.var(0).sum() for images in corrected])
    rng = np.random.default_rng(0)
    shown, fixed = [], []
    for images, nearest in zip(classes, maps, strict=True):
        model = mad.Gaussian().fit(images)
        points = model.sample(1, rng=rng)
        shown.append(points[0])
        fixed.append(nearest(points)[0])
    for name, pictures in (("image", shown), ("corrected", fixed)):
        data[name] = (("digit", "pixel"), grey(pictures))
