"""Short texts of descriptions: arrays by their shape and a few numbers, so that a loop fits on one screen."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import MISSING, fields
from typing import Any

import numpy as np

_FEW, _WIDE = 6, 200


def short_repr(self: Any) -> str:
    """Return the text of a dataclass: its fields that differ from their defaults, each abbreviated.

    A class whose defaults should be shown too sets ``_shows_defaults``.
    """
    return f"{type(self).__name__}({', '.join(f'{name}={text}' for name, text in _entries(self))})"


def html_table(self: Any) -> str:
    """Return the same text as an HTML table, for notebooks."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
        for name, text in _entries(self)
    )
    return f"<table><caption>{html.escape(type(self).__name__)}</caption>{rows}</table>"


def _entries(described: Any) -> list[tuple[str, str]]:
    found = []
    for field in fields(described):
        value = getattr(described, field.name, None)
        plain = value is None or isinstance(value, (bool, int, float, str, tuple))
        as_default = (
            plain
            and not getattr(described, "_shows_defaults", False)
            and field.default is not MISSING
            and type(value) is type(field.default)
        )
        hidden = value is None or field.name.startswith("_") or not field.repr
        if hidden or (as_default and value == field.default):
            continue
        found.append((field.name, _abbreviate(value)))
    return found


def _abbreviate(value: Any) -> str:
    if isinstance(value, np.ndarray):
        if not value.ndim:
            return f"{value.item()}"
        if value.size <= _FEW:
            return f"array({value.tolist()})"
        numbers = [f"{value[place]:.3g}" for place in _corners(value.shape)]
        return f"<array of shape {value.shape}: {', '.join(numbers[:-1])}, ..., {numbers[-1]}>"
    if isinstance(value, (tuple, list)) and type(value) in (tuple, list):
        shown = [_abbreviate(entry) for entry in (value if len(value) <= _FEW else [*value[:3], value[-1]])]
        if len(value) > _FEW:
            return f"<{type(value).__name__} of {len(value)}: {', '.join(shown[:-1])}, ..., {shown[-1]}>"
        inside = ", ".join(shown) + ("," if len(value) == 1 and isinstance(value, tuple) else "")
        return f"({inside})" if isinstance(value, tuple) else f"[{inside}]"
    if callable(value) and hasattr(value, "__qualname__"):
        return str(value.__qualname__)
    try:
        text = " ".join(repr(value).split())
    except Exception:  # whatever a foreign object raises
        text = f"<{type(value).__name__}>"
    wide = 3 * _WIDE if hasattr(value, "__dataclass_fields__") else _WIDE
    return text if len(text) <= wide else f"{text[: wide - 30]} ... {text[-20:]}"


def _corners(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the places of the first two entries and of the last."""
    last = int(np.prod(shape)) - 1
    return [tuple(int(i) for i in np.unravel_index(at, shape)) for at in (0, 1, last)] if last > 0 else [()]


def align(rows: Sequence[Sequence[str]], indent: str = "") -> str:
    """Return a table of plain text: the first column to the left, the others to the right.

    Examples
    --------
    >>> print(align([["n", "error"], ["100", "0.5"]]))
    n    error
    100    0.5
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        padded = (f"  {cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))
        lines.append((indent + first.ljust(widths[0]) + "".join(padded)).rstrip())
    return "\n".join(lines)


def printable(text: Any, *, keep: str = "") -> str:
    r"""Return the text with escapes for every character that does not print, line ends among them.

    Those in `keep` stay as they are. Control sequences colour, move and overwrite what a terminal shows, and
    can set its title or its clipboard; marks of writing direction reorder it.

    Examples
    --------
    >>> print(printable("one" + chr(27) + "[2Jtwo"))
    one\x1b[2Jtwo
    """
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode()
        for char in str(text)
    )
