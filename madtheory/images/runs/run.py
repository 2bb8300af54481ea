"""A run: a loop in a folder, of which every generation is measured and drawn."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

import madtheory as mad
from madtheory.images.data import Images, ImageStoreError, pillow
from madtheory.images.device import open_accelerator
from madtheory.images.diffusion import ImageDiffusion
from madtheory.images.evaluation import Features, measured
from madtheory.images.journal import check_tracker, logger
from madtheory.images.runs.folder import Line, RunFolder, plain
from madtheory.images.runs.report import grid, report
from madtheory.images.store import contents, fingerprint
from madtheory.validation import check_path, check_seed, check_size

_LIBRARIES = ("accelerate", "diffusers", "numpy", "torch")
_EVALUATION = 1  # in addition to the seed: measured images have their own seeds
_LEAST = 6  # images, for the five neighbours of precision and recall


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """A loop of image models, how it is measured, and for how many generations.

    Attributes
    ----------
    loop : Loop
        Its model is an `ImageDiffusion`, or `models.SIMS` or `models.Neon` of one, without a store: that is
        in the folder of the run.
    generations : int
        Number of generations.
    seed : int
        Seed of the loop, and of the images that are measured.
    features : Features
        Features of the comparison with the reference; see `madtheory.images.features`.
    reference : Images
        Real images that each generation is compared with.
    n_evaluation : int
        Images of each generation that are measured: made from the same seeds in every generation, with the
        bias of the loop, and untreated.
    about : mapping
        Further content of ``config.json``; the page shows its ``title`` and ``source``.
    tracker : {"tensorboard", "wandb", "mlflow"}, optional
        Tracker of accelerate that gets loss and speed of the training.

    Notes
    -----
    A folder holds

    - ``config.json``: what the run is;
    - ``metrics.jsonl``: one line for each generation, with its Frechet distance, precision, recall, the
      number of images it was trained on, the sha256 of its weights, or, for SIMS and Neon, of those of the
      base and of the auxiliary, and that of the line;
    - ``train.jsonl``: loss, learning rate, images per second and seconds left of each training, every half
      minute; the logger ``"madtheory"`` has the same lines;
    - ``grids``: pictures of real images, and of each generation from the same seeds, so that drift is seen;
    - ``report.html``: a page with the curves and the grids, that needs no other file;
    - ``store``: weights and checkpoints, and synthetic sets in shards, all with checksums.

    Several processes (``accelerate launch``) share the work of one run; they need one common folder.

    Examples
    --------
    >>> from madtheory import Loop, images, regimes
    >>> digits = images.datasets.digits()
    >>> run = Run(
    ...     loop=Loop(real=digits, model=images.ImageDiffusion(), regime=regimes.replace(n=800)),
    ...     generations=5,
    ...     features=images.features.random_convolutions(channels=1),
    ...     reference=images.datasets.digits("test").images,
    ...     n_evaluation=500,
    ... )
    >>> run.go("digits")  # doctest: +SKIP
    """

    loop: mad.Loop
    generations: int
    seed: int = 0
    features: Features
    reference: Images
    n_evaluation: int
    about: Mapping[str, Any] = field(default_factory=dict)
    tracker: str | None = None

    def __post_init__(self) -> None:
        check_size("generations", self.generations)
        check_tracker(self.tracker)
        object.__setattr__(self, "seed", check_seed(self.seed, "seed"))
        check_size("n_evaluation", self.n_evaluation, _LEAST)
        if not isinstance(self.reference, Images):
            raise TypeError(
                f"reference is a {type(self.reference).__name__}; pass the Images of a data set, such as "
                f"datasets.digits('test').images."
            )
        if len(self.reference) < _LEAST:
            raise ValueError(
                f"reference={self.reference!r} holds {len(self.reference)} images; pass {_LEAST} or more."
            )
        network = _network(self.loop.model)
        if network.store is not None:
            raise ValueError(
                f"store={str(network.store)!r}: the model of a run is kept in the run's own folder; leave "
                f"store out."
            )

    def go(self, folder: str | Path, *, progress: bool | None = None) -> list[Line]:
        """Run all generations in a folder, from where it was left; return the lines of ``metrics.jsonl``.

        Parameters
        ----------
        folder : path
            Folder of this run, which is made if it does not exist; a shorter run in it is made longer.
        progress : bool, optional
            A progress bar. Default: in a terminal.

        Raises
        ------
        ImageStoreError
            If the folder holds another run, for instance with edited code, or something else; if
            another process is at work on it; if a file cannot be written, for instance because the disk is
            full, or one is damaged. Finished work is kept, and the same call continues.
        ValueError
            If a part refers to something without an identity, such as a random generator.

        Notes
        -----
        After an interruption at any moment, the same call ends in the same files, bit for bit on the same
        device, apart from ``train.jsonl``, which has times. Generations that are finished are read.
        """
        return list(self.lines(folder, progress=progress))

    def lines(self, folder: str | Path, *, progress: bool | None = None) -> Iterator[Line]:
        """Yield the line of each generation when it is written; otherwise as `go`."""
        from tqdm import tqdm

        pillow()  # or an error now, and not after hours of training
        kept, network = RunFolder(check_path("folder", folder)), _network(self.loop.model)
        loop = replace(self.loop, model=_with_store(self.loop.model, kept, self.tracker))

        def processes() -> Any:
            # Not held from line to line: in between, accelerate is the caller's.
            return open_accelerator(network.device, network.training.precision)

        with processes() as accelerator:
            main = accelerator.is_main_process
        config = self._config() if main else {}
        with kept.lock(main):
            config = kept.begin(config) if main else {}
            found = kept.lines()
            drawn = [kept.grid(line["generation"]).exists() for line in found]
            # A process writes only after all processes have looked.
            with processes() as accelerator:
                accelerator.wait_for_everyone()
            if main:
                self._draw_real(kept)
            quiet = (None if progress is None else not progress) if main else True
            snapshots = islice(mad.iterate(loop, rng=self.seed), self.generations)
            bar = tqdm(snapshots, desc="generations", total=self.generations, delay=5.0, leave=False,
                       disable=quiet)  # fmt: skip
            for snapshot in bar:
                t, weights = snapshot.generation, _digest(snapshot.model)
                known = found[t - 1] if t <= len(found) else None
                if known is not None and known["weights"] != weights:
                    raise ImageStoreError(_mismatch(kept, t))
                if known is None or not drawn[t - 1]:
                    images = self._evaluation(snapshot.model)
                    if main:
                        kept.write(kept.grid(t), grid(images))
                        if known is None:
                            about = {"n_training": len(snapshot.training_set), "weights": weights}
                            measured = self._measure(images, kept)
                            kept.add({"generation": t, **measured, **about})
                            numbers = ", ".join(f"{name} {value:.4g}" for name, value in measured.items())
                            logger.info("generation %d of %d: %s", t, self.generations, numbers)
                if main and t >= len(found):
                    kept.write(kept.report, report(kept, config))
                with processes() as accelerator:
                    accelerator.wait_for_everyone()
                yield kept.lines()[t - 1]

    def _evaluation(self, model: Any) -> Images:
        bias = {} if self.loop.bias is None else {"bias": self.loop.bias}
        rng = np.random.default_rng([self.seed, _EVALUATION])
        images: Images = model.sample(self.n_evaluation, rng=rng, **bias)
        return images

    def _measure(self, images: Images, kept: RunFolder) -> dict[str, float]:
        return measured(images, reference=self.reference, features=self.features, store=kept.store)

    def _draw_real(self, kept: RunFolder) -> None:
        if not kept.real.exists():
            chosen = np.random.default_rng(0).permutation(len(self.reference))[: self.n_evaluation]
            kept.write(kept.real, grid(self.reference.select(chosen)))

    def _content(self) -> dict[str, str]:
        """Return digests of the parts of the run, including code, by the names of `plain`."""
        loop = _settled(self.loop)
        parts: dict[str, Any] = {
            f"loop.{each.name}": getattr(loop, each.name)
            for each in fields(loop)
            if each.name != "treatments"
        }
        parts |= {f"loop.treatments.{i}": each for i, each in enumerate(loop.treatments)}
        parts["the code of the loop"] = mad.iterate
        parts["the code of the measurements"] = (measured, Run._evaluation)
        return contents(parts) | {"features": self.features.content}

    def _config(self) -> dict[str, Any]:
        return {
            "format": 1,
            "about": dict(self.about),
            "run": {
                "generations": self.generations,
                "seed": self.seed,
                "n_evaluation": self.n_evaluation,
                "features": self.features.name,
                "reference": self.reference.fingerprint(),
                "regime": self.loop.regime.name,
                "loop": plain(_settled(self.loop)),
            },
            "how": plain(_how(_network(self.loop.model))),
            "content": self._content(),
            "versions": {"python": platform.python_version(), "madtheory": mad.__version__}
            | {name: version(name) for name in _LIBRARIES},
        }


def _network(model: Any) -> Any:
    """Return the network of a model, or of the base of SIMS or Neon."""
    while hasattr(model, "base"):
        model = model.base
    if not (hasattr(model, "store") and hasattr(model, "training")):
        raise TypeError(
            f"loop.model is a {type(model).__name__}, which is not an ImageDiffusion, nor SIMS or "
            f"Neon of one: it does not use a folder. Pass one of these, or use iterate(loop)."
        )
    return model


def _settled(loop: mad.Loop) -> mad.Loop:
    """Return the loop without what has no effect on its results."""

    def settle(model: Any) -> Any:
        if hasattr(model, "base"):
            return replace(model, base=settle(model.base))
        return model.settled() if isinstance(model, ImageDiffusion) else model

    return replace(loop, model=settle(loop.model))


def _how(network: Any) -> dict[str, Any]:
    """Return what a run may change from call to call: for the reader of a page, and never compared."""
    return {
        "device": network.device,
        "batch": getattr(network, "batch", None),
        "accumulate": getattr(network.training, "accumulate", None),
    }


def _with_store(model: Any, kept: RunFolder, tracker: str | None) -> Any:
    """Return the same model with the store and the log of a run."""
    if hasattr(model, "base"):
        return replace(model, base=_with_store(model.base, kept, tracker))
    if not isinstance(model, ImageDiffusion):
        return replace(model, store=kept.store)
    return replace(model, store=kept.store, training=replace(model.training, log=kept.path, tracker=tracker))


def _digest(model: Any) -> str:
    """Return the sha256 of the weights of a fitted model."""
    if not hasattr(model, "base"):
        return str(fingerprint(model.weights))
    both = _digest(model.base) + _digest(model.auxiliary)
    return hashlib.sha256(both.encode()).hexdigest()


def _mismatch(kept: RunFolder, generation: int) -> str:
    return (
        f"generation {generation} has other weights than those that {str(kept.metrics)!r} records: the real "
        f"data, a reward or a library has changed, or the store was lost and the device is another. Restore "
        f"it, or choose a new folder."
    )
