"""The figures, one command each: ``python -m paper_scripts`` lists them."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

from paper_scripts.figure import Figure
from paper_scripts.gallery import (
    FORMATS,
    Entry,
    all_figures,
    foreign,
    redraw,
    render,
    write_readme,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    figures = all_figures()
    options = _parser().parse_args(arguments)
    unknown = [name for name in options.only or () if name not in figures]
    if unknown:
        _parser().error(f"no figure is called {', '.join(unknown)}; there are: {', '.join(figures)}.")
    chosen = _choose(options, figures)
    if not chosen:
        _list(figures)
        return 0

    import matplotlib

    matplotlib.use("Agg")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _parser().error(f"--out {options.out} is not a folder to write into ({error.strerror}).")
    if others := foreign(options.out, chosen):
        _parser().error(
            f"--out {options.out} holds {', '.join(others)} from elsewhere, which would be lost; "
            f"choose another folder, or remove what is in the way."
        )
    with _engine(options.engine):
        return _make(chosen, figures, options)


def _make(chosen: Sequence[str], figures: dict[str, Figure], options: argparse.Namespace) -> int:
    """Make figures one after another; return the exit status."""
    for name in chosen:
        print(f"{name}: {figures[name].title}  [{figures[name].source}]", flush=True)
        try:
            entry = (
                redraw(figures[name], out=options.out, formats=options.format)
                if options.redraw
                else render(
                    figures[name],
                    out=options.out,
                    quick=options.quick,
                    rng=options.rng,
                    n_jobs=options.jobs,
                    formats=options.format,
                )
            )
        except FileNotFoundError:
            if not options.redraw:
                raise
            _parser().error(f"{options.out} holds no {name}.nc to draw again; leave out --redraw.")
        _report(entry, options.out)
        # Written after each figure: what is done stays in the gallery if a later one is interrupted.
        readme = write_readme(options.out, list(figures))
    print(f"gallery: {readme}")
    return 0


@contextmanager
def _engine(name: str | None) -> Iterator[None]:
    """Run simulations on a backend of joblib, or on the Dask cluster of an address."""
    from joblib import parallel_config

    with ExitStack() as stack:
        if name is not None and name.startswith("dask://"):
            try:
                from distributed import Client

                stack.enter_context(Client(f"tcp://{name.removeprefix('dask://')}"))
            except ImportError:
                _parser().error(f"--engine {name} needs Dask; pip install -e '.[distributed]'.")
            except OSError as error:
                _parser().error(f"--engine {name} cannot be reached ({error}); start dask scheduler there.")
            name = "dask"
        if name is not None:
            try:
                stack.enter_context(parallel_config(backend=name))
            except ValueError as error:
                _parser().error(f"--engine {name} is not known to joblib ({error}).")
        yield


def _choose(options: argparse.Namespace, figures: dict[str, Figure]) -> list[str]:
    """Return the names to make; figures of networks need torch."""
    if options.only:
        chosen = list(dict.fromkeys(options.only))
    else:
        wanted = {"all": (True, False), "core": (False,), "networks": (True,), None: ()}[options.group]
        chosen = [name for name, figure in figures.items() if figure.networks in wanted]
    lacking = [name for name in chosen if figures[name].networks] if find_spec("torch") is None else []
    if lacking and options.group != "all":
        _parser().error(f"{', '.join(lacking)}: networks need torch; pip install -e '.[torch]'.")
    if lacking:
        print(f"without torch, not made: {', '.join(lacking)}; pip install -e '.[torch]'\n", flush=True)
    return [name for name in chosen if name not in lacking]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m paper_scripts",
        description="Make the figures of the papers, and our own: simulate, draw theory on top, and report "
        "the paper's claim, our number and whether they agree. Without options: list the figures.",
    )
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--only", nargs="+", metavar="NAME", help="make these figures")
    for name, which in (
        ("all", "all figures"),
        ("core", "all that train no networks: minutes"),
        ("networks", "all that train networks: hours; resume where they were killed"),
    ):
        group.add_argument(f"--{name}", action="store_const", const=name, dest="group", help=f"make {which}")
    parser.add_argument("--quick", action="store_true", help="fewer replicates and points: seconds a figure")
    parser.add_argument(
        "--redraw",
        action="store_true",
        help="draw and judge again from the numbers in the folder, without a simulation",
    )
    parser.add_argument(
        "--format",
        nargs="+",
        choices=list(FORMATS),
        default=[],
        help="write the pictures in these formats too, next to the PNG",
    )
    parser.add_argument("--out", type=Path, default=Path("figures"), metavar="DIR", help="default: figures")
    parser.add_argument(
        "--jobs",
        type=int,
        default=-1,
        metavar="N",
        help="processes; -1 (default) for all cores. No effect on numbers",
    )
    parser.add_argument(
        "--engine",
        metavar="NAME",
        help="where simulations run: loky (default), threading, or dask://HOST:PORT. No effect on numbers",
    )
    parser.add_argument("--rng", type=_seed, default=0, metavar="SEED", help="seed, default 0")
    return parser


def _seed(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is negative; a seed is an integer >= 0")
    return value


def _list(figures: dict[str, Figure]) -> None:
    rows = [("name", "from", "device", "shows")]
    rows += [(figure.name, figure.source, figure.device, figure.title) for figure in figures.values()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print("\nMake one: python -m paper_scripts --only NAME [--quick] [--out DIR]")
    print("Make all: python -m paper_scripts --all, or --core (no networks), or --networks")


def _report(entry: Entry, out: Path) -> None:
    for row in entry.findings:
        print(f"  claim    {row.claim}")
        print(f"  ours     {row.ours}")
        print(f"  verdict  {row.verdict}" + (f"  ({row.note})" if row.note else ""))
    print(f"  {entry.seconds:.1f} s -> {out / entry.name}.png, .nc\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
