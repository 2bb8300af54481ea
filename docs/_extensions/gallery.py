"""Pages of the gallery: one for each figure of ``figures/README.md``, with its claims and the command."""

import re
from pathlib import Path

FIGURES = Path(__file__).parents[2] / "figures"
SECTION = re.compile(r'^## <a id="(\w+)"></a>(.*?)\n(.*?)(?=^## <a id=|\Z)', re.MULTILINE | re.DOTALL)
ROW = re.compile(
    r"^\| \[(?P<title>.*?)\]\(#(?P<name>\w+)\) \| (?P<source>.*?) \| (?P<rest>.*) \|$", re.MULTILINE
)

HEAD = """# Gallery

Every picture comes from a command of the repository; the numbers behind it are kept with it. Each page says
what the paper claims, what we found, and the verdict: *reproduced* is a statement of the paper that holds,
*agrees* is our own theory against simulation, *shown* is a number that nothing is held against, *not tested*
means that what was run is too weak to tell.

"""

CARD = """:::{{grid-item-card}} {title}
:link: {name}
:link-type: doc
:img-top: ../../figures/{name}.png
:::"""


def pages(readme: str) -> dict[str, str]:
    """Return the text of each page, by its name."""
    rows = {row["name"]: row for row in ROW.finditer(readme)}
    found, groups = {}, {}
    for name, title, body in SECTION.findall(readme):
        paper = rows[name]["source"].split(",")[0].split(";")[0]
        groups.setdefault(paper, []).append((name, title))
        body = re.sub(r"\]\((\w+\.(?:png|nc))\)", r"](../../figures/\1)", body).strip()
        found[name] = f"# {title}\n\nFrom: {rows[name]['source']}.\n\n{body}\n"
    parts = [HEAD]
    for paper, figures in groups.items():
        cards = "\n".join(CARD.format(name=name, title=title) for name, title in figures)
        hidden = "\n".join(name for name, _ in figures)
        parts.append(f"## {paper}\n\n::::{{grid}} 1 2 3 3\n:gutter: 3\n\n{cards}\n::::\n")
        parts.append(f"```{{toctree}}\n:hidden:\n\n{hidden}\n```\n")
    found["index"] = "\n".join(parts)
    return found


def write(app) -> None:
    """Write the pages that changed, and remove those of figures that are gone."""
    folder = Path(app.srcdir) / "gallery"
    folder.mkdir(exist_ok=True)
    new = {f"{name}.md": text for name, text in pages((FIGURES / "README.md").read_text()).items()}
    for path in folder.glob("*.md"):
        if path.name not in new:
            path.unlink()
    for name, text in new.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def setup(app):
    """Write the gallery before the pages are read."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
