"""The diffusion image backend: data sets, U-Net, training and sampling in a folder that resumes.

It needs torch, diffusers and accelerate: ``pip install madtheory[images]``. Importing it imports torch.

>>> from madtheory import images
>>> model = images.ImageDiffusion(store="store")
"""

from madtheory.images import centres, datasets, features, metrics, rewards
from madtheory.images._images import Images
from madtheory.images._real import RealImages
from madtheory.images._shards import ImageStoreError, open_shards, write_shards
from madtheory.images._training import ImageTraining
from madtheory.images.diffusion import ImageDiffusion
from madtheory.images.unet import UNet

__all__ = [
    "ImageDiffusion",
    "ImageStoreError",
    "ImageTraining",
    "Images",
    "RealImages",
    "UNet",
    "centres",
    "datasets",
    "features",
    "metrics",
    "open_shards",
    "rewards",
    "write_shards",
]
