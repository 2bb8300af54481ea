"""Bad input: every error names the argument, its value, what was expected and how to fix it."""

import numpy as np
import pytest

import madtheory as mad
from madtheory import data, metrics, regimes, testing
from madtheory.theory import gaussian

RNG = np.random.default_rng(0)
ZEROS = np.zeros((10, 2))


def loop(**changed):
    parts = {"real": mad.Gaussian.standard(1), "model": mad.Gaussian(), "regime": regimes.replace(n=10)}
    return mad.Loop(**{**parts, **changed})


def run(generations=3, changed=None, **keywords):
    return mad.simulate(loop(**(changed or {})), generations, **{"replicates": 3, "rng": 0, **keywords})


def rejects(call, *parts, error=ValueError):
    """The call fails with an error whose message holds every part."""
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    missing = [part for part in parts if part not in message]
    assert not missing, f"{message!r} does not say {missing}"


NOT_SIZES = [0, -3, 2.5, True, "ten", None, np.nan]


def ids(value):
    return repr(value)


@pytest.mark.parametrize("bad", NOT_SIZES, ids=ids)
def test_sizes(bad):
    integer = (f"={bad!r}", "is not a positive integer", "pass for example")
    calls = {
        "n": lambda: regimes.replace(n=bad),
        "n_real": lambda: regimes.augment(n_real=bad, n_synthetic=5),
        "n_synthetic": lambda: regimes.Regime(n_initial=5, n_synthetic=bad),
        "memory": lambda: regimes.fresh(n_real=5, n_synthetic=5, memory=bad),
        "generations": lambda: run(bad),
        "dim": lambda: mad.Gaussian.standard(bad),
    }
    if bad is not None:  # these have a default
        calls["replicates"] = lambda: run(replicates=bad)
        calls["n_initial"] = lambda: regimes.replace(n=5, n_initial=bad)
        calls["budget"] = lambda: regimes.Regime(n_initial=5, n_synthetic=5, budget=bad)
    for name, call in calls.items():
        rejects(call, name, *integer)
    rejects(lambda: regimes.accumulate(n=bad), "n=", *integer[1:])
    rejects(lambda: regimes.accumulate_subsample(n=bad), "n=", *integer[1:])
    rejects(lambda: regimes.fresh(n_real=bad, n_synthetic=5), "n_real=", *integer[1:])
    rejects(lambda: mad.Gaussian.standard(1).sample(bad, rng=RNG), "n=", *integer[1:])
    rejects(lambda: mad.predict(loop(), bad), "generations=", *integer[1:])


@pytest.mark.parametrize("bad", [size for size in NOT_SIZES if size != 0], ids=ids)
def test_batches_beside_real_data(bad):
    """Where there are real data a batch may be empty; everything else stays refused."""
    integer = (f"={bad!r}", "is not an integer of at least 0", "pass for example n_synthetic")
    rejects(lambda: regimes.augment(n_real=5, n_synthetic=bad), "n_synthetic=", *integer)
    rejects(lambda: regimes.fresh(n_real=5, n_synthetic=bad), "n_synthetic=", *integer)
    rejects(lambda: regimes.fresh(n_real=5, n_synthetic=[0, 0, bad]), "n_synthetic[2]=", *integer)
    falling = {"regime": regimes.augment(n_real=5, n_synthetic=lambda t: bad)}
    rejects(lambda: run(2, falling), "n_synthetic(2)=", *integer)
    rejects(lambda: mad.predict(loop(**falling), 2), "n_synthetic(2)=", *integer)


def test_an_empty_batch_needs_real_data():
    positive = "is not a positive integer"
    rejects(lambda: regimes.Regime(n_initial=5, n_synthetic=0), "n_synthetic=0", positive)
    rejects(lambda: regimes.Regime(n_initial=5, n_synthetic=0, retain="all"), "n_synthetic=0", positive)
    rejects(lambda: regimes.accumulate(n=[5, 0]), "n[1]=0", positive)
    stopping = {"regime": regimes.accumulate(n=lambda t: 10 - 5 * t)}
    rejects(lambda: run(3, stopping), "n_synthetic(2)=0", positive)
    rejects(lambda: mad.predict(loop(**stopping), 3), "(2)=0", positive)


def test_sizes_of_every_generation():
    rejects(lambda: regimes.replace(n=[10, -5]), "[1]=-5", "is not a positive integer")
    rejects(lambda: regimes.replace(n=[]), "n", "generation 1")
    rejects(lambda: regimes.fresh(n_real=5, n_synthetic=[]), "n_synthetic", "empty")
    rejects(
        lambda: regimes.fresh(n_real=5, n_synthetic=[5, 5]),
        "n_synthetic[0]=5",
        "real data only",
        "put a 0 there",
    )
    short = {"regime": regimes.replace(n=[10, 10])}
    rejects(
        lambda: run(3, short), "n_synthetic", "lists 2 generations", "generation 3", "pass a longer sequence"
    )
    falling = {"regime": regimes.replace(n=lambda t: 10 - 5 * t)}
    rejects(lambda: run(3, falling), "n_synthetic(2)=0", "is not a positive integer")


@pytest.mark.parametrize("bad", [-1, -0.1, np.nan, np.inf, "x", [1, 2]], ids=ids)
def test_bias(bad):
    parts = (f"bias={bad!r}", "outside its range", "finite number >= 0")
    rejects(lambda: loop(bias=bad), *parts)
    rejects(lambda: mad.Gaussian.standard(1).sample(2, rng=RNG, bias=bad), *parts)
    rejects(lambda: mad.Gaussian.standard(1).sample_statistic(2, rng=RNG, bias=bad), *parts)
    rejects(lambda: gaussian.replace(n=10, generations=2, bias=bad), *parts)


def test_regimes():
    rejects(lambda: regimes.Regime(n_initial=5, n_synthetic=5, real_data="old"), "real_data='old'", "'fixed'")
    rejects(
        lambda: regimes.Regime(n_initial=5, n_synthetic=5, retain="first"), "retain='first'", "'last', 'all'"
    )
    rejects(lambda: regimes.Regime(n_initial=5, n_synthetic=5, retain=0), "retain=0")
    rejects(
        lambda: regimes.Regime(n_initial=5, n_synthetic=5, n_real=6, real_data="fixed"),
        "n_real=6", "n_initial=5", "lower it", "raise n_initial",
    )  # fmt: skip
    rejects(
        lambda: regimes.Regime(n_initial=5, n_synthetic=5, n_real=4),
        "n_real=4",
        "real_data='fixed' or 'fresh'",
    )
    for bad in ((1, -1), (1, 2, 3), (0, 1), (np.inf, 1), "ab", 2.0):
        rejects(lambda bad=bad: regimes.fresh(n_real=5, n_synthetic=5, weights=bad), "weights=")
    both = {"n_initial": 5, "n_synthetic": 5, "budget": 3, "weights": (1, 2)}
    rejects(lambda: regimes.Regime(**both), "weights=(1, 2)", "budget=3", "drop one")
    large = {"regime": regimes.Regime(n_initial=5, n_synthetic=5, budget=50)}
    for method in ("statistics", "samples"):
        rejects(
            lambda method=method: run(3, large, method=method),
            "budget=50",
            "the 5 points of the pool",
            "lower it",
        )


def test_loops():
    rejects(lambda: loop(model=3), "model=3", "fit and sample", "madtheory.types", error=TypeError)
    rejects(lambda: loop(model=mad.Gaussian), "model=", "instance", error=TypeError)
    rejects(lambda: loop(regime="replace"), "regime='replace'", "regimes.replace(n=100)", error=TypeError)
    with pytest.raises(TypeError):
        mad.Loop(mad.Gaussian.standard(1), mad.Gaussian(), regimes.replace(n=5))


def test_real_data():
    rejects(lambda: loop(real=[[np.nan], [1.0]]), "real", "1 values that are not finite", "drop or impute")
    rejects(lambda: loop(real=[1.0, 2.0, 3.0]), "real", "(3,)", "(n, d)", "[:, None]")
    rejects(lambda: loop(real="data"), "real", "not an array of numbers", "(n, d)")
    rejects(lambda: loop(real=np.zeros((0, 2))), "real", "(0, 2)", "no points")
    rejects(lambda: loop(real=np.zeros((4, 8, 8))), "(4, 8, 8)", "(m, d)", "flatten")
    rejects(lambda: run(changed={"real": mad.Gaussian()}), "not fitted", "pass mean and covariance")
    rejects(lambda: data.Empirical(ZEROS).sample(3, rng=RNG, bias=0.5), "bias=0.5", "leave it out")


def test_fits():
    fit = mad.Gaussian().fit
    rejects(lambda: fit([[np.nan], [np.inf]]), "data", "2 values that are not finite", "drop or impute")
    rejects(lambda: fit([1.0, 2.0]), "data", "(2,)", "(n, d)", "data[:, None]")
    rejects(lambda: fit("abc"), "data", "not an array of numbers")
    rejects(lambda: fit([[1.0]]), "n=1", "ddof=1", "at least 2 points")
    rejects(lambda: run(changed={"regime": regimes.replace(n=1)}), "n=1", "ddof=1", "at least 2 points")
    rejects(lambda: gaussian.replace(n=1, generations=2), "n")
    once = run(changed={"regime": regimes.replace(n=1), "model": mad.Gaussian(ddof=0)})
    assert not once["total_variance"].any()


def test_gaussians():
    gauss = mad.Gaussian
    rejects(lambda: gauss([0, 0], [[1, 2], [2, 1]]), "covariance", "negative eigenvalue -1", "semi-definite")
    rejects(
        lambda: gauss([0, 0], [[1, 2], [0, 1]]),
        "covariance",
        "not symmetric",
        "pass (covariance + covariance.T) / 2",
    )
    rejects(lambda: gauss([0, 0], np.eye(3)), "covariance", "(3, 3)", "(2, 2)")
    rejects(lambda: gauss([0], np.nan), "covariance", "finite")
    rejects(lambda: gauss([np.inf], 1.0), "mean", "finite")
    rejects(lambda: gauss("a", 1.0), "mean='a'")
    rejects(lambda: gauss([0.0]), "mean and covariance go together", "pass both, or neither")
    for bad in (2, 0.5, True, "1"):
        rejects(lambda bad=bad: gauss(ddof=bad), f"ddof={bad!r}", "0 or 1", "divisor")
    rejects(lambda: gauss(known_mean=[np.nan]), "known_mean", "finite")
    wide = {"model": gauss(known_mean=[0.0, 0.0])}
    for method in ("statistics", "samples"):
        rejects(
            lambda method=method: run(changed=wide, method=method),
            "known_mean",
            "2 entries",
            "make them equal",
        )
    rejects(lambda: gauss().sample(3, rng=RNG), "not fitted", "call fit(data)")
    for bad in (-3, 2.5):
        rejects(lambda bad=bad: gauss.standard(1).sample_statistic(bad, rng=RNG), f"n={bad}", "integer")


def test_simulate():
    rejects(lambda: run(method="exact"), "method='exact'", "'statistics', 'samples'")
    subsample = {"regime": regimes.accumulate_subsample(n=5)}
    rejects(
        lambda: run(changed=subsample, method="statistics"),
        "method='statistics'", "accumulate_subsample", "individual points", "Use method='samples'",
    )  # fmt: skip
    for bad in (5, [5], [0], [], "first", [1.5]):
        rejects(lambda bad=bad: run(record=bad), "record")
    rejects(lambda: run(record=[5]), "record=[5]", "from 1 to 3")
    for bad in ([1.5], [-0.1], [np.nan], "x", 0.5, []):
        rejects(lambda bad=bad: run(quantiles=bad), "quantiles=")
    for bad in (-1, "a", 1.5):
        rejects(lambda bad=bad: run(rng=bad), f"rng={bad!r}", "pass an int >= 0")
    rejects(lambda: run(metrics=[]), "metrics=", "at least one")
    rejects(lambda: run(metrics=[lambda s: s.model.mean[..., 0]]), "'<lambda>'", "define it by def")

    def mean(snapshot):
        return snapshot.model.mean

    def one(snapshot):
        return 1.0

    rejects(lambda: run(metrics=[mean] * 2), "metrics=", "different names")
    rejects(lambda: run(metrics=[mean]), "(3, 1)", "one number per replicate", "(3,)")
    rejects(lambda: run(metrics=[one]), "one number per replicate")


def test_precision_recall():
    measure = metrics.precision_recall
    rejects(lambda: measure(real=ZEROS, fake=np.zeros((10, 3))), "fake", "(10, 3)", "d=2")
    rejects(lambda: measure(real=np.zeros((4, 2)), fake=ZEROS), "real", "(4, 2)", "n > k=5")
    rejects(lambda: measure(real=ZEROS + np.nan, fake=ZEROS), "real", "20 values that are not finite")
    rejects(lambda: measure(real=ZEROS, fake=ZEROS, k=0), "k=0", "positive integer")


def test_subsamples():
    rejects(
        lambda: data.subsample(ZEROS, 11, rng=RNG), "budget=11", "the 10 points", "lower it to 10 or less"
    )


@pytest.mark.parametrize("name", testing.REGIMES[:-1])
def test_theory_checks_what_the_regime_checks(name):
    """Numbers in: the same words are refused in the same way."""
    good = {
        "replace": {"n": 9},
        "augment": {"n_real": 9, "n_synthetic": 9},
        "accumulate": {"n": 9},
        "accumulate_subsample": {"n": 9},
        "fresh": {"n_real": 9, "n_synthetic": 9},
    }[name]
    theory = getattr(gaussian, name)
    theory(**good, generations=2)
    for word in good:
        for bad in (-1, 2.5, True) if word == "n_synthetic" else (0, -1, 2.5, True):
            rejects(
                lambda word=word, bad=bad: theory(**{**good, word: bad}, generations=2),
                f"={bad!r}",
                "integer",
            )
    for keywords, part in (
        ({"generations": 0}, "generations=0"),
        ({"bias": -1.0}, "bias=-1.0"),
        ({"ddof": 2}, "ddof=2"),
        ({"dim": 0}, "dim=0"),
        ({"spectrum": [1.0, -1.0]}, "spectrum"),
        ({"spectrum": [1.0, np.nan]}, "spectrum"),
        ({"spectrum": [1.0, 2.0], "dim": 3}, "dim"),
    ):
        rejects(lambda keywords=keywords: theory(**{**good, "generations": 2, **keywords}), part)
    with pytest.raises(TypeError):
        theory(9)
