"""Loops of image diffusions, and their throughput."""
