"""``python -m madtheory``: the same as the command ``madtheory``."""

from __future__ import annotations

import sys

from madtheory.cli import main

if __name__ == "__main__":
    sys.exit(main())
