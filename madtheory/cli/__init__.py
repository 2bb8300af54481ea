"""The `madtheory` command: ``demo``, ``simulate``, ``predict`` and ``images``."""

from madtheory.cli.command import main

__all__ = ["main"]
