"""Images per second of training and sampling, against diffusers."""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from paper_scripts.figure import Finding, Findings, Picture
from paper_scripts.findings import agrees
from paper_scripts.style import BLUE
from simulations import image_throughput

SOURCE = "our own"
NETWORKS = True
CAPTION = (
    "The same U-Net on the same device in the same run. diffusers: the step of its training "
    "example, and its DDIM pipeline. Measured once, on the device that the title names: another run "
    "gives other numbers."
)

simulate = image_throughput.run

COLOURS = (BLUE, "0.35", "0.65")
AIMS = {"training": 1.5, "sampling": 2.0}
NO_GPU = "no GPU here"


def draw(data: xr.Dataset) -> Picture:
    """Draw images per second against the batch, ours and those of diffusers."""
    figure, axes = plt.subplots(1, 2, figsize=(8.6, 3.4))
    batches = data["batch"].values
    for ax, task, letter in zip(axes, data["task"].values, "ab", strict=True):
        rates = data["images_per_second"].sel(task=task)
        for code, colour in zip(data["code"].values, COLOURS, strict=True):
            one = rates.sel(code=code)
            if one.notnull().all():
                ax.plot(batches, one, "o-", color=colour, label=code)
        ax.set_xscale("log")
        ax.set_xticks(batches, [str(batch) for batch in batches])
        ax.minorticks_off()
        ax.set(xlabel="batch", ylabel="images per second", title=f"({letter}) {task}", ylim=(0, None))
    axes[0].legend()
    about = data.attrs
    size = " x ".join(map(str, about["shape"]))
    figure.suptitle(
        f"{about['device']}: U-Net of {about['weights'] / 1e6:.2g} million weights, images {size}, "
        f"{about['evaluations']} evaluations in sampling"
    )
    return figure


def judge(data: xr.Dataset) -> Findings:
    """Judge the ratios at the largest batch, on an accelerator or on this processor."""
    rates = data["images_per_second"].isel(batch=-1)
    ours, theirs, half = (rates.isel(code=i) for i in range(3))
    on_gpu = bool(data.attrs["accelerator"])
    speeds = {
        task: f"{ours.sel(task=task).item():.0f} images/s, {(ours / theirs).sel(task=task).item():.2f} times"
        for task in AIMS
    }
    for task, aim in AIMS.items():
        baseline = {"training": "example step", "sampling": "pipeline, at equal evaluations"}[task]
        equal = (ours / half).sel(task=task).item()
        yield Finding(
            claim=f"On a GPU {task} makes {aim:g} times the images of diffusers' {baseline}, or more",
            ours=f"{speeds[task]}, {equal:.2f} times its half precision" if on_gpu else NO_GPU,
            verdict=agrees((ours / theirs).sel(task=task) >= aim) if on_gpu else "not yet measured",
            note="diffusers as its example is given: single precision, not compiled",
        )
    share = ours * data["operations"] / data.attrs["peak"]
    known = on_gpu and bool(np.isfinite(share).all())
    shares = ", ".join(f"{task} {share.sel(task=task).item():.0%}" for task in AIMS)
    yield Finding(
        claim="Share of the GPU's bf16 peak",
        ours=shares if known else "peak of this GPU not listed" if on_gpu else NO_GPU,
        verdict="shown" if known else "not yet measured",
        note="operations of the network alone, three passes for a training step; its maker's dense peak",
    )
    if not on_gpu:
        yield Finding(
            claim="One thread of this processor, a tiny network, the largest batch",
            ours="; ".join(f"{task}: {rate} diffusers" for task, rate in speeds.items()),
            verdict="shown",
            note="nearly all of it convolutions, in both; nothing about a GPU follows from it",
        )
