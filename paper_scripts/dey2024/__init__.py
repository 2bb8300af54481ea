"""Dey and Donoho, "Universality of the pi^2/6 Pathway in Avoiding Model Collapse"."""

ARXIV = "2410.22812"
