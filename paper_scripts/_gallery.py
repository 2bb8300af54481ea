"""Run figures, and keep the gallery: NAME.png, the numbers in NAME.nc, and the table of all in README.md.

An entry of the gallery lives in the attributes of its NAME.nc, so that running one figure keeps the others.
"""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from madtheory import plotting, storage
from paper_scripts._figure import Figure, Finding
from simulations._cells import seconds

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray as xr

LARGE = 150_000  # bytes of a picture from which on 256 colours must do

__all__ = ["Entry", "read_entries", "redraw", "render", "write_readme"]

_ATTRIBUTE = "gallery"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A rendered figure. `seconds` is wall time, or CPU time where the simulation keeps cells."""

    name: str
    title: str
    source: str
    caption: str
    device: str
    quick: bool
    rng: int
    seconds: float
    findings: tuple[Finding, ...]

    @property
    def command(self) -> str:
        """What makes the figure again."""
        options = (" --quick" if self.quick else "") + (f" --rng {self.rng}" if self.rng else "")
        return f"python -m paper_scripts --only {self.name}{options}"

    def to_json(self) -> str:
        """Text for the attributes of a netCDF file."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Entry:
        """Inverse of `to_json`."""
        held = json.loads(text)
        return cls(**{**held, "findings": tuple(Finding(**finding) for finding in held["findings"])})


def render(figure: Figure, *, out: Path, quick: bool, rng: int, n_jobs: int) -> Entry:
    """Simulate, draw, and write NAME.png and NAME.nc into `out`."""
    began, now = time.perf_counter(), time.time()
    # Long simulations keep what they have finished, so that a killed one goes on.
    cells = out / ".cells" if "folder" in inspect.signature(figure.simulation).parameters else None
    kept = {} if cells is None else {"folder": cells}
    dataset = figure.simulation(quick=quick, rng=rng, n_jobs=n_jobs, **kept)
    spent = time.perf_counter() - began if cells is None else seconds(cells, now)
    return _shown(figure, dataset, out=out, quick=quick, rng=rng, spent=round(spent, 1))


def redraw(figure: Figure, *, out: Path) -> Entry:
    """Draw and judge again from the numbers in `out`, without a simulation.

    Raises
    ------
    FileNotFoundError
        If the figure has not been made there yet.
    """
    dataset = storage.load(out / f"{figure.name}.nc")
    before = Entry.from_json(dataset.attrs.pop(_ATTRIBUTE))
    return _shown(figure, dataset, out=out, quick=before.quick, rng=before.rng, spent=before.seconds)


def _shown(figure: Figure, dataset: xr.Dataset, *, out: Path, quick: bool, rng: int, spent: float) -> Entry:
    """Draw and judge, and write the picture, the numbers and the entry."""
    import matplotlib.pyplot as plt

    with plotting.style():
        drawn = figure.draw(dataset)
        _save_picture(drawn, out / f"{figure.name}.png")
        plt.close(drawn)
    entry = Entry(
        name=figure.name,
        title=figure.title,
        source=figure.source,
        caption=figure.caption,
        device=figure.device,
        quick=quick,
        rng=rng,
        seconds=spent,
        findings=tuple(figure.findings(dataset)),
    )
    storage.save(dataset.assign_attrs({_ATTRIBUTE: entry.to_json()}), out / f"{figure.name}.nc")
    return entry


def _save_picture(drawn: matplotlib.figure.Figure, path: Path) -> None:
    """Write a PNG of 256 colours: a third of the size, and no difference to the eye."""
    from PIL import Image

    drawn.canvas.draw()
    # Neither time nor software is written into it: the same picture is the same file.
    picture = Image.fromarray(np.asarray(drawn.canvas.buffer_rgba())[..., :3])
    picture.save(path, optimize=True)
    if path.stat().st_size > LARGE:
        picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def read_entries(out: Path) -> dict[str, Entry]:
    """The entries in a folder, by name; other results files are passed over."""
    entries = {}
    for path in sorted(out.glob("*.nc")):
        try:
            attributes = storage.load(path).attrs
        except storage.StorageError:
            continue
        if _ATTRIBUTE in attributes:
            entry = Entry.from_json(attributes[_ATTRIBUTE])
            entries[entry.name] = entry
    return entries


def write_readme(out: Path, order: Sequence[str]) -> Path:
    """Write the table of everything that is in the folder, in the given order; unknown figures come last."""
    held = read_entries(out)
    names = [name for name in order if name in held] + [name for name in held if name not in order]
    lines = [
        "# Figures",
        "",
        "Generated by `python -m paper_scripts`; the numbers behind a picture lie beside it in netCDF "
        "(`madtheory.storage.load`).",
        "± is one standard error. Theory is dashed black, a bound is dotted.",
        "",
        "| figure | from | run time | device | verdicts |",
        "|---|---|---|---|---|",
    ]
    for name in names:
        entry = held[name]
        lines.append(
            f"| [{_cell(entry.title)}](#{name}) | {_cell(entry.source)} | {_run_time(entry)} "
            f"| {entry.device} | {_verdicts(entry)} |"
        )
    for name in names:
        lines += ["", *_section(held[name])]
    path = out / "README.md"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _section(entry: Entry) -> list[str]:
    lines = [
        f'## <a id="{entry.name}"></a>{entry.title}',
        "",
        f"![{_cell(entry.title)}]({entry.name}.png)",
        "",
        *([entry.caption, ""] if entry.caption else []),
        "| claim | ours | verdict | note |",
        "|---|---|---|---|",
    ]
    for row in entry.findings:
        lines.append(f"| {_cell(row.claim)} | {_cell(row.ours)} | {row.verdict} | {_cell(row.note)} |")
    return [*lines, "", f"`{entry.command}`, {_run_time(entry)}; numbers: [{entry.name}.nc]({entry.name}.nc)"]


def _verdicts(entry: Entry) -> str:
    counts: dict[str, int] = {}
    for row in entry.findings:
        counts[row.verdict] = counts.get(row.verdict, 0) + 1
    return ", ".join(f"{verdict}: {count}" for verdict, count in counts.items())


def _run_time(entry: Entry) -> str:
    return f"{entry.seconds:.0f} s ({'quick' if entry.quick else 'full size'})"


def _cell(text: str) -> str:
    """Text that cannot break out of a table's cell."""
    return " ".join(text.replace("|", "\\|").split())
