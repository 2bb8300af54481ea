"""Loops of image diffusions and their throughput: small runs, resumed runs, verdicts on made-up numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

pytest.importorskip("torch")
pytest.importorskip("matplotlib")
pytest.importorskip("diffusers")
pytest.importorskip("accelerate")

import torch

from madtheory import storage
from madtheory.images import ImageDiffusion, UNet
from madtheory.images.data import datasets
from madtheory.sweeps import SweepError
from paper_scripts.gallery import all_figures
from simulations import image_loops, image_throughput
from simulations.image_throughput import CODES, TASKS, Bench, alone

FIGURES = all_figures()
LOOPS = ["image_loops_digits", "image_photographs"]
loops_findings = FIGURES["image_loops_digits"].findings
throughput_findings = FIGURES["image_throughput"].findings


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes that take a second; in this process alone, so that every run here has n_jobs=1."""
    few = {"seeds": 1, "generations": 2, "channels": (8,), "n": 24, "seen": 64, "judged": 20, "steps": 1}
    for key in [key for key in image_loops.SIZES if key[1] == "quick"]:
        smaller = replace(image_loops.SIZES[key], **few, auxiliary=16, pixels=8)
        monkeypatch.setitem(image_loops.SIZES, key, smaller)


@pytest.mark.parametrize("name", LOOPS)
def test_loops(name, tiny, tmp_path, monkeypatch):
    """They run, go on from finished cells without training, are drawn, and find."""
    figure = FIGURES[name]
    assert figure.networks
    first = figure.simulate(quick=True, n_jobs=1, folder=tmp_path)
    assert dict(first.sizes).items() >= {"seed": 1, "loop": 4, "generation": 2, "shown": 10}.items()
    for variable in ("distance", "precision", "recall", "floor"):
        assert np.isfinite(first[variable]).all()
    plain = [first.sel(loop=loop).isel(generation=0) for loop in image_loops.LOOPS[:3]]
    for other in plain[1:]:
        xr.testing.assert_equal(plain[0].drop_vars("loop"), other.drop_vars("loop"))
    assert len({first["images"].isel(generation=1, loop=i).values.tobytes() for i in range(4)}) == 4

    def unwanted(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    # torch, not our own code: that is part of what a cell is known by.
    monkeypatch.setattr(torch.Tensor, "backward", unwanted)
    kept = sorted(tmp_path.iterdir())
    again = figure.simulate(quick=True, n_jobs=1, folder=tmp_path)
    xr.testing.assert_identical(first, again)
    assert sorted(tmp_path.iterdir()) == kept
    monkeypatch.setattr(ImageDiffusion, "fit", unwanted)
    with pytest.raises(SweepError, match="trained again"):
        figure.simulate(quick=True, n_jobs=1, folder=tmp_path)
    figure.draw(again)
    assert all(finding.ours for finding in figure.findings(again))


def test_what_is_shown():
    """One of each class, or the first ones."""
    from madtheory.images import Images

    pixels = np.arange(30, dtype=np.uint8).reshape(30, 1, 1, 1)
    labels = np.arange(30)[::-1] % 10
    shown = image_loops._pick(Images.of(pixels, labels), 12)
    np.testing.assert_array_equal(labels[shown.ravel()], np.arange(12) % 10)
    assert len(np.unique(shown)) == 12
    np.testing.assert_array_equal(image_loops._pick(Images.of(pixels), 3).ravel(), [0, 1, 2])


def test_no_patch_is_judged_against_itself():
    real, judge = image_loops._photographs(image_loops.SIZES["photographs", "quick"])
    assert judge.keywords["reference"].moments.weight + real.left == datasets.photographs(16).left


def test_fresh_data_last_for_all_generations():
    """Real images that are there, without those that are judged against."""
    for (name, _), sizes in image_loops.SIZES.items():
        patches = datasets.photographs(sizes.pixels).left - 2000
        left = datasets.digits().left if name == "digits" else patches
        assert sizes.n + (sizes.generations - 1) * image_loops._share(sizes.n) <= left


def _loops(plain, augmented, fresh, sims, precision=0.5, seeds=1):
    """Made-up distances: 1 in generation 1, and the given one in the last; the seeds differ a little."""
    ends = np.array([[1.0, end] for end in (plain, augmented, fresh, sims)])
    spread = 1 + 0.01 * np.linspace(-1, 1, seeds)[:, None, None] if seeds > 1 else np.ones((1, 1, 1))
    dims = ("seed", "loop", "generation")
    quality = np.broadcast_to([0.9, precision], (seeds, 4, 2))
    return xr.Dataset(
        {"distance": (dims, ends * spread), "precision": (dims, quality), "recall": (dims, quality)},
        {"loop": list(image_loops.LOOPS), "generation": [1, 5]},
        {"guidance": 0.5, "auxiliary": 100, "fresh": 25, "n_real": 100},
    ).assign(floor=0.1)


def _verdicts(findings):
    return [finding.verdict for finding in findings]


@pytest.mark.parametrize("seeds", [1, 3])
def test_loop_verdicts(seeds):
    good = _verdicts(loops_findings(_loops(3.0, 1.5, 1.1, 1.2, seeds=seeds)))
    # One run cannot show that a distance stays: "not tested".
    assert good == ["reproduced"] * 3 + ["reproduced" if seeds > 1 else "not tested", "reproduced"]
    flat = _verdicts(loops_findings(_loops(1.1, 1.1, 1.1, 1.1, precision=0.89, seeds=seeds)))
    assert flat == ["not reproduced"] * 5
    half = _verdicts(loops_findings(_loops(3.0, 1.1, 1.5, 4.0, seeds=seeds)))
    assert half[2:] == ["partly reproduced", "partly reproduced", "not reproduced"]


def test_a_difference_within_the_noise_does_not_count():
    noisy = _loops(1.5, 1.0, 1.0, 1.0, seeds=3)
    noisy["distance"] = noisy["distance"] * xr.DataArray([0.1, 1.0, 3.0], dims="seed")
    noisy["distance"][:, 0, 1] = [0.01, 0.02, 30.0]
    assert loops_findings(noisy)[0].verdict == "not reproduced"


# Throughput


@pytest.fixture
def smallest(monkeypatch):
    """A network of a second, on the CPU, and one batch of work."""
    original = Bench.__init__

    def begin(bench, rng=0):
        with monkeypatch.context() as patch:
            patch.setattr(torch.cuda, "is_available", lambda: False)
            original(bench, rng)
        bench.unet, bench.batches = UNet(block_out_channels=(8,), layers_per_block=1, attention=()), (4, 8)
        bench.evaluations = 3

    monkeypatch.setattr(Bench, "__init__", begin)


def test_throughput(smallest):

    before = torch.get_rng_state(), torch.get_num_threads()
    data = image_throughput.run(quick=True)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]
    rates = data["images_per_second"].transpose("code", ...)
    assert rates.shape == (3, 2, 2)
    assert np.isnan(rates[2]).all()
    figure = FIGURES["image_throughput"]
    figure.draw(data)
    found = figure.findings(data)
    assert _verdicts(found) == ["not yet measured"] * 3 + ["shown"]


def test_both_codes_do_the_same_work(smallest, monkeypatch):
    """As many images and evaluations of the same network: the forward passes are counted."""
    from diffusers import UNet2DModel

    seen = []

    def forward(module, sample, *args, **kwargs):
        seen.append((len(sample), module.training, sum(p.numel() for p in module.parameters())))
        return original(module, sample, *args, **kwargs)

    original = UNet2DModel.forward
    with alone():
        bench = Bench()
        for ours, theirs in (
            (bench.train(8), bench.train_by_diffusers(8)),
            (bench.sample(8), bench.sample_by_diffusers(8)),
        ):
            counted = []
            for work in (ours, theirs):
                with monkeypatch.context() as patch:
                    patch.setattr(UNet2DModel, "forward", forward)
                    seen.clear()
                    work(3)
                counted.append(list(seen))
            assert counted[0] == counted[1]
            assert len(counted[0]) == 3 * (1 if counted[0][0][1] else bench.evaluations)
    assert bench.operations("sampling") == bench.evaluations * bench.operations("training") / 3


def _measured(training, sampling, accelerator=1, peak=1000.0):
    rates = [[[10 * training, 10.0, 8.0], [10 * sampling, 10.0, 8.0]]]
    return xr.Dataset(
        {"images_per_second": (("batch", "task", "code"), rates), "operations": ("task", [30, 10])},
        {"task": list(TASKS), "code": list(CODES), "batch": [8]},
        {"accelerator": accelerator, "peak": peak},
    )


def test_throughput_verdicts():
    good = throughput_findings(_measured(1.6, 2.5))
    assert _verdicts(good) == ["agrees", "agrees", "shown"]
    assert "2.00 times its half precision" in good[0].ours
    assert good[2].ours == "training 48%, sampling 25%"
    assert _verdicts(throughput_findings(_measured(1.4, 1.9, peak=np.nan))) == [
        "disagrees",
        "disagrees",
        "not yet measured",
    ]
    assert _verdicts(throughput_findings(_measured(1.6, 2.5, accelerator=0)))[:2] == ["not yet measured"] * 2


def test_the_code_of_the_backend_is_part_of_a_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    before = storage.identity(image_loops._cell)
    assert before == storage.identity(image_loops._cell)
    monkeypatch.setattr(ImageDiffusion, "sample", lambda self, n, *, rng: n)
    assert storage.identity(image_loops._cell) != before
