"""Known, diagonal, spherical and shrunk covariances: the three answers agree in every regime."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import madtheory as mad
from madtheory import metrics, regimes, testing, treatments
from madtheory.core.loop import statistics_obstacle

GENERATIONS = 4
ROTATED = np.array([[2.0, 0.8, 0.0], [0.8, 1.0, -0.2], [0.0, -0.2, 0.5]])
TRUTHS = {"spherical": 1.5 * np.eye(3), "diagonal": np.diag([3.0, 1.0, 0.3]), "full": ROTATED}
MODELS = {
    "diagonal": {"shape": "diagonal"},
    "spherical": {"shape": "spherical"},
    "shrunk": {"shrinkage": 0.3},
    "shrunk diagonal": {"shape": "diagonal", "shrinkage": 0.3},
    "known": {},
    "another known": {"known_covariance": 0.7 * np.eye(3)},
}
MEAN = np.array([1.0, 0.0, -2.0])


def squared_norm(snapshot):
    """Tr of the squared covariance."""
    covariance = snapshot.model.covariance
    return np.einsum("...ij,...ij->...", covariance, covariance)


MEASURES = {name: getattr(metrics, name) for name in metrics.__all__} | {"squared_norm": squared_norm}


def loop_of(model, truth, regime, *, bias=None, ddof=1, known_mean=False, correction=0.0):
    keywords = dict(MODELS[model])
    if model == "known":
        keywords["known_covariance"] = TRUTHS[truth]
    if "known_covariance" not in keywords:
        keywords |= {"ddof": ddof, "known_mean": MEAN if known_mean else None}
    return mad.Loop(
        real=mad.Gaussian(MEAN, TRUTHS[truth]), model=mad.Gaussian(**keywords), regime=regime, bias=bias,
        treatments=(treatments.correct(correction),) if correction else (),
    )  # fmt: skip


def disagreements(loop, method, replicates, seed, predicted=None):
    predicted = mad.predict(loop, GENERATIONS) if predicted is None else predicted
    base = {name: name.removesuffix("_lower").removesuffix("_upper") for name in predicted}
    names = {name for name in base.values() if not name.endswith("_std")}
    drawn = mad.simulate(
        loop, GENERATIONS, replicates=replicates, rng=seed, method=method, progress=False,
        metrics=[MEASURES[name] for name in sorted(names)],
    )  # fmt: skip
    failed, made = [], 0
    for name, variable in predicted.items():
        if name.endswith("_std"):
            continue
        options = {"name": f"{name} by {method}", "rtol": 1e-9}
        kind = variable.attrs["kind"]
        if kind == "bound":
            options["bound"] = name.rpartition("_")[2]
        elif kind == "numerical":
            options["rtol"] = 2e-3
        elif kind == "leading order in 1/n":
            options["rtol"] = 0.05
        elif f"{name}_std" in predicted:
            options["std"] = predicted[f"{name}_std"].values
        made += 1
        try:
            testing.assert_mean_matches(drawn[base[name]], variable, **options)
        except AssertionError as error:
            failed.append(str(error))
    return failed, made


@pytest.mark.parametrize("name", testing.REGIMES)
@settings(max_examples=15)
@given(
    model=st.sampled_from(tuple(MODELS)), truth=st.sampled_from(tuple(TRUTHS)), data=st.data(),
    bias=st.sampled_from((None, 0.7, 1.05)), ddof=st.sampled_from((0, 1)), known_mean=st.booleans(),
    correction=st.sampled_from((0.0, 0.0, 0.5)), seed=st.integers(0, 2**16),
)  # fmt: skip
def test_predict_statistics_and_samples_agree(
    name, model, truth, data, bias, ddof, known_mean, correction, seed
):
    """1 % wrong is rejected below."""
    regime = data.draw(testing.regimes([name], min_size=14))
    loop = loop_of(model, truth, regime, bias=bias, ddof=ddof, known_mean=known_mean, correction=correction)
    methods = {"samples": 1_000}
    if statistics_obstacle(loop) is None:
        methods["statistics"] = 4_000
    for method, replicates in methods.items():
        failed, made = disagreements(loop, method, replicates, seed)
        assert made >= 2
        assert not failed, "\n".join([str(loop), *failed])


KNOWN = {
    ("diagonal", "diagonal"): {"log_volume", "wasserstein2_squared", "kl_divergence", "total_variance_std"},
    ("diagonal", "full"): {"log_volume"},
    ("spherical", "spherical"): {"log_volume", "wasserstein2_squared", "kl_divergence", "total_variance_std"},
    ("spherical", "diagonal"): set(),
    ("shrunk", "full"): set(),
    ("known", "full"): {"log_volume", "wasserstein2_squared", "kl_divergence", "reverse_kl_divergence"},
    ("another known", "full"): set(),
}


@pytest.mark.parametrize(("model", "truth"), KNOWN)
def test_what_is_known_of_each_shape(model, truth):
    """In a chain; each variable is rejected when it is 1 or 4 % wrong, and accepted when it is right."""
    loop = loop_of(model, truth, regimes.replace(n=20), bias=0.9)
    predicted = mad.predict(loop, GENERATIONS)
    assert {"total_variance", "mean_error"} | KNOWN[model, truth] <= set(predicted)
    assert len(KNOWN[model, truth]) > 0 or set(predicted) == {"total_variance", "mean_error"}
    failed, _ = disagreements(loop, "statistics", 40_000, 0)
    assert not failed, "\n".join(failed)
    for name in predicted:
        if name.endswith("_std"):
            continue
        factor = 1.01 if name == "total_variance" else 1.04
        value = predicted[name]
        wrong = predicted.assign({name: value - 0.05 if name == "log_volume" else factor * value})
        failed, _ = disagreements(loop, "statistics", 40_000, 0, predicted=wrong)
        assert any(line.startswith(name) for line in failed), name


def test_restricted_covariances_of_one_dimension_are_full_ones():
    regime = regimes.fresh(n_real=9, n_synthetic=20)
    loops = [
        mad.Loop(real=mad.Gaussian(1.0, 2.0), model=mad.Gaussian(**options), regime=regime)
        for options in ({}, {"shape": "diagonal"}, {"shape": "spherical"}, {"shrinkage": 0.4})
    ]
    for loop in loops[1:]:
        assert mad.predict(loop, 4).identical(mad.predict(loops[0], 4))


def test_a_moving_truth_of_known_covariance():
    """The only Gaussian whose mean alone moves: predicted, simulated, and a fixed truth rejected."""
    law = testing.Moving(mad.Gaussian.standard(2), 0.3, 1.0)
    model = mad.Gaussian(known_covariance=np.eye(2))
    loop = mad.Loop(real=law, model=model, regime=regimes.fresh(n_real=9, n_synthetic=9))
    for method in ("statistics", "samples"):
        assert disagreements(loop, method, 4_000, 0)[0] == []
    still = mad.predict(dataclasses.replace(loop, real=mad.Gaussian.standard(2)), GENERATIONS)
    assert disagreements(loop, "statistics", 4_000, 0, predicted=still[["mean_error"]])[0] != []


def test_sims_of_a_known_covariance_has_no_closed_form():
    base = mad.Gaussian(known_covariance=1.0)
    loop = mad.Loop(
        real=mad.Gaussian.standard(1), model=mad.models.SIMS(base, 0.2), regime=regimes.replace(n=20)
    )
    with pytest.raises(mad.NoClosedForm, match="SIMS"):
        mad.predict(loop, 3)
