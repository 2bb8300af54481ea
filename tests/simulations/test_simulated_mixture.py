"""MAD Figs. 14-15: modes of a mixture loop against drift; pictures and findings come from the data."""

import numpy as np
import pytest
from scipy.stats import binom

from madtheory import metrics
from paper_scripts.gallery import all_figures
from simulations import mixture_modes

FIGURES = {name: all_figures()[name] for name in ("mad_14", "mad_15")}

SMALL = mixture_modes._Sizes(400, 25, 60, 120, 4, (1, 10, 25))


@pytest.fixture(scope="module")
def data():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mixture_modes, "QUICK", SMALL)
        return mixture_modes.run(quick=True, rng=1, n_jobs=1)


def test_modes_of_points_are_counted():
    rng = np.random.default_rng(0)
    points = np.array([[0.0, 1.0], [-2.0, 2.0], [-2.0, 2.0]])[rng.integers(3, size=500)]
    points = points + 0.05 * rng.standard_normal((500, 2))
    nothing = np.empty((500, 0))
    variance, modal, modes = mixture_modes._modes(points, nothing)
    assert modes == 2
    assert variance == pytest.approx(points.var(0).sum())
    left = points[:, 0] < -1
    expected = (points[left].var(0).sum() + points[~left].var(0).sum()) / 2
    assert modal == pytest.approx(expected)
    labels = np.where(left, 7.0, 3.0)[:, None]
    assert mixture_modes._modes(points, labels) == pytest.approx((variance, modal, modes))
    assert mixture_modes._modes(points, 0 * labels)[1:] == pytest.approx((variance, 1))


def test_predicted_modes_are_exact(data):
    """Against the chain of one mode: K (1 - P(extinct)), by powers of the binomial matrix."""
    counts = np.arange(SMALL.n + 1)
    law, chain = binom.pmf(counts, SMALL.n, 1 / 25), binom.pmf(counts, SMALL.n, counts[:, None] / SMALL.n)
    for alive in data["predicted_surviving_modes"].values:
        assert alive == pytest.approx(25 * (1 - law[0]), rel=1e-10)
        law = law @ chain


def test_loops_with_observed_labels_drift(data):
    for name in ("total_variance", "surviving_modes"):
        gap = data[f"observed_{name}"] - data[f"predicted_{name}"]
        late = data["generation"] > 5
        z = (gap / data[f"observed_{name}_error"]).where(late, drop=True)
        assert abs(z).max() < 5
        shifted = data[f"observed_{name}"] - 1.4 * data[f"predicted_{name}"]
        assert abs((shifted / data[f"observed_{name}_error"])[-1]) > 5


def test_single_loops_lose_modes_and_modal_variance(data):
    modes = data["surviving_modes"]
    assert (modes[:, 0] == 25).all()
    assert (modes[:, -1] < 25).all()
    observed = modes.sel(chain="observed")
    assert (observed.diff("generation") <= 0).all()
    warm = data["modal_variance"].sel(chain=["warm 1", "warm 2", "observed"])
    assert (warm[:, -1] < warm[:, 0]).all()
    assert (data["recall"][:, -1] < data["recall"][:, 0]).all()
    np.testing.assert_allclose(data["density"].sum(("x", "y")), 1, atol=0.02)


def test_numbers_do_not_depend_on_the_workers(data):
    again = mixture_modes._run.__wrapped__(SMALL, True, 1, 2)
    assert again.equals(data)


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_figures_draw_and_find(data, figure):
    picture = figure.draw(data)
    assert len(picture.axes) >= 4
    found = figure.findings(data)
    assert {"agrees", "reproduced"} <= {finding.verdict for finding in found}
    assert "disagrees" not in {finding.verdict for finding in found}


def test_a_wrong_theory_is_found_out(data):
    wrong = data.assign(predicted_surviving_modes=data["predicted_surviving_modes"] - 4)
    assert "disagrees" in {finding.verdict for finding in FIGURES["mad_14"].findings(wrong)}
    frozen = data.assign(surviving_modes=0 * data["surviving_modes"] + 25)
    assert FIGURES["mad_14"].findings(frozen)[0].verdict == "not reproduced"
    wrong = data.assign(predicted_total_variance=2 * data["predicted_total_variance"])
    assert FIGURES["mad_15"].findings(wrong)[0].verdict == "disagrees"


def test_recall_jumps_where_a_mode_has_k_points():
    """Why recall is not smooth: five far points beside a collapsed mode cover what no point is near."""
    rng = np.random.default_rng(0)
    real = mixture_modes._real().sample(500, rng=rng)
    collapsed = 1e-3 * rng.standard_normal((495, 2))
    recall = {}
    for few in (5, 6):
        far = [2.0, 2.0] + 1e-3 * rng.standard_normal((few, 2))
        fake = np.concatenate([collapsed, far])
        recall[few] = metrics.precision_recall(real=real, fake=fake, k=5)[1]
    assert recall[6] < 0.02
    assert recall[5] > 0.3
