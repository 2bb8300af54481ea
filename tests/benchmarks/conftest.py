"""Collects the cost of one generation of one chain, and prints the ratios to the named baselines."""

import tracemalloc
from collections import defaultdict

import pytest

COSTS: dict[str, dict[str, tuple[float, float]]] = defaultdict(dict)


@pytest.fixture
def cost(benchmark):
    """Time `run` and record microseconds per chain and generation, and peak memory, under (case, name)."""

    def measure(case, name, run, *, chains, generations, rounds=3):
        benchmark.group = case
        benchmark.pedantic(run, rounds=rounds, warmup_rounds=1)
        tracemalloc.start()
        run()
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        microseconds = 1e6 * benchmark.stats.stats.min / chains / generations
        benchmark.extra_info.update(us_per_chain_generation=microseconds, peak_mib=peak)
        COSTS[case][name] = (microseconds, peak)

    return measure


def pytest_terminal_summary(terminalreporter):
    if not COSTS:
        return
    terminalreporter.section("microseconds per chain and generation; peak MiB; times slower than madtheory")
    for case, costs in COSTS.items():
        own = costs.get("madtheory replace") or costs.get("madtheory")
        terminalreporter.write_line(case)
        for name, (microseconds, peak) in costs.items():
            ratio = f"{microseconds / own[0]:8.2f}x" if own else ""
            terminalreporter.write_line(f"  {name:32} {microseconds:12.4f} us {peak:9.1f} MiB {ratio}")
