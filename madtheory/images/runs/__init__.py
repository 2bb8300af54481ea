"""Runs of image loops in a folder: measured generation by generation, resumed after any interruption."""

from madtheory.images.runs.command import ABOUT as ABOUT, COMMANDS as COMMANDS
from madtheory.images.runs.presets import PRESETS, Preset
from madtheory.images.runs.run import Run

__all__ = ["PRESETS", "Preset", "Run"]
