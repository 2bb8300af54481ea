"""The table of closed forms: what each states, for which regime, its kind, its source and its test."""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from madtheory.theory.labels import KINDS

_REGIMES = ("replace", "augment", "accumulate", "accumulate_subsample", "fresh")
_KIND = re.compile(r"(?:Kind:\s+\"?|(?<=\. ))(" + "|".join(KINDS) + ")", re.IGNORECASE)
_CITED = re.compile(r"[A-Z]\w+(?: et al\.| and [A-Z]\w+)? \d{4}(?: \(arXiv [\d.]+\))?(?:, Eq\. [\w()]+)?")
_ORIGIN = re.compile(r"\b(?:1[89]|20)\d\d\b|\bderived\b|\bours\b")
_TESTS = Path(__file__).with_name("tests.json")


class Form(NamedTuple):
    """A closed form: a row of `table`.

    Attributes
    ----------
    room, function : str
        Where it is: ``madtheory.theory.ROOM.FUNCTION``.
    what : str
        What it returns, in one sentence.
    regime : str
        Regimes that it is for, or ``any``.
    kind : str
        Kind of the statement, one of those of `Labelled`, or ``by entry or argument``.
    source : str
        Origin of the formula.
    test : str
        A test in the repository that uses it, or empty.
    """

    room: str
    function: str
    what: str
    regime: str
    kind: str
    source: str
    test: str


def table() -> list[Form]:
    """Return every closed form of `madtheory.theory`; ``pandas.DataFrame(table())`` is a table of them.

    Examples
    --------
    >>> from madtheory import theory
    >>> bounds = [form for form in theory.table() if form.kind == "bound"]
    >>> bounds[0].room, bounds[0].function
    ('curation', 'kl_bound')
    """
    return list(_rows())


def _rows() -> Iterator[Form]:
    theory, tests = import_module("madtheory.theory"), json.loads(_TESTS.read_text())
    for room in theory.__all__:
        for name in getattr(getattr(theory, room), "__all__", ()):
            form = getattr(getattr(theory, room), name)
            text = inspect.getdoc(form) or ""
            kind = _KIND.search(text)
            yield Form(
                room=room,
                function=name,
                what=_summary(text),
                regime=_regime(name, form, text),
                kind=kind[1].lower() if kind else "by entry or argument",
                source=_source(form, text),
                test=tests.get(f"{room}.{name}", ""),
            )


def _summary(text: str) -> str:
    """Return the first sentence of a docstring, as a noun."""
    first = text.partition("\n\n")[0].replace("\n", " ").partition(" Kind:")[0]
    return re.sub(r"^Return (?:the |an? )?(.)", lambda found: found[1].upper(), first)


def _regime(name: str, form: Any, text: str) -> str:
    """Return the regimes that the name, or the docstring above its parameters, mentions."""
    if name in _REGIMES:
        return name
    if callable(form) and "regime" in inspect.signature(form).parameters:
        return "any"
    above = text.partition("\nParameters\n")[0]
    return ", ".join(regime for regime in _REGIMES if f"`{regime}`" in above) or "any"


def _source(form: Any, text: str) -> str:
    """Return the sources that stand in the code of a function, or else in its docstring."""
    found = _origins(inspect.unwrap(form)) or tuple(_CITED.findall(text))
    named = dict.fromkeys(" ".join(one.split()) for one in found)
    return "; ".join(list(named)[:3]) or "derived here; see the docstring"


@cache
def _origins(form: Any, depth: int = 3) -> tuple[str, ...]:
    """Return texts that name a source, in a function and in private functions that it calls."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(form)))
    except (OSError, TypeError):
        return ()
    docstring = ast.get_docstring(tree.body[0], clean=False)  # type: ignore[arg-type]
    names = vars(inspect.getmodule(form))
    found: list[str] = []
    for node in ast.walk(tree):
        value = names.get(node.id) if isinstance(node, ast.Name) else None
        if isinstance(node, ast.Constant):
            value = node.value
        if isinstance(value, str) and value != docstring and _ORIGIN.search(value):
            found.append(value)
        elif inspect.isfunction(value) and value.__name__.startswith("_") and depth:
            found += _origins(inspect.unwrap(value), depth - 1)
    return tuple(dict.fromkeys(found))
