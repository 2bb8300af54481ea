"""The table of guidance: the exact curve, the best weights, and the picture of the data."""

import numpy as np
import pytest

from paper_scripts.gallery import all_figures
from simulations import guidance_table

FIGURE = "guidance_table"


@pytest.fixture(scope="module")
def data():
    return guidance_table.run(quick=True, rng=2)


def test_findings_and_a_wrong_curve(data):
    findings = all_figures()[FIGURE].findings(data)
    assert findings[0].verdict == "agrees"
    assert findings[-1].verdict == "reproduced"
    wrong = data.assign(predicted_mean_distance=1.5 * data["predicted_mean_distance"])
    assert all_figures()[FIGURE].findings(wrong)[0].verdict == "disagrees"


def test_all_methods_are_the_base_at_0(data):
    at = data["distance"].sel(weight=0)
    np.testing.assert_allclose(at, np.broadcast_to(at.isel(scheme=[0]), at.shape), rtol=1e-10)
    assert (data["exists"].sel(scheme="SIMS") == 1).all()


def test_guidance_removes_a_bias_and_no_noise(data):
    gain = data["best"] / data["distance"].sel(weight=0)
    assert (gain.sel(bias=0.8, scheme=["SIMS", "Neon", "DDO"]) < 0.75).all()
    assert (gain.sel(bias=1.0) > 0.85).all()


def test_the_picture_shows_the_data(data):
    axes = all_figures()[FIGURE].draw(data).axes
    assert len(axes) == 6
    for ax, at in zip(axes, np.ndindex(2, 3), strict=True):
        for k in range(4):
            np.testing.assert_array_equal(ax.get_lines()[k].get_ydata(), data["distance"][at][k])
