"""Digits corrected by cluster centres, with a network: a tiny run, and verdicts on made-up numbers."""

import pytest

pytest.importorskip("torch")

import numpy as np
import xarray as xr

from madtheory import networks, sources
from paper_scripts.gallery import all_figures
from simulations import self_corrected_networks

LOOPS = list(self_corrected_networks.LOOPS)
FIGURE = all_figures()["gillman_3_networks"]


@pytest.fixture(scope="module")
def correction():
    real = sources.digits("train", labels=True).points
    return real, self_corrected_networks._correction(real)


def test_the_correction_maps_to_centres_of_the_class(correction):
    real, correct = correction
    corrected = correct(real)
    assert (corrected[:, -1] == real[:, -1]).all()
    for digit in range(10):
        mine = corrected[real[:, -1] == digit, :-1]
        assert len(np.unique(mine, axis=0)) == self_corrected_networks.CLUSTERS
        # A centre of Lloyd's algorithm is the mean of what is nearest to it.
        assert np.allclose(mine.mean(0), real[real[:, -1] == digit, :-1].mean(0))
    # The class is what it goes by, not the picture.
    wrong = real.copy()
    wrong[:, -1] = (wrong[:, -1] + 1) % 10
    assert not np.isclose(correct(wrong)[:, :-1], corrected[:, :-1]).all(1).any()
    assert np.array_equal(correct(corrected), corrected)


def tiny_network():
    training = networks.Training(images=2000, batch=100, warm_images=500)
    sampler = networks.Heun(3)
    return networks.Diffusion(sampler=sampler, hidden=(8,), classes=10, training=training, device="cpu")


def test_a_tiny_run_is_drawn_and_judged(monkeypatch, tmp_path):
    tiny = self_corrected_networks._Sizes(
        ("real only", "λ = 1", "λ = 1, corrected"), 2, 2, {"brief": (20, 5)}
    )
    monkeypatch.setattr(self_corrected_networks, "SIZES", {True: tiny})
    monkeypatch.setattr(self_corrected_networks, "_model", lambda first, later: tiny_network())
    data = self_corrected_networks.run(quick=True, rng=1, n_jobs=1, folder=tmp_path)
    assert data["frechet"].dims == ("training", "seed", "loop", "generation")
    assert data["images"].shape == (3, 10, 64)
    first = data["frechet"].isel(generation=0)
    assert (first == first.isel(loop=0)).all()
    assert data["real_accuracy"] > 0.99
    assert data["centre_class_variance"] < 0.8 * data["real_class_variance"]
    FIGURE.draw(data)
    assert len(FIGURE.findings(data)) == 4
    again = self_corrected_networks.run(quick=True, rng=1, n_jobs=1, folder=tmp_path)
    xr.testing.assert_identical(data, again)
    stored = sorted(tmp_path.rglob("*.cells"))
    assert len(stored) == 2


def made_up(ends, noise=0.05, seeds=5):
    """Distances that go from 10 to `ends`, one for each loop."""
    rng = np.random.default_rng(0)
    path = 10 + (np.array(ends)[:, None] - 10) * np.array([0, 1, 1, 1, 1.0])
    values = path + noise * rng.standard_normal((1, seeds, len(LOOPS), 5))
    dims = ("training", "seed", "loop", "generation")
    names = ("frechet", "pixel_frechet", "precision", "recall", "accuracy", "class_variance")
    data = xr.Dataset(
        dict.fromkeys(names, (dims, values)),
        {"training": ["long"], "loop": LOOPS, "generation": np.arange(1, 6)},
    )
    return data.assign({f"{p}_{name}": v for name in names for p, v in (("real", 1.0), ("centre", 0.7))})


def verdicts(ends, **noise):
    return [finding.verdict for finding in FIGURE.findings(made_up(ends, **noise))]


def test_verdicts():
    """Loops: real only; plain and corrected at one half; plain and corrected at 1."""
    papers = ["reproduced"] * 6 + ["not reproduced"]
    assert verdicts([5, 6, 4.9, 8, 5]) == papers
    swapped = verdicts([5, 4.9, 6, 5, 8])
    assert swapped[:5] == ["not reproduced"] * 5
    assert verdicts([5, 6, 4.9, 6, 4.9], noise=0.5)[4] == "not tested"
    assert verdicts([5, 6, 4.9, 18, 5])[5] == "partly reproduced"
