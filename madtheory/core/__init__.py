"""What a generation is: the loop, its random streams, and what users pass as real data or model."""

from madtheory.core.adapters import check_bias_of_model, source_of
from madtheory.core.ecosystem import Ecosystem, check_same_method, step_together
from madtheory.core.generations import LoopOrLoops, iterate, start, step
from madtheory.core.loop import Loop, Snapshot, choose_method, take_step
from madtheory.core.streams import Streams

__all__ = [
    "Ecosystem",
    "Loop",
    "LoopOrLoops",
    "Snapshot",
    "Streams",
    "check_bias_of_model",
    "check_same_method",
    "choose_method",
    "iterate",
    "source_of",
    "start",
    "step",
    "step_together",
    "take_step",
]
