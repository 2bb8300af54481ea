"""The `madtheory` command: ``demo``, ``simulate``, ``predict``, ``sweep``, ``data`` and ``images``."""

from madtheory.cli.command import main

__all__ = ["main"]
