"""Regimes: points of one design space, and their names."""

import inspect

import numpy as np
import pytest
from hypothesis import given, strategies as st

from madtheory import regimes, testing


@pytest.mark.parametrize("name", testing.REGIMES[:-1])
@given(data=st.data())
def test_names_and_keywords_rebuild_the_regime(name, data):
    regime = data.draw(testing.regimes([name]))
    assert regime.name == name
    assert getattr(regimes, name)(**regime.keywords) == regime


@given(regime=testing.regimes(["custom"]))
def test_custom_regimes_rebuild_from_their_fields(regime):
    assert regime.name == "custom"
    assert regimes.Regime(**regime.keywords) == regime


def test_what_each_name_means():
    last, fixed = {"retain": "last"}, {"real_data": "fixed", "n_real": 7}
    table = {
        "replace": (regimes.replace(n=5, n_initial=7), {**last, "real_data": "none", "n_real": 0}),
        "augment": (regimes.augment(n_real=7, n_synthetic=5), {**last, **fixed}),
        "accumulate": (regimes.accumulate(n=5, n_initial=7), {**fixed, "retain": "all"}),
        "fresh": (
            regimes.fresh(n_real=3, n_synthetic=5, n_initial=7),
            {**last, "real_data": "fresh", "n_real": 3},
        ),
    }
    for name, (regime, fields) in table.items():
        for field, value in {"n_initial": 7, "n_synthetic": 5, "memory": 1, "budget": None, **fields}.items():
            assert getattr(regime, field) == value, (name, field)
    subsample = regimes.accumulate_subsample(n=5)
    assert (subsample.budget, subsample.retain, subsample.real_data) == (5, "all", "fixed")


def test_defaults_of_generation_1():
    assert regimes.replace(n=[9, 5]).n_initial == 9
    assert regimes.replace(n=lambda t: 10 * t).n_initial == 10
    assert regimes.accumulate(n=6).n_initial == 6
    assert regimes.fresh(n_real=4, n_synthetic=8).n_initial == 4
    assert regimes.augment(n_real=4, n_synthetic=8).n_initial == 4


@pytest.mark.parametrize("n", [[4, 6, 8], (4, 6, 8), np.array([4, 6, 8]), lambda t: 2 + 2 * t])
def test_sizes_of_every_form(n):
    regime = regimes.replace(n=n)
    assert [regime.n_synthetic_at(t) for t in (2, 3)] == [6, 8]
    assert regime.n_initial == 4


def test_the_first_entry_of_a_batch_sequence_is_generation_1():
    assert regimes.fresh(n_real=4, n_synthetic=[0, 5, 6]).n_synthetic_at(2) == 5
    with pytest.raises(ValueError, match=r"n_synthetic\[0\]=5 .* put a 0 there"):
        regimes.augment(n_real=4, n_synthetic=[5, 5, 6])


def test_reuse_of_points():
    assert not regimes.replace(n=5).reuses_points
    assert not regimes.fresh(n_real=5, n_synthetic=5).reuses_points
    assert regimes.augment(n_real=5, n_synthetic=5).reuses_points
    assert regimes.accumulate(n=5).reuses_points


def test_retaining_one_batch_is_retaining_the_last():
    assert regimes.Regime(n_initial=5, n_synthetic=5, retain=1) == regimes.replace(n=5)


def test_real_batches_accumulate_only_where_the_regime_says_so():
    """`retain` is of synthetic batches; the repr and the docstring name the axis of real ones."""
    sizes = {"n_initial": 5, "n_synthetic": 5, "n_real": 5}
    plain = regimes.Regime(**sizes, real_data="fresh", retain="all")
    assert plain.retain_real == "last"
    assert "retain_real='last'" in repr(plain)
    assert "accumulate only with ``retain_real=" in " ".join(regimes.Regime.__doc__.split())
    assert regimes.Regime(**sizes, real_data="fresh", retain_real=1) == regimes.fresh(n_real=5, n_synthetic=5)
    for kept in (2, "all"):
        regime = regimes.Regime(**sizes, real_data="fresh", retain_real=kept)
        assert regime.name == "custom"
        assert regime.reuses_points
        assert regimes.Regime(**regime.keywords) == regime
        for real_data in ("none", "fixed"):
            mine = sizes | {"n_real": 0 if real_data == "none" else 5}
            message = rf"retain_real={kept!r} .*real_data='{real_data}'.*pass real_data='fresh'"
            with pytest.raises(ValueError, match=message):
                regimes.Regime(**mine, real_data=real_data, retain_real=kept)
    for wrong in ("first", 0, -1, 1.5, True, None):
        with pytest.raises(ValueError, match=f"retain_real={wrong!r}"):
            regimes.Regime(**sizes, real_data="fresh", retain_real=wrong)


def test_constructors_are_keyword_only_and_immutable():
    for name in testing.REGIMES[:-1]:
        parameters = inspect.signature(getattr(regimes, name)).parameters.values()
        assert all(p.kind is p.KEYWORD_ONLY for p in parameters), name
    with pytest.raises(AttributeError):
        regimes.replace(n=5).memory = 2


def test_weights_of_custom_regimes_are_not_lost_in_a_name():
    """A name is given only where its constructor can say everything."""
    for regime in (
        regimes.Regime(n_initial=5, n_synthetic=5, memory=2),
        regimes.Regime(n_initial=5, n_synthetic=5, weights=(1, 2)),
        regimes.Regime(n_initial=5, n_synthetic=6, n_real=5, real_data="fixed", retain="all", budget=5),
        regimes.Regime(n_initial=5, n_synthetic=5, n_real=5, real_data="fresh", budget=5),
        regimes.Regime(n_initial=5, n_synthetic=5, n_real=5, real_data="fixed", retain=3),
    ):
        assert regime.name == "custom"
