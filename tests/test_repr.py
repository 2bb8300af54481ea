"""Descriptions fit on one screen, and axes say what they are."""

import numpy as np
import pytest

import madtheory as mad
from madtheory import data, metrics, regimes, storage

pytest.importorskip("sklearn")

X = np.random.default_rng(0).normal(size=(1000, 64))
LARGE = [
    data.Empirical(X),
    data.Moments.of(X),
    data.Counts(np.arange(1000)),
    mad.Gaussian(X[0], np.cov(X.T)),
    mad.Mixture.grid(),
    mad.Categorical(np.ones(1000)),
    mad.KernelDensity(0.1).fit(X),
    regimes.replace(n=list(range(1, 1000))),
    mad.start(
        mad.Loop(real=X, model=mad.KernelDensity(0.1), regime=regimes.augment(n_real=9, n_synthetic=9))
    ),
]


@pytest.mark.parametrize("described", LARGE, ids=lambda d: type(d).__name__)
def test_what_holds_large_arrays_has_a_short_text(described):
    text = repr(described)
    assert text.startswith(type(described).__name__ + "(")
    assert len(text) < 1500
    assert text.count("\n") == 0


def test_a_loop_fits_on_one_screen_and_in_a_notebook():
    loop = mad.Loop(real=X, model=mad.Gaussian(), regime=regimes.fresh(n_real=100, n_synthetic=200), bias=0.5)
    text = str(loop)
    assert len(text) < 500
    for part in ("(1000, 64)", "Gaussian(ddof=1)", "n_synthetic=200", "bias=0.5"):
        assert part in text
    table = loop._repr_html_()
    assert table.startswith("<table>")
    assert "(1000, 64)" in table
    assert "<array" not in table, "text is escaped"
    assert "n_synthetic" in loop.regime._repr_html_()
    assert repr(mad.Gaussian.standard(1)) == "Gaussian(mean=array([0.0]), factor=array([[1.0]]), ddof=1)"


def share(snapshot):
    """Share of the first half.

    More about it.
    """
    return np.full(snapshot.replicates or 1, 0.5)


def test_variables_and_coordinates_say_what_they_are_and_it_is_stored(tmp_path):
    loop = mad.Loop(real=mad.Gaussian.standard(2), model=mad.Gaussian(), regime=regimes.replace(n=9))
    settings = {"replicates": 3, "rng": 0, "metrics": [*metrics.DEFAULT, share]}
    path = tmp_path / "run.nc"
    for dataset in (
        mad.simulate(loop, 3, **settings),
        storage.resume(path, loop, 3, **settings),
        storage.load(path),
        mad.simulate(loop, 3, quantiles=(0.1, 0.9), **settings),
    ):
        assert dataset.total_variance.attrs["long_name"] == "total variance"
        assert dataset.total_variance.attrs["units"] == "squared units of the points"
        assert dataset.share.attrs["long_name"] == "Share of the first half"
        assert dataset.generation.attrs == {"long_name": "generation", "units": "dimensionless"}
    assert dataset["quantile"].attrs["units"] == "dimensionless"
    predicted = mad.predict(loop, 3)
    for name, variable in predicted.items():
        assert {"kind", "source", "long_name", "units"} <= set(variable.attrs), name
    assert predicted.total_variance_std.attrs["long_name"] == "standard deviation of the total variance"
    assert predicted.generation.attrs["units"] == "dimensionless"
