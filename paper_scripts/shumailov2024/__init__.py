"""Shumailov et al., "AI models collapse when trained on recursively generated data" (Nature 631, 755)."""

ARXIV = "2305.17493"
