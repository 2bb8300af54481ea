"""Suresh, Thangaraj and Khandavally, "Rate of Model Collapse in Recursive Training"."""

ARXIV = "2412.17646"
