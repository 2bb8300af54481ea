"""The treatment `curate`: its law, its invariants, the loops it runs in, and its figures."""

import pickle

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import special

import madtheory as mad
from madtheory import regimes
from madtheory.testing import assert_mean_matches
from madtheory.theory import curation
from madtheory.treatments import curate
from madtheory.treatments.curation import AT_ONCE
from paper_scripts.gallery import all_figures
from simulations import curation as simulation
from simulations._lattice import Lattice

FIGURES = all_figures()

PLACES = np.arange(4.0)[:, None]
LAW = np.array([0.4, 0.3, 0.2, 0.1])
REWARD = np.array([0.0, 1.0, -1.0, 1.0])


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def symbols():
    return simulation.symbols(quick=True, rng=1)


@pytest.fixture(scope="module")
def mixture():
    return simulation.mixture(quick=True, rng=1)


def reward(points):
    return np.interp(points[..., 0], PLACES[:, 0], REWARD)


def height(points):
    return points[..., 0]


def drawn(treatment, n, seed=0, source=None):
    source = Lattice(PLACES, LAW) if source is None else source
    return treatment.treated(source, None).sample(n, rng=np.random.default_rng(seed))


def p_value(points, law):
    counts = np.bincount(points[..., 0].astype(int).ravel(), minlength=len(law))
    n = counts.sum()
    return special.chdtrc(len(law) - 1, ((counts - n * law) ** 2 / (n * law)).sum())


@pytest.mark.parametrize("noise", ["luce", "hard", "thurstone"])
@pytest.mark.parametrize("choices", [2, 3, 8])
def test_sampler_follows_the_update(noise, choices):
    """Chi-square at 1e-6, with half as many choices as negative control."""
    points = drawn(curate(reward, choices=choices, noise=noise, scale=0.8), 20_000)
    law = np.asarray(curation.update(LAW, reward=REWARD, choices=choices, noise=noise, scale=0.8))
    assert p_value(points, law) > 1e-6
    wrong = np.asarray(curation.update(LAW, reward=REWARD, choices=choices // 2, noise=noise, scale=0.8))
    assert p_value(points, wrong) < 1e-6


def test_infinitely_many_choices_tilt():
    rule = curate(reward, choices=np.inf, scale=0.5, reward_max=1.5)
    tilted = np.asarray(curation.update(LAW, reward=REWARD, choices=np.inf, scale=0.5))
    points = drawn(rule, 20_000)
    assert p_value(points, tilted) > 1e-6
    near = np.asarray(curation.update(LAW, reward=REWARD, choices=8, scale=0.5))
    assert p_value(points, near) < 1e-6
    wide = drawn(rule, 4_000, source=Lattice(PLACES, LAW).expand(5))
    assert wide.shape == (5, 4_000, 1)
    assert min(p_value(one, tilted) for one in wide) > 1e-6


def test_gaussian_points_have_the_moments_of_theory():
    model = mad.Gaussian([0.7], [[2.0]]).expand(400)
    luce = drawn(curate(lambda x: -1.3 * height(x), choices=2), 500, source=model)
    theory = curation.luce_refit(mean=0.7, variance=2.0, slope=-1.3, generations=2)
    assert luce.shape == (400, 500, 1)
    assert_mean_matches(luce.mean((1, 2)), theory["mean"][1])
    assert_mean_matches(luce.var(1, ddof=1)[:, 0], theory["variance"][1])
    hard = drawn(curate(height, choices=3, noise="hard"), 500, source=model)
    theory = curation.hard_refit(mean=0.7, variance=2.0, choices=3, generations=2)
    assert_mean_matches(hard.mean((1, 2)), theory["mean"][1])
    with pytest.raises(AssertionError):
        assert_mean_matches(luce.mean((1, 2)), theory["mean"][1])


@pytest.mark.parametrize("method", ["statistics", "samples"])
def test_one_choice_is_no_treatment_bit_for_bit(method):
    made = []
    for treatments in ((), (curate(height, choices=1),)):
        loop = mad.Loop(
            real=mad.Gaussian.standard(2), model=mad.Gaussian(), regime=regimes.replace(n=20),
            treatments=treatments,
        )  # fmt: skip
        made.append(mad.simulate(loop, 5, replicates=7, rng=3, method=method, progress=False))
    plain, treated = made
    for name in plain.data_vars:
        np.testing.assert_array_equal(plain[name], treated[name])


def test_a_constant_in_the_reward_changes_nothing():
    for noise in ("luce", "hard", "thurstone"):
        one, two = (
            drawn(curate(lambda x, c=c: reward(x) + c, choices=3, noise=noise), 500) for c in (0.0, 64.0)
        )
        np.testing.assert_array_equal(one, two)
    one, two = (
        drawn(curate(lambda x, c=c: reward(x) + c, choices=np.inf, reward_max=1.0 + c), 500)
        for c in (0.0, 64.0)
    )
    np.testing.assert_array_equal(one, two)


def test_equal_rewards_keep_the_model():
    points = drawn(curate(lambda x: np.zeros(x.shape[:-1]), choices=4, noise="hard"), 20_000)
    assert p_value(points, LAW) > 1e-6


def test_a_large_batch_is_drawn_in_parts():
    n = AT_ONCE // 2 + 1_000
    points = drawn(curate(reward, choices=2), n)
    assert points.shape == (n, 1)
    law = np.asarray(curation.update(LAW, reward=REWARD, choices=2))
    assert p_value(points, law) > 1e-6


REGIMES = {
    "replace": regimes.replace(n=30),
    "augment": regimes.augment(n_real=20, n_synthetic=30, memory=2),
    "accumulate": regimes.accumulate(n=30),
    "accumulate_subsample": regimes.accumulate_subsample(n=30),
    "fresh": regimes.fresh(n_real=20, n_synthetic=30),
    "logarithmic": regimes.Regime(n_initial=30, n_synthetic=30, retain="logarithmic"),
}


@pytest.mark.parametrize("name", REGIMES)
@pytest.mark.parametrize("choices", [3, np.inf])
def test_every_regime_and_bias(name, choices):
    rule = curate(lambda x: -abs(height(x)), choices=choices, reward_max=0.0)
    loop = mad.Loop(
        real=mad.Gaussian.standard(2),
        model=mad.Gaussian(),
        regime=REGIMES[name],
        treatments=(rule,),
        bias=0.9,
    )
    made = mad.simulate(loop, 4, replicates=3, rng=0, progress=False)
    assert np.isfinite(made["total_variance"]).all()
    with pytest.raises(ValueError, match="method='statistics' is not available"):
        mad.simulate(loop, 2, replicates=1, method="statistics", progress=False)


def test_statistics_say_why_not():
    loop = mad.Loop(
        real=mad.Gaussian.standard(1), model=mad.Gaussian(), regime=regimes.replace(n=9),
        treatments=(curate(height),),
    )  # fmt: skip
    with pytest.raises(ValueError, match="picks individual points by their reward"):
        mad.start(loop, method="statistics")


def test_it_pickles_and_compares():
    rule = curate(reward, choices=3)
    assert pickle.loads(pickle.dumps(rule)) == rule
    assert rule != curate(reward, choices=4)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"choices": 0}, "choices=0"),
        ({"choices": 2.5}, "choices=2.5"),
        ({"noise": "top"}, "noise='top'"),
        ({"scale": -1.0}, "scale=-1.0"),
        ({"choices": np.inf}, "reward_max=None"),
        ({"choices": np.inf, "reward_max": np.nan}, "reward_max"),
        ({"choices": np.inf, "noise": "hard", "reward_max": 0.0}, "choices=inf with noise='hard'"),
    ],
)
def test_wrong_arguments_are_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        curate(height, **keywords)


def test_wrong_rewards_are_named():
    with pytest.raises(TypeError, match="cannot be called"):
        curate([1.0, 2.0])
    with pytest.raises(ValueError, match="one reward per point"):
        drawn(curate(lambda x: x), 5)
    with pytest.raises(ValueError, match="not finite"):
        drawn(curate(lambda x: np.log(0 * height(x) + 1) / (height(x) != 9) + np.inf), 5)
    with pytest.raises(ValueError, match=r"reward_max=0\.5 is below the reward 1"):
        drawn(curate(reward, choices=np.inf, reward_max=0.5), 50)
    with pytest.raises(ValueError, match=r"reward_max=100\.0 is far above"):
        drawn(curate(reward, choices=np.inf, reward_max=100.0), 1)


# Figures


def test_loops_of_samples_follow_the_exact_law(symbols, mixture):
    for data, names in ((symbols, ("share", "gain")), (mixture, ("reward_mean", "reward_variance"))):
        for name in names:
            error = data[f"{name}_error"]
            z = abs((data[name] - data[f"predicted_{name}"]) / error.where(error > 1e-6))
            assert z.max() < 5, name
    wrong = abs((symbols["share"] - symbols["predicted_share"].roll(choices=1)) / symbols["share_error"])
    assert wrong.max() > 5  # negative control: the law of another K


def test_the_papers_modes_survive(mixture):
    last = mixture["mode_mass"].isel(generation=-1)
    alive = (last > 0.01).sum("mode")
    assert alive.sel(loop="curated only").values.tolist() == [5, 1]
    assert alive.sel(loop="with real data").values.tolist() == [8, 8]
    np.testing.assert_allclose(mixture["limit_mode_mass"].sel(r_min=3.0).sum(), 1)
    expected = mixture["predicted_mode_mass"].isel(generation=-1).sel(loop="curated only")
    np.testing.assert_allclose(expected, mixture["limit_mode_mass"], atol=1e-6)


def test_findings_and_pictures(symbols, mixture):
    for name, data in {
        "ferbach_symbols": symbols,
        "ferbach_maps": mixture,
        "ferbach_rewards": mixture,
    }.items():
        figure = FIGURES[name]
        picture = figure.draw(data)
        picture.canvas.draw()
        found = figure.findings(data)
        assert {f.verdict for f in found} <= {"reproduced", "agrees"}, name
    wrong = symbols.assign(predicted_share=symbols["predicted_share"] * 1.1)
    assert {f.verdict for f in FIGURES["ferbach_symbols"].findings(wrong)[:4]} == {"disagrees"}
    lines = [line.get_ydata() for line in FIGURES["ferbach_symbols"].draw(symbols).axes[0].lines]
    one = symbols["share"].sel(choices=4).values
    assert any(np.array_equal(one, line) for line in lines)


def test_histogram_generator_is_a_model():
    mad.testing.check_generative_model(
        Lattice(PLACES), real=Lattice(PLACES, LAW), metric=lambda snapshot: snapshot.model.p[..., 0]
    )
