"""What the figures on curated loops share."""

import xarray as xr
from matplotlib.axes import Axes

from paper_scripts.figure import Finding
from paper_scripts.findings import above, error_of, format_mean, holds, name_seeds, score
from paper_scripts.style import BLUE, RED, THEORY, seed_band

COLOURS = {"curated only": RED, "with real data": BLUE, "not curated": "0.45"}


def draw_loops(ax: Axes, values: xr.DataArray, theory: xr.DataArray | None = None) -> None:
    """Draw a number by generation for every loop, and the exact law."""
    for loop in values["loop"].values:
        seed_band(ax, values["generation"], values.sel(loop=loop), color=COLOURS[loop], label=loop)
        if theory is not None:
            ax.plot(values["generation"], theory.sel(loop=loop), **THEORY)
    ax.set_xlabel("generation")


def judge_rise(values: xr.DataArray, claim: str, note: str) -> Finding:
    """Judge whether a number rises from the first to the last generation, in both loops."""
    rise = values.isel(generation=-1) - values.isel(generation=0)
    gains = {loop: rise.sel(loop=loop) for loop in ("curated only", "with real data")}
    return Finding(
        claim=claim,
        ours=f"from {format_mean(values.isel(generation=0, loop=0))} by "
        + ", ".join(f"{format_mean(gain)} ({loop})" for loop, gain in gains.items()),
        verdict=holds(*map(above, gains.values())),
        note=note,
    )


def name_run(data: xr.Dataset) -> str:
    """Format the number of generations and of seeds."""
    return f"generation {int(data['generation'][-1])}, {name_seeds(data)}"


def largest_score(data: xr.Dataset, name: str) -> float:
    """Return the largest distance to theory in standard errors, where the error is normal."""
    return float(abs(score(data, name).where(error_of(data, name) > 1e-6)).max())


def format_number(value: float) -> str:
    """Format a number that may be infinite."""
    return "∞" if value == float("inf") else f"{value:g}"
