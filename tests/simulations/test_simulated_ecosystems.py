"""The figure of ecosystems: simulation agrees with theory, and a wrong theory is seen."""

import numpy as np
import pytest

from paper_scripts.gallery import all_figures
from simulations import ecosystems


@pytest.fixture(scope="module")
def result():
    return ecosystems.run(quick=True, rng=1)


def test_every_predicted_variable_agrees(result):
    for name in ("model_spread", "pool_variance", "heterozygosity"):
        error = result[f"{name}_error"]
        z = (result[name] - result[f"predicted_{name}"]) / error.where(error > 1e-12)
        assert float(abs(z).max()) < 5
        assert (error > 1e-12).sum() > 0.6 * error.size


def test_the_figure_shows_the_data_and_judges_it(result):
    figure = all_figures()["vu_exchange"]
    left, right = figure.draw(result).axes
    curves = [line.get_ydata() for line in left.get_lines()]
    for alpha in range(3):
        assert any(np.array_equal(curve, result["model_spread"][alpha]) for curve in curves)
    assert len(right.get_lines()) >= 3
    assert [found.verdict for found in figure.findings(result)] == ["reproduced", "reproduced", "agrees"]
    wrong = result.assign(predicted_heterozygosity=0.99 * result["predicted_heterozygosity"])
    assert "disagrees" in [found.verdict for found in figure.findings(wrong)]
