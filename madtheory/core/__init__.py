"""What a generation is: the loop, its random streams, and what users pass as real data or model."""

from madtheory.core.adapters import check_bias_of_model, source_of
from madtheory.core.loop import Loop, Snapshot, choose_method, iterate, start, step, take_step
from madtheory.core.streams import Streams

__all__ = [
    "Loop",
    "Snapshot",
    "Streams",
    "check_bias_of_model",
    "choose_method",
    "iterate",
    "source_of",
    "start",
    "step",
    "take_step",
]
