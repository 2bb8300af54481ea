"""Metrics: functions of a `Snapshot` that return one number per replicate.

Those of one argument describe the mean and covariance of the fitted model, or compare them with those of the
reference distribution, in closed form. `on_samples` computes them from samples if a model has no such
moments, and turns functions of arrays of points, with keywords ``real`` and ``fake``, into metrics of a loop.
`defaults` returns those that `simulate` measures.
"""

from madtheory.metrics.classes import class_shares, class_variance, mode_coverage, variance_by_class
from madtheory.metrics.ecosystem import OF_ECOSYSTEM as OF_ECOSYSTEM, model_spread, pool_variance
from madtheory.metrics.families import (
    extinct,
    log_mean_parameter,
    mean_parameter,
    mean_parameter_error,
    parameter_variance,
    tail_index,
)
from madtheory.metrics.gaussian import (
    DEFAULT,
    check_suitable as check_suitable,
    defaults,
    effective_sample_size,
    kl_divergence,
    log_total_variance,
    log_volume,
    mean_error,
    reverse_kl_divergence,
    total_variance,
    wasserstein2_squared,
)
from madtheory.metrics.likelihood import negative_log_likelihood
from madtheory.metrics.memorisation import neighbour_entropy, novelty
from madtheory.metrics.points import (
    cramer_von_mises,
    density_coverage,
    frechet_distance,
    gaussian_distance as gaussian_distance,
    maximum_mean_discrepancy,
    precision_recall,
    sliced_wasserstein,
    wasserstein1,
)
from madtheory.metrics.regression import excess_risk, noise_variance, parameter_error
from madtheory.metrics.sampling import on_samples
from madtheory.metrics.text import (
    distinct_n,
    entropy_rate,
    ngram_support,
    perplexity,
    prefix_entropy,
    prefix_heterozygosity,
    prefix_squared_error,
    prefix_support_size,
    row_heterozygosity,
)

__all__ = [
    "DEFAULT",
    "class_shares",
    "class_variance",
    "cramer_von_mises",
    "defaults",
    "density_coverage",
    "distinct_n",
    "effective_sample_size",
    "entropy_rate",
    "excess_risk",
    "extinct",
    "frechet_distance",
    "kl_divergence",
    "log_mean_parameter",
    "log_total_variance",
    "log_volume",
    "maximum_mean_discrepancy",
    "mean_error",
    "mean_parameter",
    "mean_parameter_error",
    "mode_coverage",
    "model_spread",
    "negative_log_likelihood",
    "neighbour_entropy",
    "ngram_support",
    "noise_variance",
    "novelty",
    "on_samples",
    "parameter_error",
    "parameter_variance",
    "perplexity",
    "pool_variance",
    "precision_recall",
    "prefix_entropy",
    "prefix_heterozygosity",
    "prefix_squared_error",
    "prefix_support_size",
    "reverse_kl_divergence",
    "row_heterozygosity",
    "sliced_wasserstein",
    "tail_index",
    "total_variance",
    "variance_by_class",
    "wasserstein1",
    "wasserstein2_squared",
]
