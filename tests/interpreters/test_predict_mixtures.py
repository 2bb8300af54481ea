"""Mixtures with tied or known weights and covariances: the three answers agree."""

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

import madtheory as mad
from madtheory import metrics, regimes, testing

MEANS = np.array([[0.0, 0.0], [4.0, 1.0], [-3.0, 2.0]])
COVARIANCES = np.array([np.eye(2), [[2.0, 0.4], [0.4, 0.5]], 0.3 * np.eye(2)])
WEIGHTS = [0.5, 0.3, 0.2]
REAL = mad.Mixture(means=MEANS, covariances=COVARIANCES, weights=WEIGHTS, labels="observed")
KNOWN = {
    "known weights": {"known_weights": WEIGHTS},
    "known weights, tied": {"known_weights": WEIGHTS, "shape": "tied"},
    "known weights, diagonal": {"known_weights": WEIGHTS, "shape": "diagonal"},
    "known covariances": {"known_covariances": COVARIANCES},
    "one known covariance": {"known_covariances": np.diag([1.0, 0.5])},
    "both known": {"known_weights": WEIGHTS, "known_covariances": COVARIANCES},
}
METRICS = [metrics.total_variance, metrics.mean_error]
GENERATIONS = 6


def loop_of(options, regime=None, real=REAL):
    model = mad.Mixture(3, labels="observed", **options)
    return mad.Loop(real=real, model=model, regime=regimes.replace(n=150) if regime is None else regime)


@pytest.mark.parametrize("options", KNOWN.values(), ids=KNOWN)
@pytest.mark.parametrize(("method", "replicates"), [("statistics", 20_000), ("samples", 1_500)])
def test_restricted_mixtures(options, method, replicates):
    """Sizes that change from the first to the second; the full fit and another weight are rejected."""
    loop = loop_of(options, regimes.replace(n=150, n_initial=130))
    predicted = mad.predict(loop, GENERATIONS)
    assert set(predicted) == {"total_variance", "mean_error"}
    drawn = mad.simulate(loop, GENERATIONS, replicates=replicates, metrics=METRICS, rng=0, method=method)
    for name in predicted:
        testing.assert_mean_matches(drawn[name], predicted[name], name=name)
    if method == "samples":
        return
    full = mad.predict(loop_of({}, loop.regime), GENERATIONS)
    with pytest.raises(AssertionError, match="z="):
        testing.assert_mean_matches(drawn["total_variance"], full["total_variance"])
    for factor in (0.99, 1.01):
        with pytest.raises(AssertionError, match="z="):
            testing.assert_mean_matches(drawn["total_variance"], factor * predicted["total_variance"])


@pytest.mark.parametrize("name", testing.REGIMES)
def test_a_tied_covariance_keeps_the_moments(name):
    """Tied fits follow the recursion of full ones, in every regime."""
    regime = {
        "replace": regimes.replace(n=60),
        "augment": regimes.augment(n_real=40, n_synthetic=60),
        "accumulate": regimes.accumulate(n=60),
        "accumulate_subsample": regimes.accumulate_subsample(n=60),
        "fresh": regimes.fresh(n_real=40, n_synthetic=60, weights=(2.0, 1.0)),
        "custom": regimes.Regime(n_initial=60, n_synthetic=60, retain=2),
    }[name]
    loop = loop_of({"shape": "tied"}, regime)
    predicted = mad.predict(loop, 4)
    drawn = mad.simulate(loop, 4, replicates=4_000, metrics=METRICS, rng=0)
    for key in METRICS:
        testing.assert_mean_matches(drawn[key.__name__], predicted[key.__name__])


def test_known_weights_keep_components_apart_and_known_covariances_leave_one():
    """Limits: the variance between components stays, or goes to 0."""
    loop = loop_of({"known_weights": WEIGHTS}, regimes.replace(n=200))
    late = mad.predict(loop, 20_000)["total_variance"]
    between = np.array(WEIGHTS) @ ((MEANS - np.array(WEIGHTS) @ MEANS) ** 2).sum(1)
    assert between < float(late[-1]) < float(late[0])
    loop = loop_of({"known_covariances": COVARIANCES}, regimes.replace(n=40))
    late = float(mad.predict(loop, 1_000)["total_variance"][-1])
    traces = np.trace(COVARIANCES, axis1=1, axis2=2)
    assert late == pytest.approx(np.array(WEIGHTS) @ traces, rel=1e-6)


def test_latent_fits_against_scikit_learn():
    points = REAL.sample(400, rng=np.random.default_rng(0))[:, :2]
    rng = np.random.default_rng(1)
    ours = mad.Mixture(3, shape="tied", tolerance=1e-6, iterations=500).fit(points, rng=rng)
    theirs = GaussianMixture(3, covariance_type="tied", tol=1e-6, max_iter=500, random_state=0).fit(points)
    order, other = np.argsort(ours.means[:, 0]), np.argsort(theirs.means_[:, 0])
    np.testing.assert_allclose(ours.means[order], theirs.means_[other], atol=1e-2)
    np.testing.assert_allclose(ours.covariances, np.broadcast_to(theirs.covariances_, (3, 2, 2)), atol=1e-2)
    for options in (KNOWN["known weights"], KNOWN["both known"], KNOWN["one known covariance"]):
        start = mad.Mixture(
            means=MEANS, covariances=COVARIANCES, weights=WEIGHTS, tolerance=1e-8, iterations=500, **options
        )
        fitted = start.fit(points, rng=rng)
        if "known_weights" in options:
            np.testing.assert_allclose(fitted.weights, WEIGHTS)
        if "known_covariances" in options:
            wanted = np.broadcast_to(options["known_covariances"], (3, 2, 2))
            np.testing.assert_allclose(fitted.covariances, wanted, rtol=1e-10)
        # A fixed point of expectation and maximisation: means are means of the points that they account for.
        parts = zip(fitted.weights, fitted.means, fitted.covariances, strict=True)
        share = np.stack([np.log(w) + mad.Gaussian(m, c).log_density(points) for w, m, c in parts])
        share = np.exp(share - share.max(0))
        share /= share.sum(0)
        np.testing.assert_allclose(fitted.means, share @ points / share.sum(1)[:, None], atol=1e-3)
    warm = mad.Mixture(means=MEANS, covariances=COVARIANCES, shape="tied").fit(points, rng=rng)
    np.testing.assert_array_equal(warm.covariances[0], warm.covariances[2])


def test_what_has_no_closed_form_says_so():
    with pytest.raises(mad.NoClosedForm, match="known weights and covariances"):
        mad.predict(loop_of(KNOWN["known weights"], regimes.accumulate(n=200)), 3)
    latent = mad.Loop(real=REAL, model=mad.Mixture(3, known_covariances=1.0), regime=regimes.replace(n=50))
    with pytest.raises(mad.NoClosedForm, match="observed"):
        mad.predict(latent, 3)
    with pytest.raises(mad.NoClosedForm, match="known_weights differ"):
        mad.predict(loop_of({"known_weights": [1, 1, 1]}), 3)
    with pytest.raises(mad.NoClosedForm, match="=20 points may hold none"):
        mad.predict(loop_of(KNOWN["known weights"], regimes.replace(n=20)), 3)
    sizes = regimes.replace(n=lambda g: 100 + g)
    with pytest.raises(mad.NoClosedForm, match="changes after generation 2"):
        mad.predict(loop_of(KNOWN["known covariances"], sizes), 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"known_weights": [0.5, 0.5]}, r"known_weights=\[0.5, 0.5\].*3 positive"),
        ({"known_weights": [1, 1, 0]}, "3 positive numbers"),
        ({"known_covariances": 0.0}, "known_covariances=0.0.*positive definite"),
        ({"known_covariances": np.ones((3, 2, 2)), "shape": "tied"}, "shape='tied'"),
        ({"known_covariances": [[1.0, 2.0], [0.0, 1.0]]}, "known_covariances=.*not symmetric"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        mad.Mixture(3, **options)


def test_an_empty_component_of_known_weight_is_refused():
    points = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 1.0]])
    with pytest.raises(ValueError, match="no point of component 2"):
        mad.Mixture(3, labels="observed", known_weights=[1, 1, 1]).fit(points, rng=np.random.default_rng(0))
