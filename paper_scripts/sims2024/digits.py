"""What the figures of SIMS on digits share."""

import xarray as xr

ANALOGUE = (
    "An analogue of the paper's figure: 8 x 8 digits in place of CIFAR-10 and FFHQ, small networks trained "
    "from scratch, and a small classifier's features in place of Inception's. Bands are two standard errors "
    "over the seeds. "
)
GUIDANCE = "guidance w (-1: self-trained, 0: base)"
BASE, SIMS, NEON = "0.35", "#0072B2", "#D55E00"


def at_choice(data: xr.Dataset) -> xr.Dataset:
    """Return every variable at the w of the smallest ``choice``: other samples, and the training half."""
    return data.isel(weight=data["choice"].argmin("weight"))
