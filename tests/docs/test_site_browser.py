"""The site in Chromium: its pages open without a complaint and ask for nothing from outside."""

import subprocess
import sys
from pathlib import Path

import pytest
from chromium import Watched, browser

DOCS = Path(__file__).parents[2] / "docs"

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built here; the lessons and the gallery take minutes."""
    pytest.importorskip("sphinx", reason="the site needs Sphinx: pip install -e '.[docs]'")
    out = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(DOCS), str(out)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def chromium():
    with browser() as started:
        yield started


def visited(site):
    """One page of every folder, all pages at the top, and all lessons."""
    pages = [*site.glob("*.html"), *site.glob("lessons/*.html")]
    folders = {path.parent for path in site.rglob("*.html")} - {site, site / "lessons"}
    return sorted(pages + [min(folder.glob("*.html")) for folder in folders if "_static" not in folder.parts])


@pytest.mark.parametrize("width", [390, 1280])
def test_pages_open_and_ask_for_nothing(chromium, site, width):
    pages = visited(site)
    assert len(pages) > 15
    for path in pages:
        watched = Watched(chromium, viewport={"width": width, "height": 800})
        watched.page.goto(path.as_uri())
        watched.page.wait_for_load_state("networkidle")
        assert watched.outside == [], path
        assert watched.complaints == [], path
        assert watched.page.locator("h1").first.inner_text()
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= width + 1, path
        watched.close()


def test_formulas_are_set(chromium, site):
    watched = Watched(chromium)
    watched.page.goto((site / "lessons" / "one_gaussian.html").as_uri())
    watched.page.locator("mjx-container").first.wait_for()
    assert watched.page.locator("mjx-container").count() > 0
    assert watched.page.locator("[data-mjx-error]").count() == 0
    watched.close()


def test_the_live_page_is_a_click_away_and_runs(chromium, site):
    watched = Watched(chromium, viewport={"width": 1280, "height": 900})
    watched.page.goto((site / "index.html").as_uri())
    assert watched.page.get_by_role("link", name="Try it").count() == 1
    watched.page.get_by_text("A page to play with").click(force=True)  # the link covers the card
    watched.page.get_by_role("button", name="falls below half").click()
    watched.page.locator("#generation").fill("50")
    assert "After 50 generations" in watched.page.locator("#verdict").inner_text()
    assert watched.complaints == watched.outside == []
    watched.close()


def test_search_finds_a_page_without_a_server(chromium, site):
    watched = Watched(chromium)
    watched.page.goto((site / "search.html").as_uri() + "?q=bias")
    watched.page.locator("#search-results li").first.wait_for()
    assert watched.complaints == watched.outside == []
    watched.close()
