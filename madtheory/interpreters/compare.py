"""Simulated values alongside theory: alignment by labels, calibrated scores, and the table `compare`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from madtheory.types import Array

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


EQUALITIES = ("exact mean", "exact law", "numerical")
"""Kinds of theory that are equalities; a bound or a leading order is not one."""


def compare(simulated: xr.Dataset, predicted: xr.Dataset | None = None) -> pd.DataFrame:
    r"""Tabulate simulated means alongside theory, with the difference in standard errors.

    .. math:: t = (\bar x - \mu) / (s/\sqrt R), \qquad z = \Phi^{-1}(F_{R-1}(t))

    where :math:`F_{R-1}` is Student's distribution function for R replicates: a correct theory gives
    :math:`|z| > 5` as rarely with 3 replicates as with 1,000 (5.7e-7 for samples that are normal).

    Parameters
    ----------
    simulated : Dataset
        Result of `simulate`. Variables without theory are listed too; variables of theory that were not
        simulated are left out.
    predicted : Dataset, optional
        Result of `predict`; it is aligned on ``generation``.

    Returns
    -------
    pandas.DataFrame
        A row for each (variable, generation). Columns: ``kind`` of the theory, ``theory``, its ``lower`` and
        ``upper`` bounds where there are any, ``simulation`` (the mean over the replicates; for a variable
        ``..._std``, their standard deviation), ``standard_error``, and ``z`` where theory is an equality.
        Those of an `Ecosystem` have a row for each (model, variable, generation), where model is ``"all"``
        for variables of all models. A run that kept quantiles has a column for each quantile instead, such
        as ``q0.5``, and no ``z``.

    Raises
    ------
    TypeError
        If an argument is not a Dataset.
    ValueError
        If `simulated` has neither replicates nor quantiles.

    Examples
    --------
    >>> import madtheory as mad
    >>> loop = mad.Loop(
    ...     real=mad.Gaussian.standard(2), model=mad.Gaussian(), regime=mad.regimes.replace(n=50), bias=0.9
    ... )
    >>> simulated = mad.simulate(loop, 3, replicates=400, metrics=[mad.metrics.total_variance], rng=0)
    >>> table = mad.compare(simulated, mad.predict(loop, 3)).loc["total_variance"]
    >>> table["theory"].round(2).tolist()
    [2.0, 1.8, 1.62]
    >>> bool((table["z"].abs() < 5).all())
    True
    """
    import pandas as pd

    _check_dataset("simulated", simulated)
    if predicted is not None:
        _check_dataset("predicted", predicted)
    if not simulated.data_vars:
        raise ValueError("simulated holds no variables; pass the Dataset that simulate returned.")
    if "model" in simulated.dims:
        return _compare_each(simulated, predicted)
    frames = {}
    for name, values in simulated.data_vars.items():
        frame = _rows(str(name), values, predicted)
        frames[str(name)] = frame
        deviation = f"{name}_std"
        if predicted is not None and deviation in predicted and values.sizes.get("replicate", 0) > 1:
            frames[deviation] = _rows(deviation, values, predicted, deviation=True)
    table = pd.concat(frames, names=["variable"])
    return table.drop(columns=[side for side in ("lower", "upper") if table[side].isna().all()])


def _compare_each(simulated: xr.Dataset, predicted: xr.Dataset | None) -> pd.DataFrame:
    """Tabulate the variables of each model of an ecosystem, and those of all."""
    import pandas as pd

    frames = {}
    for number in simulated["model"].values:
        own = simulated[[name for name in simulated if "model" in simulated[name].dims]].sel(model=number)
        theory = None if predicted is None else predicted.sel(model=number)
        if own:
            frames[number] = compare(own.drop_vars("model"), theory)
    of_all = [name for name in simulated if "model" not in simulated[name].dims]
    if of_all:
        theory = None if predicted is None else predicted.drop_dims("model")
        frames["all"] = compare(simulated[of_all].drop_vars("model", errors="ignore"), theory)
    return pd.concat(frames, names=["model"])


def _rows(
    name: str, values: xr.DataArray, predicted: xr.Dataset | None, *, deviation: bool = False
) -> pd.DataFrame:
    """Return the rows of one variable."""
    import pandas as pd

    if "generation" not in values.dims:
        values = values.expand_dims("generation")
    generations = pd.Index(np.atleast_1d(values["generation"].values), name="generation")
    theory: dict[str, Array] = {}
    kinds = []
    for column, form in (("theory", name), ("lower", f"{name}_lower"), ("upper", f"{name}_upper")):
        theory[column] = np.full(len(generations), np.nan)
        if predicted is not None and form in predicted:
            if predicted[form].dims != ("generation",):
                raise ValueError(
                    f"predicted[{form!r}] has the dimensions {predicted[form].dims}; pass the "
                    f"Dataset that simulate returned first, and that of predict second."
                )
            theory[column] = predicted[form].reindex(generation=generations).values
            kinds.append(str(predicted[form].attrs.get("kind", "")))
    frame = pd.DataFrame({"kind": ", ".join(dict.fromkeys(kinds)), **theory}, index=generations)
    if "quantile" in values.dims:
        for level, row in zip(
            values["quantile"].values, values.transpose("quantile", "generation").values, strict=True
        ):
            frame[f"q{level:g}"] = row
        return frame
    draws = replicates_first(name, values)[0]
    frame["simulation"], frame["standard_error"] = (_deviation if deviation else _mean)(draws)
    frame["z"] = np.nan
    if kinds and kinds[0] in EQUALITIES and len(draws) > 1:
        with np.errstate(invalid="ignore", divide="ignore"):
            gap = frame["simulation"].values - theory["theory"]
            gap = np.where(np.abs(gap) <= 1e-9 * np.abs(theory["theory"]), 0.0, gap)
            frame["z"] = normal_score(gap / frame["standard_error"].values, len(draws) - 1)
    return frame


def normal_score(t: Any, dof: float) -> Array:
    r"""Convert Student's t to the normal deviate of the same tail probability.

    .. math:: z = \Phi^{-1}(F_\nu(t))

    Parameters
    ----------
    t : array
        Differences in estimated standard errors.
    dof : float
        Degrees of freedom :math:`\nu`; infinite where the standard error is known: then z is t.
    """
    from scipy.special import gammaln, ndtri_exp, stdtr

    t = np.asarray(t, dtype=float)
    if math.isinf(dof):
        return t
    size = np.abs(t)
    with np.errstate(all="ignore"):
        near = np.log(stdtr(dof, -size))
        # Where the tail underflows: the density times its own Mills ratio.
        spread = np.logaddexp(np.log(dof), 2 * np.log(size))
        far = (
            gammaln((dof + 1) / 2) - gammaln(dof / 2) - 0.5 * np.log(dof * np.pi)
            - (dof + 1) / 2 * (spread - np.log(dof)) + spread - np.log(size * dof)
        )  # fmt: skip
        z = -ndtri_exp(np.where(near > -600, near, far))
    return np.asarray(np.where(np.isinf(size), t, np.copysign(z, t)))


def is_labelled(values: Any) -> bool:
    """Return whether an array is a DataArray of xarray."""
    return hasattr(values, "dims") and hasattr(values, "coords") and not hasattr(values, "data_vars")


def replicates_first(name: str, samples: Any) -> tuple[Array, tuple[int, ...], list[str]]:
    """Return samples as (replicate, column), the shape of the columns, and the name of each.

    Raises
    ------
    TypeError
        If a Dataset is passed.
    ValueError
        If a labelled array has no ``replicate``, or the samples are empty.
    """
    if hasattr(samples, "data_vars"):
        raise TypeError(
            f"{name} is a Dataset; pass one of its variables, for example "
            f"{name}[{next(iter(samples.data_vars), 'total_variance')!r}], or use testing.assert_agrees."
        )
    if is_labelled(samples):
        if "quantile" in samples.dims:
            raise ValueError(
                f"{name} holds quantiles {samples['quantile'].values.tolist()} over the replicates, which "
                f"have no mean; simulate without quantiles=."
            )
        if "replicate" not in samples.dims:
            raise ValueError(
                f"{name} has dimensions {samples.dims}, without 'replicate'; rename the dimension of the "
                f"independent copies to 'replicate', or pass a plain array with them along the first axis."
            )
        samples = samples.transpose("replicate", ...)
        labels = [_column_label(samples, at) for at in np.ndindex(samples.shape[1:])]
        values = samples.values
    else:
        values, labels = samples, []
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} is not an array of numbers ({error}).") from None
    if np.ma.isMaskedArray(values) and np.ma.getmaskarray(values).any():
        raise ValueError(f"{name} is a masked array with masked values; fill or drop them first.")
    if array.ndim == 0 or not array.size:
        raise ValueError(f"{name} has shape {array.shape}; expected independent samples on the first axis.")
    shape = array.shape[1:]
    labels = labels or [f"[{', '.join(map(str, at))}]" if at else "" for at in np.ndindex(shape)]
    return array.reshape(len(array), -1), shape, labels


def _column_label(samples: Any, at: tuple[int, ...]) -> str:
    """Return the label of one column, such as ``[generation 5]``."""
    dims = samples.dims[1:]
    where = [
        f"{dim} {samples[dim].values[i]}" if dim in samples.coords else f"{dim} at position {i}"
        for dim, i in zip(dims, at, strict=True)
    ]
    if "generation" not in dims and "generation" in samples.coords and not samples["generation"].dims:
        where.append(f"generation {samples['generation'].item()}")
    return f"[{', '.join(where)}]" if where else ""


def align(name: str, values: Any, samples: Any, shape: tuple[int, ...]) -> Array:
    """Return one value for each column of samples: by labels where both have them, else by position.

    Raises
    ------
    ValueError
        If labels are missing or differ, or if the shape is neither a number nor that of the columns.
    """
    if hasattr(values, "data_vars"):
        raise TypeError(f"{name} is a Dataset; pass one of its variables.")
    if is_labelled(values) and is_labelled(samples):
        values = _select(name, values, samples).values
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} is not a number or an array of numbers ({error}).") from None
    size = math.prod(shape)
    if array.shape not in {(), shape, (size,)}:
        raise ValueError(
            f"{name} has shape {array.shape}; one replicate of samples has {shape}: pass one number, "
            f"or one for each of the {size} columns. Replicates go along the first axis of samples."
        )
    return np.broadcast_to(array.reshape(-1) if array.ndim else array, (size,))


def _select(name: str, values: Any, samples: Any) -> Any:
    """Select values at the labels of the samples, in the order of their columns."""
    if foreign := set(values.dims) - set(samples.dims) - set(samples.coords) or {"replicate"} & set(
        values.dims
    ):
        raise ValueError(
            f"{name} has the dimensions {sorted(map(str, foreign))}, which one value for each generation "
            f"does not have; the samples have {samples.dims}."
        )
    for dim in values.dims:
        if dim not in samples.coords or dim not in values.coords:
            continue
        wanted, known = samples[dim].values, values.indexes[dim]
        missing = sorted(set(np.atleast_1d(wanted).tolist()) - set(known.tolist()))
        if missing or not known.is_unique:
            raise ValueError(
                f"{name} has no value for {dim} {describe(missing)}; it has {dim} "
                f"{describe(known.tolist())}. Predict the generations that were recorded."
                if missing
                else f"{name} has several values for one {dim}; it has {describe(known.tolist())}."
            )
        values = values.sel({dim: wanted})
    for dim in set(values.coords) & set(samples.coords) - set(values.dims):
        if not values[dim].dims and np.any(samples[dim].values != values[dim].item()):
            raise ValueError(
                f"{name} is the value for {dim} {values[dim].item()}, and the samples have {dim} "
                f"{describe(np.atleast_1d(samples[dim].values).tolist())}; select the same."
            )
    columns = samples.isel(replicate=0, drop=True)
    columns = columns.transpose(*(dim for dim in samples.dims if dim != "replicate"))
    try:
        return (
            values.drop_vars(set(values.coords) - set(values.dims))
            .broadcast_like(columns)
            .transpose(*columns.dims)
        )
    except ValueError as error:
        raise ValueError(f"{name} does not fit the samples ({error}).") from None


def describe(labels: list[Any], most: int = 8) -> str:
    """List labels, shortened."""
    shown = [f"{label:g}" if isinstance(label, float) else str(label) for label in labels]
    return ", ".join(shown if len(shown) <= most else [*shown[: most - 2], "...", shown[-1]])


def _mean(draws: Array) -> tuple[Array, Array]:
    """Return the mean over the replicates and its standard error; NaN where there is none."""
    n = len(draws)
    with np.errstate(invalid="ignore"):
        error = draws.std(0, ddof=1) / np.sqrt(n) if n > 1 else np.full(draws.shape[1], np.nan)
        return draws.mean(0), error


def _deviation(draws: Array) -> tuple[Array, Array]:
    """Return the standard deviation over the replicates and its standard error, by the fourth moment."""
    with np.errstate(invalid="ignore", divide="ignore"):
        squares = (draws - draws.mean(0)) ** 2
        deviation = draws.std(0, ddof=1)
        return deviation, squares.std(0) / (2 * deviation * np.sqrt(len(draws)))


def _check_dataset(name: str, value: Any) -> None:
    if not hasattr(value, "data_vars"):
        made = "simulate" if name == "simulated" else "predict"
        raise TypeError(f"{name} is a {type(value).__name__}; pass the Dataset that {made} returned.")
