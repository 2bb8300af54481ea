"""Pictures are tested by the numbers of their artists."""

import subprocess
import sys

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import LogNorm

import madtheory as mad
from madtheory import plotting, regimes


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def loop():
    return mad.Loop(
        real=mad.Gaussian.standard(3), model=mad.Gaussian(), regime=regimes.replace(n=12), bias=0.9
    )


@pytest.fixture(scope="module")
def simulated(loop):
    return mad.simulate(loop, 6, replicates=30, rng=0)


@pytest.fixture(scope="module")
def predicted(loop):
    return mad.predict(loop, 6)


def band_of(ax):
    """Lower and upper end of the first band, by x."""
    (path,) = ax.collections[0].get_paths()
    ends = {}
    for x, y in path.vertices:
        ends.setdefault(round(x), []).append(y)
    return np.array([(min(ends[x]), max(ends[x])) for x in sorted(ends)]).T


def test_trajectories_draw_the_mean_where_theory_predicts_the_mean(simulated, predicted):
    ax = plotting.trajectories(simulated, predicted, variable="total_variance", label="loops")
    line, theory = ax.lines
    values = simulated["total_variance"].values
    np.testing.assert_allclose(line.get_xydata(), np.column_stack([np.arange(1, 7), values.mean(0)]))
    np.testing.assert_array_equal(theory.get_ydata(), predicted["total_variance"].values)
    error = values.std(0, ddof=1) / np.sqrt(30)
    np.testing.assert_allclose(band_of(ax), [values.mean(0) - 2 * error, values.mean(0) + 2 * error])
    assert (theory.get_linestyle(), theory.get_color()) == ("--", "black")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("generation", "total variance")
    assert ax.get_legend_handles_labels()[1] == ["loops", "theory"]


def test_trajectories_draw_the_median_without_theory_and_from_quantiles(loop, simulated):
    ax = plotting.trajectories(simulated, variable="log_volume", band=(0.1, 0.9))
    expected = np.quantile(simulated["log_volume"].values, (0.1, 0.5, 0.9), axis=0)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), expected[1])
    np.testing.assert_allclose(band_of(ax), expected[[0, 2]])

    kept = mad.simulate(loop, 6, replicates=30, rng=0, quantiles=(0.1, 0.5, 0.9))
    again = plotting.trajectories(kept, variable="log_volume", band=(0.1, 0.9), ax=plt.subplots()[1])
    np.testing.assert_allclose(again.lines[0].get_ydata(), expected[1])
    with pytest.raises(ValueError, match=r"needs the quantiles .* holds \[0.1, 0.5, 0.9\]"):
        plotting.trajectories(kept, variable="log_volume")
    with pytest.raises(ValueError, match="quantiles, not replicates"):
        plotting.trajectories(kept, variable="log_volume", spread="standard error")


def test_bounds_are_dotted_and_equalities_are_not(simulated, predicted):
    ax = plotting.trajectories(simulated, predicted, variable="wasserstein2_squared")
    styles = [line.get_linestyle() for line in ax.lines[1:]]
    assert styles == [":", ":"]
    lower, upper = (predicted[f"wasserstein2_squared_{side}"].values for side in ("lower", "upper"))
    np.testing.assert_array_equal([line.get_ydata() for line in ax.lines[1:]], [lower, upper])
    assert ax.get_legend_handles_labels()[1] == ["bound"]
    alone = plotting.trajectories(None, predicted, variable="total_variance")
    assert [line.get_linestyle() for line in alone.lines] == ["--"]


def test_trajectories_name_what_exists(simulated, predicted):
    with pytest.raises(KeyError, match=r"variable='variance' is in neither dataset.*total_variance"):
        plotting.trajectories(simulated, predicted, variable="variance")
    with pytest.raises(ValueError, match="spread='std' is unknown"):
        plotting.trajectories(simulated, variable="total_variance", spread="std")


def test_one_replicate_has_no_band(loop):
    one = mad.simulate(loop, 3, replicates=1, rng=0)
    ax = plotting.trajectories(one, variable="total_variance", spread="standard error")
    low, high = band_of(ax)
    np.testing.assert_array_equal(low, high)


def test_phase_diagram_shows_the_values_and_the_boundary():
    x, y = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0])
    values = np.array([[0.5, 1.0, 3.0], [np.nan, 2.0, 4.0]])
    ax = plotting.phase_diagram(x, y, values, label="ratio")
    mesh = ax.collections[0]
    np.testing.assert_array_equal(np.ma.filled(mesh.get_array().reshape(2, 3), np.nan), values)
    assert isinstance(mesh.norm, LogNorm)
    assert (mesh.norm.vmin, mesh.norm.vmax) == (0.25, 4.0)
    contour = ax.collections[1]
    np.testing.assert_array_equal(contour.levels, [1.0])
    assert ax.figure.axes[1].get_ylabel() == "ratio"
    plain = plotting.phase_diagram(x, y, -values, contour=None, logarithmic=False)
    assert len(plain.collections) == 1


def test_phase_diagram_draws_a_sweep():
    bias, sizes = [0.5, 1.0, 0.75], [10, 100, 1000, 10_000]
    values = np.multiply.outer(bias, np.log10(sizes))
    data = xr.Dataset({"ratio": (("bias", "n_real", "generation"), np.stack([0 * values, values], -1))},
                      {"bias": bias, "n_real": sizes})  # fmt: skip
    ax = plotting.phase_diagram(data, contour=2.0)
    drawn = ax.collections[0].get_array()
    np.testing.assert_allclose(drawn, values[[0, 2, 1]].T)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("bias", "n real")
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "log")
    with pytest.raises(ValueError, match=r"has the dimensions \('n_real',\).*needs two"):
        plotting.phase_diagram(data.isel(bias=0))
    with pytest.raises(KeyError, match="there are: ratio"):
        plotting.phase_diagram(data, variable="other")
    with pytest.raises(TypeError, match="y or values is missing"):
        plotting.phase_diagram([1, 2], [1, 2])


def test_phase_diagram_refuses_what_it_cannot_draw():
    with pytest.raises(ValueError, match=r"shape \(3, 2\); expected .* \(2, 3\)"):
        plotting.phase_diagram([1, 2, 3], [1, 2], np.ones((3, 2)))
    with pytest.raises(ValueError, match="entry 0; pass logarithmic=False"):
        plotting.phase_diagram([1, 2], [1, 2], np.zeros((2, 2)))
    plotting.phase_diagram([1, 2], [1, 2], np.ones((2, 2))).figure.canvas.draw()


def test_sample_grid_places_every_image():
    images = np.arange(2 * 3 * 4 * 5, dtype=float).reshape(2, 3, 4, 5)
    ax = plotting.sample_grid(images, rows=["a", "b"], columns=["x", "y", "z"], gap=2)
    mosaic = ax.images[0].get_array().filled(np.nan)
    assert mosaic.shape == (2 * 4 + 2, 3 * 5 + 4)
    np.testing.assert_array_equal(mosaic[6:, 7:12], images[1, 1])
    assert np.isnan(mosaic[4:6]).all()
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["x", "y", "z"]
    assert ax.images[0].get_clim() == (0.0, 119.0)


def test_sample_grid_of_colours_and_wrong_shapes():
    ax = plotting.sample_grid(np.full((1, 2, 4, 4, 3), 5.0), limits=(0, 10))
    mosaic = np.asarray(ax.images[0].get_array())
    assert set(np.unique(mosaic)) == {0.5, 1.0}
    with pytest.raises(ValueError, match=r"shape \(2, 3, 4\)"):
        plotting.sample_grid(np.zeros((2, 3, 4)))
    with pytest.raises(ValueError, match="rows has 1 labels for 2 rows"):
        plotting.sample_grid(np.zeros((2, 1, 3, 3)), rows=["only one"])


def test_style_is_shipped_and_left_again():
    assert plotting.STYLE.is_file()
    before = plt.rcParams["axes.spines.top"]
    with plotting.style():
        assert plt.rcParams["axes.spines.top"] is False
        assert plt.rcParams["figure.constrained_layout.use"] is True
    assert plt.rcParams["axes.spines.top"] == before


def test_figures_of_results_save_without_a_warning(simulated, predicted, tmp_path):
    with plotting.style():
        ax = plotting.trajectories(simulated, predicted, variable="total_variance", label="loops")
        ax.legend()
        ax.figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 1000


def test_importing_plotting_does_not_import_matplotlib():
    code = "import sys, madtheory.plotting; sys.exit(any(m in sys.modules for m in ('matplotlib', 'xarray')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_order_of_the_dimensions_does_not_matter():
    values = xr.DataArray(np.arange(12.0).reshape(4, 3), dims=("generation", "replicate"))
    data = xr.Dataset({"x": values}, {"generation": [1, 2, 3, 4]})
    ax = plotting.trajectories(data, variable="x")
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [1.0, 4.0, 7.0, 10.0])
