"""Bertrand et al., "On the Stability of Iterative Retraining of Generative Models on their own Data"."""

ARXIV = "2310.00429"
