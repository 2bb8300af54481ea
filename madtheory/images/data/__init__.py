"""Sets of images: in memory, in files, in shards, and the data sets of the papers."""

from madtheory.images.data.files import pillow
from madtheory.images.data.images import Images, Index, Pixels, RealImages, check_pixels
from madtheory.images.data.shards import (
    KEPT as KEPT,
    ImageStoreError,
    finish_shards,
    missing_shards,
    open_shards,
    write_shard,
    write_shards,
)

__all__ = [
    "ImageStoreError",
    "Images",
    "Index",
    "Pixels",
    "RealImages",
    "check_pixels",
    "finish_shards",
    "missing_shards",
    "open_shards",
    "pillow",
    "write_shard",
    "write_shards",
]
