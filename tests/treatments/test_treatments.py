"""Treatments of synthetic batches: correction, projection and verification."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

import madtheory as mad
from madtheory import metrics, regimes, treatments
from madtheory.models.categorical import Categorical
from madtheory.regimes import Regime
from madtheory.testing import assert_mean_matches
from madtheory.theory import correction
from madtheory.treatments.rejection import draw_accepted

REAL = mad.Gaussian([1.0, -2.0], [[2.0, 0.5], [0.5, 1.0]])
MODEL = mad.Gaussian([4.0, 0.0], [[0.5, -0.2], [-0.2, 1.0]])
REGIMES = {
    "replace": regimes.replace(n=12),
    "augment": regimes.augment(n_real=8, n_synthetic=10),
    "augment from three models": regimes.augment(n_real=8, n_synthetic=10, memory=3),
    "accumulate": regimes.accumulate(n=8),
    "subsample": regimes.accumulate_subsample(n=9),
    "fresh": regimes.fresh(n_real=6, n_synthetic=9),
    "weights": regimes.fresh(n_real=6, n_synthetic=9, weights=(2.0, 1.0)),
    "logarithmic": Regime(n_initial=8, n_real=8, n_synthetic=6, real_data="fixed", retain="logarithmic"),
    "budget": Regime(n_initial=9, n_real=9, n_synthetic=9, real_data="fresh", budget=12),
}


class Bootstrap:
    """A generator of one's own: resamples its training points; no expand, no bias."""

    def __init__(self, points=None):
        self.points = points

    def fit(self, data, *, rng):
        return Bootstrap(np.array(data))

    def sample(self, n, *, rng):
        return self.points[rng.integers(len(self.points), size=n)]


def loop(regime="replace", *treated, **changes):
    keywords = {"real": REAL, "model": mad.Gaussian(), "regime": REGIMES[regime], "treatments": treated}
    return mad.Loop(**(keywords | changes))


def source(treatment, model=MODEL, replicates=(), real=REAL):
    """What a treatment makes of a model, outside a loop."""
    snapshot = mad.start(mad.Loop(real=real, model=mad.Gaussian(), regime=regimes.replace(n=9)), rng=0)
    return treatment.treated(model, mad.Snapshot(**(vars(snapshot) | {"replicates": replicates})))


def runs(loop, generations=4, **keywords):
    keywords = {"replicates": 3, "rng": 5, "progress": False} | keywords
    return mad.simulate(loop, generations, **keywords)


# Invariants -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [None, 0.8])
@pytest.mark.parametrize("method", ["statistics", "samples"])
@pytest.mark.parametrize("name", REGIMES)
def test_strength_0_is_no_treatment_bit_for_bit(name, method, bias):
    if method == "statistics" and name in ("logarithmic", "subsample"):
        return
    plain = runs(loop(name, bias=bias), method=method)
    for none in (treatments.correct(0), treatments.correct(0.0, toward=MODEL)):
        assert runs(loop(name, none, bias=bias), method=method).equals(plain)
    some = runs(loop(name, treatments.correct(0.5), bias=bias), method=method)
    assert not some.equals(plain)


@pytest.mark.parametrize("name", REGIMES)
def test_infinite_strength_trains_on_true_samples(name):
    """Every point comes from the law corrected towards, unbiased: here a set of recognisable points."""
    points = np.array([[100.0, 0.0], [101.0, 3.0], [99.0, 7.0], [100.0, -5.0]])
    perfect = treatments.correct(np.inf, toward=points)
    for treated in ((perfect,), (treatments.correct(1.0), perfect)):
        last = mad.start(loop(name, *treated, bias=0.3), rng=3, method="samples")
        for _ in range(3):
            last = mad.step(loop(name, *treated, bias=0.3), last)
        trained = getattr(last.training_set, "points", last.training_set)
        synthetic = trained[trained[:, 0] > 50]
        assert len(synthetic) > 0
        assert all((row == points).all(1).any() for row in synthetic)
        if name == "replace":
            assert len(synthetic) == 12


def test_infinite_strength_is_the_law_of_a_real_fit():
    """The replace loop restarts from real data in every generation: exact law of the variance."""
    one = mad.Gaussian([0.0], [[1.0]])
    perfect = loop("replace", treatments.correct(np.inf), real=one)
    for method in ("statistics", "samples"):
        done = runs(perfect, 5, method=method, replicates=2000)
        scatter = 11 * done["total_variance"].sel(generation=5)
        assert stats.kstest(scatter, stats.chi2(11).cdf).pvalue > 1e-6
        assert stats.kstest(scatter, stats.chi2(12).cdf).pvalue < 1e-3  # negative control


@given(st.floats(0, 1e6))
def test_share(strength):
    share = treatments.correct(strength).share
    assert share == pytest.approx(strength / (1 + strength))
    assert 0 <= share <= 1


# The law of corrected points ------------------------------------------------------------------------


def mixture_cdf(share, bias=1.0):
    def cdf(x):
        model = stats.norm(4.0, np.sqrt(0.5 * bias)).cdf(x)
        return (1 - share) * model + share * stats.norm(1.0, np.sqrt(2.0)).cdf(x)

    return cdf


@pytest.mark.parametrize("bias", [None, 0.5])
@pytest.mark.parametrize("strength", [0.1, 1.0, 4.0])
def test_corrected_points_follow_the_mixture(strength, bias):
    corrected = source(treatments.correct(strength))
    points = corrected.sample(4000, rng=np.random.default_rng(1), bias=bias)
    share = strength / (1 + strength)
    assert stats.kstest(points[:, 0], mixture_cdf(share, bias or 1.0)).pvalue > 1e-6
    # Negative controls: the strength itself as a share, and a bias that also acts on the truth.
    assert stats.kstest(points[:, 0], mixture_cdf(min(1.7 * share, 1.0), bias or 1.0)).pvalue < 1e-6


def test_first_points_are_as_corrected_as_the_last():
    """Logarithmic accrual keeps the first points longer: their places must not tell where they come from."""
    model, real = mad.Gaussian([0.0], [[1.0]]), mad.Gaussian([50.0], [[1.0]])
    corrected = source(treatments.correct(1.0), model.expand(2000), (2000,), real=real)
    true = corrected.sample(10, rng=np.random.default_rng(2))[..., 0] > 25
    assert_mean_matches(true, 0.5, std=0.5)
    assert_mean_matches(true[:, 0] & true[:, 1], 0.25, std=np.sqrt(3) / 4)  # and are independent
    assert_mean_matches(true[0::2, 0] & true[1::2, 0], 0.25, std=np.sqrt(3) / 4)


def test_truth_without_expand_is_drawn_anew_for_each_replicate():
    class Plain:
        def sample(self, n, *, rng):
            return rng.standard_normal((n, 2))

    corrected = source(treatments.correct(np.inf, toward=Plain()), MODEL.expand(5), (5,))
    points = corrected.sample(7, rng=np.random.default_rng(0))
    assert points.shape == (5, 7, 2)
    assert len(np.unique(points[..., 0])) == 35


def test_statistics_take_one_size_for_each_replicate():
    n = np.array([0, 1, 5, 400])
    corrected = source(treatments.correct(1.0), MODEL.expand(4), (4,))
    drawn = corrected.sample_statistic(n, rng=np.random.default_rng(0))
    np.testing.assert_allclose(drawn.weight, n)
    assert drawn.mean.shape == (4, 2)
    assert np.isfinite(drawn.scatter).all()


@pytest.mark.parametrize("strength", [0.2, 3.0])
def test_statistics_and_samples_have_the_moments_of_theory(strength):
    n, many = 6, 20_000
    law = correction.mixture_moments(
        mean=MODEL.mean, covariance=0.7 * MODEL.covariance, correction=strength,
        real_mean=REAL.mean, real_covariance=REAL.covariance,
    )  # fmt: skip
    corrected = source(treatments.correct(strength), MODEL.expand(many), (many,))
    rng = np.random.default_rng(4)
    points = mad.data.Moments.of(corrected.sample(n, rng=rng, bias=0.7))
    for moments in (points, corrected.sample_statistic(n, rng=rng, bias=0.7)):
        assert_mean_matches(moments.mean, law["mean"], std=np.sqrt(np.diag(law["covariance"]) / n))
        assert_mean_matches(moments.scatter.reshape(many, 4), (n - 1) * np.ravel(law["covariance"]))
        between = law["covariance"] - correction.mixture_moments(
            mean=REAL.mean, covariance=0.7 * MODEL.covariance, correction=strength,
            real_mean=REAL.mean, real_covariance=REAL.covariance,
        )["covariance"]  # fmt: skip
        with pytest.raises(AssertionError):  # negative control: without the part between the two means
            assert_mean_matches(
                moments.scatter.reshape(many, 4), (n - 1) * np.ravel(law["covariance"] - between)
            )


@pytest.mark.parametrize("strength", [0.3, 2.0])
@pytest.mark.parametrize("name", ["replace", "augment", "accumulate", "fresh"])
def test_interpreters_agree(name, strength):
    keywords = {"correction": strength, "bias": 0.9, "generations": 5}
    keywords["spectrum"] = np.linalg.eigvalsh(REAL.covariance)
    theory = {
        "replace": lambda: correction.replace(n=12, **keywords),
        "augment": lambda: correction.augment(n_real=8, n_synthetic=10, **keywords),
        "accumulate": lambda: correction.accumulate(n=8, **keywords),
        "fresh": lambda: correction.fresh(n_real=6, n_synthetic=9, **keywords),
    }[name]()
    treated = loop(name, treatments.correct(strength), bias=0.9)
    measured = (metrics.total_variance, metrics.mean_error)
    for method, seed in (("statistics", 1), ("samples", 2)):
        done = runs(treated, 5, method=method, replicates=1500, rng=seed, metrics=measured)
        for key, expected in theory.items():
            assert_mean_matches(done[key], expected, name=f"{name} {method} {key}")


def test_corrected_tokens_are_migrants():
    """Drift against migration: exact stationary variance of token probabilities, for both methods."""
    n, p, m = 10, np.array([0.5, 0.3, 0.2]), 1 / 3
    treated = mad.Loop(
        real=Categorical(p), model=Categorical(), regime=regimes.replace(n=n),
        treatments=treatments.correct(m / (1 - m)),
    )  # fmt: skip
    variance = p * (1 - p) / (n - (n - 1) * (1 - m) ** 2)
    for method in ("statistics", "samples"):
        last = mad.start(treated, rng=0, replicates=3000, method=method)
        for _ in range(20):
            last = mad.step(treated, last)
        assert_mean_matches(last.model.probabilities, p)
        assert_mean_matches((last.model.probabilities - p) ** 2, variance)
        with pytest.raises(AssertionError):
            assert_mean_matches((last.model.probabilities - p) ** 2, p * (1 - p) / n)


def test_interpreters_disagree_about_another_strength():
    """Negative control of the test above."""
    done = runs(loop("replace", treatments.correct(0.3)), 5, replicates=1500)
    wrong = correction.replace(n=12, correction=0.6, generations=5, spectrum=(1.0, 2.0))
    with pytest.raises(AssertionError):
        assert_mean_matches(done["mean_error"], wrong["mean_error"])


# Every loop -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REGIMES)
@pytest.mark.parametrize(
    "treatment",
    [
        treatments.correct(0.5),
        treatments.correct(0.5, envelope="histogram"),
        treatments.correct(0.5, envelope="published"),
        treatments.project(treatments.nearest([[0.0, 0.0], [1.0, -2.0], [3.0, -1.0]])),
        treatments.verify(lambda x: x[..., 0] > -1, keep_incorrect=0.1),
    ],
    ids=["correct", "histogram", "published", "project", "verify"],
)
def test_treatments_work_in_every_loop(name, treatment):
    done = runs(loop(name, treatment, bias=0.9), method="samples")
    assert np.isfinite(done["total_variance"]).all()
    # One replicate at a time, for a generator that cannot be expanded and knows no bias.
    own = loop(name, treatment, model=Bootstrap(), bias=None)
    if REGIMES[name].weights is None:
        snapshot = mad.start(own, rng=1)
        for _ in range(3):
            snapshot = mad.step(own, snapshot)
        assert np.isfinite(snapshot.training_set).all()


def test_treatments_are_applied_in_order():
    up = treatments.project(lambda x: x + 1000.0)
    after = source(up, source(treatments.correct(1.0))).sample(200, rng=np.random.default_rng(0))
    assert (after > 900).all()
    before = source(treatments.correct(1.0), source(up)).sample(200, rng=np.random.default_rng(0))
    assert 0.3 < (before[:, 0] > 900).mean() < 0.7


@pytest.mark.parametrize(
    ("treatment", "message"),
    [
        (treatments.project(lambda x: x), "project maps individual points"),
        (treatments.verify(lambda x: x[..., 0] > 0), "verify keeps or drops individual points"),
        (treatments.correct(1.0, envelope="published"), "envelope='published'.* a histogram of individual"),
        (treatments.correct(1.0, toward=Bootstrap()), "toward Bootstrap, which has no sample_statistic"),
    ],
)
def test_statistics_say_what_stands_in_the_way(treatment, message):
    with pytest.raises(ValueError, match=rf"{message}.*Use method='samples'"):
        runs(loop("replace", treatment), method="statistics")
    assert runs(loop("replace", treatments.correct(1.0))).attrs["method"] == "statistics"


# Projection -----------------------------------------------------------------------------------------


def test_nearest_takes_the_nearest():
    rng = np.random.default_rng(0)
    centres, points = rng.standard_normal((5, 3)) + 10, rng.standard_normal((2, 40, 3)) + 10
    found = treatments.nearest(centres)(points)
    distance = np.linalg.norm(points[..., None, :] - centres, axis=-1)
    np.testing.assert_array_equal(found, centres[distance.argmin(-1)])


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.ma.masked_less(np.ones((3, 2)) * [[0], [1], [2]], 1), "holds 2 masked values"),
        (np.array([[np.nan, 1.0]]), "1 values that are not finite"),
        (np.array([[np.inf, 1.0]]), "1 values that are not finite"),
        (np.ones((3, 2)) + 1j, "complex128 values"),
        (np.ones((3, 2)).astype(str), "not real numbers"),
        (np.ones((3, 4)), "the centres have 2 coordinates"),
    ],
)
def test_nearest_refuses_what_has_no_nearest(points, message):
    with pytest.raises(ValueError, match=message):
        treatments.nearest(np.eye(2))(points)
    np.testing.assert_array_equal(treatments.nearest(np.eye(2))([[0.9, 0.2]]), [[1.0, 0.0]])


def test_projection_is_applied_to_every_point():
    halved = treatments.project(lambda x: x / 2)
    plain = MODEL.sample(50, rng=np.random.default_rng(1), bias=0.5)
    done = source(halved).sample(50, rng=np.random.default_rng(1), bias=0.5)
    np.testing.assert_array_equal(done, plain / 2)


# Verification ---------------------------------------------------------------------------------------


def test_verified_points_follow_the_conditional_law():
    verified = source(treatments.verify(lambda x: np.abs(x[..., 0] - 4) < 0.5), MODEL.expand(40), (40,))
    points = verified.sample(100, rng=np.random.default_rng(1))
    assert points.shape == (40, 100, 2)
    law = stats.norm(4, np.sqrt(0.5))
    low, high = law.cdf(3.5), law.cdf(4.5)
    assert stats.kstest(points[..., 0].ravel(), lambda x: (law.cdf(x) - low) / (high - low)).pvalue > 1e-6
    assert stats.kstest(points[..., 0].ravel(), law.cdf).pvalue < 1e-6


def test_an_imperfect_verifier_keeps_the_share_of_theory():
    from madtheory.theory import verification

    one = mad.Gaussian([0.0], [[1.0]])
    check = treatments.verify(lambda x: x[..., 0] < 0.5, keep_correct=0.8, keep_incorrect=0.3)
    kept = source(check, one, real=one).sample(20_000, rng=np.random.default_rng(3))
    wrong = 1 - stats.norm.cdf(0.5)
    law = verification.verified_label_error(label_error=wrong, keep_correct=0.8, keep_incorrect=0.3)
    share = float(law["label_error"])
    assert_mean_matches(kept[:, 0] >= 0.5, share, std=np.sqrt(share * (1 - share)))
    with pytest.raises(AssertionError):
        assert_mean_matches(kept[:, 0] >= 0.5, wrong, std=np.sqrt(wrong * (1 - wrong)))


def test_probabilities_and_equal_chances():
    one = mad.Gaussian([0.0], [[1.0]])
    tilted = treatments.verify(lambda x: 1 / (1 + np.exp(-2 * x[..., 0])))
    points = source(tilted, one, real=one).sample(8000, rng=np.random.default_rng(3))[:, 0]
    # Density 2 phi(x) / (1 + exp(-2x)): E|x|-odd parts give the mean E[x tanh x].
    grid = np.linspace(-9, 9, 20001)
    expected = np.trapezoid(grid * np.tanh(grid) * stats.norm.pdf(grid), grid)
    assert_mean_matches(points, expected)
    same = treatments.verify(lambda x: x[..., 0] > 0, keep_correct=0.4, keep_incorrect=0.4)
    points = source(same, one, real=one).sample(4000, rng=np.random.default_rng(3))[:, 0]
    assert stats.kstest(points, stats.norm.cdf).pvalue > 1e-6


def test_a_verifier_that_lets_nothing_pass_is_named():
    nothing = source(treatments.verify(lambda x: x[..., 0] > 1e9))
    with pytest.raises(ValueError, match=r"verify kept 0 of \d+ points"):
        nothing.sample(3, rng=np.random.default_rng(0))


def test_rejection_fills_slow_replicates_in_order():
    rng = np.random.default_rng(0)

    def propose(many):
        x = rng.random((3, many))
        return x[..., None], x < np.array([[1.0], [0.5], [0.01]])

    points = draw_accepted(propose, 20, refusal="")[..., 0]
    assert points.shape == (3, 20)
    assert (points < np.array([[1.0], [0.5], [0.01]])).all()
    assert stats.kstest(points[2] * 100, stats.uniform.cdf).pvalue > 1e-6


# The published sampler ------------------------------------------------------------------------------


def test_histogram_keeps_the_mean_and_the_published_envelope_does_not():
    """Only the formula keeps both moments of a batch that needs no correction."""
    truth = mad.Gaussian.standard(2)
    model, many = truth.expand(1500), (1500,)
    total = {}
    for envelope in ("exact", "histogram", "published"):
        treated = source(treatments.correct(0.1, envelope=envelope), model, many, real=truth)
        points = treated.sample(25, rng=np.random.default_rng(2))
        total[envelope] = points.var(-2, ddof=0).sum(-1) * 25 / 24
        if envelope == "published":  # its first bin reaches too far down
            with pytest.raises(AssertionError):
                assert_mean_matches(points.mean(-2), 0.0)
            assert (points.mean((0, 1)) < -0.02).all()
        else:
            assert_mean_matches(points.mean(-2), 0.0)
    assert_mean_matches(total["exact"], 2.0)
    # A resampled batch has the share 1 - 1/25 of its variance, and its outermost points are drawn inwards.
    assert 1.8 < total["histogram"].mean() < 1.92
    assert 1.35 < total["published"].mean() < 1.5


def test_published_sampler_repeats_a_plain_loop():
    """The vectorised sampler has the law of the published code's loop over candidates."""

    def plain(data, share, rng):
        density, xs, ys = np.histogram2d(data[:, 0], data[:, 1], bins=10, density=True)
        peak = stats.multivariate_normal.pdf([0, 0], [0, 0], np.eye(2))
        bound = ((1 - share) * density.max() + share * peak) / peak
        kept = []
        while len(kept) < len(data):
            point = rng.standard_normal(2)
            i, j = int((point[0] - xs[0]) / (xs[1] - xs[0])), int((point[1] - ys[0]) / (ys[1] - ys[0]))
            value = density[i, j] if 0 <= i < 10 and 0 <= j < 10 else 0.0
            normal = np.exp(-0.5 * point @ point) / (2 * np.pi)
            if ((1 - share) * value + share * normal) / (bound * normal) > rng.random():
                kept.append(point)
        return np.array(kept)

    rng = np.random.default_rng(7)
    model = mad.Gaussian([0.5, 0.0], [[0.5, 0.1], [0.1, 1.2]])
    slow = np.array([plain(model.sample(10, rng=rng), 0.3, rng) for _ in range(400)])
    truth = mad.Gaussian.standard(2)
    treated = treatments.correct(0.3 / 0.7, envelope="published")
    fast = source(treated, model.expand(400), (400,), real=truth).sample(10, rng=rng)
    for statistic in (lambda x: x.mean(-2)[:, 0], lambda x: x.var(-2).sum(-1), lambda x: x[:, 0, 0]):
        assert stats.ks_2samp(statistic(slow), statistic(fast)).pvalue > 1e-6
    exact = source(treatments.correct(0.3 / 0.7), model.expand(400), (400,), real=truth).sample(10, rng=rng)
    assert stats.ks_2samp(slow.var(-2).sum(-1), exact.var(-2).sum(-1)).pvalue < 1e-6  # negative control


# Errors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: treatments.correct(-1), ValueError, r"strength=-1 .* from 0 \(none\) to infinity"),
        (lambda: treatments.correct(np.nan), ValueError, "strength=nan"),
        (lambda: treatments.correct("much"), ValueError, "strength='much'"),
        (lambda: treatments.correct(1, envelope="x"), ValueError, "envelope='x' is unknown; choose one of"),
        (lambda: treatments.correct(1, toward=[1.0]), ValueError, "toward has shape"),
        (lambda: treatments.project(3), TypeError, "function=3 cannot be called"),
        (lambda: treatments.nearest(np.zeros((2, 2, 2))), ValueError, r"centres has shape \(2, 2, 2\)"),
        (lambda: treatments.verify(3), TypeError, "accept=3 cannot be called"),
        (lambda: treatments.verify(abs, keep_correct=2), ValueError, "keep_correct=2 is not a probability"),
        (lambda: treatments.verify(abs, keep_correct=0), ValueError, "both 0"),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("treatment", "message"),
    [
        (treatments.project(lambda x: x[..., :1]), r"function\(points\) has shape \(9, 1\)"),
        (treatments.project(lambda x: x * np.nan), r"function\(points\) holds 18 values"),
        (treatments.verify(lambda x: x), r"accept\(points\) has shape \(9, 2\)"),
        (treatments.verify(lambda x: 2 + x[..., 0] ** 2), "a boolean or a probability"),
        (treatments.correct(1, toward=[[0.0, 1.0]], envelope="published"), "a Gaussian to correct towards"),
    ],
)
def test_bad_answers(treatment, message):
    with pytest.raises(ValueError, match=message):
        source(treatment).sample(9, rng=np.random.default_rng(0))


def test_a_histogram_has_two_dimensions():
    one = mad.Gaussian([0.0], [[1.0]])
    with pytest.raises(ValueError, match="1 coordinates; a histogram of 2"):
        source(treatments.correct(1, envelope="histogram"), one, real=one).sample(
            9, rng=np.random.default_rng(0)
        )
