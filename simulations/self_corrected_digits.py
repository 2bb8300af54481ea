"""Self-correction of digits by the nearest cluster centre: Gillman et al. 2024 (arXiv 2402.07087), Fig. 3.

The paper corrects each MNIST digit that a diffusion model generates to the nearest of the 16 cluster centres
of the real images of that digit. Here are scikit-learn's 8 x 8 digits (1797 images; Alpaydin and Kaynak 1998)
with a Gaussian for each class as the generator, 100 fixed real images a class, and 100 lambda synthetic ones.
The distance is the Frechet distance in pixels, to all images of the class, without noise of evaluation. Also
simulated: the ideal correction of the paper's theory, at strength 1, and the loop without real images.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes, treatments
from simulations._grid import simulate_grid
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
    grid = [(c, ratio, kind) for kind in CORRECTIONS for ratio in RATIOS for c in range(10)]
    loops = [
        mad.Loop(
            real=classes[c], model=mad.Gaussian(), regime=_regime(r), treatments=_treatments(kind, maps[c])
        )
        for c, r, kind in grid
    ]
    runs = simulate_grid(
        loops, generations, rng=rng, n_jobs=n_jobs, records=[kept] * len(loops), progress="digits",
        replicates=replicates, metrics=METRICS,
    )  # fmt: skip
    dims = ("correction", "ratio", "generation")
    data = xr.Dataset(coords={"correction": list(CORRECTIONS), "ratio": list(RATIOS), "generation": kept})
    for metric in METRICS:
        values = np.stack([one[metric.__name__].values for one in runs])
        values = values.reshape(len(CORRECTIONS), len(RATIOS), 10, replicates, len(kept))
        # The classes are independent: their variances add.
        spread = values.var(-2, ddof=1).sum(-2) / 100
        data[metric.__name__] = (dims, values.mean((-3, -2)))
        data[f"{metric.__name__}_error"] = (dims, np.sqrt(spread / replicates))
    _references(data, classes, maps)
    return data.assign_attrs(
        real="scikit-learn load_digits, 1797 images", n_real=N_REAL, clusters=CLUSTERS, replicates=replicates,
        rng=rng, quick=int(quick),
    )  # fmt: skip


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
