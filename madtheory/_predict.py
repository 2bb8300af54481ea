"""The table (model, regime) -> closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from madtheory._loop import Loop
from madtheory._validation import check_size
from madtheory.models import Gaussian
from madtheory.theory import gaussian

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["CLOSED_FORMS", "NoClosedForm", "predict"]


class NoClosedForm(LookupError):
    """No closed form is known for this loop; the message names what is missing."""


CLOSED_FORMS: dict[tuple[type, str], Callable[..., dict[str, Any]]] = {
    (Gaussian, "replace"): gaussian.replace,
    (Gaussian, "augment"): gaussian.augment,
    (Gaussian, "accumulate"): gaussian.accumulate,
    (Gaussian, "accumulate_subsample"): gaussian.accumulate_subsample,
    (Gaussian, "fresh"): gaussian.fresh,
    (Gaussian, "custom"): gaussian.first_moments,
}
"""One row per closed form; it takes the regime's keywords, and what `_gaussian_keywords` adds."""

_DISTRIBUTION_FREE = ("total_variance", "mean_error")
_OF_FULL_RANK = ("log_volume", "kl_divergence", "reverse_kl_divergence")


def predict(loop: Loop, generations: int) -> xr.Dataset:
    """Closed-form answer for every generation of a loop.

    Parameters
    ----------
    loop : Loop
        What happens.
    generations : int
        Number of generations; 1 is the model trained on real data only.

    Returns
    -------
    xarray.Dataset
        Variables (generation,), under the names of the metrics they predict; each one's ``attrs`` hold its
        ``kind`` (a ``"bound"`` is no equality) and ``source``.

    Raises
    ------
    NoClosedForm
        If no form is known; the message says what it would take.
    """
    import xarray as xr

    check_size("generations", generations)
    name = loop.regime.name
    form = CLOSED_FORMS.get((type(loop.model), name))
    if form is None:
        known = ", ".join(sorted({f"{model.__name__} {regime}" for model, regime in CLOSED_FORMS}))
        raise NoClosedForm(
            f"no closed form for model {type(loop.model).__name__} in regime {name!r}; there are: {known}. "
            f"Use simulate, or add a row to madtheory._predict.CLOSED_FORMS."
        )
    keywords = _gaussian_keywords(loop)
    trajectory = form(**loop.regime.keywords, **keywords, generations=generations)
    if not isinstance(loop.real, Gaussian):
        trajectory = {key: trajectory[key] for key in _DISTRIBUTION_FREE}
    elif len(keywords["spectrum"]) < loop.real.dim:
        trajectory = {key: values for key, values in trajectory.items() if key not in _OF_FULL_RANK}
    variables = {
        key: ("generation", np.asarray(values), {"kind": values.kind, "source": values.source})
        for key, values in trajectory.items()
    }
    attrs = {
        "regime": name,
        "bias": 1.0 if loop.bias is None else loop.bias,
        "model": type(loop.model).__name__,
    }
    return xr.Dataset(variables, {"generation": np.arange(1, generations + 1)}, attrs)


def _gaussian_keywords(loop: Loop) -> dict[str, Any]:
    """What the theory needs of the model and the truth, as numbers."""
    if not hasattr(type(loop.real), "covariance"):
        raise NoClosedForm(
            f"real {type(loop.real).__name__} has no mean and covariance, which the closed forms need; "
            f"give it both, or use simulate."
        )
    eigenvalues = np.linalg.eigvalsh(loop.real.covariance)[::-1]
    spectrum = eigenvalues[eigenvalues > 1e-12 * eigenvalues.max()]
    if not spectrum.size:
        raise NoClosedForm("real has no variance: all its points are the same; give it at least two.")
    known = loop.model.known_mean
    if known is not None and not np.allclose(known, loop.real.mean):
        raise NoClosedForm("known_mean differs from the mean of real; the closed forms need the true one.")
    return {
        "spectrum": spectrum,
        "bias": 1.0 if loop.bias is None else loop.bias,
        "ddof": loop.model.ddof,
        "known_mean": known is not None,
    }
