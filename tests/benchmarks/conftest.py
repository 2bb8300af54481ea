"""Collects the cost of one generation of one chain, and prints the ratios to the named baselines."""

import os
import tracemalloc
from collections import defaultdict

import pytest

COSTS: dict[str, dict[str, tuple[float, float]]] = defaultdict(dict)
BASELINES = ("madtheory replace", "madtheory")


def baseline_of(case):
    """Return the name that the others of a case are compared with."""
    return next((name for name in BASELINES if name in COSTS[case]), next(iter(COSTS[case])))


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
        benchmark.extra_info.update(name=name, us_per_chain_generation=microseconds, peak_mib=peak)
        COSTS[case][name] = (microseconds, peak)

    return measure


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(machine_info):
    # Of a machine that others use as well, the times say little.
    machine_info["load"] = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(output_json):
    for entry in output_json["benchmarks"]:
        info = entry["extra_info"]
        if "us_per_chain_generation" in info:
            baseline = baseline_of(entry["group"])
            own = COSTS[entry["group"]][baseline][0]
            info.update(baseline=baseline, ratio=info["us_per_chain_generation"] / own)


def pytest_terminal_summary(terminalreporter, config):
    if not COSTS:
        return
    from pytest_benchmark.utils import get_commit_info

    machine = config.hook.pytest_benchmark_generate_machine_info(config=config)
    commit = get_commit_info()
    terminalreporter.section("microseconds per chain and generation; peak MiB; times the baseline")
    terminalreporter.write_line(
        f"{machine['cpu'].get('brand_raw', machine['machine'])}, {os.cpu_count()} cores, Python "
        f"{machine['python_version']}; commit {commit['id']}{' and changes' if commit.get('dirty') else ''}"
    )
    for case, costs in COSTS.items():
        baseline = baseline_of(case)
        terminalreporter.write_line(f"{case} (baseline: {baseline})")
        for name, (microseconds, peak) in costs.items():
            ratio = microseconds / costs[baseline][0]
            terminalreporter.write_line(f"  {name:32} {microseconds:12.4f} us {peak:9.1f} MiB {ratio:8.2f}x")
