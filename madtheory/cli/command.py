"""The `madtheory` command: ``demo``, ``page``, ``simulate``, ``predict``, ``sweep``, ``advise``, ...."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import madtheory as mad
from madtheory.sweeps import SweepError
from madtheory.text import printable

if TYPE_CHECKING:
    from madtheory.core import Loop


_THEORY = 2_000
"""The last generation of which `simulate` computes the theory."""

_ABOUT = """Theory and simulation of self-consuming generative loops.

A model is trained on real data, sampled, trained on its own samples, and so on.

A regime defines the data that each generation is trained on; madtheory simulate --help lists them.

Here the model is a Gaussian, for which there is theory; in Python it can be any generator.

Start with:
  madtheory demo
  madtheory page --out page.html
  madtheory predict replace --n 100 --dim 2 --generations 200
  madtheory simulate replace --n 100 --dim 2 --generations 50 --replicates 1000
  madtheory simulate fresh --help
  madtheory sweep --over bias=0.5:1:6 --over n_synthetic=log:10:1000:5
  madtheory images --help

madtheory --version prints the version."""

_SIMULATE = """Run a loop many times; print theory alongside simulation.

Printed for some of the generations: the closed form, the mean over the replicates, its standard error, and z.

z = (simulation - theory) / standard error, where theory is an equality.

Examples:
  madtheory simulate fresh --n-real 100 --n-synthetic 900 --bias 0.8 --dim 10 --generations 60
  madtheory simulate replace --n 300 --real digits --generations 40 --rng 0 --out run.nc

With --out and --rng, the same command continues a run that was killed."""

_PREDICT = """Print the closed form of a loop, without simulating.

Each variable comes with its kind (exact mean, bound, ...) and its source.

Example:
  madtheory predict augment --n-real 100 --n-synthetic 900 --dim 10 --generations 1000"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or 2 for bad input, which stderr explains in one line."""
    from madtheory.cli.arguments import command, parse
    from madtheory.cli.grids import sweep

    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["--version"]:
        print(f"madtheory {mad.__version__}")
        return 0
    try:
        if arguments[:1] == ["images"]:
            try:
                from madtheory.images.runs import ABOUT, COMMANDS
            except ModuleNotFoundError as error:
                raise ImportError(
                    f"madtheory images needs torch, diffusers and accelerate ({error}); install them by the "
                    f"extra images: pip install 'madtheory[images]'"
                ) from None

            if text := parse(COMMANDS, arguments[1:], ABOUT, prog="madtheory images")():
                print(text, flush=True)
            return 0
        commands: dict[str, Any] = {
            "demo": _demo,
            "page": _page,
            "simulate": command(_simulate, mad.simulate, _SIMULATE),
            "predict": command(_predict, mad.predict, _PREDICT),
            "sweep": sweep,
            "advise": _advise,
            "monitor": _monitor,
            "data": _data,
            "images": _images,
        }
        print(parse(commands, arguments, _ABOUT)(), flush=True)
    except SystemExit as stop:  # after --help
        return int(stop.code or 0)
    except BrokenPipeError:  # the reader of a pipe, such as head, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("madtheory: interrupted", file=sys.stderr)
        return 130
    except MemoryError as error:
        print(f"madtheory: error: {str(error).rstrip('.')}; or lower dim.", file=sys.stderr)
        return 2
    except (ValueError, OSError, OverflowError, ImportError, mad.NoClosedForm, SweepError) as error:
        print(f"madtheory: error: {printable(' '.join(str(error).split()))}", file=sys.stderr)
        return 2
    return 0


def _demo(*, out: Path = Path(), quick: bool = False) -> Any:
    """Run the three loops on handwritten digits: theory alongside simulation, and a picture.

    It takes less than half a minute.

    Parameters
    ----------
    out
        Folder that the picture is written into.
    quick
        Fewer generations and replicates: a few seconds.
    """
    from madtheory.cli.demo import run_demo

    return lambda: run_demo(out, quick)


def _page(*, out: Path) -> Any:
    """Write a page to play with: one HTML file, which needs neither a server nor a network.

    Choose a loop in the browser, say what you expect, and watch simulation and exact theory.

    Parameters
    ----------
    out
        The file, which is replaced if it exists; it ends in .html.
    """
    from madtheory.page import write_page

    return lambda: f"Open {write_page(out)} in a browser."


def _data(what: Literal["fetch"], name: Literal["mnist", "fashion-mnist"], /, *, to: Path) -> Any:
    """Get a data set over the network: madtheory data fetch mnist --to data/mnist.

    Parameters
    ----------
    what
        What to do: fetch, unless the files are there already.
    name
        The data set.
    to
        Folder for its files.
    """
    return lambda: f"{name}: {mad.sources.fetch(name, to)}"


def _advise(
    data: str,
    /,
    *,
    n_synthetic: int | None = None,
    n_real: int | None = None,
    bias: float = 1.0,
    standardise: bool = True,
) -> Any:
    """Say how much synthetic data may be mixed in with a table: madtheory advise table.csv --bias 0.9.

    Parameters
    ----------
    data
        Digits (scikit-learn's, 64 pixels), or a .npy or .csv file of shape (m, d).
    n_synthetic
        Synthetic points in each generation; as many as real ones by default.
    n_real
        Real points in each generation; all rows by default.
    bias
        Factor of the covariance of synthetic points.
    standardise
        Scale columns to variance 1.
    """

    def run() -> str:
        table = _points(data)
        return str(
            mad.advise(table, n_synthetic=n_synthetic, n_real=n_real, bias=bias, standardise=standardise)
        )

    return run


def _monitor(
    log: str,
    /,
    *,
    real: str,
    regime: Literal["replace", "augment", "accumulate", "fresh", "unchanged"],
    counts: bool = False,
    level: float = 0.01,
    sequential: bool = False,
) -> Any:
    """Say whether a pipeline is collapsing: madtheory monitor log.csv --real real.csv --regime replace.

    Parameters
    ----------
    log
        A .npy or .csv file whose first column is the generation, 1, 2, ..., and whose others are the
        coordinates of a generated point; with --counts one row for each generation, a column for each mode.
    real
        File of the data of generation 1, without the first column; with --regime fresh of all generations,
        with it; with --counts one row.
    regime
        How the training sets are composed, or unchanged: each batch has the law of the real data.
    counts
        The files hold counts of modes.
    level
        Probability of a false alarm.
    sequential
        Look at every generation, without inflating the level.
    """

    def run() -> str:
        options: Any = {"regime": regime, "level": level, "sequential": sequential}
        if counts:
            return str(mad.monitor(counts=_points(log), real_counts=_points(real)[0], **options))
        batches = _by_generation(log)
        truth = _by_generation(real) if regime == "fresh" else _points(real)
        return str(mad.monitor(batches, real=truth, **options))

    return run


def _by_generation(path: str) -> list[Any]:
    """Return the points of each generation, which the first column of a file names."""
    import numpy as np

    table = _points(path)
    if table.ndim != 2 or table.shape[1] < 2:
        raise ValueError(
            f"{path!r} has shape {table.shape}; expected a generation and coordinates in each row."
        )
    return [table[table[:, 0] == t, 1:] for t in np.unique(table[:, 0])]


def _images() -> Any:
    """Run the papers' loops of image diffusions, in a folder that resumes: madtheory images --help.

    It needs torch, diffusers and accelerate (the extra images).
    """


def _simulate(
    *, regime: Any, loop: dict[str, Any], out: Path | None, generations: int, **keywords: Any
) -> str:
    from madtheory.cli.tables import comparison

    described, note = _loop(regime, **loop), []
    _check_out(out)
    for name, sizes in regime.keywords.items():
        if name.startswith("n") and isinstance(sizes, tuple) and len(sizes) < generations:
            raise ValueError(
                f"{name} lists {len(sizes)} generations and the run has generation {generations}; "
                f"list one size for each."
            )
    if keywords["metrics"] is not None:
        keywords["metrics"] = [getattr(mad.metrics, name) for name in keywords["metrics"]]
    if out is None or out.suffix == ".csv":
        if out is not None and out.exists():
            raise ValueError(_refusal(out))
        simulated = mad.simulate(described, generations, **keywords)
        if out is not None:
            _write_csv(simulated, out)
    else:
        if keywords["rng"] is None:
            keywords["rng"] = int.from_bytes(os.urandom(8), "little")
        simulated = mad.storage.resume(out, described, generations, **keywords)
    # After the run, which is saved already, and limited: the table shows few generations.
    last = min(int(simulated["generation"].max()), _THEORY)
    try:
        predicted = mad.predict(described, last)
    except mad.NoClosedForm as obstacle:
        predicted, note = None, [str(obstacle)]
    if predicted is not None and last < generations and last == _THEORY:
        note.append(f"Theory is computed up to generation {last}; madtheory predict gives the later ones.")
    about = simulated.attrs
    title = (
        f"{about['regime']}, {about['replicates']} replicates, method {about['method']}, seed {about['seed']}"
    )
    saved = [] if out is None else ["", f"Saved: {out}"]
    return "\n".join([title, *note, "", comparison(simulated, predicted), *saved])


def _predict(
    *, regime: Any, loop: dict[str, Any], out: Path | None, generations: int, **keywords: Any
) -> str:
    from madtheory.cli.tables import predictions

    described = _loop(regime, **loop)
    _check_out(out)
    held = None
    if out is not None and out.exists():
        held = mad.storage.load(out) if out.suffix == ".nc" else None
        if held is None or "seed" in held.attrs:
            raise ValueError(_refusal(out))
    predicted = mad.predict(described, generations, **keywords)
    if held is not None and out is not None and not held.identical(predicted):
        raise ValueError(_refusal(out))
    if out is not None and held is None:
        if out.suffix == ".csv":
            _write_csv(predicted, out)
        else:
            mad.storage.save(predicted, out)
    saved = [] if out is None else ["", f"Saved: {out}"]
    return "\n".join([predictions(predicted), *saved])


def _check_out(out: Path | None) -> None:
    """Check, before anything is computed, that the ending is known and the folder exists."""
    if out is None:
        return
    if out.suffix not in (".nc", ".csv"):
        raise ValueError(f"out={str(out)!r} ends in {out.suffix!r}; known endings are .nc (netCDF) and .csv.")
    if not out.parent.is_dir():
        raise ValueError(f"out={str(out)!r}: there is no folder {str(out.parent)!r}; create it first.")
    if out.is_dir():
        raise ValueError(f"out={str(out)!r} is a folder; pass the name of a file in it.")


def _refusal(out: Path) -> str:
    return f"out={str(out)!r} exists and holds something else; choose another name, or remove the file."


def _write_csv(dataset: Any, out: Path) -> None:
    """Write one row for each generation (and replicate or quantile); complete or not at all."""
    from madtheory.files import write_atomically

    if out.exists():
        raise ValueError(_refusal(out))
    write_atomically(out, dataset.to_dataframe().to_csv().encode())


def _loop(
    regime: Any, *, bias: float | None, real: str | None, dim: int | None, known_mean: bool, ddof: Any
) -> Loop:
    """Assemble the loop; its parts check what they are given."""
    truth: Any
    if real is None:
        truth = mad.Gaussian.standard(1 if dim is None else dim)
    elif dim is not None:
        raise ValueError(f"dim={dim} cannot go with real={real!r}, which has a dimension; drop one of them.")
    else:
        truth = mad.data.Empirical(_points(real))
    model = mad.Gaussian(ddof=ddof, known_mean=truth.mean if known_mean else None)
    return mad.Loop(real=truth, model=model, regime=regime, bias=bias)


def _points(real: str) -> Any:
    """Return real data by name or from a file, shape (m, d)."""
    import numpy as np

    if real == "digits":
        from sklearn.datasets import load_digits

        return load_digits().data
    try:
        return np.load(real) if real.endswith(".npy") else np.loadtxt(real, delimiter=",", ndmin=2)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(
            f"real={real!r} cannot be read ({error}); pass digits, or a .npy or .csv file of numbers."
        ) from None


if __name__ == "__main__":
    sys.exit(main())
