"""Training and sampling of images against diffusers, on the same U-Net in the same run: ``make benchmark``.

What is measured, and the baseline, is in `simulations.image_throughput`, which also draws the figure.
"""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("accelerate")

from simulations.image_throughput import CODES, TASKS, Bench, alone  # noqa: E402

AIMS = {"training": 1.5, "sampling": 2.0}
"""Times the images per second of diffusers' example as it is given, on an accelerator."""


@pytest.mark.parametrize("task", TASKS)
def test_throughput(benchmark, task):
    """On an accelerator at least 1.5 (training) and 2 (sampling) times as many images per second."""
    with alone():
        bench = Bench()
        batch = bench.batches[-1]
        benchmark.group = f"{task}, {bench.shape}, batch {batch}"
        ours = benchmark.pedantic(bench.rate, (task, CODES[0], batch), rounds=1)
        theirs = {code: bench.rate(task, code, batch) for code in CODES[1:]}
    achieved = bench.operations(task) * ours
    benchmark.extra_info.update(
        device=bench.name,
        images_per_second=ours,
        baselines=theirs,
        operations_per_second=achieved,
        share_of_bf16_peak=achieved / bench.peak,
    )
    known = {code: rate for code, rate in theirs.items() if rate == rate}
    ratios = ", ".join(f"{code} {rate:.0f} ({ours / rate:.2f}x)" for code, rate in known.items())
    print(f"\n{bench.name}, {benchmark.group}: {ours:.0f} images/s; {ratios}")
    share = f", {achieved / bench.peak:.0%} of the bf16 peak" if bench.peak == bench.peak else ""
    print(f"{achieved / 1e12:.4f} Top/s{share}")
    assert not bench.accelerator or ours / theirs[CODES[1]] >= AIMS[task]
