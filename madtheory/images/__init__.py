"""The diffusion image backend: data sets, U-Net, training and sampling in a folder that resumes."""

__all__: list[str] = []
