"""Real data: the small distributions of the papers, whose law is known, and handwritten digits and clothes.

Everything here can be passed as ``Loop(real=...)``. The planar laws have a known density, mean and
covariance; with ``labels=True`` each point carries its class (moon, mode, ring or digit) as one more
coordinate, the last. `digits` come with scikit-learn; `mnist` and `fashion_mnist` are read from files, which
`fetch` gets.
"""

from madtheory.sources.fetching import fetch
from madtheory.sources.handwritten import digits
from madtheory.sources.idx import Part as Part, fashion_mnist, mnist, read_images as read_images
from madtheory.sources.planar import Law, eight_gaussians, grid25, rings, rosenbrock, two_moons

__all__ = [
    "Law", "digits", "eight_gaussians", "fashion_mnist", "fetch", "grid25", "mnist", "rings", "rosenbrock",
    "two_moons",
]  # fmt: skip
