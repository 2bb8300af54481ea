"""SIMS and Neon with trained diffusions: small runs, resumed runs, and verdicts on made-up numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

import torch

from madtheory.networks import Heun
from madtheory.sweeps import SweepError
from paper_scripts.gallery import all_figures
from simulations import neon_toy, sims_digits, sims_loop_digits
from simulations._sims_digits import Images, diffusion
from simulations._toy_diffusion import ScaledDDIM, ToyChain

FIGURES = {
    name: all_figures()[name]
    for name in (
        "sims_budget_digits",
        "sims_pollution_digits",
        "sims_loop_digits",
        "sims_classes_digits",
        "neon_toy",
    )
}
budgets_findings, pollution_findings, loops_findings, classes_findings, toy_findings = (
    figure.findings for figure in FIGURES.values()
)
SEEDS = np.linspace(-0.1, 0.1, 5)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes that take a second; in this process alone, so that every run here has n_jobs=1."""

    def coarse(*args: object, **kwargs: object) -> object:
        return replace(diffusion(*args, **kwargs), sampler=Heun(2))

    one = {"seeds": 2, "hidden": (8,), "images": 256, "n_auxiliary": 30}
    monkeypatch.setitem(sims_digits.SIZES, True, replace(sims_digits.SIZES[True], **one, budgets=(128, 256)))
    monkeypatch.setitem(
        sims_loop_digits.SIZES,
        True,
        replace(sims_loop_digits.SIZES[True], **one, generations=2, budget=128, grid=(0.0, 1.0)),
    )
    monkeypatch.setitem(neon_toy.SIZES, True, replace(neon_toy.SIZES[True], epochs=5, weights=3, judged=1000))
    for module, names in (
        (sims_digits, ("WEIGHTS", "POLLUTED_WEIGHTS", "CLASS_WEIGHTS")),
        (sims_loop_digits, ()),
    ):
        monkeypatch.setattr(module, "JUDGED", 40)
        monkeypatch.setattr(module, "diffusion", coarse)
        for name in names:
            monkeypatch.setattr(module, name, (-1.0, 9.0, 0.0, 9.0, 2.0))  # quick takes every second
    monkeypatch.setattr(sims_digits, "RATIOS", (0.0, 9.0, 0.5))


@pytest.mark.parametrize("name", list(FIGURES))
def test_figure(name, tiny, tmp_path, monkeypatch):
    """Every figure runs small, resumes from finished cells without training, draws, and finds."""
    figure = FIGURES[name]
    assert figure.networks
    first = figure.simulate(quick=True, n_jobs=1, folder=tmp_path)
    assert np.isfinite(first["fid"]).all()
    assert first.sizes["seed"] == 2
    kept = sorted(tmp_path.iterdir())
    assert kept

    def unwanted(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    # torch, not our own code: that is part of what a cell is known by.
    monkeypatch.setattr(torch.autograd, "backward", unwanted)
    again = figure.simulate(quick=True, n_jobs=1, folder=tmp_path)
    xr.testing.assert_identical(first, again)
    assert sorted(tmp_path.iterdir()) == kept
    with pytest.raises(SweepError, match="trained again"):
        figure.simulate(quick=True, rng=1, n_jobs=1)

    figure.draw(again)
    assert all(finding.ours for finding in figure.findings(again))


def test_images_are_given_once():
    images = Images.train()
    drawn = images.sample(len(images.points), rng=np.random.default_rng(0))
    assert len(np.unique(drawn, axis=0)) == len(np.unique(images.points, axis=0))
    with pytest.raises(ValueError, match="larger"):
        images.sample(len(images.points) + 1, rng=np.random.default_rng(0))


def test_mixed_images_have_the_wanted_share():
    wanted = sims_digits._mix("test")
    labels = sims_digits.labels_of(wanted)
    # The classifier is wrong for a few per cent of them.
    assert (labels % 2 == 1).mean() == pytest.approx(sims_digits.TARGET, abs=0.03)


def test_toy_chain():
    """Levels are those of the cosine schedule with alpha_bar(0) = 1, for as many steps as asked."""
    levels = ToyChain().levels(20)
    share = np.cos((np.arange(20) / 20 + 0.008) / 1.008 * np.pi / 2) ** 2
    np.testing.assert_allclose(1 / (1 + levels[::-1] ** 2), share / share[0], rtol=1e-12)
    assert levels[-1] == 0
    assert (np.diff(levels) < 0).all()


def test_toy_sampler():
    """One step by hand; a larger scale of the score makes narrower samples."""
    x = np.array([[1.0, -2.0]])
    now, then = 3.0, 0.0
    sampler = ScaledDDIM(steps=2, scale=1.1)
    level = np.sqrt(
        1 / np.cos((0.999 + 0.008) / 1.008 * np.pi / 2) ** 2 * np.cos(0.008 / 1.008 * np.pi / 2) ** 2 - 1
    )
    seen = x * np.sqrt((1 + level**2) / (1 + now**2))
    moved = sampler.integrate(lambda points, _: 0.5 * points, x, [now, then])
    np.testing.assert_allclose(moved, x - 1.1 * now * 0.5 * seen / level, rtol=1e-9)
    start = np.random.default_rng(0).normal(size=(500, 2)) * 20
    sigmas = ToyChain().levels(20)
    narrow, right, wide = (
        ScaledDDIM(scale=s).integrate(lambda p, s: p / (1 + s**2), start, sigmas).std()
        for s in (1.1, 1.0, 0.9)
    )
    assert narrow < 0.9 * right
    assert wide > 1.1 * right


def _seeds(values, dims, coords):
    """The same numbers with a small offset for every seed."""
    return xr.DataArray(np.asarray(values, float), coords, dims) + xr.DataArray(SEEDS, dims="seed")


def _curves(best, depth=3.0, heads=1.0):
    """Made-up sweeps: parabolas with the minimum at `best`, for SIMS at two budgets and Neon."""
    w = np.arange(-1.0, 4.01, 0.5)
    weight = {"weight": w}
    fid = [10 + depth * heads * ((w - b) ** 2 - b**2) / 4 for b in (*best, best[-1])]
    data = xr.Dataset({"fid": _seeds(fid, ("curve", "weight"), weight)})
    data["choice"] = data["fid"]
    data["precision"] = _seeds([0.8 - 0.05 * w] * 3, ("curve", "weight"), weight)
    data["recall"] = _seeds([0.9 + 0.02 * w] * 3, ("curve", "weight"), weight)
    data["displacement"] = _seeds([0.1, 0.2, 0.2], ("curve",), {})
    return data.assign(floor=("seed", np.ones(5))).assign_coords(
        scheme=("curve", ["SIMS", "SIMS", "Neon"]), budget=("curve", [10_000, 50_000, 50_000])
    )


def _verdicts(findings):
    return [finding.verdict for finding in findings]


def test_budget_verdicts():
    good = _verdicts(budgets_findings(_curves((2.0, 1.0))))
    assert good == ["reproduced"] * 6
    # No gain beyond w = 0, a best w that rises, and a self-trained model that is no worse.
    bad = _verdicts(budgets_findings(_curves((0.0, 0.0))))
    assert [bad[i] for i in (0, 2, 4)] == ["not reproduced"] * 3
    rising = budgets_findings(_curves((1.0, 2.0)))
    assert rising[2].verdict == "not reproduced"
    assert _verdicts(budgets_findings(_curves((-1.0, -1.0))))[3] == "not reproduced"
    two_valleys = _curves((2.0, 1.0))
    two_valleys["fid"] = two_valleys["fid"] + np.cos(2 * np.pi * two_valleys["weight"]) * 3
    assert _verdicts(budgets_findings(two_valleys))[1] == "not reproduced"
    quality = _curves((2.0, 1.0))
    quality["precision"], quality["recall"] = quality["recall"], quality["precision"]
    assert _verdicts(budgets_findings(quality))[5] == "not reproduced"


def test_budget_gain_within_the_spread_of_the_seeds():
    data = _curves((2.0, 1.0), depth=0.1)
    data["fid"] = data["fid"] + 30 * xr.DataArray(SEEDS, dims="seed")
    assert budgets_findings(data)[0].verdict == "partly reproduced"


def _polluted(standard, guided):
    coords = {"ratio": [0.0, 0.5, 1.0], "weight": [0.0, 1.0]}
    data = xr.Dataset({"fid": _seeds(np.transpose([standard, guided]), ("ratio", "weight"), coords)})
    return data.assign(choice=data["fid"])


def test_pollution_verdicts():
    assert _verdicts(pollution_findings(_polluted((10, 11, 12), (8, 8, 8)))) == ["reproduced"] * 3
    # Standard training that is not touched; SIMS that degrades beyond the clean one.
    bad = _verdicts(pollution_findings(_polluted((12, 12, 12), (11.9, 12.5, 13))))
    assert bad == ["not reproduced"] * 3


def _loops(plain, sims):
    coords = {
        "loop": ["fully synthetic", "synthetic augmentation"],
        "generator": ["plain", "SIMS"],
        "generation": [1, 2],
    }
    fid = [[[10.0, plain], [9.0, sims]]] * 2
    data = xr.Dataset({"fid": _seeds(fid, tuple(coords), coords)})
    return data.assign(precision=data["fid"] / 100, recall=data["fid"] / 100, guidance=data["fid"])


@pytest.mark.parametrize(
    ("plain", "sims", "verdict"),
    [(15.0, 10.5, "reproduced"), (15.0, 12.0, "partly reproduced"), (15.0, 16.0, "not reproduced")],
)
def test_loop_verdicts(plain, sims, verdict):
    assert _verdicts(loops_findings(_loops(plain, sims)))[:2] == [verdict] * 2


def test_a_plain_loop_that_stays_sane_proves_nothing():
    assert loops_findings(_loops(10.2, 10.2))[0].verdict == "not reproduced"


def _steered(slope, gain):
    w = np.array([-1.0, 0.0, 1.0, 2.0])
    odd = 0.5 + slope * w
    share = np.where(np.arange(10) % 2, odd[:, None], 1 - odd[:, None]) / 5
    data = xr.Dataset({"fid": _seeds(10 - gain * w, ("weight",), {"weight": w})}).assign_attrs(target=0.7)
    data["choice"] = data["fid"]
    return data.assign(share=_seeds(share, ("weight", "digit"), {"weight": w}) + 0 * data["fid"] - _offset())


def _offset():
    return xr.DataArray(SEEDS, dims="seed") * 0.9


def test_class_verdicts():
    assert _verdicts(classes_findings(_steered(0.1, 1.0))) == ["reproduced"] * 3
    assert _verdicts(classes_findings(_steered(-0.1, 0.0))) == [
        "not reproduced",
        "partly reproduced",
        "not reproduced",
    ]


def _toy(sign=1.0, fid=0.04, base=0.16):
    w = np.linspace(-2, 2, 41)
    coords = {"scale": [0.9, 1.1], "epochs": [50, 250], "scheme": ["Neon", "SIMS"], "weight": w}
    best = sign * np.array([[-1.1, -0.3], [1.2, 0.3]])[..., None, None]
    curve = fid + (base - fid) * ((w - best) / best) ** 2
    values = np.broadcast_to(curve, (2, 2, 2, 41))
    data = xr.Dataset({"fid": (tuple(coords), values)}, coords)
    data["fid"] = data["fid"] * (1 + 5 * xr.DataArray(SEEDS, dims="seed"))
    data["synthetic_variance"] = _seeds([11.0, 0.2], ("scale",), {"scale": [0.9, 1.1]})
    data["base_covariance"] = _seeds(np.eye(2), ("row", "column"), {})
    for k, name in enumerate(("paper_weight", "paper_fid")):
        data[name] = (("scale", "epochs"), np.array(neon_toy.PAPER)[..., k])
    return data.assign_attrs(paper_base=neon_toy.PAPER_BASE)


def test_toy_verdicts():
    assert _verdicts(toy_findings(_toy())) == ["reproduced"] * 5
    assert _verdicts(toy_findings(_toy(sign=-1.0)))[1] == "not reproduced"
    assert _verdicts(toy_findings(_toy(fid=0.5, base=2.0)))[0] == "not reproduced"
    assert _verdicts(toy_findings(_toy(fid=0.5, base=2.0)))[3] == "not reproduced"
    apart = _toy()
    apart["fid"] = apart["fid"] + 0.2 * (apart["scheme"] == "SIMS")
    assert _verdicts(toy_findings(apart))[4] == "not reproduced"
    later = _toy().assign_coords(epochs=[50, 250])
    later["fid"] = later["fid"].isel(epochs=[1, 0]).assign_coords(epochs=[50, 250])
    assert _verdicts(toy_findings(later))[2] == "not reproduced"
