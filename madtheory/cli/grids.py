"""The command ``sweep``: a grid of Gaussian loops as a table, a file and a phase diagram."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import tyro

import madtheory as mad
from madtheory.cli.arguments import Job, Usage, constructors
from madtheory.text import align

if TYPE_CHECKING:
    import xarray as xr

    from madtheory.core import Loop


_OF_LOOP = ("bias", "dim", "ddof", "known_mean")
_REAL = ("bias", "ddof")  # of which numbers need not be whole, or are written as they are
_DEFAULTS = {"n_real": 100, "n_synthetic": 100, "n": 100, "dim": 1}
_PICTURES = (".png", ".pdf", ".svg")
_COLUMNS = 13
RATIO = "effective_ratio"
"""Number of real points whose fit is as good as the loop's limit, over the number a generation sees."""


@dataclass(frozen=True)
class GaussianLoops:
    """Loops of a Gaussian in one regime, as a function of a point."""

    regime: str

    def __call__(self, **point: Any) -> Loop:
        """Return the loop of a point."""
        sizes = {name: value for name, value in point.items() if name not in _OF_LOOP}
        real = mad.Gaussian.standard(point.get("dim", 1))
        model = mad.Gaussian(
            ddof=point.get("ddof", 1), known_mean=real.mean if point.get("known_mean") else None
        )
        return mad.Loop(
            real=real, model=model, regime=constructors()[self.regime](**sizes), bias=point.get("bias", 1.0)
        )


def read_grid(regime: str, over: Sequence[str]) -> dict[str, Any]:
    """Read coordinates such as ``bias=0.1:1:10``, ``n_synthetic=log:10:10000:13``, ``dim=2,10``.

    Sizes are rounded to integers. Those that the regime needs and nobody gives are 100.
    """
    known = inspect.signature(constructors()[regime]).parameters
    grid: dict[str, Any] = {}
    for text in over:
        name, equals, values = text.partition("=")
        name = name.replace("-", "_")
        if not equals or name not in (*known, *_OF_LOOP):
            raise Usage(
                f"over={text!r} is not a coordinate of regime {regime}; write for example bias=0.1:1:10, and "
                f"for the name one of {', '.join([*known, *_OF_LOOP])}."
            )
        grid[name] = _read(name, values)
    for name, parameter in known.items():
        if name not in grid and parameter.default is parameter.empty:
            grid[name] = _DEFAULTS[name]
    return {"dim": _DEFAULTS["dim"]} | grid


def _read(name: str, text: str) -> Any:
    """Return one value, or the values of a list or a range."""
    if name == "known_mean":
        words = text.lower().split(",")
        if not set(words) <= {"true", "false"}:
            raise Usage(f"over={name}={text}: write true or false.")
        return [word == "true" for word in words] if len(words) > 1 else words[0] == "true"
    scale, _, rest = text.partition(":")
    logarithmic = scale == "log"
    parts = (rest if logarithmic else text).split(":")
    try:
        numbers = [float(part) for part in (parts if ":" in text else text.split(","))]
        if ":" not in text:
            found = np.array(numbers)
        else:
            low, high, count = numbers
            if int(count) != count or count < 1 or (logarithmic and min(low, high) <= 0):
                raise ValueError
            found = (np.geomspace if logarithmic else np.linspace)(low, high, int(count))
    except ValueError:
        raise Usage(
            f"over={name}={text} is not a value, a list a,b,c, a range low:high:count, or one on a log "
            f"scale, log:low:high:count."
        ) from None
    if name not in _REAL:
        found = np.unique(np.round(found).astype(int))
    elif name == "ddof":
        found = found.astype(int)
    return found.tolist() if found.size > 1 else found.item()


def run_sweep(
    *,
    regime: str,
    over: Sequence[str],
    generations: int | None,
    metrics: Sequence[str] | None,
    variable: str | None,
    out: Path | None,
    plot: Path | None,
    **keywords: Any,
) -> str:
    """Sweep, write what is asked for, and return the table."""
    grid = read_grid(regime, over)
    if plot is not None and plot.suffix not in _PICTURES:
        raise ValueError(
            f"plot={str(plot)!r} ends in {plot.suffix!r}; known endings are {', '.join(_PICTURES)}."
        )
    for name, path in (("plot", plot), ("out", out)):
        if path is not None and not path.parent.is_dir():
            raise ValueError(
                f"{name}={str(path)!r}: there is no folder {str(path.parent)!r}; create it first."
            )
    if out is not None and out.suffix != ".nc":
        raise ValueError(f"out={str(out)!r} ends in {out.suffix!r}; the known ending is .nc (netCDF).")
    unknown = [name for name in metrics or () if name not in mad.metrics.__all__]
    if unknown:
        raise Usage(f"metrics={unknown[0]!r} is unknown; there are {', '.join(mad.metrics.__all__)}.")
    measured = None if metrics is None else [getattr(mad.metrics, name) for name in metrics]
    if keywords["store"] is not None and keywords["rng"] is None:
        raise Usage("store needs rng, so that the same command continues; pass for example --rng 0.")
    result = mad.sweep(
        GaussianLoops(regime),
        over=grid,
        generations=generations or "stationary",
        metrics=measured,
        **keywords,
    )
    if keywords["plan"]:
        return str(result)
    result = result if "generation" not in result.dims else result.isel(generation=-1)
    result = _with_ratio(result, grid)
    name = variable or (RATIO if RATIO in result else str(next(iter(result.data_vars))))
    if name not in result:
        raise ValueError(f"variable={name!r} is unknown; there are {', '.join(map(str, result.data_vars))}.")
    saved = []
    if out is not None:
        saved.append(str(mad.storage.save(result, out)))
    if plot is not None:
        _draw(result, name, plot)
        saved.append(str(plot))
    about = f"{regime}, {int(np.prod(list(result.sizes.values())))} cells, seed {result.attrs['seed']}"
    return "\n".join(
        [about, "", _table(result[name]), *(["", "Saved: " + ", ".join(saved)] if saved else [])]
    )


def _with_ratio(result: xr.Dataset, grid: Mapping[str, Any]) -> xr.Dataset:
    """Add the effective number of real points over that of a generation (MAD, Eq. 4), where it exists."""
    distance, held = "wasserstein2_squared", {name: grid.get(name) for name in ("dim", "ddof", "known_mean")}
    if distance not in result or "n_real" not in grid or any(isinstance(v, list) for v in held.values()):
        return result
    keywords = {name: value for name, value in held.items() if value is not None}
    points = mad.theory.gaussian.invert_real_fit(wasserstein2_squared=result[distance].values, **keywords)
    size = result[distance].copy(data=np.asarray(points))
    ratio = (size / result["n_real"]).assign_attrs(long_name="effective over fresh real points")
    return result.assign({RATIO: ratio.transpose(*result[distance].dims)})


def _draw(result: xr.Dataset, name: str, path: Path) -> None:
    from matplotlib.figure import Figure

    from madtheory.plotting import phase_diagram

    figure = Figure(figsize=(5.0, 3.8), layout="constrained")
    positive = bool((result[name].fillna(1) > 0).all())
    contour = 1.0 if name == RATIO else None
    phase_diagram(result, variable=name, contour=contour, logarithmic=positive, ax=figure.add_subplot())
    figure.savefig(path, dpi=150)


def _table(values: xr.DataArray) -> str:
    """Tabulate a variable: a row for each value of the first coordinate, a column for each of the last."""
    if values.ndim == 0:
        return f"{values.name} {values.item():.5g}"
    if values.ndim > 2:
        return str(values.to_series().map("{:.5g}".format).to_string())
    rows = values if values.ndim == 2 else values.expand_dims("")
    places = np.unique(np.linspace(0, rows.shape[1] - 1, min(_COLUMNS, rows.shape[1])).round().astype(int))
    rows = rows[:, places]
    head = [f"{rows.dims[0]} \\ {rows.dims[1]}" if values.ndim == 2 else str(values.dims[0])]
    head += [f"{place:.5g}" for place in rows[rows.dims[1]].values]
    labels = [f"{x:.5g}" for x in rows[rows.dims[0]].values] if values.ndim == 2 else [str(values.name)]
    body = [[label, *(f"{x:.4g}" for x in row)] for label, row in zip(labels, rows.values, strict=True)]
    return f"{values.name}\n{align([head, *body], indent='  ')}"


def sweep(
    *,
    over: tyro.conf.UseAppendAction[tuple[str, ...]],
    regime: Literal["fresh", "augment", "replace", "accumulate", "accumulate_subsample"] = "fresh",
    generations: int | None = None,
    replicates: int | None = None,
    metrics: tuple[str, ...] | None = None,
    rng: int | None = None,
    theory: bool = False,
    target_error: float | None = None,
    variable: str | None = None,
    store: Path | None = None,
    n_jobs: int | None = None,
    plan: bool = False,
    out: Path | None = None,
    plot: Path | None = None,
) -> Job:
    """Run a grid of loops on all cores; print a table, and draw a phase diagram.

    The values are those of the last generation.

    Example:
      madtheory sweep --over bias=0.1:1:10 --over n_synthetic=log:10:10000:13 --over dim=100 --plot phase.png

    Parameters
    ----------
    over
        A coordinate, once for each: name=value, name=a,b,c, name=low:high:count or name=log:low:high:count.
        Names are those of the regime's sizes, bias, dim, ddof and known_mean.
    regime
        Which data each generation is trained on; sizes that are not given are 100.
    generations
        Number of generations. Default: until theory says that the loop is stationary.
    replicates
        Independent copies at each point. Default 100.
    metrics
        Metrics to measure.
    rng
        Seed.
    theory
        Put theory next to each variable.
    target_error
        Standard error up to which replicates are added.
    variable
        Variable that is printed and drawn. Default: the effective number of real points over n_real, or the
        first metric.
    store
        Folder that keeps finished cells; with --rng the same command continues there.
    n_jobs
        Number of processes. Default: all cores.
    plan
        Only measure the corners of the grid, and say what the rest will cost.
    out
        Save the result there: .nc (netCDF).
    plot
        Draw the phase diagram there: .png, .pdf or .svg.
    """
    return lambda: run_sweep(
        over=over, regime=regime, generations=generations, replicates=replicates, metrics=metrics, rng=rng,
        theory=theory, target_error=target_error, variable=variable, store=store, n_jobs=n_jobs, plan=plan,
        out=out, plot=plot,
    )  # fmt: skip
