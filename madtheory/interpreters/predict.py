"""The table model -> closed forms, and what each form needs to know of a loop."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from madtheory.abilities import knows
from madtheory.core import Ecosystem, Loop, LoopOrLoops
from madtheory.interpreters.provenance import COORDINATES, variable_attributes
from madtheory.models import (
    SIMS,
    Categorical,
    Estimator,
    ExponentialFamily,
    FixedDesign,
    Gaussian,
    KernelDensity,
    LinearRegression,
    Markov,
    Mixture,
    Pareto,
)
from madtheory.numerics import one_thread
from madtheory.theory import (
    Labelled,
    NoClosedForm,
    Trajectory,
    Truths,
    categorical,
    correction,
    ecosystem,
    families,
    gaussian,
    guidance,
    is_chain,
    kernel_density,
    label,
    mixtures,
    regression,
)
from madtheory.treatments import Correction, Curation
from madtheory.validation import check_arguments, check_memory, check_names, check_size, show

if TYPE_CHECKING:
    import xarray as xr


_MOST_PREFIXES, _MOST_PAIRS = 200_000, 1000


def trajectory_of(loop: Loop, generations: int, variables: Collection[str] | None = None) -> Trajectory:
    """Evaluate the closed form of a loop; raises `NoClosedForm` with what is missing.

    Of the variables that cost most, those that are not among `variables` are left out.
    """
    kind = type(loop.model)
    form = CLOSED_FORMS.get(kind)
    if form is None:
        known = ", ".join(sorted(model.__name__ for model in CLOSED_FORMS))
        raise NoClosedForm(
            f"no closed form for model {kind.__name__} in regime {loop.regime.name!r}; there are those of: "
            f"{known}. madtheory.compare(simulated) lists a simulation without theory."
        )
    return Trajectory(form(loop, generations, variables))


def _gaussian(loop: Loop, generations: int, variables: Collection[str] | None) -> Mapping[str, Labelled]:
    if loop.model.known_covariance is not None:
        return _known_covariance(loop, generations)
    model, strength = _model(loop, generations) | {"generations": generations}, _strength(loop)
    if strength:
        return correction.trajectory(loop.regime, correction=strength, **model)
    found = Trajectory(gaussian.trajectory(loop.regime, **model, variables=variables))
    if loop.real_changes:
        return found
    others = [name for name in found if name not in ("total_variance", "mean_error")]
    if not isinstance(loop.real, Gaussian):
        return found.without(others, "it depends on the law of the real data, which is not Gaussian")
    if loop.real.dim > 1 and (loop.model.shape != "full" or loop.model.shrinkage):
        return _shape(loop, generations, variables) or found.without(
            others, "the fitted covariance is restricted, and that of real is not of its shape"
        )
    if len(model["spectrum"]) < loop.real.dim:
        full = ("log_volume", "kl_divergence", "reverse_kl_divergence")
        return found.without([x for x in full if x in found], "the covariance of the real data is singular")
    return found


def _known_covariance(loop: Loop, generations: int) -> Mapping[str, Labelled]:
    """Return the form of a Gaussian of which only the mean is fitted."""
    truth, law = _truth(loop, generations), loop.at(1).real
    known, real = loop.model.known_covariance, np.asarray(law.covariance)
    ratio = float(np.trace(known) / np.trace(real))
    if ratio == 0:
        raise NoClosedForm("known_covariance is 0, so that the model samples one point; use simulate.")
    singular = len(truth["spectrum"]) < len(real)
    return gaussian.known_covariance_trajectory(
        loop.regime, variance_ratio=ratio, correction=_strength(loop), generations=generations, **truth,
        proportional=not singular and np.allclose(known, ratio * real, rtol=1e-9, atol=1e-12 * known.max()),
    )  # fmt: skip


def _shape(loop: Loop, generations: int, variables: Any) -> Mapping[str, Labelled] | None:
    """Return the form of a Gaussian of diagonal or spherical covariance, where that of real allows one."""
    keywords = _model(loop, generations) | {"generations": generations}
    del keywords["spectrum"]
    covariance = loop.real.covariance
    variances = np.diagonal(covariance)
    independent = bool((covariance == np.diag(variances)).all())
    if loop.model.shape == "diagonal" and not loop.model.shrinkage and variances.min() > 0:
        return gaussian.diagonal_trajectory(
            loop.regime, variances=variances, independent=independent, variables=variables, **keywords
        )
    if loop.model.shape == "spherical" and independent and np.ptp(variances) <= 1e-12 * variances.max():
        return gaussian.spherical_trajectory(
            loop.regime, dim=len(variances), variance=float(variances[0]), **keywords
        )
    return None


def _categorical(loop: Loop, generations: int, variables: Collection[str] | None) -> Mapping[str, Labelled]:
    laws = _laws(loop, generations)
    for law in laws:
        if not isinstance(law, Categorical) or law.symbols != laws[0].symbols:
            raise NoClosedForm(
                f"real {show(law)} is not Categorical with the symbols of generation 1, as the closed forms "
                f"need."
            )
    if loop.bias not in (None, 1.0):
        raise NoClosedForm(f"bias={loop.bias} has no closed form for Categorical; leave it out.")
    smoothing = loop.model.smoothing
    if smoothing and loop.model.symbols != laws[0].symbols:
        raise NoClosedForm(
            f"smoothing spreads over symbols={loop.model.symbols} and real has {laws[0].symbols}; "
            f"make them equal."
        )
    p = np.array([law.probabilities for law in laws])
    return categorical.trajectory(
        loop.regime, probabilities=p[0], smoothing=smoothing, correction=_strength(loop),
        truths=Truths.of(p, (p * (1 - p)).sum(-1)) if loop.real_changes else None,
        generations=generations, variables=variables,
    )  # fmt: skip


def _markov(loop: Loop, generations: int, variables: Collection[str] | None) -> Mapping[str, Labelled]:
    """Return the form of the first symbols of documents, which are counted as one symbol of K^q."""
    model, law = loop.model, loop.real
    if not isinstance(law, Markov) or model.symbols not in (None, law.symbols):
        raise NoClosedForm(
            f"real {show(loop.real)} is not one Markov law with the symbols of the model, as the closed "
            f"forms need; use simulate."
        )
    if _strength(loop):
        raise NoClosedForm("corrected documents have no closed form; use simulate.")
    settings = (one.top_k or one.top_p for one in (model, law))
    if loop.bias not in (None, 1.0) or model.smoothing or any(settings):
        raise NoClosedForm(
            "bias, smoothing, top_k and top_p of Markov have no closed form for n documents; the limit of "
            "many is theory.categorical.temperature_map. Leave them out, or use simulate."
        )
    regime, length = loop.regime, law.ngrams.length
    many = length if model.order == 0 else 1  # independent symbols count one by one
    if many > 1:
        if law.order > 0:
            raise NoClosedForm("order=0 has a closed form for independent symbols: real of order 0.")
        if regime.budget is not None or regime.n_carried != 0:
            raise NoClosedForm("a budget and n_carried pick whole documents; with order=0 no form is known.")
        sizes = ("n_initial", "n_synthetic", "n_real", "n_fresh")
        regime = replace(regime, **{x: _times(getattr(regime, x), many) for x in sizes})
    first = length if length <= model.order + 1 else max(model.order, 1)
    if float(law.ngrams.symbols) ** first > _MOST_PREFIXES:
        raise NoClosedForm(
            f"documents begin in {law.ngrams.symbols}^{first} ways, and the closed forms go through all; "
            f"lower the order, or use simulate."
        )
    chosen = None if variables is None else {name.removeprefix("prefix_") for name in variables}
    found = categorical.trajectory(
        regime, probabilities=law.prefix_law(first).ravel(), generations=generations, variables=chosen
    )
    named = {f"prefix_{name}": value for name, value in found.items() if name != "chi_squared"}
    if is_chain(regime) and model.order == 1 and length == 2 and regime.n_initial <= _MOST_PAIRS:
        named["row_heterozygosity"] = _rows_of_pairs(loop, generations)
    return named


def _rows_of_pairs(loop: Loop, generations: int) -> Labelled:
    """Return the sum of the heterozygosities of the first symbol and of the rows that follow it."""
    sizes: dict[str, Any] = {"n": loop.regime.n_synthetic, "n_initial": loop.regime.n_initial}
    pairs = loop.real.prefix_law(2)
    first = pairs.sum(1)
    rows = np.where(first[:, None] > 0, pairs, 1.0)  # the row of a context that never occurs has no weight
    followed = categorical.row_heterozygosity(initial=first, rows=rows, generations=generations, **sizes)
    begun = categorical.replace(
        probabilities=first, generations=generations, variables=["heterozygosity"], **sizes
    )
    return label(followed.sum(1) + begun["heterozygosity"], followed.kind, followed.source)


def _times(size: Any, many: int) -> Any:
    """Return a size, constant, listed or a function of the generation, times a number."""
    if callable(size):
        return lambda generation: many * size(generation)
    return many * size if isinstance(size, int) else tuple(many * one for one in size)


def _density(loop: Loop, generations: int, bandwidth: Any) -> Mapping[str, Labelled]:
    """Return the form of models with the moments of their training set (divisor n), apart from a kernel."""
    truth, strength = _truth(loop, generations), _strength(loop)
    if strength:
        return correction.trajectory(
            loop.regime, correction=strength, bandwidth=bandwidth, **truth, generations=generations
        )
    return kernel_density.trajectory(loop.regime, bandwidth=bandwidth, **truth, generations=generations)


def _kernel_density(loop: Loop, generations: int, variables: Any) -> Mapping[str, Labelled]:
    return _density(loop, generations, loop.model.bandwidth)


def _mixture(loop: Loop, generations: int, variables: Any) -> Mapping[str, Labelled]:
    """Return the form of a mixture, whose fit has the moments of its training set up to the ridge of EM."""
    if loop.bias not in (None, 1.0):
        raise NoClosedForm(f"bias={loop.bias} scales the components of a mixture only; leave it out.")
    if loop.model.known_weights is not None or loop.model.known_covariances is not None:
        return _restricted_mixture(loop, generations)
    return _density(loop, generations, np.sqrt(loop.model.ridge) if loop.model.labels == "latent" else 0.0)


def _restricted_mixture(loop: Loop, generations: int) -> Mapping[str, Labelled]:
    """Return the form of a mixture of known weights or covariances, from labelled points of a mixture."""
    model, law = loop.model, loop.at(1).real
    labelled = isinstance(law, Mixture) and law.labels == model.labels == "observed"
    if not (labelled and is_chain(loop.regime)) or _strength(loop) or loop.real_changes:
        raise NoClosedForm(
            "known weights and covariances of a mixture have a closed form in regime 'replace' with observed "
            "labels and a Mixture as real; leave them out, or use simulate."
        )
    weights = model.known_weights
    if weights is not None and not np.allclose(weights, law.weights, rtol=1e-9):
        raise NoClosedForm("known_weights differ from those of real; the closed form needs the true ones.")
    return mixtures.replace(
        n=loop.regime.n_synthetic, n_initial=loop.regime.n_initial, weights=law.weights, means=law.means,
        variances=np.trace(law.covariances, axis1=-2, axis2=-1), weights_known=weights is not None,
        known_variances=model.known_variances(law.dim),
        tied=model.shape == "tied", generations=generations,
    )  # fmt: skip


def _estimator(loop: Loop, generations: int, variables: Any) -> Mapping[str, Labelled]:
    """Return the form of scikit-learn's mixture, with ridge ``reg_covar``, or kernel of fixed width."""
    from sklearn.mixture import GaussianMixture
    from sklearn.neighbors import KernelDensity as Kernels

    estimator = loop.model.estimator
    if type(estimator) is GaussianMixture:
        return _density(loop, generations, np.sqrt(estimator.reg_covar))
    width = getattr(estimator, "bandwidth", None)
    if type(estimator) is Kernels and estimator.kernel == "gaussian" and not isinstance(width, str):
        return _density(loop, generations, width)
    raise NoClosedForm(
        f"no closed form for the estimator {type(estimator).__name__}; of scikit-learn there are those of "
        f"GaussianMixture, and of KernelDensity with a Gaussian kernel of given width. "
        f"madtheory.compare(simulated) lists a simulation without theory."
    )


def _sims(loop: Loop, generations: int, variables: Any) -> Mapping[str, Labelled]:
    """Return the form of SIMS with auxiliaries of one size: equal training sets, or `n_auxiliary`."""
    model, regime = loop.model, loop.regime
    if regime.name not in ("replace", "augment") or _strength(loop) or loop.real_changes:
        raise NoClosedForm(
            f"no closed form for model SIMS in regime {regime.name!r} with treatments={loop.treatments!r}; "
            f"there are those of replace and augment without treatments and with one real law. Use simulate."
        )
    known = type(model.base) is Gaussian and model.base.known_covariance is None
    keywords = _model(replace(loop, model=model.base), generations) if known else {}
    if len(keywords.get("spectrum", ())) != 1 or np.shape(loop.real.covariance) != (1, 1):
        raise NoClosedForm("SIMS has a closed form on a Gaussian base in one dimension only; use simulate.")
    alone = regime.name == "replace"
    same = regime.n_initial == regime.n_synthetic if alone else regime.n_synthetic == 0
    constant = isinstance(regime.n_synthetic, int) and regime.memory == 1 and regime.weights is None
    if not constant or not (same or (not alone and model.n_auxiliary is not None)):
        raise NoClosedForm(
            "SIMS has a closed form for training sets of one size, memory=1 and no weights, and with real "
            "data for a fixed n_auxiliary; pass SIMS(base, guidance, n_auxiliary=...), or use simulate."
        )
    # The auxiliary's samples are the base's own, which the bias of the loop does not reach.
    auxiliary_bias = 1.0 if model.auxiliary_bias is None else model.auxiliary_bias
    variance, n_synthetic = keywords.pop("spectrum")[0], cast(int, regime.n_synthetic)
    moments = guidance.sims_moments(
        n_real=0 if alone else regime.n_initial, n_synthetic=n_synthetic, guidance=model.guidance,
        n_auxiliary=model.n_auxiliary, auxiliary_bias=auxiliary_bias, **keywords, generations=generations,
    )  # fmt: skip
    return {
        name: label(variance * np.asarray(values), values.kind, values.source)
        for name, values in moments.items()
    }


def _family(loop: Loop, generations: int, variables: Any) -> Mapping[str, Labelled]:
    """Return the form of a model whose variance is a quadratic function of its one mean."""
    model, law = loop.model, loop.at(1).real
    if loop.real_changes:
        raise NoClosedForm(
            f"a real law that changes has no closed form for {type(model).__name__}: the variance depends on "
            f"the mean, which then moves. Use simulate."
        )
    same = getattr(law, "statistic", None) == model.statistic
    mean, variance = _parameter(law, model, same)
    own = same and law.variance_function == model.variance_function
    points = type(model) is ExponentialFamily
    found = families.trajectory(
        loop.regime, mean_parameter=mean, variance_function=model.variance_function,
        point_variance=model.family.point_variance if points else None,
        real_variance=None if own else variance, correction=_strength(loop), generations=generations,
    )  # fmt: skip
    if points:  # the mean of the points is that of T, or fixed
        moves = model.family.of == "x"
        for name in [name for name in found if name.startswith("mean_parameter_error")]:
            known = found[name]
            found[name.replace("_parameter", "")] = (
                known if moves else label(0 * known, known.kind, known.source)
            )
    elif "log_mean_parameter" in found:
        found |= families.pareto_tail_index(
            n=loop.regime.n_synthetic, n_initial=loop.regime.n_initial, tail_index=1 / mean,
            generations=generations,
        )  # fmt: skip
    return (
        found
        if same
        else Trajectory(found).without(
            [name for name in found if name.startswith("mean_parameter_error")], "real has no such parameter"
        )
    )


def _parameter(law: Any, model: Any, same: bool) -> tuple[float, float]:
    """Return the mean and variance of the model's T under the real law."""
    if same:
        return float(law.mean_parameter), float(law.parameter_variance)
    if model.family.of != "x" or not hasattr(type(law), "covariance") or np.shape(law.covariance) != (1, 1):
        raise NoClosedForm(
            f"the mean and variance of {model.family.of} under real {type(law).__name__} are not known; pass "
            f"a real law of a family with that statistic, or use simulate."
        )
    return float(law.mean[0]), float(law.covariance[0, 0])


def _regression(loop: Loop, generations: int, variables: Any) -> Mapping[str, Labelled]:
    """Return the form of linear regression: inputs are fixed rows, drawn once, or new for every set."""
    model, real = loop.model, loop.real
    if not isinstance(real, LinearRegression) or loop.treatments:
        raise NoClosedForm(
            f"no closed form for LinearRegression with real={show(real)} and treatments="
            f"{loop.treatments!r}; there are those of a real law LinearRegression(coefficients, noise=, "
            f"design=) without treatments. Use simulate."
        )
    if model.noise not in (None, real.noise):
        raise NoClosedForm(
            f"noise={model.noise} differs from that of real; the closed forms need the true one."
        )
    shared = {
        "noise": real.noise, "fit_noise": model.noise is None, "ddof": model.ddof,
        "bias": 1.0 if loop.bias is None else loop.bias, "generations": generations,
    }  # fmt: skip
    of_real, of_model = real.design, model.design
    if isinstance(of_real, FixedDesign):
        if of_model is not None and not of_real.equals(of_model):
            raise NoClosedForm("real has a fixed design and model another one; pass the same rows to both.")
        gram, axes = np.linalg.eigh(of_real.second_moment)
        return regression.fixed_design(
            loop.regime, rows=len(of_real.rows), eigenvalues=np.maximum(gram, 0.0),
            coefficients=real.coefficients @ axes, ridge=model.ridge, **shared,
        )  # fmt: skip
    inputs = getattr(of_real, "source", None)
    new = of_model is not None
    if not isinstance(inputs, Gaussian) or np.any(inputs.mean) or (new and not of_real.equals(of_model)):
        raise NoClosedForm(
            "the closed forms of random inputs are those of a Gaussian design of mean 0, the same for real "
            "and model (or none for the model, whose inputs are then drawn once); use simulate."
        )
    if model.ridge:
        raise NoClosedForm(
            f"ridge={model.ridge:g} has a closed form for a fixed design only; its limit for many random "
            f"inputs is theory.regression.ridge_limit."
        )
    scale, axes = np.linalg.eigh(inputs.covariance)
    if scale[0] <= 1e-12 * scale[-1]:
        raise NoClosedForm(
            "the covariance of the design is singular; leave out coordinates that depend on others."
        )
    law = {"eigenvalues": scale, "coefficients": real.coefficients @ axes} | shared
    if new:
        return regression.fresh_design(loop.regime, **law)
    if loop.regime.draws_real:
        raise NoClosedForm(
            "new real points have new inputs; the closed form is for inputs that are drawn once."
        )
    return regression.design_drawn_once(loop.regime, rows=loop.regime.n_initial, **law)


CLOSED_FORMS: dict[type, Callable[[Loop, int, Any], Mapping[str, Labelled]]] = {
    Gaussian: _gaussian,
    Categorical: _categorical,
    KernelDensity: _kernel_density,
    LinearRegression: _regression,
    Markov: _markov,
    Mixture: _mixture,
    Estimator: _estimator,
    SIMS: _sims,
    ExponentialFamily: _family,
    Pareto: _family,
}
"""One row per model: a function of the loop, of the generations, and of the requested variables."""


def _strength(loop: Loop) -> float:
    """Return the strength of the one treatment that has closed forms; 0 without treatments."""
    treatments = [one for one in loop.treatments if not _is_none(one)]
    only = treatments[0] if len(treatments) == 1 else None
    if isinstance(only, Correction) and only.envelope == "exact" and only.toward is None:
        return only.strength
    if treatments:
        raise NoClosedForm(
            f"no closed form for treatments={loop.treatments!r} in {loop.regime!r}; there is one under "
            f"correct(strength) towards the real data. Use simulate."
        )
    return 0.0


def _is_none(treatment: Any) -> bool:
    """Return whether a treatment leaves the law of the model unchanged."""
    if isinstance(treatment, Correction):
        return treatment.envelope == "exact" and treatment.strength == 0
    return isinstance(treatment, Curation) and treatment.choices == 1


def _laws(loop: Loop, generations: int) -> list[Any]:
    """Return the real law of every generation, or only the one that does not change."""
    return [loop.at(t).real for t in range(1, (generations if loop.real_changes else 1) + 1)]


def _truth(loop: Loop, generations: int) -> dict[str, Any]:
    """Return the eigenvalues of the true covariance, the laws of generations if it changes, and the bias."""
    laws = _laws(loop, generations)
    for law in laws:
        if not knows(law, "covariance"):
            raise NoClosedForm(
                f"real {type(law).__name__} has no mean and covariance, which the closed forms need; "
                f"give it both, or use simulate."
            )
    eigenvalues = np.linalg.eigvalsh(laws[0].covariance)[::-1]
    spectrum = eigenvalues[eigenvalues > 1e-12 * eigenvalues.max()]
    if not spectrum.size:
        raise NoClosedForm("real has no variance: all its points are the same; give it at least two.")
    found = {"spectrum": spectrum, "bias": 1.0 if loop.bias is None else loop.bias}
    if not loop.real_changes:
        return found
    traces = np.array([np.trace(law.covariance) for law in laws])
    return found | {"truths": Truths.of(np.array([np.asarray(law.mean) for law in laws]), traces)}


def _model(loop: Loop, generations: int) -> dict[str, Any]:
    """Return what the forms need to know of a Gaussian."""
    known, truth = loop.model.known_mean, _truth(loop, generations)
    if known is not None and not all(np.allclose(known, law.mean) for law in _laws(loop, generations)):
        raise NoClosedForm("known_mean differs from the mean of real; the closed forms need the true one.")
    return truth | {"ddof": loop.model.ddof, "known_mean": known is not None}


def _member(loop: Loop) -> ecosystem.Member:
    """Return what the first moments of an ecosystem need to know of one of its loops."""
    model, law = loop.model, loop.real
    categories = isinstance(model, Categorical) and isinstance(law, Categorical)
    kernel = isinstance(model, KernelDensity)
    if loop.treatments or loop.real_changes or not (categories or kernel or isinstance(model, Gaussian)):
        raise NoClosedForm(
            f"no closed form for an ecosystem with a loop of {type(model).__name__}, treatments="
            f"{loop.treatments!r}; there are those of Gaussian, Categorical and KernelDensity without "
            f"treatments and with one real law each. Use simulate."
        )
    if categories:
        if model.smoothing or loop.bias not in (None, 1.0):
            raise NoClosedForm("smoothing and bias have no closed form for Categorical; leave them out.")
        p = np.asarray(law.probabilities)
        return ecosystem.Member(loop.regime, p, float(p @ (1 - p)))
    truth = _truth(loop, 1) if kernel else _model(loop, 1)
    if not kernel and (model.known_covariance is not None or model.shrinkage):
        raise NoClosedForm(
            "known_covariance and shrinkage have no closed form in an ecosystem; leave them out, or use "
            "simulate."
        )
    own = {"bandwidth": model.bandwidth} if kernel else {name: truth[name] for name in ("ddof", "known_mean")}
    variance = float(truth["spectrum"].sum())
    return ecosystem.Member(loop.regime, np.asarray(law.mean), variance, truth["bias"], **own)


def _predict_together(joint: Ecosystem, generations: int, variables: Sequence[str] | None) -> xr.Dataset:
    """Return the closed-form answer for all loops of an ecosystem."""
    import xarray as xr

    members = [_member(loop) for loop in joint.loops]
    kinds = {isinstance(loop.model, Categorical) for loop in joint.loops}
    if len(kinds) > 1 or len({np.shape(member.mean) for member in members}) > 1:
        raise NoClosedForm("the loops of an ecosystem need points of one kind and dimension; use simulate.")
    found = ecosystem.trajectory(members, exchange=joint.exchange, draws=joint.draws, generations=generations)
    if kinds == {True}:
        names = {"total_variance": "heterozygosity", "mean_error": "squared_error"}
        found = {names.get(name, name): values for name, values in found.items()}
    chosen = list(found) if variables is None else check_names("variables", variables)
    if unknown := [name for name in chosen if name not in found]:
        raise ValueError(f"variables={variables!r} names {unknown}; this ecosystem has: {', '.join(found)}.")
    data = {
        name: (
            ("model", "generation") if found[name].ndim == 2 else "generation",
            np.asarray(found[name]),
            found[name].attrs | variable_attributes(name),
        )
        for name in chosen
    }
    axes = {
        "generation": ("generation", np.arange(1, generations + 1), COORDINATES["generation"]),
        "model": ("model", np.arange(len(members)), COORDINATES["model"]),
    }
    return xr.Dataset(data, axes, {"draws": joint.draws})


@one_thread
@check_arguments
def predict(loop: LoopOrLoops, generations: int, *, variables: Sequence[str] | None = None) -> xr.Dataset:
    """Return the closed-form answer for every generation of a loop.

    Parameters
    ----------
    loop : Loop or Ecosystem
        What happens.
    generations : int
        Number of generations; 1 is the model trained on real data only.
    variables : sequence of str, optional
        Names of the variables to return; all by default. Distances, entropies and supports, which cost
        most, are computed only on request.

    Returns
    -------
    xarray.Dataset
        Variables (generation,), under the names of the metrics they predict; each one's ``attrs`` hold its
        ``kind`` (a ``"bound"`` is not an equality) and ``source``. The attribute ``omitted`` of the dataset
        names the variables that loops of this model can have and this one has not, each with the cause.
        Those of each loop of an `Ecosystem` have a dimension ``model`` too.

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
    if isinstance(loop, Ecosystem):
        return _predict_together(loop, generations, variables)
    if not isinstance(loop, Loop):
        raise TypeError(f"loop={show(loop)} is not a Loop; pass one that madtheory makes.")
    # About twenty numbers for each generation, and the eigenvalues of the covariance of the truth.
    needed = 8.0 * (20 * generations + 3 * (getattr(loop.real, "dim", None) or 1) ** 2)
    what = f"a prediction for {generations} generations"
    check_memory(needed, what, "pass fewer generations, or a truth of fewer dimensions")
    wanted = None if variables is None else _check_variables(loop, variables)
    trajectory = trajectory_of(loop, generations, wanted)
    data = {
        key: (
            "generation",
            np.asarray(values),
            values.attrs | variable_attributes(key),
        )
        for key, values in ((key, trajectory[key]) for key in wanted or trajectory)
    }
    attrs = {
        "regime": loop.regime.name,
        "bias": 1.0 if loop.bias is None else loop.bias,
        "model": type(loop.model).__name__,
    }
    if wanted is None and trajectory.omitted:
        attrs["omitted"] = "; ".join(f"{name}: {cause}" for name, cause in trajectory.omitted.items())
    axis = ("generation", np.arange(1, generations + 1), COORDINATES["generation"])
    return xr.Dataset(data, {"generation": axis}, attrs)


def _check_variables(loop: Loop, variables: Sequence[str]) -> list[str]:
    """Return the names that the closed form of this loop returns."""
    names = check_names("variables", variables)
    known = list(trajectory_of(loop, 1))
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ValueError(
            f"variables={variables!r} names {', '.join(map(repr, unknown)) or 'nothing'}; this loop has: "
            f"{', '.join(known)}."
        )
    return names
