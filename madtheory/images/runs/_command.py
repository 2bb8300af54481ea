"""The command ``madtheory images``: presets, plan, run, resume and show."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from tyro.conf import Positional, arg

from madtheory._printable import printable
from madtheory.images._shards import ImageStoreError
from madtheory.images.runs import _texts
from madtheory.images.runs._folder import RunFolder, bounded
from madtheory.images.runs._run import Run
from madtheory.images.runs.presets import PRESETS, Scale, named

__all__ = ["ABOUT", "COMMANDS", "plan", "presets", "resume", "run", "show"]

Job: TypeAlias = Callable[[], str]
Name: TypeAlias = Annotated[str, arg(metavar="PRESET"), Positional]
Folder: TypeAlias = Annotated[Path, arg(metavar="FOLDER"), Positional]

ABOUT = """The papers' loops of image diffusions.

A preset is a paper's run. It goes into a folder, can be stopped at any moment, and goes on from there.

Start with:
  madtheory images presets
  madtheory images run mad-mnist-fully-synthetic --scale smoke --folder trial
  madtheory images show trial
  madtheory images plan mad-mnist-fully-synthetic --scale small

The scale full is the paper's run and needs its data set: --data. The scales small (about an hour or less on
one GPU) and smoke (seconds) need none."""


def presets(preset: Annotated[str | None, arg(metavar="PRESET"), Positional] = None) -> Job:
    """List the papers' runs, or say all about one.

    Parameters
    ----------
    preset
        A name from that list.
    """
    return lambda: (
        _texts.listed(tuple(PRESETS.values())) if preset is None else _texts.described(named(preset))
    )


def run(
    preset: Name,
    *,
    folder: Path,
    scale: Scale = "full",
    seed: int = 0,
    generations: int | None = None,
    device: str | None = None,
    data: Path | None = None,
    inception: Path | None = None,
    bias: float | None = None,
    n_synthetic: int | None = None,
    weight: float | None = None,
) -> Job:
    """Run a preset in a folder; run again, it goes on where it was.

    Example:
      madtheory images run mad-mnist-fully-synthetic --scale smoke --folder trial

    Parameters
    ----------
    preset
        Which run; madtheory images presets lists them.
    folder
        Where everything is written.
    scale
        The paper's run, about an hour or less on one GPU, or seconds.
    seed
        The same seed gives the same run.
    generations
        How many. Default: the preset's.
    device
        cuda or cpu. Default: the accelerator, if there is one.
    data
        For the scale full: the folder where torchvision keeps the data set, or FFHQ's folder or archive.
    inception
        For the scale full: the file of Inception's weights. Default: a download.
    bias
        Sampling bias, 1 / (1 + w) for a guidance w. Default: the preset's.
    n_synthetic
        Synthetic images that each generation is trained on. Default: the preset's.
    weight
        The w of SIMS or Neon. Default: the preset's.
    """

    def job() -> str:
        made = named(preset).run(
            scale, seed=seed, generations=generations, device=device, data=data, inception=inception,
            bias=bias, n_synthetic=n_synthetic, weight=weight,
        )  # fmt: skip
        return _gone(made, folder)

    return job


def resume(folder: Folder) -> Job:
    """Go on with the run of a folder, from what is written there alone.

    Parameters
    ----------
    folder
        Of a run.
    """

    def job() -> str:
        about, generations = _about(folder)
        return _gone(named(about["preset"]).run(**about["arguments"], generations=generations), folder)

    return job


def show(folder: Folder) -> Job:
    """Print the measurements of a run, one line for each generation.

    Parameters
    ----------
    folder
        Of a run, finished or not.
    """

    def job() -> str:
        about, generations = _about(folder)
        return _texts.run_text(about, RunFolder(folder).lines(), generations, str(folder))

    return job


def plan(
    preset: Name,
    *,
    scale: Scale = "full",
    generations: int | None = None,
    device: str | None = None,
    bias: float | None = None,
    n_synthetic: int | None = None,
    weight: float | None = None,
) -> Job:
    """Print what a run will cost: images, evaluations of the network, GPU time and disk.

    Speeds are measured on this device, on noise, in a few steps; no data set is needed.

    Parameters
    ----------
    preset
        Which run; madtheory images presets lists them.
    scale
        The paper's run, about an hour or less on one GPU, or seconds.
    generations
        How many. Default: the preset's.
    device
        cuda or cpu. Default: the accelerator, if there is one.
    bias
        Sampling bias; below 1 an image takes twice as many evaluations. Default: the preset's.
    n_synthetic
        Synthetic images that each generation is trained on. Default: the preset's.
    weight
        The w of SIMS or Neon. Default: the preset's.
    """

    def job() -> str:
        chosen = named(preset)
        made = chosen.plan(
            scale, generations=generations, device=device, bias=bias, n_synthetic=n_synthetic, weight=weight
        )
        return _texts.plan_text(chosen, scale, made)

    return job


COMMANDS: dict[str, Callable[..., Job]] = {
    "presets": presets,
    "plan": plan,
    "run": run,
    "resume": resume,
    "show": show,
}
"""The subcommands, for `madtheory._arguments.parsed`."""


def _gone(made: Run, folder: Path) -> str:
    """Run to the end, and say what came out; of several processes the first one alone speaks."""
    made.go(folder)
    return show(folder)() if os.environ.get("RANK", "0") == "0" else ""


def _about(folder: Path) -> tuple[dict[str, Any], int]:
    """What ``config.json`` says of a preset's run, and its number of generations."""
    path = RunFolder(folder).config
    if not path.is_file():
        raise FileNotFoundError(
            f"folder={str(folder)!r} holds no run (there is no config.json); start one with madtheory images "
            f"run."
        )
    try:
        held = json.loads(bounded(path))
        about, generations = dict(held["about"]), int(held["run"]["generations"])
        arguments = about["arguments"]
        words = [about[name] for name in ("preset", "title", "source")] + [arguments["scale"]]
        numbers = [arguments[name] for name in ("seed", *_texts.CHANGES)]
        if not all(isinstance(word, str) for word in words):
            raise TypeError(f"preset, title, source and scale are not all words: {words!r}")
        if not all(number is None or type(number) in (int, float) for number in numbers):
            raise TypeError(f"seed, {', '.join(_texts.CHANGES)} are not all numbers: {numbers!r}")
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ImageStoreError(
            f"{str(path)!r} is not that of a preset's run ({printable(error)}); a run that was started in "
            f"Python goes on in Python."
        ) from None
    return about, generations
