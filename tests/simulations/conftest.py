"""Pictures are drawn without a screen, and closed."""

import matplotlib
import pytest

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close_pictures():
    """After each test."""
    import matplotlib.pyplot as plt

    yield
    plt.close("all")
