"""Shapes in docstrings, such as (*replicate, n, d), whose star reStructuredText would take for emphasis."""

import re

STAR = re.compile(r"\(\*(?=\w)")


def escape(app, what, name, obj, options, lines) -> None:
    """Escape the star of a shape, apart from examples and literals."""
    for i, line in enumerate(lines):
        if "(*" in line and not line.lstrip().startswith((">>>", "...")):
            parts = line.split("``")
            parts[::2] = [STAR.sub(r"(\\*", part) for part in parts[::2]]
            lines[i] = "``".join(parts)


def setup(app):
    """Change docstrings before they are parsed."""
    app.connect("autodoc-process-docstring", escape, priority=900)
    return {"parallel_read_safe": True}
