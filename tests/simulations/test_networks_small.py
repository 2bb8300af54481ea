"""Loops of flows and of WGAN-GPs: tiny runs, and verdicts on made-up numbers."""

import pytest

pytest.importorskip("torch")

import numpy as np
import xarray as xr

from madtheory import sources
from madtheory.sweeps import run_cells
from paper_scripts.gallery import all_figures
from simulations import flow_tails, wgan_digits

DIGITS, FLOW = FIGURES = [all_figures()[name] for name in ("mad_13_digits", "mad_17")]
TAILS = list(flow_tails.TAILS)


@pytest.fixture
def tiny(monkeypatch):
    """Small sizes, in this process."""
    flow = flow_tails._Sizes(n=40, batch=40, seeds=2, judged=200)
    digits = wgan_digits._Sizes(generations=4, seeds=2, images=1280, shown=(1, 4))
    monkeypatch.setattr(flow_tails, "SIZES", {True: flow})
    monkeypatch.setattr(flow_tails, "GENERATIONS", 3)
    monkeypatch.setattr(wgan_digits, "SIZES", {True: digits})


@pytest.mark.parametrize("figure", FIGURES)
def test_a_tiny_run_is_drawn_and_judged(tiny, figure):
    data = figure.simulate(quick=True, rng=1, n_jobs=1)
    assert all(data[name].notnull().all() for name in data.data_vars)
    measure = data["mass" if figure is FLOW else "fid"]
    assert (measure.std("seed") > 0).any()
    figure.draw(data).canvas.draw()
    assert len(figure.findings(data)) >= 4


def test_shapes_and_shared_first_generation_of_the_flow(tiny):
    data = flow_tails.run(quick=True, n_jobs=1)
    assert data["mass"].sizes == {"bias": 2, "seed": 2, "generation": 3, "tail": 3}
    assert data["density"].dims == ("bias", "shown", "x1", "x2")
    assert data["divergence"].dims == ("seed",)
    first = data["mass"].isel(generation=0, tail=0)
    assert (first.sel(bias=0.75) < first.sel(bias=1.0)).all()
    # A density: nearly all samples of generation 1 are inside the picture.
    area = float(data["x1"].diff("x1")[0] * data["x2"].diff("x2")[0])
    assert area * data["density"].sel(shown=1).sum(("x1", "x2")).values == pytest.approx([1, 1], abs=0.05)
    assert area * data["true_density"].sum().item() == pytest.approx(1, abs=1e-3)


def test_true_masses():
    points = sources.rosenbrock().sample(200_000, rng=np.random.default_rng(0))
    exact = flow_tails._true_masses()
    found = np.array([tail(points).mean() for tail in flow_tails.TAILS.values()])
    z = (found - exact) / np.sqrt(exact * (1 - exact) / len(points))
    assert (np.abs(z) < 5).all()
    # Power: errors of 11 %, 45 % and 11 % would lie ten standard errors away.
    assert (10 * np.sqrt((1 - exact) / exact / len(points)) < (0.11, 0.45, 0.11)).all()


def test_real_training_images_are_good_and_noise_is_bad():
    judge = wgan_digits.Judge.of_digits()
    real = wgan_digits._measure(judge, sources.digits("train").points)
    noise = wgan_digits._measure(judge, np.random.default_rng(0).random((900, 64)))
    assert real["precision"] > 0.9
    assert real["recall"] > 0.9
    assert noise["precision"] < 0.2
    assert noise["fid"] > 20 * real["fid"]
    assert noise["pixel_distance"] > 20 * real["pixel_distance"]


@pytest.mark.parametrize("module", [flow_tails, wgan_digits])
def test_finished_cells_are_not_computed_again(tiny, module, tmp_path, monkeypatch):
    computed, cell_of = [], module._cell

    def counted(**cell):
        computed.append(cell["seed"])
        return cell_of(**cell)

    monkeypatch.setattr("madtheory.sweeps.cells.identity_of", lambda *parts: "the same code")
    monkeypatch.setattr(module, "_cell", counted)
    whole = module.run(quick=True, n_jobs=1, folder=tmp_path)
    many = len(computed)
    min(tmp_path.glob("*/*.cells")).unlink()
    again = module.run(quick=True, n_jobs=1, folder=tmp_path)
    assert many < len(computed) < 2 * many
    xr.testing.assert_equal(whole, again)


@pytest.mark.slow
def test_a_cell_does_not_depend_on_the_process():
    cells = [{"bias": 1.0, "seed": seed, "quick": True} for seed in (0, 1)]
    one, two = (run_cells(_short_loop, cells, n_jobs=n) for n in (1, 2))
    assert all(a.identical(b) for a, b in zip(one, two, strict=True))


def _short_loop(**cell):
    """A cell of tiny sizes, which are set in the process that computes it."""
    flow_tails.SIZES, flow_tails.GENERATIONS = {True: flow_tails._Sizes(40, 40, 2, 100)}, 2
    return flow_tails._cell(**cell)


def flow_data(unbiased, biased, noise=0.002):
    """Tail masses that go in a straight line from the first number to the second, for both biases."""
    rng = np.random.default_rng(0)
    lines = np.linspace(*np.array([unbiased, biased]).T, 16, axis=-1)
    values = np.repeat(np.repeat(lines[:, None, :, None], 5, 1), 3, -1)
    values = np.clip(values + noise * rng.standard_normal(values.shape), 0, 1)
    return xr.Dataset(
        {"mass": (("bias", "seed", "generation", "tail"), values)},
        {"bias": [1.0, 0.75], "generation": np.arange(1, 17), "tail": TAILS},
        {"seeds": 5, "n": 10_000},
    ).assign(true_mass=("tail", [0.0455] * 3), divergence=("seed", [0.001, 0.002, 0.001, 0.002, 0.001]))


def flow_verdicts(*masses):
    return [finding.verdict == "reproduced" for finding in FLOW.findings(flow_data(*masses))]


def test_verdicts_of_the_flow():
    assert flow_verdicts((0.045, 0.03), (0.02, 0.0)) == [True, True, True, True]
    # Tails that start above the truth; that stay or grow without bias; that stay or grow with it.
    assert flow_verdicts((0.06, 0.03), (0.02, 0.0)) == [False, True, True, True]
    assert flow_verdicts((0.045, 0.045), (0.02, 0.0)) == [True, False, True, True]
    assert flow_verdicts((0.045, 0.055), (0.02, 0.0)) == [True, False, True, True]
    assert flow_verdicts((0.045, 0.03), (0.02, 0.02))[2:] == [False, True]
    assert flow_verdicts((0.045, 0.03), (0.02, 0.05))[2:] == [False, False]
    grown = FLOW.findings(flow_data((0.045, 0.055), (0.02, 0.0)))[1]
    assert "grow" in grown.note


def digits_data(fid, precision, recall, noise=0.01):
    """Measures at 100 generations, of five seeds."""
    rng = np.random.default_rng(0)
    curves = {"fid": fid, "precision": precision, "recall": recall}
    t = np.arange(1, 101)
    data = xr.Dataset(coords={"generation": t}, attrs={"seeds": 5})
    for name, curve in curves.items():
        values = curve(t) * (1 + noise * rng.standard_normal((5, 100)))
        data[name], data[f"{name}_real"] = (("seed", "generation"), values), 1.0
    return data


def falling(t):
    return 0.1 + 0.5 * np.exp(-(t - 1) / 10)


def rising(t):
    return 300 - 250 * np.exp(-(t - 1) / 10)


def digits_verdicts(*curves):
    return [finding.verdict for finding in DIGITS.findings(digits_data(*curves))[1:]]


def test_verdicts_of_the_digits():
    assert digits_verdicts(rising, falling, falling) == ["reproduced"] * 4
    flat = digits_verdicts(lambda t: 50 + 0 * t, lambda t: 0.5 + 0 * t, lambda t: 0.5 + 0 * t)
    assert flat[:3] == ["not reproduced"] * 3
    # Up to generation 67 and half of the way back.
    turning = digits_verdicts(lambda t: 50 + 20 * t - 0.15 * t**2, falling, falling)
    assert turning[:3] == ["partly reproduced", "reproduced", "reproduced"]
    # Nothing saturates, or one measure alone does not.
    straight = [lambda t: 50 + 2.0 * t, lambda t: 0.6 - 0.004 * t, lambda t: 0.9 - 0.008 * t]
    assert digits_verdicts(*straight)[3] == "not reproduced"
    assert digits_verdicts(rising, falling, straight[2])[3] == "partly reproduced"


def test_pictures_show_the_data():
    one = flow_data((0.045, 0.03), (0.02, 0.0))
    x = {"x1": [0.0, 1.0, 2.0], "x2": [0.0, 1.0]}
    density = xr.DataArray(np.full((2, 2, 3, 2), 0.02), x | {"bias": [1.0, 0.75], "shown": [1, 16]},
                           ("bias", "shown", "x1", "x2"))  # fmt: skip
    truth = density.isel(bias=0, shown=0, drop=True) * np.array([1, 0.01])
    axes = FLOW.draw(one.assign(density=density, true_density=truth)).axes
    expected = one["mass"].sel(bias=0.75, tail="x2 > 4").mean("seed")
    shown = next(ax for ax in axes if ax.get_title(loc="left") + ax.get_title() == "P(x2 > 4)")
    assert any(np.array_equal(line.get_ydata(), expected) for line in shown.lines)
