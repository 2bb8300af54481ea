"""Universal ratios of the errors of regressions, which hold for many points."""

import pytest

import madtheory as mad
from madtheory import regimes, testing
from madtheory.models import LogisticRegression, PoissonRegression

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("family", [LogisticRegression, PoissonRegression])
def test_universal_ratios_hold_for_many_points(family):
    """Dey and Donoho: t in replace, sum of inverse squares in accumulate, for n to infinity.

    300 loops of 2 coefficients: a standard error of 6 % of the ratio; the wrong regime is rejected.
    """
    truth = family([0.5, -0.3], design=mad.Gaussian.standard(2))
    for regime, ratio, other in (
        (regimes.replace(n=3_000), 4.0, 1.4236),
        (regimes.accumulate(n=3_000), 1.4236, 4.0),
    ):
        loop = mad.Loop(real=truth, model=family(), regime=regime)
        error = mad.simulate(loop, 4, replicates=300, rng=1)["parameter_error"]
        last = error.isel(generation=-1)
        first = float(error.isel(generation=0).mean())
        testing.assert_mean_matches(last, ratio * first, rtol=0.1)
        with pytest.raises(AssertionError):
            testing.assert_mean_matches(last, other * first, rtol=0.1)
