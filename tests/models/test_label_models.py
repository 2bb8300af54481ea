"""Models of labels given inputs: fits, samples, statistics, designs, weights and refusals."""

import dataclasses

import numpy as np
import pytest

import madtheory as mad
from madtheory import data, metrics, regimes, testing
from madtheory.models import LogisticRegression, PoissonRegression

RNG = np.random.default_rng(0)
X = RNG.standard_normal((30, 3)) + 0.5
W = np.array([1.0, -2.0, 0.5])
POINTS = np.column_stack([X, X @ W + 0.3 * RNG.standard_normal(30)])
TRUTH = mad.LinearRegression(W, noise=0.3, design=X)


def test_a_fit_is_least_squares_by_points_and_by_statistics():
    fitted = mad.LinearRegression().fit(POINTS)
    want, residual, *_ = np.linalg.lstsq(X, POINTS[:, -1], rcond=None)
    np.testing.assert_allclose(fitted.coefficients, want, rtol=1e-10)
    assert float(fitted.noise_variance) == pytest.approx(residual.item() / 27, rel=1e-10)
    joined = data.join([data.Moments.of(POINTS[:11]), data.Moments.of(POINTS[11:])])
    by_statistic = mad.LinearRegression().fit(joined)
    np.testing.assert_allclose(by_statistic.coefficients, want, rtol=1e-9)
    np.testing.assert_allclose(by_statistic.noise_variance, fitted.noise_variance, rtol=1e-9)


def test_weights_and_ridge():
    weights = RNG.uniform(0.2, 3, 30)
    fitted = mad.LinearRegression(ridge=0.2, noise=1.0).fit(data.Weighted(POINTS, weights))
    gram = X.T * weights @ X / weights.sum() + 0.2 * np.eye(3)
    want = np.linalg.solve(gram, X.T * weights @ POINTS[:, -1] / weights.sum())
    np.testing.assert_allclose(fitted.coefficients, want, rtol=1e-10)
    doubled = mad.LinearRegression(ddof=0).fit(data.Weighted(POINTS, np.full(30, 2.0)))
    plain = mad.LinearRegression(ddof=0).fit(POINTS)
    np.testing.assert_allclose(doubled.noise_variance, plain.noise_variance, rtol=1e-10)


@pytest.mark.parametrize("rows", [2, 3, 5])
def test_fewer_points_than_inputs_have_the_fit_of_least_norm(rows):
    wide = RNG.standard_normal((rows, 6))
    fitted = mad.LinearRegression(noise=1.0).fit(wide)
    np.testing.assert_allclose(fitted.coefficients, np.linalg.pinv(wide[:, :-1]) @ wide[:, -1], rtol=1e-8)
    with pytest.raises(ValueError, match="degree of freedom"):
        mad.LinearRegression().fit(wide)


def test_dependent_inputs_have_the_fit_of_least_norm():
    doubled = np.column_stack([POINTS[:, :3], POINTS[:, 0], POINTS[:, 3]])
    fitted = mad.LinearRegression().fit(doubled)
    np.testing.assert_allclose(fitted.coefficients[0], fitted.coefficients[3], rtol=1e-8)
    np.testing.assert_allclose(
        fitted.noise_variance, mad.LinearRegression().fit(POINTS).noise_variance, rtol=1e-8
    )


def test_a_fixed_design_is_used_row_by_row():
    drawn = TRUTH.sample(40, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(drawn[:, :-1], X[np.arange(40) % 30])
    own = mad.LinearRegression().fit(POINTS).sample(7, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(own[:, :-1], X[:7])


@pytest.mark.parametrize("n", [2, 7, 30, 41, 60])
@pytest.mark.parametrize("law", ["fixed", "gaussian", "rows"])
def test_the_statistic_has_the_law_of_the_moments_of_points(n, law):
    """Means and mean squares of every moment; negative control: the statistic of half as many points."""
    design = {"fixed": X, "gaussian": mad.Gaussian(W, np.diag([1.0, 2.0, 0.5])), "rows": data.Empirical(X)}[
        law
    ]
    model = mad.LinearRegression(W, noise=0.8, design=design).expand(12_000)

    def moments_of(held):
        second = held.scatter / held.weight + held.mean[..., :, None] * held.mean[..., None, :]
        return second[:, *np.tril_indices(4)]

    points = moments_of(data.Moments.of(model.sample(n, rng=np.random.default_rng(2), bias=0.7)))
    drawn = moments_of(model.sample_statistic(n, rng=np.random.default_rng(3), bias=0.7))
    half = moments_of(model.sample_statistic(max(n // 2, 1), rng=np.random.default_rng(3), bias=0.7))

    def score(a, b, power):
        a, b = a**power, b**power
        error = np.sqrt((a.var(0) + b.var(0)) / len(a))
        return np.abs((a - b).mean(0) / np.where(error > 1e-10, error, 1.0)).max()

    assert score(points, drawn, 1) < 5
    assert score(points, drawn, 2) < 5
    assert score(points, half, 2) > 5


def test_metrics_by_hand():
    loop = mad.Loop(real=TRUTH, model=mad.LinearRegression(), regime=regimes.replace(n=30))
    snapshot = mad.start(loop, rng=0)
    error = np.asarray(snapshot.model.coefficients) - W
    assert float(metrics.excess_risk(snapshot)) == pytest.approx(((X @ error) ** 2).mean(), rel=1e-10)
    assert float(metrics.parameter_error(snapshot)) == pytest.approx(error @ error, rel=1e-10)
    assert [metric.__name__ for metric in metrics.defaults(loop)] == ["excess_risk", "parameter_error"]


def test_rows_are_a_truth_too():
    """The best linear predictor of the rows; risk in excess of its squared loss."""
    loop = mad.Loop(real=POINTS, model=mad.LinearRegression(), regime=regimes.replace(n=30))
    snapshot = mad.start(loop, rng=0)
    losses = [
        ((POINTS[:, -1] - X @ w) ** 2).mean()
        for w in (np.asarray(snapshot.model.coefficients), np.linalg.lstsq(X, POINTS[:, -1], rcond=None)[0])
    ]
    assert float(metrics.excess_risk(snapshot)) == pytest.approx(losses[0] - losses[1], rel=1e-8)


def test_metrics_of_labels_refuse_other_loops():
    loop = mad.Loop(real=mad.Gaussian.standard(2), model=mad.Gaussian(), regime=regimes.replace(n=9))
    with pytest.raises(TypeError, match="LinearRegression"):
        mad.simulate(loop, 2, replicates=2, metrics=[metrics.excess_risk])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mad.LinearRegression([1.0]), "without noise"),
        (lambda: mad.LinearRegression(noise=-1.0), "noise=-1.0"),
        (lambda: mad.LinearRegression(ridge=-1.0), "ridge=-1.0"),
        (lambda: mad.LinearRegression([1.0, 2.0], noise=1.0, design=X), "columns"),
        (lambda: mad.LinearRegression(design=[1.0, 2.0]), "design has shape"),
        (lambda: mad.LinearRegression().fit([[1.0], [2.0]]), "no inputs"),
        (lambda: mad.LinearRegression().sample(3, rng=np.random.default_rng(0)), "not fitted"),
        (lambda: mad.LinearRegression([1.0], noise=1.0).sample(3, rng=np.random.default_rng(0)), "no inputs"),
        (lambda: LogisticRegression().fit(POINTS), "0 or 1"),
        (lambda: PoissonRegression().fit(POINTS), "counts"),
        (lambda: LogisticRegression([1.0]).sample(3, rng=np.random.default_rng(0)), "no inputs"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_a_design_is_rows_or_a_source():
    with pytest.raises(TypeError, match="neither rows"):
        mad.LinearRegression(design="normal")


@pytest.mark.parametrize("family", [LogisticRegression, PoissonRegression])
def test_the_likelihood_is_stationary_at_a_fit(family):
    """The score equations, with weights and a ridge."""
    inputs = RNG.standard_normal((80, 2))
    points = family([0.6, -0.4], design=inputs).sample(80, rng=np.random.default_rng(4))
    weights = RNG.uniform(0.5, 2, 80)
    fitted = family(ridge=0.05).fit(data.Weighted(points, weights)).coefficients
    predictor = inputs @ fitted
    mean = np.exp(predictor) if family is PoissonRegression else 1 / (1 + np.exp(-predictor))
    score = inputs.T @ (weights * (points[:, -1] - mean)) / weights.sum() - 0.05 * fitted
    np.testing.assert_allclose(score, 0, atol=1e-7)


def test_one_label_only_has_a_fit_with_a_ridge():
    points = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    fitted = LogisticRegression(ridge=0.1).fit(points)
    assert np.isfinite(fitted.coefficients).all()
    assert (fitted.coefficients > 0).all()


@pytest.mark.parametrize("design", [None, mad.Gaussian.standard(3)], ids=["own inputs", "new inputs"])
def test_label_models_keep_the_contract(design):
    truth = mad.LinearRegression(W, noise=1.0, design=mad.Gaussian.standard(3))
    if design is None:  # its points are of given inputs, not drawn independently
        fitted = mad.LinearRegression().fit(held := POINTS.copy())
        held[:] = 0.0
        assert (fitted.sample(30, rng=np.random.default_rng(0))[:, :-1] == X).all()
        assert fitted.expand(5).sample(7, rng=np.random.default_rng(0)).shape == (5, 7, 4)
        return
    testing.check_generative_model(mad.LinearRegression(design=design), real=truth)
    for family in (LogisticRegression, PoissonRegression):
        real = family([0.3, 0.2, 0.1], design=design)
        testing.check_generative_model(family(ridge=0.1, design=design), real=real)


def test_a_run_leaves_the_identity_of_its_loop():
    loop = mad.Loop(real=TRUTH, model=mad.LinearRegression(), regime=regimes.accumulate(n=30))
    before = mad.storage.identity(loop)
    mad.simulate(loop, 2, replicates=3, rng=0)
    assert mad.storage.identity(loop) == before


def test_a_run_of_labels_resumes(tmp_path):
    loop = mad.Loop(real=TRUTH, model=mad.LinearRegression(), regime=regimes.accumulate(n=30))
    found = mad.storage.resume(tmp_path / "run.nc", loop, 4, replicates=5, rng=0)
    np.testing.assert_array_equal(
        found["excess_risk"].values, mad.simulate(loop, 4, replicates=5, rng=0)["excess_risk"].values
    )


def test_rows_do_not_know_the_coefficients_of_a_logistic_regression():
    """Those of the best linear predictor are others; the defaults measure samples instead."""
    rows = LogisticRegression([1.0, -1.0], design=X[:, :2]).sample(30, rng=np.random.default_rng(0))
    loop = mad.Loop(real=rows, model=LogisticRegression(ridge=0.1), regime=regimes.replace(n=30))
    with pytest.raises(TypeError, match="LogisticRegression"):
        mad.simulate(loop, 2, replicates=2, metrics=metrics.excess_risk)
    assert "excess_risk" not in mad.simulate(loop, 2, replicates=2, rng=0)


@pytest.mark.parametrize(
    "regime",
    [
        regimes.augment(
            n_real=12, n_synthetic=5, memory=3
        ),  # some models give no point, or fewer than inputs
        regimes.Regime(n_initial=12, n_real=12, n_synthetic=9, real_data="fresh", budget=11),
    ],
    ids=["memory", "budget"],
)
def test_parts_of_random_size_follow_the_law_of_points(regime):
    """Logs of the risk, whose mean has light tails; negative control: twice the noise in synthetic labels."""
    law = mad.Gaussian([0.5, 0.0, -0.5], np.diag([1.0, 2.0, 0.5]))
    truth = mad.LinearRegression(W, noise=1.0, design=law)
    loop = mad.Loop(real=truth, model=mad.LinearRegression(noise=1.0, design=law), regime=regime)
    other = dataclasses.replace(loop, bias=2.0)

    def logs(loop, replicates, method):
        run = mad.simulate(
            loop, 6, replicates=replicates, metrics=metrics.excess_risk, rng=7, method=method, record="last"
        )
        return np.log(run["excess_risk"].values[:, 0])

    points = logs(loop, 4_000, "samples")

    def score(drawn):
        return abs(points.mean() - drawn.mean()) / np.hypot(
            *(x.std() / np.sqrt(len(x)) for x in (points, drawn))
        )

    assert score(logs(loop, 8_000, "statistics")) < 5
    assert score(logs(other, 8_000, "statistics")) > 5
