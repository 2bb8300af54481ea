"""The command ``madtheory images``: what it prints, what it resumes, and how it refuses."""

import json
import re
import shutil
import sys
from functools import partial

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("accelerate")

from madtheory.cli import main
from madtheory.cli.arguments import Usage, parse
from madtheory.images.data.shards import ImageStoreError
from madtheory.images.runs import plan as _plan
from madtheory.images.runs.command import ABOUT, COMMANDS
from madtheory.images.runs.folder import RunFolder, add_checksum
from madtheory.images.runs.presets import PRESETS, preset as _preset
from madtheory.images.runs.report import report

NAME = "mad-mnist-fully-synthetic"


def command(line):
    """What a command line prints."""
    return parse(COMMANDS, line.split(), ABOUT)()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run, and what the command printed."""
    folder = tmp_path_factory.mktemp("finished") / "trial"
    return folder, command(f"run {NAME} --scale smoke --folder {folder} --device cpu --bias 0.8")


@pytest.fixture
def folder(finished, tmp_path):
    """A copy of that run."""
    return shutil.copytree(finished[0], tmp_path / "trial")


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit):
        command("--help")
    out = capsys.readouterr().out
    assert all(name in out for name in ("presets", "plan", "run", "resume", "show"))
    for name in COMMANDS:
        with pytest.raises(SystemExit):
            command(f"{name} --help")
        assert "Parameters" not in capsys.readouterr().out


def test_presets_are_listed_and_described():
    out = command("presets")
    for name, preset in PRESETS.items():
        row = next(line for line in out.splitlines() if line.startswith(f"{name} "))
        assert preset.title in row
        assert f" {preset.gpu_hours:g} " in row
    assert "estimated, not measured" in " ".join(out.split())
    for name, preset in PRESETS.items():
        text = " ".join(command(f"presets {name}").split())
        assert preset.source in text
        assert all(note in text for note in preset.notes)
        for scale in ("Full: ", "Small: ", "Smoke: "):
            assert scale in text
        assert " 1 images" not in text
        assert "and 0 synthetic" not in text


def test_a_run_prints_its_measurements(finished):
    folder, out = finished
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert "scale smoke, seed 0, bias 0.8: 2 of 2 generations are done." in out
    header = next(line for line in out.splitlines() if line.startswith("generation"))
    assert re.split(r"  +", header)[:4] == ["generation", "frechet distance", "precision", "recall"]
    for line in lines:
        row = next(row for row in out.splitlines() if row.startswith(f"{line['generation']} "))
        assert float(row.split()[1]) == pytest.approx(line["frechet_distance"], rel=1e-3)
    assert out == command(f"show {folder}")


def test_running_again_changes_nothing(folder, finished):
    before = (folder / "metrics.jsonl").read_bytes()
    assert (
        command(f"run {NAME} --scale smoke --folder {folder} --device cpu --bias 0.8").splitlines()[:7]
        == (finished[1].splitlines()[:7])
    )
    assert (folder / "metrics.jsonl").read_bytes() == before


def test_resume_goes_on_from_the_folder_alone(folder):
    """The last line is lost, in the middle of being written; the fits are in the store."""
    metrics = folder / "metrics.jsonl"
    before = metrics.read_bytes()
    metrics.write_bytes(before[:-20])
    shown = command(f"show {folder}")
    assert "1 of 2 generations are done" in shown
    assert f"madtheory images resume {folder}" in shown
    assert "2 of 2 generations are done" in command(f"resume {folder}")
    assert metrics.read_bytes() == before


def test_a_run_that_has_just_begun_is_shown(folder):
    (folder / "metrics.jsonl").unlink()
    shown = command(f"show {folder}")
    assert "0 of 2 generations are done." in shown
    assert "frechet" not in shown


def test_plan_measures_here(monkeypatch):
    monkeypatch.setattr(_preset, "plan", partial(_plan.plan, seconds=0.02))
    out = " ".join(command(f"plan {NAME} --scale smoke --generations 3 --device cpu").split())
    assert "Measured on this CPU" in out
    assert "2 to 3, each" in out
    assert "checkpoints take up to" in out


def test_bad_input_is_one_error(tmp_path, folder):
    for line in (f"run nonsense --folder {tmp_path}", "plan nonsense", "presets nonsense"):
        with pytest.raises(ValueError, match="preset='nonsense' is unknown; choose one of 'mad-mnist"):
            command(line)
    for line in ("run", f"run {NAME}", "nonsense", f"plan {NAME} --scale huge"):
        with pytest.raises(Usage):
            command(line)
    with pytest.raises(ValueError, match="generations"):
        command(f"plan {NAME} --scale smoke --generations 0")
    with pytest.raises(ValueError, match="MNIST does not come with madtheory"):
        command(f"run {NAME} --folder {tmp_path / 'new'}")
    assert not (tmp_path / "new").exists()
    for name in ("show", "resume"):
        with pytest.raises(FileNotFoundError, match="does not hold a run"):
            command(f"{name} {tmp_path}")
    text = (folder / "metrics.jsonl").read_text()
    (folder / "metrics.jsonl").write_text("{" + text)
    with pytest.raises(ImageStoreError, match="damaged"):
        command(f"show {folder}")
    for content in ("{", "[]", "{}", '{"run": {"generations": 2}, "about": {"preset": 1}}'):
        (folder / "config.json").write_text(content)
        for name in ("show", "resume"):
            with pytest.raises(ImageStoreError, match="not that of a preset's run"):
                command(f"{name} {folder}")


def test_without_torch(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "madtheory.images.runs", None)
    assert main(["images", "presets"]) == 2
    assert "install them by the extra images" in capsys.readouterr().err


def test_a_data_set_that_is_not_there(tmp_path, capsys):
    line = f"images run mad-ffhq-fully-synthetic --data {tmp_path / 'none'} --folder {tmp_path / 'run'}"
    assert main(line.split()) == 2
    assert "does not exist; pass FFHQ's folder or archive" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_of_several_processes_the_first_one_alone_speaks(tmp_path, monkeypatch):
    for rank, says in (("1", False), ("0", True)):
        monkeypatch.setenv("RANK", rank)
        for line in (f"run {NAME} --scale smoke --folder", "resume"):
            assert bool(command(f"{line} {tmp_path / rank}")) == says


ESCAPES = {
    "colour": "\x1b[31m",
    "title": "\x1b]0;owned\x07",
    "clear": "\x9b2J",
    "line": "\nmadtheory: all is well\r",
    "direction": "\u202e",
}


@pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES)
def test_foreign_text_is_shown_and_not_obeyed(folder, escape, capsys):
    config, metrics = folder / "config.json", folder / "metrics.jsonl"
    held = json.loads(config.read_text())
    for name in ("title", "source", "preset"):
        held["about"][name] += escape
    held["about"]["arguments"]["scale"] = f"{escape}small"
    config.write_text(json.dumps(held))
    lines = RunFolder(folder).lines()
    metrics.write_text("".join(add_checksum({**line, f"x{escape}": 1.0}) for line in lines))
    shown = command(f"show {folder}")
    assert all(char.isprintable() or char == "\n" for char in shown)
    assert escape.encode("unicode_escape").decode().replace("\\n", "") in shown.replace("\\n", "")
    assert not any(line.startswith("madtheory: all is well") for line in shown.splitlines())
    assert main(["images", "resume", str(folder)]) == 2
    said = capsys.readouterr().err
    assert "is unknown" in said
    assert all(char.isprintable() or char == "\n" for char in said)


@pytest.mark.parametrize(
    ("place", "value"),
    [("title", 1), ("source", None), ("arguments", {}), ("arguments", None), ("preset", ["x"])],
)
def test_a_foreign_configuration_of_other_types(folder, place, value):
    held = json.loads((folder / "config.json").read_text())
    held["about"][place] = value
    (folder / "config.json").write_text(json.dumps(held))
    for name in ("show", "resume"):
        with pytest.raises(ImageStoreError, match="not that of a preset's run"):
            command(f"{name} {folder}")


def test_deep_and_long_files_are_refused(folder):
    for name, damage in (("config.json", "not that of a preset's run"), ("metrics.jsonl", "is damaged")):
        kept = (folder / name).read_bytes()
        (folder / name).write_text("[" * 100_000 + "\n")
        with pytest.raises(ImageStoreError, match=damage):
            command(f"show {folder}")
        with open(folder / name, "wb") as file:
            file.truncate(2**33)  # zeros, which take no room on the disk
        with pytest.raises(ImageStoreError, match="bytes, which is not what a run writes"):
            command(f"show {folder}")
        (folder / name).write_bytes(kept)


def test_the_page_escapes_what_is_foreign(folder):
    metrics = folder / "metrics.jsonl"
    first, second = RunFolder(folder).lines()
    first["weights"] = "<script>x"
    metrics.write_text("".join(map(add_checksum, (first, second))))
    page = report(RunFolder(folder), json.loads((folder / "config.json").read_text())).decode()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    for value in (["x"], {"a": 1}, None, True):
        metrics.write_text(add_checksum({**first, "precision": value}))
        with pytest.raises(ImageStoreError, match="is damaged in line 1"):
            command(f"show {folder}")
