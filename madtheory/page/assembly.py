"""Put the page together: its source, and the numbers and pictures that it needs."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from madtheory.files import StorageError, check_folder, write_atomically
from madtheory.page.phase import BIASES, SIZES, effective_ratios
from madtheory.version import __version__

SOURCE = Path(__file__).parent / "source"
SCRIPTS = ("engine.js", "settings.js", "pictures.js", "controls.js")
COMPONENTS = 12
"""Principal components of the digits that the page's Gaussian has."""
SHOWN = (0, 1, 2, 3, 4, 5, 6, 7, 18, 9)
"""Digits that are shown, one of each kind: rows of scikit-learn's set."""
WORDS = (
    "the", "of", "and", "to", "in", "a", "is", "that", "was", "he",
    "it", "for", "on", "as", "with", "his", "they", "at", "be", "this",
)  # fmt: skip


def tokens() -> dict[str, Any]:
    """Return twenty frequent words and their probabilities, which fall as one over the rank (Zipf)."""
    weights = 1 / np.arange(1, len(WORDS) + 1)
    return {"words": WORDS, "probabilities": (weights / weights.sum()).tolist()}


def digits() -> dict[str, Any]:
    """Return the mean, the first principal components and ten pictures of scikit-learn's digits.

    Variances are rounded to a tenth, pixels (0 to 16) and directions to three digits after the point.
    """
    from sklearn.datasets import load_digits

    pixels = load_digits().data
    mean = pixels.mean(0)
    variances, directions = np.linalg.eigh(np.cov(pixels, rowvar=False))
    axes = directions[:, ::-1][:, :COMPONENTS].T
    axes *= np.sign(axes[np.arange(COMPONENTS), np.abs(axes).argmax(1)])[:, None]
    return {
        "spectrum": variances[::-1][:COMPONENTS].round(1).tolist(),
        "mean": mean.round(3).tolist(),
        "axes": axes.round(3).tolist(),
        "points": ((pixels[list(SHOWN)] - mean) @ axes.T).round(3).tolist(),
    }


def baked() -> dict[str, Any]:
    """Return everything that Python computes for the page."""
    return {
        "version": __version__,
        "sizes": SIZES,
        "biases": BIASES,
        "ratios": effective_ratios(),
        "tokens": tokens(),
        "digits": digits(),
    }


def _hash(text: str) -> str:
    """Return what a content security policy calls a text by."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def assemble() -> str:
    """Return the page as one HTML text, which makes no request.

    Its content security policy admits its own script and style by their hashes, and nothing else.

    Examples
    --------
    >>> from madtheory.page import assemble
    >>> page = assemble()
    >>> page.startswith("<!doctype html>"), "://" in page
    (True, False)
    """
    style = (SOURCE / "page.css").read_text(encoding="utf-8")
    script = "".join((SOURCE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    data = json.dumps(baked(), separators=(",", ":")).replace("<", "\\u003c")
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    page = (SOURCE / "page.html").read_text(encoding="utf-8")
    for name, text in (("POLICY", policy), ("STYLE", style), ("DATA", data), ("SCRIPT", script)):
        page = page.replace(f"{{{{{name}}}}}", text, 1)
    return page


def write_page(out: Path) -> Path:
    """Write the page to a file and return its path.

    Parameters
    ----------
    out : Path
        The file, which is replaced if it exists; its name ends in ``.html``.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    ValueError
        If the ending is another one.
    StorageError
        If the folder does not exist, or the file cannot be written.
    """
    out = Path(out)
    if out.suffix not in (".html", ".htm"):
        raise ValueError(f"out={str(out)!r} ends in {out.suffix!r}; the page is HTML: end it in .html.")
    check_folder(out, StorageError)
    return write_atomically(out, assemble().encode())
