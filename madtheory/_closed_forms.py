"""The table (model, regime) -> closed form, and what each form needs to know of a loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from madtheory._correction import Correction
from madtheory._loop import Loop
from madtheory.models import Categorical, Gaussian, KernelDensity, Mixture
from madtheory.theory import categorical, correction, gaussian, kernel_density

__all__ = ["CLOSED_FORMS", "NoClosedForm", "trajectory_of"]


class NoClosedForm(LookupError):
    """No closed form is known for this loop; the message names what is missing."""


CLOSED_FORMS: dict[tuple[type, str], Callable[..., dict[str, Any]]] = {
    (Gaussian, "replace"): gaussian.replace,
    (Gaussian, "augment"): gaussian.augment,
    (Gaussian, "accumulate"): gaussian.accumulate,
    (Gaussian, "accumulate_subsample"): gaussian.accumulate_subsample,
    (Gaussian, "fresh"): gaussian.fresh,
    (Gaussian, "custom"): gaussian.first_moments,
    (Categorical, "replace"): categorical.replace,
    (Categorical, "augment"): categorical.augment,
    (Categorical, "accumulate"): categorical.accumulate,
    (Categorical, "accumulate_subsample"): categorical.accumulate_subsample,
    (Categorical, "fresh"): categorical.fresh,
    (Categorical, "custom"): categorical.heterozygosity,
    (KernelDensity, "replace"): kernel_density.replace,
    (KernelDensity, "augment"): kernel_density.augment,
    (KernelDensity, "accumulate"): kernel_density.accumulate,
    (KernelDensity, "accumulate_subsample"): kernel_density.accumulate_subsample,
    (KernelDensity, "fresh"): kernel_density.fresh,
    (KernelDensity, "custom"): kernel_density.first_moments,
    (Mixture, "replace"): kernel_density.replace,
    (Mixture, "augment"): kernel_density.augment,
    (Mixture, "accumulate"): kernel_density.accumulate,
    (Mixture, "accumulate_subsample"): kernel_density.accumulate_subsample,
    (Mixture, "fresh"): kernel_density.fresh,
    (Mixture, "custom"): kernel_density.first_moments,
}
"""One row per closed form; it takes the regime's keywords, and what the model's row of `_KEYWORDS` adds."""

_CORRECTED: dict[str, Callable[..., dict[str, Any]]] = {
    "replace": correction.replace,
    "augment": correction.augment,
    "accumulate": correction.accumulate,
    "fresh": correction.fresh,
}
_DISTRIBUTION_FREE = ("total_variance", "mean_error")
_OF_FULL_RANK = ("log_volume", "kl_divergence", "reverse_kl_divergence")


def trajectory_of(loop: Loop, generations: int) -> dict[str, Any]:
    """Evaluate the closed form of a loop; raises `NoClosedForm` with what is missing."""
    name, kind = loop.regime.name, type(loop.model)
    form = CLOSED_FORMS.get((kind, name))
    if form is None:
        known = ", ".join(sorted({f"{model.__name__} {regime}" for model, regime in CLOSED_FORMS}))
        raise NoClosedForm(
            f"no closed form for model {kind.__name__} in regime {name!r}; there are: {known}. "
            f"Use simulate, or add a row to madtheory._closed_forms.CLOSED_FORMS."
        )
    asked = dict(loop.regime.keywords)
    keywords = _KEYWORDS[kind](loop)
    if loop.treatments:
        form, strength = _corrected(loop)
        keywords["correction"] = strength
        for key in ("memory", "weights"):
            if asked.pop(key, None) not in (1, None):
                raise NoClosedForm(f"{key} has no closed form together with a treatment; leave it out.")
        if name == "accumulate" and (keywords.pop("known_mean") or not isinstance(asked["n"], int)):
            raise NoClosedForm(
                "a corrected accumulate has a closed form for fitted means and constant n only."
            )
    trajectory = form(**asked, **keywords, generations=generations)
    if kind is Gaussian and not isinstance(loop.real, Gaussian):
        trajectory = {key: trajectory[key] for key in _DISTRIBUTION_FREE}
    elif kind is Gaussian and len(keywords["spectrum"]) < loop.real.dim:
        trajectory = {key: values for key, values in trajectory.items() if key not in _OF_FULL_RANK}
    return trajectory


def _corrected(loop: Loop) -> tuple[Callable[..., dict[str, Any]], float]:
    """The closed form of the one treatment that has one, and its strength."""
    only = loop.treatments[0] if len(loop.treatments) == 1 else None
    exact = isinstance(only, Correction) and only.envelope == "exact" and only.toward is None
    if not exact or type(loop.model) is not Gaussian or loop.regime.name not in _CORRECTED:
        raise NoClosedForm(
            f"no closed form for treatments={loop.treatments!r} in regime {loop.regime.name!r}; there is one "
            f"for a Gaussian under correct(strength) in: {', '.join(_CORRECTED)}. Use simulate."
        )
    assert isinstance(only, Correction)
    return _CORRECTED[loop.regime.name], only.strength


def _spread_keywords(loop: Loop) -> dict[str, Any]:
    """Eigenvalues of the true covariance, and the bias."""
    if not hasattr(type(loop.real), "covariance"):
        raise NoClosedForm(
            f"real {type(loop.real).__name__} has no mean and covariance, which the closed forms need; "
            f"give it both, or use simulate."
        )
    eigenvalues = np.linalg.eigvalsh(loop.real.covariance)[::-1]
    spectrum = eigenvalues[eigenvalues > 1e-12 * eigenvalues.max()]
    if not spectrum.size:
        raise NoClosedForm("real has no variance: all its points are the same; give it at least two.")
    return {"spectrum": spectrum, "bias": 1.0 if loop.bias is None else loop.bias}


def _gaussian_keywords(loop: Loop) -> dict[str, Any]:
    known = loop.model.known_mean
    keywords = _spread_keywords(loop)
    if known is not None and not np.allclose(known, loop.real.mean):
        raise NoClosedForm("known_mean differs from the mean of real; the closed forms need the true one.")
    return keywords | {"ddof": loop.model.ddof, "known_mean": known is not None}


def _categorical_keywords(loop: Loop) -> dict[str, Any]:
    if not isinstance(loop.real, Categorical):
        raise NoClosedForm(f"real {type(loop.real).__name__} is not Categorical, as the closed forms need.")
    if loop.bias not in (None, 1.0):
        raise NoClosedForm(f"bias={loop.bias} has no closed form for Categorical; leave it out.")
    smoothing = loop.model.smoothing
    if smoothing and loop.regime.name != "replace":
        raise NoClosedForm(f"smoothing={smoothing} has a closed form in regime 'replace' only.")
    if smoothing and loop.model.symbols != loop.real.symbols:
        raise NoClosedForm(
            f"smoothing spreads over symbols={loop.model.symbols} and real has {loop.real.symbols}; "
            f"make them equal."
        )
    keywords = {"probabilities": loop.real.probabilities}
    return keywords | ({"smoothing": smoothing} if loop.regime.name == "replace" else {})


def _kernel_keywords(loop: Loop) -> dict[str, Any]:
    return _spread_keywords(loop) | {"bandwidth": loop.model.bandwidth}


def _mixture_keywords(loop: Loop) -> dict[str, Any]:
    """A fitted mixture has the moments of its training set (divisor n), but for the ridge of EM."""
    if loop.bias not in (None, 1.0):
        raise NoClosedForm(f"bias={loop.bias} scales the components of a mixture only; leave it out.")
    latent = loop.model.labels == "latent"
    return _spread_keywords(loop) | {"bandwidth": np.sqrt(loop.model.ridge) if latent else 0.0}


_KEYWORDS: dict[type, Callable[[Loop], dict[str, Any]]] = {
    Gaussian: _gaussian_keywords,
    Categorical: _categorical_keywords,
    KernelDensity: _kernel_keywords,
    Mixture: _mixture_keywords,
}
