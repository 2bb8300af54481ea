"""What a training reports: the log, ``train.jsonl``, and a tracker of accelerate."""

import json
import logging

import numpy as np
import pytest

pytest.importorskip("torch")
accelerate = pytest.importorskip("accelerate")
pytest.importorskip("diffusers")
pytest.importorskip("PIL")

from tiny_diffusion import pictures, rng, tiny  # noqa: E402
from tiny_run import run  # noqa: E402

from madtheory.images import ImageTraining, journal  # noqa: E402
from madtheory.images.store import fingerprint  # noqa: E402


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_have_the_loss_and_the_time_left(tmp_path, caplog):
    caplog.set_level(logging.INFO, "madtheory")
    training = {"images": 64, "log": tmp_path, "log_every_seconds": 0, "learning_rate": 3e-3}
    fitted = tiny(training=training | {"warm_up_images": 32, "accumulate": 2}).fit(pictures(), rng=rng(1))
    lines = lines_of(tmp_path / "train.jsonl")
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert [line["seen"] for line in lines] == [16, 32, 48, 64]
    np.testing.assert_allclose([line["learning_rate"] for line in lines], [0, 1.5e-3, 3e-3, 3e-3])
    assert all(line["images_per_second"] > 0 for line in lines)
    assert lines[-1]["seconds_left"] == 0
    assert lines[0]["seconds_left"] > 0
    assert len(caplog.messages) == 4
    assert "16 of 64 images seen, loss" in caplog.messages[0]
    assert "images/s" in caplog.messages[0]
    assert caplog.messages[-1].endswith("0 s left")
    quiet = tiny(training={"images": 64, "learning_rate": 3e-3, "warm_up_images": 32, "accumulate": 2})
    assert fingerprint(quiet.fit(pictures(), rng=rng(1)).weights) == fingerprint(fitted.weights)
    assert len(caplog.messages) == 5, "one line at the end of the second fit"


def test_the_loss_is_that_of_the_training(tmp_path):
    """In parts or whole it is the mean of all images; on few images it falls."""
    losses = []
    for accumulate in (1, 4):
        training = {"images": 640, "log": tmp_path / str(accumulate), "log_every_seconds": 0}
        tiny(training=training | {"accumulate": accumulate}).fit(pictures(), rng=rng(1))
        losses.append([line["loss"] for line in lines_of(tmp_path / str(accumulate) / "train.jsonl")])
    np.testing.assert_allclose(losses[0][:3], losses[1][:3], rtol=1e-4)
    assert np.mean(losses[0][-10:]) < np.mean(losses[0][:10])


def test_a_run_has_its_lines_in_its_folder(tmp_path):
    run(2).go(tmp_path)
    lines = lines_of(tmp_path / "train.jsonl")
    assert len({line["fit"] for line in lines}) == 2
    assert {len(line) for line in lines} == {7}


class Recorder(accelerate.tracking.GeneralTracker):
    """Stands for a tracker, of which accelerate makes one for each fit."""

    name, requires_logging_directory = "tensorboard", True
    kept: list = []  # noqa: RUF012

    def __init__(self, run_name, logging_dir=None, **settings):
        super().__init__()
        self.kept.append(("begin", str(logging_dir)))

    @property
    def tracker(self):
        return self.kept

    def store_init_configuration(self, values):
        pass

    def log(self, values, step=None, **settings):
        self.kept.append((step, values))

    def finish(self):
        self.kept.append(("end",))


def test_a_tracker_gets_the_numbers(tmp_path, monkeypatch):
    kind = accelerate.utils.LoggerType.TENSORBOARD
    monkeypatch.setitem(accelerate.tracking.LOGGER_TYPE_TO_CLASS, "tensorboard", Recorder)
    monkeypatch.setattr(accelerate.tracking, "_available_trackers", [kind])
    monkeypatch.setitem(journal.TRACKERS, "tensorboard", ("json",))
    training = {"images": 32, "log": tmp_path, "log_every_seconds": 0, "tracker": "tensorboard"}
    tiny(tmp_path / "store", training=training).fit(pictures(), rng=rng(1))
    (first, folder), *steps, last = Recorder.kept
    assert (first, last) == ("begin", ("end",))
    assert folder.startswith(str(tmp_path / "tracker"))
    assert [step for step, _ in steps] == [1, 2]
    assert steps[0][1]["loss"] == lines_of(tmp_path / "train.jsonl")[0]["loss"]


def test_a_tracker_that_is_not_there_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="tracker='paper' is unknown"):
        ImageTraining(tracker="paper")
    monkeypatch.setitem(journal.TRACKERS, "wandb", ("no_such_package",))
    with pytest.raises(ImportError, match=r"tracker='wandb' is not installed; .*pip install no_such_package"):
        ImageTraining(tracker="wandb")
