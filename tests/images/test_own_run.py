"""A loop of one's own images from the command line: a folder in, a report out."""

import json

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("accelerate")
Image = pytest.importorskip("PIL.Image")

from madtheory.images.data import datasets  # noqa: E402
from madtheory.images.runs.command import ABOUT, COMMANDS  # noqa: E402
from madtheory.images.runs.own import OwnData, own_run  # noqa: E402

parse = pytest.importorskip("madtheory.cli.arguments").parse


def command(line):
    return parse(COMMANDS, line.split(), ABOUT)()


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Forty-four images of two kinds, in two folders."""
    folder = tmp_path_factory.mktemp("own") / "pictures"
    patches = np.asarray(datasets.photographs(20).images.select(np.arange(0, 440, 10)))
    for i, pixels in enumerate(patches):
        below = folder / ("odd" if i % 2 else "even")
        below.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(pixels)
        (picture.convert("L") if i % 5 == 0 else picture).save(below / f"{i:02}.png")
    return folder


@pytest.fixture(scope="module")
def finished(own, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    line = f"run --images {own} --size 8 --labels --scale smoke --folder {folder} --device cpu --budget 32"
    return line, folder, command(line)


def test_a_folder_becomes_a_loop_with_a_report(own, finished):
    _, folder, out = finished
    assert "2 of 2 generations are done." in out
    assert "pictures" in out
    page = (folder / "report.html").read_text()
    assert "tests the plumbing" in page
    assert "augment loop on the images of pictures" in page
    config = json.loads((folder / "config.json").read_text())
    assert config["run"]["regime"] == "augment"
    assert [json.loads(row)["n_training"] for row in (folder / "metrics.jsonl").read_text().splitlines()] == [
        36,
        72,
    ]


def test_it_resumes_from_the_folder_without_decoding(finished, monkeypatch):
    _, folder, out = finished
    monkeypatch.setattr(Image, "open", None)
    before = (folder / "metrics.jsonl").read_bytes()
    (folder / "metrics.jsonl").write_bytes(before[:-20])
    assert "2 of 2 generations are done." in command(f"resume {folder}")
    assert (folder / "metrics.jsonl").read_bytes() == before
    assert command(f"show {folder}") == out


def test_parts_do_not_overlap_and_stay(own):
    data = OwnData(path=str(own), resize=8)
    train, test = (np.asarray(data.open(part).images) for part in ("train", "test"))
    assert (len(train), len(test)) == (36, 8)
    assert not set(map(bytes, train)) & set(map(bytes, test))
    again = OwnData(path=str(own), resize=8).open("test").images
    np.testing.assert_array_equal(test, again)


@pytest.mark.parametrize("loop", ["replace", "augment", "fresh"])
def test_regimes_by_name(own, loop):
    made = own_run(own, loop=loop, scale="smoke", size=8, n_synthetic=7)
    regime = made.loop.regime
    assert (regime.name, regime.n_synthetic) == (loop, 7)
    assert regime.n_initial == (18 if loop == "fresh" else 36)
    assert made.loop.model.classes is None


def test_mistakes_are_one_message(own, tmp_path):
    for line, message in (
        ("run", "preset or --images"),
        (f"run mad-mnist-fresh --images {own}", "both"),
        ("run mad-mnist-fresh --size 8 --scale smoke", "--size: only with --images"),
        (f"run --images {tmp_path / 'nowhere'}", "does not exist"),
        (f"run --images {own} --bias 0.5", "no classes"),
        (f"run --images {own} --size 9 --scale smoke", r"9 x 9 pixels cannot be halved; pass size=8"),
        (f"run --images {own} --data {own}", "--data and --weight"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            command(f"{line} --folder {tmp_path / 'run'}")
    few = tmp_path / "few"
    few.mkdir()
    Image.new("RGB", (8, 8)).save(few / "a.png")
    with pytest.raises(ValueError, match="40 or more"):
        own_run(few, scale="smoke")
