"""Weights ask something of a model's fit: that is checked before the first fit."""

import numpy as np
import pytest

import madtheory as mad
from madtheory import metrics, models, regimes, storage


class Points:
    """A model of one's own that is fitted to points only."""

    fits = 0

    def fit(self, data, *, rng):
        type(self).fits += 1
        new = type(self)()
        new.points = np.asarray(data)[: len(data)]
        return new

    def sample(self, n, *, rng, bias=None):
        return self.points[rng.integers(len(self.points), size=n)]


class TakesWeights(Points):
    takes_weights = True

    def fit(self, data, *, rng):
        self = super().fit(getattr(data, "points", data), rng=rng)
        self.weighted = isinstance(data, mad.data.Weighted)
        return self


def spread(snapshot):
    return snapshot.model.points.var()


def loop_of(model, weights=(1, 2), **changed):
    regime = regimes.fresh(n_real=6, n_synthetic=5, weights=weights)
    return mad.Loop(**{"real": mad.Gaussian.standard(2), "model": model, "regime": regime} | changed)


def test_a_fit_of_points_refuses_weights_before_it_is_called(tmp_path):
    loop, before = loop_of(Points()), Points.fits
    calls = [
        lambda: mad.simulate(loop, 3, metrics=[spread], rng=0, replicates=2, progress=False),
        lambda: storage.resume(tmp_path / "a.nc", loop, 3, metrics=[spread], rng=0, replicates=2),
        lambda: mad.start(loop, rng=0),
        lambda: next(mad.iterate(loop, rng=0)),
    ]
    for call in calls:
        with pytest.raises(TypeError, match=r"weights=\(1\.0, 2\.0\).*Points\.fit.*takes_weights = True"):
            call()
    assert Points.fits == before
    assert list(tmp_path.iterdir()) == []


def test_without_weights_or_with_a_word_it_runs():
    for model, weights in ((Points(), None), (TakesWeights(), (1, 2))):
        snapshots = mad.iterate(loop_of(model, weights), rng=0)
        first, second = next(snapshots), next(snapshots)
        assert [len(first.model.points), len(second.model.points)] == [6, 11]
        assert isinstance(second.training_set, mad.data.Weighted) == (weights is not None)


def test_models_of_the_package_know_whether_they_take_weights():
    mixture = pytest.importorskip("sklearn.mixture").GaussianMixture
    density = pytest.importorskip("sklearn.neighbors").KernelDensity
    known = [mad.Gaussian(), mad.KernelDensity(), mad.Estimator(density())]
    known += [models.SIMS(mad.Gaussian(), 0.1)]
    for model in known:
        snapshots = mad.iterate(loop_of(model), rng=0, method="samples")
        next(snapshots)
        assert next(snapshots).generation == 2
    for model in (mad.Estimator(mixture(1)), mad.Mixture(2)):
        with pytest.raises(TypeError, match=f"weights=.*{type(model).__name__}"):
            mad.start(loop_of(model), rng=0)


def test_names_of_metrics_are_not_functions_and_the_known_ones_are_listed(tmp_path):
    loop = loop_of(mad.Gaussian(), None)
    points = np.arange(12.0).reshape(6, 2) ** 2
    sims = models.SIMS(mad.Gaussian(), 0.1).fit(points, rng=np.random.default_rng(0))
    for bad in ("total_variance", ["total_variance"], [metrics.mean_error, "kl_divergence"]):
        for call in (
            lambda bad=bad: mad.simulate(loop, 2, metrics=bad, rng=0),
            lambda bad=bad: storage.resume(tmp_path / "a.nc", loop, 2, metrics=bad, rng=0),
        ):
            with pytest.raises(ValueError, match=r"metrics.*not a function.*log_volume.*total_variance"):
                call()
    with pytest.raises(ValueError, match=r"metrics.*'frechet_distance'.*precision_recall"):
        metrics.on_samples("frechet_distance", reference=points, n=5)
    with pytest.raises(TypeError, match=r"metric='frechet_distance'.*precision_recall"):
        models.select_guidance(
            sims, metric="frechet_distance", grid=[0, 1], n=5, rng=np.random.default_rng(0)
        )
    assert list(tmp_path.iterdir()) == []
