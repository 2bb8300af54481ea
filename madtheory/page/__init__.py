"""The page to play with: loops, their exact theory and their simulation in one HTML file without a server."""

from madtheory.page.assembly import assemble, write_page
from madtheory.page.phase import effective_ratios

__all__ = ["assemble", "effective_ratios", "write_page"]
