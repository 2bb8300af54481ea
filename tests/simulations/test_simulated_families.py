"""Figures of Shumailov et al., Dey and Donoho, and Suresh et al.: theory holds, wrong theory is caught."""

import numpy as np
import pytest
import xarray as xr

from paper_scripts.gallery import all_figures
from simulations import one_blob_mixture, one_gaussian, survival_rates, universal_error


def figure(name):
    return all_figures()[name]


def z(data, name):
    scores = abs(data[name] - data[f"predicted_{name}"]) / data[f"{name}_error"]
    return scores.where(np.isfinite(scores)).max()


@pytest.fixture(scope="module")
def gaussian():
    return one_gaussian.run(quick=True, rng=1)


@pytest.fixture(scope="module")
def ratios():
    return universal_error.run(quick=True, rng=1)


@pytest.fixture(scope="module")
def survival():
    return survival_rates.run(quick=True, rng=1)


@pytest.fixture(scope="module")
def blob():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(one_blob_mixture, "SIZE", 60)
        patch.setattr(one_blob_mixture, "SMALL_SIZE", 60)
        return one_blob_mixture.run(quick=True, rng=1)


def curves(drawn):
    return [np.asarray(line.get_ydata()) for ax in drawn.axes for line in ax.lines]


def test_one_gaussian_against_its_law(gaussian):
    for name in ("log_variance", "log_mean", "kept_variance"):
        assert z(gaussian, name) < 5
    wrong = gaussian.assign(predicted_log_variance=gaussian["predicted_log_variance"] * 1.2)
    assert z(wrong, "log_variance") > 5
    # To leading order the log of the median falls by 2/n a generation.
    last = gaussian["predicted_log_mean"].isel(generation=-1)
    np.testing.assert_allclose(last, -2 * 100 / gaussian["n"].values, rtol=0.02)
    np.testing.assert_allclose(gaussian["kept_limit"], np.sinc(1 / np.sqrt(gaussian["n"].values)), rtol=1e-12)


def test_one_gaussian_is_drawn_and_judged(gaussian):
    drawn = figure("shumailov_gaussian").draw(gaussian)
    expected = np.exp(gaussian["log_variance"].sel(n=500, quantile=0.5).values / 2)
    assert any(np.array_equal(expected, curve) for curve in curves(drawn))
    found = figure("shumailov_gaussian").findings(gaussian)
    assert {f.verdict for f in found} == {"agrees", "reproduced", "shown"}
    wrong = gaussian.assign(predicted_kept_variance=gaussian["predicted_kept_variance"] * 1.05)
    assert "disagrees" in {f.verdict for f in figure("shumailov_gaussian").findings(wrong)}


def test_ratios_are_universal(ratios):
    assert z(ratios, "ratio") < 5
    wrong = ratios.assign(predicted_ratio=ratios["predicted_ratio"] * 1.3)
    assert z(wrong, "ratio") > 5
    limit = ratios["limit"].sel(workflow="accumulate")
    assert float(limit.sel(generation=10)) == pytest.approx(1.5498, abs=1e-4)
    assert ratios["workflow"].values.tolist() == ["replace", "accumulate", "accumulate_subsample"]


def test_ratios_are_drawn_and_judged(ratios):
    drawn = figure("dey_universality").draw(ratios)
    for workflow, ax in zip(ratios["workflow"].values, drawn.axes, strict=True):
        expected = ratios["ratio"].sel(model="poisson", workflow=workflow).values
        assert any(np.array_equal(expected, line.get_ydata()) for line in ax.lines)
    found = figure("dey_universality").findings(ratios)
    assert {f.verdict for f in found} == {"agrees", "reproduced"}
    doubled = ratios.assign(ratio=2 * ratios["ratio"])
    wrong = {f.verdict for f in figure("dey_universality").findings(doubled)}
    assert wrong == {"disagrees", "not reproduced"}


def test_the_variance_of_a_median():
    points = np.random.default_rng(0).standard_normal((40_000, 21))
    squares = np.median(points, axis=1) ** 2
    error = squares.std(ddof=1) / 200
    assert abs(squares.mean() - universal_error._median_variance(21)) < 5 * error
    assert abs(squares.mean() - universal_error._median_variance(23)) > 5 * error


def test_survival_is_exact_and_between_the_bounds(survival):
    assert z(survival, "survival") < 5
    assert z(survival, "wide") < 5
    bernoulli = survival.isel(case=[0, 1])
    assert (bernoulli["predicted_survival"] <= bernoulli["upper"] + 1e-12).all()
    assert (survival["predicted_survival"] >= survival["lower"] - 1e-12).all()
    wrong = survival.assign(predicted_survival=survival["predicted_survival"] ** 1.2)
    assert z(wrong, "survival") > 5
    assert (survival["wide_by_likelihood"] <= survival["predicted_wide"]).all()


def test_survival_is_drawn_and_judged(survival):
    drawn = figure("suresh_survival").draw(survival)
    expected = survival["survival"].isel(case=1).values
    assert any(np.array_equal(expected, curve) for curve in curves(drawn))
    found = figure("suresh_survival").findings(survival)
    assert {f.verdict for f in found} == {"agrees", "reproduced"}
    high = survival.assign(wide_bound=survival["wide_bound"] / 1e4)
    assert "partly reproduced" in {f.verdict for f in figure("suresh_survival").findings(high)}


def test_a_mixture_keeps_the_total_covariance(blob):
    assert z(blob, "total_variance") < 5
    assert blob["larger_sd"].values.min() > 0
    assert (blob["larger_sd"] >= blob["smaller_sd"]).all()
    np.testing.assert_allclose(
        blob["predicted_variance"], (1 - 1 / 60) ** blob["generation"].values, rtol=1e-4
    )


def test_the_distance_of_mixtures_is_an_integral(blob):
    """The closed form against a sum over a grid."""
    import madtheory as mad

    model = mad.Mixture(means=[[0.0, 0.5], [1.0, 0.0]], covariances=[0.5, 0.3], weights=[0.7, 0.3])
    real = mad.Gaussian.standard(2)

    class Snapshot:
        pass

    snapshot = Snapshot()
    snapshot.model, snapshot.real = model.expand(1), real
    line = np.linspace(-6, 6, 401)
    grid = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    gap = np.exp(model.log_density(grid)) - np.exp(real.log_density(grid))
    expected = (gap**2).sum() * (line[1] - line[0]) ** 2
    assert one_blob_mixture.squared_distance(snapshot) == pytest.approx(expected, rel=1e-6)


def test_the_mixture_is_drawn_and_judged(blob):
    drawn = figure("shumailov_mixture").draw(blob)
    assert any(np.array_equal(blob["total_variance"].values, curve) for curve in curves(drawn))
    found = figure("shumailov_mixture").findings(blob)
    assert found[-1].verdict == "agrees"
    wrong = blob.assign(predicted_total_variance=blob["predicted_total_variance"] + 5)
    assert figure("shumailov_mixture").findings(wrong)[-1].verdict == "disagrees"


def test_the_same_seed_gives_the_same_bits(survival):
    again = survival_rates.run(quick=True, rng=1, n_jobs=2)
    xr.testing.assert_identical(again["survival"], survival["survival"])
    other = survival_rates.run(quick=True, rng=2)
    assert not np.array_equal(other["survival"], survival["survival"])
