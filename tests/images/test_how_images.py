"""How a set is computed, by whom and in which pieces, has no effect on it: a run resumes otherwise."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("accelerate")
pytest.importorskip("PIL")

from tiny_diffusion import pictures, rng, tiny
from tiny_run import BUDGET, run

from madtheory.images import ImageStoreError
from madtheory.images.diffusion import describe_fit
from madtheory.images.sampling import deal_shards, even_piece, make_in_shards
from madtheory.networks import Heun


def made(batch=12, unet=None, **training):
    model = tiny(training={**BUDGET, **training}, unet=unet, sampler=Heun(2), batch=batch)
    return run(2, model=model)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    return folder, made().go(folder, progress=False)


def test_a_run_resumes_with_other_batches_and_parts(finished, tmp_path):
    """All is found in the store, or made again with the same weights up to rounding."""
    folder, lines = finished
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "metrics.jsonl").unlink()
    assert made(batch=5, accumulate=2).go(copy) == lines
    before = sorted(path.name for path in (folder / "store").rglob("*.npy"))
    assert sorted(path.name for path in (copy / "store").rglob("*.npy")) == before


@pytest.mark.parametrize("other", [{"batch": 8}, {"learning_rate": 1e-4}, {"clip_norm": 1.0}])
def test_what_has_an_effect_is_refused(finished, tmp_path, other):
    copy = shutil.copytree(finished[0], tmp_path / "copy")
    with pytest.raises(ImageStoreError, match=next(iter(other))):
        run(2, model=tiny(training={**BUDGET, **other}, sampler=Heun(2), batch=12)).go(copy)


def test_parts_count_where_dropout_draws():
    """With dropout a step in two parts draws other masks, and other weights come of it."""
    dropout = {"dropout": 0.1}
    plain, parts = tiny(), tiny(training={"accumulate": 2})
    assert describe_fit(plain) == describe_fit(parts)
    assert describe_fit(tiny(unet=dropout)) != describe_fit(tiny(unet=dropout, training={"accumulate": 2}))


@pytest.mark.parametrize(
    ("n", "batch"), [(60_000, 2000), (50_000, 1024), (10_000, 256), (1000, 2000), (64, 4), (890, 2000)]
)
@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_processes_share_a_set_evenly(n, batch, workers, tmp_path):
    """Each image is made once, and no process makes more than an eighth more than its share."""
    deal, counts = deal_shards(n, (28, 28, 1), batch, workers), []
    assert deal.shard == deal_shards(n, (28, 28, 1), 7, 1).shard, "files do not depend on who writes them"
    seen = np.zeros(n, dtype=int)
    for process in range(workers):
        units = range(0, n, deal.unit)[process::workers]
        for first in units:
            seen[first : first + deal.unit] += 1
        counts.append(sum(min(deal.unit, n - first) for first in units))
    assert (seen == 1).all()
    assert max(counts) <= max(1.125 * n / workers, n / workers + deal.shard)
    assert max(counts) - min(counts) <= 2 * deal.unit
    pieces = -(-n // even_piece(n, batch, workers))
    assert -(-pieces // workers) * even_piece(n, batch, workers) <= n / workers + pieces


def test_eight_simulated_processes_write_one_set(tmp_path):
    n, marks = 100, []
    images = np.asarray(pictures(n))
    deal = deal_shards(n, (8, 8, 1), 4, 8)
    for process in (*range(1, 8), 0):  # the first one finishes
        accelerator = SimpleNamespace(
            process_index=process, num_processes=8, is_main_process=process == 0, wait_for_everyone=int
        )

        def make(start, stop, process=process):
            marks.append((process, stop - start))
            return images[start:stop]

        def go(accelerator=accelerator, make=make):
            return make_in_shards(
                tmp_path / "set", make, deal, np.arange(n, dtype=np.uint64), None, accelerator
            )

        if process:
            with pytest.raises(FileNotFoundError):  # not finished
                go()
        else:
            stored = go()
    np.testing.assert_array_equal(np.asarray(stored), images)
    shares = [sum(count for who, count in marks if who == process) for process in range(8)]
    assert sum(shares) == n
    assert max(shares) <= 2 * min(shares)


def test_batches_do_not_change_images(tmp_path):
    model = tiny().fit(pictures(), rng=rng(1))
    seeds, labels = np.arange(20, dtype=np.uint64), np.arange(20) % 3
    one, other = (
        np.asarray(tiny(weights=model.weights, batch=batch).generate(seeds, labels)).astype(int)
        for batch in (20, 3)
    )
    assert np.abs(one - other).max() <= 1, "beyond rounding"


def test_noise_is_the_same_by_one_thread_or_many(monkeypatch):
    from madtheory.networks import network

    seeds = np.arange(300, dtype=np.uint64)
    many = network.noise(seeds, (3, 32, 32), 5).numpy()
    assert many.size > network._LARGE
    monkeypatch.setattr(network, "_LARGE", np.inf)
    np.testing.assert_array_equal(network.noise(seeds, (3, 32, 32), 5).numpy(), many)
    assert abs(many.mean()) < 5 / many.size**0.5


def test_noise_that_is_drawn_ahead_is_the_same(monkeypatch):
    """For a sampler that needs it in each step, and for one that needs it once."""
    from madtheory.images import sampling
    from madtheory.networks import DDIM

    model = tiny().fit(pictures(), rng=rng(1))
    seeds, labels = np.arange(8, dtype=np.uint64), np.arange(8) % 3
    for sampler in (DDIM(6, eta=1.0), DDIM(6), Heun(3)):
        ours = tiny(weights=model.weights, sampler=sampler)
        ahead = np.asarray(ours.generate(seeds, labels))
        with monkeypatch.context() as patch:
            patch.setattr(
                sampling, "_DrawAhead",
                lambda seeds, shape, device, *_: lambda step: sampling.noise(seeds, shape, step + 1),
            )  # fmt: skip
            np.testing.assert_array_equal(ours.generate(seeds, labels), ahead)


def test_the_switch_to_exact_changes_nothing_on_a_cpu():
    import torch

    from madtheory.images import ImageTraining
    from madtheory.images.device import algorithms
    from madtheory.images.store import fingerprint

    plain, exact = (
        tiny(training={"images": 32, "exact": exact}).fit(pictures(), rng=rng(1)) for exact in (False, True)
    )
    assert fingerprint(plain.weights) == fingerprint(exact.weights)
    assert not ImageTraining().by_pixel(torch.device("cpu"))
    assert ImageTraining().by_pixel(torch.device("cuda"))
    assert not ImageTraining(exact=True).by_pixel(torch.device("cuda"))
    before = torch.backends.cudnn.benchmark, torch.get_float32_matmul_precision()
    # The settings of an accelerator can be made without one.
    with algorithms(torch.device("cuda"), exact=False):
        assert torch.backends.cudnn.benchmark
        assert torch.get_float32_matmul_precision() == "high"
    assert (torch.backends.cudnn.benchmark, torch.get_float32_matmul_precision()) == before
