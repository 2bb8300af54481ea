"""Every part of the script of checks on an accelerator runs on a CPU, at tiny size."""

import shutil

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("accelerate")
pytest.importorskip("PIL")

import gpu_checks


@pytest.mark.parametrize("name", [name for name in gpu_checks.CHECKS if "compiled" not in name])
def test_parts_run_on_a_cpu(name):
    numbers, good = gpu_checks.CHECKS[name]("cpu", True)
    assert good, numbers


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a compiler on a CPU")
def test_the_compiled_part_runs_on_a_cpu():
    numbers, good = gpu_checks.CHECKS["half precision, compiled"]("cpu", True)
    assert good, numbers
