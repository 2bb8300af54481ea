"""Gerstgrasser et al., "Is Model Collapse Inevitable?", on accumulating data."""

ARXIV = "2404.01413"
