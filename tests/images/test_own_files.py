"""Folders of one's own: files of many kinds in one folder, decoded once."""

import os

import numpy as np
import pytest

pytest.importorskip("torch")
Image = pytest.importorskip("PIL.Image")

from madtheory.images import ImageStoreError  # noqa: E402
from madtheory.images.data import datasets, files as _files  # noqa: E402

GREY = np.arange(64, dtype=np.uint8).reshape(8, 8) * 3


@pytest.fixture
def mixed(tmp_path):
    """Ten images of seven kinds, and a damaged one."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    colour = np.dstack([GREY, GREY[::-1], GREY.T])
    half = np.dstack([colour, np.where(np.arange(8) < 4, 0, 255) + np.zeros((8, 1), int)]).astype(np.uint8)
    pictures = {
        "0": Image.fromarray(GREY),
        "1": Image.fromarray(GREY),
        "2": Image.fromarray(GREY),
        "colour": Image.fromarray(colour),
        "clear": Image.fromarray(half),
        "clear2": Image.fromarray(half),
        "greyclear": Image.fromarray(np.dstack([GREY, half[..., 3]])),
        "deep": Image.fromarray(GREY.astype(np.uint16) * 257),
        "palette": Image.fromarray(colour).quantize(64),
        "bit": Image.fromarray(GREY > 90),
    }
    for name, picture in pictures.items():
        picture.save(folder / f"{name}.png")
    return folder


def test_all_kinds_are_converted_to_one(mixed):
    real = datasets.folder(mixed, mode="convert").images
    names = sorted(os.listdir(mixed))
    found = dict(zip(names, np.asarray(real), strict=True))
    assert real.shape == (10, 8, 8, 3)
    for name in ("0.png", "deep.png"):
        assert (found[name] == GREY[..., None]).all(), "grey, and 16 bits, look the same in colour"
    assert (found["clear.png"][:, :4] == 255).all(), "what is transparent is white"
    assert (found["clear.png"][:, 4:] == found["colour.png"][:, 4:]).all()
    assert (found["greyclear.png"][:, :4] == 255).all()
    assert set(np.unique(found["bit.png"])) == {0, 255}
    for name in ("colour", "clear", "clear2", "palette"):
        (mixed / f"{name}.png").unlink()
    grey = datasets.folder(mixed, mode="convert").images
    assert grey.shape == (6, 8, 8, 1), "grey stays grey where all are"
    assert grey.fingerprint() == datasets.folder(mixed, mode="convert").images.fingerprint()


def test_one_report_counts_all_kinds(mixed):
    (mixed / "broken.png").write_bytes(b"no image")
    with pytest.raises((ValueError, ImageStoreError)) as caught:
        datasets.folder(mixed)
    message = str(caught.value)
    assert "7 of the 11 images are refused: " in message
    for part in ("2 mode RGBA ('clear.png', 'clear2.png')", "1 mode LA", "1 mode I;16", "1 damaged ('broken.",
                 "2 of another shape ('colour.png', 'palette.png')"):  # fmt: skip
        assert part in message
    assert "mode='convert'" in message
    assert "mode='skip'" in message
    with pytest.raises((ValueError, ImageStoreError), match=r"'broken.png'.* Pass mode='skip'"):
        datasets.folder(mixed, mode="convert")
    with pytest.raises(ValueError, match="mode='drop'"):
        datasets.folder(mixed, mode="drop")


def test_others_are_left_out_with_one_warning(mixed):
    (mixed / "broken.png").write_bytes(b"no image")
    Image.fromarray(GREY[:5]).save(mixed / "0small.png")
    with pytest.warns(UserWarning, match=r"8 of the 12 images are left out: .*1 damaged") as caught:
        real = datasets.folder(mixed, mode="skip").images
    assert len(caught) == 1
    assert real.shape == (4, 8, 8, 1), "the shape of most, not that of the first"
    for name in os.listdir(mixed):
        if name != "broken.png":
            (mixed / name).unlink()
    with pytest.raises(ImageStoreError, match=r"'broken.png' .*pass|Pass"):
        datasets.folder(mixed, mode="skip")


def test_other_sizes_are_one_message_or_resized(mixed):
    Image.fromarray(GREY[:5]).save(mixed / "small.png")
    with pytest.raises(ValueError, match=r"'small.png' .*shape \(5, 8, 3\).*pass size="):
        datasets.folder(mixed, mode="convert")
    assert datasets.folder(mixed, 4, mode="convert").shape == (11, 4, 4, 3)


@pytest.mark.parametrize("archived", [False, True])
def test_files_are_decoded_once(mixed, tmp_path, monkeypatch, archived):
    """The second time no file is opened; when one changes, all are decoded again."""
    path, opened = mixed, datasets.folder
    if archived:
        import shutil

        path, opened = shutil.make_archive(str(tmp_path / "packed"), "zip", mixed), datasets.archive
    cache = tmp_path / "cache"
    plain = opened(path, mode="convert").images
    first = opened(path, mode="convert", cache=cache).images
    plain = np.asarray(plain)
    np.testing.assert_array_equal(first, plain)
    with monkeypatch.context() as patch:
        patch.setattr(_files, "decode", None)
        patch.setattr(_files, "file_in", None)
        patch.setattr(datasets, "file_in", None)
        second = opened(path, mode="convert", cache=cache).images
        np.testing.assert_array_equal(second, plain)
        assert second.fingerprint() == first.fingerprint()
        with pytest.raises(TypeError, match="not callable"):
            opened(path, 4, mode="convert", cache=cache)
    if not archived:
        Image.fromarray(GREY[::-1]).save(mixed / "0.png")
        os.utime(mixed / "0.png", ns=(1, 1))
        third = np.asarray(datasets.folder(mixed, mode="convert", cache=cache).images)
        assert (third[0] == GREY[::-1, :, None]).all()


def test_labels_are_kept_with_decoded_images(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for i in range(3):
            Image.fromarray(GREY + i).save(tmp_path / "set" / name / f"{i}.png")
    for _ in range(2):
        real = datasets.folder(tmp_path / "set", labels=True, cache=tmp_path / "cache").images
        assert real.labels.tolist() == [0, 0, 0, 1, 1, 1]
        assert datasets.folder(tmp_path / "set", cache=tmp_path / "cache").images.labels is None
