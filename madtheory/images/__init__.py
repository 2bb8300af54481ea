"""The diffusion image backend: data sets, U-Net, training and sampling in a folder that resumes.

It needs torch, diffusers and accelerate: ``pip install madtheory[images]``. Importing it imports torch.

>>> from madtheory import images
>>> model = images.ImageDiffusion(store="store")
"""

from madtheory.images.data import Images, ImageStoreError, RealImages, datasets, open_shards, write_shards
from madtheory.images.diffusion import ImageDiffusion
from madtheory.images.evaluation import centres, features, metrics, rewards
from madtheory.images.training import ImageTraining
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
