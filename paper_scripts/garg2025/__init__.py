"""Garg, Bhattacharya and Sur, on preventing model collapse in over-parametrised regression."""

ARXIV = "2509.22341"
