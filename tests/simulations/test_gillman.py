"""Figures on self-correction: the published values come out, and wrong ones are caught."""

import numpy as np
import pytest

from paper_scripts.gallery import all_figures
from simulations import self_corrected_digits, self_correction

FIGURES = all_figures()


@pytest.fixture(scope="module")
def gaussians():
    return self_correction.run(quick=True, rng=1)


@pytest.fixture(scope="module")
def digits():
    return self_corrected_digits.run(quick=True, rng=1)


def verdicts(figure, data):
    return [finding.verdict for finding in figure.findings(data)]


def test_samples_agree_with_exact_means_and_not_with_others(gaussians):
    assert "disagrees" not in verdicts(FIGURES["gillman_2"], gaussians)
    wrong = gaussians.assign(predicted_last_total_variance=0.9 * gaussians["predicted_last_total_variance"])
    assert "disagrees" in verdicts(FIGURES["gillman_2"], wrong)


def test_the_published_sampler_loses_variance_and_the_formula_does_not(gaussians):
    end = gaussians.isel(generation=-1, strength=0)
    value, error = end["total_variance"] / 2, end["total_variance_error"] / 2
    published, exact = (value.sel(sampler=s).item() for s in ("published", "exact"))
    assert published < 0.6
    assert exact - 5 * error.sel(sampler="exact").item() > published
    assert end["predicted_total_variance"].item() / 2 > 0.95


def test_stronger_correction_is_closer(gaussians):
    distance = gaussians["wasserstein2"].isel(generation=-1)
    assert (distance.isel(strength=-1) < 0.3 * distance.isel(strength=0)).all()


def test_published_values_are_judged(gaussians):
    """With the paper's values beside it the verdict follows the distances."""
    ours = gaussians["wasserstein2"].isel(generation=-1)
    figure = FIGURES["gillman_2"]
    same = gaussians.assign(paper=ours.sel(sampler="published", drop=True))
    assert verdicts(figure, same)[0] == "reproduced"
    far = gaussians.assign(paper=3 * ours.sel(sampler="published", drop=True))
    assert verdicts(figure, far)[0] == "not reproduced"


def test_digits(digits):
    end = digits.isel(generation=-1)["wasserstein2_squared"]
    assert end.sel(correction="nearest centre", ratio=0.2) < end.sel(correction="none", ratio=0.2)
    ideal = end.sel(correction="ideal, strength 1")
    assert (ideal < end.sel(correction="none")).all()
    assert digits["centre_variance"] < 0.8 * digits["real_variance"]
    assert verdicts(FIGURES["gillman_3_digits"], digits)[0] == "reproduced"
    swapped = digits.assign_coords(correction=["nearest centre", "none", "ideal, strength 1"])
    assert verdicts(FIGURES["gillman_3_digits"], swapped)[0] == "not reproduced"


def test_numbers_do_not_depend_on_the_workers():
    one, two = (self_corrected_digits.run(quick=True, rng=2, n_jobs=n) for n in (1, 2))
    assert one.equals(two)


def test_pictures_show_the_data(gaussians, digits):
    picture = FIGURES["gillman_2"].draw(gaussians)
    lines = [line.get_ydata() for line in picture.axes[0].lines]
    for i in range(gaussians.sizes["strength"]):
        expected = gaussians["wasserstein2"].sel(sampler="published").isel(strength=i)
        assert any(np.array_equal(y, expected) for y in lines)
    assert len(FIGURES["gillman_3_digits"].draw(digits).axes) == digits.sizes["ratio"] + 20
