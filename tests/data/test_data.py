"""Training sets are a monoid: exact algebra, by hypothesis."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from madtheory import data
from madtheory.data import Moments, Weighted
from madtheory.numerics import rescale, triangular

seeds = st.integers(0, 2**16)
shapes = st.tuples(st.integers(1, 7), st.integers(1, 9))  # dimension, points: n <= d included


def points(seed, n, dim, *lead):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((*lead, n, dim)) * np.exp(rng.uniform(-2, 2, dim)) + rng.uniform(-5, 5, dim)


def assert_same(left, right, rtol=1e-10):
    np.testing.assert_allclose(left.weight, right.weight, rtol=rtol)
    np.testing.assert_allclose(left.squared_weight, right.squared_weight, rtol=rtol)
    np.testing.assert_allclose(left.mean, right.mean, rtol=rtol, atol=1e-9)
    scale = np.abs(right.scatter).max(initial=1.0)
    np.testing.assert_allclose(left.scatter, right.scatter, rtol=rtol, atol=rtol * scale)


def direct(x, w=None):
    w = np.ones(len(x)) if w is None else w
    mean = w @ x / w.sum()
    return w.sum(), (w**2).sum(), mean, (w[:, None] * (x - mean)).T @ (x - mean)


@given(seed=seeds, shape=shapes, weighted=st.booleans())
def test_moments_are_what_they_say(seed, shape, weighted):
    dim, n = shape
    x = points(seed, n, dim)
    w = np.random.default_rng(seed + 1).uniform(0.1, 3, n) if weighted else None
    m = Moments.of(x, w)
    for ours, theirs in zip((m.weight, m.squared_weight, m.mean, m.scatter), direct(x, w), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * max(np.abs(theirs).max(), 1.0))
    assert m.dim == dim


@given(seed=seeds, dim=st.integers(1, 6), sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_moments_of_a_concatenation_are_the_join_of_moments(seed, dim, sizes):
    parts = [points(seed + i, n, dim) for i, n in enumerate(sizes)]
    assert_same(data.join([Moments.of(p) for p in parts]), Moments.of(np.concatenate(parts)))
    assert data.size(data.join(parts)) == sum(sizes)


@given(seed=seeds, dim=st.integers(1, 6), sizes=st.tuples(*[st.integers(1, 9)] * 3))
def test_join_is_associative_and_commutative(seed, dim, sizes):
    a, b, c = (Moments.of(points(seed + i, n, dim)) for i, n in enumerate(sizes))
    whole = data.join([a, b, c])
    assert_same(data.join([data.join([a, b]), c]), whole)
    assert_same(data.join([a, data.join([b, c])]), whole)
    assert_same(data.join([c, a, b]), whole)
    assert data.join([a]) is a


@given(seed=seeds, dim=st.integers(1, 5), sizes=st.tuples(st.integers(1, 8), st.integers(1, 8)))
def test_weights_go_through_join_as_repetition_does(seed, dim, sizes):
    x, y = (points(seed + i, n, dim) for i, n in enumerate(sizes))
    moments = data.join([data.weighted(Moments.of(x), 2.0), data.weighted(Moments.of(y), 1.0)])
    weighted = data.join([data.weighted(x, 2.0), data.weighted(y, 1.0)])
    assert isinstance(weighted, Weighted)
    assert_same(moments, Moments.of(weighted.points, weighted.weights))
    repeated = Moments.of(np.concatenate([x, x, y]))
    np.testing.assert_allclose(moments.weight, repeated.weight)
    np.testing.assert_allclose(moments.mean, repeated.mean)
    np.testing.assert_allclose(moments.scatter, repeated.scatter, atol=1e-8)
    assert data.size(weighted) == pytest.approx(data.size(moments))


@given(seed=seeds, shape=shapes)
def test_affine_equivariance(seed, shape):
    dim, n = shape
    x, rng = points(seed, n, dim), np.random.default_rng(seed + 1)
    matrix, shift = rng.standard_normal((dim, dim)), rng.uniform(-3, 3, dim)
    before, after = Moments.of(x), Moments.of(x @ matrix.T + shift)
    np.testing.assert_allclose(after.mean, matrix @ before.mean + shift, atol=1e-8)
    moved = matrix @ before.scatter @ matrix.T
    np.testing.assert_allclose(after.scatter, moved, atol=1e-9 * max(np.abs(moved).max(), 1.0))


@given(seed=seeds, dim=st.integers(1, 7), columns=st.integers(0, 5))
def test_triangular_keeps_the_gram_matrix(seed, dim, columns):
    root = points(seed, dim, dim + columns, 3)
    factor = triangular(root)
    assert np.array_equal(factor, np.tril(factor))
    gram = root @ np.swapaxes(root, -1, -2)
    np.testing.assert_allclose(factor @ np.swapaxes(factor, -1, -2), gram, atol=1e-12 * np.abs(gram).max())


@pytest.mark.parametrize("dim", [2, 12])
def test_triangular_keeps_tiny_directions(dim):
    """A direction 1e-12 times smaller survives, in the Gram-Schmidt, Cholesky and QR branches."""
    rng = np.random.default_rng(0)
    scale = np.append(np.ones(dim - 1), 1e-12)[:, None]
    factor = triangular(scale * rng.standard_normal((50, dim, 2 * dim)))
    assert (np.abs(factor[:, -1, -1]) > 1e-14).all()
    assert (np.abs(factor[:, -1, -1]) < 1e-10).all()


@given(seed=seeds, shift=st.integers(-900, 900))
def test_exponents_are_exact(seed, shift):
    """Moving powers of two into the exponent, and joining parts that have some, loses no bit."""
    root = np.ldexp(np.tril(points(seed, 3, 3, 4)), shift)
    kept, exponent = rescale(root, None)
    if exponent is not None:
        assert np.abs(kept).max() <= 1.0
        assert np.array_equal(np.ldexp(kept, exponent[..., None, :]), root)
    else:
        assert kept is root


@given(seed=seeds, low=st.integers(-2000, 0))
def test_join_of_parts_with_exponents(seed, low):
    x = Moments.of(points(seed, 5, 3))
    tiny = Moments(x.weight, x.squared_weight, x.mean, x.root, np.full(3, low))
    joined = data.join([x, tiny])
    assert joined.exponent is not None
    expected = x.scatter + np.ldexp(x.scatter, max(2 * low, -1100))
    np.testing.assert_allclose(joined.scatter, expected, rtol=1e-11, atol=1e-11 * np.abs(expected).max())
    both = data.join([tiny, tiny])
    assert np.isfinite(both.root).all()
    ratio = np.ldexp(both.root, (both.exponent - low)[..., None, :])
    np.testing.assert_allclose(
        ratio @ ratio.T, 2 * x.scatter, rtol=1e-9, atol=1e-11 * np.abs(x.scatter).max()
    )


@given(seed=seeds, n=st.integers(1, 12), budget=st.integers(1, 12), replacement=st.booleans())
def test_subsample_takes_points_of_the_pool(seed, n, budget, replacement):
    pool, rng = points(seed, n, 2, 3), np.random.default_rng(seed)
    if budget > n and not replacement:
        with pytest.raises(ValueError, match=f"budget={budget} exceeds the {n} points"):
            data.subsample(pool, budget, rng=rng)
        return
    taken = data.subsample(pool, budget, rng=rng, replacement=replacement)
    assert taken.shape == (3, budget, 2)
    for k in range(3):
        rows = {tuple(row) for row in pool[k]}
        kept = [tuple(row) for row in taken[k]]
        assert set(kept) <= rows
        assert replacement or len(set(kept)) == budget


@pytest.mark.parametrize("replacement", [False, True])
def test_subsample_is_uniform(replacement):
    """Chi-square of how often each of 6 points is taken; alpha 1e-6 (critical value 35.9 at 5 dof)."""
    pool = np.broadcast_to(np.arange(6.0)[:, None], (20_000, 6, 1))
    taken = data.subsample(pool, 2, rng=np.random.default_rng(0), replacement=replacement)
    counts = np.bincount(taken.astype(int).ravel(), minlength=6)
    expected = taken.size / 6
    # Without replacement the counts vary less: the statistic shrinks by (6 - 2) / (6 - 1).
    correction = 1.0 if replacement else 5 / 4
    assert correction * ((counts - expected) ** 2 / expected).sum() < 35.9
    skewed = counts * np.array([1.03, 1, 1, 1, 1, 0.97])
    assert correction * ((skewed - expected) ** 2 / expected).sum() < 35.9
    wrong = counts * np.array([1.1, 1, 1, 1, 1, 0.9])
    assert correction * ((wrong - expected) ** 2 / expected).sum() > 35.9


def test_empirical_draws_its_rows():
    rows = points(0, 7, 2)
    source = data.Empirical(rows)
    np.testing.assert_allclose(source.mean, rows.mean(0))
    np.testing.assert_allclose(source.covariance, np.cov(rows.T, ddof=0))
    drawn = source.expand(4).sample(50, rng=np.random.default_rng(0))
    assert drawn.shape == (4, 50, 2)
    assert {tuple(r) for r in drawn.reshape(-1, 2)} == {tuple(r) for r in rows}
    statistic = source.expand(4).sample_statistic(50, rng=np.random.default_rng(0))
    assert_same(statistic, Moments.of(drawn))
    with pytest.raises(ValueError, match=r"bias=0\.5"):
        source.sample(3, rng=np.random.default_rng(0), bias=0.5)


def test_empirical_statistic_with_a_size_per_replicate():
    source, sizes = data.Empirical(points(0, 7, 2)).expand(3), np.array([2, 5, 9])
    statistic = source.sample_statistic(sizes, rng=np.random.default_rng(0))
    drawn = source.sample(9, rng=np.random.default_rng(0))
    for k, n in enumerate(sizes):
        expected = Moments.of(drawn[k, :n])
        np.testing.assert_allclose(statistic.weight[k], n)
        np.testing.assert_allclose(statistic.mean[k], expected.mean)
        np.testing.assert_allclose(statistic.scatter[k], expected.scatter, atol=1e-9)


@pytest.mark.parametrize("n", [40, 2000])
def test_every_point_is_picked_as_often(n):
    """Subsets of small and of large pools are uniform: each point's count is binomial; |z| of all is seen."""
    budget, runs = n // 4, 400
    rng, points = np.random.default_rng(7), np.arange(n, dtype=float)[:, None]
    counts = np.zeros(n)
    for _ in range(runs):
        picked = data.subsample(points, budget, rng=rng)[:, 0].astype(int)
        assert len(np.unique(picked)) == budget
        counts[picked] += 1
    share = budget / n
    z = (counts - runs * share) / np.sqrt(runs * share * (1 - share))
    assert abs(z).max() < 5
    # Negative control: subsets that leave out the last point, and nothing else, are seen.
    left_out = -runs * share / np.sqrt(runs * share * (1 - share))
    assert abs(left_out) > 5
    # The spread of all counts, to a few per cent; batches of one start that repeat would double it.
    assert abs((z**2).sum() - n) < 5 * np.sqrt(2 * n)


def test_every_order_is_equally_likely():
    """Chi-square of the 6 orders of three points: above 20.5 with probability 0.001."""
    points = np.tile(np.arange(3.0)[:, None], (6_000, 1, 1))
    orders = data.shuffle(points, rng=np.random.default_rng(0))[..., 0]
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    assert len(counts) == 6
    assert ((counts - 1_000) ** 2 / 1_000).sum() < 20.5
