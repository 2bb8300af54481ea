"""Closed forms and both simulators, over more loops than the tests of `tests/interpreters/` draw."""

import pytest
from hypothesis import given, settings, strategies as st
from test_predict import assert_three_answers_agree
from test_predict_regression import assert_three_answers_agree as assert_regressions_agree

from madtheory import testing

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", testing.REGIMES)
@settings(max_examples=25)
@given(data=st.data(), seed=st.integers(0, 2**16))
def test_predict_statistics_and_samples_agree_at_depth(name, data, seed):
    """Twice as many loops; standard errors 2.7 times smaller by statistics, 2.4 times by samples."""
    assert_three_answers_agree(
        data.draw(testing.loops([name], moving=True)), seed, statistics=30_000, samples=6_000
    )


@pytest.mark.parametrize("design", testing.DESIGNS)
@settings(max_examples=40)
@given(data=st.data(), seed=st.integers(0, 2**16))
def test_regressions_agree_at_depth(design, data, seed):
    loop = data.draw(testing.label_loops([design]))
    assert_regressions_agree(loop, seed, statistics=30_000, samples=5_000)
