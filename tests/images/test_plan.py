"""The cost of a run: its work as counted in a real run, speeds as measured, and what the plan prints."""

import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("accelerate")

import madtheory as mad
from madtheory.images.runs import command as _texts, plan as _plan
from madtheory.images.runs.plan import (
    Speed,
    Work,
    operations,
    parameters,
    plan,
    plan_at_speed,
    total_work,
    work_of,
)
from madtheory.images.runs.presets import PRESETS, SCALES
from madtheory.images.unet import ImageDenoiser

TENTH = Speed(training=1000.0, sampling=10_000.0, device="a card", batches=(256, 1024))


def settings_of(name, scale="full", **changes):
    return PRESETS[name].settings(scale).change(**changes)


def counts(name, generation, **changes):
    work = work_of(settings_of(name, **changes), generation)
    return work.seen, work.made, work.evaluations


def test_work_of_the_papers_runs_by_hand():
    # 1,200,000 images in batches of 256 are 4687.5 steps; 10,000 images are measured.
    assert counts("mad-mnist-fully-synthetic", 1) == (4688 * 256, 10_000, 10_000 * 500)
    assert counts("mad-mnist-fully-synthetic", 2) == (4688 * 256, 70_000, 70_000 * 500)
    # Guidance: every evaluation with the class and without.
    assert counts("mad-mnist-fully-synthetic", 2, bias=0.5) == (4688 * 256, 70_000, 70_000 * 1000)
    # 100,000 images of the base alone, 50,000 of both networks; 2,000,000 images are 3906.25 steps.
    assert counts("sims-cifar10", 1) == (
        390_625 * 512 + 3907 * 512, 150_000, 100_000 * 35 + 50_000 * 70,
    )  # fmt: skip
    assert counts("sims-cifar10", 1, weight=0.0)[2] == 150_000 * 35
    # Neon samples one network.
    assert counts("neon-cifar10", 1)[2] == 56_000 * 35
    # The first fit is long, the later ones are short.
    assert counts("bertrand-cifar10", 1)[0] == 200_000_000
    assert counts("bertrand-cifar10", 2)[0] == 1954 * 512
    # One of two is kept.
    assert counts("ferbach-cifar10", 2)[1:] == (100_000, 100_000 * 99)
    assert counts("bertrand-cifar10", 2, n_synthetic=0)[1] == 50_000


@pytest.mark.parametrize("name", ["gillman-mnist", "sims-cifar10-loop", "neon-cifar10", "ferbach-cifar10"])
def test_work_is_what_a_run_does(name, monkeypatch, tmp_path):
    """Forward passes of one image each, counted in the network itself; bytes in the store."""
    passed = []
    forward = ImageDenoiser.forward

    def counting(self, x, sigma, labels=None):
        passed.append(len(x))
        return forward(self, x, sigma, labels)

    monkeypatch.setattr(ImageDenoiser, "forward", counting)
    settings = settings_of(name, "smoke")
    loop = settings.loop(device="cpu", store=tmp_path)
    snapshots = mad.iterate(loop, rng=0)
    for generation in (1, 2):
        snapshot = next(snapshots)
        snapshot.model.sample(settings.n_evaluation, rng=np.random.default_rng(9), bias=loop.bias)
        work = work_of(settings, generation)
        assert sum(passed) == work.seen + work.evaluations
        passed.clear()
    stored = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    expected = total_work(replace(settings, generations=2)).stored
    # Headers, a few kilobytes a file, count here; at full size they do not.
    assert expected < stored < 1.5 * expected


def test_parameters_and_operations_compute_nothing():
    settings = settings_of("neon-cifar10", "smoke")
    module = settings.model.unet.module(settings.data.shape, None)
    assert parameters(settings) == sum(p.numel() for p in module.parameters())
    twice = replace(settings, data=replace(settings.data, size=16))
    assert operations(twice) == pytest.approx(4 * operations(settings), rel=0.1)


def test_a_unit_of_work_does_not_count_what_is_done_once(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(_plan.time, "perf_counter", lambda: clock[0])
    done = []

    def work(count):
        done.append(count)
        clock[0] += 100.0 + 0.25 * count  # 100 seconds of compilation

    assert _plan._each(work, 1.0) == pytest.approx(0.25)
    assert done == [1, 1, 2, 4, 8]


def test_a_batch_that_takes_too_long_is_not_tried(monkeypatch):
    monkeypatch.setattr(_plan, "_each", lambda work, seconds: work())
    tried = []

    def seconds(each, batch, compiled):
        tried.append(batch)
        assert not compiled
        return each * batch

    class Bound:
        def __init__(self, function, *arguments):
            self.call = lambda: function(*arguments)

        def __call__(self):
            return self.call()

    monkeypatch.setattr(_plan, "partial", Bound)
    for each, batch in ((1e-4, 512), (0.1, 16), (1.0, 1)):
        tried.clear()
        assert _plan._affordable(lambda b, c, each=each: seconds(each, b, c), 512) == batch
        assert max(tried) <= batch


def test_speed_is_measured():
    settings = settings_of("gillman-mnist", "smoke")
    speed = (made := plan(settings, device="cpu", seconds=0.02)).speed
    assert speed.device == "this CPU"
    assert speed.batches == (16, 128)
    assert 1 < speed.training < 1e7
    assert 1 < speed.sampling < 1e8
    assert 0 < made.hours(made.total) < 0.1


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("scale", SCALES)
def test_every_scale_can_be_planned_without_data(name, scale):
    preset = PRESETS[name]
    made = plan_at_speed(preset.settings(scale), TENTH)
    assert len(made.works) == preset.settings(scale).generations
    assert made.total.seen == sum(work.seen for work in made.works)
    hours = made.total.seen / 1000 / 3600 + made.total.evaluations / 10_000 / 3600
    assert made.hours(made.total) == pytest.approx(hours)
    text = _texts.plan_text(preset, scale, made)
    assert preset.title in text
    assert preset.source.split(",")[0] in text.replace("\n", " ")
    assert "Measured on a card: 1,000 images seen" in text
    assert "10,000 evaluations" in text.replace("\n", " ")
    assert ("GPU-hours on an H100" in text.replace("\n", " ")) == (scale == "full")
    assert max(map(len, text.splitlines())) <= 110


def test_equal_generations_share_a_line():
    text = _texts.plan_text(
        PRESETS["mad-mnist-fresh"], "full", plan_at_speed(settings_of("mad-mnist-fresh"), TENTH)
    )
    rows = {line.split("  ")[0]: line for line in text.splitlines()}
    assert {"1", "2 to 15, each", "in all"} <= rows.keys()
    assert "1.2 million" in rows["1"]
    assert "18 million" in rows["in all"]
    single = _texts.plan_text(
        PRESETS["sims-cifar10"], "full", plan_at_speed(settings_of("sims-cifar10"), TENTH)
    )
    assert "\nin all" not in single


def test_works_add_up():
    assert Work(1, 2, 3, 4) + Work(10, 20, 30, 40) == Work(11, 22, 33, 44)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0.5, "0.5"), (3, "3"), (950, "950"), (12_000, "12,000"), (1_200_000, "1.2 million"),
        (200_000_000, "200 million"), (5.2e12, "5,200 billion"),
    ],
)  # fmt: skip
def test_numbers_in_words(number, words):
    assert _texts.spell(number) == words


@pytest.mark.parametrize(
    ("hours", "words"),
    [(1234.5, "1,234 hours"), (36, "36 hours"), (1, "60 minutes"), (0.001, "3.6 seconds")],
)
def test_hours_in_words(hours, words):
    assert _texts._time(hours) == words
    assert math.isfinite(hours)


def test_a_plan_says_what_a_cpu_cannot_know():
    from madtheory.images.runs.command import plan_text
    from madtheory.images.runs.plan import Speed, plan_at_speed
    from madtheory.images.runs.presets import PRESETS

    preset = PRESETS["sims-cifar10"]
    for speed, known in ((Speed(2.0, 20.0, "this CPU", (1, 1)), False), (Speed(2e3, 2e4, "H", (1, 1)), True)):
        text = " ".join(plan_text(preset, "full", plan_at_speed(preset.full, speed)).split())
        assert ("cannot be measured here" in text) != known
        assert ("not known" in text) != known
        assert "GPU-hours on an H100" in text


def test_reading_is_measured(tmp_path):
    import dataclasses

    from PIL import Image

    from madtheory.images.runs.command import plan_text
    from madtheory.images.runs.plan import Speed, measure_reading, plan_at_speed
    from madtheory.images.runs.presets import PRESETS

    for i in range(20):
        Image.new("RGB", (16, 16), (i, 0, 0)).save(tmp_path / f"{i}.png")
    files, speed = measure_reading(tmp_path, 8)
    assert files == 20
    assert speed > 0
    preset = PRESETS["sims-ffhq64"]
    made = plan_at_speed(preset.full, Speed(1e3, 1e3, "H", (1, 1)))
    text = " ".join(plan_text(preset, "full", dataclasses.replace(made, reading=(70_000, 500.0))).split())
    assert "decoded here at 500 in a second, all 70,000 in 2.33 minutes" in text
    assert "reading data" not in text
