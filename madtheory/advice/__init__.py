"""How much synthetic data may be mixed in: `advise`, from a table of one's own, and its `Advice`."""

from madtheory.advice.interface import Advice, advise

__all__ = ["Advice", "advise"]
