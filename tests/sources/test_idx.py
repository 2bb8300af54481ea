"""Files in the format of MNIST, raw and compressed; refused when damaged; the true sets where they are."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from idx_files import encode, write_set

from madtheory import sources
from madtheory.sources import idx

DATA = Path(__file__).parents[2] / "data"
CODES = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}


@pytest.mark.parametrize("dtype", CODES)
def test_every_type_of_element(tmp_path, dtype):
    array = (np.arange(24).reshape(2, 3, 4) - 3).astype(dtype)
    (tmp_path / "a").write_bytes(encode(array, CODES[dtype]))
    found = idx.read_idx(tmp_path / "a")
    assert found.dtype == np.dtype(dtype)
    assert np.array_equal(found, array)


@pytest.mark.parametrize("below", ["", "raw", "MNIST/raw", "package/data"])
@pytest.mark.parametrize("packed", [False, True])
def test_parts_in_every_place_that_libraries_use(tmp_path, below, packed):
    pack, suffix = (gzip.compress, ".gz") if packed else (lambda content: content, "")
    images, classes = write_set(tmp_path / below, suffix=suffix, pack=pack)
    for part, rows in (("train", slice(6)), ("test", slice(6, None)), ("all", slice(None))):
        found, labels = idx.read_images(tmp_path, part)
        assert np.array_equal(found, images[rows])
        assert np.array_equal(labels, classes[rows])
        assert labels.dtype == np.int64


def test_the_folder_of_torchvision_holds_both_sets(tmp_path, monkeypatch):
    found = {}
    for name, below in (("MNIST", "MNIST/raw"), ("Fashion-MNIST", "FashionMNIST/raw")):
        found[name], _ = write_set(tmp_path / below, m=5 + len(found))
        monkeypatch.setitem(idx.KNOWN, name, {})
    for name, images in found.items():
        assert np.array_equal(idx.read_images(tmp_path, "all", name)[0], images)


def test_the_spelling_with_a_dot_and_compression_without_its_suffix(tmp_path):
    images, _ = write_set(tmp_path, spelling="{}.idx{}-ubyte", pack=gzip.compress)
    assert np.array_equal(idx.read_images(tmp_path, "all")[0], images)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: b"", "not an IDX file"),
        (lambda content: b"\x89PNG" + content, "not an IDX file: it begins with b'.x89PNG'"),
        (lambda content: content[:3] + b"\x09" + content[4:30], "not an IDX file"),
        (lambda content: content[:2] + b"\x07" + content[3:], "not an IDX file"),
        (lambda content: content[:-1], r"its shape \(6, 5, 4\) needs 136"),
        (lambda content: content + b"0", "holds 137 bytes"),
        (lambda content: gzip.compress(content)[:-9], "damaged"),
        (lambda content: b"\x1f\x8b" + content, "damaged"),
    ],
)
def test_damaged_files_are_refused(tmp_path, damage, message):
    write_set(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=message):
        idx.read_images(tmp_path)


def test_files_that_do_not_belong_together(tmp_path):
    write_set(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(encode(np.zeros(5, np.uint8)))
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte has shape \(6, 5, 4\).*\(5,\); expected"):
        idx.read_images(tmp_path)
    assert len(idx.read_images(tmp_path, "test")[0]) == 6


@pytest.mark.parametrize(
    ("read", "name"), [(sources.mnist, "MNIST"), (sources.fashion_mnist, "Fashion-MNIST")]
)
def test_only_the_published_files_are_taken(tmp_path, monkeypatch, read, name):
    import hashlib

    images, classes = write_set(tmp_path)
    with pytest.raises(ValueError, match=r"SHA-256.*not \w{64} as the published file.*datasets\.idx"):
        read(tmp_path)
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.iterdir()}
    monkeypatch.setitem(idx.KNOWN, name, digests)
    found = read(tmp_path, "all", labels=True).points
    assert np.array_equal(found[:, :-1], images.reshape(12, 20) / 255)
    assert np.array_equal(found[:, -1], classes)
    assert read(tmp_path, "test").points.shape == (6, 20)
    with pytest.raises(FileNotFoundError, match=r"does not contain train-images.*madtheory data fetch mnist"):
        read(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="part='valid'"):
        read(tmp_path, "valid")


@pytest.mark.parametrize(
    ("read", "name", "first", "mean"),
    [
        (sources.mnist, "mnist", [5, 0, 4, 1, 9], 0.1307),
        (sources.fashion_mnist, "fashion-mnist", [9, 0, 0, 3, 0], 0.2860),
    ],
)
def test_the_true_sets(read, name, first, mean):
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing; make data gets it")
    train = read(folder, labels=True).points
    assert train.shape == (60_000, 785)
    assert train[:5, -1].tolist() == first
    assert train[:, :-1].mean() == pytest.approx(mean, abs=5e-5)
    assert read(folder, "test").points.shape == (10_000, 784)


def test_fetching_keeps_what_is_there_and_explains_what_cannot_be_had(tmp_path, monkeypatch):
    import hashlib

    from madtheory.sources import fetching

    write_set(tmp_path / "set")
    digests = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in (tmp_path / "set").iterdir()}
    monkeypatch.setitem(idx.KNOWN, "MNIST", digests)

    def unreachable(scratch):
        raise OSError("no route to host")

    def another(scratch):
        write_set(scratch, m=3)

    def right(scratch):
        write_set(scratch)

    monkeypatch.setattr(fetching, "_sources", lambda known: [("first", unreachable), ("second", another)])
    assert sources.fetch("mnist", tmp_path / "set") == tmp_path / "set"
    with pytest.raises(OSError, match=r"cannot be fetched \(first: no route to host; second: .*SHA-256"):
        sources.fetch("mnist", tmp_path / "new")
    assert not list((tmp_path / "new").iterdir())
    monkeypatch.setattr(fetching, "_sources", lambda known: [("first", unreachable), ("third", right)])
    assert sources.fetch("mnist", tmp_path / "new") == tmp_path / "new"
    for path in (tmp_path / "set").iterdir():
        assert (tmp_path / "new" / path.name).read_bytes() == path.read_bytes()
    (tmp_path / "new" / "t10k-labels-idx1-ubyte").write_bytes(encode(np.zeros(6, np.uint8)))
    with pytest.raises(ValueError, match="get it again"):
        sources.fetch("mnist", tmp_path / "new")
    with pytest.raises(ValueError, match="name='cifar10' is unknown"):
        sources.fetch("cifar10", tmp_path)
