"""What a figure is: a simulation, a drawing, and the findings read from the numbers behind it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Literal, Self, get_args

import xarray as xr
from matplotlib.figure import Figure as Picture

Verdict = Literal[
    "reproduced",  # the paper's statement holds here
    "partly reproduced",
    "not reproduced",
    "not tested",  # what was run is too weak to decide
    "agrees",  # our own theory and simulation agree
    "disagrees",
    "shown",  # a measurement without a reference
    "not yet measured",  # it needs a device that was not at hand
]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True)
class Finding:
    """One row of the table "claim | ours | verdict".

    Attributes
    ----------
    claim : str
        Statement of the paper or the theory, with figure, equation or table number.
    ours : str
        Our number with its standard error; see `paper_scripts.findings`.
    verdict : str
        One of `VERDICTS`.
    note : str
        Reason why they differ, or reading of the paper under which they agree.
    """

    claim: str
    ours: str
    verdict: Verdict
    note: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict={self.verdict!r} is unknown; there are {', '.join(VERDICTS)}.")


Findings = Iterator[Finding]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One picture of the gallery, as a module in the folder of its paper describes it.

    Attributes
    ----------
    name : str
        Name of the module and of the files, and what ``--only`` takes, for example ``"mad_10_left"``.
    title : str
        One line on what is seen: the docstring of the module.
    source : str
        ``SOURCE``, where the figure comes from: ``"MAD, Fig. 10 left"``, or ``"our own"``.
    simulate : callable
        ``run(quick=, rng=, n_jobs=)`` of a module in `simulations`; returns the Dataset behind the picture.
        One that takes minutes has ``folder=`` too, where it keeps finished cells.
    draw : callable
        Dataset -> matplotlib Figure. Uses nothing but the Dataset.
    judge : callable
        Dataset -> iterable of `Finding`. Uses nothing but the Dataset.
    caption : str
        ``CAPTION``, Markdown below the picture.
    device : str
        ``DEVICE``, ``"cpu"`` or ``"gpu"``.
    networks : bool
        ``NETWORKS``, whether it trains networks: needs torch, and takes minutes.
    """

    name: str
    title: str
    source: str
    simulate: Callable[..., xr.Dataset]
    draw: Callable[[xr.Dataset], Picture]
    judge: Callable[[xr.Dataset], Iterable[Finding]]
    caption: str = ""
    device: str = "cpu"
    networks: bool = False

    @classmethod
    def of(cls, module: ModuleType) -> Self:
        """Read the figure that a module describes."""
        given = {name: getattr(module, name) for name in ("simulate", "draw", "judge")}
        for name in ("source", "caption", "device", "networks"):
            if hasattr(module, name.upper()):
                given[name] = getattr(module, name.upper())
        title = (module.__doc__ or "").strip().removesuffix(".")
        return cls(name=module.__name__.rpartition(".")[2], title=title, **given)

    def findings(self, data: xr.Dataset) -> list[Finding]:
        """Return the finding for each claim."""
        return list(self.judge(data))
