"""Command-line arguments from the API: signatures become options, docstrings become help.

Every constructor in `madtheory.regimes` is a subcommand; a new one needs no change here.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import inspect
import io
import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, Union

import madtheory as mad

Job: TypeAlias = Callable[[], str]
"""A command with its arguments, ready to run; it returns the text to print."""

_HELP = {
    "n": "Points in each training set: one number, or one for each generation.",
    "n_synthetic": "Synthetic points drawn for each generation: one number, or a 0 and then one for each.",
    "replacement": "Draw the subset with replacement.",
    "dim": "Dimension of the standard normal truth. Default 1.",
    "real": "Real data instead: digits (scikit-learn's, 64 pixels), or a .npy or .csv file of shape (m, d).",
    "ddof": "The fitted covariance has divisor n - ddof: 1 is unbiased, 0 maximum likelihood.",
    "known_mean": "The fit knows the true mean.",
    "metrics": "Metrics to measure at each generation.",
    "out": "Save the result there: .nc (netCDF), which madtheory.storage.load reads, or .csv.",
}

_LOOP: dict[str, tuple[Any, Any]] = {
    "bias": (float | None, None),
    "real": (str | None, None),
    "dim": (int | None, None),
    "ddof": (int | None, None),
    "known_mean": (bool, False),
}


_LARGEST = 2**53
_NOT_WHOLE = (
    "--bias",
    "--weights",
    "--quantiles",
    "--real",
    "--out",
    "--metrics",
    "--method",
    "--variables",
    "--level",
)

_NUMBER = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity|nan)"
_WHOLE = {"n", "n_real", "n_synthetic", "n_initial", "memory", "generations", "replicates", "dim", "ddof"}
_WHOLE |= {"record", "rng", "n_jobs"}


class Usage(ValueError):
    """Arguments that cannot be understood."""


def parse(
    commands: dict[str, Callable[..., Job]], arguments: list[str], about: str, *, prog: str = "madtheory"
) -> Job:
    """Turn arguments into a job.

    Raises
    ------
    SystemExit
        After help was printed.
    Usage
        If the arguments cannot be understood; the message is one line.
    """
    import tyro

    if len(arguments) > 1 and (name := arguments[1].replace("-", "_")) in constructors():
        arguments = [arguments[0], name, *arguments[2:]]
    arguments = _whole_numbers(arguments)
    _check_whole(arguments)
    flat = (tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes, tyro.conf.FlagCreatePairsOff)
    boxed = io.StringIO()
    try:
        with contextlib.redirect_stderr(boxed):
            job: Job = tyro.extras.subcommand_cli_from_dict(
                commands, prog=prog, description=about, args=arguments, config=flat
            )
    except SystemExit as stop:
        if stop.code:
            raise Usage(
                _one_line(boxed.getvalue()) + _suggestion(commands, arguments, boxed.getvalue())
            ) from None
        raise
    return job


def _whole_numbers(arguments: Sequence[str]) -> list[str]:
    """Spell whole numbers such as 1e3 out, apart from the options that take other numbers or text."""
    written, option = [], ""
    for word in arguments:
        if word.startswith("--"):
            option, _, value = word.partition("=")
            word = f"{option}={_whole(value)}" if value and option not in _NOT_WHOLE else word
        elif option not in _NOT_WHOLE:
            word = _whole(word)
        written.append(word)
    return written


def _check_whole(arguments: Sequence[str]) -> None:
    """Refuse numbers that are not whole where a whole number is expected, with a clear message."""
    option = ""
    for word in arguments:
        value = word
        if word.startswith("--"):
            option, _, value = word.partition("=")
        whole = option.startswith("--") and option.lstrip("-").replace("-", "_") in _WHOLE
        if whole and re.fullmatch(_NUMBER, value) and not re.fullmatch(r"[+-]?\d+", value):
            name, large = option.lstrip("-"), float(value) > _LARGEST
            why = (
                "too large; pass an integer below 2**53" if large else "not an integer; pass for example 100"
            )
            raise Usage(f"{name}={value} is {why}.")


def _whole(word: str) -> str:
    """Write out a whole number below 1e19 in exponential notation; return other words unchanged."""
    if re.fullmatch(r"\d+(\.\d*)?[eE]\+?\d{1,2}", word) and float(word) < 1e19:
        number = Decimal(word)
        return str(int(number)) if number == int(number) else word
    return word


def _suggestion(commands: Iterable[str], arguments: Sequence[str], message: str) -> str:
    """Suggest a command, regime or option for a word that is not one."""
    words = [(arguments[0], list(commands))] if arguments else []
    if arguments[:1] in (["simulate"], ["predict"]) and len(arguments) > 1:
        words.append((arguments[1], list(constructors())))
    for word, choices in words:
        if word in choices or word.startswith("-"):
            continue
        close = difflib.get_close_matches(word.replace("-", "_"), choices, n=1)
        return f" Did you mean {close[0]}?" if close and f"mean {close[0]}" not in message else ""
    known = {"out", "to", "quick", "help", *_LOOP, *_types()}
    for constructor in constructors().values():
        known |= set(inspect.signature(constructor).parameters)
    names = sorted(f"--{name.replace('_', '-')}" for name in known)
    for word in arguments:
        option = word.partition("=")[0].replace("_", "-")
        if option.startswith("--") and option not in names:
            close = difflib.get_close_matches(option, names, n=1)
            return f" Did you mean {close[0]}?" if close and f"mean {close[0]}" not in message else ""
    return ""


def constructors() -> dict[str, Callable[..., Any]]:
    """Return the regimes, by name."""
    functions = ((name, getattr(mad.regimes, name)) for name in mad.regimes.__all__)
    return {name: function for name, function in functions if inspect.isfunction(function)}


def command(run: Callable[..., str], interpreter: Callable[..., Any], about: str) -> Callable[..., Job]:
    """Make a command with a subcommand for each regime.

    Parameters
    ----------
    run : callable
        Function of ``regime=``, ``loop=`` (a dict of its options), ``out=`` and the interpreter's keywords.
    interpreter : `madtheory.simulate` or `madtheory.predict`
        Function whose keywords, except the loop, are options.
    about : str
        Help text.
    """
    import tyro

    members = [
        Annotated[
            Any, tyro.conf.subcommand(name=name, constructor=_subcommand(run, interpreter, constructor))
        ]
        for name, constructor in constructors().items()
    ]

    def choose(regime: Job) -> Job:
        return regime

    choose.__annotations__["regime"] = Union[tuple(members)]  # noqa: UP007
    choose.__doc__ = about
    return choose


def _subcommand(
    run: Callable[..., str], interpreter: Callable[..., Any], constructor: Callable[..., Any]
) -> Callable[..., Job]:
    """Make the function for the parser: options of the regime, loop and interpreter, and ``out``."""
    of_regime = inspect.signature(constructor, eval_str=True).parameters
    _, *of_interpreter = inspect.signature(interpreter).parameters.values()
    parameters = [_option(p.name, p.annotation, p.default) for p in of_regime.values()]
    parameters += [_option(p.name, _types()[p.name], p.default) for p in of_interpreter]
    parameters += [_option(name, kind, default) for name, (kind, default) in _LOOP.items()]
    parameters += [_option("out", Path | None, None)]

    def subcommand(**options: Any) -> Job:
        for name, value in options.items():
            for number in value if isinstance(value, tuple) else (value,):
                if isinstance(number, int) and number > _LARGEST and name != "rng":
                    raise Usage(f"{name}={number} is too large; pass an integer below 2**53.")
        regime = {name: _size(options.pop(name)) for name in of_regime}
        loop = {name: options.pop(name) for name in _LOOP}
        return lambda: run(regime=constructor(**regime), loop=loop, **options)

    subcommand.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    subcommand.__annotations__ = {p.name: p.annotation for p in parameters}
    subcommand.__doc__ = _plain(inspect.getdoc(constructor) or "")
    return subcommand


@functools.cache
def _types() -> dict[str, Any]:
    """Return the types that the keywords of `simulate` and `predict` have on a command line."""
    measured = (name for name in mad.metrics.__all__ if inspect.isfunction(getattr(mad.metrics, name)))
    names = [n for n in measured if [*inspect.signature(getattr(mad.metrics, n)).parameters] == ["snapshot"]]
    return {
        "generations": int,
        "replicates": int | None,
        "metrics": tuple[Literal[tuple(names)], ...] | None,  # type: ignore[misc]
        "rng": int | None,
        "method": Literal["statistics", "samples"] | None,
        "record": Literal["all", "last"] | tuple[int, ...],
        "quantiles": tuple[float, ...] | None,
        "n_jobs": int,
        "progress": bool | None,
        "variables": tuple[str, ...] | None,
    }


def _option(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    import tyro

    if annotation == mad.types.Size:
        annotation = tuple[int, ...]
    described = Annotated[annotation, tyro.conf.arg(help=_HELP.get(name) or _documentation(name))]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=described, default=default)


@functools.cache
def _documentation(name: str) -> str:
    """Return the description of a keyword in the docstrings of the API."""
    from docstring_parser import parse

    for documented in (mad.simulate, mad.predict, mad.Loop, mad.regimes.Regime):
        for parameter in parse(inspect.getdoc(documented) or "").params:
            if name in re.split(r",\s*", parameter.arg_name) and parameter.description:
                return _plain(" ".join(parameter.description.split()))
    return ""


def _plain(text: str) -> str:
    return re.sub(r"`+", "", text)


def _size(value: Any) -> Any:
    """Turn a list of one number into a constant size."""
    return value[0] if isinstance(value, tuple) and len(value) == 1 else value


def _one_line(boxed: str) -> str:
    """Return the parser's message without its box, its help texts and its advice."""
    bare = re.sub(r"\[/?bold\]| \(applied to [^)]*\)", "", boxed.replace("│", " "))
    sections = re.split(r"^ *[─-]{5,} *$", bare, flags=re.MULTILINE)
    joined = [" ".join(re.findall(r"^ {2,6}(\S.*?) *$", section, re.MULTILINE)) for section in sections]
    parts = [re.sub(r" Arguments are applied to .*", "", text).rstrip(".") for text in joined]
    parts = [text for text in parts if text and not text.startswith(("For full", "Argument"))]
    return "; ".join(parts[:2]) + ". See --help." if parts else " ".join(boxed.split())
