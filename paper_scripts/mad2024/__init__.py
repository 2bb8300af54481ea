"""Alemohammad et al., "Self-Consuming Generative Models Go MAD"."""

ARXIV = "2307.01850"
