"""Classifiers that are trained once, and read from the folder of caches afterwards."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from madtheory.files import identify
from madtheory.networks.classifier import FITTING, Classifier
from madtheory.networks.storage import load, save
from madtheory.validation import check_array, check_points, check_seed


def cached_fit(classifier: Classifier, points: Any, labels: Any, *, seed: int = 0) -> Classifier:
    """Fit a classifier, or read it from the cache if it was fitted before.

    The file is named by a digest of data, configuration, seed, the code of the fit and the
    versions of the packages that it uses. A damaged file is replaced. The folder is that of the environment
    variable ``MADTHEORY_CACHE``, else ``madtheory`` in the user's folder for caches; if it cannot be written,
    a warning reports it.
    """
    x, y, seed = check_points(points, "points"), check_array(labels, "labels"), check_seed(seed, "seed")
    configuration = asdict(replace(classifier, weights=None, device=None))
    labelled = np.ascontiguousarray(y, dtype=np.int64)
    known = identify((FITTING, configuration, seed, x, labelled))
    digest = hashlib.sha256(json.dumps([known.digest, known.packages]).encode())
    path = cache_folder() / f"classifier-{digest.hexdigest()[:32]}.safetensors"
    try:
        return replace(load(path), device=classifier.device)
    except OSError:
        fitted = classifier.fit(x, y, rng=np.random.default_rng(seed))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # a damaged file
        save(fitted, path)
    except OSError as error:
        warnings.warn(
            f"the classifier could not be stored for the next time ({error}); set MADTHEORY_CACHE to a "
            f"folder that can be written.",
            stacklevel=2,
        )
    return fitted


def digits_classifier(*, device: str | None = None) -> Classifier:
    """Return the classifier of the real digits, trained on part ``"train"`` of `madtheory.sources.digits`.

    It is trained once, in seconds, and then read from the cache (see `cached_fit`).
    """
    from madtheory.sources import digits

    points = digits("train", labels=True).points
    return cached_fit(Classifier(device=device), points[:, :-1], points[:, -1])


def cache_folder() -> Path:
    """Return the folder of caches: that of ``MADTHEORY_CACHE``, else the user's."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("MADTHEORY_CACHE") or user_cache_path("madtheory", appauthor=False))
