"""Write what follows from the closed forms: ``python docs/theory_reference.py``.

``docs/theory.md`` is the table of `madtheory.theory.table`; ``madtheory/theory/tests.json`` names for each
closed form a test that uses it.
"""

from __future__ import annotations

import ast
import json
import re
from itertools import groupby
from pathlib import Path

from madtheory import theory

ROOT = Path(__file__).parents[1]
TESTS = [f"tests/{room}" for room in ("theory", "interpreters", "verification", "models", "simulations")]
SHARED = "tests/interpreters/test_predict.py::test_predict_statistics_and_samples_agree"
DISPATCHED = ("replace", "augment", "accumulate", "accumulate_subsample", "fresh", "trajectory")
HEAD = """# Theory

All closed forms of `madtheory.theory`: what each states, the kind of the statement, whose it is, and a test
that holds it against brute force or another formula. `madtheory.theory.table()` returns this table. Every
function takes keywords, and returns numbers that carry `kind` and `source`. Its docstring has the formula,
the ranges and an example. Which loops `predict` answers is in [coverage](coverage.md).

This page is written by `docs/theory_reference.py`.
"""


def tests_of() -> dict[str, str]:
    """Return a test for each closed form, by ``room.function``."""
    rooms = {name: getattr(theory, name) for name in theory.__all__}
    known = {f"{room}.{name}" for room, held in rooms.items() for name in getattr(held, "__all__", ())}
    found: dict[str, str] = {}
    for folder in TESTS:
        for path in sorted((ROOT / folder).glob("test_*.py")):
            for test, forms in uses(ast.parse(path.read_text()), known).items():
                for form in sorted(forms):
                    found.setdefault(form, f"{path.relative_to(ROOT).as_posix()}::{test}")
    # These are called by name, through `trajectory` and `predict`: the shared test runs every one of them.
    for form in known:
        if form.partition(".")[2] in DISPATCHED:
            found.setdefault(form, SHARED)
    return dict(sorted(found.items()))


def uses(tree: ast.Module, known: set[str]) -> dict[str, set[str]]:
    """Return the closed forms that each test of a module uses, itself or by other names of the module."""
    given, rooms = find_imports(tree)
    parts = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            parts |= {target.id: node for target in node.targets if isinstance(target, ast.Name)}
    reached: dict[str, set[str]] = {}
    calls: dict[str, set[str]] = {}
    for name, node in parts.items():
        inner = list(ast.walk(node))
        owners = [
            (ast.unparse(n.value).rpartition(".")[2], n.attr) for n in inner if isinstance(n, ast.Attribute)
        ]
        names = {n.id for n in inner if isinstance(n, ast.Name)}
        dotted = {f"{rooms.get(owner, owner)}.{attribute}" for owner, attribute in owners}
        reached[name] = (dotted | {given[n] for n in names & set(given)}) & known
        calls[name] = names & set(parts) - {name}
    for _ in range(4):  # tests call helpers of helpers, not more
        for name, called in calls.items():
            reached[name] |= set().union(*(reached[other] for other in called))
    return {name: forms for name, forms in reached.items() if name.startswith("test_")}


def find_imports(tree: ast.Module) -> tuple[dict[str, str], dict[str, str]]:
    """Return names of closed forms, and of rooms, as a module imports them."""
    forms, rooms = {}, {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("madtheory.theory"):
            room = (node.module or "").removeprefix("madtheory.theory").strip(".").partition(".")[0]
            for alias in node.names:
                kept = forms if room else rooms
                kept[alias.asname or alias.name] = f"{room}.{alias.name}" if room else alias.name
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname and alias.name.startswith("madtheory.theory."):
                    rooms[alias.asname] = alias.name.split(".")[2]
    return forms, rooms


def page() -> str:
    """Return the page as Markdown: a table for each room."""
    parts = [HEAD]
    for room, forms in groupby(theory.table(), lambda form: form.room):
        first = (getattr(theory, room).__doc__ or "").partition("\n")[0]
        header = ["| function | what | kind | source | test |", "|---|---|---|---|---|"]
        parts += [f"\n## {room}\n", first, "", *header]
        for form in forms:
            what = re.sub(r":math:`([^`]*)`", r"$\1$", form.what)
            test = form.test.rpartition("::")[2].removeprefix("test_").replace("_", " ")
            cells = (f"`{form.function}`", what, form.kind, form.source, test or "open")
            parts.append("| " + " | ".join(cell.replace("|", "&#124;") for cell in cells) + " |")
    return "\n".join(parts) + "\n"


def main() -> None:
    """Write both files."""
    text = json.dumps(tests_of(), indent=0) + "\n"
    (ROOT / "madtheory" / "theory" / "tests.json").write_text(text)
    (ROOT / "docs" / "theory.md").write_text(page())


if __name__ == "__main__":
    main()
