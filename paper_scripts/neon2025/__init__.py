"""Alemohammad et al., "Neon: Negative Extrapolation From Self-Training Improves Image Generation"."""

ARXIV = "2510.03597"
