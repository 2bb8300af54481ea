"""Bounds are tested as bounds, on instances whose Jacobian is known; the exact maps against raw points."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from madtheory.testing import assert_mean_matches
from madtheory.theory import stability
from madtheory.theory.gaussian import variance_law
from simulations._location_family import SMOOTHNESS, LocationFamily, quantile_levels

CONSTANTS = ("curvature", "smoothness", "misfit", "correction")
BOUNDS = (
    stability.contraction_bound,
    stability.tight_contraction_bound,
    stability.spectral_contraction_bound,
)
THRESHOLDS = (stability.threshold, stability.tight_threshold, stability.spectral_threshold)


def numerical_jacobian(update, point, step=1e-4):
    columns = [(update(point + step * e) - update(point - step * e)) / (2 * step) for e in np.eye(len(point))]
    return np.stack(columns, axis=1)


class Quadratic:
    """Expected log-likelihoods that are quadratic: Hessian A on data, C on samples of the best model."""

    def __init__(self, rng):
        d = int(rng.integers(1, 6))
        rotation = np.linalg.qr(rng.standard_normal((d, d)))[0]
        self.curvature = float(np.exp(rng.uniform(-1, 1)))
        stretch = self.curvature * np.append(1.0, np.exp(rng.uniform(0, 2, d - 1)))
        self.on_data = -rotation * stretch @ rotation.T
        noise = rng.standard_normal((d, d))
        noise = (noise + noise.T) / 2
        self.misfit = float(rng.uniform(0, 1.3 if rng.random() < 0.8 else 3.0))
        self.smoothness = self.curvature  # so that misfit is the relative one
        gap = self.misfit * self.smoothness / np.abs(np.linalg.eigvalsh(noise)).max()
        self.on_model = self.on_data + gap * noise
        self.optimum = rng.standard_normal(d)
        self.correction = float(rng.choice([0.0, 0.0, 0.3, 2.0]))
        self.ratio = float(np.exp(rng.uniform(-3, 1.5)))

    @property
    def constants(self):
        return {name: getattr(self, name) for name in CONSTANTS}

    def next(self, theta):
        """Stationary point of the pooled likelihood, solved afresh."""
        weights = self.ratio / (1 + self.correction) * np.array([1.0, self.correction])
        hessian = self.on_data + weights.sum() * self.on_model
        pull = self.on_data @ self.optimum
        pull = pull + self.on_model @ (weights[0] * theta + weights[1] * self.optimum)
        return np.linalg.solve(hessian, pull)

    def sizes(self):
        """Spectral norm, and norm in the metric of the data's Hessian, of the numerical Jacobian."""
        jacobian = numerical_jacobian(self.next, self.optimum)
        values, vectors = np.linalg.eigh(-self.on_data)
        root = vectors * np.sqrt(values) @ vectors.T
        inside = root @ jacobian @ np.linalg.inv(root)
        radius = np.abs(np.linalg.eigvals(jacobian)).max()
        assert radius <= np.linalg.norm(inside, 2) * (1 + 1e-6) + 1e-9
        return np.linalg.norm(jacobian, 2), np.linalg.norm(inside, 2)


@pytest.fixture(scope="module")
def quadratic():
    rng = np.random.default_rng(1)
    cases = [Quadratic(rng) for _ in range(700)]
    return cases, np.array([case.sizes() for case in cases])


def bounds_of(cases, **changes):
    out = [
        [float(form(synthetic_ratio=case.ratio, **{**case.constants, **changes})) for form in BOUNDS]
        for case in cases
    ]
    return np.array(out).T


def violated(sizes, bounds):
    return sizes > bounds * (1 + 1e-6) + 1e-8


def test_bounds_hold_on_quadratic_losses(quadratic):
    cases, (norm, metric) = quadratic[0], quadratic[1].T
    plain, tight, spectral = bounds_of(cases)
    assert not violated(norm, plain).any()
    assert not violated(norm, tight).any()
    assert not violated(metric, spectral).any()
    # The first binds on hundreds of them, the others on more, and each is the tighter one.
    finite = [np.isfinite(b).sum() for b in (plain, tight, spectral)]
    assert finite[0] > 300
    assert finite[0] < finite[1] <= finite[2]
    assert (tight <= plain * (1 + 1e-12)).all()
    assert (spectral <= tight * (1 + 1e-12)).all()
    assert (norm < 0.999 * plain).mean() > 0.5  # bounds, not equalities


def test_wrong_bounds_are_violated(quadratic):
    cases, (norm, metric) = quadratic[0], quadratic[1].T
    plain, tight, spectral = bounds_of(cases)
    no_misfit = bounds_of(cases, misfit=0.0)
    assert violated(norm, no_misfit[1]).sum() > 100
    assert violated(metric, no_misfit[2]).sum() > 100
    too_strong = bounds_of(cases, correction=5.0)
    assert violated(norm, too_strong[0]).sum() > 50
    assert violated(metric, 0.9 * spectral).sum() > 50
    assert violated(norm, 0.6 * tight).any()
    assert violated(norm, 0.6 * plain).any()


def test_stability_below_the_thresholds(quadratic):
    cases, (_, metric) = quadratic[0], quadratic[1].T
    limits = np.array([[float(form(**case.constants)) for form in THRESHOLDS] for case in cases]).T
    ratio = np.array([case.ratio for case in cases])
    assert (limits[0] <= limits[1]).all()
    assert (limits[1] <= limits[2] * (1 + 1e-12)).all()
    for limit in limits:
        below = ratio < limit
        assert below.sum() > 100
        assert (metric[below] < 1).all()
    # The theorem's condition is sufficient, not necessary; the sharp one misses little.
    assert ((ratio > limits[0]) & (metric < 1)).sum() > 200
    assert ((ratio > 1.5 * limits[2]) & (metric > 1)).any()


@given(
    ratio=st.floats(0.01, 20),
    curvature=st.floats(0.1, 10),
    e=st.floats(0.0, 3.0),
    correction=st.floats(0, 10) | st.just(np.inf),
)
def test_bounds_are_one_at_their_thresholds(ratio, curvature, e, correction):
    constants = {
        "curvature": curvature,
        "smoothness": 2 * curvature,
        "misfit": e / 2,
        "correction": correction,
    }
    for bound, limit in zip(BOUNDS, THRESHOLDS, strict=True):
        value = float(bound(synthetic_ratio=ratio, **constants))
        largest = float(limit(**constants))
        if ratio < largest * (1 - 1e-9):
            assert value < 1
        elif ratio > largest * (1 + 1e-9):
            assert value >= 1 - 1e-9
        assert value <= float(bound(synthetic_ratio=1.01 * ratio, **constants)) + 1e-12


def test_the_spectral_bound_is_attained():
    for e, ratio, correction in ((0.4, 2.0, 0.0), (0.0, 1.0, 1.0), (2.5, 0.3, 0.0), (2.5, 0.3, 0.5)):
        attained = []
        for sign in (1, -1):
            curve = 1 + sign * e  # C = (1 + sign e) A in one dimension
            attained.append(abs(ratio * curve / (1 + ratio * curve)) / (1 + correction))
        constants = {"curvature": 3.0, "smoothness": 1.5, "misfit": 2 * e, "correction": correction}
        value = stability.spectral_contraction_bound(synthetic_ratio=ratio, **constants)
        assert float(value) == pytest.approx(max(attained), rel=1e-12)


def test_published_thresholds_and_limits():
    none = {"curvature": 1.0, "smoothness": 0.0, "misfit": 0.0}
    assert float(stability.threshold(**none)) == 0.5
    assert float(stability.threshold(**none, correction=np.inf)) == 1.0  # Gillman: doubles
    assert float(stability.threshold(curvature=2.0, smoothness=1.0, misfit=2.0)) == 0.25
    assert float(stability.tight_threshold(curvature=2.0, smoothness=1.0, misfit=0.5)) == 2.0  # a / (2 e L)
    assert float(stability.tight_threshold(**none)) == np.inf
    assert float(stability.contraction_bound(synthetic_ratio=0.25, **none)) == pytest.approx(1 / 3)
    assert float(stability.contraction_bound(synthetic_ratio=0.25, **none, correction=1)) == pytest.approx(
        1 / 6
    )
    assert float(stability.contraction_bound(synthetic_ratio=1.0, **none)) == np.inf
    assert float(stability.contraction_bound(synthetic_ratio=1.0, **none, correction=np.inf)) == np.inf
    assert float(stability.contraction_bound(synthetic_ratio=0.0, **none)) == 0.0
    wide = stability.tight_contraction_bound(synthetic_ratio=[0.1, 1.0, np.inf], **none)
    np.testing.assert_allclose(wide, stability.gaussian_contraction(synthetic_ratio=[0.1, 1.0, np.inf]))
    assert wide.shape == (3,)
    for form in BOUNDS:
        assert form(synthetic_ratio=0.1, **none).kind == "bound"
    for form in THRESHOLDS:
        assert form(**none).kind == "bound"


# A family without the law of the data


def random_family(rng):
    level, _ = quantile_levels(100)
    bumps = np.sort(rng.normal(0, rng.uniform(0.3, 3), size=(3, 1)), axis=0)
    raw = np.sort(rng.normal(bumps, np.exp(rng.uniform(-2, 1)), size=(3, 400)).ravel())
    return LocationFamily(np.quantile(raw, level))


@pytest.fixture(scope="module")
def families():
    rng = np.random.default_rng(2)
    rows = []
    for _ in range(300):
        family, ratio = random_family(rng), float(np.exp(rng.uniform(-3, 2)))
        correction = float(rng.choice([0.0, 0.5, 2.0]))
        constants = {
            "curvature": family.curvature,
            "smoothness": SMOOTHNESS,
            "misfit": family.misfit,
            "correction": correction,
        }
        measured = family.contraction(synthetic_ratio=ratio, correction=correction)
        rows.append((family, ratio, constants, measured))
    return rows


def test_the_family_keeps_the_assumptions(families):
    for family, *_ in families[:50]:
        assert float(family.next(family.optimum, synthetic_ratio=3.0)) == pytest.approx(
            family.optimum, abs=1e-9
        )
        on_model = 0.5 * quantile_levels(100)[1] @ np.cosh(family.noise / 2) ** -2
        assert abs(on_model - family.curvature) <= SMOOTHNESS * family.misfit
    x = np.linspace(-9, 9, 4001)
    third = np.tanh(x / 2) / np.cosh(x / 2) ** 2 / 2
    assert np.abs(third).max() == pytest.approx(SMOOTHNESS, rel=1e-5)


def test_bounds_hold_with_a_misfit(families):
    measured = np.array([row[3] for row in families])
    for form in BOUNDS:
        values = np.array([float(form(synthetic_ratio=ratio, **c)) for _, ratio, c, _ in families])
        assert np.isfinite(values).sum() > 80
        assert (measured <= values * (1 + 1e-5)).all()
    wrong = [float(BOUNDS[1](synthetic_ratio=r, **{**c, "misfit": 0.0})) for _, r, c, _ in families]
    assert (measured > np.array(wrong) * (1 + 1e-5)).sum() > 50


def test_every_ratio_is_stable_where_the_misfit_is_small(families):
    """The condition of uniqueness, eps L < alpha, is enough."""
    small = [row for row in families if SMOOTHNESS * row[2]["misfit"] < row[2]["curvature"]][:60]
    assert len(small) == 60
    for family, _, constants, _ in small:
        assert float(stability.spectral_threshold(**constants)) == np.inf
        assert float(stability.threshold(**{**constants, "correction": 0.0})) < 0.5
        assert family.contraction(synthetic_ratio=50.0) < 1


# Finite samples


def mean_loops(rng, n, ratio, generations, replicates):
    """Locations of normal models with known variance on real and synthetic points, relative to the truth."""
    real = rng.standard_normal(replicates) / np.sqrt(n)
    theta, out = real, [real]
    for _ in range(generations - 1):
        synthetic = theta + rng.standard_normal(replicates) / np.sqrt(ratio * n)
        theta = (real + ratio * synthetic) / (1 + ratio)
        out.append(theta)
    return np.abs(out)


def test_finite_sample_bound_holds_for_normal_means():
    """A fit misses the exact map by N(0, 1 / (n (1 + ratio))), so that a = sqrt(2 / (1 + ratio)), b = 2."""
    rng = np.random.default_rng(3)
    worst, control = [], []
    for _ in range(200):
        n, ratio = int(rng.integers(5, 500)), float(np.exp(rng.uniform(-3, -0.8)))
        delta, t = float(rng.uniform(0.05, 0.5)), int(rng.integers(2, 15))
        distance = mean_loops(rng, n, ratio, t, 1000)
        constants = {"curvature": 1.0, "smoothness": 0.0, "misfit": 0.0}
        for contraction in (
            stability.contraction_bound(synthetic_ratio=ratio, **constants),
            stability.gaussian_contraction(synthetic_ratio=ratio),
        ):
            keywords = {"generations": t, "n_real": n, "failure_probability": delta}
            # Generation 1 is itself a fit: its distance differs between loops.
            a, b = np.sqrt(2 / (1 + ratio)), 2.0
            base = stability.finite_sample_bound(contraction=contraction, concentration=(a, b), **keywords)
            start = float(contraction) ** (t - 1) * distance[0]
            missed = (distance[-1] > base[-1] + start).mean()
            worst.append((missed - delta) / np.sqrt(delta * (1 - delta) / 1000))
            low = stability.finite_sample_bound(
                contraction=contraction, concentration=(0.1 * a, b), **keywords
            )
            control.append((distance[-1] > low[-1] + start).mean() > delta)
    assert max(worst) < 5
    assert np.mean(control) > 0.3


def test_finite_sample_bound_is_its_formula():
    keywords = {"n_real": 50, "concentration": (0.7, 3.0), "failure_probability": 0.1}
    bound = stability.finite_sample_bound(
        contraction=0.4, generations=6, initial_distance=2.0, optimisation_error=0.01, **keywords
    )
    assert bound.kind == "bound"
    assert bound[0] == 2.0
    for t in range(1, 6):
        tau = 0.01 + 0.7 / np.sqrt(50) * np.sqrt(np.log(3.0 * t / 0.1))
        assert bound[t] == pytest.approx(tau * sum(0.4**i for i in range(t + 1)) + 0.4**t * 2.0)
    beyond = stability.finite_sample_bound(contraction=1.0, generations=3, **keywords)
    np.testing.assert_array_equal(beyond, [0.0, np.inf, np.inf])
    perfect = stability.finite_sample_bound(contraction=0.0, generations=3, **keywords)
    assert perfect[2] == pytest.approx(0.7 / np.sqrt(50) * np.sqrt(np.log(60)))


# The Gaussian map


@given(seed=st.integers(0, 2**16), dim=st.integers(1, 4), correction=st.sampled_from([0.0, 0.5, 3.0, np.inf]))
def test_gaussian_map_pools_moments(seed, dim, correction):
    rng = np.random.default_rng(seed)
    means, roots = rng.standard_normal((2, dim)), rng.standard_normal((2, dim, dim))
    covariances = roots @ np.swapaxes(roots, 1, 2)
    ratio = float(np.exp(rng.uniform(-2, 2)))
    data = {"data_mean": means[1], "data_covariance": covariances[1]}
    keywords = {"synthetic_ratio": ratio, "correction": correction, **data}
    moved = stability.gaussian_map(mean=means[0], covariance=covariances[0], **keywords)
    # First and second moments of real, model and correcting points, by their weights.
    kept = 0.0 if np.isinf(correction) else 1 / (1 + correction)
    weights = np.array([ratio * kept, 1 + ratio * (1 - kept)]) / (1 + ratio)
    mean = weights @ means
    second = np.einsum("k,kij->ij", weights, covariances + means[:, :, None] * means[:, None, :])
    np.testing.assert_allclose(moved["mean"], mean, atol=1e-12)
    np.testing.assert_allclose(moved["covariance"], second - np.outer(mean, mean), atol=1e-10)
    again = stability.gaussian_map(**moved, **keywords)
    twice = stability.gaussian_map(mean=means[0], covariance=covariances[0], generations=2, **keywords)
    for name in ("mean", "covariance"):
        np.testing.assert_allclose(twice[name], again[name], atol=1e-10)
    assert moved["mean"].kind == "exact law"


def test_gaussian_contraction_numbers_and_jacobian():
    published = {0.1: 0.0909, 0.3: 0.2308, 0.49: 0.3289, 1: 0.5, 3: 0.75, 10: 0.9091}
    for ratio, value in published.items():
        assert float(stability.gaussian_contraction(synthetic_ratio=ratio)) == pytest.approx(value, abs=5e-5)

    def update(x, correction):
        # Natural parameters of the Gaussian.
        variance = -0.5 / x[1]
        keywords = {
            "synthetic_ratio": 1.7,
            "data_mean": 0.3,
            "data_covariance": 2.0,
            "correction": correction,
        }
        after = stability.gaussian_map(mean=x[0] * variance, covariance=variance, **keywords)
        return np.array([after["mean"] / after["covariance"], -0.5 / after["covariance"]])

    for correction in (0.0, 2.0):
        jacobian = numerical_jacobian(lambda x, c=correction: update(x, c), np.array([0.15, -0.25]))
        exact = float(stability.gaussian_contraction(synthetic_ratio=1.7, correction=correction))
        np.testing.assert_allclose(jacobian, exact * np.eye(2), atol=1e-6)


def test_gaussian_map_of_raw_points():
    """200,000 real points; one generation from a model far off. Power: the map of ratio 0.51 is rejected."""
    rng, n, ratio, replicates = np.random.default_rng(5), 200_000, 0.5, 20
    means, variances = [], []
    for _ in range(replicates):
        real, synthetic = rng.normal(0, 1, n), rng.normal(2, 1.5, int(ratio * n))
        pool = np.concatenate([real, synthetic])
        means.append(pool.mean())
        variances.append(pool.var())
    moved = stability.gaussian_map(mean=2.0, covariance=2.25, synthetic_ratio=ratio)
    assert_mean_matches(means, moved["mean"])
    assert_mean_matches(variances, moved["covariance"])
    wrong = stability.gaussian_map(mean=2.0, covariance=2.25, synthetic_ratio=0.51)
    for values, name in ((means, "mean"), (variances, "covariance")):
        with pytest.raises(AssertionError, match="z="):
            assert_mean_matches(values, wrong[name])


# Collapse


def test_collapse_of_raw_loops():
    """Fully synthetic, n = 10: power, one generation more or less is rejected."""
    rng, replicates = np.random.default_rng(6), 40_000
    sd = np.ones(replicates)
    for _ in range(5):
        sd = (sd[:, None] * rng.standard_normal((replicates, 10))).std(1, ddof=1)
    exact = stability.collapse_of_sd(n=10, generations=6)
    assert_mean_matches(sd, exact[4])
    for other in (exact[3], exact[5]):
        with pytest.raises(AssertionError, match="z="):
            assert_mean_matches(sd, other)


def test_collapse_in_more_dimensions_is_a_bound():
    """Mean square root of raw covariances, truth diag(4, 1, 0.25), n = 8, three generations."""
    rng, n, scales = np.random.default_rng(7), 8, np.array([2.0, 1.0, 0.5])
    root = np.broadcast_to(np.diag(scales), (20_000, 3, 3))
    bound = stability.collapse_of_sd(n=n, generations=3, dim=3)
    assert bound.kind == "bound"
    for g in range(3):
        points = rng.standard_normal((len(root), n, 3)) @ root
        points = points - points.mean(1, keepdims=True)
        values, vectors = np.linalg.eigh(np.swapaxes(points, 1, 2) @ points / (n - 1))
        root = (vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]) @ np.swapaxes(vectors, 1, 2)
        relative = root[:, range(3), range(3)] / scales
        assert_mean_matches(relative, np.full(3, bound[g]), bound="upper")
        assert (relative.mean(0) < bound[g] - 0.01).all()  # a bound, no equality
        with pytest.raises(AssertionError, match="z="):
            assert_mean_matches(relative, np.full(3, 0.9 * bound[g]), bound="upper")
        assert (
            np.abs(root.mean(0) - np.diag(np.diag(root.mean(0)))).max() < 0.02
        )  # diagonal, as the proof says


def test_collapse_bounds_hundreds_of_truths():
    """Mean square roots of the covariances of n points, n and truth at random, in the truth's own basis."""
    rng, sharper = np.random.default_rng(11), 0
    for _ in range(300):
        dim = int(rng.integers(2, 5))
        n, scales = int(rng.integers(dim + 2, 25)), np.exp(rng.normal(size=dim))
        points = rng.standard_normal((500, n, dim)) * scales
        points = points - points.mean(1, keepdims=True)
        values, vectors = np.linalg.eigh(np.swapaxes(points, 1, 2) @ points / (n - 1))
        root = np.einsum("kij,kj,kij->ki", vectors, np.sqrt(np.maximum(values, 0.0)), vectors) / scales
        bound = stability.collapse_of_sd(n=n, generations=1, dim=dim)[0]
        assert_mean_matches(root, np.full(dim, bound), bound="upper")
        error = root.std(0, ddof=1) / np.sqrt(500)
        sharper += (root.mean(0) > 0.95 * bound + 5 * error).any()
    assert sharper > 30  # negative control: a bound 5 % lower is violated


@pytest.mark.parametrize(
    "keywords", [{}, {"bias": 0.8}, {"ddof": 0}, {"known_mean": True}, {"n_initial": 30}]
)
def test_collapse_is_the_half_moment_of_the_exact_law(keywords):
    values = stability.collapse_of_sd(n=12, generations=4, **keywords)
    for g in range(1, 5):
        assert values[g - 1] == pytest.approx(
            variance_law(generation=g, n=12, **keywords).moment(0.5), rel=1e-12
        )
    assert values.kind == "exact mean"


def test_collapse_numbers():
    published = {10: 0.97266, 50: 0.99491, 100: 0.99748}
    for n, c4 in published.items():
        values = stability.collapse_of_sd(n=n, generations=3)
        np.testing.assert_allclose(values, c4 ** np.arange(1, 4), atol=2e-5)
    assert stability.collapse_of_sd(n=10, generations=5)[-1] == pytest.approx(0.8706, abs=5e-5)


# Errors


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"synthetic_ratio": -1.0}, r"synthetic_ratio=-1\.0 is out of range"),
        ({"curvature": 0.0}, r"curvature=0\.0 is out of range: pass numbers that are positive"),
        ({"smoothness": np.inf}, "smoothness=inf is out of range"),
        ({"misfit": "a"}, "misfit='a' must hold numbers"),
        ({"correction": np.nan}, "correction=nan must hold numbers"),
    ],
)
def test_errors_of_the_bounds(change, message):
    good = {"synthetic_ratio": 0.1, "curvature": 1.0, "smoothness": 1.0, "misfit": 0.1, "correction": 0.0}
    for form in BOUNDS:
        with pytest.raises(ValueError, match=message):
            form(**{**good, **change})


def test_other_errors():
    good = {
        "contraction": 0.5, "generations": 3, "n_real": 5, "concentration": (1, 2), "failure_probability": 0.1
    }  # fmt: skip
    for change, message in (
        ({"failure_probability": 1.5}, r"failure_probability=1\.5 is above 1"),
        ({"concentration": (1, 0.01)}, r"above b=0\.01"),
        ({"concentration": (1, 2, 3)}, r"concentration=\(1, 2, 3\) is not two numbers"),
        ({"generations": 0}, "generations=0"),
        ({"contraction": -0.1}, "contraction=-0.1"),
    ):
        with pytest.raises(ValueError, match=message):
            stability.finite_sample_bound(**{**good, **change})
    for change, message in (
        ({"covariance": np.eye(3)}, r"covariance has shape \(3, 3\) and mean \(2,\)"),
        ({"data_covariance": np.eye(3)}, r"data_covariance has shape \(3, 3\)"),
        ({"data_mean": np.zeros(3)}, "data_mean=.* does not fit"),
        ({"generations": 0}, "generations=0"),
    ):
        with pytest.raises(ValueError, match=message):
            stability.gaussian_map(
                **{"mean": np.zeros(2), "covariance": np.eye(2), "synthetic_ratio": 1, **change}
            )
    with pytest.raises(ValueError, match="n=1 points"):
        stability.collapse_of_sd(n=1, generations=2)
