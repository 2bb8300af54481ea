"""One thread per process, the same examples in every run, and skips that say which extra is missing."""

import gc
import importlib.util
import os

gc.disable()  # until all tests are collected: a third of that time went into looking through imported modules

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

settings.register_profile(
    "madtheory", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("madtheory")


def pytest_collection_finish():
    """Collect garbage among what the tests make, and not again and again among all that was imported."""
    gc.freeze()
    gc.enable()


EXTRAS = {
    **dict.fromkeys(("torch", "zuko", "safetensors"), "torch"),
    **dict.fromkeys(("dask", "distributed"), "distributed"),
    "playwright": "browser",
    **dict.fromkeys(("diffusers", "accelerate", "PIL"), "images"),
}
"""Which extra of pyproject.toml brings a package; all others come with ``dev``."""


def import_or_skip(name, *arguments, original=pytest.importorskip, **keywords):
    """Import a module, or skip the test with the extra that it needs.

    Packages named by the environment variable ``MADTHEORY_REQUIRE``, separated by commas, must be there:
    without them the test fails. `make test` asks for torch, so that a broken installation is not taken for
    a missing one.
    """
    package = name.partition(".")[0]
    if importlib.util.find_spec(package) is None:
        advice = f"needs {package}: pip install -e '.[{EXTRAS.get(package, 'dev')}]'"
        if package in os.environ.get("MADTHEORY_REQUIRE", "").split(","):
            pytest.fail(advice, pytrace=False)
        keywords["reason"] = advice
    return original(name, *arguments, **keywords)


pytest.importorskip = import_or_skip
