"""The figures of the papers, and our own: ``python -m paper_scripts`` lists them."""
