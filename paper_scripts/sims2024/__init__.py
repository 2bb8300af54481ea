"""Alemohammad et al., "Self-Improving Diffusion Models with Synthetic Data"."""

ARXIV = "2408.16333"
