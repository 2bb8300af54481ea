"""SIMS and Neon as generators: identities, laws, statistics, errors; their figures."""

import pickle

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

import madtheory as mad
from madtheory import metrics, regimes, treatments
from madtheory.abilities import can
from madtheory.models.extrapolated import SIMS, Neon
from madtheory.models.extrapolated_gaussian import extrapolated_gaussian, guided_gaussian
from madtheory.testing import check_generative_model
from madtheory.theory import guidance as theory
from paper_scripts.gallery import all_figures
from simulations import self_improvement

FIGURES = all_figures()

PLANE = mad.Gaussian([1.0, -1.0], [[2.0, 1.0], [1.0, 2.0]])
MEASURED = [metrics.wasserstein2_squared, metrics.log_volume, metrics.mean_error, metrics.total_variance]


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.mark.parametrize("real", [mad.Gaussian.standard(1), PLANE], ids=["1d", "2d"])
@pytest.mark.parametrize("scheme", [SIMS, Neon])
def test_contract(scheme, real):
    check_generative_model(scheme(mad.Gaussian(), 0.5, n_auxiliary=300), real=real)


@pytest.mark.parametrize("method", ["statistics", "samples"])
@pytest.mark.parametrize("scheme", [SIMS, Neon])
def test_weight_0_is_the_base_bit_for_bit(scheme, method):
    settings = {"replicates": 5, "metrics": MEASURED, "rng": 3, "method": method, "progress": False}
    for regime in (regimes.replace(n=20), regimes.augment(n_real=10, n_synthetic=10)):
        base, none, some = (
            mad.simulate(mad.Loop(real=PLANE, model=model, regime=regime), 5, **settings)
            for model in (mad.Gaussian(), scheme(mad.Gaussian(), 0), scheme(mad.Gaussian(), 0.1))
        )
        assert none.equals(base)
        assert not some.equals(base)


@pytest.mark.parametrize("scheme", [SIMS, Neon])
def test_weight_minus_1_is_the_self_trained_model(scheme):
    points = PLANE.sample(30, rng=np.random.default_rng(0))
    fitted = scheme(mad.Gaussian(), -1, n_auxiliary=17).fit(points, rng=np.random.default_rng(5))
    base = mad.Gaussian().fit(points)
    trained = base.fit(base.sample(17, rng=np.random.default_rng(5)))
    assert np.array_equal(fitted.covariance, trained.covariance)
    assert np.array_equal(fitted.mean, trained.mean)
    assert np.array_equal(fitted.base.covariance, base.covariance)


def test_guided_gaussians_are_the_theory():
    rng = np.random.default_rng(2)
    for dim in (1, 2, 4):
        roots = rng.normal(size=(2, 3, dim, dim + 2)) * 10.0 ** rng.integers(-3, 3, (1, 3, 1, 1))
        covariances, means = roots @ np.swapaxes(roots, -1, -2), rng.normal(size=(2, 3, dim))
        base, auxiliary = (mad.Gaussian(m, v) for m, v in zip(means, covariances, strict=True))
        for w in (-2.0, -0.5, 0.7, 3.0):
            made = guided_gaussian(base, auxiliary, w)
            logs = np.linalg.slogdet(covariances)[1]
            assert np.allclose(made.log_volume, (1 + w) * logs[0] - w * logs[1], atol=1e-9)
            for i in range(3):
                law = theory.sims_law(
                    mean=means[0, i], covariance=covariances[0, i], auxiliary_mean=means[1, i],
                    auxiliary_covariance=covariances[1, i], guidance=w,
                )  # fmt: skip
                size = np.abs(law["covariance"]).max()
                assert np.abs(made.covariance[i] - law["covariance"]).max() < 2e-6 * size
                reach = np.sqrt(size) + np.abs(law["mean"]).max()
                assert np.abs(made.mean[i] - law["mean"]).max() < 1e-5 * reach
    close = mad.Gaussian(means[0], 0.9 * covariances[0])
    made = extrapolated_gaussian(base, close, 2.0)
    assert np.allclose(made.covariance, 1.2 * covariances[0])


def test_commuting_covariances_extrapolate_their_logarithms_exactly():
    base = mad.Gaussian([0.0, 0.0], PLANE.covariance)
    auxiliary = mad.Gaussian([0.1, 0.0], PLANE.covariance @ PLANE.covariance)
    made = guided_gaussian(base, auxiliary, 0.5)
    values, axes = np.linalg.eigh(PLANE.covariance)
    assert np.allclose(made.covariance, (axes * values**0.5) @ axes.T, rtol=1e-9)


def test_replicates_are_independent_and_alike():
    """What one replicate becomes does not depend on the others, exponents included."""
    rng = np.random.default_rng(1)
    model = SIMS(mad.Gaussian(), 1.0, n_auxiliary=12)
    fitted = model.fit(PLANE.expand(6).sample_statistic(10, rng=rng), rng=rng)
    assert fitted.mean.shape == (6, 2)
    assert fitted.covariance.shape == (6, 2, 2)
    for i in range(6):
        parts = [mad.Gaussian(m.mean[i], m.covariance[i]) for m in (fitted.base, fitted.auxiliary)]
        assert np.allclose(guided_gaussian(*parts, 1.0).covariance, fitted.covariance[i], rtol=1e-6)
    more = fitted.expand(4)
    assert more.covariance.shape == (4, 6, 2, 2)
    assert more.sample(3, rng=rng).shape == (4, 6, 3, 2)
    copy = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(copy.covariance, fitted.covariance)


@pytest.mark.parametrize("dim", [1, 2])
def test_collapse_does_not_underflow(dim):
    """A biased loop far below the smallest double; w = 0.5 halves the fall."""
    model = SIMS(mad.Gaussian(), 0.5, auxiliary_bias=0.25)
    generations = 1500 if dim == 1 else 1200
    loop = mad.Loop(real=mad.Gaussian.standard(dim), model=model, regime=regimes.replace(n=500), bias=0.25)
    run = mad.simulate(
        loop, generations, replicates=2, metrics=[metrics.log_volume], rng=0, record="last", progress=False
    )
    rate = float(theory.rate(guidance=0.5, n=500, dim=dim, bias=0.25))
    std = float(np.sqrt(theory.log_variance_growth(guidance=0.5, n=500, dim=dim) * generations))
    assert rate * generations < -740 * dim
    assert (abs(run["log_volume"].values - rate * generations) < 6 * std).all()


def test_the_two_synthetic_streams_are_apart():
    """The auxiliary's samples come from the base, the next generation's from the guided model."""
    loop = mad.Loop(
        real=mad.Gaussian.standard(1),
        model=SIMS(mad.Gaussian(), 1.0, n_auxiliary=10**6, auxiliary_bias=0.25),
        regime=regimes.replace(n=10**6),
    )  # fmt: skip
    first = mad.start(loop, rng=0)
    assert np.isclose(first.model.base.covariance.item(), 1, rtol=0.02)
    assert np.isclose(first.model.auxiliary.covariance.item(), 0.25, rtol=0.02)
    assert np.isclose(first.model.covariance.item(), 4, rtol=0.02)
    assert np.isclose(mad.step(loop, first).model.base.covariance.item(), 4, rtol=0.02)


def test_self_training_of_a_finished_model():
    rng = np.random.default_rng(0)
    made = SIMS(PLANE, 1.0, auxiliary_bias=0.5).self_trained(100_000, rng=rng)
    assert np.allclose(made.covariance, 2 * PLANE.covariance, rtol=0.03)


@pytest.mark.parametrize("scheme", [SIMS, Neon])
def test_another_weight_without_training(scheme):
    points = PLANE.sample(40, rng=np.random.default_rng(0))
    made = scheme(mad.Gaussian(), 0.3, n_auxiliary=30).fit(points, rng=np.random.default_rng(5))
    for w in (-1, 0, 0.2):
        again = scheme(mad.Gaussian(), w, n_auxiliary=30).fit(points, rng=np.random.default_rng(5))
        moved = made.at(w)
        assert getattr(moved, moved._weight_name) == w
        assert moved.base is made.base
        assert moved.auxiliary is made.auxiliary
        assert np.array_equal(moved.covariance, again.covariance)
        assert np.array_equal(moved.mean, again.mean)
    assert np.array_equal(made.at(0.2).at(0.3).covariance, made.covariance)
    assert getattr(made, made._weight_name) == 0.3
    template = scheme(mad.Gaussian(), 0.3, n_auxiliary=30).at(-1)
    assert template.law is None
    assert np.array_equal(
        template.fit(points, rng=np.random.default_rng(5)).covariance, made.auxiliary.covariance
    )
    with pytest.raises(ValueError, match="finite"):
        made.at(np.inf)


def upper(points):
    return points[..., 0] > 0


def test_treatments_of_the_synthetic_set():
    """Distribution control: S is the upper half, of mean sqrt(2 / pi), and Neon's mean moves down by it.

    Standard error 0.0019 (both means): an error of 1 % of the shift is seen with z = 4; without the treatment
    the shift would be 0.
    """
    rng, n = np.random.default_rng(1), 100_000
    base = mad.Gaussian.standard(1)
    model = Neon(base, 0.5, treatments=treatments.verify(upper))
    made = model.self_trained(n, rng=rng)
    error = 0.5 * np.sqrt((1 - 2 / np.pi) / n)
    assert abs(made.mean.item() + 0.5 * np.sqrt(2 / np.pi)) < 5 * error
    assert abs(Neon(base, 0.5).self_trained(n, rng=rng).mean.item() + 0.5 * np.sqrt(2 / np.pi)) > 50 * error
    both = SIMS(base, 1.0, treatments=[treatments.verify(upper), treatments.project(np.negative)])
    assert both.self_trained(1000, rng=rng).auxiliary.mean < -0.5


def test_treatments_need_points():
    model = SIMS(mad.Gaussian(), 0.5, treatments=[treatments.verify(upper)])
    assert not can(model, "sample_statistic")
    loop = mad.Loop(real=PLANE, model=model, regime=regimes.replace(n=50))
    snapshot = mad.start(loop, rng=0, replicates=3)
    assert snapshot.method == "samples"
    assert (snapshot.model.auxiliary.mean[..., 0] > 0.5).all()
    drawn = model.fit(PLANE.sample_statistic(50, rng=np.random.default_rng(0)), rng=np.random.default_rng(1))
    assert drawn.auxiliary.mean[0] > 1
    with pytest.raises(ValueError, match="has no sample_statistic"):
        mad.start(loop, rng=0, method="statistics")


class Broken:
    def treated(self, model, snapshot):
        return model.nothing


@pytest.mark.parametrize(
    ("treatment", "error", "match"),
    [
        (treatments.correct(1.0), TypeError, r"Correction.* needs the 'real' .* project, verify, curate"),
        (treatments.correct(1.0, toward=PLANE), TypeError, "needs the 'replicates'"),
        (Broken(), AttributeError, "'Gaussian' object has no attribute 'nothing'"),
    ],
)
def test_treatments_that_cannot_be_used(treatment, error, match):
    model = SIMS(mad.Gaussian(), 0.5, treatments=treatment)
    with pytest.raises(error, match=match):
        model.fit(np.eye(3), rng=np.random.default_rng(0))


class Own:
    """A base of one's own."""

    def __init__(self, level=0.0):
        self.level = level

    def fit(self, data, *, rng):
        return Own(float(np.mean(data)))

    def sample(self, n, *, rng):
        return self.level + rng.random((n, 1))

    def guided(self, auxiliary, weight):
        return Own(self.level - weight * (auxiliary.level - self.level))


def test_any_base_that_can_be_guided():
    rng = np.random.default_rng(0)
    made = SIMS(Own(), 2.0, n_auxiliary=5000).fit(np.zeros((10, 1)), rng=rng)
    assert abs(made.law.level + 1.0) < 0.05  # the base's level is 0 and the auxiliary's 0.5
    assert not can(made, "sample_statistic")
    assert not can(made, "expand")
    loop = mad.Loop(real=mad.Gaussian.standard(1), model=SIMS(Own(), 0.5), regime=regimes.replace(n=10))
    assert mad.start(loop, rng=0).method == "samples"
    with pytest.raises(TypeError, match=r"Neon needs .* no method extrapolated\(auxiliary, weight\)"):
        Neon(Own(), 1.0)
    with pytest.raises(TypeError, match="samples a Own, which has no covariance"):
        made.covariance  # noqa: B018


class Trained(Own):
    """Trained step by step: every image moves the level a little."""

    def fine_tuned(self, data, *, images, learning_rate=1e-3, rng):
        return Trained(self.level + images * learning_rate * (float(np.mean(data)) - self.level))

    def fit(self, data, *, rng):
        return Trained(float(np.mean(data)))


def test_a_budget_of_images_seen():
    rng = np.random.default_rng
    made = SIMS(Trained(), 2.0, n_auxiliary=5000, budget=100).fit(np.zeros((10, 1)), rng=rng(0))
    fitted = SIMS(Trained(), 2.0, n_auxiliary=5000).fit(np.zeros((10, 1)), rng=rng(0))
    slower = SIMS(Trained(), 2.0, n_auxiliary=5000, budget=100, learning_rate=1e-4)
    assert made.auxiliary.level == pytest.approx(0.1 * fitted.auxiliary.level)
    assert slower.fit(np.zeros((10, 1)), rng=rng(0)).auxiliary.level == pytest.approx(
        0.01 * fitted.auxiliary.level
    )
    assert made.law.level == pytest.approx(-2 * made.auxiliary.level)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: SIMS(mad.Gaussian(), 1.0, budget=100), "a Gaussian is not trained .* no fine_tuned"),
        (lambda: Neon(mad.Gaussian(), 1.0, budget=100), "Leave budget out"),
        (lambda: SIMS(mad.Gaussian(), 1.0, treatments=[3]), "treatments holds 3"),
    ],
)
def test_what_a_base_cannot_do(call, match):
    with pytest.raises(TypeError, match=match):
        call()


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: SIMS(Trained(), 1.0, budget=0), "budget"),
        (lambda: SIMS(Trained(), 1.0, budget=10, learning_rate=0.0), "learning_rate=0.0 .* > 0"),
        (lambda: SIMS(Trained(), 1.0, learning_rate=0.1), "budget=None"),
        (lambda: SIMS(mad.Gaussian(), np.nan), "guidance"),
        (lambda: Neon(mad.Gaussian(), "much"), "weight"),
        (lambda: SIMS(mad.Gaussian(), 1.0, n_auxiliary=0), "n_auxiliary"),
        (lambda: SIMS(mad.Gaussian(), 1.0, auxiliary_bias=-1), "auxiliary_bias"),
        (lambda: SIMS(mad.Gaussian(), 1.0).sample(3, rng=np.random.default_rng()), r"fit\(data\)"),
        (
            lambda: SIMS(mad.Gaussian(), 1.0, n_auxiliary=2).fit(np.eye(3), rng=np.random.default_rng(0)),
            "covariance of the (base|auxiliary) is singular",
        ),
        (
            lambda: Neon(mad.Gaussian(), 50.0, n_auxiliary=9).self_trained(9, rng=np.random.default_rng(0)),
            "not fitted",
        ),
    ],
)
def test_errors(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_neon_without_a_law_says_so():
    base, wide = mad.Gaussian.standard(2), mad.Gaussian([0.0, 0.0], np.diag([0.5, 4.0]))
    with pytest.raises(ValueError, match=r"weight=1 extrapolates 1 of 1 .* use SIMS"):
        extrapolated_gaussian(base, wide, 1.0)
    assert guided_gaussian(base, wide, 1.0).covariance[1, 1] > 0


# Figures --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shown():
    return {
        "sims_distance": self_improvement.distance(quick=True, rng=1),
        "sims_rates": self_improvement.rates(quick=True, rng=1),
    }


def test_pictures_and_findings_show_the_data(shown):
    for name, data in shown.items():
        figure = FIGURES[name]
        assert figure.draw(data).axes
        found = figure.findings(data)
        assert "disagrees" not in [f.verdict for f in found]
        assert "not reproduced" not in [f.verdict for f in found]
    wrong = shown["sims_rates"].assign(predicted_rate=shown["sims_rates"]["predicted_rate"] + 0.1)
    assert FIGURES["sims_rates"].findings(wrong)[0].verdict == "disagrees"
    flat = shown["sims_distance"].copy(deep=True)
    flat["predicted_line"] = flat["predicted_line"] + 0.01
    assert FIGURES["sims_distance"].findings(flat)[0].verdict == "disagrees"


def test_biased_loop_with_real_data_is_better_with_sims():
    ends = {}
    for w in (0.0, 1.0):
        settings = {"n": 1000, "replicates": 20, "record": (1, 20), "seed": 4, "bias": 0.9}
        one = self_improvement.loops_of(regime="augment", weight=w, **settings)
        ends[w] = one["median"].isel(generation=-1).item()
    assert ends[1.0] < 0.6 * ends[0.0]


def test_loops_follow_theory_and_are_drawn():
    import xarray as xr

    parts = [
        [
            [
                [
                    self_improvement.loops_of(
                        regime=name, n=n, weight=w, bias=bias, replicates=30, record=(1, 4), seed=2
                    )
                    for w in (0.0, 1.0)
                ]
                for n in (1000, 20)
            ]
            for bias in (1.0, 0.9)
        ]
        for name in ("augment", "replace")
    ]
    data = xr.combine_nested(parts, ["regime", "bias", "size", "weight"], join="exact")
    data = data.assign_coords(
        regime=["augment", "replace"], bias=[1.0, 0.9], size=[1000, 20], weight=[0.0, 1.0]
    ).assign(stable_weight=(("bias", "size"), np.ones((2, 2))))
    z = (data["log_volume"] - data["predicted_log_volume"]) / data["log_volume_error"]
    assert abs(z.sel(regime="replace")).max() < 5
    found = FIGURES["sims_loops"].findings(data)
    assert found[-1].verdict == "agrees"
    assert len(FIGURES["sims_loops"].draw(data).axes) == 8
