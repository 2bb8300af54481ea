"""Which files become images, and which class they get: nothing is left out or altered without a word."""

import io
import json
import os
import stat
import zipfile

import numpy as np
import pytest

pytest.importorskip("torch")
Image = pytest.importorskip("PIL.Image")

from madtheory.images.data import datasets  # noqa: E402
from madtheory.images.data.shards import ImageStoreError  # noqa: E402

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 6, 4, 3), dtype=np.uint8)
ORIENTATION = 0x0112


def encoded(array, kind="png", **how):
    file = io.BytesIO()
    Image.fromarray(array).save(file, kind, **how)
    return file.getvalue()


def put(path, files):
    """Files as a folder, or as an archive if that is the path; the function that opens it."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as opened:
            for name, content in files.items():
                opened.writestr(name, content)
        return datasets.archive
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return datasets.folder


both = pytest.mark.parametrize("place", ["folder", "archive.zip"])


def images(*names):
    return {name: encoded(PIXELS[k % len(PIXELS)]) for k, name in enumerate(names)}


@both
@pytest.mark.parametrize("top", ["", "train/", "data/my set/train/", "./"])
def test_a_common_folder_is_no_class(tmp_path, place, top):
    files = images(*(f"{top}{label}/{k}.png" for label in "012" for k in range(2)), f"{top}2/deeper/5.png")
    hidden = {f"{top}.DS_Store": b"x", f"__MACOSX/{top}0/._0.png": b"x", f"{top}1/@eaDir/0.png": b"x"}
    opened = put(tmp_path / place, files | hidden | {"readme.txt": b"x", f"{top}labels.csv": b"x"})
    real = opened(tmp_path / place, labels=True).images
    assert real.labels.tolist() == [0, 0, 1, 1, 2, 2, 2]
    assert len(opened(tmp_path / place).images) == 7


@both
@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["cats/0.png", "cats/1.png"], r"all its images are of one class.*'cats' \(2 images\)"),
        (["train/0/0.png", "train/0/1.png"], r"one class.*'train/0' \(2 images\)"),
        (["0.png", "1.png"], r"'0.png' is in no folder of a class.*'.' \(2 images\)"),
        (["train/0/0.png", "train/1/1.png", "train/2.png"], r"'train/2.png' is in no folder.*'train/1' \(1"),
        (["cats/0.png", "cats/more/1.png"], r"'cats/0.png' is in no folder of a class"),
        (["set/train/0/0.png", "set/test/0/1.png"], r"'test', 'train' are parts of a data set"),
        (["Train/0.png", "val/1.png"], r"'Train', 'val' are parts of a data set"),
        (["train/0/0.png", "train/1/1.png", "2/2.png"], r"'train' are parts of a data set"),
    ],
)
def test_folders_that_give_no_classes(tmp_path, place, names, message):
    opened = put(tmp_path / place, images(*names))
    assert opened(tmp_path / place).left == len(names)
    with pytest.raises(ValueError, match=message) as caught:
        opened(tmp_path / place, labels=True)
    assert "labels=False" in str(caught.value)


def test_a_class_may_be_called_as_a_part_is(tmp_path):
    opened = put(tmp_path / "a", images("test/0.png", "control/1.png"))
    assert opened(tmp_path / "a", labels=True).images.labels.tolist() == [0, 1]


def test_backslashes_of_an_archive(tmp_path):
    opened = put(tmp_path / "a.zip", images("train\\0\\0.png", "train\\1\\1.png"))
    assert opened(tmp_path / "a.zip", labels=True).images.labels.tolist() == [0, 1]


@both
def test_every_kind_that_is_read(tmp_path, place):
    lossless = {"a.png": "png", "b.PNG": "png", "c.bmp": "bmp", "d.tif": "tiff", "e.TIFF": "tiff"}
    files = {name: encoded(PIXELS[0], kind) for name, kind in lossless.items()}
    files["f.webp"] = encoded(PIXELS[0], "webp", lossless=True)
    files["g.JPG"] = files["h.jfif"] = encoded(PIXELS[0], "jpeg", quality=100, subsampling=0)
    found = np.asarray(put(tmp_path / place, files)(tmp_path / place).images)
    assert found.shape == (8, 6, 4, 3)
    assert np.array_equal(found[:6], np.repeat(PIXELS[:1], 6, 0))
    assert np.abs(found[6:].astype(int) - PIXELS[0]).mean() < 4


@both
@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "tiff"])
def test_exif_orientation(tmp_path, place, kind):
    """The picture as it was seen, stored as a camera that was turned stores it."""
    seen = np.zeros((48, 32, 3), np.uint8)
    seen[:16, :16], seen[:16, 16:], seen[32:, 16:] = 255, 90, 170
    stored = {
        1: seen, 2: seen[:, ::-1], 3: seen[::-1, ::-1], 4: seen[::-1],
        5: seen.swapaxes(0, 1), 6: seen.swapaxes(0, 1)[::-1],
        7: seen[::-1, ::-1].swapaxes(0, 1), 8: seen.swapaxes(0, 1)[:, ::-1],
    }  # fmt: skip
    how = {"jpeg": {"quality": 100, "subsampling": 0}, "webp": {"lossless": True}}.get(kind, {})
    files = {}
    for value, array in stored.items():
        exif = Image.Exif()
        exif[ORIENTATION] = value
        files[f"{value}.{kind}"] = encoded(np.ascontiguousarray(array), kind, exif=exif, **how)
    opened = put(tmp_path / place, files)
    found = np.asarray(opened(tmp_path / place).images).astype(int)
    assert found.shape == (8, 48, 32, 3)
    assert np.abs(found - seen).max() <= 3 * (kind == "jpeg")
    small = np.asarray(opened(tmp_path / place, 8).images).astype(int)
    assert np.abs(small - small[0]).max() <= 3 * (kind == "jpeg")


def test_links_are_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    put(elsewhere, images("cats/0.png", "cats/1.png", "dogs/2.png", "single.png"))
    top = tmp_path / "set"
    put(top, images("birds/0.png"))
    (top / "cats").symlink_to(elsewhere / "cats")
    (top / "dogs").symlink_to(elsewhere / "dogs", target_is_directory=True)
    (top / "birds" / "1.png").symlink_to(elsewhere / "single.png")
    expected = [0, 0, 1, 1, 2]
    assert datasets.folder(top, labels=True).images.labels.tolist() == expected
    # Links to where they are, and to each other, lead to nothing new.
    (top / "birds" / "loop").symlink_to(top)
    (top / "birds" / "above").symlink_to(tmp_path)
    assert datasets.folder(top, labels=True).images.labels.tolist() == expected
    one, other = tmp_path / "mutual" / "0", tmp_path / "mutual" / "1"
    put(one, images("0.png"))
    put(other, images("1.png"))
    (one / "other").symlink_to(other)
    (other / "one").symlink_to(one)
    assert datasets.folder(tmp_path / "mutual", labels=True).images.labels.tolist() == [0, 0, 1, 1]
    (top / "fish").symlink_to(elsewhere / "fish")
    with pytest.raises(ImageStoreError, match="1 symbolic links to files that are not there: 'fish'"):
        datasets.folder(top)


def test_links_in_an_archive_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        opened.writestr("0/0.png", encoded(PIXELS[0]))
        link = zipfile.ZipInfo("1")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        opened.writestr(link, "../cats")
    with pytest.raises(ValueError, match=r"holds 1 symbolic links.*'1'"):
        datasets.archive(tmp_path / "a.zip")


@both
def test_kinds_that_are_not_read_are_counted(tmp_path, place):
    files = images("0/0.png", "1/1.png") | {"0/a.gif": b"x", "1/b.HEIC": b"x", "1/c.heic": b"x"}
    opened = put(tmp_path / place, files)
    with pytest.raises(ValueError, match=r"3 images of kinds .* not read: 1 .gif in '0', 2 .heic in '1'"):
        opened(tmp_path / place)


@both
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "2.png",
            encoded(PIXELS[0], save_all=True, append_images=[Image.fromarray(PIXELS[1])]),
            "2 pictures",
        ),
        (
            "2.webp",
            encoded(PIXELS[0], "webp", save_all=True, append_images=[Image.fromarray(PIXELS[1])]),
            "2 pictures",
        ),
        (
            "2.tif",
            encoded(PIXELS[0], "tiff", save_all=True, append_images=[Image.fromarray(PIXELS[1])]),
            "2 pictures",
        ),
        ("2.png", encoded(np.dstack([PIXELS[0], PIXELS[0][..., :1]])), "mode RGBA"),
        ("2.tif", encoded(PIXELS[0, ..., 0].astype(np.float32), "tiff"), "mode F"),
        ("2.jpg", b"no image", "is not an image that can be read"),
        ("2.bmp", encoded(PIXELS[0], "bmp")[:30], "is not an image that can be read"),
    ],
)
def test_pictures_that_are_refused_are_counted(tmp_path, place, name, content, message):
    opened = put(tmp_path / place, images("0.png", "1.png") | {name: content})
    with pytest.raises((ValueError, ImageStoreError), match=message) as caught:
        opened(tmp_path / place)
    assert "In all" not in str(caught.value)
    put(tmp_path / f"more-{place}", images("0.png") | {name: content, f"3{name}": content})
    with pytest.raises((ValueError, ImageStoreError), match=f"2 of the 3 images are refused.*'3{name}'"):
        opened(tmp_path / f"more-{place}")


@both
def test_palettes(tmp_path, place):
    picture = Image.fromarray(PIXELS[0]).quantize(8)
    file, clear = io.BytesIO(), io.BytesIO()
    picture.save(file, "png")
    picture.save(clear, "png", transparency=0)
    opened = put(tmp_path / place, {"0.png": file.getvalue()})
    assert np.array_equal(opened(tmp_path / place).images.batch([0])[0], picture.convert("RGB"))
    put(tmp_path / f"clear-{place}", {"0.png": clear.getvalue()})
    with pytest.raises(ValueError, match="mode P with transparency"):
        opened(tmp_path / f"clear-{place}")


def test_a_photograph_with_a_preview(tmp_path):
    """MPO, of some cameras and phones: the first picture is the photograph."""
    file = io.BytesIO()
    Image.fromarray(PIXELS[0]).save(
        file, "mpo", save_all=True, append_images=[Image.fromarray(PIXELS[1])], quality=100
    )
    put(tmp_path / "a", {"0.jpg": file.getvalue()})
    assert datasets.folder(tmp_path / "a").images.shape == (1, 6, 4, 3)


def deflated(path, name, size):
    """An archive in which a file of `size` zeros takes a thousandth of it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for key, content in images("0/0.png", "1/1.png").items():
            opened.writestr(key, content)
        with opened.open(name, "w", force_zip64=True) as file:
            for _ in range(0, size, 2**20):
                file.write(bytes(2**20))


@pytest.mark.parametrize(("name", "size"), [("dataset.json", 2**25), ("1/2.webp", 2**28 + 2**21)])
def test_what_an_archive_unpacks_to_is_bounded(tmp_path, name, size):
    import tracemalloc

    deflated(tmp_path / "a.zip", name, size)
    tracemalloc.start()
    with pytest.raises(ImageStoreError, match=f"{name!r} of .* has .* bytes unpacked"):
        datasets.archive(tmp_path / "a.zip", labels=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**23


@both
def test_a_long_list_of_labels_is_read(tmp_path, place):
    files = images(*(f"{k}.png" for k in range(3)))
    listed = {"labels": [[f"{k}.png", k % 3] for k in range(200_000)]}
    opened = put(tmp_path / place, files | {"dataset.json": json.dumps(listed).encode()})
    assert opened(tmp_path / place, labels=True).images.labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize("content", ["[" * 100_000, '{"labels": [["0.png", 1' + "0" * 400 + "]]}"])
def test_hostile_labels(tmp_path, content):
    put(tmp_path / "a", images("0.png") | {"dataset.json": content.encode()})
    with pytest.raises(ValueError, match=r"dataset.json (does not list labels|is 1000)"):
        datasets.folder(tmp_path / "a", labels=True)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10_000, 20_000])
def test_image_bombs(tmp_path, side):
    Image.new("1", (side, side)).save(tmp_path / "0.png")
    assert os.path.getsize(tmp_path / "0.png") < 200_000
    with pytest.raises((ValueError, ImageStoreError), match=r"is the most that is read|decompression bomb"):
        datasets.folder(tmp_path, 32)
