"""The site: lessons that run, a gallery of all figures, references of all closed forms; its build, slowly."""

import re
import subprocess
import sys
import types
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from madtheory import theory

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CELL = re.compile(r"^```\{code-cell\} python\n((?::[^\n]*\n)*)(.*?)^```$", re.MULTILINE | re.DOTALL)
LESSONS = sorted(path for path in (DOCS / "lessons").glob("*.md") if path.name != "index.md")

sys.path[:0] = [str(DOCS), str(DOCS / "_extensions")]

import check_site  # noqa: E402
import docstrings  # noqa: E402
import gallery  # noqa: E402
import theory_links  # noqa: E402


def test_there_are_five_lessons_and_the_index_lists_them():
    listed = (DOCS / "lessons" / "index.md").read_text()
    assert len(LESSONS) == 5
    assert all(f"\n{path.stem}\n" in listed for path in LESSONS)


@pytest.mark.parametrize("page", LESSONS, ids=lambda page: page.stem)
def test_a_lesson_runs(page, monkeypatch, tmp_path):
    """All cells run in order; each exercise has a solution, which is hidden at first."""
    cells = CELL.findall(page.read_text())
    session = types.ModuleType("lesson")
    monkeypatch.setitem(sys.modules, "lesson", session)
    monkeypatch.chdir(tmp_path)
    for _, code in cells:
        exec(compile(code, str(page), "exec"), session.__dict__)
    plt.close("all")
    exercises = re.findall(r"^\*\*\d\.\*\*", page.read_text(), re.MULTILINE)
    assert len(exercises) >= 2
    assert sum("hide-cell" in options for options, _ in cells) == len(exercises)


def test_the_gallery_has_a_page_for_every_figure():
    pages = gallery.pages((ROOT / "figures" / "README.md").read_text())
    assert set(pages) == {path.stem for path in (ROOT / "figures").glob("*.nc")} | {"index"}
    for name, text in pages.items():
        if name != "index":
            assert f"../../figures/{name}.png" in text
            assert "| claim | ours | verdict |" in text
            assert f"\n{name}\n" in pages["index"]


def test_the_theory_reference_links_to_every_docstring():
    source = [(DOCS / "theory.md").read_text()]
    theory_links.link(None, "theory", source)
    for room in theory.__all__:
        for name in getattr(theory, room).__all__:
            assert f"{{py:obj}}`{name} <madtheory.theory.{room}.{name}>`" in source[0] or name[0].isupper()


def test_shapes_are_escaped_and_examples_are_not():
    lines = ["Points, shape (*replicate, n, d), or ``(*shape)``.", ">>> f(*x)"]
    docstrings.escape(None, "function", "f", None, None, lines)
    assert lines == [r"Points, shape (\*replicate, n, d), or ``(*shape)``.", ">>> f(*x)"]


def test_faults_of_a_site_are_found(tmp_path, monkeypatch):
    """Negative control: a missing page, a missing anchor, a script from outside, a formula cut short."""
    (tmp_path / "a.html").write_text(
        '<a href="b.html">b</a><a href="c.html#here">c</a><a href="c.html">c</a>'
        '<script src="https://example.org/x.js"></script><a href="https://example.org">fine</a>'
        r'<span class="math">\(x^{2\)</span><span class="math">\(y^{2}\)</span>'
    )
    (tmp_path / "c.html").write_text('<p id="there">c</p>')
    seen = []
    monkeypatch.setattr(check_site, "unreadable", lambda formulas: seen.extend(formulas) or formulas[:1])
    assert sorted(check_site.faults(tmp_path)) == [
        "a formula does not parse: x^{2",
        "a.html links to b.html, which is missing",
        "a.html links to c.html#here, whose anchor is missing",
        "a.html loads https://example.org/x.js from outside",
    ]
    assert seen == ["x^{2", "y^{2}"]


def test_the_reference_names_every_room_of_theory():
    listed = (DOCS / "api.md").read_text()
    assert all(f"   madtheory.theory.{room}\n" in listed for room in theory.__all__)


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("sphinx", reason="the site needs Sphinx: pip install -e '.[docs]'")
    build = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-b",
        "html",
        str(DOCS),
        str(tmp_path),
    ]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert check_site.faults(tmp_path) == []
