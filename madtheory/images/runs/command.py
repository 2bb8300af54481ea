"""The image commands, and what they print: presets, plans and runs as text."""

from __future__ import annotations

import json
import logging
import os
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from tyro.conf import Positional, arg

from madtheory.images.data import ImageStoreError
from madtheory.images.data.datasets import Mode
from madtheory.images.diffusion import ImageDiffusion
from madtheory.images.journal import logger
from madtheory.images.runs.folder import RunFolder, read_bounded
from madtheory.images.runs.own import OWN, LoopName, own_run
from madtheory.images.runs.plan import Plan, Work, evaluations as evaluations_of, measure_reading
from madtheory.images.runs.presets import PRESETS, Preset, Scale, get_preset
from madtheory.images.runs.run import Run
from madtheory.images.runs.settings import Settings
from madtheory.networks import variance_factor
from madtheory.text import align, printable

_WIDTH = 100
_LONGEST_HOURS = 1000
_PICTURES = {"digits": "handwritten digits", "photographs": "patches of photographs", "CIFAR10": "CIFAR-10"}
_REAL = {"fixed": "{} real images, always the same", "fresh": "{} new real images"}

CHANGES = ("bias", "n_synthetic", "weight")
"""Arguments by which a run differs from its preset."""

_COLUMNS = {"n_training": "training set"}


def spell(number: float) -> str:
    """Write a number in words: 950, 12,000, 1.2 million."""
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if number >= size:
            return f"{number / size:.3g} {word}" if number < 1000 * size else f"{number / size:,.0f} {word}"
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def list_all(presets: Sequence[Preset]) -> str:
    """List all presets, with their sources and costs."""
    rows = align([(preset.name, f"{preset.gpu_hours:g}") for preset in presets]).splitlines()
    lines = [f"{row}  {preset.title}" for row, preset in zip(rows, presets, strict=True)]
    return "\n".join([
        "Presets: name, GPU-hours of the full run, what it is.", "", *lines, "", _wrap(_ESTIMATED), "",
        "madtheory images presets NAME describes one.",
    ])  # fmt: skip


_ESTIMATED = (
    "GPU-hours are for one H100 and were estimated, not measured: by the floating-point operations of "
    "training and sampling, at a tenth of the card's bf16 peak. madtheory images plan NAME measures "
    "on this device."
)


def describe(preset: Preset) -> str:
    """Describe a preset."""
    scales: tuple[Scale, ...] = ("full", "small", "smoke")
    return "\n".join([
        *_head(preset.title, preset.source), "",
        *(_wrap(f"{scale.capitalize()}: {_sentences(preset.settings(scale))}") for scale in scales), "",
        _wrap(f"Cost of the full run: {preset.gpu_hours:g} GPU-hours. {_ESTIMATED}"), "",
        "Settings of the paper, and choices of ours:",
        *(_wrap(note, bullet=True) for note in preset.notes),
    ])  # fmt: skip


def plan_text(preset: Preset, scale: str, made: Plan) -> str:
    """Describe the cost of a run."""
    names = ["1"]
    groups: list[list[Work]] = [[made.works[0]]]
    for generation, work in enumerate(made.works[1:], start=2):
        if len(groups) > 1 and groups[-1][0] == work:
            groups[-1].append(work)
            names[-1] = f"{generation - len(groups[-1]) + 1} to {generation}, each"
        else:
            groups.append([work])
            names.append(str(generation))
    works = [group[0] for group in groups]
    if len(made.works) > 1:
        names, works = [*names, "in all"], [*works, made.total]
    speed = made.speed
    # The paper's run is not for a CPU, of which a step of one image says little.
    foreign = scale == "full" and speed.device == "this CPU" and made.hours(made.total) > _LONGEST_HOURS
    rows = [
        (name, spell(work.seen), spell(work.made), spell(work.evaluations),
         "not known" if foreign else _time(made.hours(work)), _bytes(work.stored))
        for name, work in zip(names, works, strict=True)
    ]  # fmt: skip
    clock = "time" if speed.device == "this CPU" else "GPU time"
    header = ("generation", "images seen", "images made", "evaluations", clock, "disk")
    measured = (
        f"Measured on {speed.device}: {spell(speed.training)} images seen in training in a second, "
        f"{speed.batches[0]} at once, and {spell(speed.sampling)} evaluations of the network in sampling, "
        f"{speed.batches[1]} at once."
    )
    notes = [
        "How long this run takes where there is an accelerator cannot be measured here, on a CPU that would "
        "take months or years. Run the same command there."
    ] if foreign else []  # fmt: skip
    notes += [
        "Images are seen in training, with repetition; they are made by sampling, for training and for the "
        "measurements. An evaluation is one forward pass for one image.",
        f"While a network is trained, its checkpoints take up to {_bytes(made.checkpoint)} more.",
        *_reading(made),
        f"Not counted: {'' if made.reading else 'reading data, '}features and metrics, and the training of "
        f"classifiers.",
        _sampler_error(made.settings.model),
    ]
    if scale == "full":
        notes.append(
            f"The preset expects {preset.gpu_hours:g} GPU-hours on an H100, for its own settings, estimated "
            f"and not measured."
        )
    return "\n".join([
        *_head(preset.title, preset.source),
        _wrap(f"{preset.name}, scale {scale}: {_sentences(made.settings)}"), "",
        align([header, *rows]), "", _wrap(measured), *(_wrap(note) for note in notes),
    ])  # fmt: skip


def _reading(made: Plan) -> list[str]:
    if made.reading is None:
        return []
    files, speed = made.reading
    return [
        f"Files are decoded here at {spell(speed)} in a second, all {files:,} in "
        f"{_time(files / speed / 3600)}, once: the run keeps them decoded."
    ]


def _sampler_error(model: ImageDiffusion) -> str:
    wide, narrow = variance_factor(model.sampler, process=model.process, variances=(0.25, 0.0025))
    return (
        f"With a perfect network the sampler would multiply the variance of the images by {wide:.3g} in each "
        f"generation, and by {narrow:.3g} along directions of a tenth of their deviation; "
        f"madtheory.networks.variance_factor computes it."
    )


def run_text(about: dict[str, Any], lines: Sequence[dict[str, Any]], generations: int, folder: str) -> str:
    """Tabulate the measurements of a run; text from its files is escaped, as anybody may have written it."""
    arguments, done = about["arguments"], len(lines)
    changes = [
        f"{name.replace('_', ' ')} {arguments[name]:g}" for name in CHANGES if arguments[name] is not None
    ]
    which = printable(
        ", ".join([about["preset"], f"scale {arguments['scale']}", f"seed {arguments['seed']}", *changes])
    )
    body = [f"{which}: {done} of {generations} generations are done."]
    if lines:
        names = [
            key for key, value in lines[0].items() if isinstance(value, (int, float)) and key != "generation"
        ]
        rows = [[str(line["generation"]), *(_figure(line[name]) for name in names)] for line in lines]
        labels = [_COLUMNS.get(name, printable(name.replace("_", " "))) for name in names]
        body += ["", align([["generation", *labels], *rows])]
        body += ["", f"Pictures and curves: {folder}/report.html"]
    if done < generations:
        body += [f"To resume: madtheory images resume {folder}"]
    return "\n".join([*_head(printable(about["title"]), printable(about["source"])), *body]).rstrip()


def _head(title: str, source: str) -> list[str]:
    return [f"{title}.", _wrap(f"Source: {source}.")]


def _sentences(settings: Settings) -> str:
    """Describe a run in words."""
    data, regime, model = settings.data, settings.regime, settings.model
    synthetic = regime.n_synthetic_at(2) if settings.generations > 1 else 0
    words = [
        f"{_PICTURES.get(data.name, data.name)}, {data.size} x {data.size} pixels. Generation 1 is trained "
        f"on {spell(regime.n_initial)} real images."
    ]
    if settings.generations > 1:
        each = (
            "Generation 2 is" if settings.generations == 2 else f"Generations 2 to {settings.generations} are"
        )
        if regime.real_data == "none":
            words.append(f"{each} trained on {spell(synthetic)} synthetic images alone.")
        else:
            mix = regime.at(2)
            real = _REAL[regime.real_data].format(spell(mix.n_fixed + mix.n_fresh))
            made = f", and {spell(synthetic)} synthetic ones" if synthetic else ""
            words.append(f"{each} trained on {real}{made}.")
        if settings.treatment is not None:
            words.append(settings.treatment.sentence)
    training = model.training
    warm = training.warm_images if settings.warm_start else None
    if warm is None:
        words.append(f"Each training sees {spell(training.images)} images.")
    else:
        words.append(
            f"The first training sees {spell(training.images)} images; each later one continues from the "
            f"last weights, and sees {spell(warm)}."
        )
    words.append(f"An image takes {evaluations_of(settings)} evaluations of the network.")
    if settings.bias is not None:
        words.append(f"The bias is {settings.bias:.3g}.")
    if settings.improvement is not None:
        improved = settings.improvement
        words.append(
            f"{improved.method} has the weight {improved.weight:g}; its auxiliary is trained on "
            f"{spell(improved.n_auxiliary)} synthetic images, and sees {spell(improved.budget)} in all."
        )
    return " ".join(words)


def _figure(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"


def _time(hours: float) -> str:
    for unit, size in (("hours", 1.0), ("minutes", 60.0)):
        if hours * size >= 1.5:
            return f"{hours * size:,.3g} {unit}" if hours * size < 1000 else f"{hours * size:,.0f} {unit}"
    return f"{hours * 3600:.2g} seconds"


def _bytes(number: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number / 1e3:.3g} kB"


def _wrap(text: str, *, bullet: bool = False) -> str:
    first, later = ("- ", "  ") if bullet else ("", "")
    return textwrap.fill(text, _WIDTH, initial_indent=first, subsequent_indent=later)


Job: TypeAlias = Callable[[], str]
Optional: TypeAlias = Annotated[str | None, arg(metavar="PRESET"), Positional]
Name: TypeAlias = Annotated[str, arg(metavar="PRESET"), Positional]
Folder: TypeAlias = Annotated[Path, arg(metavar="FOLDER"), Positional]

ABOUT = """The papers' loops of image diffusions.

A preset is a paper's run. It goes into a folder, can be stopped at any moment, and resumes from there.

Start with:
  madtheory images presets
  madtheory images run mad-mnist-fully-synthetic --scale smoke --folder trial
  madtheory images show trial
  madtheory images plan mad-mnist-fully-synthetic --scale small
  madtheory images run --images DIR --size 32 --scale smoke --folder own

The scale full is the paper's run and needs its data set: --data. The scales small (about an hour or less on
one GPU) and smoke (seconds) need none."""


def presets(preset: Annotated[str | None, arg(metavar="PRESET"), Positional] = None) -> Job:
    """List the papers' runs, or describe one.

    Parameters
    ----------
    preset
        A name from that list.
    """
    return lambda: list_all(tuple(PRESETS.values())) if preset is None else describe(get_preset(preset))


def run(
    preset: Optional = None,
    *,
    folder: Path,
    images: Path | None = None,
    scale: Scale = "full",
    seed: int = 0,
    generations: int | None = None,
    device: str | None = None,
    data: Path | None = None,
    inception: Path | None = None,
    bias: float | None = None,
    n_synthetic: int | None = None,
    weight: float | None = None,
    loop: LoopName = "augment",
    size: int | None = None,
    labels: bool = False,
    mode: Mode = "convert",
    budget: int | None = None,
    tracker: str | None = None,
) -> Job:
    """Run a preset, or a loop of your own images, in a folder; run again, it resumes where it was.

    Examples
    --------
      madtheory images run mad-mnist-fully-synthetic --scale smoke --folder trial
      madtheory images run --images DIR --loop augment --size 32 --scale smoke --folder own

    Parameters
    ----------
    preset
        Name of a run; madtheory images presets lists them. Leave it out for your own images.
    folder
        Folder of all that is written.
    images
        Folder or zip archive of your own images, instead of a preset; a fifth is held out.
    scale
        The paper's run, about an hour or less on one GPU, or seconds.
    seed
        The same seed gives the same run.
    generations
        Number of generations. Default: the preset's.
    device
        cuda or cpu. Default: the accelerator, if there is one.
    data
        For the scale full: the folder of the data set's files, or FFHQ's folder or archive.
    inception
        For the scale full: the file of Inception's weights. Default: a download.
    bias
        Sampling bias, 1 / (1 + w) for a guidance w. Default: the preset's.
    n_synthetic
        Synthetic images that each generation is trained on. Default: the preset's.
    weight
        The w of SIMS or Neon. Default: the preset's.
    loop
        For --images: train on the last images (replace), also on the real ones (augment), or on new real
        ones (fresh).
    size
        For --images: crop to the central square, and resize to that many pixels.
    labels
        For --images: a class for each folder in it.
    mode
        For --images: convert, leave out (skip) or refuse images of other kinds.
    budget
        For --images: images seen by each training. Default: that of the scale.
    tracker
        Tracker that gets loss and speed: tensorboard, wandb or mlflow.
    """

    def job() -> str:
        if (preset is None) == (images is None):
            given = "neither is given" if images is None else f"both {preset} and --images {images} are given"
            raise ValueError(f"Pass the name of a preset or --images DIR: {given}.")
        if images is None or preset is not None:
            own = {
                "--loop": loop != "augment",
                "--size": size,
                "--labels": labels,
                "--mode": mode != "convert",
            }
            own["--budget"] = budget
            if extra := [name for name, value in own.items() if value]:
                raise ValueError(f"{', '.join(extra)}: only with --images DIR; leave it out for {preset}.")
            made = get_preset(str(preset)).run(
                scale, seed=seed, generations=generations, device=device, data=data, inception=inception,
                bias=bias, n_synthetic=n_synthetic, weight=weight, cache=_decoded(folder),
            )  # fmt: skip
        else:
            if data is not None or weight is not None:
                raise ValueError("--data and --weight belong to presets; leave them out with --images.")
            made = own_run(
                images, loop=loop, scale=scale, size=size, labels=labels, mode=mode, seed=seed, budget=budget,
                generations=generations, n_synthetic=n_synthetic, bias=bias, inception=inception,
                device=device, cache=_decoded(folder),
            )  # fmt: skip
        return _finish(replace(made, tracker=tracker), folder)

    return job


def _decoded(folder: Path) -> Path:
    """Return the folder of decoded images of a run."""
    return RunFolder(folder).store / "decoded"


def resume(folder: Folder) -> Job:
    """Resume the run of a folder, from the files in it alone.

    Parameters
    ----------
    folder
        Folder of a run.
    """

    def job() -> str:
        about, generations = _about(folder)
        arguments = {**about["arguments"], "generations": generations, "cache": _decoded(folder)}
        if about["preset"] == OWN:
            arguments.pop("weight")
            return _finish(own_run(**arguments), folder)
        return _finish(get_preset(about["preset"]).run(**arguments), folder)

    return job


def show(folder: Folder) -> Job:
    """Print the measurements of a run, one line for each generation.

    Parameters
    ----------
    folder
        Folder of a run, finished or not.
    """

    def job() -> str:
        about, generations = _about(folder)
        return run_text(about, RunFolder(folder).lines(), generations, str(folder))

    return job


def plan(
    preset: Name,
    *,
    scale: Scale = "full",
    generations: int | None = None,
    device: str | None = None,
    data: Path | None = None,
    bias: float | None = None,
    n_synthetic: int | None = None,
    weight: float | None = None,
) -> Job:
    """Print what a run will cost: images, evaluations of the network, GPU time and disk.

    Speeds are measured on this device, on noise, in a few steps; no data set is needed.

    Parameters
    ----------
    preset
        Name of a run; madtheory images presets lists them.
    scale
        The paper's run, about an hour or less on one GPU, or seconds.
    generations
        Number of generations. Default: the preset's.
    device
        cuda or cpu. Default: the accelerator, if there is one.
    data
        Folder or archive of image files, whose reading is measured too.
    bias
        Sampling bias; below 1 an image takes twice as many evaluations. Default: the preset's.
    n_synthetic
        Synthetic images that each generation is trained on. Default: the preset's.
    weight
        The w of SIMS or Neon. Default: the preset's.
    """

    def job() -> str:
        chosen = get_preset(preset)
        made = chosen.plan(
            scale, generations=generations, device=device, bias=bias, n_synthetic=n_synthetic, weight=weight
        )
        if data is not None:
            made = replace(made, reading=measure_reading(data, made.settings.data.size))
        return plan_text(chosen, scale, made)

    return job


COMMANDS: dict[str, Callable[..., Job]] = {
    "presets": presets,
    "plan": plan,
    "run": run,
    "resume": resume,
    "show": show,
}
"""The subcommands, for `madtheory.cli.arguments.parsed`."""


def _finish(made: Run, folder: Path) -> str:
    """Run to the end, and return the measurements; of several processes only the first one returns text."""
    with _log_lines():
        made.go(folder)
    return show(folder)() if os.environ.get("RANK", "0") == "0" else ""


@contextmanager
def _log_lines() -> Iterator[None]:
    """Print the lines of the log to standard error, unless the caller has its own handler."""
    if logger.hasHandlers():
        yield
        return
    handler, before = logging.StreamHandler(), logger.level
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def _about(folder: Path) -> tuple[dict[str, Any], int]:
    """Read ``config.json`` of a preset's run, and its number of generations."""
    path = RunFolder(folder).config
    if not path.is_file():
        raise FileNotFoundError(
            f"folder={str(folder)!r} does not hold a run (config.json is missing); start one with "
            f"madtheory images run."
        )
    try:
        held = json.loads(read_bounded(path))
        about, generations = dict(held["about"]), int(held["run"]["generations"])
        arguments = about["arguments"]
        words = [about[name] for name in ("preset", "title", "source")] + [arguments["scale"]]
        numbers = [arguments[name] for name in ("seed", *CHANGES)]
        if not all(isinstance(word, str) for word in words):
            raise TypeError(f"preset, title, source and scale are not all words: {words!r}")
        if not all(number is None or type(number) in (int, float) for number in numbers):
            raise TypeError(f"seed, {', '.join(CHANGES)} are not all numbers: {numbers!r}")
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ImageStoreError(
            f"{str(path)!r} is not that of a preset's run ({printable(error)}); a run that was started in "
            f"Python resumes in Python."
        ) from None
    return about, generations
