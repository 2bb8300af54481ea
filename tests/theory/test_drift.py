"""Closed forms of categorical loops against exact chains, one another, and loops of raw draws."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import special, stats

from madtheory.testing import assert_mean_matches
from madtheory.theory import categorical

LAW = np.array([0.5, 0.3, 0.15, 0.04, 0.01])
NAMES = ("heterozygosity", "chi_squared", "support_size", "entropy")


def drawn(rng, n, p):
    """Symbols (run, n) by their indices, from the law of each run."""
    return (rng.random((len(p), n, 1)) > p.cumsum(-1)[:, None, :-1]).sum(-1)


def frequencies(symbols, k):
    return np.stack([(symbols == symbol).mean(-1) for symbol in range(k)], -1)


def raw_loop(regime, generations, runs, seed, law=LAW, **sizes):
    """Frequencies (run, generation, symbol) of a loop in which every symbol is drawn by its index."""
    rng, out = np.random.default_rng(seed), []
    k, n, n_real, laws = len(law), sizes.get("n"), sizes.get("n_real"), np.tile(law, (runs, 1))
    pool = train = real = drawn(rng, n_real or n, laws)
    for _ in range(generations):
        out.append(frequencies(train, k))
        batch = drawn(rng, n, out[-1])
        pool = np.concatenate([pool, batch], 1)
        match regime:
            case "replace":
                train = batch
            case "augment":
                train = np.concatenate([real, batch], 1)
            case "fresh":
                train = np.concatenate([drawn(rng, n_real, laws), batch], 1)
            case "accumulate":
                train = pool
            case "accumulate_subsample":
                train = np.take_along_axis(pool, rng.random(pool.shape).argsort(1)[:, :n], 1)
    return np.stack(out, 1)


def measured(p):
    return {
        "heterozygosity": 1 - (p**2).sum(-1),
        "chi_squared": ((p - LAW) ** 2 / LAW).sum(-1),
        "squared_error": ((p - LAW) ** 2).sum(-1),
        "support_size": (p > 0).sum(-1).astype(float),
        "entropy": special.entr(p).sum(-1),
    }


CASES = {
    "replace": ({"n": 12}, {"n": 12}),
    "augment": ({"n": 12, "n_real": 8}, {"n_synthetic": 12, "n_real": 8}),
    "fresh": ({"n": 12, "n_real": 8}, {"n_synthetic": 12, "n_real": 8}),
    "accumulate": ({"n": 10}, {"n": 10}),
    "accumulate_subsample": ({"n": 10}, {"n": 10}),
}


@pytest.mark.parametrize("regime", CASES)
def test_trajectories_match_raw_loops(regime):
    sizes, keywords = CASES[regime]
    raw = measured(raw_loop(regime, 5, 4000, 1, **sizes))
    theory = getattr(categorical, regime)(probabilities=LAW, generations=5, **keywords)
    for name, expected in theory.items():
        assert expected.kind == "exact mean"
        assert_mean_matches(raw[name], expected, name=name)
    # Negative control: three more points in every batch are seen.
    if regime == "replace":
        wrong = categorical.replace(n=15, probabilities=LAW, generations=5)
        for name in ("heterozygosity", "chi_squared", "entropy"):
            with pytest.raises(AssertionError):
                assert_mean_matches(raw[name], wrong[name])


def chain_means(n, law, generations, function, n_initial=None):
    """Sum over the symbols of E f by powers of the exact chain."""
    first = n if n_initial is None else n_initial
    chain = stats.binom.pmf(np.arange(n + 1), n, (np.arange(n + 1) / n)[:, None])
    enter = stats.binom.pmf(np.arange(n + 1), n, (np.arange(first + 1) / first)[:, None])
    state = sum(stats.binom.pmf(np.arange(first + 1), first, p) for p in law)
    values = [state @ function(np.arange(first + 1) / first)]
    for g in range(1, generations):
        state = state @ (enter if g == 1 else chain)
        values.append(state @ function(np.arange(n + 1) / n))
    return np.array(values)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 300),
    st.lists(st.floats(1e-4, 1), min_size=1, max_size=6),
    st.one_of(st.none(), st.integers(1, 400)),
)
def test_entropy_and_support_equal_the_exact_chain(n, weights, n_initial):
    law, shared = np.array(weights) / np.sum(weights), {"n": n, "n_initial": n_initial, "generations": 12}
    entropy = categorical.entropy(probabilities=law, **shared)
    support = categorical.support_size(probabilities=law, **shared)
    np.testing.assert_allclose(entropy, chain_means(function=special.entr, law=law, **shared), atol=1e-10)
    np.testing.assert_allclose(support, chain_means(function=np.sign, law=law, **shared), rtol=1e-10)
    assert (np.diff(support) <= 1e-12).all()
    assert (entropy <= np.log(support) + 1e-12).all()
    assert (entropy >= -1e-12).all()


def test_two_engines_agree_at_full_size():
    law, shared = 1 / np.arange(1, 1001), {"n": 10_000, "generations": 1000}
    entropy = categorical.entropy(probabilities=law, **shared)
    support = categorical.support_size(probabilities=law, **shared)
    other = categorical.expected_sum(function=lambda x: np.ones_like(x), probabilities=law, **shared)
    np.testing.assert_allclose(other, support, rtol=1e-11)
    kept = (1 - 1e-4) ** np.arange(1, 1001)
    decay = categorical.expected_sum(function=lambda x: x * (1 - x), probabilities=law, **shared)
    p = law / law.sum()
    np.testing.assert_allclose(decay, (1 - p @ p) * kept, rtol=1e-12)
    assert entropy[-1] < entropy[0]


def test_symbol_chain_is_binomial():
    for n in (1, 2, 30, 400):
        want = stats.binom.pmf(np.arange(n + 1), n, (np.arange(n + 1) / n)[:, None])
        np.testing.assert_allclose(categorical.symbol_chain(n=n), want, rtol=1e-10, atol=1e-300)


def test_moments_fixation_and_extinction_equal_the_exact_chain():
    n, generations = 60, 25
    chain, x = np.asarray(categorical.symbol_chain(n=n)), np.arange(n + 1) / n
    extinct = categorical.extinction(n=n, probabilities=LAW, generations=generations)
    fixed = categorical.fixation(n=n, probabilities=LAW, generations=generations)
    for i, p in enumerate(LAW):
        moments = categorical.moments(order=4, n=n, probability=p, generations=generations)
        state = stats.binom.pmf(np.arange(n + 1), n, p)
        for g in range(generations):
            np.testing.assert_allclose(moments[g], [state @ x**k for k in (1, 2, 3, 4)], rtol=1e-10)
            np.testing.assert_allclose([extinct[g, i], fixed[g, i]], [state[0], state[-1]], atol=1e-13)
            state = state @ chain
    late = categorical.fixation(n=20, probabilities=LAW, generations=600)[-1]
    np.testing.assert_allclose(late, LAW, rtol=1e-8)


def test_moments_take_any_schedule():
    sizes = [30, 10, 50]
    state = stats.binom.pmf(np.arange(31), 30, 0.3)
    for before, after in itertools.pairwise(sizes):
        state = state @ stats.binom.pmf(
            np.arange(after + 1), after, (np.arange(before + 1) / before)[:, None]
        )
    want = [state @ (np.arange(51) / 50) ** k for k in (1, 2, 3)]
    got = categorical.moments(order=3, n=sizes, probability=0.3, generations=3)[-1]
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_branching_is_the_limit_and_suresh_is_a_bound():
    mass, generations = 3.0, 40
    steps = np.arange(1, generations + 1)
    branching = categorical.extinction_branching(n=5000, probability=mass / 5000, generations=generations)
    exact = categorical.extinction(
        n=5000, probabilities=[mass / 5000, 1 - mass / 5000], generations=generations
    )
    np.testing.assert_allclose(exact[:, 0], branching, atol=2e-3)
    assert (1 - branching >= 1 - np.exp(-mass / steps) - 1e-12).all()
    far = categorical.extinction_branching(n=1, probability=1.0, generations=4000)[-1]
    assert abs(-np.log(far) * (4000 + np.log(4000) / 3) / 2 - 1) < 1e-3
    survivors = categorical.surviving_points(n=2000, generations=6)
    coverage = categorical.extinction_branching(n=2000, probability=1 / 2000, generations=5)
    np.testing.assert_allclose(survivors[1:], 2000 * (1 - coverage), rtol=2e-3)


def test_heterozygosity_of_regimes():
    trace = 1 - LAW @ LAW
    steps = np.arange(1, 301)
    kept = categorical.accumulate(n=7, probabilities=LAW, generations=300)["heterozygosity"]
    np.testing.assert_allclose(kept, trace * np.cumprod(1 - 1 / (7 * steps**2)), rtol=1e-12)
    assert abs(kept[-1] / trace - np.sinc(1 / np.sqrt(7))) < 1e-3
    for real_data in ("fresh", "fixed"):
        factor = categorical.stationary_factor(real_data=real_data, n_real=9, n_synthetic=21)
        name = "fresh" if real_data == "fresh" else "augment"
        last = getattr(categorical, name)(n_real=9, n_synthetic=21, probabilities=LAW, generations=300)
        source = trace if real_data == "fresh" else trace * (1 - 1 / 9)
        np.testing.assert_allclose(last["heterozygosity"][-1], source * (1 - factor), rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 4))
def test_variance_is_what_heterozygosity_loses(n_real, n_synthetic, memory):
    """E h + sum Var p = h_0: every probability keeps its mean."""
    for real_data, extra in (("fixed", {}), ("fresh", {"n_real": n_real})):
        means = categorical.heterozygosity(
            probabilities=LAW, generations=6, n_initial=n_real, n_synthetic=n_synthetic,
            real_data=real_data, memory=memory, **extra,
        )  # fmt: skip
        np.testing.assert_allclose(means["heterozygosity"] + means["squared_error"], 1 - LAW @ LAW)


def test_smoothing_matches_a_raw_loop_and_its_limit():
    rng, n, beta, p = np.random.default_rng(3), 9, 1.5, np.tile(LAW, (20_000, 1))
    theory = categorical.replace(n=n, smoothing=beta, probabilities=LAW, generations=4)["heterozygosity"]
    for g in range(4):
        chosen = (rng.random((20_000, n, 1)) > p.cumsum(-1)[:, None, :-1]).sum(-1)
        p = ((chosen[..., None] == np.arange(5)).sum(1) + beta / 5) / (n + beta)
        assert_mean_matches(1 - (p**2).sum(-1), theory[g])
    long = categorical.replace(n=n, smoothing=beta, probabilities=LAW, generations=400)["heterozygosity"][-1]
    variance = categorical.smoothing_variance(n=n, smoothing=beta, symbols=5)
    np.testing.assert_allclose(long, 1 - 5 * (variance + 1 / 25), rtol=1e-12)
    assert (
        abs(theory[-1] - categorical.replace(n=n, probabilities=LAW, generations=4)["heterozygosity"][-1])
        > 1e-3
    )


def test_times_agree_and_match_the_chain():
    for k in (2, 3, 5):
        law = np.arange(1, k + 1) / (k * (k + 1) / 2)
        shared = {"n": 100, "probabilities": law}
        np.testing.assert_allclose(
            categorical.time_to_types(types=1, **shared), categorical.fixation_time(**shared), rtol=1e-10
        )
        np.testing.assert_allclose(
            categorical.time_to_types(types=k - 1, **shared), categorical.first_loss_time(**shared), rtol=1e-9
        )
    uniform = categorical.fixation_time(n=50, probabilities=np.ones(10**5))
    assert abs(uniform / 100 - 1) < 1e-4
    fixed = categorical.fixation(n=200, probabilities=LAW, generations=8000).sum(1)
    exact = 1 + (1 - fixed).sum()
    assert 0 < categorical.fixation_time(n=200, probabilities=LAW) - exact < 2.5
    assert categorical.time_to_types(n=100, probabilities=LAW, types=5) == 0


def test_innovation_and_migration_match_raw_chains():
    rng, n, mu, runs = np.random.default_rng(0), 30, 0.02, 3000
    kinds, fresh_label = np.zeros((runs, n), int), 0
    for _ in range(400):
        kinds = np.take_along_axis(kinds, rng.integers(n, size=(runs, n)), 1)
        new = rng.random((runs, n)) < mu
        kinds[new] = np.arange(fresh_label + 1, fresh_label + 1 + new.sum())
        fresh_label += int(new.sum())
    ordered = np.sort(kinds, axis=1)
    alive = 1 + (np.diff(ordered, axis=1) > 0).sum(1)
    assert_mean_matches(alive.astype(float), categorical.innovation_support(n=n, innovation=mu))
    same = (kinds[:, 0] == kinds[:, 1]).astype(float)
    assert_mean_matches(same, categorical.identity_probability(n=n, innovation=mu))
    with pytest.raises(AssertionError):
        assert_mean_matches(same, 1 / (1 + n * mu))
    assert abs(categorical.ewens_support(n=n, innovation=mu) / alive.mean() - 1) < 0.1

    m, p = 0.1, np.full(runs, 0.3)
    for _ in range(80):
        p = rng.binomial(n, (1 - m) * p + m * 0.3) / n
    factor = categorical.migration_factor(n=n, migration=m)
    assert_mean_matches((p - 0.3) ** 2, 0.21 * factor)
    with pytest.raises(AssertionError):
        assert_mean_matches((p - 0.3) ** 2, 0.21 / (1 + n * m))


def test_markov_rows_are_independent_chains():
    rng, runs, sizes = np.random.default_rng(0), 4000, [6, 11]
    rows = np.array([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]])
    theory = categorical.markov_heterozygosity(row_sizes=sizes, rows=rows, generations=3)
    for r, n in enumerate(sizes):
        p = np.tile(rows[r], (runs, 1))
        for g in range(3):
            p = rng.multinomial(n, p) / n
            assert_mean_matches(1 - (p**2).sum(-1), theory[g, r])


def test_one_symbol_never_changes():
    out = categorical.replace(n=10, probabilities=[0.0, 1.0], generations=4)
    want = {"heterozygosity": 0.0, "chi_squared": 0.0, "support_size": 1.0, "entropy": 0.0}
    for name in NAMES:
        np.testing.assert_allclose(out[name], want[name], atol=1e-12)
    for name in ("accumulate", "accumulate_subsample"):
        lost = getattr(categorical, name)(n=10, probabilities=[1.0], generations=4)
        np.testing.assert_allclose(lost["heterozygosity"], 0.0, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: categorical.replace(n=10, probabilities=[-1, 2], generations=2), "probabilities"),
        (lambda: categorical.replace(n=10, probabilities=LAW, smoothing=-1, generations=2), "smoothing"),
        (lambda: categorical.support_size(n=[3, 4, 5], probabilities=LAW, generations=3), "changes"),
        (lambda: categorical.entropy(n=10**6, probabilities=LAW, generations=3), "1000000"),
        (lambda: categorical.moments(order=2, n=5, probability=2.0, generations=2), "probability"),
        (lambda: categorical.time_to_types(n=5, probabilities=np.ones(30), types=2), "30 symbols"),
        (lambda: categorical.innovation_support(n=5000, innovation=0.1), "ewens_support"),
        (lambda: categorical.identity_probability(n=50, innovation=0), "innovation"),
        (lambda: categorical.smoothing_variance(n=5, smoothing=0, symbols=3), "smoothing"),
        (
            lambda: categorical.markov_heterozygosity(row_sizes=[1], rows=[[1, 1], [1, 1]], generations=2),
            "rows",
        ),
    ],
)
def test_errors_say_what_is_wrong(call, says):
    with pytest.raises(ValueError, match=says):
        call()
