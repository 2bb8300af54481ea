"""Foreign text on a terminal: what would command it is shown, not obeyed."""

from __future__ import annotations

from typing import Any

__all__ = ["printable"]


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
