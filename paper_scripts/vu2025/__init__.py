"""Vu, Reeves and Wenger, "What happens when generative AI models train recursively on each others' generated outputs?"."""  # noqa: E501

ARXIV = "2505.21677"
