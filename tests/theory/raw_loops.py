"""Gaussian loops on raw samples, written without the package: every point is drawn, every fit sees points."""

import numpy as np


def real_points(rng, replicates, size, scales, law):
    """Real data of mean 0 and covariance diag(scales**2), Gaussian or skewed."""
    shape = (replicates, size, len(scales))
    draw = rng.standard_normal(shape) if law == "normal" else rng.exponential(size=shape) - 1
    return draw * scales


def fit(points, weights, ddof, known_mean):
    total, squares = weights.sum(), (weights**2).sum()
    mean = np.einsum("n,rnd->rd", weights, points) / total
    if known_mean:
        mean = np.zeros_like(mean)
    centred = points - mean[:, None]
    if points.shape[-1] == 1:  # many products of one number cost more than their sum
        scatter = np.einsum("n,rnd,rnd->rd", weights, centred, centred)[..., None]
    else:
        scatter = np.swapaxes(centred * weights[:, None], 1, 2) @ centred
    return mean, scatter / (total - ddof * squares / total)


def draw(rng, models, size, bias):
    """Each point from one of `models`, chosen uniformly at random."""
    replicates, dim = models[0][0].shape
    noise, out = rng.standard_normal((replicates, size, dim)), None
    choice = rng.integers(len(models), size=(replicates, size))
    for k, (mean, covariance) in enumerate(models):
        if dim == 1:
            points = mean[:, None] + np.sqrt(bias * covariance) * noise
        else:
            factor = np.linalg.cholesky(covariance)
            points = mean[:, None] + np.sqrt(bias) * noise @ np.swapaxes(factor, 1, 2)
        out = points if out is None else np.where((choice == k)[..., None], points, out)
    return out


def simulate(
    rng, replicates, *, n_initial, n_synthetic, n_real=0, real_data="none", retain="last", memory=1,
    budget=None, replacement=False, weights=None, bias=1.0, ddof=1, known_mean=False, spectrum=(1.0,),
    generations, law="skewed",
):  # fmt: skip
    """Yield (mean, covariance) of every generation, shapes (replicates, d) and (replicates, d, d)."""
    scales = np.sqrt(np.asarray(spectrum))
    real = real_points(rng, replicates, n_initial, scales, law)
    models, batches = [fit(real, np.ones(n_initial), ddof, known_mean)], []
    yield models[-1]
    for _ in range(generations - 1):
        batches.append(draw(rng, models[-memory:], n_synthetic, bias))
        kept = batches if retain == "all" else batches[-1:] if retain == "last" else batches[-retain:]
        if real_data == "fresh":
            real = real_points(rng, replicates, n_real, scales, law)
        pool = np.concatenate(([] if real_data == "none" else [real]) + kept, axis=1)
        synthetic = sum(b.shape[1] for b in kept)
        w_real, w_synthetic = weights or (1.0, 1.0)
        weight = np.r_[np.full(pool.shape[1] - synthetic, w_real), np.full(synthetic, w_synthetic)]
        if budget is not None:
            if replacement:
                index = rng.integers(pool.shape[1], size=(replicates, budget))
            else:
                index = np.argsort(rng.random(pool.shape[:2]), axis=1)[:, :budget]
            pool, weight = np.take_along_axis(pool, index[..., None], axis=1), np.ones(budget)
        models.append(fit(pool, weight, ddof, known_mean))
        yield models[-1]


def z_score(sample, expected):
    """How many standard errors the mean of `sample` is above `expected`."""
    return (sample.mean() - expected) / (sample.std(ddof=1) / np.sqrt(len(sample)))
