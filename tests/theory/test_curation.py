"""Curated loops: exact updates, bounds as bounds, limits, Gaussian refits, the house of cards."""

from itertools import product

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import integrate, special

from madtheory.theory import curation

NUMBERS = {2: (0.61553, 0.93276, 0.99658), 4: (0.67818, 0.98138, 0.99970)}
NUMBERS |= {8: (0.70646, 0.98917, 0.99989), np.inf: (0.73106, 0.99331, 0.99995)}
FEW = settings(max_examples=60, deadline=None, derandomize=True)


@st.composite
def instances(draw, finite=False):
    m = draw(st.integers(2, 7))
    seed = draw(st.integers(0, 2**20))
    rng = np.random.default_rng(seed)
    spread = draw(st.sampled_from((0.1, 1.0, 8.0)))
    reward = draw(arrays.arrays(float, m, elements=st.floats(-spread, spread)))
    options = (1, 1.5, 2, 3.7, 4, 30) if finite else (1, 1.5, 2, 3.7, 4, 30, np.inf)
    return rng.dirichlet(np.full(m, 0.7)), reward, draw(st.sampled_from(options))


def random_instances(count, seed=0, spreads=(0.1, 1.0, 4.0)):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        m = int(rng.integers(2, 9))
        reward = rng.normal(size=m) * rng.choice(spreads)
        yield (
            rng.dirichlet(np.full(m, rng.choice([0.3, 1, 5]))),
            reward,
            float(rng.choice([2, 3, 5, 12, np.inf])),
        )


def by_enumeration(p, reward, choices):
    out = np.zeros(len(p))
    for index in map(list, product(range(len(p)), repeat=choices)):
        out[index] += 0  # repeated indices are summed by add.at
        np.add.at(out, index, special.softmax(reward[index]) * np.prod(p[index]))
    return out


def gain(p, reward, choices):
    """Gain of the expected exponential, in units of its largest."""
    return np.dot(np.asarray(curation.update(p, reward=reward, choices=choices)) - p, relative(p, reward))


def relative(p, reward):
    return np.where(p > 0, np.exp(reward - reward[p > 0].max()), 0.0)


def uniform_sample(rng, n, choices):
    return rng.random((n, choices))


# The update


@pytest.mark.parametrize("choices", NUMBERS)
def test_reference_numbers(choices):
    path = curation.iterate_update([0.5, 0.5], reward=[0.0, 1.0], choices=choices, generations=11)
    np.testing.assert_allclose(path[[1, 5, 10], 1], NUMBERS[choices], atol=5.1e-6)
    np.testing.assert_array_equal(path[0], [0.5, 0.5])


@pytest.mark.parametrize("spread", [0.1, 1.0, 10.0, 300.0, 3e4])
def test_update_is_the_sum_over_all_groups(spread):
    rng = np.random.default_rng(1)
    for _ in range(8):
        m, choices = int(rng.integers(2, 6)), int(rng.integers(2, 5))
        p, reward = rng.dirichlet(np.full(m, 0.5)), spread * rng.normal(size=m)
        found = curation.update(p, reward=reward, choices=choices)
        np.testing.assert_allclose(found, by_enumeration(p, reward, choices), atol=1e-13)


@pytest.mark.parametrize("choices", [1.01, 1.3, 2.5, 7.7, 100.5])
@pytest.mark.parametrize("p", [(0.5, 0.5), (1e-10, 1 - 1e-10), (0.1, 0.9), (1 - 1e-6, 1e-6)])
def test_update_between_integers_is_the_integral(choices, p):
    worst = 1e-10

    def best(s):  # reward 2 against 0; s = exp(y)
        phi = p[0] * np.exp(-s * np.e**2) + p[1] * np.exp(-s)
        return choices * p[0] * np.e**2 * np.exp(-s * np.e**2) * phi ** (choices - 1)

    expected = integrate.quad(best, 0, 8, epsabs=1e-14, epsrel=1e-12, limit=400, points=[0.01, 0.1, 1])[0]
    assert abs(curation.update(p, reward=[2.0, 0.0], choices=choices)[0] - expected) < worst


@FEW
@given(instances())
def test_invariants_of_the_update(instance):
    p, reward, choices = instance
    found = curation.update(p, reward=reward, choices=choices)
    assert found.kind == "exact law"
    assert (found >= 0).all()
    assert abs(found.sum() - 1) < 1e-12
    shifted = curation.update(p, reward=reward + 17.3, choices=choices)
    np.testing.assert_allclose(shifted, found, atol=1e-12)
    assert gain(p, reward, choices) >= -1e-14
    if choices == 1:
        np.testing.assert_array_equal(found, p)
    if choices == 2:
        expected = 2 * p * (special.expit(reward[:, None] - reward) @ p)
        np.testing.assert_allclose(found, expected, atol=1e-13)
    if choices == np.inf:
        np.testing.assert_allclose(found, special.softmax(reward + np.log(p)), atol=1e-13)
    same = curation.update(p, reward=np.full(len(p), 3.0), choices=choices)
    np.testing.assert_allclose(same, p, atol=1e-13)


def test_many_choices_approach_the_tilt_like_one_over_the_number():
    p, reward = np.array([0.2, 0.5, 0.3]), np.array([0.0, 1.0, -2.0])
    end = np.asarray(curation.update(p, reward=reward, choices=np.inf))
    gaps = [
        abs(np.asarray(curation.update(p, reward=reward, choices=10.0**k)) - end).max() for k in (2, 4, 6, 8)
    ]
    np.testing.assert_allclose(np.diff(np.log10(gaps)), -2, atol=0.02)


def test_a_small_reward_moves_by_its_covariance():
    p, reward = np.array([0.2, 0.5, 0.3]), 1e-5 * np.array([0.0, 1.0, -2.0])
    moved = np.asarray(curation.update(p, reward=reward, choices=3)) - p
    np.testing.assert_allclose(moved, 2 / 3 * p * (reward - p @ reward), rtol=1e-4)


def test_batches_are_rows():
    rng = np.random.default_rng(2)
    p, reward = rng.dirichlet(np.ones(4), size=(2, 3)), rng.normal(size=(3, 4))
    found = curation.update(p, reward=reward, choices=3)
    assert found.shape == (2, 3, 4)
    np.testing.assert_allclose(found[1, 2], curation.update(p[1, 2], reward=reward[2], choices=3), atol=1e-15)
    assert curation.update(p[0, 0], reward=reward, choices=3).shape == (3, 4)


def test_mass_is_conserved_for_a_thousand_generations():
    rng = np.random.default_rng(3)
    p, reward = rng.dirichlet(np.ones(5)), rng.normal(size=5)
    path = np.asarray(curation.iterate_update(p, reward=reward, choices=4, generations=1000))
    np.testing.assert_allclose(path.sum(1), 1, atol=1e-12)
    np.testing.assert_allclose(path[-1], curation.limit(p=p, reward=reward), atol=1e-12)


def test_without_renormalising_the_mass_runs_away():
    """Negative control: p H with the two-candidate formula, for a law whose sum is off by 1e-13."""
    p, reward = np.array([0.5, 0.5 + 1e-13]), np.array([0.0, 1.0])
    for _ in range(60):
        with np.errstate(over="ignore", under="ignore"):
            p = 2 * p * (special.expit(reward[:, None] - reward) @ p)
    assert abs(p.sum() - 1) > 1e-2


@pytest.mark.parametrize("noise", ["hard", "thurstone"])
def test_other_choices_against_simulated_groups(noise):
    """Chi-square at 1e-6, and the same for a wrong K."""
    rng = np.random.default_rng(4)
    p, reward, n = np.array([0.2, 0.35, 0.15, 0.3]), np.array([0.0, 1.0, 1.0, 0.4]), 40_000
    index = rng.choice(4, p=p, size=(n, 3))
    utility = reward[index] + (0.7 * rng.normal(size=index.shape) if noise == "thurstone" else 0)
    utility = utility + 1e-9 * rng.random(index.shape)
    counts = np.bincount(np.take_along_axis(index, utility.argmax(1)[:, None], 1)[:, 0], minlength=4)
    for choices, agrees in ((3, True), (2, False)):
        law = curation.update(p, reward=reward, choices=choices, noise=noise, scale=0.7)
        statistic = float(((counts - n * law) ** 2 / (n * law)).sum())
        assert (special.chdtrc(3, statistic) > 1e-6) == agrees


def test_hard_choice_raises_the_distribution_function_to_a_power():
    rng = np.random.default_rng(5)
    p, reward = rng.dirichlet(np.ones(6)), np.arange(6.0)
    path = curation.iterate_update(p, reward=reward, choices=3, generations=4, noise="hard")
    np.testing.assert_allclose(np.cumsum(path[3]), np.cumsum(p) ** 27, atol=1e-13)
    small = curation.update(p, reward=reward, choices=2.5, noise="thurstone", scale=1e-3)
    np.testing.assert_allclose(
        small, curation.update(p, reward=reward, choices=2.5, noise="hard"), atol=1e-10
    )


@pytest.mark.parametrize("noise", ["luce", "hard", "thurstone"])
def test_a_point_rarer_than_rounding_grows(noise):
    """K-fold in each generation, if its reward is far above."""
    path = curation.iterate_update(
        [1 - 1e-16, 1e-40], reward=[0.0, 60.0], choices=3, generations=60, noise=noise
    )
    np.testing.assert_allclose(path[[1, 60 - 1], 1] / [3e-40, 3.0**59 * 1e-40], 1, rtol=1e-9)


def test_scale_divides_the_reward():
    p, reward = np.array([0.2, 0.8]), np.array([0.0, 3.0])
    scaled = curation.update(p, reward=reward, choices=3, scale=2.0)
    np.testing.assert_allclose(scaled, curation.update(p, reward=reward / 2, choices=3), atol=1e-15)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"p": [0.5, 0.6]}, "p is not a law"),
        ({"p": [-0.5, 1.5]}, "p is not a law"),
        ({"reward": [0.0, 1.0, 2.0]}, "reward has shape"),
        ({"reward": [0.0, np.inf]}, "reward="),
        ({"choices": 0.5}, "choices=0.5"),
        ({"choices": "two"}, "choices='two'"),
        ({"noise": "top"}, "noise='top'"),
        ({"scale": 0.0}, "scale=0.0"),
    ],
)
def test_wrong_arguments_are_named(keywords, message):
    good = {"p": [0.5, 0.5], "reward": [0.0, 1.0], "choices": 2, "noise": "luce", "scale": 1.0}
    arguments = {**good, **keywords}
    with pytest.raises(ValueError, match=message):
        curation.update(arguments.pop("p"), **arguments)


# Bounds


def test_lemma_bounds_the_gain_on_both_sides():
    for p, reward, choices in random_instances(400):
        found = gain(p, reward, choices)
        low = curation.reward_gain_bound(p=p, reward=reward, choices=choices)
        high = curation.reward_gain_upper_bound(p=p, reward=reward, choices=choices)
        assert low.kind == high.kind == "bound"
        assert low >= 0
        assert low - 1e-13 <= found <= high + 1e-13


@pytest.mark.parametrize("factor", [1.2, 0.8])
def test_a_sharper_lemma_is_violated(factor):
    """Negative control: 20 % off on either side fails somewhere, small rewards making both bounds tight."""
    violated = 0
    for p, reward, choices in random_instances(100, spreads=(0.01, 0.1)):
        found = gain(p, reward, choices)
        low = factor * curation.reward_gain_bound(p=p, reward=reward, choices=choices)
        high = factor * curation.reward_gain_upper_bound(p=p, reward=reward, choices=choices)
        violated += not low - 1e-13 <= found <= high + 1e-13
    assert violated > 20


def test_reward_and_divergence_with_real_data_keep_their_bounds():
    rng = np.random.default_rng(6)
    ratios, wrong = rng.choice([0.05, 0.3, 0.9, 2.0], 200), 0
    for (p, reward, choices), ratio in zip(random_instances(200, seed=7), ratios, strict=True):
        path = np.asarray(
            curation.iterate_update(p, reward=reward, choices=choices, generations=30, curated_ratio=ratio)
        )
        gains = (path[1:] - p) @ relative(p, reward)
        bounds = [
            float(
                curation.mixing_reward_bound(
                    reference=p, reward=reward, choices=choices, curated_ratio=ratio, published=published
                )
            )
            for published in (True, False)
        ]
        assert 0 <= bounds[0] <= bounds[1]
        assert (gains >= bounds[1] - 1e-13).all()
        wrong += (gains[0] < 1.3 * bounds[1]).any()
        divergence = special.rel_entr(path, p).sum(1)
        bound = float(curation.kl_bound(curated_ratio=ratio, choices=choices))
        assert (divergence <= bound + 1e-12).all()
        assert np.isinf(bound) == (ratio * (choices - 1) >= 1)
    assert wrong > 5  # negative control: a bound 30 % higher fails


def test_the_divergence_bound_is_nearly_met_by_a_rare_best_point():
    """Negative control: half the bound is violated."""
    p, reward, ratio = np.array([1 - 1e-6, 1e-6]), np.array([0.0, 60.0]), 0.95
    path = np.asarray(
        curation.iterate_update(p, reward=reward, choices=2, generations=200, curated_ratio=ratio)
    )
    excess = np.log(path[-1, 1] / p[1])
    bound = float(curation.kl_bound(curated_ratio=ratio, choices=2))
    assert 0.99 * bound < excess <= bound
    np.testing.assert_allclose(curation.kl_bound(curated_ratio=[0.0, 1.0], choices=2), [0, np.inf])


def test_real_data_alone_and_curated_alone():
    p, reward = np.array([0.2, 0.8]), np.array([1.0, 0.0])
    only = curation.iterate_update(p, reward=reward, choices=3, generations=5, curated_ratio=0.0)
    np.testing.assert_allclose(only, np.tile(p, (5, 1)), atol=1e-15)
    other = curation.iterate_update(
        p, reward=reward, choices=3, generations=2, curated_ratio=1.0, reference=[0.5, 0.5]
    )
    step = np.asarray(curation.update(p, reward=reward, choices=3))
    np.testing.assert_allclose(other[1], 0.5 * step + 0.25, atol=1e-14)
    still = curation.iterate_update(p, reward=reward, choices=1, generations=5)
    np.testing.assert_array_equal(still, np.tile(p, (5, 1)))


# Limit and rate


@FEW
@given(instances(finite=True))
def test_conditional_law_on_the_best_level_never_changes(instance):
    p, reward, choices = instance
    reward = np.round(reward / 2)
    later = curation.update(p, reward=reward, choices=choices)
    end = curation.limit(p=p, reward=reward)
    np.testing.assert_allclose(curation.limit(p=np.asarray(later), reward=reward), end, atol=1e-12)
    divergence = special.rel_entr(np.asarray(end), np.asarray(later)).sum()
    np.testing.assert_allclose(
        curation.kl_to_limit(p=np.asarray(later), reward=reward), divergence, atol=1e-9
    )
    assert divergence <= curation.kl_to_limit(p=p, reward=reward) + 1e-12


@pytest.mark.parametrize("choices", [2, 3.5, 8, np.inf])
def test_tail_dies_out_at_the_rate(choices):
    gap = 0.7
    path = curation.iterate_update([0.5, 0.5], reward=[0.0, gap], choices=choices, generations=60)
    ratio = path[-1, 0] / path[-2, 0]
    assert ratio == pytest.approx(float(curation.rate(gap=gap, choices=choices)), rel=1e-6)
    assert abs(ratio - curation.rate(gap=0.72, choices=choices)) > 1e-3
    np.testing.assert_allclose(curation.rate(gap=[0.0, 2000.0], choices=choices), [1, 0], atol=1e-300)


def test_moments_of_the_reward():
    found = curation.reward_moments(p=[0.25, 0.75], reward=[1000.0, 1001.0])
    assert float(found["mean"]) == pytest.approx(1000.75)
    assert float(found["variance"]) == pytest.approx(0.1875)
    assert float(found["exp_mean"]) == pytest.approx(0.25 / np.e + 0.75)


# Gaussians


def test_moments_of_the_best_of_a_few():
    for choices, mean, variance in (
        (1, 0, 1),
        (2, np.pi**-0.5, 1 - 1 / np.pi),
        (3, 1.5 * np.pi**-0.5, 1 - 9 / (4 * np.pi) + 3**0.5 / (2 * np.pi)),
    ):
        found = curation.best_of_moments(choices=choices)
        np.testing.assert_allclose([found["mean"], found["variance"]], [mean, variance], atol=1e-12)
    assert float(curation.closest_of_second_moment(choices=2)) == pytest.approx(1 - 2 / np.pi, abs=1e-12)
    assert float(curation.closest_of_second_moment(choices=1)) == pytest.approx(1, abs=1e-12)
    for choices in (1.5, 40, 1e6):
        upper = integrate.quad(lambda x, k=choices: -np.expm1(k * special.log_ndtr(x)), 0, 12, epsabs=1e-12)[
            0
        ]
        lower = integrate.quad(lambda x, k=choices: special.ndtr(x) ** k, -12, 0, epsabs=1e-12)[0]
        found = float(curation.best_of_moments(choices=choices)["mean"])
        assert found == pytest.approx(upper - lower, abs=1e-9)
    with pytest.raises(ValueError, match="choices=inf"):
        curation.best_of_moments(choices=np.inf)


def on_a_grid(reward_of, mean, variance, **keywords):
    """Moments after one choice on a fine grid: the update itself."""
    sd = np.sqrt(variance)
    x = np.linspace(mean - 9 * sd, mean + 9 * sd, 1501)
    p = np.exp(-0.5 * (x - mean) ** 2 / variance)
    law = np.asarray(curation.update(p / p.sum(), reward=reward_of(x), **keywords))
    new = law @ x
    return new, law @ (x - new) ** 2


@pytest.mark.parametrize("variance", [0.3, 4.0])
def test_refits_are_moments_of_the_update(variance):
    mean, two = 0.7, {"mean": 0.7, "variance": variance, "generations": 2}
    luce = curation.luce_refit(slope=-1.3, **two)
    expected = on_a_grid(lambda x: -1.3 * x, mean, variance, choices=2)
    np.testing.assert_allclose([luce["mean"][1], luce["variance"][1]], expected, atol=1e-8)
    probit = curation.thurstone_refit(slope=1.3, scale=0.6, choices=4, **two)
    expected = on_a_grid(lambda x: 1.3 * x, mean, variance, choices=4, noise="thurstone", scale=0.6)
    np.testing.assert_allclose([probit["mean"][1], probit["variance"][1]], expected, atol=1e-8)
    hard = curation.hard_refit(choices=3, **two)
    expected = on_a_grid(lambda x: x, mean, variance, choices=3, noise="hard")
    # A grid of cells: half a cell of bias.
    np.testing.assert_allclose([hard["mean"][1], hard["variance"][1]], expected, rtol=1e-2)
    square = curation.quadratic_luce_refit(variance=variance, curvature=1.7, generations=2)
    expected = on_a_grid(lambda x: -0.85 * x**2, 0.0, variance, choices=2)
    assert square[1] == pytest.approx(expected[1], abs=1e-8)


def test_refits_keep_the_second_moment_about_the_old_mean():
    path = curation.luce_refit(slope=40.0, generations=3)
    np.testing.assert_allclose(
        path["variance"][1:] + np.diff(path["mean"]) ** 2, path["variance"][:-1], rtol=1e-14
    )
    hard = curation.hard_refit(choices=2, generations=2)
    steep = curation.luce_refit(slope=1e7, generations=2)
    assert float(steep["mean"][1]) == pytest.approx(float(hard["mean"][1]), rel=1e-6)
    noiseless = curation.thurstone_refit(scale=0.0, choices=2, generations=5)
    many = curation.hard_refit(choices=2, generations=5)
    for name in ("mean", "variance"):
        np.testing.assert_allclose(noiseless[name], many[name], rtol=1e-12)


def test_variance_of_finitely_many_best():
    """Unbiased refits to n chosen points follow v_K^t; those with divisor n do not."""
    rng = np.random.default_rng(8)
    n, replicates = 10, 40_000
    sd, means = np.ones(replicates), np.zeros(replicates)
    for _ in range(2):
        x = means[:, None] + sd[:, None] * rng.normal(size=(3, replicates, n)).max(0)
        sd, means = x.std(1, ddof=1), x.mean(1)
    expected = curation.hard_refit(choices=3, generations=3, n=n)["variance"]
    error = (sd**2).std() / np.sqrt(replicates)
    assert abs((sd**2).mean() - expected[2]) < 5 * error
    wrong = curation.hard_refit(choices=3, generations=3, n=n, ddof=0)["variance"]
    assert abs((sd**2).mean() - wrong[2]) > 5 * error


def test_tilting_is_the_infinite_choice():
    mean, variance = 0.7, 2.0
    found = curation.tilted_gaussian(
        mean=mean, covariance=variance, slope=0.4, curvature=0.9, target=-1.1, generations=4
    )
    expected = on_a_grid(lambda x: 3 * (0.4 * x - 0.45 * (x + 1.1) ** 2), mean, variance, choices=np.inf)
    np.testing.assert_allclose([found["mean"][3, 0], found["covariance"][3, 0, 0]], expected, atol=1e-8)
    rng = np.random.default_rng(9)
    a, b = rng.normal(size=(2, 3, 3))
    sigma, q, mu, c = a @ a.T, b @ b.T, rng.normal(size=3), rng.normal(size=3)
    found = curation.tilted_gaussian(mean=mu, covariance=sigma, curvature=q, target=c, generations=3)
    precision = np.linalg.inv(sigma) + 2 * q
    np.testing.assert_allclose(np.linalg.inv(found["covariance"][2]), precision, rtol=1e-7)
    solved = np.linalg.solve(precision, np.linalg.solve(sigma, mu) + 2 * q @ c)
    np.testing.assert_allclose(found["mean"][2], solved, rtol=1e-7)
    linear = curation.tilted_gaussian(mean=mu, covariance=sigma, slope=c, generations=3)
    np.testing.assert_allclose(linear["mean"][2], mu + 2 * sigma @ c, rtol=1e-12)
    with pytest.raises(ValueError, match="curvature"):
        curation.tilted_gaussian(mean=0.0, covariance=1.0, curvature=-1.0, generations=2)


# Kingman's house of cards


@pytest.mark.parametrize("mixing", [0.0, 0.2, 0.5, 0.9, 0.999])
def test_house_of_cards_is_the_end_of_the_loop(mixing):
    rng = np.random.default_rng(10)
    p, reward = rng.dirichlet(np.ones(6)), rng.normal(size=6)
    found = curation.house_of_cards(reference=p, reward=reward, mixing=mixing)
    law = np.asarray(found["law"])
    step = np.asarray(curation.update(law, reward=reward, choices=np.inf))
    np.testing.assert_allclose((1 - mixing) * p + mixing * step, law, atol=1e-12)
    assert found["atom"] == 0
    assert float(found["log_normaliser"]) == pytest.approx(np.log(law @ np.exp(reward)), abs=1e-9)
    path = curation.iterate_update(
        p, reward=reward, choices=np.inf, generations=5000, curated_ratio=mixing / (1 - mixing)
    )
    np.testing.assert_allclose(path[-1], law, atol=1e-6)


@pytest.mark.parametrize("mixing", [0.3, 0.7, 0.95])
def test_an_atom_condenses_where_real_data_thin_out(mixing):
    """e^r with density 2 (1 - u) on (0, 1): the atom has mass 2 eta - 1, if that is positive."""
    u = (np.arange(4000) + 0.5) / 4000
    p = 2 * (1 - u) / (2 * (1 - u)).sum()
    found = curation.house_of_cards(reference=p, reward=np.log(u), mixing=mixing, top=0.0)
    atom, law = float(found["atom"]), np.asarray(found["law"])
    assert atom == pytest.approx(max(2 * mixing - 1, 0), abs=1e-10)
    assert law.sum() + atom == pytest.approx(1)
    if atom:
        np.testing.assert_allclose(law, 2 * (1 - mixing) / 4000, rtol=1e-9)
    path = curation.iterate_update(
        p, reward=np.log(u), choices=np.inf, generations=1000, curated_ratio=mixing / (1 - mixing)
    )
    near = path[-1][u > 0.99].sum()
    assert near == pytest.approx(law[u > 0.99].sum() + atom, abs=0.02)


def test_a_rare_best_point_takes_the_atom():
    """Mass 1e-300 at the top: no atom, and no failure of the root either."""
    u = (np.arange(2000) + 0.5) / 2000
    p = np.append(2 * (1 - u), 1e-300)
    found = curation.house_of_cards(reference=p / p.sum(), reward=np.append(np.log(u), 0.0), mixing=0.7)
    assert found["atom"] == 0
    assert found["law"][-1] == pytest.approx(0.4, abs=1e-6)
    with pytest.raises(ValueError, match="mixing=1"):
        curation.house_of_cards(reference=[1.0], reward=[0.0], mixing=1.0)
    with pytest.raises(ValueError, match="top=-1"):
        curation.house_of_cards(reference=[1.0], reward=[0.0], mixing=0.5, top=-1.0)


def test_bounds_are_the_printed_formulas():
    """Pinned: a weaker bound would still hold."""
    p, reward = np.array([0.5, 0.5]), np.array([0.0, np.log(2)])  # exp(r - r*) is 1/2 or 1: variance 1/16
    known = {"reward": reward, "choices": 4}
    assert float(curation.reward_gain_bound(p=p, **known)) == pytest.approx(3 / 64)
    assert float(curation.reward_gain_upper_bound(p=p, **known)) == pytest.approx(3 / 32)
    for published, factor in ((True, 3 / 64), (False, 3 / 4)):
        bound = curation.mixing_reward_bound(reference=p, curated_ratio=3.0, published=published, **known)
        assert float(bound) == pytest.approx(factor * 3 / 64)
    assert float(curation.kl_bound(curated_ratio=0.1, choices=4)) == pytest.approx(-np.log(0.7))
