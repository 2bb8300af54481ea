"""Closed forms: pure functions of numbers, each labelled with its kind and source."""

from . import gaussian

__all__ = ["gaussian"]
