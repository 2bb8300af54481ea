"""Dohmatob et al., "Model Collapse Demystified: The Case of Regression", and "Strong Model Collapse"."""

ARXIV = "2402.07712"
