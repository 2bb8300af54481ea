"""The figure of several judges: loops agree with the exact chain, and the picture shows the data."""

import numpy as np
import pytest

from paper_scripts.gallery import all_figures
from simulations import several_judges

FIGURE = "falahati_judges"


@pytest.fixture(scope="module")
def data():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(several_judges, "CHOICES", (2, 4, np.inf))
        patch.setattr(several_judges, "TARGETS", (1, 3))
        patch.setattr(several_judges, "PRINTED", (0.032, 1.357))
        patch.setattr(several_judges, "KEPT", 500)
        yield several_judges.run(quick=True, rng=1)


def test_loops_agree_with_the_chain_and_a_wrong_chain_is_rejected(data):
    verdicts = [one.verdict for one in all_figures()[FIGURE].findings(data)]
    assert verdicts[0] == "agrees"
    assert verdicts[1:4] == ["reproduced"] * 3
    wrong = data.assign(predicted_share=data["predicted_share"] + 0.02)
    assert all_figures()[FIGURE].findings(wrong)[0].verdict == "disagrees"


def test_coexistence_is_weaker_than_the_published_condition(data):
    paper, exact, only = data["coexist"].values
    assert only == 0
    assert 0.5 < paper < exact < 1


def test_entropy_is_near_that_of_many_points(data):
    np.testing.assert_allclose(data["entropy"], data["entropy_of_many"], atol=0.02)
    np.testing.assert_allclose(data["entropy_of_many"], np.log([1, 3]), atol=2e-3)


def test_the_picture_shows_the_data(data):
    left, middle, right = all_figures()[FIGURE].draw(data).axes
    for i in range(3):
        np.testing.assert_array_equal(middle.get_lines()[i].get_ydata(), data["fixed_point"][:, i])
    assert any(np.array_equal(line.get_ydata(), data["share"][0]) for line in left.get_lines())
    assert any(np.array_equal(line.get_ydata(), data["printed"]) for line in right.get_lines())
