"""Links from the theory reference to the docstrings, and from pages to files of the repository."""

import re

REPOSITORY = "https://github.com/madtheory/madtheory/blob/main/"


def link(app, docname, source) -> None:
    """Turn the names in the table into references, and paths out of ``docs`` into addresses."""
    text = source[0]
    if docname == "theory":
        parts = re.split(r"^## (\w+)$", text, flags=re.MULTILINE)
        for i in range(1, len(parts), 2):
            target = rf"| {{py:obj}}`\1 <madtheory.theory.{parts[i]}.\1>` |"
            parts[i + 1] = re.sub(r"^\| `(\w+)` \|", target, parts[i + 1], flags=re.MULTILINE)
            parts[i] = f"## {parts[i]}"
        text = "".join(parts)
    up = "../" * (docname.count("/") + 1)
    source[0] = re.sub(
        rf"\]\({re.escape(up)}(?!\.\./|figures/\w+\.png)([\w./-]+)", rf"]({REPOSITORY}\1", text
    )


def setup(app):
    """Change pages as they are read."""
    app.connect("source-read", link)
    return {"parallel_read_safe": True}
