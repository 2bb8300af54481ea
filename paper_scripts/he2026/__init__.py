"""He, Xu and Cheng, "Golden Ratio Weighting Prevents Model Collapse"."""

ARXIV = "2502.18049"
