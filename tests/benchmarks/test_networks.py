"""One generation of a diffusion, trained and sampled, its quality beside the time: ``make benchmark``."""

import time

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from madtheory import metrics, sources  # noqa: E402
from madtheory.networks import Diffusion, Training  # noqa: E402


def rng(seed):
    return np.random.default_rng(seed)


@pytest.fixture(params=[1, 2], ids="threads={}".format)
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def timed(benchmark, generation):
    """The points of one generation; processor seconds, which tell of other work on the machine, beside it."""
    before = time.process_time()
    points = benchmark.pedantic(generation, rounds=1)
    benchmark.extra_info["processor_seconds"] = time.process_time() - before
    return points


def test_a_generation_in_the_plane(benchmark, threads):
    """1,500 Adam steps of 512, then 4,000 samples: below 24 processor seconds, 12 s on two threads."""
    benchmark.group = "diffusion, two moons, 768,000 images seen and 4,000 samples"
    law = sources.two_moons()
    data, truth = law.sample(10_000, rng=rng(0)), law.sample(40_000, rng=rng(1))
    model = Diffusion(training=Training(images=1500 * 512, batch=512, learning_rate=4e-3))
    fake = timed(benchmark, lambda: model.fit(data, rng=rng(2)).sample(4000, rng=rng(3)))
    benchmark.extra_info.update(
        sliced_wasserstein=metrics.sliced_wasserstein(real=truth, fake=fake),
        sliced_wasserstein_of_truth=metrics.sliced_wasserstein(real=truth, fake=law.sample(4000, rng=rng(4))),
    )
    assert benchmark.extra_info["processor_seconds"] < 24
    assert benchmark.extra_info["sliced_wasserstein"] < 0.08


def test_a_generation_of_digits(benchmark, threads):
    """Class-conditional, trained and sampled 2,000 times: below 60 processor seconds per thread."""
    benchmark.group = "diffusion, digits, 320,000 images seen and 2,000 samples"
    data = sources.digits("train", labels=True).points
    held_out = sources.digits("test").points
    training = Training(images=320_000, batch=128, learning_rate=1e-2)
    model = Diffusion(hidden=(256, 256), classes=10, training=training)
    fake = timed(benchmark, lambda: model.fit(data, rng=rng(2)).sample(2000, rng=rng(3)))[:, :-1]
    precision, recall = metrics.precision_recall(real=held_out, fake=fake)
    benchmark.extra_info.update(
        frechet_distance=metrics.frechet_distance(real=held_out, fake=fake),
        frechet_distance_of_training_set=metrics.frechet_distance(real=held_out, fake=data[:, :-1]),
        precision=precision,
        recall=recall,
    )
    assert benchmark.extra_info["processor_seconds"] < 60 * threads
    assert benchmark.extra_info["frechet_distance"] < 0.1
