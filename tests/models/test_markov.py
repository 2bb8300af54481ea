"""Markov models of documents against enumeration, and the exact law of their n-grams."""

import itertools

import numpy as np
import pytest

import madtheory as mad
from madtheory import metrics, regimes
from madtheory.data import NGrams, Vocabulary, Weighted
from madtheory.testing import assert_mean_matches
from madtheory.theory import categorical

ROWS = np.array([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6], [0.5, 0.0, 0.5]])
FIRST = np.array([0.5, 0.2, 0.3])
LAW = mad.Markov.chain(FIRST, ROWS, length=4)


def every_document(symbols, length):
    return np.array(list(itertools.product(range(symbols), repeat=length)), dtype=float)


def by_hand(documents, order, smoothing, symbols, context, symbol):
    """The probability of a symbol after a context, the start sign being -1, from the definition."""
    counted = np.zeros(symbols)
    for row in documents:
        padded = [-1] * order + [int(x) for x in row]
        for at in range(order, len(padded)):
            if padded[at - len(context) : at] == list(context):
                counted[padded[at]] += 1
    total = counted.sum()
    if total and not smoothing:
        return counted[symbol] / total
    lower = by_hand(documents, order, smoothing, symbols, context[1:], symbol) if context else 1 / symbols
    return (counted[symbol] + smoothing * lower) / (total + smoothing) if total + smoothing else lower


@pytest.mark.parametrize("smoothing", [0.0, 1.5])
@pytest.mark.parametrize("order", [0, 1, 2, 3, 5])
def test_probabilities_by_hand(order, smoothing):
    rng = np.random.default_rng(order)
    documents = rng.integers(3, size=(3, 4)).astype(float)
    model = mad.Markov(order=order, smoothing=smoothing, vocabulary=3).fit(documents)
    asked = every_document(3, 5)[::7]  # longer than the documents: contexts that were never continued
    found = np.exp(model.log_density(asked))
    for row, p in zip(asked.astype(int), found, strict=True):
        padded = (*[-1] * order, *row)
        product = 1.0
        for at in range(order, len(padded)):
            context = padded[at - order : at]
            product *= by_hand(documents, order, smoothing, 3, context, padded[at])
        assert p == pytest.approx(product, abs=1e-12)


def test_the_law_adds_up_and_has_its_entropy():
    every = every_document(3, 4)
    p = np.exp(LAW.log_density(every))
    assert p.sum() == pytest.approx(1, abs=1e-12)
    assert p[5] == pytest.approx(FIRST[0] * ROWS[0, 0] * ROWS[0, 1] * ROWS[1, 2])
    entropy = -(p * np.log(np.where(p > 0, p, 1))).sum()
    assert LAW.entropy_rate * 4 == pytest.approx(entropy, abs=1e-12)
    np.testing.assert_allclose(LAW.prefix_law(4).ravel(), p, atol=1e-12)
    np.testing.assert_allclose(LAW.prefix_law(1), FIRST, atol=1e-12)


def test_samples_have_the_law():
    """Chi-squared of 400,000 documents; those of another bias are rejected."""
    every, n = every_document(3, 4), 400_000
    place = every @ 3 ** np.arange(3, -1, -1)
    p = np.exp(LAW.log_density(every))[np.argsort(place)]

    def chi_squared(**keywords):
        drawn = LAW.sample(n, rng=np.random.default_rng(0), **keywords)
        counts = np.bincount((drawn @ 3 ** np.arange(3, -1, -1)).astype(int), minlength=81)
        assert not counts[p == 0].any()
        alive = p > 0
        return ((counts - n * p)[alive] ** 2 / (n * p[alive])).sum() - alive.sum() + 1

    assert abs(chi_squared()) < 5 * np.sqrt(2 * 80)
    assert chi_squared(bias=0.97) > 5 * np.sqrt(2 * 80)


def table(grams, replicates):
    """Counts by replicate, context (the last is the start) and symbol."""
    dense = np.zeros((replicates, 4, 4))
    dense.reshape(-1)[grams.codes] = grams.counts
    return dense[..., :3]


def test_drawn_ngrams_obey_walds_identities():
    """Exact for every length: rows are unbiased and uncorrelated when weighted by their counts."""
    n, runs = 7, 40_000
    counts = table(LAW.expand(runs).sample_statistic(n, rng=np.random.default_rng(1)), runs)
    law = np.vstack([ROWS, FIRST])
    visits = counts.sum(-1)
    assert (visits[:, 3] == n).all()
    assert (visits.sum(-1) == 4 * n).all()
    surplus = counts - law * visits[..., None]
    assert_mean_matches(surplus[:, 0, 0], 0.0)
    assert_mean_matches(surplus[:, 1, 2] * surplus[:, 0, 1], 0.0)
    expected = n * sum(FIRST @ np.linalg.matrix_power(ROWS, k) for k in range(3))
    for context in range(3):
        assert_mean_matches(visits[:, context], expected[context])
        p = ROWS[context, 0]
        assert_mean_matches(surplus[:, context, 0] ** 2, p * (1 - p) * expected[context])
    with pytest.raises(AssertionError):
        assert_mean_matches(visits[:, 0], 1.01 * expected[0])


def test_a_fitted_row_is_biased_where_its_count_depends_on_it():
    """One document, enumerated: the mean of a fitted row is the row for pairs, and not for triples."""
    rows, first = np.array([[0.5, 0.5], [0.5, 0.5]]), np.array([0.5, 0.5])
    means = {}
    for length in (2, 3):
        law, mean, seen = mad.Markov.chain(first, rows, length=length), 0.0, 0.0
        for document in every_document(2, length):
            p = np.exp(law.log_density([document]))[0]
            pairs = [(a, b) for a, b in itertools.pairwise(document) if a == 0]
            if pairs:
                mean, seen = mean + p * sum(b == 0 for _, b in pairs) / len(pairs), seen + p
        means[length] = mean / seen
    assert means[2] == pytest.approx(0.5, abs=1e-12)
    assert means[3] == pytest.approx(5 / 12, abs=1e-12)


def test_rows_of_pairs_are_the_brute_force_of_a_chain():
    """The states of a loop of three pairs, all of them, for three generations."""
    n, initial, rows = 3, np.array([0.7, 0.3]), np.array([[0.4, 0.6], [0.8, 0.2]])
    counted = [c for c in itertools.product(range(n + 1), repeat=4) if sum(c) == n]
    factorial = np.array([1, 1, 2, 6])

    def law_of(p):
        return {c: 6 * np.prod([q**k / factorial[k] for q, k in zip(p, c, strict=True)]) for c in counted}

    mass, found = law_of((initial[:, None] * rows).ravel()), []
    for _ in range(3):
        mean = np.zeros(2)
        for c, p in mass.items():
            pairs = np.array(c, dtype=float).reshape(2, 2)
            total = np.maximum(pairs.sum(1), 1)
            mean += p * (pairs.sum(1) > 0) * (1 - (pairs**2).sum(1) / total**2)
        found.append(mean)
        after = dict.fromkeys(counted, 0.0)
        for c, p in mass.items():
            for child, q in law_of(np.array(c) / n).items():
                after[child] += p * q
        mass = after
    theory = categorical.row_heterozygosity(n=n, initial=initial, rows=rows, generations=3)
    np.testing.assert_allclose(theory, found, atol=1e-10)
    assert theory.kind == "exact mean"


def test_temperature_map_is_the_limit_of_many_documents():
    loop = mad.Loop(real=LAW, model=mad.Markov(vocabulary=3), regime=regimes.replace(n=400_000), bias=0.8)
    run = mad.iterate(loop, rng=0)
    models = [next(run).model for _ in range(3)]
    theory = categorical.temperature_map(probabilities=ROWS, bias=0.8, generations=3)
    iterated = ROWS
    for model, expected in zip(models, theory, strict=True):
        np.testing.assert_allclose(expected, iterated, atol=1e-10)
        pairs = model.prefix_law(2)
        np.testing.assert_allclose(pairs / pairs.sum(1, keepdims=True), expected, atol=0.01)
        iterated = iterated ** (1 / 0.8)
        iterated = iterated / iterated.sum(1, keepdims=True)
    extreme = categorical.temperature_map(probabilities=[0.5, 0.5, 0.0], bias=1e-3, generations=200)
    np.testing.assert_allclose(extreme[-1], [0.5, 0.5, 0.0])


def test_top_k_top_p_and_bias():
    law = mad.Markov.chain([0.5, 0.3, 0.2], np.tile([0.5, 0.3, 0.2], (3, 1)), length=1)

    def shares(bias=None, **keywords):
        model = mad.Markov(vocabulary=3, table=law.table, **keywords)
        drawn = model.sample_statistic(10**7, rng=np.random.default_rng(0), bias=bias or 1.0)
        return table(drawn, 1)[0, 3] / 1e7

    np.testing.assert_allclose(shares(top_k=2), [5 / 8, 3 / 8, 0], atol=1e-3)
    np.testing.assert_allclose(shares(top_p=0.5), [1, 0, 0], atol=1e-3)
    np.testing.assert_allclose(shares(top_p=0.6), [5 / 8, 3 / 8, 0], atol=1e-3)
    squares = np.array([25, 9, 4]) / 38
    np.testing.assert_allclose(shares(bias=0.5), squares, atol=1e-3)
    np.testing.assert_allclose(shares(bias=0.5, top_k=2), [25 / 34, 9 / 34, 0], atol=1e-3)


def test_weights_and_pooled_counts():
    documents = np.array([[0, 1, 1], [1, 0, 0.0], [1, 1, 1]])
    twice = mad.Markov(vocabulary=2).fit(Weighted(documents, np.array([2.0, 1.0, 0.0])))
    listed = mad.Markov(vocabulary=2).fit(documents[[0, 0, 1]])
    np.testing.assert_array_equal(twice.table.codes, listed.table.codes)
    np.testing.assert_array_equal(twice.table.counts, listed.table.counts)
    parts = [NGrams.of(documents[:1], order=2, symbols=2), NGrams.of(documents[1:], order=1, symbols=2)]
    pooled, whole = NGrams.joined(parts), NGrams.of(documents, order=1, symbols=2)
    np.testing.assert_array_equal(pooled.codes, whole.codes)
    np.testing.assert_array_equal(pooled.counts, whole.counts)
    assert pooled.weight == 3


def test_long_contexts_copy_the_training_set():
    documents = np.random.default_rng(0).integers(4, size=(6, 5)).astype(float)
    model = mad.Markov(order=4).fit(documents)
    drawn = model.sample(200, rng=np.random.default_rng(1))
    assert {tuple(row) for row in drawn} <= {tuple(row) for row in documents}
    assert metrics.distinct_n(fake=drawn, n=5) <= 6 / 200


def test_ends_stay_ends():
    names = ["anna", "hanna", "nina", "ina"]
    letters = Vocabulary.of(names)
    model = mad.Markov(order=2, vocabulary=letters).fit(letters.encode(names, length=7))
    drawn = model.sample(300, rng=np.random.default_rng(0))
    ended = np.logical_or.accumulate(drawn == 0, axis=1)
    assert (drawn[ended] == 0).all()
    assert {"inanna", "hanna"} & set(letters.decode(drawn))


def test_perplexity_of_the_truth_is_its_entropy_rate():
    held_out = LAW.sample(20_000, rng=np.random.default_rng(0))
    loop = mad.Loop(real=LAW, model=mad.Markov(vocabulary=3), regime=regimes.replace(n=100_000))
    snapshot = mad.start(loop, rng=0)
    assert metrics.perplexity(test=held_out)(snapshot) == pytest.approx(np.exp(LAW.entropy_rate), rel=0.01)
    assert [m.__name__ for m in metrics.defaults(loop)] == [
        "entropy_rate", "ngram_support", "prefix_heterozygosity",
    ]  # fmt: skip


def test_words():
    words = Vocabulary.of(["the cat sat", "the dog sat"], unit="word")
    assert len(words) == 5
    encoded = words.encode(["the dog sat down", "sat"], length=4)
    assert words.decode(encoded) == ["the dog sat", "sat"]
    assert Vocabulary.of(["b b a c a b"], unit="word", most=2).symbols == ("a", "b")


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: mad.Markov(order=-1), "order"),
        (lambda: mad.Markov(smoothing=-1), "smoothing"),
        (lambda: mad.Markov(top_k=0), "top_k"),
        (lambda: mad.Markov(top_p=0.0), "top_p"),
        (lambda: mad.Markov(vocabulary=0), "vocabulary"),
        (lambda: mad.Markov(table=3), "NGrams"),
        (lambda: mad.Markov().sample(3, rng=np.random.default_rng(0)), "not fitted"),
        (lambda: mad.Markov(vocabulary=2).fit([[0, 2]]), "enlarge the vocabulary"),
        (lambda: mad.Markov().fit([[0.5, 1]]), "integers"),
        (lambda: mad.Markov(order=40).fit([[0, 5]]), "lower the order"),
        (lambda: mad.Markov(order=2).fit(NGrams.of([[0, 1]], order=1)), "order=2"),
        (lambda: mad.Markov.chain([1.0], ROWS, length=2), "fit together"),
        (lambda: mad.Markov.chain(FIRST, -ROWS, length=2), "0 or more"),
        (lambda: Vocabulary("aa"), "repeat"),
        (lambda: Vocabulary(""), "symbols"),
        (lambda: Vocabulary("ab", "letter"), "unit"),
        (lambda: Vocabulary("ab").encode([3], length=2), "texts"),
        (lambda: metrics.distinct_n(fake=[[0, 1]], n=3), "n=3"),
        (lambda: categorical.row_heterozygosity(n=5, initial=[1.0], rows=ROWS, generations=2), "rows"),
        (lambda: categorical.row_heterozygosity(n=9999, initial=[1], rows=[[1]], generations=2), "9999"),
        (lambda: categorical.temperature_map(probabilities=[0.0], bias=1, generations=2), "probabilities"),
        (lambda: categorical.temperature_map(probabilities=[1.0], bias=0, generations=2), "bias"),
    ],
)  # fmt: skip
def test_errors_name_the_argument(call, says):
    with pytest.raises((ValueError, TypeError), match=says):
        call()


def test_statistics_need_ngrams_of_the_models_order():
    loop = mad.Loop(real=LAW, model=mad.Markov(order=2), regime=regimes.replace(n=5))
    with pytest.raises(ValueError, match="order 1, and those of model order 2"):
        mad.start(loop, method="statistics", rng=0)
    short = mad.Loop(real=LAW, model=mad.Markov(), regime=regimes.accumulate_subsample(n=5))
    with pytest.raises(ValueError, match="picks individual points"):
        mad.start(short, method="statistics", rng=0)
