"""Write the page to play with into the built site: its live demo."""

from pathlib import Path

from madtheory.page import write_page

NAME = "page.html"


def write(app, exception) -> None:
    """Write the page, after a build of HTML without an error."""
    if exception is None and app.builder.format == "html":
        write_page(Path(app.outdir) / NAME)


def setup(app):
    """Write the page at the end of a build."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True}
