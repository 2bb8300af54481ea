"""Metrics of text: functions of a `Snapshot` of documents that return one number per replicate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from madtheory.metrics.likelihood import NegativeLogLikelihood, negative_log_likelihood
from madtheory.models import Markov
from madtheory.types import Array, Metric
from madtheory.validation import check_arguments, check_points, check_size, check_snapshot, show

if TYPE_CHECKING:
    from madtheory.core import Snapshot


def entropy_rate(snapshot: Snapshot) -> Array:
    """Return the entropy of a document under the model over its length, in nats per symbol."""
    return _fitted(snapshot, "entropy_rate").entropy_rate


def ngram_support(snapshot: Snapshot) -> Array:
    """Return the number of n-grams, context and next symbol, that the model was fitted to."""
    return np.asarray(_fitted(snapshot, "ngram_support").support_size)


def row_heterozygosity(snapshot: Snapshot) -> Array:
    r"""Return the sum over contexts of the probability that two continuations differ.

    .. math:: \sum_{c:\, N(c) > 0} \Big(1 - \sum_x p(x | c)^2\Big)
    """
    return _fitted(snapshot, "row_heterozygosity").row_heterozygosity


def prefix_heterozygosity(snapshot: Snapshot) -> Array:
    """Return the probability that the first symbols of two documents differ (`Markov.prefix_length`)."""
    p = _prefixes(snapshot, "prefix_heterozygosity")
    return 1.0 - np.einsum("...i,...i->...", p, p)


def prefix_support_size(snapshot: Snapshot) -> Array:
    """Return the number of beginnings of documents that the model can write (`Markov.prefix_length`)."""
    return np.asarray(np.count_nonzero(_prefixes(snapshot, "prefix_support_size"), axis=-1))


def prefix_entropy(snapshot: Snapshot) -> Array:
    """Return the entropy of the first symbols of a document, in nats (`Markov.prefix_length`)."""
    p = _prefixes(snapshot, "prefix_entropy")
    return -np.einsum("...i,...i->...", p, np.log(p + (p == 0))) + 0.0


def prefix_squared_error(snapshot: Snapshot) -> Array:
    """Return the squared distance of the law of the first symbols to the true one."""
    model, real = _fitted(snapshot, "prefix_squared_error"), snapshot.real
    check_text("prefix_squared_error", model, real)
    axes = range(-model.prefix_length, 0)
    p, truth = model.prefixes, real.prefix_law(model.prefix_length)
    many = max(p.shape[-1], truth.shape[-1])
    return np.asarray(((_padded(p, axes, many) - _padded(truth, axes, many)) ** 2).sum(tuple(axes)))


def _padded(law: Array, axes: range, many: int) -> Array:
    """Return a law on more symbols, of which the new ones have probability 0."""
    missing = many - law.shape[-1]
    return np.pad(law, [(0, 0)] * (law.ndim - len(axes)) + [(0, missing)] * len(axes))


def _prefixes(snapshot: Snapshot, metric: str) -> Array:
    model = _fitted(snapshot, metric)
    law = model.prefixes
    return law.reshape(*law.shape[: law.ndim - model.prefix_length], -1)


OF_TEXT: dict[Any, bool] = {
    entropy_rate: False, ngram_support: False, row_heterozygosity: False, prefix_heterozygosity: False,
    prefix_support_size: False, prefix_entropy: False, prefix_squared_error: True,
}  # fmt: skip
"""The metrics of this module, and whether they compare with the truth."""


@check_arguments
def perplexity(*, test: Any) -> Metric:
    r"""Return the metric of held-out documents: the perplexity of the model per symbol.

    .. math:: \exp\Big(-\frac{1}{mL} \sum_{j=1}^m \log p(x_j)\Big)

    It is dimensionless, the number of equally probable symbols that are as hard to guess; inf where a
    document cannot be produced, which smoothing prevents.

    Parameters
    ----------
    test : array, shape (m, L)
        Documents that are not used in training. Their ends count as symbols.

    Examples
    --------
    >>> import numpy as np
    >>> import madtheory as mad
    >>> from madtheory import metrics, regimes
    >>> truth = mad.Markov.chain([0.5, 0.5], [[0.9, 0.1], [0.1, 0.9]], length=20)
    >>> held_out = truth.sample(200, rng=np.random.default_rng(0))
    >>> loop = mad.Loop(
    ...     real=truth, model=mad.Markov(smoothing=1.0, vocabulary=2), regime=regimes.replace(n=20)
    ... )
    >>> chosen = [metrics.perplexity(test=held_out)]
    >>> found = mad.simulate(loop, 30, metrics=chosen, replicates=20, rng=0, progress=False)
    >>> means = found.perplexity.mean("replicate")
    >>> bool(means[0] < 1.5) and bool(means[-1] > 2)
    True
    """
    metric = negative_log_likelihood(test=test)
    assert isinstance(metric, NegativeLogLikelihood)
    return Perplexity(metric.test)


class Perplexity(NegativeLogLikelihood):
    """The metric, with its documents."""

    name = "perplexity"

    def __call__(self, snapshot: Snapshot) -> Array:
        """Return the perplexity of the test documents, one number per replicate."""
        return np.exp(super().__call__(snapshot) / self.test.shape[-1])


@check_arguments
def distinct_n(*, fake: Any, n: int = 2) -> float:
    """Return the number of different n-grams of documents over the number of all of them, in (0, 1].

    As a metric of a loop it measures documents that the models write:
    ``metrics.on_samples(metrics.distinct_n, n=100)``. It falls with the number of documents, so only equal
    numbers compare. Source: Li et al. 2016 (arXiv 1510.03055), distinct-1 and distinct-2.

    Parameters
    ----------
    fake : array, shape (m, L)
        Documents.
    n : int
        Number of symbols of an n-gram, at most L.

    Examples
    --------
    >>> from madtheory import metrics
    >>> metrics.distinct_n(fake=[[0, 1, 0, 1], [0, 1, 0, 0]], n=2)
    0.5
    """
    documents = check_points(fake, "fake")
    if check_size("n", n) > documents.shape[-1]:
        raise ValueError(f"n={n} exceeds the {documents.shape[-1]} symbols of a document; lower it.")
    windows = np.lib.stride_tricks.sliding_window_view(documents, n, axis=-1).reshape(-1, n)
    return len(np.unique(windows, axis=0)) / len(windows)


def check_text(metric: str, model: Any, real: Any = None) -> None:
    """Refuse a model, or a truth if there is one, that does not count n-grams."""
    if not isinstance(model, Markov):
        raise TypeError(
            f"metric {metric} describes a Markov; the model is a {type(model).__name__}. Leave metrics out: "
            f"the defaults fit the loop; or pass metrics=[...] of your own."
        )
    if real is not None and not isinstance(real, Markov):
        raise TypeError(
            f"metric {metric} compares with a true law of documents; real is {show(real)}: pass "
            f"real=Markov(...).fit(documents), or Markov.chain(...)."
        )


def _fitted(snapshot: Snapshot, metric: str) -> Markov:
    check_snapshot(snapshot)
    model = snapshot.model
    check_text(metric, model)
    found: Markov = model
    return found
