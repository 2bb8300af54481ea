"""Falahati et al., on curation by several rewards."""

ARXIV = "2605.07724"
