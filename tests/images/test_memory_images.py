"""A loop whose sets do not fit into memory: what is held at once does not grow with them."""

import multiprocessing
import threading
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import madtheory as mad
from madtheory import regimes
from madtheory.images import Images, write_shards
from madtheory.images.evaluation import metrics
from madtheory.images.evaluation.features import Features

MIB = 2**20


def pixels(n, size, seed):
    """Noise, as fast as it can be made."""
    content = np.random.default_rng(seed).bytes(n * size**2 * 3)
    return np.frombuffer(content, np.uint8).reshape(n, size, size, 3)


def means(images):
    """Means of eight stripes of each image."""
    return images.reshape(len(images), 8, -1).mean(-1)


@dataclass(frozen=True)
class Shards:
    """Stands for a generator of images: it samples in shards, and reads random batches as training does."""

    folder: Path
    size: int
    shard: int
    step: int = 0

    def fit(self, data, *, rng):
        data.fingerprint()
        for _ in range(50):
            assert data.batch(rng.integers(len(data), size=256)).any()
        return Shards(self.folder, self.size, self.shard, self.step + 1)

    def sample(self, n, *, rng):
        seed = int(rng.integers(2**32))
        return write_shards(
            self.folder / f"{self.step}-{seed}",
            lambda start, stop: pixels(stop - start, self.size, [seed, start]),
            n,
            shard=self.shard,
        )


class Real:
    """Real images, made when they are asked for."""

    def __init__(self, folder, size, shard):
        self.model = Shards(folder, size, shard)

    def sample(self, n, *, rng):
        return self.model.sample(n, rng=rng)


def run_loop(folder, n, generations, size=32, shard=4096):
    """Generations that keep all images so far, each measured against 500 real ones; how many there are."""
    loop = mad.Loop(
        real=Real(folder, size, shard), model=Shards(folder, size, shard), regime=regimes.accumulate(n=n)
    )
    features = Features("means", means)
    reference = metrics.feature_summary(Images.of(pixels(500, size, 0)), features)
    for snapshot in islice(mad.iterate(loop, rng=1), generations):
        found = metrics.measured(snapshot.training_set, reference=reference, features=features, most=500)
        assert np.isfinite(found["frechet_distance"])
    return snapshot.training_set


def peak_of(run):
    """The most that was allocated at once, in bytes; arrays count, files that are mapped do not."""
    tracemalloc.start()
    try:
        result = run()
        return tracemalloc.get_traced_memory()[1], result
    finally:
        tracemalloc.stop()


def test_a_loop_holds_a_shard_at_once(tmp_path):
    """25 MB of images, of which less than 5 MB are held; the control reads them all."""
    (tmp_path / "before").mkdir()
    run_loop(tmp_path / "before", n=600, generations=1)  # what is imported and opened once
    peak, images = peak_of(lambda: run_loop(tmp_path, n=2000, generations=4, shard=256))
    assert images.shape == (8000, 32, 32, 3)
    total = 8000 * 32 * 32 * 3
    assert peak < total / 5
    everything, _ = peak_of(lambda: np.asarray(images).shape)
    assert everything >= total


def resident(key="RssAnon"):
    """Memory of this process that is no file, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


def measured_loop(folder, n, generations):
    """The growth of resident memory at its highest, looked at every 5 ms, and the images."""
    (folder / "before").mkdir()
    run_loop(folder / "before", n=600, generations=1)
    before, seen, over = resident(), [0], threading.Event()

    def watch():
        while not over.wait(0.005):
            seen.append(resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        images = run_loop(folder, n, generations)
    finally:
        over.set()
        watcher.join()
    return max(seen) - before, images.shape


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for resident memory")
def test_twenty_generations_of_fifty_thousand_images(tmp_path):
    """3 GB of images, all kept and trained on, in less memory than one generation of them takes."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        grown, shape = fresh.submit(measured_loop, tmp_path, 50_000, 20).result()
    assert shape == (1_000_000, 32, 32, 3)
    print(f"resident memory grew by {grown / MIB:.0f} MiB")
    assert grown < 50_000 * 32 * 32 * 3
