"""Python programs in processes of their own, forked from one that has imported what they need.

A fork starts at once, and a new interpreter after seconds of imports. For programs whose imports are not
what is tested.
"""

import multiprocessing
import os
import sys
import tempfile
import types
from pathlib import Path
from typing import NamedTuple

PRELOADED = [
    "pytest", "madtheory.storage", "madtheory.treatments", "netCDF4", "xarray",
    "accelerate", "diffusers.models.unets.unet_2d", "matplotlib.figure", "matplotlib.style",
]  # fmt: skip
"""Also what the tests of images need: a process has one server, and whoever comes first starts it."""


class Finished(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def start_program(source, *arguments, folder=None, output=os.devnull):
    """Start a program, and return its process (of `multiprocessing`); it writes to the files `output`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    outputs = (output, output) if output == os.devnull else output
    strings = [str(argument) for argument in arguments]
    child = context.Process(target=execute, args=(source, strings, str(folder or Path.cwd()), outputs))
    child.start()
    return child


def run_program(source, *arguments, folder=None):
    """Run a program to its end."""
    with tempfile.TemporaryDirectory() as held:
        output = [Path(held, name) for name in ("stdout", "stderr")]
        child = start_program(source, *arguments, folder=folder, output=output)
        child.join()
        return Finished(child.exitcode, *(path.read_text() for path in output))


def execute(source, arguments, folder, outputs):
    """Do in a fork what an interpreter does with a script."""
    os.chdir(folder)
    for stream, path in zip((1, 2), outputs, strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    sys.argv = ["script.py", *arguments]
    sys.modules["__main__"] = module = types.ModuleType("__main__")
    exec(compile(source, "script.py", "exec"), module.__dict__)
