"""Curated loops of networks: tiny runs, the exact law beside them, and verdicts on made-up numbers."""

import pytest

pytest.importorskip("torch")

import numpy as np
import xarray as xr

from madtheory import networks
from paper_scripts.gallery import all_figures
from simulations import curated_networks

FIGURES = all_figures()
PLANAR, DIGITS = FIGURES["ferbach_planar_networks"], FIGURES["ferbach_digits_networks"]


def tiny_network():
    training = networks.Training(images=2000, batch=100, warm_images=500)
    return networks.Diffusion(sampler=networks.Heun(3), hidden=(8,), training=training, device="cpu")


def test_rewards_are_flat_on_their_plateaus():
    reward = curated_networks.plateau("eight Gaussians")
    assert np.allclose(reward(np.array([[2.0, 0.0], [2.0, 0.9], [2.0, 1.5], [-2.0, 0.0]])), [0, 0, -5, -30])


def test_a_tiny_run_in_the_plane(monkeypatch, tmp_path):
    steps = dict.fromkeys(curated_networks.LAWS, 5)
    tiny = curated_networks._Sizes(3, 2, steps, steps, 200)
    monkeypatch.setattr(curated_networks, "PLANAR", {True: tiny})
    monkeypatch.setattr(curated_networks, "planar_diffusion", lambda law, **steps: tiny_network())
    monkeypatch.setattr(curated_networks, "PICTURED", 50)
    data = curated_networks.planar(quick=True, rng=1, n_jobs=1, folder=tmp_path)
    assert data["reward"].dims == ("law", "seed", "loop", "generation")
    first = data["reward"].isel(generation=0)
    assert (first == first.isel(loop=0)).all()
    mass = data["mode_mass"].sum("mode")
    assert np.allclose(mass, 1)
    assert np.isnan(data["mode_mass"].sel(law="two moons", mode=7)).all()
    # The exact law: a group of two triples nothing, and the plateau of one mode of eight grows fast.
    exact = data["predicted_top"].sel(law="eight Gaussians", loop="curated only")
    assert abs(exact[0] - 1 / 8) < 0.02
    assert 1.8 < exact[1] / exact[0] < 2
    PLANAR.draw(data)
    assert len(PLANAR.findings(data)) == 6
    xr.testing.assert_identical(data, curated_networks.planar(quick=True, rng=1, n_jobs=1, folder=tmp_path))


def test_a_tiny_run_on_digits(monkeypatch, tmp_path):
    tiny = curated_networks._Sizes(2, 2, {"digits": 5}, {"digits": 5}, 900)
    monkeypatch.setattr(curated_networks, "DIGITS", {True: tiny})
    monkeypatch.setattr(curated_networks, "_digits_model", lambda sizes: tiny_network())
    data = curated_networks.digits(quick=True, rng=1, n_jobs=1, folder=tmp_path)
    assert data["confidence"].shape == (2, 3, 2)
    assert np.allclose(data["share"].sum("digit"), 1)
    assert data["real_confidence"] > 0.95
    assert ((data["imbalance"] >= 0) & (data["imbalance"] <= 1)).all()
    DIGITS.draw(data)
    assert len(DIGITS.findings(data)) == 4


def in_the_plane(top=0.98, kept=0.1, gain=(5.0, 2.0)):
    """One law of two modes: plateau share without real data, least mode with them, gains of the reward."""
    rng = np.random.default_rng(0)
    dims = ("law", "seed", "loop", "generation")
    noise = 0.01 * rng.standard_normal((1, 5, 2, 2))
    reward = noise + np.array([[-10, -10 + gain[0]], [-10, -10 + gain[1]]])
    share = 0.1 * noise + np.array([[0.1, top], [0.1, 0.2]])
    least = np.abs(0.1 * noise + np.array([[0.5, 0.001], [0.5, kept]]))
    mass = np.stack([least, 1 - least], -1)
    loops = ["curated only", "with real data"]
    data = xr.Dataset(
        {"reward": (dims, reward), "top": (dims, share), "mode_mass": ((*dims, "mode"), mass)},
        {"law": ["two moons"], "loop": loops, "generation": [1, 2]},
    )
    exact = {f"predicted_{name}": data[name].isel(seed=0) for name in ("reward", "top")}
    least = np.array([[0.5, 0.0], [0.5, 0.12]])
    exact["predicted_mode_mass"] = (
        ("law", "loop", "generation", "mode"),
        np.stack([least, 1 - least], -1)[None],
    )
    return data.assign(exact).assign(real_mode_mass=(("law", "mode"), [[0.5, 0.5]]))


def test_verdicts_in_the_plane():
    def verdicts(**changes):
        return [finding.verdict for finding in PLANAR.findings(in_the_plane(**changes))]

    assert verdicts() == ["reproduced"] * 3
    assert verdicts(top=0.3)[1] == "not reproduced"
    assert verdicts(top=0.7)[1] == "partly reproduced"
    assert verdicts(kept=0.002)[2] == "not reproduced"
    assert verdicts(gain=(5, -1))[0] == "partly reproduced"
    assert verdicts(gain=(-5, -1))[0] == "not reproduced"


def on_digits(*, imbalance, confidence=(0.05, 0.03, 0.0)):
    """Growth of imbalance and confidence: curated only, with real data, not curated."""
    rng = np.random.default_rng(0)
    dims = ("seed", "loop", "generation")

    def rising(by):
        ends = np.stack([np.zeros(3), by], -1)
        return dims, 0.1 + ends + 0.003 * rng.standard_normal((5, 3, 2))

    flat = rising(np.zeros(3))
    names = dict.fromkeys(("frechet", "precision", "recall"), flat)
    coords = {"loop": list(curated_networks.DIGIT_LOOPS), "generation": [1, 2]}
    return xr.Dataset({**names, "confidence": rising(confidence), "imbalance": rising(imbalance)}, coords)


def test_verdicts_on_digits():
    def verdicts(**given):
        return [finding.verdict for finding in DIGITS.findings(on_digits(**given))][:3]

    assert verdicts(imbalance=(0.2, 0.01, 0.05)) == ["reproduced"] * 3
    # As much without curation: it is the drift of the loop.
    assert verdicts(imbalance=(0.2, 0.01, 0.2))[1] == "partly reproduced"
    assert verdicts(imbalance=(0.0, 0.0, 0.0))[1:] == ["not reproduced"] * 2
    assert verdicts(imbalance=(0.2, 0.15, 0.0))[2] == "partly reproduced"
    assert verdicts(imbalance=(0.2, 0.01, 0.0), confidence=(0.05, -0.02, 0))[0] == "partly reproduced"
