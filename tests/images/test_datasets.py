"""Real images: scikit-learn's, folders and archives of real digits, and the libraries' own sets.

torchvision and Hugging Face's datasets are replaced by small modules that hold real digits in the shape of
those libraries; the latter is also run itself where it is installed. What is not covered: torchvision's own
reading of its files, all downloads, and names that a later version of either changes.
"""

import hashlib
import importlib.util
import io
import json
import os
import pickle
import subprocess
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
from idx_files import write_set

pytest.importorskip("torch")
Image = pytest.importorskip("PIL.Image")

import madtheory as mad  # noqa: E402
from madtheory.images.data import cifar, datasets, files as _files  # noqa: E402
from madtheory.images.data.shards import ImageStoreError  # noqa: E402


def rng(seed=0):
    return np.random.default_rng(seed)


def encoded(array, kind="png"):
    file = io.BytesIO()
    Image.fromarray(np.squeeze(array)).save(file, kind)
    return file.getvalue()


DIGITS = np.asarray(datasets.digits("test").images)[:6]
LABELS = datasets.digits("test", labels=True).images.labels[:6]
PHOTOS = np.asarray(datasets.photographs(8, "test").images.first(0.01))[:6]


def put(path, files):
    """Files as a folder, or as an archive if that is the path."""
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


def test_digits_are_those_of_the_sources():
    for part, n in (("train", 897), ("test", 900), ("all", 1797)):
        real, points = datasets.digits(part, labels=True), mad.sources.digits(part, labels=True).points
        assert real.shape == (n, 8, 8, 1)
        assert (real.left, real.total) == (n, n)
        assert np.array_equal(
            (np.asarray(real.images) / 255 * 16).round().reshape(n, 64), points[:, :-1] * 16
        )
        assert np.array_equal(real.images.labels, points[:, -1])
    assert datasets.digits().images.labels is None
    with pytest.raises(ValueError, match="part='validation' is unknown; choose one of 'train'"):
        datasets.digits("validation")


def test_photographs_are_cut_on_a_grid():
    from sklearn.datasets import load_sample_images

    temple, flower = load_sample_images().images
    real = datasets.photographs(labels=True)
    rows, columns = 50, 61
    assert real.shape == (2 * rows * columns, 32, 32, 3)
    assert np.array_equal(real.images.batch([0])[0], temple[:32, :32])
    last = real.images.batch([2 * rows * columns - 1])[0]
    assert np.array_equal(last, flower[49 * 8 : 49 * 8 + 32, 60 * 8 : 512])
    assert real.images.labels.tolist() == [0] * rows * columns + [1] * rows * columns
    assert datasets.photographs(stride=32).left == 2 * 13 * 16
    assert datasets.photographs(32, "all", stride=32).left == 2 * 13 * 20
    assert len(pickle.dumps(real.images)) < 2_000_000  # the photographs, not the 19 MB of patches
    same = datasets.photographs(labels=True).images
    assert same.select([5, 9]).fingerprint() == real.images.select([5, 9]).fingerprint()


def test_the_held_out_block_shares_no_pixel_with_the_rest():
    for size, stride in ((32, 8), (20, 7)):
        train, test = (datasets.photographs(size, part, stride=stride) for part in ("train", "test"))
        (train,), (test,) = train.images.parts, test.images.parts
        assert train.corners[:, 2].max() + size <= test.corners[:, 2].min() == 512
        assert test.corners[:, 2].max() + size <= 640
    with pytest.raises(ValueError, match=r"size=129 exceeds the 427 x 128 pixels of part='test'"):
        datasets.photographs(129, "test")


@both
def test_files_are_read_in_the_order_of_their_names(tmp_path, place):
    names = ["b/1.png", "a/10.png", "a/2.PNG", "0.png", "c.png", "b/0.png"]
    others = {"readme.txt": b"x", "__MACOSX/a/.2.png": b"x", "a/.hidden.png": b"x"}
    files = dict(zip(names, map(encoded, DIGITS), strict=True)) | others
    real = put(tmp_path / place, files)(tmp_path / place)
    order = np.argsort(names)
    assert real.shape == (6, 8, 8, 1)
    assert real.name == place
    assert np.array_equal(real.images, DIGITS[order])
    assert np.array_equal(pickle.loads(pickle.dumps(real)).images.batch([3, 1]), DIGITS[order][[3, 1]])
    assert len(pickle.dumps(real.images)) < 2000


@both
def test_colour_and_jpeg(tmp_path, place):
    files = {f"{k}.png": encoded(photo) for k, photo in enumerate(PHOTOS)}
    files["9.jpeg"] = encoded(PHOTOS[0], "jpeg")
    images = put(tmp_path / place, files)(tmp_path / place).images
    assert np.array_equal(images.batch(range(6)), PHOTOS)
    lossy = images.batch([6])[0].astype(int)
    assert 0 < np.abs(lossy - PHOTOS[0]).mean() < 12


@both
def test_files_are_cropped_and_resized(tmp_path, place):
    from sklearn.datasets import load_sample_images

    temple = load_sample_images().images[0]
    files = {"0.png": encoded(temple), "1.png": encoded(temple[:100, :60])}
    images = put(tmp_path / place, files)(tmp_path / place, 61).images
    assert images.shape == (2, 61, 61, 3)
    square = temple[:, 106 : 106 + 427].astype(float)
    # 427 = 7 * 61: the means of blocks of 7 x 7 pixels, to which Lanczos' filter comes near.
    area = square.reshape(61, 7, 61, 7, 3).mean((1, 3))
    difference = np.abs(images.batch([0])[0] - area)
    assert difference.mean() < 6
    assert np.abs(images.batch([0])[0].mean() - area.mean()) < 0.3
    shifted = np.abs(images.batch([0])[0][:, 1:] - area[:, :-1])
    assert shifted.mean() > 2 * difference.mean()  # a crop one pixel off would be seen
    exact = put(tmp_path / f"exact{place[-4:]}", {"0.png": encoded(temple[:60, :90])})
    assert np.array_equal(exact(tmp_path / f"exact{place[-4:]}", 60).images.batch([0])[0], temple[:60, 15:75])


@both
def test_labels_of_files(tmp_path, place):
    names = [f"{label}/{k}.png" for k, label in enumerate(LABELS)]
    files = dict(zip(names, map(encoded, DIGITS), strict=True))
    opened = put(tmp_path / place, files)
    order = np.argsort(names)
    assert opened(tmp_path / place).images.labels is None
    classes = np.unique(LABELS, return_inverse=True)[1]
    assert opened(tmp_path / place, labels=True).images.labels.tolist() == classes[order].tolist()
    listed = {"labels": [[name, int(label)] for name, label in zip(names, LABELS, strict=True)]}
    path = tmp_path / f"listed-{place}"
    opened = put(path, files | {"dataset.json": json.dumps(listed).encode()})
    real = opened(path, labels=True)
    assert real.images.labels.tolist() == LABELS[order].tolist()
    drawn, _ = real.take(4, rng=rng())
    where = [int(np.flatnonzero((image == DIGITS).all((1, 2, 3)))[0]) for image in np.asarray(drawn)]
    assert drawn.labels.tolist() == LABELS[where].tolist()


@both
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"labels": null}', "does not list labels"),
        ("nothing", "does not list labels"),
        ("{}", "does not list labels"),
        ('{"labels": [["0.png", 1]]}', "the label of '1.png' in its dataset.json is None"),
        ('{"labels": [["0.png", 1], ["1.png", [0.5, 1]]]}', r"is \[0.5, 1\]; expected the number"),
        ('{"labels": [["0.png", 1], ["1.png", -1]]}', "is -1; expected the number"),
    ],
)
def test_labels_that_are_wrong(tmp_path, place, content, message):
    files = {"0.png": encoded(DIGITS[0]), "1.png": encoded(DIGITS[1]), "dataset.json": content.encode()}
    opened = put(tmp_path / place, files)
    assert opened(tmp_path / place).left == 2
    with pytest.raises(ValueError, match=message) as caught:
        opened(tmp_path / place, labels=True)
    assert "labels=False" in str(caught.value)


@both
def test_bad_files_are_named(tmp_path, place):
    good = {"0.png": encoded(DIGITS[0]), "3.png": encoded(DIGITS[1])}
    bad = {
        "empty": ({"a.txt": b""}, ValueError, "holds no images"),
        "mixed": (
            good | {"1.png": encoded(DIGITS[0][:5])},
            ValueError,
            r"'1.png' of .* has shape \(5, 8, 1\)",
        ),
        "colour": (good | {"1.png": encoded(PHOTOS[0])}, ValueError, r"'1.png' of .*convert grey images"),
        "none": (good | {"1.png": b"no image"}, ImageStoreError, "'1.png' of .* is not an image"),
        "loose": (good, ValueError, "'0.png' is in no folder of a class"),
        "deep": (
            good | {"1.png": encoded(np.full((8, 8), 999, np.uint16))},
            ValueError,
            "'1.png' .*of mode I;16",
        ),
        "clear": (
            good | {"1.png": encoded(np.zeros((8, 8, 4), np.uint8))},
            ValueError,
            "'1.png' .*of mode RGBA",
        ),
    }
    for name, (files, error, message) in bad.items():
        path = tmp_path / f"{name}-{place}"
        opened = put(path, files)
        with pytest.raises(error, match=message):
            opened(path, labels=name == "loose")


@both
def test_a_damaged_image_is_named_when_it_is_read(tmp_path, place):
    files = {f"{k}.png": encoded(photo) for k, photo in enumerate(PHOTOS)}
    files["2.png"] = files["2.png"][:-60]
    images = put(tmp_path / place, files)(tmp_path / place).images
    assert np.array_equal(images.batch([1, 3]), PHOTOS[[1, 3]])
    with pytest.raises(ImageStoreError, match=r"'2.png' of .* is not an image that can be read"):
        images.batch([1, 2])


def test_a_damaged_archive(tmp_path):
    path = tmp_path / "a.zip"
    put(path, {f"{k}.png": encoded(photo) for k, photo in enumerate(PHOTOS)})
    content = path.read_bytes()
    images = datasets.archive(path).images
    path.write_bytes(content.replace(encoded(PHOTOS[2]), encoded(PHOTOS[2])[:-20] + 20 * b"x"))
    with pytest.raises(ImageStoreError, match=r"'2.png' of .*a.zip"):
        images.batch([2])
    path.write_bytes(content[:-30])
    with pytest.raises(ImageStoreError, match="not a readable zip archive"):
        datasets.archive(path)
    with pytest.raises(ImageStoreError, match="not a readable zip archive"):
        images.batch([0])
    for wrong in (tmp_path, tmp_path / "none.zip"):
        with pytest.raises(FileNotFoundError, match="use folder"):
            datasets.archive(wrong)
    with pytest.raises(FileNotFoundError, match="use archive"):
        datasets.folder(path)


@both
def test_files_that_change_while_a_loop_runs(tmp_path, place):
    opened = put(tmp_path / place, {"0.png": encoded(DIGITS[0]), "1.png": encoded(DIGITS[1])})
    images = opened(tmp_path / place).images
    before = images.fingerprint()
    put(tmp_path / place, {"0.png": encoded(DIGITS[0]), "1.png": encoded(DIGITS[2])})
    assert opened(tmp_path / place).images.fingerprint() != before
    put(tmp_path / place, {"0.png": encoded(DIGITS[0]), "1.png": encoded(DIGITS[1][:4])})
    with pytest.raises(ImageStoreError, match="leave the files alone"):
        images.batch([1])
    if place == "folder":
        (tmp_path / place / "1.png").unlink()
        with pytest.raises(ImageStoreError, match=r"'1.png' of .* cannot be read"):
            images.batch([1])


def test_fingerprints_of_files(tmp_path):
    files = {f"{k}.png": encoded(digit) for k, digit in enumerate(DIGITS)}
    put(tmp_path / "a", files)
    put(tmp_path / "b", files)
    put(tmp_path / "a.zip", files)
    put(tmp_path / "b.zip", files)
    for kind, opened in (("", datasets.folder), (".zip", datasets.archive)):
        one, other = (opened(tmp_path / (name + kind)).images for name in "ab")
        assert one.fingerprint() == other.fingerprint()
        assert one.select([0, 1]).fingerprint() != one.select([1, 0]).fingerprint()
        assert one.fingerprint() != opened(tmp_path / ("a" + kind), 8).images.fingerprint()


def test_only_what_is_asked_for_is_decoded(tmp_path, monkeypatch):
    put(tmp_path / "a", {f"{k}.png": encoded(digit) for k, digit in enumerate(DIGITS)})
    names, real = [], _files.decode
    monkeypatch.setattr(_files, "decode", lambda *given: names.append(given[2]) or real(*given))
    drawn, rest = datasets.folder(tmp_path / "a").take(4, rng=rng())
    mad.data.join([drawn, rest.images]).fingerprint()
    assert names == []
    drawn.batch([0, 2])
    assert len(names) == 2


class Memoriser:
    """A model that knows its training images, and samples them."""

    def __init__(self, images=None):
        self.images = images

    def fit(self, images, *, rng):
        return Memoriser(images)

    def sample(self, n, *, rng, bias=None):
        return self.images.subsample(n, rng=rng, replacement=True)


@pytest.mark.parametrize("labels", [False, True])
def test_a_loop_on_fresh_digits(labels):
    loop = mad.Loop(
        real=datasets.digits(labels=labels),
        model=Memoriser(),
        regime=mad.regimes.fresh(n_real=250, n_synthetic=50),
    )
    generations = mad.iterate(loop, rng=0)
    for left in (647, 397, 147):
        snapshot = next(generations)
        assert snapshot.real.left == left
    assert snapshot.training_set.shape == (300, 8, 8, 1)
    assert (snapshot.training_set.labels is None) is not labels
    with pytest.raises(ValueError, match=r"147 images that are left of digits\('train'\).*in generation 4"):
        next(generations)


def fake_torchvision(monkeypatch, root):
    """torchvision's classes, with real digits for their data."""

    class Digits:
        def __init__(self, given, train, download):
            if given != str(root) and not download:
                raise RuntimeError("Dataset not found. You can use download=True to download it")
            part = datasets.digits("train" if train else "test", labels=True).images
            self.data, self.targets = self.arrays(np.asarray(part), part.labels)

    class MNIST(Digits):
        def arrays(self, pixels, labels):
            import torch

            return torch.as_tensor(pixels[..., 0].copy()), torch.as_tensor(labels)

    class CIFAR10(Digits):
        def arrays(self, pixels, labels):
            return np.repeat(pixels, 3, axis=-1), labels.tolist()

    module = types.ModuleType("torchvision.datasets")
    module.MNIST, module.FashionMNIST, module.CIFAR10 = MNIST, MNIST, CIFAR10
    monkeypatch.setitem(sys.modules, "torchvision", types.ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.datasets", module)


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST", "CIFAR10"])
def test_torchvision(monkeypatch, tmp_path, name):
    fake_torchvision(monkeypatch, tmp_path)
    channels = 3 if name == "CIFAR10" else 1
    for part, n in (("train", 897), ("test", 900), ("all", 1797)):
        real = datasets.torchvision_set(name, tmp_path, part)
        assert real.shape == (n, 8, 8, channels)
        assert real.images.labels is None
    labelled = datasets.torchvision_set(name, tmp_path, "test", labels=True).images
    assert np.array_equal(labelled.labels, datasets.digits("test", labels=True).images.labels)
    assert np.array_equal(labelled.batch([7])[..., :1], datasets.digits("test").images.batch([7]))
    with pytest.raises(ImageStoreError, match=r"is not in root=.*pass download=True"):
        datasets.torchvision_set(name, tmp_path / "elsewhere")
    assert datasets.torchvision_set(name, tmp_path / "elsewhere", download=True).left == 897


class Table:
    """What is used of a data set of the Hugging Face library, with real digits in its rows."""

    def __init__(self, images, labels):
        self.columns = {"img": list(images), "digit": [int(label) for label in labels]}
        self.column_names = list(self.columns)
        self.decoded = []

    def __len__(self):
        return len(self.columns["img"])

    def __getitem__(self, key):
        if isinstance(key, str):
            return self.columns[key]
        assert type(key) is int
        self.decoded.append(key)
        return {
            "img": Image.fromarray(np.squeeze(self.columns["img"][key])),
            "digit": self.columns["digit"][key],
        }


def fake_hugging_face(monkeypatch, tables):
    module = types.ModuleType("datasets")

    def load_dataset(name, split):
        if name == "offline":
            raise ConnectionError("Couldn't reach the Hub")
        if split not in tables:
            raise ValueError(f"Unknown split {split!r}")
        return tables[split]

    module.load_dataset = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", module)


def test_hugging_face(monkeypatch):
    table = Table(DIGITS, LABELS)
    odd = Table([*DIGITS, DIGITS[0][:5]], [*LABELS, 0])
    fake_hugging_face(monkeypatch, {"train": table, "odd": odd, "none": Table([], [])})
    real = datasets.hugging_face("mnist", image="img", label="digit")
    assert real.shape == (6, 8, 8, 1)
    assert table.decoded in ([0], [0, 0])
    table.decoded.clear()
    assert np.array_equal(real.images.batch([4, 1]), DIGITS[[4, 1]])
    assert table.decoded == [4, 1]
    assert real.images.labels.tolist() == LABELS.tolist()
    assert datasets.hugging_face("mnist", image="img").images.labels is None
    assert datasets.hugging_face("mnist", image="img", size=4).shape == (6, 4, 4, 1)
    assert (
        real.images.fingerprint()
        == datasets.digits("test", labels=True).images.select(range(6)).fingerprint()
    )
    with pytest.raises(ValueError, match=r"image 6 of mnist has shape \(5, 8, 1\)"):
        np.asarray(datasets.hugging_face("mnist", split="odd", image="img").images)
    for keywords, message in (
        ({}, "image='image' is not a column of mnist; choose one of img, digit"),
        ({"image": "img", "label": "class"}, "label='class' is not a column"),
        ({"image": "digit"}, "holds int objects, not images"),
        ({"image": "img", "split": "none"}, "holds no images"),
        ({"image": "img", "size": 0}, "size=0"),
    ):
        with pytest.raises(ValueError, match=message):
            datasets.hugging_face("mnist", **keywords)
    for name, split in (("offline", "train"), ("mnist", "validation")):
        with pytest.raises(ImageStoreError, match="cannot be opened"):
            datasets.hugging_face(name, split=split)


def test_a_torchvision_of_another_build_of_torch(monkeypatch, tmp_path):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms')")
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match=r"cannot be imported \(operator torchvision::nms\)"):
        datasets.torchvision_set("MNIST", tmp_path)


def test_idx_files(tmp_path):
    images, classes = write_set(tmp_path)
    assert np.array_equal(np.asarray(datasets.idx(tmp_path).images)[..., 0], images[:6])
    labelled = datasets.idx(tmp_path, "all", labels=True).images
    assert np.array_equal(labelled.labels, classes)
    assert labelled.shape == (12, 5, 4, 1)
    with pytest.raises(ValueError, match="SHA-256"):
        datasets.idx(tmp_path, known="MNIST")
    with pytest.raises(ValueError, match="known='mnist'"):
        datasets.idx(tmp_path, known="mnist")


def write_cifar(folder, binary, rng):
    """Write six batches of the sizes of CIFAR-10, and return the images of the test batch and its classes."""
    folder.mkdir()
    digests = {}
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        pixels = rng.integers(0, 256, (10_000, 3072), dtype=np.uint8)
        classes = rng.integers(0, 10, 10_000)
        if binary:
            content = np.concatenate([classes[:, None].astype(np.uint8), pixels], 1).tobytes()
        else:
            content = pickle.dumps({b"labels": classes.tolist(), b"data": pixels}, protocol=2)
        (folder / (name + ".bin" * binary)).write_bytes(content)
        digests[name] = hashlib.md5(content).hexdigest()
    return pixels, classes, digests


@pytest.mark.parametrize("binary", [True, False])
def test_cifar10_files(monkeypatch, tmp_path, binary):
    folder = tmp_path / f"cifar-10-batches-{'bin' if binary else 'py'}"
    pixels, classes, digests = write_cifar(folder, binary, np.random.default_rng(3))
    if not binary:
        with pytest.raises(ValueError, match="not the published file: its MD5"):
            datasets.cifar10(tmp_path, "test")
    monkeypatch.setattr(cifar, "_MD5", digests)
    real = datasets.cifar10(tmp_path, "test", labels=True).images
    assert np.array_equal(real.labels, classes)
    assert np.array_equal(np.asarray(real)[5, :, :, 1].ravel(), pixels[5, 1024:2048])
    assert datasets.cifar10(folder).shape == (50_000, 32, 32, 3)
    if binary:
        (folder / "test_batch.bin").write_bytes(b"0" * 99)
        with pytest.raises(ValueError, match="holds 99 bytes"):
            datasets.cifar10(folder, "test")
        (folder / "test_batch.bin").write_bytes(bytes([10]) * 30_730_000)
        with pytest.raises(ValueError, match="classes other than 0 to 9"):
            datasets.cifar10(folder, "test")
    with pytest.raises(FileNotFoundError, match=r"does not contain data_batch_1\.bin"):
        datasets.cifar10(tmp_path / "elsewhere")


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    class Code:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "made"),))

    with pytest.raises(pickle.UnpicklingError, match="does not contain"):
        cifar.unpickle_batch(pickle.dumps({b"data": Code()}, protocol=2))
    assert not (tmp_path / "made").exists()


def test_libraries_that_are_missing(monkeypatch, tmp_path):
    for module in ("torchvision", "torchvision.datasets", "datasets"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"datasets\.idx\(root\) reads the files of MNIST without it"):
        datasets.torchvision_set("MNIST", tmp_path)
    with pytest.raises(ImportError, match=r"datasets\.cifar10\(root\)"):
        datasets.torchvision_set("CIFAR10", tmp_path)
    with pytest.raises(ImportError, match="pip install datasets"):
        datasets.hugging_face("mnist")
    with pytest.raises(ValueError, match="name='SVHN' is unknown; choose one of 'MNIST'"):
        datasets.torchvision_set("SVHN", tmp_path)
    put(tmp_path / "a", {"0.png": encoded(DIGITS[0])})
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match="pip install pillow"):
        datasets.folder(tmp_path / "a")
    with pytest.raises(ImportError, match="pip install pillow"):
        datasets.photographs()


REAL_LIBRARY = """
import pickle, sys
import numpy as np
from madtheory.images import datasets
real = datasets.hugging_face(sys.argv[1], label="label")
again = pickle.loads(pickle.dumps(real.images))
np.savez(sys.argv[2], pixels=np.asarray(again), labels=again.labels)
"""


@pytest.mark.skipif(
    importlib.util.find_spec("datasets") is None, reason="Hugging Face's datasets not installed"
)
def test_the_real_hugging_face_library(tmp_path):
    """A local folder in that library's own layout, offline, in a process whose cache is thrown away."""
    files = {f"train/{label}/{k}.png": encoded(DIGITS[k]) for k, label in enumerate(LABELS)}
    put(tmp_path / "set", files)
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-c", REAL_LIBRARY, str(tmp_path / "set"), str(tmp_path / "read.npz")]
    root = Path(mad.__file__).parents[1]
    subprocess.run(command, cwd=root, env=environment, check=True, capture_output=True)
    read, classes = np.load(tmp_path / "read.npz"), sorted({str(label) for label in LABELS})
    pairs = zip(map(bytes, read["pixels"]), [int(classes[c]) for c in read["labels"]], strict=True)
    assert sorted(pairs) == sorted(zip(map(bytes, DIGITS), LABELS.tolist(), strict=True))
