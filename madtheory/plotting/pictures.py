"""Still pictures: trajectories with theory on top, phase diagrams, grids of samples."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from madtheory.types import Array

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

STYLE = Path(__file__).with_name("madtheory.mplstyle")
"""The style sheet of the project's figures, for ``plt.style.use``."""

THEORY = {"color": "black", "linestyle": "--", "linewidth": 1.1, "zorder": 4}
BOUND = {"color": "0.35", "linestyle": ":", "linewidth": 1.1, "zorder": 3}
LABELS = {
    "total_variance": "total variance",
    "log_total_variance": "log of the total variance",
    "log_volume": "log determinant of the covariance",
    "mean_error": "squared error of the mean",
    "wasserstein2_squared": "squared Wasserstein-2 distance",
    "kl_divergence": "KL(model || truth)  [nats]",
    "reverse_kl_divergence": "KL(truth || model)  [nats]",
    "effective_sample_size": "effective sample size  [points]",
}


def style() -> AbstractContextManager[None]:
    """Open a context in which figures are drawn in the project's style."""
    import matplotlib.style

    return matplotlib.style.context(STYLE)


def trajectories(
    simulated: xr.Dataset | None,
    predicted: xr.Dataset | None = None,
    *,
    variable: str,
    spread: Literal["quantiles", "standard error"] | None = None,
    band: tuple[float, float] = (0.05, 0.95),
    label: str | None = None,
    color: Any = None,
    ax: Axes | None = None,
    **line: Any,
) -> Axes:
    """Draw one variable per generation: a line with a band, and theory on top of it.

    Parameters
    ----------
    simulated : Dataset (replicate, generation) or (quantile, generation), or None
        Result of `simulate`.
    predicted : Dataset (generation,), optional
        Result of `predict`. An equality is dashed black ("theory" in a legend). The variable itself and its
        ``_lower`` and ``_upper`` are dotted grey ("bound") if their kind is ``"bound"``.
    variable : str
        Name of the variable, in both datasets.
    spread : {None, "quantiles", "standard error"}
        Line and band: median with the quantiles `band`, or mean with two standard errors on either side.
        ``None`` takes the mean where `predicted` is a mean, and the median otherwise.
    label, color, **line
        Options of the simulated line, as in ``Axes.plot``.

    Returns
    -------
    Axes

    Raises
    ------
    KeyError
        If neither dataset holds the variable; the message names those that exist.
    ValueError
        If `spread` is ``"standard error"`` and the dataset holds only quantiles.
    """
    from matplotlib.ticker import MaxNLocator

    ax = _axes(ax)
    held = [data for data in (simulated, predicted) if data is not None]
    names = {str(name) for data in held for name in data.data_vars}
    if variable not in names and not {f"{variable}_lower", f"{variable}_upper"} & names:
        raise KeyError(f"variable={variable!r} is in neither dataset; there are: {', '.join(sorted(names))}.")
    if simulated is not None and variable in simulated:
        values = simulated[variable]
        if spread is None:
            mean = predicted is not None and predicted.get(variable, values).attrs.get("kind") == "exact mean"
            spread = "standard error" if mean and "replicate" in values.dims else "quantiles"
        x = values["generation"].values
        low, middle, high = _summary(values, spread, band)
        (drawn,) = ax.plot(x, middle, label=label, color=color, **line)
        ax.fill_between(x, low, high, color=drawn.get_color(), alpha=0.22, linewidth=0)
    if predicted is not None:
        for name in (variable, f"{variable}_lower", f"{variable}_upper"):
            if name in predicted:
                bound = predicted[name].attrs.get("kind") == "bound"
                label = "bound" if bound else "theory"
                # One entry in the legend, however many trajectories share the axes.
                label = f"_{label}" if label in ax.get_legend_handles_labels()[1] else label
                how: dict[str, Any] = {**(BOUND if bound else THEORY), "label": label}
                ax.plot(predicted["generation"].values, predicted[name].values, **how)
    ax.set_xlabel("generation")
    if ax.get_xscale() == "linear":
        ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    ax.set_ylabel(LABELS.get(variable, variable.replace("_", " ")))
    return ax


def phase_diagram(
    x: ArrayLike | xr.Dataset,
    y: ArrayLike | None = None,
    values: ArrayLike | None = None,
    *,
    variable: str | None = None,
    contour: float | None = 1.0,
    label: str = "",
    logarithmic: bool = True,
    colorbar: bool = True,
    ax: Axes | None = None,
    **mesh: Any,
) -> Axes:
    """Draw a heat map with the contour that separates two phases.

    Parameters
    ----------
    x, y : array, shapes (columns,) and (rows,)
        Coordinates of the cells' centres. Instead of all three, a Dataset of `madtheory.sweep` over a product
        of two lists: its first dimension runs to the right, the second one upwards, and the last generation
        is drawn. An axis is logarithmic if its values are spaced so.
    values : array, shape (rows, columns)
        Values of the cells; NaN is left grey.
    variable : str, optional
        Variable of the Dataset; its first one by default.
    contour : float or None
        Level of the black line, which is also the middle of the colour scale; ``None`` draws no line.
    label : str
        Label of the colour bar.
    logarithmic : bool
        Whether the colour scale is logarithmic; `values` must then be positive.
    colorbar : bool
        Whether a colour bar is drawn next to the map; several maps can share one and a ``norm``.
    **mesh
        Options of ``Axes.pcolormesh``, for example ``cmap`` or ``norm``.
    """
    from matplotlib.colors import LogNorm, Normalize

    dims: tuple[str, ...] = ()
    if hasattr(x, "data_vars"):
        found = _plane(x, variable, y, values)
        dims = tuple(map(str, found.dims))
        label = label or LABELS.get(str(found.name), str(found.name).replace("_", " "))
        x, y, values = found[dims[0]].values, found[dims[1]].values, found.values.T
    if y is None or values is None:
        raise TypeError("y or values is missing; pass both, or a Dataset of madtheory.sweep as x.")
    grid = np.ma.masked_invalid(np.asarray(values, dtype=float))
    if grid.shape != (np.size(y), np.size(x)):
        raise ValueError(
            f"values has shape {grid.shape}; expected (rows, columns) = {(np.size(y), np.size(x))}."
        )
    if logarithmic and grid.count() and grid.min() <= 0:
        raise ValueError(f"values has the entry {grid.min():.3g}; pass logarithmic=False, or values > 0.")
    ax = _axes(ax)
    low, high = (float(grid.min()), float(grid.max())) if grid.count() else (0.5, 2.0)
    if contour is not None:
        # Symmetric about the contour, so that its two sides have different colours.
        reach = max(contour / low, high / contour) if logarithmic else max(contour - low, high - contour)
        reach = max(reach, 1.01) if logarithmic else max(reach, 0.01)
        low, high = (contour / reach, contour * reach) if logarithmic else (contour - reach, contour + reach)
    norm = LogNorm(low, high) if logarithmic else Normalize(low, high)
    ax.set_facecolor("0.85")
    edges, shading = (x, y), "nearest"
    if dims:
        edges, shading = (_cell_edges(np.asarray(x)), _cell_edges(np.asarray(y))), "flat"
    drawn = ax.pcolormesh(*edges, grid, **{"norm": norm, "cmap": "RdBu", "shading": shading, **mesh})
    if colorbar:
        ax.get_figure().colorbar(drawn, ax=ax, label=label)  # type: ignore[union-attr]
    if contour is not None and grid.count() and grid.min() < contour < grid.max():
        ax.contour(x, y, grid, levels=[contour], colors="black", linewidths=1.6)
    for side, dim, places in zip("xy", dims, (x, y), strict=False):
        scale = "log" if _is_geometric(np.asarray(places)) else "linear"
        ax.set(**{f"{side}label": dim.replace("_", " "), f"{side}scale": scale})
    ax.grid(False)
    return ax


def _plane(result: Any, variable: str | None, *others: Any) -> xr.DataArray:
    """Return a variable of a sweep over two coordinates, in its last generation."""
    if any(other is not None for other in others):
        raise TypeError("x is a Dataset, which has coordinates and values; leave y and values out.")
    name = variable or next(iter(result.data_vars), None)
    if name not in result:
        raise KeyError(f"variable={name!r} is not in the dataset; there are: {', '.join(result.data_vars)}.")
    found = result[name]
    found = found.isel(generation=-1) if "generation" in found.dims else found
    numbers = [dim for dim in found.dims if dim in found.coords and found[dim].dtype.kind in "iuf"]
    if found.ndim != 2 or len(numbers) != 2:
        raise ValueError(
            f"variable={name!r} has the dimensions {found.dims}, and a phase diagram needs two of numbers; "
            f"select one value of each other, for example result.sel({found.dims[0]}=...)."
            if found.dims
            else f"variable={name!r} is one number; sweep over two coordinates."
        )
    return found.sortby(list(found.dims))


def _cell_edges(places: Any) -> Any:
    """Return the edges of cells around these places, half-way on the scale of their axis."""
    if _is_geometric(places):
        return np.exp(_cell_edges(np.log(places)))
    if len(places) == 1:
        return places[0] + np.array([-0.5, 0.5])
    middle = (places[1:] + places[:-1]) / 2
    return np.r_[2 * places[0] - middle[0], middle, 2 * places[-1] - middle[-1]]


def _is_geometric(places: Any) -> bool:
    """Return whether ratios of neighbours vary less than their differences do."""
    if len(places) < 3 or places.min() <= 0:
        return False
    ratios, steps = np.diff(np.log(places)), np.diff(places)
    return bool(ratios.std() / ratios.mean() < steps.std() / steps.mean())


def sample_grid(
    images: ArrayLike,
    *,
    rows: list[str] | None = None,
    columns: list[str] | None = None,
    limits: tuple[float, float] | None = None,
    gap: int = 1,
    ax: Axes | None = None,
    **show: Any,
) -> Axes:
    """Draw a table of images as one picture.

    Parameters
    ----------
    images : array, shape (rows, columns, height, width) or (rows, columns, height, width, 3)
        Grey values or colours.
    rows, columns : list of str, optional
        Labels, one per row and column.
    limits : (float, float), optional
        Grey values drawn as black and white; values outside are clipped. Default: the range of the images.
    gap : int
        Pixels between the images.
    **show
        Options of ``Axes.imshow``, for example ``cmap``.
    """
    table = np.asarray(images, dtype=float)
    if table.ndim not in (4, 5):
        raise ValueError(f"images has shape {table.shape}; expected (rows, columns, height, width[, 3]).")
    n_rows, n_columns, height, width = table.shape[:4]
    for name, labels, size in (("rows", rows, n_rows), ("columns", columns, n_columns)):
        if labels is not None and len(labels) != size:
            raise ValueError(
                f"{name} has {len(labels)} labels for {size} {name} of images; give one for each."
            )
    low, high = (np.nanmin(table), np.nanmax(table)) if limits is None else limits
    ax = _axes(ax)
    ax.imshow(
        mosaic(table, (low, high), gap),
        vmin=low,
        vmax=high,
        **{"cmap": "gray_r", "interpolation": "nearest", **show},
    )
    ax.set_xticks(np.arange(n_columns) * (width + gap) + (width - 1) / 2, columns or [""] * n_columns)
    ax.set_yticks(np.arange(n_rows) * (height + gap) + (height - 1) / 2, rows or [""] * n_rows)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.grid(False)
    return ax


def mosaic(table: Array, limits: tuple[float, float], gap: int = 1) -> Array:
    """Return a table of images as one, with gaps that are NaN, or white where the images have colours."""
    n_rows, n_columns, height, width = table.shape[:4]
    whole = np.full(
        (n_rows * (height + gap) - gap, n_columns * (width + gap) - gap, *table.shape[4:]), np.nan
    )
    for i in range(n_rows):
        for j in range(n_columns):
            top, left = i * (height + gap), j * (width + gap)
            whole[top : top + height, left : left + width] = table[i, j]
    if table.ndim == 4:
        return whole
    # Colours are not mapped: they are scaled here, and the gaps must be white themselves.
    low, high = limits
    return np.nan_to_num(np.clip((whole - low) / max(high - low, 1e-300), 0, 1), nan=1.0)


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots()[1]


def _summary(values: xr.DataArray, spread: str, band: tuple[float, float]) -> list[Any]:
    """Return the lower end, middle and upper end of the band, per generation."""
    if spread not in ("quantiles", "standard error"):
        raise ValueError(f"spread={spread!r} is unknown; use 'quantiles' or 'standard error'.")
    if "quantile" in values.dims:
        if spread == "standard error":
            raise ValueError("the dataset holds quantiles, not replicates; use spread='quantiles'.")
        wanted, held = (band[0], 0.5, band[1]), values["quantile"].values
        if not np.isin(wanted, held).all():
            raise ValueError(
                f"band={band!r} needs the quantiles {wanted}; the dataset holds {held.tolist()}."
            )
        return [values.sel(quantile=q).values for q in wanted]
    if spread == "quantiles":
        return list(np.quantile(values.transpose("replicate", ...).values, (band[0], 0.5, band[1]), axis=0))
    mean, count = values.mean("replicate").values, values.sizes["replicate"]
    error = values.std("replicate", ddof=1).values / np.sqrt(count) if count > 1 else np.zeros_like(mean)
    return [mean - 2 * error, mean, mean + 2 * error]
