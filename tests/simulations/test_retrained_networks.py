"""Loops of networks on their own samples: tiny runs, and verdicts on made-up numbers."""

import pytest

pytest.importorskip("torch")

from itertools import islice

import numpy as np
import xarray as xr

import madtheory as mad
from paper_scripts.gallery import all_figures
from simulations import retrained_networks

FIGURES = all_figures()

TINY = retrained_networks._Sizes((0.0, 0.5, np.inf), 3, 2, 20, 5, 200, (1, 3))
RATIOS = list(retrained_networks.RATIOS)
GENERATIONS = 6


@pytest.fixture
def tiny(monkeypatch):
    """Small sizes, in this process."""
    sizes = {law: {True: TINY, False: TINY} for law in retrained_networks.SIZES}
    monkeypatch.setattr(retrained_networks, "SIZES", sizes)
    monkeypatch.setattr(retrained_networks, "PICTURED", 50)


@pytest.mark.parametrize("name", ["bertrand_eight_gaussians", "bertrand_two_moons"])
def test_a_tiny_run_is_drawn_and_judged(tiny, name, tmp_path):
    figure = FIGURES[name]
    data = figure.simulate(quick=True, rng=1, n_jobs=1, folder=tmp_path)
    assert data["distance"].dims == ("seed", "ratio", "generation")
    assert data["distance"].shape == (2, 3, 3)
    assert data["points"].shape == (3, 2, 50, 2)
    assert ("coverage" in data) == (name == "bertrand_eight_gaussians")
    assert data["distance"].notnull().all()
    # All loops of a seed share generation 1, and seeds differ.
    first = data["distance"].isel(generation=0)
    assert (first == first.isel(ratio=0)).all()
    assert first.isel(ratio=0).std() > 0
    figure.draw(data)
    assert len(figure.findings(data)) >= 4


def test_finished_cells_are_not_computed_again(tiny, tmp_path, monkeypatch):
    computed, cell_of = [], retrained_networks._cell

    def counted(**cell):
        computed.append(cell["seed"])
        return cell_of(**cell)

    monkeypatch.setattr("madtheory.sweeps.cells.identity_of", lambda *parts: "the same code")
    monkeypatch.setattr(retrained_networks, "_cell", counted)
    whole = retrained_networks.two_moons(quick=True, n_jobs=1, folder=tmp_path)
    assert computed == [0, 1]
    min(tmp_path.glob("*/*.cells")).unlink()
    again = retrained_networks.two_moons(quick=True, n_jobs=1, folder=tmp_path)
    assert len(computed) == 3
    xr.testing.assert_identical(whole, again)


def test_ratio_zero_continues_training_on_the_real_points(tiny):
    truth = retrained_networks.sources.two_moons()
    loop = retrained_networks._loop(truth, "two moons", TINY, 0.0)
    first, second = islice(mad.iterate(loop, rng=0), 2)
    assert np.array_equal(second.training_set, first.training_set)
    again = first.model.fit(first.training_set, rng=first.streams(2, "fit"))
    assert all(np.array_equal(second.model.weights[k], again.weights[k]) for k in again.weights)


def made_up(distance, *, seeds=5, noise=0.002):
    """Distances by ratio and generation, and precision that falls with them."""
    rng = np.random.default_rng(0)
    values = np.broadcast_to(distance, (seeds, len(RATIOS), GENERATIONS))
    values = values + noise * rng.standard_normal(values.shape)
    values[..., 0] = values[:, :1, 0]
    dims = ("seed", "ratio", "generation")
    flat = (dims, 0.9 + 0 * values)
    return xr.Dataset(
        {"distance": (dims, values), "precision": (dims, 1 - values), "recall": flat, "quality": flat},
        {"ratio": RATIOS, "generation": np.arange(1, GENERATIONS + 1)},
    ).assign(floor=("seed", np.full(seeds, 0.01)))


def verdicts(data):
    found = FIGURES["bertrand_two_moons"].findings(data)
    return {"stable": found[0].verdict, "collapse": found[1].verdict, "order": found[-3].verdict}


TIME = np.linspace(0, 1, GENERATIONS)
SHARE = np.array([0, 0.05, 0.1, 0.2, 0.5, 1.0])[:, None]


def test_a_collapse_that_grows_with_the_ratio_reproduces_the_paper():
    # Theorem 1 holds for the baseline and for what differs from it by little.
    data = made_up(0.05 + TIME * 0.5 * SHARE**3)
    assert verdicts(data) == {"stable": "reproduced", "collapse": "reproduced", "order": "reproduced"}


def test_verdicts_fail_where_they_should():
    flat = verdicts(made_up(0.05 + 0 * TIME + 0 * SHARE))
    # Where nothing collapses, that few synthetic points do no harm says nothing.
    assert flat == {"stable": "not tested", "collapse": "not reproduced", "order": "not reproduced"}
    unstable = verdicts(made_up(0.05 + TIME * 0.5 * np.array([0, 1, 1, 1, 1, 1.0])[:, None]))
    assert unstable["stable"] == "not reproduced"
    backwards = verdicts(made_up(0.05 + TIME * 0.5 * np.array([0, 0.5, 0.3, 0.5, 0.6, 1.0])[:, None]))
    assert backwards["order"] == "partly reproduced"
