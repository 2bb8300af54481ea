"""Files in the format of MNIST, written for tests."""

import struct

import numpy as np


def encode(array, code=8):
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return head + array.tobytes()


def write_set(folder, m=6, *, suffix="", spelling="{}-idx{}-ubyte", pack=lambda content: content):
    """Write the four files, and return images and classes of both parts together."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    images = rng.integers(0, 256, (2 * m, 5, 4), dtype=np.uint8)
    classes = rng.integers(0, 10, 2 * m).astype(np.uint8)
    for prefix, rows in (("train", slice(m)), ("t10k", slice(m, None))):
        for kind, axes, array in (("images", 3, images), ("labels", 1, classes)):
            name = spelling.format(f"{prefix}-{kind}", axes) + suffix
            (folder / name).write_bytes(pack(encode(array[rows])))
    return images, classes
