"""Print the theory reference: ``python docs/theory_reference.py > docs/theory.md``."""

from __future__ import annotations

import inspect
import re

from madtheory import theory
from madtheory.theory.labels import KINDS

HEAD = """# Theory

All closed forms of `madtheory.theory`, with the kind of each statement. Every function takes keywords, and
returns numbers that carry `kind` and `source`. Its docstring has the formula, the ranges and an example.
This page is written by `docs/theory_reference.py`.
"""
KIND = re.compile(r"(?:Kind:\s+\"?|(?<=\. ))(" + "|".join(KINDS) + ")", re.IGNORECASE)


def row(name: str, function: object) -> str:
    """Return a line of the table: name, first sentence of the docstring, kind."""
    text = inspect.getdoc(function) or ""
    summary = text.partition("\n\n")[0].replace("\n", " ").partition(" Kind:")[0]
    summary = re.sub(r"^Return (?:the |an? )?(.)", lambda found: found[1].upper(), summary)
    summary = re.sub(r":math:`([^`]*)`", r"$\1$", summary).replace("|", "&#124;")
    kind = KIND.search(text)
    return f"| `{name}` | {summary} | {kind[1].lower() if kind else 'by entry or argument'} |"


def page() -> str:
    """Return the page as Markdown: a table for each module."""
    parts = [HEAD]
    for name in theory.__all__:
        module = getattr(theory, name)
        first = (module.__doc__ or "").partition("\n")[0]
        parts += [f"\n## {name}\n", first, "", "| function | what | kind |", "|---|---|---|"]
        parts += [row(each, getattr(module, each)) for each in module.__all__]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    print(page(), end="")
