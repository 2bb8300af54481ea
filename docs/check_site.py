"""Check a built site, ``python docs/check_site.py FOLDER``: local links, nothing from outside, formulas."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}
"""What a browser fetches by itself; of ``link`` only style sheets, icons and the like."""

CHECK_FORMULAS = """
const formulas = JSON.parse(require("fs").readFileSync(0, "utf8"));
require(process.argv[1]).init({loader: {load: ["input/tex", "output/svg"]}}).then((MathJax) => {
  const bad = formulas.filter((tex) =>
    MathJax.startup.adaptor.outerHTML(MathJax.tex2svg(tex)).includes("data-mjx-error"));
  console.log(JSON.stringify(bad));
});
"""


class Page(HTMLParser):
    """The links, anchors, loads and formulas of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.loads: list[str] = []
        self.formulas: list[str] = []
        self._in_formula = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect what a tag refers to and is called."""
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[key] for key in ("id", "name") if key in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        shown = tag != "link" or values.get("rel") in ("stylesheet", "icon", "shortcut icon", "preload")
        if tag in LOADS and shown and LOADS[tag] in values:
            self.loads.append(values[LOADS[tag]])
        if "math" in values.get("class", "").split():
            self._in_formula = 1
            self.formulas.append("")
        elif self._in_formula:
            self._in_formula += 1

    def handle_endtag(self, tag: str) -> None:
        """Leave a formula."""
        self._in_formula = max(self._in_formula - 1, 0)

    def handle_data(self, data: str) -> None:
        """Collect the text of a formula."""
        if self._in_formula:
            self.formulas[-1] += data


def formula(text: str) -> str:
    """Return a formula without the delimiters that Sphinx puts around it."""
    text = text.strip()
    for left, right in (("\\(", "\\)"), ("\\[", "\\]")):
        if text.startswith(left) and text.endswith(right):
            return text[2:-2]
    return text


def faults(site: Path) -> list[str]:
    """Return what is wrong in a site, one line each."""
    pages = {
        path: Page(path.read_text()) for path in sorted(site.rglob("*.html")) if "_static" not in path.parts
    }
    found = []
    for path, page in pages.items():
        name = path.relative_to(site)
        for target in {*page.links, *page.loads}:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                if target in page.loads and parts.scheme != "data":
                    found.append(f"{name} loads {target} from outside")
                continue
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            file = file / "index.html" if file.is_dir() else file
            if not file.exists():
                found.append(f"{name} links to {target}, which is missing")
            elif parts.fragment and file in pages and unquote(parts.fragment) not in pages[file].anchors:
                found.append(f"{name} links to {target}, whose anchor is missing")
    formulas = sorted({formula(text) for page in pages.values() for text in page.formulas})
    return found + [f"a formula does not parse: {tex}" for tex in unreadable(formulas)]


def unreadable(formulas: list[str]) -> list[str]:
    """Return the formulas that MathJax cannot read, where there is node to run it."""
    node = shutil.which("node")
    if node is None:
        print("formulas are not checked: node is not installed")
        return []
    mathjax = next(
        str(Path(str(file.locate())).resolve())
        for file in importlib.metadata.files("sphinx-mathjax-offline") or ()
        if str(file).endswith("mathjax/node-main.js")
    )
    done = subprocess.run(
        [node, "-e", CHECK_FORMULAS, mathjax],
        input=json.dumps(formulas),
        capture_output=True,
        text=True,
        check=True,
    )
    bad: list[str] = json.loads(done.stdout)
    return bad


if __name__ == "__main__":
    wrong = faults(Path(sys.argv[1]).resolve())
    print("\n".join(wrong) or "links, loads and formulas are in order")
    sys.exit(bool(wrong))
