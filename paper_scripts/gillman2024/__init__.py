"""Gillman et al., "Self-Correcting Self-Consuming Loops for Generative Model Training"."""

ARXIV = "2402.07087"
