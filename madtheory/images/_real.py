"""Real images, each of which is drawn once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from madtheory._validation import check_generator, check_size, shown
from madtheory.images._images import Images

__all__ = ["RealImages"]


@dataclass(frozen=True, eq=False)
class RealImages:
    """A data set of real images: the `real` of a loop.

    Images are drawn without replacement. The loop goes on with the source that a draw leaves, so that no
    image is drawn twice; the fresh data loop ends when there are none left, and the error says so.

    Attributes
    ----------
    images : Images
        Those that are left.
    name : str
        What the errors call it.
    total : int, optional
        How many there were at the start; ``None`` is now.
    draws : int
        How many draws were made since.

    Examples
    --------
    >>> from madtheory.images import datasets
    >>> drawn, rest = datasets.digits().take(500, rng=np.random.default_rng(0))
    >>> len(drawn), rest.left
    (500, 397)
    """

    images: Images
    name: str = "images"
    total: int | None = None
    draws: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.images, Images):
            raise TypeError(
                f"images is a {type(self.images).__name__}; pass Images.of(array), uint8 pixels of shape "
                f"(n, height, width, channels)."
            )
        if self.total is None:
            object.__setattr__(self, "total", len(self.images))

    @property
    def left(self) -> int:
        """How many images are left."""
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(left, height, width, channels)."""
        return self.images.shape

    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Images:
        """Draw `n` different images of those that are left. `bias` is refused: the data are what they are."""
        if bias is not None:
            raise ValueError(f"bias={shown(bias)}: real data cannot be sampled with a bias; leave it out.")
        return self.take(n, rng=rng)[0]

    def take(self, n: int, *, rng: np.random.Generator) -> tuple[Images, RealImages]:
        """Draw `n` images, and return them with the source of all others.

        Raises
        ------
        ValueError
            If fewer than `n` are left.
        """
        check_generator("rng", rng)
        if (n := check_size("n", n)) > self.left:
            raise ValueError(self._exhausted(n))
        order = rng.permutation(self.left)
        rest = self.images.select(np.sort(order[n:]))
        return self.images.select(order[:n]), RealImages(rest, self.name, self.total, self.draws + 1)

    def _exhausted(self, n: int) -> str:
        if not self.draws:
            return f"n={n} exceeds the {self.left} images of {self.name}; ask for {self.left} or fewer."
        return (
            f"n={n} exceeds the {self.left} images that are left of {self.name}: {self.draws} "
            f"{'draw has' if self.draws == 1 else 'draws have'} used {(self.total or 0) - self.left} of its "
            f"{self.total}. A loop that draws fresh data in "
            f"each generation runs out of them in generation {self.draws + 1}: stop after "
            f"generation {self.draws}, lower n_real, or take a larger data set."
        )
