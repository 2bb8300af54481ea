"""The table (model, regime) -> closed form, and what each form needs to know of a loop."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from madtheory.core import Loop
from madtheory.interpreters.provenance import COORDINATES, variable_attributes
from madtheory.models import SIMS, Categorical, Estimator, Gaussian, KernelDensity, Mixture
from madtheory.numerics import one_thread
from madtheory.theory import categorical, correction, gaussian, guidance, kernel_density, labelled
from madtheory.treatments import Correction, Curation
from madtheory.validation import check_memory, check_names, check_size, checked

if TYPE_CHECKING:
    import xarray as xr


class NoClosedForm(LookupError):
    """No closed form is known for this loop; the message names what is missing."""


def _sims_replace(*, n: int, n_initial: int, **rest: Any) -> dict[str, Any]:
    return _sims_augment(n_real=0, n_synthetic=n, **rest)


def _sims_augment(*, spectrum: Any, memory: int = 1, weights: Any = None, **keywords: Any) -> dict[str, Any]:
    moments = guidance.sims_moments(**keywords)
    return {
        name: labelled(spectrum[0] * np.asarray(values), values.kind, values.source)
        for name, values in moments.items()
    }


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
    (Estimator, "replace"): kernel_density.replace,
    (Estimator, "augment"): kernel_density.augment,
    (Estimator, "accumulate"): kernel_density.accumulate,
    (Estimator, "accumulate_subsample"): kernel_density.accumulate_subsample,
    (Estimator, "fresh"): kernel_density.fresh,
    (Estimator, "custom"): kernel_density.first_moments,
    (SIMS, "replace"): _sims_replace,
    (SIMS, "augment"): _sims_augment,
}
"""One row per closed form; it takes the regime's keywords, and what the model's row of `_KEYWORDS` adds."""

_CORRECTED: dict[str, Callable[..., dict[str, Any]]] = {
    "replace": correction.replace,
    "augment": correction.augment,
    "accumulate": correction.accumulate,
    "fresh": correction.fresh,
}
_SELECTIVE = (gaussian.accumulate, gaussian.augment, gaussian.fresh, categorical.replace)
_DISTRIBUTION_FREE = ("total_variance", "mean_error")
_OF_FULL_RANK = ("log_volume", "kl_divergence", "reverse_kl_divergence")


def trajectory_of(loop: Loop, generations: int, variables: Collection[str] | None = None) -> dict[str, Any]:
    """Evaluate the closed form of a loop; raises `NoClosedForm` with what is missing.

    Of the variables that cost most, those that are not among `variables` are left out.
    """
    loop = replace(loop, treatments=tuple(one for one in loop.treatments if not _is_none(one)))
    name, kind = loop.regime.name, type(loop.model)
    form = CLOSED_FORMS.get((kind, name))
    if form is None:
        known = ", ".join(sorted({f"{model.__name__} {regime}" for model, regime in CLOSED_FORMS}))
        raise NoClosedForm(
            f"no closed form for model {kind.__name__} in regime {name!r}; there are: {known}. "
            f"madtheory.compare(simulated) lists a simulation without theory."
        )
    asked = dict(loop.regime.keywords)
    keywords = _KEYWORDS[kind](loop)
    if loop.regime.retain == "logarithmic":
        form, strength = correction.accrual, _accrued(loop, keywords)
        keywords = {key: value for key, value in keywords.items() if key != "known_mean"}
        asked = {key: asked[key] for key in ("n_initial", "n_synthetic")}
        keywords["correction"] = strength
    elif loop.treatments:
        form, strength = _corrected(loop)
        keywords["correction"] = strength
        for key in ("memory", "weights"):
            if asked.pop(key, None) not in (1, None):
                raise NoClosedForm(f"{key} has no closed form together with a treatment; leave it out.")
        if name == "accumulate" and (keywords.pop("known_mean") or not isinstance(asked["n"], int)):
            raise NoClosedForm(
                "a corrected accumulate has a closed form for fitted means and constant n only."
            )
    if form in _SELECTIVE:
        keywords["variables"] = variables
    trajectory = form(**asked, **keywords, generations=generations)
    if kind is Gaussian and not isinstance(loop.real, Gaussian):
        trajectory = {key: trajectory[key] for key in _DISTRIBUTION_FREE}
    elif kind is Gaussian and len(keywords["spectrum"]) < loop.real.dim:
        trajectory = {key: values for key, values in trajectory.items() if key not in _OF_FULL_RANK}
    return trajectory


_DISTANCE = ("wasserstein2_squared", "wasserstein2_squared_lower", "wasserstein2_squared_upper")
_SPREADS = ("total_variance_std", "squared_norm")
_LOGARITHMS = ("log_volume", "kl_divergence")
_RETURNED: dict[tuple[type, str], tuple[str, ...]] = {
    (Gaussian, "replace"): (
        *_LOGARITHMS,
        "reverse_kl_divergence",
        "mean_error_std",
        "total_variance_std",
        *_DISTANCE,
    ),
    (Gaussian, "augment"): (*_SPREADS, *_DISTANCE),
    (Gaussian, "accumulate"): (*_LOGARITHMS, *_SPREADS, "wasserstein2_squared"),
    (Gaussian, "fresh"): (*_SPREADS, *_DISTANCE),
    (Categorical, "replace"): ("squared_error", "chi_squared", "support_size", "entropy"),
}
"""Variables that some loops of a model and a regime have and others do not."""


def omitted_of(loop: Loop, trajectory: dict[str, Any]) -> dict[str, str]:
    """Names of the variables that similar loops have and this one has not, each with the cause."""
    kind, regime = type(loop.model), loop.regime
    names = [name for name in _RETURNED.get((kind, regime.name), ()) if name not in trajectory]
    if kind is Gaussian and regime.name in ("replace", "accumulate"):
        exact = "wasserstein2_squared" in trajectory
        bounded = "wasserstein2_squared_lower" in trajectory
        names = [
            n for n in names if not (n in _DISTANCE[1:] and exact) and not (n == _DISTANCE[0] and bounded)
        ]
    return {name: _cause(loop, name) for name in names}


def _cause(loop: Loop, name: str) -> str:
    """Why a variable has no closed form."""
    regime, kind = loop.regime, type(loop.model)
    if loop.treatments:
        return "the treatment of synthetic data has closed forms of other variables only"
    if kind is Categorical and loop.model.smoothing:
        return f"smoothing={loop.model.smoothing:g} has a closed form of the heterozygosity only"
    if kind is Gaussian and not isinstance(loop.real, Gaussian):
        return "it depends on the law of the real data, which is not Gaussian"
    if regime.memory > 1 or regime.weights is not None:
        return f"memory={regime.memory} and weights={regime.weights} have first moments only"
    if kind is Gaussian and name in (*_LOGARITHMS, "reverse_kl_divergence") and regime.name == "replace":
        few = "a fit has at most dim + 1 degrees of freedom, so that its inverse covariance has no mean"
        return few if name == "reverse_kl_divergence" else "the covariance of the real data is singular"
    if kind is Gaussian and name == "wasserstein2_squared" and regime.name in ("augment", "fresh"):
        return "there is an estimate for batches of one size and a covariance c * identity; the bounds hold"
    if kind is Gaussian and regime.name == "accumulate" and loop.real.dim > 1:
        return "known in one dimension only"
    return f"no closed form is known in regime {regime.name!r}"


def _is_none(treatment: Any) -> bool:
    """Whether a treatment leaves the law of the model as it is."""
    if isinstance(treatment, Correction):
        return treatment.envelope == "exact" and treatment.strength == 0
    return isinstance(treatment, Curation) and treatment.choices == 1


def _accrued(loop: Loop, keywords: dict[str, Any]) -> float:
    """Strength of the correction in a loop with logarithmic accrual that has a closed form."""
    regime, strength = loop.regime, _strength(loop)
    plain = regime.memory == 1 and regime.weights is None and regime.budget is None
    plain &= regime.n_real == regime.n_initial and regime.n_fresh == 0 and regime.n_carried == 0
    if (
        strength is None
        or type(loop.model) is not Gaussian
        or keywords["known_mean"]
        or not (plain and regime.real_data == "fixed" and isinstance(regime.n_synthetic, int))
    ):
        raise NoClosedForm(
            "retain='logarithmic' has a closed form for a Gaussian with fitted mean, beside fixed real data, "
            f"with constant n_synthetic, memory=1, no budget and no weights; not for {loop.model!r} "
            f"in {regime!r} with treatments={loop.treatments!r}. Use simulate."
        )
    return strength


def _strength(loop: Loop) -> float | None:
    """Strength of the one treatment that has closed forms; 0 without treatments, ``None`` for others."""
    if not loop.treatments:
        return 0.0
    only = loop.treatments[0] if len(loop.treatments) == 1 else None
    exact = isinstance(only, Correction) and only.envelope == "exact" and only.toward is None
    return only.strength if exact and isinstance(only, Correction) else None


def _corrected(loop: Loop) -> tuple[Callable[..., dict[str, Any]], float]:
    """The closed form of the one treatment that has one, and its strength."""
    strength = _strength(loop)
    if strength is None or type(loop.model) is not Gaussian or loop.regime.name not in _CORRECTED:
        raise NoClosedForm(
            f"no closed form for treatments={loop.treatments!r} in regime {loop.regime.name!r}; there is one "
            f"for a Gaussian under correct(strength) in: {', '.join(_CORRECTED)}. Use simulate."
        )
    return _CORRECTED[loop.regime.name], strength


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


def _estimator_keywords(loop: Loop) -> dict[str, Any]:
    """Those of scikit-learn: a mixture, whose ridge is ``reg_covar``, or a Gaussian kernel of given width."""
    from sklearn.mixture import GaussianMixture
    from sklearn.neighbors import KernelDensity as Kernels

    estimator = loop.model.estimator
    if type(estimator) is GaussianMixture:
        return _spread_keywords(loop) | {"bandwidth": np.sqrt(estimator.reg_covar)}
    width = getattr(estimator, "bandwidth", None)
    if type(estimator) is Kernels and estimator.kernel == "gaussian" and not isinstance(width, str):
        return _spread_keywords(loop) | {"bandwidth": width}
    raise NoClosedForm(
        f"no closed form for the estimator {type(estimator).__name__}; of scikit-learn there are those of "
        f"GaussianMixture, and of KernelDensity with a Gaussian kernel of given width. "
        f"madtheory.compare(simulated) lists a simulation without theory."
    )


def _sims_keywords(loop: Loop) -> dict[str, Any]:
    """Auxiliaries of one size, which only equal training sets or `n_auxiliary` give."""
    model, regime = loop.model, loop.regime
    keywords = _gaussian_keywords(replace(loop, model=model.base)) if type(model.base) is Gaussian else {}
    if len(keywords.get("spectrum", ())) != 1 or np.shape(loop.real.covariance) != (1, 1):
        raise NoClosedForm("SIMS has a closed form on a Gaussian base in one dimension only; use simulate.")
    constant = isinstance(regime.n_synthetic, int) and regime.memory == 1 and regime.weights is None
    if regime.name == "replace":
        same, alike = regime.n_initial == regime.n_synthetic, True
    else:
        same, alike = True, model.n_auxiliary is not None or regime.n_synthetic == 0
    if not (constant and same and alike):
        raise NoClosedForm(
            "SIMS has a closed form for training sets of one size, memory=1 and no weights, and beside real "
            "data for a fixed n_auxiliary; pass SIMS(base, guidance, n_auxiliary=...), or use simulate."
        )
    # The auxiliary's samples are the base's own, which the bias of the loop does not reach.
    auxiliary_bias = 1.0 if model.auxiliary_bias is None else model.auxiliary_bias
    return keywords | {
        "guidance": model.guidance,
        "n_auxiliary": model.n_auxiliary,
        "auxiliary_bias": auxiliary_bias,
    }


_KEYWORDS: dict[type, Callable[[Loop], dict[str, Any]]] = {
    Gaussian: _gaussian_keywords,
    Categorical: _categorical_keywords,
    KernelDensity: _kernel_keywords,
    Mixture: _mixture_keywords,
    Estimator: _estimator_keywords,
    SIMS: _sims_keywords,
}


@one_thread
@checked
def predict(loop: Loop, generations: int, *, variables: Sequence[str] | None = None) -> xr.Dataset:
    """Closed-form answer for every generation of a loop.

    Parameters
    ----------
    loop : Loop
        What happens.
    generations : int
        Number of generations; 1 is the model trained on real data only.
    variables : sequence of str, optional
        Names of the variables to return; all by default. Distances, entropies and supports, which cost
        most, are computed only if they are asked for.

    Returns
    -------
    xarray.Dataset
        Variables (generation,), under the names of the metrics they predict; each one's ``attrs`` hold its
        ``kind`` (a ``"bound"`` is not an equality) and ``source``. The attribute ``omitted`` of the dataset
        names the variables that loops of this model can have and this one has not, each with the cause.

    Raises
    ------
    ValueError
        If `generations` is not a positive integer, or `variables` names one that this loop does not have;
        the message lists those it has.
    NoClosedForm
        If no form is known; the message says what it would take.
    """
    import xarray as xr

    check_size("generations", generations)
    if loop.real_changes:
        raise NoClosedForm("no closed form for a real law that changes with the generation; use simulate.")
    # About twenty numbers for each generation, and the eigenvalues of the covariance of the truth.
    needed = 8.0 * (20 * generations + 3 * (getattr(loop.real, "dim", None) or 1) ** 2)
    what = f"a prediction for {generations} generations"
    check_memory(needed, what, "ask for fewer generations, or for a truth of fewer dimensions")
    wanted = None if variables is None else _check_variables(loop, variables)
    trajectory = trajectory_of(loop, generations, wanted)
    omitted = omitted_of(loop, trajectory) if wanted is None else {}
    if wanted is not None:
        trajectory = {name: trajectory[name] for name in wanted}
    data = {
        key: (
            "generation",
            np.asarray(values),
            {"kind": values.kind, "source": values.source} | variable_attributes(key),
        )
        for key, values in trajectory.items()
    }
    attrs = {
        "regime": loop.regime.name,
        "bias": 1.0 if loop.bias is None else loop.bias,
        "model": type(loop.model).__name__,
    }
    if omitted:
        attrs["omitted"] = "; ".join(f"{name}: {cause}" for name, cause in omitted.items())
    axis = ("generation", np.arange(1, generations + 1), COORDINATES["generation"])
    return xr.Dataset(data, {"generation": axis}, attrs)


def _check_variables(loop: Loop, variables: Sequence[str]) -> list[str]:
    """Names that the closed form of this loop returns."""
    names = check_names("variables", variables)
    known = list(trajectory_of(loop, 1))
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ValueError(
            f"variables={variables!r} names {', '.join(map(repr, unknown)) or 'nothing'}; this loop has: "
            f"{', '.join(known)}."
        )
    return names
