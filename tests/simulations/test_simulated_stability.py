"""Iterative retraining: simulation against theory, wrong theory caught, pictures show the data."""

import numpy as np
import pytest

import madtheory as mad
from madtheory import metrics, regimes
from madtheory.theory import stability
from paper_scripts.gallery import all_figures
from simulations import iterative_retraining as retraining


@pytest.fixture(scope="module")
def contraction():
    return retraining.contraction(quick=True, rng=1)


@pytest.fixture(scope="module")
def loops():
    return retraining.run(quick=True, rng=1)


def figure(name):
    return all_figures()[name]


def test_measured_contractions_are_exact(contraction):
    for name in ("mean", "second_moment"):
        z = (contraction[f"{name}_contraction"] - contraction["exact_contraction"]) / contraction[
            f"{name}_contraction_error"
        ]
        assert abs(z).max() < 5
        bound = contraction["bound_at_ratio"].sel(system="Gaussian")  # control: it is no equality
        assert (
            (bound - contraction[f"{name}_contraction"]) / contraction[f"{name}_contraction_error"] > 100
        ).all()


def test_contraction_of_raw_points():
    """20,000 real points, every one drawn; power: the contraction of ratio 0.55 is rejected."""
    one = retraining.measure_contraction(
        n_real=20_000, synthetic_ratio=0.5, replicates=20, rng=2, method="samples"
    )
    for name in ("mean_contraction", "second_moment_contraction"):
        exact, wrong = (float(stability.gaussian_contraction(synthetic_ratio=r)) for r in (0.5, 0.55))
        error = one[f"{name}_error"].item()
        assert abs(one[name].item() - exact) < 5 * error
        assert abs(one[name].item() - wrong) > 5 * error


def test_the_threshold_is_not_the_loops(contraction):
    """Theorem 1 ends at one half, and sooner with a misfit; both systems contract at every ratio."""
    limit = contraction["bound_threshold"]
    assert limit.sel(system="Gaussian") == 0.5
    assert 0.2 < limit.sel(system="two groups") < 0.4
    assert contraction["mean_contraction"].max() < 0.92
    assert contraction["misfit_curve"].max() < 1
    assert (contraction["misfit_curve"] <= contraction["spectral_bound"].sel(system="two groups")).all()
    assert np.isinf(contraction["spectral_bound_threshold"]).all()


@pytest.mark.parametrize("name", ["rms_mean", "rms_variance"])
def test_finite_loops_follow_theory(loops, name):
    z = (loops[name] - loops[f"predicted_{name}"]) / loops[f"{name}_error"]
    assert abs(z).max() < 5
    # Control, at full precision: neighbouring ratios are told apart.
    big = retraining.loops_of(synthetic_ratio=1.0, generations=30, replicates=40_000, seed=5)
    last = big.isel(generation=-1)
    assert abs(last[name] - last[f"predicted_{name}"]) < 5 * last[f"{name}_error"]
    for other in (0.5, 3.0):
        wrong = loops[f"predicted_{name}"].sel(ratio=other).isel(generation=-1)
        assert abs(last[name] - wrong) > 5 * last[f"{name}_error"]
    assert loops[f"predicted_{name}"].max() < 1.25 * loops[f"predicted_{name}"].isel(generation=0).max()


def test_without_synthetic_points_the_loop_is_the_baseline(loops):
    """Bit for bit: ratio 0, and ratios that give no synthetic point, stay at generation 1 of all others."""
    first = loops.isel(generation=0, drop=True)
    for name in ("rms_mean", "rms_variance", "rms_mean_error"):
        assert np.unique(first[name].values).size == 1
        assert (loops[name].sel(ratio=0.0) == first[name].sel(ratio=0.0)).all()
        assert (loops[name].sel(ratio=0.1) != first[name].sel(ratio=0.1))[1:].all()
    settings = {"generations": 4, "replicates": 10, "seed": 3}
    none, tiny = (retraining.loops_of(synthetic_ratio=ratio, **settings) for ratio in (0.0, 0.0099))
    assert none.identical(tiny)
    assert not none.identical(retraining.loops_of(synthetic_ratio=0.01, **settings))
    assert retraining._n_synthetic(100, 0.29) == 29
    assert [retraining._n_synthetic(n, 0.5) for n in (99, 100, 1)] == [49, 50, 0]


def test_without_real_data_the_loop_collapses(loops):
    for name in ("mean_sd", "median_variance"):
        z = (loops[name] - loops[f"predicted_{name}"]) / loops[f"{name}_error"]
        assert abs(z).max() < 5
    loop = mad.Loop(real=mad.Gaussian.standard(1), model=mad.Gaussian(), regime=regimes.replace(n=100))
    data = mad.simulate(loop, 100, replicates=20_000, metrics=[metrics.total_variance], rng=4, record="last")
    sd = np.sqrt(data["total_variance"].values.ravel())
    exact = stability.collapse_of_sd(n=100, generations=100)[-1]
    error = sd.std() / np.sqrt(len(sd))
    assert abs(sd.mean() - exact) < 5 * error
    assert abs(sd.mean() - stability.collapse_of_sd(n=80, generations=100)[-1]) > 5 * error


def test_results_repeat():
    one, two = (retraining.contraction(quick=True, rng=7) for _ in range(2))
    assert one.identical(two)
    assert not one.identical(retraining.contraction(quick=True, rng=8))


def test_contraction_picture_and_findings_show_the_data(contraction):
    made = figure("bertrand_contraction")
    left, right = made.draw(contraction).axes
    curves = [line.get_ydata() for line in left.lines]
    for expected in (contraction["exact_curve"], contraction["mean_contraction"]):
        assert any(np.array_equal(expected.values, curve) for curve in curves)
    assert any(np.array_equal(contraction["misfit_curve"].values, line.get_ydata()) for line in right.lines)
    for ax in (left, right):
        assert len([line for line in ax.lines if line.get_linestyle() == ":"]) == 3  # bounds are dotted
    found = made.findings(contraction)
    assert [f.verdict for f in found] == ["reproduced", "agrees", "shown", "agrees"]
    # The verdicts follow the numbers.
    wrong = contraction.assign(mean_contraction=1.2 * contraction["mean_contraction"])
    assert [f.verdict for f in made.findings(wrong)][:2] == ["not reproduced", "disagrees"]
    unstable = contraction.assign(misfit_curve=contraction["misfit_curve"] + 0.1)
    assert made.findings(unstable)[3].verdict == "disagrees"


def test_loops_picture_and_findings_show_the_data(loops):
    made = figure("bertrand_loops")
    axes = made.draw(loops).axes
    for ax, name in zip(axes, ("rms_mean", "rms_variance"), strict=False):
        curves = [line.get_ydata() for line in ax.lines]
        for ratio in loops["ratio"].values:
            for variable in (name, f"predicted_{name}"):
                assert any(np.array_equal(loops[variable].sel(ratio=ratio).values, c) for c in curves)
    assert [f.verdict for f in made.findings(loops)] == ["agrees"] * 4
    wrong = loops.assign(predicted_mean_sd=0.5 * loops["predicted_mean_sd"], rms_mean=2 * loops["rms_mean"])
    assert [f.verdict for f in made.findings(wrong)] == ["disagrees", "agrees", "disagrees", "agrees"]
