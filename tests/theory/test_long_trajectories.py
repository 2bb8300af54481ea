"""Long trajectories: growing pools by products, stationary loops, narrow laws by their moments."""

import numpy as np
import pytest

import madtheory as mad
from madtheory import regimes
from madtheory.theory import gaussian
from madtheory.theory.gaussian.accumulation import (
    _NARROW,
    _log_and_root,
    _log_and_root_of_narrow,
    _relative_variance,
)
from madtheory.theory.gaussian.trajectories import _trajectory
from madtheory.theory.growing_pool import growing_pool, grows
from madtheory.theory.moments import Recursion

GROWING = {
    "accumulate": regimes.accumulate(n=7),
    "few real points": regimes.accumulate(n=7, n_initial=3),
    "subsample": regimes.accumulate_subsample(n=6),
    "subsample with replacement": regimes.accumulate_subsample(n=6, replacement=True),
}


@pytest.mark.parametrize("name", GROWING)
@pytest.mark.parametrize("bias", [0.0, 0.7, 1.0, 1.3])
@pytest.mark.parametrize(("ddof", "known_mean"), [(0, False), (1, False), (0, True)])
def test_products_are_the_recursion(name, bias, ddof, known_mean):
    regime, rest = GROWING[name], {"bias": bias, "ddof": ddof, "known_mean": known_mean}
    assert grows(regime, ddof, known_mean) is not (regime.budget is not None and known_mean)
    if grows(regime, ddof, known_mean):
        recursion = Recursion(regime, spectrum=np.ones(1), **rest).run(60)
        np.testing.assert_allclose(growing_pool(regime, **rest, generations=60), recursion, rtol=1e-12)
        other = growing_pool(regime, **(rest | {"bias": bias + 0.01}), generations=60)
        assert not np.allclose(other[0], recursion[0], rtol=1e-3)


@pytest.mark.parametrize(
    "regime",
    [
        regimes.augment(n_real=5, n_synthetic=5),
        regimes.replace(n=5),
        regimes.accumulate(n=[5, 6, 7]),
        regimes.Regime(n_initial=5, n_real=5, real_data="fixed", n_synthetic=5, retain="all", budget=11),
        regimes.Regime(n_initial=5, n_real=3, real_data="fixed", n_synthetic=5, retain="all"),
    ],
)
def test_other_pools_are_left_to_the_recursion(regime):
    assert not grows(regime, 0, False)


@pytest.mark.parametrize("dim", [1, 5])
@pytest.mark.parametrize(
    "regime", [regimes.augment(n_real=30, n_synthetic=90), regimes.fresh(n_real=3, n_synthetic=90)]
)
def test_a_stationary_loop_keeps_its_last_values(regime, dim):
    """What is filled in agrees with what all generations give, also for a slow loop."""
    given = {"bias": 1.0, "ddof": 1, "known_mean": False, "truths": None, "dim": dim, "spectrum": None}
    short = gaussian.trajectory(regime, dim=dim, generations=3000)
    whole = _trajectory(regime, **given, generations=3000, variables=None, until_still=False)
    assert list(short) == list(whole)
    for name in whole:
        np.testing.assert_allclose(short[name], whole[name], rtol=1e-11, atol=1e-13, err_msg=name)
        assert (short[name].kind, short[name].source) == (whole[name].kind, whole[name].source)


def test_moments_of_narrow_laws():
    """The series agrees with the quadrature where it is used, and not far from there."""
    pool = np.array([900.0, 5_000.0, 80_000.0])
    terms = np.stack(
        [np.stack([0.9 / (pool + 7), np.full(3, 6.0)], -1), np.stack([0.9 / pool, np.ones(3)], -1)], 1
    )
    constant = (pool - 1) / (pool + 6)
    exact = np.array([_log_and_root(c, t.tolist()) for c, t in zip(constant, terms, strict=True)]).T
    narrow = _relative_variance(constant, terms) < _NARROW
    assert narrow.tolist() == [False, True, True] or narrow.all()
    close = np.abs(_log_and_root_of_narrow(constant, terms) - exact)
    assert (close[:, narrow] < 1e-14).all()
    wide = _log_and_root_of_narrow(np.array([0.5]), np.array([[[0.1, 3.0]]]))
    assert np.abs(wide[:, 0] - _log_and_root(0.5, [(0.1, 3.0)])).max() > 1e-4


def test_only_what_is_asked_for_is_computed(monkeypatch):
    def fail(**given):
        raise AssertionError("computed")

    for name in ("accumulate_second_moments", "logs_and_distance"):
        monkeypatch.setattr(f"madtheory.theory.gaussian.trajectories.{name}", fail)
    loop = mad.Loop(real=mad.Gaussian.standard(1), model=mad.Gaussian(), regime=regimes.accumulate(n=9))
    with pytest.raises(AssertionError, match="computed"):
        gaussian.trajectory(loop.regime, generations=4)
    found = gaussian.trajectory(loop.regime, generations=4, variables=["mean_error"])
    assert list(found) == ["total_variance", "mean_error"]
