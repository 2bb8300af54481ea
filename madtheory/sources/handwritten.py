"""scikit-learn's handwritten digits, with a held-out part."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

import numpy as np

from madtheory.data import Empirical
from madtheory.validation import check_arguments, check_choice

_HELD_OUT = 900


@check_arguments
def digits(part: Literal["train", "test", "all"] = "train", *, labels: bool = False) -> Empirical:
    """Return real handwritten digits, 8 x 8 pixels in [0, 1]: scikit-learn's ``load_digits``.

    The 1,797 images are the test set of the UCI data set "Optical Recognition of Handwritten Digits"
    (Alpaydin and Kaynak 1998). A fixed 900 of them are held out for evaluation: evenly spaced in the order
    by class, which needs no random numbers and halves every class, and the images of its writers, to within
    a few.

    Parameters
    ----------
    part : {"train", "test", "all"}
        Images to use: the 897 to train on, the 900 held out, or both together, in the order of the data set.
    labels : bool
        Add the digit, 0 to 9, as last coordinate.

    Returns
    -------
    Empirical
        A source whose `points` are the images, shape (m, 64) or (m, 65), drawn with replacement.

    Raises
    ------
    ValueError
        If `part` is not one of these.
    """
    check_choice("part", part, ("train", "test", "all"))
    pixels, classes = _read()
    held_out = np.zeros(len(classes), dtype=bool)
    held_out[np.argsort(classes, kind="stable")[np.arange(_HELD_OUT) * len(classes) // _HELD_OUT]] = True
    chosen = {"train": ~held_out, "test": held_out, "all": np.ones_like(held_out)}[part]
    points = np.concatenate([pixels / 16, classes[:, None]], 1) if labels else pixels / 16
    return Empirical(points[chosen])


@cache
def _read() -> Any:
    """Read pixels and classes; reading the table takes a fifth of a second each time."""
    from sklearn.datasets import load_digits

    return load_digits(return_X_y=True)
