"""What a training reports while it runs: lines of a log, a file of lines, and the trackers of accelerate."""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
import time
from pathlib import Path
from typing import Any

from torch import Tensor

from madtheory.validation import check_choice

logger = logging.getLogger("madtheory")

TRACKERS = {"tensorboard": ("tensorboard", "tensorboardX"), "wandb": ("wandb",), "mlflow": ("mlflow",)}
"""Trackers by accelerate's names, and the packages of which each needs one."""


def check_tracker(tracker: str | None) -> None:
    """Refuse a tracker that is unknown or not installed; accelerate would leave it out without a word."""
    if tracker is None:
        return
    check_choice("tracker", tracker, tuple(TRACKERS))
    if not any(importlib.util.find_spec(package) for package in TRACKERS[tracker]):
        package = TRACKERS[tracker][0]
        raise ImportError(f"tracker={tracker!r} is not installed; install it with: pip install {package}")


class Journal:
    """The reports of one fit: the first process writes, every so many seconds and at the end.

    A line has the loss per image since the last one, the learning rate, images seen in a second, and the
    seconds that are left.
    """

    def __init__(
        self, name: str, images: int, every: float, folder: str | Path | None, accelerator: Any, tracker: bool
    ) -> None:
        self.name, self.images, self.every, self.accelerator = name, images, every, accelerator
        self.path = None if folder is None else Path(folder) / "train.jsonl"
        self.tracker = tracker
        self.seen = self.steps = 0
        self.start = self.last = time.monotonic()
        self.loss: Tensor | None = None
        if tracker:
            accelerator.init_trackers("madtheory", init_kwargs={"wandb": {"name": name}})

    def add(self, loss: Tensor, seen: int, rate: float, step: int) -> None:
        """Count a step, whose loss is not waited for, and report if it is time, or the end."""
        self.loss = loss if self.loss is None else self.loss + loss
        self.steps, self.seen = self.steps + 1, self.seen + seen
        total = (step + 1) * seen
        now = time.monotonic()
        if now - self.last < self.every and total < self.images:
            return
        if self.accelerator.is_main_process:
            self._write(total, rate, step, max(now - self.start, 1e-9))
        self.last, self.steps, self.loss = time.monotonic(), 0, None

    def _write(self, total: int, rate: float, step: int, seconds: float) -> None:
        speed, loss = self.seen / seconds, float(self.loss) / self.steps if self.loss is not None else 0.0
        left = max(self.images - total, 0) / speed
        logger.info(
            "fit %s: %s of %s images seen, loss %.4g, learning rate %.3g, %.4g images/s, %s left",
            self.name, f"{total:,}", f"{self.images:,}", loss, rate, speed, spell_seconds(left),
        )  # fmt: skip
        values = {
            "loss": loss, "learning_rate": rate, "images_per_second": speed, "seconds_left": left,
            "seen": total,
        }  # fmt: skip
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write(json.dumps({"fit": self.name, "step": step + 1, **values}) + "\n")
        if self.tracker:
            self.accelerator.log(values, step=step + 1)

    def close(self) -> None:
        """End the trackers."""
        if self.tracker:
            self.accelerator.end_training()


def spell_seconds(seconds: float) -> str:
    """Write a time in its largest unit: 45 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
