"""Mass lost with rare symbols: exact sums, simulation, and the leading order of power laws."""

import numpy as np
import pytest

import madtheory as mad
from madtheory import regimes, testing
from madtheory.metrics.discrete import missing_mass
from madtheory.theory import categorical


def zipf(exponent, symbols):
    p = np.arange(1, symbols + 1.0) ** -exponent
    return p / p.sum()


def test_missing_mass_of_one_fit_is_a_sum():
    p = zipf(1.5, 200)
    found = categorical.missing_mass(n=50, probabilities=p, generations=1)
    assert found[0] == pytest.approx((p * (1 - p) ** 50).sum(), rel=1e-10)


def test_missing_mass_is_simulated():
    p = zipf(1.5, 100)
    loop = mad.Loop(real=mad.Categorical(p), model=mad.Categorical(symbols=100), regime=regimes.replace(n=60))
    drawn = mad.simulate(loop, 8, replicates=8_000, metrics=missing_mass, rng=0)["missing_mass"]
    testing.assert_mean_matches(drawn, categorical.missing_mass(n=60, probabilities=p, generations=8))
    with pytest.raises(AssertionError, match="z="):
        testing.assert_mean_matches(drawn, categorical.missing_mass(n=62, probabilities=p, generations=8))


def test_the_effective_corpus_falls_like_two_over_g():
    corpus = categorical.effective_corpus(n=1_000, generations=20_000)
    assert corpus[0] == 1_000
    assert corpus[1] == pytest.approx(1_000 * (1 - np.exp(-1)), rel=1e-12)
    assert corpus[-1] * 20_000 / 1_000 == pytest.approx(2, rel=2e-3)
    # What a rare symbol suffers in g generations is what one fit to the effective corpus does to it.
    gone = categorical.extinction_branching(n=1_000, probability=1e-3, generations=10)
    np.testing.assert_allclose(np.exp(-1e-3 * corpus[:10]), gone, rtol=1e-12)


@pytest.mark.parametrize("exponent", [1.5, 2.0])
def test_a_power_law_keeps_its_exponent(exponent):
    """Against the exact mean with a million symbols and a tail integral; twice the points halve the error."""
    generations, symbols, errors = 6, 1_000_000, []
    ranks = np.arange(1, symbols + 1.0)
    p = ranks**-exponent
    total = float(np.sum(p)) + symbols ** (1 - exponent) / (exponent - 1)
    for n in (500, 4_000):
        leading = categorical.power_law_missing_mass(n=n, exponent=exponent, generations=generations)
        corpus = np.asarray(categorical.effective_corpus(n=n, generations=generations))
        # The sum over symbols of which the effective corpus holds none; the rest of the tail is lost.
        tail = symbols ** (1 - exponent) / (exponent - 1) / total
        exact = np.array([(p / total * np.exp(-size * p / total)).sum() + tail for size in corpus])
        errors.append(np.abs(leading / exact - 1).max())
    assert errors[1] < 0.02
    assert errors[1] < errors[0] / 2
    ratio = leading[-1] / categorical.power_law_missing_mass(n=8_000, exponent=exponent, generations=6)[-1]
    assert np.log2(ratio) == pytest.approx(1 - 1 / exponent, rel=1e-10)


def test_the_leading_order_is_that_of_the_exact_chain():
    """Real symbols and the whole chain: within 10 % at 400 points, where one fit alone would be 60 % off."""
    p = zipf(2.0, 20_000)
    exact = categorical.missing_mass(n=400, probabilities=p, generations=6)
    leading = categorical.power_law_missing_mass(n=400, exponent=2.0, generations=6)
    np.testing.assert_allclose(leading, exact, rtol=0.1)
    assert leading[0] < 0.7 * exact[-1]
    with pytest.raises(ValueError, match="exponent=1"):
        categorical.power_law_missing_mass(n=400, exponent=1.0, generations=6)
