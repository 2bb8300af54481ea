"""Ferbach et al., "Self-Consuming Generative Models with Curated Data"."""

ARXIV = "2407.09499"
