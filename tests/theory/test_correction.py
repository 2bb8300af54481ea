"""Self-corrected Gaussian loops: first moments, the mean under migration, and what they reduce to."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from madtheory.testing import assert_mean_matches
from madtheory.theory import correction, gaussian, stability

STRENGTHS = st.one_of(st.just(0.0), st.floats(1e-3, 20.0), st.just(np.inf))
MODELS = st.fixed_dictionaries(
    {"bias": st.floats(0.3, 1.1), "ddof": st.sampled_from([0, 1]), "known_mean": st.booleans()}
)
SIZES = st.integers(2, 40)
KINDS = ("none", "fixed", "fresh")


def trajectory(kind, n_real, n_synthetic, **keywords):
    if kind == "none":
        return correction.replace(n=n_synthetic, **keywords)
    named = {"fixed": correction.augment, "fresh": correction.fresh}[kind]
    return named(n_real=n_real, n_synthetic=n_synthetic, **keywords)


def sizes(kind, n_real):
    return {"real_data": kind, "n_real": 0 if kind == "none" else n_real}


# What the formulas reduce to ------------------------------------------------------------------------


@given(st.sampled_from(KINDS), SIZES, SIZES, MODELS)
def test_without_correction_it_is_the_gaussian_loop(kind, n_real, n_synthetic, keywords):
    keywords = keywords | {"generations": 6, "spectrum": (2.0, 0.5)}
    ours = trajectory(kind, n_real, n_synthetic, correction=0.0, **keywords)
    if kind == "none":
        theirs = gaussian.replace(n=n_synthetic, **keywords)
    else:
        named = {"fixed": gaussian.augment, "fresh": gaussian.fresh}[kind]
        theirs = named(n_real=n_real, n_synthetic=n_synthetic, **keywords)
    for name, values in ours.items():
        np.testing.assert_allclose(values, theirs[name], rtol=1e-9, atol=1e-14)
        assert values.kind == "exact mean"


@given(SIZES, SIZES, st.floats(0.3, 1.1), st.sampled_from([0, 1]))
def test_accumulation_without_correction_is_the_gaussian_loop(n_real, n_synthetic, bias, ddof):
    keywords = {"bias": bias, "ddof": ddof, "generations": 6}
    ours = correction.accumulate(n=n_synthetic, n_initial=n_real, correction=0.0, **keywords)
    theirs = gaussian.accumulate(n=n_synthetic, n_initial=n_real, **keywords)
    for name, values in ours.items():
        np.testing.assert_allclose(values, theirs[name], rtol=1e-9)


@given(st.sampled_from(KINDS), SIZES, SIZES, MODELS)
def test_perfect_correction_is_a_real_fit(kind, n_real, n_synthetic, keywords):
    done = trajectory(kind, n_real, n_synthetic, correction=np.inf, generations=4, **keywords)
    total = n_synthetic + (n_real if kind != "none" else 0)
    known, ddof = keywords["known_mean"], keywords["ddof"]
    np.testing.assert_allclose(done["total_variance"][1:], (total - (not known)) / (total - ddof))
    np.testing.assert_allclose(done["mean_error"][1:], 0.0 if known else 1 / total, atol=1e-15)


@given(SIZES, SIZES, STRENGTHS, st.floats(0.3, 1.1), st.sampled_from(["logarithmic", "all"]))
def test_two_generations_of_every_accrual_are_the_augmented_loop(n_real, n_synthetic, strength, bias, retain):
    keywords = {"correction": strength, "bias": bias, "generations": 2}
    accrued = correction.accrual(n_initial=n_real, n_synthetic=n_synthetic, retain=retain, **keywords)
    last = correction.augment(n_real=n_real, n_synthetic=n_synthetic, **keywords)
    for name, values in accrued.items():
        np.testing.assert_allclose(values, last[name], rtol=1e-12)


def covariances(kind, n_real, n_synthetic, share, bias, ddof, generations):
    """Variance and mean error by a second derivation: covariances of means with that of the real set."""
    first = n_synthetic if kind == "none" else n_real
    n_real = 0 if kind == "none" else n_real
    variance, error = (first - 1) / (first - ddof), 1 / first
    with_real, total = error if kind == "fixed" else 0.0, n_real + n_synthetic
    yield variance, error
    for _ in range(generations - 1):
        point = (1 - share) * (bias * variance + share * error) + share
        w, real = n_synthetic / total, 1 / n_real if n_real else 0.0
        batch = (1 - share) ** 2 * error + point / n_synthetic  # squared mean of the batch,
        across = (1 - share) * with_real if kind == "fixed" else 0.0  # its product with that of the real set
        scatter = max(n_real - 1, 0) + (n_synthetic - 1) * point + n_real * w * (real + batch - 2 * across)
        variance = scatter / (total - ddof)
        error = (1 - w) ** 2 * real + w**2 * batch + 2 * w * (1 - w) * across
        with_real = (1 - w) * real + w * across
        yield variance, error


@given(st.sampled_from(KINDS), SIZES, SIZES, STRENGTHS, st.floats(0.3, 1.1), st.sampled_from([0, 1]))
def test_all_loops_by_covariances(kind, n_real, n_synthetic, strength, bias, ddof):
    ours = trajectory(
        kind, n_real, n_synthetic, correction=strength, bias=bias, ddof=ddof, generations=6
    )  # fmt: skip
    share = 1 - 1 / (1 + strength)
    theirs = np.array([*covariances(kind, n_real, n_synthetic, share, bias, ddof, 6)]).T
    for values, expected in zip(ours.values(), theirs, strict=True):
        np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-13)


def accrued_by_points(n, s, share, bias, generations, logarithmic):
    """Variance and mean error by a third derivation: products of all pairs of points, ddof 0."""
    kept, size = 1 - share, n + s * (generations - 1)
    points = np.zeros((size, size))  # expected products of points about the true mean
    points[:n, :n] = np.eye(n)
    pool = np.arange(n)
    for t in range(1, generations + 1):
        mean = points[pool].mean(0)  # of the model's mean with every point so far
        error, second = mean[pool].mean(), np.diag(points)[pool].mean()
        yield second - error, error
        if t < generations:
            new = np.arange(n + s * (t - 1), n + s * t)
            points[new, :] = kept * mean
            points[:, new] = kept * mean[:, None]
            points[np.ix_(new, new)] = kept**2 * error
            own = kept * (bias * (second - error) + error) + share
            points[new, new] = own
            left = [int(i / t * s + 1e-9) if logarithmic else s for i in range(1, t + 1)]
            pool = np.r_[np.arange(n), *(n + s * i + np.arange(k) for i, k in enumerate(left))].astype(int)


@given(st.integers(2, 9), st.integers(1, 9), STRENGTHS, st.floats(0.3, 1.1), st.booleans())
def test_retained_batches_by_products_of_points(n, s, strength, bias, logarithmic):
    ours = correction.accrual(
        n_initial=n, n_synthetic=s, correction=strength, bias=bias, ddof=0, generations=7,
        retain="logarithmic" if logarithmic else "all",
    )  # fmt: skip
    share = 1 - 1 / (1 + strength)
    theirs = np.array([*accrued_by_points(n, s, share, bias, 7, logarithmic)]).T
    for values, expected in zip(ours.values(), theirs, strict=True):
        np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-13)


@given(STRENGTHS, st.integers(2, 12))
def test_longer_trajectories_begin_with_shorter_ones(strength, generations):
    calls = [
        lambda g: correction.replace(n=7, correction=strength, generations=g),
        lambda g: correction.accrual(n_initial=9, n_synthetic=4, correction=strength, generations=g),
    ]
    for call in calls:
        long, short = call(12), call(generations)
        for name, values in short.items():
            np.testing.assert_array_equal(values, long[name][:generations])


def test_sizes_may_change():
    varying = correction.replace(n=[9, 5, 12], correction=0.4, generations=3)
    constant = correction.replace(n=5, n_initial=9, correction=0.4, generations=2)
    np.testing.assert_array_equal(varying["mean_error"][:2], constant["mean_error"])
    assert varying["mean_error"][2] != pytest.approx(constant["mean_error"][1])


# Limits ---------------------------------------------------------------------------------------------


@given(st.sampled_from(KINDS), SIZES, SIZES, STRENGTHS, MODELS)
def test_stationary_values_are_fixed_points(kind, n_real, n_synthetic, strength, keywords):
    limit = correction.stationary(
        n_synthetic=n_synthetic, correction=strength, dim=2, **sizes(kind, n_real), **keywords
    )
    if limit["rate"] > 0.9:
        return
    done = trajectory(kind, n_real, n_synthetic, correction=strength, dim=2, generations=400, **keywords)
    for name in done:
        np.testing.assert_allclose(done[name][-1], limit[name], rtol=1e-9, atol=1e-12)


def test_correction_alone_keeps_a_loop_from_collapse():
    """Without real data any positive correction has a limit, and none has none."""
    assert np.isinf(correction.stationary(n_synthetic=50, correction=0.0)["mean_error"])
    for strength in (1e-3, 1e-2, 1.0):
        limit = correction.stationary(n_synthetic=50, correction=strength, ddof=0)
        assert 0 < limit["total_variance"] < 1
        assert np.isfinite(limit["mean_error"])
    # Large samples, divisor n: what drift takes, 1/(n m), comes back by half as spread between the means.
    n, m = 10**6, 1e-4
    limit = correction.stationary(n_synthetic=n, correction=m / (1 - m), ddof=0)
    np.testing.assert_allclose(limit["total_variance"], 1 - 1 / (2 * n * m), atol=1e-4)


@given(st.floats(0.0, 20.0), st.floats(0.05, 20.0))
def test_rate_of_large_samples_is_the_exact_contraction(strength, ratio):
    """The slower of mean (squared) and variance contracts by lambda / ((1 + lambda)(1 + gamma))."""
    n = 10**7
    limit = correction.stationary(
        n_real=n, n_synthetic=round(ratio * n), real_data="fixed", correction=strength
    )
    exact = stability.gaussian_contraction(synthetic_ratio=round(ratio * n) / n, correction=strength)
    np.testing.assert_allclose(limit["rate"], exact, rtol=1e-5)


@given(st.floats(0.0, 20.0), st.floats(0.01, 20.0), st.integers(5, 1000))
def test_theorem_4_3_bounds_the_rate(strength, ratio, n_real):
    """The bound on the contraction holds for the expectations at every size of the sample tried."""
    n_synthetic = max(round(ratio * n_real), 1)
    limit = correction.stationary(
        n_real=n_real, n_synthetic=n_synthetic, real_data="fixed", correction=strength, ddof=0
    )
    bound = stability.contraction_bound(
        synthetic_ratio=n_synthetic / n_real, curvature=1.0, smoothness=0.0, misfit=0.0, correction=strength
    )  # fmt: skip
    assert limit["rate"] <= bound + 1e-12
    exact = stability.gaussian_contraction(synthetic_ratio=n_synthetic / n_real, correction=strength)
    assert limit["rate"] <= exact + 1e-12  # and so does the exact contraction of infinite samples


# The mean under migration ---------------------------------------------------------------------------


def test_mean_law_is_drift_against_migration():
    n, strength = 20, np.array([0.01, 0.3, 2.0, np.inf])
    m = 1 - 1 / (1 + strength)
    law = correction.mean_law(n_synthetic=n, correction=strength)
    np.testing.assert_allclose(law["variance"], (1 / n) / (1 - (1 - m) ** 2 - m * (1 - m) / n))
    np.testing.assert_allclose(law["effective_sample_size"], n * (1 - (1 - m) ** 2) - m * (1 - m))
    assert law["effective_sample_size"][-1] == n


def means(n_real, n_synthetic, kind, strength, rng, replicates=20_000, generations=40):
    """Means of unit-variance normals in a corrected loop, from every point."""
    share = strength / (1 + strength)
    first = rng.standard_normal((replicates, max(n_real, n_synthetic)))
    fixed = first[:, :n_real]
    mean = first.mean(1)
    for _ in range(generations):
        centre = np.where(rng.random((replicates, n_synthetic)) < share, 0.0, mean[:, None])
        batch = centre + rng.standard_normal(centre.shape)
        real = fixed if kind == "fixed" else rng.standard_normal((replicates, n_real))
        mean = np.concatenate([real, batch], 1).mean(1) if n_real else batch.mean(1)
    return mean


@pytest.mark.parametrize(("kind", "n_real"), [("none", 0), ("fixed", 6), ("fresh", 6)])
@pytest.mark.parametrize("strength", [0.1, 1.0])
def test_mean_law_against_points(kind, n_real, strength):
    mean = means(n_real, 8, kind, strength, np.random.default_rng(3))
    law = correction.mean_law(n_synthetic=8, n_real=n_real, real_data=kind, correction=strength)
    assert_mean_matches(mean**2, float(law["variance"]))
    other = correction.mean_law(n_synthetic=8, n_real=n_real, real_data=kind, correction=5 * strength)
    with pytest.raises(AssertionError):  # negative control
        assert_mean_matches(mean**2, float(other["variance"]))


@given(st.sampled_from(("fixed", "fresh")), SIZES, SIZES)
def test_mean_law_of_an_uncorrected_loop_is_known(kind, n_real, n_synthetic):
    """Fixed real data cost half the sample at most, fresh data double it at most."""
    law = correction.mean_law(n_synthetic=n_synthetic, n_real=n_real, real_data=kind, correction=0.0)
    expected = (n_real + n_synthetic) / (n_real * (n_real + 2 * n_synthetic))
    if kind == "fixed":
        expected = 1 / n_real + n_synthetic / (n_real * (n_real + 2 * n_synthetic))
    np.testing.assert_allclose(law["variance"], expected)


@given(st.sampled_from(KINDS), SIZES, SIZES, st.floats(1e-3, 20.0), st.floats(1.01, 10.0))
def test_more_correction_makes_a_better_mean(kind, n_real, n_synthetic, strength, factor):
    keywords = {"n_synthetic": n_synthetic} | sizes(kind, n_real)
    less = correction.mean_law(correction=strength, **keywords)["variance"]
    more = correction.mean_law(correction=factor * strength, **keywords)["variance"]
    assert more < less * (1 + 1e-12)


# Mixture moments ------------------------------------------------------------------------------------


@given(STRENGTHS, st.integers(0, 100))
def test_mixture_moments_by_points(strength, seed):
    """Weighted points of both laws have the mixture's moments, the part between the means included."""
    rng = np.random.default_rng(seed)
    model, real = rng.standard_normal((30, 3)) + 2, rng.standard_normal((50, 3)) @ np.diag([1.0, 2.0, 3.0])
    m = correction.mixture_moments(
        mean=model.mean(0), covariance=np.cov(model.T, ddof=0), correction=strength,
        real_mean=real.mean(0), real_covariance=np.cov(real.T, ddof=0),
    )  # fmt: skip
    share = 1.0 if np.isinf(strength) else strength / (1 + strength)
    weights = np.r_[np.full(30, (1 - share) / 30), np.full(50, share / 50)]
    points = np.concatenate([model, real])
    mean = weights @ points
    np.testing.assert_allclose(m["mean"], mean, atol=1e-12)
    np.testing.assert_allclose(
        m["covariance"], (weights[:, None] * (points - mean)).T @ (points - mean), atol=1e-12
    )


def test_mixture_moments_are_those_of_the_infinite_loop():
    mean, covariance = np.array([1.0, -1.0]), np.array([[2.0, 0.3], [0.3, 0.5]])
    ours = correction.mixture_moments(mean=mean, covariance=covariance, correction=0.7)
    theirs = stability.gaussian_map(mean=mean, covariance=covariance, synthetic_ratio=np.inf, correction=0.7)
    for name, values in ours.items():
        np.testing.assert_allclose(values, theirs[name])


# Errors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: correction.replace(n=5, correction=-1, generations=2), "correction=-1 is out of range"),
        (lambda: correction.replace(n=5, correction="x", generations=2), "correction='x' is not a number"),
        (lambda: correction.replace(n=5, correction=[1, 2], generations=2), "is not a number"),
        (lambda: correction.replace(n=1, correction=1, generations=2), "no degree of freedom with ddof=1"),
        (lambda: correction.replace(n=5, correction=1, generations=0), "generations=0"),
        (lambda: correction.accrual(n_initial=5, n_synthetic=-1, generations=2), "n_synthetic=-1"),
        (lambda: correction.accumulate(n=0, n_initial=5, correction=1, generations=2), "n=0 is not a posit"),
        (lambda: correction.stationary(n_synthetic=0, correction=1), "n_synthetic=0 is not a positive"),
        (lambda: correction.mean_law(n_synthetic=0, correction=1), "n_synthetic=0 is not a positive"),
        (lambda: correction.accrual(n_initial=5, n_synthetic=5, retain=1, generations=2), "retain=1 is unkn"),
        (lambda: correction.stationary(n_synthetic=5, n_real=3, correction=1), "n_real=3 contradicts real_d"),
        (lambda: correction.mean_law(n_synthetic=5, real_data="fixed", correction=1), "n_real=0 contradicts"),
        (lambda: correction.mixture_moments(mean=[0, 0], covariance=[[1]], correction=1), "length 2 needs"),
    ],
)  # fmt: skip
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
