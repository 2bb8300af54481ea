"""Chromium without a window, for tests that drive pages: what it asks for and complains about is kept."""

import contextlib
import os
import shutil

import pytest

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
PATH = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@contextlib.contextmanager
def browser():
    """Start the installed Chromium, or skip and say what is missing."""
    api = pytest.importorskip("playwright.sync_api", reason="pip install -e '.[browser]'")
    if PATH is None:
        pytest.skip("these tests drive Chromium: install it, or set CHROMIUM to its path")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=PATH, args=FLAGS)
        yield started
        started.close()


class Watched:
    """A page of a context of its own; `requests` beyond local files and `complaints` are kept."""

    def __init__(self, browser, **options):
        self.context = browser.new_context(accept_downloads=True, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.requests, self.complaints = [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda m: m.type in ("error", "warning") and self.complaints.append(m.text))

    @property
    def outside(self):
        """What was asked for from elsewhere than this machine's files and the page itself."""
        return [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]

    def close(self):
        """Close the page and all that belongs to it."""
        self.context.close()
