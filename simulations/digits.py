"""Real data: handwritten digits in the three loops of MAD, a Gaussian for each of the ten classes.

scikit-learn's `load_digits` (1797 images of 8 x 8 pixels; Alpaydin and Kaynak 1998), intensities from 0 to 1.
Each class is a loop of its own, `Loop(real=array, model=Gaussian(), ...)`: fully synthetic (n = 100),
synthetic augmentation (100 fixed real + 100 synthetic) and fresh data (100 new real + 100 synthetic), bias 1
and 0.9. Our own experiment.

Between 10 and 16 pixels of a class are the same in all its images, so that its covariance is singular. Each
class is therefore described in an orthonormal basis of the directions in which it varies (48 to 54 of them).
That is an isometry: no distance changes, and the model is in those directions what it would be in all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes
from simulations._pictures import grey

N = 100
LOOPS = {
    "replace": regimes.replace(n=N),
    "augment": regimes.augment(n_real=N, n_synthetic=N),
    "fresh": regimes.fresh(n_real=N, n_synthetic=N),
}
BIASES = (1.0, 0.9)
METRICS = (metrics.total_variance, metrics.mean_error, metrics.wasserstein2_squared)
NEIGHBOURS = 5
PICTURED = [0, 2, 3]  # classes of which samples are kept as pictures,
SAMPLES = 4  # so many of each
PER_CLASS = 90  # synthetic images per class for precision and recall: as many as real ones


@dataclass(frozen=True)
class _Sizes:
    generations: int
    replicates: int
    judged: int  # replicates whose samples are drawn, for precision and recall
    shown: tuple[int, ...]  # at these generations


QUICK = _Sizes(20, 4, 4, (1, 5, 10, 20))
FULL = _Sizes(50, 20, 8, (1, 2, 5, 10, 20, 50))


@dataclass(frozen=True)
class _Digit:
    """One class: its images as coordinates in the directions in which they vary."""

    points: np.ndarray
    basis: np.ndarray
    offset: np.ndarray

    @classmethod
    def of(cls, images: np.ndarray) -> _Digit:
        mean = images.mean(0)
        values, vectors = np.linalg.eigh(np.cov(images, rowvar=False, ddof=0))
        basis = vectors[:, values > 1e-10 * values[-1]]
        return cls(images @ basis, basis, mean - basis @ (basis.T @ mean))

    def images(self, points: np.ndarray) -> np.ndarray:
        """Return pixels of points, shape (..., 64)."""
        return points @ self.basis.T + self.offset

    def gaussian(self) -> mad.Gaussian:
        """Return the Gaussian with the moments of the class."""
        return mad.Gaussian(self.points.mean(0), np.cov(self.points, rowvar=False, ddof=0))


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate and predict.

    Returns
    -------
    Dataset
        By loop, bias and generation, averaged over the ten classes and then over replicates, each with its
        ``_error``: ``total_variance``, ``mean_error``, ``wasserstein2_squared`` (between Gaussians of the
        model's and the real moments, which is the Frechet distance), and at some generations ``precision``
        and ``recall`` of all classes together. Predictions, with what they assume in their attributes.
        ``image``: samples of some classes, 255 times their pixels, clipped to 0 to 255.
    """
    sizes = QUICK if quick else FULL
    pixels, labels = load()
    digits = [_Digit.of(pixels[labels == c]) for c in range(10)]
    one = partial(_one, digits=digits, reference=pixels[::2], sizes=sizes, rng=rng)
    data = mad.sweep(one, over={"loop": list(LOOPS), "bias": BIASES}, rng=rng, n_jobs=n_jobs)
    precision, recall = metrics.precision_recall(real=pixels[::2], fake=pixels[1::2], k=NEIGHBOURS)
    data["real_precision"], data["real_recall"] = precision, recall
    real = np.array([pixels[labels == c][:SAMPLES] for c in PICTURED])
    data["real_image"] = (("digit", "sample", "pixel"), grey(real))
    data["real_total_variance"] = np.mean([np.trace(digit.gaussian().covariance) for digit in digits])
    data.attrs.update(
        {
            "real": "scikit-learn load_digits, 1797 images",
            "n": N,
            "k": NEIGHBOURS,
            "replicates": sizes.replicates,
            "seed": rng,
            "quick": int(quick),
        }
    )
    return data


def load() -> tuple[np.ndarray, np.ndarray]:
    """Return pixels of all images, from 0 to 1, and their classes."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return data.data / 16, data.target


def _one(
    loop: str, bias: float, *, digits: list[_Digit], reference: np.ndarray, sizes: _Sizes, rng: int
) -> xr.Dataset:
    """Simulate one regime and bias: ten loops side by side."""
    loops = [mad.Loop(real=d.points, model=mad.Gaussian(), regime=LOOPS[loop], bias=bias) for d in digits]
    measured: dict[str, list[np.ndarray]] = {metric.__name__: [] for metric in METRICS}
    quality, images = [], []
    for generation, snapshots in enumerate(_together(loops, sizes, rng), start=1):
        for metric in METRICS:
            measured[metric.__name__].append(np.array([metric(s) for s in snapshots]))
        if generation in sizes.shown:
            fake = _sample(snapshots, digits, rng)[: sizes.judged]
            quality.append([metrics.precision_recall(real=reference, fake=f, k=NEIGHBOURS) for f in fake])
            images.append(fake[0].reshape(len(digits), PER_CLASS, -1)[PICTURED, :SAMPLES])
    predicted = _predict(loop, bias, digits, loops, sizes.generations)
    variables = {}
    for key, values in measured.items():
        each = np.array(values)  # (generation, class, replicate)
        # The classes are independent: their variances add, so that all of them contribute to the error.
        spread = each.var(-1, ddof=1).sum(-1) / each.shape[-2] ** 2
        variables[key] = ("generation", each.mean((-2, -1)))
        variables[f"{key}_error"] = ("generation", np.sqrt(spread / sizes.replicates))
    for key, values in zip(("precision", "recall"), np.moveaxis(np.array(quality), -1, 0), strict=True):
        variables[key] = ("shown", values.mean(1))
        variables[f"{key}_error"] = ("shown", values.std(1, ddof=1) / np.sqrt(sizes.judged))
    variables["image"] = (("shown", "digit", "sample", "pixel"), grey(np.array(images)))
    coordinates = {
        "generation": np.arange(1, sizes.generations + 1),
        "shown": list(sizes.shown),
        "digit": PICTURED,
    }
    return xr.Dataset({**variables, **predicted}, coordinates, attrs={"model": "Gaussian per class"})


def _together(loops: list[mad.Loop], sizes: _Sizes, rng: int) -> Iterator[tuple]:
    """Yield the snapshots of all classes, one generation after another.

    The seed depends on the class alone: all regimes start from the same first fits.
    """
    seeds = [np.random.SeedSequence(rng, spawn_key=(0, c)) for c in range(len(loops))]
    runs = [
        mad.iterate(loop, rng=s, replicates=sizes.replicates) for loop, s in zip(loops, seeds, strict=True)
    ]
    for _ in range(sizes.generations):
        yield tuple(next(run) for run in runs)


def _sample(snapshots: tuple, digits: list[_Digit], rng: int) -> np.ndarray:
    """Return unbiased samples of all classes in pixels, shape (replicate, 10 * PER_CLASS, 64)."""
    parts = []
    for c, (snapshot, digit) in enumerate(zip(snapshots, digits, strict=True)):
        stream = np.random.default_rng(np.random.SeedSequence(rng, spawn_key=(1, c, snapshot.generation)))
        parts.append(digit.images(snapshot.model.sample(PER_CLASS, rng=stream)))
    return np.concatenate(parts, axis=1)


def _predict(
    name: str, bias: float, digits: list[_Digit], loops: list[mad.Loop], generations: int
) -> dict[str, tuple]:
    """Return the averages of the predictions over the classes."""
    exact = [mad.predict(loop, generations) for loop in loops]
    out = {}
    for key in ("total_variance", "mean_error"):
        attrs = {"kind": exact[0][key].attrs["kind"], "source": exact[0][key].attrs["source"]}
        out[f"predicted_{key}"] = ("generation", np.mean([e[key].values for e in exact], axis=0), attrs)
    lower = [_wasserstein_bound(e, d) for e, d in zip(exact, digits, strict=True)]
    source = (
        "exact means of trace and mean error in Gelbrich's bound (1990) and Jensen's inequality; any truth"
    )
    attrs = {"kind": "bound", "source": source}
    out["predicted_wasserstein2_squared_lower"] = ("generation", np.mean(lower, axis=0), attrs)
    # With real data in the loop no upper bound is known for a truth like this one.
    upper = np.full((len(digits), generations), np.nan)
    if name == "replace":
        real = [
            mad.Loop(real=d.gaussian(), model=mad.Gaussian(), regime=LOOPS[name], bias=bias) for d in digits
        ]
        upper = np.array([mad.predict(r, generations)["wasserstein2_squared_upper"].values for r in real])
    attrs = {"kind": "bound", "source": "the fully synthetic loop of a Gaussian truth with these moments"}
    out["predicted_wasserstein2_squared_upper"] = ("generation", upper.mean(0), attrs)
    return out


def _wasserstein_bound(predicted: xr.Dataset, digit: _Digit) -> np.ndarray:
    """Return a lower bound of the mean squared distance: the part of the mean and the total variance."""
    truth = np.trace(digit.gaussian().covariance)
    gap = np.sqrt(predicted["total_variance"].values) - np.sqrt(truth)
    return predicted["mean_error"].values + gap**2
