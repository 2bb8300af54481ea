"""Runs of image loops in a folder: measured generation by generation, resumed after any interruption."""

from madtheory.images.runs._run import Run
from madtheory.images.runs.presets import PRESETS, Preset

__all__ = ["PRESETS", "Preset", "Run"]
