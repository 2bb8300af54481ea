"""Figures of our own: collapse against its exact law, the order in which directions die, real digits."""
