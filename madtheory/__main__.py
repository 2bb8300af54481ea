"""``python -m madtheory``: the same as the command ``madtheory``."""

from __future__ import annotations

import sys

from madtheory.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
